//! Generated packets: every kind that crosses a translator, and most that must not.

use super::arena::{CLIENTS, MAPS, NOBODY, OWN_V4, OWN_V6, embed};
use super::dice::Dice;
use super::packet::{
    DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, Head4, Head6, ICMPV4, ICMPV6, MF, Octets, Pair, ROUTING, TCP,
    UDP, fragment, icmpv4, icmpv6, ipv4, ipv6, pseudo_header, sum, tcp, udp,
};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Hosts of the IPv4 side that only the prefix stands for.
const REMOTES: [Ipv4Addr; 4] = [
    Ipv4Addr::new(203, 0, 113, 9),
    Ipv4Addr::new(192, 0, 2, 77),
    Ipv4Addr::new(10, 1, 2, 3),
    Ipv4Addr::new(172, 31, 255, 254),
];

/// Addresses of the IPv4 side that no translated packet may come from or go to, or that are decided one by one.
const ODD_V4: [Ipv4Addr; 9] = [
    Ipv4Addr::UNSPECIFIED,
    Ipv4Addr::new(0, 1, 2, 3),
    Ipv4Addr::LOCALHOST,
    Ipv4Addr::new(169, 254, 1, 1),
    Ipv4Addr::new(192, 0, 0, 8),
    Ipv4Addr::new(224, 0, 0, 1),
    Ipv4Addr::new(239, 1, 2, 3),
    Ipv4Addr::new(240, 0, 0, 1),
    Ipv4Addr::BROADCAST,
];

/// The same on the IPv6 side.
const ODD_V6: [Ipv6Addr; 7] = [
    Ipv6Addr::UNSPECIFIED,
    Ipv6Addr::LOCALHOST,
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 0x101),
    Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xcb00, 0x7109),
    Ipv6Addr::new(0x2001, 0xdb8, 0x99, 0, 0, 0, 0, 1),
];

/// Lengths of payload around which something changes, for each family and header.
const LENGTHS: [usize; 24] = [
    0, 1, 2, 3, 4, 7, 8, 9, 63, 100, 101, 520, 548, 1212, 1219, 1220, 1224, 1232, 1233, 1240, 1252, 1400,
    1440, 1452,
];

/// Protocols that mean the same in both families, or not the same, or nothing.
const PROTOCOLS: [u8; 16] = [2, 4, 33, 41, 47, 50, 51, 59, 89, 132, 136, 253, 255, HOP_BY_HOP, FRAGMENT, 43];

/// What routers say of MTUs, and what no router should.
const MTUS: [u16; 12] = [0, 1, 67, 68, 296, 576, 1260, 1280, 1300, 1480, 1500, 65_535];

/// Options of an IPv4 header: none of effect, a time stamp, source routes with and without addresses left, rubbish.
const OPTIONS: [&[u8]; 7] = [
    &[1, 1, 1, 0],
    &[148, 4, 0, 0],
    &[68, 12, 13, 0, 1, 2, 3, 4, 5, 6, 7, 8],
    &[131, 7, 4, 198, 51, 100, 99, 0],
    &[137, 7, 4, 198, 51, 100, 99, 0],
    &[131, 7, 8, 198, 51, 100, 99, 0],
    &[9, 200, 1, 2],
];

/// An extension structure with one object of class 1, a label stack of one entry (RFC 4884 §7, RFC 4950).
const EXTENSION: [u8; 12] = [0x20, 0, 0xc4, 0xe0, 0, 8, 1, 1, 0x1a, 0x0c, 0x01, 0x40];

/// The MTU of the devices.
const LONGEST: usize = 1500;

/// Makes the packets.
pub(crate) struct Cases {
    dice: Dice,
    /// What the clients' addresses are on the IPv4 side.
    leased: Vec<Ipv4Addr>,
}

/// What a message is made for: the pieces that differ from family to family.
trait Family: Octets {
    const ICMP: u8;
    const ECHO: [u8; 2];
    /// Types of errors, and how many codes of each are tried.
    const ERRORS: &'static [(u8, usize)];
    /// Types that may carry extensions, and the unit of their length field (RFC 4884 §4).
    const EXTENSIBLE: &'static [u8];
    const UNIT: usize;
    /// Length of a plain header.
    const HEADER: usize;

    /// The octets of the address in the other family.
    fn counterpart(self, leased: &[Ipv4Addr]) -> Vec<u8>;

    fn icmp(pair: Pair<Self>, kind: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8>;

    /// A packet with an ordinary header.
    fn plain(pair: Pair<Self>, protocol: u8, payload: &[u8]) -> Vec<u8>;
}

impl Family for Ipv4Addr {
    const ICMP: u8 = ICMPV4;
    const ECHO: [u8; 2] = [8, 0];
    const ERRORS: &'static [(u8, usize)] = &[(3, 17), (3, 5), (11, 2), (12, 4), (4, 1), (5, 2)];
    const EXTENSIBLE: &'static [u8] = &[3, 11, 12];
    const UNIT: usize = 4;
    const HEADER: usize = 20;

