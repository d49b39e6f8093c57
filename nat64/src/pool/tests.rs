use super::*;
use addr::ExplicitMap;
use proptest::prelude::*;

const NOW: UnixTime = UnixTime(1_700_000_000);

fn v4(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn host(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number)
}

fn range(net: &str, maps: &[(&str, &str)]) -> Range {
    let maps = maps.iter().map(|(v4, v6)| ExplicitMap { v4: v4.parse().unwrap(), v6: v6.parse().unwrap() });
    Range::new(net.parse().unwrap(), v4("192.0.2.1"), ExplicitMaps::new(maps).unwrap())
}

fn pool(net: &str) -> Pool {
    Pool::new(Some(range(net, &[])))
}

fn later(seconds: u64) -> UnixTime {
    UnixTime(NOW.0 + seconds)
}

#[test]
fn chooses_the_address_tayga_chooses() {
    let mut pool = pool("169.254.0.0/24");
    assert_eq!(pool.lease(v6("2001:db8::69"), NOW), Some(v4("169.254.0.80")));
}

/// Worked by hand: the little-endian words 0xb80d0120, 0, 0 and 0x01000000 of `2001:db8::1` fold to 0x0120 + 0xb80d =
/// 0xb92d, then 0xb92d + 0x0100 = 0xba2d.
#[test]
fn folds_to_the_size_of_the_pool() {
    let mut pool = pool("10.64.0.0/16");
    assert_eq!(pool.lease(v6("2001:db8::1"), NOW), Some(v4("10.64.186.45")));
}

#[test]
fn a_host_keeps_its_address() {
    let mut pool = pool("192.0.2.0/24");
    let first = pool.lease(host(1), NOW);
    assert_eq!(pool.lease(host(1), later(9_000_000)), first);
    assert_eq!((pool.len(), pool.granted()), (1, 1));
}

#[test]
fn a_taken_address_is_probed_past_and_the_first_is_never_given() {
    let mut pool = pool("198.51.100.0/30");
    let given: BTreeSet<_> = (1..=3).map(|n| pool.lease(host(n), NOW).unwrap()).collect();
    let expected = ["198.51.100.1", "198.51.100.2", "198.51.100.3"].map(v4);
    assert_eq!(given, BTreeSet::from(expected));
    assert_eq!(pool.lease(host(4), NOW), None, "three hosts fill a /30");
}

#[test]
fn own_and_explicitly_mapped_addresses_are_never_leased() {
    let mut pool = Pool::new(Some(range("192.0.2.0/29", &[("192.0.2.4/31", "2001:db8:1::/127")])));
    let given: BTreeSet<_> = (1..=9).filter_map(|n| pool.lease(host(n), NOW)).collect();
    let expected = ["192.0.2.2", "192.0.2.3", "192.0.2.6", "192.0.2.7"].map(v4);
    assert_eq!(given, BTreeSet::from(expected));
}

#[test]
fn a_pool_within_a_map_has_nothing_to_give() {
    let mut pool = Pool::new(Some(range("198.51.100.0/30", &[("198.51.100.0/24", "2001:db8:1::/120")])));
    assert_eq!(pool.lease(host(1), NOW), None);
}

#[test]
fn a_full_pool_recycles_the_longest_silent_host_and_no_sooner_than_it_may() {
    let mut pool = pool("198.51.100.0/30");
    let oldest = pool.lease(host(1), NOW).unwrap();
    pool.lease(host(2), later(10));
    pool.lease(host(3), later(20));
    assert_eq!(pool.lease(host(4), later(MIN_LEASE.as_secs() - 1)), None);
    assert_eq!(pool.v6_of(oldest), Some(host(1)), "a dormant lease works on");
    assert_eq!(pool.lease(host(4), later(MIN_LEASE.as_secs())), Some(oldest));
    assert_eq!(pool.v6_of(oldest), Some(host(4)));
    assert_eq!(pool.ended(), 1);
    assert_eq!(pool.lease(host(1), later(MIN_LEASE.as_secs())), None, "the next is ten seconds too young");
}

