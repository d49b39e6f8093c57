//! Names and their addresses, packed: a lookup by name or by address takes one hash, and a host some sixty bytes.
//!
//! Names stand as wire octets in one string of bytes, in the case they were written in; they are found by their
//! folded form, keyed against hosts that choose their names to collide. An address leads back to the first name it was
//! given with. Built once by [`Builder`] and never changed.

use crate::name::WireName;
use hashbrown::HashTable;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// The most addresses of one name.
pub const MAX_ADDRESSES: usize = 256;

/// The most octets that the names of one table have in all, so that offsets fit.
const MAX_OCTETS: usize = 1 << 30;

/// The most addresses of one table, so that their indices fit.
const MAX_RECORDS: usize = 1 << 30;

/// What the number beside an address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// The TTL in seconds.
    Ttl,
    /// The seconds from `base`, a Unix time, to its end; `u32::MAX` is none. The TTL is the time left, at most `ttl`.
    Until {
        /// The Unix time that ends are counted from.
        base: u64,
        /// The longest TTL in seconds.
        ttl: u32,
    },
}

/// Names and addresses.
#[derive(Debug)]
pub struct Table {
    octets: Vec<u8>,
    names: Vec<NameAt>,
    v4: Vec<(Ipv4Addr, u32)>,
    v6: Vec<(Ipv6Addr, u32)>,
    lasting: Lasting,
    hasher: RandomState,
    /// Indices of `names`.
    by_name: HashTable<u32>,
    /// Indices of `v4`.
    by_v4: HashTable<u32>,
    /// Indices of `v6`.
    by_v6: HashTable<u32>,
    /// Offsets in `octets` of names that are no hosts but have some below.
    above: HashTable<u32>,
}

/// Where a name and its addresses stand; the addresses end where those of the next name begin.
#[derive(Clone, Copy, Debug)]
struct NameAt {
    octets: u32,
    v4: u32,
    v6: u32,
}

/// A name of a table at one time.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    table: &'a Table,
    index: usize,
    now: u64,
}

impl Default for Table {
    fn default() -> Self {
        Builder::new(Lasting::Ttl).build()
    }
}

impl Table {
    /// Whether it has no name.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many names it has.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// How many addresses it has, each counted once for each of its names.
    pub fn addresses(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// The memory that it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let tables = [&self.by_name, &self.by_v4, &self.by_v6, &self.above];
        self.octets.capacity()
            + self.names.capacity() * size_of::<NameAt>()
            + self.v4.capacity() * size_of::<(Ipv4Addr, u32)>()
            + self.v6.capacity() * size_of::<(Ipv6Addr, u32)>()
            + tables.iter().map(|table| table.allocation_size()).sum::<usize>()
    }

    /// The name whose folded form is `folded`, unless all of its addresses have ended by `now`.
    pub(super) fn find(&self, folded: &WireName, now: u64) -> Option<Entry<'_>> {
        let key = folded.as_bytes();
        let same = |index: &u32| self.octets_of(*index as usize).eq_ignore_ascii_case(key);
        let index = *self.by_name.find(self.hasher.hash_one(key), same)? as usize;
        let entry = Entry { table: self, index, now };
        (entry.v4().next().is_some() || entry.v6().next().is_some()).then_some(entry)
    }

    /// Whether a name below the one whose folded form is `folded` is here, and it itself is not.
    pub(super) fn is_above(&self, folded: &WireName) -> bool {
        let key = folded.as_bytes();
        let same = |at: &u32| name_at(&self.octets, *at as usize).eq_ignore_ascii_case(key);
        self.above.find(self.hasher.hash_one(key), same).is_some()
    }

    /// The first name of `address`, and its TTL.
    pub(super) fn name_of_v4(&self, address: Ipv4Addr, now: u64) -> Option<(WireName, u32)> {
        let same = |index: &u32| self.v4[*index as usize].0 == address;
        let index = *self.by_v4.find(self.hasher.hash_one(address), same)?;
        let ttl = self.lasting.ttl(self.v4[index as usize].1, now)?;
        let name = self.names.partition_point(|name| name.v4 <= index) - 1;
        Some((self.name(name), ttl))
    }

    /// The first name of `address`, and its TTL.
    pub(super) fn name_of_v6(&self, address: Ipv6Addr, now: u64) -> Option<(WireName, u32)> {
        let same = |index: &u32| self.v6[*index as usize].0 == address;
        let index = *self.by_v6.find(self.hasher.hash_one(address), same)?;
        let ttl = self.lasting.ttl(self.v6[index as usize].1, now)?;
        let name = self.names.partition_point(|name| name.v6 <= index) - 1;
        Some((self.name(name), ttl))
    }

    fn octets_of(&self, index: usize) -> &[u8] {
        name_at(&self.octets, self.names[index].octets as usize)
    }

    fn name(&self, index: usize) -> WireName {
        WireName::parse(self.octets_of(index)).expect("the table is built of names")
    }

    /// Where the addresses of a name stand, by the field that says where they begin.
    fn range(&self, index: usize, first: impl Fn(&NameAt) -> u32, end: usize) -> Range<usize> {
        first(&self.names[index]) as usize..self.names.get(index + 1).map_or(end, |next| first(next) as usize)
    }
}

