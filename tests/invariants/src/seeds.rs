//! What the fuzzers begin with: packets of every kind that crosses, in worlds of every kind.
//!
//! etherparse builds them, so that they are right by another judgement than the translator's. They are committed in
//! `tests/fuzz/seeds`; a test holds those files against this module, and writes them with `BLESS=1`.

pub mod cookies;
pub mod frames;
pub mod greeting;
pub mod heads;
pub mod responses;

use crate::world::{CHOICE_LEN, CLIENT, LEASED, MAPPED, MAPPED_V4, OWN_V4, OWN_V6, REMOTE, REMOTE_V6};
use etherparse::{
    IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, Ipv6FragmentHeader, Ipv6Header, TcpHeader, UdpHeader,
};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Seeds of one target, by name.
pub type Seeds = Vec<(String, Vec<u8>)>;

const FITS: &str = "a seed fits its length fields";

/// An IPv4 packet with a right header.
///
/// # Panics
/// When the payload is longer than an IPv4 packet's may be.
pub fn ipv4(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(src, dst, protocol, payload, |_| {})
}

fn ipv4_with(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: u8,
    payload: &[u8],
    change: impl FnOnce(&mut Ipv4Header),
) -> Vec<u8> {
    let mut header = Ipv4Header::new(0, 64, IpNumber(protocol), src.octets(), dst.octets()).expect(FITS);
    header.dont_fragment = true;
    change(&mut header);
    header.total_len = u16::try_from(header.header_len() + payload.len()).expect(FITS);
    header.header_checksum = header.calc_header_checksum();
    [header.to_bytes().as_slice(), payload].concat()
}

/// An IPv6 packet with a right header.
///
/// # Panics
/// When the payload is longer than an IPv6 packet's may be.
pub fn ipv6(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let header = Ipv6Header {
        payload_length: u16::try_from(payload.len()).expect(FITS),
        next_header: IpNumber(next_header),
        hop_limit: 64,
        source: src.octets(),
        destination: dst.octets(),
        ..Ipv6Header::default()
    };
    [header.to_bytes().as_slice(), payload].concat()
}

/// An ICMP message of any type.
pub fn icmpv4(kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let kind = etherparse::Icmpv4Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: rest };
    [etherparse::Icmpv4Header::with_checksum(kind, payload).to_bytes().as_slice(), payload].concat()
}

/// An ICMPv6 message of any type.
///
/// # Panics
/// When the payload is longer than an IPv6 packet's may be.
pub fn icmpv6(src: Ipv6Addr, dst: Ipv6Addr, kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let kind = etherparse::Icmpv6Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: rest };
    let header =
        etherparse::Icmpv6Header::with_checksum(kind, src.octets(), dst.octets(), payload).expect(FITS);
    [header.to_bytes().as_slice(), payload].concat()
}

fn bytes(len: usize) -> Vec<u8> {
    (0..=255).cycle().take(len).collect()
}

fn udp4(src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let ip = Ipv4Header::new(0, 0, IpNumber::UDP, src.octets(), dst.octets()).expect(FITS);
    let header = UdpHeader::with_ipv4_checksum(4000, 53, &ip, payload).expect(FITS);
    [&header.to_bytes(), payload].concat()
}

fn udp6(src: Ipv6Addr, dst: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let ip = Ipv6Header { source: src.octets(), destination: dst.octets(), ..Ipv6Header::default() };
    let header = UdpHeader::with_ipv6_checksum(4000, 53, &ip, payload).expect(FITS);
    [&header.to_bytes(), payload].concat()
}

fn tcp(syn: bool) -> TcpHeader {
    let mut header = TcpHeader::new(40_000, 80, 0x0102_0304, 1024);
    (header.syn, header.ack, header.psh) = (syn, !syn, !syn);
    let options: &[u8] =
        if syn { &[2, 4, 5, 180, 1, 3, 3, 7] } else { &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2] };
    header.set_options_raw(options).expect(FITS);
    header
}

fn tcp4(src: Ipv4Addr, dst: Ipv4Addr, syn: bool, payload: &[u8]) -> Vec<u8> {
    let mut header = tcp(syn);
    header.checksum = header.calc_checksum_ipv4_raw(src.octets(), dst.octets(), payload).expect(FITS);
    [header.to_bytes().as_slice(), payload].concat()
}

fn tcp6(src: Ipv6Addr, dst: Ipv6Addr, syn: bool, payload: &[u8]) -> Vec<u8> {
    let mut header = tcp(syn);
    header.checksum = header.calc_checksum_ipv6_raw(src.octets(), dst.octets(), payload).expect(FITS);
    [header.to_bytes().as_slice(), payload].concat()
}

