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

/// A command that runs the daemon as if its control group had this much memory, which the kernel does not enforce. None
/// without root, as with [`within`].
pub(crate) fn with_memory(bytes: usize) -> Option<Command> {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "nothing can be mounted without root");
        println!("SKIPPED: nothing can be mounted; run as root");
        return None;
    }
    let mut command = Command::new("unshare");
    let script = format!(
        "mount -t tmpfs none /sys/fs/cgroup && echo {bytes} > /sys/fs/cgroup/memory.max && exec \"$0\" \"$@\""
    );
    command.args(["--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_causeway-proxy")]);
    Some(command)
}
