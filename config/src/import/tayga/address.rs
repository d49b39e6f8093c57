//! Addresses as Tayga reads and judges them. Its own rules: class E is allowed, and so is all of `64:ff9b::/32`.

use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Addresses that no directive takes.
const RESERVED_V4: [Ipv4Net; 4] = [
    Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8),
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4),
    Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32),
];

/// Addresses that no directive takes, but for [`TRANSLATION`].
const RESERVED_V6: [Ipv6Net; 3] = [
    Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 8),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// Holds the Well-Known Prefix (RFC 6052 §2.1) and the one for local use (RFC 8215).
const TRANSLATION: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 32);

/// What `wkpf-strict` keeps out of the Well-Known Prefix (RFC 6052 §3.1).
const PRIVATE: [Ipv4Net; 8] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 2, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15),
    Ipv4Net::new_assert(Ipv4Addr::new(198, 51, 100, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(203, 0, 113, 0), 24),
];

pub(super) fn is_reserved_v4(addr: Ipv4Addr) -> bool {
    RESERVED_V4.iter().any(|net| net.contains(&addr))
}

pub(super) fn is_reserved_v6(addr: Ipv6Addr) -> bool {
    !TRANSLATION.contains(&addr) && RESERVED_V6.iter().any(|net| net.contains(&addr))
}

pub(super) fn is_private(addr: Ipv4Addr) -> bool {
    PRIVATE.iter().any(|net| net.contains(&addr))
}

/// A prefix without host bits.
pub(super) fn prefix_v4(text: &str) -> Option<Ipv4Net> {
    let (addr, len) = text.split_once('/')?;
    let net = Ipv4Net::new(addr.parse().ok()?, number(len)?).ok()?;
    (net.addr() == net.network()).then_some(net)
}

/// A prefix without host bits.
pub(super) fn prefix_v6(text: &str) -> Option<Ipv6Net> {
    let (addr, len) = text.split_once('/')?;
    let net = Ipv6Net::new(addr.parse().ok()?, number(len)?).ok()?;
    (net.addr() == net.network()).then_some(net)
}

/// A side of a map: its address and its length, which Tayga reads leniently. `full` is the length where none is given.
pub(super) fn side<A: std::str::FromStr>(text: &str, full: i64) -> Option<(A, i64)> {
    let (addr, len) = text.split_once('/').map_or((text, full), |(addr, len)| (addr, lenient(len)));
    Some((addr.parse().ok()?, len))
}

/// Decimal digits and nothing else.
fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The number that a text begins with; 0 if it begins with none.
fn lenient(text: &str) -> i64 {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    // A number too long for the type is as far out of range as its end.
    sign * if end == 0 { 0 } else { digits[..end].parse().unwrap_or(i64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_addresses_are_those_tayga_refuses() {
        let v4 =
            |text: &str, expect: bool| assert_eq!(is_reserved_v4(text.parse().unwrap()), expect, "{text}");
        for reserved in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.255.255.255", "255.255.255.255"]
        {
            v4(reserved, true);
        }
        for allowed in ["1.0.0.0", "169.254.1.1", "240.0.0.1", "255.255.255.254", "192.0.2.1"] {
            v4(allowed, false);
        }
        let v6 =
            |text: &str, expect: bool| assert_eq!(is_reserved_v6(text.parse().unwrap()), expect, "{text}");
        for reserved in ["::", "::1", "::ffff:192.0.2.1", "64:ff9a::1", "fe80::1", "febf::1", "ff02::1"] {
            v6(reserved, true);
        }
        for allowed in ["64:ff9b::1", "64:ff9b:1::1", "100::1", "fec0::1", "fd00::1", "2001:db8::1"] {
            v6(allowed, false);
        }
    }

    #[test]
    fn private_addresses_are_those_of_wkpf_strict() {
        let check =
            |text: &str, expect: bool| assert_eq!(is_private(text.parse().unwrap()), expect, "{text}");
        for private in [
            "10.255.0.1",
            "100.64.0.1",
            "172.31.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
        ] {
            check(private, true);
        }
        for public in ["9.255.255.255", "100.128.0.1", "172.32.0.1", "192.0.0.1", "192.88.99.1", "240.0.0.1"]
        {
            check(public, false);
        }
    }

    #[test]
    fn lengths_of_maps_are_read_leniently() {
        let check = |text: &str, expect: i64| assert_eq!(lenient(text), expect, "{text:?}");
        check("24", 24);
        check("24x", 24);
        check("x", 0);
        check("", 0);
        check("-1", -1);
        check("+8", 8);
        check("99999999999999999999", i64::MAX);
    }
}
