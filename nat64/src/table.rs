//! The leases as all workers read them at once: a table that one thread changes, under the pool's lock, while any
//! number of others look things up without one.
//!
//! ```text
//!  by_v6 ─┐                          version: even │ odd while a change is under way, and for ever once retired
//!         ├──> slots: [v6 │ v4 │ last_used] ...    a reader that sees it odd or moved asks under the lock instead
//!  by_v4 ─┘
//! ```
//!
//! Owns the memory of leases: 48 bytes for each place, 3 MiB for a full /16, however many workers there are. Both
//! indices are open-addressing hash tables of slot numbers, at most half full, so a lookup costs the same with ten
//! leases and with ten thousand. The hash is keyed, since hosts choose their addresses. Does not decide who gets what
//! ([`crate::pool`]).

use crate::pool::{Lease, UnixTime};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// Leases and the ways to find them.
#[derive(Debug)]
pub struct LeaseTable {
    hasher: RandomState,
    version: AtomicU64,
    /// Slots in use: the first ones.
    len: AtomicUsize,
    slots: Box<[Slot]>,
    by_v4: Index,
    by_v6: Index,
}

/// One lease.
#[derive(Debug, Default)]
struct Slot {
    v6_high: AtomicU64,
    v6_low: AtomicU64,
    last_used: AtomicU64,
    v4: AtomicU32,
}

/// What a lookup without a lock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// There is this lease.
    Found(Entry),
    /// There is no such lease.
    Absent,
    /// The table is changing: only the holder of the pool's lock can say.
    Unsure,
}

/// A lease that was found, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The address out of the pool.
    pub v4: Ipv4Addr,
    /// The host that has it.
    pub v6: Ipv6Addr,
    slot: usize,
}

impl Slot {
    fn v4(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.v4.load(Ordering::Relaxed))
    }

    fn v6(&self) -> Ipv6Addr {
        let high = self.v6_high.load(Ordering::Relaxed);
        let low = self.v6_low.load(Ordering::Relaxed);
        Ipv6Addr::from_bits((u128::from(high) << 64) | u128::from(low))
    }

    fn lease(&self) -> Lease {
        let last_used = UnixTime(self.last_used.load(Ordering::Relaxed));
        Lease { v4: self.v4(), v6: self.v6(), last_used }
    }

    fn set(&self, lease: Lease) {
        let (high, low) = halves(lease.v6);
        self.v6_high.store(high, Ordering::Relaxed);
        self.v6_low.store(low, Ordering::Relaxed);
        self.v4.store(lease.v4.to_bits(), Ordering::Relaxed);
        self.last_used.store(lease.last_used.0, Ordering::Relaxed);
    }
}

/// The upper and the lower 64 bits of an address.
#[expect(clippy::cast_possible_truncation, reason = "the halves of an address are cut out")]
const fn halves(v6: Ipv6Addr) -> (u64, u64) {
    let bits = v6.to_bits();
    ((bits >> 64) as u64, bits as u64)
}

/// An open-addressing table of slot numbers with linear probing. A place holds the number plus one; zero is free.
#[derive(Debug)]
struct Index {
    places: Box<[AtomicU32]>,
}

impl Index {
    /// `len` must be a power of two.
    fn new(len: usize) -> Self {
        Self { places: (0..len).map(|_| AtomicU32::new(0)).collect() }
    }

    /// The place after `place`, around the end.
    const fn next(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }

    #[expect(clippy::cast_possible_truncation, reason = "only the low bits of a hash choose the place")]
    const fn home(&self, hash: u64) -> usize {
        hash as usize & (self.places.len() - 1)
    }

    /// The slot in `place`.
    fn slot(&self, place: usize) -> Option<usize> {
        let number = self.places[place].load(Ordering::Relaxed).checked_sub(1)?;
        Some(number as usize)
    }

    fn set(&self, place: usize, slot: Option<usize>) {
        let number = slot.map_or(0, |slot| u32::try_from(slot + 1).expect("a slot per IPv4 address at most"));
        self.places[place].store(number, Ordering::Relaxed);
    }

    /// The place and the slot of what hashes to `hash` and `fits`. While the table changes, the answer may be wrong,
    /// but one comes.
    fn find(&self, hash: u64, fits: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
        let mut place = self.home(hash);
        for _ in 0..self.places.len() {
            let slot = self.slot(place)?;
            if fits(slot) {
                return Some((place, slot));
            }
            place = self.next(place);
        }
        None
    }

    /// Enters `slot`. There must be a free place.
    fn insert(&self, hash: u64, slot: usize) {
        let mut place = self.home(hash);
        while self.slot(place).is_some() {
            place = self.next(place);
        }
        self.set(place, Some(slot));
    }

    /// Frees `place`, and moves up what was entered behind it because it was taken. `hash_of` gives a slot's hash.
    fn remove(&self, mut place: usize, hash_of: impl Fn(usize) -> u64) {
        let mut behind = self.next(place);
        while let Some(slot) = self.slot(behind) {
            let home = self.home(hash_of(slot));
            let mask = self.places.len() - 1;
            // Distances count from the home, around the end.
            let may_move = behind.wrapping_sub(home) & mask >= behind.wrapping_sub(place) & mask;
            if may_move {
                self.set(place, Some(slot));
                place = behind;
            }
            behind = self.next(behind);
        }
        self.set(place, None);
    }
}

impl LeaseTable {
    /// An empty table for at least `leases` leases.
    pub fn with_capacity(leases: usize) -> Self {
        let capacity = leases.max(1).next_power_of_two();
        Self {
            hasher: RandomState::new(),
            version: AtomicU64::new(0),
            len: AtomicUsize::new(0),
            slots: (0..capacity).map(|_| Slot::default()).collect(),
            by_v4: Index::new(2 * capacity),
            by_v6: Index::new(2 * capacity),
        }
    }