impl<'a> Entry<'a> {
    /// Its IPv4 addresses with their TTLs.
    pub fn v4(&self) -> impl Iterator<Item = (Ipv4Addr, u32)> + use<'a> {
        let Self { table, index, now } = *self;
        let range = table.range(index, |name| name.v4, table.v4.len());
        table.v4[range]
            .iter()
            .filter_map(move |(address, number)| table.lasting.ttl(*number, now).map(|ttl| (*address, ttl)))
    }

    /// Its IPv6 addresses with their TTLs.
    pub fn v6(&self) -> impl Iterator<Item = (Ipv6Addr, u32)> + use<'a> {
        let Self { table, index, now } = *self;
        let range = table.range(index, |name| name.v6, table.v6.len());
        table.v6[range]
            .iter()
            .filter_map(move |(address, number)| table.lasting.ttl(*number, now).map(|ttl| (*address, ttl)))
    }
}

impl Lasting {
    /// The number for what ends at the Unix time `end`; 0 is never. `None` if that has passed.
    pub fn number(self, end: u64) -> Option<u32> {
        match self {
            Self::Ttl => None,
            Self::Until { .. } if end == 0 => Some(u32::MAX),
            Self::Until { base, .. } => {
                let left = end.checked_sub(base).filter(|left| *left > 0)?;
                Some(u32::try_from(left).unwrap_or(u32::MAX))
            }
        }
    }

    /// The TTL at `now` of an address with `number`; `None` if it has ended.
    fn ttl(self, number: u32, now: u64) -> Option<u32> {
        match self {
            Self::Ttl => Some(number),
            Self::Until { ttl, .. } if number == u32::MAX => Some(ttl),
            Self::Until { base, ttl } => {
                let left = (base + u64::from(number)).checked_sub(now).filter(|left| *left > 0)?;
                Some(u32::try_from(left).map_or(ttl, |left| left.min(ttl)))
            }
        }
    }
}

/// The octets of the name that starts at `at`, root label included.
fn name_at(octets: &[u8], at: usize) -> &[u8] {
    let end = crate::wire::name_end(octets, at).unwrap_or(octets.len());
    &octets[at..end]
}

/// A table in the making.
#[derive(Debug)]
pub struct Builder {
    table: Table,
    /// In the order they came in: the index of the name, the address, its number.
    v4: Vec<(u32, Ipv4Addr, u32)>,
    v6: Vec<(u32, Ipv6Addr, u32)>,
    /// How many addresses each name has.
    counts: Vec<u16>,
}

