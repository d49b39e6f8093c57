//! Serving DNS over QUIC (RFC 9250): one query per bidirectional stream, behind its length, with the number 0.
//!
//! A client that breaks these rules loses its connection with `DOQ_PROTOCOL_ERROR`. While a worker or a client has its
//! fill, connections are refused; where places are getting scarce, an address must first show that it is one
//! (Retry, RFC 9000 §8.1.2). Since a QUIC connection has no socket of its own, those of an address that is given up
//! finish their queries and end.

mod query;

use crate::accept::{Door, Seat, Unwelcome};
use crate::encryption::Encryption;
use crate::handshake::{self, HandshakeFailure};
use crate::metrics::Transport;
use crate::question::DropReason;
use crate::resolver::Received;
use crate::worker::Leave;
use query::{Fault, MOST};
use quinn::{
    Connection, ConnectionError, Endpoint, Incoming, ReadToEndError, RecvStream, SendStream, TokioRuntime,
    VarInt,
};
use std::io;
use std::net::UdpSocket;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a query may take to arrive, and its reply to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// From so many sixteenths of all places on, a client's address is verified before it gets one.
const SCARCE: usize = 8;

/// Error codes of RFC 9250 §8.4.
const NO_ERROR: VarInt = VarInt::from_u32(0);
const INTERNAL_ERROR: VarInt = VarInt::from_u32(1);
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);
const REQUEST_CANCELLED: VarInt = VarInt::from_u32(3);
const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(4);

/// The first of the codes that carry a TLS alert (RFC 9001 §4.8), and alerts about what both sides speak.
const CRYPTO_ERROR: u64 = 0x100;
const HANDSHAKE_FAILURE: u64 = 40;
const PROTOCOL_VERSION: u64 = 70;
const NO_APPLICATION_PROTOCOL: u64 = 120;

/// An endpoint that takes connections. Dropping it ends that: they finish their queries and close.
struct Accepting {
    endpoint: Endpoint,
    ending: watch::Sender<bool>,
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.endpoint.set_server_config(None);
        self.ending.send_replace(true);
    }
}

/// Opens the endpoint of one worker at `socket`.
pub(crate) fn open(socket: UdpSocket, encryption: &Encryption) -> io::Result<Endpoint> {
    let server = Some(encryption.quic.clone());
    Endpoint::new(encryption.endpoint.clone(), server, socket, Arc::new(TokioRuntime))
}

