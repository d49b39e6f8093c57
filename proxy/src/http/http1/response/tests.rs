use super::*;
use crate::http::http1::request::Requests;
use ::http::{HeaderName, HeaderValue};
use bytes::Bytes;
use config::model::RequestLimits;
use http_body_util::StreamBody;
use hyper::Response;
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

type Fields<'a> = &'a [(&'static str, &'static str)];

/// A response, and what asks for it.
#[derive(Clone, Copy)]
struct Case<'a> {
    /// The request line, and fields, without the empty line.
    request: &'a str,
    status: u16,
    fields: Fields<'a>,
    /// `None`: there is none. Without a length it is told by its end.
    content: Option<(&'static str, Size)>,
    trailers: Fields<'a>,
}

const PLAIN: Case<'static> = Case {
    request: "GET / HTTP/1.1\r\n",
    status: 200,
    fields: &[],
    content: Some(("hello", Size::Known(5))),
    trailers: &[],
};

fn map(fields: Fields<'_>) -> HeaderMap {
    let field = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let mut map = HeaderMap::new();
    map.extend(fields.iter().map(field));
    map
}

impl Case<'_> {
    fn response<B>(&self, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        *response.headers_mut() = map(self.fields);
        response.headers_mut().append(::http::header::DATE, HeaderValue::from_static(DATE));
        response
    }

    /// What is written here, and whether the connection goes on.
    fn written(&self) -> (String, bool) {
        let mut requests = Requests::new(RequestLimits::default());
        requests.push(Bytes::from(format!("{}\r\n", self.request)));
        let (request, told) = requests.head().unwrap().unwrap();
        let head = self.response(()).into_parts().0;
        let (content, size) = self.content.unwrap_or(("", Size::Known(0)));
        let mut leaving = Leaving::default();
        let persists = begin(
            &mut leaving,
            Asked::new(told, &request.method),
            &head,
            Beside { size, reason: None, date: b"" },
        );
        if !leaving.is_ended() {
            leaving.add(Bytes::from_static(content.as_bytes()));
            let trailers = map(self.trailers);
            leaving.end(Some(&trailers)).unwrap();
        }
        let octets: Vec<u8> = leaving.pieces().iter().flat_map(|piece| piece.to_vec()).collect();
        (String::from_utf8(octets).unwrap(), persists)
    }

    /// The same by the server of another library.
    fn by_library(&self) -> (String, bool) {
        let served = async |_| {
            let size = self.content.map(|(_, size)| size);
            let data =
                self.content.map(|(content, _)| Ok::<_, Infallible>(Frame::data(Bytes::from(content))));
            let trailers = (!self.trailers.is_empty()).then(|| Ok(Frame::trailers(map(self.trailers))));
            let frames = futures_util::stream::iter(data.into_iter().chain(trailers));
            Ok::<_, Infallible>(self.response(Sized { frames: StreamBody::new(frames), size }))
        };
        let exchange = async {
            let (near, mut far) = tokio::io::duplex(1 << 20);
            far.write_all(format!("{}\r\n", self.request).as_bytes()).await.unwrap();
            far.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            far.shutdown().await.unwrap();
            let mut answers = String::new();
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.half_close(true);
            let connection = builder.serve_connection(TokioIo::new(near), service_fn(served));
            let (ended, read) = tokio::join!(connection, far.read_to_string(&mut answers));
            ended.unwrap();
            read.unwrap();
            answers
        };
        let answers = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(exchange);
        // Where the connection goes on there is another response.
        match answers.match_indices("HTTP/1.").map(|(at, _)| at).nth(1) {
            Some(at) => (answers[..at].to_owned(), true),
            None => (answers, false),
        }
    }
}

/// Content whose length is told ahead, or is not.
struct Sized<B> {
    frames: B,
    size: Option<Size>,
}

impl<B: hyper::body::Body + Unpin> hyper::body::Body for Sized<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.frames).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.size.is_none()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self.size {
            Some(Size::Known(length)) => hyper::body::SizeHint::with_exact(length),
            Some(Size::Unknown) | None => hyper::body::SizeHint::default(),
        }
    }
}

/// A head and what follows it is written as the library does it.
fn check(case: Case<'_>, expect: &str, persists: bool) {
    let (written, goes_on) = case.written();
    let (head, rest) = written.split_once("\r\n\r\n").unwrap();
    let head = head.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("|");
    assert_eq!((&*format!("{head}||{rest}"), goes_on), (expect, persists), "{}", case.request);
    assert_eq!((written, goes_on), case.by_library(), "{}", case.request);
}

