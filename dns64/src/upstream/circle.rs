//! Whether an upstream leads back to this daemon. Pure.
//!
//! A question with a random tag is sent through the upstream when a reply was missing, and for as long as there is a
//! circle. If it comes back before its time is over, there is one. A circle always shows in missing replies, since a
//! query that comes back waits for itself; so an upstream that answers is sent nothing.

use std::time::{Duration, Instant};

/// How long a question may take to come back.
pub(super) const TIME: Duration = Duration::from_secs(2);

/// From one question to the next where replies are missing, or there is a circle.
const INTERVAL: Duration = Duration::from_secs(5);

/// What is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Circle {
    /// The last question's tag, and when it was sent.
    sent: Option<(u64, Instant)>,
    came_back: bool,
    suspected: bool,
    closed: bool,
}

impl Circle {
    /// Whether queries come back.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// A reply was missing.
    pub(super) fn suspect(&mut self) {
        self.suspected = true;
    }

    /// Whether a question is due at `now`.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let rested = self.sent.is_none_or(|(_, at)| now.saturating_duration_since(at) >= INTERVAL);
        (self.suspected || self.closed) && rested
    }

    /// A question with `tag` is sent at `now`.
    pub(super) fn send(&mut self, tag: u64, now: Instant) {
        *self = Self { sent: Some((tag, now)), closed: self.closed, ..Self::default() };
    }

    /// A question with `tag` came in at `now`. Says whether that shows a circle that was not known.
    pub(super) fn receive(&mut self, tag: u64, now: Instant) -> Option<bool> {
        let (sent, at) = self.sent?;
        if sent != tag || now.saturating_duration_since(at) > TIME {
            return None;
        }
        self.came_back = true;
        Some(!std::mem::replace(&mut self.closed, true))
    }

    /// The time of the last question is over, or it was answered. Says whether a circle is gone.
    pub(super) fn settle(&mut self) -> bool {
        !self.came_back && std::mem::replace(&mut self.closed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_comes_back_shows_a_circle_until_one_does_not() {
        let start = Instant::now();
        let mut circle = Circle::default();
        circle.suspect();
        assert!(circle.is_due(start));
        circle.send(7, start);
        assert_eq!((circle.receive(8, start), circle.is_closed()), (None, false), "somebody else's");
        assert_eq!((circle.receive(7, start), circle.is_closed()), (Some(true), true));
        assert_eq!(circle.receive(7, start), Some(false), "known");
        assert!(!circle.settle() && circle.is_closed());
        assert!(!circle.is_due(start) && circle.is_due(start + INTERVAL));
        circle.send(9, start + INTERVAL);
        assert!(circle.settle() && !circle.is_closed());
        assert!(!circle.settle());
    }

    #[test]
    fn an_upstream_that_answers_is_sent_nothing() {
        let start = Instant::now();
        let mut circle = Circle::default();
        assert!(!circle.is_due(start));
        circle.suspect();
        circle.send(7, start);
        assert!(!circle.settle());
        assert!(!circle.is_due(start + 100 * INTERVAL));
        circle.suspect();
        assert!(!circle.is_due(start) && circle.is_due(start + INTERVAL));
    }

    #[test]
    fn a_question_is_not_taken_after_its_time() {
        let start = Instant::now();
        let mut circle = Circle::default();
        circle.send(7, start);
        assert_eq!(circle.receive(7, start + TIME + Duration::from_millis(1)), None);
    }
}
