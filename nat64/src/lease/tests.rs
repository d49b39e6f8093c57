use super::*;
use crate::pool::MIN_LEASE;
use std::sync::atomic::{AtomicUsize, Ordering};
use translator::Leases;

const NOW: UnixTime = UnixTime(1_700_000_000);

fn host(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number)
}

fn later(seconds: u64) -> UnixTime {
    UnixTime(NOW.0 + seconds)
}

fn range(net: &str) -> Range {
    Range::new(Some(net.parse().unwrap()), "192.0.2.1".parse().unwrap(), addr::ExplicitMaps::default())
}

/// A pool, and how often it said that a lease is new.
fn shared(net: &str) -> (Arc<SharedPool>, Arc<AtomicUsize>) {
    let grants = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&grants);
    let pool = SharedPool::new(Pool::new(range(net)), move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    (Arc::new(pool), grants)
}

#[test]
fn a_known_host_needs_no_lock() {
    let (pool, _) = shared("198.51.100.0/24");
    let mut view = LeaseView::new(Arc::clone(&pool), NOW);
    let v4 = view.lease_for_v6(host(1)).unwrap();
    assert_eq!(view.v6_of_lease(v4), Some(host(1)));
    assert_eq!(view.v6_of_lease("198.51.100.200".parse().unwrap()), None);
    // Were the lock taken again on this thread, the test would hang or panic.
    let _held = pool.lock();
    assert_eq!(view.lease_for_v6(host(1)), Some(v4));
    assert_eq!(view.known_lease_for_v6(host(1)), Some(v4));
    assert_eq!(view.v6_of_lease(v4), Some(host(1)));
    assert_eq!(view.v6_of_lease("198.51.100.200".parse().unwrap()), None, "an absence is known, too");
}

#[test]
fn only_new_leases_are_announced() {
    let (pool, grants) = shared("198.51.100.0/24");
    let mut views = [LeaseView::new(Arc::clone(&pool), NOW), LeaseView::new(pool, NOW)];
    let given = views.each_mut().map(|view| view.lease_for_v6(host(1)).unwrap());
    assert_eq!(given[0], given[1], "all workers see one pool");
    assert_eq!(grants.load(Ordering::Relaxed), 1);
}

#[test]
fn asking_what_is_leased_leases_nothing() {
    let (pool, grants) = shared("198.51.100.0/24");
    let mut view = LeaseView::new(Arc::clone(&pool), NOW);
    assert_eq!(view.known_lease_for_v6(host(1)), None);
    assert_eq!(pool.len(), 0);
    let v4 = view.lease_for_v6(host(1));
    assert!(v4.is_some(), "and does not stand in the way of a lease");
    assert_eq!(view.known_lease_for_v6(host(1)), v4);
    let mut other = LeaseView::new(pool, NOW);
    assert_eq!(other.known_lease_for_v6(host(1)), v4);
    assert_eq!(grants.load(Ordering::Relaxed), 1);
}

#[test]
fn a_lease_granted_elsewhere_ends_a_remembered_absence() {
    let (pool, _) = shared("198.51.100.0/31");
    let v4 = "198.51.100.1".parse().unwrap();
    let mut remote_side = LeaseView::new(Arc::clone(&pool), NOW);
    assert_eq!(remote_side.v6_of_lease(v4), None);
    assert_eq!(LeaseView::new(pool, NOW).lease_for_v6(host(1)), Some(v4));
    remote_side.begin(NOW);
    assert_eq!(remote_side.v6_of_lease(v4), Some(host(1)));
}

#[test]
fn a_recycled_lease_is_forgotten_by_every_worker() {
    let (pool, _) = shared("198.51.100.0/31");
    let mut first = LeaseView::new(Arc::clone(&pool), NOW);
    let v4 = first.lease_for_v6(host(1)).unwrap();
    assert_eq!(first.v6_of_lease(v4), Some(host(1)));
    let after = later(MIN_LEASE.as_secs());
    let mut second = LeaseView::new(pool, after);
    assert_eq!(second.lease_for_v6(host(2)), Some(v4));
    first.begin(after);
    assert_eq!(first.v6_of_lease(v4), Some(host(2)));
    assert_eq!(first.lease_for_v6(host(1)), None, "its address is taken");
}

