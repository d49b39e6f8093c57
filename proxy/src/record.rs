//! What is told about the connection of one client when it has ended. Pure: times and counts come in as values.
//!
//! How a record is written is the business of the modules below `log`.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A moment as the clocks on the wall show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) local: DateTime,
    /// How far the clocks are ahead of UTC.
    pub(crate) offset: Offset,
}

/// One connection of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// The client; none where it has no address of IP.
    pub(crate) client: Option<SocketAddr>,
    /// When it was accepted.
    pub(crate) accepted: Stamp,
    pub(crate) listener: &'a str,
    /// Whether TLS ends at the listener.
    pub(crate) is_tls: bool,
    /// The number of the listening address among those of the listener, from 1.
    pub(crate) socket: usize,
    pub(crate) event: Event<'a>,
}

/// What became of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// It ended, whether it came to a member or not.
    Ended(Ended<'a>),
    /// It was closed before anybody knew what it was for.
    Refused(Fault),
}

/// A connection that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) pool: &'a str,
    /// The member it had last; none if it has none.
    pub(crate) member: Option<&'a str>,
    pub(crate) course: Course,
    /// From accept to end.
    pub(crate) total: Duration,
    pub(crate) bytes: Bytes,
    pub(crate) ending: Ending,
    pub(crate) load: Load,
}

/// The way to a member, as far as it went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Course {
    /// From accept to the place at the latest member, or to where waiting for one ended in vain.
    pub(crate) queue: Option<Duration>,
    /// From that place to the connection, earlier attempts at the same member included.
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

/// Octets between the client and this side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// Connections at the end of this one: it counts in the first two, and no longer in the others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) process: u64,
    pub(crate) listener: u64,
    /// With those who wait for a place.
    pub(crate) pool: u64,
    pub(crate) member: u64,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Both sides had said all, and it was passed on.
    Whole,
    ClientGone,
    ClientSilent,
    MemberGone,
    MemberSilent,
    /// Both had spoken, and were silent.
    Idle,
    /// Every member is out.
    NoMember,
    /// The last member that was tried refused.
    Refused,
    /// The last member that was tried did not answer in time.
    ConnectTimeout,
    /// This side had no port, file or memory for a connection to the last member that was tried.
    Shortage,
    QueueFull,
    QueueTimeout,
}

impl Ending {
    /// HAProxy's termination state: who or what ended it, and in which phase.
    pub(crate) const fn state(self) -> &'static str {
        match self {
            Self::Whole => "--",
            Self::ClientGone => "CD",
            Self::ClientSilent | Self::Idle => "cD",
            Self::MemberGone => "SD",
            Self::MemberSilent => "sD",
            Self::NoMember | Self::Refused => "SC",
            Self::ConnectTimeout => "sC",
            Self::Shortage => "RC",
            Self::QueueFull => "SQ",
            Self::QueueTimeout => "sQ",
        }
    }
}

/// Why a connection was closed before it was served, in HAProxy's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The PROXY header is malformed.
    MalformedHeader,
    /// The connection ended before a PROXY header.
    ClosedEarly,
    /// The connection broke before a PROXY header.
    BrokenEarly,
    /// The PROXY header did not come in time.
    LateHeader,
    /// The handshake of TLS failed, or a `ClientHello` is malformed.
    FailedHandshake,
    /// The connection ended in the handshake.
    ClosedHandshake,
    /// The handshake was not done in time.
    LateHandshake,
}

impl Fault {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::MalformedHeader => "Received something which does not look like a PROXY protocol header",
            Self::ClosedEarly => "Connection closed while waiting for PROXY protocol header",
            Self::BrokenEarly => "Connection error while waiting for PROXY protocol header",
            Self::LateHeader => "Timeout while waiting for PROXY protocol header",
            Self::FailedHandshake => "SSL handshake failure",
            Self::ClosedHandshake => "Connection closed during SSL handshake",
            Self::LateHandshake => "Timeout during SSL handshake",
        }
    }
}

/// The way to a member while it is on. Costs nothing but room.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Path {
    /// The latest place at a member, or where waiting for one ended in vain.
    seated: Option<Instant>,
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
        if same != Some(true) {
            self.seated = Some(now);
        }
    }

    /// Nobody had a place in time.
    pub(crate) const fn waited_in_vain(&mut self, now: Instant) {
        self.seated = Some(now);
    }

    pub(crate) const fn connected(&mut self, now: Instant) {
        self.connected = Some(now);
    }

    /// The way of a connection that was accepted then.
    pub(crate) fn since(&self, accepted: Instant) -> Course {
        let queue = self.seated.map(|seated| seated.saturating_duration_since(accepted));
        let connect = self.connected.zip(self.seated);
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
pub(crate) mod tests {
    use super::*;
    use jiff::civil::date;

    /// The connection of HAProxy's manual, section 8.2.2, from a client over IPv6.
    pub(crate) fn ended() -> Ended<'static> {
        Ended {
            pool: "bck",
            member: Some("srv1"),
            course: Course {
                queue: Some(Duration::from_micros(1_999)),
                connect: Some(Duration::ZERO),
                retries: 3,
                redispatched: false,
                ahead: Ahead { of_member: 4, of_pool: 5 },
            },
            total: Duration::from_millis(5_007),
            bytes: Bytes { received: 17, sent: 212 },
            ending: Ending::Whole,
            load: Load { process: 9, listener: 8, pool: 7, member: 6 },
        }
    }

    pub(crate) fn record(event: Event<'_>) -> Record<'_> {
        Record {
            client: Some("[2001:db8::1]:33313".parse().unwrap()),
            accepted: Stamp {
                local: date(2026, 2, 6).at(12, 12, 51, 443_900_000),
                offset: Offset::from_hours(1).unwrap(),
            },
            listener: "fnt",
            is_tls: false,
            socket: 2,
            event,
        }
    }

    /// Steps of a way: `s`eat at once, the `S`ame member again, a`n`other one, wait in `v`ain, `c`onnected; a second
    /// each.
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
