use super::*;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use std::cell::RefCell;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One request as it was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Taken {
    line: String,
    fields: Vec<(String, Vec<u8>)>,
    content: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
    whole: bool,
}

/// What is taken of a stream, and why nothing follows.
#[derive(Debug, Default, PartialEq, Eq)]
struct All {
    taken: Vec<Taken>,
    bad: Option<Fault>,
    lost: Option<content::Fault>,
}

fn lines(fields: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

fn line(method: &::http::Method, uri: &::http::Uri, version: ::http::Version) -> String {
    format!("{method} {uri} {version:?}")
}

/// Takes all that can be taken.
fn take(requests: &mut Requests, all: &mut All) {
    while all.bad.is_none() && all.lost.is_none() {
        if requests.has_ended() {
            match requests.head() {
                Ok(Some((parts, _))) => all.taken.push(Taken {
                    line: line(&parts.method, &parts.uri, parts.version),
                    fields: lines(&parts.headers),
                    whole: requests.has_ended(),
                    ..Taken::default()
                }),
                Ok(None) => return,
                Err(fault) => all.bad = Some(fault),
            }
            continue;
        }
        let request = all.taken.last_mut().unwrap();
        match requests.content() {
            Ok(Some(Part::Data(data))) => request.content.extend_from_slice(&data),
            Ok(Some(Part::Trailers(trailers))) => request.trailers = lines(&trailers),
            Ok(None) if !requests.has_ended() => return,
            Ok(None) => {}
            Err(fault) => all.lost = Some(fault),
        }
        request.whole = requests.has_ended();
    }
}

fn taken<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> All {
    let mut requests = Requests::new(RequestLimits::default());
    let mut all = All::default();
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        requests.push(Bytes::copy_from_slice(piece));
        take(&mut requests, &mut all);
    }
    all
}

fn push(requests: &mut Requests, octets: &str) {
    requests.push(Bytes::copy_from_slice(octets.as_bytes()));
}

#[test]
fn requests_are_taken_one_behind_the_other() {
    let stream = concat!(
        "POST /a HTTP/1.1\r\nContent-Length: 28\r\n\r\nGET /hidden HTTP/1.1\nHost:x\n",
        "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "3 ; a=\"b\\\";c\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\n",
        "\r\nGET /c HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
    );
    let all = taken([stream.as_bytes()]);
    let contents: Vec<_> = all.taken.iter().map(|one| str::from_utf8(&one.content).unwrap()).collect();
    assert_eq!(contents, ["GET /hidden HTTP/1.1\nHost:x\n", "abc0123456789", ""]);
    assert_eq!(all.taken[1].trailers, [("t".to_owned(), b"u".to_vec())]);
    assert_eq!((all.bad, all.lost), (Some(Fault::LineEnd), None));
}

#[test]
fn nothing_behind_a_malformed_chunk_is_taken() {
    for chunk in [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n",
        "g\r\n",
        "-3\r\n",
        "11111111111111111\r\n",
        "\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3;a=\"b\r\nabc\r\n0\r\n\r\n",
        "3;a=\"\\\"\r\nabc\r\n0\r\n\r\n",
        "3;\u{1}\r\nabc\r\n0\r\n\r\n",
        "0\r\nT : u\r\n\r\n",
        "0\r\n\r: u\r\n\r\n",
    ] {
        let stream = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        let all = taken([stream.as_bytes()]);
        assert!(all.taken.len() == 1 && all.lost.is_some() && !all.taken[0].whole, "{chunk:?}");
    }
}

#[test]
fn other_limits_hold_for_the_next_head() {
    let mut requests = Requests::new(RequestLimits::default());
    let head = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(300));
    push(&mut requests, &head.repeat(2));
    assert!(requests.head().unwrap().is_some());
    requests.limit(RequestLimits { line: 256, ..RequestLimits::default() });
    assert_eq!(requests.head().err(), Some(Fault::LongTarget));
}

#[test]
fn it_is_known_where_the_stream_stands() {
    let mut requests = Requests::new(RequestLimits::default());
    let mut check = |octets: &str, begun: bool, between: bool| {
        push(&mut requests, octets);
        take(&mut requests, &mut All::default());
        assert_eq!((requests.has_begun(), requests.is_between()), (begun, between), "after {octets:?}");
    };
    check("", false, true);
    check("\r\n", false, true);
    check("G", true, false);
    check("ET / HTTP/1.1\r\n", true, false);
    check("\r\n", false, true);
}

