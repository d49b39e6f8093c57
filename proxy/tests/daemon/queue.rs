//! Members with as many connections as they may have, and clients that wait for a place.

use crate::backend::Backend;
use crate::certificate::Authority;
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6, wait_for};
use std::io::Read;
use std::sync::atomic::Ordering;
use std::thread;

const QUEUE: &str = "pool_queue{pool=\"web\"}";

/// A listener in front of members with one place each.
fn narrow(mode: &str, port: u16, lines: &str, timeouts: &str, members: &[&Backend]) -> Config {
    let members: Vec<_> = members.iter().map(|member| (member.address, "max_connections = 1")).collect();
    Config::new("").timeouts(timeouts).listener("web", mode, port, "web", "").pool_of(
        "web",
        &format!("{UNCHECKED}\n{lines}"),
        &members,
    )
}

fn failures(reason: &str) -> String {
    format!("failures_total{{listener=\"web\",reason=\"{reason}\"}}")
}

/// A client that has been served.
fn served(port: u16) -> Client {
    let mut client = Client::connect(v6(port));
    client.send("ping");
    assert_eq!(client.bytes(4), b"ping");
    client
}

#[test]
fn clients_wait_for_a_place_and_get_it_in_their_order() {
    let (backend, port) = (Backend::echo(), free_port());
    let gateway = Gateway::start(&narrow("tcp", port, "", "queue = \"30s\"", &[&backend]));
    let mut turn = served(port);
    let mut waiting = Vec::new();
    for count in 1..=5 {
        let mut client = Client::connect(v6(port));
        client.send("pong");
        gateway.counts(QUEUE, count);
        waiting.push(client);
    }
    assert_eq!(backend.accepted(), 1, "the member never has more than one");
    for (done, mut client) in waiting.into_iter().enumerate() {
        drop(turn);
        assert_eq!(client.bytes(4), b"pong");
        assert_eq!(backend.accepted(), done + 2);
        turn = client;
    }
    assert_eq!(gateway.metric("pool_queued_total{pool=\"web\"}"), 5);
    assert_eq!(gateway.metric(QUEUE), 0);
}

#[test]
fn a_client_that_waits_too_long_is_turned_away() {
    let (backend, raw, web) = (Backend::http("a"), free_port(), free_port());
    let config =
        narrow("tcp", raw, "", "queue = \"100ms\"", &[&backend]).listener("http", "http", web, "web", "");
    let gateway = Gateway::start(&config);
    let mut busy = Client::connect(v6(raw));
    assert_eq!(busy.get("/").status, 200);
    assert!(Client::connect(v6(raw)).is_closed(), "closed, not reset");
    gateway.counts(&failures("queue_timeout"), 1);
    let response = Client::connect(v6(web)).get("/");
    assert_eq!((response.status, response.text().contains("busy for too long")), (503, true));
    assert_eq!(gateway.metric(QUEUE), 0);
    drop(busy);
    wait_for("the place", || (Client::connect(v6(web)).get("/").status == 200).then_some(()));
}

#[test]
fn who_waits_is_served_by_a_member_whose_ejection_ends() {
    let (mut ejected, full) = (Backend::echo(), Backend::echo());
    ejected.stop();
    let (port, narrow) = (free_port(), "max_connections = 1");
    let passive = format!("{UNCHECKED}\npassive = {{ failures = 1, window = \"1h\", ejection = \"2s\" }}");
    let config = Config::new("").timeouts("queue = \"1h\"").listener("web", "tcp", port, "web", "").pool_of(
        "web",
        &passive,
        &[(ejected.address, narrow), (full.address, narrow)],
    );
    let gateway = Gateway::start(&config);
    let mut busy = served(port);
    assert_eq!(full.accepted(), 1, "the other one refused");
    ejected.start();
    let mut waiting = Client::connect(v6(port));
    waiting.send("pong");
    assert_eq!(waiting.bytes(4), b"pong");
    assert_eq!((ejected.accepted(), gateway.metric(QUEUE)), (1, 0));
    busy.send("ping");
    assert_eq!(busy.bytes(4), b"ping");
}

/// A first member that refuses, and a second one whose only place is taken by the client that is returned.
fn beside_one_that_refuses(port: u16, retries: u32, second: &str) -> (Gateway, Backend, Backend, Client) {
    let (mut refuses, full) = (Backend::echo(), Backend::echo());
    refuses.stop();
    let config = Config::new("").timeouts("queue = \"30s\"").listener("web", "tcp", port, "web", "").pool_of(
        "web",
        &format!("{UNCHECKED}\nretries = {retries}"),
        &[(refuses.address, "max_connections = 1"), (full.address, second)],
    );
    let gateway = Gateway::start(&config);
    let busy = served(port);
    (gateway, refuses, full, busy)
}

