//! RFC 7915 §4 but for errors, rule by rule.

use crate::class::Class;
use crate::next_hop::Mtu;
use crate::testing::*;
use crate::translator::UdpZeroChecksum;
use crate::verdict::{Direction, DropReason, Verdict};
use crate::wire::fragment::Fragment;
use crate::wire::ipv6::Ipv6;
use etherparse::{Icmpv4Type, IpFragOffset, IpNumber, Ipv4Options};

fn header(packet: &[u8]) -> Ipv6<[u8; 40]> {
    Ipv6::copy_from(packet).expect("40 bytes")
}

fn fragment(packet: &[u8]) -> Fragment<[u8; 8]> {
    assert_eq!(header(packet).next_header(), 44);
    Fragment::copy_from(&packet[40..]).expect("48 bytes")
}

fn udp_without_df(payload: usize) -> Vec<u8> {
    ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, &bytes(payload)), |header| {
        header.dont_fragment = false;
        header.identification = 0xbeef;
    })
}

#[test]
fn udp_crosses_with_its_payload_untouched() {
    let out = World::new().forward(&udp_in(b"hello"));
    assert_eq!(addresses6(&out), (REMOTE_V6, CLIENT));
    assert_eq!(out.len(), 40 + 8 + 5);
    assert!(out.ends_with(b"hello"));
}

#[test]
fn tcp_crosses_with_its_options() {
    let segment = tcp4(REMOTE, LEASED, b"200 OK");
    let out = World::new().forward(&ipv4(REMOTE, LEASED, IpNumber::TCP, &segment));
    assert_eq!(out[40..56], segment[..16], "ports, numbers, flags and window");
    assert_eq!(out[58..], segment[18..], "urgent pointer, options and data");
}

#[test]
fn echo_request_and_reply_change_type_and_gain_the_pseudo_header() {
    for (kind, expect) in [(Icmpv4Type::EchoRequest(ECHO), 128), (Icmpv4Type::EchoReply(ECHO), 129)] {
        let message = icmp4(kind, b"odd");
        let out = World::new().forward(&ipv4(REMOTE, LEASED, IpNumber::ICMP, &message));
        assert_eq!((out[6], out[40], out[41]), (58, expect, 0));
        assert_eq!(out[44..], message[4..]);
    }
}

#[test]
fn tos_is_copied_whole_flow_label_is_zero_and_ttl_decremented_once() {
    let packet = ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, b""), |header| {
        header.dscp = 0x2e.try_into().unwrap();
        header.ecn = 3.try_into().unwrap();
        header.time_to_live = 2;
    });
    let out = World::new().forward(&packet);
    assert_eq!(out[..4], [0x6b, 0xb0, 0, 0]);
    assert_eq!(header(&out).hop_limit(), 1);
}

#[test]
fn traffic_class_may_be_fixed_and_replaces_all_eight_bits() {
    let packet = ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, b""), |header| {
        header.dscp = 0x2e.try_into().unwrap();
        header.ecn = 3.try_into().unwrap();
    });
    for class in [0, 0x28] {
        let mut world = World::with(|params| params.traffic_class = Class::Set(class));
        assert_eq!(header(&world.forward(&packet)).traffic_class(), class);
        assert_eq!(word(&world.forward(&udp_out(b"")), 0), 0x4500, "the other direction is not concerned");
    }
}

#[test]
fn options_are_skipped() {
    let udp = udp4(REMOTE, LEASED, b"hello");
    let packet = ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp, |header| {
        header.options = Ipv4Options::try_from(&[148, 4, 0, 0, 131, 7, 8, 192, 0, 2, 1, 0][..]).unwrap();
    });
    assert_eq!(World::new().forward(&packet).len(), 40 + udp.len());
}

#[test]
fn unexpired_source_route_is_answered() {
    let packet = ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, b"x"), |header| {
        header.options = Ipv4Options::try_from(&[131, 7, 4, 192, 0, 2, 1, 0][..]).unwrap();
    });
    let out = World::new().error(&packet, DropReason::SourceRoute);
    assert_eq!(out[20..22], [3, 5]);
    assert_eq!(addresses4(&out), (OWN_V4, REMOTE));
}

#[test]
fn wrong_header_checksum_is_dropped_silently() {
    let mut packet = udp_in(b"x");
    packet[10] ^= 1;
    World::new().dropped(&packet, DropReason::Ipv4Checksum);
}

