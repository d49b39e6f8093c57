//! Threads with a single-threaded runtime of their own.

use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc as standard;
use std::thread;
use tokio::runtime::{Builder, Handle, LocalOptions, LocalRuntime};
use tokio::sync::mpsc;

/// So many sockets are heard of at one look at them: of all that are ready, if they are fewer (see [`crate::turn`]). Each
/// takes 12 octets.
const HEARD_AT_ONCE: usize = 16_384;

/// A runtime whose tasks stay on the thread that made it.
pub(crate) fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .max_io_events_per_tick(HEARD_AT_ONCE)
        .build_local(LocalOptions::default())
}

/// A thread that was started.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) runtime: Handle,
    /// Closes when the thread has ended, and its runtime with all that was in it. Nothing is ever sent.
    pub(crate) ended: standard::Receiver<Infallible>,
}

/// Starts a thread that runs what `make` makes. `failures` hears of it if that panics.
pub(crate) fn start<F: Future<Output = ()>>(
    name: &str,
    failures: mpsc::UnboundedSender<String>,
    make: impl FnOnce() -> F + Send + 'static,
) -> io::Result<Running> {
    let (ending, ended) = standard::channel();
    let (started, wait) = standard::sync_channel(1);
    let thread_name = name.to_owned();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Dropped behind the runtime.
        let _ending = ending;
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(error))),
        };
        drop(started.send(Ok(runtime.handle().clone())));
        if catch_unwind(AssertUnwindSafe(|| runtime.block_on(make()))).is_err() {
            // The daemon is ending anyway if nobody listens.
            let _ = failures.send(format!("the thread of {thread_name} panicked"));
        }
    })?;
    let runtime = wait.recv().unwrap_or_else(|_| Err(io::Error::other("the thread ended at once")))?;
    Ok(Running { runtime, ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panicking_thread_is_reported() {
        let (failures, mut heard) = mpsc::unbounded_channel();
        start("probe", failures, || async { panic!("a fault") }).unwrap();
        assert_eq!(heard.blocking_recv().unwrap(), "the thread of probe panicked");
    }

    #[test]
    fn a_thread_that_ends_is_not_reported() {
        let (failures, mut heard) = mpsc::unbounded_channel();
        start("probe", failures, || async {}).unwrap();
        assert_eq!(heard.blocking_recv(), None);
    }
}
