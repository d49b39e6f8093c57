//! Floods of HTTP/2: what costs a client little and the proxy much ends its connection, and no other.

use crate::backend::Backend;
use crate::gateway::{Gateway, wait_for};
use crate::http2::{Http2, failed, served};
use crate::http2_frames::{CALM, farewell, fields, frame, get, open};
use crate::log::Receiver;
use std::io::{Read, Write};
use std::net::TcpStream;

fn started() -> (Backend, Gateway, u16) {
    let backend = Backend::http("a");
    let (gateway, port) = served(&backend, "workers = 1", "", "");
    (backend, gateway, port)
}

const FLOODS: &str = "failures_total{listener=\"web\",reason=\"flood\"}";

/// Whether these bytes end the connection that they come on for a flood; another one goes on.
fn check(what: &str, flood: &[u8], is_flood: bool) {
    check_parts(what, &[flood.to_vec()], is_flood);
}

/// Waits until all that was sent has been acted on. What is read meanwhile is passed over, but for the last frame of all.
fn settle(stream: &mut TcpStream) {
    let _ = stream.write_all(&frame(6, 0, 0, b"settled?"));
    let mut head = [0; 9];
    while stream.peek(&mut head).is_ok_and(|count| count == head.len()) && head[3] != 7 {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut whole = vec![0; head.len() + length];
        if stream.read_exact(&mut whole).is_err() || whole.ends_with(b"settled?") {
            return;
        }
    }
}

/// The same of parts, each of which is acted on before the next one is sent.
fn check_parts(what: &str, flood: &[Vec<u8>], is_flood: bool) {
    let (_backend, gateway, port) = started();
    let mut witness = Http2::connect(port);
    let mut stream = open(port);
    for part in flood {
        // The proxy may close before it has read all.
        let _ = stream.write_all(part);
        if flood.len() > 1 {
            settle(&mut stream);
        }
    }
    if is_flood {
        assert_eq!(farewell(stream), Some(CALM), "{what}");
        // What it cuts off counts beside it.
        wait_for("the flood to count", || (gateway.metric(FLOODS) > 0).then_some(()));
        // The warning stands behind the line about it.
        wait_for("the warning", || gateway.log().contains("too many").then_some(()));
        assert_eq!(gateway.log().matches("too many").count(), 1, "{what}: {}", gateway.log());
    } else {
        stream.write_all(&get(9001, "/")).unwrap();
        wait_for("the last request", || {
            (gateway.metric("requests_total{listener=\"web\",class=\"2xx\"}") > 0).then_some(())
        });
        assert_eq!(gateway.metric(FLOODS), 0, "{what}");
    }
    assert_eq!(witness.get("/").text(), "a", "{what}");
}

#[test]
fn streams_that_are_reset_at_once_are_a_flood() {
    let resets = |count: u32| -> Vec<u8> {
        (0..count)
            .flat_map(|place| {
                [get(place * 2 + 1, "/never"), frame(3, 0, place * 2 + 1, &[0, 0, 0, 8])].concat()
            })
            .collect()
    };
    check("90 resets", &resets(90), false);
    check("400 resets", &resets(400), true);
}

#[test]
fn streams_that_the_client_has_us_reset_are_a_flood() {
    // A window beyond its greatest is an error of the stream.
    let fault = |place: u32| {
        [get(place * 2 + 1, "/never"), frame(8, 0, place * 2 + 1, &[0x7f, 0xff, 0xff, 0xff])].concat()
    };
    let parts = |count: u32| -> Vec<Vec<u8>> {
        let all: Vec<_> = (0..count).map(fault).collect();
        all.chunks(10).map(<[_]>::concat).collect()
    };
    check_parts("90 faults", &parts(90), false);
    check_parts("150 faults", &parts(150), true);
}

#[test]
fn frames_that_ask_for_answers_or_nothing_are_a_flood() {
    let ping = frame(6, 0, 0, &[0; 8]);
    check("100 pings", &ping.repeat(100), false);
    check("101 pings", &ping.repeat(101), true);
    let settings = frame(4, 0, 0, &[]);
    check("49 settings", &settings.repeat(49), false);
    check("50 settings", &settings.repeat(50), true);
    let window = frame(8, 0, 0, &[0, 0, 0, 1]);
    check("100 window updates", &window.repeat(100), false);
    check("101 window updates", &window.repeat(101), true);
    let post = frame(1, 4, 1, &[&[0x83][..], &fields("/never")[1..]].concat());
    let empty = frame(0, 0, 1, &[]);
    check("90 empty frames", &[post.clone(), empty.repeat(90)].concat(), false);
    check("101 empty frames", &[post, empty.repeat(101)].concat(), true);
}

#[test]
fn a_head_in_many_pieces_is_a_flood() {
    let whole = fields("/");
    let (first, last) = whole.split_at(2);
    let pieces = |count: usize| {
        let start = frame(1, 1, 1, first);
        let middle = frame(9, 0, 1, &[]).repeat(count);
        [start, middle, frame(9, 4, 1, last)].concat()
    };
    check("4 continuations", &pieces(3), false);
    check("21 continuations", &pieces(20), true);
}

/// What is under way on a connection that these bytes end counts for this reason, and its lines say so.
fn check_cut_off(reason: &str, last: &[u8]) {
    let (backend, lines) = (Backend::http("a"), Receiver::new());
    let top = format!("workers = 1\nlog = {{ format = \"httplog\", to = \"udp://{}\" }}", lines.address());
    let (gateway, port) = served(&backend, &top, "", "");
    let mut stream = open(port);
    stream.write_all(&[get(1, "/never"), get(3, "/never"), get(5, "/never")].concat()).unwrap();
    wait_for("the requests", || (backend.heads().len() == 3).then_some(()));
    stream.write_all(last).unwrap();
    for _ in 0..3 {
        let line = lines.next();
        assert!(line.contains(" PH-- "), "{reason}: {line}");
    }
    gateway.counts(&failed(reason), 1 + 3);
    gateway.counts(&failed("client_gone"), 0);
}

#[test]
fn what_a_breach_or_a_flood_cuts_off_counts_as_that() {
    // DATA of no stream.
    check_cut_off("bad_request", &frame(0, 0, 0, b"a"));
    check_cut_off("flood", &frame(6, 0, 0, &[0; 8]).repeat(101));
}

#[test]
fn a_head_that_stays_unfinished_ends_its_connection() {
    let backend = Backend::http("a");
    let (gateway, port) = served(&backend, "workers = 1", "request_head = \"500ms\"", "");
    let mut stream = open(port);
    stream.write_all(&[get(1, "/never"), frame(1, 1, 3, &[0x82])].concat()).unwrap();
    farewell(stream);
    // The connection, and the request that it cuts off.
    gateway.counts(&failed("slow_head"), 2);
    gateway.counts("member_load{pool=\"web\",member=\"m0\"}", 0);
}
