//! Cutting super-packets into single packets in user space, as the kernel's segmentation offload does.
//!
//! Used where the kernel does not take a super-packet: every length, IPv4 identification, sequence number and flag is
//! the one that the kernel would give the segment, and every checksum is complete. Identifications count up from the
//! super-packet's own; FIN and PSH stay with the last segment, CWR with the first (RFC 3168 §6.1.2). Deliberately not
//! here: IP fragments, see [`crate::fragment`].

use crate::checksum::{Pair, Sum, for_udp};
use crate::frame::Frame;
use crate::offload::{GsoType, SegmentKind};
use crate::wire::ipv4::{self, Ipv4};
use crate::wire::ipv6::{self, Ipv6};
use crate::wire::protocol::{TCP, UDP};
use crate::wire::tcp::{self, Tcp};
use crate::wire::udp::Udp;
use crate::wire::{field16, quoted::set_word};

/// Which segment of its super-packet one is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Where its payload starts in the payload of the super-packet, in bytes.
    pub(crate) offset: usize,
    /// Whether no other one follows.
    pub(crate) is_last: bool,
}

/// An IP header that segments repeat, but for lengths and identification.
enum Network {
    V4(Ipv4<[u8; 20]>),
    V6(Ipv6<[u8; 40]>),
}

impl Network {
    /// The header of a whole packet that carries `protocol` right behind it.
    fn of(packet: &[u8], protocol: u8) -> Option<Self> {
        if let Ok(header) = ipv4::parse(packet) {
            let plain = header.header_len() == Ipv4::LEN && header.protocol() == protocol;
            return (plain && !header.is_fragment()).then_some(Self::V4(header));
        }
        let header = ipv6::parse(packet).ok()?;
        (header.next_header() == protocol).then_some(Self::V6(header))
    }

    const fn len(&self) -> usize {
        match self {
            Self::V4(_) => Ipv4::LEN,
            Self::V6(_) => Ipv6::LEN,
        }
    }

    fn pseudo_header(&self, protocol: u8, len: usize) -> Sum {
        match self {
            Self::V4(header) => Pair { src: header.src(), dst: header.dst() }.pseudo_header(protocol, len),
            Self::V6(header) => Pair { src: header.src(), dst: header.dst() }.pseudo_header(protocol, len),
        }
    }

    /// Writes the header of the segment with this number, from 0 on, and `len` bytes of transport.
    fn write(&self, packet: &mut [u8], number: u16, len: usize) {
        match self {
            Self::V4(header) => {
                let mut header = *header;
                header.set_total_len(field16(Ipv4::LEN + len));
                header.set_identification(header.identification().wrapping_add(number));
                header.fill_checksum();
                packet[..Ipv4::LEN].copy_from_slice(header.bytes());
            }
            Self::V6(header) => {
                let mut header = *header;
                header.set_payload_len(field16(len));
                packet[..Ipv6::LEN].copy_from_slice(header.bytes());
            }
        }
    }
}

/// Cuts the super-packet in `frame` and hands its segments to `send` in order, each in `piece`, whose content does not
/// matter. Returns whether `frame` holds a super-packet that can be cut; if not, nothing is sent.
pub fn cut(frame: &Frame, piece: &mut Frame, mut send: impl FnMut(&mut Frame)) -> bool {
    let (kind, protocol) = match frame.vnet.gso() {
        GsoType::TcpV4 | GsoType::TcpV6 => (SegmentKind::Tcp, TCP),
        GsoType::UdpL4 => (SegmentKind::Udp, UDP),
        GsoType::None | GsoType::Unknown => return false,
    };
    let packet = frame.packet();
    let Some(network) = Network::of(packet, protocol) else { return false };
    let front = network.len();
    let transport = packet.get(front..).unwrap_or_default();
    let header_len = match kind {
        SegmentKind::Tcp => Tcp::copy_from(transport).map_or(0, |header| header.header_len().max(Tcp::LEN)),
        SegmentKind::Udp => Udp::LEN,
    };
    let size = usize::from(frame.vnet.gso_size);
    if size == 0 || header_len == 0 || header_len >= transport.len() {
        return false;
    }
    let (header, payload) = transport.split_at(header_len);
    for (number, bytes) in payload.chunks(size).enumerate() {
        let offset = number * size;
        let place = Place { offset, is_last: offset + bytes.len() == payload.len() };
        let len = header_len + bytes.len();
        let packet = piece.resize(front + len);
        network.write(packet, field16(number), len);
        let segment = &mut packet[front..];
        segment[..header_len].copy_from_slice(header);
        segment[header_len..].copy_from_slice(bytes);
        finish(segment, kind, place, network.pseudo_header(protocol, len));
        send(piece);
    }
    true
}

/// Makes a segment of a copy of the super-packet's transport header with the segment's payload behind it.
pub(crate) fn finish(segment: &mut [u8], kind: SegmentKind, place: Place, pseudo_header: Sum) {
    let len = field16(segment.len());
    match kind {
        SegmentKind::Udp => {
            let Some(mut header) = Udp::first_mut(segment) else { return };
            header.set_len(len);
            header.set_checksum(0);
            let checksum = for_udp(Sum::of(segment).plus(pseudo_header).checksum());
            set_word(segment, crate::wire::udp::CHECKSUM_AT, checksum);
        }
        SegmentKind::Tcp => {
            let Some(mut header) = Tcp::first_mut(segment) else { return };
            // Sequence numbers wrap, and a super-packet is shorter than their range.
            let offset = u32::try_from(place.offset).unwrap_or(u32::MAX);
            header.set_sequence(header.sequence().wrapping_add(offset));
            let last = if place.is_last { 0 } else { tcp::LAST_SEGMENT_FLAGS };
            let first = if place.offset == 0 { 0 } else { tcp::FIRST_SEGMENT_FLAGS };
            header.set_flags(header.flags() & !(last | first));
            header.set_checksum(0);
            let checksum = Sum::of(segment).plus(pseudo_header).checksum();
            set_word(segment, tcp::CHECKSUM_AT, checksum);
        }
    }
}

#[cfg(test)]
mod tests;
