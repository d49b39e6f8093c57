//! ICMPv6 header (RFC 4443 §2.1) with the length field of RFC 4884 §3.
//!
//! ```text
//!   |     type      |     code      |           checksum            |
//!   |    rest: identifier and sequence, or MTU, or pointer, or      |
//!   |    length (byte 4) and unused                                 |
//! ```

use super::layout;

layout! {
    /// The first 8 bytes of an ICMPv6 message.
    Icmpv6, 8 bytes;
    /// Type; below 128 it is an error.
    0: kind, set_kind, u8;
    /// Code.
    1: code, set_code, u8;
    /// Checksum over pseudo-header and message.
    2: checksum, set_checksum, u16;
    /// The four bytes whose meaning the type gives: MTU, pointer, or identifier and sequence.
    4: rest, set_rest, u32;
    /// Errors with extensions: length of the quoted packet in 64-bit words; zero without.
    4: quoted_words, set_quoted_words, u8;
}

/// Offset of the checksum.
pub(crate) const CHECKSUM_AT: usize = 2;
/// Bytes per unit of [`Icmpv6::quoted_words`].
pub(crate) const QUOTED_UNIT: usize = 8;

/// Destination unreachable.
pub(crate) const UNREACHABLE: u8 = 1;
/// Packet too big.
pub(crate) const PACKET_TOO_BIG: u8 = 2;
/// Time exceeded.
pub(crate) const TIME_EXCEEDED: u8 = 3;
/// Parameter problem.
pub(crate) const PARAMETER_PROBLEM: u8 = 4;
/// The types whose fifth byte is the length of the quoted packet (RFC 4884 §4).
pub(crate) const EXTENSIBLE: [u8; 2] = [UNREACHABLE, TIME_EXCEEDED];
/// The first type that is no error (RFC 4443 §2.1).
pub(crate) const FIRST_INFORMATIONAL: u8 = 128;
/// Echo request.
pub(crate) const ECHO_REQUEST: u8 = 128;
/// Echo reply.
pub(crate) const ECHO_REPLY: u8 = 129;
/// Redirect, about which no error may be sent (RFC 4443 §2.4 (e)).
pub(crate) const REDIRECT: u8 = 137;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_overlaps_the_length() {
        let mut header = Icmpv6::zeroed();
        header.set_rest(1280);
        assert_eq!(header.bytes()[4..], [0, 0, 5, 0]);
        header.set_quoted_words(16);
        assert_eq!(header.rest(), 0x1000_0500);
        header.set_checksum(0xabcd);
        assert_eq!(header.bytes()[CHECKSUM_AT..4], [0xab, 0xcd]);
    }
}
