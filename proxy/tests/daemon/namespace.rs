//! A network namespace of a test's own, where it may make interfaces and addresses as it likes.

use nix::sched::{CloneFlags, unshare};
use std::process::Command;
use std::thread;

/// Runs `test` in a network namespace where these `ip` commands have been carried out; whatever it starts is there too.
/// Without root there is no namespace: the test says SKIPPED and passes, but fails where `CI=true` says that a skip
/// counts.
pub(crate) fn within(commands: &[&str], test: impl FnOnce() + Send + 'static) {
    let commands: Vec<String> = commands.iter().map(|&command| command.to_owned()).collect();
    let own = thread::spawn(move || {
        if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
            assert!(std::env::var_os("CI").is_none(), "no network namespace can be made: {errno}");
            println!("SKIPPED: no network namespace can be made ({errno}); run as root");
            return;
        }
        for command in std::iter::once("link set lo up").chain(commands.iter().map(String::as_str)) {
            let status = Command::new("ip").args(command.split(' ')).status().expect("ip of iproute2");
            assert!(status.success(), "ip {command}");
        }
        test();
    });
    if let Err(panic) = own.join() {
        std::panic::resume_unwind(panic);
    }
}
