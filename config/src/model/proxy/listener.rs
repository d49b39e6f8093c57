//! `[[proxy.listener]]`: where connections come in, whose are taken, and where they go.

use super::{Endpoint, Forwarding, ProxyTimeouts, RequestLimits, Rule, SocketMode};
use crate::defaults;
use crate::domain::Domain;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// One `[[proxy.listener]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// `name`.
    pub name: String,
    /// `bind`: at least one.
    pub bind: Vec<Endpoint>,
    /// `v6only`: sockets of `[::]` take IPv6 alone.
    pub v6only: bool,
    /// `interface`: only what comes in there; at most 15 bytes.
    pub interface: Option<String>,
    /// `freebind`: addresses need not exist yet.
    pub freebind: bool,
    /// `socket_mode`.
    pub socket_mode: SocketMode,
    /// `mode`.
    pub mode: Mode,
    /// `max_connections`, at least 1: beyond it none is accepted; `None` is no limit of its own.
    pub max_connections: Option<u32>,
    /// `allow_from`: whose connections are taken, at least one network; `None` is everyone.
    pub allow_from: Option<Vec<IpNet>>,
    /// `per_source`.
    pub per_source: PerSource,
    /// `proxy_protocol_from`: who must begin with a PROXY header; no other's is looked for.
    pub proxy_protocol_from: Vec<IpNet>,
    /// `timeout`, completed from `[proxy.timeout]`.
    pub timeout: ProxyTimeouts,
    /// `tls`.
    pub tls: Option<Tls>,
    /// `[[proxy.listener.sni]]`; only tcp. No name stands twice.
    pub sni: Vec<SniRoute>,
    /// `hsts`; only http with `tls`.
    pub hsts: Option<Hsts>,
    /// `limits`; only http.
    pub limits: RequestLimits,
    /// `errors`: files of pages by status, 400 to 599; only http.
    pub errors: BTreeMap<u16, PathBuf>,
    /// `compression`: the best first, none twice; only http.
    pub compression: Vec<Coding>,
    /// `[[proxy.listener.rule]]`, in order; only http.
    pub rule: Vec<Rule>,
    /// What members are told of the client.
    pub forwarding: Forwarding,
    /// `pool`: the name of an existing pool.
    pub pool: String,
}

impl Listener {
    /// A listener with the default of every key that has one.
    pub fn new(name: impl Into<String>, bind: Vec<Endpoint>, mode: Mode, pool: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            bind,
            v6only: defaults::V6ONLY,
            interface: None,
            freebind: defaults::FREEBIND,
            socket_mode: defaults::SOCKET_MODE,
            mode,
            max_connections: None,
            allow_from: None,
            per_source: PerSource::default(),
            proxy_protocol_from: Vec::new(),
            timeout: ProxyTimeouts::default(),
            tls: None,
            sni: Vec::new(),
            hsts: None,
            limits: RequestLimits::default(),
            errors: BTreeMap::new(),
            compression: Vec::new(),
            rule: Vec::new(),
            forwarding: Forwarding::new(mode),
            pool: pool.into(),
        }
    }
}

/// `proxy.listener.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Bytes are relayed.
    Tcp,
    /// HTTP requests are forwarded.
    Http,
    /// Datagrams are relayed.
    Udp,
}

/// One element of `proxy.listener.compression` (RFC 9110 §8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// Brotli (RFC 7932).
    Br,
    /// Zstandard (RFC 8878).
    Zstd,
    /// RFC 1952.
    Gzip,
}

/// `proxy.listener.per_source`: what one network of clients may have at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerSource {
    /// `connections` at a time, at least 1; `None` is no limit.
    pub connections: Option<u32>,
    /// `rate`: new connections a second, at least 1; `None` is no limit.
    pub rate: Option<u32>,
    /// `prefix_v6`: the length that makes IPv6 addresses one source, 1 to 128.
    pub prefix_v6: u8,
    /// `prefix_v4`: the same for IPv4, 1 to 32. IPv4-mapped addresses count as IPv4.
    pub prefix_v4: u8,
}

impl Default for PerSource {
    fn default() -> Self {
        Self {
            connections: None,
            rate: None,
            prefix_v6: defaults::SOURCE_PREFIX_V6,
            prefix_v4: defaults::SOURCE_PREFIX_V4,
        }
    }
}

/// `proxy.listener.tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `certificates`: PEM bundles of chain and key.
    pub certificates: Vec<PathBuf>,
    /// `alpn`, in order of preference.
    pub alpn: Vec<String>,
    /// `client_ca`: PEM; present unless `client_auth` is off.
    pub client_ca: Option<PathBuf>,
    /// `client_auth`.
    pub client_auth: ClientAuth,
    /// `min_version`.
    pub min_version: TlsVersion,
}

/// `proxy.listener.hsts` (RFC 6797).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hsts {
    /// `max_age`, at most 10 years.
    pub max_age: Duration,
    /// `subdomains`.
    pub subdomains: bool,
    /// `preload`: never without `subdomains` and a `max_age` of a year.
    pub preload: bool,
}

/// `proxy.listener.tls.client_auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate is asked for.
    Off,
    /// A client may do without, but what it shows must be valid.
    Optional,
    /// A client without a valid certificate is refused.
    Required,
}

/// `proxy.listener.tls.min_version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

/// One `[[proxy.listener.sni]]`: where connections for some names go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SniRoute {
    /// `names`, at least one.
    pub names: Vec<ServerName>,
    /// `pool`: the name of an existing pool.
    pub pool: String,
}

/// A name that clients ask for in TLS (RFC 6066 §3), or all names below one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerName {
    /// The name without `*.`.
    pub domain: Domain,
    /// Whether it began with `*.`: then it is every name below `domain`, of any depth, and not `domain` itself.
    pub wildcard: bool,
}

impl std::fmt::Display for ServerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.wildcard { "*." } else { "" }, self.domain)
    }
}
