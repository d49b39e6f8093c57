//! One connection to a member that speaks HTTP/2: many requests at a time, of many clients, driven by a task of its own.
//!
//! RFC 9113. A member that stays silent to a PING is gone for all its requests at once. Deliberately not here: server
//! push, which is refused, and priorities.

mod late;
mod pulse;
mod tunnel;

pub(crate) use tunnel::Tunnel;

use crate::clock::now;
use crate::dial::{self, Dial, First};
use crate::origination::Secured;
use crate::pool::MemberState;
use bytes::Bytes;
use config::model::ProxyProtocol;
use h2::client::{Builder, Connection, SendRequest};
use late::LateEnd;
use pulse::Pulse;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// Requests under way on one connection; further ones open another.
const STREAMS: usize = 100;
/// Octets of one answer that may be on their way to a client that takes none, as with HAProxy.
const STREAM_WINDOW: u32 = 64 << 10;
/// The same in a crowd.
const TIGHT_STREAM_WINDOW: u32 = 16 << 10;
/// All streams bound what may come on a connection, which must not stall for those of other clients.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// The fields of one answer, decoded.
const HEAD: u32 = 64 << 10;
/// Octets of one request that wait for the socket of a member that has given it room, and takes nothing.
const BUFFER: usize = 64 << 10;
/// The same in a crowd.
const TIGHT_BUFFER: usize = 16 << 10;

/// One connection.
pub(crate) struct Http2 {
    pub(super) member: Arc<MemberState>,
    /// How it speaks TLS, if it does.
    secured: Option<Arc<Secured>>,
    /// How the member was told of the client that it takes every request to come from.
    told: ProxyProtocol,
    sender: RefCell<SendRequest<Bytes>>,
    /// The requests that it carried.
    carried: Cell<u64>,
    idle_since: Cell<Instant>,
    /// Whether its task has ended.
    ended: Cell<bool>,
    pulse: Rc<Pulse>,
    /// Whether it takes no further request.
    retired: Cell<bool>,
    /// Whether its end was held against the member.
    blamed: Cell<bool>,
}

impl Http2 {
    /// Opens a connection, which begins with `first`, for a request like this.
    pub(super) async fn open(
        dial: &Dial<'_>,
        member: &Arc<MemberState>,
        (told, first): (ProxyProtocol, &First),
    ) -> io::Result<Rc<Self>> {
        let secured = dial.secured(member).map_err(io::Error::other)?.cloned();
        let pulse = Rc::<Pulse>::default();
        let builder = builder(dial.local().is_crowded());
        let (sender, connection) = dial
            .reach(member, async {
                let stream = dial::open(member, first, secured.as_ref()).await?;
                let greeted = greeted(builder, LateEnd::new(stream, Rc::clone(&pulse))).await;
                greeted.inspect_err(|error| tell(member, error))
            })
            .await?;
        let opened = Rc::new(Self {
            member: Arc::clone(member),
            secured,
            told,
            sender: RefCell::new(sender),
            carried: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            ended: Cell::new(false),
            pulse: Rc::clone(&pulse),
            retired: Cell::new(false),
            blamed: Cell::new(false),
        });
        // Whoever holds it keeps it open; its task must not.
        let known = Rc::downgrade(&opened);
        tokio::task::spawn_local(async move {
            drive(connection, &pulse).await;
            if let Some(known) = known.upgrade() {
                known.ended.set(true);
            }
        });
        Ok(opened)
    }

    /// Whether it can take a request, as far as this side knows at this moment.
    pub(super) fn is_usable(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        !self.ended.get()
            && !self.retired.get()
            && matches!(self.sender.borrow_mut().poll_ready(&mut cx), Poll::Ready(Ok(())))
    }

    /// Whether the member and this side let it have one more.
    pub(super) fn has_room(&self) -> bool {
        self.pulse.streams.get() < self.sender.borrow().current_max_send_streams().min(STREAMS)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.pulse.streams.get() == 0
    }

    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since.get()
    }

    /// Whether somebody is to be blamed for what came of a request: for the end of the connection once.
    pub(super) fn blames_once(&self) -> bool {
        !self.ended.get() || !self.blamed.replace(true)
    }

    /// Whether it speaks TLS in this way, or none, and told the member of its client so.
    pub(super) fn speaks_as(&self, secured: Option<&Arc<Secured>>, told: ProxyProtocol) -> bool {
        self.secured.as_ref().map(Arc::as_ptr) == secured.map(Arc::as_ptr) && self.told == told
    }
}

