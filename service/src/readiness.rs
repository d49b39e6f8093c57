//! Whether the daemon really serves: one latch per part that must stand, opened once by that part.
//!
//! Latches may be opened from any thread. A latch that is dropped unopened stays closed: its part has failed, and the
//! daemon must not look ready.

use std::sync::Arc;
use tokio::sync::watch;

/// All latches of a daemon. Cheap to clone; clones share the latches.
#[derive(Clone, Debug)]
pub struct Readiness {
    state: Arc<watch::Sender<State>>,
}

/// The promise of one part to serve. Made by [`Readiness::latch`].
#[derive(Debug)]
#[must_use = "a latch that is never opened keeps the daemon from being ready"]
pub struct Latch {
    id: u64,
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    closed: Vec<(u64, &'static str)>,
    draining: bool,
}

impl Readiness {
    /// Readiness without any latch.
    pub(crate) fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())) }
    }

    /// A closed latch under a part's name, such as `udp` or `tun`. Several latches may share a name.
    pub fn latch(&self, name: &'static str) -> Latch {
        let mut id = 0;
        self.state.send_modify(|state| {
            id = state.next;
            state.next += 1;
            state.closed.push((id, name));
        });
        Latch { id, state: Arc::clone(&self.state) }
    }

    /// Whether every latch is open and the daemon is not draining.
    pub fn is_ready(&self) -> bool {
        self.state.borrow().is_ready()
    }

    /// The names of the parts that do not serve yet, sorted, each once.
    pub fn waiting(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.state.borrow().closed.iter().map(|&(_, name)| name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether the daemon takes no new work.
    pub fn is_draining(&self) -> bool {
        self.state.borrow().draining
    }

    /// Says that the daemon takes no new work: it is not ready from here on.
    pub(crate) fn drain(&self) {
        self.state.send_modify(|state| state.draining = true);
    }

    /// Returns when every latch is open.
    pub(crate) async fn opened(&self) {
        self.state
            .subscribe()
            .wait_for(|state| state.closed.is_empty())
            .await
            .expect("self holds the sender, so the channel is open");
    }
}

impl Latch {
    /// Says that this part serves.
    pub fn open(self) {
        self.state.send_modify(|state| state.closed.retain(|&(id, _)| id != self.id));
    }
}

impl State {
    const fn is_ready(&self) -> bool {
        self.closed.is_empty() && !self.draining
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_latches_must_open() {
        let readiness = Readiness::new();
        let (tcp, udp) = (readiness.latch("tcp"), readiness.latch("udp"));
        assert_eq!(readiness.waiting(), ["tcp", "udp"]);
        udp.open();
        assert_eq!(readiness.waiting(), ["tcp"]);
        assert!(!readiness.is_ready());
        tcp.open();
        assert!(readiness.is_ready());
    }

    #[test]
    fn latches_of_one_name_are_separate_and_listed_once() {
        let readiness = Readiness::new();
        let (first, second) = (readiness.latch("worker"), readiness.latch("worker"));
        assert_eq!(readiness.waiting(), ["worker"]);
        first.open();
        assert_eq!(readiness.waiting(), ["worker"]);
        second.open();
        assert!(readiness.is_ready());
    }

    #[test]
    fn a_dropped_latch_stays_closed() {
        let readiness = Readiness::new();
        drop(readiness.latch("tun"));
        assert_eq!(readiness.waiting(), ["tun"]);
    }

    #[test]
    fn draining_is_not_ready() {
        let readiness = Readiness::new();
        readiness.latch("tun").open();
        readiness.drain();
        assert!(!readiness.is_ready());
        assert!(readiness.waiting().is_empty());
    }

    #[tokio::test]
    async fn opened_waits_for_a_latch_opened_by_another_thread() {
        let readiness = Readiness::new();
        let latch = readiness.latch("tun");
        let thread = std::thread::spawn(move || latch.open());
        readiness.opened().await;
        thread.join().unwrap();
        assert!(readiness.is_ready());
    }
}
