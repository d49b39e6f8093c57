//! Whom to ask next, and when to stop: the course of one query over the upstreams. Pure.
//!
//! Upstreams are asked in the order of the file, those that are down last. Silence moves on to the next and comes
//! round again, since datagrams get lost; an error moves on at once and never asks the same again. A rebuff
//! (SERVFAIL, REFUSED) is worth a second opinion of every upstream that is up, but not a wait for one that is down.

use hickory_proto::op::ResponseCode;

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

/// Whether an upstream answers, judged by its misses in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    misses: u32,
}

impl Health {
    /// An answer came, of whatever kind. Returns whether this brings the upstream back.
    pub(crate) fn replied(&mut self) -> bool {
        let was_down = !self.is_up();
        self.misses = 0;
        was_down
    }

    /// No answer came in time, or none can. Returns whether this takes the upstream out.
    pub(crate) fn missed(&mut self) -> bool {
        self.misses = self.misses.saturating_add(1);
        self.misses == DOWN_AFTER
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

    #[test]
    fn health_falls_after_misses_in_a_row_and_rises_with_one_reply() {
        let mut health = Health::default();
        for _ in 1..DOWN_AFTER {
            assert!(!health.missed() && health.is_up());
        }
        assert!(!health.replied());
        for _ in 1..DOWN_AFTER {
            assert!(!health.missed());
        }
        assert!(health.missed() && !health.is_up());
        assert!(!health.missed(), "said once");
        assert!(health.replied() && health.is_up());
    }
}