fn fragment6(next: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let offset = IpFragOffset::try_new(offset / 8).expect(FITS);
    let header = Ipv6FragmentHeader::new(IpNumber(next), offset, more, 0x0001_2345);
    [header.to_bytes().as_slice(), payload].concat()
}

/// Packets from the IPv4 side, and what they are.
fn from_v4() -> Vec<(&'static str, Vec<u8>)> {
    let udp = |payload: usize| udp4(REMOTE, LEASED, &bytes(payload));
    let whole = udp(1400);
    let mut zero = udp(20);
    zero[6..8].fill(0);
    let source_route = |header: &mut Ipv4Header| {
        header.options = Ipv4Options::try_from(&[131, 7, 4, 192, 0, 2, 9, 0][..]).expect(FITS);
    };
    let old_options = |header: &mut Ipv4Header| {
        header.options = Ipv4Options::try_from(&[148, 4, 0, 0][..]).expect(FITS);
    };
    vec![
        ("udp", ipv4(REMOTE, LEASED, 17, &udp(8))),
        ("udp_odd", ipv4(REMOTE, LEASED, 17, &udp(33))),
        ("udp_zero", ipv4(REMOTE, LEASED, 17, &zero)),
        ("udp_large", ipv4(REMOTE, LEASED, 17, &whole)),
        ("udp_large_no_df", ipv4_with(REMOTE, LEASED, 17, &whole, |header| header.dont_fragment = false)),
        (
            "first_fragment",
            ipv4_with(REMOTE, LEASED, 17, &whole[..800], |header| {
                (header.dont_fragment, header.more_fragments, header.identification) = (false, true, 0x1234);
            }),
        ),
        (
            "last_fragment",
            ipv4_with(REMOTE, LEASED, 17, &whole[800..], |header| {
                (header.dont_fragment, header.identification) = (false, 0x1234);
                header.fragment_offset = IpFragOffset::try_new(100).expect(FITS);
            }),
        ),
        ("syn", ipv4(REMOTE, LEASED, 6, &tcp4(REMOTE, LEASED, true, &[]))),
        ("tcp", ipv4(REMOTE, LEASED, 6, &tcp4(REMOTE, LEASED, false, &bytes(40)))),
        ("tcp_to_mapped", ipv4(REMOTE, MAPPED_V4, 6, &tcp4(REMOTE, MAPPED_V4, false, &bytes(9)))),
        ("esp", ipv4(REMOTE, LEASED, 50, &bytes(24))),
        ("echo", ipv4(REMOTE, LEASED, 1, &icmpv4(8, 0, [1, 2, 3, 4], &bytes(9)))),
        ("echo_reply", ipv4(REMOTE, LEASED, 1, &icmpv4(0, 0, [1, 2, 3, 4], &bytes(8)))),
        ("echo_to_self", ipv4(REMOTE, OWN_V4, 1, &icmpv4(8, 0, [1, 2, 3, 4], &bytes(8)))),
        ("udp_to_self", ipv4(REMOTE, OWN_V4, 17, &udp4(REMOTE, OWN_V4, &bytes(8)))),
        ("source_route", ipv4_with(REMOTE, LEASED, 17, &udp(8), source_route)),
        ("options", ipv4_with(REMOTE, LEASED, 17, &udp(8), old_options)),
        ("expired", ipv4_with(REMOTE, LEASED, 17, &udp(8), |header| header.time_to_live = 1)),
        ("no_lease", ipv4(REMOTE, Ipv4Addr::new(192, 0, 2, 77), 17, &udp(8))),
    ]
}

