use super::{Mapped, Rule};
use crate::testing::*;
use crate::translator::{Leases, Params};
use crate::verdict::DropReason;
use addr::{ExplicitMap, ExplicitMaps, Prefix64, Prefixes, RangedPrefix};
use etherparse::IpNumber;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

type Looked<A> = Result<A, DropReason>;

fn source_to_v4(params: &Params, leases: &mut dyn Leases, v6: Ipv6Addr) -> Looked<Ipv4Addr> {
    super::source_to_v4(params, leases, v6).map(|mapped| mapped.address)
}

fn destination_to_v4(params: &Params, v6: Ipv6Addr) -> Looked<Ipv4Addr> {
    super::destination_to_v4(params, v6).map(|mapped| mapped.address)
}

fn source_to_v6(params: &Params, leases: &mut dyn Leases, v4: Ipv4Addr) -> Looked<Ipv6Addr> {
    super::source_to_v6(params, leases, v4).map(|mapped| mapped.address)
}

fn destination_to_v6(params: &Params, leases: &mut dyn Leases, v4: Ipv4Addr) -> Looked<Ipv6Addr> {
    super::destination_to_v6(params, leases, v4).map(|mapped| mapped.address)
}

fn reporter_to_v4(params: &Params, leases: &mut dyn Leases, v6: Ipv6Addr) -> Ipv4Addr {
    super::reporter_to_v4(params, leases, v6, Duration::ZERO).address
}

fn reporter_to_v6(params: &Params, leases: &mut dyn Leases, v4: Ipv4Addr) -> Ipv6Addr {
    super::reporter_to_v6(params, leases, v4).address
}

fn quoted_to_v4(params: &Params, leases: &mut dyn Leases, v6: Ipv6Addr) -> Option<Ipv4Addr> {
    super::quoted_to_v4(params, leases, v6).map(|mapped| mapped.address)
}

fn quoted_to_v6(params: &Params, leases: &mut dyn Leases, v4: Ipv4Addr) -> Option<Ipv6Addr> {
    super::quoted_to_v6(params, leases, v4).map(|mapped| mapped.address)
}

fn pool() -> Pool {
    Pool { hosts: vec![CLIENT], free: 1 }
}

fn well_known(allow_private_ipv4: bool) -> Params {
    Params { prefixes: Prefix64::WELL_KNOWN.into(), allow_private_ipv4, ..params() }
}

#[test]
fn ipv6_sources_are_own_explicit_embedded_or_leased() {
    let check = |v6: Ipv6Addr, expect: Result<Ipv4Addr, DropReason>| {
        assert_eq!(source_to_v4(&params(), &mut pool(), v6), expect, "{v6}");
    };
    check(OWN_V6, Ok(OWN_V4));
    check(MAPPED, Ok(MAPPED_V4));
    check(REMOTE_V6, Ok(REMOTE));
    check(CLIENT, Ok(LEASED));
    check(ROUTER_V6, Ok(Ipv4Addr::new(192, 0, 2, 102)));
}

#[test]
fn ipv6_destinations_are_never_leased() {
    assert_eq!(destination_to_v4(&params(), REMOTE_V6), Ok(REMOTE));
    assert_eq!(destination_to_v4(&params(), MAPPED), Ok(MAPPED_V4));
    assert_eq!(destination_to_v4(&params(), CLIENT), Err(DropReason::DestinationUnmapped));
}

#[test]
fn ipv4_addresses_are_own_explicit_leased_or_embedded() {
    let check = |v4: Ipv4Addr, expect: Result<Ipv6Addr, DropReason>| {
        assert_eq!(source_to_v6(&params(), &mut pool(), v4), expect, "{v4}");
        assert_eq!(destination_to_v6(&params(), &mut pool(), v4), expect, "{v4}");
    };
    check(OWN_V4, Ok(OWN_V6));
    check(MAPPED_V4, Ok(MAPPED));
    check(LEASED, Ok(CLIENT));
    check(REMOTE, Ok(REMOTE_V6));
    check(Ipv4Addr::new(192, 0, 2, 250), Err(DropReason::NoLease));
}

