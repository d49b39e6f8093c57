//! All translation prefixes of a gateway, and which of them carries which IPv4 address.
//!
//! The main prefix carries what no other one names. Every address has exactly one prefix, by longest match, in both
//! directions: a stateless translator embeds an answer's source anew, so an address that could come in through one
//! prefix and go out through another would break every connection.

use crate::Prefix64;
use crate::lpm::Lpm;
use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A translation prefix beside the main one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RangedPrefix {
    /// The prefix.
    pub prefix: Prefix64,
    /// The IPv4 addresses it carries.
    pub ipv4: Vec<Ipv4Net>,
}

/// Why prefixes cannot stand together. Indices count the ranged prefixes from 0 in the order given; `None` is the main
/// prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixConflict {
    /// Two prefixes share IPv6 addresses.
    #[error("{prefix} and {other} overlap")]
    Overlap {
        /// The prefix that came first.
        first: Option<usize>,
        /// The prefix at fault.
        second: usize,
        /// The one at fault.
        prefix: Prefix64,
        /// The one that came first.
        other: Prefix64,
    },
    /// Two prefixes name the same IPv4 network. Networks within each other are no conflict: the longer one wins.
    #[error("{net} is carried by another prefix already")]
    SameRange {
        /// The prefix that came first; it may be the one at fault.
        first: Option<usize>,
        /// The prefix at fault.
        second: usize,
        /// Which of its networks.
        range: usize,
        /// The network.
        net: Ipv4Net,
    },
}

/// The translation prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes {
    list: Vec<Prefix64>,
    by_v4: Lpm<u32>,
    by_v6: Lpm<u128>,
}

impl Prefixes {
    /// The `main` prefix and others beside it. Without a main prefix, addresses that no other one names have none.
    ///
    /// # Errors
    /// Every conflict, in the order of the prefixes at fault.
    pub fn new<'a>(
        main: Option<Prefix64>,
        others: impl IntoIterator<Item = &'a RangedPrefix>,
    ) -> Result<Self, Vec<PrefixConflict>> {
        let mut prefixes = Self::default();
        let mut conflicts = Vec::new();
        if let Some(main) = main {
            prefixes.add(main);
            prefixes.by_v4.insert(0, 0, 0);
        }
        let mains = usize::from(main.is_some());
        // What the list holds at an index, as conflicts name it.
        let named = |index: usize| index.checked_sub(mains);
        for (second, ranged) in others.into_iter().enumerate() {
            let overlapping = prefixes.list.iter().position(|other| overlap(ranged.prefix, *other));
            if let Some(index) = overlapping {
                let (prefix, other) = (ranged.prefix, prefixes.list[index]);
                conflicts.push(PrefixConflict::Overlap { first: named(index), second, prefix, other });
            }
            let index = prefixes.add(ranged.prefix);
            for (range, net) in ranged.ipv4.iter().enumerate() {
                let net = net.trunc();
                if let Some(first) = prefixes.by_v4.insert(net.network().to_bits(), net.prefix_len(), index) {
                    conflicts.push(PrefixConflict::SameRange { first: named(first), second, range, net });
                }
            }
        }
        if conflicts.is_empty() { Ok(prefixes) } else { Err(conflicts) }
    }

    /// Enters a prefix on the IPv6 side and returns its index.
    fn add(&mut self, prefix: Prefix64) -> usize {
        let index = self.list.len();
        self.by_v6.insert(prefix.addr().to_bits(), prefix.prefix_len(), index);
        self.list.push(prefix);
        index
    }

    /// The prefixes, the main one first.
    pub fn iter(&self) -> impl Iterator<Item = &Prefix64> {
        self.list.iter()
    }

    /// The prefix that carries `v4`.
    pub fn of_v4(&self, v4: Ipv4Addr) -> Option<&Prefix64> {
        self.by_v4.lookup(v4.to_bits()).map(|index| &self.list[index])
    }

    /// The prefix that `v6` lies in, and the IPv4 address that stands there, whether the prefix carries it or not.
    pub fn extract(&self, v6: Ipv6Addr) -> Option<(&Prefix64, Ipv4Addr)> {
        let prefix = &self.list[self.by_v6.lookup(v6.to_bits())?];
        Some((prefix, prefix.extract(v6)?))
    }
}

