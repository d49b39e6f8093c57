//! The flows of one socket: who speaks with a member, when anybody last did, and who goes first. Pure: time comes in.
//!
//! A flow is all datagrams between one client and the member that it was given. It ends when both ends have been silent
//! for long. Flows are in order of their last datagram, in two lists:
//!
//! | | becomes so | when there is no room |
//! |---|---|---|
//! | loose | with its first datagram | the longest silent one makes room |
//! | assured | when its client speaks again after an answer | stays |
//!
//! So whoever sends from invented addresses pushes out others of that kind and nobody who is in a conversation, as in
//! the connection tracking of the kernel.
//!
//! Deliberately not here: how many flows there may be, and what a flow holds.

use hashbrown::HashTable;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

/// No neighbour in the order of use.
const NONE: u32 = u32::MAX;

/// Tells flows apart, also those that have one place after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowId {
    place: u32,
    /// How many flows had this place before.
    turn: u32,
}

impl FlowId {
    /// As one number, for the kernel to hold.
    pub(crate) const fn number(self) -> u64 {
        (self.turn as u64) << 32 | self.place as u64
    }

    /// The reverse of [`FlowId::number`].
    pub(crate) const fn from_number(number: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is taken on purpose")]
        Self { place: number as u32, turn: (number >> 32) as u32 }
    }
}

/// All flows, found by whom they are of.
#[derive(Debug)]
pub(crate) struct Flows<K, T> {
    slots: Vec<Slot<K, T>>,
    /// Places in `slots`, found by key.
    places: HashTable<u32>,
    free: Vec<u32>,
    loose: List,
    assured: List,
    /// Flows whose client spoke last.
    asking: usize,
    /// Keyed: clients choose their addresses.
    hasher: RandomState,
}

#[derive(Debug)]
struct Slot<K, T> {
    turn: u32,
    flow: Option<Entry<K, T>>,
}

#[derive(Debug)]
struct Entry<K, T> {
    key: K,
    value: T,
    used: Instant,
    spoke: Spoke,
    assured: bool,
    older: u32,
    newer: u32,
}

/// How far a conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoke {
    /// The client spoke last.
    Client,
    /// The member did.
    Member,
}

#[derive(Debug)]
struct List {
    oldest: u32,
    newest: u32,
}

impl List {
    const EMPTY: Self = Self { oldest: NONE, newest: NONE };
}

