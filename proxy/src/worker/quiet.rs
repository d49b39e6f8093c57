//! What a worker does about connections on which nothing happens, and about the memory of those that were there.

use super::Local;
use super::carried::{Carried, Laid};
use crate::capacity::is_crowd;
use crate::rests::Rests;
use crate::tide::Tide;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time;

/// From the fall of a tide to what is done about it: those that go together have gone by then, and who comes and goes all
/// the time costs little.
const SETTLED: Duration = Duration::from_secs(1);

impl Local {
    /// Has connections rest from here on, on which nothing happens.
    pub(super) async fn tend_rests(self: Rc<Self>) {
        match Rests::new() {
            Ok(rests) => {
                let rests = self.rests.get_or_init(|| rests);
                rests.tend(&self.alarms, |laid| self.rise(laid)).await;
            }
            Err(error) => tracing::warn!(%error, "idle connections of http keep all their memory"),
        }
    }

    /// Lays a connection to rest, or gives it back if that cannot be.
    pub(super) fn lay(&self, laid: Laid) -> Option<Laid> {
        let Some(rests) = self.rests.get().filter(|_| !laid.is_to_stop()) else { return Some(laid) };
        let counts = Arc::clone(laid.counts());
        if let Err(laid) = rests.lay(laid.until(), laid) {
            return Some(laid);
        }
        counts.rests(self.index);
        self.falls();
        None
    }

    /// Something happens on a connection that has rested.
    fn rise(&self, laid: Laid) {
        laid.counts().rose(self.index);
        self.rises();
        if let Some(carrying) = laid.wake() {
            tokio::task::spawn_local(Carried::from(carrying));
        }
    }

    /// Has connections that rest see that stopping is due.
    pub(super) fn rouse(&self) {
        if let Some(rests) = self.rests.get() {
            rests.rouse(Laid::is_to_stop, |laid| self.rise(laid));
        }
    }

    /// Connections on which something happens, and requests beside others.
    fn awake(&self) -> usize {
        self.connections.get().saturating_sub(self.rests.get().map_or(0, Rests::count))
    }

    /// Whether there are so many of them that each must do with little memory.
    pub(crate) fn is_crowded(&self) -> bool {
        is_crowd(self.shared.connections_per_worker(), self.awake())
    }

    /// There is one more of them.
    pub(crate) fn rises(&self) {
        self.tide.set(self.tide.get().risen_to(self.awake()));
    }

    /// There is one less of them.
    pub(crate) fn falls(&self) {
        if self.tide.get().has_ebbed(self.awake()) {
            self.ebbed.notify_one();
        }
    }

    /// Gives back what many connections have had, forever.
    pub(super) async fn tend_memory(self: Rc<Self>) {
        loop {
            self.ebbed.notified().await;
            time::sleep(SETTLED).await;
            self.tide.set(Tide::given_back(self.awake()));
            give_back();
        }
    }
}

/// Has the allocator give the system all that it holds for this thread and nobody uses: it does so of itself only when
/// more is asked of it.
fn give_back() {
    #[expect(unsafe_code, reason = "the allocator is not of Rust")]
    // SAFETY: it takes no pointer, and touches nothing that is in use.
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