#[test]
fn who_waits_is_not_called_to_the_member_that_refused_it() {
    let port = free_port();
    let (gateway, _refuses, full, busy) = beside_one_that_refuses(port, 1, "max_connections = 1");
    let mut waiting = Vec::new();
    for count in 1..=3 {
        let mut client = Client::connect(v6(port));
        client.send("pong");
        // Each that comes has the free places given out to those who wait already.
        gateway.counts(QUEUE, count);
        waiting.push(client);
    }
    let mut turn = busy;
    for mut client in waiting {
        drop(turn);
        assert_eq!(client.bytes(4), b"pong");
        turn = client;
    }
    assert_eq!(full.accepted(), 4);
    assert_eq!(gateway.metric(&failures("unreachable")), 0);
}

#[test]
fn who_tried_all_others_is_called_to_a_backup() {
    let port = free_port();
    let (gateway, _refuses, backup, busy) =
        beside_one_that_refuses(port, 1, "max_connections = 1\nbackup = true");
    let mut waiting = Client::connect(v6(port));
    waiting.send("pong");
    gateway.counts(QUEUE, 1);
    drop(busy);
    assert_eq!(waiting.bytes(4), b"pong");
    assert_eq!((backup.accepted(), gateway.metric(QUEUE)), (2, 0));
}

#[test]
fn who_waits_for_the_last_untried_member_goes_back_to_the_others_when_it_goes() {
    let port = free_port();
    let (gateway, mut refuses, _full, _busy) = beside_one_that_refuses(port, 2, "max_connections = 1");
    let mut waiting = Client::connect(v6(port));
    waiting.send("pong");
    gateway.counts(QUEUE, 1);
    refuses.start();
    gateway.succeeds(&["maintenance", "web/m1"]);
    assert_eq!(waiting.bytes(4), b"pong");
    assert_eq!(refuses.accepted(), 1);
}

#[test]
fn clients_wait_for_the_time_of_the_queue_in_all() {
    let (a, b, port) = (Backend::echo(), Backend::echo(), free_port());
    let gateway = Gateway::start(&narrow("tcp", port, "balance = \"source\"", "queue = \"1s\"", &[&a, &b]));
    let _first = served(port);
    let (taken, other) = if a.accepted() == 1 { ("web/m0", "web/m1") } else { ("web/m1", "web/m0") };
    gateway.succeeds(&["maintenance", taken]);
    let _second = served(port);
    let mut waiting = Client::connect(v6(port));
    gateway.counts(QUEUE, 1);
    let (mut out, mut stays) = (taken, other);
    wait_for("the end of a wait that begins again and again", || {
        gateway.succeeds(&["enable", out]);
        gateway.succeeds(&["maintenance", stays]);
        (out, stays) = (stays, out);
        (gateway.metric(&failures("queue_timeout")) == 1).then_some(())
    });
    assert!(waiting.is_closed());
}

#[test]
fn a_full_queue_turns_clients_away_at_once() {
    let (backend, raw, web) = (Backend::echo(), free_port(), free_port());
    let config = narrow("tcp", raw, "max_queue = 1", "queue = \"1h\"", &[&backend])
        .listener("http", "http", web, "web", "");
    let gateway = Gateway::start(&config);
    let busy = served(raw);
    let mut waiting = Client::connect(v6(raw));
    waiting.send("pong");
    gateway.counts(QUEUE, 1);
    assert!(Client::connect(v6(raw)).is_closed());
    gateway.counts(&failures("queue_full"), 1);
    let response = Client::connect(v6(web)).get("/");
    assert_eq!((response.status, response.text().contains("too many wait")), (503, true));
    drop(busy);
    assert_eq!(waiting.bytes(4), b"pong", "who waits is not disturbed");
}

#[test]
fn full_members_are_passed_over_while_others_have_room() {
    let (a, b) = (Backend::echo(), Backend::echo());
    let port = free_port();
    let gateway = Gateway::start(&narrow("tcp", port, "", "", &[&a, &b]));
    let (first, _second) = (served(port), served(port));
    drop(first);
    wait_for("the place", || (gateway.metric("member_load{pool=\"web\",member=\"m0\"}") == 0).then_some(()));
    let _third = served(port);
    assert_eq!((a.accepted(), b.accepted()), (2, 1), "the turn was the other's, which is full");
}

#[test]
fn a_raised_limit_serves_those_who_wait() {
    let (backend, port) = (Backend::echo(), free_port());
    let config = |limit| {
        let member = format!("max_connections = {limit}");
        Config::new("").timeouts("queue = \"1h\"").listener("web", "tcp", port, "web", "").pool_of(
            "web",
            UNCHECKED,
            &[(backend.address, member.as_str())],
        )
    };
    let gateway = Gateway::start(&config(1));
    let _busy = served(port);
    let mut waiting = Client::connect(v6(port));
    waiting.send("pong");
    gateway.counts(QUEUE, 1);
    gateway.change(&config(2));
    assert_eq!(waiting.bytes(4), b"pong");
}

