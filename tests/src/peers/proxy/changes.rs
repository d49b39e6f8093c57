//! Changes of the configuration while connections come and go.

use super::product::Running;
use crate::peers::wrk::Outcome;
use anyhow::{Result, ensure};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many there are to be.
pub(super) const COUNT: u32 = 1000;

/// From the beginning of one to that of the next, if one takes no longer.
const PACE: Duration = Duration::from_millis(8);

/// What they found.
pub(super) struct Changed {
    /// What came to the load meanwhile.
    pub(super) outcome: Outcome,
    /// How long one took on the average until it was in force.
    pub(super) each: Duration,
}

/// Changes the configuration of `proxy` until there were [`COUNT`] changes or `load` is over.
///
/// # Errors
/// Those of the load, or a change that is refused.
pub(super) fn during(proxy: &Running, load: impl FnOnce() -> Result<Outcome>) -> Result<(Changed, u32)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let changes = scope.spawn(|| change(proxy, &over));
        let outcome = load();
        over.store(true, Ordering::Release);
        let (each, count) = changes.join().expect("a change returns its faults")?;
        Ok((Changed { outcome: outcome?, each }, count))
    })
}

/// Returns how long a change took on the average, and how many there were.
fn change(proxy: &Running, over: &AtomicBool) -> Result<(Duration, u32)> {
    let (mut count, mut taken) = (0, Duration::ZERO);
    let begin = Instant::now();
    while count < COUNT && !over.load(Ordering::Acquire) {
        thread::sleep((PACE * count).saturating_sub(begin.elapsed()));
        count += 1;
        let start = Instant::now();
        proxy.change(count)?;
        taken += start.elapsed();
    }
    ensure!(count > 0, "the load was over before the first change");
    Ok((taken / count, count))
}
