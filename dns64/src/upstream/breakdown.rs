//! Why an exchange with one upstream came to nothing.

use crate::metrics::UpstreamFailure;
use std::io;
use std::sync::Arc;

/// Why an exchange with one upstream came to nothing. One connection's breakdown is that of all its queries.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Breakdown {
    /// The network, or nobody listens.
    #[error("the network or the upstream refuses: {0}")]
    Unreachable(Arc<io::Error>),
    /// No connection came about in time.
    #[error("no connection came about in time")]
    ConnectTime,
    /// The upstream ended the connection while queries waited on it.
    #[error("the connection ended before the reply came")]
    Closed,
    /// The upstream does not show that it is who it should be.
    #[error("the certificate does not prove that this is {name}: {why}")]
    Certificate {
        /// The name that the file gives.
        name: Arc<str>,
        /// What is wrong with the certificate.
        why: Arc<str>,
    },
    /// The two do not find a common protocol.
    #[error("{0}")]
    Protocol(Arc<str>),
    /// An HTTP status other than success.
    #[error("the upstream answers with HTTP status {0}")]
    Status(u16),
    /// A message that is no reply to the query, where nobody else could have sent it.
    #[error("what the upstream sends is no reply to the query")]
    Garbled,
    /// Our own want.
    #[error("no sockets or random numbers left")]
    Resources,
}

impl Breakdown {
    /// What it counts as; `None` where it says nothing about the upstream.
    pub(super) fn counts_as(&self) -> Option<UpstreamFailure> {
        match self {
            Self::Unreachable(_) | Self::ConnectTime | Self::Closed => Some(UpstreamFailure::Unreachable),
            Self::Certificate { .. } => Some(UpstreamFailure::Certificate),
            Self::Protocol(_) | Self::Status(_) | Self::Garbled => Some(UpstreamFailure::Protocol),
            Self::Resources => None,
        }
    }
}

impl From<io::Error> for Breakdown {
    fn from(error: io::Error) -> Self {
        use nix::libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
        match error.raw_os_error() {
            Some(EMFILE | ENFILE | ENOBUFS | ENOMEM) => Self::Resources,
            _ => Self::Unreachable(Arc::new(error)),
        }
    }
}
