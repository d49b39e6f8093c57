//! Members that are spoken to in HTTP/2: many requests on a connection, and what becomes of them when one breaks.

use crate::backend::{Backend, Seen, field, noise};
use crate::certificate::Authority;
use crate::checks::sight;
use crate::client::Client;
use crate::foreign::{Program, nginx};
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6, wait_for};
use crate::http2::{Http2, request};
use crate::http2_member::{
    CLOSED, DATA, Frames, HEADERS, RST_STREAM, late_narrow_member, member, narrow_member,
};
use crate::log::Receiver;
use h2::Reason;
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One worker, so that all requests of a member find its connection.
fn before(members: &[SocketAddr], lines: &str) -> (Gateway, u16) {
    let port = free_port();
    let config = Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
        "web",
        &format!("{UNCHECKED}\nprotocol = \"h2\"\n{lines}"),
        members,
    );
    (Gateway::start(&config), port)
}

/// Clients that have sent a request for this path.
fn asking(port: u16, count: usize, path: &str) -> Vec<Client> {
    let clients = (0..count).map(|_| {
        let mut client = Client::connect(v6(port));
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        client
    });
    clients.collect()
}

fn came(backend: &Backend, count: usize) {
    wait_for("the requests", || (backend.heads().len() >= count).then_some(()));
}

/// A POST without content: it may not be repeated, and nothing of it is lost that could not be sent again.
const BARE_POST: &str = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n";

#[test]
fn requests_of_many_clients_run_at_once_on_one_connection() {
    let backend = member("a");
    let (gateway, port) = before(&[backend.address], "");
    let mut waiting = asking(port, 20, "/wait");
    came(&backend, 20);
    assert_eq!(Client::connect(v6(port)).post("/echo", b"body").text(), "body", "nobody waits for them");
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert!(waiting.iter_mut().all(|client| client.response().text() == "a"));
    assert_eq!(backend.accepted(), 1);
    gateway.counts("member_connections_total{pool=\"web\",member=\"m0\"}", 1);
}

#[test]
fn a_request_is_told_in_the_words_of_http_2() {
    let backend = member("a");
    let (_gateway, port) = before(&[backend.address], "");
    let mut client = Client::connect(v6(port));
    client.send(
        "GET /head?a=b HTTP/1.1\r\nHost: a.example:81\r\nConnection: x-inner, TE\r\nX-Inner: 1\r\n\
         TE: trailers\r\nKeep-Alive: 5\r\nCookie: a=1\r\n\r\n",
    );
    let head = client.response().text();
    assert!(head.starts_with("GET http://a.example:81/head?a=b\n"), "{head}");
    for gone in ["host:", "connection:", "keep-alive:", "x-inner:", "transfer-encoding:"] {
        assert!(!head.contains(gone), "{head}");
    }
    let told = [("te", "trailers"), ("cookie", "a=1"), ("x-forwarded-for", "::1")];
    assert!(told.iter().all(|(name, value)| field(&head, name) == Some(value)), "{head}");
    client.send("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert!(
        backend.heads()[1].starts_with("OPTIONS http://a.example*\n") || backend.heads()[1].contains(" *"),
        "{:?}",
        backend.heads()
    );
}

