//! Sets of addresses as other programs' access lists mean them: networks without overlap, made of lists in which the
//! first match decides.
//!
//! gateway.toml has plain lists of networks, without negation; this is where a list with negation becomes one.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Every IPv4 address.
pub(super) const ALL_V4: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));

/// Every IPv6 address.
pub(super) const ALL_V6: IpNet = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0));

/// A set of addresses: networks that do not overlap, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Networks {
    list: Vec<IpNet>,
}

impl Networks {
    /// Every address.
    pub(super) fn all() -> Self {
        Self { list: vec![ALL_V4, ALL_V6] }
    }

    /// The addresses that a list lets in: the first network that holds an address decides, and none is no.
    pub(super) fn first_match(rules: impl IntoIterator<Item = (IpNet, bool)>) -> Self {
        let (mut decided, mut list) = (Self::default(), Vec::new());
        for (net, allow) in rules {
            let fresh = decided.missing(net);
            if allow {
                list.extend(&fresh);
            }
            decided.list.extend(fresh);
        }
        Self::of(&list)
    }

    fn of(list: &Vec<IpNet>) -> Self {
        let mut list = IpNet::aggregate(list);
        list.sort();
        Self { list }
    }

    /// The networks.
    pub(super) fn list(&self) -> &[IpNet] {
        &self.list
    }

    /// Those of one family.
    pub(super) fn v6(&self) -> impl Iterator<Item = Ipv6Net> + '_ {
        self.list.iter().filter_map(|net| match net {
            IpNet::V6(net) => Some(*net),
            IpNet::V4(_) => None,
        })
    }

    pub(super) fn is_all(&self) -> bool {
        self.list == Self::all().list
    }

    /// What both have.
    pub(super) fn and(&self, other: &Self) -> Self {
        let both = |(a, b): (&IpNet, &IpNet)| {
            if a.contains(b) { Some(*b) } else { b.contains(a).then_some(*a) }
        };
        let pairs = self.list.iter().flat_map(|a| other.list.iter().map(move |b| (a, b)));
        Self::of(&pairs.filter_map(both).collect())
    }

    /// What either has.
    pub(super) fn or(&self, other: &Self) -> Self {
        Self::first_match(self.list.iter().chain(&other.list).map(|net| (*net, true)))
    }

    /// What the other one does not have.
    pub(super) fn without(&self, other: &Self) -> Self {
        let out = other.list.iter().map(|net| (*net, false));
        Self::first_match(out.chain(self.list.iter().map(|net| (*net, true))))
    }

    /// The parts of `net` that are not in the set.
    fn missing(&self, net: IpNet) -> Vec<IpNet> {
        let mut parts = vec![net];
        for hole in &self.list {
            parts = parts.into_iter().flat_map(|part| cut(part, *hole)).collect();
        }
        parts
    }
}

/// `net` without `hole`: the halves beside the way from the one to the other.
fn cut(net: IpNet, hole: IpNet) -> Vec<IpNet> {
    if hole.contains(&net) {
        return Vec::new();
    }
    if !net.contains(&hole) {
        return vec![net];
    }
    (net.prefix_len() + 1..=hole.prefix_len()).filter_map(|len| sibling(hole, len)).collect()
}

/// The network of `len` bits that differs from `hole` in its last bit alone.
fn sibling(hole: IpNet, len: u8) -> Option<IpNet> {
    let addr = match hole.addr() {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() ^ 1_u32.checked_shl(32 - u32::from(len))?).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() ^ 1_u128.checked_shl(128 - u32::from(len))?).into()),
    };
    IpNet::new(addr, len).ok().map(|net| net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rules: &[&str]) -> Networks {
        Networks::first_match(rules.iter().map(|rule| match rule.strip_prefix('!') {
            Some(net) => (net.parse().unwrap(), false),
            None => (rule.parse().unwrap(), true),
        }))
    }

    fn shown(set: &Networks) -> Vec<String> {
        set.list().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_first_network_that_holds_an_address_decides() {
        assert_eq!(shown(&set(&["!10.0.0.0/9", "10.0.0.0/8"])), ["10.128.0.0/9"]);
        assert_eq!(shown(&set(&["10.0.0.0/8", "!10.0.0.0/9"])), ["10.0.0.0/8"]);
        assert_eq!(shown(&set(&["!192.0.2.1/32", "192.0.2.0/30"])), ["192.0.2.0/32", "192.0.2.2/31"]);
        assert_eq!(shown(&set(&["!2001:db8::/33", "2001:db8::/32"])), ["2001:db8:8000::/33"]);
        assert_eq!(shown(&set(&["!0.0.0.0/0", "10.0.0.0/8"])), [""; 0]);
    }

    #[test]
    fn sets_meet_in_the_smaller_networks() {
        let (a, b) = (set(&["10.0.0.0/8", "2001:db8::/32"]), set(&["10.1.0.0/16", "::/0"]));
        assert_eq!(shown(&a.and(&b)), ["10.1.0.0/16", "2001:db8::/32"]);
        assert!(Networks::all().is_all() && !b.is_all());
    }

    #[test]
    fn sets_join_and_leave_each_other_out() {
        let (a, b) = (set(&["10.0.0.0/9", "2001:db8::/32"]), set(&["10.128.0.0/9", "2001:db8::/33"]));
        assert_eq!(shown(&a.or(&b)), ["10.0.0.0/8", "2001:db8::/32"]);
        assert_eq!(shown(&a.without(&b)), ["10.0.0.0/9", "2001:db8:8000::/33"]);
        assert_eq!(a.without(&Networks::all()), Networks::default());
    }

    #[test]
    fn single_addresses_can_be_cut_out_of_everything() {
        let rest = set(&["!255.255.255.255/32", "0.0.0.0/0"]);
        assert_eq!(rest.list().len(), 32);
        assert_eq!(
            (shown(&rest)[0].as_str(), shown(&rest)[31].as_str()),
            ("0.0.0.0/1", "255.255.255.254/32")
        );
    }
}
