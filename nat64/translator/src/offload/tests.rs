//! Partial checksums and super-packets, judged by doing what the kernel does with what leaves.

use super::*;
use crate::checksum::{Pair, Summed};
use crate::next_hop::Mtu;
use crate::testing::*;
use crate::translator::UdpZeroChecksum;
use crate::verdict::{Direction, Reply, Verdict};
use crate::wire::ipv4::Ipv4;
use crate::wire::ipv6::Ipv6;
use etherparse::{Icmpv6Type, IpNumber};

/// Where a header of the given family ends.
fn ip_len(packet: &[u8]) -> usize {
    if packet[0] >> 4 == 4 { 20 } else { 40 }
}

/// Puts the sum of the pseudo-header into the checksum of `packet`, as a sender with checksum offload does.
fn make_partial<A: Summed>(packet: &mut [u8], pair: Pair<A>, protocol: u8, offset: u16) -> VnetHeader {
    let start = ip_len(packet);
    let sum = pair.pseudo_header(protocol, packet.len() - start).folded();
    set_word(&mut packet[start..], offset.into(), sum);
    VnetHeader {
        flags: NEEDS_CSUM,
        csum_start: u16::try_from(start).unwrap(),
        csum_offset: offset,
        ..VnetHeader::default()
    }
}

/// A TCP packet of the client with a partial checksum.
fn tcp_out(payload: usize, gso_size: u16) -> (Vec<u8>, VnetHeader) {
    let pair = Pair { src: CLIENT, dst: REMOTE_V6 };
    let mut packet = ipv6(CLIENT, REMOTE_V6, IpNumber::TCP, &tcp6(CLIENT, REMOTE_V6, &bytes(payload)));
    let vnet = make_partial(&mut packet, pair, TCP, 16);
    let gso_type = if gso_size > 0 { GSO_TCPV6 } else { GSO_NONE };
    // The length the kernel gives here may be anything.
    (packet, VnetHeader { gso_type, gso_size, hdr_len: 9999, ..vnet })
}

/// A TCP packet of the remote host with a partial checksum.
fn tcp_in(payload: usize, gso_size: u16, dont_fragment: bool) -> (Vec<u8>, VnetHeader) {
    let pair = Pair { src: REMOTE, dst: LEASED };
    let segment = tcp4(REMOTE, LEASED, &bytes(payload));
    let mut packet =
        ipv4_with(REMOTE, LEASED, IpNumber::TCP, &segment, |header| header.dont_fragment = dont_fragment);
    let vnet = make_partial(&mut packet, pair, TCP, 16);
    let gso_type = if gso_size > 0 { GSO_TCPV4 } else { GSO_NONE };
    (packet, VnetHeader { gso_type, gso_size, ..vnet })
}

/// A UDP super-packet of the remote host.
fn udp_super(payload: usize, gso_size: u16, dont_fragment: bool) -> (Vec<u8>, VnetHeader) {
    let pair = Pair { src: REMOTE, dst: LEASED };
    let mut packet =
        ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, &bytes(payload)), |header| {
            header.dont_fragment = dont_fragment;
            header.identification = 100;
        });
    let vnet = make_partial(&mut packet, pair, UDP, 6);
    (packet, VnetHeader { gso_type: GSO_UDP_L4, gso_size, ..vnet })
}

impl World {
    fn offloaded(&mut self, (packet, vnet): &(Vec<u8>, VnetHeader)) -> Verdict {
        self.frame.set_packet(packet);
        self.frame.vnet = *vnet;
        self.run()
    }

    /// Completes what left, as the kernel would, and judges it.
    fn completed(&mut self) -> Vec<u8> {
        assert_eq!(self.frame.vnet.flags, NEEDS_CSUM);
        complete(&mut self.frame);
        judge(self.frame.packet());
        self.frame.packet().to_vec()
    }
}

#[test]
fn partial_checksums_stay_partial_and_complete_to_the_right_one() {
    let mut world = World::new();
    assert_eq!(world.offloaded(&tcp_out(100, 0)), Verdict::Forward(Direction::V6ToV4));
    let vnet = world.frame.vnet;
    assert_eq!((vnet.csum_start, vnet.csum_offset, vnet.gso_type), (20, 16, GSO_NONE));
    world.completed();
    assert_eq!(world.offloaded(&tcp_in(100, 0, true)), Verdict::Forward(Direction::V4ToV6));
    let vnet = world.frame.vnet;
    assert_eq!((vnet.csum_start, vnet.csum_offset, vnet.gso_type), (40, 16, GSO_NONE));
    world.completed();
}

