use super::shape::pseudo_header;
use super::*;
use crate::offload::{self, GSO_TCPV4, GSO_UDP_L4, NEEDS_CSUM, VnetHeader};
use crate::segment::cut;
use crate::testing::*;
use crate::wire::quoted::set_word;
use etherparse::{IpNumber, Ipv4Header, TcpHeader};
use std::net::Ipv4Addr;

mod properties;

/// A packet that left, with its virtio-net header and the number of packets in it.
pub(super) struct Left {
    pub(super) frame: Frame,
    pub(super) packets: u16,
}

/// A coalescer, and what left it.
pub(super) struct Bench {
    coalescer: Coalescer,
    state: WorkerState,
    pub(super) left: Vec<Left>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self {
            coalescer: Coalescer::new(Merge { tcp: true, udp: true }),
            state: WorkerState::new(0x8000, 1),
            left: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, frame: &Frame) {
        let left = &mut self.left;
        self.coalescer.push(&mut frame.clone(), &mut self.state, |frame, packets| {
            left.push(Left { frame: frame.clone(), packets });
        });
    }

    pub(super) fn flush(&mut self) {
        let left = &mut self.left;
        self.coalescer.flush(&mut self.state, |frame, packets| {
            left.push(Left { frame: frame.clone(), packets });
        });
    }

    /// How many packets were merged into each that left, after these went in.
    fn sizes(frames: &[Frame]) -> Vec<u16> {
        let mut bench = Self::new();
        for frame in frames {
            bench.push(frame);
        }
        bench.flush();
        bench.left.iter().map(|left| left.packets).collect()
    }
}

/// The packet in a frame, with a complete checksum.
pub(super) fn frame(packet: &[u8]) -> Frame {
    let mut frame = Frame::with_capacity(packet.len());
    frame.set_packet(packet);
    frame
}

/// A datagram from the client, as it leaves over IPv4 without DF, with this identification.
fn datagram(identification: u16, payload: &[u8]) -> Frame {
    datagram_with(payload, |header| header.identification = identification)
}

fn datagram_with(payload: &[u8], change: impl FnOnce(&mut Ipv4Header)) -> Frame {
    frame(&ipv4_with(LEASED, REMOTE, IpNumber::UDP, &udp4(LEASED, REMOTE, payload), |header| {
        header.dont_fragment = false;
        change(header);
    }))
}

/// The frame as whoever leaves the checksum to others would give it.
pub(super) fn partial(mut frame: Frame, offset: u16) -> Frame {
    let transport = if frame.packet()[0] >> 4 == 4 { 20 } else { 40 };
    let protocol = frame.packet()[if transport == 20 { 9 } else { 6 }];
    let shape = Shape::of(&frame, protocol).expect("one that may merge");
    let sum = pseudo_header(frame.packet(), shape).unwrap().folded();
    set_word(&mut frame.packet_mut()[usize::from(transport)..], usize::from(offset), sum);
    frame.vnet =
        VnetHeader { flags: NEEDS_CSUM, csum_start: transport, csum_offset: offset, ..VnetHeader::default() };
    frame
}

/// A segment of a TCP connection over IPv4.
fn segment(sequence: u32, payload: &[u8]) -> Frame {
    segment_with(sequence, payload, |_| {})
}

fn segment_with(sequence: u32, payload: &[u8], change: impl FnOnce(&mut TcpHeader)) -> Frame {
    let mut header = TcpHeader::new(40_000, 80, sequence, 1024);
    header.ack = true;
    header.set_options_raw(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]).unwrap();
    change(&mut header);
    header.checksum = header.calc_checksum_ipv4_raw(LEASED.octets(), REMOTE.octets(), payload).unwrap();
    frame(&ipv4(LEASED, REMOTE, IpNumber::TCP, &[header.to_bytes().as_slice(), payload].concat()))
}