#[test]
fn every_mapping_names_its_rule() {
    let params = params();
    let (map, prefix) = (params.maps.iter().next().unwrap(), params.prefixes.iter().next().unwrap());
    let v4 = |address, rule| Ok(Mapped { address, rule });
    let mut pool = pool();
    let mut source_to_v4 = |v6| super::source_to_v4(&params, &mut pool, v6);
    assert_eq!(source_to_v4(OWN_V6), v4(OWN_V4, Rule::Own));
    assert_eq!(source_to_v4(MAPPED), v4(MAPPED_V4, Rule::Explicit(map)));
    assert_eq!(source_to_v4(REMOTE_V6), v4(REMOTE, Rule::Prefix(prefix)));
    assert_eq!(source_to_v4(CLIENT), v4(LEASED, Rule::Lease));
    assert_eq!(super::destination_to_v4(&params, REMOTE_V6), v4(REMOTE, Rule::Prefix(prefix)));
    let reporter = super::reporter_to_v4(&params, &mut pool, ROUTER_V6, Duration::ZERO);
    assert_eq!(reporter, Mapped { address: OWN_V4, rule: Rule::IcmpSource });
    let v6 = |address, rule| Ok(Mapped { address, rule });
    for (from, to) in [
        (OWN_V4, v6(OWN_V6, Rule::Own)),
        (MAPPED_V4, v6(MAPPED, Rule::Explicit(map))),
        (LEASED, v6(CLIENT, Rule::Lease)),
        (REMOTE, v6(REMOTE_V6, Rule::Prefix(prefix))),
    ] {
        assert_eq!(super::source_to_v6(&params, &mut pool, from), to);
        assert_eq!(super::quoted_to_v6(&params, &mut pool, from), to.ok());
    }
}

#[test]
fn explicit_maps_beat_prefix_and_pool() {
    let maps = ["192.0.2.101/32 2001:db8:9::1/128", "203.0.113.9/32 2001:db8:9::2/128"].map(|line| {
        let (v4, v6) = line.split_once(' ').unwrap();
        ExplicitMap { v4: v4.parse().unwrap(), v6: v6.parse().unwrap() }
    });
    let params = Params { maps: ExplicitMaps::new(maps).unwrap(), ..params() };
    let to_v6 = |v4| destination_to_v6(&params, &mut pool(), v4).unwrap().to_string();
    assert_eq!((to_v6(LEASED), to_v6(REMOTE)), ("2001:db8:9::1".into(), "2001:db8:9::2".into()));
}

#[test]
fn without_a_prefix_only_maps_and_leases_cross() {
    let params = Params { prefixes: Prefixes::default(), ..params() };
    assert_eq!(source_to_v6(&params, &mut pool(), REMOTE), Err(DropReason::SourceUnmapped));
    assert_eq!(destination_to_v6(&params, &mut pool(), REMOTE), Err(DropReason::DestinationUnmapped));
    assert_eq!(source_to_v6(&params, &mut pool(), MAPPED_V4), Ok(MAPPED));
}

/// The main prefix beside one that carries 10.0.0.0/8.
fn two_prefixes() -> (Params, Prefix64) {
    let second =
        RangedPrefix { prefix: prefix("3fff:64:100::/40"), ipv4: vec!["10.0.0.0/8".parse().unwrap()] };
    let prefixes = Prefixes::new(Some(prefix("2001:db8:64::/96")), [&second]).unwrap();
    (Params { prefixes, ..params() }, second.prefix)
}

#[test]
fn each_prefix_carries_its_addresses_both_ways() {
    let (params, second) = two_prefixes();
    let inside = Ipv4Addr::new(10, 9, 8, 7);
    assert_eq!(destination_to_v4(&params, second.embed(inside)), Ok(inside));
    assert_eq!(source_to_v4(&params, &mut pool(), second.embed(inside)), Ok(inside));
    assert_eq!(source_to_v6(&params, &mut pool(), inside), Ok(second.embed(inside)));
    assert_eq!(destination_to_v6(&params, &mut pool(), inside), Ok(second.embed(inside)));
    assert_eq!(quoted_to_v6(&params, &mut pool(), inside), Some(second.embed(inside)));
    assert_eq!(source_to_v6(&params, &mut pool(), REMOTE), Ok(REMOTE_V6));
    assert_eq!(destination_to_v4(&params, REMOTE_V6), Ok(REMOTE));
}

