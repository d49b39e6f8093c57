//! What a client says ahead of its data: a TLS handshake, where the listener terminates TLS, or a `ClientHello` that is
//! read on its way to the member, where the listener has pools for some names.
//!
//! Both end in a connection whose pool and facts are known. Whoever does not come so far in `timeout.handshake`, or
//! speaks something else, is turned away, counted by reason. Of a `ClientHello` that is only read nothing is answered or
//! changed: its octets go to the member as they came.

mod fault;
mod names;
mod told;

pub(crate) use names::Names;
pub(crate) use told::Told;

use crate::client_hello::{self, ClientHello, Progress};
use crate::counts::Failure;
use crate::linger;
use crate::listener::Accepted;
use crate::notes::{MaybeNotes, Passage};
use crate::pool::Pool;
use crate::stream::Stream;
use crate::termination::Termination;
use crate::worker::Local;
use fault::Fault;
use rustls::HandshakeKind;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};

/// Octets of room for a `ClientHello`; most take a quarter to all of it.
const ROOM: usize = 2 << 10;

/// What has come of it.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The pool of the name that the client asked for.
    pub(crate) pool: Arc<Pool>,
    /// For members that want to know.
    pub(crate) told: Told,
    /// Octets that were read and belong to the member.
    pub(crate) ahead: Vec<u8>,
}

/// The connection with its opening behind it. None if it ends here, counted and logged.
pub(crate) async fn hear(local: &Local, accepted: Accepted, by: Instant) -> Option<Accepted> {
    match accepted.route.termination.clone() {
        Some(termination) => terminate(local, accepted, &termination, by).await,
        None => read(local, accepted, by).await,
    }
}

async fn terminate(
    local: &Local,
    accepted: Accepted,
    termination: &Termination,
    by: Instant,
) -> Option<Accepted> {
    let Accepted { stream, client, route, mut notes, .. } = accepted;
    let passage = Passage { local, route: &route, client };
    match timeout_at(by, termination.acceptor.accept(stream.into_socket()).into_fallible()).await {
        Ok(Ok(stream)) => {
            let (_, session) = stream.get_ref();
            let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
            route.counts.shaken(local.index(), resumed);
            let told = Told::by_session(session);
            let opening = Opening { pool: route.pool_of(told.server_name()), told, ahead: Vec::new() };
            note(&mut notes, &opening);
            let (stream, opening) = (stream.into(), Some(Box::new(opening)));
            Some(Accepted { stream, client, route, opening, notes, ..accepted })
        }
        Ok(Err((error, socket))) => {
            refuse(&passage, &notes, &Fault::of(error));
            // The alert says why, and should arrive.
            linger::close(socket.into()).await;
            None
        }
        Err(_) => {
            refuse(&passage, &notes, &Fault::Late);
            None
        }
    }
}

async fn read(local: &Local, mut accepted: Accepted, by: Instant) -> Option<Accepted> {
    let mut ahead = Vec::with_capacity(ROOM);
    let heard = timeout_at(by, client_hello(&mut accepted.stream, &mut ahead)).await;
    accepted.route.counts.received(local.index(), ahead.len() as u64);
    match heard.unwrap_or(Err(Fault::Late)) {
        Ok(hello) => {
            let told = Told::by_name(hello.server_name);
            let pool = accepted.route.pool_of(told.server_name());
            let opening = Opening { pool, told, ahead };
            note(&mut accepted.notes, &opening);
            accepted.opening = Some(Box::new(opening));
            Some(accepted)
        }
        Err(fault) => {
            let passage = Passage { local, route: &accepted.route, client: accepted.client };
            refuse(&passage, &accepted.notes, &fault);
            linger::close(accepted.stream).await;
            None
        }
    }
}

/// Reads until the message is whole. What is not TLS asks for no name.
async fn client_hello(stream: &mut Stream, ahead: &mut Vec<u8>) -> Result<ClientHello, Fault> {
    loop {
        if stream.read_buf(ahead).await? == 0 {
            return Err(Fault::Gone(std::io::ErrorKind::UnexpectedEof.into()));
        }
        match client_hello::parse(ahead)? {
            Progress::More => {}
            Progress::NotTls => return Ok(ClientHello::default()),
            Progress::Hello(hello) => return Ok(hello),
        }
    }
}

/// Keeps in mind what the line about the connection tells.
fn note(notes: &mut MaybeNotes, opening: &Opening) {
    if let Some(notes) = notes {
        notes.pool = Some(Arc::clone(&opening.pool));
        notes.bytes.received += opening.ahead.len() as u64;
        notes.protected(Some(&opening.told));
    }
}

fn refuse(passage: &Passage<'_>, notes: &MaybeNotes, fault: &Fault) {
    let Passage { local, route, client } = passage;
    let (listener, failure) = (&route.name, fault.failure());
    route.counts.failed(local.index(), failure);
    if let Some(notes) = notes {
        notes.refused(passage, fault.line());
    }
    let (reason, why) = (failure.label(), fault);
    tracing::debug!(client = client.map(display), listener, reason, %why, "handshake failed");
    if failure != Failure::ClientGone
        && let Some(more) = local.admit_refusal(listener, failure)
    {
        tracing::info!(listener, reason, more, %why, "handshake failed");
    }
}
