//! Whole daemons, started as processes of their own: this program again, told by its environment to be one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod commands;
mod fake;
mod faults;
mod life;
mod logs;
mod manager;
mod process;
mod reload;
mod socket;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    if process::is_daemon() {
        return service::main::<fake::Fake>();
    }
    let trials = [
        access::TRIALS,
        commands::TRIALS,
        faults::TRIALS,
        life::TRIALS,
        logs::TRIALS,
        manager::TRIALS,
        reload::TRIALS,
        socket::TRIALS,
    ];
    let trials = trials.iter().copied().flatten().map(|&(name, trial)| {
        Trial::test(name, move || {
            trial();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
