//! Where each entry stands: an open-addressed table from hashes to places.
//!
//! Linear probing, deletion without gravestones. A slot is eight octets, so a probe reads one cache line, and touches an entry only
//! where 32 bits of hash agree. It grows only when it is told to, and by half, so that its octets can be accounted for
//! before they are taken.

/// A full table is at most so many fifths occupied.
const FULL_FIFTHS: usize = 4;

/// Slots of the first table.
const FIRST: usize = 40;

/// Octets of a slot.
const SLOT: usize = size_of::<u64>();

/// From 32-bit hashes to places.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The hash above, the place plus one below; 0 is empty.
    slots: Vec<u64>,
    len: usize,
}

impl Index {
    /// Entries in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Octets that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.slots.len() * SLOT
    }

    /// Octets of the table that the next entry needs; 0 where it fits into this one.
    pub(super) fn growth(&self) -> usize {
        if (self.len + 1) * 5 > self.slots.len() * FULL_FIFTHS { self.next_size() * SLOT } else { 0 }
    }

    /// Makes room for one more entry.
    pub(super) fn grow(&mut self) {
        if self.growth() == 0 {
            return;
        }
        let larger = vec![0; self.next_size()];
        let old = std::mem::replace(&mut self.slots, larger);
        for slot in old.into_iter().filter(|slot| *slot != 0) {
            self.place(slot);
        }
    }

    /// The place that `fits` among those with this hash.
    pub(super) fn find(&self, hash: u32, fits: impl FnMut(u32) -> bool) -> Option<u32> {
        self.probe(hash, fits).map(|at| place_of(self.slots[at]))
    }

    /// Adds a place. There must be room for it.
    pub(super) fn insert(&mut self, hash: u32, place: u32) {
        self.place(u64::from(hash) << 32 | u64::from(place + 1));
        self.len += 1;
    }

    /// Takes a place out, if it is there; says whether it was.
    pub(super) fn remove(&mut self, hash: u32, place: u32) -> bool {
        let Some(mut hole) = self.probe(hash, |found| found == place) else { return false };
        let count = self.slots.len();
        let distance = |from: usize, to: usize| (to + count - from) % count;
        let mut at = hole;
        loop {
            at = (at + 1) % count;
            if self.slots[at] == 0 {
                break;
            }
            // What can stand in the hole without being cut off from its home moves there.
            if distance(self.home(self.slots[at]), at) >= distance(hole, at) {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
        }
        self.slots[hole] = 0;
        self.len -= 1;
        true
    }

    fn probe(&self, hash: u32, mut fits: impl FnMut(u32) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = self.home(u64::from(hash) << 32);
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            if slot >> 32 == u64::from(hash) && fits(place_of(slot)) {
                return Some(at);
            }
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
    }

    fn place(&mut self, slot: u64) {
        let mut at = self.home(slot);
        while self.slots[at] != 0 {
            at = (at + 1) % self.slots.len();
        }
        self.slots[at] = slot;
    }

    /// Where probing begins: the hash as a fraction of the table.
    fn home(&self, slot: u64) -> usize {
        // Both factors are below 2^32: a table that large would be more than a shard may take.
        let scaled = (slot >> 32) * self.slots.len() as u64;
        usize::try_from(scaled >> 32).unwrap_or_default()
    }

    fn next_size(&self) -> usize {
        FIRST.max(self.slots.len() / 2 * 3)
    }
}

fn place_of(slot: u64) -> u32 {
    let [.., a, b, c, d] = slot.to_be_bytes();
    u32::from_be_bytes([a, b, c, d]) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_holds_what_was_put_in_and_not_taken_out(
            steps in prop::collection::vec((any::<bool>(), 0_u32..8, 0_u32..200), 0..600),
        ) {
            let mut index = Index::default();
            let mut model: HashMap<u32, u32> = HashMap::new();
            for (add, hash, place) in steps {
                // Few homes, one of them at the end, so that runs collide and wrap.
                let hash = u32::MAX - hash * 0x0800_0000;
                if add && !model.contains_key(&place) {
                    index.grow();
                    index.insert(hash, place);
                    model.insert(place, hash);
                } else if model.get(&place) == Some(&hash) {
                    prop_assert!(index.remove(hash, place));
                    model.remove(&place);
                } else {
                    prop_assert!(!index.remove(hash, place));
                }
                prop_assert_eq!(index.len(), model.len());
                for (place, hash) in &model {
                    prop_assert_eq!(index.find(*hash, |found| found == *place), Some(*place));
                }
            }
        }
    }

    #[test]
    fn growth_is_foretold() {
        let mut index = Index::default();
        for place in 0..1000_u32 {
            let foretold = index.growth();
            index.grow();
            assert!(foretold == 0 || index.bytes() == foretold);
            index.insert(place.wrapping_mul(0x9e37_79b9), place);
            assert!(index.bytes() <= 19 * index.len().max(FIRST), "{} for {}", index.bytes(), index.len());
        }
    }
}