#[test]
fn datagrams_of_one_flow_become_one_super_packet_that_the_kernel_takes() {
    let mut bench = Bench::new();
    for number in 0..3 {
        bench.push(&datagram(7 + number, &[u8::try_from(number).unwrap(); 100]));
    }
    assert!(bench.left.is_empty());
    bench.push(&datagram(10, b"short"));
    let [left] = &bench.left[..] else { panic!("a short one is the last") };
    let packet = left.frame.packet();
    assert_eq!((left.packets, packet.len()), (4, 28 + 305));
    assert_eq!((word(packet, 2), word(packet, 4), word(packet, 24)), (333, 7, 313));
    let expect = VnetHeader {
        flags: NEEDS_CSUM,
        gso_type: GSO_UDP_L4,
        hdr_len: 28,
        gso_size: 100,
        csum_start: 20,
        csum_offset: 6,
    };
    assert_eq!(left.frame.vnet, expect);
    let mut whole = left.frame.clone();
    offload::complete(&mut whole);
    judge(whole.packet());
}

#[test]
fn segments_of_one_connection_become_one_super_packet() {
    let mut bench = Bench::new();
    bench.push(&segment(u32::MAX - 99, &[1; 100]));
    bench.push(&segment(0, &[2; 100]));
    bench.push(&segment_with(100, &[3; 100], |header| header.psh = true));
    let [left] = &bench.left[..] else { panic!("what is pushed leaves") };
    let packet = left.frame.packet();
    assert_eq!((left.packets, packet.len(), packet[33]), (3, 52 + 300, 0x18));
    assert_eq!((left.frame.vnet.gso_type, left.frame.vnet.gso_size, left.frame.vnet.hdr_len), (1, 100, 52));
    let mut whole = left.frame.clone();
    offload::complete(&mut whole);
    judge(whole.packet());
}

#[test]
fn a_packet_alone_leaves_as_it_came() {
    for alone in [datagram(7, b"x"), partial(datagram(7, b"x"), 6), segment(1, b"x")] {
        let mut bench = Bench::new();
        bench.push(&alone);
        bench.flush();
        let [left] = &bench.left[..] else { panic!() };
        assert_eq!((left.packets, left.frame.packet(), left.frame.vnet), (1, alone.packet(), alone.vnet));
    }
}

/// What ends a super-packet of UDP: each second packet, and how many packets then leave with each other.
#[test]
fn datagrams_that_do_not_continue_a_flow_follow_it() {
    let first = || datagram(7, &[0; 100]);
    let mut numbered = datagram(99, &[0; 100]);
    numbered.is_numbered = true;
    let wrong = |at: usize| {
        let mut frame = datagram(8, &[0; 100]);
        frame.packet_mut()[at] ^= 1;
        frame
    };
    let mut wrong_partial = partial(datagram(8, &[0; 100]), 6);
    wrong_partial.packet_mut()[27] ^= 1;
    let check = |what: &str, second: Frame, expect: &[u16]| {
        assert_eq!(Bench::sizes(&[first(), second]), expect, "{what}");
    };
    check("its like", datagram(8, &[1; 100]), &[2]);
    check("its like, to be completed", partial(datagram(8, &[1; 100]), 6), &[2]);
    check("shorter", datagram(8, &[1; 99]), &[2]);
    check("longer", datagram(8, &[1; 101]), &[1, 1]);
    check("empty", datagram(8, &[]), &[1, 1]);
    check("another identification", datagram(9, &[0; 100]), &[1, 1]);
    check("another identification, of our choice, after one that is not", numbered, &[1, 1]);
    check("a wrong checksum", wrong(27), &[1, 1]);
    check("a changed payload", wrong(60), &[1, 1]);
    check("a length that is not the packet's", wrong(25), &[1, 1]);
    check("a wrong sum of the pseudo-header", wrong_partial, &[1, 1]);
    check("no checksum", wrong_checksum_zero(), &[1, 1]);
    let with = |change: fn(&mut Ipv4Header)| {
        datagram_with(&[0; 100], |header| {
            header.identification = 8;
            change(header);
        })
    };
    check("another TTL", with(|header| header.time_to_live = 63), &[1, 1]);
    check("another TOS", with(|header| header.ecn = etherparse::IpEcn::try_new(3).unwrap()), &[1, 1]);
    check("DF", with(|header| header.dont_fragment = true), &[1, 1]);
    check("a fragment", with(|header| header.more_fragments = true), &[1, 1]);
}

