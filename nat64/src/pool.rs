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
//! Pure: time comes in as [`UnixTime`]. Does not know files ([`crate::persist`]) and threads ([`crate::lease`]).

use addr::ExplicitMaps;
use ipnet::Ipv4Net;
use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address out of the pool.
    pub v4: Ipv4Addr,
    /// The host that has it.
    pub v6: Ipv6Addr,
    /// When the host last sent a packet, within the interval in which workers report.
    pub last_used: UnixTime,
}

/// The addresses that a pool may give away.
#[derive(Clone, Debug)]
pub struct Range {
    net: Ipv4Net,
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

/// The leases, and the range they come from.
#[derive(Debug, Default)]
pub struct Pool {
    range: Option<Range>,
    by_v4: HashMap<Ipv4Addr, (Ipv6Addr, UnixTime)>,
    by_v6: HashMap<Ipv6Addr, Ipv4Addr>,
    by_age: BTreeSet<(UnixTime, Ipv4Addr)>,
    /// A probe found no free address; only the end of a lease or a new range can change that.
    exhausted: bool,
    granted: u64,
    ended: u64,
}

impl Range {
    /// The addresses of `net` but its first, without the translator's `own` and without those in `maps`.
    pub const fn new(net: Ipv4Net, own: Ipv4Addr, maps: ExplicitMaps) -> Self {
        Self { net, own, maps }
    }

    fn host_bits(&self) -> u32 {
        32 - u32::from(self.net.prefix_len())
    }

    /// The offset at which the search for an address for `v6` begins.
    ///
    /// Choice: words are little-endian on every machine, which is what Tayga does on the machines it mostly runs on,
    /// so that a pool gives the same addresses everywhere. Needs at least one host bit.
    fn first_offset(&self, v6: Ipv6Addr) -> u32 {
        let bits = self.host_bits();
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

    fn address(&self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.net.network().to_bits() | offset)
    }

    fn is_reserved(&self, v4: Ipv4Addr) -> bool {
        v4 == self.own || self.maps.lookup_v4(v4).is_some()
    }

