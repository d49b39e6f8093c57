//! HTTP/2 of clients: what members get of it, many requests at once, deadlines, ends.

use crate::backend::{Backend, Wire, field, noise};
use crate::certificate::Authority;
use crate::client::Client;
use crate::foreign::find;
use crate::gateway::{Config, Gateway, PATIENCE, UNCHECKED, free_port, v4, v6, wait_for};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// One connection of HTTP/2 by prior knowledge, driven by a thread of its own.
pub(crate) struct Http2 {
    runtime: Handle,
    /// Ends the thread when it goes.
    _running: oneshot::Sender<()>,
    sender: SendRequest<Bytes>,
    pings: Option<h2::PingPong>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

/// A whole response.
pub(crate) struct Whole {
    pub(crate) head: Response<()>,
    pub(crate) body: Vec<u8>,
}

impl Whole {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("http://a.example{path}"))
}

impl Http2 {
    pub(crate) fn connect(port: u16) -> Self {
        Self::connect_with(port, &h2::client::Builder::new())
    }

    pub(crate) fn connect_with(port: u16, builder: &h2::client::Builder) -> Self {
        Self::over(builder, tokio::net::TcpStream::connect(v6(port)))
    }

    /// On whatever this connects to.
    pub(crate) fn over<S>(
        builder: &h2::client::Builder,
        connecting: impl Future<Output = std::io::Result<S>>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let driving = Builder::new_current_thread().enable_all().build().unwrap();
        let (runtime, (running, ended)) = (driving.handle().clone(), oneshot::channel());
        std::thread::spawn(move || driving.block_on(ended));
        let (sender, pings, driver) = runtime.block_on(async {
            let socket = connecting.await.expect("the listener accepts");
            let (sender, mut connection) = builder.handshake(socket).await.expect("the preface leaves");
            (sender, connection.ping_pong(), tokio::spawn(connection))
        });
        Self { runtime, _running: running, sender, pings, driver }
    }

    pub(crate) fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(async { timeout(PATIENCE, future).await.expect("it comes in time") })
    }

    pub(crate) fn send(&mut self, request: Request<()>, end: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let mut sender = self.wait(self.sender.clone().ready()).expect("the connection takes requests");
        sender.send_request(request, end).expect("a sound request")
    }

    /// Waits until the proxy has read all that was sent.
    pub(crate) fn pinged(&mut self) {
        assert!(self.answers_pings(), "it answers");
    }

    /// Whether the connection goes on, once the proxy has read all that was sent.
    pub(crate) fn answers_pings(&mut self) -> bool {
        let mut pings = self.pings.take().expect("a connection has them");
        let answered = self.wait(pings.ping(h2::Ping::opaque())).is_ok();
        self.pings = Some(pings);
        answered
    }

    /// Waits until the proxy says that it takes no further request.
    fn is_left(&self) {
        wait_for("the proxy to leave", || self.wait(self.sender.clone().ready()).err());
    }

    pub(crate) fn ask(&mut self, request: http::request::Builder) -> Whole {
        let (response, _) = self.send(request.body(()).unwrap(), true);
        self.whole(response)
    }

    /// Asks something whose answer is followed by a reset (RFC 9113 §8.1.1).
    fn ask_malformed(&mut self, request: http::request::Builder) -> Whole {
        let (response, _) = self.send(request.body(()).unwrap(), true);
        self.wait(async {
            let (head, mut stream) = response.await.expect("an answer comes").into_parts();
            let mut body = Vec::new();
            let end = loop {
                match stream.data().await {
                    Some(Ok(part)) => body.extend_from_slice(&part),
                    end => break end,
                }
            };
            let reason = end.and_then(|end| end.err()?.reason());
            assert_eq!(reason, Some(Reason::PROTOCOL_ERROR));
            assert_eq!(head.headers["content-length"], HeaderValue::from(body.len()));
            Whole { head: Response::from_parts(head, ()), body }
        })
    }

    pub(crate) fn get(&mut self, path: &str) -> Whole {
        self.ask(request("GET", path))
    }

    pub(crate) fn whole(&self, response: ResponseFuture) -> Whole {
        self.try_whole(response).expect("a response comes")
    }

    pub(crate) fn try_whole(&self, response: ResponseFuture) -> Result<Whole, h2::Error> {
        self.wait(async {
            let (head, mut stream) = response.await?.into_parts();
            let body = read(&mut stream).await?;
            Ok(Whole { head: Response::from_parts(head, ()), body })
        })
    }

    /// Waits for the end of the connection, and for why it came.
    pub(crate) fn ended(mut self) -> Result<(), h2::Error> {
        drop(self.sender);
        let driver = &mut self.driver;
        self.runtime
            .block_on(async { timeout(PATIENCE, driver).await })
            .expect("it ends in time")
            .expect("no panic")
    }
}

