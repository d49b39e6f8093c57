//! The turns of a worker: it asks the kernel what has come for all connections, and polls one task after the other that has
//! something to do.
//!
//! Whoever receives what a worker sends is woken by it, which costs the sender as much as the sending. Where all that comes
//! of one turn leaves in a row, a receiver is awake from the first of it to the last. So tasks do what they can, and leave
//! what they send until the others have done the same.

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};
use tokio::sync::Notify;

/// Where tasks wait that have something to send, until all others have had their turn. What many of them send then leaves in
/// a row, and what has come until then is heard of.
///
/// It goes by rounds: who comes while one is under way waits for the next one.
#[derive(Default)]
pub(crate) struct Row {
    waiting: RefCell<Vec<Waker>>,
    joined: Notify,
    /// The latest round that has begun, from one.
    begun: Cell<u64>,
    /// The latest one that is over.
    over: Cell<u64>,
}

impl Row {
    /// The round that who joins at this moment waits for.
    pub(crate) const fn next(&self) -> u64 {
        self.begun.get() + 1
    }

    /// Has this task polled when the next round is over.
    pub(crate) fn join(&self, task: &Waker) {
        self.waiting.borrow_mut().push(task.clone());
        self.joined.notify_one();
    }

    /// Whether this round is over.
    pub(crate) const fn is_over(&self, round: u64) -> bool {
        self.over.get() >= round
    }

    /// Holds one round after the other, forever.
    pub(crate) async fn tend(&self) {
        loop {
            while self.waiting.borrow().is_empty() {
                self.joined.notified().await;
            }
            let leaving = self.waiting.take();
            self.begun.set(self.next());
            all_is_heard().await;
            self.over.set(self.begun.get());
            leaving.into_iter().for_each(Waker::wake);
        }
    }
}

/// Returns when the other tasks have had their turn, and the runtime has heard of what came until then.
///
/// That it hears is no promise of the runtime, but what it does: who yields is asked again behind the next look at the
/// sockets. `daemon::reuse` has it that what came before a request is heard of.
pub(crate) async fn all_is_heard() {
    tokio::task::yield_now().await;
}

/// Has this task polled once more when the others have had their turn.
pub(crate) fn is_left_to_others(cx: &Context<'_>) {
    cx.waker().wake_by_ref();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::task::Poll;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    /// A row whose rounds are held.
    fn row() -> Rc<Row> {
        let row = Rc::new(Row::default());
        let held = Rc::clone(&row);
        spawn_local(async move { held.tend().await });
        row
    }

    /// Joins, and says which round is waited for.
    async fn join(row: &Row) -> u64 {
        let round = row.next();
        poll_fn(|cx| {
            row.join(cx.waker());
            Poll::Ready(round)
        })
        .await
    }

    async fn is_over(row: &Row, round: u64) {
        poll_fn(|_| if row.is_over(round) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    #[tokio::test]
    async fn a_round_is_over_when_others_have_had_their_turn() {
        let test = async {
            let row = row();
            for _ in 0..3 {
                let had = Rc::new(Cell::new(false));
                let round = join(&row).await;
                let having = Rc::clone(&had);
                spawn_local(async move { having.set(true) });
                assert!(!row.is_over(round));
                is_over(&row, round).await;
                assert!(had.get());
            }
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test]
    async fn who_comes_while_a_round_is_under_way_waits_for_the_next_one() {
        let test = async {
            let row = row();
            let first = join(&row).await;
            while row.next() == first {
                yield_now().await;
            }
            let late = join(&row).await;
            is_over(&row, first).await;
            assert!(!row.is_over(late));
            is_over(&row, late).await;
        };
        LocalSet::new().run_until(test).await;
    }
}
