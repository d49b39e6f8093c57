//! Accepting client connections: who gets a place and how many, and handing each to what is spoken on it.
//!
//! Whether a client may ask is decided before it gets a place, so that strangers take none from those who may. Where
//! the file has them told so, they have a few places of their own over TCP, and nothing is encrypted for them. Every
//! connection is one task. Its [`Seat`] is given back however the task ends, by a panic too.

use crate::gate::Reception;
use crate::listen::Places;
use crate::metrics::Transport;
use crate::question::DropReason;
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
    pub(crate) places: Places,
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
    /// At the listening address, and among the files of the process.
    permits: Vec<Permit>,
    _busy: Busy,
}

/// Why a connection gets no place, whatever is free. It is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwelcome {
    /// Its client may know.
    Refused,
    /// Nothing is sent, as far as the transport lets that be.
    Ignored,
}

impl Door {
    /// The places among which a connection of `client` gets one, if any is free.
    pub(crate) fn places(&self, client: SocketAddr, via: Transport) -> Result<&Arc<Quota>, Unwelcome> {
        let (reason, unwelcome) = match (self.shared.snapshot().terms.receive(client), via) {
            (Ok(Reception::Welcome), _) => return Ok(&self.places.clients),
            (Ok(Reception::Prohibited), Transport::Udp | Transport::Tcp) => {
                return Ok(&self.places.strangers);
            }
            (Ok(Reception::Prohibited), Transport::Tls | Transport::Https | Transport::Quic) => {
                (DropReason::Denied, Unwelcome::Refused)
            }
            (Err(reason), _) => (reason, Unwelcome::Ignored),
        };
        self.shared.metrics().dropped(reason);
        Err(unwelcome)
    }

    /// One of `places` for a connection of `client`; `None` where it, or all clients together, have their fill.
    pub(crate) fn seat(&self, places: &Arc<Quota>, client: SocketAddr, via: Transport) -> Option<Seat> {
        let metrics = self.shared.metrics();
        let files = match via {
            // Its connections share the listener's socket.
            Transport::Quic => None,
            Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Https => {
                Some(self.shared.connections())
            }
        };
        let quotas = [places].into_iter().chain(files);
        let Ok(permits) = quotas.map(|quota| quota.take(client.ip())).collect() else {
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
            permits,
            _busy: self.busy.clone(),
        })
    }
}

impl Seat {
    /// How many sixteenths of all places are taken.
    pub(crate) fn crowding(&self) -> usize {
        self.permits.iter().map(Permit::crowding).max().unwrap_or_default()
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
                let via = speech.transport();
                let seat = door.places(client, via).ok().and_then(|places| door.seat(places, client, via));
                if let Some(seat) = seat {
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
