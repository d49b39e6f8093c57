//! Longest prefix match: which of many networks of one family holds an address most narrowly.
//!
//! A lookup costs one hash probe per distinct prefix length in use, at most 32 or 128, whatever the number of networks.
//! Choice: a hash without a secret, since only networks of the operator's file are ever stored; an address that a
//! stranger chooses is looked up and stored nowhere.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// An address as bits.
pub(crate) trait Bits: Copy + Eq + Hash {
    /// The first `len` bits, zeros behind them.
    fn network(self, len: u8) -> Self;
}

impl Bits for u32 {
    fn network(self, len: u8) -> Self {
        let host_bits = Self::BITS - Self::from(len);
        self & Self::MAX.checked_shl(host_bits).unwrap_or(0)
    }
}

impl Bits for u128 {
    fn network(self, len: u8) -> Self {
        let host_bits = Self::BITS - u32::from(len);
        self & Self::MAX.checked_shl(host_bits).unwrap_or(0)
    }
}

/// The networks of one length.
type Nets<B> = HashMap<B, usize, BuildHasherDefault<Fold>>;

/// Networks, each with the index of what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lpm<B: Bits> {
    /// By prefix length, longest first, so that the first hit is the longest match.
    by_len: Vec<(u8, Nets<B>)>,
    /// What the network of length 0 stands for, which needs no probe.
    everything: Option<usize>,
}

impl<B: Bits> Default for Lpm<B> {
    fn default() -> Self {
        Self { by_len: Vec::new(), everything: None }
    }
}

impl<B: Bits> Lpm<B> {
    /// Enters the network of the first `len` bits of `bits`, or returns the index it already stands for.
    pub(crate) fn insert(&mut self, bits: B, len: u8, index: usize) -> Option<usize> {
        if len == 0 {
            let first = self.everything;
            self.everything = first.or(Some(index));
            return first;
        }
        let at = self.by_len.binary_search_by(|(have, _)| len.cmp(have)).unwrap_or_else(|at| {
            self.by_len.insert(at, (len, Nets::default()));
            at
        });
        match self.by_len[at].1.entry(bits.network(len)) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(free) => {
                free.insert(index);
                None
            }
        }
    }

    /// The index of the longest network that holds `bits`.
    pub(crate) fn lookup(&self, bits: B) -> Option<usize> {
        self.by_len.iter().find_map(|(len, nets)| nets.get(&bits.network(*len))).copied().or(self.everything)
    }
}

/// Multiplies and folds: every bit of an address reaches both ends of the hash, which is what hash tables look at.
#[derive(Default)]
pub(crate) struct Fold(u64);

impl Fold {
    /// 2^64 divided by the golden ratio, whose bits have no pattern.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    fn add(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(Self::FACTOR);
        let [high, low] = [product >> 64, product & u128::from(u64::MAX)];
        self.0 = u64::try_from(high ^ low).unwrap_or_default();
    }
}

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        #[cfg(test)]
        tests::PROBES.set(tests::PROBES.get() + 1);
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.add((*byte).into());
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.add(u64::from(word) << 32);
    }

    fn write_u128(&mut self, word: u128) {
        let [.., high, low] =
            [word >> 64, word & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or_default());
        self.add(high);
        self.add(low);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        /// Hashes that were computed on this thread.
        pub(crate) static PROBES: Cell<usize> = const { Cell::new(0) };
    }

    /// How many hashes `work` computes.
    pub(crate) fn probes(work: impl FnOnce()) -> usize {
        let before = PROBES.get();
        work();
        PROBES.get() - before
    }

    #[test]
    fn the_longest_network_wins_in_any_order_of_entry() {
        let nets = [(0x0a00_0000_u32, 8), (0x0a01_0000, 16), (0, 0), (0x0a01_0200, 24)];
        let check = |table: &Lpm<u32>, bits: u32, expect: usize| {
            assert_eq!(table.lookup(bits), Some(expect), "{bits:x}");
        };
        for turn in 0..nets.len() {
            let mut table = Lpm::default();
            for index in (0..nets.len()).map(|index| (index + turn) % nets.len()) {
                assert_eq!(table.insert(nets[index].0, nets[index].1, index), None);
            }
            check(&table, 0x0a01_0203, 3);
            check(&table, 0x0a01_0303, 1);
            check(&table, 0x0a02_0303, 0);
            check(&table, 0x0b02_0303, 2);
        }
    }

    #[test]
    fn a_network_is_entered_once() {
        let mut table = Lpm::default();
        assert_eq!(table.insert(1_u128 << 127, 1, 4), None);
        assert_eq!(table.insert(3_u128 << 126, 1, 5), Some(4), "bits beyond the length do not count");
        assert_eq!(table.insert(0, 0, 6), None);
        assert_eq!(table.insert(0, 0, 7), Some(6));
        assert_eq!(table.lookup(0), Some(6));
        assert_eq!(Lpm::<u32>::default().lookup(0), None);
    }

    /// Neighbouring addresses must not fall into few buckets, or a lookup would walk through many.
    #[test]
    fn neighbours_spread_over_the_table() {
        for shift in [0_u32, 8, 16, 64, 96] {
            let buckets: std::collections::HashSet<u64> = (0..4096_u128)
                .map(|host| {
                    let mut hasher = Fold::default();
                    hasher.write_u128((0x2001_0db8_u128 << 96) ^ (host << shift));
                    hasher.finish() % 4096
                })
                .collect();
            assert!(buckets.len() > 4096 / 2, "{} buckets at {shift}", buckets.len());
        }
    }
}
