//! named's terms in ours.
//!
//! Views and the `clients` lists of `dns64` statements overlap and negate; ours is one list in which the first match
//! decides. So each network that any of them names becomes an entry, the longest first: an address then meets the
//! longest network that holds it, for which each list has one verdict.

mod settings;

use super::super::Imported;
use super::super::draft::{Draft, plain};
use super::super::networks::{ALL_V4, ALL_V6, Networks};
use super::acl::Acl;
use super::conf::{Conf, Zone};
use super::dns64::Dns64;
use crate::defaults;
use crate::model::{ClientPrefix, DnsClient, Forward, MappedRule, Treatment};
use addr::Prefix64;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::cmp::Reverse;
use std::net::Ipv6Addr;

/// Networks that clients are told apart by. A list of entries is searched for every query.
const MAX_CLIENT_NETWORKS: usize = 1024;

/// `conf` in our words; `file` is its name.
pub(super) fn gateway(conf: &Conf, file: &str) -> Result<Imported, Vec<String>> {
    let mut draft = Draft::resolver(file, conf.lost.clone());
    upstreams(&mut draft, conf);
    forwards(&mut draft, conf);
    synthesis(&mut draft, conf);
    settings::settings(&mut draft, conf, file);
    draft.finish()
}

/// Some clients, and the `dns64` statements that apply to them.
#[derive(Debug)]
struct Group<'a> {
    from: Vec<IpNet>,
    offers: Vec<&'a Dns64>,
}

fn upstreams(draft: &mut Draft, conf: &Conf) {
    let root = first_zones(conf).into_iter().find(|zone| is_root(zone));
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
    for zone in first_zones(conf).into_iter().filter(|zone| !is_root(zone)) {
        let upstream = zone.forwarders.iter().map(plain).collect();
        let forward = Forward { domains: vec![zone.name.clone()], upstream };
        draft.set("dns64.forward", &zone.spot, |dns64| dns64.forward.push(forward));
    }
    let mut seen: Vec<&Zone> = Vec::new();
    for zone in &conf.zones {
        let name = &zone.name;
        match seen.iter().find(|first| first.name == *name) {
            Some(first) if first.forwarders == zone.forwarders => {}
            Some(_) => {
                let why =
                    format!("{name} stands more than once, with views: the first one holds for every client");
                draft.lose(&zone.spot, "zone", why);
            }
            None => {
                seen.push(zone);
                let views = conf.zones.iter().filter(|other| other.name == *name).count();
                if let Some(view) = zone.view.as_ref().filter(|_| views < conf.views.len()) {
                    let why = format!("{name} of view {view} is forwarded like this for every client");
                    draft.lose(&zone.spot, "zone", why);
                }
            }
        }
    }
}

/// The zones that are forwarded, the first of each name.
fn first_zones(conf: &Conf) -> Vec<&Zone> {
    let is_first =
        |(index, zone): &(usize, &Zone)| !conf.zones[..*index].iter().any(|first| first.name == zone.name);
    conf.zones.iter().enumerate().filter(is_first).map(|(_, zone)| zone).collect()
}

fn is_root(zone: &Zone) -> bool {
    zone.name.labels().next().is_none()
}

/// The prefixes and who gets them.
fn synthesis(draft: &mut Draft, conf: &Conf) {
    let scopes = std::iter::once(&conf.options).chain(conf.views.iter().map(|view| &view.scope));
    let statements: Vec<&Dns64> = scopes.flat_map(|scope| &scope.dns64).collect();
    let Some(first) = statements.first() else {
        draft.lacks(
            "there is no dns64 statement: add `dns64 64:ff9b::/96 { };`, or the prefix of your own, to options",
        );
        return;
    };
    draft.set("prefix.pref64", &first.spot, |_| ());
    if let Some(prefix) = &mut draft.model.prefix {
        prefix.pref64 = first.prefix;
    }
    dnssec(draft, &statements);
    for spot in statements.iter().filter_map(|statement| statement.recursive_only.as_ref()) {
        let why = "holds for every client: a question without RD is never synthesized from a new query";
        draft.lose(spot, "recursive-only", why);
    }
    let nets = networks(conf, &statements);
    if nets.len() > MAX_CLIENT_NETWORKS {
        let (count, most) = (nets.len(), MAX_CLIENT_NETWORKS);
        draft.lacks(&format!("the lists of clients have {count} networks, more than {most}"));
        return;
    }
    let groups = groups(&nets, |net| offers(conf, net));
    draft.set("dns64.client", &first.spot, |dns64| match &groups[..] {
        [only] if is_default(only) => dns64.exclude_aaaa = excluded(&only.offers),
        _ => dns64.client = groups.into_iter().map(|group| client(group, first.prefix)).collect(),
    });
}