#[test]
fn a_prefix_is_refused_with_addresses_it_does_not_carry() {
    let (params, second) = two_prefixes();
    let inside = Ipv4Addr::new(10, 9, 8, 7);
    for foreign in [second.embed(REMOTE), prefix("2001:db8:64::/96").embed(inside)] {
        assert_eq!(destination_to_v4(&params, foreign), Err(DropReason::WrongPrefix), "{foreign}");
        assert_eq!(source_to_v4(&params, &mut pool(), foreign), Err(DropReason::WrongPrefix), "{foreign}");
    }
    assert_eq!(
        quoted_to_v4(&params, &mut pool(), second.embed(REMOTE)),
        Some(REMOTE),
        "quoted ones are not judged"
    );
    assert_eq!(destination_to_v4(&params, second.embed(OWN_V4)), Ok(OWN_V4), "the translator itself answers");
}

/// RFC 6052 §3.1, both directions.
#[test]
fn well_known_prefix_carries_no_private_addresses_unless_allowed() {
    let private = Ipv4Addr::new(10, 1, 2, 3);
    let global = Ipv4Addr::new(9, 9, 9, 9);
    let embed = |v4| Prefix64::WELL_KNOWN.embed(v4);
    let strict = well_known(false);
    assert_eq!(destination_to_v4(&strict, embed(private)), Err(DropReason::NonGlobalIpv4));
    assert_eq!(source_to_v4(&strict, &mut pool(), embed(private)), Err(DropReason::NonGlobalIpv4));
    assert_eq!(source_to_v6(&strict, &mut pool(), private), Err(DropReason::NonGlobalIpv4));
    assert_eq!(destination_to_v6(&strict, &mut pool(), private), Err(DropReason::NonGlobalIpv4));
    assert_eq!(destination_to_v4(&strict, embed(global)), Ok(global));
    assert_eq!(source_to_v6(&strict, &mut pool(), global), Ok(embed(global)));
    let lax = well_known(true);
    assert_eq!(destination_to_v4(&lax, embed(private)), Ok(private));
    assert_eq!(source_to_v6(&lax, &mut pool(), private), Ok(embed(private)));
}

/// RFC 3927 §2.7, both directions, whatever the prefix and the parameters.
#[test]
fn no_prefix_carries_link_local_addresses() {
    for params in [params(), well_known(false), well_known(true)] {
        for v4 in ["169.254.0.0", "169.254.169.254", "169.254.255.255"].map(|text| text.parse().unwrap()) {
            let v6 = params.prefixes.of_v4(v4).unwrap().embed(v4);
            assert_eq!(destination_to_v4(&params, v6), Err(DropReason::IllegalDestination), "{v4}");
            assert_eq!(source_to_v4(&params, &mut pool(), v6), Err(DropReason::IllegalSource), "{v4}");
            assert_eq!(source_to_v6(&params, &mut pool(), v4), Err(DropReason::IllegalSource), "{v4}");
            assert_eq!(
                destination_to_v6(&params, &mut pool(), v4),
                Err(DropReason::IllegalDestination),
                "{v4}"
            );
            assert_eq!(reporter_to_v4(&params, &mut pool(), v6), OWN_V4, "{v4}");
            assert_eq!(reporter_to_v6(&params, &mut pool(), v4), OWN_V6, "{v4}");
        }
    }
    for neighbour in ["169.253.255.255", "169.255.0.0"].map(|text| text.parse().unwrap()) {
        assert_eq!(destination_to_v4(&params(), prefix("2001:db8:64::/96").embed(neighbour)), Ok(neighbour));
    }
}

