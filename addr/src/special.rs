//! Special-purpose address ranges as tables.
//!
//! Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), the multicast blocks
//! (RFC 5771, RFC 4291 §2.7) and the deprecated 6to4 relay anycast (RFC 7526). Each row names its document. Judges
//! addresses only; what a daemon does with the judgement is its own affair.

use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

/// One row of a special-purpose registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialRange<N> {
    /// The addresses.
    pub net: N,
    /// The registry's name for them.
    pub name: &'static str,
    /// The document that reserves them.
    pub source: &'static str,
    /// Whether a packet may carry such a destination across the Internet.
    pub global: bool,
}

const fn v4(
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    len: u8,
    name: &'static str,
    source: &'static str,
) -> SpecialRange<Ipv4Net> {
    SpecialRange { net: Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), len), name, source, global: false }
}

const fn v6(addr: Ipv6Addr, len: u8, name: &'static str, source: &'static str) -> SpecialRange<Ipv6Net> {
    SpecialRange { net: Ipv6Net::new_assert(addr, len), name, source, global: false }
}

const fn global<N: Copy>(row: SpecialRange<N>) -> SpecialRange<N> {
    SpecialRange { global: true, ..row }
}

/// IPv4 ranges with a meaning of their own, most specific first so that the first match is the right one.
pub const IPV4: [SpecialRange<Ipv4Net>; 19] = [
    v4(255, 255, 255, 255, 32, "limited broadcast", "RFC 8190"),
    global(v4(192, 0, 0, 9, 32, "port control protocol anycast", "RFC 7723")),
    global(v4(192, 0, 0, 10, 32, "TURN anycast", "RFC 8155")),
    v4(192, 0, 0, 0, 24, "IETF protocol assignments", "RFC 6890"),
    v4(192, 0, 2, 0, 24, "documentation (TEST-NET-1)", "RFC 5737"),
    global(v4(192, 31, 196, 0, 24, "AS112-v4", "RFC 7535")),
    global(v4(192, 52, 193, 0, 24, "AMT", "RFC 7450")),
    v4(192, 88, 99, 0, 24, "deprecated 6to4 relay anycast", "RFC 7526"),
    global(v4(192, 175, 48, 0, 24, "direct delegation AS112 service", "RFC 7534")),
    v4(198, 51, 100, 0, 24, "documentation (TEST-NET-2)", "RFC 5737"),
    v4(203, 0, 113, 0, 24, "documentation (TEST-NET-3)", "RFC 5737"),
    v4(169, 254, 0, 0, 16, "link-local", "RFC 3927"),
    v4(192, 168, 0, 0, 16, "private use", "RFC 1918"),
    v4(198, 18, 0, 0, 15, "benchmarking", "RFC 2544"),
    v4(172, 16, 0, 0, 12, "private use", "RFC 1918"),
    v4(100, 64, 0, 0, 10, "shared address space", "RFC 6598"),
    v4(0, 0, 0, 0, 8, "this network", "RFC 791 §3.2"),
    v4(10, 0, 0, 0, 8, "private use", "RFC 1918"),
    v4(127, 0, 0, 0, 8, "loopback", "RFC 1122 §3.2.1.3"),
];

/// 224.0.0.0/4 (RFC 5771) and 240.0.0.0/4 (RFC 1112 §4) share the top three bits and are never global unicast.
const IPV4_CLASS_D_AND_E: u32 = 0xe000_0000;

/// IPv6 ranges with a meaning of their own, most specific first so that the first match is the right one.
pub const IPV6: [SpecialRange<Ipv6Net>; 27] = [
    v6(Ipv6Addr::LOCALHOST, 128, "loopback", "RFC 4291 §2.5.3"),
    v6(Ipv6Addr::UNSPECIFIED, 128, "unspecified", "RFC 4291 §2.5.2"),
    global(v6(Ipv6Addr::new(0x2001, 1, 0, 0, 0, 0, 0, 1), 128, "port control protocol anycast", "RFC 7723")),
    global(v6(Ipv6Addr::new(0x2001, 1, 0, 0, 0, 0, 0, 2), 128, "TURN anycast", "RFC 8155")),
    global(v6(Ipv6Addr::new(0x2001, 1, 0, 0, 0, 0, 0, 3), 128, "DNS-SD registration anycast", "RFC 9665")),
    v6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, "IPv4-mapped", "RFC 4291 §2.5.5.2"),
    global(v6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, "IPv4-IPv6 translation", "RFC 6052")),
    v6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "discard-only", "RFC 6666"),
    v6(Ipv6Addr::new(0x100, 0, 0, 1, 0, 0, 0, 0), 64, "dummy prefix", "RFC 9780"),
    v6(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "IPv4-IPv6 translation, local use", "RFC 8215"),
    v6(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, "benchmarking", "RFC 5180"),
    global(v6(Ipv6Addr::new(0x2001, 4, 0x112, 0, 0, 0, 0, 0), 48, "AS112-v6", "RFC 7535")),
    global(v6(
        Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0),
        48,
        "direct delegation AS112 service",
        "RFC 7534",
    )),
    v6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, "Teredo", "RFC 4380"),
    global(v6(Ipv6Addr::new(0x2001, 3, 0, 0, 0, 0, 0, 0), 32, "AMT", "RFC 7450")),
    v6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation", "RFC 3849"),
    v6(Ipv6Addr::new(0x2001, 0x10, 0, 0, 0, 0, 0, 0), 28, "deprecated ORCHID", "RFC 4843"),
    global(v6(Ipv6Addr::new(0x2001, 0x20, 0, 0, 0, 0, 0, 0), 28, "ORCHIDv2", "RFC 7343")),
    global(v6(Ipv6Addr::new(0x2001, 0x30, 0, 0, 0, 0, 0, 0), 28, "drone remote identification", "RFC 9374")),
    v6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "IETF protocol assignments", "RFC 2928"),
    v6(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation", "RFC 9637"),
    v6(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4", "RFC 3056"),
    v6(Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, "segment routing (SRv6) SIDs", "RFC 9602"),
    v6(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "deprecated site-local", "RFC 3879"),
    v6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local", "RFC 4291 §2.5.6"),
    v6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast", "RFC 4291 §2.7"),
    v6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "unique local", "RFC 4193"),
];