#[test]
fn partial_echo_gains_and_loses_the_pseudo_header() {
    let mut world = World::new();
    let message = icmp6(CLIENT, REMOTE_V6, Icmpv6Type::EchoRequest(ECHO), b"hello");
    let mut packet = ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_ICMP, &message);
    let vnet = make_partial(&mut packet, Pair { src: CLIENT, dst: REMOTE_V6 }, ICMPV6, 2);
    assert_eq!(world.offloaded(&(packet, vnet)), Verdict::Forward(Direction::V6ToV4));
    world.completed();
    let mut message = icmp4(etherparse::Icmpv4Type::EchoRequest(ECHO), b"hello");
    message[2..4].fill(0);
    let packet = ipv4(REMOTE, LEASED, IpNumber::ICMP, &message);
    let vnet = VnetHeader { csum_start: 20, ..vnet };
    assert_eq!(world.offloaded(&(packet, vnet)), Verdict::Forward(Direction::V4ToV6));
    world.completed();
}

#[test]
fn tcp_super_packets_cross_as_one() {
    let mut world = World::new();
    assert_eq!(world.offloaded(&tcp_out(60_000, 1428)), Verdict::Forward(Direction::V6ToV4));
    let expect = VnetHeader {
        flags: NEEDS_CSUM,
        gso_type: GSO_TCPV4,
        hdr_len: 20 + 32,
        gso_size: 1428,
        csum_start: 20,
        csum_offset: 16,
    };
    assert_eq!(world.frame.vnet, expect);
    let out = Ipv4::copy_from(&world.completed()).unwrap();
    assert!(out.dont_fragment(), "segments of 1480 bytes");

    assert_eq!(world.offloaded(&tcp_in(60_000, 1428, true)), Verdict::Forward(Direction::V4ToV6));
    let expect = VnetHeader { gso_type: GSO_TCPV6, hdr_len: 40 + 32, csum_start: 40, ..expect };
    assert_eq!(world.frame.vnet, expect);
    assert_eq!(world.completed().len(), 40 + 32 + 60_000);
}

#[test]
fn ecn_bit_of_the_segmentation_type_is_kept() {
    let (packet, vnet) = tcp_out(5000, 1428);
    let mut world = World::new();
    world.offloaded(&(packet, VnetHeader { gso_type: GSO_TCPV6 | GSO_ECN, ..vnet }));
    assert_eq!(world.frame.vnet.gso_type, GSO_TCPV4 | GSO_ECN);
}

#[test]
fn dont_fragment_and_identifications_follow_the_segment_size() {
    let mut world = World::new();
    world.offloaded(&tcp_out(5000, 1208));
    let out = Ipv4::copy_from(world.frame.packet()).unwrap();
    assert_eq!((out.dont_fragment(), out.identification()), (false, 0x4242));
    world.offloaded(&tcp_out(5000, 1209));
    assert!(Ipv4::copy_from(world.frame.packet()).unwrap().dont_fragment());
    world.offloaded(&tcp_out(100, 0));
    let out = Ipv4::copy_from(world.frame.packet()).unwrap();
    assert_eq!(out.identification(), 0x4242 + 5, "one for each segment");
}

#[test]
fn extension_headers_in_front_of_a_super_packet_are_removed() {
    let (packet, vnet) = tcp_out(5000, 1428);
    let mut extended = packet[..40].to_vec();
    extended.extend_from_slice(&[6, 0, 1, 4, 0, 0, 0, 0]);
    extended.extend_from_slice(&packet[40..]);
    extended[6] = 60;
    let len = u16::try_from(extended.len() - 40).unwrap();
    extended[4..6].copy_from_slice(&len.to_be_bytes());
    let mut world = World::new();
    let vnet = VnetHeader { csum_start: 48, ..vnet };
    assert_eq!(world.offloaded(&(extended, vnet)), Verdict::Forward(Direction::V6ToV4));
    assert_eq!((world.frame.vnet.csum_start, world.frame.vnet.gso_size), (20, 1428));
    world.completed();
}

#[test]
fn super_packet_of_a_single_segment_leaves_without_segmentation() {
    let mut world = World::new();
    world.offloaded(&tcp_out(1428, 1428));
    assert_eq!((world.frame.vnet.gso_type, world.frame.vnet.gso_size), (GSO_NONE, 0));
    world.completed();
}

