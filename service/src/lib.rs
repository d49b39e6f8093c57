//! The manners that every daemon shares: command line, logs, metrics, admin HTTP, reload, signals, systemd, privileges.
//!
//! A daemon implements [`Daemon`] and calls [`main`]:
//!
//! ```text
//! arguments -> file, checked -> logs -> open files, capabilities -> event loop -> admin sockets -> Daemon::start
//!   -> latches open -> READY=1 -> { signals, reloads, watchdog, failures } -> Daemon::drain -> exit
//! ```
//!
//! One thread runs all of this. Data paths live on threads that [`Daemon::start`] makes; they report back through
//! [`Latch`]es, metrics and [`Boot::failures`]. No protocol and no rule of a single daemon lives here.

mod admin;
mod cli;
mod client;
mod daemon;
mod error;
mod explain;
mod file;
mod instance;
mod logs;
mod metrics;
mod order;
mod privileges;
mod readiness;
mod reload;
mod run;
mod signals;
mod status;
mod systemd;
mod terms;
pub mod tls;
pub mod unix_socket;

pub use caps::Capability;
pub use daemon::{Boot, Daemon};
pub use explain::{Explain, ExplainOption, accepts_json};
pub use logs::Sink;
pub use order::Order;
pub use privileges::give_up;
pub use readiness::{Latch, Readiness};
pub use signals::{MORE_STOPS, StopSignal};
pub use status::span;
pub use status::table::{Cell, Table};
pub use systemd::inherited;
pub use terms::{AdminNeed, AnyError, Herald, Terms};

use config::Gateway;
use std::process::ExitCode;

/// Runs a daemon's whole command line and returns the status to exit with: 0 fine, 1 runtime failure, 2 bad usage or
/// bad configuration.
pub fn main<D: Daemon>() -> ExitCode {
    cli::main::<D>()
}

/// Runs a daemon on terms of its own, with a configuration that [`Terms`] name and the caller has read and checked.
/// Returns the status to exit with: 0 after an orderly end, 1 after a failure.
///
/// The process has one thread until then.
pub fn serve<D: Daemon>(model: Gateway, terms: Terms) -> ExitCode {
    run::run::<D>(model, terms)
}

/// The number of cores this process may run on: what `workers = 0` stands for. At least 1.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
