//! The end of a translated ICMP error: padding, extensions and the largest size (RFC 4884 §5.1, RFC 7915 §4.2, §5.2).
//!
//! Extensions cross as opaque bytes: addresses inside them are not translated, since RFC 7915 says so. When a message
//! would grow too long the quoted packet gives way first, down to the 128 bytes that RFC 4884 §5.1 asks for.
//! Choice: extensions that do not fit even then are left out whole, since half of them has no valid checksum.

use crate::checksum::Sum;
use crate::wire::icmpv4::CHECKSUM_AT;

/// RFC 4884 §5.1: a quoted packet in front of extensions is padded to this many bytes.
const MIN_QUOTED: usize = 128;

/// Where the quoted packet stands in a message under construction, and what bounds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    /// Offset of the quoted packet; it reaches to the end.
    pub(crate) start: usize,
    /// Bytes per unit of the length field.
    pub(crate) unit: usize,
    /// Largest size of the whole message with its IP header.
    pub(crate) limit: usize,
}

/// Cuts or pads the quoted packet at the end of `out` and appends `extension`. Returns the value of the length field:
/// zero without extensions.
pub(crate) fn finish(out: &mut Vec<u8>, body: Body, extension: &[u8]) -> u8 {
    let room = body.limit.saturating_sub(body.start);
    let for_quoted = room.saturating_sub(extension.len()) / body.unit * body.unit;
    if extension.is_empty() || for_quoted < MIN_QUOTED {
        out.truncate(body.limit);
        return 0;
    }
    let quoted = (out.len() - body.start).next_multiple_of(body.unit).clamp(MIN_QUOTED, for_quoted);
    out.resize(body.start + quoted, 0);
    out.extend_from_slice(extension);
    u8::try_from(quoted / body.unit).unwrap_or(0)
}

/// The sum of an ICMP message of either family without its checksum.
pub(crate) fn covered(message: &[u8]) -> Sum {
    let (head, rest) = message.split_at(message.len().min(CHECKSUM_AT));
    Sum::of(head).plus(Sum::of(rest.get(size_of::<u16>()..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(quoted: usize, extension: usize, unit: usize, limit: usize, expect: (usize, u8)) {
        let body = Body { start: 48, unit, limit };
        let mut out = vec![1; 48 + quoted];
        let words = finish(&mut out, body, &vec![9; extension]);
        assert_eq!((out.len(), words), expect, "{quoted} + {extension}");
        assert!(words == 0 || out.ends_with(&vec![9; extension]));
    }

    #[test]
    fn messages_without_extensions_are_only_cut() {
        check(60, 0, 8, 1280, (108, 0));
        check(1400, 0, 8, 1280, (1280, 0));
    }

    #[test]
    fn quoted_packet_is_padded_in_front_of_extensions() {
        check(60, 20, 8, 1280, (48 + 128 + 20, 16));
        check(148, 20, 8, 1280, (48 + 152 + 20, 19));
        check(148, 20, 4, 576, (48 + 148 + 20, 37));
    }

    #[test]
    fn quoted_packet_gives_way_first_and_extensions_only_whole() {
        check(1400, 20, 8, 1280, (48 + 1208 + 20, 151));
        check(500, 380, 4, 576, (48 + 148 + 380, 37));
        check(500, 401, 4, 576, (48 + 500, 0));
    }
}
