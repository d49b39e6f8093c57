//! `[[dns64.client]]`: who is synthesized what.

use super::super::{Read, Table, Value, all, not_empty, unique, values};
use super::synthesis::{self, Lists};
use crate::defaults;
use crate::model::{ClientPrefix, DnsClient, MappedRule};
use addr::Prefix64;
use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, Ipv6Addr};
use toml::de::DeValue;

/// Eight AAAA records for each A record still leave an answer of usual size in one datagram.
const MOST_PREFIXES: usize = 8;

/// An entry; `None` if it takes its prefix from an unreadable `[prefix]`.
pub(super) fn read(table: &Table<'_>, pref64: Option<Prefix64>, usual: &Lists) -> Read<Option<DnsClient>> {
    let from = table.need("from", |value| {
        let list = all(value.elements()?.map(|element| Ok(element.at.with(element.client_network()?))))?;
        not_empty(&value.at, list, "network")
    });
    let synthesize = table.or("synthesize", defaults::SYNTHESIZE, Value::boolean);
    let mapped = mapped(table).map(|mapped| mapped.unwrap_or_else(|| vec![EVERYTHING]));
    let prefixes = prefixes(table, mapped.as_deref().unwrap_or_default());
    let lists = synthesis::lists(table, usual);
    let (from, synthesize, mapped, prefixes) = (values(from?), synthesize?, mapped?, prefixes?);
    let Lists { exclude_aaaa, force, forbid } = lists?;
    let prefixes = match (prefixes, pref64) {
        (Some(prefixes), _) => prefixes,
        (None, Some(prefix)) => vec![ClientPrefix { prefix, suffix: Ipv6Addr::UNSPECIFIED, mapped }],
        (None, None) => return Ok(None),
    };
    Ok(Some(DnsClient { from, synthesize, prefixes, exclude_aaaa, force, forbid }))
}

/// What `mapped` is where it is left out: every address may be embedded.
const EVERYTHING: MappedRule = MappedRule { net: Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0), allow: true };

fn mapped(table: &Table<'_>) -> Read<Option<Vec<MappedRule>>> {
    let Some(list) = table.list("mapped", Value::mapped_rule)? else { return Ok(None) };
    let list = not_empty(&table.spot("mapped"), list, "IPv4 network; use synthesize = false to embed none")?;
    Ok(Some(values(list)))
}

fn prefixes(table: &Table<'_>, mapped: &[MappedRule]) -> Read<Option<Vec<ClientPrefix>>> {
    let Some(list) = table.list("prefixes", |value| prefix(value, mapped))? else { return Ok(None) };
    let at = table.spot("prefixes");
    let list = not_empty(&at, list, "prefix; leave the key out to take prefix.pref64")?;
    if list.len() > MOST_PREFIXES {
        return Err(at.refuse(
            format!("expected at most {MOST_PREFIXES} prefixes, found {}", list.len()),
            "each prefix adds one AAAA record for each A record",
        ));
    }
    unique(
        &list,
        |one| Some(one.prefix),
        |one, first| {
            (
                format!("{} already stands at {}", one.prefix, first.at.place()),
                "remove one of the two".to_owned(),
            )
        },
    )?;
    Ok(Some(values(list)))
}

/// `"2001:db8:64::/96"`, or a table with the prefix, what stands behind the address, and the addresses that may be
/// embedded in it.
fn prefix(value: &Value<'_>, outer: &[MappedRule]) -> Read<ClientPrefix> {
    let DeValue::Table(table) = value.value else {
        let prefix = value.prefix64()?;
        return Ok(ClientPrefix { prefix, suffix: Ipv6Addr::UNSPECIFIED, mapped: outer.to_vec() });
    };
    let table = Table::open(value.at.clone(), table);
    let prefix = table.need("prefix", Value::prefix64);
    let suffix = table.or("suffix", Ipv6Addr::UNSPECIFIED, |value| suffix(value, prefix.ok()));
    let mapped = mapped(&table);
    Ok(ClientPrefix { prefix: prefix?, suffix: suffix?, mapped: mapped?.unwrap_or_else(|| outer.to_vec()) })
}

fn suffix(value: &Value<'_>, prefix: Option<Prefix64>) -> Read<Ipv6Addr> {
    let suffix = value.address("an IPv6 address such as \"::1\"")?;
    let Some(prefix) = prefix.filter(|prefix| !prefix.takes_suffix(suffix)) else { return Ok(suffix) };
    let taken = prefix.octets_before_suffix();
    let help = match 16 - taken {
        0 => format!("remove it: the IPv4 address ends where an address in {prefix} ends"),
        free => format!("only its last {free} octets may differ from 0"),
    };
    Err(value.at.refuse(
        format!("{suffix} has bits where {prefix} and the IPv4 address stand, in the first {taken} octets"),
        help,
    ))
}
