//! `[[proxy.listener]]`: what is listened at, who may come, and where they go.

use super::super::shared::twice;
use super::super::{Placed, Read, Table, Value, all, listing, nat64, not_empty, unique, values};
use super::endpoint::{self, Claim};
use super::{Named, Pools, answers, forwarding, hsts, limits, rule, timeouts, tls, unique_names};
use crate::defaults;
use crate::keys;
use crate::model::{
    Endpoint, Listener, Mode, PerSource, Pool, ProxyProtocol, ProxyTimeouts, ServerName, SniRoute,
};
use ipnet::IpNet;
use std::ops::RangeInclusive;

/// More than the files a process may have open on any system.
pub(super) const CONNECTIONS_RANGE: RangeInclusive<u32> = 1..=10_000_000;
/// More than a machine accepts in a second.
const RATE_RANGE: RangeInclusive<u32> = 1..=1_000_000;
/// A source must be smaller than everything.
pub(super) const PREFIX_V6_RANGE: RangeInclusive<u8> = 1..=128;
pub(super) const PREFIX_V4_RANGE: RangeInclusive<u8> = 1..=32;

pub(super) fn all_of(tables: Vec<Table<'_>>, pools: &Pools<'_>, usual: ProxyTimeouts) -> Read<Vec<Listener>> {
    let tables = Named::read(tables);
    let names = unique_names(&tables);
    let mut claims = Vec::new();
    let listeners = all(tables.into_iter().map(|named| listener(named, pools, usual, &mut claims)));
    names.and(endpoint::distinct(&claims)).and(listeners)
}

fn listener<'a>(
    Named { table, name }: Named<'a>,
    pools: &Pools<'_>,
    usual: ProxyTimeouts,
    claims: &mut Vec<Placed<'a, Claim>>,
) -> Read<Listener> {
    let mode = table.or("mode", defaults::MODE, mode);
    let bind = table.need("bind", endpoint::read);
    let v6only = table.or("v6only", defaults::V6ONLY, Value::boolean);
    if let (Ok(bind), Ok(mode), Ok(v6only), Ok(name)) = (&bind, mode, v6only, &name) {
        claims.extend(bind.iter().map(|placed| claim(placed, mode, v6only, &name.value)));
    }
    let interface = table.maybe("interface", nat64::device);
    let freebind = table.or("freebind", defaults::FREEBIND, Value::boolean);
    let socket_mode = table.or("socket_mode", defaults::SOCKET_MODE, endpoint::socket_mode);
    let wishes = [
        ("interface", "addresses", !matches!(interface, Ok(None)), is_address as fn(&Endpoint) -> bool),
        ("freebind", "addresses", freebind == Ok(!defaults::FREEBIND), is_address),
        ("v6only", "addresses", v6only == Ok(!defaults::V6ONLY), is_v6_address),
        ("socket_mode", "unix sockets", socket_mode.is_ok_and(|mode| mode != defaults::SOCKET_MODE), is_unix),
    ];
    let fits = bind.and_then(|bind| fits(&bind, mode).map(|()| bind));
    let fits = fits.and_then(|bind| obeyed(&table, &bind, &wishes).map(|()| values(bind)));
    let admission = (
        table.maybe("max_connections", |value| value.integer(CONNECTIONS_RANGE)),
        allow_from(&table),
        table.section("per_source", per_source).map(Option::unwrap_or_default),
    );
    let proxy_protocol_from = proxy_protocol_from(&table, mode);
    let timeout = table.section("timeout", |table| timeouts::read(table, usual));
    let tls = table.section("tls", |table| tls::read(table, mode));
    let sni = sni(&table, mode, pools);
    let requests = table.section("limits", |table| limits::read(table, mode)).map(Option::unwrap_or_default);
    let errors = answers::errors(&table, mode);
    let compression = answers::compression(&table, mode);
    // What could not be read was given all the same.
    let around = rule::Around { pools, mode, speaks_tls: !matches!(tls, Ok(None)) };
    let rule = rule::all_of(&table, around);
    let hsts = table.section("hsts", |table| hsts::read(table, mode, &tls));
    let forwarding = forwarding::read(&table, mode, &tls);
    let pool = table.need("pool", |value| existing_pool(value, pools, mode));
    Ok(Listener {
        name: name?.value,
        bind: fits?,
        v6only: v6only?,
        interface: interface?,
        freebind: freebind?,
        socket_mode: socket_mode?,
        mode: mode?,
        max_connections: admission.0?,
        allow_from: admission.1?,
        per_source: admission.2?,
        proxy_protocol_from: proxy_protocol_from?,
        timeout: timeout?.unwrap_or(usual),
        tls: tls?,
        sni: sni?,
        hsts: hsts?,
        limits: requests?,
        errors: errors?,
        compression: compression?,
        rule: rule?,
        forwarding: forwarding?,
        pool: pool?,
    })
}

/// What a listener of this name takes at an endpoint.
fn mode(value: &Value<'_>) -> Read<Mode> {
    let https = "set mode = \"http\", and add tls = { certificates = [\"/etc/causeway/web.pem\"] }";
    value.choice_but(&[("https", https)])
}

fn claim<'a>(endpoint: &Placed<'a, Endpoint>, mode: Mode, v6only: bool, name: &str) -> Placed<'a, Claim> {
    let listener = name.to_owned();
    endpoint.at.with(Claim { endpoint: endpoint.value.clone(), mode, v6only, listener })
}

