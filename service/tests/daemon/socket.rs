//! Whose the socket's file is.

use crate::process::{Home, Named};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

pub(crate) const TRIALS: &[Named] = &[
    ("the_socket_is_its_owners_alone", the_socket_is_its_owners_alone),
    ("the_socket_of_a_dead_process_is_replaced", the_socket_of_a_dead_process_is_replaced),
    ("the_socket_of_a_living_process_is_left_to_it", the_socket_of_a_living_process_is_left_to_it),
    ("a_file_that_is_no_socket_is_left_alone", a_file_that_is_no_socket_is_left_alone),
    ("a_replaced_socket_is_not_removed", a_replaced_socket_is_not_removed),
];

fn the_socket_is_its_owners_alone() {
    let home = Home::new();
    let _daemon = home.start();
    let mode = fs::metadata(home.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

fn the_socket_of_a_dead_process_is_replaced() {
    let home = Home::new();
    drop(home.start());
    assert!(home.socket().exists(), "a killed daemon leaves its socket behind");
    let daemon = home.start();
    assert_eq!(daemon.get("/ready").status, 200);
}

fn the_socket_of_a_living_process_is_left_to_it() {
    let home = Home::new();
    let first = home.start();
    let (code, log) = home.spawn(home.command(&[])).end();
    assert_eq!(code, Some(1), "{log}");
    let holder = format!("(process {})", first.id());
    assert!(log.contains(&holder) && log.contains("causeway-fake.sock"), "{holder} is not in\n{log}");
    assert_eq!(first.get("/ready").status, 200);
}

fn a_file_that_is_no_socket_is_left_alone() {
    let home = Home::new();
    fs::create_dir(home.path("run")).unwrap();
    fs::write(home.socket(), "precious").unwrap();
    let (code, log) = home.spawn(home.command(&[])).end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("is not a socket"), "{log}");
    assert_eq!(fs::read_to_string(home.socket()).unwrap(), "precious");
}

fn a_replaced_socket_is_not_removed() {
    let home = Home::new();
    let daemon = home.start();
    fs::remove_file(home.socket()).unwrap();
    let _other = UnixListener::bind(home.socket()).unwrap();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.end().0, Some(0));
    assert!(home.socket().exists());
}
