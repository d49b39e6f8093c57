//! The manners that every daemon shares: command line, logs, metrics, admin HTTP, reload, signals, systemd, privileges.

mod daemon;
mod readiness;

pub use caps::Capability;
pub use daemon::{Boot, Daemon};
pub use readiness::{Latch, Readiness};

use std::process::ExitCode;

/// Runs a daemon's whole command line and returns the status to exit with: 0 fine, 1 runtime failure, 2 bad usage or
/// bad configuration.
pub fn main<D: Daemon>() -> ExitCode {
    ExitCode::FAILURE
}

/// The number of cores this process may run on: what `workers = 0` stands for. At least 1.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
