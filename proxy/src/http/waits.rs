//! What one request waits for, since when, and until when at most. Pure: time comes in.
//!
//! | waiting for | since | limit |
//! |---|---|---|
//! | bytes of a request body | the last of them | `client`, and what [`Pace`] leaves |
//! | the same, once the client takes the response | the last of either | `client` |
//! | room for a response, where the connection has others | the last part of it | `client` |
//! | the member, unless the client is waited for | the last byte to or from it | `server` |

use super::deadlines::Overdue;
use super::pace::Pace;
use config::model::ProxyTimeouts;
use std::time::{Duration, Instant};

/// The waits of one request.
#[derive(Clone, Debug)]
pub(crate) struct Waits {
    client: Duration,
    server: Duration,
    /// Since when bytes of a request body are waited for.
    body: Option<Instant>,
    /// How slowly they may come.
    pace: Pace,
    /// Whether it has taken a part of the response, and may well go on to listen only.
    listens: bool,
    /// Since when nobody has asked for the next part of the response.
    pub(crate) room: Option<Instant>,
    /// Since when the member is waited for.
    pub(crate) member: Option<Instant>,
}

impl Waits {
    pub(crate) const fn new(limits: &ProxyTimeouts, pace: Pace) -> Self {
        Self {
            client: limits.client,
            server: limits.server,
            body: None,
            pace,
            listens: false,
            room: None,
            member: None,
        }
    }

    /// The next bytes of a request body are waited for.
    pub(crate) fn awaits_body(&mut self, now: Instant) {
        self.body.get_or_insert(now);
    }

    /// So many bytes of a request body have come.
    pub(crate) fn body_came(&mut self, octets: usize, now: Instant) {
        let waited = self.body.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if !self.listens {
            self.pace.came(octets, waited);
        }
    }

    /// No more bytes of a request body are waited for.
    pub(crate) const fn body_given_up(&mut self) {
        self.body = None;
    }

    /// The client has taken a part of the response: it is there, whatever it sends.
    pub(crate) const fn taken(&mut self, now: Instant) {
        self.listens = true;
        if let Some(since) = &mut self.body {
            *since = now;
        }
    }

    /// Nothing is waited for any more.
    pub(crate) const fn end(&mut self) {
        self.body = None;
        self.room = None;
        self.member = None;
    }

    /// What is due next.
    pub(crate) fn next(&self) -> Option<(Instant, Overdue)> {
        match (self.body, self.room, self.member) {
            (Some(since), _, _) if self.listens => Some((since + self.client, Overdue::Body)),
            (Some(since), _, _) => Some((since + self.client.min(self.pace.left()), Overdue::Body)),
            (None, Some(since), _) => Some((since + self.client, Overdue::Room)),
            (None, None, Some(since)) => Some((since + self.server, Overdue::Member)),
            (None, None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn waits(rate: Option<u32>) -> (Waits, Instant) {
        let limits = ProxyTimeouts { client: seconds(20), server: seconds(30), ..ProxyTimeouts::default() };
        (Waits::new(&limits, Pace::new(rate)), Instant::now())
    }

    fn check(waits: &Waits, start: Instant, expect: Option<(u64, Overdue)>) {
        let next = waits.next().map(|(deadline, overdue)| ((deadline - start).as_secs(), overdue));
        assert_eq!(next, expect, "{waits:?}");
    }

    #[test]
    fn the_member_is_not_to_blame_while_the_client_is_waited_for() {
        let (mut waits, start) = waits(None);
        check(&waits, start, None);
        waits.member = Some(start + seconds(1));
        check(&waits, start, Some((31, Overdue::Member)));
        waits.awaits_body(start + seconds(40));
        check(&waits, start, Some((60, Overdue::Body)));
        waits.end();
        waits.member = Some(start);
        waits.room = Some(start + seconds(70));
        check(&waits, start, Some((90, Overdue::Room)));
        waits.end();
        check(&waits, start, None);
    }

    #[test]
    fn a_body_that_crawls_is_due_before_its_next_byte() {
        let (mut waits, start) = waits(Some(100));
        waits.awaits_body(start);
        check(&waits, start, Some((10, Overdue::Body)));
        waits.body_came(300, start + seconds(8));
        waits.awaits_body(start + seconds(20));
        check(&waits, start, Some((25, Overdue::Body)));
        waits.body_came(1_000_000, start + seconds(22));
        waits.awaits_body(start + seconds(30));
        check(&waits, start, Some((50, Overdue::Body)));
    }
    #[test]
    fn a_body_may_rest_while_the_client_takes_the_response() {
        let (mut waits, start) = waits(Some(100));
        waits.awaits_body(start);
        check(&waits, start, Some((10, Overdue::Body)));
        waits.taken(start + seconds(9));
        check(&waits, start, Some((29, Overdue::Body)));
        waits.taken(start + seconds(25));
        check(&waits, start, Some((45, Overdue::Body)));
        waits.body_came(1, start + seconds(40));
        waits.awaits_body(start + seconds(41));
        check(&waits, start, Some((61, Overdue::Body)));
    }
}
