//! What stands beside a message that can be read in two ways: [`crate::framing`] has the messages themselves.

use crate::backend::Backend;
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6, wait_for};
use std::sync::atomic::Ordering;

const HOST: &str = "Host: a.example\r\n";

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
