//! Who the client of a connection is: its peer, or whom a sender that must tell it names in a PROXY header; and the
//! same told to members that want to know.
//!
//! Whether a header is awaited depends on the peer's address alone. From everybody else nothing is looked for, so that
//! no client can name another one.

use crate::counts::Failure;
use crate::listener::Accepted;
use crate::notes::Passage;
use crate::opening::Told;
use crate::proxy_protocol::{self, Ends, Header, LONGEST, Malformed, Origin};
use crate::record::Fault;
use crate::stream::Socket;
use crate::worker::Local;
use config::model::ProxyProtocol;
use nix::sys::socket::{MsgFlags, recv};
use std::io;
use std::os::fd::AsRawFd;
use tokio::time::{Instant, timeout_at};

/// Why the client of a connection is not known.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("the PROXY header is malformed at {0}")]
    Malformed(#[from] Malformed),
    #[error("the PROXY header did not come within proxy.timeout.handshake")]
    Late,
    /// As checks do that only connect.
    #[error("the connection ended before a PROXY header: {0}")]
    Gone(#[from] io::Error),
}

/// The connection with its client known. None if it ends here, counted and logged.
pub(crate) async fn learn(local: &Local, mut accepted: Accepted, by: Instant) -> Option<Accepted> {
    if !accepted.awaits_header() {
        return Some(accepted);
    }
    // Few connections need what is held meanwhile; none should carry room for it.
    let received = Box::pin(timeout_at(by, receive(accepted.stream.socket())));
    match received.await.unwrap_or(Err(Unknown::Late)) {
        Ok(told) => {
            if let Some(ends) = told {
                accepted.client = Some(ends.source());
                accepted.destination = Some(ends.destination());
            }
            Some(accepted)
        }
        Err(unknown) => {
            refuse(local, &accepted, &unknown);
            None
        }
    }
}

fn refuse(local: &Local, accepted: &Accepted, unknown: &Unknown) {
    let Accepted { route, client, .. } = accepted;
    let listener = &route.name;
    let (failure, fault) = match unknown {
        Unknown::Malformed(_) => (Failure::BadProxyHeader, Fault::MalformedHeader),
        Unknown::Late => (Failure::SlowProxyHeader, Fault::LateHeader),
        Unknown::Gone(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            (Failure::ClientGone, Fault::ClosedEarly)
        }
        Unknown::Gone(_) => (Failure::ClientGone, Fault::BrokenEarly),
    };
    route.counts.failed(local.index(), failure);
    if let Some(notes) = &accepted.notes {
        notes.refused(&Passage { local, route, client: *client }, fault);
    }
    let (reason, why) = (failure.label(), unknown);
    tracing::debug!(sender = client.map(display), listener, reason, %why, "connection is closed");
    if failure != Failure::ClientGone
        && let Some(more) = local.admit_refusal(listener, failure)
    {
        let rule = "whoever is in proxy_protocol_from must begin with a PROXY header";
        tracing::warn!(listener, reason, more, %why, "connection is closed: {rule}");
    }
}

/// Takes the header from the stream, and nothing behind it. None: the sender speaks for itself, or names nobody.
async fn receive(socket: &Socket) -> Result<Option<Ends>, Unknown> {
    let mut held = Vec::new();
    let parsed = socket.when_readable(|| take_header(socket, &mut held)).await?;
    Ok(parsed?)
}

/// Reads what is there until the header is whole, or the kernel has no more.
fn take_header(socket: &Socket, held: &mut Vec<u8>) -> io::Result<Result<Option<Ends>, Malformed>> {
    let socket = socket.as_raw_fd();
    let mut seen = [0; LONGEST];
    loop {
        // A header that takes all the room is whole, so there always is some left.
        let room = &mut seen[..LONGEST - held.len()];
        let count = recv(socket, room, MsgFlags::MSG_PEEK)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let before = held.len();
        held.extend_from_slice(&room[..count]);
        let (header, taken) = match proxy_protocol::parse(held) {
            Ok(Some((header, length))) => (Some(header), length - before),
            Ok(None) => (None, count),
            Err(malformed) => return Ok(Err(malformed)),
        };
        // What was seen is there, so all of it comes at once.
        recv(socket, &mut room[..taken], MsgFlags::empty())?;
        if let Some(header) = header {
            return Ok(Ok(match header.origin {
                Origin::Inet { ends, .. } => Some(ends),
                Origin::Local | Origin::Unknown | Origin::Unix { .. } => None,
            }));
        }
    }
}

/// Whose connection it is: of a client without an address (a Unix socket's) nobody's that could be named, and not ours.
pub(crate) fn origin(ends: Option<Ends>) -> Origin<'static> {
    ends.map_or(Origin::Unknown, Ends::over_tcp)
}

/// The header that a member is sent before all else, with what is `told` of the client's TLS; empty if it wants none.
pub(crate) fn header(
    version: ProxyProtocol,
    told: Option<&Told>,
    origin: impl FnOnce() -> Origin<'static>,
) -> Vec<u8> {
    match version {
        ProxyProtocol::Off => Vec::new(),
        ProxyProtocol::V1 => origin().to_v1(),
        ProxyProtocol::V2 => {
            let header = Header { origin: origin(), facts: told.map(Told::facts).unwrap_or_default() };
            header.to_v2().expect("addresses of IP are short, and what is told is bounded")
        }
    }
}
