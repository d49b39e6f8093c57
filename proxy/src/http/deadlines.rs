//! What a client connection waits for, since when, and until when at most. Pure: time comes in.
//!
//! | waiting for | since | limit |
//! |---|---|---|
//! | the first head | accept | `request_head` |
//! | the next head's first byte | the end of the last response, once it is taken | `keep_alive` |
//! | the rest of a head | its first byte | `request_head` |
//! | the end of a connection that takes no request | the last of them | [`crate::linger::LIMIT`] |
//! | room for a response | the first refused write | `client` |
//! | the client's close | our own | [`crate::linger::LIMIT`] |
//!
//! What its requests wait for is in [`super::waits`].

use crate::linger;
use config::model::ProxyTimeouts;
use std::time::{Duration, Instant};

/// How long nothing has happened on a connection that may as well rest. Busy ones never do.
const REST: Duration = Duration::from_secs(1);

/// Since when nothing happens on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rested {
    /// When it was accepted, or the last response ended.
    quiet: Instant,
    /// Whether a response has ended.
    pub(crate) served: bool,
}

/// What did not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// A request: nobody is harmed by closing.
    Idle,
    /// The rest of a request head.
    Head,
    /// The rest of a request body.
    Body,
    /// Room for the response.
    Room,
    /// Anything from the member.
    Member,
    /// The client's close.
    Close,
}

/// The waits of one connection as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Deadlines {
    pub(crate) limits: ProxyTimeouts,
    /// When the connection was accepted, the last response ended, or the client took more of it.
    quiet: Instant,
    /// When it was accepted, or was called from its rest, or could not rest.
    awake: Instant,
    /// Whether a response has ended.
    served: bool,
    /// Whether any request is being answered.
    busy: bool,
    /// Whether a head may come while a request is being answered.
    pub(crate) side_by_side: bool,
    /// Since when no further request is taken.
    pub(crate) leaving: Option<Instant>,
    /// When the first byte of a head came that is not whole.
    pub(crate) head: Option<Instant>,
    /// Since when the client takes nothing.
    pub(crate) room: Option<Instant>,
    /// Since when the client is expected to close.
    pub(crate) close: Option<Instant>,
}

impl Deadlines {
    pub(crate) const fn new(limits: ProxyTimeouts, accepted: Instant) -> Self {
        Self {
            limits,
            quiet: accepted,
            awake: accepted,
            served: false,
            busy: false,
            side_by_side: false,
            leaving: None,
            head: None,
            room: None,
            close: None,
        }
    }

    /// Those of a connection that has rested until this moment.
    pub(crate) const fn awoken(limits: ProxyTimeouts, rested: Rested, now: Instant) -> Self {
        let Rested { quiet, served } = rested;
        Self { quiet, served, ..Self::new(limits, now) }
    }

    /// When the connection may rest if nothing happens until then.
    pub(crate) fn rest(&self) -> Option<Instant> {
        let is_idle = self.is_quiet() && !self.side_by_side;
        let awaited = self.head.or(self.leaving).or(self.close);
        (is_idle && awaited.is_none()).then(|| self.quiet.max(self.awake) + REST)
    }

    /// Whether it might have rested by then.
    pub(crate) fn is_at_rest(&self, now: Instant) -> bool {
        self.rest().is_some() && self.quiet + REST <= now
    }

    /// It cannot rest at this moment.
    pub(crate) const fn stays_awake(&mut self, now: Instant) {
        self.awake = now;
    }

    /// What is kept of them while the connection rests.
    pub(crate) const fn rested(&self) -> Rested {
        Rested { quiet: self.quiet, served: self.served }
    }

    /// A request is being answered.
    pub(crate) const fn began(&mut self) {
        self.busy = true;
    }

    /// The last response under way has ended.
    pub(crate) const fn ended(&mut self, now: Instant) {
        self.busy = false;
        self.served = true;
        self.quiet = now;
    }

    /// The client has taken something.
    pub(crate) fn taken(&mut self, now: Instant) {
        if self.room.take().is_some() && !self.busy {
            self.quiet = now;
        }
    }

    /// Whether every request that came is answered, and the client has taken the answers.
    pub(crate) const fn is_quiet(&self) -> bool {
        !self.busy && self.room.is_none()
    }

    /// Since when there has been nothing to do, if there is nothing.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        (!self.busy).then_some(self.quiet)
    }

    /// What is due next.
    pub(crate) fn next(&self) -> Option<(Instant, Overdue)> {
        let close = self.close.map(|since| (since + linger::LIMIT, Overdue::Close));
        let room = self.room.map(|since| (since + self.limits.client, Overdue::Room));
        let other = self.is_quiet().then(|| self.while_quiet());
        if close.is_some() {
            return close;
        }
        let head = self.head.filter(|_| self.busy && self.side_by_side);
        let head = head.map(|since| (since + self.limits.request_head, Overdue::Head));
        [room, head, other].into_iter().flatten().min_by_key(|(deadline, _)| *deadline)
    }

    fn while_quiet(&self) -> (Instant, Overdue) {
        match (self.head, self.leaving) {
            // The head of a request that came early does not age while the one before it is answered.
            (Some(since), _) => (since.max(self.quiet) + self.limits.request_head, Overdue::Head),
            (None, Some(leaving)) => (leaving.max(self.quiet) + linger::LIMIT, Overdue::Close),
            (None, None) => (self.rested().until(&self.limits), Overdue::Idle),
        }
    }
}

impl Rested {
    /// It is accepted at this moment.
    pub(crate) const fn new(accepted: Instant) -> Self {
        Self { quiet: accepted, served: false }
    }

