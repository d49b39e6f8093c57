//! Unbound's terms in ours.

mod listeners;
mod local;

use super::super::Imported;
use super::super::draft::{Draft, Spot};
use super::super::networks::Networks;
use super::conf::{Access, Conf, Zone};
use crate::defaults::{DNS_PORT, DNS_TLS_PORT};
use crate::domain::Domain;
use crate::model::{Denied, Forward, Upstream, UpstreamTransport};
use addr::special;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::cmp::Reverse;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// `conf` in our words; `file` is its name.
pub(super) fn gateway(conf: &Conf, file: &str) -> Result<Imported, Vec<String>> {
    let mut draft = Draft::resolver(file, conf.lost.clone());
    prefix(&mut draft, conf);
    upstreams(&mut draft, conf);
    forwards(&mut draft, conf);
    listeners::listeners(&mut draft, conf);
    local::hosts(&mut draft, conf);
    local::zones(&mut draft, conf);
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
    let list = zone_upstreams(draft, root, conf);
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
            let upstream = zone_upstreams(draft, zone, conf);
            let forward = Forward { domains: vec![name.clone()], upstream };
            draft.set("dns64.forward", &zone.spot, |dns64| dns64.forward.push(forward));
        }
    }
}

fn is_root(zone: &Zone) -> bool {
    zone.name.as_ref().is_some_and(|name| name.labels().next().is_none())
}

fn zone_upstreams(draft: &mut Draft, zone: &Zone, conf: &Conf) -> Vec<Upstream> {
    let mut list = Vec::new();
    if zone.stub {
        let why = "is asked as a forward-zone is: its server must itself follow what leads elsewhere";
        draft.lose(&zone.spot, "stub-zone", why);
    }
    let tls = zone.tls || conf.tls_upstream == Some(true);
    let tcp = zone.tcp || conf.tcp_upstream == Some(true);
    for (spot, address, name) in &zone.addresses {
        let transport = match (tls, name) {
            (true, Some(name)) => UpstreamTransport::Tls { name: name.clone() },
            (true, None) => {
                draft.errors.push(spot.says(format_args!(
                    "{} is asked over TLS, and its certificate is not checked for want of a name: write {0}#NAME",
                    address.ip()
                )));
                continue;
            }
            (false, _) if tcp => UpstreamTransport::Tcp,
            (false, _) => UpstreamTransport::Plain,
        };
        // Unbound takes the port of DNS over TLS wherever a name stands.
        let default = if name.is_some() { DNS_TLS_PORT } else { DNS_PORT };
        let port = if address.port() == 0 { default } else { address.port() };
        list.push(Upstream { transport, address: SocketAddr::new(address.ip(), port) });
    }
    list
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
    dns64.cache.prefetch = conf.prefetch.unwrap_or(false);
    dns64.admission.nsid = conf.nsid.as_ref().map(|(_, text)| text.clone());
    let usual = dns64.cache.serve_stale;
    match (&conf.serve_expired, &conf.expired_ttl) {
        (Some((_, true)), Some((spot, seconds))) if *seconds > 0 => {
            draft.set("dns64.serve_stale", spot, |dns64| {
                dns64.cache.serve_stale = Duration::from_secs(*seconds);
            });
        }
        (Some((spot, true)), _) => {
            let hours = usual.as_secs() / 3600;
            draft.lose(
                spot,
                "serve-expired",
                format!("without a limit there, for {hours} hours here: see dns64.serve_stale"),
            );
        }
        (Some((_, false)) | None, _) => dns64.cache.serve_stale = Duration::ZERO,
    }
}

/// Which names are synthesized though they have AAAA records, and whose private addresses are believed.
fn names(draft: &mut Draft, conf: &Conf) {
    if let Some((spot, true)) = &conf.synthall {
        draft.set("dns64.force", spot, |dns64| dns64.force = vec![Domain::root()]);
    } else if let Some((spot, _)) = conf.ignore_aaaa.first() {
        draft.set("dns64.force", spot, |dns64| dns64.force = distinct(&conf.ignore_aaaa));
    }
    if let Some((spot, _)) = conf.private_domains.first() {
        draft.set("dns64.private_domains", spot, |dns64| {
            dns64.private_domains = distinct(&conf.private_domains);
        });
    }
    if let Some((spot, path)) = &conf.cert_bundle {
        draft.set("dns64.upstream_ca", spot, |dns64| dns64.upstream_ca = Some(path.clone()));
    }
    if let Some((spot, _)) = conf.private_addresses.first() {
        draft.set("dns64.rebind_protection", spot, |dns64| dns64.rebind_protection = true);
        let why = "rebind_protection takes out the addresses of every special-purpose network, not of these alone: \
                   names that have such addresses belong into dns64.private_domains";
        draft.lose(spot, "private-address", why);
        for (spot, net) in &conf.private_addresses {
            if !is_private(*net) {
                let why =
                    format!("{net} is not honoured: rebind_protection refuses the special-purpose networks");
                draft.lose(spot, "private-address", why);
            }
        }
    }
}

/// Each name once.
fn distinct(list: &[(Spot, Domain)]) -> Vec<Domain> {
    let mut names: Vec<Domain> = Vec::new();
    for (_, name) in list {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
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
    let list = allowed.list().to_vec();
    if let Some((spot, ..)) = conf.access.first() {
        draft.set("dns64.allow_from", spot, |dns64| dns64.admission.allow_from = Some(list));
    } else if let Some(dns64) = &mut draft.model.dns64 {
        dns64.admission.allow_from = Some(list);
    }
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
