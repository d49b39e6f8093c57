//! Which member a client gets: stickiness, backups, states, attempts, ejection.

use crate::backend::Backend;
use crate::client::Client;
use crate::gateway::{Config, Gateway, QUICK, UNCHECKED, free_port, v4, v6, wait_for};
use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

fn web(port: u16, lines: &str, members: &[(SocketAddr, &str)]) -> Config {
    Config::new("").listener("web", "http", port, "web", "").pool_of("web", lines, members)
}

/// Who answers so many clients from this address, one connection each.
fn answers(address: SocketAddr, count: usize) -> Vec<String> {
    let mut names: Vec<String> = (0..count).map(|_| Client::connect(address).get("/").text()).collect();
    names.sort();
    names.dedup();
    names
}

const STICK: &str = "check = { kind = \"off\" }\nstick = { size = 100, expire = \"1h\" }";

#[test]
fn a_client_of_either_family_sticks_to_its_member_through_changes() {
    let backends = [Backend::http("a"), Backend::http("b"), Backend::http("c")];
    let [a, b, c] = backends.each_ref().map(|backend| backend.address);
    let port = free_port();
    let gateway = Gateway::start(&web(port, STICK, &[(a, ""), (b, "")]));
    assert_eq!(answers(v6(port), 6), ["a"]);
    assert_eq!(answers(v4(port), 6), ["b"], "another client gets the next");
    assert_eq!(gateway.metric("pool_stick_entries{pool=\"web\"}"), 2);

    gateway.change(&web(port, STICK, &[(a, "weight = 1"), (b, "state = \"drain\""), (c, "")]));
    assert_eq!(answers(v6(port), 6), ["a"]);
    assert_eq!(answers(v4(port), 6), ["b"], "a drained member keeps those who belong to it");
    assert_eq!(gateway.json("/pools")[0]["members"][1]["admin"], "drain");

    gateway.change(&web(port, STICK, &[(a, "weight = 0"), (b, "state = \"maintenance\""), (c, "")]));
    assert_eq!(answers(v6(port), 6), ["a"], "so does one of weight 0");
    assert_eq!(answers(v4(port), 6), ["c"], "maintenance keeps nobody");

    gateway.change(&web(port, STICK, &[(a, "weight = 0"), (b, ""), (c, "")]));
    assert_eq!(answers(v4(port), 6), ["c"], "the client belongs to the other now");
    assert_eq!(gateway.metric("pool_stick_entries{pool=\"web\"}"), 2);
}

#[test]
fn a_client_whose_member_is_down_moves_and_stays_moved() {
    let (mut a, b) = (Backend::http("a"), Backend::http("b"));
    let port = free_port();
    let lines = format!("{QUICK}\nstick = {{ size = 100 }}");
    let gateway = Gateway::start(&web(port, &lines, &[(a.address, ""), (b.address, "")]));
    assert_eq!(answers(v6(port), 3), ["a"]);
    a.stop();
    wait_for("a to be down", || (gateway.state("web", "m0") == "down").then_some(()));
    assert_eq!(answers(v6(port), 3), ["b"]);
    a.start();
    wait_for("a to be up", || (gateway.state("web", "m0") == "up").then_some(()));
    assert_eq!(answers(v6(port), 3), ["b"]);
}

#[test]
fn backups_serve_while_nobody_else_does() {
    let (mut a, b, c) = (Backend::http("a"), Backend::http("b"), Backend::http("c"));
    let port = free_port();
    let members = [(a.address, ""), (b.address, "backup = true"), (c.address, "backup = true")];
    let gateway = Gateway::start(&web(port, QUICK, &members));
    assert_eq!(answers(v6(port), 6), ["a"]);
    a.stop();
    wait_for("a to be down", || (gateway.state("web", "m0") == "down").then_some(()));
    assert_eq!(answers(v6(port), 6), ["b", "c"]);
    a.start();
    wait_for("a to be up", || (gateway.state("web", "m0") == "up").then_some(()));
    assert_eq!(answers(v6(port), 6), ["a"]);
}

#[test]
fn drained_members_finish_what_they_have() {
    let (a, b) = (Backend::echo(), Backend::echo());
    let port = free_port();
    let with = |state: &str| {
        Config::new("").listener("raw", "tcp", port, "raw", "").pool_of(
            "raw",
            UNCHECKED,
            &[(a.address, state), (b.address, "")],
        )
    };
    let gateway = Gateway::start(&with(""));
    let served = || {
        let mut client = Client::connect(v6(port));
        client.send("ping");
        assert_eq!(client.bytes(4), b"ping");
        client
    };
    let mut kept = served();
    assert_eq!(a.accepted(), 1);
    for state in ["state = \"drain\"", "state = \"maintenance\"", "weight = 0"] {
        gateway.change(&with(state));
        drop((served(), served()));
        kept.send("pong");
        assert_eq!(kept.bytes(4), b"pong", "{state}");
    }
    assert_eq!((a.accepted(), b.accepted()), (1, 6));
}

