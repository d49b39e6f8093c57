//! What is logged, and how.

use crate::process::{Home, Named};
use nix::sys::signal::Signal;
use serde_json::Value;

pub(crate) const TRIALS: &[Named] = &[
    ("json_logs_are_one_object_a_line", json_logs_are_one_object_a_line),
    ("level_and_format_change_by_reload", level_and_format_change_by_reload),
    ("a_panic_is_logged_and_the_daemon_goes_on", a_panic_is_logged_and_the_daemon_goes_on),
    ("a_panic_is_logged_as_json", a_panic_is_logged_as_json),
];

fn log(home: &Home, level: &str, format: &str) {
    home.write(&format!("{}[log]\nlevel = \"{level}\"\nformat = \"{format}\"\n", home.text(&[])));
}

fn json_logs_are_one_object_a_line() {
    let home = Home::new();
    log(&home, "debug", "json");
    let mut daemon = home.spawn(home.command(&[]));
    daemon.wait_for("\"message\":\"ready\"");
    daemon.signal(Signal::SIGTERM);
    let (code, log) = daemon.end();
    assert_eq!(code, Some(0), "{log}");
    for line in log.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        assert!(object["level"].is_string() && object["message"].is_string(), "{line}");
    }
}

fn level_and_format_change_by_reload() {
    let home = Home::new();
    log(&home, "error", "text");
    let mut daemon = home.spawn(home.command(&[]));
    crate::process::eventually("the socket is there", || home.socket().exists());
    crate::process::eventually("the daemon is ready", || daemon.get("/ready").status == 200);
    log(&home, "info", "json");
    assert_eq!(daemon.post("/reload").status, 200);
    let line = daemon.wait_for("configuration reloaded");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["generation"], 2);
    log(&home, "error", "text");
    assert_eq!(daemon.post("/reload").status, 200);
    daemon.signal(Signal::SIGTERM);
    let (code, log) = daemon.end();
    assert_eq!((code, log.lines().count()), (Some(0), 1), "{log}");
}

fn a_panic_is_logged_and_the_daemon_goes_on() {
    let home = Home::new();
    let mut daemon = home.start();
    daemon.post("/panic");
    let line = daemon.wait_for("a thread panicked");
    for part in ["ERROR", "worker-7", "told to panic", "fake.rs"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert_eq!(daemon.get("/ready").status, 200);
}

fn a_panic_is_logged_as_json() {
    let home = Home::new();
    log(&home, "info", "json");
    let mut daemon = home.spawn(home.command(&[]));
    daemon.wait_for("\"message\":\"ready\"");
    daemon.post("/panic");
    let object: Value = serde_json::from_str(&daemon.wait_for("a thread panicked")).unwrap();
    assert_eq!(object["level"], "ERROR");
    assert_eq!(object["thread"], "worker-7");
    assert_eq!(object["reason"], "told to panic");
}
