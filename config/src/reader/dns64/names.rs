//! The keys about names that dns64 serves itself.

use super::super::{Placed, Read, Table, Value, all, not_empty, shared::twice, unique, values};
use crate::defaults;
use crate::domain::Domain;
use crate::model::{Host, LocalNames};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// 0 keeps clients from caching; a week is as long as any resolver keeps a record.
const TTL_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(7 * 86_400);

/// What fits into one answer.
const MOST_ADDRESSES: usize = 64;

pub(super) fn read(table: &Table<'_>) -> Read<LocalNames> {
    let hosts_files = paths(table, "hosts_files");
    let lease_files = paths(table, "lease_files");
    let hosts_domain = table.maybe("hosts_domain", Value::proper_domain);
    let hosts_ttl = table.or("hosts_ttl", defaults::HOSTS_TTL, ttl);
    let local_domains = domains(table, "local_domains");
    let domain_needed = table.or("domain_needed", defaults::DOMAIN_NEEDED, Value::boolean);
    let private_zones = table.or("private_zones", defaults::PRIVATE_ZONES, Value::choice);
    let usual = hosts_ttl.unwrap_or(defaults::HOSTS_TTL);
    let host = table.tables("host").and_then(|tables| all(tables.iter().map(|table| host(table, usual))));
    let host = host.and_then(|list| {
        let distinct = unique(
            &list,
            |host| Some(host.name.clone()),
            |host, first| {
                let message = format!("{} already stands at {}", host.name, first.at.place());
                (message, "name all its addresses in one entry".to_owned())
            },
        );
        distinct.map(|()| values(list))
    });
    Ok(LocalNames {
        hosts_files: hosts_files?,
        lease_files: lease_files?,
        hosts_domain: hosts_domain?,
        hosts_ttl: hosts_ttl?,
        local_domains: local_domains?,
        domain_needed: domain_needed?,
        private_zones: private_zones?,
        host: host?,
    })
}

/// A list of domains, each once; none if it is not given.
pub(super) fn domains(table: &Table<'_>, key: &str) -> Read<Vec<Domain>> {
    let list = table.list(key, Value::domain)?.unwrap_or_default();
    unique(&list, |domain| Some(domain.clone()), twice)?;
    Ok(values(list))
}

fn paths(table: &Table<'_>, key: &str) -> Read<Vec<PathBuf>> {
    let list = table.list(key, Value::path)?.unwrap_or_default();
    unique(
        &list,
        |path| Some(path.clone()),
        |path, first| {
            let message = format!("{} already stands at {}", path.display(), first.at.place());
            (message, "remove one of the two".to_owned())
        },
    )?;
    Ok(values(list))
}

fn host<'a>(table: &Table<'a>, usual: Duration) -> Read<Placed<'a, Host>> {
    let name = table.need("name", Value::proper_domain);
    let addresses = table.need("addresses", |value| {
        let list = all(value.elements()?.map(|element| Ok(element.at.with(address(&element)?))))?;
        let list = not_empty(&value.at, list, "address")?;
        if list.len() > MOST_ADDRESSES {
            let message = format!("expected at most {MOST_ADDRESSES} addresses, found {}", list.len());
            return Err(value.at.refuse(message, "an answer has no room for more"));
        }
        unique(&list, |address| Some(*address), twice).map(|()| values(list))
    });
    let ttl = table.or("ttl", usual, ttl);
    let host = Host { name: name?, addresses: addresses?, ttl: ttl? };
    Ok(table.spot("name").with(host))
}

fn address(value: &Value<'_>) -> Read<IpAddr> {
    let address: IpAddr = value.address("an address such as \"192.0.2.10\" or \"2001:db8::10\"")?;
    match addr::fold_mapped(address) {
        folded if folded == address => Ok(address),
        folded => Err(value.at.refuse(
            format!("{address} is an IPv4 address in IPv6 form"),
            format!("write \"{folded}\": dns64 makes the IPv6 address from it"),
        )),
    }
}

/// A duration of whole seconds.
pub(super) fn ttl(value: &Value<'_>) -> Read<Duration> {
    let ttl = value.duration(TTL_RANGE)?;
    if ttl.subsec_millis() > 0 {
        return Err(value
            .at
            .refuse("a TTL is a whole number of seconds", "write it in seconds, such as \"60s\""));
    }
    Ok(ttl)
}
