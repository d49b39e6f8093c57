//! Who speaks for routers that have no address on the other side (RFC 6791).
//!
//! ```text
//!   IPv6 router --hash--> slot --taken by another?--> next slot ... --all taken--> shared
//! ```
//!
//! Choice: neither plain hash nor chance, which RFC 6791 §5 recommends. Two routers on a path would share an address
//! by either, and look like a loop; by chance a router would also answer each probe of a traceroute from another
//! address. So each router keeps the first free address that its own leads to, until none is left, and gives it up
//! when it has been silent for long.
//!
//! The slots are the one thing here that outlives a packet and is shared by workers. They change in one atomic step, so
//! that nobody waits. Strangers can fill them with errors from invented sources; then routers share by hash until the
//! strangers have been silent for [`GIVEN_UP`], and nothing is lost.

use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many slots are looked at for one router: bounds the cost of an error once most are taken.
const MOST_PROBES: usize = 256;

/// After how many seconds of silence another router may have an address: longer than a traceroute takes to come back
/// to a hop.
const GIVEN_UP: u32 = 300;

/// No router; no fingerprint is this.
const NOBODY: u64 = 0;

/// IPv4 addresses that speak for IPv6 routers. Clones share what they know.
#[derive(Clone, Debug, Default)]
pub struct IcmpSources {
    nets: Vec<Ipv4Net>,
    /// The [`Holder`] of each address.
    slots: Arc<[AtomicU64]>,
}

impl PartialEq for IcmpSources {
    fn eq(&self, other: &Self) -> bool {
        self.nets == other.nets
    }
}

impl Eq for IcmpSources {}

impl IcmpSources {
    /// The addresses of `nets`, all of them, network and broadcast addresses included; 8 bytes of memory for each.
    pub fn new(nets: Vec<Ipv4Net>) -> Self {
        let slots: usize = nets.iter().copied().map(size).sum();
        Self { slots: (0..slots).map(|_| AtomicU64::new(NOBODY)).collect(), nets }
    }

    /// The same addresses, with what is known of them so far and without what is learnt later.
    pub(crate) fn detached(&self) -> Self {
        let slots = self.slots.iter().map(|slot| AtomicU64::new(slot.load(Ordering::Relaxed)));
        Self { nets: self.nets.clone(), slots: slots.collect() }
    }

    /// Whether `v4` is one of the addresses.
    pub(crate) fn contains(&self, v4: Ipv4Addr) -> bool {
        self.nets.iter().any(|net| net.contains(&v4))
    }

    /// The address that speaks at `now`, a monotonic time, for `router`; `None` if there are no addresses.
    pub(crate) fn speaker(&self, router: Ipv6Addr, now: Duration) -> Option<Ipv4Addr> {
        let hash = hash(router);
        let holder = Holder {
            router: u32::try_from(hash >> 32).unwrap_or_default() | 1,
            heard: u32::try_from(now.as_secs()).unwrap_or(u32::MAX),
        };
        let slots = u64::try_from(self.slots.len()).ok()?;
        let first = usize::try_from(hash.checked_rem(slots)?).ok()?;
        let probes = (0..self.slots.len().min(MOST_PROBES)).map(|step| (first + step) % self.slots.len());
        let find = |accept: fn(&AtomicU64, Holder) -> bool| {
            probes.clone().find(|slot| self.slots.get(*slot).is_some_and(|slot| accept(slot, holder)))
        };
        // Its own may lie behind one that has been given up since.
        self.address(find(keep).or_else(|| find(claim)).unwrap_or(first))
    }

    fn address(&self, slot: usize) -> Option<Ipv4Addr> {
        let mut offset = slot;
        for net in &self.nets {
            if offset < size(*net) {
                return Some(Ipv4Addr::from_bits(net.network().to_bits() + u32::try_from(offset).ok()?));
            }
            offset -= size(*net);
        }
        None
    }
}

/// Who has a slot: one word, so that it changes hands in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    /// A fingerprint, never 0. Two routers have the same by a chance of one in 2^31; then they share an address.
    router: u32,
    /// When it last reported something, in seconds.
    heard: u32,
}

impl Holder {
    fn of(word: u64) -> Self {
        let half = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or_default();
        Self { router: half(word >> 32), heard: half(word) }
    }

    fn word(self) -> u64 {
        u64::from(self.router) << 32 | u64::from(self.heard)
    }
}

/// Whether `slot` is the router's already; notes that it was heard.
fn keep(slot: &AtomicU64, holder: Holder) -> bool {
    let word = slot.load(Ordering::Relaxed);
    let is_its = Holder::of(word).router == holder.router;
    if is_its && Holder::of(word).heard < holder.heard {
        // Another worker that was faster noted the same.
        let _ = slot.compare_exchange(word, holder.word(), Ordering::Relaxed, Ordering::Relaxed);
    }
    is_its
}

