//! Accepting client connections: counting them, bounding them, and handing each to what is spoken on it.
//!
//! Every connection is one task. Its [`Seat`] is given back however the task ends, by a panic too.

use crate::metrics::Transport;
use crate::quota::{Permit, Quota};
use crate::resolver::Shared;
use crate::worker::{Busy, Leave};
use crate::{handshake, https, stream};
use prometheus_client::metrics::gauge::Gauge;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// How long accepting rests after it failed, most likely for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// What is spoken on the connections of a listener.
#[derive(Clone)]
pub(crate) enum Speech {
    Tcp,
    Tls(TlsAcceptor),
    Https(TlsAcceptor),
}

/// What every connection of a listener needs.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) shared: Arc<Shared>,
    pub(crate) connections: Arc<Quota>,
    pub(crate) draining: watch::Receiver<bool>,
    pub(crate) busy: Busy,
}

/// A connection's place among those that are open, and what it needs.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) shared: Arc<Shared>,
    pub(crate) client: SocketAddr,
    pub(crate) via: Transport,
    pub(crate) draining: watch::Receiver<bool>,
    open: Gauge,
    permit: Permit,
    _busy: Busy,
}

impl Door {
    /// A place for a connection of `client`; `None` where it, or all clients together, have their fill.
    pub(crate) fn seat(&self, client: SocketAddr, via: Transport) -> Option<Seat> {
        let metrics = self.shared.metrics();
        let Ok(permit) = self.connections.take(client.ip()) else {
            metrics.connections.refused(via);
            return None;
        };
        let open = metrics.connections.open(via);
        open.inc();
        Some(Seat {
            shared: Arc::clone(&self.shared),
            client,
            via,
            draining: self.draining.clone(),
            open,
            permit,
            _busy: self.busy.clone(),
        })
    }
}

impl Seat {
    /// How many sixteenths of all places are taken.
    pub(crate) fn crowding(&self) -> usize {
        self.permit.crowding()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.open.dec();
    }
}

impl Speech {
    const fn transport(&self) -> Transport {
        match self {
            Self::Tcp => Transport::Tcp,
            Self::Tls(_) => Transport::Tls,
            Self::Https(_) => Transport::Https,
        }
    }
}

/// Accepts until `leave` is closed, and then what waits in the kernel's queue.
pub(crate) async fn serve(listener: TcpListener, speech: Speech, door: Door, mut leave: Leave) {
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            _ = &mut leave => return,
        };
        match accepted {
            Ok((stream, client)) => {
                if let Some(seat) = door.seat(client, speech.transport()) {
                    tokio::spawn(attend(stream, speech.clone(), seat));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "accepting a connection failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn attend(stream: TcpStream, speech: Speech, seat: Seat) {
    let client = seat.client;
    let ended = |error: &dyn Display| tracing::debug!(%client, %error, "connection ended");
    // A connection that is broken already shows it at the first read.
    let _ = stream.set_nodelay(true);
    match speech {
        Speech::Tcp => stream::converse(stream, seat).await.unwrap_or_else(|error| ended(&error)),
        Speech::Tls(acceptor) => {
            if let Some(stream) = handshake::shake(&acceptor, stream, &seat).await {
                stream::converse(stream, seat).await.unwrap_or_else(|error| ended(&error));
            }
        }
        Speech::Https(acceptor) => {
            if let Some(stream) = handshake::shake(&acceptor, stream, &seat).await {
                https::converse(stream, seat).await.unwrap_or_else(|error| ended(&error));
            }
        }
    }
}