#[test]
fn small_packets_without_df_get_no_fragment_header() {
    let out = World::new().forward(&udp_without_df(1232));
    assert_eq!((out.len(), header(&out).next_header()), (1280, 17));
}

#[test]
fn large_packets_without_df_are_fragmented_to_the_lowest_ipv6_mtu() {
    let check = |min_mtu: u16, payload: usize, expect: &[usize]| {
        let fragments = World::with(|params| params.ipv6_min_mtu = min_mtu).split(&udp_without_df(payload));
        assert_eq!(fragments.iter().map(Vec::len).collect::<Vec<_>>(), expect);
        let whole: Vec<_> = fragments.iter().flat_map(|fragment| fragment[48..].to_vec()).collect();
        judge(&ipv6(REMOTE_V6, CLIENT, IpNumber::UDP, &whole));
        assert!(fragments.iter().all(|packet| fragment(packet).identification() == 0xbeef));
        assert!(!fragment(fragments.last().unwrap()).more());
    };
    check(1280, 1233, &[1280, 57]);
    check(1280, 8192, &[1280, 1280, 1280, 1280, 1280, 1280, 48 + 8200 - 6 * 1232]);
    check(1400, 1400, &[1400, 48 + 56]);
}

#[test]
fn dont_fragment_packets_cross_whole_or_are_answered_with_the_mtu_less_20() {
    let mut world = World::with(|params| params.mtu_v6 = Mtu::Fixed(1400));
    assert_eq!(world.forward(&udp_in(&bytes(1352))).len(), 1400);
    let out = world.error(&udp_in(&bytes(1353)), DropReason::TooBig);
    assert_eq!(out[20..28], [3, 4, out[22], out[23], 0, 0, 5, 0x64], "1380");
    assert_eq!(out.len(), 576);
}

#[test]
fn fragments_get_a_fragment_header() {
    let udp = udp4(REMOTE, LEASED, &bytes(2000));
    let mut world = World::new();
    let mut whole = Vec::new();
    for (offset, more) in [(0, true), (1200, false)] {
        let packet = ipv4_with(
            REMOTE,
            LEASED,
            IpNumber::UDP,
            &udp[offset..if more { 1200 } else { udp.len() }],
            |header| {
                header.dont_fragment = false;
                header.more_fragments = more;
                header.fragment_offset = IpFragOffset::try_new(u16::try_from(offset / 8).unwrap()).unwrap();
                header.identification = 0xbeef;
            },
        );
        let out = world.forward(&packet);
        let seen = fragment(&out);
        assert_eq!((seen.next_header(), seen.identification()), (17, 0xbeef));
        assert_eq!((seen.offset(), seen.more()), (offset, more));
        whole.extend_from_slice(&out[48..]);
    }
    judge(&ipv6(REMOTE_V6, CLIENT, IpNumber::UDP, &whole));
}

#[test]
fn fragments_that_are_too_big_are_cut_again_or_answered() {
    let packet = |dont_fragment: bool| {
        ipv4_with(REMOTE, LEASED, IpNumber::UDP, &bytes(1480), |header| {
            header.dont_fragment = dont_fragment;
            header.more_fragments = true;
            header.fragment_offset = IpFragOffset::try_new(185).unwrap();
        })
    };
    let fragments = World::new().split(&packet(false));
    let seen: Vec<_> =
        fragments.iter().map(|packet| (fragment(packet).offset(), fragment(packet).more())).collect();
    assert_eq!(seen, [(1480, true), (2712, true)]);
    // A fragment other than the first is never answered (RFC 1122 §3.2.2).
    World::new().dropped(&packet(true), DropReason::TooBig);
    let first = ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, &bytes(1472)), |header| {
        header.more_fragments = true;
    });
    let out = World::new().error(&first, DropReason::TooBig);
    assert_eq!(word(&out, 26), 1472, "28 bytes less than the IPv6 side carries");
}

#[test]
fn fragmented_icmp_is_dropped() {
    let message = icmp4(Icmpv4Type::EchoRequest(ECHO), &bytes(64));
    for (offset, more) in [(0, true), (1, false)] {
        let packet = ipv4_with(REMOTE, LEASED, IpNumber::ICMP, &message, |header| {
            header.more_fragments = more;
            header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
        });
        World::new().dropped(&packet, DropReason::FragmentedIcmp);
    }
}

