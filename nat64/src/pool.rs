//! The dynamic pool: one IPv4 address for each IPv6 host that asks for one, for as long as it may need it.
//!
//! Owns which address a host gets, when a lease may pass to another host, and what of an old set of leases still
//! fits a changed pool. The choice of address is the one Tayga makes, so that a host keeps its address when the
//! software under it is exchanged and `dynamic.map` is carried over:
//!
//! ```text
//! 2001:db8::69 --add words, fold to the pool's host bits--> offset 80 --probe upwards--> first free offset, never 0
//! ```
//!
//! A lease is dormant once its host has been silent for [`MIN_LEASE`]. A dormant lease keeps working; it is only
//! the first to go when the pool is full, longest silent first. Choice: only packets of the IPv6 host keep a lease
//! young, since otherwise a scan from the IPv4 side would keep every lease for ever.
//!
//! A pool that shrinks, moves or is removed drains: a lease outside the new range works on until its host has been
//! silent for [`MIN_LEASE`], while new ones come from the new range only. A lease ends at once only when its address
//! or its host is explicitly mapped, since one address cannot stand for two.
//!
//! Pure: time comes in as [`UnixTime`]. Does not know files ([`crate::persist`]) and threads ([`crate::lease`]); the
//! leases themselves are in a [`LeaseTable`].

use crate::table::LeaseTable;
use addr::ExplicitMaps;
use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// A lease is safe from other hosts for this long after the host's last packet: 2 h 4 min, the shortest time an
/// idle TCP connection must be kept (RFC 6146 §4, `TCP_EST`).
pub const MIN_LEASE: Duration = Duration::from_secs(7440);

/// A lease ends this long after the host's last packet: two weeks, so that a host finds its address again after a
/// holiday, while hosts with ever new temporary addresses (RFC 8981) do not pile up for ever.
pub const MAX_LEASE: Duration = Duration::from_secs(14 * 24 * 3600);

/// Seconds since 1970, the clock of `dynamic.map`. Steps of the clock cannot harm: ages never go below zero, and a
/// lease that looks old for a while is at worst dormant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// The time from `earlier` to `self`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// `self` less `age`, not before 1970.
    #[must_use]
    pub const fn before(self, age: Duration) -> Self {
        Self(self.0.saturating_sub(age.as_secs()))
    }
}

/// One lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The address out of the pool.
    pub v4: Ipv4Addr,
    /// The host that has it.
    pub v6: Ipv6Addr,
    /// When the host last sent a packet, within the interval in which workers report.
    pub last_used: UnixTime,
}

/// The addresses that a pool may give away: none without a network.
#[derive(Clone, Debug)]
pub struct Range {
    net: Option<Ipv4Net>,
    own: Ipv4Addr,
    maps: ExplicitMaps,
}

/// Why a lease of an earlier run does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The address is none that the pool gives away.
    #[error("{0} is outside the dynamic pool")]
    Outside(Ipv4Addr),
    /// The address belongs to the translator or to an explicit map.
    #[error("{0} is the translator's own or explicitly mapped")]
    Reserved(Ipv4Addr),
    /// The host has an explicit map.
    #[error("{0} is explicitly mapped")]
    Mapped(Ipv6Addr),
    /// No host can have this address.
    #[error("{0} is no address of a host")]
    NoHost(Ipv6Addr),
    /// Another lease has the address or the host already.
    #[error("{0} or {1} is leased already")]
    Duplicate(Ipv4Addr, Ipv6Addr),
    /// The host has been silent for longer than [`MAX_LEASE`].
    #[error("the lease of {0} has ended")]
    Ended(Ipv4Addr),
}

/// What [`Pool::change_range`] did to the leases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Leases that have ended.
    pub ended: usize,
    /// Leases outside the range, which work on.
    pub draining: usize,
}

/// Leases that one search for dormant ones remembers: the next hosts of a full pool are served without a search.
const DORMANT: usize = 1024;

