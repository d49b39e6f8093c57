//! How long AAAA is waited for before A is asked (RFC 6147 §5.1.8). Pure.
//!
//! A beside AAAA saves a client one round trip where A is needed, and costs the upstream a question where it is not.
//! So an upstream that is quick is waited for, since little is to be saved. One that is slow is asked for both at once
//! where A is likely to be needed: by what names beside this one were like, or where nothing is known of them.
//! Nothing here touches what a reply says: it follows from both outcomes, whenever they were asked for.

mod habits;

pub(crate) use habits::{Habits, Sort};

use crate::upstream::Timing;
use std::time::Duration;

/// The longest that a usual time is waited for: what is left of a client's patience has to do for A.
const LONGEST: Duration = Duration::from_millis(400);

/// Whether A is likely to be needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Likely,
    Unlikely,
}

/// How long AAAA is waited for, where its upstream takes so long as a rule.
///
/// Of an upstream that has not answered yet nothing is known: it is waited for like a quick one, which costs the first
/// client of a slow one a moment, and no upstream a question that is not needed.
pub(crate) fn lead(timing: &Timing, usual: Option<Duration>, need: Need) -> Duration {
    match (usual.filter(|usual| *usual > timing.quick), need) {
        (None, _) => timing.head_start,
        (Some(_), Need::Likely) => Duration::ZERO,
        // Half as much again, so that most answers come before.
        (Some(usual), Need::Unlikely) => timing.head_start.max((usual + usual / 2).min(LONGEST)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn only_of_a_slow_upstream_and_where_it_is_likely_to_be_needed_a_is_asked_at_once() {
        let check = |usual: Option<u64>, need, expect| {
            assert_eq!(lead(&Timing::default(), usual.map(ms), need), ms(expect), "{usual:?} {need:?}");
        };
        for need in [Need::Likely, Need::Unlikely] {
            check(None, need, 20);
            check(Some(0), need, 20);
            check(Some(5), need, 20);
        }
        for usual in [6, 20, 200, 5000] {
            check(Some(usual), Need::Likely, 0);
        }
        check(Some(6), Need::Unlikely, 20);
        check(Some(20), Need::Unlikely, 30);
        check(Some(200), Need::Unlikely, 300);
        check(Some(5000), Need::Unlikely, 400);
    }

    proptest! {
        #[test]
        fn what_is_likely_is_never_waited_for_longer_and_a_client_never_for_too_long(
            usual in prop::option::of(0..10_000_u64), head_start in 0..100_u64, quick in 0..100_u64,
        ) {
            let timing = Timing { head_start: ms(head_start), quick: ms(quick), ..Timing::default() };
            let likely = lead(&timing, usual.map(ms), Need::Likely);
            let unlikely = lead(&timing, usual.map(ms), Need::Unlikely);
            prop_assert!(likely <= unlikely && unlikely <= LONGEST);
            prop_assert!(unlikely >= timing.head_start);
            prop_assert!(likely.is_zero() || likely == timing.head_start);
            prop_assert!(2 * unlikely <= timing.total, "A has as much time");
        }
    }
}