#[test]
fn fragments_beyond_the_largest_packet_are_dropped() {
    let packet = ipv4_with(REMOTE, LEASED, IpNumber::UDP, &[0; 16], |header| {
        header.fragment_offset = IpFragOffset::try_new(8191).unwrap();
    });
    World::new().dropped(&packet, DropReason::Oversize);
}

#[test]
fn unknown_transports_cross_untouched() {
    for protocol in [4, 41, 47, 50, 51, 132] {
        let packet = ipv4(REMOTE, LEASED, IpNumber::from(protocol), b"opaque");
        let mut world = World::new();
        assert_eq!(world.verdict(&packet), Verdict::Forward(Direction::V4ToV6));
        let out = world.frame.packet();
        assert_eq!((out[6], &out[40..]), (protocol, &b"opaque"[..]));
    }
}

#[test]
fn igmp_is_dropped() {
    World::new().dropped(&ipv4(REMOTE, LEASED, IpNumber::IGMP, &[0x11; 8]), DropReason::Protocol);
}

#[test]
fn protocols_that_ipv6_reads_as_extension_headers_are_dropped() {
    for protocol in [0, 43, 44, 58, 60] {
        let packet = ipv4(REMOTE, LEASED, IpNumber::from(protocol), &[0; 16]);
        World::new().dropped(&packet, DropReason::Protocol);
    }
}

#[test]
fn obsolete_and_single_hop_messages_are_dropped() {
    for (kind, code) in [
        (4, 0),
        (5, 0),
        (6, 0),
        (9, 0),
        (10, 0),
        (13, 0),
        (14, 0),
        (15, 0),
        (16, 0),
        (17, 0),
        (18, 0),
        (3, 14),
        (3, 99),
        (12, 1),
        (200, 0),
    ] {
        let message = raw_icmp4(kind, code, [0; 4], &[0; 32]);
        World::new().dropped(&ipv4(REMOTE, LEASED, IpNumber::ICMP, &message), DropReason::IcmpType);
    }
}

#[test]
fn udp_without_checksum_is_dropped_computed_or_forwarded() {
    let mut udp = udp4(REMOTE, LEASED, b"hello");
    udp[6..8].fill(0);
    let packet = ipv4(REMOTE, LEASED, IpNumber::UDP, &udp);
    World::new().dropped(&packet, DropReason::UdpZeroChecksum);
    let calculated =
        World::with(|params| params.udp_zero_checksum = UdpZeroChecksum::Calculate).forward(&packet);
    assert_ne!(word(&calculated, 46), 0);
    let mut world = World::with(|params| params.udp_zero_checksum = UdpZeroChecksum::Forward);
    assert_eq!(world.verdict(&packet), Verdict::Forward(Direction::V4ToV6));
    assert_eq!(word(world.frame.packet(), 46), 0);
}

#[test]
fn first_fragment_of_udp_without_checksum_is_dropped_and_later_ones_cross() {
    let mut udp = udp4(REMOTE, LEASED, &bytes(64));
    udp[6..8].fill(0);
    let piece = |offset: u16| {
        ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp, |header| {
            header.more_fragments = true;
            header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
        })
    };
    let mut world = World::with(|params| params.udp_zero_checksum = UdpZeroChecksum::Calculate);
    world.dropped(&piece(0), DropReason::UdpZeroChecksum);
    assert!(world.forward(&piece(9)).ends_with(&udp));
}

#[test]
fn udp_checksum_that_becomes_zero_is_sent_as_all_ones() {
    let mut world = World::new();
    let found = (0..=u16::MAX).map(|filler| udp_in(&filler.to_be_bytes())).find(|packet| {
        world.verdict(packet);
        word(world.frame.packet(), 46) == 0xffff
    });
    judge(&world.forward(&found.expect("one in 65 536")));
}

#[test]
fn used_up_ttl_is_answered_from_the_own_address() {
    for ttl in [0, 1] {
        let packet = ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, b"x"), |header| {
            header.time_to_live = ttl;
        });
        let out = World::new().error(&packet, DropReason::HopLimit);
        assert_eq!(addresses4(&out), (OWN_V4, REMOTE));
        assert_eq!((out[20], out[21], &out[28..]), (11, 0, &packet[..]));
    }
}

