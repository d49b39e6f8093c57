//! The TLS handshake of a client, within its time, and why it failed. Failures are counted, and no more: strangers
//! make as many as they like.

use crate::accept::Seat;
use rustls::Error as TlsError;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take: a few round trips of the slowest links.
pub(crate) const TIME: Duration = Duration::from_secs(10);

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeFailure {
    /// It was not finished in time.
    Timeout,
    /// The client closed its connection.
    Closed,
    /// The client sent an alert; most often it does not trust the certificate.
    Alert,
    /// The client has no protocol version, cipher or ALPN name in common with this server.
    Incompatible,
    /// What came was not TLS, or broke its rules.
    Malformed,
    /// A fault on this side: no certificate, no randomness.
    Internal,
}

impl HandshakeFailure {
    pub(crate) const ALL: [Self; 6] =
        [Self::Timeout, Self::Closed, Self::Alert, Self::Incompatible, Self::Malformed, Self::Internal];

    /// The metric's label.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Alert => "alert",
            Self::Incompatible => "incompatible",
            Self::Malformed => "malformed",
            Self::Internal => "internal",
        }
    }

    fn of(error: &io::Error) -> Self {
        error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()).map_or(Self::Closed, Self::of_tls)
    }

    /// What an error of the TLS library comes to.
    pub(crate) const fn of_tls(error: &TlsError) -> Self {
        match error {
            TlsError::AlertReceived(_) => Self::Alert,
            TlsError::PeerIncompatible(_) | TlsError::NoApplicationProtocol => Self::Incompatible,
            TlsError::InappropriateMessage { .. }
            | TlsError::InappropriateHandshakeMessage { .. }
            | TlsError::InvalidMessage(_)
            | TlsError::PeerMisbehaved(_)
            | TlsError::PeerSentOversizedRecord
            | TlsError::DecryptError => Self::Malformed,
            _ => Self::Internal,
        }
    }
}

/// Shakes hands with the client of `seat`; a failure is counted.
pub(crate) async fn shake<S>(acceptor: &TlsAcceptor, stream: S, seat: &Seat) -> Option<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let failure = match timeout(TIME, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => HandshakeFailure::of(&error),
        Err(_) => HandshakeFailure::Timeout,
    };
    seat.shared.metrics().connections.handshake_failed(seat.via, failure);
    tracing::debug!(client = %seat.client, reason = failure.label(), "handshake failed");
    None
}
