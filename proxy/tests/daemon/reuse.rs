//! Who may have a connection to a member that has served somebody.

use crate::backend::{Backend, Seen, Wire};
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6, wait_for};
use crate::http2::Http2;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::Ordering;

/// One worker, so that idle connections of members are all in one place.
fn one(lines: &str, members: &[&Backend]) -> (Gateway, u16) {
    let port = free_port();
    let addresses: Vec<_> = members.iter().map(|backend| backend.address).collect();
    let config = Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
        "web",
        &format!("{UNCHECKED}\n{lines}"),
        &addresses,
    );
    (Gateway::start(&config), port)
}

/// A new client whose first request must not be sent twice.
fn posts(port: u16) -> Client {
    let mut client = Client::connect(v6(port));
    assert_eq!(client.post("/echo", b"once").text(), "once");
    client
}

fn gets(port: u16, count: usize) -> Client {
    let mut client = Client::connect(v6(port));
    for _ in 0..count {
        assert_eq!(client.get("/").status, 200);
    }
    client
}

#[test]
fn never_lets_each_client_use_its_own_connection_only() {
    let backend = Backend::http("a");
    let (_gateway, port) = one("http_reuse = \"never\"", &[&backend]);
    let mut one = gets(port, 3);
    assert_eq!(backend.accepted(), 1, "the client's own is used again");
    let _other = gets(port, 3);
    assert_eq!(backend.accepted(), 2);
    assert_eq!(one.post("/echo", b"more").text(), "more");
    drop(one);
    gets(port, 1);
    assert_eq!(backend.accepted(), 3, "the connections of those who left are nobody's");
}

#[test]
fn aggressive_shares_what_has_proved_to_be_kept() {
    let backend = Backend::http("a");
    let (_gateway, port) = one("http_reuse = \"aggressive\"", &[&backend]);
    gets(port, 1);
    posts(port);
    assert_eq!(backend.accepted(), 2, "no connection had been used again");
    gets(port, 1);
    posts(port);
    posts(port);
    assert_eq!(backend.accepted(), 2);
}

#[test]
fn always_shares_with_first_requests_too() {
    let backend = Backend::http("a");
    let (_gateway, port) = one("http_reuse = \"always\"", &[&backend]);
    gets(port, 1);
    for _ in 0..3 {
        posts(port);
    }
    assert_eq!(backend.accepted(), 1);
}

#[test]
fn a_change_of_policy_holds_for_the_next_request() {
    let backend = Backend::http("a");
    let port = free_port();
    let config = |reuse: &str| {
        Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
            "web",
            &format!("{UNCHECKED}\nhttp_reuse = \"{reuse}\""),
            &[backend.address],
        )
    };
    let gateway = Gateway::start(&config("always"));
    let mut client = gets(port, 1);
    gateway.change(&config("never"));
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.get("/").status, 200);
    assert_eq!(backend.accepted(), 2, "what is shared belongs to nobody");
}

/// Has whoever connects log in as servers with NTLM do: the connection is known from the third request on.
fn login(seen: &Seen, stream: TcpStream) -> std::io::Result<()> {
    const ASKED: &[u8] =
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM TlRMTVNTUAAC\r\nContent-Length: 0\r\n\r\n";
    let number = seen.accepted.load(Ordering::SeqCst);
    let mut writer = stream.try_clone()?;
    let mut wire = Wire::new(stream);
    let mut requests = 0;
    while wire.head()?.is_some() {
        requests += 1;
        if requests < 3 {
            writer.write_all(ASKED)?;
        } else {
            let who = format!("{} {number}", seen.name);
            write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{who}", who.len())?;
        }
    }
    Ok(())
}

#[test]
fn whoever_logs_in_on_a_connection_comes_back_to_it_and_nobody_else_does() {
    let (a, b) = (Backend::new("a", login), Backend::new("b", login));
    let (_gateway, port) = one("http_reuse = \"always\"", &[&a, &b]);
    let logs_in = || {
        let mut client = Client::connect(v6(port));
        assert_eq!([client.get("/").status, client.get("/").status], [401, 401]);
        (client.get("/").text(), client)
    };
    let (first, mut one) = logs_in();
    let (second, mut other) = logs_in();
    let (third, _third) = logs_in();
    assert_eq!([first.as_str(), second.as_str(), third.as_str()], ["a 1", "b 1", "a 2"]);
    for _ in 0..2 {
        assert_eq!([one.get("/").text(), other.get("/").text()], [first.as_str(), second.as_str()]);
    }
}

/// Answers a request, and once the client has that answer, sends another that nobody asked for.
fn answers_twice(seen: &Seen, stream: TcpStream) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut wire = Wire::new(stream);
    while wire.head()?.is_some() {
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nasked")?;
        wait_for("the client to have it", || seen.gate.load(Ordering::SeqCst).then_some(()));
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nunasked")?;
        seen.gate.store(false, Ordering::SeqCst);
    }
    Ok(())
}

/// Has a client ask so again and again, which gets what it asked for. `connect` is told the port.
fn is_answered_what_it_asked<C>(connect: fn(u16) -> C, ask: fn(&mut C) -> String) {
    const ROUNDS: usize = 20;
    let backend = Backend::new("a", answers_twice);
    let (_gateway, port) = one("http_reuse = \"always\"", &[&backend]);
    let mut client = connect(port);
    for _ in 0..ROUNDS {
        assert_eq!(ask(&mut client), "asked");
        backend.seen.gate.store(true, Ordering::SeqCst);
        wait_for("the second answer", || (!backend.seen.gate.load(Ordering::SeqCst)).then_some(()));
    }
    assert_eq!(backend.accepted(), ROUNDS);
}

#[test]
fn what_lies_on_a_kept_connection_is_not_the_next_answer() {
    is_answered_what_it_asked(|port| Client::connect(v6(port)), |client| client.get("/").text());
}

#[test]
fn what_lies_on_a_kept_connection_is_not_the_next_answer_of_http2() {
    is_answered_what_it_asked(Http2::connect, |client| client.get("/").text());
}

#[test]
fn idle_connections_to_members_are_given_up_when_files_run_short() {
    let (a, b) = (Backend::http("a"), Backend::http("b"));
    let (one, other) = (free_port(), free_port());
    let config = Config::new("workers = 1")
        .listener("one", "http", one, "one", "")
        .listener("other", "http", other, "other", "")
        .pool("one", UNCHECKED, &[a.address])
        .pool("other", UNCHECKED, &[b.address]);
    let gateway = Gateway::start(&config);
    gets(one, 1);
    // What closes meanwhile leaves more room than was asked for.
    wait_for("an idle connection to be given up", || {
        gateway.leave_files(1);
        posts(other);
        gateway.limit_files(1024);
        gets(one, 1);
        (a.accepted() > 1).then_some(())
    });
}
