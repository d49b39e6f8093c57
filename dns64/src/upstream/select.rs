//! Whom to ask next, and when to stop: the course of one query over the upstreams. Pure.
//!
//! Upstreams are asked in the order of the file, those that are down last. Silence moves on to the next and comes
//! round again, since datagrams get lost; an error moves on at once and never asks the same again. A rebuff
//! (SERVFAIL, REFUSED) is worth a second opinion of every upstream that is up, but not a wait for one that is down.

use hickory_proto::op::ResponseCode;
use std::time::{Duration, Instant};

/// Queries sent at most for one question.
pub(crate) const MAX_ATTEMPTS: usize = 4;

/// Misses in a row that take an upstream out.
const DOWN_AFTER: u32 = 5;

/// The course of one query.
#[derive(Debug)]
pub(crate) struct Course {
    seats: Vec<Seat>,
    cursor: usize,
    attempts: usize,
    pending: usize,
    rebuffed: bool,
    patience_over: bool,
}

#[derive(Debug)]
struct Seat {
    upstream: usize,
    up: bool,
    asked: bool,
    spent: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask this upstream.
    Ask(usize),
    /// Wait for those that were asked.
    Wait,
    /// Nothing more can come.
    End,
}

impl Course {
    /// A course over upstreams of which `up` says whether each answers, in the order of preference.
    pub(crate) fn new(up: impl IntoIterator<Item = bool>) -> Self {
        let seat = |(upstream, up)| Seat { upstream, up, asked: false, spent: false };
        let mut seats: Vec<_> = up.into_iter().enumerate().map(seat).collect();
        seats.sort_by_key(|seat| !seat.up);
        Self { seats, cursor: 0, attempts: 0, pending: 0, rebuffed: false, patience_over: false }
    }

    /// What to do next. `Ask` counts as done.
    pub(crate) fn step(&mut self) -> Step {
        if let Some(index) = self.candidate() {
            self.cursor = index + 1;
            self.attempts += 1;
            self.pending += 1;
            let seat = &mut self.seats[index];
            seat.asked = true;
            return Step::Ask(seat.upstream);
        }
        if self.pending == 0 || self.patience_over { Step::End } else { Step::Wait }
    }

    /// The time that an upstream has to answer passed.
    pub(crate) fn time_passed(&mut self) {
        self.patience_over = self.rebuffed;
    }

    /// An attempt ended with a rebuff.
    pub(crate) fn rebuffed(&mut self, upstream: usize) {
        self.rebuffed = true;
        self.ended(upstream);
    }

    /// An attempt ended without an answer, for a reason that would be the same again.
    pub(crate) fn ended(&mut self, upstream: usize) {
        self.pending = self.pending.saturating_sub(1);
        for seat in self.seats.iter_mut().filter(|seat| seat.upstream == upstream) {
            seat.spent = true;
        }
    }

    fn candidate(&self) -> Option<usize> {
        if self.attempts >= MAX_ATTEMPTS {
            return None;
        }
        let count = self.seats.len();
        let fits = |seat: &Seat| !seat.spent && (!self.rebuffed || (seat.up && !seat.asked));
        (0..count).map(|step| (self.cursor + step) % count).find(|index| fits(&self.seats[*index]))
    }
}

/// Whether an answer calls for a second opinion.
pub(crate) fn is_rebuff(rcode: ResponseCode) -> bool {
    !matches!(rcode, ResponseCode::NoError | ResponseCode::NXDomain)
}

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

    /// Asks until nothing more is asked, as if all stayed silent.
    fn silent(up: &[bool]) -> Vec<usize> {
        let mut course = Course::new(up.iter().copied());
        let mut asked = Vec::new();
        while let Step::Ask(upstream) = course.step() {
            asked.push(upstream);
            course.time_passed();
        }
        assert_eq!(course.step(), Step::Wait, "answers may still come");
        asked
    }

    #[test]
    fn silence_moves_on_and_comes_round_again() {
        assert_eq!(silent(&[true]), [0, 0, 0, 0]);
        assert_eq!(silent(&[true, true]), [0, 1, 0, 1]);
        assert_eq!(silent(&[true; 6]), [0, 1, 2, 3]);
    }

    #[test]
    fn those_that_are_down_come_last_but_come() {
        assert_eq!(silent(&[false, true]), [1, 0, 1, 0]);
        assert_eq!(silent(&[false, true, true]), [1, 2, 0, 1]);
        assert_eq!(silent(&[false, false]), [0, 1, 0, 1]);
    }

    #[test]
    fn an_unreachable_upstream_is_not_asked_again() {
        let mut course = Course::new([true, true]);
        assert_eq!(course.step(), Step::Ask(0));
        course.ended(0);
        assert_eq!(course.step(), Step::Ask(1));
        course.ended(1);
        assert_eq!(course.step(), Step::End);
    }

    #[test]
    fn a_rebuff_asks_every_other_that_is_up_and_no_one_twice() {
        let mut course = Course::new([true, true, false]);
        assert_eq!(course.step(), Step::Ask(0));
        course.rebuffed(0);
        assert_eq!(course.step(), Step::Ask(1));
        course.rebuffed(1);
        assert_eq!(course.step(), Step::End, "the one that is down is not waited for");
    }

    #[test]
    fn after_a_rebuff_a_silent_upstream_gets_its_time_and_no_more() {
        let mut course = Course::new([true, true]);
        assert_eq!(course.step(), Step::Ask(0));
        course.time_passed();
        assert_eq!(course.step(), Step::Ask(1));
        course.rebuffed(1);
        assert_eq!(course.step(), Step::Wait);
        course.time_passed();
        assert_eq!(course.step(), Step::End);
    }

    #[test]
    fn only_an_answer_about_the_name_is_no_rebuff() {
        assert!(!is_rebuff(ResponseCode::NoError) && !is_rebuff(ResponseCode::NXDomain));
        for rcode in
            [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::FormErr, ResponseCode::NotImp]
        {
            assert!(is_rebuff(rcode), "{rcode}");
        }
    }

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