/// A search of a full pool costs one step per address, under the lock of all workers.
#[test]
fn a_full_pool_is_not_searched_again_for_each_host_it_recycles_for() {
    let mut pool = pool("198.51.100.0/30");
    let first: Vec<_> = (1..=3).filter_map(|n| pool.lease(host(n), NOW)).collect();
    let dormant = later(MIN_LEASE.as_secs());
    for number in 4..=6 {
        assert!(pool.lease(host(number), dormant).is_some());
        assert!(pool.exhausted, "host {number}");
    }
    assert_eq!(pool.lease(host(7), dormant), None);
    let ended = later(MIN_LEASE.as_secs() + MAX_LEASE.as_secs() + 1);
    let again: Vec<_> = (1..=3).filter_map(|n| pool.lease(host(n), ended)).collect();
    assert_eq!(again, first, "ended leases are found by a search");
}

#[test]
fn a_host_that_sends_is_not_recycled() {
    let mut pool = pool("198.51.100.0/31");
    let only = pool.lease(host(1), NOW).unwrap();
    pool.touch(only, host(1), later(5000));
    assert_eq!(pool.lease(host(2), later(MIN_LEASE.as_secs() + 10)), None);
    pool.touch(only, host(2), later(99_999));
    assert_eq!(
        pool.lease(host(2), later(5000 + MIN_LEASE.as_secs())),
        Some(only),
        "another's report counts nothing"
    );
}

#[test]
fn a_lease_ends_after_the_longest_time() {
    let mut pool = pool("192.0.2.0/24");
    let old = pool.lease(host(1), NOW).unwrap();
    pool.lease(host(2), later(MAX_LEASE.as_secs() + 1));
    assert_eq!(pool.v6_of(old), None);
    assert_eq!(pool.len(), 1);
}

#[test]
fn an_ended_lease_makes_room_in_a_full_pool() {
    let mut pool = pool("198.51.100.0/31");
    pool.lease(host(1), NOW);
    assert_eq!(pool.lease(host(2), NOW), None);
    assert_eq!(pool.change_range(None), 1);
    pool.change_range(Some(range("198.51.100.0/31", &[])));
    assert_eq!(pool.lease(host(2), NOW), Some(v4("198.51.100.1")));
}

#[test]
fn a_changed_range_keeps_what_fits() {
    let mut pool = pool("198.51.100.0/24");
    let kept = pool.lease(v6("2001:db8::69"), NOW).unwrap();
    let lost: Vec<_> =
        (1..=60).filter_map(|n| pool.lease(host(n), NOW)).filter(|a| *a > v4("198.51.100.127")).collect();
    assert!(kept < v4("198.51.100.128") && !lost.is_empty(), "both kinds are there");
    assert_eq!(pool.change_range(Some(range("198.51.100.0/25", &[]))), lost.len());
    assert_eq!(pool.v6_of(kept), Some(v6("2001:db8::69")));
    assert_eq!(pool.v6_of(lost[0]), None);
}

