use crate::icmp_source::IcmpSources;
use crate::testing::*;
use crate::verdict::{DropReason, Reply, Verdict};
use etherparse::{IcmpEchoHeader, Icmpv4Type, Icmpv6Type, IpFragOffset, IpNumber, Ipv4Options};

#[test]
fn own_ipv4_address_answers_ping() {
    let message = icmp4(Icmpv4Type::EchoRequest(ECHO), b"payload");
    let packet = ipv4_with(REMOTE, OWN_V4, IpNumber::ICMP, &message, |header| {
        header.options = Ipv4Options::try_from(&[1, 1, 1, 0][..]).unwrap();
        header.time_to_live = 1;
    });
    let mut world = World::new();
    assert_eq!(world.verdict(&packet), Verdict::Reply(Reply::Echo));
    let out = world.frame.packet();
    judge(out);
    assert_eq!(addresses4(out), (OWN_V4, REMOTE));
    assert_eq!((out[8], out[20], &out[24..]), (64, 0, &message[4..]));
}

#[test]
fn own_ipv6_address_answers_ping() {
    let message = icmp6(CLIENT, OWN_V6, Icmpv6Type::EchoRequest(ECHO), b"payload");
    let mut world = World::new();
    let packet = ipv6(CLIENT, OWN_V6, IpNumber::IPV6_ICMP, &message);
    assert_eq!(world.verdict(&packet), Verdict::Reply(Reply::Echo));
    let out = world.frame.packet();
    judge(out);
    assert_eq!(addresses6(out), (OWN_V6, CLIENT));
    assert_eq!((out[7], out[40], &out[44..]), (64, 129, &message[4..]));
}

#[test]
fn own_ipv4_address_answers_ping_through_the_prefix() {
    let through = "2001:db8:64::192.0.2.1".parse().unwrap();
    let message = icmp6(CLIENT, through, Icmpv6Type::EchoRequest(ECHO), b"payload");
    let mut world = World::new();
    let packet = ipv6(CLIENT, through, IpNumber::IPV6_ICMP, &message);
    assert_eq!(world.verdict(&packet), Verdict::Reply(Reply::Echo));
    judge(world.frame.packet());
    assert_eq!(addresses6(world.frame.packet()), (through, CLIENT));
}

#[test]
fn other_protocols_are_answered_as_unknown() {
    let packet = ipv4(REMOTE, OWN_V4, IpNumber::UDP, &udp4(REMOTE, OWN_V4, b"x"));
    let out = World::new().error(&packet, DropReason::ToSelf);
    assert_eq!(out[20..22], [3, 2]);
    let mut payload = vec![6, 0, 1, 4, 0, 0, 0, 0];
    payload.extend_from_slice(&tcp6(CLIENT, OWN_V6, b"x"));
    let out = World::new().error(&ipv6(CLIENT, OWN_V6, IpNumber::from(60), &payload), DropReason::ToSelf);
    assert_eq!((out[40], out[41], out[47]), (4, 1, 40), "points at the field that names TCP");
}

#[test]
fn addresses_that_speak_for_routers_answer_ping_too() {
    let speaker = "198.51.100.65".parse().unwrap();
    let speaker_v6 = "2001:db8:6791::a00:1".parse().unwrap();
    let mut world = World::with(|params| {
        params.icmp_source_v4 = IcmpSources::new(vec!["198.51.100.64/28".parse().unwrap()]);
        params.icmp_source_v6 = Some("2001:db8:6791::/96".parse().unwrap());
    });
    let message = icmp4(Icmpv4Type::EchoRequest(ECHO), b"payload");
    assert_eq!(world.verdict(&ipv4(REMOTE, speaker, IpNumber::ICMP, &message)), Verdict::Reply(Reply::Echo));
    assert_eq!(addresses4(world.frame.packet()), (speaker, REMOTE));
    for dst in [speaker_v6, prefix("2001:db8:64::/96").embed(speaker)] {
        let message = icmp6(CLIENT, dst, Icmpv6Type::EchoRequest(ECHO), b"payload");
        assert_eq!(
            world.verdict(&ipv6(CLIENT, dst, IpNumber::IPV6_ICMP, &message)),
            Verdict::Reply(Reply::Echo)
        );
        assert_eq!(addresses6(world.frame.packet()), (dst, CLIENT));
    }
}

#[test]
fn other_icmp_to_own_addresses_is_dropped_silently() {
    for kind in [0, 3, 11, 13] {
        let packet = ipv4(REMOTE, OWN_V4, IpNumber::ICMP, &raw_icmp4(kind, 0, [0; 4], &[0; 28]));
        World::new().dropped(&packet, DropReason::ToSelf);
    }
    for kind in [1, 3, 129, 135] {
        let message = raw_icmp6(CLIENT, OWN_V6, kind, 0, [0; 4], &[0; 48]);
        World::new().dropped(&ipv6(CLIENT, OWN_V6, IpNumber::IPV6_ICMP, &message), DropReason::ToSelf);
    }
}

#[test]
fn fragmented_echo_is_dropped() {
    let message = icmp4(Icmpv4Type::EchoRequest(ECHO), &bytes(64));
    let packet = ipv4_with(REMOTE, OWN_V4, IpNumber::ICMP, &message, |header| {
        header.fragment_offset = IpFragOffset::try_new(1).unwrap();
    });
    World::new().dropped(&packet, DropReason::FragmentedIcmp);
    let payload = fragmented(IpNumber::IPV6_ICMP, 0, true, 7, &message);
    World::new().dropped(
        &ipv6(CLIENT, OWN_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &payload),
        DropReason::FragmentedIcmp,
    );
}

/// Zeros throughout sum to zero, whose checksum is all ones.
#[test]
fn an_echo_reply_of_zeros_has_the_checksum_of_zeros() {
    let message = icmp4(Icmpv4Type::EchoRequest(IcmpEchoHeader { id: 0, seq: 0 }), &[0; 16]);
    let mut world = World::new();
    assert_eq!(world.verdict(&ipv4(REMOTE, OWN_V4, IpNumber::ICMP, &message)), Verdict::Reply(Reply::Echo));
    assert_eq!(word(world.frame.packet(), 22), 0xffff);
}
