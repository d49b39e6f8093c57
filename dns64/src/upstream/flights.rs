//! The queries in the air on one socket or connection: numbers that are unique among them, and which message is the
//! reply to which (RFC 5452 §9.1).
//!
//! Knows wakers and no socket: the owner puts in what it receives. A reply that nobody waits for any more is told
//! from a message that never had a query.

use super::breakdown::Breakdown;
use crate::answer::{Answer, Mismatch};
use crate::name::WireName;
use crate::query::Query;
use crate::wire::HEADER;
use std::task::{Context, Poll, Waker};

/// Numbers of given-up queries that are remembered.
const REMEMBERED: usize = 256;

/// The queries in the air.
#[derive(Debug)]
pub(super) struct Flights {
    /// Messages that are no reply, after which a query does not trust where they come from.
    max_strikes: u8,
    /// The number of each of `waiting`, apart from them so that a search reads little.
    ids: Vec<u16>,
    waiting: Vec<Flight>,
    /// Those of them that have not landed.
    expected: usize,
    /// The youngest given-up queries, in a ring.
    given_up: Vec<u16>,
    next_given_up: usize,
}

#[derive(Debug)]
struct Flight {
    query: Query,
    spelling: WireName,
    strikes: u8,
    sent: bool,
    waker: Option<Waker>,
    landed: Option<Result<Landing, Breakdown>>,
}

/// What a query ends with.
#[derive(Debug)]
pub(super) enum Landing {
    /// Its reply.
    Answer(Answer),
    /// Doubt about who answers.
    Unsure,
}

/// What a message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The reply to a query in the air.
    Reply,
    /// The reply to a query that was given up.
    Late,
    /// No reply.
    Stray(Mismatch),
}

impl Flights {
    /// None yet. So many messages that are no reply are doubt for every query that waits.
    pub(super) fn new(max_strikes: u8) -> Self {
        Self {
            max_strikes,
            ids: Vec::new(),
            waiting: Vec::new(),
            expected: 0,
            given_up: Vec::new(),
            next_given_up: 0,
        }
    }

    /// Puts `query` into the air with its name spelt `spelling`. Its number is the first of `draw` that no other has.
    pub(super) fn enter(
        &mut self,
        query: &Query,
        spelling: &WireName,
        mut draw: impl FnMut() -> Result<u16, Breakdown>,
    ) -> Result<u16, Breakdown> {
        let mut id = draw()?;
        while self.ids.contains(&id) || self.given_up.contains(&id) {
            id = draw()?;
        }
        self.ids.push(id);
        self.waiting.push(Flight {
            query: query.clone(),
            spelling: *spelling,
            strikes: 0,
            sent: false,
            waker: None,
            landed: None,
        });
        self.expected += 1;
        Ok(id)
    }

    /// How many are in the air, those included whose outcome nobody has taken yet.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether a reply is waited for.
    pub(super) fn expect_more(&self) -> bool {
        self.expected > 0
    }

    /// Takes in what came from the upstream.
    pub(super) fn receive(&mut self, message: &[u8]) -> Message {
        let Some([high, low, ..]) = message.first_chunk::<HEADER>() else {
            return self.strike_all(Mismatch::Malformed);
        };
        let id = u16::from_be_bytes([*high, *low]);
        let Some(at) = self.ids.iter().position(|known| *known == id) else {
            if let Some(at) = self.given_up.iter().position(|known| *known == id) {
                self.given_up.swap_remove(at);
                return Message::Late;
            }
            return self.strike_all(Mismatch::Id);
        };
        let flight = &mut self.waiting[at];
        match Answer::parse(message.to_vec(), &flight.query, id, flight.spelling.as_bytes()) {
            Ok(answer) => {
                self.expected -= flight.land(Ok(Landing::Answer(answer)));
                Message::Reply
            }
            // Number and question are right: a guesser that came close, or a server that respells.
            Err(mismatch @ Mismatch::Case) => {
                self.expected -= flight.land(Ok(Landing::Unsure));
                Message::Stray(mismatch)
            }
            Err(mismatch) => {
                self.expected -= flight.strike(self.max_strikes);
                Message::Stray(mismatch)
            }
        }
    }

