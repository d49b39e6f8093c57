//! What one worker counts: plain numbers that only it writes, on cache lines that only it has; summed when somebody
//! asks.
//!
//! Every packet that is read is counted once as received and once as translated, answered or dropped, so that the
//! sums agree: `received = translated + echo_replies + errors + dropped`.

use std::sync::atomic::{AtomicU64, Ordering};
use translator::{Direction, DropReason, Reply, Verdict};

/// The largest batch: how many packets a worker reads before it looks for changes and signals.
pub const BATCH: usize = 64;

/// Upper bounds of the buckets of batch sizes.
pub const BATCH_BUCKETS: [usize; 7] = [1, 2, 4, 8, 16, 32, BATCH];

/// Why the device refused a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The kernel takes the packet or its virtio-net header for malformed (`EINVAL`).
    Refused,
    /// The device is down (`EIO`).
    Down,
    /// The kernel has no memory or no room in its queues (`ENOBUFS`, `ENOMEM`, `EAGAIN`).
    NoRoom,
    /// Anything else.
    Other,
}

impl WriteError {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::Refused, Self::Down, Self::NoRoom, Self::Other];

    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Down => "device_down",
            Self::NoRoom => "no_room",
            Self::Other => "other",
        }
    }
}

/// The IP version of a packet as it stands in its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Neither.
    Other,
}

impl Family {
    /// Every family, in the order of declaration.
    pub const ALL: [Self; 3] = [Self::Ipv4, Self::Ipv6, Self::Other];

    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Other => "other",
        }
    }

    /// The metric label of the direction in which packets of this family are to cross.
    pub const fn direction(self) -> &'static str {
        match self {
            Self::Ipv4 => Direction::V4ToV6.label(),
            Self::Ipv6 => Direction::V6ToV4.label(),
            Self::Other => "none",
        }
    }

    /// The family of a packet.
    pub fn of(packet: &[u8]) -> Self {
        match packet.first().map(|byte| byte >> 4) {
            Some(4) => Self::Ipv4,
            Some(6) => Self::Ipv6,
            _ => Self::Other,
        }
    }
}

/// A number that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds without a locked instruction: there is one writer.
    fn add(&self, more: usize) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more as u64), Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Packets and their bytes, from the IP header on.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many packets; a super-packet counts as one.
    pub packets: Count,
    /// Their bytes.
    pub bytes: Count,
}

impl Tally {
    fn add(&self, bytes: usize) {
        self.packets.add(1);
        self.bytes.add(bytes);
    }
}

/// Packets that were not translated, by the [`Family`] they came in and [`DropReason`].
#[derive(Debug, Default)]
pub struct Refused([[Count; DropReason::ALL.len()]; Family::ALL.len()]);

impl Refused {
    /// The packets of a family that were refused for a reason.
    pub const fn of(&self, family: Family, reason: DropReason) -> &Count {
        &self.0[family as usize][reason as usize]
    }
}

/// All counters of one worker. Aligned to two cache lines, which processors fetch in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    /// Read from the device, by [`Family`].
    pub received: [Tally; Family::ALL.len()],
    /// Written to the device, by [`Family`].
    pub sent: [Tally; Family::ALL.len()],
    /// Read and translated, by [`Direction`]; bytes as they were read.
    pub translated: [Tally; Direction::ALL.len()],
    /// Translated into several packets.
    pub split: Count,
    /// Read as super-packets, whole.
    pub super_packets: Count,
    /// Translated packets that left merged into super-packets.
    pub merged: Count,
    /// Super-packets that the kernel refused and that were cut here.
    pub cut: Count,
    /// Echo requests to own addresses that were answered.
    pub echo_replies: Count,
    /// Packets answered with an ICMP error.
    pub errors: Refused,
    /// Packets dropped silently.
    pub dropped: Refused,
    /// Packets dropped silently, though they have an answer, since too many were answered already.
    pub suppressed_errors: Count,
    /// Packets the device did not take, by [`WriteError`].
    pub write_errors: [Count; WriteError::ALL.len()],
    /// Times the worker panicked; each cost one packet.
    pub panics: Count,
    /// Batches by size: at most as many packets as the bucket says, more than the bucket before.
    pub batches: [Count; BATCH_BUCKETS.len()],
}

