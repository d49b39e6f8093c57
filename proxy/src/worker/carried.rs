//! The task of one connection, and what is kept of it where it has none.

use super::{Local, Tracked};
use crate::counts::{Failure, ListenerCounts};
use crate::http::Rest;
use crate::listener::{Acts, Place, Stage, Ticket};
use futures_util::FutureExt;
use futures_util::future::CatchUnwind;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::Instant;

/// What a connection has of its listener, given back behind it.
pub(super) type Held = (Place, Option<Box<Ticket>>);

/// A connection from its accept, or its rest, to its next rest or its end. A panic in it stays in it.
///
/// Written by hand, since what an `async` block is given and then waits for has its room there twice.
pub(super) struct Carried(Option<Carrying>);

pub(super) struct Carrying {
    acts: CatchUnwind<AssertUnwindSafe<Acts>>,
    kept: Kept,
}

/// What a connection has whether anything happens on it or not.
struct Kept {
    held: Held,
    counts: Arc<ListenerCounts>,
    running: Tracked,
}

/// A connection that rests.
pub(super) struct Laid {
    rest: Rest,
    kept: Kept,
}

impl Carried {
    /// It has come, and is counted to its end.
    pub(super) fn begin(local: &Rc<Local>, counts: Arc<ListenerCounts>, held: Held, acts: Acts) -> Self {
        counts.opened(local.index);
        local.shared.connections.opened(local.index);
        local.connections.set(local.connections.get() + 1);
        local.rises();
        local.buffers.allow(local.shared.kept_per_worker());
        Self(Some(Kept { held, counts, running: Tracked::new(local) }.carrying(acts)))
    }
}

impl From<Carrying> for Carried {
    fn from(carrying: Carrying) -> Self {
        Self(Some(carrying))
    }
}

impl Future for Carried {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(carrying) = &mut self.0 {
            let next = ready!(carrying.acts.poll_unpin(cx));
            let Some(Carrying { acts, kept }) = self.0.take() else { break };
            drop(acts);
            self.0 = if let Ok(next) = next {
                kept.follow(next)
            } else {
                kept.panicked();
                None
            };
        }
        Poll::Ready(())
    }
}

impl Kept {
    fn carrying(self, acts: Acts) -> Carrying {
        Carrying { acts: AssertUnwindSafe(acts).catch_unwind(), kept: self }
    }

    /// What runs next, if anything does.
    fn follow(mut self, next: Option<Stage>) -> Option<Carrying> {
        match next {
            None => {
                self.end();
                None
            }
            Some(Stage::Acts(acts)) => Some(self.carrying(acts)),
            Some(Stage::Counts(ticket, next)) => {
                self.held.1 = Some(ticket);
                self.follow(Some(*next))
            }
            Some(Stage::Rests(rest)) => {
                let local = Rc::clone(&self.running.0);
                local.lay(Laid { rest, kept: self })?.wake()
            }
        }
    }

    fn panicked(self) {
        let Self { counts, running, .. } = &self;
        let index = running.0.index;
        counts.failed(index, Failure::Panic);
        tracing::error!(worker = index, "a connection's task panicked; the connection is closed");
        self.end();
    }

    fn end(self) {
        let Self { held, counts, running } = self;
        let local = &running.0;
        counts.closed(local.index);
        local.shared.connections.closed(local.index);
        local.connections.set(local.connections.get() - 1);
        local.falls();
        drop(held);
    }
}

impl Laid {
    /// Until when it rests at most.
    pub(super) fn until(&self) -> Instant {
        self.rest.until().into()
    }

    /// Whether its listener goes.
    pub(super) fn is_to_stop(&self) -> bool {
        self.rest.is_to_stop()
    }

    /// Whose it is.
    pub(super) fn counts(&self) -> &Arc<ListenerCounts> {
        &self.kept.counts
    }

    /// What serves it comes back.
    pub(super) fn wake(self) -> Option<Carrying> {
        let Self { rest, kept } = self;
        kept.follow(rest.wake())
    }
}

impl AsFd for Laid {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rest.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_takes_no_more_than_the_task_has_room_for() {
        // With what the runtime adds that makes 256 octets, twice what tasks are a multiple of.
        assert!(size_of::<Carried>() <= 128);
    }

    #[test]
    fn a_connection_that_rests_takes_little() {
        assert!(size_of::<Laid>() <= 208, "{}", size_of::<Laid>());
    }
}
