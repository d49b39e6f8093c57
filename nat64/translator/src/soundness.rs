//! Whatever leaves is right to etherparse: packets, fragments once etherparse has put them together, super-packets once
//! their checksum is complete, errors and replies, and what errors quote.

use crate::checksum::{Pair, Sum};
use crate::offload::{self, VnetHeader};
use crate::testing::*;
use crate::translator::UdpZeroChecksum;
use crate::verdict::{DropReason, Verdict};
use crate::wire::protocol;
use crate::wire::quoted::set_word;
use etherparse::defrag::IpDefragPool;
use etherparse::{
    Icmpv4Type, Icmpv6Type, IpNumber, Ipv4HeaderSlice, LaxSlicedPacket, NetSlice, SlicedPacket,
    TransportSlice,
};
use proptest::prelude::*;

/// What a generated packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Udp,
    Tcp,
    Echo,
    /// An ICMP error about a UDP datagram that went the other way.
    Error,
    /// An echo request to the translator.
    ToSelf,
}

/// A packet of the client or of the remote host.
#[derive(Clone, Debug)]
struct Sent {
    kind: Kind,
    from_client: bool,
    payload: usize,
    hops: u8,
    dont_fragment: bool,
    /// Options, or an extension header.
    has_options: bool,
    /// What is left to whoever sends the packet on: nothing, its checksum (0), or also its cutting into segments with
    /// so many payload bytes each.
    left: Option<u16>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let kinds =
        prop::sample::select(vec![Kind::Udp, Kind::Udp, Kind::Tcp, Kind::Echo, Kind::Error, Kind::ToSelf]);
    let sizes = prop_oneof![0_usize..100, 1180_usize..1520, 0_usize..9000];
    let segments = prop::option::weighted(0.3, 200_u16..1440);
    let hops = prop::sample::select(vec![64_u8, 64, 64, 2, 1]);
    (kinds, any::<bool>(), sizes, hops, any::<[bool; 3]>(), segments).prop_map(
        |(kind, from_client, payload, hops, [dont_fragment, has_options, is_partial], segment)| {
            let can_be_left = matches!(kind, Kind::Udp | Kind::Tcp);
            let segment = segment.filter(|size| usize::from(*size) < payload);
            let left = segment.or(is_partial.then_some(0)).filter(|_| can_be_left);
            Sent { kind, from_client, payload, hops, dont_fragment, has_options, left }
        },
    )
}

impl Sent {
    fn packet(&self) -> (Vec<u8>, VnetHeader) {
        let (mut packet, transport) = if self.from_client { self.of_client() } else { self.of_remote() };
        let vnet = match self.left {
            Some(size) => self.make_partial(&mut packet, transport, size),
            None => VnetHeader::default(),
        };
        (packet, vnet)
    }

    /// The packet, and where its transport is.
    fn of_client(&self) -> (Vec<u8>, usize) {
        let payload = bytes(self.payload);
        let dst = if self.kind == Kind::ToSelf { OWN_V6 } else { REMOTE_V6 };
        let (number, message) = match self.kind {
            Kind::Udp => (IpNumber::UDP, udp6(CLIENT, dst, &payload)),
            Kind::Tcp => (IpNumber::TCP, tcp6(CLIENT, dst, &payload)),
            Kind::Echo | Kind::ToSelf => {
                (IpNumber::IPV6_ICMP, icmp6(CLIENT, dst, Icmpv6Type::EchoRequest(ECHO), &payload))
            }
            Kind::Error => {
                let quoted = ipv6(REMOTE_V6, CLIENT, IpNumber::UDP, &udp6(REMOTE_V6, CLIENT, &payload));
                let quoted = &quoted[..quoted.len().min(1232)];
                (IpNumber::IPV6_ICMP, raw_icmp6(CLIENT, dst, 1, 4, [0; 4], quoted))
            }
        };
        let (number, body) = if self.has_options {
            // Destination options that are nothing but padding.
            (IpNumber::IPV6_DESTINATION_OPTIONS, [&[number.0, 0, 1, 4, 0, 0, 0, 0], &message[..]].concat())
        } else {
            (number, message)
        };
        let packet = ipv6_with(CLIENT, dst, number, &body, |header| header.hop_limit = self.hops);
        (packet, if self.has_options { 48 } else { 40 })
    }

    fn of_remote(&self) -> (Vec<u8>, usize) {
        let payload = bytes(self.payload);
        let dst = if self.kind == Kind::ToSelf { OWN_V4 } else { LEASED };
        let (number, message) = match self.kind {
            Kind::Udp => (IpNumber::UDP, udp4(REMOTE, dst, &payload)),
            Kind::Tcp => (IpNumber::TCP, tcp4(REMOTE, dst, &payload)),
            Kind::Echo | Kind::ToSelf => (IpNumber::ICMP, icmp4(Icmpv4Type::EchoRequest(ECHO), &payload)),
            Kind::Error => {
                let quoted = ipv4(LEASED, REMOTE, IpNumber::UDP, &udp4(LEASED, REMOTE, &payload));
                (IpNumber::ICMP, raw_icmp4(3, 3, [0; 4], &quoted[..quoted.len().min(548)]))
            }
        };
        let packet = ipv4_with(REMOTE, dst, number, &message, |header| {
            header.time_to_live = self.hops;
            header.dont_fragment = self.dont_fragment;
            header.identification = 77;
            if self.has_options {
                header.options = [1, 1, 1, 0].into();
            }
        });
        (packet, if self.has_options { 24 } else { 20 })
    }