    /// Whether a lease fits the range.
    fn admit(&self, v4: Ipv4Addr, v6: Ipv6Addr) -> Result<(), Misfit> {
        if !self.net.contains(&v4) || v4 == self.net.network() {
            return Err(Misfit::Outside(v4));
        }
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

impl Pool {
    /// A pool without leases. Without a range it never grants one.
    pub fn new(range: Option<Range>) -> Self {
        Self { range, ..Self::default() }
    }

    /// The address of `v6`, granted if it has none; `None` when every address is taken by a host that may still
    /// need it, or when there is no pool.
    pub fn lease(&mut self, v6: Ipv6Addr, now: UnixTime) -> Option<Ipv4Addr> {
        if let Some(&v4) = self.by_v6.get(&v6) {
            self.touch(v4, v6, now);
            return Some(v4);
        }
        self.end_expired(now);
        let v4 = self.free_address(v6).or_else(|| self.recycle(now))?;
        self.insert(Lease { v4, v6, last_used: now });
        self.granted += 1;
        Some(v4)
    }

    /// The address that `v6` has already.
    pub fn v4_of(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        self.by_v6.get(&v6).copied()
    }

    /// The host that has `v4`.
    pub fn v6_of(&self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        self.by_v4.get(&v4).map(|&(v6, _)| v6)
    }

    /// Notes that `v6` sent a packet at `at`. A report about a lease that has passed on is ignored.
    pub fn touch(&mut self, v4: Ipv4Addr, v6: Ipv6Addr, at: UnixTime) {
        let Some((holder, last_used)) = self.by_v4.get_mut(&v4) else { return };
        if *holder == v6 && *last_used < at {
            self.by_age.remove(&(*last_used, v4));
            self.by_age.insert((at, v4));
            *last_used = at;
        }
    }

    /// Takes back the leases of an earlier run and returns those that do not fit, with the reason.
    ///
    /// A lease from the future says that the clock has been set back; nobody can then tell how old any lease is, so
    /// all count as just dormant.
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

    /// Puts another range in place and returns how many leases ended because they do not fit it.
    pub fn change_range(&mut self, range: Option<Range>) -> usize {
        self.range = range;
        self.exhausted = false;
        let misfits: Vec<Ipv4Addr> = self
            .by_v4
            .iter()
            .filter(|&(&v4, &(v6, _))| self.range.as_ref().is_none_or(|range| range.admit(v4, v6).is_err()))
            .map(|(&v4, _)| v4)
            .collect();
        for &v4 in &misfits {
            self.end(v4);
        }
        misfits.len()
    }

    /// All leases, longest silent first.
    pub fn leases(&self) -> impl Iterator<Item = Lease> {
        self.by_age.iter().filter_map(|&(last_used, v4)| self.v6_of(v4).map(|v6| Lease { v4, v6, last_used }))
    }

    /// How many leases there are.
    pub fn len(&self) -> usize {
        self.by_v4.len()
    }

    /// Whether there is no lease.
    pub fn is_empty(&self) -> bool {
        self.by_v4.is_empty()
    }

    /// How many addresses the pool's prefix has, but for its first.
    pub fn size(&self) -> u64 {
        self.range.as_ref().map_or(0, |range| (1 << range.host_bits()) - 1)
    }

    /// How many leases have been granted; a host known to have none may have one when this changes.
    pub const fn granted(&self) -> u64 {
        self.granted
    }

    /// How many leases have ended; what is known of a lease holds until this changes.
    pub const fn ended(&self) -> u64 {
        self.ended
    }

    fn admit(&self, lease: Lease, now: UnixTime) -> Result<(), Misfit> {
        let Some(range) = &self.range else { return Err(Misfit::Outside(lease.v4)) };
        range.admit(lease.v4, lease.v6)?;
        if self.by_v4.contains_key(&lease.v4) || self.by_v6.contains_key(&lease.v6) {
            return Err(Misfit::Duplicate(lease.v4, lease.v6));
        }
        if now.since(lease.last_used) > MAX_LEASE {
            return Err(Misfit::Ended(lease.v4));
        }
        Ok(())
    }

    /// The first free address from the one that `v6` hashes to.
    fn free_address(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        let range = self.range.as_ref().filter(|range| !self.exhausted && range.host_bits() > 0)?;
        let size = 1_u64 << range.host_bits();
        let first = u64::from(range.first_offset(v6));
        let free = (first..first + size)
            .filter_map(|offset| u32::try_from(offset % size).ok())
            .filter(|&offset| offset != 0)
            .map(|offset| range.address(offset))
            .find(|v4| !self.by_v4.contains_key(v4) && !range.is_reserved(*v4));
        self.exhausted = free.is_none();
        free
    }

    /// Takes the address of the host that has been silent for longest, if that is long enough.
    fn recycle(&mut self, now: UnixTime) -> Option<Ipv4Addr> {
        let &(last_used, v4) = self.by_age.first()?;
        if now.since(last_used) < MIN_LEASE {
            return None;
        }
        self.end(v4);
        // It goes to another host at once, so the pool stays full.
        self.exhausted = true;
        Some(v4)
    }

    fn end_expired(&mut self, now: UnixTime) {
        while let Some(&(last_used, v4)) = self.by_age.first()
            && now.since(last_used) > MAX_LEASE
        {
            self.end(v4);
        }
    }

    fn insert(&mut self, lease: Lease) {
        self.by_v4.insert(lease.v4, (lease.v6, lease.last_used));
        self.by_v6.insert(lease.v6, lease.v4);
        self.by_age.insert((lease.last_used, lease.v4));
    }

    fn end(&mut self, v4: Ipv4Addr) {
        if let Some((v6, last_used)) = self.by_v4.remove(&v4) {
            self.by_v6.remove(&v6);
            self.by_age.remove(&(last_used, v4));
            self.exhausted = false;
            self.ended += 1;
        }
    }
}

#[cfg(test)]
mod tests;
