use super::*;
use addr::ExplicitMap;
use proptest::prelude::*;
use std::collections::BTreeSet;

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
    Range::new(Some(net.parse().unwrap()), v4("192.0.2.1"), ExplicitMaps::new(maps).unwrap())
}

fn nothing() -> Range {
    Range::new(None, v4("192.0.2.1"), ExplicitMaps::default())
}

fn v6_of(pool: &Pool, v4: Ipv4Addr) -> Option<Ipv6Addr> {
    pool.table().find_v4(v4).map(|entry| entry.v6)
}

/// `v6` sends a packet, as the workers note it.
fn touch(pool: &Pool, v6: Ipv6Addr, at: UnixTime) {
    pool.table().touch(pool.table().find_v6(v6).unwrap(), at);
}

fn leases(pool: &Pool) -> Vec<Lease> {
    pool.table().leases().collect()
}

fn pool(net: &str) -> Pool {
    Pool::new(range(net, &[]))
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

/// Hosts in the order in which they came to Debian's tayga 0.9.2 on an x86-64 machine.
const TAYGA_HOSTS: [&str; 8] = [
    "2001:db8::69",
    "2001:db8::1",
    "2001:db8:1:2:3:4:5:6",
    "fd00:1234:5678::abcd",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:fffe",
    "3fff::8000:0:ff",
    "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

/// Pools, and the addresses that its `dynamic.map` had for them. A /29 has no eighth.
const TAYGA_LEASES: [(&str, &str); 5] = [
    (
        "10.0.0.0/8",
        "10.13.2.65 10.13.1.217 10.13.10.228 10.189.122.84 10.13.2.212 10.129.0.62 10.166.105.213 10.0.0.250",
    ),
    (
        "10.32.0.0/11",
        "10.45.10.40 10.45.6.232 10.45.16.64 10.61.129.96 10.45.14.213 10.33.7.59 10.38.122.17 10.32.7.250",
    ),
    (
        "10.64.0.0/16",
        "10.64.34.46 10.64.186.45 10.64.206.45 10.64.123.17 10.64.184.43 10.64.254.192 10.64.185.44 10.64.255.250",
    ),
    (
        "192.168.128.0/17",
        "192.168.195.62 192.168.243.60 192.168.146.61 192.168.252.209 192.168.239.61 192.168.254.68 192.168.138.218 192.168.128.2",
    ),
    (
        "198.51.100.0/29",
        "198.51.100.1 198.51.100.2 198.51.100.7 198.51.100.5 198.51.100.6 198.51.100.3 198.51.100.4",
    ),
];

#[test]
fn hosts_get_the_addresses_that_debians_tayga_gave_them() {
    for (net, addresses) in TAYGA_LEASES {
        let mut pool = pool(net);
        let leased: Vec<Ipv4Addr> = TAYGA_HOSTS.iter().map_while(|host| pool.lease(v6(host), NOW)).collect();
        assert_eq!(leased, addresses.split(' ').map(v4).collect::<Vec<_>>(), "{net}");
    }
}

/// The same program with `map 10.64.186.45 2001:db8:9::9` and `map 10.64.186.46 2001:db8:9::a`.
#[test]
fn mapped_addresses_are_skipped_as_debians_tayga_skips_them() {
    let maps = [("10.64.186.45/32", "2001:db8:9::9/128"), ("10.64.186.46/32", "2001:db8:9::a/128")];
    let mut pool = Pool::new(range("10.64.0.0/16", &maps));
    assert_eq!(pool.lease(v6("2001:db8::1"), NOW), Some(v4("10.64.186.47")));
    assert_eq!(pool.lease(v6("2001:db8::69"), NOW), Some(v4("10.64.34.46")));
}

#[test]
fn a_host_keeps_its_address() {
    let mut pool = pool("192.0.2.0/24");
    let first = pool.lease(host(1), NOW);
    assert_eq!(pool.lease(host(1), later(9_000_000)), first);
    assert_eq!((pool.len(), pool.granted()), (1, 1));
}

#[test]
fn a_host_that_is_mapped_gets_no_lease() {
    let mut pool = pool("192.0.2.0/24");
    pool.lease(host(1), NOW).unwrap();
    let mapped = [("203.0.113.1/32", "2001:db8::1/128")];
    assert_eq!(pool.change_range(range("192.0.2.0/24", &mapped), NOW).ended, 1);
    assert_eq!(pool.lease(host(1), NOW), None, "a packet that is judged by the translator of before");
    assert!(pool.lease(host(2), NOW).is_some());
    pool.change_range(range("192.0.2.0/24", &[]), NOW);
    assert!(pool.lease(host(1), NOW).is_some());
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
    let mut pool = Pool::new(range("192.0.2.0/29", &[("192.0.2.4/31", "2001:db8:1::/127")]));
    let given: BTreeSet<_> = (1..=9).filter_map(|n| pool.lease(host(n), NOW)).collect();
    let expected = ["192.0.2.2", "192.0.2.3", "192.0.2.6", "192.0.2.7"].map(v4);
    assert_eq!(given, BTreeSet::from(expected));
}

#[test]
fn a_pool_within_a_map_has_nothing_to_give() {
    let mut pool = Pool::new(range("198.51.100.0/30", &[("198.51.100.0/24", "2001:db8:1::/120")]));
    assert_eq!(pool.lease(host(1), NOW), None);
}

#[test]
fn a_full_pool_recycles_the_longest_silent_host_and_no_sooner_than_it_may() {
    let mut pool = pool("198.51.100.0/30");
    let oldest = pool.lease(host(1), NOW).unwrap();
    pool.lease(host(2), later(10));
    pool.lease(host(3), later(20));
    assert_eq!(pool.lease(host(4), later(MIN_LEASE.as_secs() - 1)), None);
    assert_eq!(v6_of(&pool, oldest), Some(host(1)), "a dormant lease works on");
    assert_eq!(pool.lease(host(4), later(MIN_LEASE.as_secs())), Some(oldest));
    assert_eq!(v6_of(&pool, oldest), Some(host(4)));
    assert_eq!(pool.len(), 3);
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
    assert_eq!(pool.sweep(ended), 3);
    let again: Vec<_> = (1..=3).filter_map(|n| pool.lease(host(n), ended)).collect();
    assert_eq!(again, first, "ended leases are found by a search");
}

/// A search for dormant leases costs one step per lease, under the lock of all workers.
#[test]
fn a_full_pool_of_busy_hosts_is_not_searched_for_each_host_it_refuses() {
    let mut pool = pool("198.51.100.0/30");
    for number in 1..=3 {
        pool.lease(host(number), later(number.into()));
    }
    assert_eq!(pool.lease(host(4), later(10)), None);
    assert_eq!(pool.next_dormant, later(1 + MIN_LEASE.as_secs()));
    // Only a search could learn of this.
    touch(&pool, host(1), later(4000));
    assert_eq!(pool.lease(host(5), later(MIN_LEASE.as_secs())), None);
    assert_eq!(pool.next_dormant, later(1 + MIN_LEASE.as_secs()), "no search");
    assert_eq!(pool.lease(host(5), later(1 + MIN_LEASE.as_secs())), None);
    assert_eq!(pool.next_dormant, later(2 + MIN_LEASE.as_secs()), "a search");
}

#[test]
fn a_clock_that_was_far_ahead_does_not_stop_recycling() {
    let mut pool = pool("198.51.100.0/31");
    let only = pool.lease(host(1), later(9_000_000)).unwrap();
    assert_eq!(pool.lease(host(2), later(9_000_001)), None);
    touch(&pool, host(1), NOW);
    assert_eq!(pool.lease(host(2), later(MIN_LEASE.as_secs())), Some(only));
}

#[test]
fn a_host_that_sends_is_not_recycled() {
    let mut pool = pool("198.51.100.0/31");
    let only = pool.lease(host(1), NOW).unwrap();
    touch(&pool, host(1), later(5000));
    assert_eq!(pool.lease(host(2), later(MIN_LEASE.as_secs() + 10)), None);
    assert_eq!(pool.lease(host(2), later(5000 + MIN_LEASE.as_secs())), Some(only));
}

#[test]
fn a_dormant_host_that_wakes_up_before_its_turn_is_not_recycled() {
    let mut pool = pool("198.51.100.0/30");
    let given = [1, 2, 3].map(|number| pool.lease(host(number), later(number.into())).unwrap());
    let dormant = later(100 + MIN_LEASE.as_secs());
    assert_eq!(pool.lease(host(4), dormant), Some(given[0]), "all three are found dormant");
    touch(&pool, host(2), dormant);
    assert_eq!(pool.lease(host(5), dormant), Some(given[2]));
    assert_eq!(pool.lease(host(6), dormant), None);
}

#[test]
fn a_lease_ends_after_the_longest_time() {
    let mut pool = pool("192.0.2.0/24");
    let old = pool.lease(host(1), NOW).unwrap();
    pool.lease(host(2), later(1));
    assert_eq!(pool.sweep(later(MAX_LEASE.as_secs())), 0);
    assert_eq!(pool.sweep(later(MAX_LEASE.as_secs() + 1)), 1);
    assert_eq!(v6_of(&pool, old), None);
    assert_eq!(pool.len(), 1);
}

#[test]
fn a_lease_that_ends_makes_room_in_a_full_pool() {
    let mut pool = pool("198.51.100.0/31");
    pool.lease(host(1), NOW);
    assert_eq!(pool.lease(host(2), NOW), None);
    let mapped = range("198.51.100.0/31", &[("203.0.113.1/32", "2001:db8::1/128")]);
    assert_eq!(pool.change_range(mapped, NOW), Change { ended: 1, draining: 0 });
    assert_eq!(pool.lease(host(2), NOW), Some(v4("198.51.100.1")));
}

/// A pool of 60 hosts with addresses in both halves, which shrinks to its lower half.
fn shrunk() -> (Pool, Vec<Lease>, Vec<Lease>) {
    let mut pool = pool("198.51.100.0/24");
    for number in 1..=60 {
        pool.lease(host(number), NOW).unwrap();
    }
    let (inside, outside): (Vec<_>, Vec<_>) =
        leases(&pool).into_iter().partition(|lease| lease.v4 < v4("198.51.100.128"));
    assert!(!inside.is_empty() && !outside.is_empty());
    let change = pool.change_range(range("198.51.100.0/25", &[]), NOW);
    assert_eq!(change, Change { ended: 0, draining: outside.len() });
    (pool, inside, outside)
}

fn networks(pool: &Pool) -> Vec<String> {
    pool.networks().map(|net| net.to_string()).collect()
}

#[test]
fn a_pool_that_shrinks_drains() {
    let (mut pool, inside, outside) = shrunk();
    assert_eq!(networks(&pool), ["198.51.100.0/25", "198.51.100.0/24"]);
    let soon = later(MIN_LEASE.as_secs());
    for lease in inside.iter().chain(&outside[1..]) {
        assert_eq!(pool.lease(lease.v6, soon), Some(lease.v4), "hosts keep their addresses");
        assert_eq!(v6_of(&pool, lease.v4), Some(lease.v6), "and are reached by them");
    }
    assert!(pool.drains(outside[0].v4) && !pool.drains(inside[0].v4));
    for number in 61..=120 {
        assert!(
            pool.lease(host(number), soon)
                .is_some_and(|v4| v4 < "198.51.100.128".parse::<Ipv4Addr>().unwrap())
        );
    }
    assert_eq!(pool.sweep(soon), 0, "not yet idle for long enough");
    assert_eq!(pool.sweep(later(MIN_LEASE.as_secs() + 1)), 1, "the one silent host outside");
    assert_eq!(pool.draining(), outside.len() - 1);
    assert_eq!(pool.sweep(later(2 * MIN_LEASE.as_secs() + 1)), outside.len() - 1);
    assert_eq!(networks(&pool), ["198.51.100.0/25"]);
    assert_eq!(pool.draining(), 0);
}

#[test]
fn a_host_whose_lease_has_drained_gets_an_address_of_the_new_range() {
    let (mut pool, _, outside) = shrunk();
    let idle = later(MIN_LEASE.as_secs() + 1);
    pool.sweep(idle);
    let again = pool.lease(outside[0].v6, idle).unwrap();
    assert!(again < v4("198.51.100.128"), "{again}");
}

#[test]
fn leases_that_are_idle_when_the_pool_shrinks_end_at_once() {
    let mut pool = pool("198.51.100.0/24");
    pool.lease(host(1), NOW);
    let change = pool.change_range(range("203.0.113.0/24", &[]), later(MIN_LEASE.as_secs() + 1));
    assert_eq!(change, Change { ended: 1, draining: 0 });
    assert_eq!(networks(&pool), ["203.0.113.0/24"]);
}

#[test]
fn a_pool_that_grows_back_takes_its_leases_back() {
    let (mut pool, inside, outside) = shrunk();
    assert_eq!(pool.change_range(range("198.51.100.0/24", &[]), NOW), Change::default());
    assert_eq!(pool.len(), inside.len() + outside.len());
    assert_eq!(networks(&pool), ["198.51.100.0/24"]);
    assert_eq!(pool.sweep(later(MIN_LEASE.as_secs() + 1)), 0, "they are leases like any others");
}

#[test]
fn a_pool_that_moves_twice_drains_in_all_its_old_places() {
    let mut pool = pool("192.0.2.0/24");
    let first = pool.lease(host(1), NOW).unwrap();
    pool.change_range(range("198.51.100.0/24", &[]), NOW);
    let second = pool.lease(host(2), later(10)).unwrap();
    pool.change_range(range("203.0.113.0/24", &[]), later(20));
    assert_eq!(networks(&pool), ["203.0.113.0/24", "192.0.2.0/24", "198.51.100.0/24"]);
    assert_eq!((v6_of(&pool, first), v6_of(&pool, second)), (Some(host(1)), Some(host(2))));
    pool.sweep(later(MIN_LEASE.as_secs() + 1));
    assert_eq!(networks(&pool), ["203.0.113.0/24", "198.51.100.0/24"]);
}

#[test]
fn a_pool_that_is_removed_drains_and_gives_nothing() {
    let mut pool = pool("198.51.100.0/24");
    let kept = pool.lease(host(1), NOW);
    assert_eq!(pool.change_range(nothing(), NOW), Change { ended: 0, draining: 1 });
    assert_eq!(pool.lease(host(1), NOW), kept);
    assert_eq!(pool.lease(host(2), NOW), None);
    assert_eq!((networks(&pool), pool.size()), (vec!["198.51.100.0/24".to_owned()], 0));
}

#[test]
fn a_map_that_takes_a_draining_address_or_its_host_ends_the_lease_at_once() {
    let (mut pool, _, outside) = shrunk();
    let [first, second, third] = [outside[0], outside[1], outside[2]];
    let maps = [
        (format!("{}/32", first.v4), "2001:db8:1::1/128".to_owned()),
        ("203.0.113.7/32".to_owned(), format!("{}/128", second.v6)),
    ];
    let maps: Vec<_> = maps.iter().map(|(v4, v6)| (v4.as_str(), v6.as_str())).collect();
    let change = pool.change_range(range("198.51.100.0/25", &maps), NOW);
    assert_eq!(change, Change { ended: 2, draining: outside.len() - 2 });
    assert_eq!((v6_of(&pool, first.v4), v6_of(&pool, second.v4)), (None, None));
    assert_eq!(v6_of(&pool, third.v4), Some(third.v6));
}

#[test]
fn draining_leases_are_none_that_a_full_pool_recycles() {
    let mut pool = pool("192.0.2.0/31");
    pool.change_range(range("198.51.100.0/31", &[]), NOW);
    let kept = pool.lease(host(1), NOW).unwrap();
    pool.change_range(range("203.0.113.0/31", &[]), NOW);
    pool.lease(host(2), later(10));
    assert_eq!(pool.lease(host(3), later(MIN_LEASE.as_secs())), None);
    assert_eq!(v6_of(&pool, kept), Some(host(1)));
}

#[test]
fn restores_what_fits_and_says_why_the_rest_does_not() {
    let lease = |v4_text: &str, host: Ipv6Addr| Lease { v4: v4(v4_text), v6: host, last_used: NOW };
    let mut pool = Pool::new(range("192.0.2.0/24", &[("192.0.2.9/32", "2001:db8::9/128")]));
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
    assert_eq!(leases(&pool), [lease("192.0.2.10", host(10))]);
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
    let mut pool = Pool::new(nothing());
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
        let net = Ipv4Net::new(v4("198.51.100.0"), len).unwrap().trunc();
        let mut pool = Pool::new(Range::new(Some(net), v4("192.0.2.1"), ExplicitMaps::default()));
        let mut now = NOW;
        for (bits, step) in hosts {
            now = UnixTime(now.0 + step);
            let v6 = Ipv6Addr::from_bits(bits);
            if let Some(v4) = pool.lease(v6, now) {
                prop_assert_eq!(v6_of(&pool, v4), Some(v6));
                prop_assert!(v4 != net.network());
            }
        }
    }

    #[test]
    fn the_first_offset_lies_in_the_pool(bits in any::<u128>(), len in 0_u8..=31) {
        let bits_of_host = 32 - u32::from(len);
        prop_assert!(u64::from(first_offset(bits_of_host, Ipv6Addr::from_bits(bits))) < 1_u64 << bits_of_host);
    }
}

proptest! {
    #[test]
    fn an_offer_is_what_a_lease_then_is(
        steps in prop::collection::vec((0..20_u16, 0..4000_u64), 1..80),
    ) {
        let mut pool = pool("198.51.100.0/29");
        let mut now = later(0);
        for (number, seconds) in steps {
            now = UnixTime(now.0 + seconds);
            let offer = pool.offer(host(number), now);
            let before = leases(&pool);
            prop_assert_eq!(offer, pool.offer(host(number), now), "an offer changes nothing");
            prop_assert_eq!(&before, &leases(&pool));
            let held = before.iter().find(|lease| lease.v6 == host(number)).map(|lease| lease.v4);
            prop_assert_eq!(pool.lease(host(number), now), held.or(offer));
        }
    }
}