fn wrong_checksum_zero() -> Frame {
    let mut frame = datagram(8, &[0; 100]);
    set_word(frame.packet_mut(), 26, 0);
    frame
}

#[test]
fn segments_that_do_not_continue_a_connection_follow_it() {
    let check = |what: &str, second: Frame, expect: &[u16]| {
        assert_eq!(Bench::sizes(&[segment(1, &[0; 100]), second]), expect, "{what}");
    };
    let with = |change: fn(&mut TcpHeader)| segment_with(101, &[1; 100], change);
    check("its like", with(|_| {}), &[2]);
    check("pushed", with(|header| header.psh = true), &[2]);
    check("a gap", segment(102, &[0; 100]), &[1, 1]);
    check("a repetition", segment(1, &[0; 100]), &[1, 1]);
    check("no data", segment(101, &[]), &[1, 1]);
    check("longer", segment(101, &[0; 101]), &[1, 1]);
    check("FIN", with(|header| header.fin = true), &[1, 1]);
    check("SYN", with(|header| header.syn = true), &[1, 1]);
    check("RST", with(|header| header.rst = true), &[1, 1]);
    check("URG", with(|header| header.urg = true), &[1, 1]);
    check("ECE", with(|header| header.ece = true), &[1, 1]);
    check("CWR", with(|header| header.cwr = true), &[1, 1]);
    check("NS", with(|header| header.ns = true), &[1, 1]);
    check("no ACK", with(|header| header.ack = false), &[1, 1]);
    check("another acknowledgment", with(|header| header.acknowledgment_number = 1), &[1, 1]);
    check("another window", with(|header| header.window_size = 1), &[1, 1]);
    check("an urgent pointer", with(|header| header.urgent_pointer = 1), &[1, 1]);
    check(
        "another time stamp",
        with(|header| header.set_options_raw(&[1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 2]).unwrap()),
        &[1, 1],
    );
    check("no options", with(|header| header.set_options_raw(&[]).unwrap()), &[1, 1]);
    check(
        "a super-packet",
        {
            let mut frame = partial(segment(101, &[1; 100]), 16);
            (frame.vnet.gso_type, frame.vnet.gso_size) = (GSO_TCPV4, 50);
            frame
        },
        &[1, 1],
    );
}

#[test]
fn a_pushed_segment_begins_nothing() {
    let first = segment_with(1, &[0; 100], |header| header.psh = true);
    assert_eq!(Bench::sizes(&[first, segment(101, &[0; 100])]), [1, 1]);
}

#[test]
fn a_first_packet_with_a_wrong_checksum_stays_alone() {
    let mut first = datagram(7, &[0; 100]);
    first.packet_mut()[60] ^= 1;
    assert_eq!(Bench::sizes(&[first, datagram(8, &[0; 100]), datagram(9, &[0; 100])]), [1, 2]);
}

#[test]
fn a_super_packet_holds_64_packets_or_what_its_length_can_say() {
    let frames: Vec<_> = (0..130).map(|number| datagram(number, &[0; 100])).collect();
    assert_eq!(Bench::sizes(&frames), [64, 64, 2]);
    let frames: Vec<_> = (0..48).map(|number| datagram(number, &[0; 1472])).collect();
    assert_eq!(Bench::sizes(&frames), [44, 4]);
}

#[test]
fn what_is_not_to_be_merged_passes() {
    let frames = [datagram(7, &[0; 100]), datagram(8, &[0; 100]), segment(1, &[0; 9]), segment(10, &[0; 9])];
    for (merge, expect) in [
        (Merge { tcp: true, udp: false }, &[1, 1, 2][..]),
        (Merge { tcp: false, udp: true }, &[1, 1, 2]),
        (Merge { tcp: false, udp: false }, &[1, 1, 1, 1]),
    ] {
        let mut bench = Bench::new();
        bench.coalescer.set_merge(merge);
        assert_eq!(bench.coalescer.merge(), merge);
        for frame in &frames {
            bench.push(frame);
        }
        bench.flush();
        let sizes: Vec<_> = bench.left.iter().map(|left| left.packets).collect();
        assert_eq!(sizes, expect, "{merge:?}");
    }
}