/// The leases, and the range they come from.
#[derive(Debug)]
pub struct Pool {
    range: Range,
    /// What the pool gave away before, as far as hosts still have addresses of it.
    draining: Vec<Ipv4Net>,
    table: Arc<LeaseTable>,
    /// A probe found no free address; only the end of a lease or a new range can change that.
    exhausted: bool,
    /// Dormant leases of the range as the last search found them, longest silent last.
    dormant: Vec<Lease>,
    /// No lease is dormant before this time.
    next_dormant: UnixTime,
    granted: u64,
}

impl Range {
    /// The addresses of `net` but its first, without the translator's `own` and without those in `maps`.
    pub const fn new(net: Option<Ipv4Net>, own: Ipv4Addr, maps: ExplicitMaps) -> Self {
        Self { net, own, maps }
    }

    /// The network that the addresses come from.
    pub const fn net(&self) -> Option<Ipv4Net> {
        self.net
    }

    fn is_reserved(&self, v4: Ipv4Addr) -> bool {
        v4 == self.own || self.maps.lookup_v4(v4).is_some()
    }

    /// Whether the range gives `v4` away, if nobody has reserved it.
    fn contains(&self, v4: Ipv4Addr) -> bool {
        self.net.is_some_and(|net| net.contains(&v4) && v4 != net.network())
    }

    /// Whether `v6` may have a lease and `v4` be one, wherever it lies.
    fn admit(&self, v4: Ipv4Addr, v6: Ipv6Addr) -> Result<(), Misfit> {
        if self.is_reserved(v4) {
            return Err(Misfit::Reserved(v4));
        }
        if self.maps.lookup_v6(v6).is_some() {
            return Err(Misfit::Mapped(v6));
        }
        let link_local = v6.segments()[0] & 0xffc0 == 0xfe80;
        if v6.is_multicast() || v6.is_unspecified() || v6.is_loopback() || link_local {
            return Err(Misfit::NoHost(v6));
        }
        Ok(())
    }
}

const fn host_bits(net: Ipv4Net) -> u32 {
    32 - net.prefix_len() as u32
}

/// The offset in a network with `bits` host bits, at least one, at which the search for an address for `v6` begins.
///
/// Choice: words are little-endian on every machine, which is what Tayga does on the machines it mostly runs on, so
/// that a pool gives the same addresses everywhere.
fn first_offset(bits: u32, v6: Ipv6Addr) -> u32 {
    let mask = (1_u64 << bits) - 1;
    let octets = v6.octets();
    let (words, _) = octets.as_chunks::<4>();
    let folded = words.iter().fold(0_u64, |sum, word| {
        // The sum is 32 bits wide, so it wraps there.
        let mut sum = (sum + u64::from(u32::from_le_bytes(*word))) & u64::from(u32::MAX);
        while sum >> bits != 0 {
            sum = (sum & mask) + (sum >> bits);
        }
        sum
    });
    u32::try_from(folded).expect("folded to at most 32 bits")
}

impl Pool {
    /// A pool without leases.
    pub fn new(range: Range) -> Self {
        Self {
            range,
            draining: Vec::new(),
            table: Arc::new(LeaseTable::with_capacity(0)),
            exhausted: false,
            dormant: Vec::new(),
            next_dormant: UnixTime(0),
            granted: 0,
        }
    }

    /// The leases. Another table takes this one's place when it is full.
    pub const fn table(&self) -> &Arc<LeaseTable> {
        &self.table
    }

    /// The address of `v6`, granted if it has none; `None` when every address is taken by a host that may still
    /// need it, when there is no pool, or when the host is explicitly mapped.
    pub fn lease(&mut self, v6: Ipv6Addr, now: UnixTime) -> Option<Ipv4Addr> {
        if let Some(entry) = self.table.find_v6(v6) {
            self.table.touch(entry, now);
            return Some(entry.v4);
        }
        // A worker may still hold the translator of before a reload, which did not know the map.
        if self.range.maps.lookup_v6(v6).is_some() {
            return None;
        }
        let v4 = self.free_address(v6).or_else(|| self.recycle(now))?;
        self.insert(Lease { v4, v6, last_used: now });
        self.granted += 1;
        Some(v4)
    }