    /// Leaves nothing in the checksum but the sum of the pseudo-header.
    fn make_partial(&self, packet: &mut [u8], transport: usize, gso_size: u16) -> VnetHeader {
        let (number, offset, segments) = match (self.kind, self.from_client) {
            (Kind::Udp, _) => (protocol::UDP, 6_u16, 5),
            (_, true) => (protocol::TCP, 16, 4),
            (_, false) => (protocol::TCP, 16, 1),
        };
        let len = packet.len() - transport;
        let pseudo_header: Sum = if self.from_client {
            Pair { src: CLIENT, dst: REMOTE_V6 }.pseudo_header(number, len)
        } else {
            Pair { src: REMOTE, dst: LEASED }.pseudo_header(number, len)
        };
        set_word(&mut packet[transport..], offset.into(), pseudo_header.folded());
        VnetHeader {
            flags: offload::NEEDS_CSUM,
            gso_type: if gso_size > 0 { segments } else { 0 },
            gso_size,
            csum_start: u16::try_from(transport).unwrap(),
            csum_offset: offset,
            hdr_len: 0,
        }
    }
}

/// Judges a packet and, if it is an error, the packet that it quotes.
fn judge_whole(packet: &[u8]) {
    judge(packet);
    let parsed = LaxSlicedPacket::from_ip(packet).unwrap();
    let quoted = match &parsed.transport {
        Some(TransportSlice::Icmpv4(icmp)) if [3, 11, 12].contains(&icmp.type_u8()) => icmp.payload(),
        Some(TransportSlice::Icmpv6(icmp)) if icmp.type_u8() < 128 => icmp.payload(),
        _ => return,
    };
    if let Ok(header) = Ipv4HeaderSlice::from_slice(quoted) {
        let header = header.to_header();
        assert_eq!(header.header_checksum, header.calc_header_checksum(), "quoted IPv4 header checksum");
    }
    // What is quoted to its last byte can be judged like a packet.
    let is_whole = SlicedPacket::from_ip(quoted).is_ok_and(|quoted| !quoted.is_ip_payload_fragmented());
    if is_whole {
        judge(quoted);
    }
}

/// Judges fragments and whole packets, which leave in the order given, and returns how many packets they make.
fn judge_split(packets: &[Vec<u8>]) -> usize {
    let mut pool = IpDefragPool::<(), ()>::new();
    let mut packets_made = 0;
    for packet in packets {
        judge(packet);
        let sliced = SlicedPacket::from_ip(packet).unwrap();
        if !sliced.is_ip_payload_fragmented() {
            packets_made += 1;
            continue;
        }
        let Some(whole) = pool.process_sliced_packet(&sliced, (), ()).unwrap() else { continue };
        packets_made += 1;
        match sliced.net {
            Some(NetSlice::Ipv4(ip)) => {
                let (src, dst) = (ip.header().source_addr(), ip.header().destination_addr());
                judge(&ipv4(src, dst, whole.ip_number, &whole.payload));
            }
            Some(NetSlice::Ipv6(ip)) => {
                let (src, dst) = (ip.header().source_addr(), ip.header().destination_addr());
                judge(&ipv6(src, dst, whole.ip_number, &whole.payload));
            }
            other => panic!("{other:?}"),
        }
    }
    packets_made
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn whatever_leaves_is_right_to_etherparse(
        sent in sent(),
        mtu_v4 in prop::sample::select(vec![576_u16, 1280, 1500, 9000]),
        mtu_v6 in prop::sample::select(vec![1280_u16, 1400, 1500, 9000]),
    ) {
        let mut world = World::with(|params| {
            params.mtu_v4 = crate::next_hop::Mtu::Fixed(mtu_v4);
            params.mtu_v6 = crate::next_hop::Mtu::Fixed(mtu_v6);
            params.udp_zero_checksum = UdpZeroChecksum::Calculate;
        });
        let (packet, vnet) = sent.packet();
        world.frame.set_packet(&packet);
        world.frame.vnet = vnet;
        match world.run() {
            Verdict::Forward(_) | Verdict::Reply(_) => {
                offload::complete(&mut world.frame);
                judge_whole(world.frame.packet());
            }
            Verdict::Split(_) => {
                let size = sent.left.filter(|size| *size > 0).map_or(usize::MAX, usize::from);
                let packets = sent.payload.div_ceil(size).max(1);
                prop_assert_eq!(judge_split(&world.fragments()), packets);
            }
            // There are no errors about errors.
            Verdict::Drop(DropReason::HopLimit | DropReason::TooBig) => prop_assert_eq!(sent.kind, Kind::Error),
            Verdict::Drop(reason) => prop_assert!(false, "{:?}", reason),
        }
    }

    #[test]
    fn errors_about_packets_of_any_size_are_right_to_etherparse(sent in sent(), expired in any::<bool>()) {
        let kind = if matches!(sent.kind, Kind::Error | Kind::ToSelf) { Kind::Echo } else { sent.kind };
        let sent = Sent { kind, hops: if expired { 1 } else { sent.hops }, ..sent };
        let (packet, vnet) = sent.packet();
        // Nobody has this address.
        let mut world = World::with(|_| {});
        world.pool.hosts.clear();
        world.pool.free = 0;
        world.frame.set_packet(&packet);
        world.frame.vnet = vnet;
        let verdict = world.run();
        prop_assert!(matches!(verdict, Verdict::Reply(reply) if reply != crate::Reply::Echo), "{:?}", verdict);
        judge_whole(world.frame.packet());
        let from = SlicedPacket::from_ip(world.frame.packet()).unwrap();
        let is_own = match from.net {
            Some(NetSlice::Ipv4(ip)) => ip.header().source_addr() == OWN_V4,
            Some(NetSlice::Ipv6(ip)) => ip.header().source_addr() == OWN_V6,
            _ => false,
        };
        prop_assert!(is_own);
    }
}
