//! Faults of clients and members that speak HTTP/2, changes and the end of the daemon under running requests: what
//! clients get, and the lines about it, beside those of Debian's haproxy where it does the same.

use crate::backend::{Backend, Wire};
use crate::certificate::{Authority, connect};
use crate::client::Client;
use crate::gateway::{Config, Gateway, PATIENCE, UNCHECKED, free_port, v6, wait_for};
use crate::http2::{Http2, bare, request};
use crate::http2_member::{Frames, member};
use crate::log::{Receiver, plain};
use crate::log_http::{
    Case, GRANTED, LONG, ONCE, PLAIN, UPGRADE, answering, closes, compare, echoes, hangs, resets, streams,
};
use h2::Reason;
use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::Ordering;

/// The line about a request of HTTP/2.
fn line(method: &str, rest: &str) -> String {
    format!("::1 web pool/m0 t/t/t/{rest} 1/1/0/0/0 0/0 \"{method} http://a.example/ HTTP/2.0\"\n")
}

fn asked(backend: &Backend, count: usize) {
    wait_for("the member to be asked", || (backend.heads().len() >= count).then_some(()));
}

#[test]
fn clients_of_http2_that_leave_are_told_as_haproxy_tells_them() {
    let (stream, silent) = (answering!(LONG, streams), answering!(b"", hangs));
    let begun = |port: u16| {
        let mut client = Http2::connect(port);
        let (response, own) = client.send(request("GET", "/").body(()).unwrap(), true);
        let body = client.wait(response).expect("a head").into_body();
        (client, own, body)
    };
    compare(&Case {
        name: "a stream is reset in the response",
        members: &[stream.address],
        act: &|port| {
            let (mut client, mut own, mut body) = begun(port);
            client.wait(body.data()).expect("content").expect("no error");
            own.send_reset(Reason::CANCEL);
            drop((own, body));
            // The reset leaves before the client does.
            client.pinged();
        },
        expect: &[&line("GET", "t/t 200 n - - CD--")],
        ..PLAIN
    });
    compare(&Case {
        name: "the connection ends in the response",
        members: &[stream.address],
        act: &|port| drop(begun(port)),
        expect: &[&line("GET", "t/t 200 n - - CD--")],
        ..PLAIN
    });
    let reset = |port: u16, method: &str, end: bool| {
        let before = silent.heads().len();
        let mut client = Http2::connect(port);
        let (_response, mut own) = client.send(request(method, "/").body(()).unwrap(), end);
        asked(&silent, before + 1);
        own.send_reset(Reason::CANCEL);
        client.pinged();
    };
    compare(&Case {
        name: "a stream is reset ahead of the response",
        members: &[silent.address],
        act: &|port| reset(port, "GET", true),
        expect: &[&line("GET", "-1/t -1 n - - CD--")],
        ..PLAIN
    });
    compare(&Case {
        name: "a stream is reset in the request",
        members: &[silent.address],
        act: &|port| reset(port, "POST", false),
        expect: &[&line("POST", "-1/t -1 n - - CD--")],
        ..PLAIN
    });
}

/// HAProxy refuses the stream without a line, so that clients try once more, where a member closes without a word.
const SILENCE: Option<&[&str]> = Some(&[]);

#[test]
fn members_that_fail_clients_of_http2_are_told_as_haproxy_tells_them() {
    let patient = Case {
        timeouts: [
            "timeout connect 5s\n timeout client 30s\n timeout server 200ms",
            "connect = \"5s\"\nclient = \"30s\"\nserver = \"200ms\"",
        ],
        ..PLAIN
    };
    let check = |name: &'static str, member: Backend, status: u16, end: &str, theirs: Option<&[&str]>| {
        let act = |port: u16| {
            let mut client = Http2::connect(port);
            let (response, _) = client.send(request("GET", "/").body(()).unwrap(), true);
            let whole = client.try_whole(response);
            let refused = |error: &h2::Error| error.reason() == Some(Reason::REFUSED_STREAM);
            if !theirs.is_some_and(<[&str]>::is_empty) || !whole.as_ref().is_err_and(refused) {
                // A part must not look like the whole.
                let whole = whole.ok().map(|whole| whole.head.status().as_u16());
                assert_eq!(whole, Some(status).filter(|status| *status != 200), "{name}");
            }
        };
        compare(&Case {
            name,
            members: &[member.address],
            act: &act,
            expect: &[&line("GET", end)],
            theirs,
            ..patient
        });
    };
    check("it closes", answering!(b"", closes), 502, "-1/t 502 n - - SH--", SILENCE);
    check("it resets", answering!(b"", resets), 502, "-1/t 502 n - - SH--", SILENCE);
    check("it is silent", answering!(b"", hangs), 504, "-1/t 504 n - - sH--", None);
    check("it speaks otherwise", answering!(b"220 mail\r\n\r\n", hangs), 502, "-1/t 502 n - - PH--", None);
    check("it closes in its body", answering!(LONG, closes), 200, "t/t 200 n - - SD--", None);
    check("it is silent in its body", answering!(LONG, hangs), 200, "t/t 200 n - - sD--", None);
}

