//! `explain`: what the running daemon answers to a client, and the reasons step by step.

use crate::daemon::{Daemon, file, listener};
use crate::scripted::{Scripted, only_a};
use std::net::SocketAddr;

const ENTRIES: &str = r#"
    [[dns64.client]]
    from = ["2001:db8:6::/64"]
    prefixes = [{ prefix = "2001:db8:64::/96", mapped = ["192.0.2.0/24"] }]
    [[dns64.client]]
    from = ["2001:db8:7::/64"]
    synthesize = false
    [[dns64.client]]
    from = ["::/0"]
    prefixes = [{ prefix = "2001:db8:65::/96", mapped = ["!192.0.2.0/24", "0.0.0.0/0"] }]
    [[dns64.host]]
    name = "vm1.lan"
    addresses = ["192.168.7.10"]
"#;

async fn daemon(upstream: &Scripted) -> Daemon {
    Daemon::start(&file("2001:db8:64::/96", &[listener()], &[upstream.address], ENTRIES)).await
}

/// All parts stand in the text, in this order.
fn check(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let Some(at) = rest.find(part) else { panic!("{part} is not where it should be in\n{text}") };
        rest = &rest[at + part.len()..];
    }
}

#[tokio::test]
async fn a_synthesized_answer_is_explained_step_by_step() {
    let upstream = Scripted::start(only_a).await;
    let daemon = daemon(&upstream).await;
    let told = daemon.explain(&["www.example", "--client", "2001:db8:6::10"]).await;
    check(
        &told,
        &[
            "www.example. AAAA from 2001:db8:6::10",
            "is in [[dns64.client]] number 1: AAAA records are made with 2001:db8:64::/96",
            "asked upstream for AAAA, and for A",
            "www.example. AAAA: No Error, no records",
            "the name has no AAAA records: A is needed",
            "www.example. A: No Error",
            "192.0.2.1 becomes 2001:db8:64::c000:201",
            "No Error, asked upstream",
            "AAAA 2001:db8:64::c000:201",
        ],
    );
    let again = daemon.explain(&["www.example", "--client", "2001:db8:6::10"]).await;
    check(&again, &["No Error, at hand", "AAAA 2001:db8:64::c000:201"]);
}

#[tokio::test]
async fn clients_that_get_nothing_are_told_why() {
    let upstream = Scripted::start(only_a).await;
    let daemon = daemon(&upstream).await;
    let told = daemon.explain(&["www.example", "--client", "2001:db8:7::10"]).await;
    check(
        &told,
        &["number 2: nothing is synthesized for it", "passed on: this client is not synthesized for"],
    );
    let told = daemon.explain(&["www.example"]).await;
    check(
        &told,
        &["::1 is in [[dns64.client]] number 3", "192.0.2.1 does not go into 2001:db8:65::/96: not mapped"],
    );
    let told = daemon.explain(&["www.example", "--client", "2001:db8:6::10", "+cd"]).await;
    check(&told, &["passed on: CD is set"]);
    let told = daemon.explain(&["www.example", "A"]).await;
    check(&told, &["only AAAA is synthesized, not A", "A 192.0.2.1"]);
}

#[tokio::test]
async fn names_that_are_served_here_say_by_whom() {
    let upstream = Scripted::start(only_a).await;
    let daemon = daemon(&upstream).await;
    check(
        &daemon.explain(&["vm1.lan"]).await,
        &["it is in a hosts file, a lease or [[dns64.host]]", "at hand"],
    );
    check(&daemon.explain(&["ipv4only.arpa"]).await, &["it tells clients the prefix (RFC 8880)"]);
    check(
        &daemon.explain(&["x.invalid"]).await,
        &["it is a name that is not asked upstream", "Non-Existent Domain, at hand"],
    );
    assert_eq!(upstream.asked(), []);
}

#[tokio::test]
async fn json_has_the_steps_and_the_records() {
    let upstream = Scripted::start(only_a).await;
    let daemon = daemon(&upstream).await;
    let told = daemon.explain(&["www.example", "--client", "2001:db8:6::10", "--json"]).await;
    check(
        &told,
        &[
            r#""name":"www.example.""#,
            r#""at_hand":false"#,
            r#""steps":[{"topic":"gate""#,
            r#""records":["www.example."#,
        ],
    );
}

#[tokio::test]
async fn clients_that_may_not_ask_are_told_by_which_rule() {
    for (denied, step, answer) in [
        ("refuse", "refused by dns64.allow_from: ::1 is in none of its networks", "Query Refused"),
        ("drop", "dropped by dns64.allow_from: ::1 is in none of its networks", "nothing is sent"),
    ] {
        let upstream = Scripted::start(only_a).await;
        let keys = format!("allow_from = [\"2001:db8:6::/64\", \"127.0.0.1/32\"]\ndenied = \"{denied}\"\n");
        let text = file("2001:db8:64::/96", &[listener()], &[upstream.address], &keys);
        let daemon = Daemon::start(&text).await;
        check(&daemon.explain(&["www.example"]).await, &["gate", step, "answer", answer]);
        assert!(upstream.asked().is_empty(), "nothing is asked for a client that is turned away");
        let told = daemon.explain(&["www.example", "--client", "2001:db8:6::10"]).await;
        check(&told, &["let in: 2001:db8:6::/64 is in dns64.allow_from", "No Error, asked upstream"]);
    }
}

#[tokio::test]
async fn a_client_at_the_address_of_a_listener_is_answered_as_any_other() {
    let upstream = Scripted::start(only_a).await;
    let own = SocketAddr::new(listener().ip(), 49_152);
    let daemon = Daemon::start(&file("2001:db8:64::/96", &[own], &[upstream.address], "")).await;
    let told = daemon.explain(&["www.example", "--client", &own.ip().to_string()]).await;
    check(&told, &["let in: everyone may ask", "No Error, asked upstream"]);
}
