//! HTTP connections to members, kept for the next request: one set per worker, shared by its clients.
//!
//! A connection is driven by whoever uses it, in the task of the client; an idle one is looked at by its worker once a
//! second and dropped when the member has closed it, when it has been idle for long, or when the member has left the
//! configuration or is spoken to over TLS in another way.

use crate::dial::{Dial, First};
use crate::http::body::RequestBody;
use crate::http::io::MemberStream;
use crate::origination::Secured;
use crate::pool::MemberState;
use crate::snapshot::{Shared, Snapshot};
use crate::stream::Stream;
use bytes::Bytes;
use hyper::client::conn::http1::{Builder, Connection, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{self, Instant};

/// How long a connection may be idle. Servers close theirs after 5 s (Apache) to 75 s (nginx).
const IDLE: Duration = Duration::from_secs(30);
/// Idle connections kept per member and worker.
const KEPT: usize = 1024;
/// How often idle connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// The read and write buffers of one connection grow to this at most.
pub(crate) const MAX_BUFFER: usize = 64 << 10;

/// One connection to a member.
pub(crate) struct Upstream {
    member: Arc<MemberState>,
    /// How it speaks TLS, if it does.
    secured: Option<Arc<Secured>>,
    pub(crate) sender: SendRequest<RequestBody>,
    connection: Connection<TokioIo<MemberStream>, RequestBody>,
    /// The socket that `connection` owns.
    socket: RawFd,
    ended: bool,
    /// Set when a byte arrives.
    pub(crate) heard: Rc<Cell<bool>>,
    /// Whether it has carried a request before.
    pub(crate) reused: bool,
    idle_since: Instant,
    /// Whether the member takes every request on it to come from the client that a header named.
    is_told: bool,
}

impl Upstream {
    /// Opens a connection, which begins with `first`.
    pub(crate) async fn open(
        dial: &Dial<'_>,
        member: Arc<MemberState>,
        first: &First,
    ) -> io::Result<Box<Self>> {
        let secured = dial.secured(&member).map_err(io::Error::other)?.cloned();
        let stream = dial.connect(&member, first).await?;
        let socket = stream.socket().as_raw_fd();
        let heard = Rc::new(Cell::new(false));
        let io = TokioIo::new(MemberStream::new(stream, Rc::clone(&heard)));
        let (sender, connection) =
            Builder::new().max_buf_size(MAX_BUFFER).handshake(io).await.map_err(io::Error::other)?;
        Ok(Box::new(Self {
            secured,
            member,
            sender,
            connection,
            socket,
            ended: false,
            heard,
            reused: false,
            is_told: !first.header.is_empty(),
            idle_since: Instant::now(),
        }))
    }

    /// Drives reading and writing. Whether it failed shows in what is read and sent.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.ended && Pin::new(&mut self.connection).poll(cx).is_ready() {
            self.ended = true;
        }
    }

    /// Whether the connection can take a request, as far as this side knows at this moment.
    fn is_usable(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.ended && self.sender.is_ready()
    }

    /// Whether the HTTP library is done with it, as it is once it has read that an upgrade or a tunnel is granted.
    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// The connection itself and what was read ahead on it, once a response has granted an upgrade or a tunnel: the HTTP
    /// library is done with it then, and has written all.
    pub(crate) fn into_switched(self) -> (Stream, Bytes) {
        let Parts { io, read_buf, .. } = self.connection.into_parts();
        (io.into_inner().into_inner(), read_buf)
    }

    /// Whether it speaks TLS in this way, or none.
    fn speaks_as(&self, secured: Option<&Arc<Secured>>) -> bool {
        self.secured.as_ref().map(Arc::as_ptr) == secured.map(Arc::as_ptr)
    }

    /// Whether nothing waits to be read: neither the member's close, nor bytes behind its last response, which would
    /// be taken for the answer to the next request.
    ///
    /// Asks the kernel: the runtime hears of what has come only when it next polls.
    fn is_silent(&self) -> bool {
        recv(self.socket, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) == Err(Errno::EAGAIN)
    }
}

/// The idle connections of one worker.
#[derive(Default)]
pub(crate) struct Upstreams {
    #[expect(clippy::vec_box, reason = "a connection is large, and moves in and out with every request")]
    idle: RefCell<HashMap<*const MemberState, Vec<Box<Upstream>>>>,
    filled: Notify,
}

impl Upstreams {
    /// An idle connection to the member that speaks as `secured` does: the one used last, which is the likeliest to be
    /// alive.
    pub(crate) fn check_out(
        &self,
        member: &Arc<MemberState>,
        secured: Option<&Arc<Secured>>,
    ) -> Option<Box<Upstream>> {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.get_mut(&Arc::as_ptr(member))?;
        while let Some(mut upstream) = kept.pop() {
            if upstream.speaks_as(secured) && upstream.is_usable() && upstream.is_silent() {
                return Some(upstream);
            }
        }
        None
    }

    /// Keeps a connection whose response has ended, if any client can use it again.
    pub(crate) fn check_in(&self, mut upstream: Box<Upstream>) {
        if upstream.is_told || !upstream.is_usable() {
            return;
        }
        upstream.reused = true;
        upstream.idle_since = Instant::now();
        let mut idle = self.idle.borrow_mut();
        let kept = idle.entry(Arc::as_ptr(&upstream.member)).or_default();
        if kept.len() < KEPT {
            kept.push(upstream);
            self.filled.notify_one();
        }
    }

    /// Drops what cannot be used again, forever.
    pub(crate) async fn tend(&self, shared: &Shared) {
        loop {
            if self.idle.borrow().is_empty() {
                self.filled.notified().await;
            }
            time::sleep(SWEEP).await;
            self.sweep(&shared.snapshot.load(), Instant::now());
        }
    }

    fn sweep(&self, snapshot: &Snapshot, now: Instant) {
        self.idle.borrow_mut().retain(|_, kept| {
            let found = kept.first().and_then(|upstream| snapshot.find(&upstream.member));
            let Some((pool, place)) = found else { return false };
            let secured = pool.secured_at(place);
            kept.retain_mut(|upstream| {
                now - upstream.idle_since < IDLE && upstream.speaks_as(secured) && upstream.is_usable()
            });
            !kept.is_empty()
        });
    }
}

/// Drives the connection until `poll` is ready, which is asked after each step.
pub(crate) fn poll_with<T>(
    upstream: &mut Upstream,
    cx: &mut Context<'_>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    let polled = poll(cx);
    if polled.is_ready() {
        return polled;
    }
    upstream.drive(cx);
    poll(cx)
}