fn builder(crowded: bool) -> Builder {
    let mut builder = Builder::new();
    let (window, buffer) =
        if crowded { (TIGHT_STREAM_WINDOW, TIGHT_BUFFER) } else { (STREAM_WINDOW, BUFFER) };
    builder
        .enable_push(false)
        // Until the member has said how many it takes.
        .initial_max_send_streams(0)
        .initial_window_size(window)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD)
        .max_send_buffer_size(buffer);
    builder
}

/// Waits until the member has said by its SETTINGS what it takes (RFC 9113 §3.4): it would refuse more requests than that,
/// and must not be sent what it has not allowed (RFC 8441 §3).
async fn greeted<S: AsyncRead + AsyncWrite + Unpin>(
    builder: Builder,
    stream: LateEnd<S>,
) -> io::Result<(SendRequest<Bytes>, Connection<LateEnd<S>, Bytes>)> {
    let (sender, mut connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
    poll_fn(|cx| {
        if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
            let why = ended.err().map_or_else(|| io::ErrorKind::UnexpectedEof.into(), io::Error::other);
            return Poll::Ready(Err(why));
        }
        if sender.current_max_send_streams() > 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await?;
    Ok((sender, connection))
}

/// Has the log say that the member does not speak HTTP/2, where it says something else: a check by tcp sees nothing of that.
fn tell(member: &MemberState, error: &io::Error) {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<h2::Error>());
    if cause.is_none_or(h2::Error::is_io) {
        return;
    }
    if let Some(more) = member.admit_mismatch(now()) {
        let (pool, member) = (&member.pool, &member.name);
        let remedy = "set protocol = \"h1\" in the pool, or have the member speak HTTP/2";
        tracing::warn!(pool, member, more, %error, remedy, "clients cannot be passed on to this member");
    }
}

/// Reads and writes until the connection ends. What ends it shows in its streams.
async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Connection<LateEnd<S>, Bytes>,
    pulse: &Pulse,
) {
    let pings = connection.ping_pong().expect("nobody has taken it before");
    let mut fades = pin!(pulse.fades(pings));
    poll_fn(|cx| {
        let ended = Pin::new(&mut connection).poll(cx).map(drop);
        if ended.is_pending() { fades.as_mut().poll(cx).map(|()| pulse.cut.set(true)) } else { ended }
    })
    .await;
}

/// The place of one request on a connection, which it keeps until all of its answer has come.
pub(crate) struct Stream {
    connection: Rc<Http2>,
    reused: bool,
}

impl Stream {
    pub(super) fn new(connection: Rc<Http2>) -> Self {
        let reused = connection.carried.get() > 0;
        connection.carried.set(connection.carried.get() + 1);
        connection.pulse.streams.set(connection.pulse.streams.get() + 1);
        Self { connection, reused }
    }

    /// Whether the connection has carried a request before.
    pub(crate) const fn is_reused(&self) -> bool {
        self.reused
    }

    /// Whether TLS protects it.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.connection.secured.is_some()
    }

    pub(crate) fn member(&self) -> &MemberState {
        &self.connection.member
    }

    /// What opens the stream.
    pub(crate) fn sender(&self) -> SendRequest<Bytes> {
        self.connection.sender.borrow().clone()
    }

    /// Whether the member allows `WebSocket` by extended `CONNECT`.
    pub(crate) fn allows_websockets(&self) -> bool {
        self.connection.sender.borrow().is_extended_connect_protocol_enabled()
    }

    /// Whether the connection broke under what was under way on it. Until then a GOAWAY ends those streams only that the
    /// member has left alone.
    pub(crate) fn is_cut(&self) -> bool {
        self.connection.pulse.cut.get()
    }

    /// A part of an answer has come.
    pub(crate) fn is_answered(&self) {
        self.connection.pulse.is_answered();
    }

    pub(super) fn connection(&self) -> Rc<Http2> {
        Rc::clone(&self.connection)
    }

    /// The connection takes no further request.
    pub(crate) fn retire(&self) {
        self.connection.retired.set(true);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let streams = &self.connection.pulse.streams;
        streams.set(streams.get() - 1);
        self.connection.idle_since.set(Instant::now());
    }
}
