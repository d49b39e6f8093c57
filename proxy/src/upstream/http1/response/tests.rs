use super::*;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a response was read as.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    reason: Option<Vec<u8>>,
    content: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
}

fn lines(fields: &http::HeaderMap) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

/// Reads a response that comes in these parts, behind which the connection ends if it is `closed`. `None`: more is awaited.
fn read(asked: Asked, parts: &[&[u8]], closed: bool) -> Result<Option<(Read, Response)>, Fault> {
    let (mut response, mut read) = (Response::new(asked), Read::default());
    let mut rest = parts.iter();
    let mut is_behind_head = false;
    loop {
        let part = if is_behind_head { response.content()? } else { None };
        match part {
            Some(Part::Data(data)) => {
                assert!(!data.is_empty());
                read.content.extend_from_slice(&data);
                continue;
            }
            Some(Part::Trailers(trailers)) => {
                assert!(!trailers.is_empty());
                read.trailers = lines(&trailers);
                continue;
            }
            None if response.is_ended() || response.is_switched() => break,
            None => {}
        }
        if !is_behind_head && let Some(head) = response.head()? {
            if !head.is_interim() {
                read.status = head.status.as_u16();
                read.fields = lines(&head.headers);
                read.reason = head.reason.map(|reason| reason.to_vec());
                is_behind_head = true;
            }
            continue;
        }
        match rest.next() {
            Some(part) => response.push(Bytes::copy_from_slice(part)),
            None if closed => response.close(),
            None => return Ok(None),
        }
    }
    rest.for_each(|part| response.push(Bytes::copy_from_slice(part)));
    Ok(Some((read, response)))
}

fn check(asked: Asked, octets: &str, expect: &str) {
    let told = match read(asked, &[octets.as_bytes()], false) {
        Ok(Some((read, response))) => {
            let content = String::from_utf8_lossy(&read.content).into_owned();
            let keeps = if response.leaves_connection() { "" } else { ", the last" };
            let behind = response.is_switched().then(|| response.into_ahead());
            match behind {
                Some(ahead) => format!("{} and {:?}", read.status, String::from_utf8_lossy(&ahead)),
                None => format!("{} {content:?}{keeps}", read.status),
            }
        }
        Ok(None) => match read_to_end(asked, octets) {
            Ok(text) => format!("{text:?} up to the end"),
            Err(fault) => fault,
        },
        Err(fault) => format!("{fault:?}"),
    };
    assert_eq!(told, expect, "{octets:?}");
}

fn read_to_end(asked: Asked, octets: &str) -> Result<String, String> {
    let read = read(asked, &[octets.as_bytes()], true).map_err(|fault| format!("{fault:?}"))?;
    let (read, response) = read.ok_or("nothing")?;
    assert!(!response.leaves_connection());
    Ok(String::from_utf8_lossy(&read.content).into_owned())
}

/// A response of HTTP/1.1 with these lines behind the status line.
fn of(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}")
}

#[test]
fn content_has_the_length_that_the_head_says() {
    let check = |lines: &str, expect: &str| check(Asked::Other, &of(lines), expect);
    check("Content-Length: 3\r\n\r\nabc", "200 \"abc\"");
    check("Content-Length: 0\r\n\r\n", "200 \"\"");
    check("content-length:003\r\n\r\nabc", "200 \"abc\"");
    check("Content-Length: 3\r\n\r\nab", "Cut");
    check("Content-Length: 3\r\n\r\nabcd", "200 \"abc\", the last");
    check("\r\nabc", "\"abc\" up to the end");
    check("\r\n", "\"\" up to the end");
    check("Connection: keep-alive\r\n\r\nabc", "\"abc\" up to the end");
}