#[test]
fn own_mapped_and_pool_addresses_may_be_link_local() {
    let [own, other, mapped, free] =
        ["169.254.0.1", "169.254.0.9", "169.254.7.7", "169.254.7.8"].map(|text| text.parse().unwrap());
    let maps = ExplicitMaps::new([ExplicitMap { v4: Ipv4Addr::into(mapped), v6: MAPPED.into() }]).unwrap();
    let pools = vec!["169.254.0.0/24".parse().unwrap()];
    let params = Params { own_v4: own, pools, maps, ..params() };
    let embed = |v4| prefix("2001:db8:64::/96").embed(v4);
    assert_eq!(source_to_v4(&params, &mut pool(), OWN_V6), Ok(own));
    assert_eq!(source_to_v4(&params, &mut pool(), MAPPED), Ok(mapped));
    assert_eq!(destination_to_v4(&params, MAPPED), Ok(mapped));
    assert_eq!(source_to_v6(&params, &mut pool(), mapped), Ok(MAPPED));
    assert_eq!(destination_to_v6(&params, &mut pool(), own), Ok(OWN_V6));
    assert_eq!(destination_to_v6(&params, &mut pool(), other), Err(DropReason::NoLease));
    assert_eq!(destination_to_v4(&params, embed(own)), Ok(own));
    assert_eq!(destination_to_v4(&params, embed(other)), Ok(other));
    assert_eq!(source_to_v4(&params, &mut pool(), embed(other)), Err(DropReason::IllegalSource));
    assert_eq!(destination_to_v4(&params, embed(free)), Err(DropReason::IllegalDestination));
}

#[test]
fn explicit_maps_and_leases_may_be_private_under_the_well_known_prefix() {
    let strict = well_known(false);
    assert_eq!(source_to_v4(&strict, &mut pool(), CLIENT), Ok(LEASED));
    assert_eq!(destination_to_v6(&strict, &mut pool(), MAPPED_V4), Ok(MAPPED));
}

#[test]
fn quoted_addresses_are_neither_leased_nor_judged() {
    let mut pool = pool();
    let strict = well_known(false);
    let private = Ipv4Addr::new(10, 1, 2, 3);
    assert_eq!(quoted_to_v6(&strict, &mut pool, private), Some(Prefix64::WELL_KNOWN.embed(private)));
    assert_eq!(
        quoted_to_v6(&strict, &mut pool, Ipv4Addr::LOCALHOST),
        Some("64:ff9b::7f00:1".parse().unwrap())
    );
    assert_eq!(quoted_to_v6(&strict, &mut pool, Ipv4Addr::new(192, 0, 2, 250)), None);
    assert_eq!(quoted_to_v4(&strict, &mut pool, "64:ff9b::10.1.2.3".parse().unwrap()), Some(private));
    assert_eq!(quoted_to_v4(&strict, &mut pool, CLIENT), Some(LEASED));
    assert_eq!(quoted_to_v4(&strict, &mut pool, ROUTER_V6), None);
    assert_eq!(pool.free, 1);
}

#[test]
fn reporters_without_an_address_are_spoken_for() {
    let mut pool = pool();
    assert_eq!(reporter_to_v4(&params(), &mut pool, ROUTER_V6), OWN_V4);
    assert_eq!(reporter_to_v4(&params(), &mut pool, CLIENT), LEASED);
    assert_eq!(reporter_to_v4(&params(), &mut pool, REMOTE_V6), REMOTE);
    assert_eq!(reporter_to_v4(&well_known(false), &mut pool, "64:ff9b::10.0.0.1".parse().unwrap()), OWN_V4);
    let loopback = "2001:db8:64::127.0.0.1".parse().unwrap();
    assert_eq!(reporter_to_v4(&params(), &mut pool, loopback), OWN_V4);
    assert_eq!(reporter_to_v6(&params(), &mut pool, REMOTE), REMOTE_V6);
    assert_eq!(reporter_to_v6(&well_known(false), &mut pool, Ipv4Addr::new(10, 0, 0, 1)), OWN_V6);
    assert_eq!(pool.free, 1);
}

