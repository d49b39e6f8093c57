//! A packet as a receiver reads it, and whether its checksum is right.
//!
//! Headers are read by hand and checksums summed by etherparse, both apart from the translator's code.

use etherparse::checksum::Sum16BitWords;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Protocol numbers that have a checksum.
pub const ICMPV4: u8 = 1;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// ICMPv6.
pub const ICMPV6: u8 = 58;

/// One packet, or one fragment of one.
#[derive(Clone, PartialEq, Eq)]
pub struct View<'p> {
    /// The source.
    pub src: IpAddr,
    /// The destination.
    pub dst: IpAddr,
    /// TOS or traffic class.
    pub class: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// The protocol of [`View::payload`].
    pub protocol: u8,
    /// The identification, in IPv6 that of the Fragment header.
    pub id: u32,
    /// Where the payload belongs in the whole one, in bytes.
    pub offset: usize,
    /// Whether more fragments follow.
    pub more: bool,
    /// Don't Fragment; in IPv6, whether there is no Fragment header.
    pub dont_fragment: bool,
    /// Whether there are options, extension headers or a flow label, which do not cross.
    pub has_extras: bool,
    /// Where the payload begins in the packet.
    pub at: usize,
    /// What follows the IP headers.
    pub payload: &'p [u8],
}

/// What a transport checksum says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It is right.
    Right,
    /// It is wrong.
    Wrong,
    /// UDP without one.
    Absent,
    /// Nobody can say: a fragment, cut short, or a protocol without one.
    Unknown,
}

