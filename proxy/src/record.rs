//! What is told about a connection, a request or a flow when it has ended. Pure: times and counts come in as values.
//!
//! How a record is written is the business of the modules below `log`.

mod course;
mod state;

#[cfg(test)]
pub(crate) use course::Ahead;
pub(crate) use course::{Course, Path};
pub(crate) use state::{By, Cookies, Ending, Phase, State};

use ::http::{Method, Uri, Version};
use jiff::civil::{DateTime, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use std::net::SocketAddr;
use std::ops::AddAssign;
use std::time::Duration;

/// A moment as the clocks on the wall show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) local: DateTime,
    /// How far the clocks are ahead of UTC.
    pub(crate) offset: Offset,
}

impl Stamp {
    /// So much later by the same clocks.
    pub(crate) fn later(self, by: Duration) -> Self {
        // Most often the second stays, which needs no calendar.
        if let Some(later) = self.in_this_second(by) {
            return later;
        }
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        Self { local: self.local.saturating_add(by), ..self }
    }

    fn in_this_second(self, by: Duration) -> Option<Self> {
        let Self { local, offset } = self;
        let nanos = local.subsec_nanosecond() + i32::try_from(by.subsec_nanos()).ok()?;
        // None has 1,000,000,000 of them.
        let time = Time::new(local.hour(), local.minute(), local.second(), nanos).ok()?;
        (by.as_secs() == 0).then(|| Self { local: local.date().to_datetime(time), offset })
    }

    /// The same moment by the clocks of UTC.
    pub(crate) fn in_utc(self) -> Self {
        let ahead = SignedDuration::from_secs(self.offset.seconds().into());
        Self { local: self.local.saturating_sub(ahead), offset: Offset::UTC }
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(self) -> i64 {
        self.offset.to_timestamp(self.local).map_or(0, Timestamp::as_second)
    }
}

/// One connection of a client, one of its requests, or a flow of its datagrams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// The client; none where it has no address of IP.
    pub(crate) client: Option<SocketAddr>,
    /// What it connected to, where that is asked for.
    pub(crate) destination: Option<SocketAddr>,
    /// When it was accepted; of a request behind the first of its connection when the response before had ended.
    pub(crate) accepted: Stamp,
    pub(crate) listener: &'a str,
    /// Whether TLS ends at the listener.
    pub(crate) is_tls: bool,
    /// The number of the listening address among those of the listener, from 1.
    pub(crate) socket: usize,
    pub(crate) event: Event<'a>,
}

impl Record<'_> {
    /// Whether it tells of a request, or of what never became one.
    pub(crate) const fn is_of_request(&self) -> bool {
        matches!(&self.event, Event::Ended(ended) if ended.request.is_some())
    }
}

/// What became of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// It ended, whether it came to a member or not.
    Ended(&'a Ended<'a>),
    /// It was closed before anybody knew what it was for.
    Refused(Fault),
}

/// A connection or request that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended<'a> {
    /// None where none was chosen.
    pub(crate) pool: Option<&'a str>,
    /// The member it had last; none if it has none.
    pub(crate) member: Option<OfMember<'a>>,
    /// Version and cipher of the client's TLS.
    pub(crate) tls: Option<(&'a str, &'a str)>,
    /// From accept to the end of handshakes, where that is told apart.
    pub(crate) handshake: Duration,
    /// From there to the first octet of a request.
    pub(crate) idle: Duration,
    pub(crate) course: Course,
    /// From accept to end.
    pub(crate) total: Duration,
    pub(crate) bytes: Bytes,
    pub(crate) state: State,
    pub(crate) load: Load,
    /// None of what is not HTTP.
    pub(crate) request: Option<Request<'a>>,
}

/// A member, and the connection to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfMember<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: SocketAddr,
    /// This side's end of the connection, where that is asked for.
    pub(crate) local: Option<SocketAddr>,
}

/// A request, or what never became one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// None: it never became one.
    pub(crate) line: Option<RequestLine<'a>>,
    /// None: nothing was answered.
    pub(crate) status: Option<u16>,
    /// From its first octet to the end of its head.
    pub(crate) receive: Option<Duration>,
    /// From the connection to the member to the head of its response.
    pub(crate) response: Option<Duration>,
    pub(crate) cookies: Cookies,
}

