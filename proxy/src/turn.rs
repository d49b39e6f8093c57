//! The turns of a worker: it asks the kernel what has come for all connections, and polls one task after the other that has
//! something to do.
//!
//! Whoever receives what a worker sends is woken by it, which costs the sender as much as the sending. Where all that comes
//! of one turn leaves in a row, a receiver is awake from the first of it to the last. So tasks do what they can, and leave
//! what they send until the others have done the same.

use std::task::Context;

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
