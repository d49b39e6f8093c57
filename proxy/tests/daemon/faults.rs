//! Clients and members that misbehave, and a process that runs short. Nobody else is disturbed.

use crate::backend::{Backend, Seen, Wire, noise};
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6, wait_for};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;

fn start(backend: &Backend, timeouts: &str) -> (Gateway, u16) {
    let port = free_port();
    let config = Config::new("workers = 1").timeouts(timeouts).listener("web", "http", port, "web", "").pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    (Gateway::start(&config), port)
}

/// The sample of a reason.
fn failures(reason: &str) -> String {
    format!("failures_total{{listener=\"web\",reason=\"{reason}\"}}")
}

#[test]
fn a_head_that_does_not_come_to_its_end_is_answered_408() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "request_head = \"1s\"");
    let mut other = Client::connect(v6(port));
    let mut client = Client::connect(v6(port));
    client.send("GET / HTTP/1.1\r\nHost: a.exam");
    assert_eq!(other.get("/").status, 200);
    let response = client.response();
    assert_eq!(response.status, 408, "{}", response.text());
    assert!(client.is_closed());
    gateway.counts(&failures("slow_head"), 1);
}

#[test]
fn a_client_that_says_nothing_is_closed_without_an_answer() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "request_head = \"100ms\"");
    assert!(Client::connect(v6(port)).is_closed());
    assert_eq!(gateway.metric(&failures("slow_head")), 0);
}

#[test]
fn a_kept_connection_without_requests_is_closed() {
    let backend = Backend::http("a");
    let (_gateway, port) = start(&backend, "keep_alive = \"100ms\"");
    let mut client = Client::connect(v6(port));
    assert_eq!(client.get("/").status, 200);
    assert!(client.is_closed());
}

#[test]
fn a_body_that_does_not_come_is_answered_408() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "client = \"200ms\"");
    let mut client = Client::connect(v6(port));
    client.send("POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\nhalf");
    assert_eq!(client.response().status, 408);
    assert!(client.is_closed());
    gateway.counts(&failures("client_timeout"), 1);
}

#[test]
fn a_client_that_takes_nothing_is_reset() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "client = \"200ms\"");
    let mut client = Client::connect(v6(port));
    // More than the sockets between hold.
    client.send("GET /big HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(4));
    gateway.counts(&failures("client_timeout"), 1);
    assert!(client.read_all().is_err(), "a part must not look like the whole");
    assert_eq!(Client::connect(v6(port)).get("/").status, 200);
}

#[test]
fn a_member_that_does_not_answer_is_answered_504_for() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "server = \"1s\"");
    let mut client = Client::connect(v6(port));
    let response = client.get("/never");
    assert_eq!(response.status, 504, "{}", response.text());
    gateway.counts(&failures("member_timeout"), 1);
    assert_eq!(client.get("/").status, 200, "the client's connection goes on");
}

#[test]
fn members_that_break_are_answered_502_for() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "");
    let mut client = Client::connect(v6(port));
    assert_eq!(client.get("/reset").status, 502);
    assert_eq!(client.get("/garbage").status, 502);
    assert_eq!(client.get("/").status, 200);
    gateway.counts(&failures("member_gone"), 1);
    gateway.counts(&failures("bad_response"), 1);
}

#[test]
fn a_response_that_breaks_off_does_not_look_whole() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "");
    let mut client = Client::connect(v6(port));
    client.send("GET /half HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert!(client.try_response(false).is_err());
    gateway.counts(&failures("member_gone"), 1);
}