#[test]
fn tcp_super_packets_without_df_get_smaller_segments() {
    let mut world = World::new();
    assert_eq!(world.offloaded(&tcp_in(60_000, 1448, false)), Verdict::Forward(Direction::V4ToV6));
    assert_eq!(world.frame.vnet.gso_size, 1280 - 40 - 32);
}

#[test]
fn udp_super_packets_cross_as_one_where_their_datagrams_fit() {
    let mut world = World::new();
    assert_eq!(world.offloaded(&udp_super(14_000, 1400, true)), Verdict::Forward(Direction::V4ToV6));
    let vnet = world.frame.vnet;
    assert_eq!((vnet.gso_type, vnet.gso_size, vnet.hdr_len), (GSO_UDP_L4, 1400, 48));
    assert_eq!((vnet.csum_start, vnet.csum_offset), (40, 6));
}

#[test]
fn udp_super_packets_whose_datagrams_do_not_fit_are_split_into_fragments() {
    let mut world = World::new();
    assert_eq!(world.offloaded(&udp_super(3000, 1400, false)), Verdict::Split(Direction::V4ToV6));
    let fragments = world.fragments();
    let sizes: Vec<_> = fragments.iter().map(Vec::len).collect();
    assert_eq!(sizes, [1280, 48 + 176, 1280, 48 + 176, 48 + 200]);
    let ids: Vec<_> = fragments[..4].iter().map(|packet| word(packet, 46)).collect();
    assert_eq!(ids, [100, 100, 101, 101]);
    let datagram = [&fragments[0][48..], &fragments[1][48..]].concat();
    assert_eq!(datagram[8..], bytes(1400));
    judge(&ipv6(REMOTE_V6, CLIENT, IpNumber::UDP, &datagram));
    assert!(world.state.fragments().iter().all(|frame| frame.vnet == VnetHeader::default()));
}

#[test]
fn partial_checksum_is_completed_before_a_packet_is_fragmented() {
    let (packet, vnet) = udp_super(1400, 0, false);
    let mut world = World::new();
    let vnet = VnetHeader { gso_type: GSO_NONE, ..vnet };
    assert_eq!(world.offloaded(&(packet, vnet)), Verdict::Split(Direction::V4ToV6));
    let whole: Vec<_> = world.fragments().iter().flat_map(|packet| packet[48..].to_vec()).collect();
    judge(&ipv6(REMOTE_V6, CLIENT, IpNumber::UDP, &whole));
}

#[test]
fn partial_checksum_is_completed_before_a_packet_is_fragmented_for_ipv4() {
    let (packet, vnet) = tcp_out(1000, 0);
    let mut world = World::with(|params| params.mtu_v4 = Mtu::Fixed(600));
    assert_eq!(world.offloaded(&(packet, vnet)), Verdict::Split(Direction::V6ToV4));
    let whole: Vec<_> = world.fragments().iter().flat_map(|packet| packet[20..].to_vec()).collect();
    judge(&ipv4(LEASED, REMOTE, IpNumber::TCP, &whole));
}

#[test]
fn error_about_a_super_packet_quotes_its_first_segment() {
    let mut world = World::with(|params| params.mtu_v6 = Mtu::Fixed(1400));
    let mut expired = tcp_in(60_000, 500, true);
    expired.0[8] = 1;
    let mut header = Ipv4(*expired.0.first_chunk().unwrap());
    header.fill_checksum();
    expired.0[..20].copy_from_slice(header.bytes());
    assert_eq!(world.offloaded(&expired), Verdict::Reply(Reply::Error(DropReason::HopLimit)));
    assert_eq!(world.frame.vnet, VnetHeader::default());
    judge(world.frame.packet());
    let quoted = &world.frame.packet()[28..];
    assert_eq!((quoted.len(), word(quoted, 2)), (548, 20 + 32 + 500));
    assert_eq!(quoted[20 + 13] & 0x09, 0, "PSH belongs to the last segment");

    let (mut packet, vnet) = tcp_out(60_000, 1000);
    packet[7] = 1;
    assert_eq!(world.offloaded(&(packet, vnet)), Verdict::Reply(Reply::Error(DropReason::HopLimit)));
    let quoted = world.frame.packet()[48..].to_vec();
    judge(world.frame.packet());
    judge(&quoted);
    assert_eq!(quoted.len(), 40 + 32 + 1000);
}

