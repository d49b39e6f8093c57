//! Whether a member is left out because clients fared badly there, between one check and the next. Pure: time comes in.
//!
//! ```text
//! In --`failures` within `window`--> Out --`ejection` is over--> In, with nothing held against it
//! ```
//!
//! Deliberately not here: whether the pool can spare the member, see [`super::standing`].

use config::model::Passive;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The state machine of one member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ejection {
    /// When clients failed, at most `failures` of them, oldest first.
    failed: VecDeque<Instant>,
    latest: Option<Latest>,
}

/// The latest ejection.
#[derive(Clone, Copy, Debug)]
struct Latest {
    since: Instant,
    until: Instant,
}

impl Ejection {
    /// Takes in one failure and says until when the member is out, if this one has ejected it.
    pub(crate) fn failed(&mut self, limits: &Passive, now: Instant) -> Option<Instant> {
        if self.is_out(now) {
            // Of a connection that was under way when the member was ejected.
            return None;
        }
        self.failed.retain(|failed| now.saturating_duration_since(*failed) < limits.window);
        self.failed.push_back(now);
        if self.failed.len() < limits.failures as usize {
            return None;
        }
        self.failed.clear();
        let until = now + limits.ejection;
        self.latest = Some(Latest { since: now, until });
        Some(until)
    }

    pub(crate) fn is_out(&self, now: Instant) -> bool {
        self.out_for(now).is_some()
    }

    /// How long it has been out, if it is.
    pub(crate) fn out_for(&self, now: Instant) -> Option<Duration> {
        let latest = self.latest.filter(|latest| now < latest.until)?;
        Some(now.saturating_duration_since(latest.since))
    }

    /// When the latest ejection ended, if it has.
    pub(crate) fn ended(&self, now: Instant) -> Option<Instant> {
        self.latest.map(|latest| latest.until).filter(|until| *until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits(failures: u32) -> Passive {
        Passive { failures, window: Duration::from_secs(10), ejection: Duration::from_secs(30) }
    }

    /// Seconds at which clients fail, and the seconds of those that eject.
    fn check(failures: u32, failed: &[u64], expect: &[u64]) {
        let (mut ejection, start) = (Ejection::default(), Instant::now());
        let ejects = |second: &u64| {
            let now = start + Duration::from_secs(*second);
            ejection.failed(&limits(failures), now).is_some()
        };
        let found: Vec<u64> = failed.iter().copied().filter(ejects).collect();
        assert_eq!(found, expect, "{failed:?}");
    }

    #[test]
    fn enough_failures_within_the_window_eject() {
        check(3, &[0, 1, 2], &[2]);
        check(3, &[0, 5, 10], &[]);
        check(3, &[0, 5, 10, 11, 14], &[11]);
        check(1, &[7], &[7]);
    }

    #[test]
    fn failures_while_out_count_for_nothing() {
        check(2, &[0, 1, 2, 3, 30, 31, 32], &[1, 32]);
    }

    #[test]
    fn an_ejection_ends_by_itself() {
        let (mut ejection, start) = (Ejection::default(), Instant::now());
        let second = |count| start + Duration::from_secs(count);
        assert_eq!(ejection.failed(&limits(1), second(1)), Some(second(31)));
        assert!(ejection.is_out(second(30)) && !ejection.is_out(second(31)));
        assert_eq!((ejection.ended(second(30)), ejection.ended(second(31))), (None, Some(second(31))));
    }

    proptest! {
        #[test]
        fn each_ejection_follows_enough_failures_of_the_window(
            failures in 1_u32..6, pauses in prop::collection::vec(0_u64..6, 1..200),
        ) {
            let (mut ejection, start) = (Ejection::default(), Instant::now());
            let limits = limits(failures);
            let (mut now, mut counted) = (start, Vec::new());
            for pause in pauses {
                now += Duration::from_secs(pause);
                if !ejection.is_out(now) {
                    counted.push(now);
                }
                let recent = counted.iter().filter(|failed| now - **failed < limits.window).count();
                match ejection.failed(&limits, now) {
                    Some(until) => {
                        prop_assert_eq!(until, now + limits.ejection);
                        prop_assert!(recent >= failures as usize);
                        counted.clear();
                    }
                    None => prop_assert!(ejection.is_out(now) || recent < failures as usize),
                }
            }
        }
    }
}
