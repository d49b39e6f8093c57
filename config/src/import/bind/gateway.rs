//! named's terms in ours.
//!
//! Views and the `clients` lists of `dns64` statements overlap and negate; ours is one list in which the first match
//! decides. So each network that any of them names becomes an entry, the longest first, with the statements that apply
//! to it: an address then meets the longest network that holds it, where each list has one verdict.

use super::super::Imported;
use super::super::draft::{Draft, plain};
use super::super::networks::Networks;
use super::conf::{Conf, View};
use super::dns64::Dns64;
use crate::defaults;
use crate::model::{ClientPrefix, DnsClient, Forward, MappedRule};
use ipnet::{IpNet, Ipv6Net};

/// Networks that clients are told apart by. A list of entries is searched for every query.
const MAX_CLIENT_NETWORKS: usize = 1024;

/// `conf` in our words; `file` is its name.
pub(super) fn gateway(conf: &Conf, file: &str) -> Result<Imported, Vec<String>> {
    let mut draft = Draft::resolver(file, conf.lost.clone());
    upstreams(&mut draft, conf);
    forwards(&mut draft, conf);
    synthesis(&mut draft, conf);
    settings(&mut draft, conf);
    draft.finish()
}

/// A `dns64` statement and the clients that it is for.
struct Offer<'a> {
    statement: &'a Dns64,
    clients: Networks,
}

/// What some clients are offered: their networks, and the offers' indices.
type Clients = (Vec<IpNet>, Vec<usize>);

fn upstreams(draft: &mut Draft, conf: &Conf) {
    let root = conf.zones.iter().find(|zone| zone.name.labels().next().is_none());
    let root = root.map(|zone| (&zone.spot, &zone.forwarders));
    let scopes = std::iter::once(&conf.options).chain(conf.views.iter().map(|view| &view.scope));
    let found = scopes.filter_map(|scope| scope.forwarders.as_ref()).map(|(spot, list)| (spot, list));
    let Some((spot, list)) = root.into_iter().chain(found).find(|(_, list)| !list.is_empty()) else {
        draft.lacks(
            "there are no forwarders, so named resolves by itself, which causeway-dns64 does not: name a resolver \
             with `forwarders { ADDRESS; };` in options",
        );
        return;
    };
    draft.set("dns64.upstream", spot, |dns64| dns64.upstream = list.iter().map(plain).collect());
    for view in &conf.views {
        if let Some((own, forwarders)) = &view.scope.forwarders
            && forwarders != list
        {
            let why = format!("view {}: not honoured: all clients have the same upstreams", view.name);
            draft.lose(own, "forwarders", why);
        }
    }
}

/// Zones of type forward, but for the root.
fn forwards(draft: &mut Draft, conf: &Conf) {
    for zone in conf.zones.iter().filter(|zone| zone.name.labels().next().is_some()) {
        let upstream = zone.forwarders.iter().map(plain).collect();
        let forward = Forward { domains: vec![zone.name.clone()], upstream };
        draft.set("dns64.forward", &zone.spot, |dns64| dns64.forward.push(forward));
    }
}

/// The prefixes and who gets them.
fn synthesis(draft: &mut Draft, conf: &Conf) {
    let offers = offers(conf);
    let Some(first) = offers.first() else {
        draft.lacks(
            "there is no dns64 statement: add `dns64 64:ff9b::/96 { };`, or the prefix of your own, to options",
        );
        return;
    };
    let spot = &first.statement.spot;
    draft.set("prefix.pref64", spot, |_| ());
    if let Some(prefix) = &mut draft.model.prefix {
        prefix.pref64 = first.statement.prefix;
    }
    for offer in &offers {
        if let Some(spot) = &offer.statement.recursive_only {
            let why = "holds for every client: a question without RD is never synthesized from a new query";
            draft.lose(spot, "recursive-only", why);
        }
    }
    let clients = match clients(&offers) {
        Ok(clients) => clients,
        Err(count) => {
            let most = MAX_CLIENT_NETWORKS;
            draft.lacks(&format!("the lists of clients come to {count} networks, more than {most}"));
            return;
        }
    };
    draft.set("dns64.client", spot, |dns64| match &clients[..] {
        [only] if is_default(only, &offers) => dns64.exclude_aaaa = excluded(&offers, &only.1),
        _ => dns64.client = clients.into_iter().map(|(from, which)| client(from, &offers, &which)).collect(),
    });
}

