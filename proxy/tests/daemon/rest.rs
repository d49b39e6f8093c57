//! Connections of HTTP/1.1 on which nothing happens: whatever they are and are bound to goes on when the client does.

use crate::backend::{Backend, Seen, Wire, field};
use crate::certificate::{Authority, connect};
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6, wait_for};
use crate::log::Receiver;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

const RESTING: &str = "connections_resting{listener=\"web\"}";
const OPEN: &str = "connections_open{listener=\"web\"}";

fn config(port: u16, top: &str, timeouts: &str, lines: &str, backend: &Backend) -> Config {
    Config::new(&format!("workers = 1\n{top}"))
        .timeouts(timeouts)
        .listener("web", "http", port, "web", lines)
        .pool("web", UNCHECKED, &[backend.address])
}

fn start(backend: &Backend, lines: &str) -> (Gateway, u16) {
    let port = free_port();
    (Gateway::start(&config(port, "", "", lines, backend)), port)
}

/// A client that was served once.
fn served(port: u16) -> Client {
    let mut client = Client::connect(v6(port));
    assert_eq!(client.get("/").status, 200);
    client
}

#[test]
fn a_client_that_has_rested_is_served_on() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "");
    let (mut six, mut four) = (Client::connect(v6(port)), Client::connect(v4(port)));
    for _ in 0..2 {
        assert_eq!((six.get("/").text(), four.post("/echo", b"body").text()), ("a".into(), "body".into()));
        gateway.counts(RESTING, 2);
    }
    assert_eq!(gateway.metric(OPEN), 2, "they are there");
    // A head in parts, of which the first calls it.
    for octet in *b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n" {
        six.send([octet]);
    }
    assert_eq!(six.response().text(), "a");
    gateway.counts(RESTING, 1);
    // Many at once, the last of them with a body.
    let get = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(3);
    four.send(get + "POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nlast");
    let texts: Vec<_> = (0..4).map(|_| four.response().text()).collect();
    assert_eq!(texts, ["a", "a", "a", "last"]);
    gateway.counts(RESTING, 2);
    drop((six, four));
    gateway.counts(OPEN, 0);
    assert_eq!(gateway.metric(RESTING), 0);
}

#[test]
fn who_has_begun_a_head_does_not_rest_and_who_errs_after_a_rest_is_refused() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "");
    let mut slow = served(port);
    slow.send("GET / HTTP/1.1\r\nHost: a.exam");
    let mut wrong = served(port);
    gateway.counts(RESTING, 1);
    wrong.send("GET / HTTP/1.1\r\nx y\r\n\r\n");
    assert_eq!(wrong.response().status, 400);
    assert!(wrong.is_closed());
    slow.send("ple\r\n\r\n");
    assert_eq!(slow.response().text(), "a");
}

#[test]
fn who_has_said_nothing_yet_rests_and_may_speak_either_version() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "");
    let (mut one, mut other) = (Client::connect(v6(port)), Client::connect(v6(port)));
    gateway.counts(RESTING, 2);
    assert_eq!(one.get("/").text(), "a");
    other.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert_eq!(other.bytes(9)[3], 4, "a frame of settings");
}

#[test]
fn rest_puts_no_deadline_off() {
    let (backend, port) = (Backend::http("a"), free_port());
    let timeouts = "keep_alive = \"2s\"\nrequest_head = \"2s\"";
    let gateway = Gateway::start(&config(port, "", timeouts, "", &backend));
    let (mut served, mut silent) = (served(port), Client::connect(v6(port)));
    gateway.counts(RESTING, 2);
    assert!(served.is_closed() && silent.is_closed());
    gateway.counts(OPEN, 0);
    assert_eq!(gateway.metric(RESTING), 0);
    assert_eq!(gateway.metric("failures_total{listener=\"web\",reason=\"slow_head\"}"), 0);
}

#[test]
fn an_empty_line_behind_a_request_is_no_head_that_has_begun() {
    let (backend, port) = (Backend::http("a"), free_port());
    let gateway = Gateway::start(&config(port, "", "request_head = \"1s\"", "", &backend));
    let mut client = served(port);
    // As clients of old send it behind what they post.
    client.send("POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody\r\n");
    assert_eq!(client.response().text(), "body");
    gateway.counts(RESTING, 1);
    assert_eq!(client.get("/").text(), "a");
    assert_eq!(gateway.metric("failures_total{listener=\"web\",reason=\"slow_head\"}"), 0);
}

#[test]
fn tls_is_told_of_the_end_awake_and_at_rest() {
    let (authority, backend) = (Authority::new(), Backend::http("a"));
    let bundle = authority.bundle("web", &["web.example"]);
    let tls = format!("tls = {{ certificates = [\"{}\"] }}", bundle.display());
    for keep_alive in ["100ms", "2s"] {
        let port = free_port();
        let timeouts = format!("keep_alive = \"{keep_alive}\"");
        let _gateway = Gateway::start(&config(port, "", &timeouts, &tls, &backend));
        let mut stream = connect(&authority.client(None), v6(port), "web.example");
        get(&mut stream);
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "{keep_alive}");
    }
}

