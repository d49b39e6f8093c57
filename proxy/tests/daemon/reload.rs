//! Changes of configuration while clients are served.

use crate::backend::Backend;
use crate::client::Client;
use crate::gateway::{Config, Gateway, QUICK, UNCHECKED, free_port, v4, v6, wait_for};
use std::net::{Shutdown, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

#[test]
fn changes_under_load_fail_no_request() {
    let backends = [Backend::http("a"), Backend::http("b"), Backend::http("c")];
    let addresses = backends.each_ref().map(|backend| backend.address);
    let (web, extra) = (free_port(), free_port());
    let plain = Config::new("").listener("web", "http", web, "web", "").pool("web", QUICK, &addresses[..2]);
    let grown = Config::new("")
        .listener("web", "http", web, "web", "")
        .listener("extra", "http", extra, "web", "")
        .pool("web", QUICK, &addresses);
    let other =
        Config::new("").listener("web", "http", web, "other", "").pool("other", QUICK, &addresses[2..]);
    let gateway = Gateway::start(&plain);
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let seen = |answer: &str| ["a", "b", "c"].contains(&answer);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = Client::connect(v6(web));
            while !done.load(Ordering::SeqCst) {
                assert!(seen(&client.get("/").text()));
                assert_eq!(client.post("/echo", b"body").text(), "body");
                served.fetch_add(2, Ordering::SeqCst);
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                assert!(seen(&Client::connect(v4(web)).get("/").text()));
                served.fetch_add(1, Ordering::SeqCst);
            }
        });
        scope.spawn(|| {
            // The test ends its load even if a reload fails.
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for round in 0..10 {
                    for config in [&grown, &other, &plain] {
                        let before = served.load(Ordering::SeqCst);
                        gateway.change(config);
                        wait_for("requests after the change", || {
                            (served.load(Ordering::SeqCst) > before + 10).then_some(())
                        });
                        let extra_is_up = Client::try_connect(v6(extra)).is_ok();
                        if std::ptr::eq(config, &raw const grown) {
                            assert!(extra_is_up, "round {round}");
                        }
                    }
                }
            }));
            done.store(true, Ordering::SeqCst);
            result.unwrap();
        });
    });
    assert_eq!(gateway.metric("requests_total{listener=\"web\",class=\"5xx\"}"), 0);
    let counted = gateway.metric("requests_total{listener=\"web\",class=\"2xx\"}");
    assert_eq!(counted, served.load(Ordering::SeqCst) as u64, "counters survive changes");
}

#[test]
fn a_busy_address_refuses_the_whole_change() {
    let (a, b) = (Backend::http("a"), Backend::http("b"));
    let (web, fine, busy) = (free_port(), free_port(), free_port());
    let holder = TcpListener::bind(v6(busy)).unwrap();
    let plain = Config::new("").listener("web", "http", web, "web", "").pool("web", UNCHECKED, &[a.address]);
    let wanted = Config::new("")
        .listener("web", "http", web, "web", "")
        .listener("fine", "http", fine, "web", "")
        .listener("more", "http", busy, "web", "")
        .pool("web", UNCHECKED, &[b.address]);
    let gateway = Gateway::start(&plain);
    let (status, body) = gateway.reload(&wanted);
    assert!(status >= 400, "{status} {body}");
    for part in ["more", &v6(busy).to_string(), "in use"] {
        assert!(body.contains(part), "{part} is not in: {body}");
    }
    assert_eq!(Client::connect(v6(web)).get("/").text(), "a", "the old configuration runs on");
    assert!(Client::try_connect(v6(fine)).is_err(), "nothing of the new one is left");
    drop(holder);
    gateway.change(&wanted);
    assert_eq!(Client::connect(v6(busy)).get("/").text(), "b");
}