    fn counterpart(self, leased: &[Ipv4Addr]) -> Vec<u8> {
        counterpart_v6(self, leased).octets().to_vec()
    }

    fn icmp(_: Pair<Self>, kind: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
        icmpv4(kind, code, rest, body)
    }

    fn plain(pair: Pair<Self>, protocol: u8, payload: &[u8]) -> Vec<u8> {
        ipv4(pair, protocol, &Head4::default(), payload)
    }
}

impl Family for Ipv6Addr {
    const ICMP: u8 = ICMPV6;
    const ECHO: [u8; 2] = [128, 129];
    const ERRORS: &'static [(u8, usize)] = &[(1, 8), (2, 2), (3, 2), (4, 4), (100, 1)];
    const EXTENSIBLE: &'static [u8] = &[1, 3];
    const UNIT: usize = 8;
    const HEADER: usize = 40;

    fn counterpart(self, leased: &[Ipv4Addr]) -> Vec<u8> {
        counterpart_v4(self, leased).octets().to_vec()
    }

    fn icmp(pair: Pair<Self>, kind: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
        icmpv6(pair, kind, code, rest, body)
    }

    fn plain(pair: Pair<Self>, protocol: u8, payload: &[u8]) -> Vec<u8> {
        ipv6(pair, protocol, &Head6::default(), payload)
    }
}

impl Cases {
    /// `leased` are the clients' addresses on the IPv4 side.
    pub(crate) const fn new(seed: u64, leased: Vec<Ipv4Addr>) -> Self {
        Self { dice: Dice::new(seed), leased }
    }

    /// The next packet, no longer than the devices take.
    pub(crate) fn packet(&mut self) -> Vec<u8> {
        let mut packet = if self.dice.percent(50) { self.client_sends() } else { self.remote_sends() };
        packet.truncate(LONGEST);
        if self.dice.percent(2) {
            self.damage(&mut packet);
        }
        packet
    }

    /// A wrong bit near the front, or a length that is not the packet's.
    fn damage(&mut self, packet: &mut Vec<u8>) {
        match self.dice.below(3) {
            0 => {
                let at = self.dice.below(packet.len().min(80));
                packet[at] ^= 1 << self.dice.below(8);
            }
            1 => packet.truncate(1 + self.dice.below(packet.len())),
            _ => {
                let padding = self.dice.pick(&[1, 6, 46]).min(LONGEST - packet.len());
                packet.extend(self.dice.bytes(padding));
            }
        }
    }

    fn client_sends(&mut self) -> Vec<u8> {
        let src = match self.dice.below(20) {
            0 => self.dice.pick(&ODD_V6),
            1 => embed(self.dice.pick(&REMOTES)),
            2 | 3 => self.dice.pick(&MAPS).1,
            _ => self.dice.pick(&CLIENTS),
        };
        let dst = match self.dice.below(40) {
            0 => embed(self.dice.pick(&ODD_V4)),
            1 => self.dice.pick(&ODD_V6),
            2 => OWN_V6,
            3 => embed(OWN_V4),
            4 => self.dice.pick(&MAPS).1,
            5 => embed(self.dice.pick(&MAPS).0),
            6 => embed(NOBODY),
            7 => embed(self.dice.pick(&self.leased)),
            _ => embed(self.dice.pick(&REMOTES)),
        };
        let pair = Pair { src, dst };
        let mut head = Head6 { hop_limit: self.hops(), ..Head6::default() };
        if self.dice.percent(30) {
            head.class = self.dice.byte();
            head.flow = u32::from_be_bytes(self.dice.array()) >> 12;
        }
        let (protocol, mut payload) = self.message(pair);
        if self.dice.percent(25) {
            for _ in 0..=self.dice.below(2) {
                let extension = self.extension();
                head.extensions.push(extension);
            }
        }
        if self.dice.percent(12) {
            let (offset, more) = self.part(&mut payload);
            let id = u32::from_be_bytes(self.dice.array());
            head.extensions.push((FRAGMENT, fragment(offset, more, id)));
            if self.dice.percent(5) {
                let extension = self.extension();
                head.extensions.push(extension);
            }
        }
        ipv6(pair, protocol, &head, &payload)
    }

