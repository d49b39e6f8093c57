//! http mode: balancing, reuse, bodies, kinds of responses.

use crate::backend::{Backend, Seen, Wire, field, noise};
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6, wait_for};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;

/// One worker, so that idle connections of members are all in one place.
fn one(backend: &Backend) -> (Gateway, u16) {
    let port = free_port();
    let config = Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    (Gateway::start(&config), port)
}

#[test]
fn requests_take_turns_over_the_members() {
    let (a, b) = (Backend::http("a"), Backend::http("b"));
    let port = free_port();
    let config = Config::new("").listener("web", "http", port, "web", "").pool(
        "web",
        UNCHECKED,
        &[a.address, b.address],
    );
    let _gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    let kept: Vec<_> = (0..4).map(|_| client.get("/").text()).collect();
    assert_eq!(kept, ["a", "b", "a", "b"]);
    let fresh: Vec<_> = (0..4).map(|_| Client::connect(v6(port)).get("/").text()).collect();
    assert_eq!(fresh, ["a", "b", "a", "b"]);
}

#[test]
fn connections_to_members_are_used_again() {
    let backend = Backend::http("a");
    let (gateway, port) = one(&backend);
    for _ in 0..3 {
        let mut client = Client::connect(v6(port));
        for path in ["/", "/big", "/nothing", "/unchanged", "/", "/hops"] {
            client.get(path);
        }
        client.send("HEAD /big HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert_eq!(client.bare_response().field("content-length"), Some("5242880"));
        assert_eq!(client.post("/echo", b"body").text(), "body");
    }
    assert_eq!(backend.accepted(), 1);
    gateway.counts("member_connections_total{pool=\"web\",member=\"m0\"}", 1);
    gateway.counts("member_uses_total{pool=\"web\",member=\"m0\"}", 24);
}

#[test]
fn a_member_that_closes_gets_a_new_connection() {
    let backend = Backend::http("a");
    let (_gateway, port) = one(&backend);
    let mut client = Client::connect(v6(port));
    for _ in 0..3 {
        assert_eq!(client.get("/close").text(), "bye");
    }
    assert_eq!(backend.accepted(), 3);
}

#[test]
fn a_request_lost_with_an_idle_connection_is_sent_again_if_that_is_safe() {
    let backend = Backend::http("a");
    let (_gateway, port) = one(&backend);
    let mut client = Client::connect(v6(port));
    assert_eq!(client.get("/").status, 200);
    // The server closes the used connection instead of answering, and answers on the fresh one.
    assert_eq!(client.get("/first-only").text(), "a");
    assert_eq!(backend.accepted(), 2);
    // A POST may have been acted on: the client must know.
    let response = client.post("/first-only", b"once");
    assert_eq!(response.status, 502, "{}", response.text());
    assert_eq!(backend.accepted(), 2);
    let posts = backend.heads().iter().filter(|head| head.starts_with("POST")).count();
    assert_eq!(posts, 1, "it left once");
}

#[test]
fn the_first_request_of_a_client_that_cannot_be_repeated_goes_on_a_fresh_connection() {
    let backend = Backend::http("a");
    let (_gateway, port) = one(&backend);
    assert_eq!(Client::connect(v6(port)).get("/").status, 200);
    assert_eq!(Client::connect(v6(port)).post("/first-only", b"once").text(), "a");
    assert_eq!(backend.accepted(), 2);
}

#[test]
fn bodies_of_any_framing_arrive_whole() {
    let backend = Backend::http("a");
    let (_gateway, port) = one(&backend);
    let mut client = Client::connect(v6(port));
    let body = noise((3 << 20) + 5);
    assert!(client.post("/echo", &body).body == body);

    let mut writer = client.stream.try_clone().unwrap();
    let sent = body.clone();
    let sender = std::thread::spawn(move || {
        writer
            .write_all(b"PUT /echo HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        for part in sent.chunks(70_001) {
            write!(writer, "{:x}\r\n", part.len()).unwrap();
            writer.write_all(part).unwrap();
            writer.write_all(b"\r\n").unwrap();
        }
        writer.write_all(b"0\r\n\r\n").unwrap();
    });
    assert!(client.response().body == body);
    sender.join().unwrap();
    // A GET may carry a body too; it must not vanish, nor become a request of its own.
    client.send(
        "GET /echo HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    );
    assert_eq!(client.response().text(), "body");
    assert_eq!(client.get("/big").body.len(), 5 << 20);
    assert_eq!(client.get("/until-close").text(), "all there is");
}

#[test]
fn a_request_body_is_passed_on_as_it_comes() {
    let backend = Backend::http("a");
    let (_gateway, port) = one(&backend);
    let mut client = Client::connect(v6(port));
    client.send("POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\nfirst");
    wait_for("the first half at the member", || {
        (backend.seen.body_bytes.load(Ordering::SeqCst) == 5).then_some(())
    });
    client.send("later");
    assert_eq!(client.response().text(), "firstlater");
}

#[test]
fn a_response_body_is_passed_on_as_it_comes() {
    let backend = Backend::http("a");
    let (_gateway, port) = one(&backend);
    let mut client = Client::connect(v6(port));
    client.send("GET /chunked HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let mut got = String::new();
    while !got.contains("first") {
        got.push(char::from(client.bytes(1)[0]));
    }
    assert!(!backend.seen.gate.swap(true, Ordering::SeqCst), "the member has not sent the rest");
    while !got.ends_with("second\r\n0\r\n\r\n") {
        got.push(char::from(client.bytes(1)[0]));
    }
}

#[test]
fn a_client_that_expects_to_be_asked_for_its_body_is_asked() {
    let backend = Backend::http("a");
    let (_gateway, port) = one(&backend);
    let mut client = Client::connect(v6(port));
    client
        .send("POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.response().status, 100);
    client.send("body");
    assert_eq!(client.response().text(), "body");
}

#[test]
fn it_is_the_member_who_asks_for_the_body() {
    fn serve(seen: &Seen, stream: TcpStream) -> std::io::Result<()> {
        let mut writer = stream.try_clone()?;
        let mut wire = Wire::new(stream);
        let head = wire.head()?.unwrap_or_default();
        if head.starts_with("POST /no ") {
            return writer.write_all(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
        }
        writer.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")?;
        seen.heads.lock().unwrap().push(head);
        let body = wire.bytes(4, |_| {})?;
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")?;
        writer.write_all(&body)
    }
    let backend = Backend::new("asks", serve);
    let (_gateway, port) = one(&backend);
    let expecting = |path: &str| {
        let mut client = Client::connect(v6(port));
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        ));
        client
    };
    let mut refused = expecting("/no");
    assert_eq!(refused.response().status, 417, "no 100 comes ahead of a refusal");
    let mut client = expecting("/");
    assert_eq!(client.response().status, 100);
    client.send("body");
    assert_eq!(client.response().text(), "body");
    assert!(backend.heads()[0].to_ascii_lowercase().contains("\r\nexpect: 100-continue\r\n"));
}

#[test]
fn an_answer_that_comes_before_the_body_is_passed_on() {
    let backend = Backend::http("a");
    let (_gateway, port) = one(&backend);
    let mut client = Client::connect(v6(port));
    client.send("POST /early HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\nsome");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (403, "no"));
    assert_eq!(Client::connect(v6(port)).get("/").status, 200);
}

#[test]
fn an_answer_under_way_goes_on_when_the_client_breaks_off_its_content() {
    let backend = Backend::new("a", |seen, stream| {
        let mut wire = Wire::new(stream);
        wire.head()?;
        let (mut stream, _) = wire.into_parts();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nfirst")?;
        wait_for("the test to open the gate", || seen.gate.load(Ordering::SeqCst).then_some(()));
        stream.write_all(b", later")?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    });
    let (_gateway, port) = one(&backend);
    let mut client = Client::connect(v6(port));
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(client.bytes(5), b"first");
    client.send("this is no chunk\r\n");
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert_eq!(client.bytes(7), b", later");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (a, b) = (Backend::http("a"), Backend::http("b"));
    let port = free_port();
    let config = Config::new("").listener("web", "http", port, "web", "").pool(
        "web",
        UNCHECKED,
        &[a.address, b.address],
    );
    let _gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(6));
    let texts: Vec<_> = (0..6).map(|_| client.response().text()).collect();
    assert_eq!(texts, ["a", "b", "a", "b", "a", "b"]);
}

#[test]
fn old_clients_are_served() {
    let backend = Backend::http("a");
    let (_gateway, port) = one(&backend);
    let mut client = Client::connect(v6(port));
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().text(), "a");
    assert!(client.is_closed());
    let mut client = Client::connect(v6(port));
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(client.response().text(), "a");
    }
    client.send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody");
    client.response();
    let head = backend.heads().pop().expect("the last request").to_ascii_lowercase();
    assert!(head.starts_with("post / ") && !head.contains("expect"), "nobody would hear a 100: {head}");
}

