//! What the reader and the writer of a client's socket tell its connection, and ask of it.

use super::Connection;
use crate::clock::now;
use crate::http::http1::request::Beginning;
use crate::message::room;
use crate::stream::Stream;
use crate::turn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// How often it is seen after a client whose request waits: nothing is read of it meanwhile.
const LOOK: Duration = Duration::from_secs(1);

/// Whether what is sent next waits for others, which it does once: among many requests some response may always begin.
#[derive(Clone, Copy, Default)]
pub(super) enum Gathers {
    #[default]
    No,
    /// A response has begun.
    Yes,
    /// It has waited.
    Waited,
}

/// Whether a client of HTTP/1.1 is asked for the content of its request.
#[derive(Clone, Copy, Default)]
pub(super) enum Asking {
    #[default]
    No,
    /// As soon as anybody wants it.
    Due,
    Now,
}

impl Connection {
    /// When to see if a client is still there that has nothing to say, the last time having been this.
    pub(in crate::http) fn look_due(&self, last: Instant) -> Option<Instant> {
        let exchanges = self.exchanges.borrow();
        let since = exchanges.first()?.progress.borrow().whole();
        Some(since.max(last) + LOOK)
    }

    /// Whether the client is gone, whatever it has left to be read.
    pub(in crate::http) fn is_gone(&self) -> bool {
        self.socket.borrow().as_ref().is_none_or(|stream| stream.socket().is_gone())
    }

    /// What is sent next is the beginning of a response, which leaves with those of others.
    pub(in crate::http) fn gathers(&self) {
        if matches!(self.gathers.get(), Gathers::No) {
            self.gathers.set(Gathers::Yes);
        }
    }

    /// Whether what is to be sent waits for others. The client takes nothing meanwhile.
    pub(in crate::http) fn waits_for_others(&self, cx: &Context<'_>) -> bool {
        let waits = matches!(self.gathers.take(), Gathers::Yes);
        if waits {
            self.gathers.set(Gathers::Waited);
            turn::is_left_to_others(cx);
            self.stalled();
        }
        waits
    }

    /// The connection has this socket from here on.
    pub(in crate::http) fn holds(&self, stream: Stream) {
        *self.socket.borrow_mut() = Some(stream);
    }

    /// The socket, for whatever becomes of it.
    pub(in crate::http) fn take_socket(&self) -> Option<Stream> {
        self.socket.borrow_mut().take()
    }

    /// Does something with the socket, which is an error where it has been taken.
    pub(in crate::http) fn with_socket<T>(
        &self,
        operation: impl FnOnce(&mut Stream) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.socket.borrow_mut() {
            Some(stream) => operation(stream),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// The client has sent bytes.
    pub(crate) fn received(&self, bytes: usize) {
        self.route.borrow().counts.received(self.local.index(), bytes as u64);
        self.diary.received(bytes as u64);
    }

    /// Reads what there is of a client of HTTP/1.1, so many bytes at most or [`room::SMALL`]. Zero is its end.
    pub(in crate::http) fn poll_receive(&self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        // TLS gives one record at a time.
        let most = if self.is_encrypted() { most.min(room::RECORD) } else { most };
        let octets = ready!(self.with_socket(|stream| room::read(stream, cx, most)))?;
        let count = octets.len();
        if count > 0 {
            self.received(count);
            self.requests.borrow_mut().push(octets);
        }
        Poll::Ready(Ok(count))
    }

    /// The first bytes of the next head of HTTP/1.1 have come, which is held against the limits in force.
    pub(in crate::http) fn begins_head(&self) {
        self.refresh();
        self.diary.heard();
    }

    /// Whether what has come may be the beginning of another version of HTTP.
    pub(in crate::http) fn is_opening(&self) -> bool {
        self.is_fresh() && self.requests.borrow().beginning() == Beginning::Open
    }

    /// The client waits to be asked for the content of its request, or waits for nothing.
    pub(in crate::http) fn is_to_be_asked(&self, waits: bool) {
        self.asking.set(if waits { Asking::Due } else { Asking::No });
    }

    /// Somebody wants the content of the request.
    pub(in crate::http) fn content_is_asked_for(&self) {
        if matches!(self.asking.get(), Asking::Due) {
            self.asking.set(Asking::Now);
        }
    }

    /// Whether the client is to be asked for it, once.
    pub(in crate::http) fn takes_asking(&self) -> bool {
        let asks = matches!(self.asking.get(), Asking::Now);
        if asks {
            self.asking.set(Asking::No);
        }
        asks
    }

    /// Follows bytes of a client of HTTP/2. Returns how many of them may be passed on.
    pub(crate) fn follow(&self, bytes: &[u8]) -> usize {
        let mut frames = self.frames.borrow_mut();
        let Some(frames) = &mut *frames else { return bytes.len() };
        let blocks = frames.blocks();
        let good = frames.received(bytes, now());
        let mut waits = self.waits.borrow_mut();
        // A head may be behind the one before in what is read at once.
        let known = waits.head.filter(|_| frames.blocks() == blocks);
        waits.head = frames.in_head().then(|| known.unwrap_or_else(now));
        good
    }

    /// The client has taken so many bytes of these slices.
    pub(crate) fn sent(&self, slices: &[IoSlice<'_>], count: usize) {
        self.route.borrow().counts.sent(self.local.index(), count as u64);
        self.diary.sent(count as u64);
        if let Some(frames) = &mut *self.frames.borrow_mut() {
            let (mut left, now) = (count, now());
            for slice in slices {
                let part = &slice[..left.min(slice.len())];
                frames.sent(part, now);
                left -= part.len();
            }
        }
        let mut waits = self.waits.borrow_mut();
        // There is nothing to take where all has left.
        let took = count > 0 || waits.room.is_some();
        waits.taken(now());
        drop(waits);
        if took && !self.is_http2() {
            self.exchanges.borrow().iter().for_each(|exchange| exchange.is_taken());
        }
    }

    /// The client takes nothing at the moment.
    pub(crate) fn stalled(&self) {
        self.waits.borrow_mut().room.get_or_insert_with(now);
    }
}
