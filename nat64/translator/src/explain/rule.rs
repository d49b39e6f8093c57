//! Mapped addresses in words.

use crate::explain::PoolView;
use crate::map::{Mapped, Rule};
use std::fmt::Display;
use std::net::{Ipv4Addr, Ipv6Addr};

/// `from` and what it becomes. `lease` is what there is to say of a lease.
fn mapped<A: Display>(from: impl Display, to: &Mapped<'_, A>, lease: &str) -> String {
    let rule = match to.rule {
        Rule::Own => "the translator's own address".to_owned(),
        Rule::Explicit(map) => format!("the explicit map of {} and {}", map.v4, map.v6),
        Rule::Prefix(prefix) => format!("the prefix {prefix}"),
        Rule::Lease => lease.to_owned(),
        Rule::IcmpSource => {
            "an address that speaks for routers without one of their own (RFC 6791)".to_owned()
        }
    };
    format!("{from} is {}: {rule}", to.address)
}

/// The IPv4 address for `v6`.
pub(super) fn to_v4(v6: Ipv6Addr, to: &Mapped<'_, Ipv4Addr>, pool: &dyn PoolView) -> String {
    let lease = if pool.lease_of(v6).is_some() {
        "the lease that it has"
    } else {
        "a lease that it would take, the next one free"
    };
    mapped(v6, to, lease)
}

/// The IPv6 address for `v4`.
pub(super) fn to_v6(v4: Ipv4Addr, to: &Mapped<'_, Ipv6Addr>) -> String {
    mapped(v4, to, "the host that holds the lease")
}