#[test]
fn a_busy_address_at_the_start_is_named_with_its_listener_and_a_remedy() {
    let busy = free_port();
    let _holder = TcpListener::bind(v4(busy)).unwrap();
    let config = Config::new("").listener("web", "http", busy, "web", "").pool("web", UNCHECKED, &[]);
    let panic = std::panic::catch_unwind(|| Gateway::start(&config)).err().expect("it does not start");
    let message = panic.downcast_ref::<String>().expect("a text");
    for part in ["exit status: 1", "\"web\"", &v4(busy).to_string(), "ss -ltnp"] {
        let plain = message.replace("\\\"", "\"");
        assert!(plain.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn connections_of_a_removed_listener_finish() {
    let (web_backend, raw_backend) = (Backend::http("a"), Backend::echo());
    let (web, raw, stays) = (free_port(), free_port(), free_port());
    let before = Config::new("")
        .listener("web", "http", web, "web", "")
        .listener("raw", "tcp", raw, "raw", "")
        .listener("stays", "http", stays, "web", "")
        .pool("web", UNCHECKED, &[web_backend.address])
        .pool("raw", UNCHECKED, &[raw_backend.address]);
    let after = Config::new("").listener("stays", "http", stays, "web", "").pool(
        "web",
        UNCHECKED,
        &[web_backend.address],
    );
    let gateway = Gateway::start(&before);
    let mut relayed = Client::connect(v6(raw));
    relayed.send("ping");
    assert_eq!(relayed.bytes(4), b"ping");
    let mut busy = Client::connect(v6(web));
    busy.send("GET /chunked HTTP/1.1\r\nHost: a.example\r\n\r\n");
    wait_for("the request at the member", || (web_backend.heads().len() == 1).then_some(()));
    let mut idle = Client::connect(v6(web));
    assert_eq!(idle.get("/").status, 200);
    let mut kept = Client::connect(v6(stays));
    assert_eq!(kept.get("/").status, 200);

    gateway.change(&after);
    for port in [web, raw] {
        wait_for("the listener to be gone", || Client::try_connect(v6(port)).is_err().then_some(()));
    }
    assert!(idle.is_closed());
    relayed.send("pong");
    assert_eq!(relayed.bytes(4), b"pong");
    relayed.stream.shutdown(Shutdown::Write).unwrap();
    assert!(relayed.is_closed());
    web_backend.seen.gate.store(true, Ordering::SeqCst);
    assert_eq!(busy.response().text(), "firstsecond");
    assert!(busy.is_closed());
    assert_eq!(kept.get("/").status, 200, "a listener that stays keeps its connections");
}

#[test]
fn a_request_that_has_come_by_the_stop_is_answered_as_the_last_one() {
    let backend = Backend::http("a");
    let port = free_port();
    let config = Config::new("").listener("web", "http", port, "web", "");
    let mut gateway = Gateway::start(&config.pool("web", UNCHECKED, &[backend.address]));
    let mut client = Client::connect(v6(port));
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n");
    client.send(get("/chunked") + &get("/") + &get("/"));
    assert_eq!(client.bytes(12), b"HTTP/1.1 200");
    gateway.terminate();
    wait_for("the listener to be gone", || Client::try_connect(v6(port)).is_err().then_some(()));
    backend.seen.gate.store(true, Ordering::SeqCst);
    let rest = String::from_utf8(client.read_all().unwrap()).unwrap();
    assert_eq!(rest.matches("HTTP/1.1 200").count(), 1, "two in all, and none behind the last: {rest}");
    let (first, last) = rest.split_once("HTTP/1.1 200").unwrap();
    assert!(!first.contains("connection: close") && last.contains("connection: close"), "{rest}");
    assert!(gateway.ended_well(), "{}", gateway.log());
}

#[test]
fn a_kept_connection_follows_a_change_with_its_next_request() {
    let (a, b) = (Backend::http("a"), Backend::http("b"));
    let port = free_port();
    let with = |backend: &Backend| {
        Config::new("").listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[backend.address])
    };
    let gateway = Gateway::start(&with(&a));
    let mut client = Client::connect(v6(port));
    assert_eq!(client.get("/").text(), "a");
    gateway.change(&with(&b));
    assert_eq!(client.get("/").text(), "b");
}

#[test]
fn an_address_passes_from_one_listener_to_another_without_a_gap() {
    let (a, b) = (Backend::http("a"), Backend::echo());
    let port = free_port();
    let before =
        Config::new("").listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[a.address]);
    let after = Config::new("").listener("raw", "tcp", port, "raw", "").pool("raw", UNCHECKED, &[b.address]);
    let gateway = Gateway::start(&before);
    assert_eq!(Client::connect(v6(port)).get("/").text(), "a");
    gateway.change(&after);
    let mut client = Client::connect(v6(port));
    client.send("ping");
    assert_eq!(client.bytes(4), b"ping");
    assert_eq!(gateway.json("/listeners")[0]["name"], "raw");
}

#[test]
fn a_broken_file_changes_nothing() {
    let a = Backend::http("a");
    let port = free_port();
    let config =
        Config::new("").listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[a.address]);
    let gateway = Gateway::start(&config);
    let (status, body) = gateway.reload(&Config::new("wrokers = 1"));
    assert!((400..500).contains(&status), "{status} {body}");
    assert!(body.contains("workers"), "{body}");
    assert_eq!(Client::connect(v6(port)).get("/").text(), "a");
}
