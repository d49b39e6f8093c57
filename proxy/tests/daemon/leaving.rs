//! Clients of HTTP/1.1 that leave while their request waits, or none is under way.

use crate::backend::{Backend, Wire};
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6, wait_for};
use crate::log::Receiver;
use crate::versions::{Version, Way};
use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::Ordering;

/// Answers a request once the gate is open.
fn slow() -> Backend {
    Backend::new("slow", |seen, stream| {
        let mut writer = stream.try_clone()?;
        let mut wire = Wire::new(stream);
        while let Some(head) = wire.head()? {
            seen.heads.lock().unwrap().push(head);
            wait_for("the test to open the gate", || seen.gate.load(Ordering::SeqCst).then_some(()));
            writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")?;
        }
        Ok(())
    })
}

const ASK: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

fn asking(port: u16) -> Client {
    let mut client = Client::connect(v6(port));
    // The second one lies unread where the end of the connection comes behind it.
    client.send([ASK, ASK].concat());
    client
}

#[test]
fn who_resets_while_a_request_waits_gives_up_its_place() {
    let (backend, lines, port) = (slow(), Receiver::new(), free_port());
    let log = format!("workers = 1\nlog = {{ format = \"httplog\", to = \"udp://{}\" }}", lines.address());
    let config = Config::new(&log).timeouts("queue = \"1h\"\nserver = \"1h\"");
    let config = config.listener("web", "http", port, "web", "");
    let config = config.pool_of("web", UNCHECKED, &[(backend.address, "max_connections = 1")]);
    let gateway = Gateway::start(&config);
    let ends = |state: &str| {
        let line = lines.next();
        assert!(line.contains(&format!(" {state}-- ")), "{state}: {line}");
    };
    let first = asking(port);
    wait_for("the first request at the member", || (backend.heads().len() == 1).then_some(()));
    let queued = || gateway.metric("pool_queue{pool=\"web\"}");
    let (leaving, mut staying) = (asking(port), asking(port));
    wait_for("two to wait", || (queued() == 2).then_some(()));
    leaving.reset();
    ends("CQ");
    assert_eq!(queued(), 1);
    first.reset();
    ends("CH");
    wait_for("the next one at the member", || (backend.heads().len() == 2).then_some(()));
    staying.stream.shutdown(Shutdown::Write).unwrap();
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert_eq!(staying.response().text(), "slow", "who closes its side only listens");
    gateway.counts("failures_total{listener=\"web\",reason=\"client_gone\"}", 2);
}

#[test]
fn who_owes_nothing_and_is_owed_nothing_may_end_as_it_likes() {
    let backend = Backend::http("a");
    let (gateway, port) = Way { front: Version::One, back: Version::One }.start("", &backend);
    let opened = || gateway.metric("connections_total{listener=\"web\"}");
    Client::connect(v6(port)).reset();
    let mut kept = Client::connect(v6(port));
    kept.send(ASK);
    assert_eq!(kept.response().text(), "a");
    kept.reset();
    wait_for("both to have come", || (opened() == 2).then_some(()));
    gateway.counts("connections_open{listener=\"web\"}", 0);
    assert_eq!(gateway.metric("failures_total{listener=\"web\",reason=\"client_gone\"}"), 0);
}