impl Counters {
    /// A packet was read.
    pub fn received(&self, packet: &[u8], is_super_packet: bool) {
        self.received[Family::of(packet) as usize].add(packet.len());
        self.super_packets.add(is_super_packet.into());
    }

    /// What became of a packet that came as `bytes` bytes of `family`.
    pub fn verdict(&self, verdict: Verdict, family: Family, bytes: usize) {
        match verdict {
            Verdict::Forward(direction) => self.translated[direction as usize].add(bytes),
            Verdict::Split(direction) => {
                self.translated[direction as usize].add(bytes);
                self.split.add(1);
            }
            Verdict::Reply(Reply::Echo) => self.echo_replies.add(1),
            Verdict::Reply(Reply::Error(reason)) => self.errors.of(family, reason).add(1),
            Verdict::Drop(reason) => self.dropped.of(family, reason).add(1),
        }
    }

    /// A packet was written.
    pub fn sent(&self, packet: &[u8]) {
        self.sent[Family::of(packet) as usize].add(packet.len());
    }

    /// A packet was written into which `packets` were merged.
    pub fn merged(&self, packets: u16) {
        if packets > 1 {
            self.merged.add(packets.into());
        }
    }

    /// A super-packet was refused and cut.
    pub fn cut(&self) {
        self.cut.add(1);
    }

    /// A packet was not taken.
    pub fn write_error(&self, error: WriteError) {
        self.write_errors[error as usize].add(1);
    }

    /// So many packets got no answer since too many were answered already; each is counted as dropped besides.
    pub fn suppressed_errors(&self, packets: u64) {
        if packets > 0 {
            self.suppressed_errors.add(usize::try_from(packets).unwrap_or(usize::MAX));
        }
    }

    /// The worker panicked.
    pub fn panicked(&self) {
        self.panics.add(1);
    }

    /// A batch of `packets` packets came to its end; empty ones do not count.
    pub fn batch(&self, packets: usize) {
        if packets > 0
            && let Some(bucket) = BATCH_BUCKETS.iter().position(|&bound| packets <= bound)
        {
            self.batches[bucket].add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_the_order_of_declaration() {
        assert!(Family::ALL.iter().enumerate().all(|(index, family)| *family as usize == index));
        assert!(WriteError::ALL.iter().enumerate().all(|(index, error)| *error as usize == index));
        assert!(Direction::ALL.iter().enumerate().all(|(index, direction)| *direction as usize == index));
    }

    #[test]
    fn every_verdict_is_counted_once() {
        let counters = Counters::default();
        let reason = DropReason::HopLimit;
        for verdict in [
            Verdict::Forward(Direction::V6ToV4),
            Verdict::Split(Direction::V4ToV6),
            Verdict::Reply(Reply::Echo),
            Verdict::Reply(Reply::Error(reason)),
            Verdict::Drop(reason),
        ] {
            counters.received(&[0x60], false);
            counters.verdict(verdict, Family::Ipv6, 1);
        }
        let refused = |counts: &Refused| counts.of(Family::Ipv6, reason).get();
        let translated: u64 = counters.translated.iter().map(|tally| tally.packets.get()).sum();
        let outcomes =
            translated + counters.echo_replies.get() + refused(&counters.errors) + refused(&counters.dropped);
        assert_eq!((translated, counters.split.get(), outcomes), (2, 1, 5));
        assert_eq!(counters.received[Family::Ipv6 as usize].packets.get(), 5);
    }

    #[test]
    fn batches_fall_into_the_first_bucket_that_holds_them() {
        let counters = Counters::default();
        for size in [0, 1, 3, 4, 5, BATCH] {
            counters.batch(size);
        }
        assert_eq!(counters.batches.each_ref().map(Count::get), [1, 0, 2, 1, 0, 0, 1]);
    }
}
