use super::*;
use crate::mss::MssClamp;
use crate::testing::*;
use crate::verdict::DropReason;
use etherparse::IpNumber;
use std::net::IpAddr;

/// A world that looks both MTUs up.
fn routed(mtu_v4: Option<u16>, mtu_v6: Option<u16>) -> World {
    let mut world = World::with(|params| {
        params.mtu_v4 = Mtu::Route(1500);
        params.mtu_v6 = Mtu::Route(1500);
    });
    world.routes = Routes { mtu_v4, mtu_v6, ..Routes::default() };
    world
}

#[test]
fn route_decides_what_is_too_big_from_ipv4() {
    let mut world = routed(None, Some(1400));
    world.forward(&udp_in(&bytes(1352)));
    let out = world.error(&udp_in(&bytes(1353)), DropReason::TooBig);
    assert_eq!(word(&out, 26), 1380);
    assert!(world.routes.asked.iter().all(|asked| *asked == IpAddr::from(CLIENT)));
}

#[test]
fn route_decides_what_is_too_big_from_ipv6() {
    let mut world = routed(Some(1400), None);
    world.forward(&udp_out(&bytes(1372)));
    let out = world.error(&udp_out(&bytes(1373)), DropReason::TooBig);
    assert_eq!(out[44..48], 1420_u32.to_be_bytes());
    assert_eq!(world.routes.asked[0], IpAddr::from(REMOTE));
}

#[test]
fn change_of_a_route_holds_for_the_next_packet() {
    let mut world = routed(None, Some(1400));
    world.error(&udp_in(&bytes(1440)), DropReason::TooBig);
    world.routes.mtu_v6 = Some(1500);
    world.forward(&udp_in(&bytes(1440)));
}

#[test]
fn translated_sizes_keep_to_the_routes_of_both_ends() {
    // About a packet of the client to the remote host: both its own way and the remote host's count.
    let quoted = World::new().forward(&udp_out(&bytes(1400)));
    let needed = ipv4(REMOTE, LEASED, IpNumber::ICMP, &raw_icmp4(3, 4, [0, 0, 0x05, 0xdc], &quoted[..28]));
    let too_big = |mtu_v4, mtu_v6| {
        let mut world = routed(Some(mtu_v4), Some(mtu_v6));
        let out = world.forward(&needed);
        assert_eq!(world.routes.asked, [IpAddr::from(CLIENT), IpAddr::from(REMOTE)]);
        u32::from_be_bytes(out[44..48].try_into().unwrap())
    };
    assert_eq!((too_big(1500, 1500), too_big(1400, 1500), too_big(1500, 1300)), (1500, 1420, 1300));

    let quoted = World::new().forward(&udp_in(&bytes(1400)));
    let told = raw_icmp6(CLIENT, REMOTE_V6, 2, 0, 1500_u32.to_be_bytes(), &quoted[..48]);
    let told = ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_ICMP, &told);
    let needed = |mtu_v4, mtu_v6| {
        let mut world = routed(Some(mtu_v4), Some(mtu_v6));
        let out = world.forward(&told);
        assert_eq!(world.routes.asked, [IpAddr::from(REMOTE), IpAddr::from(CLIENT)]);
        word(&out, 26)
    };
    assert_eq!((needed(1500, 1500), needed(1400, 1500), needed(1500, 1300)), (1480, 1400, 1280));
}

#[test]
fn errors_about_packets_that_never_crossed_ask_for_no_route() {
    let mut world = routed(Some(1500), Some(1500));
    let stranger = ipv4("192.0.2.200".parse().unwrap(), REMOTE, IpNumber::UDP, &[0; 8]);
    let needed = ipv4(REMOTE, LEASED, IpNumber::ICMP, &raw_icmp4(3, 4, [0, 0, 0x05, 0xdc], &stranger));
    world.dropped(&needed, DropReason::QuotedUnmapped);
    let stranger = ipv6(REMOTE_V6, ROUTER_V6, IpNumber::UDP, &[0; 8]);
    let too_big = raw_icmp6(CLIENT, REMOTE_V6, 2, 0, 1500_u32.to_be_bytes(), &stranger);
    world.dropped(&ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_ICMP, &too_big), DropReason::QuotedUnmapped);
    assert_eq!(world.routes.asked, [] as [IpAddr; 0]);
}

#[test]
fn packets_that_fit_every_link_ask_for_no_route() {
    let mut world = routed(Some(1500), Some(1500));
    world.forward(&udp_in(&bytes(1232)));
    world.forward(&udp_out(&bytes(40)));
    assert_eq!(world.routes.asked, [] as [IpAddr; 0]);
    world.forward(&udp_in(&bytes(1233)));
    world.forward(&udp_out(&bytes(41)));
    assert_eq!(world.routes.asked, [IpAddr::from(CLIENT), IpAddr::from(REMOTE)]);
}

#[test]
fn fixed_mtus_ask_for_no_route() {
    let mut world = World::with(|params| params.tcp_mss_clamp = MssClamp::Mtu);
    world.forward(&udp_in(&bytes(1400)));
    world.forward(&udp_out(&bytes(1400)));
    assert!(world.routes.asked.is_empty());
}

#[test]
fn destination_without_a_route_has_the_mtu_given_for_that() {
    let mut world = routed(None, None);
    world.forward(&udp_in(&bytes(1452)));
    world.error(&udp_in(&bytes(1453)), DropReason::TooBig);
    world.forward(&udp_out(&bytes(1452)));
}

#[test]
fn mtus_below_what_a_link_must_carry_count_as_that() {
    let mut world = routed(Some(0), Some(0));
    let out = world.error(&udp_in(&bytes(1233)), DropReason::TooBig);
    assert_eq!(word(&out, 26), 1260);
    let sizes: Vec<_> = world.split(&udp_out(&bytes(60))).iter().map(Vec::len).collect();
    assert_eq!(sizes, [68, 40]);
}
