//! RFC 7915 §5 but for errors, rule by rule.

use crate::class::Class;
use crate::next_hop::Mtu;
use crate::testing::*;
use crate::translator::UdpZeroChecksum;
use crate::verdict::{Direction, DropReason, Verdict};
use crate::wire::ipv4::Ipv4;
use etherparse::{IcmpEchoHeader, Icmpv6Type, IpNumber};

fn header(packet: &[u8]) -> Ipv4<[u8; 20]> {
    Ipv4::copy_from(packet).expect("20 bytes")
}

#[test]
fn udp_crosses_with_its_payload_untouched() {
    let out = World::new().forward(&udp_out(b"hello"));
    assert_eq!(addresses4(&out), (LEASED, REMOTE));
    assert_eq!(out.len(), 20 + 8 + 5);
    assert!(out.ends_with(b"hello"));
}

#[test]
fn tcp_crosses_with_its_options() {
    let segment = tcp6(CLIENT, REMOTE_V6, b"GET /");
    let out = World::new().forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::TCP, &segment));
    assert_eq!(out[20..36], segment[..16], "ports, numbers, flags and window");
    assert_eq!(out[38..], segment[18..], "urgent pointer, options and data");
}

/// Zeros throughout sum to zero, whose checksum is all ones.
#[test]
fn an_echo_reply_of_zeros_has_the_checksum_of_zeros() {
    let reply = Icmpv6Type::EchoReply(IcmpEchoHeader { id: 0, seq: 0 });
    for len in [0, 1, 56] {
        let message = icmp6(CLIENT, REMOTE_V6, reply, &vec![0; len]);
        let out = World::new().forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_ICMP, &message));
        assert_eq!(word(&out, 22), 0xffff, "{len}");
    }
}

#[test]
fn echo_request_and_reply_change_type_and_lose_the_pseudo_header() {
    for (kind, expect) in [(Icmpv6Type::EchoRequest(ECHO), 8), (Icmpv6Type::EchoReply(ECHO), 0)] {
        let message = icmp6(CLIENT, REMOTE_V6, kind, b"odd");
        let out = World::new().forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_ICMP, &message));
        assert_eq!((out[9], out[20], out[21]), (1, expect, 0));
        assert_eq!(out[24..], message[4..]);
    }
}

#[test]
fn traffic_class_is_copied_whole_and_hop_limit_decremented_once() {
    let packet = ipv6_with(CLIENT, REMOTE_V6, IpNumber::UDP, &udp6(CLIENT, REMOTE_V6, b""), |header| {
        header.traffic_class = 0xbb;
        header.hop_limit = 2;
    });
    let out = header(&World::new().forward(&packet));
    assert_eq!((out.version_ihl(), out.tos(), out.ttl()), (0x45, 0xbb, 1));
}

#[test]
fn tos_may_be_fixed_and_replaces_all_eight_bits() {
    let packet = ipv6_with(CLIENT, REMOTE_V6, IpNumber::UDP, &udp6(CLIENT, REMOTE_V6, b""), |header| {
        header.traffic_class = 0xbb;
    });
    for tos in [0, 0x28] {
        let mut world = World::with(|params| params.tos = Class::Set(tos));
        assert_eq!(header(&world.forward(&packet)).tos(), tos);
        assert_eq!(world.forward(&udp_in(b""))[..2], [0x60, 0], "the other direction is not concerned");
    }
}

#[test]
fn dont_fragment_is_set_above_1260_bytes_only() {
    let check = |payload: usize, expect: bool| {
        let out = header(&World::new().forward(&udp_out(&bytes(payload))));
        assert_eq!((usize::from(out.total_len()), out.dont_fragment()), (28 + payload, expect));
        assert!(!out.is_fragment());
    };
    check(1232, false);
    check(1233, true);
    check(1452, true);
}