/// Packets from the IPv6 side, and what they are.
fn from_v6() -> Vec<(&'static str, Vec<u8>)> {
    let udp = |payload: usize| udp6(CLIENT, REMOTE_V6, &bytes(payload));
    let whole = udp(1400);
    let mut zero = udp(20);
    zero[6..8].fill(0);
    let behind = |extension: &[u8], payload: &[u8]| [extension, payload].concat();
    // Hop-by-hop and destination options of padding, and a routing header with none and with one segment left.
    let options = [17, 0, 1, 4, 0, 0, 0, 0];
    let routing = |left: u8| [17, 0, 4, left, 0, 0, 0, 0];
    let expired = {
        let mut packet = ipv6(CLIENT, REMOTE_V6, 17, &udp(8));
        packet[7] = 1;
        packet
    };
    vec![
        ("udp", ipv6(CLIENT, REMOTE_V6, 17, &udp(8))),
        ("udp_odd", ipv6(CLIENT, REMOTE_V6, 17, &udp(33))),
        ("udp_zero", ipv6(CLIENT, REMOTE_V6, 17, &zero)),
        ("udp_large", ipv6(CLIENT, REMOTE_V6, 17, &whole)),
        ("first_fragment", ipv6(CLIENT, REMOTE_V6, 44, &fragment6(17, 0, true, &whole[..800]))),
        ("last_fragment", ipv6(CLIENT, REMOTE_V6, 44, &fragment6(17, 800, false, &whole[800..]))),
        ("atomic_fragment", ipv6(CLIENT, REMOTE_V6, 44, &fragment6(17, 0, false, &udp(8)))),
        ("syn", ipv6(CLIENT, REMOTE_V6, 6, &tcp6(CLIENT, REMOTE_V6, true, &[]))),
        ("tcp", ipv6(CLIENT, REMOTE_V6, 6, &tcp6(CLIENT, REMOTE_V6, false, &bytes(40)))),
        ("tcp_of_mapped", ipv6(MAPPED, REMOTE_V6, 6, &tcp6(MAPPED, REMOTE_V6, false, &bytes(9)))),
        ("sctp", ipv6(CLIENT, REMOTE_V6, 132, &bytes(24))),
        ("echo", ipv6(CLIENT, REMOTE_V6, 58, &icmpv6(CLIENT, REMOTE_V6, 128, 0, [1, 2, 3, 4], &bytes(9)))),
        (
            "echo_reply",
            ipv6(CLIENT, REMOTE_V6, 58, &icmpv6(CLIENT, REMOTE_V6, 129, 0, [1, 2, 3, 4], &bytes(8))),
        ),
        ("echo_to_self", ipv6(CLIENT, OWN_V6, 58, &icmpv6(CLIENT, OWN_V6, 128, 0, [1, 2, 3, 4], &bytes(8)))),
        ("neighbour", ipv6(CLIENT, REMOTE_V6, 58, &icmpv6(CLIENT, REMOTE_V6, 135, 0, [0; 4], &bytes(16)))),
        ("hop_by_hop", ipv6(CLIENT, REMOTE_V6, 0, &behind(&options, &udp(8)))),
        ("destination_options", ipv6(CLIENT, REMOTE_V6, 60, &behind(&options, &udp(8)))),
        ("routing", ipv6(CLIENT, REMOTE_V6, 43, &behind(&routing(0), &udp(8)))),
        ("segments_left", ipv6(CLIENT, REMOTE_V6, 43, &behind(&routing(1), &udp(8)))),
        ("expired", expired),
        ("unmapped", ipv6(CLIENT, Ipv6Addr::new(0x2001, 0xdb8, 0xaaaa, 0, 0, 0, 0, 1), 17, &udp(8))),
    ]
}

/// Worlds: the plain one, one with every address rule and a small IPv6 MTU, and one that calculates zero checksums.
const CHOICES: [(&str, [u8; CHOICE_LEN]); 3] =
    [("plain", [0, 0, 0, 0]), ("small", [0x30, 0x09, 0, 0]), ("calculate", [0x40, 0x01, 0, 0])];

/// Seeds of the target `packet`.
pub fn packets() -> Seeds {
    let packets = from_v4().into_iter().map(|(name, packet)| (format!("v4_{name}"), packet));
    let packets = packets.chain(from_v6().into_iter().map(|(name, packet)| (format!("v6_{name}"), packet)));
    let packets: Seeds = packets.collect();
    CHOICES
        .iter()
        .flat_map(|(world, choice)| {
            packets
                .iter()
                .map(move |(name, packet)| (format!("{name}_{world}"), [&choice[..], packet].concat()))
        })
        .collect()
}

