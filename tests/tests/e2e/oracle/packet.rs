//! Packets made byte by byte, right or wrong on purpose.

use std::net::{Ipv4Addr, Ipv6Addr};

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ICMPV4: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const AUTHENTICATION: u8 = 51;
pub(crate) const ICMPV6: u8 = 58;
pub(crate) const DESTINATION_OPTIONS: u8 = 60;

/// Flags of an IPv4 header.
pub(crate) const DF: u16 = 0x4000;
pub(crate) const MF: u16 = 0x2000;

/// Source and destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair<A> {
    pub(crate) src: A,
    pub(crate) dst: A,
}

impl<A: Copy> Pair<A> {
    pub(crate) const fn reversed(self) -> Self {
        Self { src: self.dst, dst: self.src }
    }
}

/// The fields of an IPv4 header that cases vary.
#[derive(Clone, Debug)]
pub(crate) struct Head4 {
    pub(crate) tos: u8,
    pub(crate) id: u16,
    /// Flags, and the offset in units of eight bytes.
    pub(crate) flags_offset: u16,
    pub(crate) ttl: u8,
    /// A multiple of four bytes.
    pub(crate) options: Vec<u8>,
}

/// The fields of an IPv6 header that cases vary.
#[derive(Clone, Debug)]
pub(crate) struct Head6 {
    pub(crate) class: u8,
    pub(crate) flow: u32,
    pub(crate) hop_limit: u8,
    /// Extension headers: what each is, and its bytes from the second on.
    pub(crate) extensions: Vec<(u8, Vec<u8>)>,
}

impl Default for Head4 {
    fn default() -> Self {
        Self { tos: 0, id: 0x4321, flags_offset: DF, ttl: 64, options: Vec::new() }
    }
}

impl Default for Head6 {
    fn default() -> Self {
        Self { class: 0, flow: 0, hop_limit: 64, extensions: Vec::new() }
    }
}

/// The ones' complement sum of big-endian words, folded.
pub(crate) fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        let (words, rest) = part.as_chunks::<2>();
        sum += words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>();
        sum += rest.first().map_or(0, |byte| u64::from(*byte) << 8);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("folded")
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).expect("a packet of the tests fits its length field").to_be_bytes()
}

/// The pseudo-header of either family (RFC 768, RFC 8200 §8.1).
pub(crate) fn pseudo_header(src: &[u8], dst: &[u8], protocol: u8, len: usize) -> Vec<u8> {
    [src, dst, &[0, protocol], &length(len)].concat()
}

pub(crate) fn ipv4(pair: Pair<Ipv4Addr>, protocol: u8, head: &Head4, payload: &[u8]) -> Vec<u8> {
    let ihl = 5 + u8::try_from(head.options.len() / 4).expect("at most 40 bytes of options");
    let mut packet = vec![0x40 | ihl, head.tos];
    packet.extend(length(20 + head.options.len() + payload.len()));
    packet.extend(head.id.to_be_bytes());
    packet.extend(head.flags_offset.to_be_bytes());
    packet.extend([head.ttl, protocol, 0, 0]);
    packet.extend(pair.src.octets());
    packet.extend(pair.dst.octets());
    packet.extend(&head.options);
    let checksum = !sum(&[&packet]);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(payload);
    packet
}

pub(crate) fn ipv6(pair: Pair<Ipv6Addr>, protocol: u8, head: &Head6, payload: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    for (index, (_, bytes)) in head.extensions.iter().enumerate() {
        rest.push(head.extensions.get(index + 1).map_or(protocol, |(next, _)| *next));
        rest.extend(bytes);
    }
    rest.extend(payload);
    let first = head.extensions.first().map_or(protocol, |(kind, _)| *kind);
    let word = 6 << 28 | u32::from(head.class) << 20 | head.flow;
    let mut packet = word.to_be_bytes().to_vec();
    packet.extend(length(rest.len()));
    packet.extend([first, head.hop_limit]);
    packet.extend(pair.src.octets());
    packet.extend(pair.dst.octets());
    packet.extend(rest);
    packet
}

/// A Fragment header, from its second byte on; the offset in bytes.
pub(crate) fn fragment(offset: u16, more: bool, id: u32) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend((offset | u16::from(more)).to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes
}

/// The octets of an address of either family.
pub(crate) trait Octets: Copy {
    fn bytes(self) -> Vec<u8>;
}

impl Octets for Ipv4Addr {
    fn bytes(self) -> Vec<u8> {
        self.octets().to_vec()
    }
}

impl Octets for Ipv6Addr {
    fn bytes(self) -> Vec<u8> {
        self.octets().to_vec()
    }
}

/// Puts the right checksum into a message whose checksum field, at `at`, is zero.
fn complete<A: Octets>(message: &mut [u8], at: usize, protocol: u8, pair: Option<Pair<A>>) {
    let pseudo = pair.map_or(Vec::new(), |pair| {
        pseudo_header(&pair.src.bytes(), &pair.dst.bytes(), protocol, message.len())
    });
    let mut checksum = !sum(&[&pseudo, message]);
    if protocol == UDP && checksum == 0 {
        checksum = 0xffff;
    }
    message[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

pub(crate) fn udp<A: Octets>(pair: Pair<A>, ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let mut message = [ports[0].to_be_bytes(), ports[1].to_be_bytes()].concat();
    message.extend(length(8 + payload.len()));
    message.extend([0, 0]);
    message.extend(payload);
    complete(&mut message, 6, UDP, Some(pair));
    message
}

/// A segment with `options`, a multiple of four bytes.
pub(crate) fn tcp<A: Octets>(
    pair: Pair<A>,
    ports: [u16; 2],
    flags: u8,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let words = 5 + u8::try_from(options.len() / 4).expect("at most 40 bytes of options");
    let mut message = [ports[0].to_be_bytes(), ports[1].to_be_bytes()].concat();
    message.extend([1, 2, 3, 4, 5, 6, 7, 8, words << 4, flags, 0x20, 0, 0, 0, 0, 0]);
    message.extend(options);
    message.extend(payload);
    complete(&mut message, 16, TCP, Some(pair));
    message
}

/// An ICMP message: type, code, the four bytes behind the checksum, and what follows.
pub(crate) fn icmpv4(kind: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0], &rest[..], body].concat();
    complete::<Ipv4Addr>(&mut message, 2, ICMPV4, None);
    message
}

/// An ICMPv6 message.
pub(crate) fn icmpv6(pair: Pair<Ipv6Addr>, kind: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0], &rest[..], body].concat();
    complete(&mut message, 2, ICMPV6, Some(pair));
    message
}