#[test]
fn restores_what_fits_and_says_why_the_rest_does_not() {
    let lease = |v4_text: &str, host: Ipv6Addr| Lease { v4: v4(v4_text), v6: host, last_used: NOW };
    let mut pool = Pool::new(Some(range("192.0.2.0/24", &[("192.0.2.9/32", "2001:db8::9/128")])));
    let ended =
        Lease { last_used: NOW.before(MAX_LEASE + Duration::from_secs(1)), ..lease("192.0.2.20", host(20)) };
    let misfits = pool.restore(
        &[
            lease("192.0.2.10", host(10)),
            lease("198.51.100.1", host(11)),
            lease("192.0.2.0", host(12)),
            lease("192.0.2.1", host(13)),
            lease("192.0.2.9", host(14)),
            lease("192.0.2.15", host(9)),
            lease("192.0.2.16", v6("ff02::1")),
            lease("192.0.2.10", host(17)),
            lease("192.0.2.18", host(10)),
            ended,
        ],
        NOW,
    );
    let reasons: Vec<Misfit> = misfits.into_iter().map(|(_, misfit)| misfit).collect();
    assert_eq!(
        reasons,
        [
            Misfit::Outside(v4("198.51.100.1")),
            Misfit::Outside(v4("192.0.2.0")),
            Misfit::Reserved(v4("192.0.2.1")),
            Misfit::Reserved(v4("192.0.2.9")),
            Misfit::Mapped(host(9)),
            Misfit::NoHost(v6("ff02::1")),
            Misfit::Duplicate(v4("192.0.2.10"), host(17)),
            Misfit::Duplicate(v4("192.0.2.18"), host(10)),
            Misfit::Ended(v4("192.0.2.20")),
        ]
    );
    assert_eq!(pool.leases().collect::<Vec<_>>(), [lease("192.0.2.10", host(10))]);
    assert_eq!(pool.lease(host(10), NOW), Some(v4("192.0.2.10")));
}

#[test]
fn leases_from_the_future_make_all_dormant_and_none_ended() {
    let mut pool = pool("198.51.100.0/30");
    let at = |v4_text: &str, number, last_used| Lease { v4: v4(v4_text), v6: host(number), last_used };
    let misfits = pool.restore(
        &[
            at("198.51.100.1", 1, NOW.before(Duration::from_secs(60))),
            at("198.51.100.2", 2, UnixTime(u64::MAX)),
        ],
        NOW,
    );
    assert_eq!(misfits, []);
    pool.lease(host(3), NOW);
    assert_eq!(pool.lease(host(4), NOW), Some(v4("198.51.100.1")), "the older goes first");
    assert_eq!(pool.lease(host(5), NOW), Some(v4("198.51.100.2")));
    assert_eq!(pool.lease(host(6), NOW), None, "the rest is in use");
}

#[test]
fn without_a_range_there_is_no_lease() {
    let mut pool = Pool::new(None);
    assert_eq!(pool.lease(host(1), NOW), None);
    assert_eq!(pool.size(), 0);
}

#[test]
fn a_pool_of_one_address_has_none_to_give() {
    assert_eq!(pool("198.51.100.1/32").lease(host(1), NOW), None);
}

proptest! {
    /// Whatever happens, an address has one host, a host has one address, and the three views agree.
    #[test]
    fn leases_are_one_to_one(
        hosts in proptest::collection::vec((any::<u128>(), 0_u64..40_000), 1..200), len in 20_u8..=31
    ) {
        let mut pool = Pool::new(Some(range(&format!("198.51.100.0/{len}"), &[])));
        if let Some(range) = &mut pool.range {
            range.net = range.net.trunc();
        }
        let mut now = NOW;
        for (bits, step) in hosts {
            now = UnixTime(now.0 + step);
            let v6 = Ipv6Addr::from_bits(bits);
            if let Some(v4) = pool.lease(v6, now) {
                prop_assert_eq!(pool.v6_of(v4), Some(v6));
                prop_assert!(v4 != pool.range.as_ref().unwrap().net.network());
            }
            prop_assert_eq!(pool.by_v4.len(), pool.by_v6.len());
            prop_assert_eq!(pool.by_v4.len(), pool.by_age.len());
        }
    }

    #[test]
    fn the_first_offset_lies_in_the_pool(bits in any::<u128>(), len in 0_u8..=31) {
        let range = Range::new(Ipv4Net::new(Ipv4Addr::UNSPECIFIED, len).unwrap(), v4("192.0.2.1"), ExplicitMaps::default());
        prop_assert!(u64::from(range.first_offset(Ipv6Addr::from_bits(bits))) < 1_u64 << (32 - u32::from(len)));
    }
}
