//! Reloads, good and bad, by signal and by request.

use crate::process::{Home, Named, Process, ask, eventually};
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;
use std::thread;

pub(crate) const TRIALS: &[Named] = &[
    ("an_unchanged_file_changes_nothing", an_unchanged_file_changes_nothing),
    ("a_changed_file_is_the_next_generation", a_changed_file_is_the_next_generation),
    ("a_broken_file_leaves_the_old_configuration", a_broken_file_leaves_the_old_configuration),
    ("a_missing_file_leaves_the_old_configuration", a_missing_file_leaves_the_old_configuration),
    (
        "what_the_daemon_refuses_leaves_the_old_configuration",
        what_the_daemon_refuses_leaves_the_old_configuration,
    ),
    (
        "a_change_that_needs_a_restart_is_named_and_refused",
        a_change_that_needs_a_restart_is_named_and_refused,
    ),
    ("a_failed_preparation_leaves_the_old_configuration", a_failed_preparation_leaves_the_old_configuration),
    (
        "a_panic_in_preparation_leaves_the_old_configuration",
        a_panic_in_preparation_leaves_the_old_configuration,
    ),
    ("other_daemons_sections_do_not_concern", other_daemons_sections_do_not_concern),
    ("sighup_reloads", sighup_reloads),
    ("sighup_with_a_broken_file_is_logged_once", sighup_with_a_broken_file_is_logged_once),
    ("reloads_run_one_at_a_time", reloads_run_one_at_a_time),
    ("a_refused_reload_shows_in_status", a_refused_reload_shows_in_status),
];

#[track_caller]
fn check_old_runs_on(daemon: &Process) {
    assert_eq!(daemon.metric("causeway_config_generation"), 1);
    assert_eq!(daemon.metric("causeway_config_last_reload_successful"), 0);
    assert_eq!(daemon.metric("causeway_fake_pools"), 1);
    assert_eq!(daemon.get("/ready").status, 200);
    assert!(!daemon.get("/config").body.contains("name = \"extra\""));
}

fn an_unchanged_file_changes_nothing() {
    let home = Home::new();
    let daemon = home.start();
    let answer = daemon.post("/reload");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({ "ok": true, "generation": 1, "changes": [] }));
}

fn a_changed_file_is_the_next_generation() {
    let home = Home::new();
    let daemon = home.start();
    home.write(&home.text(&["extra"]));
    let answer = daemon.post("/reload");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let result = answer.json();
    assert_eq!((&result["ok"], &result["generation"]), (&json!(true), &json!(2)));
    assert!(result["changes"][0].as_str().unwrap().contains("proxy.pool[extra]"), "{result}");
    assert_eq!(daemon.metric("causeway_config_generation"), 2);
    assert_eq!(daemon.metric("causeway_config_last_reload_successful"), 1);
    assert_eq!(daemon.metric("causeway_fake_pools"), 2);
    assert!(daemon.get("/config").body.contains("name = \"extra\""));
}

fn a_broken_file_leaves_the_old_configuration() {
    let home = Home::new();
    let daemon = home.start();
    home.write(&home.text(&["extra"]).replace("mode", "mdoe"));
    let answer = daemon.post("/reload");
    assert_eq!(answer.status, 422);
    let result = answer.json();
    assert_eq!((&result["ok"], &result["generation"]), (&json!(false), &json!(1)));
    let error = result["error"].as_str().unwrap();
    assert!(error.contains("mdoe") && error.contains("gateway.toml"), "{error}");
    check_old_runs_on(&daemon);
    home.write(&home.text(&["extra"]));
    assert_eq!(daemon.post("/reload").json()["generation"], 2);
}

fn a_missing_file_leaves_the_old_configuration() {
    let home = Home::new();
    let daemon = home.start();
    fs::remove_file(home.file()).unwrap();
    let answer = daemon.post("/reload");
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("No such file"), "{}", answer.body);
    check_old_runs_on(&daemon);
}

fn what_the_daemon_refuses_leaves_the_old_configuration() {
    let home = Home::new();
    let daemon = home.start();
    home.write(&format!("{}\n[[proxy.pool]]\nname = \"extra\"\nbalance = \"random\"\n", home.text(&[])));
    let answer = daemon.post("/reload");
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("random is not served here"), "{}", answer.body);
    check_old_runs_on(&daemon);
}

