//! The dynamic pool as the workers see it: one [`SharedPool`] behind a lock, and in each worker a [`LeaseCache`]
//! that goes to it only for what it does not know.
//!
//! ```text
//! packet --LeaseCache (this worker's, no lock)--> known host
//!               \--miss--> SharedPool (lock) --new lease--> wake the writer of dynamic.map
//! ```
//!
//! A cache is right without asking because the pool counts what could make it wrong: [`Pool::ended`] voids what is
//! known, [`Pool::granted`] voids what is known not to be. Both are read once per batch. Hosts' last use is noted in
//! the cache and reported once per [`REPORT_INTERVAL`].

use crate::pool::{Lease, Misfit, Pool, Range, UnixTime};
use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a worker tells the pool which hosts have sent packets. Against two hours of [`crate::pool::MIN_LEASE`]
/// the error is of no weight.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(45);

/// How long a worker remembers that a host can have no lease: a dormant lease may have come free since.
const REFUSAL_AGE: Duration = Duration::from_secs(1);

/// How long a host may be silent before a worker forgets it: keeps a cache about as large as the set of busy hosts.
const IDLE_AGE: Duration = Duration::from_secs(600);

/// How many hosts without a lease a worker remembers: a scan fills this and not the memory.
const REFUSALS: usize = 4096;

/// The pool that all workers share.
pub struct SharedPool {
    pool: Mutex<Pool>,
    granted: AtomicU64,
    ended: AtomicU64,
    /// Called, outside the lock, after a lease was granted.
    on_grant: Box<dyn Fn() + Send + Sync>,
}

impl SharedPool {
    /// Shares `pool`. `on_grant` is called by workers after each new lease; it must not block.
    pub fn new(pool: Pool, on_grant: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            granted: AtomicU64::new(pool.granted()),
            ended: AtomicU64::new(pool.ended()),
            pool: Mutex::new(pool),
            on_grant: Box::new(on_grant),
        }
    }

    /// A copy of all leases, longest silent first.
    pub fn leases(&self) -> Vec<Lease> {
        self.lock().leases().collect()
    }

    /// How many leases there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is no lease.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many addresses the pool's prefix has, but for its first.
    pub fn size(&self) -> u64 {
        self.lock().size()
    }

    /// Puts another range in place and returns how many leases ended because they do not fit it.
    pub fn change_range(&self, range: Option<Range>) -> usize {
        self.with(|pool| pool.change_range(range))
    }

    /// Takes back the leases of an earlier run; see [`Pool::restore`].
    pub fn restore(&self, leases: &[Lease], now: UnixTime) -> Vec<(Lease, Misfit)> {
        self.with(|pool| pool.restore(leases, now))
    }

    /// Works on the pool under the lock and makes what changed known to the caches.
    fn with<T>(&self, work: impl FnOnce(&mut Pool) -> T) -> T {
        let mut pool = self.lock();
        let result = work(&mut pool);
        self.granted.store(pool.granted(), Ordering::Release);
        self.ended.store(pool.ended(), Ordering::Release);
        result
    }

    /// A panic under the lock leaves at worst one lease half entered, which the next lookup corrects or refuses; the
    /// other workers must go on.
    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one worker knows of the pool.
pub struct LeaseCache {
    shared: Arc<SharedPool>,
    by_v6: HashMap<Ipv6Addr, (Ipv4Addr, UnixTime)>,
    by_v4: HashMap<Ipv4Addr, Ipv6Addr>,
    /// Hosts that the pool has no room for.
    refused_v6: HashSet<Ipv6Addr>,
    /// Hosts without a lease, which may get one for the asking.
    unknown_v6: HashSet<Ipv6Addr>,
    /// Addresses that nobody has.
    unknown_v4: HashSet<Ipv4Addr>,
    granted: u64,
    ended: u64,
    now: UnixTime,
    refused_since: UnixTime,
    reported: UnixTime,
}

impl LeaseCache {
    /// An empty cache.
    pub fn new(shared: Arc<SharedPool>, now: UnixTime) -> Self {
        Self {
            granted: shared.granted.load(Ordering::Acquire),
            ended: shared.ended.load(Ordering::Acquire),
            shared,
            by_v6: HashMap::new(),
            by_v4: HashMap::new(),
            refused_v6: HashSet::new(),
            unknown_v6: HashSet::new(),
            unknown_v4: HashSet::new(),
            now,
            refused_since: now,
            reported: now,
        }
    }