/// RFC 6052 §2.2, with the packets that errors quote: a prefix of each length, and an address in it whose bits 64 to 71
/// and suffix are not zero as they should be.
#[test]
fn prefixes_of_every_length_carry_packets_and_their_errors_both_ways() {
    for (text, noise) in [
        ("3fff:64::/32", 0xff01_0203_0405_0607_u128),
        ("2001:db8:100::/40", 0xff00_0102_0304_0506),
        ("3fff:64:122::/48", 0xff00_0002_0304_0506),
        ("3fff:64:122:300::/56", 0xff00_0000_0304_0506),
        ("3fff:64:122:344::/64", 0xff00_0000_0003_0405),
        ("3fff:64:122:344::/96", 0),
    ] {
        let prefix = prefix(text);
        let mut world = World::with(|params| params.prefixes = prefix.into());
        let remote = prefix.embed(REMOTE);
        let noisy = Ipv6Addr::from_bits(remote.to_bits() | noise);
        for dst in [remote, noisy] {
            let out = world.forward(&ipv6(CLIENT, dst, IpNumber::UDP, &udp6(CLIENT, dst, b"hello")));
            assert_eq!(addresses4(&out), (LEASED, REMOTE), "{text}");
        }
        let sent = ipv6(CLIENT, remote, IpNumber::UDP, &udp6(CLIENT, remote, b"hello"));
        let between = world.forward(&sent);
        let error = ipv4(REMOTE, LEASED, IpNumber::ICMP, &raw_icmp4(3, 3, [0; 4], &between));
        let back = world.forward(&error);
        assert_eq!(addresses6(&back), (remote, CLIENT), "{text}");
        assert_eq!(addresses6(&back[48..]), (CLIENT, remote), "{text}");
        assert_eq!(back[48 + 40..], sent[40..], "{text}");
        let seen = world.forward(&udp_in(b"hello"));
        assert_eq!(addresses6(&seen), (remote, CLIENT), "{text}");
        let message = raw_icmp6(CLIENT, remote, 1, 4, [0; 4], &seen);
        let back = world.forward(&ipv6(CLIENT, remote, IpNumber::IPV6_ICMP, &message));
        assert_eq!(
            (addresses4(&back), addresses4(&back[28..])),
            ((LEASED, REMOTE), (REMOTE, LEASED)),
            "{text}"
        );
    }
}

/// RFC 8215: the local-use prefix carries what the Well-Known Prefix must not.
#[test]
fn local_use_prefix_carries_private_addresses_both_ways() {
    let local = prefix("64:ff9b:1::/48");
    let private = Ipv4Addr::new(10, 1, 2, 3);
    let params = Params { prefixes: local.into(), ..params() };
    assert_eq!(destination_to_v4(&params, local.embed(private)), Ok(private));
    assert_eq!(source_to_v6(&params, &mut pool(), private), Ok(local.embed(private)));
    assert_eq!(reporter_to_v6(&params, &mut pool(), private), local.embed(private));
}

#[test]
fn own_addresses_win_over_maps_pool_and_prefix() {
    let map = |v4: &str, v6: &str| ExplicitMap { v4: v4.parse().unwrap(), v6: v6.parse().unwrap() };
    // The own IPv4 address lies in the pool and in a map, the own IPv6 address in another map.
    let maps = [map("192.0.2.0/28", "2001:db8:9::/124"), map("198.51.100.0/24", "2001:db8:ffff::/120")];
    let params = Params { maps: ExplicitMaps::new(maps).unwrap(), ..params() };
    assert_eq!(source_to_v4(&params, &mut pool(), OWN_V6), Ok(OWN_V4));
    assert_eq!(destination_to_v4(&params, OWN_V6), Ok(OWN_V4));
    assert_eq!(source_to_v6(&params, &mut pool(), OWN_V4), Ok(OWN_V6));
    assert_eq!(quoted_to_v6(&params, &mut pool(), OWN_V4), Some(OWN_V6));
    assert_eq!(quoted_to_v4(&params, &mut pool(), OWN_V6), Some(OWN_V4));
    let neighbour = Ipv4Addr::new(192, 0, 2, 2);
    assert_eq!(source_to_v6(&params, &mut pool(), neighbour), Ok("2001:db8:9::2".parse().unwrap()));
    // The own IPv6 address is the one that the prefix makes of the IPv4 one.
    let derived = prefix("2001:db8:64::/96").embed(OWN_V4);
    let params = Params { own_v6: derived, ..params };
    assert_eq!(source_to_v6(&params, &mut pool(), OWN_V4), Ok(derived));
    let mut world = World::with(|other| *other = params);
    for dst in [OWN_V4, LEASED] {
        let echo = icmp4(etherparse::Icmpv4Type::EchoRequest(ECHO), b"hello");
        let verdict = world.verdict(&ipv4(REMOTE, dst, IpNumber::ICMP, &echo));
        assert_eq!(matches!(verdict, crate::Verdict::Reply(_)), dst == OWN_V4, "{dst}");
    }
}

