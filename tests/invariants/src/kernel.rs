//! What Linux demands of a virtio-net header, after `virtio_net_hdr_to_skb` of `include/linux/virtio_net.h`, and what
//! the kernel does with a checksum that it is to complete.

use crate::view::{TCP, UDP, View};
use translator::{GsoType, VnetHeader};

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`.
const NEEDS_CSUM: u8 = 1;
/// `VIRTIO_NET_HDR_GSO_ECN`.
const ECN: u8 = 0x80;
/// `UDP_MAX_SEGMENTS` of the kernels that allow fewest.
const MOST_SEGMENTS: usize = 64;

/// The longest transport header.
const LONGEST_HEADER: usize = 60;

/// Whether the checksum is to be completed.
pub const fn is_partial(vnet: VnetHeader) -> bool {
    vnet.flags & NEEDS_CSUM != 0
}

/// Whether a checksum that is to be completed is the transport's own, or lies behind the transport header, as that of a
/// tunnel does. Completed anywhere else, it would overwrite a field that the translator has decided by.
pub fn is_plausible(vnet: VnetHeader, packet: &[u8]) -> bool {
    let Some(view) = View::of(packet).filter(|_| is_partial(vnet)) else { return true };
    let (start, offset) = (usize::from(vnet.csum_start), usize::from(vnet.csum_offset));
    let is_own = start == view.at && view.checksum_at() == Some(offset);
    is_own || (start >= view.at && start + offset >= view.at + LONGEST_HEADER)
}

/// Whether the kernel takes `packet` with this header, and could have handed it over.
pub fn accepts(vnet: VnetHeader, packet: &[u8]) -> Result<(), &'static str> {
    let Some(view) = View::of(packet) else { return Err("no packet") };
    let (start, offset) = (usize::from(vnet.csum_start), usize::from(vnet.csum_offset));
    if usize::from(vnet.hdr_len) > packet.len() {
        return Err("headers longer than the packet");
    }
    if is_partial(vnet) {
        if start + offset + 2 > packet.len() {
            return Err("a checksum outside the packet");
        }
        if start < if view.is_v4() { 20 } else { 40 } {
            return Err("a checksum that covers the IP header");
        }
    }
    let (protocol, checksum_at, header_len) = match (vnet.gso(), view.is_v4()) {
        (GsoType::None, _) if vnet.gso_type == 0 => return Ok(()),
        (GsoType::TcpV4, true) | (GsoType::TcpV6, false) => {
            (TCP, 16, view.payload.get(12).map_or(0, |byte| usize::from(byte >> 4) * 4))
        }
        (GsoType::UdpL4, _) if vnet.gso_type & ECN == 0 => (UDP, 6, 8),
        _ => return Err("a segmentation type that does not fit the packet"),
    };
    if view.protocol != protocol || view.is_fragment() || !is_partial(vnet) {
        return Err("a super-packet of another protocol, in fragments, or with a complete checksum");
    }
    if start != view.at || offset != checksum_at {
        return Err("the checksum of a super-packet elsewhere than in its transport");
    }
    let smallest = if protocol == TCP { 20 } else { 8 };
    let Some(payload) = view.payload.len().checked_sub(header_len).filter(|_| header_len >= smallest) else {
        return Err("a super-packet with a transport header that is cut short");
    };
    let size = usize::from(vnet.gso_size);
    if size == 0 || vnet.gso_size == u16::MAX {
        return Err("a segment size that means something else");
    }
    if payload <= size {
        return Err("a super-packet of one segment");
    }
    if protocol == UDP && payload.div_ceil(size) > MOST_SEGMENTS {
        return Err("more datagrams than UDP_MAX_SEGMENTS");
    }
    Ok(())
}

/// The packet with its checksum completed, without what follows the length that its header says.
pub fn completed(vnet: VnetHeader, packet: &[u8]) -> Vec<u8> {
    let (front, len) =
        View::of(packet).map_or((0, packet.len()), |view| (view.at, view.at + view.payload.len()));
    let mut packet = packet[..len].to_vec();
    let (start, offset) = (usize::from(vnet.csum_start), usize::from(vnet.csum_offset));
    // Anything else the translator refuses.
    if !is_partial(vnet) || start + offset + 2 > packet.len() || start < front {
        return packet;
    }
    let sum = etherparse::checksum::Sum16BitWords::new().add_slice(&packet[start..]).ones_complement();
    let sum = if sum == 0 { 0xffff } else { sum };
    // etherparse keeps sums in the byte order of the machine, as they lie in memory.
    packet[start + offset..start + offset + 2].copy_from_slice(&sum.to_ne_bytes());
    packet
}
