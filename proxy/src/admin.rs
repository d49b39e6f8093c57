//! The daemon's own admin routes: what the listeners and pools are doing, as JSON.

use crate::counts::{ListenerCounts, Loss};
use crate::pool::{MemberState, Pool, Terms};
use crate::snapshot::{Route, Shared};
use crate::words;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use config::model::{Member, Mode};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

/// `GET /pools` and `GET /listeners`.
pub(crate) fn routes(shared: Arc<Shared>) -> Router {
    Router::new().route("/pools", get(pools)).route("/listeners", get(listeners)).with_state(shared)
}

async fn pools(State(shared): State<Arc<Shared>>) -> Json<Vec<PoolView>> {
    Json(shared.snapshot.load().pools.values().map(|pool| PoolView::new(pool)).collect())
}

async fn listeners(State(shared): State<Arc<Shared>>) -> Json<Vec<ListenerView>> {
    Json(shared.snapshot.load().listeners.values().map(|route| ListenerView::new(route)).collect())
}

#[derive(Debug, Serialize)]
struct PoolView {
    name: String,
    balance: &'static str,
    check: &'static str,
    /// Connections (tcp) and requests (http) that wait for a place at a member.
    queue: usize,
    /// Connections to members that failed and were tried again there, and at another.
    retries: u64,
    redispatches: u64,
    /// Client networks that are remembered with their member.
    stick_entries: usize,
    sessions: usize,
    members: Vec<MemberView>,
}

#[derive(Debug, Serialize)]
struct MemberView {
    name: String,
    address: SocketAddr,
    weight: u16,
    backup: bool,
    /// What is wanted of it: `ready`, `drain` or `maintenance`.
    admin: &'static str,
    /// Which of `admin` and `weight` an operator has set, and not the file.
    set_by_operator: Vec<&'static str>,
    /// Whether it is left out because clients fared badly there.
    ejected: bool,
    /// `up`, `down` or `unchecked`.
    state: &'static str,
    /// What the latest check saw.
    why: String,
    /// When the state began, in Unix seconds.
    since: u64,
    /// When the latest check ended, in Unix seconds.
    checked: Option<u64>,
    /// How long it took, in seconds.
    check_seconds: Option<f64>,
    /// Connections (tcp), requests (http) and flows (udp) under way.
    connections: u64,
    max_connections: Option<u32>,
    /// Connections, requests and flows given to it so far, and in the last second.
    used: u64,
    used_per_second: u64,
    connect_failures: u64,
}

#[derive(Debug, Serialize)]
struct ListenerView {
    name: String,
    bind: Vec<String>,
    mode: &'static str,
    pool: String,
    /// Client connections open, or flows under way.
    connections: u64,
    connections_total: u64,
    /// What came of them in the last second.
    connections_per_second: u64,
    bytes_received: u64,
    bytes_sent: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    datagrams: Option<DatagramView>,
}

/// Of a listener of mode udp alone.
#[derive(Debug, Serialize)]
struct DatagramView {
    received: u64,
    sent: u64,
    /// Datagrams that were not passed on, in either direction.
    lost: u64,
    /// Flows that ended before their time to make room for others.
    flows_evicted: u64,
}

impl PoolView {
    fn new(pool: &Pool) -> Self {
        let members = pool.members.iter().zip(&pool.config.member).zip(pool.terms());
        Self {
            name: pool.config.name.clone(),
            balance: words::balance(pool.config.balance),
            check: words::check(pool.config.check.kind),
            queue: pool.state.line.length(),
            retries: pool.state.retries(),
            redispatches: pool.state.redispatches(),
            stick_entries: pool.state.bound(),
            sessions: pool.state.bound_sessions(),
            members: members
                .map(|((state, member), terms)| MemberView::new(pool, state, member, terms))
                .collect(),
        }
    }
}

impl MemberView {
    fn new(pool: &Pool, state: &MemberState, config: &Member, terms: Terms) -> Self {
        let sight = state.sight();
        let latest = state.checks.latest();
        Self {
            name: state.name.clone(),
            address: state.address,
            weight: terms.weight,
            backup: config.backup,
            admin: words::admin(terms.state),
            set_by_operator: [("admin", terms.state_is_set), ("weight", terms.weight_is_set)]
                .into_iter()
                .filter_map(|(key, is_set)| is_set.then_some(key))
                .collect(),
            ejected: pool.has_ejected(state, Instant::now()),
            state: words::status(state.status()),
            why: sight.why,
            since: sight.since.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            checked: latest.map(|(_, ended)| ended),
            check_seconds: latest.map(|(took, _)| took.as_secs_f64()),
            connections: state.load(),
            max_connections: config.max_connections,
            used: state.counts.uses(),
            used_per_second: state.counts.rate.per_second(),
            connect_failures: state.counts.connect_failures(),
        }
    }
}

impl ListenerView {
    fn new(route: &Route) -> Self {
        Self {
            name: route.name.clone(),
            bind: route.sites.iter().map(ToString::to_string).collect(),
            mode: words::mode(route.mode),
            pool: route.pool.config.name.clone(),
            connections: route.counts.active(),
            connections_total: route.counts.total(),
            connections_per_second: route.counts.rate.per_second(),
            bytes_received: route.counts.bytes_received(),
            bytes_sent: route.counts.bytes_sent(),
            datagrams: (route.mode == Mode::Udp).then(|| DatagramView::new(&route.counts)),
        }
    }
}

impl DatagramView {
    fn new(counts: &ListenerCounts) -> Self {
        let [received, sent] = counts.datagrams();
        let lost = Loss::ALL.iter().map(|(loss, _)| counts.losses(*loss)).sum();
        Self { received, sent, lost, flows_evicted: counts.flows_evicted() }
    }
}