#[test]
fn a_drain_and_a_listener_that_goes_close_at_once() {
    let (authority, backend) = (Authority::new(), Backend::http("a"));
    let bundle = authority.bundle("web", &["web.example"]);
    let (web, secure, stays) = (free_port(), free_port(), free_port());
    let tls = format!("tls = {{ certificates = [\"{}\"] }}", bundle.display());
    let after = Config::new("workers = 1").listener("stays", "http", stays, "web", "");
    let before =
        after.clone().listener("web", "http", web, "web", "").listener("secure", "http", secure, "web", &tls);
    let [before, after] = [before, after].map(|config| config.pool("web", UNCHECKED, &[backend.address]));
    let mut gateway = Gateway::start(&before);
    let (mut goes, mut kept) = (served(web), served(stays));
    let mut stream = connect(&authority.client(None), v6(secure), "web.example");
    get(&mut stream);
    for listener in ["web", "stays", "secure"] {
        gateway.counts(&format!("connections_resting{{listener=\"{listener}\"}}"), 1);
    }
    gateway.change(&after);
    assert!(goes.is_closed());
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "TLS says that this is the end");
    assert_eq!(kept.get("/").text(), "a", "a listener that stays keeps its connections");
    gateway.counts("connections_resting{listener=\"stays\"}", 1);
    gateway.terminate();
    assert!(kept.is_closed());
    assert!(gateway.ended_well(), "{}", gateway.log());
}

/// A request over TLS and the end of its answer.
fn get(stream: &mut (impl Read + Write)) {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n").expect("the proxy takes it");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\na") {
        let mut part = [0; 256];
        let count = stream.read(&mut part).expect("an answer comes");
        assert_ne!(count, 0, "{}", answer.escape_ascii());
        answer.extend_from_slice(&part[..count]);
    }
}

#[test]
fn tls_rests_and_goes_on() {
    let (authority, backend) = (Authority::new(), Backend::http("a"));
    let bundle = authority.bundle("web", &["web.example"]);
    let (gateway, port) = start(&backend, &format!("tls = {{ certificates = [\"{}\"] }}", bundle.display()));
    let mut stream = connect(&authority.client(None), v6(port), "web.example");
    for _ in 0..2 {
        get(&mut stream);
        gateway.counts(RESTING, 1);
    }
    // Half of a record calls it, and the rest of it makes a request.
    stream.conn.writer().write_all(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n").unwrap();
    let mut record = Vec::new();
    stream.conn.write_tls(&mut record).unwrap();
    stream.sock.write_all(&record[..9]).unwrap();
    gateway.counts(RESTING, 0);
    gateway.counts(RESTING, 1);
    stream.sock.write_all(&record[9..]).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    // A client may go without a word of TLS.
    gateway.counts(RESTING, 1);
    drop(stream);
    gateway.counts(OPEN, 0);
}

#[test]
fn who_rests_has_its_places() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "max_connections = 2\nper_source = { connections = 1 }");
    let first = served(port);
    gateway.counts(RESTING, 1);
    let mut refused = Client::connect(v6(port));
    assert!(refused.read_all().map_or(true, |all| all.is_empty()), "its source has one already");
    gateway.counts("failures_total{listener=\"web\",reason=\"source_connections\"}", 1);
    let mut other = Client::connect(v4(port));
    assert_eq!(other.get("/").text(), "a");
    gateway.counts(RESTING, 2);
    let mut waits = Client::connect_from("127.0.0.2".parse().unwrap(), v4(port));
    waits.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(other.get("/").text(), "a");
    assert_eq!(gateway.metric(OPEN), 2, "there is no third place");
    drop(first);
    assert_eq!(waits.response().text(), "a");
    wait_for("its source to be free", || {
        let mut again = Client::connect(v6(port));
        drop(other.stream.shutdown(Shutdown::Both));
        again.try_send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").ok()?;
        again.try_response(false).ok().filter(|response| response.status == 200)
    });
}

#[test]
fn the_clients_end_and_its_reset_are_noticed() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "");
    let (mut ends, breaks, mut asks) = (served(port), served(port), served(port));
    gateway.counts(RESTING, 3);
    ends.stream.shutdown(Shutdown::Write).unwrap();
    assert!(ends.is_closed());
    breaks.reset();
    gateway.counts(OPEN, 1);
    // A last request with the end behind it.
    asks.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    asks.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(asks.response().text(), "a");
    assert!(asks.is_closed());
    gateway.counts(OPEN, 0);
}

