//! The stretch of time that a measurement takes: a start that does not count, then a middle that does.

use anyhow::Result;
use std::thread;
use std::time::{Duration, Instant};

/// How long traffic runs before it counts: windows open and caches fill.
const WARM_UP: Duration = Duration::from_millis(200);

/// How long it counts. Several short spans tell more than a long one: the scheduler places the threads anew in each, and
/// what else the machine does meets all contestants alike.
const LENGTH: Duration = Duration::from_millis(600);

/// What counters did during a span.
#[derive(Clone, Copy, Debug)]
pub struct Growth<T> {
    /// Their values at the beginning and at the end.
    pub values: [T; 2],
    took: Duration,
}

/// Looks at counters when the span begins and when it ends.
pub fn observe<T>(mut look: impl FnMut() -> Result<T>) -> Result<Growth<T>> {
    thread::sleep(WARM_UP);
    let (first, begin) = (look()?, Instant::now());
    thread::sleep(LENGTH);
    let (last, end) = (look()?, Instant::now());
    Ok(Growth { values: [first, last], took: end - begin })
}

impl<T> Growth<T> {
    /// What a growth by `count` makes in a second.
    #[expect(clippy::cast_precision_loss, reason = "nothing counts to 2^53 in a few seconds")]
    pub fn a_second(&self, count: u64) -> f64 {
        count as f64 / self.took.as_secs_f64()
    }
}
