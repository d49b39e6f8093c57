//! The time as the tasks of a worker see it, which may stand still while one of them is polled.
//!
//! One poll takes microseconds, and asks for the time a dozen times.

use std::cell::Cell;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

/// How long the clock on the wall is taken to go as the other does.
const TRUSTED: Duration = Duration::from_millis(10);

/// What the time is, on this thread.
#[derive(Clone, Copy)]
enum Time {
    Runs,
    /// It stands still from when it is first asked for.
    Stops,
    Stands(Instant),
}

thread_local! {
    static TIME: Cell<Time> = const { Cell::new(Time::Runs) };
    /// What both clocks showed when they were last looked at together.
    static BOTH: Cell<Option<(Instant, SystemTime)>> = const { Cell::new(None) };
}

/// The time, of this poll where it stands still meanwhile.
pub(crate) fn now() -> Instant {
    match TIME.get() {
        Time::Runs => read(),
        Time::Stops => {
            let now = read();
            TIME.set(Time::Stands(now));
            now
        }
        Time::Stands(now) => now,
    }
}

/// The time, even where it stands still.
pub(crate) fn read() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What the clock on the wall shows at this moment, of the past or present. It is looked at once in [`TRUSTED`], so that
/// much later it is known here that somebody has set it.
pub(crate) fn wall(moment: Instant) -> SystemTime {
    let now = now();
    let is_fresh = |(seen, _): &(Instant, SystemTime)| now.saturating_duration_since(*seen) < TRUSTED;
    let (seen, shown) = BOTH.get().filter(is_fresh).unwrap_or_else(|| {
        let both = (now, SystemTime::now());
        BOTH.set(Some(both));
        both
    });
    match moment.checked_duration_since(seen) {
        Some(later) => shown + later,
        None => shown - seen.saturating_duration_since(moment),
    }
}

/// Has the time stand still while this is polled.
pub(crate) fn standing<T>(poll: impl FnOnce() -> T) -> T {
    /// Also where the poll panics.
    struct Back(Time);

    impl Drop for Back {
        fn drop(&mut self) {
            TIME.set(self.0);
        }
    }

    let _back = Back(TIME.replace(Time::Stops));
    poll()
}

/// Polls what [`std::future::poll_fn`] does, in a time that stands still.
pub(crate) fn poll_fn<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> impl Future<Output = T> {
    std::future::poll_fn(move |cx| standing(|| poll(cx)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn a_second_passes() {
        tokio::time::advance(Duration::from_secs(1)).await;
    }

    /// How far the time moves between two looks at it, the second of which is from within.
    fn moves(meanwhile: impl FnOnce()) -> bool {
        let before = now();
        meanwhile();
        now() != before
    }

    #[tokio::test]
    async fn the_time_stands_still_within_and_nowhere_else() {
        let busy = || {
            let start = read();
            while read() == start {}
        };
        assert!(!standing(|| moves(busy)));
        assert!(moves(busy));
        assert!(standing(|| {
            let before = read();
            busy();
            read() > before
        }));
    }

    #[tokio::test(start_paused = true)]
    async fn each_poll_has_a_time_of_its_own() {
        let first = standing(now);
        a_second_passes().await;
        assert_eq!(standing(now) - first, Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn moments_are_told_by_the_clock_on_the_wall() {
        let start = now();
        let shown = wall(start);
        let check = |moment: Instant, expect: SystemTime| assert_eq!(wall(moment), expect);
        check(start, shown);
        tokio::time::advance(TRUSTED / 2).await;
        check(start, shown);
        check(now(), shown + TRUSTED / 2);
        // Whose second has not passed on the wall: it is looked at anew.
        a_second_passes().await;
        assert!(wall(now()) < shown + Duration::from_secs(1));
    }

    #[test]
    fn a_panic_has_the_time_go_on() {
        let fault = || standing(|| panic!("a fault"));
        std::panic::catch_unwind(fault).unwrap_err();
        assert!(matches!(TIME.get(), Time::Runs));
    }
}