#[test]
fn a_client_may_close_its_side_and_read_on() {
    let backend = Backend::http("a");
    let (_gateway, port) = one(&backend);
    let mut client = Client::connect(v6(port));
    client.send("GET /big HTTP/1.1\r\nHost: a.example\r\n\r\n");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.response().body.len(), 5 << 20);
    assert!(client.is_closed());
}

#[test]
fn options_count_their_hops_and_traces_are_refused() {
    let backend = Backend::http("a");
    let (gateway, port) = one(&backend);
    let mut client = Client::connect(v6(port));
    client.send("OPTIONS * HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 0\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.field("content-length")), (200, Some("0")), "{}", response.head);
    assert_eq!(backend.heads().len(), 0);
    client.send("OPTIONS http://b.example HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 5\r\n\r\n");
    client.response();
    let head = backend.heads().remove(0);
    assert!(head.starts_with("OPTIONS * HTTP/1.1\r\n"), "{head}");
    assert_eq!(
        (field(&head, "max-forwards"), field(&head, "host")),
        (Some("4"), Some("b.example")),
        "{head}"
    );
    client.send("TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response().status, 501);
    assert_eq!(backend.heads().len(), 1);
    gateway.counts("failures_total{listener=\"web\",reason=\"unsupported\"}", 1);
    gateway.counts("failures_total{listener=\"web\",reason=\"bad_request\"}", 0);
}
