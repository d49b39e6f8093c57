//! How much comes in a second, from counters that only grow: samples of them a second apart.

use crate::snapshot::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{self, Instant, MissedTickBehavior};

/// How often samples are taken.
const EVERY: Duration = Duration::from_secs(1);

/// The rate of one counter.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    total: AtomicU64,
    per_second: AtomicU64,
}

impl Rate {
    /// The counter has come to `total` in this time since the last sample.
    fn sample(&self, total: u64, elapsed: Duration) {
        let grown = total.saturating_sub(self.total.swap(total, Ordering::Relaxed));
        let rate = u128::from(grown) * EVERY.as_nanos() / elapsed.as_nanos().max(1);
        self.per_second.store(u64::try_from(rate).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What came in the last second.
    pub(crate) fn per_second(&self) -> u64 {
        self.per_second.load(Ordering::Relaxed)
    }
}

/// Takes samples of what the configuration in force counts, forever.
pub(crate) async fn sample(shared: Arc<Shared>) {
    let mut last = Instant::now();
    // The first tick of an interval comes at once, when no time has passed to measure by.
    let mut ticks = time::interval_at(last + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await;
        let elapsed = now - std::mem::replace(&mut last, now);
        let snapshot = shared.snapshot.load();
        for route in snapshot.listeners.values() {
            route.counts.rate.sample(route.counts.total(), elapsed);
        }
        for member in snapshot.pools.values().flat_map(|pool| &pool.members) {
            member.counts.rate.sample(member.counts.uses(), elapsed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;
    use crate::snapshot::tests::{ENDLESS, listener, model};
    use config::model::Mode;

    #[test]
    fn a_rate_is_what_came_by_the_time_that_it_took() {
        let rate = Rate::default();
        let check = |total: u64, milliseconds: u64, expect: u64| {
            rate.sample(total, Duration::from_millis(milliseconds));
            assert_eq!(rate.per_second(), expect, "{total}");
        };
        check(0, 1000, 0);
        check(500, 1000, 500);
        check(700, 500, 400);
        check(700, 1000, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_before_the_first_second_is_over_is_no_rate_yet() {
        let model = model(vec![listener("web", "[2001:db8::80]:80", Mode::Tcp, "web")], &["web"]);
        let shared = Arc::new(Shared::new(Snapshot::new(&model, None, 1), 1, ENDLESS));
        let route = Arc::clone(&shared.snapshot.load().listeners["web"]);
        for _ in 0..8 {
            route.counts.opened(0);
        }
        let rate_after = async |seconds: u64| {
            tokio::select! {
                () = sample(Arc::clone(&shared)) => unreachable!("it goes on forever"),
                () = time::sleep(Duration::from_millis(seconds * 1000 + 500)) => {}
            }
            route.counts.rate.per_second()
        };
        assert_eq!(rate_after(0).await, 0);
        assert_eq!(rate_after(1).await, 8);
    }
}