pub(crate) async fn read(stream: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut body = Vec::new();
    while let Some(part) = stream.data().await {
        let part = part?;
        stream.flow_control().release_capacity(part.len())?;
        body.extend_from_slice(&part);
    }
    Ok(body)
}

pub(crate) async fn send_all(stream: &mut SendStream<Bytes>, body: &[u8]) -> Result<(), h2::Error> {
    let mut rest = Bytes::copy_from_slice(body);
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.expect("the stream is open")?;
        stream.send_data(rest.split_to(room.min(rest.len())), false)?;
    }
    Ok(())
}

/// A listener in front of one member, with these lines.
pub(crate) fn served(backend: &Backend, top: &str, timeouts: &str, lines: &str) -> (Gateway, u16) {
    let port = free_port();
    let config = Config::new(top).timeouts(timeouts).listener("web", "http", port, "web", lines);
    (Gateway::start(&config.pool("web", UNCHECKED, &[backend.address])), port)
}

pub(crate) fn failed(reason: &str) -> String {
    format!("failures_total{{listener=\"web\",reason=\"{reason}\"}}")
}

#[test]
fn a_member_of_http_1_gets_a_plain_request() {
    let backend = Backend::http("a");
    let (gateway, port) = served(&backend, "", "", "");
    let mut client = Http2::connect(port);
    let asked = request("GET", "/head").header("cookie", "a=1").header("cookie", "b=2; c=3");
    let answer = client.ask(asked.header("x-forwarded-for", "192.0.2.66").header("te", "trailers"));
    let (head, status) = (answer.text().to_ascii_lowercase(), answer.head.status());
    assert_eq!(status, 200, "{head}");
    assert!(head.starts_with("get /head http/1.1\r\n"), "{head}");
    let fields = ["host", "cookie", "x-forwarded-for", "x-forwarded-proto", "te", "transfer-encoding"];
    let expect =
        [Some("a.example"), Some("a=1; b=2; c=3"), Some("::1"), Some("http"), Some("trailers"), None];
    assert_eq!(fields.map(|name| field(&head, name)), expect, "{head}");
    let answer = client.get("/hops");
    let left = ["x-outer", "x-inner", "connection", "keep-alive"].map(|name| answer.head.headers().get(name));
    assert_eq!(left, [Some(&"2".parse().unwrap()), None, None, None]);
    for (path, status, text) in
        [("/nothing", 204, ""), ("/until-close", 200, "all there is"), ("/close", 200, "bye")]
    {
        let answer = client.get(path);
        assert_eq!((answer.head.status().as_u16(), &*answer.text()), (status, text), "{path}");
    }
    let answer = client.ask(request("HEAD", "/"));
    assert_eq!((&answer.head.headers()["content-length"], answer.body.len()), (&HeaderValue::from(1), 0));
    gateway.counts("connections_total{listener=\"web\"}", 1);
    gateway.counts("requests_total{listener=\"web\",class=\"2xx\"}", 6);
}

