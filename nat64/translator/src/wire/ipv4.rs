//! IPv4 header (RFC 791 §3.1).
//!
//! ```text
//!    0                   1                   2                   3
//!    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!   |version|  IHL  |      TOS      |         total length          |
//!   |        identification         |0|D|M|    fragment offset      |
//!   |      TTL      |   protocol    |        header checksum        |
//!   |                            source                             |
//!   |                          destination                          |
//! ```

use super::{field16, layout};
use crate::checksum::Sum;
use crate::verdict::DropReason;
use std::net::Ipv4Addr;

layout! {
    /// The fixed 20 bytes of an IPv4 header.
    Ipv4, 20 bytes;
    /// Version (4 bits) and header length in 32-bit words (4 bits).
    0: version_ihl, set_version_ihl, u8;
    /// Type of service, all eight bits.
    1: tos, set_tos, u8;
    /// Length of header and payload in bytes.
    2: total_len, set_total_len, u16;
    /// Identification.
    4: identification, set_identification, u16;
    /// Reserved bit, DF, MF and the fragment offset in units of 8 bytes.
    6: flags_offset, set_flags_offset, u16;
    /// Time to live.
    8: ttl, set_ttl, u8;
    /// Protocol.
    9: protocol, set_protocol, u8;
    /// Header checksum.
    10: checksum, set_checksum, u16;
    /// Source address.
    12: src, set_src, Ipv4Addr;
    /// Destination address.
    16: dst, set_dst, Ipv4Addr;
}

/// Don't Fragment, in [`Ipv4::flags_offset`].
pub(crate) const DF: u16 = 0x4000;
/// More Fragments, in [`Ipv4::flags_offset`].
pub(crate) const MF: u16 = 0x2000;
/// The fragment offset, in [`Ipv4::flags_offset`].
const OFFSET: u16 = 0x1fff;

/// Offset of the header checksum.
pub(crate) const CHECKSUM_AT: usize = 10;

/// Options that end the list, fill it, and route by source (RFC 791 §3.1).
const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const SOURCE_ROUTES: [u8; 2] = [131, 137];

impl<B: std::borrow::Borrow<[u8; 20]>> Ipv4<B> {
    /// Length of the header with its options in bytes, as it claims: 0 to 60.
    pub(crate) fn header_len(&self) -> usize {
        usize::from(self.version_ihl() & 0xf) * 4
    }

    /// Whether routers must not fragment the packet.
    pub(crate) fn dont_fragment(&self) -> bool {
        self.flags_offset() & DF != 0
    }

    /// Whether another fragment follows.
    pub(crate) fn more_fragments(&self) -> bool {
        self.flags_offset() & MF != 0
    }

    /// Where the payload stands in the whole packet, in bytes.
    pub(crate) fn fragment_offset(&self) -> usize {
        usize::from(self.flags_offset() & OFFSET) * 8
    }

    /// Whether the packet is a fragment of a larger one.
    pub(crate) fn is_fragment(&self) -> bool {
        self.flags_offset() & (MF | OFFSET) != 0
    }
}

impl<B: std::borrow::BorrowMut<[u8; 20]>> Ipv4<B> {
    /// Sets version 4 and a header without options.
    pub(crate) fn set_plain(&mut self) {
        self.set_version_ihl(0x45);
    }

    /// Sets the fragment offset in bytes, a multiple of 8, and the flags.
    pub(crate) fn set_fragment(&mut self, offset: usize, flags: u16) {
        self.set_flags_offset(flags | (field16(offset / 8) & OFFSET));
    }

    /// Computes the checksum of a header without options.
    pub(crate) fn fill_checksum(&mut self) {
        self.set_checksum(0);
        let checksum = Sum::of(self.bytes()).checksum();
        self.set_checksum(checksum);
    }
}