#[test]
fn super_packet_too_big_for_the_link_is_answered_once() {
    let mut world = World::with(|params| params.mtu_v6 = Mtu::Fixed(1400));
    assert_eq!(
        world.offloaded(&tcp_in(60_000, 1448, true)),
        Verdict::Reply(Reply::Error(DropReason::TooBig))
    );
    assert_eq!(word(world.frame.packet(), 26), 1380);
}

#[test]
fn checksum_inside_a_tunnel_is_completed_here() {
    let inner = [0x55; 40];
    let payload = [&[0; 8][..], &inner].concat();
    let packet = ipv6(CLIENT, REMOTE_V6, IpNumber::from(47), &payload);
    let vnet = VnetHeader { flags: NEEDS_CSUM, csum_start: 48, csum_offset: 16, ..VnetHeader::default() };
    let mut world = World::new();
    assert_eq!(world.offloaded(&(packet, vnet)), Verdict::Forward(Direction::V6ToV4));
    assert_eq!(world.frame.vnet, VnetHeader::default());
    assert_eq!(word(world.frame.packet(), 20 + 8 + 16), Sum::of(&inner).checksum());
}

#[test]
fn partial_checksum_in_an_error_is_completed() {
    let mut world = World::new();
    let message = raw_icmp6(CLIENT, REMOTE_V6, 1, 4, [0; 4], &World::new().forward(&udp_in(b"x")));
    let mut packet = ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_ICMP, &message);
    let vnet = make_partial(&mut packet, Pair { src: CLIENT, dst: REMOTE_V6 }, ICMPV6, 2);
    assert_eq!(world.offloaded(&(packet, vnet)), Verdict::Forward(Direction::V6ToV4));
    judge(world.frame.packet());
    assert_eq!(world.frame.vnet, VnetHeader::default());
}

#[test]
fn partial_checksum_in_an_icmpv4_error_is_completed() {
    let mut world = World::new();
    let mut message = raw_icmp4(3, 3, [0; 4], &World::new().forward(&udp_out(b"x")));
    message[2..4].fill(0);
    let packet = ipv4(REMOTE, LEASED, IpNumber::ICMP, &message);
    let vnet = VnetHeader { flags: NEEDS_CSUM, csum_start: 20, csum_offset: 2, ..VnetHeader::default() };
    assert_eq!(world.offloaded(&(packet, vnet)), Verdict::Forward(Direction::V4ToV6));
    judge(world.frame.packet());
}

#[test]
fn partial_checksum_of_a_ping_to_an_own_address_is_completed() {
    let mut world = World::new();
    let message = icmp6(CLIENT, OWN_V6, Icmpv6Type::EchoRequest(ECHO), b"hello");
    let mut packet = ipv6(CLIENT, OWN_V6, IpNumber::IPV6_ICMP, &message);
    let vnet = make_partial(&mut packet, Pair { src: CLIENT, dst: OWN_V6 }, ICMPV6, 2);
    assert_eq!(world.offloaded(&(packet, vnet)), Verdict::Reply(Reply::Echo));
    judge(world.frame.packet());
    let mut message = icmp4(etherparse::Icmpv4Type::EchoRequest(ECHO), b"hello");
    message[2..4].fill(0);
    let packet = ipv4(REMOTE, OWN_V4, IpNumber::ICMP, &message);
    assert_eq!(
        world.offloaded(&(packet, VnetHeader { csum_start: 20, ..vnet })),
        Verdict::Reply(Reply::Echo)
    );
    judge(world.frame.packet());
    assert_eq!(world.frame.vnet, VnetHeader::default());
}

#[test]
fn vnet_headers_that_contradict_the_packet_are_dropped() {
    let (packet, good) = tcp_out(5000, 1428);
    for bad in [
        VnetHeader { csum_start: 39, ..good },
        VnetHeader { csum_start: 39, gso_type: GSO_NONE, ..good },
        VnetHeader { csum_start: 41, ..good },
        VnetHeader { csum_offset: 6, ..good },
        VnetHeader { csum_offset: u16::MAX, csum_start: u16::MAX, ..good },
        VnetHeader { flags: 0, ..good },
        VnetHeader { gso_size: 0, ..good },
        VnetHeader { gso_type: GSO_TCPV4, ..good },
        VnetHeader { gso_type: GSO_UDP_L4, ..good },
        VnetHeader { gso_type: 3, ..good },
    ] {
        let verdict = World::new().offloaded(&(packet.clone(), bad));
        assert_eq!(verdict, Verdict::Drop(DropReason::VnetHeader), "{bad:?}");
    }
    let fragment = fragmented(IpNumber::TCP, 0, true, 1, &packet[40..1000]);
    let fragment = ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &fragment);
    let vnet = VnetHeader { csum_start: 48, ..good };
    assert_eq!(World::new().offloaded(&(fragment, vnet)), Verdict::Drop(DropReason::VnetHeader));
}

