//! Explicit address mappings (RFC 7757): pairs of an IPv4 and an IPv6 prefix that beat the translation prefix.
//!
//! Owns the longest match on each side and the arithmetic between prefixes of unequal suffix length. Choice: two
//! maps with the same prefix on one side are refused, since RFC 7757 §5 leaves their meaning open; prefixes that
//! lie one in another are kept and the longest wins, as §3.3.1 and §3.3.2 say.

use crate::lpm::Lpm;
use ipnet::{Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// One entry of the Explicit Address Mapping Table (RFC 7757 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExplicitMap {
    /// The IPv4 prefix; bits beyond its length are zero.
    pub v4: Ipv4Net,
    /// The IPv6 prefix; its suffix is at least as long as the IPv4 one's.
    pub v6: Ipv6Net,
}

/// Why maps cannot stand together, or one cannot stand at all. Indices count from 0 in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapConflict {
    /// Two maps with the same IPv4 prefix.
    #[error("{net} is already mapped by entry {}", first + 1)]
    SameV4 {
        /// The map that came first.
        first: usize,
        /// The map that repeats it.
        second: usize,
        /// The prefix they share.
        net: Ipv4Net,
    },
    /// Two maps with the same IPv6 prefix.
    #[error("{net} is already mapped by entry {}", first + 1)]
    SameV6 {
        /// The map that came first.
        first: usize,
        /// The map that repeats it.
        second: usize,
        /// The prefix they share.
        net: Ipv6Net,
    },
    /// The IPv6 prefix has fewer host bits than the IPv4 one, so IPv4 addresses would collide (RFC 7757 §3.2).
    #[error("{v6} has fewer host bits than {v4}")]
    Suffix {
        /// The map at fault.
        index: usize,
        /// Its IPv4 side.
        v4: Ipv4Net,
        /// Its IPv6 side.
        v6: Ipv6Net,
    },
}

impl MapConflict {
    /// The map that is at fault: the later one of two.
    pub const fn index(&self) -> usize {
        match *self {
            Self::SameV4 { second, .. } | Self::SameV6 { second, .. } => second,
            Self::Suffix { index, .. } => index,
        }
    }
}

impl ExplicitMap {
    /// The IPv6 address for `v4`, which must lie in [`ExplicitMap::v4`]: the IPv4 suffix follows the IPv6 prefix and
    /// zeros fill the rest (RFC 7757 §3.3.1).
    pub fn embed(&self, v4: Ipv4Addr) -> Ipv6Addr {
        let suffix = v4.to_bits() & host_mask(self.v4.prefix_len());
        let suffix_len = 32 - u32::from(self.v4.prefix_len());
        let pad = 128 - u32::from(self.v6.prefix_len()) - suffix_len;
        Ipv6Addr::from_bits(self.v6.network().to_bits() | u128::from(suffix).checked_shl(pad).unwrap_or(0))
    }

    /// The IPv4 address for `v6`, which must lie in [`ExplicitMap::v6`]; padding bits are ignored (RFC 7757 §3.3.2).
    pub fn extract(&self, v6: Ipv6Addr) -> Ipv4Addr {
        let suffix_len = 32 - u32::from(self.v4.prefix_len());
        let pad = 128 - u32::from(self.v6.prefix_len()) - suffix_len;
        let [.., a, b, c, d] = v6.to_bits().checked_shr(pad).unwrap_or(0).to_be_bytes();
        let suffix = u32::from_be_bytes([a, b, c, d]) & host_mask(self.v4.prefix_len());
        Ipv4Addr::from_bits(self.v4.network().to_bits() | suffix)
    }
}

impl fmt::Display for ExplicitMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <-> {}", self.v4, self.v6)
    }
}

/// The host bits of an IPv4 prefix of `len` bits.
const fn host_mask(len: u8) -> u32 {
    if len == 0 { u32::MAX } else { !(u32::MAX << (32 - len as u32)) }
}

/// All explicit maps, searchable from both sides by longest match.
///
/// A lookup costs one hash probe per distinct prefix length in use, whatever the number of maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExplicitMaps {
    maps: Vec<ExplicitMap>,
    by_v4: Lpm<u32>,
    by_v6: Lpm<u128>,
}