    fn remote_sends(&mut self) -> Vec<u8> {
        let src = match self.dice.below(20) {
            0 => self.dice.pick(&ODD_V4),
            1 => self.dice.pick(&MAPS).0,
            _ => self.dice.pick(&REMOTES),
        };
        let dst = match self.dice.below(40) {
            0 => self.dice.pick(&ODD_V4),
            1 => OWN_V4,
            2 => NOBODY,
            3 => self.dice.pick(&REMOTES),
            4 | 5 => self.dice.pick(&MAPS).0,
            _ => self.dice.pick(&self.leased),
        };
        let pair = Pair { src, dst };
        let mut head =
            Head4 { ttl: self.hops(), id: u16::from_be_bytes(self.dice.array()), ..Head4::default() };
        if self.dice.percent(30) {
            head.tos = self.dice.byte();
        }
        if self.dice.percent(50) {
            head.flags_offset = 0;
        }
        let (protocol, mut payload) = self.message(pair);
        if self.dice.percent(8) {
            head.options = self.dice.pick(&OPTIONS).to_vec();
        }
        if self.dice.percent(12) {
            let (offset, more) = self.part(&mut payload);
            head.flags_offset |= (offset / 8) | if more { MF } else { 0 };
        }
        ipv4(pair, protocol, &head, &payload)
    }

    fn hops(&mut self) -> u8 {
        self.dice.pick(&[64, 64, 64, 64, 64, 64, 64, 64, 64, 255, 128, 2, 2, 1, 0])
    }

    fn len(&mut self) -> usize {
        if self.dice.percent(60) { self.dice.pick(&LENGTHS) } else { self.dice.below(1460) }
    }

    /// An extension header that may come in front of a transport: what it is, and its bytes from the second on.
    fn extension(&mut self) -> (u8, Vec<u8>) {
        let len = self.dice.below(3);
        let mut bytes = vec![u8::try_from(len).expect("below 3")];
        match self.dice.pick(&[HOP_BY_HOP, DESTINATION_OPTIONS, ROUTING]) {
            ROUTING => {
                let left = u8::from(self.dice.percent(30));
                bytes.extend([253, left, 0, 0, 0, 0]);
                bytes.extend(self.dice.bytes(len * 8));
                (ROUTING, bytes)
            }
            options => {
                // One option of padding that fills the header.
                bytes.extend([1, u8::try_from(4 + len * 8).expect("below 3 words")]);
                bytes.resize(7 + len * 8, 0);
                (options, bytes)
            }
        }
    }

    /// Makes the message a part of a longer one: its offset in bytes, and whether more follows.
    fn part(&mut self, payload: &mut Vec<u8>) -> (u16, bool) {
        let offset = self.dice.pick(&[0, 0, 0, 8, 1232, 1480, 8000, 65_528]);
        let more = self.dice.percent(60);
        if more && self.dice.percent(95) {
            payload.truncate(payload.len() & !7);
        }
        (offset, more)
    }

    /// A message from one address to another: its protocol and its bytes.
    fn message<A: Family>(&mut self, pair: Pair<A>) -> (u8, Vec<u8>) {
        let len = self.len();
        match self.dice.below(20) {
            0..6 => (UDP, self.udp(pair, len)),
            6..10 => (TCP, self.tcp(pair, len)),
            10..13 => {
                let (kind, rest) = (self.dice.pick(&A::ECHO), self.dice.array());
                let body = self.dice.bytes(len);
                (A::ICMP, self.spoilt(A::icmp(pair, kind, 0, rest, &body), 2))
            }
            13..18 => (A::ICMP, self.error(pair)),
            18 => {
                let (kind, code, rest) = (self.dice.byte(), self.dice.pick(&[0, 0, 1]), self.dice.array());
                let body = self.dice.bytes(len.min(200));
                (A::ICMP, A::icmp(pair, kind, code, rest, &body))
            }
            _ => (self.dice.pick(&PROTOCOLS), self.dice.bytes(len)),
        }
    }

    fn udp<A: Family>(&mut self, pair: Pair<A>, len: usize) -> Vec<u8> {
        let ports = [u16::from_be_bytes(self.dice.array()), self.dice.pick(&[53, 443, 7])];
        let mut payload = self.dice.bytes(len);
        if len >= 2 && self.dice.percent(8) {
            return self.end_on_zero(pair, ports, &mut payload);
        }
        let mut message = udp(pair, ports, &payload);
        if self.dice.percent(8) {
            message[6..8].fill(0);
        }
        self.spoilt(message, 6)
    }

    /// Gives the message such a payload that its checksum in the other family comes to zero, which means "none" in UDP.
    fn end_on_zero<A: Family>(&self, pair: Pair<A>, ports: [u16; 2], payload: &mut [u8]) -> Vec<u8> {
        payload[..2].fill(0);
        let covered = udp(pair, ports, payload);
        let (src, dst) = (pair.src.counterpart(&self.leased), pair.dst.counterpart(&self.leased));
        let pseudo = pseudo_header(&src, &dst, UDP, covered.len());
        let missing = !sum(&[&covered[..6], &covered[8..], &pseudo]);
        payload[..2].copy_from_slice(&missing.to_be_bytes());
        udp(pair, ports, payload)
    }

