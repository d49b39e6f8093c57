//! The task of one connection, which is all that a connection at rest takes: written by hand, since what an `async` block
//! is given and then waits for has its room there twice.

use super::{Local, Tracked};
use crate::counts::{Failure, ListenerCounts};
use futures_util::FutureExt;
use futures_util::future::CatchUnwind;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A connection from its accept to its end, which is counted. A panic in it stays in it.
pub(super) struct Carried<C, H>(Option<Carrying<C, H>>);

struct Carrying<C, H> {
    connection: CatchUnwind<AssertUnwindSafe<C>>,
    /// Given back behind the connection.
    held: H,
    counts: Arc<ListenerCounts>,
    running: Tracked,
}

impl<C: Future<Output = ()> + Unpin, H> Carried<C, H> {
    /// It has come.
    pub(super) fn begin(local: &Rc<Local>, counts: Arc<ListenerCounts>, (held, connection): (H, C)) -> Self {
        counts.opened(local.index);
        local.shared.connections.opened(local.index);
        local.connections.set(local.connections.get() + 1);
        local.rises();
        local.buffers.allow(local.shared.kept_per_worker());
        let connection = AssertUnwindSafe(connection).catch_unwind();
        Self(Some(Carrying { connection, held, counts, running: Tracked::new(local) }))
    }
}

impl<C: Future<Output = ()> + Unpin, H: Unpin> Future for Carried<C, H> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(carrying) = &mut self.0 else { return Poll::Ready(()) };
        let ended = ready!(carrying.connection.poll_unpin(cx));
        if let Some(carrying) = self.0.take() {
            carrying.end(ended.is_err());
        }
        Poll::Ready(())
    }
}

impl<C, H> Carrying<C, H> {
    fn end(self, has_panicked: bool) {
        let Self { connection, held, counts, running } = self;
        drop(connection);
        let local = &running.0;
        if has_panicked {
            counts.failed(local.index, Failure::Panic);
            tracing::error!(worker = local.index, "a connection's task panicked; the connection is closed");
        }
        counts.closed(local.index);
        local.shared.connections.closed(local.index);
        local.connections.set(local.connections.get() - 1);
        local.falls();
        drop(held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::Stage;

    #[test]
    fn a_connection_takes_no_more_than_the_task_has_room_for() {
        // With what the runtime adds that makes 384 octets, three times what tasks are a multiple of.
        assert!(size_of::<Carried<Stage, [usize; 3]>>() <= 256);
    }
}
