//! What a worker does about connections on which nothing happens, and about the memory of those that were there.

use super::Local;
use crate::capacity::is_crowd;
use crate::rests::Rests;
use crate::tide::Tide;
use std::rc::Rc;
use std::time::Duration;
use tokio::time;

/// From the fall of a tide to what is done about it: those that go together have gone by then, and who comes and goes all
/// the time costs little.
const SETTLED: Duration = Duration::from_secs(1);

impl Local {
    /// Where connections are on which nothing happens.
    pub(crate) fn rests(&self) -> Option<&Rc<Rests>> {
        self.rests.get()
    }

    /// Has connections rest from here on, on which nothing happens.
    pub(super) fn begin_rest(&self) {
        match Rests::new() {
            Ok(rests) => {
                let rests = Rc::clone(self.rests.get_or_init(|| Rc::new(rests)));
                tokio::task::spawn_local(async move { rests.tend().await });
            }
            Err(error) => tracing::warn!(%error, "idle connections of http keep all their memory"),
        }
    }

    /// Has connections that rest see that stopping is due.
    pub(super) fn rouse(&self) {
        self.rests.get().into_iter().for_each(|rests| rests.rouse());
    }

    /// Connections on which something happens, and requests beside others.
    fn awake(&self) -> usize {
        self.connections.get().saturating_sub(self.rests.get().map_or(0, |rests| rests.count()))
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
