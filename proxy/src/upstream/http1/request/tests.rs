use super::*;
use crate::message::leaving::{FULL, JOINED, Short};
use bytes::Bytes;
use http::HeaderValue;
use http::Request as Message;

/// The head of a request that is put together so.
fn message(method: &str, uri: &str, fields: &[(&str, &str)]) -> Message<()> {
    let mut request = Message::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn request(message: &Message<()>, has_content: bool) -> Leaving {
    begin((message.method(), message.uri(), message.headers()), has_content).0
}

/// All that waits, written in steps of so many octets.
fn written(request: &mut Leaving, step: usize) -> String {
    let mut written = Vec::new();
    while !request.is_empty() {
        let all: Vec<u8> = request.pieces().iter().flat_map(|piece| piece.to_vec()).collect();
        let count = step.min(all.len());
        written.extend_from_slice(&all[..count]);
        request.advance(count);
    }
    String::from_utf8(written).unwrap()
}

#[test]
fn a_head_has_its_fields_in_their_order() {
    let check = |message: &Message<()>, expect: &str| {
        let mut request = request(message, false);
        assert_eq!(written(&mut request, 7), expect);
        assert!(request.is_done() && !request.takes_more());
    };
    check(
        &message("GET", "/a?b", &[("Host", "c"), ("x-d", "1"), ("accept", ""), ("X-D", "2")]),
        "GET /a?b HTTP/1.1\r\nhost: c\r\nx-d: 1\r\nx-d: 2\r\naccept: \r\n\r\n",
    );
    check(&message("GET", "http://a.example?b", &[]), "GET /?b HTTP/1.1\r\n\r\n");
    check(&message("OPTIONS", "*", &[]), "OPTIONS * HTTP/1.1\r\n\r\n");
    check(
        &message("CONNECT", "a.example:1", &[("host", "a")]),
        "CONNECT a.example:1 HTTP/1.1\r\nhost: a\r\n\r\n",
    );
    check(&message("POST", "/", &[("content-length", "0")]), "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
}

#[test]
fn a_head_promises_no_content_that_does_not_come() {
    let fields = [("content-length", "5"), ("transfer-encoding", "chunked"), ("host", "a")];
    let mut request = request(&message("POST", "/", &fields), false);
    assert_eq!(written(&mut request, usize::MAX), "POST / HTTP/1.1\r\nhost: a\r\n\r\n");
}

#[test]
fn content_of_a_length_has_that_length() {
    let message = message("POST", "/", &[("content-length", "5")]);
    let mut short = request(&message, true);
    short.add(Bytes::from_static(b"abc"));
    assert!(short.takes_more());
    assert_eq!(short.end(None), Err(Short));
    let mut long = request(&message, true);
    long.add(Bytes::from_static(b"abc"));
    long.add(Bytes::from_static(b"defgh"));
    assert!(!long.takes_more());
    assert_eq!(long.end(None), Ok(()));
    assert_eq!(written(&mut long, 3), "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nabcde");
    assert!(long.is_done());
}

#[test]
fn other_content_goes_in_chunks() {
    let head = "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    for fields in [
        &[][..],
        &[("transfer-encoding", "chunked")],
        &[("content-length", "5"), ("transfer-encoding", "chunked")],
        &[("content-length", "+5")],
        &[("content-length", "5"), ("transfer-encoding", "gzip")],
    ] {
        let mut request = request(&message("PUT", "/", fields), true);
        request.add(Bytes::from_static(b"0123456789"));
        request.add(Bytes::new());
        request.add(Bytes::from_static(b"a"));
        assert_eq!(request.end(None), Ok(()));
        assert_eq!(written(&mut request, 5), format!("{head}A\r\n0123456789\r\n1\r\na\r\n0\r\n\r\n"));
        assert!(request.is_done());
    }
}

#[test]
fn a_large_piece_is_written_from_where_it_lies() {
    let piece = "x".repeat(JOINED + 1);
    let mut request = request(&message("PUT", "/", &[]), true);
    request.add(piece.clone().into());
    assert!(!request.takes_more());
    assert_eq!(request.pieces()[1].len(), JOINED + 1);
    assert_eq!(request.end(None), Ok(()));
    let text = written(&mut request, 1000);
    assert!(text.ends_with(&format!("\r\n\r\n1001\r\n{piece}\r\n0\r\n\r\n")), "{text}");
    assert!(request.is_done());
}

#[test]
fn nothing_overtakes_a_large_piece() {
    let piece = "x".repeat(JOINED + 1);
    let mut request = request(&message("PUT", "/", &[]), true);
    request.add(piece.clone().into());
    let mut text = String::new();
    while !request.takes_more() {
        let first = request.pieces().iter().flat_map(|piece| piece.to_vec()).next().unwrap();
        text.push(char::from(first));
        request.advance(1);
    }
    request.add(Bytes::from_static(b"y"));
    assert_eq!(request.end(None), Ok(()));
    text += &written(&mut request, usize::MAX);
    assert!(text.ends_with(&format!("\r\n\r\n1001\r\n{piece}\r\n1\r\ny\r\n0\r\n\r\n")), "{text}");
}

#[test]
fn what_waits_is_bounded() {
    let mut request = request(&message("PUT", "/", &[("content-length", "1000000")]), true);
    let mut count = 0;
    while request.takes_more() {
        request.add(vec![b'x'; JOINED].into());
        count += 1;
    }
    assert_eq!(count, FULL / JOINED);
    request.advance(100 + JOINED);
    assert!(request.takes_more());
}

#[test]
fn what_is_written_is_not_kept_while_more_is_added() {
    let mut request = request(&message("PUT", "/", &[]), true);
    for _ in 0..1000 {
        while request.takes_more() {
            request.add(vec![b'x'; JOINED].into());
        }
        // As TLS takes it: never all.
        request.advance(FULL);
    }
    assert!(request.room() <= 4 * FULL, "{}", request.room());
}

#[test]
fn only_announced_trailers_leave() {
    let mut trailers = HeaderMap::new();
    trailers.append("x-sum", HeaderValue::from_static("1"));
    trailers.append("x-sum", HeaderValue::from_static("2"));
    trailers.append("x-other", HeaderValue::from_static("3"));
    let check = |fields: &[(&str, &str)], expect: &str| {
        let mut request = request(&message("PUT", "/", fields), true);
        request.add(Bytes::from_static(b"a"));
        assert_eq!(request.end(Some(&trailers)), Ok(()));
        let text = written(&mut request, usize::MAX);
        assert_eq!(text.split_once("1\r\na\r\n").unwrap().1, expect, "{fields:?}");
    };
    check(&[], "0\r\n\r\n");
    check(&[("trailer", "x-a, X-Sum")], "0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n");
}

#[test]
fn a_request_may_be_the_last_one() {
    let closes = |fields: &[(&str, &str)]| {
        let message = message("GET", "/", fields);
        begin((message.method(), message.uri(), message.headers()), false).1
    };
    assert!(closes(&[("connection", "te, Close")]));
    assert!(!closes(&[("connection", "upgrade"), ("x-connection", "close")]));
}