const OPEN: Option<(&str, Size)> = Some(("hello", Size::Unknown));

#[test]
fn content_is_told_from_what_follows() {
    check(PLAIN, "HTTP/1.1 200 OK|content-length: 5||hello", true);
    let named = Case { fields: &[("content-length", "5"), ("x-a", "1"), ("x-a", "")], ..PLAIN };
    check(named, "HTTP/1.1 200 OK|content-length: 5|x-a: 1|x-a: ||hello", true);
    check(Case { content: OPEN, ..named }, "HTTP/1.1 200 OK|content-length: 5|x-a: 1|x-a: ||hello", true);
    let chunks = "HTTP/1.1 200 OK|transfer-encoding: chunked||5\r\nhello\r\n0\r\n\r\n";
    check(Case { content: OPEN, ..PLAIN }, chunks, true);
    check(Case { content: None, ..PLAIN }, "HTTP/1.1 200 OK|content-length: 0||", true);
}

#[test]
fn some_responses_have_no_content() {
    let none = Case { content: None, ..PLAIN };
    check(Case { status: 204, ..none }, "HTTP/1.1 204 No Content||", true);
    check(
        Case { status: 304, fields: &[("etag", "a"), ("content-length", "5")], ..none },
        "HTTP/1.1 304 Not Modified|etag: a||",
        true,
    );
    let head = Case { request: "HEAD / HTTP/1.1\r\n", ..none };
    check(head, "HTTP/1.1 200 OK||", true);
    let named = Case { fields: &[("content-length", "5")], ..head };
    check(named, "HTTP/1.1 200 OK|content-length: 5||", true);
}

#[test]
fn the_end_of_the_connection_is_told() {
    let last = Case { request: "GET / HTTP/1.1\r\nConnection: close\r\n", ..PLAIN };
    check(last, "HTTP/1.1 200 OK|connection: close|content-length: 5||hello", false);
    let told = Case { fields: &[("connection", "close")], ..PLAIN };
    check(told, "HTTP/1.1 200 OK|connection: close|content-length: 5||hello", false);
    check(
        Case { request: last.request, ..told },
        "HTTP/1.1 200 OK|connection: close|content-length: 5||hello",
        false,
    );
}

#[test]
fn old_clients_are_told_what_they_know() {
    let old = Case { request: "GET / HTTP/1.0\r\n", ..PLAIN };
    check(old, "HTTP/1.0 200 OK|content-length: 5||hello", false);
    check(Case { content: OPEN, ..old }, "HTTP/1.0 200 OK||hello", false);
    let kept = Case { request: "GET / HTTP/1.0\r\nConnection: keep-alive\r\n", ..PLAIN };
    check(kept, "HTTP/1.0 200 OK|connection: keep-alive|content-length: 5||hello", true);
    // The library says that it goes on, and ends.
    let (written, persists) = Case { content: OPEN, ..kept }.written();
    assert!(!written.contains("keep-alive") && !persists, "{written}");
}

#[test]
fn trailers_leave_where_they_are_announced_and_taken() {
    let fields: Fields<'_> = &[("trailer", "X-Sum, x-b"), ("x-a", "1")];
    let trailers: Fields<'_> = &[("x-sum", "1"), ("x-other", "2")];
    let case = Case { fields, trailers, content: OPEN, ..PLAIN };
    let head = "HTTP/1.1 200 OK|trailer: X-Sum, x-b|x-a: 1|transfer-encoding: chunked||5\r\nhello\r\n0\r\n";
    check(case, &format!("{head}\r\n"), true);
    let taking = Case { request: "GET / HTTP/1.1\r\nTE: trailers\r\n", ..case };
    check(taking, &format!("{head}x-sum: 1\r\n\r\n"), true);
    check(
        Case { fields: &[], ..taking },
        "HTTP/1.1 200 OK|transfer-encoding: chunked||5\r\nhello\r\n0\r\n\r\n",
        true,
    );
}

#[test]
fn a_status_has_the_phrase_of_the_member() {
    let check = |status: u16, reason: Option<&[u8]>, expect: &[u8]| {
        let mut out = Vec::new();
        write_status(&mut out, false, (StatusCode::from_u16(status).unwrap(), reason));
        assert_eq!(out, expect);
    };
    check(200, None, b"HTTP/1.1 200 OK\r\n");
    check(299, None, b"HTTP/1.1 299 <none>\r\n");
    check(299, Some(b"Fine \xfc"), b"HTTP/1.1 299 Fine \xfc\r\n");
}
