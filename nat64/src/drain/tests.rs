use super::*;
use crate::pool::{MIN_LEASE, Pool};
use addr::ExplicitMaps;
use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, Ipv6Addr};
use translator::{Class, Leases, MssClamp, Mtu, UdpZeroChecksum};

const NOW: UnixTime = UnixTime(1_700_000_000);
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const HOST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

fn range(net: Option<&str>) -> Range {
    Range::new(net.map(|net| net.parse().unwrap()), OWN, ExplicitMaps::default())
}

fn translator(pool: Option<&str>) -> Translator {
    Translator::new(Params {
        prefixes: "2001:db8:64::/96".parse::<addr::Prefix64>().unwrap().into(),
        allow_private_ipv4: false,
        own_v4: OWN,
        own_v6: "2001:db8:ffff::64".parse().unwrap(),
        maps: ExplicitMaps::default(),
        pools: pool.into_iter().map(|net| net.parse().unwrap()).collect(),
        icmp_source_v4: translator::IcmpSources::default(),
        icmp_source_v6: None,
        hairpin: translator::Hairpin::Intrinsic,
        udp_zero_checksum: UdpZeroChecksum::Drop,
        ipv6_min_mtu: 1280,
        mtu_v4: Mtu::Fixed(1500),
        mtu_v6: Mtu::Fixed(1500),
        tcp_mss_clamp: MssClamp::Off,
        tos: Class::Copy,
        traffic_class: Class::Copy,
        icmp_error_rate: 1000,
    })
}

fn nets(nets: &[&str]) -> Vec<Ipv4Net> {
    nets.iter().map(|net| net.parse().unwrap()).collect()
}

#[test]
fn the_translator_leaves_old_networks_to_leases_until_they_have_drained() {
    let pool = Arc::new(SharedPool::new(Pool::new(range(Some("198.51.100.0/24"))), || ()));
    let mut view = crate::lease::LeaseView::new(Arc::clone(&pool), NOW);
    let v4 = view.lease_for_v6(HOST).unwrap();
    let current = Arc::new(ArcSwap::from_pointee(translator(Some("198.51.100.0/24"))));
    let drain = Drain::new(Arc::clone(&current), pool, None, BTreeSet::new());
    drain.commit(
        range(Some("203.0.113.0/24")),
        translator(Some("203.0.113.0/24")),
        BTreeSet::new(),
        None,
        NOW,
        |_| (),
    );
    assert_eq!(current.load().params().pools, nets(&["203.0.113.0/24", "198.51.100.0/24"]));
    view.begin(NOW);
    assert_eq!(view.v6_of_lease(v4), Some(HOST));
    drain.sweep(UnixTime(NOW.0 + MIN_LEASE.as_secs()));
    assert_eq!(current.load().params().pools.len(), 2, "not idle for long enough");
    drain.sweep(UnixTime(NOW.0 + MIN_LEASE.as_secs() + 1));
    assert_eq!(*current.load().params(), *translator(Some("203.0.113.0/24")).params());
}

#[test]
fn a_removed_pool_is_the_translators_until_it_has_drained() {
    let pool = Arc::new(SharedPool::new(Pool::new(range(Some("198.51.100.0/24"))), || ()));
    crate::lease::LeaseView::new(Arc::clone(&pool), NOW).lease_for_v6(HOST).unwrap();
    let current = Arc::new(ArcSwap::from_pointee(translator(Some("198.51.100.0/24"))));
    let drain = Drain::new(Arc::clone(&current), pool, None, BTreeSet::new());
    drain.commit(range(None), translator(None), BTreeSet::new(), None, NOW, |_| ());
    assert_eq!(current.load().params().pools, nets(&["198.51.100.0/24"]));
    drain.sweep(UnixTime(NOW.0 + MIN_LEASE.as_secs() + 1));
    assert_eq!(current.load().params().pools, nets(&[]));
}

#[test]
fn leases_of_an_earlier_run_are_back_before_a_packet_can_ask_for_one() {
    let pool = Arc::new(SharedPool::new(Pool::new(range(None)), || ()));
    let current = Arc::new(ArcSwap::from_pointee(translator(None)));
    let drain = Drain::new(Arc::clone(&current), Arc::clone(&pool), None, BTreeSet::new());
    let lease = crate::pool::Lease { v4: Ipv4Addr::new(198, 51, 100, 9), v6: HOST, last_used: NOW };
    let net = Some("198.51.100.0/24");
    drain.commit(range(net), translator(net), BTreeSet::new(), None, NOW, |pool| {
        assert_eq!(current.load().params().pools, nets(&[]), "the translator asks for no lease yet");
        assert_eq!(pool.restore(&[lease], NOW), [], "the range is in place");
    });
    assert_eq!(current.load().params().pools, nets(&["198.51.100.0/24"]));
    assert_eq!(crate::lease::LeaseView::new(pool, NOW).lease_for_v6(HOST), Some(lease.v4));
}

#[test]
fn a_network_within_a_wider_one_that_drains_has_its_own_route() {
    let pool = Arc::new(SharedPool::new(Pool::new(range(Some("198.51.100.0/23"))), || ()));
    let current = Arc::new(ArcSwap::from_pointee(translator(Some("198.51.100.0/23"))));
    let drain = Drain::new(current, pool, None, BTreeSet::new());
    let wanted: BTreeSet<IpNet> = ["198.51.100.0/24".parse().unwrap()].into();
    let both = ["198.51.100.0/23", "198.51.100.0/24"].map(|net| net.parse().unwrap());
    assert_eq!(drain.beside(&wanted), both.into());
}
