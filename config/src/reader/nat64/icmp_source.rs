//! `nat64.icmp_source_v4` and `nat64.icmp_source_v6`: who speaks for routers without an address on the other side.

use super::{Own, RESERVED_V4, RESERVED_V6};
use crate::reader::{Placed, Read, Table, Value, all, unique, values};
use addr::Prefix64;
use ipnet::{Ipv4Net, Ipv6Net};
use toml::de::DeValue;

/// A network of this length has 65 536 addresses, more than any traceroute shows hops.
const SHORTEST_V4: u8 = 16;

/// In a network of this length or less each IPv4 address has an address of its own.
const LONGEST_V6: u8 = 96;

/// One network or a list of them; none is an empty list.
pub(super) fn v4(table: &Table<'_>, own: &Own) -> Read<Vec<Ipv4Net>> {
    let list = table.or("icmp_source_v4", Vec::new(), |value| match value.value {
        DeValue::String(_) => Ok(vec![value.at.with(net_v4(value, own)?)]),
        _ => all(value.elements()?.map(|element| Ok(element.at.with(net_v4(&element, own)?)))),
    })?;
    unique(
        &list,
        |net| Some(*net),
        |net, first: &Placed<'_, Ipv4Net>| {
            (format!("{net} already stands at {}", first.at.place()), "remove one of the two".to_owned())
        },
    )?;
    Ok(values(list))
}

fn net_v4(value: &Value<'_>, own: &Own) -> Read<Ipv4Net> {
    let net: Ipv4Net = value.network()?;
    if net.prefix_len() < SHORTEST_V4 {
        return Err(value.at.refuse(
            format!("{net} has more addresses than routers that could be told apart"),
            format!("take a network of length {SHORTEST_V4} or more; 16 addresses serve most networks"),
        ));
    }
    if let Some(reserved) = RESERVED_V4.iter().find(|reserved| reserved.contains(&net)) {
        return Err(value.at.refuse(
            format!("{net} lies in {reserved}, whose addresses cannot be sources"),
            "take a network that is routed to this gateway",
        ));
    }
    match own.pool.filter(|pool| pool.contains(&net) || net.contains(pool)) {
        Some(pool) => Err(value.at.refuse(
            format!("{net} overlaps nat64.dynamic_pool ({pool}), whose addresses stand for hosts"),
            "take a network of its own, or make the pool smaller",
        )),
        None => Ok(net),
    }
}

pub(super) fn v6(table: &Table<'_>, prefixes: &[Prefix64]) -> Read<Option<Ipv6Net>> {
    table.maybe("icmp_source_v6", |value| net_v6(value, prefixes))
}

fn net_v6(value: &Value<'_>, prefixes: &[Prefix64]) -> Read<Ipv6Net> {
    let net: Ipv6Net = value.network()?;
    if net.prefix_len() > LONGEST_V6 {
        return Err(value.at.refuse(
            format!("{net} is too small: the last 32 bits of each address are those of the IPv4 router"),
            format!("take a network of length {LONGEST_V6} or less"),
        ));
    }
    if let Some(reserved) = RESERVED_V6.iter().find(|reserved| reserved.contains(&net)) {
        return Err(value.at.refuse(
            format!("{net} lies in {reserved}, whose addresses cannot be sources"),
            "take a network that is routed to this gateway",
        ));
    }
    let overlaps = |prefix: &&Prefix64| {
        let prefix = Ipv6Net::new_assert(prefix.addr(), prefix.prefix_len());
        prefix.contains(&net) || net.contains(&prefix)
    };
    match prefixes.iter().find(overlaps) {
        Some(prefix) => Err(value.at.refuse(
            format!("{net} overlaps the translation prefix {prefix}, where addresses stand for IPv4 hosts"),
            "take a network outside",
        )),
        None => Ok(net),
    }
}
