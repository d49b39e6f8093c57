//! Changes of the configuration while connections come and go.

use super::product::Running;
use crate::peers::wrk::Outcome;
use anyhow::{Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::gettid;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many there are to be, in all turns together.
pub(super) const COUNT: u32 = TURNS * EACH;

/// How often a time with changes is measured between two without.
pub(super) const TURNS: u32 = 10;

/// How many changes there are to be in each of them.
const EACH: u32 = 100;

/// The numbers of the configurations of a turn, behind those that were in force before the first.
pub(super) const fn numbers(turn: u32) -> Range<u32> {
    let first = FIRST + turn * EACH;
    first..first + EACH
}

/// The number of the first configuration that is measured.
const FIRST: u32 = 2;

/// From the beginning of one to that of the next, if one takes no longer.
const PACE: Duration = Duration::from_millis(8);

/// What came of those of one turn.
pub(super) struct Changed {
    /// What came to the load meanwhile.
    pub(super) outcome: Outcome,
    /// How long all changes took together, each until it was in force.
    pub(super) taken: Duration,
    /// How many there were.
    pub(super) count: u32,
}

/// Gives `proxy` the configurations with these numbers until `load` is over, by a thread on the processors `operator`.
///
/// # Errors
/// Those of the load, or a change that is refused.
pub(super) fn during(
    proxy: &Running,
    numbers: Range<u32>,
    operator: &CpuSet,
    load: impl FnOnce() -> Result<Outcome>,
) -> Result<Changed> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let changes = scope.spawn(|| {
            sched_setaffinity(gettid(), operator)?;
            change(proxy, numbers, &over)
        });
        let outcome = load();
        over.store(true, Ordering::Release);
        let (taken, count) = changes.join().expect("a change returns its faults")?;
        Ok(Changed { outcome: outcome?, taken, count })
    })
}

/// Returns how long all changes took together, and how many there were.
fn change(proxy: &Running, numbers: Range<u32>, over: &AtomicBool) -> Result<(Duration, u32)> {
    let (mut count, mut taken) = (0, Duration::ZERO);
    let begin = Instant::now();
    for number in numbers {
        thread::sleep((PACE * count).saturating_sub(begin.elapsed()));
        if over.load(Ordering::Acquire) {
            break;
        }
        count += 1;
        let start = Instant::now();
        proxy.change(number)?;
        taken += start.elapsed();
    }
    ensure!(count > 0, "the load was over before the first change");
    Ok((taken, count))
}