#[test]
fn a_crowd_of_requests_is_served_one_by_one_without_loss() {
    let (a, b) = (Backend::http("a"), Backend::http("b"));
    let port = free_port();
    let gateway = Gateway::start(&narrow("http", port, "", "queue = \"30s\"", &[&a, &b]));
    thread::scope(|scope| {
        for number in 0..16 {
            let address = if number % 2 == 0 { v6(port) } else { v4(port) };
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for _ in 0..20 {
                    assert_eq!(client.post("/echo", b"whole").text(), "whole");
                }
            });
        }
    });
    gateway.counts("requests_total{listener=\"web\",class=\"2xx\"}", 320);
    assert_eq!(gateway.metric("requests_total{listener=\"web\",class=\"5xx\"}"), 0);
    for member in ["m0", "m1"] {
        gateway.counts(&format!("member_load{{pool=\"web\",member=\"{member}\"}}"), 0);
    }
    assert_eq!(gateway.metric(QUEUE), 0);
}

#[test]
fn a_client_that_goes_while_its_answer_is_under_way_leaves_its_place() {
    let (backend, port) = (Backend::http("a"), free_port());
    let gateway = Gateway::start(&narrow("http", port, "", "queue = \"30s\"", &[&backend]));
    let mut busy = Client::connect(v6(port));
    busy.send("GET /chunked HTTP/1.1\r\nHost: a.example\r\n\r\n");
    wait_for("the request at the member", || (backend.heads().len() == 1).then_some(()));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| Client::connect(v6(port)).get("/").text());
        gateway.counts(QUEUE, 1);
        busy.reset();
        backend.seen.gate.store(true, Ordering::SeqCst);
        assert_eq!(waiting.join().expect("an answer"), "a");
    });
}

#[test]
fn who_waits_while_a_member_is_added_speaks_to_it_as_the_new_file_says() {
    let (authority, echo) = (Authority::new(), Backend::echo());
    let (secure, port) = (free_port(), free_port());
    let tls =
        format!("tls = {{ certificates = [\"{}\"] }}", authority.bundle("web", &["127.0.0.1"]).display());
    let _member = Gateway::start(&Config::new("").listener("tls", "tcp", secure, "web", &tls).pool(
        "web",
        UNCHECKED,
        &[echo.address],
    ));
    let listens = Backend::new("listens", |seen, mut stream| {
        // More than a header and what the client says, less than a header and a ClientHello.
        let mut heard = [0; 150];
        stream.read_exact(&mut heard)?;
        seen.heads.lock().unwrap().push(String::from_utf8_lossy(&heard).into_owned());
        Ok(())
    });
    let one = "max_connections = 1";
    let config = |lines: &str, members: &[(std::net::SocketAddr, &str)]| {
        let pool = format!("{UNCHECKED}\ntls = {{ ca = \"{}\" }}\n{lines}", authority.file().display());
        let listener = Config::new("").timeouts("queue = \"1h\"").listener("web", "tcp", port, "web", "");
        listener.pool_of("web", &pool, members)
    };
    let gateway = Gateway::start(&config("", &[(v4(secure), one)]));
    let _busy = served(port);
    let mut waiting = Client::connect(v6(port));
    waiting.send("secret");
    gateway.counts(QUEUE, 1);
    gateway.change(&config("proxy_protocol = \"v1\"", &[(v4(secure), one), (listens.address, one)]));
    let heard = wait_for("the new member to hear", || listens.heads().pop());
    let (header, behind) = heard.split_once("\r\n").expect("a header");
    assert!(header.starts_with("PROXY TCP6 ") && behind.starts_with('\x16'), "no handshake: {heard:?}");
}

#[test]
fn who_waits_for_a_member_that_is_removed_gets_another() {
    let (a, b, port) = (Backend::echo(), Backend::echo(), free_port());
    let config = |members: &[(std::net::SocketAddr, &str)]| {
        let listener = Config::new("").timeouts("queue = \"1h\"").listener("web", "tcp", port, "web", "");
        listener.pool_of("web", &format!("{UNCHECKED}\nstick = {{}}"), members)
    };
    let one = "max_connections = 1";
    let gateway = Gateway::start(&config(&[(a.address, one), (b.address, one)]));
    let _busy = served(port);
    let mut waiting = Client::connect(v6(port));
    waiting.send("pong");
    gateway.counts(QUEUE, 1);
    gateway.change(&config(&[(b.address, one)]));
    assert_eq!(waiting.bytes(4), b"pong");
    assert_eq!((a.accepted(), b.accepted()), (1, 1));
}
