//! What each ICMP type, code and pointer becomes on the other side (RFC 7915 §4.2, §5.2), as tables.
//!
//! What a table does not list has no equivalent and is dropped: queries other than echo, single-hop messages (router
//! and neighbour discovery, multicast listener discovery, redirects), and obsolete ones (source quench, timestamps).

pub(crate) mod body;

use crate::wire::{icmpv4, icmpv6, ipv6};

/// Echo types, IPv4 and IPv6, read both ways.
pub(crate) const ECHO: [(u8, u8); 2] =
    [(icmpv4::ECHO_REQUEST, icmpv6::ECHO_REQUEST), (icmpv4::ECHO_REPLY, icmpv6::ECHO_REPLY)];

/// The echo type in IPv6.
pub(crate) fn echo_to_v6(kind: u8) -> Option<u8> {
    ECHO.iter().find(|(v4, _)| *v4 == kind).map(|(_, v6)| *v6)
}

/// The echo type in IPv4.
pub(crate) fn echo_to_v4(kind: u8) -> Option<u8> {
    ECHO.iter().find(|(_, v6)| *v6 == kind).map(|(v4, _)| *v4)
}

/// What becomes of the four bytes behind an error's checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Zero.
    Unused,
    /// A fixed value.
    Fixed(u8),
    /// An MTU, adjusted to the other header size.
    Mtu,
    /// A pointer, looked up in a table.
    Pointer,
}

/// One row: an error on one side, and what it is on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Type and code that arrive; without a code, every code.
    pub(crate) from: (u8, Option<u8>),
    /// Type and code that leave; without a code, the code that arrived.
    pub(crate) to: (u8, Option<u8>),
    /// What becomes of the four bytes behind the checksum.
    pub(crate) rest: Rest,
}

const fn row(from: (u8, u8), to: (u8, u8), rest: Rest) -> Row {
    Row { from: (from.0, Some(from.1)), to: (to.0, Some(to.1)), rest }
}

const fn any_code(from: u8, to: u8) -> Row {
    Row { from: (from, None), to: (to, None), rest: Rest::Unused }
}

const fn unreachable_to_v6(v4: u8, v6: u8) -> Row {
    row((icmpv4::UNREACHABLE, v4), (icmpv6::UNREACHABLE, v6), Rest::Unused)
}

const fn unreachable_to_v4(v6: u8, v4: u8) -> Row {
    row((icmpv6::UNREACHABLE, v6), (icmpv4::UNREACHABLE, v4), Rest::Unused)
}

/// ICMP errors in IPv6 (RFC 7915 §4.2).
pub(crate) const V4_TO_V6: [Row; 18] = [
    unreachable_to_v6(0, 0),
    unreachable_to_v6(1, 0),
    row((icmpv4::UNREACHABLE, 2), (icmpv6::PARAMETER_PROBLEM, 1), Rest::Fixed(ipv6::NEXT_HEADER_AT)),
    unreachable_to_v6(3, 4),
    row((icmpv4::UNREACHABLE, 4), (icmpv6::PACKET_TOO_BIG, 0), Rest::Mtu),
    unreachable_to_v6(5, 0),
    unreachable_to_v6(6, 0),
    unreachable_to_v6(7, 0),
    unreachable_to_v6(8, 0),
    unreachable_to_v6(9, 1),
    unreachable_to_v6(10, 1),
    unreachable_to_v6(11, 0),
    unreachable_to_v6(12, 0),
    unreachable_to_v6(13, 1),
    unreachable_to_v6(15, 1),
    any_code(icmpv4::TIME_EXCEEDED, icmpv6::TIME_EXCEEDED),
    row((icmpv4::PARAMETER_PROBLEM, 0), (icmpv6::PARAMETER_PROBLEM, 0), Rest::Pointer),
    row((icmpv4::PARAMETER_PROBLEM, 2), (icmpv6::PARAMETER_PROBLEM, 0), Rest::Pointer),
];

/// ICMPv6 errors in IPv4 (RFC 7915 §5.2).
pub(crate) const V6_TO_V4: [Row; 9] = [
    unreachable_to_v4(0, 1),
    unreachable_to_v4(1, 10),
    unreachable_to_v4(2, 1),
    unreachable_to_v4(3, 1),
    unreachable_to_v4(4, 3),
    // Any code: RFC 4443 §3.2 has receivers ignore it.
    Row { from: (icmpv6::PACKET_TOO_BIG, None), to: (icmpv4::UNREACHABLE, Some(4)), rest: Rest::Mtu },
    any_code(icmpv6::TIME_EXCEEDED, icmpv4::TIME_EXCEEDED),
    row((icmpv6::PARAMETER_PROBLEM, 0), (icmpv4::PARAMETER_PROBLEM, 0), Rest::Pointer),
    row((icmpv6::PARAMETER_PROBLEM, 1), (icmpv4::UNREACHABLE, 2), Rest::Unused),
];

/// The row of `table` for an error of this type and code.
pub(crate) fn find(table: &[Row], kind: u8, code: u8) -> Option<Row> {
    table.iter().find(|row| row.from.0 == kind && row.from.1.is_none_or(|listed| listed == code)).copied()
}

