use super::*;
use crate::device::Device;
use crate::netns::{block_on, in_namespace};
use addr::{ExplicitMap, RangedPrefix};
use config::model::{ClassOctet, Hairpin, MssClamp, Offload, UdpZeroChecksum};
use rtnetlink::{LinkUnspec, LinkVeth};

const NAME: &str = "nat64test";

fn nets(texts: &[&str]) -> BTreeSet<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn section() -> Nat64 {
    Nat64 {
        device: NAME.into(),
        ipv4_addr: "192.0.2.1".parse().unwrap(),
        ipv6_addr: "2001:db8:ffff::64".parse().unwrap(),
        dynamic_pool: Some("198.51.100.0/24".parse().unwrap()),
        state_dir: None,
        workers: 1,
        offload: Offload::Auto,
        udp_zero_checksum: UdpZeroChecksum::Drop,
        ipv6_min_mtu: 1280,
        mtu: 1500,
        ipv4_mtu: None,
        ipv6_mtu: None,
        tcp_mss_clamp: MssClamp::Off,
        tos: ClassOctet::Copy,
        traffic_class: ClassOctet::Copy,
        icmp_error_rate: 1000,
        configure_interface: true,
        drop_log: 0,
        hairpin: Hairpin::Intrinsic,
        icmp_source_v4: Vec::new(),
        icmp_source_v6: None,
        prefix: Vec::new(),
        map: Vec::new(),
    }
}

fn prefix() -> Prefix {
    Prefix { pref64: "2001:db8:64::/96".parse().unwrap(), allow_private_ipv4: false }
}

fn map(v4: &str, v6: &str) -> ExplicitMap {
    ExplicitMap { v4: v4.parse().unwrap(), v6: v6.parse().unwrap() }
}

#[test]
fn prefix_pool_maps_and_own_addresses_are_routed() {
    let nat64 = Nat64 { map: vec![map("203.0.113.0/28", "2001:db8:1::/124")], ..section() };
    let expected =
        ["192.0.2.1/32", "198.51.100.0/24", "203.0.113.0/28", "2001:db8:64::/96", "2001:db8:ffff::64/128"];
    assert_eq!(wanted(&nat64, Some(&prefix())), nets(&expected));
}

#[test]
fn other_prefixes_and_speakers_for_routers_are_routed() {
    let other = RangedPrefix {
        prefix: "2001:db8:a::/64".parse().unwrap(),
        ipv4: vec!["10.0.0.0/8".parse().unwrap()],
    };
    let nat64 = Nat64 {
        dynamic_pool: None,
        icmp_source_v4: vec!["203.0.113.64/28".parse().unwrap()],
        icmp_source_v6: Some("2001:db8:6791::/96".parse().unwrap()),
        prefix: vec![other],
        ..section()
    };
    let expected = [
        "192.0.2.1/32",
        "203.0.113.64/28",
        "2001:db8:64::/96",
        "2001:db8:a::/64",
        "2001:db8:6791::/96",
        "2001:db8:ffff::64/128",
    ];
    assert_eq!(wanted(&nat64, Some(&prefix())), nets(&expected), "the IPv4 networks of a prefix are remote");
}

#[test]
fn what_lies_within_another_route_needs_none() {
    let nat64 = Nat64 {
        ipv4_addr: "198.51.100.1".parse().unwrap(),
        map: vec![map("198.51.100.10/32", "2001:db8:1::10/128")],
        ..section()
    };
    assert_eq!(
        wanted(&nat64, Some(&prefix())),
        nets(&["198.51.100.0/24", "2001:db8:64::/96", "2001:db8:ffff::64/128"])
    );
}

#[test]
fn a_map_of_everything_does_not_take_the_default_route() {
    let nat64 =
        Nat64 { dynamic_pool: None, map: vec![map("0.0.0.0/0", "2001:db8:1:ff00::/64")], ..section() };
    let expected = ["192.0.2.1/32", "2001:db8:64::/96", "2001:db8:1:ff00::/64", "2001:db8:ffff::64/128"];
    assert_eq!(wanted(&nat64, Some(&prefix())), nets(&expected));
}

