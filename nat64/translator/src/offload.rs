//! The virtio-net header that stands in front of every packet of a TUN device with `IFF_VNET_HDR`.
//!
//! Source: `struct virtio_net_hdr` of `linux/virtio_net.h`, 10 bytes in the byte order of the machine:
//!
//! ```text
//!   flags 1 | gso_type 1 | hdr_len 2 | gso_size 2 | csum_start 2 | csum_offset 2
//! ```
//!
//! A super-packet crosses as one packet: `gso_size` stays, the type changes family, `csum_start` moves with the IP
//! header. `hdr_len` is not believed on arrival, since kernels differ in what they put there. With `NEEDS_CSUM` the
//! checksum field holds the sum of the pseudo-header, not complemented, and whoever sends the packet completes it. A
//! sum that somebody else is to complete inside the transport's payload (a tunnel) is completed here instead, since
//! the translator then has nothing to move.

use crate::checksum::{Delta, Sum, for_udp};
use crate::frame::Frame;
use crate::verdict::DropReason;
use crate::wire::field16;
use crate::wire::protocol::{ICMPV4, ICMPV6, TCP, UDP};
use crate::wire::quoted::{QuotedTransport, set_word};
use crate::wire::tcp::Tcp;
use crate::wire::udp::Udp;
use crate::wire::{icmpv4, tcp, udp};

/// Length of `struct virtio_net_hdr` without `num_buffers`.
pub const VNET_HEADER_LEN: usize = 10;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: the checksum field holds the pseudo-header sum only.
pub(crate) const NEEDS_CSUM: u8 = 1;

/// `VIRTIO_NET_HDR_GSO_NONE`, `_TCPV4`, `_TCPV6` and `_UDP_L4`.
const GSO_NONE: u8 = 0;
pub(crate) const GSO_TCPV4: u8 = 1;
pub(crate) const GSO_TCPV6: u8 = 4;
pub(crate) const GSO_UDP_L4: u8 = 5;

/// `VIRTIO_NET_HDR_GSO_ECN`: set beside a TCP type on segments that carry CWR.
const GSO_ECN: u8 = 0x80;

/// How the kernel cuts a super-packet into segments, without the ECN bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GsoType {
    /// One packet.
    None,
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
    /// UDP datagrams of equal size, either family.
    UdpL4,
    /// A type this translator never asks a device for.
    Unknown,
}

/// `struct virtio_net_hdr` as values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VnetHeader {
    /// Bit 0: checksum to be completed; bit 1: checksum known to be right.
    pub flags: u8,
    /// Segmentation type as on the wire, ECN bit included; see [`VnetHeader::gso`].
    pub gso_type: u8,
    /// Bytes of IP and transport header together.
    pub hdr_len: u16,
    /// Payload bytes per segment; 0 without segmentation.
    pub gso_size: u16,
    /// Where summing starts, in bytes from the IP header.
    pub csum_start: u16,
    /// Where the checksum goes, in bytes from `csum_start`.
    pub csum_offset: u16,
}

impl VnetHeader {
    /// Reads the header.
    pub const fn parse(bytes: &[u8; VNET_HEADER_LEN]) -> Self {
        let [flags, gso_type, h0, h1, g0, g1, s0, s1, o0, o1] = *bytes;
        Self {
            flags,
            gso_type,
            hdr_len: u16::from_ne_bytes([h0, h1]),
            gso_size: u16::from_ne_bytes([g0, g1]),
            csum_start: u16::from_ne_bytes([s0, s1]),
            csum_offset: u16::from_ne_bytes([o0, o1]),
        }
    }

    /// Writes the header.
    pub const fn emit(self) -> [u8; VNET_HEADER_LEN] {
        let [h0, h1] = self.hdr_len.to_ne_bytes();
        let [g0, g1] = self.gso_size.to_ne_bytes();
        let [s0, s1] = self.csum_start.to_ne_bytes();
        let [o0, o1] = self.csum_offset.to_ne_bytes();
        [self.flags, self.gso_type, h0, h1, g0, g1, s0, s1, o0, o1]
    }

