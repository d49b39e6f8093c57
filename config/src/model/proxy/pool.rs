//! `[[proxy.pool]]`: servers that share a load, and what is done when they cannot carry it.

use super::{AppCookie, Check, Cookie};
use crate::defaults;
use crate::domain::Domain;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One `[[proxy.pool]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// `name`.
    pub name: String,
    /// `balance`.
    pub balance: Balance,
    /// `source_prefix_v6`: how much of an IPv6 address `balance` looks at, 1 to 128; 128 unless it looks at addresses.
    pub source_prefix_v6: u8,
    /// `retries`: further attempts to connect after the first, 0 to 100.
    pub retries: u32,
    /// `redispatch`: the last of them goes to another member.
    pub redispatch: bool,
    /// `max_queue`: clients that wait for a place at a member; 0 lets none wait.
    pub max_queue: u32,
    /// `slow_start`: for how long a member that comes back takes less than its share; zero is not at all.
    pub slow_start: Duration,
    /// `proxy_protocol` that members are sent.
    pub proxy_protocol: ProxyProtocol,
    /// `protocol`: what members of http mode speak.
    pub protocol: HttpVersion,
    /// `http_reuse`: who may have a connection that has served a request.
    pub http_reuse: HttpReuse,
    /// `tls`.
    pub tls: Option<PoolTls>,
    /// `cookie`: the first that a client's member is looked up by.
    pub cookie: Option<Cookie>,
    /// `app_cookie`: the second.
    pub app_cookie: Option<AppCookie>,
    /// `stick`: the third.
    pub stick: Option<Stick>,
    /// `passive`.
    pub passive: Option<Passive>,
    /// `check`.
    pub check: Check,
    /// `[[proxy.pool.member]]`; names are unique in the pool.
    pub member: Vec<Member>,
}

impl Pool {
    /// A pool with the default of every key that has one.
    pub fn new(name: impl Into<String>, member: Vec<Member>) -> Self {
        Self {
            name: name.into(),
            balance: defaults::BALANCE,
            source_prefix_v6: defaults::BALANCE_PREFIX_V6,
            retries: defaults::RETRIES,
            redispatch: defaults::REDISPATCH,
            max_queue: defaults::MAX_QUEUE,
            slow_start: defaults::SLOW_START,
            proxy_protocol: defaults::PROXY_PROTOCOL,
            protocol: defaults::PROTOCOL,
            http_reuse: defaults::HTTP_REUSE,
            tls: None,
            cookie: None,
            app_cookie: None,
            stick: None,
            passive: None,
            check: Check::default(),
            member,
        }
    }
}

/// `proxy.pool.balance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn, by weight.
    Roundrobin,
    /// The fewest connections for its weight.
    Leastconn,
    /// By the client's address.
    Source,
    /// The less loaded of two drawn by chance.
    Random,
    /// Consistent hashing of the client's address.
    Hash,
}

/// `proxy_protocol` of a pool and of its check: the header ahead of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// None.
    Off,
    /// Version 1, a line of text.
    V1,
    /// Version 2, binary.
    V2,
}

/// `proxy.pool.protocol`, and that of its check: a version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    H1,
    /// HTTP/2; without TLS by prior knowledge.
    H2,
}

/// `proxy.pool.http_reuse`: which requests may go on a connection to a member that another client has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpReuse {
    /// None.
    Never,
    /// Those that may be repeated, and those behind the first of a client connection.
    Safe,
    /// The others, too, where the connection has been used again before.
    Aggressive,
    /// All.
    Always,
}

/// `proxy.pool.tls`: members are spoken to over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolTls {
    /// `server_name`: asked for, and verified; `None` verifies the member's address and asks for no name.
    pub server_name: Option<Domain>,
    /// `ca`: PEM with the authorities that are trusted instead of the system's; `None` where nothing is verified.
    pub ca: Option<PathBuf>,
    /// `verify`: a member must show a valid certificate.
    pub verify: bool,
    /// `certificate`: a PEM bundle of chain and key, shown to members that ask.
    pub certificate: Option<PathBuf>,
}

/// `proxy.pool.stick`: a client comes back to the member that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stick {
    /// `size`: sources that are remembered, 1 to ten million.
    pub size: u32,
    /// `expire`: for how long after the last connection.
    pub expire: Duration,
    /// `prefix_v6`: the length that makes IPv6 addresses one source, 1 to 128.
    pub prefix_v6: u8,
    /// `prefix_v4`: the same for IPv4, 1 to 32. IPv4-mapped addresses count as IPv4.
    pub prefix_v4: u8,
}

impl Default for Stick {
    fn default() -> Self {
        Self {
            size: defaults::STICK_SIZE,
            expire: defaults::STICK_EXPIRE,
            prefix_v6: defaults::SOURCE_PREFIX_V6,
            prefix_v4: defaults::SOURCE_PREFIX_V4,
        }
    }
}

/// `proxy.pool.passive`: a member that fails clients is left out for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passive {
    /// `failures` that are too many, at least 1.
    pub failures: u32,
    /// `window` in which they are counted.
    pub window: Duration,
    /// `ejection`: for how long the member is left out.
    pub ejection: Duration,
}

impl Default for Passive {
    fn default() -> Self {
        Self {
            failures: defaults::PASSIVE_FAILURES,
            window: defaults::PASSIVE_WINDOW,
            ejection: defaults::PASSIVE_EJECTION,
        }
    }
}

/// One `[[proxy.pool.member]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// `name`.
    pub name: String,
    /// `address` with its port, of either family.
    pub address: SocketAddr,
    /// `weight`, 0 to 256; 0 takes no new connections.
    pub weight: u16,
    /// `backup`: used only while no other member can be.
    pub backup: bool,
    /// `max_connections`, at least 1; `None` is no limit.
    pub max_connections: Option<u32>,
    /// `state`.
    pub state: AdminState,
    /// `cookie`: what names it in the cookie of the pool; no other member of the pool has the same.
    pub cookie: Option<String>,
}

impl Member {
    /// A member with the default of every key that has one.
    pub fn new(name: impl Into<String>, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            address,
            weight: defaults::WEIGHT,
            backup: defaults::BACKUP,
            max_connections: None,
            state: defaults::ADMIN_STATE,
            cookie: None,
        }
    }
}

/// `proxy.pool.member.state`: what the operator wants of a member, whatever its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminState {
    /// It takes connections while it is healthy.
    Ready,
    /// It keeps what it has and takes new connections only of clients that stick to it.
    Drain,
    /// It takes nothing and is not checked.
    Maintenance,
}
