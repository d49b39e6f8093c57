//! The PROXY protocol: who the client is when somebody else speaks for it.

use crate::backend::{Backend, field};
use crate::client::Client;
use crate::gateway::{Config, Gateway, QUICK, UNCHECKED, free_port, v4, v6, wait_for};
use std::io::Read;
use std::net::SocketAddr;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const REQUEST: &[u8] = b"GET /head HTTP/1.1\r\nHost: a.example\r\n\r\n";
/// Both loopback addresses must send a header.
const FROM: &str = "proxy_protocol_from = [\"::1/128\", \"127.0.0.0/8\"]";

/// A gateway in front of one server, and the listener's port.
fn one(mode: &str, lines: &str, backend: &Backend) -> (Gateway, u16) {
    let port = free_port();
    let config = Config::new("")
        .timeouts("handshake = \"2s\"")
        .listener("web", mode, port, "web", lines)
        .pool("web", UNCHECKED, &[backend.address]);
    (Gateway::start(&config), port)
}

/// A header of version 2 for a client at 192.0.2.7, with what is told beside.
fn binary(tlvs: &[u8]) -> Vec<u8> {
    let length = u16::try_from(12 + tlvs.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x21, 0x11], &length, &[192, 0, 2, 7, 198, 51, 100, 1, 0xc8, 0xd5, 0, 80], tlvs].concat()
}

#[test]
fn the_client_that_a_header_names_is_told_to_the_member() {
    let backend = Backend::http("a");
    let (_gateway, port) = one("http", FROM, &backend);
    let check = |header: &[u8], expect: &str| {
        for address in [v6(port), v4(port)] {
            let mut client = Client::connect(address);
            client.send([header, REQUEST].concat());
            let head = client.response().text();
            let own = address.ip().to_string();
            let expect = if expect.is_empty() { own.as_str() } else { expect };
            assert_eq!(field(&head, "x-forwarded-for"), Some(expect), "{}", header.escape_ascii());
        }
    };
    check(b"PROXY TCP4 192.0.2.7 198.51.100.1 51413 80\r\n", "192.0.2.7");
    check(b"PROXY TCP6 2001:db8::7 2001:db8::80 51413 80\r\n", "2001:db8::7");
    check(b"PROXY TCP6 ::ffff:192.0.2.7 2001:db8::80 51413 80\r\n", "192.0.2.7");
    check(&binary(b""), "192.0.2.7");
    check(&binary(b"\x02\0\x09a.example\x04\0\0"), "192.0.2.7");
    // Nobody is named: it is the connection's own peer.
    check(b"PROXY UNKNOWN\r\n", "");
    check(&[SIGNATURE, &[0x20, 0, 0, 0]].concat(), "");
}

#[test]
fn a_header_may_come_octet_by_octet() {
    let backend = Backend::echo();
    let (_gateway, port) = one("tcp", FROM, &backend);
    for header in [binary(b"\x04\0\0"), b"PROXY TCP6 2001:db8::7 2001:db8::80 51413 80\r\n".to_vec()] {
        let mut client = Client::connect(v6(port));
        for octet in header {
            client.send([octet]);
        }
        client.send("ping");
        assert_eq!(client.bytes(4), b"ping", "nothing of the header reaches the member");
    }
}

#[test]
fn the_address_that_a_client_connected_to_stands_for_a_missing_host() {
    let backend = Backend::http("a");
    let (_gateway, port) = one("http", FROM, &backend);
    let mut client = Client::connect(v6(port));
    client.send("PROXY TCP4 192.0.2.7 198.51.100.1 51413 80\r\nGET /head HTTP/1.0\r\n\r\n");
    assert_eq!(field(&client.response().text(), "host"), Some("198.51.100.1:80"));
}

#[test]
fn nobody_else_can_name_a_client() {
    let backend = Backend::echo();
    let (_gateway, port) = one("tcp", "proxy_protocol_from = [\"192.0.2.0/24\"]", &backend);
    let mut client = Client::connect(v6(port));
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 51413 80\r\n";
    client.send(header);
    assert_eq!(client.bytes(header.len()), header, "it is payload");
    // Nor is one awaited.
    let mut client = Client::connect(v6(port));
    client.send("ping");
    assert_eq!(client.bytes(4), b"ping");
}

