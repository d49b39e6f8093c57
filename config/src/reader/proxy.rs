//! `[proxy]`: timeouts, listeners and pools.

use super::shared::{certificates, same_listener};
use super::{Placed, Read, Table, Value, all, listing, not_empty, unique, values};
use crate::defaults;
use crate::keys;
use crate::model::{Check, ForwardedFor, Listener, Member, Mode, Pool, Proxy, ProxyTimeouts, Tls};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A day is longer than any wait on a network; 0 would mean to give up before trying.
const TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86400);
/// More often than 20 times a second is load, not a check; rarer than hourly nobody would notice.
const INTERVAL_RANGE: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(3600);
const COUNT_RANGE: RangeInclusive<u32> = 1..=1000;
/// HAProxy's range, so that weights move over unchanged.
const WEIGHT_RANGE: RangeInclusive<u16> = 0..=256;
/// The longest protocol name of ALPN (RFC 7301 §3.1).
const ALPN_LENGTH: RangeInclusive<usize> = 1..=255;

pub(super) fn read(table: &Table<'_>) -> Read<Proxy> {
    let workers = table.or("workers", defaults::WORKERS, |value| value.integer(super::nat64::WORKER_RANGE));
    let timeout = table.section("timeout", timeouts).map(Option::unwrap_or_default);
    let pools = table.tables("pool").map(Named::read);
    // If a pool's name could not be read, nobody can say which pools there are.
    let known = pools.as_ref().ok().and_then(|pools| all(pools.iter().map(|pool| pool.name.clone())).ok());
    let listener = table.tables("listener").and_then(|tables| listeners(tables, known.as_deref()));
    let pool = pools.and_then(|pools| unique_names(&pools).and(all(pools.into_iter().map(pool))));
    Ok(Proxy { workers: workers?, timeout: timeout?, listener: listener?, pool: pool? })
}

/// A table and the name that it goes by.
struct Named<'a> {
    table: Table<'a>,
    name: Read<Placed<'a, String>>,
}

impl<'a> Named<'a> {
    fn read(tables: Vec<Table<'a>>) -> Vec<Self> {
        let named = |table: Table<'a>| {
            let name = table.need("name", Value::name).map(|name| table.spot("name").with(name));
            Self { table, name }
        };
        tables.into_iter().map(named).collect()
    }
}

fn unique_names(tables: &[Named<'_>]) -> Read<()> {
    let names: Vec<_> = tables.iter().filter_map(|named| named.name.clone().ok()).collect();
    unique(
        &names,
        |name| Some(name.clone()),
        |name, first| {
            (
                format!("the name {name:?} already stands at {}", first.at.place()),
                "give each its own name".to_owned(),
            )
        },
    )
}

fn timeouts(table: &Table<'_>) -> Read<ProxyTimeouts> {
    let read = |key, default| table.or(key, default, |value| value.duration(TIMEOUT_RANGE));
    let default = ProxyTimeouts::default();
    let connect = read("connect", default.connect);
    let client = read("client", default.client);
    let server = read("server", default.server);
    let request_head = read("request_head", default.request_head);
    let keep_alive = read("keep_alive", default.keep_alive);
    Ok(ProxyTimeouts {
        connect: connect?,
        client: client?,
        server: server?,
        request_head: request_head?,
        keep_alive: keep_alive?,
    })
}

/// What listeners must not share with each other.
struct Bind {
    address: SocketAddr,
    datagrams: bool,
    listener: String,
}

fn listeners(tables: Vec<Table<'_>>, pools: Option<&[Placed<'_, String>]>) -> Read<Vec<Listener>> {
    let tables = Named::read(tables);
    let names = unique_names(&tables);
    let mut binds = Vec::new();
    let listeners = tables.into_iter().map(|named| listener(named, pools, &mut binds));
    let listeners = all(listeners);
    let key = |bind: &Bind| Some((bind.datagrams, same_listener(&bind.address)?));
    let binds = unique(&binds, key, |bind, first| {
        let message = format!(
            "listener {:?} binds {}, which listener {:?} has at {}",
            bind.listener,
            bind.address,
            first.value.listener,
            first.at.place()
        );
        (message, "give one of the two another address or port".to_owned())
    });
    names.and(binds).and(listeners)
}

