//! Whose the socket's file is.

use crate::process::{Home, Named};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

pub(crate) const TRIALS: &[Named] = &[
    ("the_socket_is_its_owners_alone", the_socket_is_its_owners_alone),
    ("the_socket_of_a_dead_process_is_replaced", the_socket_of_a_dead_process_is_replaced),
    ("the_socket_of_a_living_process_is_left_to_it", the_socket_of_a_living_process_is_left_to_it),
    ("a_file_that_is_no_socket_is_left_alone", a_file_that_is_no_socket_is_left_alone),
    ("a_replaced_socket_is_not_removed", a_replaced_socket_is_not_removed),
    ("a_lock_on_the_directory_keeps_nobody_out", a_lock_on_the_directory_keeps_nobody_out),
    ("a_lock_that_is_kept_is_named", a_lock_that_is_kept_is_named),
    ("a_lock_that_is_a_link_is_named_and_not_followed", a_lock_that_is_a_link_is_named_and_not_followed),
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

fn a_lock_on_the_directory_keeps_nobody_out() {
    let home = Home::new();
    fs::create_dir(home.path("run")).unwrap();
    // Whoever may list the directory can do this.
    let directory = File::open(home.path("run")).unwrap();
    let _lock = Flock::lock(directory, FlockArg::LockExclusive).unwrap();
    let daemon = home.start();
    assert_eq!(daemon.get("/ready").status, 200);
    let mode = fs::metadata(home.path("run/causeway-fake.lock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

fn a_lock_that_is_kept_is_named() {
    let home = Home::new();
    fs::create_dir(home.path("run")).unwrap();
    let file = File::create(home.path("run/causeway-fake.lock")).unwrap();
    let _lock = Flock::lock(file, FlockArg::LockExclusive).unwrap();
    let (code, log) = home.spawn(home.command(&[])).end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("run/causeway-fake.lock locked; stop it"), "{log}");
}

fn a_lock_that_is_a_link_is_named_and_not_followed() {
    let home = Home::new();
    fs::create_dir(home.path("run")).unwrap();
    std::os::unix::fs::symlink(home.path("elsewhere"), home.path("run/causeway-fake.lock")).unwrap();
    let (code, log) = home.spawn(home.command(&[])).end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("cannot open the lock") && log.contains("run/causeway-fake.lock"), "{log}");
    assert!(!home.path("elsewhere").exists());
}
