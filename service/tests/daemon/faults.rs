//! Daemons that cannot start or cannot go on.

use crate::process::{Home, Named};
use std::fs;
use std::net::TcpListener;

pub(crate) const TRIALS: &[Named] = &[
    ("a_daemon_that_cannot_start_says_why", a_daemon_that_cannot_start_says_why),
    ("a_failed_part_ends_the_daemon", a_failed_part_ends_the_daemon),
    ("a_failed_part_ends_a_daemon_that_is_not_ready", a_failed_part_ends_a_daemon_that_is_not_ready),
    ("an_admin_address_in_use_is_named", an_admin_address_in_use_is_named),
    ("a_token_that_cannot_be_read_is_named", a_token_that_cannot_be_read_is_named),
    ("an_admin_directory_that_cannot_be_made_is_named", an_admin_directory_that_cannot_be_made_is_named),
];

/// Starts a daemon that must end with status 1 and leave no socket, and checks what it says.
#[track_caller]
fn check(home: &Home, parts: &[&str]) {
    let (code, log) = home.spawn(home.command(&[])).end();
    assert_eq!(code, Some(1), "{log}");
    let line =
        log.lines().find(|line| line.contains("ERROR")).unwrap_or_else(|| panic!("no error in\n{log}"));
    for part in parts {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!home.socket().exists());
}

fn a_daemon_that_cannot_start_says_why() {
    check(&Home::with_pools(&["unstartable"]), &["cannot start: an unstartable pool"]);
}

fn a_failed_part_ends_the_daemon() {
    let home = Home::new();
    let daemon = home.start();
    assert_eq!(daemon.post("/fail").status, 200);
    let (code, log) = daemon.end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.lines().any(|line| line.contains("ERROR") && line.contains("told to fail")), "{log}");
    assert!(!home.socket().exists());
}

fn a_failed_part_ends_a_daemon_that_is_not_ready() {
    let home = Home::with_pools(&["late"]);
    let mut daemon = home.spawn(home.command(&[]));
    daemon.wait_for("waiting");
    daemon.post("/fail");
    assert_eq!(daemon.end().0, Some(1));
}

fn an_admin_address_in_use_is_named() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    home.write(&home.text(&[]).replace("[admin]\n", &format!("[admin]\nlisten = [\"{address}\"]\n")));
    check(&home, &["admin.listen", &address, "in use"]);
}

fn a_token_that_cannot_be_read_is_named() {
    let home = Home::new();
    let path = home.path("token");
    home.write(
        &home.text(&[]).replace("[admin]\n", &format!("[admin]\ntoken_file = \"{}\"\n", path.display())),
    );
    check(&home, &["admin.token_file", "/token", "No such file"]);
    fs::write(&path, "").unwrap();
    check(&home, &["admin.token_file", "/token", "must be one word"]);
}

fn an_admin_directory_that_cannot_be_made_is_named() {
    let home = Home::new();
    fs::write(home.path("run"), "a file").unwrap();
    check(&home, &["admin.socket", "/run"]);
}
