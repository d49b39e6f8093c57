//! What a packet that may merge looks like, whether another one continues it, and the headers of what comes of it.

use crate::checksum::{Pair, Sum};
use crate::frame::Frame;
use crate::offload::{GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, GsoType, NEEDS_CSUM, SegmentKind, VnetHeader};
use crate::wire::field16;
use crate::wire::ipv4::Ipv4;
use crate::wire::ipv6::Ipv6;
use crate::wire::protocol::{TCP, UDP};
use crate::wire::quoted::{QuotedTransport, set_word};
use crate::wire::tcp::{self, Tcp};
use crate::wire::udp::{self, Udp};
use std::ops::Range;

/// Who talks to whom; what must stay in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    /// Both ports, or nothing where there are none.
    pub(super) ports: Option<u32>,
    pub(super) protocol: u8,
    /// Source and destination as the header has them; those of IPv4 are padded with zeros.
    pub(super) addresses: [u8; 32],
}

/// What a packet that may merge looks like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) kind: SegmentKind,
    /// Length of the IP header.
    pub(super) transport: usize,
    /// Length of the IP and the transport header.
    pub(super) headers: usize,
    /// Length of the payload, not 0.
    pub(super) payload: usize,
    /// Sequence number of TCP; 0 of UDP.
    pub(super) sequence: u32,
    /// Whether nothing may follow (PSH).
    pub(super) ends: bool,
    /// The IPv4 identification, where it matters.
    pub(super) identification: Option<u16>,
}

impl Flow {
    /// The flow of a translated packet; `None` for what is no packet.
    pub(super) fn of(packet: &[u8]) -> Option<Self> {
        let mut addresses = [0; 32];
        let (protocol, transport, is_fragment) = if packet.first()? >> 4 == 4 {
            let header = Ipv4::copy_from(packet)?;
            addresses.get_mut(..8)?.copy_from_slice(packet.get(12..20)?);
            (header.protocol(), header.header_len(), header.is_fragment())
        } else {
            let header = Ipv6::copy_from(packet)?;
            addresses.copy_from_slice(packet.get(8..40)?);
            (header.next_header(), Ipv6::LEN, false)
        };
        let ports = packet.get(transport..).and_then(|rest| rest.first_chunk::<4>());
        let ports = ports.filter(|_| !is_fragment && [TCP, UDP].contains(&protocol));
        Some(Self { ports: ports.map(|ports| u32::from_ne_bytes(*ports)), protocol, addresses })
    }
}

impl Shape {
    /// Whether the packet may merge with its like, and what it looks like.
    pub(super) fn of(frame: &Frame, protocol: u8) -> Option<Self> {
        if frame.vnet.gso() != GsoType::None {
            return None;
        }
        let packet = frame.packet();
        let (transport, identification) = if packet.first()? >> 4 == 4 {
            let header = Ipv4::copy_from(packet)?;
            if header.header_len() != Ipv4::LEN {
                return None;
            }
            (Ipv4::LEN, (!header.dont_fragment()).then(|| header.identification()))
        } else {
            (Ipv6::LEN, None)
        };
        let rest = packet.get(transport..)?;
        let (kind, header_len, sequence, ends) = if protocol == TCP {
            let header = Tcp::copy_from(rest)?;
            if header.flags() & !tcp::PSH != tcp::ACK || header.header_len() < Tcp::LEN {
                return None;
            }
            (SegmentKind::Tcp, header.header_len(), header.sequence(), header.flags() & tcp::PSH != 0)
        } else {
            let header = Udp::copy_from(rest)?;
            if usize::from(header.len()) != rest.len() {
                return None;
            }
            (SegmentKind::Udp, Udp::LEN, 0, false)
        };
        let payload = rest.len().checked_sub(header_len).filter(|payload| *payload > 0)?;
        let headers = transport + header_len;
        Some(Self { kind, transport, headers, payload, sequence, ends, identification })
    }

    /// The sequence number of the packet that follows.
    pub(super) fn next_sequence(self) -> u32 {
        match self.kind {
            SegmentKind::Udp => 0,
            // No packet is longer than the field says.
            SegmentKind::Tcp => self.sequence.wrapping_add(u32::try_from(self.payload).unwrap_or(u32::MAX)),
        }
    }
}

