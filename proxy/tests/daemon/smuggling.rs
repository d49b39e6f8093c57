//! Requests that can be read in two ways reach no member.

use crate::backend::Backend;
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6, wait_for};
use std::sync::atomic::Ordering;

const HOST: &str = "Host: a.example\r\n";

/// A request that can be read in two ways, by name. What follows it must never be taken for a request.
const AMBIGUOUS: [(&str, &str); 19] = [
    (
        "two framings",
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "two framings, other order",
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    ),
    ("two lengths", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\nContent-Length: 43\r\n\r\n"),
    (
        "one length twice",
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    ),
    ("a list of lengths", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0, 0\r\n\r\n"),
    ("a signed length", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: +0\r\n\r\n"),
    (
        "another coding",
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding in disguise",
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("bare line feeds", "GET / HTTP/1.1\nHost: a.example\n\n"),
    ("one bare line feed", "GET / HTTP/1.1\r\nX: y\nHost: a.example\r\n\r\n"),
    ("a space before the colon", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length : 43\r\n\r\n"),
    ("a folded line", "GET / HTTP/1.1\r\nHost: a.example\r\nX: a\r\n b\r\n\r\n"),
    ("a field without a name", "GET / HTTP/1.1\r\nHost: a.example\r\n: a\r\n\r\n"),
    ("no host", "GET / HTTP/1.1\r\n\r\n"),
    ("two hosts", "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n"),
    ("a host that is none", "GET / HTTP/1.1\r\nHost: a.example/b\r\n\r\n"),
    ("a fragment", "GET /a#b HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    ("two spaces", "GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
];

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[test]
fn ambiguous_requests_are_refused_and_end_the_connection() {
    let backend = Backend::http("a");
    let port = free_port();
    let config =
        Config::new("").listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[backend.address]);
    let gateway = Gateway::start(&config);
    for (name, request) in AMBIGUOUS {
        let mut client = Client::connect(v6(port));
        client.send(format!("{request}{HIDDEN}"));
        let response = client.response();
        assert_eq!(response.status, 400, "{name}: {}", response.text());
        assert!(client.is_closed(), "{name}: nothing follows");
    }
    assert_eq!(backend.heads(), Vec::<String>::new(), "no member sees any of it");
    assert_eq!(backend.accepted(), 0);
    gateway.counts("failures_total{listener=\"web\",reason=\"bad_request\"}", AMBIGUOUS.len() as u64);
    gateway.counts("requests_total{listener=\"web\",class=\"4xx\"}", AMBIGUOUS.len() as u64);
}

#[test]
fn a_good_request_before_a_bad_one_is_answered() {
    let backend = Backend::http("a");
    let port = free_port();
    let config =
        Config::new("").listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[backend.address]);
    let _gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    client.send(format!("GET / HTTP/1.1\r\n{HOST}\r\nGET / HTTP/1.1\n{HOST}\r\n"));
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().status, 400);
    assert!(client.is_closed());
    assert_eq!(backend.heads().len(), 1);
}

#[test]
fn heads_that_are_too_large_are_refused() {
    let backend = Backend::http("a");
    let port = free_port();
    let config =
        Config::new("").listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[backend.address]);
    let _gateway = Gateway::start(&config);
    let check = |request: String, expect: u16| {
        let mut client = Client::connect(v6(port));
        client.send(request);
        assert_eq!(client.response().status, expect);
    };
    check(format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "a".repeat(9000)), 414);
    check(format!("GET / HTTP/1.1\r\n{HOST}X: {}\r\n\r\n", "a".repeat(9000)), 431);
    check(format!("GET / HTTP/1.1\r\n{HOST}{}\r\n", "X: y\r\n".repeat(101)), 431);
    check(format!("GET / HTTP/1.1\r\n{HOST}{}\r\n", "X: y\r\n".repeat(90)), 200);
}

#[test]
fn responses_that_can_be_read_in_two_ways_reach_no_client() {
    let backend = Backend::http("a");
    let port = free_port();
    let config = Config::new("workers = 1").listener("web", "http", port, "web", "").pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    let gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    for path in ["/two-framings", "/switch"] {
        assert_eq!(client.get(path).status, 502, "{path}");
        assert_eq!(client.get("/").text(), "a", "what came with it is nobody's answer");
    }
    gateway.counts("failures_total{listener=\"web\",reason=\"bad_response\"}", 2);
    for _ in 0..20 {
        assert_eq!(client.get("/surplus-at-once").text(), "fine");
        assert_eq!(client.get("/").text(), "a", "bytes behind a response are nobody's answer");
        assert_eq!(client.get("/surplus").text(), "fine");
        wait_for("the surplus to be sent", || backend.seen.gate.swap(false, Ordering::SeqCst).then_some(()));
        assert_eq!(client.get("/").text(), "a", "nor are they when they come later");
    }
}

#[test]
fn a_malformed_chunk_ends_the_request_and_the_connection() {
    let backend = Backend::http("a");
    let port = free_port();
    let config =
        Config::new("").listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[backend.address]);
    let gateway = Gateway::start(&config);
    for chunk in ["5\nhello\r\n0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n", "x\r\n", "5 5\r\nhello\r\n0\r\n\r\n"] {
        let mut client = Client::connect(v6(port));
        client
            .send(format!("POST /echo HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{chunk}{HIDDEN}"));
        let response = client.response();
        assert_eq!((response.status, response.text().contains("chunk")), (400, true), "{chunk:?}");
        assert!(client.is_closed(), "{chunk:?}");
    }
    assert!(backend.heads().iter().all(|head| !head.contains("/hidden")));
    gateway.counts("failures_total{listener=\"web\",reason=\"bad_request\"}", 4);
}