/// Each network that clients are told apart by, the longest first, with the offers that apply to it; or how many too
/// many there are.
fn clients(offers: &[Offer<'_>]) -> Result<Vec<Clients>, usize> {
    let mut nets: Vec<IpNet> = offers.iter().flat_map(|offer| offer.clients.list()).copied().collect();
    nets.sort_by_key(|net| (std::cmp::Reverse(net.prefix_len()), *net));
    nets.dedup();
    if nets.len() > MAX_CLIENT_NETWORKS {
        return Err(nets.len());
    }
    let mut clients: Vec<Clients> = Vec::new();
    for net in nets {
        let which: Vec<usize> = (0..offers.len()).filter(|index| offers[*index].clients.holds(net)).collect();
        match clients.last_mut() {
            // Neighbours with one verdict share an entry: nothing stands between them.
            Some((from, last)) if *last == which => from.push(net),
            _ => clients.push((vec![net], which)),
        }
    }
    Ok(clients)
}

fn settings(draft: &mut Draft, conf: &Conf) {
    let options = &conf.options;
    if let Some(spot) = options.listen_spot.as_ref().filter(|_| !options.listen.is_empty()) {
        draft.set("dns64.listen", spot, |dns64| dns64.listen.clone_from(&options.listen));
    }
    if let Some((spot, bytes)) = &options.cache_size {
        draft.set("dns64.cache_size", spot, |dns64| dns64.cache_size = *bytes);
    }
}

/// What each client may be offered: a view's statements, or those of `options` where it has none.
fn offers(conf: &Conf) -> Vec<Offer<'_>> {
    let mut offers = Vec::new();
    let mut rest = Networks::all();
    for View { clients, scope, .. } in &conf.views {
        let viewers = clients.networks().and(&rest);
        rest = rest.without(&viewers);
        let own = if scope.dns64.is_empty() { &conf.options.dns64 } else { &scope.dns64 };
        offers.extend(own.iter().map(|statement| offer(statement, &viewers)));
    }
    if conf.views.is_empty() {
        offers.extend(conf.options.dns64.iter().map(|statement| offer(statement, &rest)));
    }
    offers
}

fn offer<'a>(statement: &'a Dns64, among: &Networks) -> Offer<'a> {
    Offer { statement, clients: statement.clients.networks().and(among) }
}

/// Whether everyone gets the first prefix with all of IPv4, as without entries.
fn is_default((from, which): &Clients, offers: &[Offer<'_>]) -> bool {
    let [only] = which[..] else { return false };
    let Dns64 { suffix, mapped, .. } = offers[only].statement;
    from.len() == 2 && offers[only].clients.is_all() && suffix.is_unspecified() && mapped.networks().is_all()
}

/// The AAAA records that all of these offers exclude: named keeps a record that any of them leaves in.
fn excluded(offers: &[Offer<'_>], which: &[usize]) -> Vec<Ipv6Net> {
    let default = || Networks::first_match(defaults::EXCLUDE_AAAA.map(|net| (IpNet::V6(net), true)));
    let of = |index: &usize| {
        offers[*index].statement.exclude.as_ref().map_or_else(default, super::acl::Acl::networks)
    };
    which.iter().map(of).reduce(|a, b| a.and(&b)).unwrap_or_default().v6().collect()
}

fn client(from: Vec<IpNet>, offers: &[Offer<'_>], which: &[usize]) -> DnsClient {
    let prefix = |index: &usize| {
        let Dns64 { prefix, mapped, .. } = offers[*index].statement;
        let mapped = mapped.rules.iter().filter_map(|(net, allow)| match net {
            IpNet::V4(net) => Some(MappedRule { net: *net, allow: *allow }),
            IpNet::V6(_) => None,
        });
        ClientPrefix { prefix: *prefix, mapped: mapped.collect() }
    };
    DnsClient { from, synthesize: true, prefixes: which.iter().map(prefix).collect() }
}