#[test]
fn identification_changes_where_packets_may_be_fragmented() {
    let mut world = World::new();
    let ids = [(); 3].map(|()| header(&world.forward(&udp_out(b"x"))).identification());
    assert_eq!(ids, [0x4242, 0x4243, 0x4244]);
}

#[test]
fn identification_is_zero_where_packets_may_not_be_fragmented() {
    let out = header(&World::new().forward(&udp_out(&bytes(1400))));
    assert_eq!((out.dont_fragment(), out.identification()), (true, 0));
}

#[test]
fn extension_headers_are_skipped() {
    let udp = udp6(CLIENT, REMOTE_V6, b"hello");
    let mut payload = vec![43, 0, 1, 4, 0, 0, 0, 0];
    payload.extend_from_slice(&[60, 0, 4, 0, 0, 0, 0, 0]);
    payload.extend_from_slice(&[17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    payload.extend_from_slice(&udp);
    let out = World::new().forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::from(0), &payload));
    assert_eq!((out.len(), header(&out).protocol()), (20 + udp.len(), 17));
}

#[test]
fn segments_left_are_answered_with_a_pointer_to_them() {
    let mut payload = vec![17, 0, 0, 3, 0, 0, 0, 0];
    payload.extend_from_slice(&udp6(CLIENT, REMOTE_V6, b"hello"));
    let packet = ipv6(CLIENT, REMOTE_V6, IpNumber::from(43), &payload);
    let out = World::new().error(&packet, DropReason::SegmentsLeft);
    assert_eq!(out[40..42], [4, 0]);
    assert_eq!(out[44..48], [0, 0, 0, 43]);
}

#[test]
fn fragments_keep_their_place_and_the_low_half_of_the_identification() {
    let udp = udp6(CLIENT, REMOTE_V6, &bytes(2000));
    let id = 0xdead_beef;
    let mut world = World::new();
    let mut whole = Vec::new();
    for (offset, more) in [(0, true), (1232, false)] {
        let piece = &udp[offset..if more { 1232 } else { udp.len() }];
        let payload = fragmented(IpNumber::UDP, u16::try_from(offset).unwrap(), more, id, piece);
        let out = world.forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &payload));
        let header = header(&out);
        assert_eq!((header.fragment_offset(), header.more_fragments()), (offset, more));
        assert_eq!((header.identification(), header.dont_fragment()), (0xbeef, false));
        whole.extend_from_slice(&out[20..]);
    }
    judge(&ipv4(LEASED, REMOTE, IpNumber::UDP, &whole));
}

#[test]
fn atomic_fragment_becomes_a_whole_packet_without_dont_fragment() {
    let payload = fragmented(IpNumber::UDP, 0, false, 0x1_0007, &udp6(CLIENT, REMOTE_V6, &bytes(1300)));
    let out = World::new().forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &payload));
    let header = header(&out);
    assert_eq!((header.flags_offset(), header.identification()), (0, 7));
}

#[test]
fn extension_header_behind_the_fragment_header_is_dropped() {
    let payload = fragmented(IpNumber::from(60), 0, true, 7, &[17, 0, 0, 0, 0, 0, 0, 0]);
    let packet = ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &payload);
    World::new().dropped(&packet, DropReason::ExtensionAfterFragment);
}

#[test]
fn fragmented_icmp_is_dropped() {
    let message = icmp6(CLIENT, REMOTE_V6, Icmpv6Type::EchoRequest(ECHO), &bytes(64));
    for (offset, more) in [(0, true), (8, false)] {
        let payload = fragmented(IpNumber::IPV6_ICMP, offset, more, 7, &message);
        let packet = ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &payload);
        World::new().dropped(&packet, DropReason::FragmentedIcmp);
    }
}

#[test]
fn later_fragments_are_not_taken_for_transport_headers() {
    let payload = fragmented(IpNumber::TCP, 8, false, 7, &[0xaa; 5]);
    let out = World::new().forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &payload));
    assert_eq!(out[20..], [0xaa; 5]);
}