#[test]
fn a_bad_header_ends_its_connection_with_a_reason() {
    let backend = Backend::http("a");
    let (gateway, port) = one("http", FROM, &backend);
    for (count, bad) in [REQUEST, b"PROXY TCP4 192.0.02.7 198.51.100.1 1 2\r\n", &binary(b"\x03\0\x04abcd")]
        .into_iter()
        .enumerate()
    {
        let mut client = Client::connect(v6(port));
        client.send(bad);
        assert!(client.read_all().map_or(true, |all| all.is_empty()), "nothing is answered");
        gateway.counts("failures_total{listener=\"web\",reason=\"bad_proxy_header\"}", count as u64 + 1);
    }
    for reason in
        ["octet 0: this is no PROXY header", "octet 11: this is no address", "octet 31: the checksum"]
    {
        assert!(gateway.log().contains(reason), "{reason}");
    }
    assert_eq!(backend.accepted(), 0);
    gateway.counts("connections_open{listener=\"web\"}", 0);
}

#[test]
fn a_header_that_does_not_come_ends_its_connection() {
    let backend = Backend::echo();
    let (gateway, port) = one("tcp", &format!("{FROM}\ntimeout = {{ handshake = \"1s\" }}"), &backend);
    let mut client = Client::connect(v6(port));
    client.send("PROXY TCP4 192.0.2.7");
    assert!(client.is_closed());
    gateway.counts("failures_total{listener=\"web\",reason=\"slow_proxy_header\"}", 1);
    // One that only looks whether somebody listens is no sender of bad headers.
    drop(Client::connect(v6(port)));
    gateway.counts("failures_total{listener=\"web\",reason=\"client_gone\"}", 1);
    assert_eq!(gateway.metric("failures_total{listener=\"web\",reason=\"bad_proxy_header\"}"), 0);
}

#[test]
fn who_must_send_a_header_changes_on_a_reload() {
    let backend = Backend::http("a");
    let port = free_port();
    let config = |lines: &str| {
        Config::new("").listener("web", "http", port, "web", lines).pool("web", UNCHECKED, &[backend.address])
    };
    let gateway = Gateway::start(&config(""));
    assert_eq!(field(&Client::connect(v6(port)).get("/head").text(), "x-forwarded-for"), Some("::1"));
    gateway.change(&config(FROM));
    wait_for("a header to be awaited", || {
        let mut client = Client::connect(v6(port));
        client.send([b"PROXY TCP4 192.0.2.7 198.51.100.1 51413 80\r\n", REQUEST].concat());
        (field(&client.response().text(), "x-forwarded-for") == Some("192.0.2.7")).then_some(())
    });
}

/// A gateway in tcp mode whose members, which send everything back, are told by this version.
fn telling(version: &str, lines: &str, members: &[SocketAddr]) -> (Gateway, u16) {
    let port = free_port();
    let pool = format!("{UNCHECKED}\nproxy_protocol = \"{version}\"");
    let config = Config::new("").listener("raw", "tcp", port, "raw", lines).pool("raw", &pool, members);
    (Gateway::start(&config), port)
}

#[test]
fn a_member_is_told_the_client_before_anybody_speaks() {
    let backend = Backend::echo();
    let (_gateway, port) = telling("v1", "", &[backend.address]);
    for (address, family) in [(v6(port), "TCP6"), (v4(port), "TCP4")] {
        let mut client = Client::connect(address);
        let (own, ip) = (client.stream.local_addr().unwrap(), address.ip());
        let expect = format!("PROXY {family} {ip} {ip} {} {port}\r\n", own.port());
        assert_eq!(client.bytes(expect.len()), expect.as_bytes());
        client.send("ping");
        assert_eq!(client.bytes(4), b"ping");
    }
}

