//! `[[proxy.pool]]`: members, how they are picked, and what they are sent.

use super::super::{Read, Table, Value, all, unique};
use super::listener::{CONNECTIONS_RANGE, PREFIX_V4_RANGE, PREFIX_V6_RANGE};
use super::{Named, check, cookie, unique_names};
use crate::defaults;
use crate::model::{AppCookie, Balance, Cookie, Member, Passive, Pool, PoolTls, Stick};
use std::ops::RangeInclusive;
use std::time::Duration;

/// More attempts than this take longer than any client waits.
const RETRIES_RANGE: RangeInclusive<u32> = 0..=100;
const QUEUE_RANGE: RangeInclusive<u32> = 0..=10_000_000;
const SLOW_START_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
/// Its memory is bounded by its size.
const STICK_SIZE_RANGE: RangeInclusive<u32> = 1..=10_000_000;
/// A month.
const STICK_EXPIRE_RANGE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);
const FAILURES_RANGE: RangeInclusive<u32> = 1..=1000;
const PASSIVE_RANGE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
/// HAProxy's range, so that weights move over unchanged.
const WEIGHT_RANGE: RangeInclusive<u16> = 0..=256;

pub(super) fn read(Named { table, name }: Named<'_>) -> Read<Pool> {
    let balance = table.or("balance", defaults::BALANCE, Value::choice);
    let source_prefix_v6 = source_prefix_v6(&table, balance);
    let retries = table.or("retries", defaults::RETRIES, |value| value.integer(RETRIES_RANGE));
    let redispatch = table.or("redispatch", defaults::REDISPATCH, Value::boolean);
    let max_queue = table.or("max_queue", defaults::MAX_QUEUE, |value| value.integer(QUEUE_RANGE));
    let slow_start = table.or("slow_start", defaults::SLOW_START, |value| value.duration(SLOW_START_RANGE));
    let proxy_protocol = table.or("proxy_protocol", defaults::PROXY_PROTOCOL, Value::choice);
    let protocol = table.or("protocol", defaults::PROTOCOL, Value::choice);
    let http_reuse = table.or("http_reuse", defaults::HTTP_REUSE, Value::choice);
    let tls = table.section("tls", tls);
    let sticky = cookies(&table);
    let stick = table.section("stick", stick);
    let passive = table.section("passive", passive);
    let usual = check::Usual {
        proxy_protocol: proxy_protocol.unwrap_or(defaults::PROXY_PROTOCOL),
        protocol: protocol.unwrap_or(defaults::PROTOCOL),
        // What could not be read was given all the same.
        speaks_tls: !matches!(tls, Ok(None)),
        server_name: tls.as_ref().ok().and_then(Option::as_ref).and_then(|tls| tls.server_name.clone()),
    };
    let check = table.section("check", |table| check::read(table, &usual));
    let member = table.tables("member").and_then(|tables| {
        let tables = Named::read(tables);
        let named = sticky.as_ref().ok().map(|(cookie, _)| cookie.is_some());
        let fits = unique_names(&tables).and(unique_cookies(&table, &tables, named));
        let members = all(tables.into_iter().map(member));
        fits.and(members)
    });
    let (cookie, app_cookie) = sticky?;
    Ok(Pool {
        name: name?.value,
        balance: balance?,
        source_prefix_v6: source_prefix_v6?,
        retries: retries?,
        redispatch: redispatch?,
        max_queue: max_queue?,
        slow_start: slow_start?,
        proxy_protocol: proxy_protocol?,
        protocol: protocol?,
        http_reuse: http_reuse?,
        tls: tls?,
        cookie,
        app_cookie,
        stick: stick?,
        passive: passive?,
        check: check?.unwrap_or_else(|| usual.check()),
        member: member?,
    })
}

fn source_prefix_v6(table: &Table<'_>, balance: Read<Balance>) -> Read<u8> {
    let default = defaults::BALANCE_PREFIX_V6;
    let length = table.or("source_prefix_v6", default, |value| value.integer(PREFIX_V6_RANGE))?;
    match balance {
        Ok(Balance::Roundrobin | Balance::Leastconn | Balance::Random) if length != default => {
            Err(table.spot("source_prefix_v6").refuse(
                "this balance does not look at the client's address",
                "set balance = \"source\" or \"hash\", or leave out source_prefix_v6",
            ))
        }
        Ok(_) | Err(_) => Ok(length),
    }
}

