//! What a service manager hears.

use crate::process::{Home, Named, Process};
use nix::sys::signal::Signal;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

pub(crate) const TRIALS: &[Named] = &[
    ("readiness_is_told_when_every_latch_is_open", readiness_is_told_when_every_latch_is_open),
    ("a_reload_is_told_from_begin_to_end", a_reload_is_told_from_begin_to_end),
    ("a_refused_reload_ends_ready_too", a_refused_reload_ends_ready_too),
    ("a_manager_that_does_not_listen_holds_nobody_up", a_manager_that_does_not_listen_holds_nobody_up),
    ("a_manager_may_have_an_abstract_name", a_manager_may_have_an_abstract_name),
    ("stopping_is_told", stopping_is_told),
    ("the_watchdog_is_fed_when_asked_for", the_watchdog_is_fed_when_asked_for),
    ("the_watchdog_of_another_process_is_not_fed", the_watchdog_of_another_process_is_not_fed),
];

/// A service manager's socket.
struct Manager(UnixDatagram);

impl Manager {
    fn of(home: &Home) -> Self {
        let socket = UnixDatagram::bind(home.path("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(socket)
    }

    fn start(home: &Home, variables: &[(&str, &str)]) -> Process {
        let mut command = home.command(&[]);
        command.env("NOTIFY_SOCKET", home.path("notify")).envs(variables.iter().copied());
        home.spawn(command)
    }

    /// The next message's lines.
    fn next(&self) -> Vec<String> {
        let mut message = [0; 4096];
        let length = self.0.recv(&mut message).unwrap();
        str::from_utf8(&message[..length]).unwrap().lines().map(str::to_owned).collect()
    }

    /// Messages up to one that holds a line; the last is that one.
    fn until(&self, line: &str) -> Vec<Vec<String>> {
        let mut messages = Vec::new();
        loop {
            messages.push(self.next());
            if messages.last().unwrap().iter().any(|found| found == line) {
                return messages;
            }
        }
    }
}

fn readiness_is_told_when_every_latch_is_open() {
    let home = Home::with_pools(&["late"]);
    let manager = Manager::of(&home);
    let mut daemon = Manager::start(&home, &[]);
    daemon.wait_for("waiting");
    assert_eq!(manager.next(), ["STATUS=waiting for fake; configuration 1"]);
    assert_eq!(daemon.post("/reload").status, 200);
    daemon.post("/open");
    // A reload before readiness is not told: READY=1 would end the start.
    assert_eq!(manager.next(), ["READY=1", "STATUS=serving; configuration 1"]);
}

fn a_reload_is_told_from_begin_to_end() {
    let home = Home::new();
    let manager = Manager::of(&home);
    let mut daemon = Manager::start(&home, &[]);
    daemon.wait_for(" ready");
    manager.until("READY=1");
    home.write(&home.text(&["extra"]));
    daemon.signal(Signal::SIGHUP);
    let begin = manager.next();
    assert_eq!((begin[0].as_str(), begin[2].as_str()), ("RELOADING=1", "STATUS=reloading"));
    let time: u64 = begin[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(time > 0);
    assert_eq!(manager.next(), ["READY=1", "STATUS=serving; configuration 2"]);
}

fn a_refused_reload_ends_ready_too() {
    let home = Home::new();
    let manager = Manager::of(&home);
    let mut daemon = Manager::start(&home, &[]);
    daemon.wait_for(" ready");
    manager.until("READY=1");
    home.write("");
    assert_eq!(daemon.post("/reload").status, 422);
    assert_eq!(manager.next()[0], "RELOADING=1");
    assert_eq!(manager.next(), ["READY=1", "STATUS=serving; configuration 1; last reload refused"]);
}

fn a_manager_that_does_not_listen_holds_nobody_up() {
    let home = Home::new();
    let manager = Manager::of(&home);
    let mut daemon = Manager::start(&home, &[]);
    daemon.wait_for(" ready");
    manager.until("READY=1");
    let other = UnixDatagram::unbound().unwrap();
    other.connect(home.path("notify")).unwrap();
    other.set_nonblocking(true).unwrap();
    while other.send(b"NOISE=1").is_ok() {}
    for pools in [&["second"][..], &["second", "third"]] {
        home.write(&home.text(pools));
        assert_eq!(daemon.post("/reload").status, 200);
    }
    // All of it arrives, in order, as soon as there is room.
    for generation in [2, 3] {
        let told = manager.until("READY=1");
        let told: Vec<_> = told.iter().filter(|lines| *lines != &["NOISE=1"]).collect();
        assert_eq!((told.len(), told[0][0].as_str()), (2, "RELOADING=1"), "{told:?}");
        assert_eq!(told[1][1], format!("STATUS=serving; configuration {generation}"));
    }
    daemon.signal(Signal::SIGTERM);
    manager.until("STOPPING=1");
    assert_eq!(daemon.end().0, Some(0));
}

fn a_manager_may_have_an_abstract_name() {
    let home = Home::new();
    let name = format!("causeway-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let manager = Manager(socket);
    let mut command = home.command(&[]);
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    let mut daemon = home.spawn(command);
    daemon.wait_for(" ready");
    manager.until("READY=1");
}

fn stopping_is_told() {
    let home = Home::new();
    let manager = Manager::of(&home);
    let mut daemon = Manager::start(&home, &[]);
    daemon.wait_for(" ready");
    daemon.signal(Signal::SIGTERM);
    manager.until("STOPPING=1");
    assert_eq!(daemon.end().0, Some(0));
}

fn the_watchdog_is_fed_when_asked_for() {
    let home = Home::new();
    let manager = Manager::of(&home);
    let mut daemon = Manager::start(&home, &[("WATCHDOG_USEC", "20000")]);
    daemon.wait_for(" ready");
    manager.until("READY=1");
    for _ in 0..3 {
        assert_eq!(manager.next(), ["WATCHDOG=1"]);
    }
}

fn the_watchdog_of_another_process_is_not_fed() {
    let home = Home::new();
    let manager = Manager::of(&home);
    let mut daemon = Manager::start(&home, &[("WATCHDOG_USEC", "20000"), ("WATCHDOG_PID", "1")]);
    daemon.wait_for(" ready");
    daemon.signal(Signal::SIGTERM);
    let told = manager.until("STOPPING=1");
    assert!(told.iter().flatten().all(|line| line != "WATCHDOG=1"), "{told:?}");
}