#[test]
fn a_member_is_told_in_binary() {
    let backend = Backend::echo();
    let (_gateway, port) = telling("v2", FROM, &[backend.address]);
    let check = |told: &str, family: u8, block: &[u8]| {
        let mut client = Client::connect(v6(port));
        client.send(told);
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        let expect = [SIGNATURE, &[0x21, family], &length, block].concat();
        assert_eq!(client.bytes(expect.len()), expect, "{told}");
        client.send("ping");
        assert_eq!(client.bytes(4), b"ping");
    };
    let v4 = [192, 0, 2, 7, 198, 51, 100, 1, 0xc8, 0xd5, 0, 80];
    check("PROXY TCP4 192.0.2.7 198.51.100.1 51413 80\r\n", 0x11, &v4);
    // Its two ends are of two families, which no header can say.
    let mut both = [0; 36];
    both[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
    both[15] = 7;
    both[26..32].copy_from_slice(&[0xff, 0xff, 198, 51, 100, 1]);
    both[32..].copy_from_slice(&[0xc8, 0xd5, 0, 80]);
    check("PROXY TCP6 2001:db8::7 ::ffff:198.51.100.1 51413 80\r\n", 0x21, &both);
}

#[test]
fn the_member_behind_one_that_refuses_is_told_too() {
    let backend = Backend::echo();
    let (gateway, port) = telling("v1", FROM, &[v4(free_port()), backend.address]);
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 51413 80\r\n";
    for _ in 0..2 {
        let mut client = Client::connect(v6(port));
        client.send([header, &b"ping"[..]].concat());
        assert_eq!(client.bytes(header.len() + 4), [header, &b"ping"[..]].concat());
    }
    gateway.counts("member_connect_failures_total{pool=\"raw\",member=\"m0\"}", 1);
}

#[test]
fn the_client_that_a_header_names_is_balanced_by() {
    let members = [(); 4].map(|()| Backend::echo());
    let port = free_port();
    let addresses: Vec<_> = members.iter().map(|member| member.address).collect();
    let pool = format!("{UNCHECKED}\nbalance = \"source\"");
    let config = Config::new("").listener("raw", "tcp", port, "raw", FROM).pool("raw", &pool, &addresses);
    let _gateway = Gateway::start(&config);
    let send = |client: u8| {
        let mut connection = Client::connect(v6(port));
        connection.send(format!("PROXY TCP4 192.0.2.{client} 198.51.100.1 1 80\r\nping"));
        assert_eq!(connection.bytes(4), b"ping");
    };
    for client in 1..=40 {
        send(client);
    }
    assert!(
        members.iter().all(|member| member.accepted() > 0),
        "all come from one peer and spread by client"
    );
    let before: Vec<_> = members.iter().map(Backend::accepted).collect();
    for _ in 0..8 {
        send(1);
    }
    let grown: Vec<_> =
        members.iter().zip(before).map(|(member, before)| member.accepted() - before).collect();
    assert!(grown.contains(&8), "one client has one member: {grown:?}");
}

#[test]
fn a_connection_that_told_a_client_serves_no_other_client() {
    let backend = Backend::http("a");
    let port = free_port();
    let config = |pool: &str| {
        let pool = format!("{UNCHECKED}\n{pool}");
        Config::new("").listener("web", "http", port, "web", "").pool("web", &pool, &[backend.address])
    };
    let gateway = Gateway::start(&config(""));
    let mut first = Client::connect(v6(port));
    for _ in 0..3 {
        assert_eq!(first.get("/").text(), "a");
    }
    let before = backend.accepted();
    gateway.change(&config("proxy_protocol = \"v1\""));
    let mut second = Client::connect(v4(port));
    assert_eq!(first.get("/").text(), "a");
    assert_eq!(second.get("/").text(), "a");
    assert_eq!(first.get("/").text(), "a");
    assert_eq!(backend.accepted(), before + 2, "one connection for each client");
    let heads = backend.heads().split_off(3);
    assert!(heads[2].starts_with("GET / "), "{heads:?}");
    for (head, client) in heads.iter().zip([&first, &second]) {
        let (own, ours) = (client.stream.local_addr().unwrap(), client.stream.peer_addr().unwrap());
        let family = if own.is_ipv6() { "TCP6" } else { "TCP4" };
        let line =
            format!("PROXY {family} {} {} {} {}\r\nGET / ", own.ip(), ours.ip(), own.port(), ours.port());
        assert!(head.starts_with(&line), "{head}");
    }
}

#[test]
fn checks_speak_for_the_proxy_itself() {
    for (version, expect) in [("v1", "PROXY UNKNOWN\r\n"), ("v2", "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")] {
        let backend = Backend::new("a", |seen, mut stream| {
            let mut all = String::new();
            stream.read_to_string(&mut all)?;
            seen.heads.lock().unwrap().push(all);
            Ok(())
        });
        let port = free_port();
        let pool = format!("{QUICK}\nproxy_protocol = \"{version}\"");
        let config =
            Config::new("").listener("raw", "tcp", port, "raw", "").pool("raw", &pool, &[backend.address]);
        let gateway = Gateway::start(&config);
        let checked = wait_for("a check", || backend.heads().into_iter().next());
        assert_eq!(checked, expect, "{version}");
        assert_eq!(gateway.state("raw", "m0"), "up");
    }
}