/// A device that is up, and its link.
async fn device(netlink: &Netlink) -> (Device, Link) {
    let device = Device::open(NAME, None, 1, Offload::Auto).unwrap();
    let link = netlink.link(NAME).await.unwrap().unwrap();
    netlink.bring_up(&link, 1400, 4096).await.unwrap();
    (device, netlink.link(NAME).await.unwrap().unwrap())
}

/// All routes of the main table through a device.
async fn through(netlink: &Netlink, link: &Link) -> BTreeSet<IpNet> {
    let mut found = BTreeSet::new();
    for any in
        [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()]
    {
        let routes: Vec<RouteMessage> =
            netlink.handle().route().get(any).execute().try_collect().await.unwrap();
        for route in routes.iter().filter(|route| route.header.table == RouteHeader::RT_TABLE_MAIN) {
            let destination = route.attributes.iter().find_map(|attribute| match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
                RouteAttribute::Destination(RouteAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
                _ => None,
            });
            if let Some(ip) =
                destination.filter(|_| route.attributes.contains(&RouteAttribute::Oif(link.index)))
            {
                found.insert(IpNet::new(ip, route.header.destination_prefix_length).unwrap());
            }
        }
    }
    found
}

#[test]
fn bringing_up_sets_mtu_and_queue_and_makes_no_address() {
    in_namespace("bringing_up_sets_mtu_and_queue_and_makes_no_address", || {
        block_on(async {
            let netlink = Netlink::connect().unwrap();
            let (_device, link) = device(&netlink).await;
            assert_eq!((link.mtu, link.tx_queue_len, link.is_up), (1400, 4096, true));
            assert_eq!(through(&netlink, &link).await, nets(&[]), "not even fe80::/64");
            netlink.bring_up(&link, 1400, 100).await.unwrap();
            assert_eq!(netlink.link(NAME).await.unwrap().unwrap().tx_queue_len, 4096, "never made shorter");
        });
    });
}

#[test]
fn a_change_adds_and_removes_just_the_difference() {
    in_namespace("a_change_adds_and_removes_just_the_difference", || {
        block_on(async {
            let netlink = Netlink::connect().unwrap();
            let (_device, link) = device(&netlink).await;
            let routes = Routes::new(Netlink::connect().unwrap(), link.clone());
            let first = nets(&["192.0.2.1/32", "198.51.100.0/24", "2001:db8:64::/96"]);
            let added = routes.add(&first).await.unwrap();
            routes.commit(added, &first);
            assert_eq!(through(&netlink, &link).await, first);

            let second =
                nets(&["192.0.2.1/32", "203.0.113.0/24", "2001:db8:64::/96", "2001:db8:ffff::64/128"]);
            let added = routes.add(&second).await.unwrap();
            assert_eq!(
                added.nets,
                nets(&["203.0.113.0/24", "2001:db8:ffff::64/128"]).into_iter().collect::<Vec<_>>()
            );
            routes.commit(added, &second);
            // An addition waits for the removals before it.
            let added = routes.add(&second).await.unwrap();
            routes.commit(added, &second);
            routes.flush().await;
            assert_eq!(through(&netlink, &link).await, second);

            routes.close().await;
            assert_eq!(through(&netlink, &link).await, nets(&[]));
        });
    });
}

#[test]
fn a_dropped_addition_leaves_no_trace() {
    in_namespace("a_dropped_addition_leaves_no_trace", || {
        block_on(async {
            let netlink = Netlink::connect().unwrap();
            let (_device, link) = device(&netlink).await;
            let routes = Routes::new(Netlink::connect().unwrap(), link.clone());
            drop(routes.add(&nets(&["198.51.100.0/24", "2001:db8:64::/96"])).await.unwrap());
            routes.flush().await;
            assert_eq!(through(&netlink, &link).await, nets(&[]));
        });
    });
}