#[test]
fn flows_that_take_turns_merge_with_fresh_identifications() {
    let mut bench = Bench::new();
    let other = Ipv4Addr::new(203, 0, 113, 10);
    for number in 0..6 {
        let remote = if number % 2 == 0 { REMOTE } else { other };
        let mut next =
            frame(&ipv4_with(LEASED, remote, IpNumber::UDP, &udp4(LEASED, remote, &[0; 50]), |header| {
                header.dont_fragment = false;
                header.identification = number;
            }));
        next.is_numbered = true;
        bench.push(&next);
    }
    bench.flush();
    let seen: Vec<_> = bench.left.iter().map(|left| (left.packets, word(left.frame.packet(), 4))).collect();
    assert_eq!(seen, [(3, 0x8000), (3, 0x8003)], "none of which is used again");
}

#[test]
fn behind_df_identifications_do_not_matter() {
    let with = |identification| {
        datagram_with(&[0; 100], |header| {
            header.dont_fragment = true;
            header.identification = identification;
        })
    };
    assert_eq!(Bench::sizes(&[with(0), with(0), with(9)]), [3]);
}

#[test]
fn fragments_and_pings_let_everything_between_their_addresses_go_first() {
    let fragment = datagram_with(&[0; 100], |header| {
        header.fragment_offset = etherparse::IpFragOffset::try_new(9).unwrap();
    });
    let ping =
        frame(&ipv4(LEASED, REMOTE, IpNumber::ICMP, &icmp4(etherparse::Icmpv4Type::EchoRequest(ECHO), b"")));
    let elsewhere = Ipv4Addr::new(203, 0, 113, 10);
    let other = frame(&ipv4(LEASED, elsewhere, IpNumber::UDP, &udp4(LEASED, elsewhere, b"x")));
    for passing in [fragment, ping] {
        let mut bench = Bench::new();
        bench.push(&other);
        bench.push(&datagram(7, &[0; 100]));
        bench.push(&segment(1, &[0; 100]));
        bench.push(&passing);
        let lengths: Vec<_> = bench.left.iter().map(|left| left.frame.packet().len()).collect();
        assert_eq!(lengths, [128, 152, passing.packet().len()]);
        bench.flush();
        assert_eq!(bench.left.len(), 4);
    }
}

#[test]
fn the_fragments_of_a_split_find_the_way_free() {
    let mut bench = Bench::new();
    bench.push(&datagram(7, &[0; 100]));
    let fragment = datagram_with(&[0; 100], |header| header.more_fragments = true);
    bench.state.next_fragment().set_packet(fragment.packet());
    let mut left = 0;
    bench.coalescer.make_way(&mut bench.state, |_, packets| left += packets);
    assert_eq!(left, 1);
}

#[test]
fn more_flows_than_lanes_lose_nothing() {
    let mut bench = Bench::new();
    for port in 0..40 {
        let mut next = datagram(0, &[0; 10]);
        set_word(next.packet_mut(), 20, port);
        bench.push(&next);
    }
    assert_eq!(bench.left.len(), 40 - LANES);
    bench.flush();
    let ports: Vec<_> = bench.left.iter().map(|left| word(left.frame.packet(), 20)).collect();
    assert_eq!(ports, (0..40).collect::<Vec<_>>());
}

#[test]
fn what_is_forgotten_does_not_leave() {
    let mut bench = Bench::new();
    bench.push(&datagram(7, &[0; 100]));
    bench.coalescer.clear();
    bench.flush();
    assert!(bench.left.is_empty());
}

#[test]
fn a_refused_super_packet_is_cut_into_what_was_merged() {
    let sent: Vec<_> = (0..3).map(|number| datagram(number, &[u8::try_from(number).unwrap(); 100])).collect();
    let mut bench = Bench::new();
    for frame in &sent {
        bench.push(frame);
    }
    bench.flush();
    let mut segments = Vec::new();
    cut(&bench.left[0].frame, &mut Frame::with_capacity(0), |frame| segments.push(frame.packet().to_vec()));
    assert_eq!(segments, sent.iter().map(|frame| frame.packet().to_vec()).collect::<Vec<_>>());
}
