//! Members that go and come back.

use crate::backend::Backend;
use crate::client::Client;
use crate::gateway::{Config, Gateway, QUICK, UNCHECKED, free_port, v4, v6, wait_for};

fn wait_state(gateway: &Gateway, member: &str, state: &str) {
    wait_for(&format!("{member} to be {state}"), || (gateway.state("web", member) == state).then_some(()));
}

#[test]
fn a_dead_member_is_left_out_and_comes_back() {
    let (mut a, b) = (Backend::http("a"), Backend::http("b"));
    let port = free_port();
    let config =
        Config::new("").listener("web", "http", port, "web", "").pool("web", QUICK, &[a.address, b.address]);
    let gateway = Gateway::start(&config);
    let answers = |count: usize| {
        let mut client = Client::connect(v6(port));
        let mut texts: Vec<String> = (0..count).map(|_| client.get("/").text()).collect();
        texts.sort();
        texts
    };
    assert_eq!(answers(4), ["a", "a", "b", "b"]);

    a.stop();
    wait_state(&gateway, "m0", "down");
    assert_eq!(answers(4), ["b", "b", "b", "b"]);
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("up=false")).expect("a line");
    assert!(line.contains("WARN") && line.contains("member=\"m0\""), "{line}");
    let sight = gateway.json("/pools")[0]["members"][0]["why"].as_str().unwrap().to_owned();
    assert!(sight.contains("refused"), "{sight}");

    a.start();
    wait_state(&gateway, "m0", "up");
    assert_eq!(answers(4), ["a", "a", "b", "b"]);
}

#[test]
fn readiness_waits_for_the_first_round_of_checks() {
    let a = Backend::http("a");
    let config = Config::new("").listener("web", "http", free_port(), "web", "").pool(
        "web",
        QUICK,
        &[a.address, v4(free_port())],
    );
    let gateway = Gateway::start(&config);
    assert_eq!(
        (gateway.state("web", "m0"), gateway.state("web", "m1")),
        ("up".to_owned(), "down".to_owned())
    );
}

#[test]
fn without_members_http_clients_are_answered_503_and_tcp_clients_closed() {
    let (web, raw) = (free_port(), free_port());
    let config = Config::new("")
        .listener("web", "http", web, "web", "")
        .listener("raw", "tcp", raw, "web", "")
        .pool("web", QUICK, &[v4(free_port()), v4(free_port())]);
    let gateway = Gateway::start(&config);

    let mut client = Client::connect(v6(web));
    for _ in 0..2 {
        let response = client.get("/");
        assert_eq!(response.status, 503);
        assert_eq!(
            response.text(),
            "503 Service Unavailable\nNo server behind this address is in service.\n"
        );
    }
    gateway.counts("failures_total{listener=\"web\",reason=\"no_member\"}", 2);
    gateway.counts("requests_total{listener=\"web\",class=\"5xx\"}", 2);

    let mut client = Client::connect(v6(raw));
    client.send("hello");
    assert!(client.is_closed(), "closed, not reset");
    gateway.counts("failures_total{listener=\"raw\",reason=\"no_member\"}", 1);
}

#[test]
fn a_pool_whose_members_all_refuse_is_answered_503() {
    let port = free_port();
    let config = Config::new("").listener("web", "http", port, "web", "").pool(
        "web",
        &format!("{UNCHECKED}\nretries = 1"),
        &[v4(free_port()), v4(free_port())],
    );
    let gateway = Gateway::start(&config);
    assert_eq!(Client::connect(v6(port)).get("/").status, 503);
    gateway.counts("failures_total{listener=\"web\",reason=\"unreachable\"}", 1);
    for member in ["m0", "m1"] {
        assert_eq!(
            gateway.metric(&format!("member_connect_failures_total{{pool=\"web\",member=\"{member}\"}}")),
            1
        );
    }
}

#[test]
fn an_empty_pool_is_answered_503() {
    let port = free_port();
    let config = Config::new("").listener("web", "http", port, "web", "").pool("web", "", &[]);
    let _gateway = Gateway::start(&config);
    assert_eq!(Client::connect(v6(port)).get("/").status, 503);
}

#[test]
fn a_member_in_maintenance_is_not_checked() {
    let (a, b) = (Backend::http("a"), Backend::http("b"));
    let port = free_port();
    let with = |state: &str| {
        Config::new("").listener("web", "http", port, "web", "").pool_of(
            "web",
            QUICK,
            &[(a.address, state), (b.address, "")],
        )
    };
    let gateway = Gateway::start(&with("state = \"maintenance\""));
    wait_for("some rounds of checks", || (b.accepted() >= 3).then_some(()));
    assert_eq!((a.accepted(), gateway.state("web", "m0").as_str()), (0, "unchecked"));
    gateway.change(&with(""));
    wait_state(&gateway, "m0", "up");
}