#[test]
fn an_attempt_at_a_member_that_is_starting_is_made_again() {
    let mut backend = Backend::http("a");
    let port = free_port();
    backend.stop();
    let gateway = Gateway::start(&web(port, UNCHECKED, &[(backend.address, "")]));
    thread::scope(|scope| {
        let answer = scope.spawn(|| Client::connect(v6(port)).get("/").text());
        let refused = "member_connect_failures_total{pool=\"web\",member=\"m0\"}";
        wait_for("the first attempt", || (gateway.metric(refused) > 0).then_some(()));
        backend.start();
        assert_eq!(answer.join().expect("an answer"), "a");
    });
}

#[test]
fn without_redispatch_a_client_keeps_to_its_member() {
    let b = Backend::http("b");
    let port = free_port();
    let members = [(v4(free_port()), ""), (b.address, "")];
    let lines = format!("{UNCHECKED}\nretries = 1\nredispatch = false");
    let gateway = Gateway::start(
        &Config::timeouts(Config::new(""), "connect = \"50ms\"")
            .listener("web", "http", port, "web", "")
            .pool_of("web", &lines, &members),
    );
    assert_eq!(Client::connect(v6(port)).get("/").status, 503);
    assert_eq!(gateway.metric("member_connect_failures_total{pool=\"web\",member=\"m0\"}"), 2);
    assert_eq!(Client::connect(v6(port)).get("/").text(), "b");
    gateway.change(
        &Config::timeouts(Config::new(""), "connect = \"50ms\"")
            .listener("web", "http", port, "web", "")
            .pool_of("web", &format!("{UNCHECKED}\nretries = 1"), &members),
    );
    assert_eq!(answers(v6(port), 4), ["b"], "with it another member answers");
}

#[test]
fn a_member_that_fails_clients_is_ejected() {
    let b = Backend::http("b");
    let port = free_port();
    let members = [(v4(free_port()), ""), (b.address, "")];
    let passive = "passive = { failures = 2, window = \"1m\", ejection = \"1h\" }";
    let gateway = Gateway::start(&web(port, &format!("{UNCHECKED}\n{passive}"), &members));
    assert_eq!(answers(v6(port), 20), ["b"]);
    let of = |name: &str| gateway.metric(&format!("member_{name}_total{{pool=\"web\",member=\"m0\"}}"));
    assert_eq!((of("connect_failures"), of("ejections")), (2, 1), "no client is sent there any more");
    assert_eq!(gateway.json("/pools")[0]["members"][0]["ejected"], true);
    assert!(gateway.log().contains("member failed too many clients"), "{}", gateway.log());
}

#[test]
fn status_says_how_long_a_member_is_ejected_and_not_how_long_it_was_up_before() {
    let (a, port) = (Backend::http("a"), free_port());
    let passive = "passive = { failures = 1, window = \"1m\", ejection = \"1h\" }";
    let gateway = Gateway::start(&web(port, &format!("{UNCHECKED}\n{passive}"), &[(a.address, "")]));
    let told = || {
        let status = gateway.succeeds(&["status"]);
        let row = status.lines().find(|line| line.trim_start().starts_with("web/m0")).expect("it is there");
        let cells: Vec<_> = row.split_whitespace().map(str::to_owned).collect();
        (cells[2].clone(), cells[3].parse::<u64>().expect("seconds"))
    };
    wait_for("the member to be there for a while", || (told().1 >= 2).then_some(()));
    let before = Instant::now();
    assert_eq!(Client::connect(v6(port)).get("/garbage").status, 502);
    let (state, seconds) = told();
    assert_eq!(state, "ejected");
    assert!(seconds <= before.elapsed().as_secs(), "{seconds} s");
}

#[test]
fn answers_that_break_off_eject_a_member_too() {
    let (a, b) = (Backend::http("a"), Backend::http("b"));
    let port = free_port();
    let passive = "passive = { failures = 1, window = \"1m\", ejection = \"1h\" }";
    let members = [(a.address, ""), (b.address, "")];
    let gateway = Gateway::start(&web(port, &format!("{UNCHECKED}\n{passive}"), &members));
    assert_eq!(Client::connect(v6(port)).get("/garbage").status, 502);
    assert_eq!(answers(v6(port), 6), ["b"]);
    assert_eq!(gateway.metric("member_ejections_total{pool=\"web\",member=\"m0\"}"), 1);
}
