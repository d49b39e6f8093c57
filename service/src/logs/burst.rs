//! How many events of one kind are logged: a burst a minute, and then the number of those left out.
//!
//! Time is an argument; nothing is logged here.

use std::time::{Duration, Instant};

/// Events that are logged within one [`WINDOW`]: enough to see a pattern in.
const SIZE: u32 = 10;

/// Begins with the first event after the window before.
const WINDOW: Duration = Duration::from_secs(60);

/// The events of the running window.
#[derive(Debug, Default)]
pub(super) struct Burst {
    began: Option<Instant>,
    admitted: u32,
    left_out: u64,
}

/// An event that is to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The events before it that were not; each is counted in one `Admitted` only.
    pub(super) left_out: u64,
    /// Whether it is the last of its window.
    pub(super) last: bool,
}

impl Burst {
    /// Whether an event at `now` is to be logged; `None` says that it is left out. Time never runs backwards.
    pub(super) fn admit(&mut self, now: Instant) -> Option<Admitted> {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= WINDOW) {
            self.began = Some(now);
            self.admitted = 0;
        }
        if self.admitted == SIZE {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.admitted += 1;
        Some(Admitted { left_out: std::mem::take(&mut self.left_out), last: self.admitted == SIZE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: Option<Admitted> = Some(Admitted { left_out: 0, last: false });
    const LAST: Option<Admitted> = Some(Admitted { left_out: 0, last: true });

    #[test]
    fn a_burst_is_logged_and_the_rest_of_the_minute_is_counted() {
        let (mut burst, begin) = (Burst::default(), Instant::now());
        let at = |millis| begin + Duration::from_millis(millis);
        for event in 1..SIZE {
            assert_eq!(burst.admit(at(event.into())), FEW, "{event}");
        }
        assert_eq!(burst.admit(at(100)), LAST);
        for _ in 0..1000 {
            assert_eq!(burst.admit(at(60_000)), None, "the window began with the first event, at 1 ms");
        }
        assert_eq!(burst.admit(at(60_001)), Some(Admitted { left_out: 1000, last: false }));
        assert_eq!(burst.admit(at(60_002)), FEW, "said once");
    }

    #[test]
    fn rare_events_are_all_logged() {
        let (mut burst, mut now) = (Burst::default(), Instant::now());
        for event in 0..100 {
            assert_eq!(burst.admit(now), FEW, "{event}");
            now += WINDOW;
        }
    }
}
