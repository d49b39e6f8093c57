//! The packet loop: one thread, one queue of the device, one translator for all packets of a batch.
//!
//! ```text
//! poll ──> read ──> translate in place ──> merge or write ──> read ... until empty or BATCH ──> write the rest ──> poll
//! ```
//!
//! Packets of one flow come from one queue and go back to it in their order; see [`crate::egress`]. Nothing is
//! allocated or locked per packet; the translator's parameters are looked up once per batch. Does not log: what
//! happens is counted in [`Counters`] or returned.

use crate::counters::{BATCH, Counters, Family};
use crate::drop_log::{DropLog, Watch};
use crate::egress::{Egress, Merging, Queue};
use crate::lease::{LeaseView, SharedPool};
use crate::next_hop::Routed;
use crate::pool::UnixTime;
use arc_swap::ArcSwap;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::fd::{AsFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use translator::{Context, Frame, GsoType, Translator, Verdict, WorkerState};

/// The longest packet a TUN device gives: an IPv6 super-packet, whose header comes on top of 65 535 bytes.
const LONGEST_PACKET: usize = 65_535 + 40;

/// Why a worker cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    /// The device was removed.
    #[error("the TUN device was removed: start the daemon again, and leave the device alone while it runs")]
    DeviceGone,
    /// The kernel said something else.
    #[error("cannot read from the TUN device: {0}")]
    Read(Errno),
}

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    /// The translator of the configuration in force.
    pub translator: Arc<ArcSwap<Translator>>,
    /// The dynamic pool.
    pub pool: Arc<SharedPool>,
    /// What may be merged.
    pub merging: Arc<Merging>,
    /// What is told of packets that are not translated.
    pub drop_log: Arc<DropLog>,
    /// Readable when the workers are to end.
    pub stop: Arc<EventFd>,
}

/// One worker on a queue of the device, or on what stands for one in a test.
pub struct Worker<Q = OwnedFd> {
    egress: Egress<Q>,
    shared: Shared,
    counters: Arc<Counters>,
    leases: LeaseView,
    watch: Watch,
    next_hops: Routed,
    /// How many workers there are.
    workers: u32,
    state: WorkerState,
    frame: Frame,
    started: Instant,
    /// Whether the last batch had one packet, as batches have where an answer is waited for.
    was_alone: bool,
}

enum Wake {
    Packets,
    Nothing,
    Stop,
}

impl<Q: Queue> Worker<Q> {
    /// One of `workers` workers, on a non-blocking `queue`.
    pub fn new(queue: Q, workers: u32, shared: Shared, counters: Arc<Counters>) -> Self {
        Self {
            egress: Egress::new(queue, Arc::clone(&shared.merging), Arc::clone(&counters)),
            leases: LeaseView::new(Arc::clone(&shared.pool), unix_time()),
            watch: Watch::new(Arc::clone(&shared.drop_log)),
            shared,
            counters,
            next_hops: Routed::default(),
            workers,
            state: fresh_state(workers),
            frame: Frame::with_capacity(LONGEST_PACKET),
            started: Instant::now(),
            was_alone: true,
        }
    }

    /// Translates packets until told to stop.
    pub fn run(&mut self) -> Result<(), WorkerError> {
        loop {
            match self.wait()? {
                Wake::Packets => self.batch()?,
                Wake::Nothing => {}
                Wake::Stop => return Ok(()),
            }
        }
    }

    /// Makes the worker fit to run again after a panic in [`Worker::run`], at the cost of the packet at hand.
    pub fn recover(&mut self) {
        self.counters.panicked();
        self.state = fresh_state(self.workers);
        self.frame = Frame::with_capacity(LONGEST_PACKET);
        // The packets that waited are sound, unless the mistake is where they wait.
        let flushed = catch_unwind(AssertUnwindSafe(|| self.egress.flush(&mut self.state)));
        if flushed.is_err() {
            self.egress.clear();
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&self) -> Result<Wake, WorkerError> {
        let mut fds = [
            PollFd::new(self.shared.stop.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.egress.queue().as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Wake::Nothing),
            Ok(_) => {}
            Err(errno) => return Err(WorkerError::Read(errno)),
        }
        let [stop, queue] = fds.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        if !stop.is_empty() {
            return Ok(Wake::Stop);
        }
        // The driver says POLLERR when the device behind the descriptor is gone.
        if queue.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL) {
            return Err(WorkerError::DeviceGone);
        }
        Ok(Wake::Packets)
    }

    /// Translates what the queue holds, at most [`BATCH`] packets. Does not wait for any.
    ///
    /// # Errors
    /// The queue cannot be read.
    pub fn batch(&mut self) -> Result<(), WorkerError> {
        self.leases.begin(unix_time());
        self.watch.begin();
        self.egress.begin();
        self.next_hops.begin();
        let translator = self.shared.translator.load();
        let now = self.started.elapsed();
        let mut packets = 0;
        let end = loop {
            match self.egress.queue().receive(self.frame.receive_buffer()) {
                Ok(len) => {
                    packets += 1;
                    self.packet(len, &translator, now);
                    if packets == 1 && self.was_alone {
                        // It is likely alone too: it leaves before the queue is asked for more.
                        self.egress.flush(&mut self.state);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break Ok(()),
                Err(Errno::EBADFD | Errno::EFAULT | Errno::ENODEV) => break Err(WorkerError::DeviceGone),
                Err(errno) => break Err(WorkerError::Read(errno)),
            }
            if packets == BATCH {
                break Ok(());
            }
        };
        self.egress.flush(&mut self.state);
        self.was_alone = packets <= 1;
        self.counters.batch(packets);
        self.counters.suppressed_errors(self.state.take_suppressed_errors());
        end
    }

    /// Translates the `len` bytes that were read and writes what comes of them.
    fn packet(&mut self, len: usize, translator: &Translator, now: Duration) {
        if let Err(reason) = self.frame.set_received(len) {
            self.counters.received(&[], false);
            self.watch.note(&[]);
            return self.judge(Verdict::Drop(reason), Family::Other, 0);
        }
        let (family, bytes) = (Family::of(self.frame.packet()), self.frame.packet().len());
        self.counters.received(self.frame.packet(), self.frame.vnet.gso() != GsoType::None);
        self.watch.note(self.frame.packet());
        let mut context =
            Context { leases: &mut self.leases, next_hops: &mut self.next_hops, now, state: &mut self.state };
        let verdict = translator.translate(&mut self.frame, &mut context);
        self.judge(verdict, family, bytes);
        match verdict {
            Verdict::Forward(_) => self.egress.forward(&mut self.frame, &mut self.state),
            Verdict::Reply(_) => self.egress.reply(&mut self.frame),
            Verdict::Split(_) => self.egress.split(&mut self.state),
            Verdict::Drop(_) => {}
        }
    }

    /// Counts what became of a packet, and tells of it where it did not cross.
    fn judge(&mut self, verdict: Verdict, family: Family, bytes: usize) {
        self.counters.verdict(verdict, family, bytes);
        self.watch.judge(verdict, family.direction());
    }
}

/// A worker state whose first identification nobody can foretell and that differs from worker to worker.
fn fresh_state(workers: u32) -> WorkerState {
    let [low, high, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    WorkerState::new(u16::from_ne_bytes([low, high]), workers)
}

/// The time for leases. A clock before 1970 counts as 1970.
pub(crate) fn unix_time() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

#[cfg(test)]
mod tests;
