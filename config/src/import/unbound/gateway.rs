//! Unbound's terms in ours.

use super::super::Imported;
use super::super::draft::Draft;
use super::super::networks::Networks;
use super::conf::{Access, Conf, Zone};
use super::value::socket;
use crate::defaults::{DNS_PORT, DNS_TLS_PORT};
use crate::domain::Domain;
use crate::model::{Denied, Forward, Host, Upstream, UpstreamTransport};
use addr::special;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// DNS over HTTPS.
const HTTPS_PORT: u16 = 443;

/// `conf` in our words; `file` is its name.
pub(super) fn gateway(conf: &Conf, file: &str) -> Result<Imported, Vec<String>> {
    let mut draft = Draft::resolver(file, conf.lost.clone());
    prefix(&mut draft, conf);
    upstreams(&mut draft, conf);
    forwards(&mut draft, conf);
    listeners(&mut draft, conf);
    hosts(&mut draft, conf);
    cache(&mut draft, conf);
    names(&mut draft, conf);
    access(&mut draft, conf);
    draft.finish()
}

fn prefix(draft: &mut Draft, conf: &Conf) {
    if !conf.modules.as_ref().is_some_and(|(_, runs)| *runs) {
        draft.lacks(
            "the dns64 module does not run here: set `module-config: \"dns64 iterator\"` if it should",
        );
    }
    let Some((spot, prefix)) = &conf.prefix else { return };
    draft.set("prefix.pref64", spot, |_| ());
    if let Some(own) = &mut draft.model.prefix {
        own.pref64 = *prefix;
    }
}

fn upstreams(draft: &mut Draft, conf: &Conf) {
    let Some(root) = conf.zones.iter().find(|zone| is_root(zone) && !zone.addresses.is_empty()) else {
        draft.lacks(
            "there is no forward-zone for \".\" with a forward-addr, so unbound resolves by itself, which \
             causeway-dns64 does not: add one that names a resolver",
        );
        return;
    };
    let list = zone_upstreams(draft, root, conf.tls_upstream == Some(true));
    draft.set("dns64.upstream", &root.spot, |dns64| dns64.upstream = list);
}

/// Zones below the root; of two of one name the first counts, as in Unbound.
fn forwards(draft: &mut Draft, conf: &Conf) {
    let mut seen: Vec<&Domain> = Vec::new();
    for zone in conf.zones.iter().filter(|zone| !is_root(zone)) {
        let Some(name) = &zone.name else { continue };
        if zone.addresses.is_empty() {
            let why = format!("{name} has no address, so unbound resolves it itself, which is not done here");
            draft.lose(&zone.spot, "name", why);
        } else if seen.contains(&name) {
            draft.lose(&zone.spot, "name", format!("duplicate forward zone {name} ignored"));
        } else {
            seen.push(name);
            let upstream = zone_upstreams(draft, zone, conf.tls_upstream == Some(true));
            let forward = Forward { domains: vec![name.clone()], upstream };
            draft.set("dns64.forward", &zone.spot, |dns64| dns64.forward.push(forward));
        }
    }
}

fn is_root(zone: &Zone) -> bool {
    zone.name.as_ref().is_some_and(|name| name.labels().next().is_none())
}

fn zone_upstreams(draft: &mut Draft, zone: &Zone, tls_everywhere: bool) -> Vec<Upstream> {
    let mut list = Vec::new();
    for (spot, address, name) in &zone.addresses {
        let tls = zone.tls || tls_everywhere;
        let transport = match (tls, name) {
            (true, Some(name)) => UpstreamTransport::Tls { name: name.clone() },
            (true, None) => {
                draft.errors.push(spot.says(format_args!(
                    "{} is asked over TLS, and its certificate is not checked for want of a name: write {0}#NAME",
                    address.ip()
                )));
                continue;
            }
            (false, _) if zone.tcp => UpstreamTransport::Tcp,
            (false, _) => UpstreamTransport::Plain,
        };
        // Unbound takes the port of DNS over TLS wherever a name stands.
        let default = if name.is_some() { DNS_TLS_PORT } else { DNS_PORT };
        let port = if address.port() == 0 { default } else { address.port() };
        list.push(Upstream { transport, address: SocketAddr::new(address.ip(), port) });
    }
    list
}

/// Which addresses serve what: Unbound tells by the port.
fn listeners(draft: &mut Draft, conf: &Conf) {
    let port = conf.port.unwrap_or(DNS_PORT);
    let ports = [
        (conf.tls_port.unwrap_or(DNS_TLS_PORT), "dns64.listen_tls"),
        (conf.https_port.unwrap_or(HTTPS_PORT), "dns64.listen_https"),
        (conf.quic_port.unwrap_or(DNS_TLS_PORT), "dns64.listen_quic"),
    ];
    let mut plain = Vec::new();
    for (spot, text) in &conf.interfaces {
        let Some(address) = socket(text, port) else {
            draft.lose(spot, "interface", format!("{text} is not honoured: give the address to listen at"));
            continue;
        };
        let kind = ports.iter().find(|(own, _)| *own == address.port() && *own != port);
        match kind.map(|(_, key)| *key) {
            Some(key @ "dns64.listen_tls") => draft.set(key, spot, |dns64| dns64.listen_tls.push(address)),
            Some(key @ "dns64.listen_https") => {
                draft.set(key, spot, |dns64| dns64.listen_https.push(address));
            }
            Some(key) => draft.set(key, spot, |dns64| dns64.listen_quic.push(address)),
            None => plain.push((spot, address)),
        }
    }
    if let Some((spot, _)) = plain.first() {
        let list = plain.iter().map(|(_, address)| *address).collect();
        draft.set("dns64.listen", spot, |dns64| dns64.listen = list);
    }
    match (&conf.service_pem, &conf.service_key) {
        (Some((spot, pem)), Some((_, key))) if pem == key => {
            draft.set("dns64.tls", spot, |dns64| dns64.certificates = vec![pem.clone()]);
        }
        (Some((spot, pem)), Some((_, key))) => {
            let bundle = pem.with_extension("bundle.pem");
            let how = format!(
                "chain and key stand in one file here: `cat {} {} > {}`, readable by causeway alone",
                pem.display(),
                key.display(),
                bundle.display()
            );
            draft.lose(spot, "tls-service-pem", how);
            draft.set("dns64.tls", spot, |dns64| dns64.certificates = vec![bundle]);
        }
        _ => {}
    }
    if let Some(path) = &conf.http_endpoint
        && let Some(dns64) = &mut draft.model.dns64
    {
        dns64.https_path.clone_from(path);
    }
}