#[test]
fn a_client_that_resets_in_mid_body_disturbs_nobody() {
    let backend = Backend::http("a");
    let (gateway, port) = start(&backend, "");
    let mut steady = Client::connect(v6(port));
    for _ in 0..20 {
        let mut client = Client::connect(v6(port));
        client.send("POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\nsome of it");
        client.reset();
        let mut client = Client::connect(v6(port));
        client.send("GET /big HTTP/1.1\r\nHost: a.example\r\n\r\n");
        client.bytes(100);
        client.reset();
        assert!(steady.post("/echo", b"whole").text() == "whole");
    }
    gateway.counts("connections_open{listener=\"web\"}", 1);
    gateway.counts("member_load{pool=\"web\",member=\"m0\"}", 0);
    assert_eq!(gateway.metric(&failures("panic")), 0);
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let port = free_port();
    let config = Config::new("").listener("web", "http", port, "web", "").pool(
        "web",
        &format!("{UNCHECKED}\nretries = 0"),
        &[v4(free_port())],
    );
    let _gateway = Gateway::start(&config);
    for _ in 0..10 {
        let mut client = Client::connect(v6(port));
        let response = client.post("/", &noise(500_000));
        assert_eq!(response.status, 503);
        assert!(client.is_closed());
    }
}

/// Answers each request by its head, and closes.
fn answers_early(_: &Seen, mut stream: TcpStream) -> std::io::Result<()> {
    Wire::new(stream.try_clone()?).head()?;
    stream.write_all(b"HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\n\r\nmuch")
}

#[test]
fn a_member_that_closes_ahead_of_the_whole_request_is_heard() {
    let backend = Backend::new("a", answers_early);
    let (gateway, port) = start(&backend, "");
    for _ in 0..10 {
        let mut client = Client::connect(v6(port));
        let response = client.post("/", &noise(3_000_000));
        assert_eq!((response.status, response.text().as_str()), (413, "much"));
    }
    assert_eq!(gateway.metric(&failures("member_gone")), 0);
}

#[test]
fn accepting_goes_on_after_the_process_ran_out_of_files() {
    let backend = Backend::echo();
    let port = free_port();
    let config = Config::new("workers = 1").listener("raw", "tcp", port, "raw", "").pool(
        "raw",
        UNCHECKED,
        &[backend.address],
    );
    let gateway = Gateway::start(&config);
    gateway.limit_files(40);
    let mut served = Client::connect(v6(port));
    served.send("ping");
    assert_eq!(served.bytes(4), b"ping");
    let crowd: Vec<Client> = (0..60).map(|_| Client::connect(v6(port))).collect();
    wait_for("the shortage", || gateway.log().contains("accepting rests").then_some(()));
    served.send("pong");
    assert_eq!(served.bytes(4), b"pong", "who got in is served all along");
    drop(crowd);
    wait_for("the crowd to be gone", || {
        let mut client = Client::try_connect(v6(port)).ok()?;
        client.stream.write_all(b"ping").ok()?;
        client.stream.read_exact(&mut [0; 4]).ok()
    });
    assert_eq!(gateway.log().matches("accepting rests").count(), 1, "a lasting shortage is logged once");
    assert_eq!(gateway.metric("member_connect_failures_total{pool=\"raw\",member=\"m0\"}"), 0);
}

#[test]
fn a_shortage_towards_members_is_told_and_no_fault_of_theirs() {
    const TOLD: &str = "no socket for a connection to a member";
    let (backend, port) = (Backend::echo(), free_port());
    let config = Config::new("workers = 1").listener("raw", "tcp", port, "raw", "").pool(
        "raw",
        &format!("{UNCHECKED}\nretries = 0"),
        &[backend.address],
    );
    let gateway = Gateway::start(&config);
    // Each connection has two files: with one limit or with the next one, a client's finds none for the member's.
    gateway.limit_files(40);
    let mut crowd = Vec::new();
    wait_for("the end of the files", || {
        crowd.extend(Client::try_connect(v6(port)));
        let log = gateway.log();
        (log.contains(TOLD) || log.contains("accepting rests")).then_some(())
    });
    gateway.limit_files(41);
    wait_for("the shortage", || {
        crowd.extend(Client::try_connect(v6(port)));
        gateway.log().contains(TOLD).then_some(())
    });
    gateway.limit_files(1000);
    drop(crowd);
    assert!(gateway.metric("failures_total{listener=\"raw\",reason=\"shortage\"}") > 0);
    assert_eq!(gateway.metric("failures_total{listener=\"raw\",reason=\"unreachable\"}"), 0);
    assert_eq!(gateway.metric("member_connect_failures_total{pool=\"raw\",member=\"m0\"}"), 0);
    assert_eq!(gateway.log().matches(TOLD).count(), 1, "a lasting shortage is logged once");
}

