//! Counters with one writer each.

use std::sync::atomic::{AtomicU64, Ordering};

/// Two cache lines: neighbours are fetched in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Shard<const N: usize>([AtomicU64; N]);

/// `N` counters in one shard per worker.
#[derive(Debug)]
pub(super) struct Shards<const N: usize>(Box<[Shard<N>]>);

impl<const N: usize> Shards<N> {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Shard(std::array::from_fn(|_| AtomicU64::new(0)))).collect())
    }

    /// Only the worker of that number may call this: a second writer would lose counts.
    pub(super) fn add(&self, worker: usize, slot: usize, amount: u64) {
        let cell = &self.0[worker].0[slot];
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    pub(super) fn sum(&self, slot: usize) -> u64 {
        self.0.iter().fold(0, |sum, shard| sum.wrapping_add(shard.0[slot].load(Ordering::Relaxed)))
    }
}
