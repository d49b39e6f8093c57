//! Where an upstream is and how it is spoken to.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Where an upstream is and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its address and port.
    pub address: SocketAddr,
    /// How it is spoken to.
    pub scheme: Scheme,
}

/// How an upstream is spoken to. None falls back to one that is less protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// UDP, and TCP where the reply is truncated or doubtful.
    Udp,
    /// TCP.
    Tcp,
    /// TLS (RFC 7858).
    Tls {
        /// The name that the certificate must carry.
        name: Arc<str>,
    },
    /// HTTPS (RFC 8484).
    Https {
        /// The name that the certificate must carry.
        name: Arc<str>,
        /// The path of the URI.
        path: Arc<str>,
    },
}

impl Scheme {
    /// The word of reports.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls { .. } => "tls",
            Self::Https { .. } => "https",
        }
    }
}

/// As the file writes it, with the port.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match &self.scheme {
            Scheme::Udp => write!(f, "{address}"),
            Scheme::Tcp => write!(f, "tcp://{address}"),
            Scheme::Tls { name } => write!(f, "tls://{address}#{name}"),
            Scheme::Https { name, path } => write!(f, "https://{address}{path}#{name}"),
        }
    }
}