impl ExplicitMaps {
    /// A table of `maps`, in the order given. Host bits beyond a prefix's length are cleared.
    ///
    /// # Errors
    /// Every conflict, in the order of the maps at fault.
    pub fn new(maps: impl IntoIterator<Item = ExplicitMap>) -> Result<Self, Vec<MapConflict>> {
        let mut table = Self::default();
        let mut conflicts = Vec::new();
        for (index, map) in maps.into_iter().enumerate() {
            let map = ExplicitMap { v4: map.v4.trunc(), v6: map.v6.trunc() };
            if 128 - u32::from(map.v6.prefix_len()) < 32 - u32::from(map.v4.prefix_len()) {
                conflicts.push(MapConflict::Suffix { index, v4: map.v4, v6: map.v6 });
            }
            if let Some(first) = table.by_v4.insert(map.v4.network().to_bits(), map.v4.prefix_len(), index) {
                conflicts.push(MapConflict::SameV4 { first, second: index, net: map.v4 });
            }
            if let Some(first) = table.by_v6.insert(map.v6.network().to_bits(), map.v6.prefix_len(), index) {
                conflicts.push(MapConflict::SameV6 { first, second: index, net: map.v6 });
            }
            table.maps.push(map);
        }
        if conflicts.is_empty() { Ok(table) } else { Err(conflicts) }
    }