#[test]
fn unknown_transports_cross_untouched() {
    for protocol in [47, 50, 51, 59, 132] {
        let packet = ipv6(CLIENT, REMOTE_V6, IpNumber::from(protocol), b"opaque");
        let mut world = World::new();
        assert_eq!(world.verdict(&packet), Verdict::Forward(Direction::V6ToV4));
        let out = world.frame.packet();
        assert_eq!((out[9], &out[20..]), (protocol, &b"opaque"[..]));
    }
}

#[test]
fn icmpv4_inside_ipv6_is_dropped() {
    let message = raw_icmp4(8, 0, [0; 4], b"");
    World::new().dropped(&ipv6(CLIENT, REMOTE_V6, IpNumber::ICMP, &message), DropReason::Protocol);
}

#[test]
fn single_hop_and_unknown_informational_messages_are_dropped() {
    for kind in [130, 131, 132, 133, 134, 135, 136, 137, 143, 200, 255] {
        let message = raw_icmp6(CLIENT, REMOTE_V6, kind, 0, [0; 4], &[0; 16]);
        let packet = ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_ICMP, &message);
        World::new().dropped(&packet, DropReason::IcmpType);
    }
}

#[test]
fn wrong_checksum_stays_equally_wrong() {
    let mut packet = udp_out(b"hello");
    let right = word(&World::new().forward(&packet), 26);
    packet[47] ^= 1;
    let mut world = World::new();
    assert_eq!(world.verdict(&packet), Verdict::Forward(Direction::V6ToV4));
    let wrong = word(world.frame.packet(), 26);
    let change = i32::from(word(&packet, 46)) - i32::from(word(&udp_out(b"hello"), 46));
    assert_eq!(i32::from(wrong) - i32::from(right), change);
}

#[test]
fn udp_checksum_that_becomes_zero_is_sent_as_all_ones() {
    // Two bytes of payload make the sum under IPv4 whatever they must.
    let mut world = World::new();
    let found = (0..=u16::MAX).map(|filler| udp_out(&filler.to_be_bytes())).find(|packet| {
        world.verdict(packet);
        word(world.frame.packet(), 26) == 0xffff
    });
    judge(&world.forward(&found.expect("one in 65 536")));
}

#[test]
fn udp_without_checksum_is_dropped_computed_or_forwarded() {
    let mut packet = udp_out(b"hello");
    packet[46..48].fill(0);
    World::new().dropped(&packet, DropReason::UdpZeroChecksum);
    let calculated =
        World::with(|params| params.udp_zero_checksum = UdpZeroChecksum::Calculate).forward(&packet);
    assert_ne!(word(&calculated, 26), 0);
    let mut world = World::with(|params| params.udp_zero_checksum = UdpZeroChecksum::Forward);
    assert_eq!(world.verdict(&packet), Verdict::Forward(Direction::V6ToV4));
    assert_eq!(word(world.frame.packet(), 26), 0);
}

#[test]
fn used_up_hop_limit_is_answered_from_the_own_address() {
    for hop_limit in [0, 1] {
        let packet = ipv6_with(CLIENT, REMOTE_V6, IpNumber::UDP, &udp6(CLIENT, REMOTE_V6, b"x"), |header| {
            header.hop_limit = hop_limit;
        });
        let out = World::new().error(&packet, DropReason::HopLimit);
        assert_eq!(addresses6(&out), (OWN_V6, CLIENT));
        assert_eq!((out[40], out[41], &out[48..]), (3, 0, &packet[..]));
    }
}

#[test]
fn used_up_hop_limit_of_a_packet_that_is_not_for_us_is_not_answered() {
    let ospf = ipv6_with(ROUTER_V6, "ff02::5".parse().unwrap(), IpNumber::from(89), b"hello", |header| {
        header.hop_limit = 1;
    });
    World::new().dropped(&ospf, DropReason::Multicast);
}