impl<K: Hash + Eq, T> Flows<K, T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            places: HashTable::new(),
            free: Vec::new(),
            loose: List::EMPTY,
            assured: List::EMPTY,
            asking: 0,
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Flows whose client waits for an answer, as far as one can tell.
    pub(crate) const fn asking(&self) -> usize {
        self.asking
    }

    pub(crate) fn find(&self, key: &K) -> Option<FlowId> {
        let same =
            |place: &u32| self.slots[*place as usize].flow.as_ref().is_some_and(|flow| flow.key == *key);
        let place = *self.places.find(self.hasher.hash_one(key), same)?;
        Some(FlowId { place, turn: self.slots[place as usize].turn })
    }

    /// A new flow, whose client has just spoken.
    ///
    /// # Panics
    /// If there is one with this key.
    pub(crate) fn open(&mut self, key: K, value: T, now: Instant) -> FlowId {
        assert!(self.find(&key).is_none(), "whoever opens a flow has looked for it");
        let hash = self.hasher.hash_one(&key);
        let flow =
            Entry { key, value, used: now, spoke: Spoke::Client, assured: false, older: NONE, newer: NONE };
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { turn: 0, flow: None });
            u32::try_from(self.slots.len() - 1).expect("there are fewer ports than that")
        });
        let slot = &mut self.slots[place as usize];
        slot.flow = Some(flow);
        let id = FlowId { place, turn: slot.turn };
        let (slots, hasher) = (&self.slots, &self.hasher);
        let rehash = |place: &u32| {
            let flow = slots[*place as usize].flow.as_ref().expect("places that are found have a flow");
            hasher.hash_one(&flow.key)
        };
        self.places.insert_unique(hash, place, rehash);
        self.asking += 1;
        self.append(place);
        id
    }

    pub(crate) fn get(&self, id: FlowId) -> Option<(&K, &T)> {
        let slot = self.slots.get(id.place as usize).filter(|slot| slot.turn == id.turn)?;
        slot.flow.as_ref().map(|flow| (&flow.key, &flow.value))
    }

    pub(crate) fn get_mut(&mut self, id: FlowId) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.place as usize).filter(|slot| slot.turn == id.turn)?;
        slot.flow.as_mut().map(|flow| &mut flow.value)
    }

    /// The client of the flow has spoken.
    pub(crate) fn client_spoke(&mut self, id: FlowId, now: Instant) {
        self.spoke(id, Spoke::Client, now);
    }

    /// The member of the flow has.
    pub(crate) fn member_spoke(&mut self, id: FlowId, now: Instant) {
        self.spoke(id, Spoke::Member, now);
    }

    fn spoke(&mut self, id: FlowId, who: Spoke, now: Instant) {
        if self.get(id).is_none() {
            return;
        }
        self.detach(id.place);
        let flow = self.entry_mut(id.place);
        let before = std::mem::replace(&mut flow.spoke, who);
        flow.used = flow.used.max(now);
        flow.assured |= (before, who) == (Spoke::Member, Spoke::Client);
        match (before, who) {
            (Spoke::Member, Spoke::Client) => self.asking += 1,
            (Spoke::Client, Spoke::Member) => self.asking -= 1,
            (Spoke::Client, Spoke::Client) | (Spoke::Member, Spoke::Member) => {}
        }
        self.append(id.place);
    }

    /// Ends a flow.
    pub(crate) fn close(&mut self, id: FlowId) -> Option<T> {
        self.get(id)?;
        Some(self.take(id.place))
    }

    /// Ends one flow that has been silent for `timeout`, if there is any.
    pub(crate) fn expire(&mut self, timeout: Duration, now: Instant) -> Option<T> {
        let place = self.eldest()?;
        let silent = now.saturating_duration_since(self.entry(place).used);
        (silent >= timeout).then(|| self.take(place))
    }

    /// When the next flow has been silent for `timeout`, if no more is said in it.
    pub(crate) fn next_expiry(&self, timeout: Duration) -> Option<Instant> {
        Some(self.entry(self.eldest()?).used + timeout)
    }

    /// Ends the loose flow that has been silent for longest.
    pub(crate) fn evict(&mut self) -> Option<T> {
        let oldest = self.loose.oldest;
        (oldest != NONE).then(|| self.take(oldest))
    }

    /// The flow that has been silent for longest.
    fn eldest(&self) -> Option<u32> {
        let oldest = [self.loose.oldest, self.assured.oldest].into_iter().filter(|place| *place != NONE);
        oldest.min_by_key(|place| self.entry(*place).used)
    }

    fn take(&mut self, place: u32) -> T {
        self.detach(place);
        let slot = &mut self.slots[place as usize];
        slot.turn = slot.turn.wrapping_add(1);
        let flow = slot.flow.take().expect("flows in the lists are there");
        self.asking -= usize::from(flow.spoke == Spoke::Client);
        let same = |other: &u32| *other == place;
        if let Ok(found) = self.places.find_entry(self.hasher.hash_one(&flow.key), same) {
            found.remove();
        }
        self.free.push(place);
        flow.value
    }

    fn entry(&self, place: u32) -> &Entry<K, T> {
        self.slots[place as usize].flow.as_ref().expect("flows in the lists are there")
    }

    fn entry_mut(&mut self, place: u32) -> &mut Entry<K, T> {
        self.slots[place as usize].flow.as_mut().expect("flows in the lists are there")
    }

    fn list(&mut self, assured: bool) -> &mut List {
        if assured { &mut self.assured } else { &mut self.loose }
    }

    /// Takes a flow out of its list.
    fn detach(&mut self, place: u32) {
        let flow = self.entry(place);
        let (older, newer, assured) = (flow.older, flow.newer, flow.assured);
        match older {
            NONE => self.list(assured).oldest = newer,
            older => self.entry_mut(older).newer = newer,
        }
        match newer {
            NONE => self.list(assured).newest = older,
            newer => self.entry_mut(newer).older = older,
        }
    }

    /// Makes a flow the newest of its list.
    fn append(&mut self, place: u32) {
        let assured = self.entry(place).assured;
        let newest = std::mem::replace(&mut self.list(assured).newest, place);
        match newest {
            NONE => self.list(assured).oldest = place,
            newest => self.entry_mut(newest).newer = place,
        }
        let flow = self.entry_mut(place);
        (flow.older, flow.newer) = (newest, NONE);
    }
}

#[cfg(test)]
mod tests;