#[test]
fn what_nobody_takes_is_passed_over_as_far_as_it_has_come() {
    let mut requests = Requests::new(RequestLimits::default());
    push(&mut requests, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    assert!(requests.head().unwrap().is_some());
    assert!(!requests.pass_over());
    push(&mut requests, "2\r\nbc\r\n0\r\nT: u\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
    assert!(requests.pass_over() && requests.has_begun());
    assert_eq!(requests.head().unwrap().unwrap().0.uri, "/b");
    push(&mut requests, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n0\r\n\r\n");
    assert!(requests.head().unwrap().is_some());
    assert!(!requests.pass_over() && requests.is_lost());
}

#[test]
fn what_is_behind_a_request_is_handed_over_as_it_came() {
    let mut requests = Requests::new(RequestLimits::default());
    push(&mut requests, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\n");
    assert!(requests.head().unwrap().is_some());
    assert_eq!(requests.take_ahead(), "GET / HTTP/1.1\n");
    assert!(!requests.has_begun());
}

#[test]
fn another_version_is_known_by_its_preface() {
    let check = |octets: &[u8], expect: Beginning| {
        let mut requests = Requests::new(RequestLimits::default());
        requests.push(Bytes::copy_from_slice(octets));
        assert_eq!(requests.beginning(), expect, "{octets:?}");
    };
    check(b"PRI * HTTP/2.0\r\n", Beginning::Open);
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", Beginning::Http2);
    check(b"POST / HTTP/1.1\r\n", Beginning::Http1);
}

/// What the server of another library takes of the same octets.
fn library(octets: &[u8]) -> Vec<Taken> {
    let all = RefCell::new(Vec::new());
    let taking = &all;
    let serve = async |request: Request<Incoming>| {
        let (parts, mut body) = request.into_parts();
        let line = line(&parts.method, &parts.uri, parts.version);
        let mut one = Taken { line, fields: lines(&parts.headers), ..Taken::default() };
        one.whole = loop {
            match body.frame().await.map(|frame| frame.map(hyper::body::Frame::into_data)) {
                None => break true,
                Some(Err(_)) => break false,
                Some(Ok(Ok(data))) => one.content.extend_from_slice(&data),
                Some(Ok(Err(frame))) => one.trailers = lines(frame.trailers_ref().unwrap()),
            }
        };
        taking.borrow_mut().push(one);
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    };
    let exchange = async {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        far.write_all(octets).await.unwrap();
        far.shutdown().await.unwrap();
        let mut answers = Vec::new();
        let mut builder = http1::Builder::new();
        builder.half_close(true);
        let connection = builder.serve_connection(TokioIo::new(near), service_fn(&serve));
        // It may not like what it gets.
        let _ = tokio::join!(connection, far.read_to_end(&mut answers));
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(exchange);
    all.take()
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "GET /a?b=c HTTP/1.1\r\n",
        "POST http://a.example HTTP/1.1\r\n",
        "PUT /%20 HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "Host: a\r\n",
        "X-A:\t b \r\nx-a: \u{fc}\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "4\r\nabcd\r\n",
        "0\r\n\r\n",
        "0\r\nT: u\r\n\r\n",
        "A;b=c\r\n0123456789\r\n",
        "Content-Length: 4\r\n",
        "Transfer-Encoding: chunked\r\n",
        "\r\n",
        "\n",
        "\r",
        "abcd",
        ":",
        " ",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    /// How the network cuts the stream makes no difference.
    #[test]
    fn what_is_taken_does_not_depend_on_the_cut(
        stream in stream(), cuts in prop::collection::vec(1_usize..40, 1..50),
    ) {
        let (mut pieces, mut rest) = (Vec::new(), stream.as_slice());
        for size in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, left) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = left;
        }
        prop_assert_eq!(taken([stream.as_slice()]), taken(pieces));
    }

    /// What is taken here is what others take for the same requests.
    #[test]
    fn another_library_takes_the_same(stream in stream()) {
        let ours = taken([stream.as_slice()]);
        let whole = ours.taken.into_iter().filter(|one| one.whole).collect::<Vec<_>>();
        let mut theirs = library(&stream);
        theirs.truncate(whole.len());
        prop_assert_eq!(whole, theirs);
    }

    #[test]
    fn any_octets_are_taken(stream in prop::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert_eq!(taken([stream.as_slice()]), taken(stream.chunks(7)));
    }
}
