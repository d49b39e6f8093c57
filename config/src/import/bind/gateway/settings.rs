//! named's other settings in ours: where it listens, who is answered, and what is remembered.
//!
//! Clauses that views may say are one for all clients here: where all views agree that is what holds, and elsewhere
//! what `options` says; each view that says otherwise is noted.

use super::super::super::draft::{Draft, Spot};
use super::super::super::networks::Networks;
use super::super::acl::{Acl, loopback};
use super::super::conf::Conf;
use super::super::scope::Scope;
use crate::model::{Denied, PrivateZones};
use ipnet::IpNet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// `max-stale-ttl` where it is not given, in seconds.
const STALE_TTL: u64 = 86_400;

/// What each view may say, and `options` for those that do not.
type Pick<T> = fn(&Scope) -> Option<&(Spot, T)>;

pub(super) fn settings(draft: &mut Draft, conf: &Conf, file: &str) {
    let start = Spot { file: file.into(), line: 1 };
    let options = conf.options_spot.as_ref().unwrap_or(&start);
    listeners(draft, conf, options);
    access(draft, conf, options);
    cache(draft, conf);
    let rate = common(draft, conf, "rate-limit", |scope| scope.response_rate.as_ref());
    if let Some((spot, rate)) = rate {
        let rate = u16::try_from(*rate).unwrap_or(u16::MAX);
        draft.set("dns64.response_rate", spot, |dns64| dns64.admission.response_rate = rate);
    }
    let empty_zones = common(draft, conf, "empty-zones-enable", |scope| scope.empty_zones.as_ref());
    if let Some((spot, false)) = empty_zones {
        draft.set("dns64.private_zones", spot, |dns64| dns64.names.private_zones = PrivateZones::Forward);
    }
    if let Some((spot, cookies)) = &conf.server.cookies {
        draft.set("dns64.cookies", spot, |dns64| dns64.admission.cookies = *cookies);
    }
    if let Some((spot, id)) = &conf.server.id {
        draft.set("dns64.nsid", spot, |dns64| dns64.admission.nsid = Some(id.clone()));
    }
}

/// What holds for every client of a clause that each view may say.
fn common<'a, T: PartialEq>(
    draft: &mut Draft,
    conf: &'a Conf,
    directive: &'static str,
    pick: Pick<T>,
) -> Option<&'a (Spot, T)> {
    let value = |said: Option<&'a (Spot, T)>| said.map(|(_, value)| value);
    let own = pick(&conf.options);
    let said: Vec<_> = conf.views.iter().map(|view| pick(&view.scope).or(own)).collect();
    let chosen = match said.split_first() {
        Some((first, rest)) if rest.iter().all(|other| value(*other) == value(*first)) => *first,
        _ => own,
    };
    for view in &conf.views {
        if let Some((spot, said)) = pick(&view.scope)
            && value(chosen) != Some(said)
        {
            let why = format!("view {}: not honoured: it is one for all clients here", view.name);
            draft.lose(spot, directive, why);
        }
    }
    chosen
}

/// Where clients ask: a family that nothing is said about is listened to at every address.
fn listeners(draft: &mut Draft, conf: &Conf, options: &Spot) {
    let families =
        [(&conf.server.v4, Ipv4Addr::UNSPECIFIED.into()), (&conf.server.v6, Ipv6Addr::UNSPECIFIED.into())];
    let list: Vec<SocketAddr> = families
        .iter()
        .flat_map(|(own, every)| match own.spot {
            Some(_) => own.list.clone(),
            None => vec![SocketAddr::new(*every, conf.port)],
        })
        .collect();
    let spot = families.iter().find_map(|(own, _)| own.spot.as_ref()).unwrap_or(options);
    if list.is_empty() {
        let why = "no address is left to listen at: dns64.listen keeps its default, this machine alone";
        draft.lose(spot, "listen-on", why);
    } else {
        draft.set("dns64.listen", spot, |dns64| dns64.listen = list);
    }
}