/// `local-data` with addresses; other types are not served.
fn hosts(draft: &mut Draft, conf: &Conf) {
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

/// Both of Unbound's caches are ours in one.
fn cache(draft: &mut Draft, conf: &Conf) {
    let sizes = [&conf.msg_cache, &conf.rrset_cache];
    if let Some((spot, _)) = sizes.into_iter().flatten().next() {
        let bytes = sizes.into_iter().flatten().map(|(_, bytes)| bytes).sum();
        draft.set("dns64.cache_size", spot, |dns64| dns64.cache.size = bytes);
    }
    if let Some((spot, seconds)) = &conf.max_ttl {
        draft.set("dns64.cache_max_ttl", spot, |dns64| dns64.cache.max_ttl = Duration::from_secs(*seconds));
    }
    if let Some((spot, seconds)) = &conf.max_negative_ttl {
        let limit = Duration::from_secs(*seconds);
        draft.set("dns64.cache_max_negative_ttl", spot, |dns64| dns64.cache.max_negative_ttl = limit);
    }
    if let Some((spot, threads)) = &conf.threads {
        let workers = u16::try_from(*threads).unwrap_or(u16::MAX).max(1);
        draft.set("dns64.workers", spot, |dns64| dns64.workers = workers);
    }
    let Some(dns64) = &mut draft.model.dns64 else { return };
    dns64.admission.cookies = conf.answer_cookie.unwrap_or(dns64.admission.cookies);
    // Unbound serves nothing stale unless it is told to, and then without end: 0 is no limit there.
    dns64.cache.serve_stale = match (conf.serve_expired, &conf.expired_ttl) {
        (Some(true), Some((_, seconds))) if *seconds > 0 => Duration::from_secs(*seconds),
        (Some(true), _) => dns64.cache.serve_stale,
        (Some(false) | None, _) => Duration::ZERO,
    };
    dns64.cache.prefetch = conf.prefetch.unwrap_or(false);
}

/// Which names are synthesized though they have AAAA records, and whose private addresses are believed.
fn names(draft: &mut Draft, conf: &Conf) {
    let private = conf.private_addresses.first();
    let Some(dns64) = &mut draft.model.dns64 else { return };
    dns64.force.clone_from(&conf.ignore_aaaa);
    if conf.synthall == Some(true) {
        dns64.force = vec![Domain::root()];
    }
    dns64.private_domains.clone_from(&conf.private_domains);
    if let Some((_, path)) = &conf.cert_bundle {
        dns64.upstream_ca = Some(path.clone());
    }
    if let Some((spot, _)) = private {
        draft.set("dns64.rebind_protection", spot, |dns64| dns64.rebind_protection = true);
        for (spot, net) in &conf.private_addresses {
            if !is_private(*net) {
                let why =
                    format!("{net} is not honoured: rebind_protection refuses the special-purpose networks");
                draft.lose(spot, "private-address", why);
            }
        }
    }
}

/// Who is answered: the longest network that holds a client decides, and clients elsewhere than on this machine are in
/// none.
fn access(draft: &mut Draft, conf: &Conf) {
    let mut rules: Vec<(IpNet, Access)> =
        conf.access.iter().map(|(_, net, access)| (*net, *access)).collect();
    // Of two of one network the later one counts.
    rules.reverse();
    rules.extend(LOOPBACK.map(|net| (net, Access::Allow)));
    rules.sort_by_key(|(net, _)| Reverse(net.prefix_len()));
    let allowed = Networks::first_match(rules.iter().map(|(net, access)| (*net, *access == Access::Allow)));
    if allowed.is_all() {
        return;
    }
    let Some(dns64) = &mut draft.model.dns64 else { return };
    dns64.admission.allow_from = Some(allowed.list().to_vec());
    let Some((spot, ..)) = conf.access.iter().find(|(_, _, access)| *access == Access::Drop) else { return };
    if conf.access.iter().any(|(_, _, access)| *access == Access::Refuse) {
        draft.lose(spot, "access-control", "deny is refuse here, since other clients are refused");
    } else {
        draft.set("dns64.denied", spot, |dns64| dns64.admission.denied = Denied::Drop);
    }
}

/// Whom Unbound answers by itself.
const LOOPBACK: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
];

/// Whether `rebind_protection` knows all of `net`: its ends are enough, since special-purpose ranges are networks too.
fn is_private(net: IpNet) -> bool {
    match net {
        IpNet::V4(net) => [net.network(), net.broadcast()].iter().all(|end| !special::is_global_v4(*end)),
        IpNet::V6(net) => [net.network(), net.broadcast()]
            .iter()
            .all(|end| special::lookup_v6(*end).is_some_and(|range| !range.global)),
    }
}
