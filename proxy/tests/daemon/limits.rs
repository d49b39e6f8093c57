//! Whose connections a listener takes, how many of them, and what a crowd at one listener leaves to others.

use crate::backend::Backend;
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6, wait_for};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};

fn raw(port: u16, lines: &str, backend: &Backend) -> Config {
    let workers = "workers = 2";
    Config::new(workers).listener("raw", "tcp", port, "raw", lines).pool("raw", UNCHECKED, &[backend.address])
}

fn failures(reason: &str) -> String {
    format!("failures_total{{listener=\"raw\",reason=\"{reason}\"}}")
}

const OPEN: &str = "connections_open{listener=\"raw\"}";
const TOTAL: &str = "connections_total{listener=\"raw\"}";

/// Whether a word comes back. A client that is turned away may hear of it with any of the calls.
fn is_served(address: SocketAddr) -> Option<Client> {
    is_served_from(address.ip(), address)
}

fn is_served_from(source: IpAddr, address: SocketAddr) -> Option<Client> {
    let mut client = Client::connect_from(source, address);
    let mut word = [0; 4];
    client.stream.write_all(b"ping").ok()?;
    client.stream.read_exact(&mut word).ok()?;
    assert_eq!(&word, b"ping");
    Some(client)
}

#[test]
fn connections_above_the_limit_of_a_listener_wait_in_the_kernel() {
    let (backend, port) = (Backend::echo(), free_port());
    let gateway = Gateway::start(&raw(port, "max_connections = 3", &backend));
    let mut crowd: Vec<Client> =
        (0..8).map(|place| Client::connect(if place % 2 == 0 { v6(port) } else { v4(port) })).collect();
    for client in &mut crowd {
        client.send("ping");
    }
    gateway.counts(OPEN, 3);
    assert_eq!(gateway.metric(TOTAL), 3);
    // Whoever got in first: as one goes, one that waited comes, at whatever worker.
    let mut served: usize = 0;
    while !crowd.is_empty() {
        let place = wait_for("somebody to be served", || {
            crowd.iter().position(|client| {
                client.stream.set_nonblocking(true).unwrap();
                let mut word = [0; 4];
                let there = client.stream.peek(&mut word).is_ok_and(|count| count == 4);
                client.stream.set_nonblocking(false).unwrap();
                there
            })
        });
        let mut client = crowd.swap_remove(place);
        assert_eq!(client.bytes(4), b"ping");
        served += 1;
        assert!(backend.accepted() <= 2 + served, "each one that came waited for one that went");
    }
    gateway.counts(TOTAL, 8);
}

#[test]
fn a_limit_that_is_raised_lets_in_who_waits() {
    let (backend, port) = (Backend::echo(), free_port());
    let gateway = Gateway::start(&raw(port, "max_connections = 1", &backend));
    let first = is_served(v6(port)).unwrap();
    let mut waiting: Vec<Client> = (0..6).map(|_| Client::connect(v6(port))).collect();
    for client in &mut waiting {
        client.send("ping");
    }
    gateway.change(&raw(port, "", &backend));
    for client in &mut waiting {
        assert_eq!(client.bytes(4), b"ping");
    }
    // What stands counts for the limit that comes next.
    gateway.change(&raw(port, "max_connections = 7", &backend));
    let mut late = Client::connect(v6(port));
    late.send("ping");
    gateway.counts(OPEN, 7);
    drop(first);
    assert_eq!(late.bytes(4), b"ping");
}

#[test]
fn clients_outside_the_list_are_closed_without_an_answer() {
    let (backend, port) = (Backend::http("a"), free_port());
    let config = |networks: &str| {
        let lines = format!("allow_from = [{networks}]");
        Config::new("").listener("raw", "http", port, "raw", &lines).pool(
            "raw",
            UNCHECKED,
            &[backend.address],
        )
    };
    let gateway = Gateway::start(&config("\"::1/128\""));
    let mut kept = Client::connect(v6(port));
    assert_eq!(kept.get("/").text(), "a");
    let mut refused = Client::connect(v4(port));
    let _ = refused.stream.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert!(refused.read_all().map_or(true, |all| all.is_empty()), "nothing is answered");
    gateway.counts(&failures("not_allowed"), 1);
    assert_eq!(gateway.metric(TOTAL), 1);
    gateway.change(&config("\"127.0.0.0/8\""));
    assert_eq!(Client::connect(v4(port)).get("/").text(), "a");
    assert_eq!(kept.get("/").text(), "a", "who was taken stays");
    assert!(Client::connect(v6(port)).read_all().map_or(true, |all| all.is_empty()));
    gateway.counts(&failures("not_allowed"), 2);
}

