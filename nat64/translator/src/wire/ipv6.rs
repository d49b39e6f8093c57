//! IPv6 header (RFC 8200 §3).
//!
//! ```text
//!    0                   1                   2                   3
//!    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!   |version| traffic class |              flow label               |
//!   |        payload length         |  next header  |   hop limit   |
//!   |                       source, 16 bytes                        |
//!   |                     destination, 16 bytes                     |
//! ```

use super::layout;
use crate::verdict::DropReason;
use std::net::Ipv6Addr;

layout! {
    /// The IPv6 header.
    Ipv6, 40 bytes;
    /// Version (4 bits), traffic class (8 bits), flow label (20 bits).
    0: version_class_flow, set_version_class_flow, u32;
    /// Length of everything behind this header in bytes.
    4: payload_len, set_payload_len, u16;
    /// Protocol of what follows.
    6: next_header, set_next_header, u8;
    /// Hop limit.
    7: hop_limit, set_hop_limit, u8;
    /// Source address.
    8: src, set_src, Ipv6Addr;
    /// Destination address.
    24: dst, set_dst, Ipv6Addr;
}

/// Offset of the Next Header field.
pub(crate) const NEXT_HEADER_AT: u8 = 6;

impl<B: std::borrow::Borrow<[u8; 40]>> Ipv6<B> {
    /// The version, 6 in a proper packet.
    pub(crate) fn version(&self) -> u8 {
        (self.version_class_flow() >> 28) as u8
    }

    /// Traffic class, all eight bits.
    pub(crate) fn traffic_class(&self) -> u8 {
        ((self.version_class_flow() >> 20) & 0xff) as u8
    }
}

impl<B: std::borrow::BorrowMut<[u8; 40]>> Ipv6<B> {
    /// Sets the traffic class; version and flow label stay.
    pub(crate) fn set_traffic_class(&mut self, traffic_class: u8) {
        let others = self.version_class_flow() & !(0xff << 20);
        self.set_version_class_flow(others | u32::from(traffic_class) << 20);
    }

    /// Sets version 6, the traffic class, and flow label 0.
    pub(crate) fn set_class(&mut self, traffic_class: u8) {
        self.set_version_class_flow(6 << 28 | u32::from(traffic_class) << 20);
    }
}

/// The header of a whole packet, checked: version, and length against the bytes at hand. What follows the payload
/// length is padding of the link, except behind a length of zero, which belongs to a jumbogram (RFC 2675).
pub(crate) fn parse(packet: &[u8]) -> Result<Ipv6<[u8; 40]>, DropReason> {
    let header = Ipv6::copy_from(packet).ok_or(DropReason::Ipv6Header)?;
    let payload = packet.len() - Ipv6::LEN;
    let claimed = usize::from(header.payload_len());
    if header.version() != 6 || claimed > payload || (claimed == 0 && payload > 0) {
        return Err(DropReason::Ipv6Header);
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(payload_len: u16, payload: usize) -> Vec<u8> {
        let mut header = Ipv6::zeroed();
        header.set_class(0xb8);
        header.set_payload_len(payload_len);
        let mut packet = header.bytes().to_vec();
        packet.resize(40 + payload, 0);
        packet
    }

    #[test]
    fn lengths_are_held_against_the_bytes() {
        assert!(parse(&sample(4, 4)).is_ok());
        assert!(parse(&sample(4, 22)).is_ok(), "padding of the link");
        assert!(parse(&sample(0, 0)).is_ok());
        assert_eq!(parse(&sample(5, 4)).err(), Some(DropReason::Ipv6Header));
        assert_eq!(parse(&sample(0, 4)).err(), Some(DropReason::Ipv6Header), "jumbogram");
        assert_eq!(parse(&sample(4, 4)[..39]).err(), Some(DropReason::Ipv6Header));
    }

    #[test]
    fn traffic_class_crosses_the_byte_boundary() {
        let header = Ipv6::copy_from(&sample(0, 0)).expect("40 bytes");
        assert_eq!(header.bytes()[..4], [0x6b, 0x80, 0, 0]);
        assert_eq!((header.version(), header.traffic_class()), (6, 0xb8));
    }
}
