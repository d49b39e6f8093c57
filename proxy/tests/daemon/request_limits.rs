//! Limits of requests, and what new ones and other changes of the file mean for connections that stand.

use crate::backend::Backend;
use crate::gateway::{Gateway, free_port};
use crate::http2_frames::{SETTINGS, next, open};
use crate::versions::{Asked, Speaker, Version, Way};
use std::sync::atomic::Ordering;

/// The status of a request with a target of so many octets.
fn with_target(client: &mut Speaker, length: usize) -> u16 {
    client.get(&format!("/{}", "a".repeat(length - 1))).status
}

/// With a field of so many octets.
fn with_field(client: &mut Speaker, length: usize) -> u16 {
    client.ask(&Asked::get("/", &format!("X: {}\r\n", "a".repeat(length)))).status
}

/// With so many fields beside those that each request has.
fn with_fields(client: &mut Speaker, count: usize) -> u16 {
    client.ask(&Asked::get("/", &"X: y\r\n".repeat(count))).status
}

/// What is asked, of what size, and what it is answered.
type Case = (fn(&mut Speaker, usize) -> u16, usize, u16);

#[test]
fn heads_that_are_too_large_are_refused() {
    const CASES: [Case; 5] = [
        (with_target, 9000, 414),
        (with_field, 9000, 431),
        (with_fields, 101, 431),
        (with_fields, 90, 200),
        (with_field, 8000, 200),
    ];
    Way::each(|way| {
        let member = way.member("a");
        let (_gateway, port) = way.start("", &member);
        for (asked, size, expect) in CASES {
            assert_eq!(asked(&mut way.client(port), size), expect, "{size}");
        }
    });
}

#[test]
fn a_body_that_crawls_is_not_waited_for() {
    let member = Backend::http("a");
    let way = Way { front: Version::One, back: Version::One };
    let (gateway, port) = way.start("limits = { body_rate = 1000 }", &member);
    // Both at once: each waits for as long as the first octets may take.
    let mut clients = [Version::One, Version::Two].map(|front| Way { front, ..way }.client(port));
    for client in &mut clients {
        client.begin_post("/echo", 1000, b"a part");
    }
    assert_eq!(clients.each_mut().map(|client| client.receive().status), [408, 408]);
    gateway.counts("failures_total{listener=\"web\",reason=\"client_timeout\"}", 2);
}

#[test]
fn lower_limits_hold_from_the_next_request_of_a_connection() {
    const CASES: [Case; 4] =
        [(with_target, 2000, 414), (with_field, 2000, 431), (with_fields, 20, 431), (with_fields, 5, 200)];
    Way::each(|way| {
        let member = way.member("a");
        let port = free_port();
        let gateway = Gateway::start(&way.config(port, "", &member));
        let mut clients = CASES.map(|_| way.client(port));
        for ((asked, size, _), client) in CASES.iter().zip(&mut clients) {
            assert_eq!(asked(client, *size), 200, "{size}");
        }
        let lines = "limits = { head = \"4KiB\", line = \"1KiB\", fields = 10 }";
        gateway.change(&way.config(port, lines, &member));
        for ((asked, size, expect), client) in CASES.iter().zip(&mut clients) {
            assert_eq!(asked(client, *size), *expect, "{size}");
        }
        gateway.counts("connections_total{listener=\"web\"}", 4);
    });
}

#[test]
fn higher_limits_hold_from_the_next_request_unless_lower_ones_were_announced() {
    Way::each(|way| {
        let member = way.member("a");
        let port = free_port();
        let config = |limits: &str| way.config(port, &format!("limits = {{ {limits} }}"), &member);
        let gateway = Gateway::start(&config("head = \"4KiB\", line = \"2KiB\", fields = 10, streams = 3"));
        let mut standing = way.client(port);
        assert_eq!(with_field(&mut standing, 100), 200);
        gateway.change(&config("head = \"32KiB\", line = \"16KiB\", fields = 100, streams = 5"));
        // What was announced leaves room for it: four kibibytes, and 32 octets for each field.
        assert_eq!(with_field(&mut standing, 3000), 200);
        let announced = if way.front == Version::Two { 431 } else { 200 };
        assert_eq!(with_field(&mut standing, 10_000), announced);
        assert_eq!(with_field(&mut way.client(port), 10_000), 200);
    });
}