/// The big-endian word at `at`.
pub fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl fmt::Debug for View<'_> {
    /// One line, however long the packet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { src, dst, ttl, protocol, id, offset, more, dont_fragment, at, payload, .. } = self;
        write!(f, "{src} -> {dst} ttl {ttl} protocol {protocol} id {id} offset {offset} more {more} ")?;
        write!(f, "df {dont_fragment} headers {at} payload {}: ", payload.len())?;
        payload.iter().take(48).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<'p> View<'p> {
    /// Reads an IPv4 or IPv6 packet leniently; bytes behind the packet's own length are passed over. `None`: no
    /// receiver would take it.
    pub fn of(packet: &'p [u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::of_v4(packet),
            6 => Self::of_v6(packet),
            _ => None,
        }
    }

    fn of_v4(packet: &'p [u8]) -> Option<Self> {
        let header: &[u8; 20] = packet.first_chunk()?;
        let (front, total) = (usize::from(header[0] & 0xf) * 4, usize::from(word(packet, 2)?));
        if front < 20 || total < front {
            return None;
        }
        let flags = word(packet, 6)?;
        let address = |at: usize| packet.get(at..)?.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
        Some(Self {
            src: address(12)?.into(),
            dst: address(16)?.into(),
            class: header[1],
            ttl: header[8],
            protocol: header[9],
            id: word(packet, 4)?.into(),
            offset: usize::from(flags & 0x1fff) * 8,
            more: flags & 0x2000 != 0,
            dont_fragment: flags & 0x4000 != 0,
            has_extras: front > 20,
            at: front,
            payload: packet.get(front..total)?,
        })
    }

    fn of_v6(packet: &'p [u8]) -> Option<Self> {
        let header: &[u8; 40] = packet.first_chunk()?;
        let end = 40 + usize::from(word(packet, 4)?);
        let packet = packet.get(..end)?;
        let address = |at: usize| packet.get(at..)?.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets));
        let mut view = Self {
            src: address(8)?.into(),
            dst: address(24)?.into(),
            class: (header[0] << 4) | (header[1] >> 4),
            ttl: header[7],
            protocol: header[6],
            id: 0,
            offset: 0,
            more: false,
            dont_fragment: true,
            has_extras: header[1] & 0xf != 0 || header[2] != 0 || header[3] != 0,
            at: 40,
            payload: &[],
        };
        // Hop-by-hop options, routing, destination options; then perhaps a Fragment header, which comes last.
        while [0, 43, 60].contains(&view.protocol) {
            let len = 8 + 8 * usize::from(*packet.get(view.at + 1)?);
            (view.protocol, view.at, view.has_extras) = (*packet.get(view.at)?, view.at + len, true);
        }
        if view.protocol == 44 {
            let fragment: &[u8; 8] = packet.get(view.at..)?.first_chunk()?;
            let place = word(fragment, 2)?;
            (view.protocol, view.at) = (fragment[0], view.at + 8);
            (view.offset, view.more) = (usize::from(place & 0xfff8), place & 1 != 0);
            view.id = u32::from_be_bytes(*fragment.last_chunk()?);
            view.dont_fragment = false;
        }
        view.payload = packet.get(view.at..)?;
        Some(view)
    }

    /// Reads a packet that the translator made. Such a packet has no options.
    ///
    /// # Panics
    /// When it is not well formed.
    pub fn of_ours(packet: &'p [u8]) -> Self {
        let view = Self::of_whole(packet);
        assert!(!view.has_extras, "options, a flow label or extension headers: {view:?}");
        view
    }

    /// Reads a packet that leaves: it has as many bytes as its header says.
    ///
    /// # Panics
    /// When it is not well formed.
    pub fn of_whole(packet: &'p [u8]) -> Self {
        let view = Self::of(packet).unwrap_or_else(|| panic!("no packet: {packet:02x?}"));
        assert_eq!(view.at + view.payload.len(), packet.len(), "the length of {view:?}");
        if view.is_v4() {
            let sum = Sum16BitWords::new().add_slice(&packet[..20]).ones_complement();
            assert_eq!(sum, 0, "the header checksum of {packet:02x?}");
            assert!(packet[6] & 0x80 == 0, "the reserved flag of {packet:02x?}");
        }
        let end = view.offset + view.payload.len();
        assert!(end <= 65_535, "a fragment ends at {end}");
        view
    }

    /// Whether it is IPv4.
    pub const fn is_v4(&self) -> bool {
        self.src.is_ipv4()
    }

    /// Whether it is a fragment of a larger packet.
    pub const fn is_fragment(&self) -> bool {
        self.more || self.offset > 0
    }

    /// Whether it is ICMP of its family.
    pub const fn is_icmp(&self) -> bool {
        self.protocol == if self.is_v4() { ICMPV4 } else { ICMPV6 }
    }

    /// Whether it is, or may be, an ICMP error.
    pub fn is_icmp_error(&self) -> bool {
        let kind = self.payload.first().copied();
        self.is_icmp()
            && kind
                .is_none_or(|kind| if self.is_v4() { [3, 4, 5, 11, 12].contains(&kind) } else { kind < 128 })
    }

    /// Where the transport keeps its checksum.
    pub const fn checksum_at(&self) -> Option<usize> {
        match (self.protocol, self.is_v4()) {
            (TCP, _) => Some(16),
            (UDP, _) => Some(6),
            (ICMPV4, true) | (ICMPV6, false) => Some(2),
            _ => None,
        }
    }

    /// Whether it is an ICMP message of nothing but zeros. Its checksum is wrong, since that would be all ones, but
    /// in ones' complement both are zero, and who adjusts a checksum cannot tell them apart.
    pub fn is_all_zero(&self) -> bool {
        self.is_v4() && self.is_icmp() && self.payload.iter().all(|byte| *byte == 0)
    }

    /// What the transport's checksum says.
    pub fn checksum(&self) -> Checksum {
        let smallest = match self.protocol {
            TCP => 20,
            _ => 8,
        };
        let Some(at) = self.checksum_at().filter(|_| !self.is_fragment() && self.payload.len() >= smallest)
        else {
            return Checksum::Unknown;
        };
        if self.protocol == UDP {
            if word(self.payload, at) == Some(0) {
                return Checksum::Absent;
            }
            // Bytes behind the datagram are outside its checksum, and a receiver drops a datagram that is cut.
            if word(self.payload, 4).map(usize::from) != Some(self.payload.len()) {
                return Checksum::Unknown;
            }
        }
        let mut sum = Sum16BitWords::new().add_slice(self.payload);
        let sum = match (self.src, self.dst) {
            (IpAddr::V4(_), IpAddr::V4(_)) if self.protocol == ICMPV4 => sum,
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let len = u16::try_from(self.payload.len()).unwrap_or(u16::MAX);
                sum.add_4bytes(src.octets()).add_4bytes(dst.octets()).add_2bytes(len.to_be_bytes())
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let len = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
                sum.add_16bytes(src.octets()).add_16bytes(dst.octets()).add_4bytes(len.to_be_bytes())
            }
            _ => return Checksum::Unknown,
        };
        let is_pure_icmp = self.protocol == ICMPV4 && self.is_v4();
        let sum = if is_pure_icmp { sum } else { sum.add_2bytes([0, self.protocol]) };
        if sum.ones_complement() == 0 { Checksum::Right } else { Checksum::Wrong }
    }
}