#[test]
fn too_big_packets_are_answered_with_the_mtu_of_the_ipv4_side() {
    let mut world = World::with(|params| params.mtu_v4 = Mtu::Fixed(1400));
    world.forward(&udp_out(&bytes(1372)));
    let out = world.error(&udp_out(&bytes(1373)), DropReason::TooBig);
    assert_eq!(out[40..48], [2, 0, out[42], out[43], 0, 0, 5, 0x8c], "1420");
    assert_eq!(out.len(), 1280, "RFC 4443 §2.4 (c)");
}

#[test]
fn packets_of_1280_bytes_are_fragmented_for_narrow_links() {
    let packet = udp_out(&bytes(1232));
    assert_eq!(packet.len(), 1280);
    let fragments = World::with(|params| params.mtu_v4 = Mtu::Fixed(600)).split(&packet);
    let sizes: Vec<_> = fragments.iter().map(Vec::len).collect();
    assert_eq!(sizes, [596, 596, 108]);
    let whole: Vec<_> = fragments.iter().flat_map(|fragment| fragment[20..].to_vec()).collect();
    judge(&ipv4(LEASED, REMOTE, IpNumber::UDP, &whole));
    assert!(fragments.iter().all(|fragment| header(fragment).identification() == 0x4242));
}

#[test]
fn packets_beyond_the_ipv4_total_length_are_dropped() {
    let mut packet = ipv6(CLIENT, REMOTE_V6, IpNumber::from(132), &[]);
    packet.resize(40 + 65_516, 0);
    packet[4..6].copy_from_slice(&65_516_u16.to_be_bytes());
    World::new().dropped(&packet, DropReason::Oversize);
    let tail = fragmented(IpNumber::UDP, 65_528, false, 1, &[0; 8]);
    World::new()
        .dropped(&ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &tail), DropReason::Oversize);
}

#[test]
fn illegal_sources_and_destinations_are_dropped_silently() {
    let udp = udp6(CLIENT, REMOTE_V6, b"x");
    let check = |src: &str, dst: &str, reason| {
        let packet = ipv6(src.parse().unwrap(), dst.parse().unwrap(), IpNumber::UDP, &udp);
        World::new().dropped(&packet, reason);
    };
    check("::", "2001:db8:64::203.0.113.9", DropReason::IllegalSource);
    check("::1", "2001:db8:64::203.0.113.9", DropReason::IllegalSource);
    check("fe80::1", "2001:db8:64::203.0.113.9", DropReason::IllegalSource);
    check("ff02::1", "2001:db8:64::203.0.113.9", DropReason::IllegalSource);
    check("::ffff:203.0.113.9", "2001:db8:64::203.0.113.9", DropReason::IllegalSource);
    check("2001:db8:6::1", "::ffff:203.0.113.9", DropReason::IllegalDestination);
    check("2001:db8:6::1", "ff0e::1", DropReason::Multicast);
    check("2001:db8:6::1", "::1", DropReason::IllegalDestination);
    check("2001:db8:6::1", "fe80::1", DropReason::IllegalDestination);
    check("2001:db8:6::1", "2001:db8:64::224.0.0.1", DropReason::Multicast);
    check("2001:db8:6::1", "2001:db8:64::255.255.255.255", DropReason::Multicast);
    check("2001:db8:6::1", "2001:db8:64::127.0.0.1", DropReason::IllegalDestination);
    check("2001:db8:6::1", "2001:db8:64::0.1.2.3", DropReason::IllegalDestination);
    check("2001:db8:6::1", "2001:db8:64::169.254.169.254", DropReason::IllegalDestination);
    check("2001:db8:64::127.0.0.1", "2001:db8:64::203.0.113.9", DropReason::IllegalSource);
}