/// Offsets in an IPv4 header, first and last, and the offset in an IPv6 header (RFC 7915 §4.2, figure 3).
pub(crate) const POINTERS_TO_V6: [(u8, u8, u8); 7] =
    [(0, 0, 0), (1, 1, 1), (2, 3, 4), (8, 8, 7), (9, 9, 6), (12, 15, 8), (16, 19, 24)];

/// Offsets in an IPv6 header, first and last, and the offset in an IPv4 header (RFC 7915 §5.2, figure 6).
pub(crate) const POINTERS_TO_V4: [(u8, u8, u8); 7] =
    [(0, 0, 0), (1, 1, 1), (4, 5, 2), (6, 6, 9), (7, 7, 8), (8, 23, 12), (24, 39, 16)];

/// The pointer on the other side, if the field exists there.
pub(crate) fn pointer(table: &[(u8, u8, u8)], pointer: u32) -> Option<u8> {
    let pointer = u8::try_from(pointer).ok()?;
    table.iter().find(|(first, last, _)| (*first..=*last).contains(&pointer)).map(|(_, _, to)| *to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7915 §4.2: every code of type 3, 11 and 12, and what the section says of it.
    #[test]
    fn icmpv4_errors_become_what_rfc_7915_section_4_2_lists() {
        let check = |kind: u8, code: u8, expect: Option<(u8, u8)>| {
            let row = find(&V4_TO_V6, kind, code);
            assert_eq!(row.map(|row| (row.to.0, row.to.1.unwrap_or(code))), expect, "{kind}/{code}");
        };
        for code in [0, 1, 5, 6, 7, 8, 11, 12] {
            check(3, code, Some((1, 0)));
        }
        for code in [9, 10, 13, 15] {
            check(3, code, Some((1, 1)));
        }
        check(3, 2, Some((4, 1)));
        check(3, 3, Some((1, 4)));
        check(3, 4, Some((2, 0)));
        check(3, 14, None);
        check(3, 16, None);
        check(11, 0, Some((3, 0)));
        check(11, 1, Some((3, 1)));
        check(12, 0, Some((4, 0)));
        check(12, 1, None);
        check(12, 2, Some((4, 0)));
        check(12, 3, None);
        for kind in [1, 2, 4, 5, 6, 7, 9, 10, 13, 14, 15, 16, 17, 18, 255] {
            check(kind, 0, None);
        }
        assert_eq!(find(&V4_TO_V6, 3, 2).map(|row| row.rest), Some(Rest::Fixed(6)));
    }

    /// RFC 7915 §5.2.
    #[test]
    fn icmpv6_errors_become_what_rfc_7915_section_5_2_lists() {
        let check = |kind: u8, code: u8, expect: Option<(u8, u8)>| {
            let row = find(&V6_TO_V4, kind, code);
            assert_eq!(row.map(|row| (row.to.0, row.to.1.unwrap_or(code))), expect, "{kind}/{code}");
        };
        for code in [0, 2, 3] {
            check(1, code, Some((3, 1)));
        }
        check(1, 1, Some((3, 10)));
        check(1, 4, Some((3, 3)));
        check(1, 5, None);
        check(1, 6, None);
        check(2, 0, Some((3, 4)));
        check(2, 7, Some((3, 4)));
        check(3, 0, Some((11, 0)));
        check(3, 1, Some((11, 1)));
        check(4, 0, Some((12, 0)));
        check(4, 1, Some((3, 2)));
        check(4, 2, None);
        for kind in [0, 5, 100, 127, 130, 131, 132, 133, 134, 135, 136, 137, 143] {
            check(kind, 0, None);
        }
    }

    /// RFC 7915 §4.2 figure 3 and §5.2 figure 6, every value.
    #[test]
    fn pointers_follow_both_figures() {
        let to_v6: Vec<_> = (0..24).map(|at| pointer(&POINTERS_TO_V6, at)).collect();
        let mut expect =
            vec![Some(0), Some(1), Some(4), Some(4), None, None, None, None, Some(7), Some(6), None, None];
        expect.extend([Some(8); 4]);
        expect.extend([Some(24); 4]);
        expect.extend([None; 4]);
        assert_eq!(to_v6, expect);
        let to_v4: Vec<_> = (0..42).map(|at| pointer(&POINTERS_TO_V4, at)).collect();
        let mut expect = vec![Some(0), Some(1), None, None, Some(2), Some(2), Some(9), Some(8)];
        expect.extend([Some(12); 16]);
        expect.extend([Some(16); 16]);
        expect.extend([None; 2]);
        assert_eq!(to_v4, expect);
        assert_eq!(pointer(&POINTERS_TO_V4, 256), None);
        assert_eq!(pointer(&POINTERS_TO_V4, u32::MAX), None);
    }

    #[test]
    fn only_echo_crosses_among_queries() {
        assert_eq!((echo_to_v6(8), echo_to_v6(0)), (Some(128), Some(129)));
        assert_eq!((echo_to_v4(128), echo_to_v4(129)), (Some(8), Some(0)));
        for kind in [9, 10, 13, 14, 15, 16, 17, 18] {
            assert_eq!(echo_to_v6(kind), None, "{kind}");
        }
        for kind in 130..=137 {
            assert_eq!(echo_to_v4(kind), None, "{kind}");
        }
    }
}
