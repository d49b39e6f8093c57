//! A record as one JSON object. Pure.
//!
//! docs/operations.md names the fields; they never change their meaning, and new ones may come. Times are in whole
//! milliseconds; what does not apply is null.

use crate::record::{Ended, Event, Record, Stamp};
use serde::{Serialize, Serializer};
use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::time::Duration;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(serialize_with = "as_text")]
    time: Rfc3339<'a>,
    client: Option<IpAddr>,
    client_port: Option<u16>,
    listener: &'a str,
    tls: bool,
    socket: usize,
    #[serde(flatten)]
    rest: Rest<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Rest<'a> {
    Ended(OfEnded<'a>),
    Refused { error: &'static str },
}

#[derive(Serialize)]
struct OfEnded<'a> {
    pool: &'a str,
    member: Option<&'a str>,
    queue_ms: Option<u64>,
    connect_ms: Option<u64>,
    total_ms: Option<u64>,
    bytes_received: u64,
    bytes_sent: u64,
    state: &'static str,
    connections: u64,
    listener_connections: u64,
    pool_connections: u64,
    member_connections: u64,
    retries: u32,
    redispatched: bool,
    member_queue: u64,
    pool_queue: u64,
}

/// Writes the record, without an end of line.
pub(super) fn write(record: &Record<'_>, out: &mut Vec<u8>) {
    let Record { client, ref accepted, listener, is_tls: tls, socket, event } = *record;
    let line = Line {
        time: Rfc3339(accepted),
        client: client.map(|client| client.ip()),
        client_port: client.map(|client| client.port()),
        listener,
        tls,
        socket,
        rest: match event {
            Event::Ended(ended) => Rest::Ended(OfEnded::new(&ended)),
            Event::Refused(fault) => Rest::Refused { error: fault.text() },
        },
    };
    serde_json::to_writer(out, &line).expect("memory takes it, and every key is a text");
}

impl<'a> OfEnded<'a> {
    fn new(ended: &Ended<'a>) -> Self {
        let Ended { pool, member, course, total, bytes, ending, load } = *ended;
        Self {
            pool,
            member,
            queue_ms: millis(course.queue),
            connect_ms: millis(course.connect),
            total_ms: millis(Some(total)),
            bytes_received: bytes.received,
            bytes_sent: bytes.sent,
            state: ending.state(),
            connections: load.process,
            listener_connections: load.listener,
            pool_connections: load.pool,
            member_connections: load.member,
            retries: course.retries,
            redispatched: course.redispatched,
            member_queue: course.ahead.of_member,
            pool_queue: course.ahead.of_pool,
        }
    }
}

fn millis(time: Option<Duration>) -> Option<u64> {
    time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// RFC 3339 with milliseconds.
struct Rfc3339<'a>(&'a Stamp);

impl Display for Rfc3339<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Stamp { local, offset } = self.0;
        let ahead = offset.seconds() / 60;
        let (sign, hours, minutes) = (if ahead < 0 { '-' } else { '+' }, ahead.abs() / 60, ahead.abs() % 60);
        write!(f, "{local:.3}{sign}{hours:02}:{minutes:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{ended, record};
    use crate::record::{Course, Fault};
    use jiff::tz::Offset;

    fn check(record: &Record<'_>, expect: &str) {
        let mut out = Vec::new();
        write(record, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn a_connection_is_one_object() {
        check(
            &record(Event::Ended(ended())),
            r#"{"time":"2026-02-06T12:12:51.443+01:00","client":"2001:db8::1","client_port":33313,"listener":"fnt","tls":false,"socket":2,"pool":"bck","member":"srv1","queue_ms":1,"connect_ms":0,"total_ms":5007,"bytes_received":17,"bytes_sent":212,"state":"--","connections":9,"listener_connections":8,"pool_connections":7,"member_connections":6,"retries":3,"redispatched":false,"member_queue":4,"pool_queue":5}"#,
        );
    }

    #[test]
    fn what_does_not_apply_is_null() {
        let ended = Ended { member: None, course: Course::default(), ..ended() };
        let mut out = Vec::new();
        write(&Record { client: None, ..record(Event::Ended(ended)) }, &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        for key in ["client", "client_port", "member", "queue_ms", "connect_ms"] {
            assert_eq!(value.get(key), Some(&serde_json::Value::Null), "{key}");
        }
    }

    #[test]
    fn a_connection_that_is_not_served_has_its_reason() {
        check(
            &record(Event::Refused(Fault::LateHeader)),
            r#"{"time":"2026-02-06T12:12:51.443+01:00","client":"2001:db8::1","client_port":33313,"listener":"fnt","tls":false,"socket":2,"error":"Timeout while waiting for PROXY protocol header"}"#,
        );
    }

    #[test]
    fn clocks_behind_utc_say_so() {
        let check = |seconds: i32, expect: &str| {
            let stamp = Stamp {
                offset: Offset::from_seconds(seconds).unwrap(),
                ..record(Event::Refused(Fault::LateHeader)).accepted
            };
            assert_eq!(Rfc3339(&stamp).to_string(), format!("2026-02-06T12:12:51.443{expect}"));
        };
        check(0, "+00:00");
        check(-12_600, "-03:30");
        check(20_700, "+05:45");
    }
}
