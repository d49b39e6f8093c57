//! The daemon's own admin routes: what the listeners and pools are doing, as JSON.

use crate::pool::health::Status;
use crate::pool::{MemberState, Pool};
use crate::snapshot::{Route, Shared};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use config::model::{AdminState, Balance, CheckKind, Member, Mode};
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
    /// Client networks that are remembered with their member.
    stick_entries: usize,
    members: Vec<MemberView>,
}

#[derive(Debug, Serialize)]
struct MemberView {
    name: String,
    address: SocketAddr,
    weight: u16,
    backup: bool,
    /// What the operator wants of it: `ready`, `drain` or `maintenance`.
    admin: &'static str,
    /// Whether it is left out because clients fared badly there.
    ejected: bool,
    /// `up`, `down` or `unchecked`.
    state: &'static str,
    /// What the latest check saw.
    why: String,
    /// When the state began, in Unix seconds.
    since: u64,
    /// Connections (tcp) and requests (http) under way.
    connections: u64,
    max_connections: Option<u32>,
    /// Connections and requests given to it so far.
    used: u64,
    connect_failures: u64,
}

#[derive(Debug, Serialize)]
struct ListenerView {
    name: String,
    bind: Vec<String>,
    mode: &'static str,
    pool: String,
    /// Client connections open.
    connections: u64,
    connections_total: u64,
    bytes_received: u64,
    bytes_sent: u64,
}

impl PoolView {
    fn new(pool: &Pool) -> Self {
        let members = pool.members.iter().zip(&pool.config.member);
        Self {
            name: pool.config.name.clone(),
            balance: balance(pool.config.balance),
            check: match pool.config.check.kind {
                CheckKind::Tcp => "tcp",
                CheckKind::Tls => "tls",
                CheckKind::Http => "http",
                CheckKind::Off => "off",
            },
            queue: pool.state.line.length(),
            stick_entries: pool.state.bound(),
            members: members.map(|(state, member)| MemberView::new(state, member)).collect(),
        }
    }
}

impl MemberView {
    fn new(state: &MemberState, config: &Member) -> Self {
        let sight = state.sight();
        Self {
            name: state.name.clone(),
            address: state.address,
            weight: config.weight,
            backup: config.backup,
            admin: match config.state {
                AdminState::Ready => "ready",
                AdminState::Drain => "drain",
                AdminState::Maintenance => "maintenance",
            },
            ejected: state.is_ejected(Instant::now()),
            state: match state.status() {
                Status::Unchecked => "unchecked",
                Status::Up => "up",
                Status::Down => "down",
            },
            why: sight.why,
            since: sight.since.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            connections: state.load(),
            max_connections: config.max_connections,
            used: state.counts.uses(),
            connect_failures: state.counts.connect_failures(),
        }
    }
}

impl ListenerView {
    fn new(route: &Route) -> Self {
        Self {
            name: route.name.clone(),
            bind: route.sites.iter().map(ToString::to_string).collect(),
            mode: match route.mode {
                Mode::Tcp => "tcp",
                Mode::Http => "http",
                Mode::Udp => "udp",
            },
            pool: route.pool.config.name.clone(),
            connections: route.counts.active(),
            connections_total: route.counts.total(),
            bytes_received: route.counts.bytes_received(),
            bytes_sent: route.counts.bytes_sent(),
        }
    }
}

const fn balance(balance: Balance) -> &'static str {
    match balance {
        Balance::Roundrobin => "roundrobin",
        Balance::Leastconn => "leastconn",
        Balance::Source => "source",
        Balance::Random => "random",
        Balance::Hash => "hash",
    }
}