#[test]
fn connections_above_the_bound_wait_for_one_to_end() {
    let backend = Backend::http("a");
    let port = free_port();
    let config = Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    // 35 files are kept back for two addresses and one member; the others do for 6 connections.
    let gateway = Gateway::start_with_files(&config, 48);
    let open = "connections_open{listener=\"web\"}";
    let mut crowd: Vec<Client> = (0..12)
        .map(|place| {
            let mut client = Client::connect(if place % 2 == 0 { v6(port) } else { v4(port) });
            client.send("GET / HTTP/1.1\r\nHost: a.exam");
            client
        })
        .collect();
    wait_for("accepting to rest", || gateway.log().contains("accepting rests").then_some(()));
    assert_eq!(gateway.metric(open), 6);
    for client in crowd.drain(..6) {
        client.reset();
    }
    for mut client in crowd {
        client.send("ple\r\nConnection: close\r\n\r\n");
        assert_eq!(client.response().status, 200, "who waited is served");
    }
    gateway.counts(open, 0);
    gateway.counts("connections_total{listener=\"web\"}", 12);
    assert_eq!(gateway.log().matches("accepting rests").count(), 1, "a lasting shortage is logged once");
}

#[test]
fn a_drain_finishes_what_is_under_way() {
    let (backend, raw) = (Backend::http("a"), Backend::echo());
    let (web, tcp) = (free_port(), free_port());
    let config = Config::new("")
        .listener("web", "http", web, "web", "")
        .listener("raw", "tcp", tcp, "raw", "")
        .pool("web", UNCHECKED, &[backend.address])
        .pool("raw", UNCHECKED, &[raw.address]);
    let mut gateway = Gateway::start(&config);
    let mut idle = Client::connect(v6(web));
    assert_eq!(idle.get("/").status, 200);
    let mut relayed = Client::connect(v6(tcp));
    relayed.send("ping");
    assert_eq!(relayed.bytes(4), b"ping");
    let mut busy = Client::connect(v6(web));
    busy.send("GET /chunked HTTP/1.1\r\nHost: a.example\r\n\r\n");
    wait_for("the request at the member", || (backend.heads().len() == 2).then_some(()));

    gateway.terminate();
    assert!(idle.is_closed(), "an idle connection is closed at once");
    wait_for("the listener to be gone", || Client::try_connect(v6(web)).is_err().then_some(()));
    relayed.send("pong");
    assert_eq!(relayed.bytes(4), b"pong", "a relayed connection goes on");
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert_eq!(busy.response().text(), "firstsecond");
    assert!(busy.is_closed(), "and is closed after its response");
    relayed.stream.shutdown(Shutdown::Write).unwrap();
    assert!(relayed.is_closed());
    assert!(gateway.ended_well(), "{}", gateway.log());
}

#[test]
fn requests_are_limited_as_the_listener_says() {
    let backend = Backend::http("a");
    let port = free_port();
    let config = |limits: &str| {
        Config::new("").listener("web", "http", port, "web", &format!("limits = {{ {limits} }}")).pool(
            "web",
            UNCHECKED,
            &[backend.address],
        )
    };
    let gateway = Gateway::start(&config("head = \"2KiB\", line = \"1KiB\", fields = 10"));
    let check = |line: usize, fields: usize, each: usize, expect: u16| {
        let mut client = Client::connect(v6(port));
        let fields = format!("X: {}\r\n", "a".repeat(each)).repeat(fields);
        client.send(format!("GET /{} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n", "a".repeat(line)));
        assert_eq!(client.response().status, expect, "a line of {line}, fields of {each}");
    };
    check(900, 9, 1, 200);
    check(1100, 0, 0, 414);
    check(1, 10, 1, 431);
    check(1, 1, 1100, 431);
    check(1, 3, 900, 431);
    gateway.change(&config("head = \"48KiB\", line = \"48KiB\", fields = 200"));
    check(1, 150, 1, 200);
    check(20_000, 1, 20_000, 200);
}
