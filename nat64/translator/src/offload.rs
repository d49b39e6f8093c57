//! The virtio-net header that stands in front of every packet of a TUN device with `IFF_VNET_HDR`.
//!
//! Source: `struct virtio_net_hdr` of linux/virtio_net.h, 10 bytes in the byte order of the machine:
//!
//! ```text
//!   flags 1 | gso_type 1 | hdr_len 2 | gso_size 2 | csum_start 2 | csum_offset 2
//! ```

/// Length of `struct virtio_net_hdr` without `num_buffers`.
pub const VNET_HEADER_LEN: usize = 10;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: the checksum field holds the pseudo-header sum only.
pub(crate) const NEEDS_CSUM: u8 = 1;

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
            0 => GsoType::None,
            1 => GsoType::TcpV4,
            4 => GsoType::TcpV6,
            5 => GsoType::UdpL4,
            _ => GsoType::Unknown,
        }
    }
}
