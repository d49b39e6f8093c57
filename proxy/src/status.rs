//! This daemon's tables of `GET /status`, which the command `status` prints.
//!
//! The names of members are written as the commands take them: `POOL/MEMBER`.

use crate::counts::{Failure, Loss};
use crate::pool::{MemberState, Pool, Terms};
use crate::snapshot::{Route, Shared};
use crate::words;
use service::{Cell, Table, span};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const LISTENERS: [&str; 9] =
    ["listener", "mode", "bind", "pools", "connections", "per_second", "total", "received", "sent"];
const POOLS: [&str; 8] =
    ["pool", "balance", "check", "members", "taking_work", "queue", "retries", "redispatches"];
const MEMBERS: [&str; 10] = [
    "member",
    "address",
    "state",
    "for",
    "admin",
    "weight",
    "connections",
    "per_second",
    "checked",
    "last_check_saw",
];

const FAILURES: [&str; 3] = ["listener", "reason", "failures"];
const LOSSES: [&str; 3] = ["listener", "reason", "datagrams"];

/// All tables, as things are at this moment.
pub(crate) fn tables(shared: &Shared) -> Vec<Table> {
    let snapshot = shared.snapshot.load();
    let now = SystemTime::now();
    let members = snapshot.pools.values().flat_map(|pool| {
        let members = pool.members.iter().zip(pool.terms());
        members.map(|(state, terms)| member(pool, state, terms, now)).collect::<Vec<_>>()
    });
    vec![
        Table::of_all("listeners", &LISTENERS).rows(snapshot.listeners.values().map(|route| listener(route))),
        Table::of_all("pools", &POOLS).rows(snapshot.pools.values().map(|found| pool(found))),
        Table::of_all("members", &MEMBERS).rows(members),
        Table::new("failures", &FAILURES).rows(snapshot.listeners.values().flat_map(|route| failures(route))),
        Table::new("lost datagrams", &LOSSES)
            .rows(snapshot.listeners.values().flat_map(|route| losses(route))),
    ]
}

fn failures(route: &Route) -> impl Iterator<Item = [Cell; FAILURES.len()]> {
    let row = |(failure, label): (Failure, &str)| {
        [route.name.as_str().into(), label.into(), route.counts.failures(failure).into()]
    };
    Failure::ALL.into_iter().map(row)
}

fn losses(route: &Route) -> impl Iterator<Item = [Cell; LOSSES.len()]> {
    let row = |(loss, label): (Loss, &str)| {
        [route.name.as_str().into(), label.into(), route.counts.losses(loss).into()]
    };
    Loss::ALL.into_iter().map(row)
}

fn listener(route: &Route) -> [Cell; LISTENERS.len()] {
    let bind: Vec<_> = route.sites.iter().map(ToString::to_string).collect();
    let counts = &route.counts;
    [
        route.name.as_str().into(),
        words::mode(route.mode).into(),
        bind.join(" ").as_str().into(),
        route.pools().join(" ").as_str().into(),
        counts.active().into(),
        counts.rate.per_second().into(),
        counts.total().into(),
        counts.bytes_received().into(),
        counts.bytes_sent().into(),
    ]
}

fn pool(pool: &Pool) -> [Cell; POOLS.len()] {
    [
        pool.config.name.as_str().into(),
        words::balance(pool.config.balance).into(),
        words::check(pool.config.check.kind).into(),
        (pool.members.len() as u64).into(),
        (pool.taking_work() as u64).into(),
        (pool.state.line.length() as u64).into(),
        pool.state.retries().into(),
        pool.state.redispatches().into(),
    ]
}

fn member(pool: &Pool, state: &MemberState, terms: Terms, now: SystemTime) -> [Cell; MEMBERS.len()] {
    let sight = state.sight();
    let ago = |since: SystemTime| span(now.duration_since(since).unwrap_or_default());
    let (condition, lasts) = match pool.ejected_for(state, Instant::now()) {
        Some(lasts) => ("ejected", span(lasts)),
        None => (words::status(state.status()), ago(sight.since)),
    };
    // What an operator has set, and not the file, is marked.
    let mark = |set: bool| if set { "*" } else { "" };
    let checked = state.checks.latest().map_or_else(
        || "never".to_owned(),
        |(_, ended)| format!("{} ago", ago(UNIX_EPOCH + Duration::from_secs(ended))),
    );
    [
        format!("{}/{}", state.pool, state.name).as_str().into(),
        state.address.to_string().as_str().into(),
        condition.into(),
        lasts.as_str().into(),
        format!("{}{}", words::admin(terms.state), mark(terms.state_is_set)).as_str().into(),
        format!("{}{}", terms.weight, mark(terms.weight_is_set)).as_str().into(),
        state.load().into(),
        state.counts.rate.per_second().into(),
        checked.as_str().into(),
        sight.why.as_str().into(),
    ]
}