#[test]
fn illegal_sources_and_destinations_are_dropped_silently() {
    let check = |src: &str, dst: &str, reason| {
        let packet = ipv4(src.parse().unwrap(), dst.parse().unwrap(), IpNumber::UDP, &bytes(8));
        World::new().dropped(&packet, reason);
    };
    check("0.0.0.0", "192.0.2.101", DropReason::IllegalSource);
    check("127.0.0.1", "192.0.2.101", DropReason::IllegalSource);
    check("224.0.0.1", "192.0.2.101", DropReason::IllegalSource);
    check("255.255.255.255", "192.0.2.101", DropReason::IllegalSource);
    check("169.254.169.254", "192.0.2.101", DropReason::IllegalSource);
    check("203.0.113.9", "224.0.0.5", DropReason::Multicast);
    check("203.0.113.9", "255.255.255.255", DropReason::Multicast);
    check("203.0.113.9", "127.0.0.1", DropReason::IllegalDestination);
    check("203.0.113.9", "0.0.0.0", DropReason::IllegalDestination);
    check("203.0.113.9", "169.254.169.254", DropReason::IllegalDestination);
}

#[test]
fn class_e_and_private_sources_cross() {
    for src in ["240.0.0.1", "10.0.0.1", "192.0.0.8"] {
        let src = src.parse().unwrap();
        let out = World::new().forward(&ipv4(src, LEASED, IpNumber::UDP, &udp4(src, LEASED, b"x")));
        assert_eq!(addresses6(&out).0.octets()[12..], src.octets());
    }
}

#[test]
fn unleased_pool_address_is_answered_as_unreachable_host() {
    let nobody = "192.0.2.200".parse().unwrap();
    let packet = ipv4(REMOTE, nobody, IpNumber::UDP, &udp4(REMOTE, nobody, b"x"));
    let out = World::new().error(&packet, DropReason::NoLease);
    assert_eq!(out[20..22], [3, 1]);
}

#[test]
fn truncated_packets_are_dropped_with_the_place() {
    World::new().dropped(&[], DropReason::IpVersion);
    World::new().dropped(&[0x15; 40], DropReason::IpVersion);
    let packet = udp_in(b"hello");
    World::new().dropped(&packet[..19], DropReason::Ipv4Header);
    World::new().dropped(&packet[..32], DropReason::Ipv4Header);
    for (protocol, len) in [(IpNumber::UDP, 7), (IpNumber::TCP, 19), (IpNumber::ICMP, 7)] {
        World::new().dropped(&ipv4(REMOTE, LEASED, protocol, &bytes(len)), DropReason::TransportHeader);
    }
}

#[test]
fn padding_of_the_link_is_trimmed() {
    let mut packet = udp_in(b"x");
    packet.extend_from_slice(&[0; 17]);
    assert_eq!(World::new().forward(&packet).len(), 49);
}

#[test]
fn echo_with_identifier_zero_and_any_length_crosses() {
    let echo = etherparse::IcmpEchoHeader { id: 0, seq: 0 };
    for len in 0..10 {
        let message = icmp4(Icmpv4Type::EchoReply(echo), &bytes(len));
        let out = World::new().forward(&ipv4(REMOTE, LEASED, IpNumber::ICMP, &message));
        assert_eq!(out[44..], message[4..]);
    }
}

#[test]
fn longest_packet_crosses_in_fragments_or_is_answered() {
    let udp = udp4(REMOTE, LEASED, &bytes(65_535 - 28));
    let packet = |dont_fragment| {
        ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp, |header| header.dont_fragment = dont_fragment)
    };
    let mut world = World::with(|params| params.mtu_v6 = Mtu::Fixed(65_535));
    let whole: Vec<_> = world.split(&packet(false)).iter().flat_map(|packet| packet[48..].to_vec()).collect();
    judge(&ipv6(REMOTE_V6, CLIENT, IpNumber::UDP, &whole));
    assert_eq!(word(&world.error(&packet(true), DropReason::TooBig), 26), 65_515);
}

#[test]
fn wrong_checksum_stays_equally_wrong() {
    let right = word(&World::new().forward(&udp_in(b"hello")), 46);
    let mut packet = udp_in(b"hello");
    let sent = word(&packet, 26);
    packet[27] ^= 1;
    let mut world = World::new();
    assert_eq!(world.verdict(&packet), Verdict::Forward(Direction::V4ToV6));
    let wrong = word(world.frame.packet(), 46);
    assert_eq!(i32::from(wrong) - i32::from(right), i32::from(word(&packet, 26)) - i32::from(sent));
}
