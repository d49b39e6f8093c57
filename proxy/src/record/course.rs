//! The way of a client to a member, and how long each part of it took. Pure: times come in.

use std::time::{Duration, Instant};

/// The way to a member, as far as it went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Course {
    /// From accept to the place at the latest member, or to where waiting for one ended in vain.
    pub(crate) queue: Option<Duration>,
    /// From that place to the connection, earlier attempts at the same member included; where a kept connection was used
    /// in vain ahead of it, from then.
    pub(crate) connect: Option<Duration>,
    /// Attempts to connect after the first.
    pub(crate) retries: u32,
    /// Whether an attempt went to another member than the one before.
    pub(crate) redispatched: bool,
    pub(crate) ahead: Ahead,
}

/// Clients that were served from a queue while this one was in it, with itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// Of those who wait for the one member that they belong to.
    pub(crate) of_member: u64,
    /// Of those who wait for any member.
    pub(crate) of_pool: u64,
}

/// The way to a member while it is on. Costs nothing but room.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Path {
    /// The latest place at a member, or where waiting for one ended in vain.
    seated: Option<Instant>,
    /// When the connection was begun, where that was not with the place.
    dialled: Option<Instant>,
    connected: Option<Instant>,
    retries: u32,
    redispatched: bool,
    ahead: Ahead,
}

impl Path {
    /// It left a queue, with or without a place, as this number of those who were served from it.
    pub(crate) const fn left_queue(&mut self, of_member: bool, number: u64) {
        if of_member {
            self.ahead.of_member += number;
        } else {
            self.ahead.of_pool += number;
        }
    }

    /// One more attempt follows on one that failed.
    pub(crate) const fn tries_again(&mut self) {
        self.retries += 1;
    }

    /// There is a place at a member. `same` as in the attempt before, which began the wait for this one.
    pub(crate) fn seated(&mut self, same: Option<bool>, now: Instant) {
        self.redispatched |= same == Some(false);
        self.connected = None;
        if same != Some(true) {
            self.seated = Some(now);
            self.dialled = None;
        }
    }

    /// Nobody had a place in time.
    pub(crate) const fn waited_in_vain(&mut self, now: Instant) {
        self.seated = Some(now);
    }

    /// A kept connection to the member was used in vain, and another one is begun. No time until then is a connection's.
    pub(crate) const fn dials_anew(&mut self, now: Instant) {
        self.connected = None;
        self.dialled = Some(now);
    }

    pub(crate) const fn connected(&mut self, now: Instant) {
        self.connected = Some(now);
    }

    pub(crate) const fn is_seated(&self) -> bool {
        self.seated.is_some()
    }

    pub(crate) const fn is_connected(&self) -> bool {
        self.connected.is_some()
    }

    /// The way of a connection that was accepted then, or of a request whose head was whole then.
    pub(crate) fn since(&self, accepted: Instant) -> Course {
        let queue = self.seated.map(|seated| seated.saturating_duration_since(accepted));
        let connect = self.connected.zip(self.dialled.or(self.seated));
        Course {
            queue,
            connect: connect.map(|(connected, seated)| connected.saturating_duration_since(seated)),
            retries: self.retries,
            redispatched: self.redispatched,
            ahead: self.ahead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of a way: `s`eat at once, the `S`ame member again, a`n`other one, wait in `v`ain, `c`onnected,
    /// `d`ials anew; a second each.
    fn course(steps: &str) -> Course {
        let (mut path, accepted) = (Path::default(), Instant::now());
        for (second, step) in (1..).zip(steps.chars()) {
            let now = accepted + Duration::from_secs(second);
            match step {
                's' => path.seated(None, now),
                'S' | 'n' => {
                    path.tries_again();
                    path.seated(Some(step == 'S'), now);
                }
                'd' => path.dials_anew(now),
                'v' => path.waited_in_vain(now),
                _ => path.connected(now),
            }
        }
        path.since(accepted)
    }

    #[test]
    fn times_are_those_of_the_member_it_came_to() {
        let check = |steps: &str, queue: Option<u64>, connect: Option<u64>| {
            let found = course(steps);
            let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
            assert_eq!((seconds(found.queue), seconds(found.connect)), (queue, connect), "{steps}");
        };
        check("", None, None);
        check("s", Some(1), None);
        check("sc", Some(1), Some(1));
        check("sSSc", Some(1), Some(3));
        check("snc", Some(2), Some(1));
        check("v", Some(1), None);
        check("scdc", Some(1), Some(1));
        check("scdSc", Some(1), Some(2));
        check("scdnc", Some(4), Some(1));
        check("scd", Some(1), None);
    }

    #[test]
    fn attempts_are_counted_and_another_member_is_told() {
        let check = |steps: &str, retries: u32, redispatched: bool| {
            let found = course(steps);
            assert_eq!((found.retries, found.redispatched), (retries, redispatched), "{steps}");
        };
        check("sc", 0, false);
        check("sSSS", 3, false);
        check("snc", 1, true);
        check("snSSc", 3, true);
    }
}
