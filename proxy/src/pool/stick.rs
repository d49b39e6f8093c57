//! Which member a network of clients was served by: a bounded map that forgets. Pure: time comes in.
//!
//! Clients are kept by network, both families in one table: an IPv6 host takes addresses from its own /64 as it likes.
//! IPv4-mapped addresses are IPv4. Entries are in order of their last use; the longest unused goes first, whether
//! because it has expired or because the table is full. Members are kept by name, so entries outlive a change of
//! configuration.
//!
//! Deliberately not here: whether the member takes the client, which is the pool's decision at each use.

use addr::fold_mapped;
use config::model::Stick;
use hashbrown::HashTable;
use ipnet::IpNet;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Instant;

/// No neighbour in the order of use.
const NONE: u32 = u32::MAX;
/// Names of former members that are kept for their return, beside as many as there are members.
const FORMER: usize = 64;

/// The table of one pool.
#[derive(Debug)]
pub(crate) struct StickTable {
    config: Stick,
    /// The members' names, and those of former ones; entries hold places here.
    names: Vec<Name>,
    /// Places in `names`.
    numbers: HashMap<String, u32>,
    /// Places in `entries`, found by network.
    places: HashTable<u32>,
    entries: Vec<Entry>,
    /// Places in `entries` that are free.
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    /// Keyed: clients choose their addresses.
    hasher: RandomState,
}

#[derive(Debug)]
struct Name {
    text: String,
    /// Whether it is a member of the pool.
    member: bool,
}

#[derive(Debug)]
struct Entry {
    network: IpAddr,
    member: u32,
    used: Instant,
    older: u32,
    newer: u32,
}

impl StickTable {
    pub(crate) fn new(config: Stick) -> Self {
        Self {
            config,
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

    /// The member that served this client's network last, if that was less than `expire` ago. Counts as a use.
    pub(crate) fn find(&mut self, client: IpAddr, now: Instant) -> Option<&str> {
        self.expire(now);
        let place = self.place(self.network(client))?;
        self.use_again(place, now);
        let name = &self.names[self.entry(place).member as usize];
        name.member.then_some(name.text.as_str())
    }

    /// Remembers who serves this client's network. Nobody is bound to a name that is no member's.
    pub(crate) fn bind(&mut self, client: IpAddr, member: &str, now: Instant) {
        self.expire(now);
        let Some(&member) = self.numbers.get(member) else { return };
        if !self.names[member as usize].member {
            return;
        }
        let network = self.network(client);
        if let Some(place) = self.place(network) {
            self.entries[place as usize].member = member;
            return self.use_again(place, now);
        }
        if self.len() >= self.config.size as usize {
            self.forget(self.oldest);
        }
        let entry = Entry { network, member, used: now, older: NONE, newer: NONE };
        let place = if let Some(place) = self.free.pop() {
            self.entries[place as usize] = entry;
            place
        } else {
            self.entries.push(entry);
            u32::try_from(self.entries.len() - 1).expect("`size` bounds the entries")
        };
        self.append(place);
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = |place: &u32| hasher.hash_one(entries[*place as usize].network);
        self.places.insert_unique(hasher.hash_one(network), place, hash);
    }

    /// Goes on with another configuration and these members. What clients of a former member are bound to counts again
    /// when it returns. Other lengths of networks make other clients, so then all is forgotten.
    pub(crate) fn adapt<'a>(&mut self, config: &Stick, members: impl Iterator<Item = &'a str>) {
        let lengths = |config: &Stick| (config.prefix_v4, config.prefix_v6);
        if lengths(config) != lengths(&self.config) {
            *self = Self::new(*config);
        }
        self.config = *config;
        while self.len() > self.config.size as usize {
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
        let mut next = Self::new(self.config);
        for name in self.names.iter().filter(|name| name.member) {
            next.number(&name.text);
        }
        let mut place = self.oldest;
        while place != NONE {
            let entry = self.entry(place);
            next.bind(entry.network, &self.names[entry.member as usize].text, entry.used);
            place = entry.newer;
        }
        *self = next;
    }

    /// Entries held, expired ones among them until somebody uses the table.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    fn network(&self, client: IpAddr) -> IpAddr {
        let client = fold_mapped(client);
        let length = if client.is_ipv4() { self.config.prefix_v4 } else { self.config.prefix_v6 };
        IpNet::new(client, length).map_or(client, |net| net.network())
    }

    fn entry(&self, place: u32) -> &Entry {
        &self.entries[place as usize]
    }

    fn place(&self, network: IpAddr) -> Option<u32> {
        let same = |place: &u32| self.entry(*place).network == network;
        self.places.find(self.hasher.hash_one(network), same).copied()
    }

    fn use_again(&mut self, place: u32, now: Instant) {
        self.unlink(place);
        self.entries[place as usize].used = now;
        self.append(place);
    }

    fn expire(&mut self, now: Instant) {
        while self.oldest != NONE {
            let unused = now.saturating_duration_since(self.entry(self.oldest).used);
            if unused < self.config.expire {
                return;
            }
            self.forget(self.oldest);
        }
    }

    fn forget(&mut self, place: u32) {
        self.unlink(place);
        let hash = self.hasher.hash_one(self.entry(place).network);
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

#[cfg(test)]
mod tests;