fn cache(draft: &mut Draft, conf: &Conf) {
    if let Some((spot, bytes)) = common(draft, conf, "max-cache-size", |scope| scope.cache_size.as_ref()) {
        draft.set("dns64.cache_size", spot, |dns64| dns64.cache.size = *bytes);
    }
    if let Some((spot, seconds)) = common(draft, conf, "max-cache-ttl", |scope| scope.max_cache_ttl.as_ref())
    {
        draft.set("dns64.cache_max_ttl", spot, |dns64| dns64.cache.max_ttl = Duration::from_secs(*seconds));
    }
    if let Some((spot, seconds)) =
        common(draft, conf, "max-ncache-ttl", |scope| scope.max_ncache_ttl.as_ref())
    {
        let limit = Duration::from_secs(*seconds);
        draft.set("dns64.cache_max_negative_ttl", spot, |dns64| dns64.cache.max_negative_ttl = limit);
    }
    if let Some((spot, prefetch)) = common(draft, conf, "prefetch", |scope| scope.prefetch.as_ref()) {
        draft.set("dns64.prefetch", spot, |dns64| dns64.cache.prefetch = *prefetch);
    }
    // named serves nothing stale unless it is told to, and then for a day.
    let stale = common(draft, conf, "stale-answer-enable", |scope| scope.stale.as_ref());
    let longest = common(draft, conf, "max-stale-ttl", |scope| scope.max_stale_ttl.as_ref());
    match stale {
        Some((spot, true)) => {
            let seconds = longest.map_or(STALE_TTL, |(_, seconds)| *seconds);
            let spot = longest.map_or(spot, |(spot, _)| spot);
            draft.set("dns64.serve_stale", spot, |dns64| {
                dns64.cache.serve_stale = Duration::from_secs(seconds);
            });
        }
        Some((_, false)) | None => {
            if let Some(dns64) = &mut draft.model.dns64 {
                dns64.cache.serve_stale = Duration::ZERO;
            }
        }
    }
}

/// Who is answered: whom a view takes and each of its lists lets in. Clients of no view are not.
fn access(draft: &mut Draft, conf: &Conf, options: &Spot) {
    let (everyone, nothing) = (Acl::any(), Scope::default());
    let views: Vec<(&Acl, &Scope, &Spot, String)> = if conf.views.is_empty() {
        vec![(&everyone, &nothing, options, String::new())]
    } else {
        let of = |view: &'_ super::super::conf::View| format!("view {}: ", view.name);
        conf.views.iter().map(|view| (&view.clients, &view.scope, &view.spot, of(view))).collect()
    };
    let (mut allowed, mut taken, mut cause) = (Networks::default(), Networks::default(), None);
    for (clients, scope, spot, who) in views {
        let clients = clients.networks();
        let own = clients.without(&taken);
        taken = taken.or(&clients);
        if let Some((spot, false)) = scope.recursion.as_ref().or(conf.options.recursion.as_ref()) {
            cause = cause.or(Some((spot.clone(), "recursion")));
            continue;
        }
        let lists = lists(scope, &conf.options);
        if let Some((spot, directive, _)) = lists.first() {
            cause = cause.or(Some((spot.clone(), *directive)));
            let let_in = lists.iter().fold(own, |all, (_, _, acl)| all.and(&acl.networks()));
            allowed = allowed.or(&let_in);
        } else {
            let why = format!(
                "{who}without a list named answers this machine and its networks, which cannot be known here: add the \
                 networks of your clients to dns64.allow_from"
            );
            draft.lose(spot, "allow-recursion", why);
            allowed = allowed.or(&Networks::first_match(loopback().map(|net| (net, true))));
        }
    }
    let allowed = without_blackhole(draft, conf, allowed);
    if allowed.is_all() {
        return;
    }
    let (spot, directive) = cause.unwrap_or((options.clone(), "allow-recursion"));
    if allowed.list().is_empty() {
        draft.errors.push(spot.says(format_args!("{directive}: nobody is left who would be answered")));
        return;
    }
    let list: Vec<IpNet> = allowed.list().to_vec();
    draft.set("dns64.allow_from", &spot, |dns64| dns64.admission.allow_from = Some(list));
}

/// The lists that a client of a view must be in, each its own or that of `options`. None is named's default.
fn lists<'a>(scope: &'a Scope, options: &'a Scope) -> Vec<&'a (Spot, &'static str, Acl)> {
    let find = |name: &str| {
        let of = |scope: &'a Scope| scope.allow.iter().find(|(_, own, _)| *own == name);
        of(scope).or_else(|| of(options))
    };
    ["allow-query", "allow-query-cache", "allow-recursion"].into_iter().filter_map(find).collect()
}

/// Whom named never hears gets nothing here either; where others are refused, it is refused.
fn without_blackhole(draft: &mut Draft, conf: &Conf, allowed: Networks) -> Networks {
    let Some((spot, acl)) = &conf.server.blackhole else { return allowed };
    let hole = acl.networks();
    if hole.list().is_empty() {
        return allowed;
    }
    if allowed.is_all() {
        draft.set("dns64.denied", spot, |dns64| dns64.admission.denied = Denied::Drop);
    } else {
        draft.lose(spot, "blackhole", "is refused here, as all clients are that may not ask");
    }
    allowed.without(&hole)
}