    /// Until when the next request is waited for.
    pub(crate) fn until(&self, limits: &ProxyTimeouts) -> Instant {
        self.quiet + if self.served { limits.keep_alive } else { limits.request_head }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn deadlines() -> (Deadlines, Instant) {
        let start = Instant::now();
        let limits = ProxyTimeouts {
            connect: seconds(1),
            client: seconds(20),
            request_head: seconds(10),
            keep_alive: seconds(60),
            ..ProxyTimeouts::default()
        };
        (Deadlines::new(limits, start), start)
    }

    fn check(deadlines: &Deadlines, start: Instant, expect: Option<(u64, Overdue)>) {
        let next = deadlines.next().map(|(deadline, overdue)| ((deadline - start).as_secs(), overdue));
        assert_eq!(next, expect, "{deadlines:?}");
    }

    #[test]
    fn the_first_head_is_due_from_accept_and_the_next_one_is_waited_for_longer() {
        let (mut waits, start) = deadlines();
        check(&waits, start, Some((10, Overdue::Idle)));
        waits.began();
        check(&waits, start, None);
        waits.ended(start + seconds(5));
        check(&waits, start, Some((65, Overdue::Idle)));
    }

    #[test]
    fn who_is_called_from_its_rest_by_nothing_is_at_rest_still() {
        let (mut waits, start) = deadlines();
        waits.ended(start);
        assert!(!waits.is_at_rest(start));
        let later = start + seconds(5);
        let mut awoken = Deadlines::awoken(waits.limits, waits.rested(), later);
        assert!(awoken.is_at_rest(later));
        awoken.head = Some(later);
        assert!(!awoken.is_at_rest(later));
    }

    #[test]
    fn a_head_that_began_is_due_soon() {
        let (mut waits, start) = deadlines();
        waits.head = Some(start + seconds(3));
        check(&waits, start, Some((13, Overdue::Head)));
        waits.began();
        check(&waits, start, None);
        waits.ended(start + seconds(8));
        check(&waits, start, Some((18, Overdue::Head)));
    }

    #[test]
    fn a_client_that_takes_nothing_is_due_whatever_else_is_waited_for() {
        let (mut waits, start) = deadlines();
        waits.began();
        waits.room = Some(start + seconds(2));
        check(&waits, start, Some((22, Overdue::Room)));
        waits.ended(start + seconds(1));
        check(&waits, start, Some((22, Overdue::Room)));
    }

    #[test]
    fn a_head_ages_beside_other_requests_where_they_do_not_wait_for_it() {
        let (mut waits, start) = deadlines();
        waits.side_by_side = true;
        waits.began();
        waits.head = Some(start + seconds(3));
        check(&waits, start, Some((13, Overdue::Head)));
    }

    #[test]
    fn a_connection_that_takes_no_request_ends_soon_behind_the_last_one() {
        let (mut waits, start) = deadlines();
        waits.began();
        waits.leaving = Some(start + seconds(1));
        check(&waits, start, None);
        waits.ended(start + seconds(8));
        check(&waits, start, Some((10, Overdue::Close)));
    }

    #[test]
    fn a_client_that_takes_the_last_answer_slowly_is_not_idle() {
        let (mut waits, start) = deadlines();
        waits.limits.keep_alive = seconds(3);
        waits.began();
        waits.ended(start + seconds(1));
        check(&waits, start, Some((4, Overdue::Idle)));
        waits.room = Some(start + seconds(2));
        check(&waits, start, Some((22, Overdue::Room)));
        waits.taken(start + seconds(12));
        check(&waits, start, Some((15, Overdue::Idle)));
        waits.leaving = Some(start + seconds(5));
        check(&waits, start, Some((14, Overdue::Close)));
        waits.room = Some(start + seconds(13));
        check(&waits, start, Some((33, Overdue::Room)));
    }

    #[test]
    fn a_closing_connection_waits_for_nothing_else() {
        let (mut waits, start) = deadlines();
        waits.close = Some(start + seconds(100));
        check(&waits, start, Some((102, Overdue::Close)));
    }

    #[test]
    fn a_connection_may_rest_when_nothing_was_to_be_done_for_a_while() {
        let (mut waits, start) = deadlines();
        let check = |waits: &Deadlines, expect: Option<u64>| {
            assert_eq!(waits.rest().map(|rest| (rest - start).as_secs()), expect, "{waits:?}");
        };
        check(&waits, Some(1));
        waits.head = Some(start);
        check(&waits, None);
        waits.head = None;
        waits.began();
        check(&waits, None);
        waits.room = Some(start + seconds(2));
        waits.ended(start + seconds(3));
        check(&waits, None);
        waits.taken(start + seconds(4));
        check(&waits, Some(5));
        waits.stays_awake(start + seconds(5));
        check(&waits, Some(6));
        waits.leaving = Some(start + seconds(5));
        check(&waits, None);
        waits.leaving = None;
        waits.side_by_side = true;
        check(&waits, None);
    }

    #[test]
    fn rest_puts_nothing_off() {
        let (mut waits, start) = deadlines();
        assert_eq!(waits.rested().until(&waits.limits), start + seconds(10));
        waits.began();
        waits.ended(start + seconds(5));
        let rested = waits.rested();
        assert_eq!(rested.until(&waits.limits), start + seconds(65));
        let awoken = Deadlines::awoken(waits.limits, rested, start + seconds(30));
        check(&awoken, start, Some((65, Overdue::Idle)));
        assert_eq!(awoken.rest(), Some(start + seconds(31)), "it was called for something");
        assert_eq!(awoken.idle_since(), Some(start + seconds(5)));
    }
}