    /// The maps in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &ExplicitMap> {
        self.maps.iter()
    }

    /// Whether there is no map at all.
    pub const fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }

    /// The map whose IPv4 prefix is the longest that holds `v4`.
    pub fn lookup_v4(&self, v4: Ipv4Addr) -> Option<&ExplicitMap> {
        self.by_v4.lookup(v4.to_bits()).map(|index| &self.maps[index])
    }

    /// The map whose IPv6 prefix is the longest that holds `v6`.
    pub fn lookup_v6(&self, v6: Ipv6Addr) -> Option<&ExplicitMap> {
        self.by_v6.lookup(v6.to_bits()).map(|index| &self.maps[index])
    }

    /// The IPv6 address that `v4` is mapped to (RFC 7757 §3.3.1).
    pub fn v4_to_v6(&self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        Some(self.lookup_v4(v4)?.embed(v4))
    }

    /// The IPv4 address that `v6` is mapped to (RFC 7757 §3.3.2).
    pub fn v6_to_v4(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        Some(self.lookup_v6(v6)?.extract(v6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lpm::tests::probes;
    use proptest::prelude::*;

    fn map(v4: &str, v6: &str) -> ExplicitMap {
        ExplicitMap { v4: v4.parse().unwrap(), v6: v6.parse().unwrap() }
    }

    fn table(maps: &[(&str, &str)]) -> ExplicitMaps {
        ExplicitMaps::new(maps.iter().map(|(v4, v6)| map(v4, v6))).expect("no conflict")
    }

    /// The table of RFC 7757 §3.2, figure 1, with addresses translated by the steps of §3.3.1 and §3.3.2.
    #[test]
    fn translates_the_rfc_7757_example_table() {
        let eamt = table(&[
            ("192.0.2.1/32", "2001:db8:aaaa::/128"),
            ("192.0.2.2/32", "2001:db8:bbbb::b/128"),
            ("192.0.2.16/28", "2001:db8:cccc::/124"),
            ("192.0.2.128/26", "2001:db8:dddd::/64"),
            ("192.0.2.192/29", "2001:db8:eeee:8::/62"),
            ("192.0.2.224/31", "64:ff9b::/127"),
        ]);
        let both = |v4: &str, v6: &str| {
            let (v4, v6): (Ipv4Addr, Ipv6Addr) = (v4.parse().unwrap(), v6.parse().unwrap());
            assert_eq!(eamt.v4_to_v6(v4), Some(v6), "{v4}");
            assert_eq!(eamt.v6_to_v4(v6), Some(v4), "{v6}");
        };
        both("192.0.2.1", "2001:db8:aaaa::");
        both("192.0.2.2", "2001:db8:bbbb::b");
        both("192.0.2.16", "2001:db8:cccc::");
        both("192.0.2.24", "2001:db8:cccc::8");
        both("192.0.2.31", "2001:db8:cccc::f");
        both("192.0.2.128", "2001:db8:dddd::");
        both("192.0.2.152", "2001:db8:dddd:0:6000::");
        both("192.0.2.183", "2001:db8:dddd:0:dc00::");
        both("192.0.2.191", "2001:db8:dddd:0:fc00::");
        both("192.0.2.193", "2001:db8:eeee:8:8000::");
        both("192.0.2.199", "2001:db8:eeee:b:8000::");
        both("192.0.2.224", "64:ff9b::");
        both("192.0.2.225", "64:ff9b::1");
        assert_eq!(eamt.v4_to_v6("192.0.2.3".parse().unwrap()), None);
        assert_eq!(eamt.v6_to_v4("2001:db8:ffff::".parse().unwrap()), None);
    }

    #[test]
    fn padding_bits_are_ignored_on_the_way_back() {
        let eamt = table(&[("192.0.2.128/26", "2001:db8:dddd::/64")]);
        let padded = "2001:db8:dddd:0:63ff:1:2:3".parse().unwrap();
        assert_eq!(eamt.v6_to_v4(padded), Some("192.0.2.152".parse().unwrap()));
    }

    #[test]
    fn longest_match_wins_on_each_side() {
        let eamt = table(&[("0.0.0.0/0", "2001:db8:ff00::/40"), ("198.51.100.64/32", "2001:db8::abcd/128")]);
        assert_eq!(eamt.v4_to_v6("198.51.100.64".parse().unwrap()), Some("2001:db8::abcd".parse().unwrap()));
        assert_eq!(
            eamt.v6_to_v4("2001:db8:ffc6:3364:4000::".parse().unwrap()),
            Some("198.51.100.64".parse().unwrap()),
            "RFC 7757 §5: overlap need not be symmetric"
        );
    }

    #[test]
    fn a_lookup_among_65000_maps_takes_as_many_probes_as_one_among_10() {
        let count = |maps: u32| {
            let hosts = (0..maps).map(|host| ExplicitMap {
                v4: Ipv4Net::from(Ipv4Addr::from_bits(0x0a00_0000 | host)),
                v6: Ipv6Net::from(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | u128::from(host))),
            });
            let eamt = ExplicitMaps::new(hosts.chain([map("192.0.2.0/24", "2001:db8:1::/64")])).unwrap();
            [("10.0.0.7", "2001:db8::7"), ("192.0.2.1", "2001:db8:1::"), ("203.0.113.9", "2001:db9::")].map(
                |(v4, v6)| {
                    probes(|| {
                        eamt.lookup_v4(v4.parse().unwrap());
                        eamt.lookup_v6(v6.parse().unwrap());
                    })
                },
            )
        };
        assert_eq!(count(10), [2, 4, 4], "one on each side for each length that is tried");
        assert_eq!(count(65_000), count(10));
    }

    #[test]
    fn identical_prefixes_and_short_suffixes_are_conflicts() {
        let conflicts = ExplicitMaps::new([
            map("198.51.100.8/32", "2001:db8::1/128"),
            map("198.51.100.9/32", "2001:db8::1/128"),
            map("198.51.100.8/32", "2001:db8::2/128"),
            map("192.0.2.0/24", "2001:db8:1::/121"),
        ])
        .unwrap_err();
        assert_eq!(
            conflicts,
            [
                MapConflict::SameV6 { first: 0, second: 1, net: "2001:db8::1/128".parse().unwrap() },
                MapConflict::SameV4 { first: 0, second: 2, net: "198.51.100.8/32".parse().unwrap() },
                MapConflict::Suffix {
                    index: 3,
                    v4: "192.0.2.0/24".parse().unwrap(),
                    v6: "2001:db8:1::/121".parse().unwrap()
                },
            ]
        );
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_identity(
            v4 in any::<u32>(), len4 in 0u8..=32, v6 in any::<u128>(), spare in 0u8..=96, host in any::<u32>()
        ) {
            let len6 = (96 + len4).saturating_sub(spare);
            let map = ExplicitMap {
                v4: Ipv4Net::new(Ipv4Addr::from_bits(v4), len4).unwrap().trunc(),
                v6: Ipv6Net::new(Ipv6Addr::from_bits(v6), len6).unwrap().trunc(),
            };
            let table = ExplicitMaps::new([map]).expect("a single map with room for its suffix");
            let inside = Ipv4Addr::from_bits(map.v4.network().to_bits() | (host & host_mask(len4)));
            let mapped = table.v4_to_v6(inside).expect("inside");
            prop_assert!(map.v6.contains(&mapped));
            prop_assert_eq!(table.v6_to_v4(mapped), Some(inside));
        }
    }
}
