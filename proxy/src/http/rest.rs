//! A client connection of HTTP/1.1 on which nothing happens: what served it is gone, and comes back with the client's next
//! byte or its end.
//!
//! Its places, its deadline and the word to stop hold on. Whatever ends it is dealt with by what serves it, as if
//! it had been there all the time.

use super::go_on;
use super::guest::Guest;
use crate::counts::Failure;
use crate::listener::Stage;
use crate::stream::{Still, Stream};
use crate::worker::Stop;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// All that is left of it.
pub(crate) struct Rest {
    guest: Guest,
    socket: Still,
    stop: Stop,
}

/// It rests from here on.
pub(super) fn stage(guest: Guest, stream: Stream, stop: Stop) -> Option<Stage> {
    match stream.still() {
        Ok(socket) => Some(Stage::Rests(Rest { guest, socket, stop })),
        Err(error) => lost(&guest, &error),
    }
}

impl Rest {
    /// Until when a request is waited for.
    pub(crate) fn until(&self) -> Instant {
        let Guest { route, rested, .. } = &self.guest;
        rested.until(&route.timeout)
    }

    /// Whether its listener goes.
    pub(crate) fn is_to_stop(&self) -> bool {
        self.stop.is_due()
    }

    /// What serves it comes back.
    pub(crate) fn wake(self) -> Option<Stage> {
        let Self { guest, socket, stop } = self;
        match socket.into_stream() {
            Ok(stream) => Some(Stage::new(go_on(guest, stream, stop))),
            Err(error) => lost(&guest, &error),
        }
    }
}

impl AsFd for Rest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The socket does not change hands with the runtime, which is short of something.
fn lost(guest: &Guest, error: &io::Error) -> Option<Stage> {
    guest.route.counts.failed(guest.local.index(), Failure::Shortage);
    tracing::debug!(%error, listener = guest.route.name, "a connection that rested is lost");
    None
}