#[test]
fn unmapped_addresses_are_answered() {
    let udp = udp6(CLIENT, REMOTE_V6, b"x");
    let elsewhere = "2001:db8:65::203.0.113.9".parse().unwrap();
    let out =
        World::new().error(&ipv6(CLIENT, elsewhere, IpNumber::UDP, &udp), DropReason::DestinationUnmapped);
    assert_eq!(out[40..42], [1, 0]);
    let mut world = World::with(|params| params.pools = Vec::new());
    let out = world.error(&udp_out(b"x"), DropReason::SourceUnmapped);
    assert_eq!(out[40..42], [1, 5]);
}

#[test]
fn exhausted_pool_is_answered() {
    let mut world = World::new();
    let other = |last| std::net::Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, last);
    world.forward(&ipv6(other(2), REMOTE_V6, IpNumber::UDP, &udp6(other(2), REMOTE_V6, b"x")));
    let out = world.error(
        &ipv6(other(3), REMOTE_V6, IpNumber::UDP, &udp6(other(3), REMOTE_V6, b"x")),
        DropReason::PoolExhausted,
    );
    assert_eq!((out[40], out[41], addresses6(&out).1), (1, 5, other(3)));
}

#[test]
fn packets_that_die_cost_no_lease() {
    let stranger = "2001:db8:6::99".parse().unwrap();
    let mut world = World::new();
    let mut udp = udp6(stranger, REMOTE_V6, b"x");
    udp[6..8].fill(0);
    world.dropped(&ipv6(stranger, REMOTE_V6, IpNumber::UDP, &udp), DropReason::UdpZeroChecksum);
    assert_eq!((world.pool.hosts.len(), world.pool.free), (1, 1));
}

#[test]
fn truncated_packets_are_dropped_with_the_place() {
    let packet = udp_out(b"hello");
    World::new().dropped(&packet[..39], DropReason::Ipv6Header);
    World::new().dropped(&packet[..52], DropReason::Ipv6Header);
    for (protocol, len) in [(IpNumber::UDP, 7), (IpNumber::TCP, 19), (IpNumber::IPV6_ICMP, 7)] {
        World::new().dropped(&ipv6(CLIENT, REMOTE_V6, protocol, &bytes(len)), DropReason::TransportHeader);
    }
    World::new()
        .dropped(&ipv6(CLIENT, REMOTE_V6, IpNumber::from(60), &[17, 9, 0]), DropReason::ExtensionHeader);
}

#[test]
fn padding_of_the_link_is_trimmed() {
    let mut packet = udp_out(b"x");
    packet.extend_from_slice(&[0; 9]);
    assert_eq!(World::new().forward(&packet).len(), 29);
}

/// `headers` in this order in front of a UDP datagram, each of 8 bytes.
fn behind(headers: &[u8]) -> Vec<u8> {
    let udp = udp6(CLIENT, REMOTE_V6, b"hello");
    let next = headers.iter().skip(1).chain(&[17]);
    let chain = headers.iter().zip(next).flat_map(|(kind, next)| match kind {
        // A spent routing header of an unknown type; options of padding.
        43 => [*next, 0, 253, 0, 0, 0, 0, 0],
        _ => [*next, 0, 1, 4, 0, 0, 0, 0],
    });
    let payload: Vec<u8> = chain.chain(udp).collect();
    ipv6(CLIENT, REMOTE_V6, IpNumber::from(headers[0]), &payload)
}

#[test]
fn extension_headers_are_skipped_in_any_order_and_number() {
    let expect = World::new().forward(&udp_out(b"hello"));
    for headers in [
        &[0, 43, 60][..],
        &[0, 60, 43],
        &[43, 0, 60],
        &[43, 60, 0],
        &[60, 0, 43],
        &[60, 43, 0],
        &[60, 60, 60, 60],
        &[0, 0, 43, 43, 60, 60],
        &[60; 100],
    ] {
        assert_eq!(World::new().forward(&behind(headers)), expect, "{headers:?}");
    }
}