    /// The segmentation type.
    pub const fn gso(self) -> GsoType {
        match self.gso_type & !GSO_ECN {
            GSO_NONE => GsoType::None,
            GSO_TCPV4 => GsoType::TcpV4,
            GSO_TCPV6 => GsoType::TcpV6,
            GSO_UDP_L4 => GsoType::UdpL4,
            _ => GsoType::Unknown,
        }
    }
}

/// An IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What the segments of a super-packet are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentKind {
    /// TCP segments.
    Tcp,
    /// UDP datagrams, whose boundaries must not move.
    Udp,
}

/// How a super-packet is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// What the segments are.
    pub(crate) kind: SegmentKind,
    /// Length of the transport header, repeated in every segment.
    pub(crate) header_len: usize,
    /// Payload bytes per segment.
    pub(crate) size: u16,
}

impl Segment {
    /// Bytes of one segment behind its IP header.
    pub(crate) fn len(self) -> usize {
        self.header_len + usize::from(self.size)
    }
}

/// What a packet's virtio-net header asks for, once it has been held against the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offload {
    /// The transport checksum holds the sum of the pseudo-header only.
    pub(crate) partial: bool,
    /// The packet is a super-packet of more than one segment.
    pub(crate) segment: Option<Segment>,
}

/// Where the transport of an arriving packet is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The packet's family.
    pub(crate) family: Family,
    /// Its transport protocol.
    pub(crate) protocol: u8,
    /// Offset of the transport header.
    pub(crate) transport: usize,
    /// Whether the packet is a fragment.
    pub(crate) is_fragment: bool,
}

/// Holds the virtio-net header against the packet. Checksums that are not the transport's own are completed on the
/// spot; nothing else changes.
pub(crate) fn admit(frame: &mut Frame, arrival: Arrival) -> Result<Offload, DropReason> {
    let vnet = frame.vnet;
    if vnet.flags & NEEDS_CSUM == 0 {
        // The kernel never hands over a super-packet whose checksums are complete.
        return if vnet.gso() == GsoType::None {
            Ok(Offload::default())
        } else {
            Err(DropReason::VnetHeader)
        };
    }
    let (start, offset) = (usize::from(vnet.csum_start), usize::from(vnet.csum_offset));
    if start < arrival.transport || start + offset + 2 > frame.packet().len() {
        return Err(DropReason::VnetHeader);
    }
    // A fragment's sum covers what is at hand, wherever it is completed: a sender that gets it right has put the sum of
    // the other fragments into the field.
    if arrival.is_fragment || start != arrival.transport || checksum_at(arrival.protocol) != Some(offset) {
        if vnet.gso() != GsoType::None {
            return Err(DropReason::VnetHeader);
        }
        complete(frame);
        return Ok(Offload::default());
    }
    Ok(Offload { partial: true, segment: segment(frame, arrival)? })
}

/// Completes the checksum that [`admit`] left partial, or that was never looked at, if there is one.
pub(crate) fn complete(frame: &mut Frame) {
    let vnet = frame.vnet;
    frame.vnet = VnetHeader::default();
    if vnet.flags & NEEDS_CSUM == 0 {
        return;
    }
    let (start, offset) = (usize::from(vnet.csum_start), usize::from(vnet.csum_offset));
    let Some(covered) = frame.packet_mut().get_mut(start..) else { return };
    // As the kernel does, whatever the protocol: in UDP a computed zero would say that there is no checksum.
    let checksum = for_udp(Sum::of(covered).checksum());
    set_word(covered, offset, checksum);
}

