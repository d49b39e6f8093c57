//! The names that Unbound serves or keeps itself, in our words.

use super::super::super::draft::{Draft, Spot};
use super::super::conf::Conf;
use crate::domain::Domain;
use crate::model::{Forward, Host, PrivateZones};
use std::net::IpAddr;
use std::time::Duration;

/// `local-data` with addresses; other types are not served.
pub(super) fn hosts(draft: &mut Draft, conf: &Conf) {
    let mut hosts: Vec<Host> = Vec::new();
    for (spot, text) in &conf.local_data {
        match record(text) {
            Ok((name, address, ttl)) => match hosts.iter_mut().find(|host| host.name == name) {
                Some(host) if !host.addresses.contains(&address) => host.addresses.push(address),
                Some(_) => {}
                None => hosts.push(Host { name, addresses: vec![address], ttl }),
            },
            Err(Unserved::Other) => {
                draft.lose(spot, "local-data", format!("{text}: only A and AAAA records are served"));
            }
            Err(Unserved::Wrong(why)) => {
                draft.errors.push(spot.says(format_args!("error parsing local-data '{text}': {why}")));
            }
        }
    }
    if let Some((spot, _)) = conf.local_data.first() {
        draft.set("dns64.host", spot, |dns64| dns64.names.host = hosts);
    }
    pointers(draft, conf);
}

/// `local-data-ptr`: the PTR records of addresses are served with the names that have them.
fn pointers(draft: &mut Draft, conf: &Conf) {
    for (spot, text) in &conf.local_pointers {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (Some(Ok(address)), Some(name)) =
            (words.first().map(|word| word.parse::<IpAddr>()), words.last())
        else {
            draft.errors.push(spot.says("local-data-ptr could not be reversed"));
            continue;
        };
        let hosts = draft.model.dns64.iter().flat_map(|dns64| &dns64.names.host);
        let served = hosts.filter(|host| name.parse().is_ok_and(|name: Domain| host.name == name));
        if !served.into_iter().any(|host| host.addresses.contains(&address)) {
            let why = format!(
                "{text}: not honoured: PTR records are those of [[dns64.host]], and none has {name} with {address}"
            );
            draft.lose(spot, "local-data-ptr", why);
        }
    }
}

/// Types of `local-zone`, and what becomes of their names.
const ZONES: &[(&str, Fate)] = &[
    ("static", Fate::Here(None)),
    ("always_nxdomain", Fate::Here(None)),
    ("deny", Fate::Here(Some("names that are not served do not exist here, rather than getting no answer"))),
    ("always_deny", Fate::Here(Some("its names do not exist here, rather than getting no answer"))),
    ("refuse", Fate::Here(Some("names that are not served do not exist here, rather than being refused"))),
    ("always_refuse", Fate::Here(Some("its names do not exist here, rather than being refused"))),
    ("always_nodata", Fate::Here(Some("its names do not exist here, rather than having no records"))),
    ("always_null", Fate::Here(Some("its names do not exist here, rather than having the address 0"))),
    ("redirect", Fate::Here(Some("the name alone has its records, and those below do not exist"))),
    (
        "inform_deny",
        Fate::Here(Some("its names do not exist here, rather than getting no answer; nothing is logged")),
    ),
    ("inform_redirect", Fate::Here(Some("the name alone has its records; nothing is logged"))),
    ("nodefault", Fate::Upstream),
    ("transparent", Fate::Usual(None)),
    ("typetransparent", Fate::Usual(Some("a name that is served here has no records of other types"))),
    ("always_transparent", Fate::Usual(Some("a name that is served here has no records of other types"))),
    ("inform", Fate::Usual(Some("nothing is logged: log.level = \"debug\" tells of every question"))),
    ("noview", Fate::Usual(Some("views are not told apart"))),
    ("ipset", Fate::Usual(Some("no set of addresses is filled"))),
    ("block_a", Fate::Usual(Some("A records are passed on"))),
];