#[test]
fn members_of_http2_that_reset_streams_are_told_as_haproxy_tells_them() {
    let spoken = Case {
        member: ["proto h2", ""],
        pool: ["retries 0", "check = { kind = \"off\" }\nprotocol = \"h2\"\nretries = 0"],
        ..PLAIN
    };
    let fails = Backend::new("fails", |_, stream| {
        let mut frames = Frames::new(stream, &[])?;
        loop {
            let stream = frames.request()?;
            frames.send(3, 0, stream, &2_u32.to_be_bytes())?;
        }
    });
    compare(&Case {
        name: "ahead of its answer",
        members: &[fails.address],
        act: &|port| assert_eq!(Client::connect(v6(port)).get("/").status, 502),
        expect: &["::1 web pool/m0 t/t/t/-1/t 502 n - - SH-- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"\n"],
        ..spoken
    });
    let half = member("half");
    compare(&Case {
        name: "in its answer",
        members: &[half.address],
        act: &|port| {
            half.seen.gate.store(false, Ordering::SeqCst);
            let mut client = Client::connect(v6(port));
            client.send("GET /half HTTP/1.1\r\nHost: a.example\r\n\r\n");
            client.bytes(9);
            half.seen.gate.store(true, Ordering::SeqCst);
            let _ = client.read_all();
        },
        expect: &["::1 web pool/m0 t/t/t/t/t 200 n - - SD-- 1/1/0/0/0 0/0 \"GET /half HTTP/1.1\"\n"],
        ..spoken
    });
}

/// A daemon with a line of httplog for each request, and where they come.
struct Told {
    receiver: Receiver,
    port: u16,
}

impl Told {
    fn new() -> Self {
        Self { receiver: Receiver::new(), port: free_port() }
    }

    fn top(&self) -> Config {
        let to = self.receiver.address();
        Config::new(&format!(
            "workers = 1\nlog = {{ format = \"httplog\", to = \"udp://{to}\", tag = \"haproxy\" }}"
        ))
    }

    /// One listener in front of these members.
    fn config(&self, members: &[std::net::SocketAddr], lines: &str) -> Config {
        self.top().listener("web", "http", self.port, "pool", lines).pool("pool", UNCHECKED, members)
    }

    /// The state and the cookie letters of the next line, with its status.
    fn next(&self) -> String {
        let line = plain(&self.receiver.next());
        let words: Vec<_> = line.split(' ').collect();
        format!("{} {}", words[4], words[8])
    }
}

/// Clients of both versions whose request has come to the member and waits for its gate.
fn running(port: u16, backend: &Backend) -> (Client, Http2, h2::client::ResponseFuture) {
    let mut one = Client::connect(v6(port));
    one.send("GET /chunked HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let mut two = Http2::connect(port);
    let (response, _) = two.send(request("GET", "/chunked").body(()).unwrap(), true);
    wait_for("both to be asked", || {
        (backend.heads().iter().filter(|head| head.contains("/chunked")).count() == 2).then_some(())
    });
    (one, two, response)
}

fn finish(backend: &Backend, (mut one, two, response): (Client, Http2, h2::client::ResponseFuture)) {
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert_eq!(one.response().text(), "firstsecond");
    assert_eq!(two.whole(response).text(), "firstsecond");
}

#[test]
fn requests_outlive_the_listener_that_they_came_to() {
    let (backend, told, other) = (Backend::http("a"), Told::new(), free_port());
    let gateway = Gateway::start(&told.config(&[backend.address], ""));
    let under_way = running(told.port, &backend);
    let without = told.top().listener("other", "http", other, "pool", "");
    gateway.change(&without.pool("pool", UNCHECKED, &[backend.address]));
    wait_for("the listener to be gone", || Client::try_connect(v6(told.port)).is_err().then_some(()));
    finish(&backend, under_way);
    assert_eq!([told.next(), told.next()], ["200 ----", "200 ----"]);
}

#[test]
fn requests_outlive_the_member_that_they_went_to() {
    let (backend, other, told) = (Backend::http("a"), Backend::http("b"), Told::new());
    let gateway = Gateway::start(&told.config(&[backend.address], ""));
    let under_way = running(told.port, &backend);
    gateway.succeeds(&["maintenance", "pool/m0"]);
    let refused = Client::connect(v6(told.port)).get("/");
    assert_eq!((refused.status, told.next().as_str()), (503, "503 SC--"));
    gateway.change(&told.config(&[other.address], ""));
    assert_eq!(Client::connect(v6(told.port)).get("/").text(), "b");
    assert_eq!(told.next(), "200 ----");
    finish(&backend, under_way);
    assert_eq!([told.next(), told.next()], ["200 ----", "200 ----"]);
}

#[test]
fn requests_outlive_the_certificate_that_they_came_under() {
    let (authority, backend, told) = (Authority::new(), Backend::http("a"), Told::new());
    let file = authority.bundle("web", &["web.example"]);
    let lines = format!("tls = {{ certificates = [\"{}\"] }}", file.display());
    let config = told.config(&[backend.address], &lines);
    let gateway = Gateway::start(&config);
    let client = authority.client(None);
    let mut standing = connect(&client, v6(told.port), "web.example");
    standing.write_all(b"GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    asked(&backend, 1);
    let before = crate::certificate::shown(&standing);
    authority.bundle("web", &["web.example"]);
    gateway.change(&config);
    let mut fresh = connect(&client, v6(told.port), "web.example");
    fresh.write_all(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    fresh.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.0 200 "), "{answer}");
    assert_ne!(crate::certificate::shown(&fresh), before, "new connections see the new one");
    assert_eq!(told.next(), "200 ----");
    backend.seen.gate.store(true, Ordering::SeqCst);
    // The connection goes on behind the response as well.
    standing.write_all(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    let mut answers = String::new();
    standing.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches(" 200 OK\r\n").count(), 2, "{answers}");
    assert!(answers.contains("first") && answers.contains("second"), "{answers}");
    assert_eq!([told.next(), told.next()], ["200 ----", "200 ----"]);
}

#[test]
fn handshakes_that_fail_have_lines_and_disturb_no_request() {
    let (authority, backend, told) = (Authority::new(), Backend::http("a"), Told::new());
    let file = authority.bundle("web", &["web.example"]);
    let lines = format!("tls = {{ certificates = [\"{}\"] }}", file.display());
    let _gateway = Gateway::start(&told.config(&[backend.address], &lines));
    let mut standing = connect(&authority.client(None), v6(told.port), "web.example");
    standing.write_all(b"GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    asked(&backend, 1);
    let mut other = bare(told.port);
    other.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    let _ = other.read_to_end(&mut Vec::new());
    let line = told.receiver.next();
    assert!(line.ends_with(" web/1: SSL handshake failure\n"), "{line}");
    // Trusts another issuer, and says so.
    let stranger = Authority::new();
    let mut refused = connect(&stranger.client(None), v6(told.port), "web.example");
    assert!(refused.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_err());
    let line = told.receiver.next();
    assert!(line.ends_with(" web/1: SSL handshake failure\n"), "{line}");
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert_eq!(told.next(), "200 ----");
}

#[test]
fn a_shortage_of_files_towards_members_is_answered_503_and_told() {
    let (backend, told) = (Backend::http("a"), Told::new());
    let config = told.top().listener("web", "http", told.port, "pool", "").pool(
        "pool",
        &format!("{UNCHECKED}\nretries = 0"),
        &[backend.address],
    );
    let gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(told.port));
    assert_eq!(client.get("/close").status, 200);
    assert_eq!(told.next(), "200 ----");
    // The client's own connection is there, and nothing is left for the member's.
    gateway.limit_files(3);
    assert_eq!(client.get("/").status, 503);
    assert_eq!(told.next(), "503 RC--");
    gateway.limit_files(1000);
    assert_eq!(client.get("/").status, 200, "the connection goes on");
    assert_eq!(told.next(), "200 ----");
    assert_eq!(gateway.metric("failures_total{listener=\"web\",reason=\"shortage\"}"), 1);
    assert_eq!(gateway.metric("member_connect_failures_total{pool=\"pool\",member=\"m0\"}"), 0);
    assert_eq!(backend.accepted(), 2);
}

/// A client whose connection the proxy has taken in.
fn standing(gateway: &Gateway, port: u16) -> Client {
    let client = Client::connect(v6(port));
    wait_for("the connection", || (gateway.metric("connections_total{listener=\"web\"}") > 0).then_some(()));
    client
}

#[test]
fn lines_wait_until_there_is_a_file_to_open_their_receiver_with() {
    let (backend, told) = (Backend::http("a"), Told::new());
    let config = told.top().listener("web", "http", told.port, "pool", "");
    let config = config.pool("pool", &format!("{UNCHECKED}\nretries = 0"), &[backend.address]);
    let gateway = Gateway::start(&config);
    let mut client = standing(&gateway, told.port);
    gateway.limit_files(3);
    // More lines than may wait.
    let (asked, path) = (3000, format!("/{}", "a".repeat(4000)));
    for _ in 0..asked {
        assert_eq!(client.get(&path).status, 503);
    }
    gateway.limit_files(1000);
    assert_eq!(told.next(), "503 RC--");
    let count = |name: &str| gateway.metric(&format!("log_{name}_total"));
    wait_for("all lines to be counted", || (count("lines") + count("lost") == asked).then_some(()));
    let (came, lost) = (count("lines"), count("lost"));
    assert!(came > 500 && lost > 500, "{came} {lost}");
    assert_eq!(client.get("/").status, 200);
    wait_for("the loss to be told", || {
        gateway.log().contains("lines about connections are lost").then_some(())
    });
}

#[test]
fn lines_to_a_receiver_that_was_started_again_wait_for_a_file_too() {
    let (backend, port) = (Backend::http("a"), free_port());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let start = || {
        let receiver = UnixDatagram::bind(&path).unwrap();
        receiver.set_read_timeout(Some(PATIENCE)).unwrap();
        receiver
    };
    let next = |receiver: &UnixDatagram| {
        let mut buffer = [0; 2000];
        let length = receiver.recv(&mut buffer).expect("a line comes");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let receiver = start();
    let top = format!("workers = 1\nlog = {{ format = \"httplog\", to = \"unix://{}\" }}", path.display());
    let config = Config::new(&top).listener("web", "http", port, "pool", "");
    let gateway = Gateway::start(&config.pool("pool", UNCHECKED, &[backend.address]));
    let mut client = Client::connect(v6(port));
    assert_eq!(client.get("/").status, 200);
    assert!(next(&receiver).contains(" 200 "));
    drop(receiver);
    std::fs::remove_file(&path).unwrap();
    gateway.limit_files(3);
    let receiver = start();
    assert_eq!(client.get("/").status, 200, "the member's connection is there");
    gateway.limit_files(1000);
    assert!(next(&receiver).contains(" 200 "));
    assert_eq!(gateway.metric("log_lost_total"), 0);
}

#[test]
fn a_shortage_of_files_towards_clients_disturbs_no_request() {
    let (backend, told) = (Backend::http("a"), Told::new());
    let gateway = Gateway::start(&told.config(&[backend.address], ""));
    // The log has its socket by then.
    assert_eq!(Client::connect(v6(told.port)).get("/").status, 200);
    assert_eq!(told.next(), "200 ----");
    let under_way = running(told.port, &backend);
    gateway.limit_files(3);
    let mut waiting = Client::connect(v6(told.port));
    waiting.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    wait_for("the shortage", || gateway.log().contains("accepting rests").then_some(()));
    finish(&backend, under_way);
    gateway.limit_files(1000);
    assert_eq!(waiting.response().status, 200, "who waits is served");
    assert_eq!([told.next(), told.next(), told.next()], ["200 ----"; 3]);
}

#[test]
fn what_the_end_of_the_daemon_cuts_off_is_told() {
    let (backend, told, tunnels) = (Backend::http("a"), Told::new(), free_port());
    let echo = answering!(GRANTED, echoes);
    let config = told.config(&[backend.address], "").listener("tunnels", "http", tunnels, "echo", "");
    let mut gateway = Gateway::start(&config.pool("echo", UNCHECKED, &[echo.address]));
    let mut early = Client::connect(v6(told.port));
    early.send("GET /never HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let (mut one, _two, _response) = running(told.port, &backend);
    asked(&backend, 3);
    let mut tunnel = Client::connect(v6(tunnels));
    tunnel.send(UPGRADE);
    assert_eq!(tunnel.bare_response().status, 101);
    gateway.terminate();
    wait_for("the listener to be gone", || Client::try_connect(v6(told.port)).is_err().then_some(()));
    // Somebody is tired of waiting.
    gateway.terminate();
    assert!(gateway.ended_well(), "{}", gateway.log());
    assert!(one.try_response(false).is_err(), "a part must not look like the whole");
    assert!(early.read_all().is_ok_and(|answer| answer.is_empty()) || early.is_closed());
    let mut lines = [told.next(), told.next(), told.next(), told.next()];
    lines.sort_unstable();
    assert_eq!(lines, ["-1 KH--", "101 KD--", "200 KD--", "200 KD--"]);
}

#[test]
fn a_member_that_refuses_connections_is_answered_503_for_over_both_versions() {
    let told = Told::new();
    let config = told.top().listener("web", "http", told.port, "pool", "");
    let _gateway = Gateway::start(&config.pool("pool", ONCE[1], &[crate::gateway::v4(free_port())]));
    assert_eq!(Client::connect(v6(told.port)).get("/").status, 503);
    assert_eq!(told.next(), "503 SC--");
    assert_eq!(Http2::connect(told.port).get("/").head.status(), 503);
    assert_eq!(told.next(), "503 SC--");
}