/// Seeds of the target `quoted`.
pub fn quotes() -> Seeds {
    let mut seeds = Vec::new();
    // The packet that an error is about went the other way.
    let about4 = |payload: &[u8], protocol| ipv4(LEASED, REMOTE, protocol, payload);
    let about6 = |payload: &[u8], protocol| ipv6(REMOTE_V6, CLIENT, protocol, payload);
    let quotes4 = [
        ("udp", about4(&udp4(LEASED, REMOTE, &bytes(40)), 17)),
        ("eight_bytes", about4(&tcp4(LEASED, REMOTE, false, &[]), 6)[..28].to_vec()),
        ("tcp", about4(&tcp4(LEASED, REMOTE, false, &bytes(20)), 6)),
        ("echo", about4(&icmpv4(8, 0, [0; 4], &bytes(8)), 1)),
        ("extended", [about4(&udp4(LEASED, REMOTE, &bytes(100)), 17), vec![0x20, 0, 0xdf, 0xff]].concat()),
    ];
    let quotes6 = [
        ("udp", about6(&udp6(REMOTE_V6, CLIENT, &bytes(40)), 17)),
        ("eight_bytes", about6(&tcp6(REMOTE_V6, CLIENT, false, &[]), 6)[..48].to_vec()),
        ("tcp", about6(&tcp6(REMOTE_V6, CLIENT, false, &bytes(20)), 6)),
        ("echo", about6(&icmpv6(REMOTE_V6, CLIENT, 129, 0, [0; 4], &bytes(8)), 58)),
        ("fragment", about6(&fragment6(17, 0, true, &udp6(REMOTE_V6, CLIENT, &bytes(40))), 44)),
        ("extended", [about6(&udp6(REMOTE_V6, CLIENT, &bytes(80)), 17), vec![0x20, 0, 0xdf, 0xff]].concat()),
    ];
    for (family, kinds, length_at, words, quotes) in
        [(0_u8, 0..4, 1, 32, &quotes4[..]), (0x80, 0..4, 0, 16, &quotes6[..])]
    {
        for kind in kinds {
            for (name, quote) in quotes {
                let mut rest = [0, 0, 5, 0];
                rest[length_at] = if *name == "extended" { words } else { 0 };
                let front = [&[0; CHOICE_LEN][..], &[family | 0x40 | kind, 0], &rest].concat();
                let family = if family == 0 { "v4" } else { "v6" };
                seeds.push((format!("{family}_{kind}_{name}"), [front, quote.clone()].concat()));
            }
        }
    }
    seeds
}

/// A packet whose transport checksum holds the pseudo-header's sum, with its virtio-net header.
fn partial(packet: &[u8], front: u16, csum_offset: u16, gso: (u8, u16), header_len: u16) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let at = usize::from(front + csum_offset);
    packet[at..at + 2].fill(0);
    // What is left when the message itself is taken out of the whole sum.
    let transport = usize::from(front);
    let is_v4 = packet[0] >> 4 == 4;
    let addresses = if is_v4 { &packet[12..20] } else { &packet[8..40] };
    let len = u32::try_from(packet.len() - transport).expect(FITS);
    let protocol = if is_v4 { packet[9] } else { packet[6] };
    let sum = etherparse::checksum::Sum16BitWords::new()
        .add_slice(addresses)
        .add_4bytes(len.to_be_bytes())
        .add_2bytes([0, protocol])
        .ones_complement();
    packet[at..at + 2].copy_from_slice(&(!sum).to_ne_bytes());
    let (gso_type, gso_size) = gso;
    let hdr_len = if gso_type == 0 { front + csum_offset + 2 } else { front + header_len };
    let vnet =
        translator::VnetHeader { flags: 1, gso_type, hdr_len, gso_size, csum_start: front, csum_offset };
    [&vnet.emit()[..], &packet].concat()
}

/// Seeds of the target `vnet`.
pub fn super_packets() -> Seeds {
    let udp4_of = |len| ipv4(REMOTE, LEASED, 17, &udp4(REMOTE, LEASED, &bytes(len)));
    let udp6_of = |len| ipv6(CLIENT, REMOTE_V6, 17, &udp6(CLIENT, REMOTE_V6, &bytes(len)));
    let tcp4_of = |len| ipv4(REMOTE, LEASED, 6, &tcp4(REMOTE, LEASED, false, &bytes(len)));
    let tcp6_of = |len| ipv6(CLIENT, REMOTE_V6, 6, &tcp6(CLIENT, REMOTE_V6, false, &bytes(len)));
    let without_df = ipv4_with(REMOTE, LEASED, 17, &udp4(REMOTE, LEASED, &bytes(2800)), |header| {
        header.dont_fragment = false;
    });
    let packets = [
        ("v4_udp_partial", partial(&udp4_of(30), 20, 6, (0, 0), 8)),
        ("v6_udp_partial", partial(&udp6_of(30), 40, 6, (0, 0), 8)),
        ("v4_udp_gso", partial(&udp4_of(500), 20, 6, (5, 200), 8)),
        ("v6_udp_gso", partial(&udp6_of(500), 40, 6, (5, 200), 8)),
        ("v4_udp_gso_no_df", partial(&without_df, 20, 6, (5, 1400), 8)),
        ("v4_tcp_partial", partial(&tcp4_of(30), 20, 16, (0, 0), 32)),
        ("v6_tcp_partial", partial(&tcp6_of(30), 40, 16, (0, 0), 32)),
        ("v4_tcp_gso", partial(&tcp4_of(600), 20, 16, (1, 250), 32)),
        ("v6_tcp_gso", partial(&tcp6_of(600), 40, 16, (4, 250), 32)),
        ("v6_tcp_gso_large", partial(&tcp6_of(3000), 40, 16, (4, 1448), 32)),
        ("v4_tcp_gso_ecn", partial(&tcp4_of(600), 20, 16, (0x81, 250), 32)),
        ("v4_plain", [&[0; 10][..], &udp4_of(30)].concat()),
        ("v6_plain", [&[0; 10][..], &udp6_of(30)].concat()),
    ];
    let in_worlds = CHOICES.iter().flat_map(|(world, choice)| {
        packets.iter().map(move |(name, packet)| (format!("{name}_{world}"), [&choice[..], packet].concat()))
    });
    in_worlds.collect()
}

