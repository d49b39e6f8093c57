//! What is mapped already: two entries for the same IPv4 prefix conflict, and so do any two IPv6 prefixes that overlap.
//!
//! A map file may have a line for every address of a /16 and is read again at each reload, so an entry is looked up and
//! not searched for.

use ipnet::{Ipv4Net, Ipv6Net};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// Where an entry comes from; none for what stands on no line that Tayga names.
type Origin = Option<usize>;

/// The entries of both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// As they were written, by the prefix without host bits.
    v4: BTreeMap<Ipv4Net, (Ipv4Net, Origin)>,
    /// By their first address. No two overlap, so what overlaps a prefix begins in it, or is the last that begins before it.
    v6: BTreeMap<Ipv6Addr, (Ipv6Net, Origin)>,
}

impl Table {
    /// Enters an IPv4 prefix; `what` begins the message if it is there already.
    pub(super) fn enter_v4(&mut self, net: Ipv4Net, origin: Origin, what: &str) -> Result<(), String> {
        if let Some((old, from)) = self.v4.get(&net.trunc()) {
            return Err(format!("Error: {what} conflicts with earlier definition of {old}{}", place(*from)));
        }
        self.v4.insert(net.trunc(), (net, origin));
        Ok(())
    }

    /// Enters an IPv6 prefix; `what` begins the message if another one overlaps it.
    pub(super) fn enter_v6(&mut self, net: Ipv6Net, origin: Origin, what: &str) -> Result<(), String> {
        if let Some((old, from)) = self.overlapping(net) {
            return Err(format!("Error: {what} overlaps with earlier definition of {old}{}", place(from)));
        }
        self.v6.insert(net.network(), (net, origin));
        Ok(())
    }

    fn overlapping(&self, net: Ipv6Net) -> Option<(Ipv6Net, Origin)> {
        let (first, last) = (net.network(), net.broadcast());
        let around = self.v6.range(..first).next_back().filter(|(_, (old, _))| old.contains(&first));
        let within = || self.v6.range(first..=last).next();
        around.or_else(within).map(|(_, entry)| *entry)
    }
}

fn place(origin: Origin) -> String {
    origin.map_or(String::new(), |line| format!(" from line {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_found_wherever_the_other_prefix_begins() {
        let mut table = Table::default();
        let mut enter = |net: &str, line| table.enter_v6(net.parse().unwrap(), Some(line), "it");
        enter("2001:db8:2::/48", 1).unwrap();
        enter("2001:db8:4::1/128", 2).unwrap();
        for (net, old) in [
            ("2001:db8:2::/48", "2001:db8:2::/48 from line 1"),
            ("2001:db8:2::/64", "2001:db8:2::/48 from line 1"),
            ("2001:db8:2:ffff::/64", "2001:db8:2::/48 from line 1"),
            ("2001:db8:4::/48", "2001:db8:4::1/128 from line 2"),
            ("2001:db8:4::1/128", "2001:db8:4::1/128 from line 2"),
            ("2001:db8:5::/32", "2001:db8:2::/48 from line 1"),
        ] {
            assert_eq!(
                enter(net, 3),
                Err(format!("Error: it overlaps with earlier definition of {old}")),
                "{net}"
            );
        }
        enter("2001:db8:1::/48", 4).unwrap();
        enter("2001:db8:3::/48", 5).unwrap();
        enter("2001:db8:4::2/128", 6).unwrap();
    }

    #[test]
    fn address_that_is_mapped_alone_does_not_conflict_with_a_wider_map() {
        let mut table = Table::default();
        let mut enter = |net: &str, line| table.enter_v4(net.parse().unwrap(), Some(line), "it");
        enter("192.0.2.9/24", 1).unwrap();
        enter("192.0.2.9/32", 2).unwrap();
        let conflict = "Error: it conflicts with earlier definition of 192.0.2.9/24 from line 1";
        assert_eq!(enter("192.0.2.0/24", 3), Err(conflict.to_owned()));
    }
}
