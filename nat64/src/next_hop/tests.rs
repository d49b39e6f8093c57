use super::*;
use crate::link::Netlink;
use crate::netns::{block_on, in_namespace};
use rtnetlink::packet_route::route::{RouteAttribute, RouteMessage, RouteMetric};
use rtnetlink::{LinkUnspec, LinkVeth, RouteMessageBuilder};

const DST_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const DST_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 9);
const START: Duration = Duration::from_secs(1000);

#[test]
fn answers_are_kept_for_their_lifetime() {
    let mut answers = Answers::default();
    let mut ask = |at: Duration, says: Option<u16>| {
        let mut asked = false;
        let mtu = answers.get(DST_V4, at, &mut 1, || {
            asked = true;
            says
        });
        (mtu, asked)
    };
    assert_eq!(ask(START, Some(1400)), (Some(1400), true));
    assert_eq!(ask(START + LIFETIME / 2, Some(1300)), (Some(1400), false));
    assert_eq!(ask(START + LIFETIME, Some(1300)), (Some(1300), true));
    assert_eq!(ask(START + LIFETIME * 2, None), (None, true));
    assert_eq!(ask(START + LIFETIME * 2, Some(1500)), (None, false), "that there is no way is kept too");
}

#[test]
fn flood_of_destinations_takes_no_more_room_and_leaves_the_others_right() {
    let mut answers = Answers::default();
    for number in 0..100_000_u32 {
        let mtu = u16::try_from(number % 60_000).unwrap();
        let now = START + Duration::from_nanos(number.into());
        assert_eq!(answers.get(Ipv4Addr::from_bits(number), now, &mut 1, || Some(mtu)), Some(mtu));
    }
    assert_eq!(answers.rows.len(), ROWS);
    let mut again = 0;
    for number in 99_900..100_000_u32 {
        let mtu = u16::try_from(number % 60_000).unwrap();
        let answer = answers.get(Ipv4Addr::from_bits(number), START, &mut 1, || {
            again += 1;
            Some(mtu)
        });
        assert_eq!(answer, Some(mtu));
    }
    assert!(again < 10, "{again} of the last 100 were forgotten");
}

#[test]
fn scan_asks_so_many_questions_in_a_batch_and_leaves_what_is_known() {
    let mut answers = Answers::default();
    let mut left = 2;
    let mut get =
        |number: u32, says: u16| answers.get(Ipv4Addr::from_bits(number), START, &mut left, || Some(says));
    assert_eq!((get(1, 1400), get(2, 1401)), (Some(1400), Some(1401)));
    assert_eq!(get(3, 1402), None, "the device's MTU has to do");
    assert_eq!(get(1, 1300), Some(1400), "an answer that is kept is no question");
    let mut routed = Routed { left: 0, ..Routed::default() };
    routed.begin();
    assert_eq!(routed.left, QUESTIONS, "the next batch may ask again");
}

/// A namespace with one interface of 1500 bytes behind which all lies, and an address of each family on it.
async fn namespace() -> Netlink {
    let netlink = Netlink::connect().unwrap();
    netlink.handle().link().add(LinkVeth::new("near", "far").build()).execute().await.unwrap();
    for name in ["lo", "near", "far"] {
        let link = netlink.link(name).await.unwrap().unwrap();
        netlink
            .handle()
            .link()
            .change(LinkUnspec::new_with_index(link.index).up().build())
            .execute()
            .await
            .unwrap();
    }
    // On the loopback, whose addresses are never tentative.
    let lo = netlink.link("lo").await.unwrap().unwrap().index;
    for (address, len) in [("192.0.2.1", 32), ("2001:db8:1::1", 128)] {
        netlink.handle().address().add(lo, address.parse().unwrap(), len).execute().await.unwrap();
    }
    netlink
}

/// Routes to both destinations through `near`, with `mtu` if there is one.
async fn route(netlink: &Netlink, mtu: Option<u32>) {
    let near = netlink.link("near").await.unwrap().unwrap().index;
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(DST_V4, 32).output_interface(near);
    let v6 = RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(DST_V6, 128).output_interface(near);
    for message in [v4.build(), v6.build()] {
        let message = with_mtu(message, mtu);
        netlink.handle().route().add(message).replace().execute().await.unwrap();
    }
}

fn with_mtu(mut message: RouteMessage, mtu: Option<u32>) -> RouteMessage {
    let metrics = mtu.map(|mtu| RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
    message.attributes.extend(metrics);
    message
}

/// What the kernel says of both destinations.
fn both() -> (Option<u16>, Option<u16>) {
    (kernel_mtu(DST_V4.into()), kernel_mtu(DST_V6.into()))
}

#[test]
fn kernel_tells_the_mtu_of_route_or_interface_and_follows_both() {
    in_namespace("kernel_tells_the_mtu_of_route_or_interface_and_follows_both", || {
        block_on(async {
            let netlink = namespace().await;
            assert_eq!(both(), (None, None), "there is no route");
            route(&netlink, None).await;
            assert_eq!(both(), (Some(1500), Some(1500)));
            route(&netlink, Some(1400)).await;
            assert_eq!(both(), (Some(1400), Some(1400)));
            route(&netlink, Some(1300)).await;
            assert_eq!(both(), (Some(1300), Some(1300)));
            route(&netlink, None).await;
            let near = netlink.link("near").await.unwrap().unwrap();
            netlink.set_mtu(&near, 1350).await.unwrap();
            assert_eq!(both(), (Some(1350), Some(1350)));
        });
    });
}

#[test]
fn worker_notices_a_changed_route_when_its_answer_has_expired() {
    in_namespace("worker_notices_a_changed_route_when_its_answer_has_expired", || {
        block_on(async {
            let netlink = namespace().await;
            route(&netlink, Some(1400)).await;
            let mut routed = Routed::default();
            let mut at = |now| (routed.mtu_v4(DST_V4, now), routed.mtu_v6(DST_V6, now));
            assert_eq!(at(START), (Some(1400), Some(1400)));
            route(&netlink, Some(1300)).await;
            assert_eq!(at(START + LIFETIME / 2), (Some(1400), Some(1400)));
            assert_eq!(at(START + LIFETIME), (Some(1300), Some(1300)));
        });
    });
}

#[test]
fn destination_on_this_host_has_the_longest_mtu_there_is() {
    in_namespace("destination_on_this_host_has_the_longest_mtu_there_is", || {
        block_on(async {
            namespace().await;
            assert_eq!(kernel_mtu("192.0.2.1".parse().unwrap()), Some(u16::MAX));
            assert_eq!(kernel_mtu("2001:db8:1::1".parse().unwrap()), Some(u16::MAX));
        });
    });
}
