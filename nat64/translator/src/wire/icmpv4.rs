//! ICMP header (RFC 792) with the length field of RFC 4884 §3.
//!
//! ```text
//!   |     type      |     code      |           checksum            |
//!   |      rest: identifier and sequence, or unused and MTU,        |
//!   |            or pointer (byte 4), length (byte 5)               |
//! ```

use super::layout;

layout! {
    /// The first 8 bytes of an ICMP message.
    Icmpv4, 8 bytes;
    /// Type.
    0: kind, set_kind, u8;
    /// Code.
    1: code, set_code, u8;
    /// Checksum over the message; there is no pseudo-header.
    2: checksum, set_checksum, u16;
    /// The four bytes whose meaning the type gives.
    4: rest, set_rest, u32;
    /// Parameter Problem: the octet at fault.
    4: pointer, set_pointer, u8;
    /// Errors with extensions: length of the quoted packet in 32-bit words; zero without.
    5: quoted_words, set_quoted_words, u8;
    /// Fragmentation needed: MTU of the next hop (RFC 1191 §4).
    6: mtu, set_mtu, u16;
}

/// Offset of the checksum.
pub(crate) const CHECKSUM_AT: usize = 2;
/// Bytes per unit of [`Icmpv4::quoted_words`].
pub(crate) const QUOTED_UNIT: usize = 4;

/// Echo reply.
pub(crate) const ECHO_REPLY: u8 = 0;
/// Destination unreachable.
pub(crate) const UNREACHABLE: u8 = 3;
/// Echo request.
pub(crate) const ECHO_REQUEST: u8 = 8;
/// Time exceeded.
pub(crate) const TIME_EXCEEDED: u8 = 11;
/// Parameter problem.
pub(crate) const PARAMETER_PROBLEM: u8 = 12;

/// Types that report an error or a redirect, about which no error may be sent (RFC 1122 §3.2.2).
pub(crate) const ERRORS: [u8; 5] = [UNREACHABLE, 4, 5, TIME_EXCEEDED, PARAMETER_PROBLEM];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_overlaps_pointer_length_and_mtu() {
        let mut header = Icmpv4::zeroed();
        header.set_rest(0x1122_3344);
        assert_eq!((header.pointer(), header.quoted_words(), header.mtu()), (0x11, 0x22, 0x3344));
        header.set_checksum(0xabcd);
        assert_eq!(header.bytes()[CHECKSUM_AT..4], [0xab, 0xcd]);
    }
}