/// Seeds of the target `batch`.
///
/// # Panics
/// Never: every packet fits its length fields.
pub fn batches() -> Seeds {
    let entry = |vnet_and_packet: &[u8]| {
        let len = u16::try_from(vnet_and_packet.len() - 10).expect(FITS);
        [&len.to_le_bytes()[..], vnet_and_packet].concat()
    };
    let plain = |packet: Vec<u8>| entry(&[&[0; 10][..], &packet].concat());
    let udp6_of = |len: usize| ipv6(CLIENT, REMOTE_V6, 17, &udp6(CLIENT, REMOTE_V6, &bytes(len)));
    let udp4_of = |len: usize| ipv4(REMOTE, LEASED, 17, &udp4(REMOTE, LEASED, &bytes(len)));
    let segment6 = |sequence: u32| {
        let mut header = tcp(false);
        (header.sequence_number, header.psh) = (sequence, false);
        let payload = bytes(50);
        let (src, dst) = (CLIENT.octets(), REMOTE_V6.octets());
        header.checksum = header.calc_checksum_ipv6_raw(src, dst, &payload).expect(FITS);
        ipv6(CLIENT, REMOTE_V6, 6, &[header.to_bytes().as_slice(), &payload].concat())
    };
    let echo = ipv6(CLIENT, REMOTE_V6, 58, &icmpv6(CLIENT, REMOTE_V6, 128, 0, [1, 2, 3, 4], &bytes(9)));
    let partials = [30, 30, 20].map(|len| entry(&partial(&udp6_of(len), 40, 6, (0, 0), 8)));
    let batches = [
        ("udp6", [40, 40, 40, 12].map(|len| plain(udp6_of(len))).concat()),
        ("udp4", [40, 40, 40].map(|len| plain(udp4_of(len))).concat()),
        ("tcp6", [0, 50, 100, 200].map(|sequence| plain(segment6(sequence))).concat()),
        ("mixed", [plain(udp6_of(40)), plain(udp4_of(40)), plain(echo), plain(udp6_of(40))].concat()),
        ("partial", partials.concat()),
    ];
    let front = |choice: &[u8]| [choice, &[0]].concat();
    let in_worlds = CHOICES.iter().flat_map(|(world, choice)| {
        batches
            .iter()
            .map(move |(name, batch)| (format!("{name}_{world}"), [front(choice), batch.clone()].concat()))
    });
    in_worlds.collect()
}

/// Seeds of the target `sketch`.
pub fn sketches() -> Seeds {
    let texts = [
        ("udp", "udp 2001:db8:6::1#5 -> 2001:db8:64::203.0.113.9#53"),
        ("tcp", "tcp 203.0.113.9#443 -> 192.0.2.101#40000 len 1500 df syn"),
        ("ptb", "icmp 2001:db8:6::fe -> 2001:db8:64::203.0.113.9 ptb 1280 about 2001:db8:6::1#5"),
        ("unreachable", "icmp 203.0.113.9 -> 192.0.2.101 unreachable"),
        ("fragment", "udp 203.0.113.9#1 -> 192.0.2.101#2 offset 800 more id 7 ttl 3 tos 0xb8 nosum"),
        ("raw", "icmp 203.0.113.9 -> 192.0.2.101 type 3 code 4"),
        ("protocol", "132 203.0.113.9 -> 192.0.2.101 len 60"),
        ("hex", "4500 001c 0000 4000 4011 0000 cb00 7109 c000 0265 0fa0 0035 0008 0000"),
        ("tcpdump", "\t0x0000:  6000 0000 0008 1140 2001 0db8 0006 0000\n\t0x0010:  0000 0000 0000 0001"),
        ("wrong", "udp 2001:db8::1#99999 -> nowhere"),
    ];
    texts.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
}