#[test]
fn content_and_trailers_go_on_both_ways() {
    let backend = member("a");
    let (_gateway, port) = before(&[backend.address], "");
    let mut client = Client::connect(v6(port));
    let body = noise(3 << 20);
    assert!(client.post("/echo", &body).body == body);
    assert_eq!(client.get("/nothing").status, 204);
    client.send("HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.bare_response().field("content-length"), Some("1"));
    client.send(
        "POST /echo HTTP/1.1\r\nHost: a.example\r\nTE: trailers\r\nConnection: te\r\nTrailer: X-Sum\r\n\
         Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    let mut all = Vec::new();
    wait_for("the trailers", || {
        all.extend(client.bytes(1));
        let text = String::from_utf8_lossy(&all).into_owned();
        let (_, trailers) = text.split_once("\r\n0\r\n")?;
        trailers.ends_with("\r\n\r\n").then(|| trailers.to_owned())
    });
    assert_eq!(backend.accepted(), 1);
}

#[test]
fn the_member_asks_for_content_and_may_answer_without_it() {
    let backend = member("a");
    let (_gateway, port) = before(&[backend.address], "");
    let mut client = Client::connect(v6(port));
    let expecting = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    client.send(expecting("/echo"));
    assert_eq!(client.response().status, 100);
    client.send("body");
    assert_eq!(client.response().text(), "body");
    client.send(expecting("/early"));
    assert_eq!(client.response().status, 403);
    // One that sends all the same.
    let mut client = Client::connect(v6(port));
    client.send("POST /early HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4000000\r\n\r\nsome");
    assert_eq!(client.response().status, 403);
    assert_eq!(backend.accepted(), 1);
}

#[test]
fn neither_direction_waits_for_the_other() {
    let backend = member("a");
    let (_gateway, port) = before(&[backend.address], "");
    let mut client = Client::connect(v6(port));
    client.send("POST /back-and-forth HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    let head = b"HTTP/1.1 200 OK\r\n";
    assert_eq!(client.bytes(head.len()), head);
    let mut seen = Vec::new();
    for part in ["first", "other"] {
        client.send(format!("5\r\n{part}\r\n"));
        wait_for("the part to come back", || {
            seen.extend(client.bytes(1));
            seen.ends_with(part.as_bytes()).then_some(())
        });
    }
    client.send("0\r\n\r\n");
    wait_for("the end", || {
        seen.extend(client.bytes(1));
        seen.ends_with(b"0\r\n\r\n").then_some(())
    });
}

#[test]
fn a_request_that_is_refused_goes_to_another_member() {
    let refusing = Backend::new("a", |_, stream| {
        let mut frames = Frames::new(stream, &[])?;
        loop {
            let stream = frames.request()?;
            frames.send(3, 0, stream, &7_u32.to_be_bytes())?;
        }
    });
    let other = member("b");
    let (_gateway, port) = before(&[refusing.address, other.address], "");
    let mut client = Client::connect(v6(port));
    for _ in 0..4 {
        assert_eq!(client.get("/").text(), "b");
        client.send(BARE_POST);
        assert_eq!(client.response().text(), "b");
    }
    assert_eq!(refusing.accepted(), 1, "the connection is as good as before");
}

#[test]
fn nothing_is_sent_before_a_member_has_said_what_it_takes() {
    let backend = late_narrow_member("a");
    let (gateway, port) = before(&[backend.address], "passive = { failures = 1, ejection = \"1h\" }");
    let mut clients = asking(port, 5, "/");
    gateway.counts("member_load{pool=\"web\",member=\"m0\"}", 5);
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert!(clients.iter_mut().all(|client| client.response().text() == "a"));
    assert_eq!(gateway.metric("member_ejections_total{pool=\"web\",member=\"m0\"}"), 0);
    assert_eq!(
        gateway.metric("member_connections_total{pool=\"web\",member=\"m0\"}"),
        backend.accepted() as u64
    );
}

#[test]
fn no_request_is_sent_ahead_of_the_members_settings() {
    // Notes the kinds of frames that have come once the gate is open.
    let backend = Backend::new("a", |seen, mut stream| {
        wait_for("the test to open the gate", || seen.gate.load(Ordering::SeqCst).then_some(()));
        stream.set_nonblocking(true)?;
        let (mut all, mut kinds) = (vec![0; 64 << 10], Vec::new());
        let length = stream.read(&mut all)?;
        let mut frames = &all[24..length];
        while let [a, b, c, kind, ..] = *frames {
            kinds.push(kind);
            frames = &frames[9 + u32::from_be_bytes([0, a, b, c]) as usize..];
        }
        seen.heads.lock().unwrap().push(format!("{kinds:?}"));
        Ok(())
    });
    let (gateway, port) = before(&[backend.address], "retries = 0");
    let mut clients = asking(port, 5, "/");
    gateway.counts("member_load{pool=\"web\",member=\"m0\"}", 5);
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert!(clients.iter_mut().all(|client| client.response().status == 503));
    // SETTINGS and a WINDOW_UPDATE.
    assert_eq!(backend.heads()[0], "[4, 8]");
}

#[test]
fn a_member_of_http_1_is_named_in_the_log_with_the_remedy() {
    let backend = Backend::http("a");
    let (gateway, port) = before(&[backend.address], "retries = 0");
    for _ in 0..3 {
        assert_eq!(Client::connect(v6(port)).get("/").status, 503);
    }
    let log = gateway.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("clients cannot be passed on")).collect();
    let [line] = lines[..] else { panic!("one line for all of them: {log}") };
    for part in ["WARN", "pool=\"web\"", "member=\"m0\"", "set protocol = \\\"h1\\\" in the pool"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn a_member_that_says_nothing_is_not_spoken_to() {
    let (silent, other) = (late_narrow_member("a"), member("b"));
    let port = free_port();
    let config = Config::new("workers = 1").timeouts("connect = \"200ms\"");
    let config = config.listener("web", "http", port, "web", "").pool(
        "web",
        &format!("{UNCHECKED}\nprotocol = \"h2\"\npassive = {{ failures = 1, ejection = \"1h\" }}"),
        &[silent.address, other.address],
    );
    let gateway = Gateway::start(&config);
    for _ in 0..3 {
        let mut client = Client::connect(v6(port));
        client.send(BARE_POST);
        assert_eq!(client.response().text(), "b");
    }
    assert_eq!(gateway.metric("member_ejections_total{pool=\"web\",member=\"m0\"}"), 1);
    let made = |what: &str| gateway.metric(&format!("member_{what}_total{{pool=\"web\",member=\"m0\"}}"));
    assert_eq!((made("connections"), made("connect_failures")), (0, 1), "that is a part of reaching it");
}

#[test]
fn a_member_that_breaks_off_ahead_of_its_settings_is_not_reached() {
    let backend = Backend::new("a", |_, stream| {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        Ok(())
    });
    let (gateway, port) =
        before(&[backend.address], "retries = 0\npassive = { failures = 2, ejection = \"1h\" }");
    for ejections in [0, 1] {
        assert_eq!(Client::connect(v6(port)).get("/").status, 503);
        let count = gateway.metric("member_ejections_total{pool=\"web\",member=\"m0\"}");
        assert_eq!(count, ejections, "one failure for one connection");
    }
    gateway.counts("failures_total{listener=\"web\",reason=\"unreachable\"}", 2);
}

#[test]
fn what_a_member_leaves_alone_goes_on_another_connection_and_is_no_failure() {
    // Refuses on its first connection, goes away on the second, and answers on the third.
    let backend = Backend::new("a", |seen, stream| {
        let number = seen.accepted.load(Ordering::SeqCst);
        let end = stream.try_clone()?;
        let mut frames = Frames::new(stream, &[])?;
        loop {
            let stream = frames.request()?;
            match number {
                1 => frames.send(3, 0, stream, &7_u32.to_be_bytes())?,
                2 => {
                    frames.go_away(0)?;
                    return end.shutdown(Shutdown::Both);
                }
                _ => frames.answer(stream, seen.name)?,
            }
        }
    });
    let lines = "retries = 0\npassive = { failures = 1, ejection = \"1h\" }";
    let (gateway, port) = before(&[backend.address], lines);
    let mut client = Client::connect(v6(port));
    client.send(BARE_POST);
    assert_eq!(client.response().text(), "a");
    assert_eq!(backend.accepted(), 3);
    assert_eq!(gateway.metric("member_ejections_total{pool=\"web\",member=\"m0\"}"), 0);
}

#[test]
fn a_request_that_is_refused_everywhere_is_answered_503() {
    let backend = Backend::new("a", |_, stream| {
        let mut frames = Frames::new(stream, &[])?;
        loop {
            let stream = frames.request()?;
            frames.send(3, 0, stream, &7_u32.to_be_bytes())?;
        }
    });
    let lines = "retries = 0\npassive = { failures = 1, ejection = \"1h\" }";
    let (gateway, port) = before(&[backend.address], lines);
    for _ in 0..2 {
        let mut client = Client::connect(v6(port));
        client.send(BARE_POST);
        assert_eq!(client.response().status, 503);
    }
    assert_eq!(backend.accepted(), 4, "connections stay for others");
    assert_eq!(gateway.metric("member_ejections_total{pool=\"web\",member=\"m0\"}"), 0);
}

#[test]
fn a_member_that_goes_away_finishes_what_it_took_and_loses_nothing() {
    // The first connection takes one request and leaves the second alone.
    let backend = Backend::new("a", |seen, stream| {
        let number = seen.accepted.load(Ordering::SeqCst);
        let end = stream.try_clone()?;
        let mut frames = Frames::new(stream, &[])?;
        if number > 1 {
            loop {
                let stream = frames.request()?;
                frames.answer(stream, "later")?;
            }
        }
        let first = frames.request()?;
        seen.heads.lock().unwrap().push("first".to_owned());
        let second = frames.request()?;
        assert!(second > first);
        frames.go_away(first)?;
        wait_for("the test to open the gate", || seen.gate.load(Ordering::SeqCst).then_some(()));
        frames.answer(first, "in its time")?;
        end.shutdown(Shutdown::Write)
    });
    let (_gateway, port) = before(&[backend.address], "");
    let mut first = asking(port, 1, "/").remove(0);
    came(&backend, 1);
    let mut second = Client::connect(v6(port));
    second.send(BARE_POST);
    assert_eq!(second.response().text(), "later", "whatever its method, nobody has acted on it");
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert_eq!(first.response().text(), "in its time");
    assert_eq!(backend.accepted(), 2);
}

/// Each connection takes two requests: it answers the first, and says of the second that it is left alone.
fn answers_one_each(seen: &Seen, stream: TcpStream) -> std::io::Result<()> {
    let end = stream.try_clone()?;
    let mut frames = Frames::new(stream, &[])?;
    let first = frames.request()?;
    frames.answer(first, seen.name)?;
    frames.request()?;
    frames.go_away(first)?;
    end.shutdown(Shutdown::Both)
}

#[test]
fn a_member_that_goes_away_and_closes_at_once_loses_nothing_either() {
    let backend = Backend::new("a", answers_one_each);
    let (_gateway, port) = before(&[backend.address], "");
    let mut client = Client::connect(v6(port));
    for _ in 0..5 {
        client.send(BARE_POST);
        assert_eq!(client.response().text(), "a");
    }
    assert_eq!(backend.accepted(), 5);
}

/// Has a member answer five requests that go once only, over so many connections, beside a backup that gets none.
fn check_that_no_backup_serves(backend: &Backend, connections: usize) {
    let backup = member("b");
    let members = [(backend.address, ""), (backup.address, "backup = true")];
    let port = free_port();
    let lines = format!("{UNCHECKED}\nprotocol = \"h2\"");
    let config = Config::new("workers = 1").listener("web", "http", port, "web", "");
    let _gateway = Gateway::start(&config.pool_of("web", &lines, &members));
    let mut client = Client::connect(v6(port));
    for _ in 0..5 {
        client.send(BARE_POST);
        assert_eq!(client.response().text(), "a");
    }
    assert_eq!((backend.accepted(), backup.accepted()), (connections, 0));
}

#[test]
fn a_member_that_ends_its_connections_keeps_its_clients() {
    let backend = Backend::new("a", answers_one_each);
    check_that_no_backup_serves(&backend, 5);
}

#[test]
fn a_request_that_is_refused_goes_to_no_backup_while_its_member_is_well() {
    // Takes no stream on its first two connections.
    let backend = Backend::new("a", |seen, stream| {
        let number = seen.accepted.load(Ordering::SeqCst);
        let mut frames = Frames::new(stream, &[])?;
        loop {
            let stream = frames.request()?;
            match number {
                1 | 2 => frames.send(RST_STREAM, 0, stream, &7_u32.to_be_bytes())?,
                _ => frames.answer(stream, seen.name)?,
            }
        }
    });
    check_that_no_backup_serves(&backend, 3);
}

/// How long an answer would be, five octets, as a literal of a known name (RFC 7541 §6.2.2).
const FIVE: &[u8] = b"\x0f\x0d\x015";

/// Answers with `:status` 200, 204, 304 and 304, of the static table of RFC 7541, and ends each stream behind the head.
fn ends_behind_the_head(_: &Seen, stream: TcpStream) -> std::io::Result<()> {
    let mut frames = Frames::new(stream, &[])?;
    for (status, length, content) in
        [(0x88, FIVE, ""), (0x89, FIVE, ""), (0x8b, FIVE, ""), (0x8b, b"", "content")].into_iter().cycle()
    {
        let stream = frames.request()?;
        frames.send(HEADERS, 4, stream, &[&[status], length].concat())?;
        frames.send(DATA, 1, stream, content.as_bytes())?;
    }
    Ok(())
}

#[test]
fn an_answer_without_content_may_end_behind_its_head() {
    let backend = Backend::new("a", ends_behind_the_head);
    let (receiver, port) = (Receiver::new(), free_port());
    let log = format!(
        "workers = 1\nlog = {{ format = 'custom:%HM %ST %ts', to = \"udp://{}\" }}",
        receiver.address()
    );
    let config = Config::new(&log).listener("web", "http", port, "web", "").pool(
        "web",
        &format!("{UNCHECKED}\nprotocol = \"h2\""),
        &[backend.address],
    );
    let gateway = Gateway::start(&config);
    let logged = || receiver.next().split_once("]: ").unwrap().1.trim().to_owned();
    let expect = ["HEAD 200 --", "GET 204 --", "GET 304 --", "GET 502 PH"];
    let lengths = [("HEAD", Some("5")), ("GET", None)];

    let mut client = Client::connect(v6(port));
    client.send("HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let answers = [client.bare_response(), client.get("/")];
    let told = answers.each_ref().map(|answer| answer.field("content-length"));
    assert_eq!(told, lengths.map(|(_, length)| length));
    assert_eq!(client.get("/").status, 304);
    assert_eq!(client.get("/").status, 502);
    assert_eq!(expect.map(|_| logged()), expect);

    let mut client = Http2::connect(port);
    for (method, length) in [lengths[0], lengths[1], ("GET", Some("5"))] {
        let (response, _) = client.send(request(method, "/").body(()).unwrap(), true);
        client.wait(async {
            let response = response.await.unwrap();
            assert_eq!(response.headers().get("content-length").map(|value| value.to_str().unwrap()), length);
            assert!(response.into_body().data().await.is_none());
        });
    }
    let (response, _) = client.send(request("GET", "/").body(()).unwrap(), true);
    assert_eq!(client.wait(response).unwrap().status(), 502);
    assert_eq!(expect.map(|_| logged()), expect);
    assert_eq!(backend.accepted(), 1);
    gateway.counts("failures_total{listener=\"web\",reason=\"bad_response\"}", 2);
}

#[test]
fn one_stream_that_is_reset_disturbs_no_other() {
    let backend = member("a");
    let (gateway, port) = before(&[backend.address], "passive = { failures = 100 }");
    let mut waiting = asking(port, 3, "/wait");
    came(&backend, 3);
    assert_eq!(Client::connect(v6(port)).get("/reset").status, 502);
    let mut client = Client::connect(v6(port));
    client.send("GET /half HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let head = b"HTTP/1.1 200 OK\r\n";
    assert_eq!(client.bytes(head.len()), head);
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert!(client.read_all().is_err(), "a part does not look whole");
    let heads = backend.heads();
    let reset = heads.iter().filter(|head| head.contains("/reset ") || head.contains("/reset\n")).count();
    assert_eq!(reset, 1, "what the member gives up is not sent again: {heads:?}");
    assert!(waiting.iter_mut().all(|client| client.response().text() == "a"));
    assert_eq!(backend.accepted(), 1);
    gateway.counts("failures_total{listener=\"web\",reason=\"member_gone\"}", 2);
}

#[test]
fn a_client_that_leaves_ends_its_stream_only() {
    let backend = member("a");
    let (_gateway, port) = before(&[backend.address], "");
    let mut waiting = asking(port, 1, "/wait");
    let mut leaving = asking(port, 1, "/endless").remove(0);
    leaving.bytes(1 << 20);
    leaving.reset();
    wait_for("the stream to end", || backend.heads().contains(&"reset: CANCEL".to_owned()).then_some(()));
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert_eq!(waiting[0].response().text(), "a");
    assert_eq!(backend.accepted(), 1);
}

#[test]
fn a_member_that_dies_is_blamed_once_and_what_may_be_repeated_is() {
    let backend = Backend::new("a", |seen, stream| {
        let number = seen.accepted.load(Ordering::SeqCst);
        let mut frames = Frames::new(stream, &[])?;
        let first = frames.request()?;
        frames.answer(first, "a")?;
        for _ in 0..if number == 1 { 4 } else { usize::MAX } {
            let stream = frames.request()?;
            seen.heads.lock().unwrap().push(stream.to_string());
            if number > 1 {
                frames.answer(stream, "again")?;
            }
        }
        Ok(())
    });
    let (gateway, port) = before(&[backend.address], "passive = { failures = 2, ejection = \"1h\" }");
    assert_eq!(Client::connect(v6(port)).get("/").text(), "a");
    let posts = (0..3).map(|_| {
        let mut client = Client::connect(v6(port));
        client.send(BARE_POST);
        client
    });
    let mut posts: Vec<_> = posts.collect();
    came(&backend, 3);
    // The fourth is the last that this connection sees.
    assert_eq!(Client::connect(v6(port)).get("/").text(), "a");
    for client in &mut posts {
        assert_eq!(client.response().status, 502);
    }
    assert_eq!(gateway.metric("member_ejections_total{pool=\"web\",member=\"m0\"}"), 0);
}

#[test]
fn a_stalled_stream_stalls_no_other_and_is_given_up_in_time() {
    // Gives room for nothing.
    let backend = Backend::new("a", |seen, stream| {
        let mut frames = Frames::new(stream, &[(4, 0)])?;
        let mut stalled = None;
        loop {
            let frame = frames.next()?;
            if frame.kind == 1 && frame.flags & 1 == 0 {
                stalled = Some(frame.stream);
                seen.heads.lock().unwrap().push("stalled".to_owned());
            } else if frame.kind == 1 {
                frames.answer(frame.stream, "a")?;
            } else if frame.kind == 3 && Some(frame.stream) == stalled {
                seen.heads.lock().unwrap().push("given up".to_owned());
            }
        }
    });
    let port = free_port();
    let config = Config::new("workers = 1")
        .timeouts("server = \"1s\"")
        .listener("web", "http", port, "web", "")
        .pool("web", &format!("{UNCHECKED}\nprotocol = \"h2\""), &[backend.address]);
    let _gateway = Gateway::start(&config);
    let mut stalled = Client::connect(v6(port));
    stalled.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody");
    came(&backend, 1);
    assert_eq!(Client::connect(v6(port)).get("/").text(), "a");
    assert_eq!(stalled.response().status, 504);
    came(&backend, 2);
    assert_eq!(Client::connect(v6(port)).get("/").text(), "a");
    assert_eq!(backend.accepted(), 1);
}

#[test]
fn a_client_that_stalls_behind_the_answer_is_given_up_in_time() {
    let backend = member("a");
    let port = free_port();
    let config = Config::new("workers = 1").timeouts("client = \"500ms\"\nserver = \"1h\"");
    let config = config.listener("web", "http", port, "web", "").pool(
        "web",
        &format!("{UNCHECKED}\nprotocol = \"h2\""),
        &[backend.address],
    );
    let gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    client.send("POST /back-and-forth HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    let head = b"HTTP/1.1 200 OK\r\n";
    assert_eq!(client.bytes(head.len()), head);
    gateway.counts("failures_total{listener=\"web\",reason=\"client_timeout\"}", 1);
    assert!(client.read_all().is_err(), "a part does not look whole");
    let mut client = Http2::connect(port);
    assert_eq!(client.get("/").text(), "a");
    // Its content is not waited for before the answer is there, and nothing comes behind that.
    let expecting = request("POST", "/back-and-forth").header("expect", "100-continue");
    let (answer, _kept) = client.send(expecting.body(()).unwrap(), false);
    let ended = client.try_whole(answer);
    assert_eq!(ended.err().and_then(|error| error.reason()), Some(Reason::CANCEL));
    gateway.counts("failures_total{listener=\"web\",reason=\"client_timeout\"}", 2);
}

#[test]
fn answers_that_nobody_takes_stall_no_others() {
    /// What a client lets come on a stream of its own accord.
    const WINDOW: usize = 65_535;
    let backend = member("a");
    let (_gateway, port) = before(&[backend.address], "");
    let mut client =
        Http2::connect_with(port, h2::client::Builder::new().initial_connection_window_size(1 << 30));
    let stalled: Vec<_> =
        (0..40).map(|_| client.send(request("GET", "/endless").body(()).unwrap(), true).0).collect();
    let mut stalled: Vec<_> =
        stalled.into_iter().map(|answer| client.wait(answer).expect("a head").into_body()).collect();
    wait_for("them to stall", || {
        stalled.iter_mut().all(|answer| answer.flow_control().used_capacity() == WINDOW).then_some(())
    });
    let body = noise(1 << 20);
    assert!(Client::connect(v6(port)).post("/echo", &body).body == body);
    assert_eq!(backend.accepted(), 1, "all on one connection");
}

#[test]
fn more_requests_than_a_member_allows_open_another_connection() {
    let backend = narrow_member("a");
    let (_gateway, port) = before(&[backend.address], "");
    let mut waiting = asking(port, 3, "/wait");
    came(&backend, 3);
    assert_eq!(backend.accepted(), 3);
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert!(waiting.iter_mut().all(|client| client.response().text() == "a"));
}

#[test]
fn a_login_on_a_connection_keeps_others_off_it() {
    let backend = member("a");
    let (_gateway, port) = before(&[backend.address], "");
    let mut client = Client::connect(v6(port));
    assert_eq!(client.get("/login").status, 401);
    assert_eq!(client.get("/").text(), "a");
    assert_eq!(backend.accepted(), 1);
    assert_eq!(Client::connect(v6(port)).get("/").text(), "a");
    assert_eq!(backend.accepted(), 2);
}

#[test]
fn never_gives_each_client_a_connection_of_its_own() {
    let backend = member("a");
    let (_gateway, port) = before(&[backend.address], "http_reuse = \"never\"");
    let (mut one, mut other) = (Client::connect(v6(port)), Client::connect(v6(port)));
    for _ in 0..3 {
        assert_eq!((one.get("/").text().as_str(), other.get("/").text().as_str()), ("a", "a"));
    }
    assert_eq!(backend.accepted(), 2);
}

#[test]
fn offers_that_http_2_does_not_know_are_passed_over() {
    let backend = member("a");
    let (_gateway, port) = before(&[backend.address], "");
    let mut client = Client::connect(v6(port));
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: other/1\r\n\r\n");
    assert_eq!(client.response().text(), "a", "an offer may be passed over");
}

#[test]
fn a_member_that_speaks_something_else_is_answered_502_for() {
    let backend = Backend::new("a", |_, mut stream: TcpStream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        stream.shutdown(Shutdown::Write)
    });
    let (_gateway, port) = before(&[backend.address], "retries = 0");
    let status = Client::connect(v6(port)).get("/").status;
    assert!([502, 503].contains(&status), "{status}");
}

#[test]
fn a_change_of_version_holds_for_the_next_request() {
    let (one, other) = (Backend::http("a"), member("b"));
    let port = free_port();
    let config = |backend: &Backend, version: &str| {
        Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
            "web",
            &format!("{UNCHECKED}\nprotocol = \"{version}\""),
            &[backend.address],
        )
    };
    let gateway = Gateway::start(&config(&one, "h1"));
    let mut client = Client::connect(v6(port));
    assert_eq!(client.get("/").text(), "a");
    gateway.change(&config(&other, "h2"));
    assert_eq!(client.get("/").text(), "b");
    gateway.change(&config(&one, "h1"));
    assert_eq!(client.get("/").text(), "a");
}

#[test]
fn nginx_is_spoken_to_with_tls_and_without() {
    let authority = Authority::new();
    let bundle = authority.bundle("web", &["web.example"]).display().to_string();
    let (plain, tls, old) = (free_port(), free_port(), free_port());
    let file = nginx(&format!(
        "listen 127.0.0.1:{plain} http2; listen 127.0.0.1:{tls} ssl http2; listen 127.0.0.1:{old} ssl;\n\
         ssl_certificate {bundle}; ssl_certificate_key {bundle};\n\
         location / {{ return 200 \"$server_protocol $scheme $http_host\"; }}"
    ));
    let Some(_nginx) = Program::start("nginx", &file, plain) else { return };
    let to_tls =
        format!("tls = {{ ca = \"{}\", server_name = \"web.example\" }}", authority.file().display());
    let checked =
        "protocol = \"h2\"\ncheck = { kind = \"http\", rise = 1, fall = 1, expect_body = \"HTTP/2.0\" }";
    for (member, lines, expect) in
        [(plain, "", "HTTP/2.0 http a.example"), (tls, &to_tls, "HTTP/2.0 https a.example")]
    {
        let port = free_port();
        let config = Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
            "web",
            &format!("{checked}\n{lines}"),
            &[v4(member)],
        );
        let gateway = Gateway::start(&config);
        assert_eq!(sight(&gateway), "200 OK with \"HTTP/2.0\" in the body");
        let mut client = Client::connect(v6(port));
        for _ in 0..3 {
            assert_eq!(client.get("/").text(), expect);
        }
        gateway.counts("member_connections_total{pool=\"web\",member=\"m0\"}", 1);
    }
    let port = free_port();
    let config = Config::new("").listener("web", "http", port, "web", "").pool(
        "web",
        &format!("{checked}\nretries = 0\n{to_tls}"),
        &[v4(old)],
    );
    let gateway = Gateway::start(&config);
    assert_eq!(gateway.state("web", "m0"), "down");
    assert!(sight(&gateway).contains("HTTP/2"), "{}", sight(&gateway));
}

#[test]
fn a_check_speaks_what_it_is_told_to() {
    let (old, new) = (Backend::http("a"), member("b"));
    let check = |backend: &Backend, protocol: &str| {
        let lines = format!(
            "protocol = \"h2\"\ncheck = {{ kind = \"http\", rise = 1, fall = 1, protocol = \"{protocol}\" }}"
        );
        let config = Config::new("").listener("web", "http", free_port(), "web", "").pool(
            "web",
            &lines,
            &[backend.address],
        );
        let gateway = Gateway::start(&config);
        (gateway.state("web", "m0"), sight(&gateway))
    };
    assert_eq!(check(&new, "h2"), ("up".to_owned(), "200 OK".to_owned()));
    assert_eq!(check(&old, "h1"), ("up".to_owned(), "200 OK".to_owned()));
    assert_eq!(check(&old, "h2").0, "down");
}

#[test]
fn a_client_keeps_five_idle_connections_of_its_own() {
    let backend = narrow_member("a");
    let (_gateway, port) = before(&[backend.address], "http_reuse = \"never\"");
    let mut client = Http2::connect(port);
    let mut ask = |count: usize| -> Vec<_> {
        (0..count).map(|_| client.send(request("GET", "/wait").body(()).unwrap(), true).0).collect()
    };
    let asked = ask(8);
    came(&backend, 8);
    backend.seen.gate.store(true, Ordering::SeqCst);
    let closed = || backend.heads().iter().filter(|head| *head == CLOSED).count();
    let others = {
        wait_for("three of them to close", || (closed() == 3).then_some(()));
        ask(5)
    };
    assert!(asked.into_iter().chain(others).all(|response| client.whole(response).text() == "a"));
    assert_eq!((backend.accepted(), closed()), (8, 3));
}

#[test]
fn what_a_client_has_of_its_own_is_one_connection_and_leaves_with_its_member() {
    let backend = Backend::new("a", |seen, stream| {
        let mut frames = Frames::new(stream, &[])?;
        while let Ok(stream) = frames.request() {
            frames.answer(stream, seen.name)?;
        }
        seen.heads.lock().unwrap().push("closed".to_owned());
        Ok(())
    });
    let other = member("b");
    let port = free_port();
    let config = |member: &Backend| {
        Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
            "web",
            &format!("{UNCHECKED}\nprotocol = \"h2\"\nhttp_reuse = \"never\""),
            &[member.address],
        )
    };
    let gateway = Gateway::start(&config(&backend));
    let mut client = Http2::connect(port);
    let asked: Vec<_> = (0..20).map(|_| client.send(request("GET", "/").body(()).unwrap(), true).0).collect();
    for response in asked {
        assert_eq!(client.whole(response).text(), "a");
    }
    assert_eq!(backend.accepted(), 1, "those who come while it is opened wait for it");
    let mut plain = Client::connect(v6(port));
    assert_eq!(plain.get("/").text(), "a");
    assert_eq!(backend.accepted(), 2);
    gateway.change(&config(&other));
    came(&backend, 2);
    assert_eq!((client.get("/").text().as_str(), plain.get("/").text().as_str()), ("b", "b"));
}
