//! Whether an upstream answers, and what the log hears of it. Pure.
//!
//! Silence counts, errors count, and one reply makes up for all of them.

use std::time::{Duration, Instant};

/// Misses in a row that take an upstream out.
const DOWN_AFTER: u32 = 5;

/// How long the log is silent about an upstream that keeps going and coming.
const QUIET: Duration = Duration::from_secs(60);

/// Whether an upstream answers, judged by its misses in a row.
///
/// One name that nobody can look up says little about the upstream. So a miss counts only where nothing at all came
/// back since the attempt began, and one question counts once however often it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    misses: u32,
    last_reply: Option<Instant>,
    last_miss: Option<Instant>,
    flips: u32,
    said_down: bool,
    said_at: Option<Instant>,
}

/// What the log is told of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct News {
    /// Whether it answers.
    pub(crate) up: bool,
    /// How often it went or came since the log last heard of it; one where it just did.
    pub(crate) flips: u32,
}

impl Health {
    /// An answer came at `now`, of whatever kind.
    pub(crate) fn replied(&mut self, now: Instant) {
        self.flips += u32::from(!self.is_up());
        self.misses = 0;
        self.last_reply = Some(now);
    }

    /// By `now` no answer came in time, or none can, to an attempt begun at `start` for a question that was put at
    /// `put`.
    pub(crate) fn missed(&mut self, put: Instant, start: Instant, now: Instant) {
        let heard = self.last_reply.is_some_and(|reply| reply >= start);
        let counted = self.last_miss.is_some_and(|miss| miss >= put);
        if heard || counted {
            return;
        }
        self.last_miss = Some(now);
        self.misses = self.misses.saturating_add(1);
        self.flips += u32::from(self.misses == DOWN_AFTER);
    }

    /// What the log has to hear at `now`, if anything. What is held back is said after [`QUIET`], unless it has
    /// passed by then.
    pub(crate) fn news(&mut self, now: Instant) -> Option<News> {
        let up = self.is_up();
        let rests = self.said_at.is_some_and(|said| now.saturating_duration_since(said) < QUIET);
        if up != self.said_down || rests {
            return None;
        }
        self.said_down = !up;
        self.said_at = Some(now);
        Some(News { up, flips: std::mem::take(&mut self.flips) })
    }

    /// Whether it is asked before those that are down.
    pub(crate) const fn is_up(self) -> bool {
        self.misses < DOWN_AFTER
    }

    /// Misses in a row.
    pub(crate) const fn misses(self) -> u32 {
        self.misses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A question that is sent once and stays without an answer. Returns when it is given up.
    fn miss(health: &mut Health, start: Instant) -> Instant {
        health.missed(start, start, start + SECOND);
        start + 2 * SECOND
    }

    #[test]
    fn health_falls_after_misses_in_a_row_and_rises_with_one_reply() {
        let (mut health, mut now) = (Health::default(), Instant::now());
        for _ in 1..DOWN_AFTER {
            now = miss(&mut health, now);
            assert!(health.is_up());
        }
        health.replied(now);
        for _ in 1..DOWN_AFTER {
            now = miss(&mut health, now + SECOND);
            assert!(health.is_up());
        }
        now = miss(&mut health, now);
        assert!(!health.is_up());
        health.replied(now);
        assert!(health.is_up());
    }

    #[test]
    fn one_question_counts_once_however_often_it_is_sent() {
        let (mut health, put) = (Health::default(), Instant::now());
        for attempt in 0..8 {
            let start = put + attempt * SECOND;
            health.missed(put, start, start + SECOND);
        }
        assert_eq!(health.misses(), 1);
    }

    #[test]
    fn silence_about_one_name_is_no_miss_while_others_are_answered() {
        let (mut health, mut now) = (Health::default(), Instant::now());
        for _ in 0..3 * DOWN_AFTER {
            health.replied(now + SECOND / 2);
            now = miss(&mut health, now);
        }
        assert_eq!(health.misses(), 0);
    }

    #[test]
    fn the_log_hears_of_an_upstream_once_a_minute_and_how_often_it_flipped() {
        let (mut health, mut now) = (Health::default(), Instant::now());
        assert_eq!(health.news(now), None, "up is what it was");
        let down = |health: &mut Health, now: &mut Instant| {
            for _ in 0..DOWN_AFTER {
                *now = miss(health, *now);
            }
        };
        down(&mut health, &mut now);
        let said = now;
        assert_eq!(health.news(now), Some(News { up: false, flips: 1 }));
        assert_eq!(health.news(now + QUIET), None, "said once");
        health.replied(now);
        assert_eq!(health.news(now), None, "too soon");
        now += SECOND;
        down(&mut health, &mut now);
        health.replied(now);
        assert_eq!(health.news(said + QUIET), Some(News { up: true, flips: 3 }));
    }
}
