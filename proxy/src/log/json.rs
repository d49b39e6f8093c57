//! A record as one JSON object. Pure.
//!
//! docs/operations.md names the fields; they never change their meaning, and new ones may come. Times are in whole
//! milliseconds; what does not apply is null.

use super::line::version;
use crate::record::{Cookies, Ended, Event, Record, Request, Stamp, State};
use ::http::Uri;
use serde::{Serialize, Serializer};
use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::time::Duration;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(serialize_with = "as_text")]
    time: Rfc3339,
    client: Option<IpAddr>,
    client_port: Option<u16>,
    listener: &'a str,
    tls: bool,
    socket: usize,
    /// One of these two.
    #[serde(flatten)]
    ended: Option<OfEnded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

#[derive(Serialize)]
struct OfEnded<'a> {
    #[serde(flatten)]
    request: Option<OfRequest<'a>>,
    pool: Option<&'a str>,
    member: Option<&'a str>,
    queue_ms: Option<u64>,
    connect_ms: Option<u64>,
    total_ms: Option<u64>,
    bytes_received: u64,
    bytes_sent: u64,
    #[serde(serialize_with = "as_text")]
    state: State,
    connections: u64,
    listener_connections: u64,
    pool_connections: u64,
    member_connections: u64,
    retries: u32,
    redispatched: bool,
    member_queue: u64,
    pool_queue: u64,
}

/// What only requests have.
#[derive(Serialize)]
struct OfRequest<'a> {
    method: Option<&'a str>,
    target: Option<Target<'a>>,
    version: Option<&'static str>,
    status: Option<u16>,
    handshake_ms: Option<u64>,
    idle_ms: Option<u64>,
    receive_ms: Option<u64>,
    response_ms: Option<u64>,
    #[serde(serialize_with = "as_text")]
    cookie_state: Cookies,
}

/// Writes the record, without an end of line.
pub(super) fn write(record: &Record<'_>, out: &mut Vec<u8>) {
    let Record { client, accepted, listener, is_tls: tls, socket, event, .. } = *record;
    let (ended, error) = match event {
        Event::Ended(ended) => (Some(ended), None),
        Event::Refused(fault) => (None, Some(fault.text())),
    };
    let begun = ended.map_or(Duration::ZERO, |ended| ended.total.saturating_sub(ended.active()));
    let line = Line {
        time: Rfc3339(accepted.later(begun)),
        client: client.map(|client| client.ip()),
        client_port: client.map(|client| client.port()),
        listener,
        tls,
        socket,
        ended: ended.map(OfEnded::new),
        error,
    };
    serde_json::to_writer(out, &line).expect("memory takes it, and every key is a text");
}

impl<'a> OfEnded<'a> {
    fn new(ended: &Ended<'a>) -> Self {
        let Ended { pool, member, course, bytes, state, load, .. } = *ended;
        Self {
            request: ended.request.as_ref().map(|request| OfRequest::new(request, ended)),
            pool,
            member: member.map(|member| member.name),
            queue_ms: millis(course.queue),
            connect_ms: millis(course.connect),
            total_ms: millis(Some(ended.active())),
            bytes_received: bytes.received,
            bytes_sent: bytes.sent,
            state,
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

impl<'a> OfRequest<'a> {
    fn new(request: &Request<'a>, ended: &Ended<'_>) -> Self {
        let Request { line, status, receive, response, cookies } = *request;
        Self {
            method: line.map(|line| line.method.as_str()),
            target: line.map(|line| Target(line.target)),
            version: line.map(|line| version(line.version)),
            status,
            handshake_ms: millis(Some(ended.handshake)),
            idle_ms: millis(Some(ended.idle)),
            receive_ms: millis(receive),
            response_ms: millis(response),
            cookie_state: cookies,
        }
    }
}

fn millis(time: Option<Duration>) -> Option<u64> {
    time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// What is asked for, as it came.
struct Target<'a>(&'a Uri);

impl Serialize for Target<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// RFC 3339 with milliseconds.
struct Rfc3339(Stamp);

impl Display for Rfc3339 {
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
    use crate::record::tests::{ended, record, request};
    use crate::record::{Course, Fault};
    use ::http::Method;
    use jiff::tz::Offset;

    fn check(record: &Record<'_>, expect: &str) {
        let mut out = Vec::new();
        write(record, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn a_connection_is_one_object() {
        check(
            &record(Event::Ended(&ended())),
            r#"{"time":"2026-02-06T12:12:51.443+01:00","client":"2001:db8::1","client_port":33313,"listener":"fnt","tls":false,"socket":2,"pool":"bck","member":"srv1","queue_ms":1,"connect_ms":0,"total_ms":5007,"bytes_received":17,"bytes_sent":212,"state":"--","connections":9,"listener_connections":8,"pool_connections":7,"member_connections":6,"retries":3,"redispatched":false,"member_queue":4,"pool_queue":5}"#,
        );
    }

    #[test]
    fn a_request_is_one_object() {
        let target = "/a\"b?c".parse().unwrap();
        let ended =
            Ended { idle: Duration::from_secs(1), request: Some(request(&Method::GET, &target)), ..ended() };
        check(
            &record(Event::Ended(&ended)),
            r#"{"time":"2026-02-06T12:12:52.443+01:00","client":"2001:db8::1","client_port":33313,"listener":"fnt","tls":false,"socket":2,"method":"GET","target":"/a\"b?c","version":"HTTP/1.1","status":200,"handshake_ms":0,"idle_ms":1000,"receive_ms":20,"response_ms":30,"cookie_state":"--","pool":"bck","member":"srv1","queue_ms":1,"connect_ms":0,"total_ms":4007,"bytes_received":17,"bytes_sent":212,"state":"--","connections":9,"listener_connections":8,"pool_connections":7,"member_connections":6,"retries":3,"redispatched":false,"member_queue":4,"pool_queue":5}"#,
        );
    }

    #[test]
    fn what_does_not_apply_is_null() {
        let ended = Ended { member: None, course: Course::default(), ..ended() };
        let mut out = Vec::new();
        write(&Record { client: None, ..record(Event::Ended(&ended)) }, &mut out);
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
            assert_eq!(Rfc3339(stamp).to_string(), format!("2026-02-06T12:12:51.443{expect}"));
        };
        check(0, "+00:00");
        check(-12_600, "-03:30");
        check(20_700, "+05:45");
    }
}