#[test]
fn segments_left_are_found_in_every_routing_header() {
    for at in 0..3 {
        let mut packet = behind(&[43, 43, 43]);
        packet[40 + at * 8 + 3] = 2;
        let out = World::new().error(&packet, DropReason::SegmentsLeft);
        assert_eq!(u32::from_be_bytes(out[44..48].try_into().unwrap()), u32::try_from(43 + at * 8).unwrap());
    }
}

#[test]
fn segments_left_of_a_later_fragment_are_refused_too() {
    let mut payload = vec![44, 0, 0, 1, 0, 0, 0, 0];
    payload.extend_from_slice(&fragmented(IpNumber::UDP, 8, false, 7, b"8 bytes."));
    let packet = ipv6(CLIENT, REMOTE_V6, IpNumber::from(43), &payload);
    let out = World::new().error(&packet, DropReason::SegmentsLeft);
    assert_eq!(out[44..48], [0, 0, 0, 43]);
}

#[test]
fn jumbograms_are_dropped() {
    // RFC 2675: a hop-by-hop option with the length, and none in the header.
    let mut payload = vec![17, 0, 0xc2, 4, 0, 1, 0, 0];
    payload.extend_from_slice(&udp6(CLIENT, REMOTE_V6, b"x"));
    let mut packet = ipv6(CLIENT, REMOTE_V6, IpNumber::from(0), &payload);
    packet[4..6].fill(0);
    World::new().dropped(&packet, DropReason::Ipv6Header);
    World::new().dropped(&packet[..40], DropReason::ExtensionHeader);
}

#[test]
fn echo_with_identifier_zero_and_any_length_crosses() {
    let echo = IcmpEchoHeader { id: 0, seq: 0 };
    for len in 0..10 {
        let message = icmp6(CLIENT, REMOTE_V6, Icmpv6Type::EchoRequest(echo), &bytes(len));
        let out = World::new().forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_ICMP, &message));
        assert_eq!(out[24..], message[4..]);
    }
}

#[test]
fn fragments_are_cut_again_for_narrow_links() {
    let udp = udp6(CLIENT, REMOTE_V6, &bytes(2000));
    let mut world = World::with(|params| params.mtu_v4 = Mtu::Fixed(600));
    let mut whole = Vec::new();
    for (offset, more) in [(0, true), (1200, false)] {
        let piece = &udp[offset..if more { 1200 } else { udp.len() }];
        let payload = fragmented(IpNumber::UDP, u16::try_from(offset).unwrap(), more, 0xdead_beef, piece);
        let packet = ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &payload);
        for out in world.split(&packet) {
            let header = header(&out);
            assert_eq!((header.fragment_offset(), header.identification()), (whole.len(), 0xbeef));
            whole.extend_from_slice(&out[20..]);
            assert_eq!(header.more_fragments(), whole.len() < udp.len());
        }
    }
    judge(&ipv4(LEASED, REMOTE, IpNumber::UDP, &whole));
}

#[test]
fn atomic_fragment_that_is_too_big_is_answered_with_28_bytes_more() {
    let payload = fragmented(IpNumber::UDP, 0, false, 7, &udp6(CLIENT, REMOTE_V6, &bytes(1400)));
    let packet = ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &payload);
    let mut world = World::with(|params| params.mtu_v4 = Mtu::Fixed(1400));
    let out = world.error(&packet, DropReason::TooBig);
    assert_eq!(out[44..48], 1428_u32.to_be_bytes());
}

#[test]
fn packet_that_comes_back_again_and_again_dies_of_its_hops() {
    let mut world = World::new();
    let mut packet = udp_out(b"x");
    let mut passes = 0;
    while let Verdict::Forward(_) = world.verdict(&packet) {
        passes += 1;
        packet = world.frame.packet().to_vec();
    }
    assert_eq!(passes, 63);
    assert_eq!(world.verdict(&packet), Verdict::Reply(crate::verdict::Reply::Error(DropReason::HopLimit)));
}