/// Refuses endpoints that the mode does not have.
fn fits(bind: &[Placed<'_, Endpoint>], mode: Read<Mode>) -> Read<()> {
    let other = bind.iter().find(|placed| !is_address(&placed.value));
    match (other, mode) {
        (Some(other), Ok(Mode::Udp)) => Err(other.at.refuse(
            "datagrams are taken at addresses, and the mode is \"udp\"",
            "give an address with its port, or set mode = \"tcp\"",
        )),
        (Some(_), Ok(Mode::Tcp | Mode::Http) | Err(_)) | (None, _) => Ok(()),
    }
}

const fn is_unix(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Unix(_))
}

/// A key, what it is about, whether it asks for something, and which endpoints can do it.
type Wish = (&'static str, &'static str, bool, fn(&Endpoint) -> bool);

/// Refuses what no endpoint of the listener can do.
fn obeyed(table: &Table<'_>, bind: &[Placed<'_, Endpoint>], wishes: &[Wish]) -> Read<()> {
    let mut outcome = Ok(());
    for (key, what, asked, can) in wishes {
        if *asked && !bind.iter().any(|placed| can(&placed.value)) {
            let message = format!("{key} is about {what}, and bind has none that it could concern");
            outcome = Err(table.spot(key).refuse(message, format!("leave out {key}")));
        }
    }
    outcome
}

const fn is_address(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Address { .. })
}

const fn is_v6_address(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Address { first, .. } if first.is_ipv6())
}

fn allow_from(table: &Table<'_>) -> Read<Option<Vec<IpNet>>> {
    let Some(list) = table.list("allow_from", Value::client_network)? else { return Ok(None) };
    let what = "network; leave the key out to take everyone";
    not_empty(&table.spot("allow_from"), list, what).map(|list| Some(values(list)))
}

fn per_source(table: &Table<'_>) -> Read<PerSource> {
    let default = PerSource::default();
    let connections = table.maybe("connections", |value| value.integer(CONNECTIONS_RANGE));
    let rate = table.maybe("rate", |value| value.integer(RATE_RANGE));
    let prefix_v6 = table.or("prefix_v6", default.prefix_v6, |value| value.integer(PREFIX_V6_RANGE));
    let prefix_v4 = table.or("prefix_v4", default.prefix_v4, |value| value.integer(PREFIX_V4_RANGE));
    Ok(PerSource { connections: connections?, rate: rate?, prefix_v6: prefix_v6?, prefix_v4: prefix_v4? })
}

fn proxy_protocol_from(table: &Table<'_>, mode: Read<Mode>) -> Read<Vec<IpNet>> {
    let list = table.list("proxy_protocol_from", Value::client_network)?.unwrap_or_default();
    match mode {
        Ok(Mode::Udp) if !list.is_empty() => Err(table.spot("proxy_protocol_from").refuse(
            "a PROXY header begins a connection, and the mode is \"udp\"",
            "leave out proxy_protocol_from",
        )),
        Ok(Mode::Tcp | Mode::Http | Mode::Udp) | Err(_) => Ok(values(list)),
    }
}

fn sni(table: &Table<'_>, mode: Read<Mode>, pools: &Pools<'_>) -> Read<Vec<SniRoute>> {
    let tables = table.tables("sni")?;
    if let (Ok(Mode::Http | Mode::Udp), Some(first)) = (mode, tables.first()) {
        return Err(first.at.refuse(
            "connections are told apart by the name in TLS in mode \"tcp\" alone",
            "set mode = \"tcp\", or remove proxy.listener.sni",
        ));
    }
    let routes = all(tables.iter().map(|table| {
        let names = table.need("names", |value| {
            let names = all(value.elements()?.map(|element| Ok(element.at.with(element.server_name()?))))?;
            not_empty(&value.at, names, "name")
        });
        let pool = table.need("pool", |value| existing_pool(value, pools, mode));
        Ok((names?, pool?))
    }))?;
    let names: Vec<_> = routes.iter().flat_map(|(names, _)| names.iter().cloned()).collect();
    unique(&names, |name: &ServerName| Some(name.clone()), twice)?;
    Ok(routes.into_iter().map(|(names, pool)| SniRoute { names: values(names), pool }).collect())
}

pub(super) fn existing_pool(value: &Value<'_>, pools: &Pools<'_>, mode: Read<Mode>) -> Read<String> {
    let name = value.name()?;
    if let (Ok(Mode::Udp), Some(pool)) = (mode, pools.read.iter().find(|pool| pool.name == name)) {
        takes_datagrams(value, pool)?;
    }
    let Some(known) = &pools.names else { return Ok(name) };
    if known.iter().any(|pool| pool.value == name) {
        return Ok(name);
    }
    let names = || known.iter().map(|pool| pool.value.as_str());
    let help = match keys::nearest(&name, names()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => format!("add [[proxy.pool]] with name = {name:?}"),
        None => format!("the pools are {}", listing(names().map(|name| format!("{name:?}")), "and")),
    };
    Err(value.at.lacks(format!("there is no pool {name:?}"), help))
}

/// Refuses a pool whose members are sent what no datagram can carry.
fn takes_datagrams(value: &Value<'_>, pool: &Pool) -> Read<()> {
    let name = &pool.name;
    if pool.tls.is_some() {
        let message = format!("pool {name:?} speaks TLS to its members, and the mode is \"udp\"");
        return Err(value.at.refuse(message, "name a pool without tls"));
    }
    if pool.proxy_protocol == ProxyProtocol::V1 {
        let message = format!("pool {name:?} sends PROXY version 1, which has no word for datagrams");
        return Err(value.at.refuse(message, "set proxy_protocol = \"v2\" or \"off\" in that pool"));
    }
    Ok(())
}
