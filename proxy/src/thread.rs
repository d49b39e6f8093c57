//! Threads with a single-threaded runtime of their own.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc as standard;
use std::thread;
use tokio::runtime::{Builder, Handle, LocalOptions, LocalRuntime};
use tokio::sync::mpsc;

/// A runtime whose tasks stay on the thread that made it.
pub(crate) fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

/// Starts a thread that runs what `make` makes, and gives its runtime. `failures` hears of it if that panics.
pub(crate) fn start<F: Future<Output = ()>>(
    name: &str,
    failures: mpsc::UnboundedSender<String>,
    make: impl FnOnce() -> F + Send + 'static,
) -> io::Result<Handle> {
    let (started, wait) = standard::sync_channel(1);
    let thread_name = name.to_owned();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
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
    wait.recv().unwrap_or_else(|_| Err(io::Error::other("the thread ended at once")))
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