#[test]
fn every_packet_of_a_host_keeps_its_lease_young() {
    let (pool, _) = shared("198.51.100.0/31");
    let mut busy = LeaseView::new(Arc::clone(&pool), NOW);
    let v4 = busy.lease_for_v6(host(1)).unwrap();
    busy.begin(later(MIN_LEASE.as_secs() - 1));
    assert_eq!(busy.lease_for_v6(host(1)), Some(v4));
    assert_eq!(busy.v6_of_lease(v4), Some(host(1)), "packets to the host do not count");
    busy.begin(later(MIN_LEASE.as_secs() + 10));
    assert_eq!(busy.v6_of_lease(v4), Some(host(1)));
    assert_eq!(busy.lease_for_v6(host(2)), None, "the busy host keeps its lease");
    assert_eq!(pool.leases()[0].last_used, later(MIN_LEASE.as_secs() - 1));
}

#[test]
fn a_full_pool_is_asked_again_after_a_while() {
    let (pool, _) = shared("198.51.100.0/31");
    let mut view = LeaseView::new(Arc::clone(&pool), NOW);
    view.lease_for_v6(host(1)).unwrap();
    view.begin(NOW);
    assert_eq!(view.lease_for_v6(host(2)), None);
    let after = later(MIN_LEASE.as_secs());
    view.begin(after);
    assert!(view.lease_for_v6(host(2)).is_some(), "the silent host's lease is dormant");
}

#[test]
fn a_changed_range_is_seen_at_the_next_batch() {
    let (pool, _) = shared("198.51.100.0/24");
    let mut view = LeaseView::new(Arc::clone(&pool), NOW);
    let v4 = view.lease_for_v6(host(1)).unwrap();
    assert_eq!(pool.change_range(range("203.0.113.0/24"), NOW).draining, 1);
    view.begin(NOW);
    assert_eq!(view.v6_of_lease(v4), Some(host(1)), "it drains");
    assert!(view.lease_for_v6(host(2)).is_some_and(|v4| v4.octets()[..3] == [203, 0, 113]));
    let idle = later(MIN_LEASE.as_secs() + 1);
    pool.sweep(idle);
    view.begin(idle);
    assert_eq!(view.v6_of_lease(v4), None);
}

#[test]
fn a_table_that_grows_under_a_batch_misleads_nobody() {
    let (pool, _) = shared("198.51.100.0/24");
    let mut view = LeaseView::new(Arc::clone(&pool), NOW);
    let mut other = LeaseView::new(pool, NOW);
    let first = view.lease_for_v6(host(1)).unwrap();
    let rest: Vec<_> = (2..=200).map(|number| other.lease_for_v6(host(number)).unwrap()).collect();
    assert_eq!(view.known_lease_for_v6(host(200)), rest.last().copied());
    assert_eq!(view.v6_of_lease(rest[100]), Some(host(102)));
    assert_eq!(view.lease_for_v6(host(1)), Some(first));
}

#[test]
fn a_scan_does_not_fill_the_memory() {
    let (pool, _) = shared("198.51.100.0/31");
    let mut view = LeaseView::new(pool, NOW);
    view.lease_for_v6(host(0)).unwrap();
    for number in 1..=20_000 {
        assert_eq!(view.lease_for_v6(host(number)), None);
    }
    assert!(view.refused.len() <= REFUSALS);
}

#[test]
fn a_clock_set_back_does_not_keep_refusals() {
    let (pool, _) = shared("198.51.100.0/31");
    let mut view = LeaseView::new(Arc::clone(&pool), NOW);
    view.lease_for_v6(host(1)).unwrap();
    assert_eq!(view.lease_for_v6(host(2)), None);
    let earlier = NOW.before(Duration::from_secs(86_400));
    pool.change_range(range("198.51.100.0/24"), earlier);
    view.begin(earlier);
    assert!(view.lease_for_v6(host(2)).is_some());
}