fn listener<'a>(
    Named { table, name }: Named<'a>,
    pools: Option<&[Placed<'_, String>]>,
    binds: &mut Vec<Placed<'a, Bind>>,
) -> Read<Listener> {
    let mode = table.or("mode", defaults::MODE, Value::choice);
    let bind = table.need("bind", |value| {
        let list = all(value.elements()?.map(|element| Ok(element.at.with(element.socket(None)?))))?;
        not_empty(&value.at, list, "address with its port")
    });
    if let (Ok(bind), Ok(mode), Ok(name)) = (&bind, mode, &name) {
        let datagrams = mode == Mode::Udp;
        binds.extend(bind.iter().map(|placed| {
            placed.at.with(Bind { address: placed.value, datagrams, listener: name.value.clone() })
        }));
    }
    let tls = table.section("tls", |tls_table| tls(tls_table, mode));
    let forwarded_for = forwarded_for(&table, mode);
    let trusted_proxies = table.list("trusted_proxies", Value::client_network).map(Option::unwrap_or_default);
    let pool = table.need("pool", |value| existing_pool(value, pools));
    Ok(Listener {
        name: name?.value,
        bind: values(bind?),
        mode: mode?,
        tls: tls?,
        forwarded_for: forwarded_for?,
        trusted_proxies: values(trusted_proxies?),
        pool: pool?,
    })
}

fn tls(table: &Table<'_>, mode: Read<Mode>) -> Read<Tls> {
    let served = match mode {
        Ok(Mode::Udp) => Err(table.at.refuse("TLS runs over TCP, and the mode is \"udp\"", "leave out tls")),
        Ok(Mode::Tcp | Mode::Http) | Err(_) => Ok(()),
    };
    let certificates = certificates(table);
    let alpn = table.list("alpn", protocol).map(|list| match (list, mode) {
        (Some(list), _) => values(list),
        (None, Ok(Mode::Http)) => defaults::HTTP_ALPN.map(str::to_owned).into(),
        (None, _) => Vec::new(),
    });
    let tls = Tls { certificates: certificates?, alpn: alpn? };
    served.map(|()| tls)
}

fn protocol(value: &Value<'_>) -> Read<String> {
    let text = value.text("the name of a protocol such as \"http/1.1\"")?;
    if ALPN_LENGTH.contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(value.mismatch("the name of a protocol, 1 to 255 bytes long"))
}

fn forwarded_for(table: &Table<'_>, mode: Read<Mode>) -> Read<ForwardedFor> {
    let given = table.maybe("forwarded_for", Value::choice)?;
    match (given, mode?) {
        (Some(ForwardedFor::Append | ForwardedFor::Replace), Mode::Tcp | Mode::Udp) => {
            Err(table.spot("forwarded_for").refuse(
                "only HTTP has a header for the client's address",
                "set mode = \"http\", or leave forwarded_for out",
            ))
        }
        (Some(given), _) => Ok(given),
        (None, mode) => Ok(defaults::forwarded_for(mode)),
    }
}

fn existing_pool(value: &Value<'_>, pools: Option<&[Placed<'_, String>]>) -> Read<String> {
    let name = value.name()?;
    let Some(pools) = pools else { return Ok(name) };
    if pools.iter().any(|pool| pool.value == name) {
        return Ok(name);
    }
    let names = || pools.iter().map(|pool| pool.value.as_str());
    let help = match keys::nearest(&name, names()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if pools.is_empty() => format!("add [[proxy.pool]] with name = {name:?}"),
        None => format!("the pools are {}", listing(names().map(|name| format!("{name:?}")), "and")),
    };
    Err(value.at.lacks(format!("there is no pool {name:?}"), help))
}

fn pool(Named { table, name }: Named<'_>) -> Read<Pool> {
    let balance = table.or("balance", defaults::BALANCE, Value::choice);
    let check = table.section("check", check).map(Option::unwrap_or_default);
    let member = table.tables("member").and_then(|tables| {
        let tables = Named::read(tables);
        unique_names(&tables).and(all(tables.into_iter().map(member)))
    });
    Ok(Pool { name: name?.value, balance: balance?, check: check?, member: member? })
}

fn check(table: &Table<'_>) -> Read<Check> {
    let default = Check::default();
    let kind = table.or("kind", default.kind, Value::choice);
    let interval = table.or("interval", default.interval, |value| value.duration(INTERVAL_RANGE));
    let timeout = table.maybe("timeout", |value| {
        let longest = interval.unwrap_or(*INTERVAL_RANGE.end());
        value.duration(*TIMEOUT_RANGE.start()..=longest)
    });
    let rise = table.or("rise", default.rise, |value| value.integer(COUNT_RANGE));
    let fall = table.or("fall", default.fall, |value| value.integer(COUNT_RANGE));
    let interval = interval?;
    Ok(Check { kind: kind?, interval, timeout: timeout?.unwrap_or(interval), rise: rise?, fall: fall? })
}

fn member(Named { table, name }: Named<'_>) -> Read<Member> {
    let address = table.need("address", |value| value.target(None));
    let weight = table.or("weight", defaults::WEIGHT, |value| value.integer(WEIGHT_RANGE));
    Ok(Member { name: name?.value, address: address?, weight: weight? })
}