/// Whether `slot` is the router's, from here on if not before: it takes what is free or given up.
fn claim(slot: &AtomicU64, holder: Holder) -> bool {
    let word = slot.load(Ordering::Relaxed);
    let taken = Holder::of(word);
    let is_free = word == NOBODY || holder.heard.saturating_sub(taken.heard) >= GIVEN_UP;
    if taken.router == holder.router || !is_free {
        return taken.router == holder.router;
    }
    match slot.compare_exchange(word, holder.word(), Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => true,
        Err(word) => Holder::of(word).router == holder.router,
    }
}

fn size(net: Ipv4Net) -> usize {
    1 << (32 - u32::from(net.prefix_len())).min(31)
}

fn hash(router: Ipv6Addr) -> u64 {
    let [high, low] = [router.to_bits() >> 64, router.to_bits() & u128::from(u64::MAX)]
        .map(|half| u64::try_from(half).unwrap_or_default());
    mix(mix(high) ^ low)
}

/// Spreads every bit over all (the finalizer of `SplitMix64`).
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn sources(nets: &[&str]) -> IcmpSources {
        IcmpSources::new(nets.iter().map(|net| net.parse().unwrap()).collect())
    }

    const START: Duration = Duration::from_secs(7);
    const LATER: Duration = Duration::from_secs(7 + 300);

    fn router(number: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0xfe)
    }

    #[test]
    fn routers_that_differ_look_different_as_far_as_addresses_go() {
        let sources = sources(&["192.0.2.64/28", "198.51.100.8/31"]);
        let first: Vec<Ipv4Addr> =
            (0..18).map(|number| sources.speaker(router(number), START).unwrap()).collect();
        assert_eq!(first.iter().collect::<HashSet<_>>().len(), 18);
        assert!(first.iter().all(|v4| sources.contains(*v4)));
        let again: Vec<Ipv4Addr> =
            (0..18).map(|number| sources.speaker(router(number), START).unwrap()).collect();
        assert_eq!(again, first, "each keeps its own");
        let clone = sources.clone();
        drop(sources);
        assert_eq!(clone.speaker(router(3), START), Some(first[3]), "a clone knows them");
    }

    #[test]
    fn routers_share_once_all_addresses_are_taken() {
        let sources = sources(&["192.0.2.64/30"]);
        let all: HashSet<Option<Ipv4Addr>> =
            (0..100).map(|number| sources.speaker(router(number), START)).collect();
        assert_eq!(all.len(), 4);
        assert!(!all.contains(&None));
        assert_eq!(
            sources.speaker(router(99), START),
            sources.speaker(router(99), START),
            "and keep what they share"
        );
    }

    #[test]
    fn addresses_of_routers_that_fell_silent_go_to_others() {
        let sources = sources(&["192.0.2.64/30"]);
        for number in 0..48 {
            sources.speaker(router(number), START);
        }
        let almost = START + Duration::from_secs(299);
        let busy = sources.speaker(router(0), almost);
        let seen =
            |at| (0..4).map(|number| sources.speaker(router(100 + number), at)).collect::<HashSet<_>>();
        let before = sources.slots.iter().map(|slot| slot.load(Ordering::Relaxed)).collect::<Vec<_>>();
        seen(almost);
        let after = sources.slots.iter().map(|slot| slot.load(Ordering::Relaxed)).collect::<Vec<_>>();
        assert_eq!(before, after, "nobody has been silent for long enough");
        let three = seen(LATER);
        assert!(three.len() >= 3, "{three:?}");
        assert_eq!(seen(LATER), three, "each keeps its own");
        assert_eq!(sources.speaker(router(0), LATER), busy, "and so does who was heard meanwhile");
    }

    #[test]
    fn what_a_detached_copy_learns_stays_with_it() {
        let sources = sources(&["192.0.2.64/32"]);
        let copy = sources.detached();
        assert_eq!(copy.speaker(router(1), START), sources.speaker(router(1), START));
        assert_ne!(copy.slots[0].load(Ordering::Relaxed), NOBODY);
        assert_ne!(sources.slots[0].load(Ordering::Relaxed), NOBODY, "it was asked itself");
        let untouched = self::sources(&["192.0.2.64/32"]);
        untouched.detached().speaker(router(1), START);
        assert_eq!(untouched.slots[0].load(Ordering::Relaxed), NOBODY);
    }

    #[test]
    fn without_addresses_nobody_speaks() {
        assert_eq!(sources(&[]).speaker(router(1), START), None);
        assert!(!sources(&[]).contains(Ipv4Addr::new(192, 0, 2, 64)));
    }

    #[test]
    fn workers_agree_on_who_speaks_for_whom() {
        let sources = sources(&["192.0.2.0/24"]);
        let ask =
            || (0..200).map(|number| sources.speaker(router(number), START).unwrap()).collect::<Vec<_>>();
        let [one, other] = std::thread::scope(|scope| {
            [scope.spawn(ask), scope.spawn(ask)].map(|worker| worker.join().unwrap())
        });
        assert_eq!(one, other);
        assert_eq!(one.iter().collect::<HashSet<_>>().len(), 200);
    }
}