#[test]
fn lengths_that_can_be_read_in_two_ways_are_refused() {
    for lines in [
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: -3\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length: 3 3\r\n",
        "Content-Length: \r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;a=b\r\n",
        "Transfer-Encoding:\r\n",
    ] {
        for asked in [Asked::Other, Asked::Head] {
            check(asked, &of(&format!("{lines}\r\nabc")), "Framing");
        }
        let empty = format!("HTTP/1.1 304 Not Modified\r\n{lines}\r\n");
        check(Asked::Other, &empty, "Framing");
    }
    check(Asked::Other, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Framing");
}

#[test]
fn some_responses_have_no_content_whatever_they_say() {
    for lines in ["", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n"] {
        check(Asked::Head, &of(&format!("{lines}\r\n")), "200 \"\"");
        check(Asked::Other, &format!("HTTP/1.1 204 No Content\r\n{lines}\r\n"), "204 \"\"");
        check(Asked::Other, &format!("HTTP/1.1 304 Not Modified\r\n{lines}\r\n"), "304 \"\"");
        check(Asked::Head, &of(&format!("{lines}\r\nabc")), "200 \"\", the last");
    }
}

#[test]
fn a_tunnel_begins_behind_what_grants_it() {
    check(Asked::Other, "HTTP/1.1 101 Switching\r\nContent-Length: 1\r\n\r\nabc", "101 and \"abc\"");
    check(Asked::Connect, "HTTP/1.1 204 Fine\r\nTransfer-Encoding: gzip\r\n\r\nabc", "204 and \"abc\"");
    check(Asked::Connect, "HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\na", "407 \"a\"");
}

#[test]
fn interim_responses_are_passed_over() {
    let final_one = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
    let interim =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\nLink: a\r\n\r\n";
    check(Asked::Other, &format!("{interim}{final_one}"), "200 \"a\"");
    check(Asked::Head, &format!("{interim}HTTP/1.1 200 OK\r\n\r\n"), "200 \"\"");
    check(Asked::Other, interim, "Cut");
}

#[test]
fn connections_go_on_where_both_know_it() {
    let keeps = |version: &str, fields: &str, expect: bool| {
        let octets = format!("HTTP/{version} 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
        let (_, response) = read(Asked::Other, &[octets.as_bytes()], false).unwrap().unwrap();
        assert_eq!(response.leaves_connection(), expect, "{octets:?}");
    };
    keeps("1.1", "", true);
    keeps("1.1", "Connection: close\r\n", false);
    keeps("1.1", "Connection: a, CLOSE\r\n", false);
    keeps("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false);
    keeps("1.1", "Connection: \u{fc}, close\r\n", false);
    keeps("1.0", "", false);
    keeps("1.0", "Connection: Keep-Alive\r\n", true);
    keeps("1.0", "Connection: keep-alive, close\r\n", false);
}

#[test]
fn what_is_no_head_is_refused() {
    for octets in [
        "220 mail.example ESMTP\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        "HTTP/1.1 200 OK\r\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA(: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\x7f\r\n\r\n",
    ] {
        for asked in [Asked::Other, Asked::Head, Asked::Connect] {
            let fault = read(asked, &[octets.as_bytes()], false).unwrap_err();
            assert!(matches!(fault, Fault::Head(_)), "{octets:?}: {fault:?}");
        }
    }
}

#[test]
fn heads_have_their_limits() {
    let sized = |size: usize| {
        let head = of("Content-Length: 0\r\nA: ");
        format!("{head}{}\r\n\r\n", "b".repeat(size - head.len() - 4))
    };
    check(Asked::Other, &sized(MAX_HEAD), "200 \"\"");
    check(Asked::Other, &sized(MAX_HEAD + 1), "LargeHead");
    check(Asked::Other, &sized(MAX_HEAD + 1)[..MAX_HEAD], "LargeHead");
    check(Asked::Other, &of(&format!("{}\r\n", "A: b\r\n".repeat(100))), "\"\" up to the end");
    check(Asked::Other, &of(&"A: b\r\n".repeat(101)), "Head(TooManyHeaders)");
}

#[test]
fn chunks_are_put_together() {
    let check = |chunks: &str, expect: &str| {
        check(Asked::Other, &of(&format!("Transfer-Encoding: Chunked\r\n\r\n{chunks}")), expect);
    };
    check("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "200 \"abcde\"");
    check("0\r\n\r\n", "200 \"\"");
    check("00000000a;b=\"c;\\\"\"\r\n0123456789\r\n000\r\n\r\n", "200 \"0123456789\"");
    check("3  \r\nabc\r\n0 ;a\r\n\r\n", "200 \"abc\"");
    check("3\r\nabc\r\n0\r\n\r\nx", "200 \"abc\", the last");
    check("3\r\nabc\r\n0\r\nA: b\r\n\r\n", "200 \"abc\"");
    check("3\r\nabc\r\n0\r\n\r", "Cut");
    check("3\r\nabc\r\n", "Cut");
    check("3\r\nab", "Cut");
    for malformed in [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nab\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "\r\n3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3 3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "g\r\nabc\r\n0\r\n\r\n",
        "10000000000000000\r\nabc\r\n0\r\n\r\n",
        "3;a\0\r\nabc\r\n0\r\n\r\n",
        "3;a\rb\r\nabc\r\n0\r\n\r\n",
        "3;a=\"b\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\n\r\n",
    ] {
        check(malformed, "Chunk");
    }
    for malformed in [
        "0\r\nA: b\n\r\n",
        "0\r\n\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA: b\0\r\n\r\n",
        "0\r\nA: b\rc\r\n\r\n",
        "0\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        check(malformed, "Trailers");
    }
}

#[test]
fn lines_between_chunks_have_their_limits() {
    let check = |chunks: &str, expect: &str| {
        check(Asked::Other, &of(&format!("Transfer-Encoding: chunked\r\n\r\n{chunks}")), expect);
    };
    let extended =
        |count: usize| format!("{}0\r\n\r\n", format!("1;{}\r\na\r\n", "b".repeat(127)).repeat(count));
    check(&extended(127), &format!("200 {:?}", "a".repeat(127)));
    check(&extended(128), "Chunk");
    check(&format!("1;{}", "b".repeat(17 << 10)), "Chunk");
    check(&format!("0\r\n{}\r\n", "A: b\r\n".repeat(100)), "200 \"\"");
    check(&format!("0\r\n{}\r\n", "A: b\r\n".repeat(101)), "Trailers");
    check(&format!("0\r\nA: {}\r\n\r\n", "b".repeat(16 << 10)), "Trailers");
    check(&format!("0\r\nA: {}", "b".repeat(17 << 10)), "Trailers");
}

#[test]
fn who_takes_the_last_octets_knows_it() {
    let mut response = Response::new(Asked::Other);
    response.push(Bytes::from_static(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ));
    response.head().unwrap().unwrap();
    assert!(!response.is_ended());
    assert_eq!(response.content(), Ok(Some(Part::Data(Bytes::from_static(b"a")))));
    assert!(response.is_ended() && response.leaves_connection());
}

#[test]
fn a_phrase_of_the_member_is_kept() {
    let phrase = |line: &str| {
        let octets = format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n");
        read(Asked::Other, &[octets.as_bytes()], false).unwrap().unwrap().0.reason
    };
    assert_eq!(phrase("200 OK"), None);
    assert_eq!(phrase("200 Fine, thanks"), Some(b"Fine, thanks".to_vec()));
    assert_eq!(phrase("200"), Some(Vec::new()));
    assert_eq!(phrase("404 OK"), Some(b"OK".to_vec()));
}

/// What is wrong, by what follows for the client.
fn class(fault: Fault) -> bool {
    fault == Fault::Cut
}

/// Texts of which responses and what is nearly such are made.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![8 => Just("HTTP/1.1 "), 1 => Just("HTTP/1.0 "), 1 => Just("\r\nHTTP/1.1 ")];
    let status =
        prop::sample::select(vec!["200 OK", "204 No", "304 ", "100 Continue", "101 Up", "500", "999 Odd"]);
    let line = prop::sample::select(vec![
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "content-length: 05\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding: Chunked \r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "A:\r\n",
        "A: b\n",
        "A : b\r\n",
        " folded\r\n",
        "Set-Cookie: \u{fc}=\t1\r\n",
    ]);
    let body = prop::sample::select(vec![
        "abcde",
        "abc",
        "abcdefgh",
        "5\r\nabcde\r\n",
        "1;x=\"y\"\r\na\r\n",
        "A \r\n0123456789\r\n",
        "0\r\n\r\n",
        "0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n",
        "0\r\nX: 1\n\r\n",
        "3\nabc\r\n",
        "ffffffffffffffff\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
    ]);
    let end = prop_oneof![12 => Just("\r\n"), 1 => Just("\n"), 1 => Just("")];
    let one = (version, status, prop::collection::vec(line, 0..4), end, prop::collection::vec(body, 0..4))
        .prop_map(|(version, status, lines, end, body)| {
            format!("{version}{status}\r\n{}{end}{}", lines.concat(), body.concat()).into_bytes()
        });
    let changed =
        (prop::collection::vec(one, 1..3), prop::option::of((any::<prop::sample::Index>(), any::<u8>())));
    changed.prop_map(|(all, change)| {
        let mut octets = all.concat();
        if let Some((place, octet)) = change {
            let place = place.index(octets.len());
            octets[place] = octet;
        }
        octets
    })
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![4 => Just(Asked::Other), 1 => Just(Asked::Head), 1 => Just(Asked::Connect)]
}

/// What another library makes of the same octets.
fn library(asked: Asked, octets: &[u8]) -> Option<Read> {
    let (method, uri) = match asked {
        Asked::Other => ("GET", "/"),
        Asked::Head => ("HEAD", "/"),
        Asked::Connect => ("CONNECT", "a.example:1"),
    };
    let exchange = async {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut sender, connection) =
            Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(near)).await.ok()?;
        let request = Request::builder().method(method).uri(uri).body(Empty::<Bytes>::new()).ok()?;
        let member = async {
            let mut head = [0; 1024];
            assert!(far.read(&mut head).await.unwrap() > 0);
            far.write_all(octets).await.unwrap();
            drop(far);
        };
        let client = async {
            let response = sender.send_request(request).await.ok()?;
            let (parts, mut body) = response.into_parts();
            let mut read =
                Read { status: parts.status.as_u16(), fields: lines(&parts.headers), ..Read::default() };
            let reason = parts.extensions.get::<hyper::ext::ReasonPhrase>();
            read.reason = reason.map(|reason| reason.as_bytes().to_vec());
            while let Some(frame) = body.frame().await {
                match frame.ok()?.into_data() {
                    Ok(data) => read.content.extend_from_slice(&data),
                    Err(frame) => read.trailers = lines(frame.trailers_ref()?),
                }
            }
            Some(read)
        };
        let (read, (), _) = tokio::join!(client, member, connection);
        read
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(exchange)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn where_octets_are_cut_apart_changes_nothing(
        asked in asked(), octets in octets(), cuts in prop::collection::vec(1_usize..40, 0..30), closed: bool,
    ) {
        let whole = read(asked, &[&octets], closed);
        let (mut parts, mut rest) = (Vec::new(), &octets[..]);
        for cut in cuts {
            let (part, behind) = rest.split_at(cut.min(rest.len()));
            parts.push(part);
            rest = behind;
        }
        parts.push(rest);
        parts.retain(|part| !part.is_empty());
        let single: Vec<_> = octets.chunks(1).collect();
        for parts in [parts, single] {
            match (&whole, read(asked, &parts, closed)) {
                (Ok(Some((whole, known))), Ok(Some((cut, response)))) => {
                    prop_assert_eq!(whole, &cut);
                    prop_assert_eq!(known.leaves_connection(), response.leaves_connection());
                    prop_assert_eq!(known.is_switched(), response.is_switched());
                }
                (Err(whole), Err(cut)) => prop_assert_eq!(class(*whole), class(cut)),
                (Ok(None), Ok(None)) => {}
                // What is wrong with a line may show only when that ends.
                (Err(fault), Ok(None)) => prop_assert!(!closed && !class(*fault)),
                (whole, cut) => prop_assert!(false, "{:?} is not {:?}", whole, cut.map(|read| read.map(|(read, _)| read))),
            }
        }
    }

    #[test]
    fn what_is_read_is_what_the_library_reads(asked in asked(), octets in octets()) {
        if let Ok(Some((ours, _))) = read(asked, &[&octets], true) {
            let theirs = library(asked, &octets);
            prop_assert!(theirs.is_some(), "they refuse what is read as {:?}", ours);
            prop_assert_eq!(Some(ours), theirs);
        }
    }

    #[test]
    fn any_octets_are_read_without_fault(octets in prop::collection::vec(any::<u8>(), 0..200), asked in asked()) {
        let _ = read(asked, &[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &octets], true);
        let _ = read(asked, &[&octets], true);
    }
}

#[test]
fn what_was_read_is_let_go_with_its_end() {
    struct Room {
        octets: &'static [u8],
        _held: Arc<()>,
    }

    impl AsRef<[u8]> for Room {
        fn as_ref(&self) -> &[u8] {
            self.octets
        }
    }

    for octets in [
        &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let held = Arc::new(());
        let mut response = Response::new(Asked::Other);
        response.push(Bytes::from_owner(Room { octets, _held: Arc::clone(&held) }));
        drop(response.head().unwrap().unwrap());
        while response.content().unwrap().is_some() {}
        assert_eq!(Arc::strong_count(&held), 1, "{}", octets.escape_ascii());
    }
}
