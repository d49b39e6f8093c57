//! How long an upstream takes: a smoothed time and its spread (RFC 6298 §2), and the time that 95 of 100 replies keep.
//! Pure.

use std::time::Duration;

/// Replies after which the slow tail is known well enough.
const ENOUGH: u32 = 50;

/// Replies after which older ones begin to count half.
const HALVE: u32 = 1000;

/// Bounds of the tail's classes: each is a quarter above the one before, from 100 µs to about 25 s.
const CLASSES: usize = 56;

/// The times of one upstream's replies.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    smoothed: Option<Smoothed>,
    classes: [u32; CLASSES],
    total: u32,
    tail: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Smoothed {
    mean: Duration,
    spread: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self { smoothed: None, classes: [0; CLASSES], total: 0, tail: None }
    }
}

impl Latency {
    /// A reply took `time`.
    pub(crate) fn replied(&mut self, time: Duration) {
        self.smoothed = Some(self.smoothed.map_or(
            Smoothed { mean: time, spread: time / 2 },
            |Smoothed { mean, spread }| Smoothed {
                spread: (spread * 3 + mean.abs_diff(time)) / 4,
                mean: (mean * 7 + time) / 8,
            },
        ));
        self.classes[class(time)] += 1;
        self.total += 1;
        if self.total.is_multiple_of(ENOUGH) {
            self.tail = Some(self.slowest_but(20));
        }
        if self.total >= HALVE {
            self.classes.iter_mut().for_each(|count| *count /= 2);
            self.total = self.classes.iter().sum();
        }
    }

    /// The smoothed time; `None` before the first reply.
    pub(crate) fn mean(&self) -> Option<Duration> {
        self.smoothed.map(|smoothed| smoothed.mean)
    }

    /// After which time a reply is overdue (RFC 6298 §2.3).
    pub(crate) fn overdue(&self) -> Option<Duration> {
        self.smoothed.map(|smoothed| smoothed.mean + 4 * smoothed.spread)
    }

    /// The time that 95 of 100 replies keep; `None` until enough came.
    pub(crate) fn tail(&self) -> Option<Duration> {
        self.tail
    }

    /// The time that all but one in `part` replies keep.
    fn slowest_but(&self, part: u32) -> Duration {
        let mut slower = self.total / part;
        for (class, count) in self.classes.iter().enumerate().rev() {
            if *count > slower {
                return bound(class);
            }
            slower -= count;
        }
        bound(0)
    }
}

/// The class of a time.
fn class(time: Duration) -> usize {
    (0..CLASSES - 1).find(|class| time <= bound(*class)).unwrap_or(CLASSES - 1)
}

/// The longest time of a class; that of the last one is open.
fn bound(class: usize) -> Duration {
    Duration::from_nanos(BOUNDS[class])
}

const BOUNDS: [u64; CLASSES] = {
    let mut bounds = [100_000; CLASSES];
    let mut class = 1;
    while class < CLASSES {
        bounds[class] = bounds[class - 1] / 4 * 5;
        class += 1;
    }
    bounds
};

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_mean_follows_and_what_is_overdue_keeps_a_distance() {
        let mut latency = Latency::default();
        assert_eq!((latency.mean(), latency.overdue(), latency.tail()), (None, None, None));
        latency.replied(100 * MS);
        assert_eq!((latency.mean(), latency.overdue()), (Some(100 * MS), Some(300 * MS)));
        for _ in 0..100 {
            latency.replied(10 * MS);
        }
        let (mean, overdue) = (latency.mean().unwrap(), latency.overdue().unwrap());
        assert!(mean < 11 * MS && overdue > mean && overdue < 12 * MS, "{mean:?} {overdue:?}");
    }

    #[test]
    fn the_tail_is_what_95_of_100_keep() {
        let mut latency = Latency::default();
        for reply in 0..ENOUGH * 4 {
            latency.replied(if reply % 10 == 0 { 80 * MS } else { MS });
        }
        let tail = latency.tail().unwrap();
        assert!(tail >= 80 * MS && tail < 110 * MS, "one in ten is slow: {tail:?}");
        for reply in 0..HALVE * 10 {
            latency.replied(if reply % 50 == 0 { 80 * MS } else { MS });
        }
        let tail = latency.tail().unwrap();
        assert!(tail < 2 * MS, "one in fifty is slow: {tail:?}");
    }

    #[test]
    fn every_time_has_a_class() {
        for time in [Duration::ZERO, MS, 10 * MS, Duration::from_secs(1), Duration::from_secs(3600)] {
            let class = class(time);
            assert!(class < CLASSES && (time <= bound(class) || class == CLASSES - 1), "{time:?}");
        }
        assert!(bound(CLASSES - 1) > Duration::from_secs(15));
    }
}