    /// A message that belongs to no query may have been meant for any.
    fn strike_all(&mut self, mismatch: Mismatch) -> Message {
        let landed: usize = self.waiting.iter_mut().map(|flight| flight.strike(self.max_strikes)).sum();
        self.expected -= landed;
        Message::Stray(mismatch)
    }

    /// Query `id` has left.
    pub(super) fn depart(&mut self, id: u16) {
        if let Some(at) = self.ids.iter().position(|known| *known == id) {
            self.waiting[at].sent = true;
        }
    }

    /// Ends all with the same breakdown.
    pub(super) fn fail(&mut self, breakdown: &Breakdown) {
        self.fail_where(breakdown, |_| true);
    }

    /// Ends those that have left: the news is about them alone.
    pub(super) fn fail_sent(&mut self, breakdown: &Breakdown) {
        self.fail_where(breakdown, |flight| flight.sent);
    }

    /// Ends query `id`.
    pub(super) fn fail_one(&mut self, id: u16, breakdown: Breakdown) {
        if let Some(at) = self.ids.iter().position(|known| *known == id) {
            self.expected -= self.waiting[at].land(Err(breakdown));
        }
    }

    fn fail_where(&mut self, breakdown: &Breakdown, whom: impl Fn(&Flight) -> bool) {
        for flight in self.waiting.iter_mut().filter(|flight| whom(flight)) {
            self.expected -= flight.land(Err(breakdown.clone()));
        }
    }

