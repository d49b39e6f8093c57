//! From the start through service to the end.

use crate::process::{Home, Named, eventually};
use nix::sys::signal::Signal;
use std::collections::HashMap;
use std::fs;

pub(crate) const TRIALS: &[Named] = &[
    ("a_running_daemon_answers_on_its_socket", a_running_daemon_answers_on_its_socket),
    ("ready_names_the_latches_that_are_closed", ready_names_the_latches_that_are_closed),
    ("sigterm_drains_and_ends_cleanly", sigterm_drains_and_ends_cleanly),
    ("sigint_ends_an_idle_daemon", sigint_ends_an_idle_daemon),
    ("a_second_signal_cuts_the_drain_off", a_second_signal_cuts_the_drain_off),
    ("a_signal_before_readiness_ends_the_daemon", a_signal_before_readiness_ends_the_daemon),
    ("only_the_needed_capabilities_are_kept", only_the_needed_capabilities_are_kept),
    ("open_files_are_raised_to_the_hard_limit", open_files_are_raised_to_the_hard_limit),
];

fn a_running_daemon_answers_on_its_socket() {
    let home = Home::new();
    let daemon = home.start();
    assert_eq!(daemon.get("/live").status, 200);
    assert_eq!(daemon.get("/ready").status, 200);
    assert_eq!(daemon.get("/nothing").status, 404);
    assert_eq!(daemon.get("/reload").status, 405);
    assert_eq!(daemon.metric("causeway_ready"), 1);
    assert_eq!(daemon.metric("causeway_fake_pools"), 1);
    let metrics = daemon.get("/metrics").body;
    assert!(metrics.contains("causeway_build_info{program=\"causeway-fake\""), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    let config = daemon.get("/config").body;
    assert!(config.contains("name = \"web\"") && config.contains("format = \"text\""), "{config}");
}

fn ready_names_the_latches_that_are_closed() {
    let home = Home::with_pools(&["late"]);
    let mut daemon = home.spawn(home.command(&[]));
    daemon.wait_for("waiting");
    let answer = daemon.get("/ready");
    assert_eq!((answer.status, answer.body.as_str()), (503, "waiting for fake\n"));
    assert_eq!(daemon.metric("causeway_ready"), 0);
    assert_eq!(daemon.get("/live").status, 200);
    assert_eq!(daemon.post("/open").status, 200);
    daemon.wait_for(" ready");
    assert_eq!(daemon.get("/ready").status, 200);
}

fn sigterm_drains_and_ends_cleanly() {
    let home = Home::with_pools(&["stuck"]);
    let mut daemon = home.start();
    daemon.signal(Signal::SIGTERM);
    daemon.wait_for("draining");
    let answer = daemon.get("/ready");
    assert_eq!((answer.status, answer.body.as_str()), (503, "draining\n"));
    assert_eq!(daemon.get("/live").status, 200);
    assert_eq!(daemon.post("/reload").status, 503);
    daemon.post("/finish");
    assert_eq!(daemon.end().0, Some(0));
    assert!(!home.socket().exists());
}

fn sigint_ends_an_idle_daemon() {
    let home = Home::new();
    let daemon = home.start();
    daemon.signal(Signal::SIGINT);
    let (code, log) = daemon.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("SIGINT"), "{log}");
    assert!(!home.socket().exists());
}

fn a_second_signal_cuts_the_drain_off() {
    let home = Home::with_pools(&["stuck"]);
    let mut daemon = home.start();
    daemon.signal(Signal::SIGTERM);
    daemon.wait_for("draining");
    daemon.signal(Signal::SIGTERM);
    let (code, log) = daemon.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("unfinished work is cut off"), "{log}");
}

fn a_signal_before_readiness_ends_the_daemon() {
    let home = Home::with_pools(&["late"]);
    let mut daemon = home.spawn(home.command(&[]));
    daemon.wait_for("waiting");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.end().0, Some(0));
}

/// The hexadecimal fields of `/proc/…/status` that begin with `Cap`, and `NoNewPrivs`.
fn rights(process: &str) -> HashMap<String, u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let fields = status.lines().filter_map(|line| line.split_once(":\t"));
    fields
        .filter(|(name, _)| name.starts_with("Cap") || *name == "NoNewPrivs")
        .map(|(name, value)| (name.to_owned(), u64::from_str_radix(value, 16).unwrap()))
        .collect()
}

fn only_the_needed_capabilities_are_kept() {
    const NET_ADMIN: u64 = 1 << 12;
    const SETPCAP: u64 = 1 << 8;
    let before = rights("self");
    let home = Home::new();
    let daemon = home.start();
    let after = rights(&daemon.id().to_string());
    let kept = before["CapPrm"] & NET_ADMIN;
    let bounding = if before["CapEff"] & SETPCAP == 0 { before["CapBnd"] } else { kept };
    for (name, expect) in [
        ("CapPrm", kept),
        ("CapEff", kept),
        ("CapInh", 0),
        ("CapAmb", 0),
        ("CapBnd", bounding),
        ("NoNewPrivs", 1),
    ] {
        assert_eq!(after[name], expect, "{name}");
    }
}

fn open_files_are_raised_to_the_hard_limit() {
    let home = Home::new();
    let daemon = home.start();
    let mut limits = String::new();
    eventually("the limits can be read", || {
        limits = fs::read_to_string(format!("/proc/{}/limits", daemon.id())).unwrap_or_default();
        !limits.is_empty()
    });
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    assert_eq!(fields[3], fields[4], "{line}");
}