/// The virtio-net header of the translated packet, whose IP header takes `ip_len` bytes.
pub(crate) fn forwarded(arrived: VnetHeader, offload: Offload, to: Family, ip_len: usize) -> VnetHeader {
    if !offload.partial {
        return VnetHeader::default();
    }
    let mut vnet = VnetHeader {
        flags: NEEDS_CSUM,
        csum_start: field16(ip_len),
        csum_offset: arrived.csum_offset,
        hdr_len: field16(ip_len + usize::from(arrived.csum_offset) + 2),
        ..VnetHeader::default()
    };
    if let Some(segment) = offload.segment {
        let kind = match (segment.kind, to) {
            (SegmentKind::Tcp, Family::V4) => GSO_TCPV4,
            (SegmentKind::Tcp, Family::V6) => GSO_TCPV6,
            (SegmentKind::Udp, _) => GSO_UDP_L4,
        };
        vnet.gso_type = kind | (arrived.gso_type & GSO_ECN);
        vnet.gso_size = segment.size;
        vnet.hdr_len = field16(ip_len + segment.header_len);
    }
    vnet
}

/// Cuts a super-packet to its first segment and completes its checksum, for quoting it. The IP header's length field
/// is left to the caller, who knows the family. Returns whether the packet was cut.
pub(crate) fn keep_first_segment(frame: &mut Frame, arrival: Arrival) -> bool {
    let Ok(Offload { segment: Some(cut), .. }) = admit(frame, arrival) else { return false };
    let whole = frame.packet().len() - arrival.transport;
    frame.truncate(arrival.transport + cut.len());
    let Some(transport) = frame.packet_mut().get_mut(arrival.transport..) else { return false };
    // The sum of the pseudo-header holds the length of the whole.
    let view = QuotedTransport(transport);
    let at = if cut.kind == SegmentKind::Tcp { tcp::CHECKSUM_AT } else { udp::CHECKSUM_AT };
    let delta = Delta { removed: Sum::length(whole), added: Sum::length(cut.len()) };
    let sum = delta.apply_partial(view.word(at).unwrap_or_default());
    set_word(transport, at, sum);
    match cut.kind {
        SegmentKind::Tcp => {
            if let Some(mut header) = Tcp::first_mut(transport) {
                header.set_flags(header.flags() & !tcp::LAST_SEGMENT_FLAGS);
            }
        }
        SegmentKind::Udp => {
            if let Some(mut header) = Udp::first_mut(transport) {
                header.set_len(field16(cut.len()));
            }
        }
    }
    complete(frame);
    true
}

/// Where a transport keeps its checksum, in bytes from its header.
const fn checksum_at(protocol: u8) -> Option<usize> {
    match protocol {
        TCP => Some(tcp::CHECKSUM_AT),
        UDP => Some(udp::CHECKSUM_AT),
        ICMPV4 | ICMPV6 => Some(icmpv4::CHECKSUM_AT),
        _ => None,
    }
}

/// How the super-packet in `frame` is cut; `None` when it is a single segment.
fn segment(frame: &Frame, arrival: Arrival) -> Result<Option<Segment>, DropReason> {
    let size = frame.vnet.gso_size;
    let transport = frame.packet().get(arrival.transport..).unwrap_or_default();
    let (kind, header_len) = match (frame.vnet.gso(), arrival.family, arrival.protocol) {
        (GsoType::None, ..) => return Ok(None),
        (GsoType::TcpV4, Family::V4, TCP) | (GsoType::TcpV6, Family::V6, TCP) => {
            (SegmentKind::Tcp, Tcp::copy_from(transport).map_or(0, |header| header.header_len()))
        }
        (GsoType::UdpL4, _, UDP) => (SegmentKind::Udp, Udp::LEN),
        _ => return Err(DropReason::VnetHeader),
    };
    let smallest = if kind == SegmentKind::Tcp { Tcp::LEN } else { Udp::LEN };
    if size == 0 || header_len < smallest || header_len > transport.len() {
        return Err(DropReason::VnetHeader);
    }
    // The kernel refuses a segmentation request for what already is one segment.
    let single = transport.len() - header_len <= usize::from(size);
    Ok(if single { None } else { Some(Segment { kind, header_len, size }) })
}

#[cfg(test)]
mod tests;