    /// The address that [`Pool::lease`] would grant to `v6`, which has none. Changes nothing.
    pub fn offer(&self, v6: Ipv6Addr, now: UnixTime) -> Option<Ipv4Addr> {
        self.search(v6).or_else(|| {
            let ours = self.table.leases().filter(|lease| self.range.contains(lease.v4));
            let dormant = ours.filter(|lease| now.since(lease.last_used) >= MIN_LEASE);
            dormant.min_by_key(|lease| (lease.last_used, lease.v4)).map(|lease| lease.v4)
        })
    }

    /// Takes back the leases of an earlier run and returns those that do not fit, with the reason.
    ///
    /// A lease from the future says that the clock has been set back; nobody can then tell how old any lease is, so
    /// all count as just dormant. Leases outside the range are not taken back: what a range that is no longer
    /// configured led to is not known.
    pub fn restore(&mut self, leases: &[Lease], now: UnixTime) -> Vec<(Lease, Misfit)> {
        let clock_set_back = leases.iter().any(|lease| lease.last_used > now);
        let mut misfits = Vec::new();
        for &lease in leases {
            let mut aged = lease;
            if clock_set_back {
                aged.last_used = lease.last_used.min(now).before(MIN_LEASE);
            }
            match self.admit(aged, now) {
                Ok(()) => self.insert(aged),
                Err(misfit) => misfits.push((lease, misfit)),
            }
        }
        misfits
    }

    /// Puts another range in place. Leases that it has no room for drain; see the module's head.
    pub fn change_range(&mut self, range: Range, now: UnixTime) -> Change {
        self.draining.extend(self.range.net);
        self.range = range;
        self.exhausted = false;
        self.dormant.clear();
        self.next_dormant = UnixTime(0);
        let taken_over = self.end_where(|range, lease| range.admit(lease.v4, lease.v6).is_err());
        let ended = taken_over + self.sweep(now);
        Change { ended, draining: self.draining() }
    }

    /// Ends the leases whose time is over and returns how many: those of the range after [`MAX_LEASE`], draining ones
    /// after [`MIN_LEASE`].
    pub fn sweep(&mut self, now: UnixTime) -> usize {
        let ended = self.end_where(|range, lease| {
            let longest = if range.contains(lease.v4) { MAX_LEASE } else { MIN_LEASE };
            now.since(lease.last_used) > longest
        });
        self.forget_drained();
        ended
    }

    /// Keeps of [`Pool::draining`] what has leases, each network once and none within another.
    fn forget_drained(&mut self) {
        let (range, table) = (&self.range, &self.table);
        // The wider of two comes first in this order.
        let mut left: Vec<Ipv4Net> = Vec::new();
        self.draining.sort_unstable();
        for net in self.draining.drain(..) {
            if !left.iter().any(|wider| wider.contains(&net)) {
                left.push(net);
            }
        }
        left.retain(|net| table.leases().any(|lease| net.contains(&lease.v4) && !range.contains(lease.v4)));
        self.draining = left;
    }

    /// Every network with addresses that hosts have or may get: the pool's own, and those that drain.
    pub fn networks(&self) -> impl Iterator<Item = Ipv4Net> {
        self.range.net.into_iter().chain(self.draining.iter().copied())
    }

    /// How many leases drain.
    pub fn draining(&self) -> usize {
        if self.draining.is_empty() {
            return 0;
        }
        self.table.leases().filter(|lease| !self.range.contains(lease.v4)).count()
    }

    /// Whether a lease of `v4` drains.
    pub fn drains(&self, v4: Ipv4Addr) -> bool {
        !self.range.contains(v4)
    }

    /// How many leases there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no lease.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many addresses the pool's prefix has, but for its first.
    pub fn size(&self) -> u64 {
        self.range.net.map_or(0, |net| (1 << host_bits(net)) - 1)
    }

