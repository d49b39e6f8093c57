//! What the reader and the writer of a client's socket tell its connection, and ask of it.

use super::Connection;
use crate::clock::now;
use crate::stream::Stream;
use crate::turn;
use std::io::IoSlice;
use std::task::Context;
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

impl Connection {
    /// When to see if a client is still there that has nothing to say, the last time having been this.
    pub(in crate::http) fn look_due(&self, last: Instant) -> Option<Instant> {
        let exchanges = self.exchanges.borrow();
        let since = exchanges.first()?.progress.borrow().whole();
        Some(since.max(last) + LOOK)
    }

    /// Has the socket be looked at when it is used next.
    pub(in crate::http) fn looks(&self) {
        self.looks.set(true);
    }

    /// Whether the socket is to be looked at, once.
    pub(in crate::http) fn takes_look(&self) -> bool {
        self.looks.take()
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

    /// Keeps the socket of which the HTTP library has let go.
    pub(in crate::http) fn leave(&self, stream: Stream) {
        *self.left.borrow_mut() = Some(stream);
    }

    /// The socket of which the HTTP library has let go.
    pub(in crate::http) fn take_left(&self) -> Option<Stream> {
        self.left.borrow_mut().take()
    }

    /// The client has sent bytes.
    pub(crate) fn received(&self, bytes: usize) {
        self.route.borrow().counts.received(self.local.index(), bytes as u64);
        self.diary.received(bytes as u64);
    }

    /// Follows bytes of the client. Returns how many of them may be passed on.
    pub(crate) fn follow(&self, bytes: &[u8]) -> usize {
        if !bytes.is_empty() && self.wire.borrow().is_between() {
            // The next head is held against the limits in force.
            self.refresh();
        }
        let mut wire = self.wire.borrow_mut();
        let blocks = wire.blocks();
        if !bytes.is_empty() && wire.awaits_head() {
            self.diary.heard();
        }
        let good = wire.received(bytes, now);
        if wire.is_between() {
            self.diary.heard_nothing();
        }
        let mut waits = self.waits.borrow_mut();
        let known = waits.head.filter(|_| wire.blocks() == blocks);
        waits.head = wire.in_head().then(|| known.unwrap_or_else(now));
        good
    }

    /// The client has begun HTTP/2, of which whoever reads HTTP/1.1 sees nothing.
    pub(in crate::http) fn asks_http2(&self) {
        self.http2_asked.set(true);
    }

    pub(in crate::http) fn is_http2_asked(&self) -> bool {
        self.http2_asked.get()
    }

    /// What has come may be the beginning of another version of HTTP.
    pub(in crate::http) fn is_opening(&self) {
        self.waits.borrow_mut().head.get_or_insert_with(now);
    }

    /// The client has taken so many bytes of these slices.
    pub(crate) fn sent(&self, slices: &[IoSlice<'_>], count: usize) {
        self.route.borrow().counts.sent(self.local.index(), count as u64);
        self.diary.sent(count as u64);
        self.wire.borrow_mut().sent(slices, count, now);
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
