//! Until when the ends of a connection may be silent. Pure: time comes in.
//!
//! | an end | may be silent for | since |
//! |---|---|---|
//! | that has said all, or was told all | `client_fin`, `server_fin` | that, or it last sent or took something |
//! | any other, once both have spoken | `tunnel` | either last sent or took something |
//! | any other | `client`, `server` | it last sent or took something |
//!
//! As HAProxy's timeouts of these names, but for one: there `tunnel` is in force as soon as there is a connection to
//! the member, so that a client that never says anything is waited for as long as a session that rests.

use super::End;
use config::model::ProxyTimeouts;
use std::time::{Duration, Instant};

/// What both ends have done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    client: Seen,
    member: Seen,
}

/// What one end has done.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// When it last sent or took something.
    last: Instant,
    /// Whether it has ever sent bytes.
    spoke: bool,
}

/// How one end stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Whether it is to send or to take something.
    pub(super) awaited: bool,
    /// Whether it has said all, or was told all.
    pub(super) half_closed: bool,
}

/// What one end did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deed {
    /// It sent bytes.
    pub(super) spoke: bool,
    /// It sent or took something, or one of its directions ended.
    pub(super) stirred: bool,
}

impl Silence {
    pub(super) const fn new(now: Instant) -> Self {
        let seen = Seen { last: now, spoke: false };
        Self { client: seen, member: seen }
    }

    /// From here on either keeps the other.
    pub(super) const fn both_have_spoken(&mut self) {
        self.client.spoke = true;
        self.member.spoke = true;
    }

    pub(super) fn note(&mut self, client: Deed, member: Deed, now: Instant) {
        self.client.note(client, now);
        self.member.note(member, now);
    }

    /// When the silence is too long, and how the connection ends then.
    pub(super) fn deadline(
        &self,
        client: Standing,
        member: Standing,
        limits: &ProxyTimeouts,
    ) -> (Instant, End) {
        let until = |seen: Seen, standing: Standing, open: Duration, fin: Duration, silent: End| {
            if standing.half_closed {
                (seen.last + fin, silent)
            } else if self.client.spoke && self.member.spoke {
                (self.client.last.max(self.member.last) + limits.tunnel, End::Idle)
            } else {
                (seen.last + open, silent)
            }
        };
        let of_client = until(self.client, client, limits.client, limits.client_fin, End::ClientSilent);
        let of_member = until(self.member, member, limits.server, limits.server_fin, End::MemberSilent);
        let both_or_neither = client.awaited == member.awaited;
        if client.awaited && !member.awaited || both_or_neither && of_client.0 <= of_member.0 {
            of_client
        } else {
            of_member
        }
    }
}

impl Seen {
    fn note(&mut self, deed: Deed, now: Instant) {
        self.spoke |= deed.spoke;
        if deed.stirred {
            self.last = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITED_FOR: Standing = Standing { awaited: true, half_closed: false };
    const AT_REST: Standing = Standing { awaited: false, half_closed: false };
    const SPEAKS: Deed = Deed { spoke: true, stirred: true };
    const TAKES: Deed = Deed { spoke: false, stirred: true };
    const NOTHING: Deed = Deed { spoke: false, stirred: false };

    /// Each limit is another number of seconds.
    fn limits() -> ProxyTimeouts {
        let seconds = Duration::from_secs;
        ProxyTimeouts {
            client: seconds(50),
            server: seconds(60),
            tunnel: seconds(1000),
            client_fin: seconds(5),
            server_fin: seconds(6),
            ..ProxyTimeouts::default()
        }
    }

    /// What has happened at which second, and what is due when.
    fn check(deeds: &[(u64, Deed, Deed)], [client, member]: [Standing; 2], expect: (u64, End)) {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        for (second, client, member) in deeds {
            silence.note(*client, *member, start + Duration::from_secs(*second));
        }
        let (due, end) = silence.deadline(client, member, &limits());
        assert_eq!(((due - start).as_secs(), end), expect, "after {deeds:?}");
    }

    #[test]
    fn until_both_have_spoken_each_has_its_own_limit() {
        check(&[], [WAITED_FOR; 2], (50, End::ClientSilent));
        check(&[(7, SPEAKS, TAKES)], [WAITED_FOR; 2], (57, End::ClientSilent));
        check(&[(7, SPEAKS, NOTHING)], [AT_REST, WAITED_FOR], (60, End::MemberSilent));
        check(&[(7, TAKES, SPEAKS)], [WAITED_FOR; 2], (57, End::ClientSilent));
        check(&[(20, TAKES, NOTHING)], [WAITED_FOR; 2], (60, End::MemberSilent));
    }

    #[test]
    fn once_both_have_spoken_either_keeps_the_other() {
        let both = [(1, SPEAKS, TAKES), (2, TAKES, SPEAKS)];
        check(&both, [WAITED_FOR; 2], (1002, End::Idle));
        check(&both, [AT_REST, WAITED_FOR], (1002, End::Idle));
        check(&[both[0], both[1], (100, SPEAKS, NOTHING)], [WAITED_FOR; 2], (1100, End::Idle));
    }

    #[test]
    fn a_session_that_goes_on_may_rest_from_its_beginning() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        silence.both_have_spoken();
        let (due, end) = silence.deadline(WAITED_FOR, WAITED_FOR, &limits());
        assert_eq!(((due - start).as_secs(), end), (1000, End::Idle));
    }

    #[test]
    fn a_half_closed_end_has_the_limit_of_the_end() {
        let half = |awaited| Standing { awaited, half_closed: true };
        let both = [(1, SPEAKS, TAKES), (2, TAKES, SPEAKS), (9, TAKES, TAKES)];
        check(&both, [half(false), half(true)], (15, End::MemberSilent));
        check(&both, [half(true), half(false)], (14, End::ClientSilent));
        check(&[(9, TAKES, TAKES)], [half(true), half(true)], (14, End::ClientSilent));
    }

    #[test]
    fn the_other_end_of_a_half_closed_one_has_the_limit_it_had() {
        let half = Standing { awaited: false, half_closed: true };
        check(&[(9, TAKES, NOTHING)], [half, WAITED_FOR], (60, End::MemberSilent));
        check(&[(1, SPEAKS, SPEAKS), (9, TAKES, NOTHING)], [half, WAITED_FOR], (1009, End::Idle));
    }
}
