//! `[[nat64.prefix]]`: translation prefixes beside the main one.

use super::{Own, RESERVED_V4};
use crate::reader::{Placed, Read, Reported, Table, Value, all, not_empty};
use addr::{Prefix64, PrefixConflict, Prefixes, RangedPrefix};
use ipnet::Ipv4Net;

/// One entry with the places of its parts.
struct Entry<'a> {
    prefix: Placed<'a, Prefix64>,
    ipv4: Vec<Placed<'a, Ipv4Net>>,
}

impl Entry<'_> {
    fn ranged(&self) -> RangedPrefix {
        let ipv4 = self.ipv4.iter().map(|net| net.value).collect();
        RangedPrefix { prefix: self.prefix.value, ipv4 }
    }
}

pub(super) fn read(table: &Table<'_>, own: &Own, allow_private_ipv4: bool) -> Read<Vec<RangedPrefix>> {
    let tables = table.tables("prefix")?;
    let read: Vec<Read<Entry<'_>>> =
        tables.iter().map(|table| entry(table, own, allow_private_ipv4)).collect();
    // Those that could be read are compared even if others could not.
    let entries: Vec<&Entry<'_>> = read.iter().filter_map(|entry| entry.as_ref().ok()).collect();
    let ranged: Vec<RangedPrefix> = entries.iter().map(|entry| entry.ranged()).collect();
    let conflicts = Prefixes::new(own.pref64, &ranged).err().unwrap_or_default();
    let reported = all::<()>(conflicts.iter().map(|conflict| Err(conflicting(conflict, &entries))));
    let entries = all(read.into_iter())?;
    reported?;
    Ok(entries.iter().map(Entry::ranged).collect())
}

fn entry<'a>(table: &Table<'a>, own: &Own, allow_private_ipv4: bool) -> Read<Entry<'a>> {
    let prefix = table.need("pref64", |value| prefix(value, own));
    let ipv4 = table.need("ipv4", |value| {
        let nets = all(value.elements()?.map(|element| Ok(element.at.with(range(&element)?))))?;
        not_empty(&value.at, nets, "IPv4 network that this prefix carries")
    });
    let (prefix, ipv4) = (table.spot("pref64").with(prefix?), ipv4?);
    let may_embed = |v4| prefix.value.may_embed(v4, allow_private_ipv4);
    let is_useless = |net: &Ipv4Net| !may_embed(net.network()) && !may_embed(net.broadcast());
    if let Some(net) = ipv4.iter().find(|net| is_useless(&net.value)) {
        return Err(net.at.refuse(
            format!("{} must not carry {}, which is not global (RFC 6052 §3.1)", prefix.value, net.value),
            "take another prefix, such as one in 64:ff9b:1::/48 (RFC 8215), or set prefix.allow_private_ipv4",
        ));
    }
    Ok(Entry { prefix, ipv4 })
}

fn prefix(value: &Value<'_>, own: &Own) -> Read<Prefix64> {
    let prefix = value.prefix64()?;
    match own.v6.filter(|own| prefix.contains(*own)) {
        Some(own) => Err(value.at.refuse(
            format!("{prefix} holds the translator's own nat64.ipv6_addr, {own}"),
            "move that address out of the prefix, where addresses stand for IPv4 hosts",
        )),
        None => Ok(prefix),
    }
}

fn range(value: &Value<'_>) -> Read<Ipv4Net> {
    let net: Ipv4Net = value.network()?;
    match RESERVED_V4.iter().find(|reserved| reserved.contains(&net)) {
        Some(reserved) => Err(value
            .at
            .refuse(format!("{net} lies in {reserved}, whose addresses no packet carries"), "leave it out")),
        None => Ok(net),
    }
}

fn conflicting(conflict: &PrefixConflict, entries: &[&Entry<'_>]) -> Reported {
    // Where another prefix stands, or the main one.
    let place = |index: Option<usize>| {
        index.map_or_else(|| "prefix.pref64".to_owned(), |index| entries[index].prefix.at.place())
    };
    match *conflict {
        PrefixConflict::Overlap { first, second, prefix, other } => entries[second].prefix.at.refuse(
            format!("{prefix} overlaps {other} at {}", place(first)),
            "take prefixes of which none lies in another",
        ),
        PrefixConflict::SameRange { first, second, range, net } => entries[second].ipv4[range].at.refuse(
            format!("{net} is carried by the prefix at {} already", place(first)),
            "name it at one prefix; a network within another is no conflict, since the longer one wins",
        ),
    }
}
