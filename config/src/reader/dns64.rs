//! `[dns64]`: where it listens, whom it asks, and who is synthesized what.

mod listen;
mod names;
mod upstream;

use super::{Read, Table, Value, all, not_empty, unique, values};
use crate::defaults;
use crate::model::{ClientPrefix, Dns64, DnsClient, MappedRule};
use addr::Prefix64;
use ipnet::Ipv4Net;
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// Below, there is no room for a handful of answers; above, no machine has the memory.
const CACHE_RANGE: RangeInclusive<u64> = 64 << 10..=1 << 40;

/// Eight AAAA records for each A record still leave an answer of usual size in one datagram.
const MOST_PREFIXES: usize = 8;

pub(super) fn read(table: &Table<'_>, pref64: Option<Prefix64>) -> Read<Dns64> {
    let listening = listen::read(table);
    let upstreams = upstream::read(table, listening.as_ref().ok());
    let exclude_aaaa = table
        .list("exclude_aaaa", Value::network)
        .map(|nets| nets.map_or_else(|| defaults::EXCLUDE_AAAA.into(), values));
    let cache_size = table.or("cache_size", defaults::CACHE_SIZE, |value| value.size(CACHE_RANGE));
    let workers = table.or("workers", defaults::WORKERS, |value| value.integer(super::nat64::WORKER_RANGE));
    let rebind_protection = table.or("rebind_protection", defaults::REBIND_PROTECTION, Value::boolean);
    let private_domains = names::domains(table, "private_domains");
    let names = names::read(table);
    let client =
        table.tables("client").and_then(|tables| all(tables.iter().map(|table| client(table, pref64))));
    let (listening, upstreams) = (listening?, upstreams?);
    Ok(Dns64 {
        listen: values(listening.plain),
        listen_tls: listening.tls,
        listen_https: listening.https,
        listen_quic: listening.quic,
        certificates: listening.certificates,
        https_path: listening.https_path,
        upstream: upstreams.upstream,
        upstream_ca: upstreams.upstream_ca,
        forward: upstreams.forward,
        exclude_aaaa: exclude_aaaa?,
        cache_size: cache_size?,
        workers: workers?,
        rebind_protection: rebind_protection?,
        private_domains: private_domains?,
        names: names?,
        // An entry is absent only if it takes its prefixes from an unreadable [prefix], which has been reported.
        client: client?.into_iter().flatten().collect(),
    })
}

fn client(table: &Table<'_>, pref64: Option<Prefix64>) -> Read<Option<DnsClient>> {
    let from = table.need("from", |value| {
        let list = all(value.elements()?.map(|element| Ok(element.at.with(element.client_network()?))))?;
        not_empty(&value.at, list, "network")
    });
    let synthesize = table.or("synthesize", defaults::SYNTHESIZE, Value::boolean);
    let mapped = mapped(table).map(|mapped| mapped.unwrap_or_else(|| vec![EVERYTHING]));
    let prefixes = prefixes(table, mapped.as_deref().unwrap_or_default());
    let (from, synthesize, mapped, prefixes) = (values(from?), synthesize?, mapped?, prefixes?);
    let prefixes = match (prefixes, pref64) {
        (Some(prefixes), _) => prefixes,
        (None, Some(prefix)) => vec![ClientPrefix { prefix, mapped }],
        (None, None) => return Ok(None),
    };
    Ok(Some(DnsClient { from, synthesize, prefixes }))
}

/// What `mapped` is where it is left out: every address may be embedded.
const EVERYTHING: MappedRule =
    MappedRule { net: Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0), allow: true };

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

/// `"2001:db8:64::/96"`, or a table with the prefix and the addresses that may be embedded in it.
fn prefix(value: &Value<'_>, outer: &[MappedRule]) -> Read<ClientPrefix> {
    match value.value {
        DeValue::Table(table) => {
            let table = Table::open(value.at.clone(), table);
            let prefix = table.need("prefix", Value::prefix64);
            let mapped = mapped(&table);
            Ok(ClientPrefix { prefix: prefix?, mapped: mapped?.unwrap_or_else(|| outer.to_vec()) })
        }
        _ => Ok(ClientPrefix { prefix: value.prefix64()?, mapped: outer.to_vec() }),
    }
}