/// The settings that the proxy announces on a new connection of HTTP/2.
fn settings(port: u16) -> Vec<(u16, u32)> {
    let (kind, _, payload) = next(&mut open(port)).expect("a frame comes");
    assert_eq!(kind, SETTINGS, "they come first");
    let setting = |part: &[u8]| {
        let (name, value) = part.split_at(2);
        (u16::from_be_bytes(name.try_into().unwrap()), u32::from_be_bytes(value.try_into().unwrap()))
    };
    payload.chunks(6).map(setting).collect()
}

#[test]
fn what_was_announced_in_http_2_holds_as_long_as_the_connection() {
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    const MAX_HEADER_LIST_SIZE: u16 = 6;
    let way = Way { front: Version::Two, back: Version::One };
    let member = way.member("a");
    let port = free_port();
    let config = |limits: &str| way.config(port, &format!("limits = {{ {limits} }}"), &member);
    let gateway = Gateway::start(&config("streams = 3"));
    let mut standing = way.client(port);
    assert_eq!(standing.get("/").status, 200);
    gateway.change(&config("streams = 1, head = \"2KiB\", fields = 10"));
    // Three at once are not more than it was told.
    for _ in 0..3 {
        standing.send(&Asked::get("/never", ""));
    }
    gateway.counts("member_load{pool=\"usual\",member=\"m0\"}", 3);
    let announced = settings(port);
    assert!(announced.contains(&(MAX_CONCURRENT_STREAMS, 1)), "{announced:?}");
    assert!(announced.contains(&(MAX_HEADER_LIST_SIZE, 2048 + 320)), "{announced:?}");
    gateway.counts("connections_total{listener=\"web\"}", 2);
}

#[test]
fn timeouts_hold_from_the_next_request_and_not_for_one_under_way() {
    Way::each_front(|way| {
        let member = way.member("a");
        let port = free_port();
        let config = |lines: &str| way.config(port, "", &member).timeouts(lines);
        let gateway = Gateway::start(&config("server = \"10m\""));
        let (mut under_way, mut next) = (way.client(port), way.client(port));
        assert_eq!(next.get("/").status, 200);
        under_way.send(&Asked::get("/chunked", ""));
        under_way.receive_head();
        assert_eq!(under_way.part(), b"first");
        gateway.change(&config("server = \"500ms\""));
        let answer = next.get("/never");
        assert_eq!(answer.status, 504, "{}", answer.text());
        // It has waited for longer than the new one allows.
        member.seen.gate.store(true, Ordering::SeqCst);
        assert_eq!((under_way.part(), under_way.part()), (b"second".to_vec(), Vec::new()));
    });
}

#[test]
fn an_idle_connection_is_kept_as_long_as_its_last_request_said() {
    Way::each_front(|way| {
        let member = way.member("a");
        let port = free_port();
        let config = |lines: &str| way.config(port, "", &member).timeouts(lines);
        let gateway = Gateway::start(&config("keep_alive = \"10m\""));
        let (mut silent, mut next) = (way.client(port), way.client(port));
        assert_eq!((silent.get("/").status, next.get("/").status), (200, 200));
        gateway.change(&config("keep_alive = \"500ms\""));
        assert_eq!(next.get("/").status, 200);
        next.await_end();
        assert_eq!(silent.get("/").status, 200, "it was told nothing");
        silent.await_end();
        gateway.counts("connections_total{listener=\"web\"}", 2);
    });
}

#[test]
fn fields_are_edited_as_the_file_says_when_a_request_comes() {
    Way::each(|way| {
        let member = way.member("a");
        let port = free_port();
        let config = |version: &str| {
            let rule = format!(
                "[[proxy.listener.rule]]\nresponse_headers = [{{ set = \"X-Version\", value = \"{version}\" }}]\n\
                 request_headers = [{{ set = \"X-Asked\", value = \"{version}\" }}]\n"
            );
            way.config(port, &rule, &member)
        };
        let gateway = Gateway::start(&config("one"));
        let mut client = way.client(port);
        let mut check = |expect: &str| {
            let answer = client.get("/head");
            let asked = crate::backend::field(&answer.text(), "x-asked").map(str::to_owned);
            assert_eq!((answer.field("x-version"), asked.as_deref()), (Some(expect), Some(expect)));
        };
        check("one");
        gateway.change(&config("two"));
        check("two");
        gateway.counts("connections_total{listener=\"web\"}", 1);
    });
}