/// Whether `next` differs from `first` only in what segmentation writes: lengths, identification, checksums, sequence
/// number, and PSH.
pub(super) fn continues(first: &[u8], next: &[u8], shape: Shape, of_next: Shape) -> bool {
    let same = |range: Range<usize>| first.get(range.clone()) == next.get(range);
    if (shape.kind, shape.transport, shape.headers) != (of_next.kind, of_next.transport, of_next.headers) {
        return false;
    }
    // Version, TOS or traffic class, flow label; DF, TTL or hop limit, protocol. Addresses and ports are the flow's.
    let network =
        if shape.transport == Ipv4::LEN { same(0..2) && same(6..10) } else { same(0..4) && same(6..8) };
    let at = shape.transport;
    // Acknowledgment and header length; window; urgent pointer and options. The flags are ACK, with or without PSH.
    network
        && (shape.kind == SegmentKind::Udp
            || same(at + 8..at + 13) && same(at + 14..at + 16) && same(at + 18..shape.headers))
}

/// Whether the packet's checksum is what segmentation would write, or is left to whoever segments.
pub(super) fn is_right(frame: &Frame, shape: Shape) -> bool {
    let Some(pseudo_header) = pseudo_header(frame.packet(), shape) else { return false };
    let transport = frame.packet().get(shape.transport..).unwrap_or_default();
    let at = checksum_at(shape.kind);
    let Some(checksum) = QuotedTransport(transport).word(at) else { return false };
    if frame.vnet.flags & NEEDS_CSUM != 0 {
        let vnet = frame.vnet;
        return (usize::from(vnet.csum_start), usize::from(vnet.csum_offset)) == (shape.transport, at)
            && checksum % u16::MAX == pseudo_header.folded() % u16::MAX;
    }
    let absent_or_unusual = match shape.kind {
        SegmentKind::Udp => 0,
        // As good as 0x0000, which is what segmentation writes.
        SegmentKind::Tcp => 0xffff,
    };
    checksum != absent_or_unusual && Sum::of(transport).plus(pseudo_header).checksum() == 0
}

pub(super) fn pseudo_header(packet: &[u8], shape: Shape) -> Option<Sum> {
    let len = packet.len() - shape.transport;
    let protocol = match shape.kind {
        SegmentKind::Udp => UDP,
        SegmentKind::Tcp => TCP,
    };
    if shape.transport == Ipv4::LEN {
        let header = Ipv4::copy_from(packet)?;
        return Some(Pair { src: header.src(), dst: header.dst() }.pseudo_header(protocol, len));
    }
    let header = Ipv6::copy_from(packet)?;
    Some(Pair { src: header.src(), dst: header.dst() }.pseudo_header(protocol, len))
}

/// Writes the headers of the super-packet over those of the first packet. `identification` takes the place of the
/// first packet's.
pub(super) fn finish(frame: &mut Frame, shape: Shape, identification: Option<u16>) {
    let len = frame.packet().len();
    let sum = pseudo_header(frame.packet(), shape).unwrap_or_default().folded();
    let packet = frame.packet_mut();
    let is_v4 = shape.transport == Ipv4::LEN;
    if is_v4 {
        let Some(mut header) = Ipv4::first_mut(packet) else { return };
        header.set_total_len(field16(len));
        header.set_identification(identification.unwrap_or(header.identification()));
        header.fill_checksum();
    } else {
        let Some(mut header) = Ipv6::first_mut(packet) else { return };
        header.set_payload_len(field16(len - Ipv6::LEN));
    }
    let transport = packet.get_mut(shape.transport..).unwrap_or_default();
    set_word(transport, checksum_at(shape.kind), sum);
    let gso_type = match shape.kind {
        SegmentKind::Udp => {
            let whole = field16(transport.len());
            if let Some(mut header) = Udp::first_mut(transport) {
                header.set_len(whole);
            }
            GSO_UDP_L4
        }
        SegmentKind::Tcp => {
            if let Some(mut header) = Tcp::first_mut(transport) {
                header.set_flags(header.flags() | if shape.ends { tcp::PSH } else { 0 });
            }
            if is_v4 { GSO_TCPV4 } else { GSO_TCPV6 }
        }
    };
    frame.vnet = VnetHeader {
        flags: NEEDS_CSUM,
        gso_type,
        hdr_len: field16(shape.headers),
        gso_size: field16(shape.payload),
        csum_start: field16(shape.transport),
        csum_offset: field16(checksum_at(shape.kind)),
    };
}

const fn checksum_at(kind: SegmentKind) -> usize {
    match kind {
        SegmentKind::Udp => udp::CHECKSUM_AT,
        SegmentKind::Tcp => tcp::CHECKSUM_AT,
    }
}
