//! Why the daemon cannot start or take on a changed configuration.

use crate::listen::Endpoint;
use crate::upstream::TrustError;
use service::tls::CertificateErrors;
use std::io;
use std::net::SocketAddr;

/// Why the daemon cannot start or take on a changed configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file lacks a section; the shared command line checks before.
    #[error("the file has no [{0}] section")]
    Section(&'static str),
    /// A listening address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The certificates that upstreams are verified with.
    #[error("upstreams over TLS and HTTPS cannot be verified")]
    Trust(#[from] TrustError),
    /// Certificates that were fine when the file was checked.
    #[error("cannot use a certificate")]
    Certificates(#[source] CertificateErrors),
    /// The TLS library.
    #[error("cannot set up TLS")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A worker's thread.
    #[error("cannot start worker thread {index}")]
    Worker {
        /// Which, from 0.
        index: usize,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The query log's thread.
    #[error("cannot start the thread of the query log")]
    QueryLog(#[source] io::Error),
    /// The system's random numbers.
    #[error("the system gives no random numbers")]
    Random(#[source] io::Error),
    /// A worker that ended before it served.
    #[error("a worker thread ended before it served")]
    WorkerGone,
}

/// Why a listening address cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Someone else has it.
    #[error(
        "{address} ({transport}) is in use, most likely by another resolver; `ss -lnp{flag} 'sport = :{}'` shows by \
         whom. Stop it (systemd-resolved: DNSStubListener=no; dnsmasq: port=0 or bind-interfaces) or change \
         {key}", address.port()
    )]
    InUse {
        /// The key that has it.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// The option of `ss` that shows this transport.
        flag: char,
    },
    /// The port is privileged.
    #[error(
        "{address} needs the capability CAP_NET_BIND_SERVICE: start as root, through systemd, or change {key} to a port from 1024 up"
    )]
    Forbidden {
        /// The key that has it.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// No interface has the address.
    #[error("{address} is not an address of this machine: add it to an interface or change {key}")]
    NotLocal {
        /// The key that has it.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl ListenError {
    /// Why `endpoint` could not be bound for UDP, or else for TCP.
    pub(crate) fn new(endpoint: Endpoint, udp: bool, source: io::Error) -> Self {
        let (key, address) = (endpoint.kind.key(), endpoint.address);
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                let (transport, flag) = if udp { ("UDP", 'u') } else { ("TCP", 't') };
                Self::InUse { key, address, transport, flag }
            }
            io::ErrorKind::PermissionDenied => Self::Forbidden { key, address },
            io::ErrorKind::AddrNotAvailable => Self::NotLocal { key, address },
            _ => Self::Other { address, source },
        }
    }
}
