//! The signals that a daemon answers to. SIGPIPE stays ignored, as Rust programs begin.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT: stop. A second one stops at once.
#[derive(Debug)]
pub(crate) struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

/// SIGHUP: reload.
#[derive(Debug)]
pub(crate) struct Hangups(Signal);

impl Stops {
    /// Takes over the signals; they do not end the process from here on.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next signal.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            () = each(&mut self.terminate) => "SIGTERM",
            () = each(&mut self.interrupt) => "SIGINT",
        }
    }
}

impl Hangups {
    /// Takes over the signal; it does not end the process from here on.
    pub(crate) fn new() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Returns at the next signal. Several that arrive meanwhile count as one.
    pub(crate) async fn next(&mut self) {
        each(&mut self.0).await;
    }
}

async fn each(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        // The runtime is going down and no signal will come.
        std::future::pending::<()>().await;
    }
}
