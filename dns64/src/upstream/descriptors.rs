//! How many sockets all upstreams together may have open, so that clients always find some left. Pure but for one
//! counter.

use prometheus_client::metrics::gauge::Gauge;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sockets towards upstreams, whatever the system would allow.
const MOST: usize = 4096;

/// What upstreams may take of the files that the process may open.
const PART: usize = 4;

/// The count of open sockets.
#[derive(Debug)]
pub(super) struct Descriptors {
    limit: usize,
    open: AtomicUsize,
    shown: Gauge,
}

/// One open socket. Dropping it gives the place back; it is dropped after the socket.
#[derive(Debug)]
pub(super) struct Descriptor(Arc<Descriptors>);

impl Descriptors {
    /// For a process that may open `files` files. How many are open is `shown`.
    pub(super) fn new(files: usize, shown: Gauge) -> Arc<Self> {
        Arc::new(Self { limit: (files / PART).clamp(1, MOST), open: AtomicUsize::new(0), shown })
    }

    /// A place for one socket, if there is one.
    pub(super) fn take(self: &Arc<Self>) -> Option<Descriptor> {
        let room = |open: usize| (open < self.limit).then_some(open + 1);
        self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        self.shown.inc();
        Some(Descriptor(Arc::clone(self)))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.shown.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_take_a_part_and_what_is_given_back_can_be_had_again() {
        let shown = Gauge::default();
        let descriptors = Descriptors::new(8, shown.clone());
        let held: Vec<_> = std::iter::from_fn(|| descriptors.take()).collect();
        assert_eq!((held.len(), shown.get()), (2, 2));
        drop(held);
        assert_eq!(shown.get(), 0);
        assert!(descriptors.take().is_some());
    }

    #[test]
    fn a_generous_system_is_not_used_up() {
        let limit = |files| Descriptors::new(files, Gauge::default()).limit;
        assert_eq!((limit(1 << 20), limit(0)), (MOST, 1));
    }
}