fn a_change_that_needs_a_restart_is_named_and_refused() {
    let home = Home::new();
    let daemon = home.start();
    home.write(&home.text(&["extra"]).replace("[proxy]\n", "[proxy]\nworkers = 3\n"));
    let answer = daemon.post("/reload");
    assert_eq!(answer.status, 409, "{}", answer.body);
    let result = answer.json();
    assert_eq!(result["ok"], false);
    let named = result["restart"].as_array().unwrap();
    assert_eq!(named.len(), 1, "{result}");
    assert!(named[0].as_str().unwrap().contains("proxy.workers"), "{result}");
    check_old_runs_on(&daemon);
}

fn a_failed_preparation_leaves_the_old_configuration() {
    let home = Home::new();
    let daemon = home.start();
    home.write(&home.text(&["extra", "unpreparable"]));
    let answer = daemon.post("/reload");
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("an unpreparable pool"), "{}", answer.body);
    check_old_runs_on(&daemon);
}

fn a_panic_in_preparation_leaves_the_old_configuration() {
    let home = Home::new();
    let mut daemon = home.start();
    home.write(&home.text(&["extra", "panicking"]));
    assert_eq!(daemon.post("/reload").status, 500);
    daemon.wait_for("a thread panicked");
    check_old_runs_on(&daemon);
}

fn other_daemons_sections_do_not_concern() {
    let home = Home::new();
    let nat64 = "[prefix]\npref64 = \"2001:db8:64::/96\"\n[nat64]\nipv4_addr = \"192.0.2.1\"\n\
                 ipv6_addr = \"2001:db8:ffff::64\"\n";
    home.write(&format!("{}{nat64}device = \"one\"\n", home.text(&[])));
    let daemon = home.start();
    home.write(&format!("{}{nat64}device = \"two\"\n", home.text(&[])));
    let answer = daemon.post("/reload");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json(), json!({ "ok": true, "generation": 1, "changes": [] }));
    assert!(daemon.get("/config").body.contains("device = \"two\""));
}

fn sighup_reloads() {
    let home = Home::new();
    let mut daemon = home.start();
    home.write(&home.text(&["extra"]));
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for("configuration reloaded");
    assert_eq!(daemon.metric("causeway_config_generation"), 2);
    assert_eq!(daemon.metric("causeway_fake_pools"), 2);
}

fn sighup_with_a_broken_file_is_logged_once() {
    let home = Home::new();
    let mut daemon = home.start();
    home.write("[proxy\n");
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for("reload refused");
    check_old_runs_on(&daemon);
    daemon.signal(Signal::SIGTERM);
    let (code, log) = daemon.end();
    assert_eq!(code, Some(0), "{log}");
    let refused: Vec<_> = log.lines().filter(|line| line.contains("reload refused")).collect();
    assert_eq!(refused.len(), 1, "{log}");
    assert!(refused[0].contains("gateway.toml:1:"), "{log}");
}

fn reloads_run_one_at_a_time() {
    let home = Home::new();
    let _daemon = home.start();
    home.write(&home.text(&["extra"]));
    let generations: Vec<_> = thread::scope(|scope| {
        let requests: Vec<_> =
            (0..20).map(|_| scope.spawn(|| ask(&home.socket(), "POST", "/reload").json())).collect();
        requests.into_iter().map(|request| request.join().unwrap()).collect()
    });
    assert!(generations.iter().all(|result| result["generation"] == 2), "{generations:?}");
    let applied = generations.iter().filter(|result| !result["changes"].as_array().unwrap().is_empty());
    assert_eq!(applied.count(), 1, "{generations:?}");
}

fn a_refused_reload_shows_in_status() {
    let home = Home::new();
    let daemon = home.start();
    let good = home.text(&[]);
    home.write(&home.text(&["unpreparable"]));
    daemon.post("/reload");
    eventually("status shows the refused reload", || {
        let said = home.output(&["status"]);
        String::from_utf8_lossy(&said.stdout).contains("an unpreparable pool")
    });
    home.write(&good);
    daemon.post("/reload");
    assert_eq!(daemon.get("/status").json()["last_reload"]["ok"], true);
}
