//! The dynamic pool as the workers see it: one [`SharedPool`] behind a lock, and in each worker a [`LeaseView`] that
//! takes the lock only for what changes the pool.
//!
//! ```text
//! packet --LeaseView--> LeaseTable (no lock)--> known host, or known absence
//!             \--new host--> SharedPool (lock) --new lease--> wake the writer of dynamic.map
//! ```
//!
//! All views read one [`LeaseTable`], so that more workers take no more memory. What a view has for itself are the
//! hosts that were refused lately. Each packet of a host notes its last use in the table.

use crate::pool::{Change, Lease, Misfit, Pool, Range, UnixTime};
use crate::table::{Entry, LeaseTable, Lookup};
use arc_swap::ArcSwap;
use ipnet::Ipv4Net;
use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a worker remembers that a host can have no lease: an address may have come free since.
const REFUSAL_AGE: Duration = Duration::from_secs(1);

/// How many hosts without a lease a worker remembers: a scan fills this and not the memory.
const REFUSALS: usize = 4096;

/// The pool that all workers share.
pub struct SharedPool {
    pool: Mutex<Pool>,
    /// The pool's table, for those without the lock.
    table: ArcSwap<LeaseTable>,
    /// Called, outside the lock, after a lease was granted.
    on_grant: Box<dyn Fn() + Send + Sync>,
}

impl SharedPool {
    /// Shares `pool`. `on_grant` is called by workers after each new lease; it must not block.
    pub fn new(pool: Pool, on_grant: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            table: ArcSwap::new(Arc::clone(pool.table())),
            pool: Mutex::new(pool),
            on_grant: Box::new(on_grant),
        }
    }

    /// A copy of all leases, in no order.
    pub fn leases(&self) -> Vec<Lease> {
        self.lock().table().leases().collect()
    }

    /// How many leases there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is no lease.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many leases are outside the pool's range and work on until their hosts are silent.
    pub fn draining(&self) -> usize {
        self.lock().draining()
    }

    /// Whether a lease of `v4` drains.
    pub fn drains(&self, v4: Ipv4Addr) -> bool {
        self.lock().drains(v4)
    }

    /// How many addresses the pool's prefix has, but for its first.
    pub fn size(&self) -> u64 {
        self.lock().size()
    }

    /// See [`Pool::networks`].
    pub fn networks(&self) -> Vec<Ipv4Net> {
        self.lock().networks().collect()
    }

    /// See [`Pool::change_range`].
    pub fn change_range(&self, range: Range, now: UnixTime) -> Change {
        self.with(|pool| pool.change_range(range, now))
    }

    /// See [`Pool::sweep`].
    pub fn sweep(&self, now: UnixTime) -> usize {
        self.with(|pool| pool.sweep(now))
    }

    /// Takes back the leases of an earlier run; see [`Pool::restore`].
    pub fn restore(&self, leases: &[Lease], now: UnixTime) -> Vec<(Lease, Misfit)> {
        self.with(|pool| pool.restore(leases, now))
    }

    /// Works on the pool under the lock, and shows its table to those without if it is another one then.
    fn with<T>(&self, work: impl FnOnce(&mut Pool) -> T) -> T {
        let mut pool = self.lock();
        let result = work(&mut pool);
        if !Arc::ptr_eq(pool.table(), &self.table.load()) {
            self.table.store(Arc::clone(pool.table()));
        }
        result
    }

    /// A panic under the lock leaves at worst one lease half entered, which the next lookup corrects or refuses; the
    /// other workers must go on.
    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pool at one time, for whoever only looks.
pub struct Glance<'a> {
    /// The pool.
    pub pool: &'a SharedPool,
    /// The time.
    pub now: UnixTime,
}

impl translator::PoolView for Glance<'_> {
    fn lease_of(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        self.pool.lock().table().find_v6(v6).map(|entry| entry.v4)
    }

    fn offer(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        self.pool.lock().offer(v6, self.now)
    }

    fn host_of(&self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        self.pool.lock().table().find_v4(v4).map(|entry| entry.v6)
    }
}

/// The pool as one worker sees it.
pub struct LeaseView {
    shared: Arc<SharedPool>,
    table: Arc<LeaseTable>,
    /// Hosts that the pool has no room for.
    refused: HashSet<Ipv6Addr>,
    refused_since: UnixTime,
    now: UnixTime,
}

impl LeaseView {
    /// A view of `shared`.
    pub fn new(shared: Arc<SharedPool>, now: UnixTime) -> Self {
        let table = shared.table.load_full();
        Self { shared, table, refused: HashSet::new(), refused_since: now, now }
    }

    /// To be called before each batch of packets.
    pub fn begin(&mut self, now: UnixTime) {
        self.now = now;
        self.refresh();
        if now.since(self.refused_since) >= REFUSAL_AGE || now < self.refused_since {
            self.refused.clear();
            self.refused_since = now;
        }
    }

    fn refresh(&mut self) {
        let table = self.shared.table.load();
        if !Arc::ptr_eq(&table, &self.table) {
            self.table = Arc::clone(&table);
        }
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
        self.refresh();
        if lease.is_none() {
            if self.refused.len() >= REFUSALS {
                self.refused.clear();
            }
            self.refused.insert(v6);
        }
        lease
    }

    /// What `look` finds, under the lock if it must be.
    fn find(
        &mut self,
        look: impl Fn(&LeaseTable) -> Lookup,
        find: impl Fn(&LeaseTable) -> Option<Entry>,
    ) -> Option<Entry> {
        match look(&self.table) {
            Lookup::Found(entry) => Some(entry),
            Lookup::Absent => None,
            Lookup::Unsure => {
                self.refresh();
                find(self.shared.lock().table())
            }
        }
    }
}

impl translator::Leases for LeaseView {
    fn lease_for_v6(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        if let Lookup::Found(entry) = self.table.lookup_v6(v6) {
            self.table.touch(entry, self.now);
            return Some(entry.v4);
        }
        if self.refused.contains(&v6) { None } else { self.ask_for_lease(v6) }
    }

    fn known_lease_for_v6(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        self.find(|table| table.lookup_v6(v6), |table| table.find_v6(v6)).map(|entry| entry.v4)
    }

    fn v6_of_lease(&mut self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        self.find(|table| table.lookup_v4(v4), |table| table.find_v4(v4)).map(|entry| entry.v6)
    }
}

#[cfg(test)]
mod tests;