    /// How many leases have been granted.
    pub const fn granted(&self) -> u64 {
        self.granted
    }

    fn admit(&self, lease: Lease, now: UnixTime) -> Result<(), Misfit> {
        if !self.range.contains(lease.v4) {
            return Err(Misfit::Outside(lease.v4));
        }
        self.range.admit(lease.v4, lease.v6)?;
        if self.table.find_v4(lease.v4).is_some() || self.table.find_v6(lease.v6).is_some() {
            return Err(Misfit::Duplicate(lease.v4, lease.v6));
        }
        if now.since(lease.last_used) > MAX_LEASE {
            return Err(Misfit::Ended(lease.v4));
        }
        Ok(())
    }

    /// The first free address from the one that `v6` hashes to; notes that there is none.
    fn free_address(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        let free = self.search(v6);
        self.exhausted = free.is_none();
        free
    }

    /// The first free address from the one that `v6` hashes to.
    fn search(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        let net = self.range.net.filter(|net| !self.exhausted && host_bits(*net) > 0)?;
        let size = 1_u64 << host_bits(net);
        let first = u64::from(first_offset(host_bits(net), v6));
        (first..first + size)
            .filter_map(|offset| u32::try_from(offset % size).ok())
            .filter(|&offset| offset != 0)
            .map(|offset| Ipv4Addr::from_bits(net.network().to_bits() | offset))
            .find(|v4| self.table.find_v4(*v4).is_none() && !self.range.is_reserved(*v4))
    }

    /// Takes the address of the host that has been silent for longest, if that is long enough.
    fn recycle(&mut self, now: UnixTime) -> Option<Ipv4Addr> {
        loop {
            let Some(found) = self.dormant.pop() else {
                self.find_dormant(now);
                if self.dormant.is_empty() {
                    return None;
                }
                continue;
            };
            let entry = self.table.find_v4(found.v4);
            // The host may have woken up since it was found.
            if entry
                .is_some_and(|entry| entry.v6 == found.v6 && self.table.last_used(entry) == found.last_used)
            {
                self.table.remove(found.v4);
                // It goes to another host at once, so the pool stays full.
                return Some(found.v4);
            }
        }
    }

    /// Fills [`Pool::dormant`]. A search without result is not repeated before it can have one, unless the clock was
    /// set back so far that its result says nothing.
    fn find_dormant(&mut self, now: UnixTime) {
        if now < self.next_dormant && self.next_dormant.since(now) <= MIN_LEASE {
            return;
        }
        let is_ours = |lease: &Lease| self.range.contains(lease.v4);
        let oldest = self.table.leases().filter(is_ours).map(|lease| lease.last_used).min();
        self.next_dormant = UnixTime(oldest.unwrap_or(now).0.saturating_add(MIN_LEASE.as_secs()));
        let is_dormant = |lease: &Lease| now.since(lease.last_used) >= MIN_LEASE;
        let mut dormant: Vec<Lease> = self.table.leases().filter(is_ours).filter(is_dormant).collect();
        if dormant.len() > DORMANT {
            dormant.select_nth_unstable_by_key(DORMANT, |lease| lease.last_used);
            dormant.truncate(DORMANT);
            dormant.shrink_to_fit();
        }
        dormant.sort_unstable_by_key(|lease| std::cmp::Reverse((lease.last_used, lease.v4)));
        self.dormant = dormant;
    }

    fn insert(&mut self, lease: Lease) {
        if self.table.is_full() {
            self.table = Arc::new(self.table.grow());
        }
        self.table.insert(lease);
    }

    /// Ends the leases for which `is_over` holds and returns how many.
    fn end_where(&mut self, is_over: impl Fn(&Range, &Lease) -> bool) -> usize {
        let over: Vec<Ipv4Addr> =
            self.table.leases().filter(|lease| is_over(&self.range, lease)).map(|lease| lease.v4).collect();
        for &v4 in &over {
            self.table.remove(v4);
        }
        self.exhausted &= over.is_empty();
        over.len()
    }
}

#[cfg(test)]
mod tests;
