//! Which member somebody was served by: a bounded map that forgets. Pure: time comes in.
//!
//! Entries are in order of their last use; the longest unused goes first, whether because it has expired or because the
//! table is full. Members are kept by name, so entries outlive a change of configuration. An entry has one size, whatever
//! its key, so that the number of entries bounds the memory.
//!
//! Deliberately not here: what makes a key, and whether the member takes the client, which is the pool's decision at each
//! use.

use hashbrown::HashTable;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

/// No neighbour in the order of use.
const NONE: u32 = u32::MAX;
/// Names of former members that are kept for their return, beside as many as there are members.
pub(super) const FORMER: usize = 64;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Entries, at least 1.
    pub(super) size: u32,
    /// Since the last use.
    pub(super) expire: Duration,
}

/// The table.
#[derive(Debug)]
pub(super) struct Bindings<K> {
    bounds: Bounds,
    /// The members' names, and those of former ones; entries hold places here.
    names: Vec<Name>,
    /// Places in `names`.
    numbers: HashMap<String, u32>,
    /// Places in `entries`, found by key.
    places: HashTable<u32>,
    entries: Vec<Entry<K>>,
    /// Places in `entries` that are free.
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    /// Keyed: clients choose their keys.
    hasher: RandomState,
}

#[derive(Debug)]
struct Name {
    text: String,
    /// Whether it is a member of the pool.
    member: bool,
}

#[derive(Debug)]
struct Entry<K> {
    key: K,
    member: u32,
    used: Instant,
    older: u32,
    newer: u32,
}

impl<K: Copy + Eq + Hash> Bindings<K> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            names: Vec::new(),
            numbers: HashMap::new(),
            places: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            hasher: RandomState::new(),
        }
    }

    /// The member that this key was bound to last, if its last use was less than `expire` ago. Counts as a use.
    pub(super) fn find(&mut self, key: K, now: Instant) -> Option<&str> {
        self.expire(now);
        let place = self.place(key)?;
        self.use_again(place, now);
        let name = &self.names[self.entry(place).member as usize];
        name.member.then_some(name.text.as_str())
    }

    /// Remembers the member of a key. Nobody is bound to a name that is no member's.
    pub(super) fn bind(&mut self, key: K, member: &str, now: Instant) {
        self.expire(now);
        let Some(&member) = self.numbers.get(member) else { return };
        if !self.names[member as usize].member {
            return;
        }
        if let Some(place) = self.place(key) {
            self.entries[place as usize].member = member;
            return self.use_again(place, now);
        }
        if self.len() >= self.bounds.size as usize {
            self.forget(self.oldest);
        }
        let entry = Entry { key, member, used: now, older: NONE, newer: NONE };
        let place = if let Some(place) = self.free.pop() {
            self.entries[place as usize] = entry;
            place
        } else {
            self.entries.push(entry);
            u32::try_from(self.entries.len() - 1).expect("`size` bounds the entries")
        };
        self.append(place);
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = |place: &u32| hasher.hash_one(entries[*place as usize].key);
        self.places.insert_unique(hasher.hash_one(key), place, hash);
    }

    /// Goes on with other bounds and these members. What is bound to a former member counts again when it returns.
    pub(super) fn adapt<'a>(&mut self, bounds: Bounds, members: impl Iterator<Item = &'a str>) {
        self.bounds = bounds;
        while self.len() > self.bounds.size as usize {
            self.forget(self.oldest);
        }
        for name in &mut self.names {
            name.member = false;
        }
        let mut count = 0;
        for member in members {
            count += 1;
            let number = self.number(member);
            self.names[number as usize].member = true;
        }
        if self.names.len() > 2 * count + FORMER {
            self.drop_former();
        }
    }

    /// The number of a name, a new one if it has none.
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).expect("a file does not hold 2^32 members");
        self.names.push(Name { text: name.to_owned(), member: true });
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// Builds the table anew without the names of former members and the entries that hold them.
    fn drop_former(&mut self) {
        let mut next = Self::new(self.bounds);
        for name in self.names.iter().filter(|name| name.member) {
            next.number(&name.text);
        }
        let mut place = self.oldest;
        while place != NONE {
            let entry = self.entry(place);
            next.bind(entry.key, &self.names[entry.member as usize].text, entry.used);
            place = entry.newer;
        }
        *self = next;
    }

    /// Entries held, expired ones among them until somebody uses the table.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Names held, those of former members among them.
    #[cfg(test)]
    pub(super) const fn names(&self) -> usize {
        self.names.len()
    }

    /// Places for entries, free ones among them.
    #[cfg(test)]
    pub(super) const fn room(&self) -> usize {
        self.entries.len()
    }

    fn entry(&self, place: u32) -> &Entry<K> {
        &self.entries[place as usize]
    }

    fn place(&self, key: K) -> Option<u32> {
        let same = |place: &u32| self.entry(*place).key == key;
        self.places.find(self.hasher.hash_one(key), same).copied()
    }

    fn use_again(&mut self, place: u32, now: Instant) {
        self.unlink(place);
        self.entries[place as usize].used = now;
        self.append(place);
    }

    fn expire(&mut self, now: Instant) {
        while self.oldest != NONE {
            let unused = now.saturating_duration_since(self.entry(self.oldest).used);
            if unused < self.bounds.expire {
                return;
            }
            self.forget(self.oldest);
        }
    }

    fn forget(&mut self, place: u32) {
        self.unlink(place);
        let hash = self.hasher.hash_one(self.entry(place).key);
        if let Ok(found) = self.places.find_entry(hash, |other| *other == place) {
            found.remove();
        }
        self.free.push(place);
    }

    /// Makes an entry that has no neighbours the newest.
    fn append(&mut self, place: u32) {
        let before = self.newest;
        let entry = &mut self.entries[place as usize];
        (entry.older, entry.newer) = (before, NONE);
        self.newest = place;
        match before {
            NONE => self.oldest = place,
            before => self.entries[before as usize].newer = place,
        }
    }

    fn unlink(&mut self, place: u32) {
        let Entry { older, newer, .. } = *self.entry(place);
        match older {
            NONE => self.oldest = newer,
            older => self.entries[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.entries[newer as usize].older = older,
        }
    }
}