/// There is no room for another address or name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Builder {
    /// An empty table whose numbers mean `lasting`.
    pub fn new(lasting: Lasting) -> Self {
        let table = Table {
            octets: Vec::new(),
            names: Vec::new(),
            v4: Vec::new(),
            v6: Vec::new(),
            lasting,
            hasher: RandomState::new(),
            by_name: HashTable::new(),
            by_v4: HashTable::new(),
            by_v6: HashTable::new(),
            above: HashTable::new(),
        };
        Self { table, v4: Vec::new(), v6: Vec::new(), counts: Vec::new() }
    }

    /// What the numbers mean.
    pub fn lasting(&self) -> Lasting {
        self.table.lasting
    }

    /// Adds an address of `name`.
    ///
    /// # Errors
    /// The name has [`MAX_ADDRESSES`], or the table has no room for its octets.
    pub fn add(&mut self, name: &WireName, address: IpAddr, number: u32) -> Result<(), Full> {
        let index = self.index(name)?;
        let count = &mut self.counts[index as usize];
        if usize::from(*count) >= MAX_ADDRESSES || self.v4.len() + self.v6.len() >= MAX_RECORDS {
            return Err(Full);
        }
        *count += 1;
        match address {
            IpAddr::V4(v4) => self.v4.push((index, v4, number)),
            IpAddr::V6(v6) => self.v6.push((index, v6, number)),
        }
        Ok(())
    }

    /// The index of `name`, which is made where it is new.
    fn index(&mut self, name: &WireName) -> Result<u32, Full> {
        let Table { octets, names, hasher, by_name, .. } = &mut self.table;
        let folded = name.lowered();
        let hash = hasher.hash_one(folded.as_bytes());
        let same = |index: &u32| {
            name_at(octets, names[*index as usize].octets as usize).eq_ignore_ascii_case(folded.as_bytes())
        };
        if let Some(index) = by_name.find(hash, same) {
            return Ok(*index);
        }
        if octets.len() >= MAX_OCTETS {
            return Err(Full);
        }
        let index = offset(names.len());
        names.push(NameAt { octets: offset(octets.len()), v4: 0, v6: 0 });
        octets.extend_from_slice(name.as_bytes());
        self.counts.push(0);
        by_name.insert_unique(hash, index, |index| {
            let octets = name_at(octets, names[*index as usize].octets as usize);
            hasher.hash_one(self::folded(octets).as_bytes())
        });
        Ok(index)
    }

    /// The finished table.
    pub fn build(self) -> Table {
        let Self { mut table, v4, v6, .. } = self;
        (table.v4, table.by_v4) = pack(v4, &mut table.names, |name| &mut name.v4, &table.hasher);
        (table.v6, table.by_v6) = pack(v6, &mut table.names, |name| &mut name.v6, &table.hasher);
        table.octets.shrink_to_fit();
        table.names.shrink_to_fit();
        table.above = above(&table);
        table
    }
}

/// Addresses in the order of their names, and the index of each one's first name by address. Says in `names` where the
/// addresses of each begin. What is given twice is kept once.
fn pack<A: Copy + Eq + Hash>(
    mut list: Vec<(u32, A, u32)>,
    names: &mut [NameAt],
    begin: impl Fn(&mut NameAt) -> &mut u32,
    hasher: &RandomState,
) -> (Vec<(A, u32)>, HashTable<u32>) {
    let mut first: HashMap<A, u32> = HashMap::new();
    for (name, address, _) in &list {
        first.entry(*address).or_insert(*name);
    }
    list.sort_by_key(|(name, ..)| *name);
    let mut packed: Vec<(A, u32)> = Vec::with_capacity(list.len());
    let mut list = list.into_iter().peekable();
    let mut by_address = HashTable::with_capacity(first.len());
    for (index, at) in names.iter_mut().enumerate() {
        let start = packed.len();
        *begin(at) = offset(start);
        while let Some((name, address, number)) = list.next_if(|(name, ..)| *name as usize == index) {
            if packed[start..].iter().any(|(known, _)| *known == address) {
                continue;
            }
            if first.get(&address) == Some(&name) {
                let hash = hasher.hash_one(address);
                by_address.insert_unique(hash, offset(packed.len()), |index| {
                    hasher.hash_one(packed[*index as usize].0)
                });
            }
            packed.push((address, number));
        }
    }
    packed.shrink_to_fit();
    (packed, by_address)
}

/// The names above those of `table` that are not in it.
fn above(table: &Table) -> HashTable<u32> {
    let mut above: HashTable<u32> = HashTable::new();
    for index in 0..table.names.len() {
        let mut at = table.names[index].octets as usize;
        loop {
            at += 1 + usize::from(table.octets[at]);
            if table.octets[at] == 0 {
                break;
            }
            let folded = folded(name_at(&table.octets, at));
            let hash = table.hasher.hash_one(folded.as_bytes());
            let same =
                |at: &u32| name_at(&table.octets, *at as usize).eq_ignore_ascii_case(folded.as_bytes());
            if above.find(hash, same).is_some() {
                // All names above this one are here as well.
                break;
            }
            let rehash = |at: &u32| {
                table.hasher.hash_one(self::folded(name_at(&table.octets, *at as usize)).as_bytes())
            };
            above.insert_unique(hash, offset(at), rehash);
        }
    }
    above
}

fn folded(octets: &[u8]) -> WireName {
    WireName::parse(octets).expect("the table is built of names").lowered()
}

/// An index or offset in a table.
fn offset(index: usize) -> u32 {
    u32::try_from(index).expect("a table has at most 2^30 octets, names and addresses, and one name more")
}
