//! `[proxy]`: how the proxy works as a whole, and the time it gives to others.

mod check;
mod cookie;
mod endpoint;
mod forwarding;
mod gate;
mod limits;
mod listener;
mod log;
mod log_line;
mod pattern;
mod pool;
mod rule;
mod template;

pub use check::{Check, CheckKind, CheckMethod, Header, HttpCheck, StatusRange};
pub use cookie::{AppCookie, AppCookieMode, Cookie, CookieMode, SameSite};
pub use endpoint::{Endpoint, SocketMode};
pub use forwarding::{ForwardedField, ForwardedFor, Forwarding};
pub use gate::{Auth, Rate, RateBy};
pub use limits::RequestLimits;
pub use listener::{
    ClientAuth, Coding, Hsts, Listener, Mode, PerSource, ServerName, SniRoute, Tls, TlsVersion,
};
pub use log::{ConnectionLog, Facility, LogTarget, ProxyLog};
pub use log_line::{LogField, LogLine, LogLineError, LogPart, LogStyle};
pub use pattern::{Pattern, PatternError, Substitution};
pub use pool::{
    AdminState, Balance, HttpReuse, HttpVersion, Member, Passive, Pool, PoolTls, ProxyProtocol, Stick,
};
pub use rule::{
    Conditions, FixedAnswer, HeaderCondition, HeaderEdit, HostPattern, PathEdit, QueryEdit, Redirect, Rule,
    RuleAction, Wanted,
};
pub use template::{Part, Place, Template, TemplateError};

use crate::defaults;
use std::time::Duration;

/// `[proxy]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// `workers`: threads; 0 is one per core.
    pub workers: u16,
    /// `[proxy.timeout]`.
    pub timeout: ProxyTimeouts,
    /// `[proxy.log]`.
    pub log: ProxyLog,
    /// `[[proxy.listener]]`; names are unique, and no two want the same address.
    pub listener: Vec<Listener>,
    /// `[[proxy.pool]]`; names are unique.
    pub pool: Vec<Pool>,
}

/// `[proxy.timeout]`, and `timeout` of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyTimeouts {
    /// `connect`: for a connection to a member.
    pub connect: Duration,
    /// `queue`: for a place at a member that has as many connections as it may.
    pub queue: Duration,
    /// `client`: silence of the client while bytes are expected of it.
    pub client: Duration,
    /// `server`: silence of the member while bytes are expected of it.
    pub server: Duration,
    /// `tunnel`: silence of both ends once both have spoken; of tcp, and of http after an upgrade.
    pub tunnel: Duration,
    /// `client_fin`: silence of a client that has no more to say or is told no more.
    pub client_fin: Duration,
    /// `server_fin`: silence of a member that has no more to say or is told no more.
    pub server_fin: Duration,
    /// `handshake`: for all that a client says ahead of its data, in TLS and the PROXY protocol.
    pub handshake: Duration,
    /// `request_head`: for a whole HTTP request head.
    pub request_head: Duration,
    /// `keep_alive`: an idle HTTP client connection between requests.
    pub keep_alive: Duration,
    /// `udp`: silence of both ends of a flow of datagrams.
    pub udp: Duration,
}

impl Default for ProxyTimeouts {
    fn default() -> Self {
        Self {
            connect: defaults::CONNECT,
            queue: defaults::CONNECT,
            client: defaults::CLIENT,
            server: defaults::SERVER,
            tunnel: defaults::TUNNEL,
            client_fin: defaults::FIN,
            server_fin: defaults::FIN,
            handshake: defaults::HANDSHAKE,
            request_head: defaults::REQUEST_HEAD,
            keep_alive: defaults::KEEP_ALIVE,
            udp: defaults::UDP,
        }
    }
}
