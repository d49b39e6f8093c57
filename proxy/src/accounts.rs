//! A bounded table of those who are kept account of, and the bucket that an account may hold. Pure: time comes in.
//!
//! An account that says no more than none would is settled, and may be forgotten. A full table takes nobody new: it
//! fails towards refusing, since who is not in the table could have had anything.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use addr::fold_mapped;
use ipnet::IpNet;

/// Entries below which nothing is looked for that may be forgotten.
const FEW: usize = 1024;
/// A full table is looked through this often at most.
const PAUSE: Duration = Duration::from_secs(1);

/// The network that makes one source of a client's address, by the lengths for IPv6 and IPv4. IPv4-mapped addresses are
/// IPv4.
pub(crate) fn source(client: IpAddr, prefix_v6: u8, prefix_v4: u8) -> IpAddr {
    let client = fold_mapped(client);
    let length = if client.is_ipv4() { prefix_v4 } else { prefix_v6 };
    IpNet::new(client, length).map_or(client, |net| net.network())
}

/// What is kept of somebody.
pub(crate) trait Account {
    /// Whether it says no more than none would.
    fn is_settled(&self, now: Instant) -> bool;
}

/// The accounts, by who they are of.
#[derive(Debug)]
pub(crate) struct Accounts<K, V> {
    bound: usize,
    /// Keyed by a hash of its own: clients choose who they are.
    entries: HashMap<K, V>,
    /// From this many entries on it is looked for those that are settled.
    sweep_at: usize,
    swept: Option<Instant>,
}

impl<K: Hash + Eq, V: Account> Accounts<K, V> {
    /// At most `bound` of them.
    pub(crate) fn new(bound: usize) -> Self {
        Self { bound, entries: HashMap::new(), sweep_at: FEW.min(bound), swept: None }
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, who: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(who)
    }

    /// Writes an account; false if it would be one more than there may be.
    pub(crate) fn put(&mut self, who: K, account: V, now: Instant) -> bool {
        let fits = self.entries.contains_key(&who) || self.has_room(now);
        if fits {
            self.entries.insert(who, account);
        }
        fits
    }

    /// Changes an account that is there, and forgets it if it is settled then.
    pub(crate) fn settle(&mut self, who: &K, now: Instant, change: impl FnOnce(&mut V)) {
        if let Some(account) = self.entries.get_mut(who) {
            change(account);
            if account.is_settled(now) {
                self.entries.remove(who);
            }
        }
    }

    /// Whether one entry more may be made. Each look through the table is paid for by as many new entries as stayed.
    fn has_room(&mut self, now: Instant) -> bool {
        let rested = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= PAUSE);
        if self.entries.len() >= self.sweep_at && (self.entries.len() < self.bound || rested) {
            self.entries.retain(|_, account| !account.is_settled(now));
            self.swept = Some(now);
            self.sweep_at = (2 * self.entries.len()).max(FEW).min(self.bound);
        }
        self.entries.len() < self.bound
    }

    #[cfg(test)]
    pub(crate) const fn entries(&self) -> &HashMap<K, V> {
        &self.entries
    }
}

/// So many at once, and so many in a time: the generic cell rate algorithm. Its state is one moment, at which the bucket
/// is full again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// The time in which one comes back.
    step: Duration,
    /// The time in which an empty bucket is full.
    depth: Duration,
}

impl Bucket {
    /// `events` in each `per`, `burst` of them at once; at least 1 each.
    pub(crate) fn new(events: u32, per: Duration, burst: u32) -> Self {
        let step = per / events.max(1);
        Self { step, depth: step.saturating_mul(burst.max(1)) }
    }

    /// Takes one. Returns when the bucket is full again then, or the time after which there is one to take.
    pub(crate) fn take(self, full: Instant, now: Instant) -> Result<Instant, Duration> {
        let after = full.max(now) + self.step;
        let wait = after.saturating_duration_since(now + self.depth);
        if wait.is_zero() { Ok(after) } else { Err(wait) }
    }
}

/// When a bucket is full again, where nothing else is kept.
impl Account for Instant {
    fn is_settled(&self, now: Instant) -> bool {
        *self <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bucket_gives_a_burst_and_then_one_by_one() {
        let (bucket, start) = (Bucket::new(2, Duration::from_secs(1), 3), Instant::now());
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        let mut full = start;
        let mut take = |now: u64, expect: Option<u64>| {
            let taken = bucket.take(full, at(now));
            assert_eq!(taken.err(), expect.map(Duration::from_millis), "{now}");
            full = taken.unwrap_or(full);
        };
        take(0, None);
        take(0, None);
        take(0, None);
        take(0, Some(500));
        take(499, Some(1));
        take(500, None);
        take(501, Some(499));
        take(5000, None);
        take(5000, None);
        take(5000, None);
        take(5000, Some(500));
    }

    proptest! {
        /// However they come, no more pass than the burst and what comes back; and who waits as told passes.
        #[test]
        fn a_bucket_never_gives_more_than_it_may(
            events in 1_u32..50,
            per in 1_u64..5000,
            burst in 1_u32..20,
            gaps in proptest::collection::vec(0_u64..700, 1..200),
        ) {
            let per = Duration::from_millis(per);
            let bucket = Bucket::new(events, per, burst);
            let start = Instant::now();
            let (mut now, mut full, mut passed) = (start, start, 0_u128);
            for gap in gaps {
                now += Duration::from_millis(gap);
                match bucket.take(full, now) {
                    Ok(after) => {
                        full = after;
                        passed += 1;
                    }
                    Err(wait) => prop_assert!(bucket.take(full, now + wait).is_ok()),
                }
                let back = (now - start).as_nanos() / (per / events).as_nanos();
                prop_assert!(passed <= u128::from(burst) + back);
            }
        }
    }
}
