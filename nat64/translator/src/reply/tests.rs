use super::*;
use crate::testing::*;
use etherparse::{Icmpv6Type, IpFragOffset, IpNumber};

/// A packet that dies of its TTL.
fn expired_v4(protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
    ipv4_with(REMOTE, LEASED, protocol, payload, |header| header.time_to_live = 1)
}

/// A packet that dies of its hop limit.
fn expired_v6(protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
    ipv6_with(CLIENT, REMOTE_V6, protocol, payload, |header| header.hop_limit = 1)
}

#[test]
fn icmp_errors_have_the_form_of_rfc_1812() {
    let packet = expired_v4(IpNumber::UDP, &udp4(REMOTE, LEASED, &bytes(1400)));
    let out = World::new().error(&packet, DropReason::HopLimit);
    assert_eq!(out.len(), 576);
    assert_eq!((out[1], out[8]), (0xc0, 64));
    assert_eq!(out[28..], packet[..548]);
}

#[test]
fn icmpv6_errors_have_the_form_of_rfc_4443() {
    let packet = expired_v6(IpNumber::UDP, &udp6(CLIENT, REMOTE_V6, &bytes(1400)));
    let out = World::new().error(&packet, DropReason::HopLimit);
    assert_eq!(out.len(), 1280);
    assert_eq!((out[6], out[7]), (58, 64));
    assert_eq!(out[48..], packet[..1232]);
}

#[test]
fn errors_and_redirects_are_not_answered() {
    for kind in [3, 11, 12] {
        let message = raw_icmp4(kind, 0, [0; 4], &udp_out_v4());
        World::new().dropped(&expired_v4(IpNumber::ICMP, &message), DropReason::HopLimit);
    }
    for kind in [1, 2, 3, 4] {
        let message = raw_icmp6(CLIENT, REMOTE_V6, kind, 0, [0; 4], &udp_out(b"x"));
        World::new().dropped(&expired_v6(IpNumber::IPV6_ICMP, &message), DropReason::HopLimit);
    }
    // What cannot be told from an error is not answered either.
    let elsewhere = "2001:db8:65::1".parse().unwrap();
    World::new().dropped(&ipv6(CLIENT, elsewhere, IpNumber::IPV6_ICMP, &[]), DropReason::DestinationUnmapped);
    for kind in [1, 100, 127, 137] {
        let message = raw_icmp6(CLIENT, elsewhere, kind, 0, [0; 4], &[]);
        let packet = ipv6(CLIENT, elsewhere, IpNumber::IPV6_ICMP, &message);
        World::new().dropped(&packet, DropReason::DestinationUnmapped);
    }
}

fn udp_out_v4() -> Vec<u8> {
    ipv4(LEASED, REMOTE, IpNumber::UDP, &udp4(LEASED, REMOTE, b"x"))
}

#[test]
fn echo_requests_are_answered() {
    let message = icmp6(CLIENT, REMOTE_V6, Icmpv6Type::EchoRequest(ECHO), b"x");
    World::new().error(&expired_v6(IpNumber::IPV6_ICMP, &message), DropReason::HopLimit);
}

#[test]
fn later_fragments_are_answered_in_ipv6_unless_they_may_be_of_an_error() {
    let packet = ipv4_with(REMOTE, LEASED, IpNumber::UDP, &bytes(64), |header| {
        header.time_to_live = 1;
        header.fragment_offset = IpFragOffset::try_new(1).unwrap();
    });
    World::new().dropped(&packet, DropReason::HopLimit);
    for (offset, more) in [(0, true), (8, false)] {
        let payload = fragmented(IpNumber::UDP, offset, more, 7, &bytes(64));
        let packet = expired_v6(IpNumber::IPV6_FRAGMENTATION_HEADER, &payload);
        World::new().error(&packet, DropReason::HopLimit);
    }
    // The first bytes are those of an echo reply, and may be anything.
    let payload = fragmented(IpNumber::IPV6_ICMP, 8, false, 7, &[129, 0, 0, 0, 0, 0, 0, 0]);
    let elsewhere = "2001:db8:65::1".parse().unwrap();
    let packet = ipv6(CLIENT, elsewhere, IpNumber::IPV6_FRAGMENTATION_HEADER, &payload);
    World::new().dropped(&packet, DropReason::DestinationUnmapped);
}

#[test]
fn errors_are_limited_by_the_budget() {
    let mut world = World::with(|params| params.icmp_error_rate = 1);
    let packets = [
        expired_v6(IpNumber::UDP, &udp6(CLIENT, REMOTE_V6, b"x")),
        expired_v4(IpNumber::UDP, &udp4(REMOTE, LEASED, b"x")),
    ];
    for packet in packets.iter().cycle().take(10) {
        world.error(packet, DropReason::HopLimit);
    }
    for packet in &packets {
        world.dropped(packet, DropReason::HopLimit);
    }
    assert_eq!(world.state.take_suppressed_errors(), 2);
}

#[test]
fn rate_of_zero_sends_no_errors() {
    let mut world = World::with(|params| params.icmp_error_rate = 0);
    world.dropped(&expired_v6(IpNumber::UDP, &udp6(CLIENT, REMOTE_V6, b"x")), DropReason::HopLimit);
    assert_eq!(world.state.take_suppressed_errors(), 1);
}

#[test]
fn packets_that_must_not_be_answered_are_not_counted_as_suppressed() {
    let mut world = World::with(|params| params.icmp_error_rate = 0);
    let message = raw_icmp4(3, 0, [0; 4], &udp_out_v4());
    world.dropped(&expired_v4(IpNumber::ICMP, &message), DropReason::HopLimit);
    assert_eq!(world.state.take_suppressed_errors(), 0);
}

#[test]
fn every_answer_is_of_the_family_it_answers() {
    for Answer(reason, v4, v6) in ANSWERS {
        assert!(v4.is_some() || v6.is_some(), "{reason:?}");
        assert!(v4.is_none_or(|(kind, _)| icmpv4::ERRORS.contains(&kind)), "{reason:?}");
        assert!(v6.is_none_or(|(kind, _)| kind < icmpv6::FIRST_INFORMATIONAL), "{reason:?}");
    }
}

#[test]
fn policy_is_answered_as_administratively_prohibited() {
    let mut world = World::with(|params| params.prefixes = addr::Prefix64::WELL_KNOWN.into());
    let private = "64:ff9b::10.0.0.1".parse().unwrap();
    let packet = ipv6(CLIENT, private, IpNumber::UDP, &udp6(CLIENT, private, b"x"));
    assert_eq!(world.error(&packet, DropReason::NonGlobalIpv4)[40..42], [1, 1]);
    let src = "10.0.0.1".parse().unwrap();
    let packet = ipv4(src, LEASED, IpNumber::UDP, &udp4(src, LEASED, b"x"));
    assert_eq!(world.error(&packet, DropReason::NonGlobalIpv4)[20..22], [3, 13]);
}