    fn tcp<A: Family>(&mut self, pair: Pair<A>, len: usize) -> Vec<u8> {
        let ports = [u16::from_be_bytes(self.dice.array()), self.dice.pick(&[80, 443, 22])];
        let payload = self.dice.bytes(len.min(1420));
        let flags = self.dice.pick(&[0x10, 0x18, 0x11, 0x04]);
        let options: &[u8] = if self.dice.percent(50) { &[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8] } else { &[] };
        let message = tcp(pair, ports, flags, options, &payload);
        self.spoilt(message, 16)
    }

    /// The message, sometimes with a wrong checksum, sometimes with half a header.
    fn spoilt(&mut self, mut message: Vec<u8>, checksum: usize) -> Vec<u8> {
        match self.dice.below(50) {
            0 | 1 => message[checksum + 1] ^= 1 + self.dice.byte() / 2,
            2 => message.truncate(self.dice.below(20)),
            _ => {}
        }
        message
    }

    /// An ICMP error about a packet that went the other way.
    fn error<A: Family>(&mut self, pair: Pair<A>) -> Vec<u8> {
        let (kind, codes) = self.dice.pick(A::ERRORS);
        let code = u8::try_from(self.dice.below(codes)).expect("codes are bytes");
        let mut rest = match self.dice.below(4) {
            0 => [0; 4],
            1 => u32::from(self.dice.pick(&MTUS)).to_be_bytes(),
            2 => [self.dice.byte() % 44, 0, 0, 0],
            _ => [0, 0, 0, self.dice.byte() % 44],
        };
        let mut quoted = self.quoted(pair.reversed());
        let length_at = usize::from(A::UNIT == 4);
        let is_extensible = A::EXTENSIBLE.contains(&kind);
        if is_extensible {
            rest[length_at] = 0;
        }
        if is_extensible && self.dice.percent(15) {
            quoted.resize(quoted.len().next_multiple_of(8).clamp(128, 400), 0);
            rest[length_at] = u8::try_from(quoted.len() / A::UNIT).expect("at most 400 bytes");
            quoted.extend(EXTENSION);
        }
        let message = A::icmp(pair, kind, code, rest, &quoted);
        self.spoilt(message, 2)
    }

    /// A packet as an error quotes it: whole, or cut short.
    fn quoted<A: Family>(&mut self, pair: Pair<A>) -> Vec<u8> {
        let len = self.dice.pick(&[0, 1, 8, 32, 100, 548, 1400]);
        let (protocol, message) = match self.dice.below(12) {
            0..4 => (UDP, self.udp(pair, len)),
            4..8 => (TCP, self.tcp(pair, len)),
            8..10 => {
                let kind = self.dice.pick(&A::ECHO);
                (A::ICMP, A::icmp(pair, kind, 0, self.dice.array(), &self.dice.bytes(len)))
            }
            10 => (A::ICMP, A::icmp(pair, A::ERRORS[0].0, 1, [0; 4], &self.dice.bytes(64))),
            _ => (self.dice.pick(&[50, 47, 132]), self.dice.bytes(len)),
        };
        let mut packet = A::plain(pair, protocol, &message);
        match self.dice.below(8) {
            // What RFC 792 asks for, and what routers make of it.
            0..3 => packet.truncate(A::HEADER + 8),
            3 => packet.truncate(A::HEADER + 28),
            4 => packet.truncate(1 + self.dice.below(packet.len())),
            _ => packet.truncate(1280 - A::HEADER - 8),
        }
        packet
    }
}

/// The IPv6 address of an IPv4 one, and the other way round, as the prefix, the maps and the leases have it.
fn counterpart_v6(v4: Ipv4Addr, leased: &[Ipv4Addr]) -> Ipv6Addr {
    let mapped = MAPS.iter().find(|(known, _)| *known == v4).map(|(_, v6)| *v6);
    let lent = leased.iter().position(|known| *known == v4).map(|index| CLIENTS[index]);
    mapped.or(lent).unwrap_or_else(|| embed(v4))
}

fn counterpart_v4(v6: Ipv6Addr, leased: &[Ipv4Addr]) -> Ipv4Addr {
    let mapped = MAPS.iter().find(|(_, known)| *known == v6).map(|(v4, _)| *v4);
    let lent = CLIENTS.iter().position(|known| *known == v6).map(|index| leased[index]);
    mapped.or(lent).unwrap_or_else(|| Ipv4Addr::from(*v6.octets().last_chunk().expect("sixteen bytes")))
}
