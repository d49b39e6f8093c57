use super::*;
use crate::pool::MIN_LEASE;
use std::sync::atomic::AtomicUsize;
use translator::Leases;

const NOW: UnixTime = UnixTime(1_700_000_000);

fn host(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number)
}

fn later(seconds: u64) -> UnixTime {
    UnixTime(NOW.0 + seconds)
}

fn range(net: &str) -> Range {
    Range::new(net.parse().unwrap(), "192.0.2.1".parse().unwrap(), addr::ExplicitMaps::default())
}

/// A pool, and how often it said that a lease is new.
fn shared(net: &str) -> (Arc<SharedPool>, Arc<AtomicUsize>) {
    let grants = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&grants);
    let pool = SharedPool::new(Pool::new(Some(range(net))), move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    (Arc::new(pool), grants)
}

#[test]
fn a_known_host_needs_no_lock() {
    let (pool, _) = shared("198.51.100.0/24");
    let mut cache = LeaseCache::new(Arc::clone(&pool), NOW);
    let v4 = cache.lease_for_v6(host(1)).unwrap();
    assert_eq!(cache.v6_of_lease(v4), Some(host(1)));
    assert_eq!(cache.v6_of_lease("198.51.100.200".parse().unwrap()), None);
    // Were the lock taken again on this thread, the test would hang or panic.
    let _held = pool.lock();
    assert_eq!(cache.lease_for_v6(host(1)), Some(v4));
    assert_eq!(cache.known_lease_for_v6(host(1)), Some(v4));
    assert_eq!(cache.v6_of_lease(v4), Some(host(1)));
    assert_eq!(cache.v6_of_lease("198.51.100.200".parse().unwrap()), None, "an absence is known, too");
}

#[test]
fn only_new_leases_are_announced() {
    let (pool, grants) = shared("198.51.100.0/24");
    let mut caches = [LeaseCache::new(Arc::clone(&pool), NOW), LeaseCache::new(pool, NOW)];
    let given = caches.each_mut().map(|cache| cache.lease_for_v6(host(1)).unwrap());
    assert_eq!(given[0], given[1], "all workers see one pool");
    assert_eq!(grants.load(Ordering::Relaxed), 1);
}

#[test]
fn asking_what_is_leased_leases_nothing() {
    let (pool, grants) = shared("198.51.100.0/24");
    let mut cache = LeaseCache::new(Arc::clone(&pool), NOW);
    assert_eq!(cache.known_lease_for_v6(host(1)), None);
    assert_eq!(pool.len(), 0);
    let v4 = cache.lease_for_v6(host(1));
    assert!(v4.is_some(), "and does not stand in the way of a lease");
    assert_eq!(cache.known_lease_for_v6(host(1)), v4);
    let mut other = LeaseCache::new(pool, NOW);
    assert_eq!(other.known_lease_for_v6(host(1)), v4);
    assert_eq!(grants.load(Ordering::Relaxed), 1);
}

#[test]
fn a_lease_granted_elsewhere_ends_a_remembered_absence() {
    let (pool, _) = shared("198.51.100.0/31");
    let v4 = "198.51.100.1".parse().unwrap();
    let mut remote_side = LeaseCache::new(Arc::clone(&pool), NOW);
    assert_eq!(remote_side.v6_of_lease(v4), None);
    assert_eq!(LeaseCache::new(pool, NOW).lease_for_v6(host(1)), Some(v4));
    remote_side.begin(NOW);
    assert_eq!(remote_side.v6_of_lease(v4), Some(host(1)));
}

#[test]
fn a_recycled_lease_is_forgotten_by_every_worker() {
    let (pool, _) = shared("198.51.100.0/31");
    let mut first = LeaseCache::new(Arc::clone(&pool), NOW);
    let v4 = first.lease_for_v6(host(1)).unwrap();
    assert_eq!(first.v6_of_lease(v4), Some(host(1)));
    let after = later(MIN_LEASE.as_secs());
    let mut second = LeaseCache::new(pool, after);
    assert_eq!(second.lease_for_v6(host(2)), Some(v4));
    first.begin(after);
    assert_eq!(first.v6_of_lease(v4), Some(host(2)));
    assert_eq!(first.lease_for_v6(host(1)), None, "its address is taken");
}

#[test]
fn use_is_reported_in_time_to_keep_a_lease() {
    let (pool, _) = shared("198.51.100.0/31");
    let mut busy = LeaseCache::new(Arc::clone(&pool), NOW);
    let v4 = busy.lease_for_v6(host(1)).unwrap();
    for second in (0..MIN_LEASE.as_secs()).step_by(30) {
        busy.begin(later(second));
        assert_eq!(busy.lease_for_v6(host(1)), Some(v4));
    }
    let mut other = LeaseCache::new(pool, later(MIN_LEASE.as_secs()));
    assert_eq!(other.lease_for_v6(host(2)), None, "the busy host keeps its lease");
}

#[test]
fn a_full_pool_is_asked_again_after_a_while() {
    let (pool, _) = shared("198.51.100.0/31");
    let mut cache = LeaseCache::new(Arc::clone(&pool), NOW);
    cache.lease_for_v6(host(1)).unwrap();
    cache.begin(NOW);
    assert_eq!(cache.lease_for_v6(host(2)), None);
    let after = later(MIN_LEASE.as_secs() + REPORT_INTERVAL.as_secs());
    cache.begin(after);
    assert!(cache.lease_for_v6(host(2)).is_some(), "the silent host's lease is dormant");
}

#[test]
fn a_changed_range_is_seen_at_the_next_batch() {
    let (pool, _) = shared("198.51.100.0/24");
    let mut cache = LeaseCache::new(Arc::clone(&pool), NOW);
    let v4 = cache.lease_for_v6(host(1)).unwrap();
    assert_eq!(pool.change_range(Some(range("203.0.113.0/24"))), 1);
    cache.begin(NOW);
    assert_eq!(cache.v6_of_lease(v4), None);
    assert!(cache.lease_for_v6(host(1)).is_some_and(|v4| v4.octets()[..3] == [203, 0, 113]));
}

#[test]
fn a_scan_does_not_fill_the_memory() {
    let (pool, _) = shared("198.51.100.0/31");
    let mut cache = LeaseCache::new(pool, NOW);
    cache.lease_for_v6(host(0)).unwrap();
    for number in 1..=20_000 {
        assert_eq!(cache.lease_for_v6(host(number)), None);
    }
    assert!(cache.refused_v6.len() <= REFUSALS);
}

#[test]
fn a_clock_set_back_does_not_stop_reports() {
    let (pool, _) = shared("198.51.100.0/24");
    let mut cache = LeaseCache::new(Arc::clone(&pool), NOW);
    cache.lease_for_v6(host(1)).unwrap();
    let earlier = NOW.before(Duration::from_secs(86_400));
    cache.begin(earlier);
    assert_eq!(cache.reported, earlier);
    assert!(cache.lease_for_v6(host(2)).is_some());
}
