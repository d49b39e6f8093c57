//! The threads of the data path: started together, stopped together, and never lost without a word.

use crate::counters::Counters;
use crate::worker::{Shared, Worker};
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::mpsc::UnboundedSender;

/// Running workers.
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    counters: Vec<Arc<Counters>>,
    shared: Shared,
}

impl Workers {
    /// Starts one thread per queue. A worker that cannot go on says why through `failures`. Returns when every worker
    /// runs.
    pub async fn start(
        queues: Vec<OwnedFd>,
        shared: Shared,
        failures: &UnboundedSender<String>,
    ) -> io::Result<Self> {
        let mut workers = Self { threads: Vec::new(), counters: Vec::new(), shared };
        let count = u32::try_from(queues.len()).unwrap_or(u32::MAX);
        let (running, mut started) = tokio::sync::mpsc::channel::<()>(1);
        for (number, queue) in queues.into_iter().enumerate() {
            let counters = Arc::new(Counters::default());
            let mut worker = Worker::new(queue, count, workers.shared.clone(), Arc::clone(&counters));
            let (failures, running) = (failures.clone(), running.clone());
            let thread = std::thread::Builder::new().name(format!("nat64-{number}")).spawn(move || {
                // The channel ends when the last thread has come here.
                drop(running);
                keep_running(&mut worker, number, &failures);
            });
            match thread {
                Ok(thread) => workers.threads.push(thread),
                Err(error) => {
                    workers.stop();
                    return Err(error);
                }
            }
            workers.counters.push(counters);
        }
        drop(running);
        // Nothing is ever sent: this waits for the end of the channel.
        let _ = started.recv().await;
        Ok(workers)
    }

    /// The counters of each worker.
    pub fn counters(&self) -> Vec<Arc<Counters>> {
        self.counters.clone()
    }

    /// Ends all workers; blocks for as long as a batch takes.
    pub fn stop(self) {
        if let Err(errno) = self.shared.stop.write(1) {
            tracing::error!(%errno, "the workers cannot be told to stop");
            return;
        }
        for thread in self.threads {
            // The thread catches panics, so there is nothing to learn from its end.
            let _ = thread.join();
        }
    }
}

/// Runs a worker again after each panic: one packet that trips over a mistake must not end the others' service. The
/// panic hook logs it under the thread's name, and the worker counts it.
fn keep_running(worker: &mut Worker, number: usize, failures: &UnboundedSender<String>) {
    loop {
        match catch_unwind(AssertUnwindSafe(|| worker.run())) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                let _ = failures.send(format!("worker {number}: {error}"));
                return;
            }
            Err(_) => worker.recover(),
        }
    }
}