fn tls(table: &Table<'_>) -> Read<PoolTls> {
    let server_name = table.maybe("server_name", Value::host_name);
    let ca = table.maybe("ca", Value::path);
    let verify = table.or("verify", defaults::VERIFY, Value::boolean);
    let certificate = table.maybe("certificate", Value::path);
    if let (Ok(Some(_)), Ok(false)) = (&ca, verify) {
        return Err(table.spot("ca").refuse(
            "verify is false, and so nobody's certificate is looked at",
            "set verify = true, or leave out ca",
        ));
    }
    Ok(PoolTls { server_name: server_name?, ca: ca?, verify: verify?, certificate: certificate? })
}

fn cookies(table: &Table<'_>) -> Read<(Option<Cookie>, Option<AppCookie>)> {
    let cookie = table.section("cookie", cookie::read);
    let app_cookie = table.section("app_cookie", |app| {
        let read = cookie::read_app(app)?;
        match &cookie {
            Ok(Some(cookie)) if read.is_called(&cookie.name) => Err(app.spot("name").refuse(
                "the name is that of proxy.pool.cookie, whose value is not the application's",
                "give the two different names",
            )),
            Ok(_) | Err(_) => Ok(read),
        }
    });
    Ok((cookie?, app_cookie?))
}

/// Members of a pool have their own values each, and only where there is a cookie to hold them. `named`: there is;
/// `None`: nobody knows.
fn unique_cookies(pool: &Table<'_>, tables: &[Named<'_>], named: Option<bool>) -> Read<()> {
    let given: Vec<_> = tables.iter().filter_map(|named| cookie::text(&named.table)).collect();
    match (named, given.first()) {
        (Some(false), Some(first)) => {
            return Err(first.at.lacks(
                "the pool has no cookie that could name the member",
                "add cookie = { name = \"SRV\" } to the pool, or leave the key out",
            ));
        }
        (Some(true), None) if !tables.is_empty() => {
            return Err(pool.spot("cookie").lacks(
                "no member has a value that the cookie could name it by",
                "add cookie = \"s1\" to a member, or leave out the cookie of the pool",
            ));
        }
        _ => {}
    }
    unique(
        &given,
        |text| Some(*text),
        |text, first| {
            (
                format!("the value {text:?} already stands at {}", first.at.place()),
                "give each its own".to_owned(),
            )
        },
    )
}

fn stick(table: &Table<'_>) -> Read<Stick> {
    let default = Stick::default();
    let size = table.or("size", default.size, |value| value.integer(STICK_SIZE_RANGE));
    let expire = table.or("expire", default.expire, |value| value.duration(STICK_EXPIRE_RANGE));
    let prefix_v6 = table.or("prefix_v6", default.prefix_v6, |value| value.integer(PREFIX_V6_RANGE));
    let prefix_v4 = table.or("prefix_v4", default.prefix_v4, |value| value.integer(PREFIX_V4_RANGE));
    Ok(Stick { size: size?, expire: expire?, prefix_v6: prefix_v6?, prefix_v4: prefix_v4? })
}

fn passive(table: &Table<'_>) -> Read<Passive> {
    let default = Passive::default();
    let failures = table.or("failures", default.failures, |value| value.integer(FAILURES_RANGE));
    let window = table.or("window", default.window, |value| value.duration(PASSIVE_RANGE));
    let ejection = table.or("ejection", default.ejection, |value| value.duration(PASSIVE_RANGE));
    Ok(Passive { failures: failures?, window: window?, ejection: ejection? })
}

fn member(Named { table, name }: Named<'_>) -> Read<Member> {
    let address = table.need("address", |value| value.target(None));
    let weight = table.or("weight", defaults::WEIGHT, |value| value.integer(WEIGHT_RANGE));
    let backup = table.or("backup", defaults::BACKUP, Value::boolean);
    let max_connections = table.maybe("max_connections", |value| value.integer(CONNECTIONS_RANGE));
    let state = table.or("state", defaults::ADMIN_STATE, Value::choice);
    let cookie = table.maybe("cookie", cookie::member);
    Ok(Member {
        name: name?.value,
        address: address?,
        weight: weight?,
        backup: backup?,
        max_connections: max_connections?,
        state: state?,
        cookie: cookie?,
    })
}
