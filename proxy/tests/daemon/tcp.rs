//! tcp mode.

use crate::backend::{Backend, noise};
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6, wait_for};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

fn one(backend: &Backend) -> (Gateway, u16) {
    let port = free_port();
    let config =
        Config::new("").listener("raw", "tcp", port, "raw", "").pool("raw", UNCHECKED, &[backend.address]);
    (Gateway::start(&config), port)
}

#[test]
fn bytes_pass_after_the_client_has_said_all() {
    let backend = Backend::echo_after_end();
    let (gateway, port) = one(&backend);
    let sent = noise((4 << 20) + 13);
    for address in [v6(port), v4(port)] {
        let mut client = Client::connect(address);
        client.send(&sent);
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert!(client.read_all().unwrap() == sent, "the answer is what was sent");
    }
    let bytes = 2 * sent.len() as u64;
    for direction in ["received", "sent"] {
        gateway.counts(&format!("bytes_total{{listener=\"raw\",direction=\"{direction}\"}}"), bytes);
    }
    gateway.counts("connections_open{listener=\"raw\"}", 0);
}

#[test]
fn bytes_pass_after_the_member_has_said_all() {
    let backend = Backend::new("first", |seen, mut stream| {
        stream.write_all(&noise(3 << 20))?;
        stream.shutdown(Shutdown::Write)?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        seen.body_bytes.store(all.len(), std::sync::atomic::Ordering::SeqCst);
        assert!(all == noise(2 << 20), "what the client sent");
        Ok(())
    });
    let (_gateway, port) = one(&backend);
    let mut client = Client::connect(v6(port));
    // The client reads to the end before it says anything.
    assert!(client.read_all().unwrap() == noise(3 << 20));
    client.send(noise(2 << 20));
    client.stream.shutdown(Shutdown::Write).unwrap();
    wait_for("the member to have it all", || {
        (backend.seen.body_bytes.load(std::sync::atomic::Ordering::SeqCst) == 2 << 20).then_some(())
    });
}

#[test]
fn both_directions_run_at_once() {
    let backend = Backend::echo();
    let (_gateway, port) = one(&backend);
    let sent = noise(16 << 20);
    let mut client = Client::connect(v6(port));
    let mut writer = client.stream.try_clone().unwrap();
    let expected = sent.clone();
    let sender = thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    assert!(client.read_all().unwrap() == expected);
    sender.join().unwrap();
}

#[test]
fn connections_take_turns_over_the_members() {
    let (a, b) = (Backend::echo(), Backend::echo());
    let port = free_port();
    let config = Config::new("").listener("raw", "tcp", port, "raw", "").pool(
        "raw",
        UNCHECKED,
        &[a.address, b.address],
    );
    let _gateway = Gateway::start(&config);
    for _ in 0..10 {
        let mut client = Client::connect(v6(port));
        client.send("ping");
        assert_eq!(client.bytes(4), b"ping");
    }
    assert_eq!((a.accepted(), b.accepted()), (5, 5));
}

#[test]
fn a_member_that_refuses_is_passed_over_and_counted() {
    let (dead, alive) = (v4(free_port()), Backend::echo());
    let port = free_port();
    let config = Config::new("").listener("raw", "tcp", port, "raw", "").pool(
        "raw",
        UNCHECKED,
        &[dead, alive.address],
    );
    let gateway = Gateway::start(&config);
    for _ in 0..10 {
        let mut client = Client::connect(v6(port));
        client.send("ping");
        assert_eq!(client.bytes(4), b"ping");
    }
    assert_eq!(alive.accepted(), 10);
    gateway.counts("member_connect_failures_total{pool=\"raw\",member=\"m0\"}", 5);
}

#[test]
fn a_session_in_which_both_have_spoken_rests_for_the_timeout_of_sessions() {
    let backend = Backend::echo();
    let port = free_port();
    let config = Config::new("")
        .timeouts("client = \"1s\"\nserver = \"1s\"\ntunnel = \"2s\"")
        .listener("raw", "tcp", port, "raw", "")
        .pool("raw", UNCHECKED, &[backend.address]);
    let gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    client.send("ping");
    assert_eq!(client.bytes(4), b"ping");
    assert!(client.read_all().is_err(), "the connection is reset");
    gateway.counts("failures_total{listener=\"raw\",reason=\"tunnel_timeout\"}", 1);
}

#[test]
fn a_half_closed_connection_is_closed_when_the_other_end_is_silent() {
    let backend = Backend::echo_after_end();
    let silent = Backend::new("silent", |_, mut stream| {
        stream.write_all(b"hello")?;
        stream.read_to_end(&mut Vec::new())?;
        // It stays open, and never says that this was all.
        std::mem::forget(stream);
        Ok(())
    });
    let (port, other) = (free_port(), free_port());
    let config = Config::new("")
        .listener("raw", "tcp", port, "raw", "timeout = { server_fin = \"50ms\" }")
        .listener("whole", "tcp", other, "whole", "")
        .pool("raw", UNCHECKED, &[silent.address])
        .pool("whole", UNCHECKED, &[backend.address]);
    let gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    assert_eq!(client.bytes(5), b"hello");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert!(client.read_all().is_err(), "the connection is reset");
    gateway.counts("failures_total{listener=\"raw\",reason=\"member_timeout\"}", 1);
    let mut client = Client::connect(v6(other));
    client.send("ping");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read_all().unwrap(), b"ping");
    gateway.counts("failures_total{listener=\"whole\",reason=\"member_timeout\"}", 0);
}

#[test]
fn a_silent_connection_is_closed_after_its_timeout() {
    let backend = Backend::echo();
    let port = free_port();
    let config = Config::new("").timeouts("client = \"100ms\"").listener("raw", "tcp", port, "raw", "").pool(
        "raw",
        UNCHECKED,
        &[backend.address],
    );
    let gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    assert!(client.read_all().is_err(), "the connection is reset");
    gateway.counts("failures_total{listener=\"raw\",reason=\"client_timeout\"}", 1);
}
