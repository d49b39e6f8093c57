//! A record as one JSON object. Pure.
//!
//! docs/operations.md names the fields; they never change their meaning, and new ones may come. Times are in whole
//! milliseconds; what does not apply is null.

use super::line::{millis, version};
use super::number::plain;
use super::{address, dates};
use crate::record::{Ended, Event, Record, Request};
use std::ops::BitOr;
use std::time::Duration;

/// The name of a field behind another, which needs no escapes, and what stands about it.
macro_rules! name {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// Writes the record, without an end of line.
pub(super) fn write(record: &Record<'_>, out: &mut Vec<u8>) {
    let Record { client, accepted, listener, is_tls, socket, event, .. } = record;
    let begun = match event {
        Event::Ended(ended) => ended.total.saturating_sub(ended.active()),
        Event::Refused(_) => Duration::ZERO,
    };
    out.extend_from_slice(b"{\"time\":\"");
    dates::rfc3339(&accepted.later(begun), out);
    out.push(b'"');
    let mut object = Object { out };
    object.value(name!("client"), *client, |client, out| {
        out.push(b'"');
        address::write(client.ip(), out);
        out.push(b'"');
    });
    object.number(name!("client_port"), client.map(|client| client.port().into()));
    object.text(name!("listener"), Some(listener));
    object.flag(name!("tls"), *is_tls);
    object.number(name!("socket"), Some(*socket as u64));
    match event {
        Event::Ended(ended) => of_ended(ended, &mut object),
        Event::Refused(fault) => object.text(name!("error"), Some(fault.text())),
    }
    out.push(b'}');
}

fn of_ended(ended: &Ended<'_>, object: &mut Object<'_>) {
    let Ended { pool, member, course, bytes, state, load, .. } = ended;
    if let Some(request) = &ended.request {
        of_request(request, ended, object);
    }
    object.text(name!("pool"), *pool);
    object.text(name!("member"), member.map(|member| member.name));
    object.time(name!("queue_ms"), course.queue);
    object.time(name!("connect_ms"), course.connect);
    object.time(name!("total_ms"), Some(ended.active()));
    object.number(name!("bytes_received"), Some(bytes.received));
    object.number(name!("bytes_sent"), Some(bytes.sent));
    object.letters(name!("state"), state.letters());
    object.number(name!("connections"), Some(load.process));
    object.number(name!("listener_connections"), Some(load.listener));
    object.number(name!("pool_connections"), Some(load.pool));
    object.number(name!("member_connections"), Some(load.member));
    object.number(name!("retries"), Some(course.retries.into()));
    object.flag(name!("redispatched"), course.redispatched);
    object.number(name!("member_queue"), Some(course.ahead.of_member));
    object.number(name!("pool_queue"), Some(course.ahead.of_pool));
}

/// What only requests have.
fn of_request(request: &Request<'_>, ended: &Ended<'_>, object: &mut Object<'_>) {
    let Request { line, status, receive, response, cookies } = request;
    object.text(name!("method"), line.map(|line| line.method.as_str()));
    object.value(name!("target"), *line, |line, out| {
        out.push(b'"');
        for part in line.target_parts() {
            escaped(part, out);
        }
        out.push(b'"');
    });
    object.text(name!("version"), line.map(|line| version(line.version)));
    object.number(name!("status"), status.map(u64::from));
    object.time(name!("handshake_ms"), Some(ended.handshake));
    object.time(name!("idle_ms"), Some(ended.idle));
    object.time(name!("receive_ms"), *receive);
    object.time(name!("response_ms"), *response);
    object.letters(name!("cookie_state"), cookies.0);
}

/// An object, whose first field is written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
}

impl Object<'_> {
    /// One field, or null.
    fn value<T>(&mut self, name: &'static str, value: Option<T>, write: impl FnOnce(T, &mut Vec<u8>)) {
        self.out.extend_from_slice(name.as_bytes());
        match value {
            Some(value) => write(value, self.out),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    fn number(&mut self, name: &'static str, number: Option<u64>) {
        self.value(name, number, plain);
    }

    fn time(&mut self, name: &'static str, time: Option<Duration>) {
        self.number(name, time.map(millis));
    }

    fn flag(&mut self, name: &'static str, flag: bool) {
        let word: &[u8] = if flag { b"true" } else { b"false" };
        self.value(name, Some(word), |word, out| out.extend_from_slice(word));
    }

    fn letters(&mut self, name: &'static str, letters: [char; 2]) {
        let mut held = [0; 8];
        let [one, other] = letters;
        let first = one.encode_utf8(&mut held).len();
        let length = first + other.encode_utf8(&mut held[first..]).len();
        self.text(name, std::str::from_utf8(&held[..length]).ok());
    }

    fn text(&mut self, name: &'static str, text: Option<&str>) {
        self.value(name, text, |text, out| {
            out.push(b'"');
            escaped(text, out);
            out.push(b'"');
        });
    }
}

/// Writes what stands between the quotes of a text.
fn escaped(text: &str, out: &mut Vec<u8>) {
    // All are looked at, since that is many at a time.
    let changes = |byte: u8| u8::from(byte < b' ' || matches!(byte, b'"' | b'\\'));
    if text.bytes().map(changes).fold(0, BitOr::bitor) == 0 {
        return out.extend_from_slice(text.as_bytes());
    }
    let start = out.len();
    serde_json::to_writer(&mut *out, text).expect("memory takes it");
    // Its quotes stand elsewhere.
    out.pop();
    out.remove(start);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{ended, record, request};
    use crate::record::{Course, Fault};
    use ::http::Method;

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
    fn texts_have_the_escapes_of_json() {
        for text in ["plain", "a\"b", "a\\b", "a\nb\u{1}\u{7f}", "\u{e9}\u{1F600}", ""] {
            let mut out = b"x".to_vec();
            escaped(text, &mut out);
            let expect = serde_json::to_string(text).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{}", &expect[1..expect.len() - 1]));
        }
    }
}