    /// What came of query `id`.
    pub(super) fn poll(&mut self, id: u16, context: &mut Context<'_>) -> Poll<Result<Landing, Breakdown>> {
        let Some(at) = self.ids.iter().position(|known| *known == id) else {
            return Poll::Ready(Err(Breakdown::Closed));
        };
        let flight = &mut self.waiting[at];
        if let Some(landed) = flight.landed.take() {
            self.ids.swap_remove(at);
            self.waiting.swap_remove(at);
            return Poll::Ready(landed);
        }
        match &mut flight.waker {
            Some(waker) => waker.clone_from(context.waker()),
            waker @ None => *waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Nobody waits for query `id` any longer.
    pub(super) fn leave(&mut self, id: u16) {
        let Some(at) = self.ids.iter().position(|known| *known == id) else { return };
        self.ids.swap_remove(at);
        if self.waiting.swap_remove(at).landed.is_some() {
            return;
        }
        self.expected -= 1;
        if self.given_up.len() < REMEMBERED {
            self.given_up.push(id);
        } else {
            self.given_up[self.next_given_up] = id;
            self.next_given_up = (self.next_given_up + 1) % REMEMBERED;
        }
    }
}

impl Flight {
    /// How many landed by it: one, or none where it had landed.
    fn land(&mut self, landing: Result<Landing, Breakdown>) -> usize {
        if self.landed.is_some() {
            return 0;
        }
        self.landed = Some(landing);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        1
    }

    /// How many landed by it.
    fn strike(&mut self, max: u8) -> usize {
        self.strikes = self.strikes.saturating_add(1);
        if self.strikes >= max { self.land(Ok(Landing::Unsure)) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::query;
    use hickory_proto::rr::RecordType;

    const MAX_STRIKES: u8 = 8;

    /// The reply to what `flights` sent as `id`, with the name spelt as given.
    fn reply(id: u16, spelling: &WireName) -> Vec<u8> {
        let mut message = Vec::new();
        query("www.example", RecordType::A).encode(id, spelling, crate::query::Edns::Off, &mut message);
        message[2] |= 0x80;
        message
    }

    fn poll(flights: &mut Flights, id: u16) -> Poll<Result<Landing, Breakdown>> {
        flights.poll(id, &mut Context::from_waker(Waker::noop()))
    }

    /// One query in the air: its table, number and spelling.
    fn flying() -> (Flights, u16, WireName) {
        let mut flights = Flights::new(MAX_STRIKES);
        let query = query("www.example", RecordType::A);
        let spelling = query.name.respelt(&[0x55; 32]);
        let id = flights.enter(&query, &spelling, || Ok(7)).unwrap();
        assert!(poll(&mut flights, id).is_pending());
        (flights, id, spelling)
    }

    #[test]
    fn the_reply_lands_and_leaves_nothing_behind() {
        let (mut flights, id, spelling) = flying();
        assert_eq!(flights.receive(&reply(id, &spelling)), Message::Reply);
        assert!(!flights.expect_more());
        assert!(matches!(poll(&mut flights, id), Poll::Ready(Ok(Landing::Answer(_)))));
        assert_eq!(flights.len(), 0);
        flights.leave(id);
        assert_eq!(flights.receive(&reply(id, &spelling)), Message::Stray(Mismatch::Id), "a second one");
    }

    #[test]
    fn numbers_in_the_air_or_given_up_are_not_drawn_again() {
        let (mut flights, ..) = flying();
        let query = query("www.example", RecordType::A);
        let mut numbers = [7, 7, 8].into_iter();
        let id = flights.enter(&query, &query.name, || Ok(numbers.next().unwrap())).unwrap();
        assert_eq!(id, 8);
        flights.leave(8);
        let mut numbers = [7, 8, 9].into_iter();
        assert_eq!(flights.enter(&query, &query.name, || Ok(numbers.next().unwrap())).unwrap(), 9);
    }

    #[test]
    fn a_late_reply_is_no_stray() {
        let (mut flights, id, spelling) = flying();
        flights.leave(id);
        assert_eq!(flights.receive(&reply(id, &spelling)), Message::Late);
        assert_eq!(flights.receive(&reply(id, &spelling)), Message::Stray(Mismatch::Id));
    }

    #[test]
    fn another_spelling_is_doubt_at_once() {
        let (mut flights, id, spelling) = flying();
        let other = spelling.respelt(&[0xaa; 32]);
        assert_eq!(flights.receive(&reply(id, &other)), Message::Stray(Mismatch::Case));
        assert!(matches!(poll(&mut flights, id), Poll::Ready(Ok(Landing::Unsure))));
    }

    #[test]
    fn strays_are_doubt_when_they_are_many_and_no_sooner() {
        let (mut flights, id, spelling) = flying();
        for _ in 1..MAX_STRIKES {
            assert_eq!(flights.receive(&reply(id ^ 1, &spelling)), Message::Stray(Mismatch::Id));
            assert!(poll(&mut flights, id).is_pending());
        }
        assert_eq!(flights.receive(b"x"), Message::Stray(Mismatch::Malformed));
        assert!(matches!(poll(&mut flights, id), Poll::Ready(Ok(Landing::Unsure))));
    }

    #[test]
    fn a_reply_after_a_few_strays_is_still_the_reply() {
        let (mut flights, id, spelling) = flying();
        assert_eq!(flights.receive(&reply(id ^ 1, &spelling)), Message::Stray(Mismatch::Id));
        assert_eq!(flights.receive(&reply(id, &spelling)), Message::Reply);
        assert!(matches!(poll(&mut flights, id), Poll::Ready(Ok(Landing::Answer(_)))));
    }

    #[test]
    fn news_of_what_was_sent_leaves_the_others_waiting() {
        let (mut flights, sent, _) = flying();
        let query = query("www.example", RecordType::A);
        let staged = flights.enter(&query, &query.name, || Ok(8)).unwrap();
        flights.depart(sent);
        flights.fail_sent(&Breakdown::Closed);
        assert!(matches!(poll(&mut flights, sent), Poll::Ready(Err(Breakdown::Closed))));
        assert!(poll(&mut flights, staged).is_pending());
        flights.fail_one(staged, Breakdown::Resources);
        assert!(matches!(poll(&mut flights, staged), Poll::Ready(Err(Breakdown::Resources))));
        assert!(!flights.expect_more());
    }

    #[test]
    fn a_failure_is_everybodys() {
        let (mut flights, id, _) = flying();
        flights.fail(&Breakdown::Closed);
        assert!(matches!(poll(&mut flights, id), Poll::Ready(Err(Breakdown::Closed))));
    }
}