    /// How many leases there are.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether there is no lease.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room for another lease.
    pub fn is_full(&self) -> bool {
        self.len() == self.slots.len()
    }

    /// Looks up the lease of `v6` without a lock.
    pub fn lookup_v6(&self, v6: Ipv6Addr) -> Lookup {
        self.read(|| self.find_v6(v6))
    }

    /// Looks up who has `v4` without a lock.
    pub fn lookup_v4(&self, v4: Ipv4Addr) -> Lookup {
        self.read(|| self.find_v4(v4))
    }

    /// Notes that the host of `entry` sent a packet at `at`. If the slot has passed to another host meanwhile, that
    /// one, which is in use as well, counts as used.
    pub fn touch(&self, entry: Entry, at: UnixTime) {
        let Some(slot) = self.slots.get(entry.slot) else { return };
        // Most packets find it noted, and a line of memory that nobody writes stays in every core's cache.
        if slot.last_used.load(Ordering::Relaxed) != at.0 {
            slot.last_used.store(at.0, Ordering::Relaxed);
        }
    }

    /// The lease of `v6`; only while the pool's lock is held.
    pub fn find_v6(&self, v6: Ipv6Addr) -> Option<Entry> {
        let fits = |slot: usize| self.slots.get(slot).is_some_and(|slot| slot.v6() == v6);
        let (_, slot) = self.by_v6.find(self.hasher.hash_one(v6), fits)?;
        Some(Entry { v4: self.slots[slot].v4(), v6, slot })
    }

    /// The lease of `v4`; only while the pool's lock is held.
    pub fn find_v4(&self, v4: Ipv4Addr) -> Option<Entry> {
        let fits = |slot: usize| self.slots.get(slot).is_some_and(|slot| slot.v4() == v4);
        let (_, slot) = self.by_v4.find(self.hasher.hash_one(v4), fits)?;
        Some(Entry { v4, v6: self.slots[slot].v6(), slot })
    }

    /// When the host of `entry` last sent a packet.
    pub fn last_used(&self, entry: Entry) -> UnixTime {
        UnixTime(self.slots[entry.slot].last_used.load(Ordering::Relaxed))
    }

    /// All leases, in no order; only while the pool's lock is held.
    pub fn leases(&self) -> impl Iterator<Item = Lease> {
        self.slots[..self.len()].iter().map(Slot::lease)
    }

    /// Enters a lease whose host and address have none; only while the pool's lock is held, and not in a full table.
    pub fn insert(&self, lease: Lease) {
        self.write(|| {
            let slot = self.len();
            self.slots[slot].set(lease);
            self.by_v4.insert(self.hasher.hash_one(lease.v4), slot);
            self.by_v6.insert(self.hasher.hash_one(lease.v6), slot);
            self.len.store(slot + 1, Ordering::Relaxed);
        });
    }

    /// Removes the lease of `v4`, if there is one; only while the pool's lock is held.
    pub fn remove(&self, v4: Ipv4Addr) -> Option<Lease> {
        let removed = self.find_v4(v4)?;
        let lease = self.slots[removed.slot].lease();
        self.write(|| {
            self.unindex(removed.slot);
            let last = self.len() - 1;
            if removed.slot != last {
                // The last one moves into the gap, so that the slots in use stay the first ones.
                let moved = self.slots[last].lease();
                self.unindex(last);
                self.slots[removed.slot].set(moved);
                self.by_v4.insert(self.hasher.hash_one(moved.v4), removed.slot);
                self.by_v6.insert(self.hasher.hash_one(moved.v6), removed.slot);
            }
            self.len.store(last, Ordering::Relaxed);
        });
        Some(lease)
    }

    /// A table of twice the room with the same leases. This one is retired: it answers no reader any more.
    #[must_use]
    pub fn grow(&self) -> Self {
        self.close();
        let table = Self::with_capacity(2 * self.slots.len());
        for lease in self.leases() {
            table.insert(lease);
        }
        table
    }

    /// Takes a slot out of both indices.
    fn unindex(&self, slot: usize) {
        let Lease { v4, v6, .. } = self.slots[slot].lease();
        let is_it = |found: usize| found == slot;
        if let Some((place, _)) = self.by_v4.find(self.hasher.hash_one(v4), is_it) {
            self.by_v4.remove(place, |slot| self.hasher.hash_one(self.slots[slot].v4()));
        }
        if let Some((place, _)) = self.by_v6.find(self.hasher.hash_one(v6), is_it) {
            self.by_v6.remove(place, |slot| self.hasher.hash_one(self.slots[slot].v6()));
        }
    }

    /// A read that counts only if nothing changed meanwhile (a sequence lock).
    fn read(&self, find: impl Fn() -> Option<Entry>) -> Lookup {
        let before = self.version.load(Ordering::Acquire);
        if before % 2 == 1 {
            return Lookup::Unsure;
        }
        let found = find();
        fence(Ordering::Acquire);
        if self.version.load(Ordering::Relaxed) != before {
            return Lookup::Unsure;
        }
        found.map_or(Lookup::Absent, Lookup::Found)
    }

    /// Makes the version odd, as a panic in a change may have left it.
    fn close(&self) -> u64 {
        let odd = self.version.load(Ordering::Relaxed) | 1;
        self.version.store(odd, Ordering::Relaxed);
        fence(Ordering::Release);
        odd
    }

    fn write(&self, change: impl FnOnce()) {
        let odd = self.close();
        change();
        self.version.store(odd + 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