/// How a request begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLine<'a> {
    pub(crate) method: &'a Method,
    pub(crate) target: &'a Uri,
    pub(crate) version: Version,
}

impl RequestLine<'_> {
    /// The target in the parts that it was read in. The `*` of a target with a host, which HTTP/2 has, is no part of it.
    pub(crate) fn target_parts(&self) -> [&str; 6] {
        let Self { target, .. } = self;
        let scheme = target.scheme_str();
        let query = target.query();
        let path = if scheme.is_some() && target.path() == "*" { "" } else { target.path() };
        [
            scheme.unwrap_or_default(),
            scheme.map_or("", |_| "://"),
            target.authority().map_or("", |authority| authority.as_str()),
            path,
            query.map_or("", |_| "?"),
            query.unwrap_or_default(),
        ]
    }
}

impl Ended<'_> {
    /// From the first octet of a request, or the accept of what is none, to the end.
    pub(crate) fn active(&self) -> Duration {
        match self.request {
            Some(_) => self.total.saturating_sub(self.handshake + self.idle),
            None => self.total,
        }
    }
}

/// Octets between the client and this side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, more: Self) {
        self.received += more.received;
        self.sent += more.sent;
    }
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn later_is_by_the_same_clocks() {
        let start = Stamp { local: date(2026, 12, 31).at(23, 59, 59, 999_000_000), offset: Offset::UTC };
        let check = |by: Duration, expect: &str| assert_eq!(start.later(by).local.to_string(), expect);
        check(Duration::ZERO, "2026-12-31T23:59:59.999");
        check(Duration::from_micros(999), "2026-12-31T23:59:59.999999");
        check(Duration::from_millis(1), "2027-01-01T00:00:00");
        check(Duration::from_secs(1), "2027-01-01T00:00:00.999");
        check(Duration::from_secs(86_400), "2027-01-01T23:59:59.999");
    }

    #[test]
    fn the_parts_of_a_target_are_the_whole_of_it() {
        for text in [
            "/",
            "/a?b=c",
            "*",
            "/a?",
            "https://web.example/a?b",
            "http://web.example:80",
            "[2001:db8::1]:443",
        ] {
            let target: Uri = text.parse().unwrap();
            let line = RequestLine { method: &Method::GET, target: &target, version: Version::HTTP_11 };
            assert_eq!(line.target_parts().concat(), target.to_string());
        }
    }

    /// The connection of HAProxy's manual, section 8.2.2, from a client over IPv6.
    pub(crate) fn ended() -> Ended<'static> {
        Ended {
            pool: Some("bck"),
            member: Some(OfMember {
                name: "srv1",
                address: "192.0.2.7:80".parse().unwrap(),
                local: "192.0.2.1:40000".parse().ok(),
            }),
            tls: None,
            handshake: Duration::ZERO,
            idle: Duration::ZERO,
            course: Course {
                queue: Some(Duration::from_micros(1_999)),
                connect: Some(Duration::ZERO),
                retries: 3,
                redispatched: false,
                ahead: Ahead { of_member: 4, of_pool: 5 },
            },
            total: Duration::from_millis(5_007),
            bytes: Bytes { received: 17, sent: 212 },
            state: State::WHOLE,
            load: Load { process: 9, listener: 8, pool: 7, member: 6 },
            request: None,
        }
    }

    /// A request that took 20 ms to come and 30 ms to be answered.
    pub(crate) fn request<'a>(method: &'a Method, target: &'a Uri) -> Request<'a> {
        Request {
            line: Some(RequestLine { method, target, version: Version::HTTP_11 }),
            status: Some(200),
            receive: Some(Duration::from_millis(20)),
            response: Some(Duration::from_millis(30)),
            cookies: Cookies::default(),
        }
    }

    pub(crate) fn record(event: Event<'_>) -> Record<'_> {
        Record {
            client: Some("[2001:db8::1]:33313".parse().unwrap()),
            destination: Some("[2001:db8::80]:443".parse().unwrap()),
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
}
