//! The resolvers that dns64 asks.

use crate::domain::Domain;
use std::net::SocketAddr;

/// One entry of `dns64.upstream` or `dns64.forward.upstream`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// How it is spoken to.
    pub transport: UpstreamTransport,
    /// Its address and port: 53, 853 for TLS, or 443 for HTTPS, where none is given.
    pub address: SocketAddr,
}

/// How an upstream resolver is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamTransport {
    /// `192.0.2.53`: UDP, and TCP after truncation.
    Plain,
    /// `tcp://192.0.2.53`: TCP only.
    Tcp,
    /// `tls://192.0.2.54#dns.example`: DNS over TLS, verified against the name (RFC 7858).
    Tls {
        /// The name the certificate must carry.
        name: String,
    },
    /// `https://192.0.2.55/dns-query#dns.example`: DNS over HTTPS, verified against the name (RFC 8484).
    Https {
        /// The name the certificate must carry, and the host of the URI.
        name: String,
        /// The path of the URI, with its slash.
        path: String,
    },
}

impl UpstreamTransport {
    /// Whether questions go over UDP as well as over TCP.
    pub fn has_datagrams(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// Whether a certificate is verified.
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls { .. } | Self::Https { .. })
    }
}

/// One `[[dns64.forward]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// `domains`, at least one: they and the names below are asked of `upstream`, unless a longer one holds the name.
    pub domains: Vec<Domain>,
    /// `upstream`, in order of preference; at least one.
    pub upstream: Vec<Upstream>,
}
