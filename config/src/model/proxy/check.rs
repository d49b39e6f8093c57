//! `proxy.pool.check`: how a member's health is known.

use super::{HttpVersion, ProxyProtocol};
use crate::defaults;
use crate::domain::Domain;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// `proxy.pool.check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// `kind`.
    pub kind: CheckKind,
    /// `interval` between checks.
    pub interval: Duration,
    /// `fast_interval` between checks while they disagree with the member's state; not above `interval`.
    pub fast_interval: Duration,
    /// `timeout` of one check; not above `interval`.
    pub timeout: Duration,
    /// `rise`: good checks in a row that bring a member back.
    pub rise: u32,
    /// `fall`: failed checks in a row that take a member out.
    pub fall: u32,
    /// `port`, not 0; `None` is the member's.
    pub port: Option<u16>,
    /// `address`; `None` is the member's.
    pub address: Option<IpAddr>,
    /// `proxy_protocol` that checks begin with.
    pub proxy_protocol: ProxyProtocol,
    /// `server_name` that a check over TLS asks for and verifies; only tls, and http in a pool with TLS.
    pub server_name: Option<Domain>,
    /// What kind http asks and expects; the defaults for all others.
    pub http: HttpCheck,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            kind: defaults::CHECK_KIND,
            interval: defaults::CHECK_INTERVAL,
            fast_interval: defaults::CHECK_INTERVAL,
            timeout: defaults::CHECK_INTERVAL,
            rise: defaults::CHECK_RISE,
            fall: defaults::CHECK_FALL,
            port: None,
            address: None,
            proxy_protocol: defaults::PROXY_PROTOCOL,
            server_name: None,
            http: HttpCheck::default(),
        }
    }
}

/// `proxy.pool.check.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A TCP connection is opened and closed.
    Tcp,
    /// A TLS handshake is made.
    Tls,
    /// A request is sent, and its response looked at; over TLS where the pool has `tls`.
    Http,
    /// Members count as healthy.
    Off,
}

/// The keys of a check of kind http.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// `protocol`.
    pub protocol: HttpVersion,
    /// `method`.
    pub method: CheckMethod,
    /// `path`: begins with a slash; may have a query.
    pub path: String,
    /// `host`: the header Host; `None` is the address that is asked.
    pub host: Option<String>,
    /// `headers`: none that the check sets itself.
    pub headers: Vec<Header>,
    /// `expect_status`: at least one.
    pub expect_status: Vec<StatusRange>,
    /// `expect_body`: a text that the body must hold, not empty; never with HEAD.
    pub expect_body: Option<String>,
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self {
            protocol: defaults::PROTOCOL,
            method: defaults::CHECK_METHOD,
            path: defaults::CHECK_PATH.to_owned(),
            host: None,
            headers: Vec::new(),
            expect_status: vec![defaults::CHECK_STATUS],
            expect_body: None,
        }
    }
}

/// `proxy.pool.check.method`: those that ask for nothing to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckMethod {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// OPTIONS.
    Options,
}

/// A header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name, a token (RFC 9110 §5.6.2).
    pub name: String,
    /// The value, visible ASCII characters and inner blanks.
    pub value: String,
}

/// As the file writes it.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value)
    }
}

/// Status codes from `first` to `last`, both within 100 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    /// The first.
    pub first: u16,
    /// The last, not below the first.
    pub last: u16,
}

impl StatusRange {
    /// Whether the code is one of them.
    pub const fn contains(self, code: u16) -> bool {
        self.first <= code && code <= self.last
    }
}

/// As the file writes it.
impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}