#[test]
fn a_route_of_another_device_is_not_taken_and_nothing_is_left_behind() {
    in_namespace("a_route_of_another_device_is_not_taken_and_nothing_is_left_behind", || {
        block_on(async {
            let netlink = Netlink::connect().unwrap();
            let (_device, link) = device(&netlink).await;
            netlink.handle().link().add(LinkVeth::new("other", "peer").build()).execute().await.unwrap();
            let other = netlink.link("other").await.unwrap().unwrap();
            let up = LinkUnspec::new_with_index(other.index).up().build();
            netlink.handle().link().change(up).execute().await.unwrap();
            let taken = RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix("198.51.100.0".parse().unwrap(), 24)
                .output_interface(other.index)
                .build();
            netlink.handle().route().add(taken).execute().await.unwrap();

            let routes = Routes::new(Netlink::connect().unwrap(), link.clone());
            let error = routes.add(&nets(&["192.0.2.1/32", "198.51.100.0/24"])).await.unwrap_err();
            assert!(
                matches!(&error, RouteError::Taken { net, .. } if net.to_string() == "198.51.100.0/24"),
                "{error}"
            );
            assert_eq!(through(&netlink, &link).await, nets(&[]));
            assert!(through(&netlink, &other).await.is_superset(&nets(&["198.51.100.0/24"])));
        });
    });
}

/// The runtime ends with the error, as a process does that cannot start.
#[test]
fn a_failed_addition_is_undone_when_it_returns() {
    in_namespace("a_failed_addition_is_undone_when_it_returns", || {
        let (_device, link) = block_on(async { device(&Netlink::connect().unwrap()).await });
        std::fs::write("/proc/sys/net/ipv6/conf/nat64test/disable_ipv6", "1").unwrap();
        let error = block_on(async {
            let routes = Routes::new(Netlink::connect().unwrap(), link.clone());
            routes.add(&nets(&["192.0.2.1/32", "2001:db8:64::/96"])).await.unwrap_err()
        });
        assert!(matches!(&error, RouteError::Ipv6Off { .. }), "{error}");
        let left = block_on(async { through(&Netlink::connect().unwrap(), &link).await });
        assert_eq!(left, nets(&[]));
    });
}

#[test]
fn routes_of_a_crashed_run_are_adopted_and_those_of_the_operator_stay() {
    in_namespace("routes_of_a_crashed_run_are_adopted_and_those_of_the_operator_stay", || {
        block_on(async {
            let netlink = Netlink::connect().unwrap();
            let (_device, link) = device(&netlink).await;
            let crashed = Routes::new(Netlink::connect().unwrap(), link.clone());
            let leftover = crashed.add(&nets(&["198.51.100.0/24", "2001:db8:64::/96"])).await.unwrap();
            std::mem::forget(leftover);
            let by_hand = RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix("192.0.2.1".parse().unwrap(), 32)
                .output_interface(link.index)
                .build();
            netlink.handle().route().add(by_hand).execute().await.unwrap();

            let routes = Routes::new(Netlink::connect().unwrap(), link.clone());
            let all = nets(&["192.0.2.1/32", "198.51.100.0/24", "2001:db8:64::/96"]);
            let added = routes.add(&all).await.unwrap();
            routes.commit(added, &all);
            routes.close().await;
            assert_eq!(through(&netlink, &link).await, nets(&["192.0.2.1/32"]));
        });
    });
}

#[test]
fn a_device_that_is_gone_takes_its_routes_along() {
    in_namespace("a_device_that_is_gone_takes_its_routes_along", || {
        block_on(async {
            let netlink = Netlink::connect().unwrap();
            let (device, link) = device(&netlink).await;
            let routes = Routes::new(Netlink::connect().unwrap(), link.clone());
            let all = nets(&["198.51.100.0/24"]);
            let added = routes.add(&all).await.unwrap();
            routes.commit(added, &all);
            drop(device);
            routes.close().await;
            assert_eq!(netlink.link(NAME).await.unwrap(), None);
        });
    });
}

#[test]
fn a_kernel_without_ipv6_is_told_apart() {
    in_namespace("a_kernel_without_ipv6_is_told_apart", || {
        std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").unwrap();
        block_on(async {
            let netlink = Netlink::connect().unwrap();
            let (_device, link) = device(&netlink).await;
            let routes = Routes::new(Netlink::connect().unwrap(), link);
            let error = routes.add(&nets(&["2001:db8:64::/96"])).await.unwrap_err();
            assert!(matches!(&error, RouteError::Ipv6Off { device } if device == NAME), "{error}");
        });
    });
}