/// What becomes of the names of a `local-zone`, and how that differs.
#[derive(Clone, Copy)]
enum Fate {
    /// Nobody knows them but this daemon.
    Here(Option<&'static str>),
    /// They are asked upstream, although such names usually are not.
    Upstream,
    /// What becomes of any name.
    Usual(Option<&'static str>),
}

/// `local-zone`, and whether private zones are asked upstream.
pub(super) fn zones(draft: &mut Draft, conf: &Conf) {
    if let Some((spot, true)) = &conf.unblock_private {
        draft.set("dns64.private_zones", spot, |dns64| dns64.names.private_zones = PrivateZones::Forward);
    }
    for (spot, name, kind) in &conf.local_zones {
        let Some((_, fate)) = ZONES.iter().find(|(own, _)| own == kind) else {
            let known: Vec<_> = ZONES.iter().map(|(own, _)| *own).collect();
            draft.errors.push(spot.says(format_args!("local-zone type: expected {}", known.join(", "))));
            continue;
        };
        match fate {
            Fate::Here(_) if name.labels().next().is_none() => {
                draft.lose(
                    spot,
                    "local-zone",
                    "not honoured for the root: every other name is asked upstream",
                );
                continue;
            }
            Fate::Here(_) => draft.set("dns64.local_domains", spot, |dns64| {
                if !dns64.names.local_domains.contains(name) {
                    dns64.names.local_domains.push(name.clone());
                }
            }),
            Fate::Upstream => asked(draft, spot, name),
            Fate::Usual(_) => {}
        }
        if let Fate::Here(Some(why)) | Fate::Usual(Some(why)) = fate {
            draft.lose(spot, "local-zone", format!("{name} {kind}: {why}"));
        }
    }
}

/// Lets a zone that is private by default be asked of the upstreams of all names.
fn asked(draft: &mut Draft, spot: &Spot, name: &Domain) {
    let Some(dns64) = &draft.model.dns64 else { return };
    let known = dns64.forward.iter().any(|forward| forward.domains.contains(name));
    if !known && name.labels().next().is_some() {
        let forward = Forward { domains: vec![name.clone()], upstream: dns64.upstream.clone() };
        draft.set("dns64.forward", spot, |dns64| dns64.forward.push(forward));
    }
}

/// Why a record is not served.
enum Unserved {
    /// Another type or class.
    Other,
    Wrong(String),
}

/// Types of records besides addresses that people write down.
const OTHER_TYPES: &[&str] = &[
    "CAA",
    "CNAME",
    "DNAME",
    "DNSKEY",
    "DS",
    "HINFO",
    "HTTPS",
    "LOC",
    "MX",
    "NAPTR",
    "NS",
    "OPENPGPKEY",
    "PTR",
    "RP",
    "SOA",
    "SPF",
    "SRV",
    "SSHFP",
    "SVCB",
    "TLSA",
    "TXT",
    "URI",
];

/// Unbound's TTL where a record has none, in seconds.
const LOCAL_TTL: u64 = 3600;

/// `NAME [TTL] [IN] TYPE DATA`.
fn record(text: &str) -> Result<(Domain, IpAddr, Duration), Unserved> {
    let wrong = |why: &str| Unserved::Wrong(why.to_owned());
    let mut words = text.split_whitespace().peekable();
    let name = words.next().ok_or_else(|| wrong("there is no name"))?;
    let name: Domain = name.parse().map_err(|error| Unserved::Wrong(format!("{name}: {error}")))?;
    let ttl = words.next_if(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let ttl =
        ttl.map_or(Ok(LOCAL_TTL), |ttl| ttl.parse().map_err(|_| wrong("the TTL is no number of seconds")))?;
    if words.next_if(|word| ["CH", "HS", "CLASS3"].contains(&word.to_ascii_uppercase().as_str())).is_some() {
        return Err(Unserved::Other);
    }
    let _ = words.next_if(|word| word.eq_ignore_ascii_case("IN"));
    let kind = words
        .next()
        .ok_or_else(|| wrong("Syntax error, could not parse the RR's type"))?
        .to_ascii_uppercase();
    let data = words.next().unwrap_or_default();
    let address: Option<IpAddr> = match kind.as_str() {
        "A" => data.parse().ok().map(IpAddr::V4),
        "AAAA" => data.parse().ok().map(IpAddr::V6),
        other if OTHER_TYPES.contains(&other) => return Err(Unserved::Other),
        _ => return Err(wrong("Syntax error, could not parse the RR's type")),
    };
    let address = address.ok_or_else(|| Unserved::Wrong(format!("'{data}' is no address of type {kind}")))?;
    Ok((name, address, Duration::from_secs(ttl)))
}
