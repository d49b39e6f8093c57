//! What an operator asks of the running daemon and tells it, by its command line.

use crate::backend::Backend;
use crate::client::Client;
use crate::gateway::{Config, Gateway, QUICK, UNCHECKED, free_port, v4, v6, wait_for};
use std::net::SocketAddr;

fn web(port: u16, lines: &str, members: &[(SocketAddr, &str)]) -> Config {
    Config::new("").listener("web", "http", port, "web", "").pool_of("web", lines, members)
}

/// Who answers new connections.
fn answers(port: u16) -> Vec<String> {
    let mut names: Vec<String> = (0..6).map(|_| Client::connect(v6(port)).get("/").text()).collect();
    names.sort();
    names.dedup();
    names
}

/// What is wanted of the first member, and whether an operator has set it.
fn wanted(gateway: &Gateway) -> (String, bool) {
    let member = &gateway.json("/pools")[0]["members"][0];
    let set = member["set_by_operator"].as_array().expect("an array");
    (member["admin"].as_str().expect("a text").to_owned(), set.contains(&"admin".into()))
}

#[test]
fn what_an_operator_sets_holds_until_the_file_changes_it() {
    let (a, b) = (Backend::http("a"), Backend::http("b"));
    let port = free_port();
    let with = |lines: &str| web(port, UNCHECKED, &[(a.address, lines), (b.address, "")]);
    let gateway = Gateway::start(&with(""));
    let set = |state: &str| (state.to_owned(), true);
    assert_eq!(
        gateway.succeeds(&["drain", "web/m0"]),
        "web/m0: drain, weight 100, 0 connections under way\n"
    );
    assert_eq!((answers(port), wanted(&gateway)), (vec!["b".to_owned()], set("drain")));
    assert!(gateway.log().contains("member is set by an operator"));

    for lines in ["backup = true", "weight = 7", ""] {
        gateway.change(&with(lines));
        assert_eq!(answers(port), ["b"], "{lines}");
        assert_eq!(wanted(&gateway).0, "drain", "{lines}");
    }
    // The file speaks of the state, and what it says afterwards counts again.
    gateway.change(&with("state = \"maintenance\""));
    assert_eq!(wanted(&gateway), ("maintenance".to_owned(), false));
    gateway.change(&with(""));
    assert_eq!(answers(port), ["a", "b"]);

    gateway.succeeds(&["maintenance", "web/m0"]);
    assert_eq!((answers(port), wanted(&gateway)), (vec!["b".to_owned()], set("maintenance")));
    gateway.succeeds(&["enable", "web/m0"]);
    assert_eq!((answers(port).len(), wanted(&gateway)), (2, ("ready".to_owned(), false)));
}

#[test]
fn the_last_member_that_is_taken_out_is_told_of() {
    let gateway =
        Gateway::start(&web(free_port(), UNCHECKED, &[(v4(free_port()), ""), (v4(free_port()), "")]));
    let warning = "pool has no member left: its listeners turn clients away";
    assert!(!gateway.succeeds(&["drain", "web/m0"]).contains(warning));
    assert!(!gateway.log().contains(warning));
    let told = gateway.succeeds(&["maintenance", "web/m1"]);
    assert!(told.ends_with(&format!("\nwarning: {warning}\n")), "{told}");
    assert!(gateway.log().contains(warning), "{}", gateway.log());
    let told: serde_json::Value =
        serde_json::from_str(&gateway.succeeds(&["weight", "web/m1", "7", "--json"])).expect("JSON");
    assert_eq!(told["warning"], warning);
}

#[test]
fn an_operator_weighs_members() {
    let (a, b) = (Backend::http("a"), Backend::http("b"));
    let port = free_port();
    let config = web(port, UNCHECKED, &[(a.address, ""), (b.address, "")]);
    let gateway = Gateway::start(&config);
    let told: serde_json::Value =
        serde_json::from_str(&gateway.succeeds(&["weight", "web/m0", "0", "--json"])).expect("JSON");
    assert_eq!(
        told,
        serde_json::json!({"pool": "web", "member": "m0", "admin": "ready", "weight": 0, "connections": 0})
    );
    assert_eq!(answers(port), ["b"]);
    gateway.succeeds(&["weight", "web/m0", "200"]);
    let mut names: Vec<_> = (0..30).map(|_| Client::connect(v6(port)).get("/").text()).collect();
    names.retain(|name| name == "a");
    assert_eq!(names.len(), 20, "two of three");
    assert_eq!(gateway.metric("member_weight{pool=\"web\",member=\"m0\"}"), 200);
}