/// The registry row that `addr` falls in, or `None` for ordinary unicast, multicast (224/4) and class E (240/4).
pub fn lookup_v4(addr: Ipv4Addr) -> Option<&'static SpecialRange<Ipv4Net>> {
    IPV4.iter().find(|row| row.net.contains(&addr))
}

/// The registry row that `addr` falls in.
pub fn lookup_v6(addr: Ipv6Addr) -> Option<&'static SpecialRange<Ipv6Net>> {
    IPV6.iter().find(|row| row.net.contains(&addr))
}

/// Whether `addr` is global unicast: what RFC 6052 §3.1 allows under the Well-Known Prefix.
pub fn is_global_v4(addr: Ipv4Addr) -> bool {
    addr.to_bits() < IPV4_CLASS_D_AND_E && lookup_v4(addr).is_none_or(|row| row.global)
}

/// Whether a packet may have `addr` as its source: unicast, not "this network", not loopback, not broadcast
/// (RFC 1812 §5.3.7). Private and class E addresses are legal sources.
pub fn is_legal_source_v4(addr: Ipv4Addr) -> bool {
    let first = addr.octets()[0];
    first != 0 && first != 127 && !addr.is_multicast() && !addr.is_broadcast()
}

/// Whether a packet may have `addr` as its source off its own link: unicast, not unspecified, not loopback, not
/// link-local, not IPv4-mapped (RFC 4291 §2.5, RFC 6890 §2.2.3).
pub fn is_legal_source_v6(addr: Ipv6Addr) -> bool {
    let stays_on_its_host = addr.is_unspecified() || addr.is_loopback() || addr.to_ipv4_mapped().is_some();
    !(stays_on_its_host || addr.is_multicast() || addr.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_is_judged_by_the_registry() {
        let check = |addr: &str, expect: bool| {
            assert_eq!(is_global_v4(addr.parse().unwrap()), expect, "{addr}");
        };
        for private in [
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            check(private, false);
        }
        for global in [
            "9.9.9.9",
            "100.63.255.255",
            "100.128.0.0",
            "172.32.0.0",
            "192.0.0.9",
            "192.0.1.1",
            "223.255.255.255",
        ] {
            check(global, true);
        }
    }

    #[test]
    fn tables_are_ordered_most_specific_first() {
        fn ordered(lens: impl Iterator<Item = u8>) -> bool {
            lens.is_sorted_by(|a, b| a >= b)
        }
        assert!(ordered(IPV4.iter().map(|row| row.net.prefix_len())));
        assert!(ordered(IPV6.iter().map(|row| row.net.prefix_len())));
    }

    #[test]
    fn an_ipv6_address_is_called_by_its_smallest_range() {
        let check = |addr: &str, expect: Option<(&str, bool)>| {
            let row = lookup_v6(addr.parse().unwrap());
            assert_eq!(row.map(|row| (row.source, row.global)), expect, "{addr}");
        };
        check("2001::1", Some(("RFC 4380", false)));
        check("2001:1::1", Some(("RFC 7723", true)));
        check("2001:1::4", Some(("RFC 2928", false)));
        check("2001:2::1", Some(("RFC 5180", false)));
        check("2001:2:1::1", Some(("RFC 2928", false)));
        check("2001:3::1", Some(("RFC 7450", true)));
        check("2001:2f:ffff::1", Some(("RFC 7343", true)));
        check("2001:1ff:ffff::1", Some(("RFC 2928", false)));
        check("2001:200::1", None);
        check("2001:db8::1", Some(("RFC 3849", false)));
        check("5eff:ffff::1", None);
        check("5f00::1", Some(("RFC 9602", false)));
        check("64:ff9b::1", Some(("RFC 6052", true)));
        check("64:ff9b:1::1", Some(("RFC 8215", false)));
        check("2a00::1", None);
    }

    #[test]
    fn sources_that_no_packet_may_have() {
        for addr in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"] {
            assert!(!is_legal_source_v4(addr.parse().unwrap()), "{addr}");
        }
        for addr in ["10.0.0.1", "240.0.0.1", "169.254.1.1", "192.0.2.1"] {
            assert!(is_legal_source_v4(addr.parse().unwrap()), "{addr}");
        }
        for addr in ["::", "::1", "ff02::1", "fe80::1", "::ffff:192.0.2.1"] {
            assert!(!is_legal_source_v6(addr.parse().unwrap()), "{addr}");
        }
        assert!(is_legal_source_v6("2001:db8::1".parse().unwrap()));
    }
}