#[test]
fn complete_checksums_leave_with_an_empty_vnet_header() {
    const DATA_VALID: u8 = 2;
    let mut world = World::with(|params| params.udp_zero_checksum = UdpZeroChecksum::Forward);
    world.offloaded(&(udp_out(b"x"), VnetHeader { flags: DATA_VALID, hdr_len: 77, ..VnetHeader::default() }));
    assert_eq!(world.frame.vnet, VnetHeader::default());
    judge(world.frame.packet());
}

#[test]
fn header_values_survive_the_wire() {
    let vnet = VnetHeader {
        flags: 1,
        gso_type: 0x84,
        hdr_len: 0x0102,
        gso_size: 0x0304,
        csum_start: 0x0506,
        csum_offset: 0x0708,
    };
    assert_eq!(VnetHeader::parse(&vnet.emit()), vnet);
    assert_eq!(vnet.emit()[..2], [1, 0x84]);
    assert_eq!(vnet.emit()[2..4], 0x0102_u16.to_ne_bytes());
    assert_eq!(vnet.gso(), GsoType::TcpV6);
    assert_eq!(VnetHeader { gso_type: 3, ..vnet }.gso(), GsoType::Unknown);
    assert_eq!(Ipv6::LEN, 40);
}

/// A UDP datagram of 200 bytes in two pieces, the first with a partial checksum that already holds the sum of the second.
fn partial_pieces<A: Summed>(pair: Pair<A>, mut datagram: Vec<u8>) -> [Vec<u8>; 2] {
    let rest = datagram.split_off(104);
    let sum = pair.pseudo_header(UDP, 208).plus(Sum::of(&rest)).folded();
    set_word(&mut datagram, 6, sum);
    [datagram, rest]
}

#[test]
fn first_fragments_with_partial_checksums_reassemble_to_right_ones_in_ipv4() {
    let pair = Pair { src: CLIENT, dst: REMOTE_V6 };
    let pieces = partial_pieces(pair, udp6(CLIENT, REMOTE_V6, &bytes(200)));
    let mut world = World::new();
    let mut cross = |offset, piece: &[u8], flags| {
        let payload = fragmented(IpNumber::UDP, offset, offset == 0, 7, piece);
        let packet = ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &payload);
        let vnet = VnetHeader { flags, csum_start: 48, csum_offset: 6, ..VnetHeader::default() };
        assert_eq!(world.offloaded(&(packet, vnet)), Verdict::Forward(Direction::V6ToV4));
        assert_eq!(world.frame.vnet, VnetHeader::default());
        world.frame.packet()[20..].to_vec()
    };
    let whole = [cross(0, &pieces[0], NEEDS_CSUM), cross(104, &pieces[1], 0)].concat();
    judge(&ipv4(LEASED, REMOTE, IpNumber::UDP, &whole));
}

#[test]
fn first_fragments_with_partial_checksums_reassemble_to_right_ones_in_ipv6() {
    let pair = Pair { src: REMOTE, dst: LEASED };
    let pieces = partial_pieces(pair, udp4(REMOTE, LEASED, &bytes(200)));
    let mut world = World::new();
    let mut cross = |offset: u16, piece: &[u8], flags| {
        let packet = ipv4_with(REMOTE, LEASED, IpNumber::UDP, piece, |header| {
            header.more_fragments = offset == 0;
            header.fragment_offset = etherparse::IpFragOffset::try_new(offset / 8).unwrap();
        });
        let vnet = VnetHeader { flags, csum_start: 20, csum_offset: 6, ..VnetHeader::default() };
        assert_eq!(world.offloaded(&(packet, vnet)), Verdict::Forward(Direction::V4ToV6));
        assert_eq!(world.frame.vnet, VnetHeader::default());
        world.frame.packet()[48..].to_vec()
    };
    let whole = [cross(0, &pieces[0], NEEDS_CSUM), cross(104, &pieces[1], 0)].concat();
    judge(&ipv6(REMOTE_V6, CLIENT, IpNumber::UDP, &whole));
}