    /// To be called before each batch of packets: drops what no longer holds, reports what is due.
    pub fn begin(&mut self, now: UnixTime) {
        self.now = now;
        let ended = self.shared.ended.load(Ordering::Acquire);
        if ended != self.ended {
            self.report();
            self.by_v6.clear();
            self.by_v4.clear();
            self.forget_refusals();
            self.ended = ended;
        }
        let granted = self.shared.granted.load(Ordering::Acquire);
        if granted != self.granted || now.since(self.refused_since) >= REFUSAL_AGE || now < self.refused_since
        {
            self.forget_refusals();
            self.granted = granted;
        }
        if now.since(self.reported) >= REPORT_INTERVAL || now < self.reported {
            self.report();
        }
    }

    /// Tells the pool which hosts sent packets since the last report, and forgets the idle ones.
    pub fn report(&mut self) {
        let (since, now) = (self.reported, self.now);
        if self.by_v6.values().any(|&(_, last_used)| last_used >= since) {
            self.shared.with(|pool| {
                for (&v6, &(v4, last_used)) in &self.by_v6 {
                    if last_used >= since {
                        pool.touch(v4, v6, last_used);
                    }
                }
            });
        }
        self.reported = now;
        self.by_v6.retain(|_, (_, last_used)| now.since(*last_used) < IDLE_AGE);
        let by_v6 = &self.by_v6;
        self.by_v4.retain(|_, v6| by_v6.contains_key(v6));
    }

    /// Whether a report is due some time, so that a worker without packets must wake for it.
    pub fn has_unreported(&self) -> bool {
        !self.by_v6.is_empty()
    }

    fn forget_refusals(&mut self) {
        self.refused_v6.clear();
        self.unknown_v6.clear();
        self.unknown_v4.clear();
        self.refused_since = self.now;
    }

    fn ask_for_lease(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        let now = self.now;
        let (lease, is_new) = self.shared.with(|pool| {
            let before = pool.granted();
            let lease = pool.lease(v6, now);
            (lease, pool.granted() != before)
        });
        if is_new {
            (self.shared.on_grant)();
        }
        match lease {
            Some(v4) => {
                self.by_v6.insert(v6, (v4, now));
            }
            None => remember(&mut self.refused_v6, v6),
        }
        lease
    }

    fn ask_for_known_lease(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        let lease = self.shared.lock().v4_of(v6);
        match lease {
            // The host did not send this packet, so it counts as idle until it sends one.
            Some(v4) => {
                self.by_v6.insert(v6, (v4, UnixTime(0)));
            }
            None => remember(&mut self.unknown_v6, v6),
        }
        lease
    }

    fn ask_for_host(&mut self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        let host = self.shared.lock().v6_of(v4);
        match host {
            Some(v6) => {
                self.by_v4.insert(v4, v6);
            }
            None => remember(&mut self.unknown_v4, v4),
        }
        host
    }
}

impl translator::Leases for LeaseCache {
    fn lease_for_v6(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        if let Some((v4, last_used)) = self.by_v6.get_mut(&v6) {
            *last_used = self.now;
            return Some(*v4);
        }
        if self.refused_v6.contains(&v6) { None } else { self.ask_for_lease(v6) }
    }

    fn known_lease_for_v6(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        if let Some(&(v4, _)) = self.by_v6.get(&v6) {
            return Some(v4);
        }
        let unknown = self.refused_v6.contains(&v6) || self.unknown_v6.contains(&v6);
        if unknown { None } else { self.ask_for_known_lease(v6) }
    }

    fn v6_of_lease(&mut self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        if let Some(&v6) = self.by_v4.get(&v4) {
            return Some(v6);
        }
        if self.unknown_v4.contains(&v4) { None } else { self.ask_for_host(v4) }
    }
}

fn remember<T: Eq + std::hash::Hash>(refused: &mut HashSet<T>, address: T) {
    if refused.len() >= REFUSALS {
        refused.clear();
    }
    refused.insert(address);
}

#[cfg(test)]
mod tests;