/// The header of a whole packet, checked: version, lengths against the bytes at hand, header checksum. What follows
/// the total length is padding of the link.
pub(crate) fn parse(packet: &[u8]) -> Result<Ipv4<[u8; 20]>, DropReason> {
    let header = Ipv4::copy_from(packet).ok_or(DropReason::Ipv4Header)?;
    let (header_len, total_len) = (header.header_len(), usize::from(header.total_len()));
    if header.version_ihl() >> 4 != 4 || header_len < 20 || total_len < header_len || packet.len() < total_len
    {
        return Err(DropReason::Ipv4Header);
    }
    let whole_header = packet.get(..header_len).ok_or(DropReason::Ipv4Header)?;
    if Sum::of(whole_header).checksum() != 0 {
        return Err(DropReason::Ipv4Checksum);
    }
    Ok(header)
}

/// Whether `options` hold a loose or strict source route with addresses left to visit (RFC 791 §3.1): its pointer is
/// not beyond its length. Options that cannot be read hold none.
pub(crate) fn has_unexpired_source_route(mut options: &[u8]) -> bool {
    loop {
        match options {
            [] | [OPTION_END, ..] | [_] => return false,
            [OPTION_NOP, rest @ ..] => options = rest,
            [kind, len, rest @ ..] => {
                if SOURCE_ROUTES.contains(kind) && rest.first().is_some_and(|pointer| pointer <= len) {
                    return true;
                }
                let Some(next) = options.get(usize::from(*len)..).filter(|_| *len >= 2) else { return false };
                options = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut header = Ipv4::zeroed();
        header.set_plain();
        header.set_total_len(24);
        header.set_ttl(64);
        header.set_protocol(17);
        header.set_src(Ipv4Addr::new(192, 0, 2, 1));
        header.set_dst(Ipv4Addr::new(198, 51, 100, 1));
        header.fill_checksum();
        let mut packet = header.bytes().to_vec();
        packet.extend_from_slice(&[1, 2, 3, 4]);
        packet
    }

    #[test]
    fn whole_packet_parses_and_padding_is_allowed() {
        let mut packet = sample();
        assert!(parse(&packet).is_ok());
        packet.extend_from_slice(&[0; 22]);
        assert_eq!(parse(&packet).map(|header| header.total_len()), Ok(24));
    }

    #[test]
    fn bad_lengths_and_checksums_are_refused() {
        let check = |at: usize, value: u8, expect: DropReason| {
            let mut packet = sample();
            packet[at] = value;
            assert_eq!(parse(&packet).err(), Some(expect), "byte {at} = {value}");
        };
        check(0, 0x44, DropReason::Ipv4Header);
        check(0, 0x4f, DropReason::Ipv4Header);
        check(0, 0x65, DropReason::Ipv4Header);
        check(3, 19, DropReason::Ipv4Header);
        check(3, 25, DropReason::Ipv4Header);
        check(8, 63, DropReason::Ipv4Checksum);
        assert_eq!(parse(&sample()[..19]).err(), Some(DropReason::Ipv4Header));
    }

    #[test]
    fn source_routes_are_found_while_unexpired() {
        let check = |options: &[u8], expect: bool| {
            assert_eq!(has_unexpired_source_route(options), expect, "{options:?}");
        };
        check(&[131, 7, 4, 192, 0, 2, 1, 0], true);
        check(&[137, 7, 4, 192, 0, 2, 1, 0], true);
        check(&[1, 131, 7, 8, 192, 0, 2, 1], false);
        check(&[148, 4, 0, 0, 131, 7, 4, 192, 0, 2, 1, 0], true);
        check(&[0, 131, 7, 4, 192, 0, 2, 1], false);
        check(&[148, 0, 131, 7], false);
        check(&[148, 200, 131, 7], false);
        check(&[131, 7], false);
        check(&[131], false);
        check(&[], false);
    }

    #[test]
    fn fragment_fields_share_a_word() {
        let mut header = Ipv4::zeroed();
        header.set_fragment(1480, MF);
        assert_eq!(header.flags_offset(), 0x20b9);
        assert!(header.more_fragments() && header.is_fragment() && !header.dont_fragment());
        assert_eq!(header.fragment_offset(), 1480);
        header.set_fragment(0, DF);
        assert!(!header.is_fragment() && header.dont_fragment());
    }
}
