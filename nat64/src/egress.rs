//! What leaves: merged where packets of one flow follow each other, written to the queue they came from, and cut in
//! user space where the kernel does not take a super-packet.
//!
//! Kernels that refuse sound super-packets exist (some 6.6 releases), so the first merged one that is refused ends
//! merging for all workers, and one word goes to whoever logs. Super-packets that the kernel itself handed over are
//! tried again each time: one that is refused says nothing of the others. Does not log; what happens is counted in
//! [`Counters`].

use crate::counters::{Counters, WriteError};
use nix::errno::Errno;
use nix::unistd::{read, write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use translator::{Coalescer, Frame, GsoType, Merge, WorkerState, cut};

/// Where packets come from and go to: a queue of the device, or what stands for one in a test.
pub trait Queue: AsFd {
    /// Reads one packet behind its virtio-net header without waiting, and returns its length.
    ///
    /// # Errors
    /// What the kernel says; `EAGAIN` when there is none.
    fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno>;

    /// Writes one packet behind its virtio-net header.
    ///
    /// # Errors
    /// What the kernel says.
    fn send(&self, packet: &[u8]) -> Result<(), Errno>;
}

impl Queue for OwnedFd {
    fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        read(self, buffer)
    }

    fn send(&self, packet: &[u8]) -> Result<(), Errno> {
        write(self, packet).map(drop)
    }
}

/// What all workers know of super-packets.
pub struct Merging {
    wanted: Merge,
    /// Whether the kernel has refused any super-packet.
    was_refused: AtomicBool,
    /// Whether it has refused one that was merged here.
    is_over: AtomicBool,
    on_refusal: Box<dyn Fn() + Send + Sync>,
}

impl Merging {
    /// Merging of what `wanted` names. `on_refusal` is called once, by the worker that meets the first super-packet
    /// that the kernel does not take; it must not block.
    pub fn new(wanted: Merge, on_refusal: impl Fn() + Send + Sync + 'static) -> Self {
        let no = || AtomicBool::new(false);
        Self { wanted, was_refused: no(), is_over: no(), on_refusal: Box::new(on_refusal) }
    }

    /// What is merged; nothing once the kernel has refused a merged packet.
    pub fn merge(&self) -> Merge {
        if self.is_over.load(Ordering::Relaxed) { Merge::default() } else { self.wanted }
    }

    /// The kernel has refused a super-packet into which `packets` were merged here.
    fn refused(&self, packets: u16) {
        if packets > 1 {
            self.is_over.store(true, Ordering::Relaxed);
        }
        if !self.was_refused.swap(true, Ordering::Relaxed) {
            (self.on_refusal)();
        }
    }
}

/// The way out of one worker.
pub struct Egress<Q> {
    coalescer: Coalescer,
    merging: Arc<Merging>,
    outlet: Outlet<Q>,
}

/// The queue, and what must be done so that it takes a packet.
struct Outlet<Q> {
    queue: Q,
    counters: Arc<Counters>,
    merging: Arc<Merging>,
    /// A segment of a super-packet that is cut.
    segment: Frame,
}

impl<Q: Queue> Egress<Q> {
    /// Everything leaves by `queue`.
    pub fn new(queue: Q, merging: Arc<Merging>, counters: Arc<Counters>) -> Self {
        let outlet =
            Outlet { queue, counters, merging: Arc::clone(&merging), segment: Frame::with_capacity(0) };
        Self { coalescer: Coalescer::new(merging.merge()), merging, outlet }
    }

    /// The queue.
    pub const fn queue(&self) -> &Q {
        &self.outlet.queue
    }

    /// To be called before each batch of packets.
    pub fn begin(&mut self) {
        self.coalescer.set_merge(self.merging.merge());
    }

    /// Takes a translated packet, which leaves at [`Egress::flush`] at the latest.
    pub fn forward(&mut self, frame: &mut Frame, state: &mut WorkerState) {
        self.coalescer.push(frame, state, |frame, packets| self.outlet.send(frame, packets));
    }

    /// Writes the packets of the state's last [`translator::Verdict::Split`].
    pub fn split(&mut self, state: &mut WorkerState) {
        self.coalescer.make_way(state, |frame, packets| self.outlet.send(frame, packets));
        for fragment in state.fragments() {
            self.outlet.send(fragment, 1);
        }
    }

    /// Writes an answer of the translator's own, which is of no flow.
    pub fn reply(&mut self, frame: &mut Frame) {
        self.outlet.send(frame, 1);
    }

    /// Writes what is left.
    pub fn flush(&mut self, state: &mut WorkerState) {
        self.coalescer.flush(state, |frame, packets| self.outlet.send(frame, packets));
    }

    /// Forgets what is left.
    pub const fn clear(&mut self) {
        self.coalescer.clear();
    }
}

impl<Q: Queue> Outlet<Q> {
    /// Writes a packet into which `packets` were merged.
    fn send(&mut self, frame: &mut Frame, packets: u16) {
        match self.queue.send(frame.wire()) {
            Ok(()) => {
                self.counters.sent(frame.packet());
                self.counters.merged(packets);
            }
            Err(Errno::EINVAL) if frame.vnet.gso() != GsoType::None => self.cut(frame, packets),
            Err(errno) => self.counters.write_error(kind(errno)),
        }
    }

    /// Writes the segments of a super-packet that the kernel has refused.
    fn cut(&mut self, frame: &Frame, packets: u16) {
        let Self { queue, counters, .. } = self;
        let is_cut = cut(frame, &mut self.segment, |segment| match queue.send(segment.wire()) {
            Ok(()) => counters.sent(segment.packet()),
            Err(errno) => counters.write_error(kind(errno)),
        });
        if is_cut {
            counters.cut();
        } else {
            counters.write_error(WriteError::Refused);
        }
        self.merging.refused(packets);
    }
}

/// One that the kernel does not take is counted and gone, as on any link.
const fn kind(errno: Errno) -> WriteError {
    match errno {
        Errno::EINVAL => WriteError::Refused,
        Errno::EIO => WriteError::Down,
        Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM => WriteError::NoRoom,
        _ => WriteError::Other,
    }
}

#[cfg(test)]
mod tests;
