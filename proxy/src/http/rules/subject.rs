//! A request as rules see it.

use ::http::header::{HOST, HeaderMap};
use ::http::{Method, Uri};
use std::net::{IpAddr, Ipv6Addr};

/// What is known of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a Method,
    /// The target in origin form, or `*`.
    pub(crate) uri: &'a Uri,
    /// With the `Host` that holds.
    pub(crate) headers: &'a HeaderMap,
    /// As a trusted proxy tells it, or the one that is connected. IPv4-mapped addresses are IPv4.
    pub(crate) client: Option<IpAddr>,
    /// The name that the client asked for in TLS, in lower case.
    pub(crate) sni: Option<&'a str>,
    /// The name that the client has logged in with.
    pub(crate) user: Option<&'a str>,
    /// Whether the client speaks TLS.
    pub(crate) secure: bool,
    /// The port that the client connected to.
    pub(crate) port: Option<u16>,
}

/// A host as conditions compare it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HostKey {
    /// In lower case, without a dot at its end.
    Name(String),
    V6(Ipv6Addr),
}

impl Subject<'_> {
    /// The host that is asked for, without a port; of an IPv6 address, with its brackets.
    pub(super) fn host(&self) -> &str {
        let authority = self.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let end = authority.find(']').map_or_else(|| authority.find(':'), |bracket| Some(bracket + 1));
        &authority[..end.unwrap_or(authority.len())]
    }

    pub(super) fn host_key(&self) -> HostKey {
        let host = self.host();
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        literal.and_then(|address| address.parse().ok()).map_or_else(
            || HostKey::Name(host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()),
            HostKey::V6,
        )
    }

    pub(super) const fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }
}
