//! A receiver of syslog that drops what it gets: one thread, which takes one datagram with each call, as most receivers do.

use crate::namespace::Namespace;
use crate::wait::readable;
use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::gettid;
use std::io::{self, PipeWriter};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

/// Octets of the longest line.
const ROOM: usize = 2048;

/// The thread. Dropping it ends it.
pub(super) struct Receiver {
    thread: Option<JoinHandle<()>>,
    taken: Arc<AtomicU64>,
    stop: Option<PipeWriter>,
}

impl Receiver {
    /// Listens at `address` inside `host`, on these processors.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub(super) fn start(host: &Namespace, address: SocketAddr, processors: &CpuSet) -> Result<Self> {
        let socket =
            host.run(|| UdpSocket::bind(address)).with_context(|| format!("cannot bind {address}"))?;
        socket.set_nonblocking(true)?;
        let (stopped, stop) = io::pipe()?;
        let (born, birth) = mpsc::channel();
        let taken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&taken);
        let thread = thread::Builder::new().name("receiver".to_owned()).spawn(move || {
            // Who waits for it is gone only if this process is ending.
            let _ = born.send(gettid());
            let mut line = [0; ROOM];
            while readable(&socket, &stopped) {
                while socket.recv(&mut line).is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        })?;
        let id = birth.recv().context("the receiver did not start")?;
        let receiver = Self { thread: Some(thread), taken, stop: Some(stop) };
        sched_setaffinity(id, processors).context("cannot bind the receiver")?;
        Ok(receiver)
    }

    /// How many lines it has got.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has already said so on standard error.
            let _ = thread.join();
        }
    }
}
