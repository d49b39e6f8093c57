//! The signals that a daemon answers to. SIGPIPE stays ignored, as Rust programs begin.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that ends a daemon: its name and the call that names it to the event loop.
#[derive(Clone, Copy, Debug)]
pub struct StopSignal {
    name: &'static str,
    kind: fn() -> SignalKind,
}

/// SIGQUIT, SIGUSR1 and SIGUSR2: they end a daemon in order where its terms say so.
pub const MORE_STOPS: &[StopSignal] = &[
    StopSignal { name: "SIGQUIT", kind: SignalKind::quit },
    StopSignal { name: "SIGUSR1", kind: SignalKind::user_defined1 },
    StopSignal { name: "SIGUSR2", kind: SignalKind::user_defined2 },
];

/// What ends every daemon.
const STOPS: &[StopSignal] = &[
    StopSignal { name: "SIGTERM", kind: SignalKind::terminate },
    StopSignal { name: "SIGINT", kind: SignalKind::interrupt },
];

/// SIGTERM, SIGINT and what else ends a daemon: stop. A second one stops at once.
#[derive(Debug)]
pub(crate) struct Stops(Vec<(&'static str, Signal)>);

/// SIGHUP: reload.
#[derive(Debug)]
pub(crate) struct Hangups(Signal);

impl Stops {
    /// Takes over the signals; they do not end the process from here on.
    pub(crate) fn new(more: &[StopSignal]) -> io::Result<Self> {
        let all = STOPS.iter().chain(more);
        all.map(|stop| Ok((stop.name, signal((stop.kind)())?))).collect::<io::Result<_>>().map(Self)
    }

    /// The name of the next signal.
    pub(crate) async fn next(&mut self) -> &'static str {
        poll_fn(|context| {
            for (name, signal) in &mut self.0 {
                // None says that the runtime is going down and no signal will come.
                if signal.poll_recv(context) == Poll::Ready(Some(())) {
                    return Poll::Ready(*name);
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl Hangups {
    /// Takes over the signal; it does not end the process from here on.
    pub(crate) fn new() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Returns at the next signal. Several that arrive meanwhile count as one.
    pub(crate) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // The runtime is going down and no signal will come.
            std::future::pending::<()>().await;
        }
    }
}