/// One prefix that carries everything.
impl From<Prefix64> for Prefixes {
    fn from(main: Prefix64) -> Self {
        Self::new(Some(main), []).unwrap_or_default()
    }
}

fn overlap(one: Prefix64, other: Prefix64) -> bool {
    let [one, other] = [one, other].map(|prefix| Ipv6Net::new_assert(prefix.addr(), prefix.prefix_len()));
    one.contains(&other) || other.contains(&one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranged(prefix: &str, ipv4: &[&str]) -> RangedPrefix {
        RangedPrefix {
            prefix: prefix.parse().unwrap(),
            ipv4: ipv4.iter().map(|net| net.parse().unwrap()).collect(),
        }
    }

    const MAIN: &str = "2001:db8:64::/96";

    fn main() -> Prefix64 {
        MAIN.parse().unwrap()
    }

    #[test]
    fn the_longest_range_names_the_prefix_and_the_main_one_has_the_rest() {
        let others = [
            ranged("2001:db8:a::/96", &["10.0.0.0/8", "192.0.2.0/24"]),
            ranged("2001:db8:b::/64", &["10.9.0.0/16"]),
        ];
        let prefixes = Prefixes::new(Some(main()), &others).unwrap();
        let check = |v4: &str, expect: &str| {
            assert_eq!(prefixes.of_v4(v4.parse().unwrap()).unwrap().to_string(), expect, "{v4}");
        };
        check("10.1.2.3", "2001:db8:a::/96");
        check("192.0.2.255", "2001:db8:a::/96");
        check("10.9.2.3", "2001:db8:b::/64");
        check("203.0.113.9", MAIN);
        assert_eq!(prefixes.iter().count(), 3);
        let alone = Prefixes::new(None, &others).unwrap();
        assert_eq!(alone.of_v4("203.0.113.9".parse().unwrap()), None);
    }

    #[test]
    fn every_prefix_is_read_whatever_it_carries() {
        let others = [ranged("2001:db8:b::/64", &["10.9.0.0/16"])];
        let prefixes = Prefixes::new(Some(main()), &others).unwrap();
        let v4: Ipv4Addr = "203.0.113.9".parse().unwrap();
        for prefix in [main(), others[0].prefix] {
            assert_eq!(prefixes.extract(prefix.embed(v4)), Some((&prefix, v4)));
        }
        assert_eq!(prefixes.extract("2001:db8::1".parse().unwrap()), None);
        assert_eq!(Prefixes::default().extract("2001:db8::1".parse().unwrap()), None);
    }

    #[test]
    fn overlapping_prefixes_and_repeated_ranges_are_conflicts() {
        let others = [
            ranged("2001:db8::/32", &["10.0.0.0/8", "10.0.0.0/8"]),
            ranged("2001:db8:a::/96", &["10.0.0.0/8", "0.0.0.0/0"]),
        ];
        let conflicts = Prefixes::new(Some(main()), &others).unwrap_err();
        let net = "10.0.0.0/8".parse().unwrap();
        let [wide, narrow] = [others[0].prefix, others[1].prefix];
        assert_eq!(
            conflicts,
            [
                PrefixConflict::Overlap { first: None, second: 0, prefix: wide, other: main() },
                PrefixConflict::SameRange { first: Some(0), second: 0, range: 1, net },
                PrefixConflict::Overlap { first: Some(0), second: 1, prefix: narrow, other: wide },
                PrefixConflict::SameRange { first: Some(0), second: 1, range: 0, net },
                PrefixConflict::SameRange {
                    first: None,
                    second: 1,
                    range: 1,
                    net: "0.0.0.0/0".parse().unwrap()
                },
            ]
        );
    }
}
