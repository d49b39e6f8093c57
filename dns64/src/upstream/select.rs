//! Whom to ask next, and when to stop: the course of one query over the upstreams. Pure.
//!
//! Upstreams are asked in the order of the file, those that are down last. Silence moves on to the next and comes
//! round again with more patience, since datagrams get lost; an error moves on at once and never asks the same
//! again. A rebuff (SERVFAIL, REFUSED) is worth a second opinion of every upstream that is up, but not a wait for one
//! that is down. Where the first takes longer than it nearly ever does, the second is asked beside it (a hedge).

use hickory_proto::op::ResponseCode;
use std::time::{Duration, Instant};

/// Queries sent at most for one question.
pub(crate) const MAX_ATTEMPTS: usize = 8;

/// Patience with an upstream doubles so often.
const DOUBLINGS: u32 = 2;

/// What the course knows of an upstream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// Whether it answers.
    pub(crate) up: bool,
    /// What it has before the next is asked as well.
    pub(crate) patience: Duration,
    /// What it nearly always keeps: after that a hedge helps.
    pub(crate) tail: Option<Duration>,
}

/// The course of one query. The upstreams are known by their places in the order of preference.
#[derive(Debug)]
pub(crate) struct Course {
    seats: Vec<Seat>,
    cursor: usize,
    attempts: Vec<Attempt>,
    hedge: Option<Instant>,
    /// Where there was a rebuff: until when those that are slow may still do better.
    rebuffed: Option<Instant>,
    deadline: Instant,
}

#[derive(Debug)]
struct Seat {
    upstream: usize,
    standing: Standing,
    asked: u32,
    spent: bool,
}

#[derive(Debug)]
struct Attempt {
    upstream: usize,
    start: Instant,
    until: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has time still.
    Awaited,
    /// Its time is over; it may answer all the same.
    Overdue,
    /// Nothing more comes of it.
    Over,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask this upstream.
    Ask(usize),
    /// Ask this upstream beside another that is slow, if that is allowed; if not, nothing is lost.
    Hedge(usize),
    /// This upstream has stayed silent since this moment.
    Late(usize, Instant),
    /// Wait for those that were asked, until this moment.
    Wait(Instant),
    /// Nothing more can come in time.
    End,
}

impl Course {
    /// A course that ends at `deadline` over upstreams of these standings, in the order of preference.
    pub(crate) fn new(standings: impl IntoIterator<Item = Standing>, deadline: Instant) -> Self {
        let seat = |(upstream, standing)| Seat { upstream, standing, asked: 0, spent: false };
        let mut seats: Vec<_> = standings.into_iter().enumerate().map(seat).collect();
        if seats.iter().any(|seat| !seat.standing.up) {
            seats.sort_by_key(|seat| !seat.standing.up);
        }
        let attempts = Vec::with_capacity(MAX_ATTEMPTS);
        Self { seats, cursor: 0, attempts, hedge: None, rebuffed: None, deadline }
    }

    /// What to do at `now`. Whatever it says counts as done.
    pub(crate) fn step(&mut self, now: Instant) -> Step {
        if now >= self.deadline && !self.attempts.is_empty() {
            return Step::End;
        }
        if let Some(late) =
            self.attempts.iter_mut().find(|one| one.state == State::Awaited && now >= one.until)
        {
            late.state = State::Overdue;
            return Step::Late(late.upstream, late.start);
        }
        let awaited =
            self.attempts.iter().filter(|one| one.state == State::Awaited).map(|one| one.until).min();
        let Some(until) = awaited else { return self.move_on(now) };
        if self.rebuffed.is_some()
            && let Some(seat) = self.candidate()
        {
            return Step::Ask(self.ask(seat, now));
        }
        match self.hedge {
            Some(at) if at <= now => {
                self.hedge = None;
                match self
                    .candidate()
                    .filter(|seat| self.seats[*seat].standing.up && self.seats[*seat].asked == 0)
                {
                    Some(seat) => Step::Hedge(self.seats[seat].upstream),
                    None => Step::Wait(until.min(self.deadline)),
                }
            }
            Some(at) => Step::Wait(at.min(until).min(self.deadline)),
            None => Step::Wait(until.min(self.deadline)),
        }
    }

    /// Nobody who was asked has time left: asks the next.
    fn move_on(&mut self, now: Instant) -> Step {
        if let Some(seat) = self.candidate() {
            return Step::Ask(self.ask(seat, now));
        }
        if self.attempts.iter().all(|one| one.state == State::Over) {
            return Step::End;
        }
        // Who is only slow may answer until the end; a rebuff at hand is worth a shorter wait.
        match self.rebuffed {
            Some(until) if until <= now => Step::End,
            Some(until) => Step::Wait(until.min(self.deadline)),
            None => Step::Wait(self.deadline),
        }
    }

    /// Books a query to the upstream on `seat`.
    fn ask(&mut self, seat: usize, now: Instant) -> usize {
        self.cursor = seat + 1;
        let alone = self.attempts.is_empty() && self.seats.len() > 1;
        let Seat { upstream, standing, asked, .. } = &mut self.seats[seat];
        let patience = standing.patience.saturating_mul(1 << (*asked).min(DOUBLINGS));
        self.hedge = standing.tail.filter(|tail| alone && *tail < patience).map(|tail| now + tail);
        *asked += 1;
        self.attempts.push(Attempt {
            upstream: *upstream,
            start: now,
            until: now + patience,
            state: State::Awaited,
        });
        *upstream
    }

    /// A hedge that was allowed is on its way to `upstream`.
    pub(crate) fn hedged(&mut self, upstream: usize, now: Instant) {
        if let Some(seat) = self.seats.iter().position(|seat| seat.upstream == upstream) {
            self.ask(seat, now);
            self.hedge = None;
        }
    }

    /// An attempt ended with a rebuff at `now`.
    pub(crate) fn rebuffed(&mut self, upstream: usize, now: Instant) {
        self.ended(upstream);
        let slow = self.seats.iter().filter(|seat| self.is_overdue(seat.upstream));
        let grace = slow.map(|seat| seat.standing.patience).max().unwrap_or_default();
        self.rebuffed.get_or_insert(now + grace);
    }

    fn is_overdue(&self, upstream: usize) -> bool {
        self.attempts.iter().any(|one| one.upstream == upstream && one.state == State::Overdue)
    }

    /// An attempt ended without an answer, for a reason that would be the same again.
    pub(crate) fn ended(&mut self, upstream: usize) {
        let pending = |one: &&mut Attempt| one.upstream == upstream && one.state != State::Over;
        if let Some(attempt) = self.attempts.iter_mut().find(pending) {
            attempt.state = State::Over;
        }
        for seat in self.seats.iter_mut().filter(|seat| seat.upstream == upstream) {
            seat.spent = true;
        }
    }

    fn candidate(&self) -> Option<usize> {
        if self.attempts.len() >= MAX_ATTEMPTS {
            return None;
        }
        let count = self.seats.len();
        let fits =
            |seat: &Seat| !seat.spent && (self.rebuffed.is_none() || (seat.standing.up && seat.asked == 0));
        (0..count).map(|step| (self.cursor + step) % count).find(|seat| fits(&self.seats[*seat]))
    }
}

/// Whether an answer calls for a second opinion.
pub(crate) fn is_rebuff(rcode: ResponseCode) -> bool {
    !matches!(rcode, ResponseCode::NoError | ResponseCode::NXDomain)
}

#[cfg(test)]
mod tests;
