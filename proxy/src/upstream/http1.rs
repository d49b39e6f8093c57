//! One connection to a member that speaks HTTP/1.1: one request at a time, driven in the task of its client.

use super::choice::Seeker;
use crate::dial::{Dial, First};
use crate::http::body::RequestBody;
use crate::http::io::MemberStream;
use crate::origination::Secured;
use crate::pool::MemberState;
use crate::stream::Stream;
use bytes::Bytes;
use config::model::ProxyProtocol;
use hyper::client::conn::http1::{Builder, Connection, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use nix::sys::socket::{SockaddrStorage, getsockname};
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::time::Instant;

/// The read and write buffers of one connection grow to this at most.
pub(crate) const MAX_BUFFER: usize = 64 << 10;

/// One connection to a member.
pub(crate) struct Http1 {
    pub(super) member: Arc<MemberState>,
    /// How it speaks TLS, if it does.
    secured: Option<Arc<Secured>>,
    pub(crate) sender: SendRequest<RequestBody>,
    connection: Connection<TokioIo<MemberStream>, RequestBody>,
    /// The socket that `connection` owns.
    socket: RawFd,
    ended: bool,
    /// Set when a byte arrives.
    pub(crate) heard: Rc<Cell<bool>>,
    /// The requests that it carried before.
    pub(super) carried: u64,
    pub(super) idle_since: Instant,
    /// How the member was told of the client that it takes every request to come from.
    told: ProxyProtocol,
    /// Whether it belongs to the client connection that it serves.
    pub(super) owned: bool,
}

impl Http1 {
    /// Opens a connection, which begins with `first`, for a request like this.
    pub(crate) async fn open(
        dial: &Dial<'_>,
        member: Arc<MemberState>,
        (seeker, first): (Seeker, &First),
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
            carried: 0,
            idle_since: Instant::now(),
            told: seeker.told,
            owned: seeker.keeps(),
        }))
    }

    /// This side's end.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        let name = getsockname::<SockaddrStorage>(self.socket).ok()?;
        let v4 = name.as_sockaddr_in().map(|name| SocketAddr::V4((*name).into()));
        v4.or_else(|| name.as_sockaddr_in6().map(|name| SocketAddr::V6((*name).into())))
    }

    /// Drives reading and writing. Whether it failed shows in what is read and sent.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.ended && Pin::new(&mut self.connection).poll(cx).is_ready() {
            self.ended = true;
        }
    }

    /// Whether the connection can take a request: the member has not closed it, and nothing lies behind its last response,
    /// which would be taken for the answer to the next request. As far as the runtime has heard.
    pub(super) fn is_usable(&mut self) -> bool {
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

    /// Whether it has carried a request before.
    pub(crate) const fn is_reused(&self) -> bool {
        self.carried > 0
    }

    /// It serves its client only from here on.
    pub(crate) const fn keep_for_client(&mut self) {
        self.owned = true;
    }

    /// Whether a request has found it still alive, and so the member knows how to keep connections.
    pub(super) const fn is_proven(&self) -> bool {
        self.carried > 1
    }

    /// Whether it speaks TLS in this way, or none, and told the member of its client so.
    pub(super) fn speaks_as(&self, secured: Option<&Arc<Secured>>, told: ProxyProtocol) -> bool {
        self.secured.as_ref().map(Arc::as_ptr) == secured.map(Arc::as_ptr) && self.told == told
    }
}

/// Drives the connection until `poll` is ready, which is asked after each step.
pub(crate) fn poll_with<T>(
    upstream: &mut Http1,
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