#[test]
fn requests_of_one_connection_do_not_wait_for_one_another() {
    let backend = Backend::http("a");
    let (gateway, port) = served(&backend, "workers = 1", "", "");
    let wide = 64 << 20;
    let mut builder = h2::client::Builder::new();
    let mut client =
        Http2::connect_with(port, builder.initial_window_size(wide).initial_connection_window_size(wide));
    let (slow, _) = client.send(request("GET", "/chunked").body(()).unwrap(), true);
    let slow = client.wait(slow).unwrap();
    let big: Vec<_> = (0..5).map(|_| client.send(request("GET", "/big").body(()).unwrap(), true).0).collect();
    for _ in 0..20 {
        assert_eq!(client.get("/").text(), "a");
    }
    let expect = noise(5 << 20);
    let big: Vec<_> = client.wait(futures_util::future::join_all(big));
    let mut big: Vec<_> = big.into_iter().map(|response| response.unwrap().into_body()).collect();
    let read = client.wait(futures_util::future::join_all(big.iter_mut().map(read)));
    assert!(read.into_iter().all(|body| body.unwrap() == expect));
    backend.seen.gate.store(true, Ordering::SeqCst);
    let mut slow = slow.into_body();
    assert_eq!(client.wait(super::http2::read(&mut slow)).unwrap(), b"firstsecond");
    gateway.counts("connections_total{listener=\"web\"}", 1);
}

#[test]
fn bodies_stream_both_ways_at_once() {
    let backend = Backend::new("stream", |_, stream| {
        let mut writer = stream.try_clone()?;
        let mut wire = Wire::new(stream);
        wire.head()?;
        writer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status\r\n\r\n")?;
        let body = wire.chunks(|count| {
            // Each part is told of while others are still to come.
            let _ = write!(writer, "8\r\n{count:8}\r\n");
        })?;
        write!(writer, "8\r\n{:8}\r\n0\r\nGrpc-Status: 0\r\nContent-Type: x\r\nX-Sum: 5\r\n\r\n", body.len())
    });
    let (_gateway, port) = served(&backend, "", "", "");
    let mut client = Http2::connect(port);
    let (response, mut body) =
        client.send(request("POST", "/").header("te", "trailers").body(()).unwrap(), false);
    let mut answers = client.wait(response).unwrap().into_body();
    for part in ["first", "second!"] {
        client.wait(send_all(&mut body, part.as_bytes())).unwrap();
        let told = client.wait(answers.data()).unwrap().unwrap();
        assert_eq!(told, format!("{:8}", part.len()));
        answers.flow_control().release_capacity(told.len()).unwrap();
    }
    let sent = noise(3 << 20);
    client.wait(async {
        let receiving = async {
            let told = read(&mut answers).await.unwrap();
            let last = String::from_utf8(told[told.len() - 8..].to_vec()).unwrap();
            assert_eq!(last.trim(), (sent.len() + 12).to_string());
        };
        let sending = async {
            send_all(&mut body, &sent).await.unwrap();
            body.send_trailers(HeaderMap::new()).unwrap();
        };
        futures_util::future::join(sending, receiving).await
    });
    let trailers = client.wait(answers.trailers()).unwrap().expect("trailers");
    let names: Vec<_> = trailers.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["grpc-status", "x-sum"], "announced or not, but for those that must not be");
}

#[test]
fn requests_that_can_mean_more_than_one_thing_are_refused_and_others_go_on() {
    let backend = Backend::http("a");
    let (gateway, port) =
        served(&backend, "", "", "limits = { head = \"2KiB\", fields = 10, line = \"1KiB\" }");
    let mut client = Http2::connect(port);
    let long = |count| "x".repeat(count);
    let check = |client: &mut Http2, asked: http::request::Builder, status: u16| {
        let named = format!("{asked:?}");
        let answer = if status == 400 { client.ask_malformed(asked) } else { client.ask(asked) };
        assert_eq!(answer.head.status().as_u16(), status, "{named}: {}", answer.text());
        assert!(answer.head.headers().get("connection").is_none());
    };
    let get = || request("GET", "/");
    check(&mut client, get().header("host", "a.example"), 200);
    check(&mut client, get().header("host", "A.Example"), 200);
    check(&mut client, get().header("host", "b.example"), 400);
    check(&mut client, get().header("host", "a.example").header("host", "a.example"), 400);
    check(&mut client, Request::builder().uri("http://u@a.example/"), 400);
    check(&mut client, get().header("x-a", " b"), 400);
    check(&mut client, request("TRACE", "/"), 501);
    check(&mut client, request("GET", &format!("/{}", long(1100))), 414);
    check(&mut client, get().header("x-a", long(1100)), 431);
    check(&mut client, get().header("x-a", long(900)).header("x-b", long(900)).header("x-c", long(900)), 431);
    let many = (0..11).fold(get(), |asked, place| asked.header(format!("x-{place}"), "1"));
    check(&mut client, many, 431);
    let crumbs = (0..11).fold(get(), |asked, _| asked.header("cookie", "a=b"));
    check(&mut client, crumbs, 431);
    assert_eq!(backend.heads().len(), 2);
    gateway.counts(&failed("bad_request"), 8);
    check(&mut client, get(), 200);
}