#[test]
fn a_source_has_so_many_connections_at_a_time() {
    let (backend, port) = (Backend::echo(), free_port());
    let two = "per_source = { connections = 2 }";
    let gateway = Gateway::start(&raw(port, two, &backend));
    let mut held = vec![is_served(v4(port)).unwrap(), is_served(v4(port)).unwrap()];
    assert!(is_served(v4(port)).is_none());
    gateway.counts(&failures("source_connections"), 1);
    assert!(is_served_from("127.0.0.2".parse().unwrap(), v4(port)).is_some(), "another source is none of it");
    drop(held.pop());
    held.push(wait_for("a place to be free", || is_served(v4(port))));
    // Addresses of one network are one source, and what is open under other lengths does not count.
    gateway.change(&raw(port, "per_source = { connections = 2, prefix_v4 = 24 }", &backend));
    let one = is_served_from("127.0.0.3".parse().unwrap(), v4(port)).unwrap();
    let other = is_served_from("127.0.0.4".parse().unwrap(), v4(port)).unwrap();
    assert!(is_served_from("127.0.0.5".parse().unwrap(), v4(port)).is_none());
    gateway.change(&raw(port, "", &backend));
    assert!(is_served(v4(port)).is_some());
    drop((held, one, other));
    gateway.counts(OPEN, 0);
}

#[test]
fn a_source_comes_so_often_in_a_second() {
    let (backend, port) = (Backend::echo(), free_port());
    let gateway = Gateway::start(&raw(port, "per_source = { rate = 1 }", &backend));
    assert!(is_served(v6(port)).is_some());
    // The next one takes less than a second on any machine, or the one behind it does.
    wait_for("somebody to come too soon", || is_served(v6(port)).is_none().then_some(()));
    assert!(gateway.metric(&failures("source_rate")) > 0);
    wait_for("a second to be over", || is_served(v6(port)));
}

#[test]
fn the_client_that_a_header_names_is_the_one_that_is_judged() {
    let (backend, port) = (Backend::echo(), free_port());
    let lines = "proxy_protocol_from = [\"::1/128\"]\nallow_from = [\"192.0.2.0/24\"]\nper_source = { connections = 1 }";
    let gateway = Gateway::start(&raw(port, lines, &backend));
    let come = |header: &str| {
        let mut client = Client::connect(v6(port));
        client.stream.write_all(format!("{header}\r\nping").as_bytes()).ok()?;
        let mut word = [0; 4];
        client.stream.read_exact(&mut word).ok().map(|()| client)
    };
    let first = come("PROXY TCP4 192.0.2.7 198.51.100.1 51413 80");
    assert!(first.is_some());
    assert!(come("PROXY TCP4 192.0.2.8 198.51.100.1 51413 80").is_some(), "all come from one peer");
    assert!(come("PROXY TCP4 192.0.2.7 198.51.100.1 51414 80").is_none());
    gateway.counts(&failures("source_connections"), 1);
    assert!(come("PROXY TCP4 198.51.100.7 198.51.100.1 51413 80").is_none());
    assert!(come("PROXY UNKNOWN").is_none(), "it is then the peer's own");
    gateway.counts(&failures("not_allowed"), 2);
}

#[test]
fn a_crowd_at_one_listener_leaves_places_to_another() {
    let (backend, port, other) = (Backend::echo(), free_port(), free_port());
    let config = Config::new("workers = 1")
        .listener("raw", "tcp", port, "raw", "")
        .listener("other", "tcp", other, "raw", "")
        .pool("raw", UNCHECKED, &[backend.address]);
    // 37 files are kept back for four addresses and one member; the others do for 16 connections.
    let gateway = Gateway::start_with_files(&config, 70);
    let crowd: Vec<Client> = (0..30).map(|_| Client::connect(v6(port))).collect();
    wait_for("accepting to rest", || gateway.log().contains("accepting rests").then_some(()));
    gateway.counts(OPEN, 14);
    let one = is_served(v6(other)).expect("a place was kept");
    let two = is_served(v6(other)).expect("and one more");
    assert_eq!(gateway.metric(OPEN), 14);
    drop((crowd, one, two));
    gateway.counts(OPEN, 0);
    assert!(is_served(v6(port)).is_some());
}

#[test]
fn the_log_says_why_a_head_is_refused() {
    let backend = Backend::http("a");
    let port = free_port();
    let config =
        Config::new("").listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[backend.address]);
    let gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
    let answer = client.response();
    let text = answer.text();
    let why = text.lines().nth(1).expect("a reason behind the status");
    let line = wait_for("a line about it", || {
        gateway.log().lines().find(|line| line.contains("request is refused")).map(str::to_owned)
    });
    assert_eq!(answer.status, 400);
    assert!(line.contains(why), "{why}: {line}");
    assert!(line.contains("DEBUG") && line.contains("status=400"), "{line}");
}