/// Accepts until `leave` is closed.
pub(crate) async fn serve(endpoint: Endpoint, door: Door, mut leave: Leave) {
    let (ending, ends) = watch::channel(false);
    let accepting = Accepting { endpoint, ending };
    loop {
        let incoming = tokio::select! {
            biased;
            _ = &mut leave => return,
            incoming = accepting.endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { return };
        let client = incoming.remote_address();
        let places = match door.places(client, Transport::Quic) {
            Ok(places) => places,
            Err(Unwelcome::Refused) => {
                incoming.refuse();
                continue;
            }
            Err(Unwelcome::Ignored) => {
                incoming.ignore();
                continue;
            }
        };
        if !incoming.remote_address_validated() && places.crowding() >= SCARCE {
            // It fails only for an address that was verified.
            let _ = incoming.retry();
            continue;
        }
        match door.seat(places, client, Transport::Quic) {
            Some(seat) => drop(tokio::spawn(attend(incoming, seat, ends.clone()))),
            None => incoming.refuse(),
        }
    }
}

/// Serves one connection to its end.
async fn attend(incoming: Incoming, seat: Seat, ends: watch::Receiver<bool>) {
    let shaken = async { incoming.accept()?.await };
    let failure = match timeout(handshake::TIME, shaken).await {
        Ok(Ok(connection)) => return converse(connection, seat, ends).await,
        Ok(Err(error)) => failure(&error),
        Err(_) => HandshakeFailure::Timeout,
    };
    seat.shared.metrics().connections.handshake_failed(seat.via, failure);
    tracing::debug!(client = %seat.client, reason = failure.label(), "handshake failed");
}

fn failure(error: &ConnectionError) -> HandshakeFailure {
    match error {
        ConnectionError::TimedOut => HandshakeFailure::Timeout,
        ConnectionError::ConnectionClosed(_) => HandshakeFailure::Alert,
        ConnectionError::VersionMismatch => HandshakeFailure::Incompatible,
        ConnectionError::TransportError(error) => match u64::from(error.code).checked_sub(CRYPTO_ERROR) {
            Some(HANDSHAKE_FAILURE | PROTOCOL_VERSION | NO_APPLICATION_PROTOCOL) => {
                HandshakeFailure::Incompatible
            }
            _ => HandshakeFailure::Malformed,
        },
        ConnectionError::ApplicationClosed(_)
        | ConnectionError::Reset
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => HandshakeFailure::Closed,
    }
}

/// Answers queries until the client closes, is idle, or `ends` says that no more are taken.
async fn converse(connection: Connection, seat: Seat, mut ends: watch::Receiver<bool>) {
    let mut ending = pin!(ends.wait_for(|ending| *ending));
    let seat = Arc::new(seat);
    let mut queries = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(done) = queries.join_next(), if !queries.is_empty() => match done {
                Ok(Ok(())) => {}
                Ok(Err(Broken)) => return connection.close(PROTOCOL_ERROR, b""),
                // A panic costs one query, whose stream ends without a reply.
                Err(_) => seat.shared.metrics().dropped(DropReason::Panic),
            },
            stream = connection.accept_bi() => match stream {
                Ok((send, receive)) => drop(queries.spawn(exchange(send, receive, Arc::clone(&seat)))),
                // The client is gone; what it asked goes on, since others may ask the same.
                Err(_) => return queries.detach_all(),
            },
            _ = &mut ending => break,
        }
    }
    while queries.join_next().await.is_some() {}
    connection.close(NO_ERROR, b"");
    // The runtime may be about to end: the connection's own task gets its turn to send that.
    tokio::task::yield_now().await;
}

/// The client broke the protocol.
struct Broken;

/// Why a query gets no reply.
enum Unanswered {
    Broken,
    /// With the code that the client hears.
    Abandoned(VarInt),
}

/// One query and its reply.
async fn exchange(mut send: SendStream, mut receive: RecvStream, seat: Arc<Seat>) -> Result<(), Broken> {
    let answered = answer(&mut send, &mut receive, &seat).await;
    // A stream that is closed already needs no more; one that is dropped would look like an empty reply.
    let mut abandon = |code| drop((receive.stop(code), send.reset(code)));
    match answered {
        Ok(()) => Ok(()),
        Err(Unanswered::Broken) => {
            abandon(PROTOCOL_ERROR);
            Err(Broken)
        }
        Err(Unanswered::Abandoned(code)) => {
            abandon(code);
            Ok(())
        }
    }
}

async fn answer(send: &mut SendStream, receive: &mut RecvStream, seat: &Seat) -> Result<(), Unanswered> {
    let octets = timeout(PATIENCE, receive.read_to_end(MOST))
        .await
        .map_err(|_| Unanswered::Abandoned(EXCESSIVE_LOAD))?
        .map_err(|error| match error {
            ReadToEndError::TooLong => Unanswered::Broken,
            // The client took its query back, or is gone.
            ReadToEndError::Read(_) => Unanswered::Abandoned(REQUEST_CANCELLED),
        })?;
    let message = query::message(&octets).map_err(|Fault| Unanswered::Broken)?;
    let (mut reply, began) = (Vec::new(), Instant::now());
    match seat.shared.receive(message, seat.client, seat.via, &mut reply) {
        Received::Reply => seat.shared.metrics().times.memory.count(began.elapsed(), 1),
        Received::Job(job) => job.run(&mut reply).await,
        Received::Nothing => return Err(Unanswered::Abandoned(EXCESSIVE_LOAD)),
    }
    let framed = query::framed(&reply).ok_or(Unanswered::Abandoned(INTERNAL_ERROR))?;
    let written = timeout(PATIENCE, send.write_all(&framed)).await;
    if matches!(written, Ok(Ok(()))) && send.finish().is_ok() {
        return Ok(());
    }
    seat.shared.metrics().dropped(DropReason::ConnectionGone);
    Err(Unanswered::Abandoned(REQUEST_CANCELLED))
}

#[cfg(test)]
mod tests;