#[test]
fn a_length_must_be_that_of_the_data() {
    let backend = Backend::http("a");
    let (_gateway, port) = served(&backend, "", "", "");
    let mut client = Http2::connect(port);
    for (told, sent) in [("5", "four"), ("3", "four")] {
        let asked = request("POST", "/echo").header("content-length", told).body(()).unwrap();
        let (response, mut body) = client.send(asked, false);
        body.send_data(sent.into(), true).unwrap();
        let failed = client.try_whole(response);
        let reason = failed.err().and_then(|error| error.reason());
        assert_eq!(reason, Some(Reason::PROTOCOL_ERROR), "{told} for {sent}");
    }
    let asked = request("POST", "/echo").header("content-length", "5").body(()).unwrap();
    let (response, _) = client.send(asked, true);
    assert!(client.try_whole(response).is_err());
    assert_eq!(client.get("/").text(), "a", "the connection goes on");
}

#[test]
fn a_request_that_its_client_resets_is_dropped_at_the_member() {
    let backend = Backend::http("a");
    let (gateway, port) = served(&backend, "workers = 1", "", "");
    let mut client = Http2::connect(port);
    for path in ["/never", "/chunked"] {
        let before = gateway.metric(&failed("client_gone"));
        let (response, mut stream) = client.send(request("GET", path).body(()).unwrap(), true);
        let answered = if path == "/chunked" { Some(client.wait(response).unwrap()) } else { None };
        wait_for("the request at the member", || {
            backend.heads().iter().any(|head| head.contains(path)).then_some(())
        });
        stream.send_reset(Reason::CANCEL);
        drop(answered);
        assert_eq!(client.get("/").text(), "a");
        gateway.counts(&failed("client_gone"), before + 1);
    }
    gateway.counts("member_load{pool=\"web\",member=\"m0\"}", 0);
}

#[test]
fn what_runs_out_for_one_request_ends_it_alone() {
    let backend = Backend::http("a");
    let (gateway, port) =
        served(&backend, "workers = 1", "server = \"1s\"\nclient = \"2s\"\nkeep_alive = \"20s\"", "");
    let mut client = Http2::connect(port);
    let (silent, _) = client.send(request("GET", "/never").body(()).unwrap(), true);
    let answer = client.whole(silent);
    assert_eq!(answer.head.status(), 504);
    let (half, _) = client.send(request("GET", "/chunked").body(()).unwrap(), true);
    let broken = client.try_whole(half).err().and_then(|error| error.reason());
    assert_eq!(broken, Some(Reason::CANCEL), "a response that stalls is reset");
    gateway.counts(&failed("member_timeout"), 2);

    let (untaken, _) = client.send(request("GET", "/big").body(()).unwrap(), true);
    let untaken = client.wait(untaken).unwrap();
    gateway.counts(&failed("client_timeout"), 1);
    drop(untaken);
    let (unsent, mut body) = client.send(request("POST", "/echo").body(()).unwrap(), false);
    body.send_data("a part".into(), false).unwrap();
    assert_eq!(client.whole(unsent).head.status(), 408);
    assert_eq!(client.get("/").text(), "a", "the connection goes on");
    gateway.counts("connections_total{listener=\"web\"}", 1);
}

