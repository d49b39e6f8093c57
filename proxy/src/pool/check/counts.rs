//! How the checks of one member went, over all configurations.

use crate::pool::health::Outcome;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is counted of the checks of a member. One task writes, whoever asks reads.
#[derive(Debug, Default)]
pub(crate) struct CheckCounts {
    good: AtomicU64,
    bad: AtomicU64,
    inconclusive: AtomicU64,
    panicked: AtomicU64,
    /// How long the latest took, in microseconds.
    took: AtomicU64,
    /// When the latest ended, in Unix seconds; 0 before the first.
    ended: AtomicU64,
}

impl CheckCounts {
    /// A check has ended after this time.
    pub(crate) fn ended(&self, outcome: Outcome, took: Duration) {
        let count = match outcome {
            Outcome::Good => &self.good,
            Outcome::Bad => &self.bad,
            Outcome::Inconclusive => &self.inconclusive,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.took.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        self.ended.store(now, Ordering::Relaxed);
    }

    /// A check has panicked and starts anew.
    pub(crate) fn panicked(&self) {
        self.panicked.fetch_add(1, Ordering::Relaxed);
    }

    /// How many ended in each way, with its label.
    pub(crate) fn results(&self) -> [(&'static str, u64); 3] {
        [("good", &self.good), ("bad", &self.bad), ("inconclusive", &self.inconclusive)]
            .map(|(label, count)| (label, count.load(Ordering::Relaxed)))
    }

    /// How often a check has panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.panicked.load(Ordering::Relaxed)
    }

    /// How long the latest check took, and when it ended in Unix seconds; `None` before the first.
    pub(crate) fn latest(&self) -> Option<(Duration, u64)> {
        let ended = self.ended.load(Ordering::Relaxed);
        (ended > 0).then(|| (Duration::from_micros(self.took.load(Ordering::Relaxed)), ended))
    }
}