/// `break-dnssec`, which each statement has of its own there, and all have in common here.
fn dnssec(draft: &mut Draft, statements: &[&Dns64]) {
    let Some(breaking) = statements.iter().find(|statement| statement.break_dnssec) else {
        draft.set("dns64.signed", &statements[0].spot, |dns64| dns64.rules.signed = Treatment::Pass);
        return;
    };
    if let Some(other) = statements.iter().find(|statement| !statement.break_dnssec) {
        let why = format!(
            "no is not honoured for {}: signed names are synthesized for every client, since another statement says yes",
            other.prefix
        );
        draft.lose(&other.spot, "break-dnssec", why);
    }
    draft.set("dns64.signed", &breaking.spot, |dns64| dns64.rules.signed = Treatment::Synthesize);
}

/// Every network that a list of clients names, and all addresses, the longest first.
fn networks(conf: &Conf, statements: &[&Dns64]) -> Vec<IpNet> {
    let lists = statements.iter().map(|statement| &statement.clients);
    let rules = lists.chain(conf.views.iter().map(|view| &view.clients)).flat_map(|acl| &acl.rules);
    let mut nets: Vec<IpNet> = rules.map(|(net, _)| *net).chain([ALL_V4, ALL_V6]).collect();
    nets.sort_by_key(|net| (Reverse(net.prefix_len()), *net));
    nets.dedup();
    nets
}

/// What an address is offered that no longer network holds than `net`: its view's statements, or those of `options`
/// where that has none.
fn offers(conf: &Conf, net: IpNet) -> Vec<&Dns64> {
    let own = if conf.views.is_empty() {
        &conf.options.dns64
    } else {
        match conf.views.iter().find(|view| view.clients.lets_in(net)) {
            Some(view) if !view.scope.dns64.is_empty() => &view.scope.dns64,
            Some(_) => &conf.options.dns64,
            None => return Vec::new(),
        }
    };
    own.iter().filter(|statement| statement.clients.lets_in(net)).collect()
}

/// `nets` with what each is offered, without those that are offered what is around them, in as few groups as the order
/// allows.
fn groups<'a>(nets: &[IpNet], offers: impl Fn(IpNet) -> Vec<&'a Dns64>) -> Vec<Group<'a>> {
    let same =
        |a: &[&Dns64], b: &[&Dns64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| std::ptr::eq(*a, *b));
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (index, net) in nets.iter().enumerate() {
        let own = offers(*net);
        // The shortest first behind it is the nearest around it.
        let around = nets[index + 1..].iter().find(|other| other.contains(net)).map(|other| offers(*other));
        if same(&own, around.as_deref().unwrap_or_default()) {
            continue;
        }
        // An entry may not move before one that holds a part of it.
        let behind = groups.iter().rposition(|group| group.from.iter().any(|other| net.contains(other)));
        let first = behind.map_or(0, |index| index + 1);
        match groups[first..].iter_mut().find(|group| same(&group.offers, &own)) {
            Some(group) => group.from.push(*net),
            None => groups.push(Group { from: vec![*net], offers: own }),
        }
    }
    groups
}

/// Whether everyone gets the first prefix with all of IPv4, as without entries.
fn is_default(group: &Group<'_>) -> bool {
    let [Dns64 { suffix, mapped, .. }] = group.offers[..] else { return false };
    group.from == [ALL_V4, ALL_V6] && suffix.is_unspecified() && mapped.networks().is_all()
}

/// The AAAA records that all of these statements exclude: named keeps a record that any of them leaves in.
fn excluded(offers: &[&Dns64]) -> Vec<Ipv6Net> {
    let default = || Networks::first_match(defaults::EXCLUDE_AAAA.map(|net| (IpNet::V6(net), true)));
    let of = |statement: &&Dns64| statement.exclude.as_ref().map_or_else(default, Acl::networks);
    offers.iter().map(of).reduce(|a, b| a.and(&b)).unwrap_or_default().v6().collect()
}

fn client(group: Group<'_>, own: Prefix64) -> DnsClient {
    let prefix = |statement: &&Dns64| {
        let mapped = statement.mapped.rules.iter().filter_map(|(net, allow)| match net {
            IpNet::V4(net) => Some(MappedRule { net: *net, allow: *allow }),
            IpNet::V6(_) => None,
        });
        let mapped: Vec<_> = mapped.collect();
        let Dns64 { prefix, suffix, .. } = **statement;
        mapped.iter().any(|rule| rule.allow).then_some(ClientPrefix { prefix, suffix, mapped })
    };
    let prefixes: Vec<_> = group.offers.iter().filter_map(prefix).collect();
    let synthesize = !prefixes.is_empty();
    let all = || {
        let mapped = vec![MappedRule { net: Ipv4Net::default(), allow: true }];
        vec![ClientPrefix { prefix: own, suffix: Ipv6Addr::UNSPECIFIED, mapped }]
    };
    DnsClient {
        from: group.from,
        synthesize,
        prefixes: if synthesize { prefixes } else { all() },
        exclude_aaaa: if synthesize { excluded(&group.offers) } else { defaults::EXCLUDE_AAAA.into() },
        force: Vec::new(),
        forbid: Vec::new(),
    }
}