/// What Tayga's `wkpf-strict` lets through beyond this is in docs/conformance.md.
#[test]
fn class_e_and_protocol_assignments_cross_under_own_prefixes_only() {
    for text in ["240.0.0.1", "255.255.255.254", "192.0.0.1", "192.88.99.1", "198.18.0.1", "100.64.0.1"] {
        let v4: Ipv4Addr = text.parse().unwrap();
        let own = prefix("2001:db8:64::/96");
        assert_eq!(destination_to_v4(&params(), own.embed(v4)), Ok(v4), "{text}");
        assert_eq!(source_to_v6(&params(), &mut pool(), v4), Ok(own.embed(v4)), "{text}");
        let strict = well_known(false);
        let embedded = Prefix64::WELL_KNOWN.embed(v4);
        assert_eq!(destination_to_v4(&strict, embedded), Err(DropReason::NonGlobalIpv4), "{text}");
        assert_eq!(source_to_v6(&strict, &mut pool(), v4), Err(DropReason::NonGlobalIpv4), "{text}");
    }
    for text in ["0.0.0.1", "127.0.0.1", "255.255.255.255", "224.0.0.1"] {
        let v4: Ipv4Addr = text.parse().unwrap();
        assert!(destination_to_v4(&params(), prefix("2001:db8:64::/96").embed(v4)).is_err(), "{text}");
    }
    let assigned = Ipv4Addr::new(192, 0, 0, 9);
    assert_eq!(destination_to_v4(&well_known(false), Prefix64::WELL_KNOWN.embed(assigned)), Ok(assigned));
}

/// RFC 7757 §5: nothing is symmetric that the operator did not make so, and nothing is lost.
#[test]
fn overlapping_maps_are_looked_up_on_each_side_by_itself() {
    let map = |v4: &str, v6: &str| ExplicitMap { v4: v4.parse().unwrap(), v6: v6.parse().unwrap() };
    let maps = [
        map("203.0.113.0/24", "2001:db8:a::/64"),
        map("203.0.113.64/32", "2001:db8:b::1/128"),
        map("203.0.113.128/32", "2001:db8:a::ff00:0:0:1/128"),
    ];
    let params = Params { maps: ExplicitMaps::new(maps).unwrap(), ..params() };
    let to_v6 = |v4: &str| source_to_v6(&params, &mut pool(), v4.parse().unwrap()).unwrap().to_string();
    let to_v4 = |v6: &str| destination_to_v4(&params, v6.parse().unwrap()).unwrap().to_string();
    assert_eq!(to_v6("203.0.113.64"), "2001:db8:b::1");
    assert_eq!(to_v4("2001:db8:a:0:4000::"), "203.0.113.64", "the wider map has the host too");
    assert_eq!(to_v4("2001:db8:a::ff00:0:0:1"), "203.0.113.128");
    assert_eq!(to_v4("2001:db8:a:0:8000::"), "203.0.113.128");
    assert_eq!(to_v6("203.0.113.65"), "2001:db8:a:0:4100::");
}