#[test]
fn a_small_answer_lasts_until_there_is_room_for_it() {
    let backend = Backend::http("a");
    let (gateway, port) = served(&backend, "workers = 1", "client = \"1s\"\nkeep_alive = \"20s\"", "");
    let mut client = Http2::connect_with(port, h2::client::Builder::new().initial_window_size(300));
    let asked = || request("GET", "/head").header("x-long", "x".repeat(4000)).body(()).unwrap();
    let (untaken, _) = client.send(asked(), true);
    let untaken = client.wait(untaken).unwrap();
    gateway.counts(&failed("client_timeout"), 1);
    drop(untaken);
    let (taken, _) = client.send(asked(), true);
    assert!(client.whole(taken).body.len() > 4000, "one that is taken bit by bit is whole");
    assert_eq!(gateway.metric(&failed("client_timeout")), 1);
}

#[test]
fn an_answer_of_the_proxys_own_to_a_head_has_no_content() {
    let (port, nobody) = (free_port(), v4(free_port()));
    let config = Config::new("").listener("web", "http", port, "web", "");
    let _gateway = Gateway::start(&config.pool("web", UNCHECKED, &[nobody]));
    let mut client = Http2::connect(port);
    let with_content = client.get("/");
    assert_eq!(with_content.head.status(), 503);
    let bare = client.ask(request("HEAD", "/"));
    assert_eq!((bare.head.status().as_u16(), bare.body.len()), (503, 0));
    let length = HeaderValue::from(with_content.body.len());
    assert_eq!(bare.head.headers()["content-length"], length);
    let mut client = Client::connect(v6(port));
    client.send("HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let bare = client.bare_response();
    assert_eq!(bare.field("content-length"), length.to_str().ok());
    assert_eq!(client.response().body, with_content.body);
}

#[test]
fn an_idle_connection_is_told_and_ended() {
    let backend = Backend::http("a");
    let (gateway, port) = served(&backend, "", "keep_alive = \"300ms\"", "");
    let mut client = Http2::connect(port);
    assert_eq!(client.get("/").text(), "a");
    client.ended().expect("a good end");
    gateway.counts("connections_open{listener=\"web\"}", 0);
}

#[test]
fn a_listener_that_goes_finishes_the_requests_under_way() {
    let backend = Backend::http("a");
    let port = free_port();
    let with = |listeners: &[u16]| {
        let config = Config::new("").timeouts("keep_alive = \"1m\"");
        let config = listeners
            .iter()
            .fold(config, |config, port| config.listener(&format!("web{port}"), "http", *port, "web", ""));
        config.pool("web", UNCHECKED, &[backend.address])
    };
    let other = free_port();
    let gateway = Gateway::start(&with(&[port, other]));
    let (mut idle, mut busy) = (Http2::connect(port), Http2::connect(port));
    assert_eq!(idle.get("/").text(), "a");
    let (slow, _) = busy.send(request("GET", "/chunked").body(()).unwrap(), true);
    let mut slow = busy.wait(slow).unwrap().into_body();
    gateway.change(&with(&[other]));
    idle.ended().expect("a good end");
    busy.is_left();
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert_eq!(busy.wait(read(&mut slow)).unwrap(), b"firstsecond");
    busy.ended().expect("a good end");
}

#[test]
fn a_daemon_that_stops_finishes_the_requests_under_way() {
    let backend = Backend::http("a");
    let (mut gateway, port) = served(&backend, "", "", "");
    let mut client = Http2::connect(port);
    let (slow, _) = client.send(request("GET", "/chunked").body(()).unwrap(), true);
    let mut slow = client.wait(slow).unwrap().into_body();
    gateway.terminate();
    client.is_left();
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert_eq!(client.wait(read(&mut slow)).unwrap(), b"firstsecond");
    client.ended().expect("a good end");
    assert!(gateway.ended_well());
}

#[test]
fn as_many_requests_at_once_as_the_file_says() {
    let backend = Backend::http("a");
    let (gateway, port) = served(&backend, "workers = 1", "", "limits = { streams = 3 }");
    let mut client = Http2::connect(port);
    assert_eq!(client.get("/").text(), "a");
    let held: Vec<_> =
        (0..3).map(|_| client.send(request("GET", "/never").body(()).unwrap(), true)).collect();
    wait_for("three requests at the member", || (backend.heads().len() == 4).then_some(()));
    let (mut fourth, _) = client.send(request("GET", "/").body(()).unwrap(), true);
    let waits = async { timeout(Duration::from_millis(300), &mut fourth).await };
    assert!(client.runtime.block_on(waits).is_err(), "the library holds it back");
    drop(held);
    assert_eq!(client.whole(fourth).text(), "a");
    gateway.counts("connections_total{listener=\"web\"}", 1);
}

#[test]
fn requests_at_once_count_like_connections() {
    let backend = Backend::http("a");
    let port = free_port();
    let config = Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    // 6 connections, as the test of capacity has it: one is this client's, five more its requests.
    let gateway = Gateway::start_with_files(&config, 48);
    let mut client = Http2::connect(port);
    let held: Vec<_> =
        (0..40).map(|_| client.send(request("GET", "/never").body(()).unwrap(), true).0).collect();
    wait_for("requests to be refused", || (gateway.metric(&failed("no_room")) > 20).then_some(()));
    let refused = held.into_iter().rev().map(|response| client.wait(response)).take(20);
    assert!(refused.into_iter().all(|response| response.unwrap().status() == 503));
}

#[test]
fn the_preface_may_come_in_pieces_and_half_of_it_is_no_request() {
    let backend = Backend::http("a");
    let (gateway, port) = served(&backend, "", "request_head = \"500ms\"", "");
    let mut client = Client::connect(v6(port));
    for octet in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" {
        client.send([*octet]);
    }
    let settings = client.bytes(9);
    assert_eq!((settings[3], &settings[5..]), (4, &[0; 4][..]), "SETTINGS come first");
    let mut half = Client::connect(v6(port));
    half.send("PRI * HTTP/2.0\r\n\r\nSM");
    assert_eq!(half.response().status, 408);
    for other in [
        "PRINT / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ] {
        let mut client = Client::connect(v6(port));
        let (first, rest) = other.split_at(2);
        client.send(first);
        client.send(rest);
        assert_eq!(client.response().status, 200, "{other}");
    }
    gateway.counts(&failed("slow_head"), 1);
}