#[test]
fn a_change_holds_for_the_next_request() {
    let (a, b, port) = (Backend::http("a"), Backend::http("b"), free_port());
    let gateway = Gateway::start(&config(port, "", "", "", &a));
    let mut client = served(port);
    gateway.counts(RESTING, 1);
    gateway.change(&config(port, "", "", "", &b));
    assert_eq!(client.get("/").text(), "b");
    gateway.counts(RESTING, 1);
    gateway.change(&config(
        port,
        "",
        "",
        "[[proxy.listener.rule]]\nanswer = { status = 403, body = \"no\" }",
        &b,
    ));
    assert_eq!(client.get("/").status, 403);
    gateway.counts(RESTING, 1);
    // As long as nothing is asked, what was in force holds.
    gateway.change(&config(port, "", "keep_alive = \"1ms\"", "", &b));
    assert_eq!(client.get("/").text(), "b");
    assert!(client.is_closed());
}

#[test]
fn the_client_that_a_header_named_is_told_on() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "proxy_protocol_from = [\"::1/128\"]");
    let mut client = Client::connect(v6(port));
    client.send("PROXY TCP6 2001:db8::7 2001:db8::80 51413 80\r\n");
    for _ in 0..3 {
        let head = client.get("/head").text();
        assert_eq!(field(&head, "x-forwarded-for"), Some("2001:db8::7"), "{head}");
        gateway.counts(RESTING, 1);
    }
}

#[test]
fn whom_a_header_named_has_its_place_at_rest() {
    let backend = Backend::http("a");
    let lines = "proxy_protocol_from = [\"::1/128\"]\nper_source = { connections = 1 }";
    let (gateway, port) = start(&backend, lines);
    let named = |source: &str| {
        let mut client = Client::connect(v6(port));
        client.send(format!("PROXY TCP6 {source} 2001:db8::80 51413 80\r\n"));
        client.try_send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").ok()?;
        client.try_response(false).ok().map(|_| client)
    };
    let first = named("2001:db8:1::7").expect("it is the first one");
    gateway.counts(RESTING, 1);
    assert!(named("2001:db8:1::8").is_none(), "its source has one already");
    gateway.counts("failures_total{listener=\"web\",reason=\"source_connections\"}", 1);
    let _other = named("2001:db8:2::7").expect("another source has none");
    gateway.counts(RESTING, 2);
    drop(first);
    wait_for("its source to be free", || named("2001:db8:1::8"));
}

/// Has whoever connects log in; tells who has by the number of the connection.
fn login(seen: &Seen, stream: TcpStream) -> std::io::Result<()> {
    let number = seen.accepted.load(std::sync::atomic::Ordering::SeqCst);
    let mut writer = stream.try_clone()?;
    let mut wire = Wire::new(stream);
    wire.head()?;
    writer.write_all(
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM TlRMTVNTUAAC\r\nContent-Length: 0\r\n\r\n",
    )?;
    while wire.head()?.is_some() {
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}")?;
    }
    Ok(())
}

#[test]
fn a_login_outlasts_the_rest() {
    let backend = Backend::new("a", login);
    let (gateway, port) = start(&backend, "");
    let mut crowd: Vec<_> = (0..2)
        .map(|_| {
            let mut client = Client::connect(v6(port));
            assert_eq!(client.get("/").status, 401);
            client
        })
        .collect();
    for _ in 0..2 {
        gateway.counts(RESTING, 2);
        let texts: Vec<_> = crowd.iter_mut().map(|client| client.get("/").text()).collect();
        assert_eq!(texts, ["1", "2"]);
    }
    assert_eq!(backend.accepted(), 2);
}

#[test]
fn lines_tell_how_long_a_connection_rested() {
    let (backend, receiver, port) = (Backend::http("a"), Receiver::new(), free_port());
    let log = format!("log = {{ format = \"json\", to = \"udp://{}\" }}", receiver.address());
    let gateway = Gateway::start(&config(port, &log, "", "", &backend));
    let next = || -> serde_json::Value {
        let line = receiver.next();
        serde_json::from_str(line.split_once("]: ").expect("an envelope").1).expect("JSON")
    };
    let mut client = Client::connect(v6(port));
    for _ in 0..3 {
        gateway.counts(RESTING, 1);
        assert_eq!(client.get("/").text(), "a");
        let line = next();
        let numbers = |key: &str| line[key].as_u64().unwrap_or_else(|| panic!("no {key} in {line}"));
        assert!(numbers("idle_ms") >= 1_000, "{line}");
        assert_eq!((numbers("bytes_received"), numbers("status")), (35, 200), "{line}");
        assert_eq!(line["state"], "--", "{line}");
    }
    // Nothing is told of who says nothing more.
    gateway.counts(RESTING, 1);
    drop(client);
    gateway.counts(OPEN, 0);
    assert_eq!(served(port).get("/").status, 200);
    assert_eq!((next()["status"].as_u64(), next()["status"].as_u64()), (Some(200), Some(200)));
    gateway.counts("log_lines_total", 5);
}