#[test]
fn maintenance_by_an_operator_rests_the_checks() {
    let (mut a, b) = (Backend::http("a"), Backend::http("b"));
    let port = free_port();
    let gateway = Gateway::start(&web(port, QUICK, &[(a.address, ""), (b.address, "")]));
    let member = |name: &str, key: &str| {
        let place = usize::from(name == "m1");
        gateway.json("/pools")[0]["members"][place][key].clone()
    };
    gateway.succeeds(&["disable", "web/m0"]);
    wait_for("the checks to rest", || {
        (member("m0", "why") == "not checked while in maintenance").then_some(())
    });
    // The member accepts in turn: what came before this has been counted with it.
    assert_eq!(Client::connect(a.address).get("/").status, 200);
    let (before, others) = (a.accepted(), b.accepted());
    wait_for("checks of the other member", || (b.accepted() > others + 3).then_some(()));
    assert_eq!((a.accepted(), member("m0", "state")), (before, "up".into()));
    a.stop();
    gateway.succeeds(&["ready", "web/m0"]);
    wait_for("the member to be down", || (gateway.state("web", "m0") == "down").then_some(()));
}

#[test]
fn an_order_that_names_nobody_is_refused_with_who_there_is() {
    let a = Backend::http("a");
    let gateway = Gateway::start(&web(free_port(), UNCHECKED, &[(a.address, "")]));
    let check = |arguments: &[&str], expect: &str| {
        let output = gateway.command(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.trim_end()), (Some(2), expect), "{arguments:?}");
    };
    check(&["drain", "wbe/m0"], "there is no pool \"wbe\"; the pools are web");
    check(&["drain", "web/m1"], "pool \"web\" has no member \"m1\"; its members are m0");
    check(&["weight", "web/m0"], "which weight? give a number from 0 to 256 behind the member");
    check(&["weight", "web/m0", "300"], "\"300\" is no weight; give a number from 0 to 256");
    check(&["ready"], "which member? give its pool and its name, such as web/a; the pools are web");
}

#[test]
fn status_shows_listeners_pools_and_members() {
    let a = Backend::http("a");
    let port = free_port();
    let members = [(a.address, ""), (v4(free_port()), "")];
    let gateway = Gateway::start(&web(port, QUICK, &members));
    gateway.succeeds(&["drain", "web/m0"]);
    gateway.succeeds(&["weight", "web/m1", "5"]);
    assert_eq!(Client::connect(v6(port)).get("/").status, 503);
    let status = gateway.succeeds(&["status"]);
    let row = |begin: &[&str]| -> Vec<&str> {
        let mut rows = status.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.find(|row| row.starts_with(begin)).unwrap_or_else(|| panic!("no {begin:?} in\n{status}"))
    };
    let bind = [v4(port).to_string(), v6(port).to_string()];
    assert!(row(&["web", "http"]).iter().any(|cell| bind.contains(&(*cell).to_owned())), "{status}");
    assert_eq!(row(&["web", "roundrobin"])[2..], ["tcp", "2", "0", "0", "0", "0"], "{status}");
    let (up, down) = (row(&["web/m0"]), row(&["web/m1"]));
    assert!(up.contains(&"up") && up.contains(&"drain*") && up.contains(&"accepted"), "{status}");
    assert_eq!(row(&["web", "no_member"])[2..], ["1"], "{status}");
    assert!(down.contains(&"down") && down.contains(&"5*") && down.contains(&"refused"), "{status}");
}

#[test]
fn checks_and_attempts_are_counted() {
    let (a, port) = (Backend::http("a"), free_port());
    let dead = v4(free_port());
    let lines = "retries = 2\ncheck = { interval = \"1h\", fall = 3 }";
    let gateway = Gateway::start(&web(port, lines, &[(a.address, ""), (dead, "")]));
    let of = |member: &str, name: &str| {
        gateway.metric(&format!("member_{name}{{pool=\"web\",member=\"{member}\"}}"))
    };
    let checks = |member: &str, result: &str| {
        gateway
            .metric(&format!("member_checks_total{{pool=\"web\",member=\"{member}\",result=\"{result}\"}}"))
    };
    assert_eq!((checks("m0", "good"), checks("m0", "bad"), of("m0", "state_changes_total")), (1, 0, 1));
    assert_eq!((checks("m1", "good"), checks("m1", "bad"), of("m1", "state_changes_total")), (0, 1, 1));
    assert_eq!(gateway.metric("pool_taking_work{pool=\"web\"}"), 1);
    assert!(gateway.json("/pools")[0]["members"][0]["check_seconds"].as_f64().is_some());

    let unchecked = format!("{UNCHECKED}\nretries = 2");
    gateway.change(&web(port, &unchecked, &[(dead, "")]));
    assert_eq!(Client::connect(v6(port)).get("/").status, 503);
    let again = || {
        ["retries", "redispatches"].map(|what| gateway.metric(&format!("pool_{what}_total{{pool=\"web\"}}")))
    };
    assert_eq!(again(), [2, 0], "there is no other member");
    gateway.change(&web(port, &format!("{unchecked}\nredispatch = false"), &[(dead, "")]));
    assert_eq!(Client::connect(v6(port)).get("/").status, 503);
    assert_eq!(again(), [4, 0], "of the pool, whatever changes");
    gateway.change(&web(port, &unchecked, &[(dead, ""), (dead, "")]));
    assert_eq!(Client::connect(v6(port)).get("/").status, 503);
    // From one to the other, and then to either of them.
    assert_eq!(again().iter().sum::<u64>(), 6);
    assert!(again()[1] >= 1, "{:?}", again());
}