#[test]
fn clients_choose_by_alpn() {
    let (authority, backend) = (Authority::new(), Backend::http("a"));
    let bundle = authority.bundle("web", &["web.example"]);
    let lines = format!("tls = {{ certificates = [\"{}\"] }}", bundle.display());
    let (_gateway, port) = served(&backend, "", "", &lines);
    let Some(curl) = find("curl") else { return };
    let check = |option: &str, expect: &str| {
        let resolve = format!("web.example:{port}:[::1]");
        let output = Command::new(&curl)
            .args(["-sS", option, "--resolve", &resolve, "--cacert"])
            .arg(authority.file())
            .args(["-w", " %{http_version}", &format!("https://web.example:{port}/")])
            .output()
            .expect("curl runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expect, "{option}: {output:?}");
    };
    check("--http2", "a 2");
    check("--http1.1", "a 1.1");
    check("--no-alpn", "a 1.1");
}

#[test]
fn curl_and_nghttp_are_served() {
    let backend = Backend::http("a");
    let (gateway, port) = served(&backend, "", "", "");
    let url = |path: &str| format!("http://{}{path}", v4(port));
    let (Some(curl), Some(nghttp)) = (find("curl"), find("nghttp")) else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), noise(1 << 20)).unwrap();
    let data = format!("@{}", file.path().display());
    for option in ["--http2", "--http2-prior-knowledge"] {
        let output = Command::new(&curl)
            .args(["-sS", option, "--data-binary", &data, &url("/echo")])
            .output()
            .expect("curl runs");
        assert!(output.status.success() && output.stdout == noise(1 << 20), "{option}: {:?}", output.status);
    }
    let output =
        Command::new(nghttp).args(["-n", "-s", "-m", "50", &url("/big")]).output().expect("nghttp runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said.matches(" 200 ").count(), 50, "{said}");
    gateway.counts(&failed("bad_request"), 0);
}

/// Bytes on a bare connection.
pub(crate) fn bare(port: u16) -> TcpStream {
    let stream = TcpStream::connect(v6(port)).expect("the listener accepts");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}
