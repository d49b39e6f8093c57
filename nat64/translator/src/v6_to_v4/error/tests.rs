//! RFC 7915 §5.2 and §5.3: ICMPv6 errors about packets of IPv4 hosts.

use crate::icmp::V6_TO_V4;
use crate::icmp_source::IcmpSources;
use crate::testing::*;
use crate::translator::UdpZeroChecksum;
use crate::verdict::DropReason;
use crate::wire::ipv4::{self as ipv4_header, Ipv4};
use etherparse::{Icmpv4Type, Icmpv6Type, IpNumber};

/// An error of the client, or of a router in front of it, to the remote host about `quoted`.
fn error(kind: u8, code: u8, rest: u32, quoted: &[u8]) -> Vec<u8> {
    let message = raw_icmp6(CLIENT, REMOTE_V6, kind, code, rest.to_be_bytes(), quoted);
    ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_ICMP, &message)
}

/// What the client saw of a packet from the remote host.
fn seen(packet: &[u8]) -> Vec<u8> {
    World::new().forward(packet)
}

#[test]
fn quoted_packet_is_the_one_the_remote_host_sent() {
    let sent = udp_in(b"hello");
    let out = World::new().forward(&error(1, 4, 0, &seen(&sent)));
    assert_eq!(addresses4(&out), (LEASED, REMOTE));
    assert_eq!(out[20..28], [3, 3, out[22], out[23], 0, 0, 0, 0]);
    let quoted = &out[28..];
    assert_eq!((quoted.len(), word(quoted, 2)), (sent.len(), word(&sent, 2)));
    assert_eq!(quoted[12..], sent[12..]);
    assert!(ipv4_header::parse(quoted).is_ok(), "its header checksum is right");
    assert_eq!(quoted[8], sent[8] - 1, "decremented when the client saw it, and not again");
}

#[test]
fn quoted_tcp_and_echo_are_the_ones_the_remote_host_sent() {
    let tcp = ipv4(REMOTE, LEASED, IpNumber::TCP, &tcp4(REMOTE, LEASED, b"hello"));
    let echo = ipv4(REMOTE, LEASED, IpNumber::ICMP, &icmp4(Icmpv4Type::EchoRequest(ECHO), b"hello"));
    for sent in [tcp, echo] {
        let out = World::new().forward(&error(3, 0, 0, &seen(&sent)));
        assert_eq!(out[28 + 12..], sent[12..]);
    }
}

#[test]
fn eight_bytes_of_transport_are_enough() {
    let sent = ipv4(REMOTE, LEASED, IpNumber::TCP, &tcp4(REMOTE, LEASED, b"hello"));
    let quoted = seen(&sent);
    for len in 0..=quoted.len() - 40 {
        let out = World::new().forward(&error(1, 0, 0, &quoted[..40 + len]));
        assert_eq!(out.len(), 28 + 20 + len);
        assert_eq!(out[28 + 20..][..len.min(16)], sent[20..][..len.min(16)]);
        assert_eq!(word(&out, 28 + 2), word(&sent, 2), "the length is that of the whole packet");
    }
}

#[test]
fn every_row_of_the_table_crosses() {
    let quoted = seen(&udp_in(b"hello"));
    for row in V6_TO_V4 {
        let code = row.from.1.unwrap_or(0);
        let out = World::new().forward(&error(row.from.0, code, 0, &quoted));
        assert_eq!((out[20], out[21]), (row.to.0, row.to.1.unwrap_or(code)));
    }
}

#[test]
fn packet_too_big_becomes_fragmentation_needed() {
    let quoted = seen(&udp_in(&bytes(1400)));
    let out = World::new().forward(&error(2, 0, 1400, &quoted[..100]));
    assert_eq!((&out[20..22], word(&out, 26)), (&[3, 4][..], 1380));
}

#[test]
fn packet_too_big_about_a_fragment_allows_for_the_fragment_header() {
    let quoted = fragmented(IpNumber::UDP, 0, true, 7, &udp6(REMOTE_V6, CLIENT, &bytes(1200)));
    let quoted = ipv6(REMOTE_V6, CLIENT, IpNumber::IPV6_FRAGMENTATION_HEADER, &quoted);
    let out = World::new().forward(&error(2, 0, 1400, &quoted[..100]));
    assert_eq!(word(&out, 26), 1372);
    let inner = Ipv4::copy_from(&out[28..]).unwrap();
    assert_eq!((inner.identification(), inner.more_fragments(), inner.dont_fragment()), (7, true, false));
    assert_eq!(inner.total_len(), 20 + 1208);
}

#[test]
fn unrecognised_next_header_becomes_protocol_unreachable() {
    let out = World::new().forward(&error(4, 1, 40, &seen(&udp_in(b"x"))));
    assert_eq!(out[20..28], [3, 2, out[22], out[23], 0, 0, 0, 0]);
}

#[test]
fn parameter_problem_pointers_are_translated_or_the_error_dropped() {
    let quoted = seen(&udp_in(b"x"));
    let out = World::new().forward(&error(4, 0, 7, &quoted));
    assert_eq!(out[20..28], [12, 0, out[22], out[23], 8, 0, 0, 0]);
    for pointer in [2, 3, 40, 256, u32::MAX] {
        World::new().dropped(&error(4, 0, pointer, &quoted), DropReason::IcmpPointer);
    }
    World::new().dropped(&error(4, 2, 40, &quoted), DropReason::IcmpType);
}

#[test]
fn error_about_an_error_is_dropped() {
    let message = raw_icmp6(REMOTE_V6, CLIENT, 1, 0, [0; 4], &udp_out(b"x"));
    let inner = ipv6(REMOTE_V6, CLIENT, IpNumber::IPV6_ICMP, &message);
    World::new().dropped(&error(1, 0, 0, &inner), DropReason::NestedError);
    let message = raw_icmp6(REMOTE_V6, CLIENT, 135, 0, [0; 4], &[0; 16]);
    let inner = ipv6(REMOTE_V6, CLIENT, IpNumber::IPV6_ICMP, &message);
    World::new().dropped(&error(1, 0, 0, &inner), DropReason::QuotedPacket);
}

#[test]
fn quoted_packet_that_cannot_be_read_or_mapped_is_dropped() {
    let quoted = seen(&udp_in(b"x"));
    World::new().dropped(&error(1, 0, 0, &quoted[..39]), DropReason::QuotedPacket);
    World::new().dropped(&error(1, 0, 0, &udp_in(b"x")), DropReason::QuotedPacket);
    let stranger = ipv6(REMOTE_V6, ROUTER_V6, IpNumber::UDP, &[0; 8]);
    World::new().dropped(&error(1, 0, 0, &stranger), DropReason::QuotedUnmapped);
}

#[test]
fn error_of_a_router_without_an_ipv4_address_comes_from_the_own_one() {
    let quoted = seen(&udp_in(b"x"));
    let message = raw_icmp6(ROUTER_V6, REMOTE_V6, 3, 0, [0; 4], &quoted);
    let mut world = World::new();
    let out = world.forward(&ipv6(ROUTER_V6, REMOTE_V6, IpNumber::IPV6_ICMP, &message));
    assert_eq!(addresses4(&out), (OWN_V4, REMOTE));
    assert_eq!(world.pool.free, 1, "and costs no lease");
}

#[test]
fn an_error_that_is_dropped_takes_no_address_to_speak_for_its_sender() {
    let nets = vec!["198.51.100.64/32".parse().unwrap(), "198.51.100.66/32".parse().unwrap()];
    let mut world = World::with(|params| params.icmp_source_v4 = IcmpSources::new(nets));
    let router = |number: u16| std::net::Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0xfe);
    let report = |router, quoted: &[u8]| {
        let message = raw_icmp6(router, REMOTE_V6, 3, 0, [0; 4], quoted);
        ipv6(router, REMOTE_V6, IpNumber::IPV6_ICMP, &message)
    };
    let stranger = ipv6(REMOTE_V6, ROUTER_V6, IpNumber::UDP, &[0; 8]);
    for number in 0..50 {
        world.dropped(&report(router(number), &stranger), DropReason::QuotedUnmapped);
    }
    let quoted = seen(&udp_in(b"x"));
    let mut hops = [100, 101].map(|number| addresses4(&world.forward(&report(router(number), &quoted))).0);
    hops.sort();
    assert_eq!(hops, [64, 66].map(|host| std::net::Ipv4Addr::new(198, 51, 100, host)));
}

/// RFC 6791 §3.1 and §5: what a traceroute from the IPv4 side shows.
#[test]
fn routers_that_differ_report_from_addresses_that_differ() {
    let nets = vec!["198.51.100.64/30".parse().unwrap()];
    let mut world = World::with(|params| params.icmp_source_v4 = IcmpSources::new(nets));
    let quoted = seen(&udp_in(b"x"));
    let report = |number: u16| {
        let router = std::net::Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0xfe);
        ipv6(router, REMOTE_V6, IpNumber::IPV6_ICMP, &raw_icmp6(router, REMOTE_V6, 3, 0, [0; 4], &quoted))
    };
    let mut hops = |routers: std::ops::Range<u16>| {
        routers.map(|number| addresses4(&world.forward(&report(number))).0).collect::<Vec<_>>()
    };
    let mut seen = hops(0..4);
    assert_eq!(hops(0..4), seen, "each probe shows the same");
    assert!(seen.contains(&hops(4..5)[0]), "a fifth router shares");
    seen.sort();
    assert_eq!(seen, [64, 65, 66, 67].map(|host| std::net::Ipv4Addr::new(198, 51, 100, host)));
    // Who has an address of its own is known by it.
    let message = raw_icmp6(CLIENT, REMOTE_V6, 3, 0, [0; 4], &quoted);
    let out = world.forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_ICMP, &message));
    assert_eq!(addresses4(&out).0, LEASED);
}

#[test]
fn errors_keep_to_576_bytes() {
    let out = World::new().forward(&error(1, 4, 0, &seen(&udp_in(&bytes(1100)))));
    assert_eq!(out.len(), 576);
}

/// RFC 4884 §3: the length counts words of 64 bits in ICMPv6 and of 32 bits in ICMP.
#[test]
fn extensions_cross_behind_the_quoted_packet() {
    let mut quoted = seen(&udp_in(&bytes(120)));
    assert_eq!(quoted.len(), 168);
    let extension = [0x20, 0, 0, 0, 0, 8, 1, 1, 0xde, 0xad, 0xbe, 0xef];
    quoted.extend_from_slice(&extension);
    let out = World::new().forward(&error(3, 0, 21 << 24, &quoted));
    assert_eq!((usize::from(out[25]) * 4, out.len()), (148, 28 + 148 + 12));
    assert!(out.ends_with(&extension));
}

#[test]
fn short_quoted_packet_in_front_of_extensions_is_padded_to_128_bytes() {
    let mut quoted = seen(&udp_in(b"eight by"));
    quoted.resize(128, 0);
    quoted.extend_from_slice(&[0x20, 0, 0, 0]);
    let out = World::new().forward(&error(1, 4, 16 << 24, &quoted));
    assert_eq!((out[25], out.len()), (32, 28 + 128 + 4));
    assert_eq!(out[28 + 36..28 + 128], [0; 92]);
}

#[test]
fn wrong_checksum_stays_wrong() {
    let mut packet = error(1, 4, 0, &seen(&udp_in(b"x")));
    packet[42] ^= 0x40;
    let mut world = World::new();
    world.verdict(&packet);
    let wrong = world.frame.packet().to_vec();
    packet[42] ^= 0x40;
    let right = World::new().forward(&packet);
    assert_ne!(word(&wrong, 22), word(&right, 22));
    assert_eq!(wrong[24..], right[24..]);
}

#[test]
fn quoted_echo_reply_changes_type() {
    let message = icmp6(REMOTE_V6, CLIENT, Icmpv6Type::EchoReply(ECHO), b"x");
    let inner = ipv6(REMOTE_V6, CLIENT, IpNumber::IPV6_ICMP, &message);
    assert_eq!(World::new().forward(&error(1, 3, 0, &inner))[28 + 20], 0);
}

#[test]
fn quoted_udp_is_never_given_a_checksum_whatever_the_policy() {
    let mut world = World::with(|params| params.udp_zero_checksum = UdpZeroChecksum::Calculate);
    let mut udp = udp6(REMOTE_V6, CLIENT, &bytes(100));
    udp[6..8].fill(0);
    let quoted = ipv6(REMOTE_V6, CLIENT, IpNumber::UDP, &udp);
    for len in [108, 40, 8] {
        assert_eq!(word(&world.forward(&error(1, 4, 0, &quoted[..40 + len])), 28 + 26), 0);
    }
    let first = fragmented(IpNumber::UDP, 0, true, 7, &udp);
    let quoted = ipv6(REMOTE_V6, CLIENT, IpNumber::IPV6_FRAGMENTATION_HEADER, &first);
    assert_eq!(word(&world.forward(&error(1, 4, 0, &quoted)), 28 + 26), 0);
}

#[test]
fn quoted_super_packet_keeps_its_length() {
    let mut quoted = seen(&udp_in(&bytes(1000)));
    quoted[4..6].copy_from_slice(&65_000_u16.to_be_bytes());
    let out = World::new().forward(&error(2, 0, 1280, &quoted));
    assert_eq!((word(&out, 28 + 2), out.len()), (65_020, 576));
    quoted[4..6].copy_from_slice(&[0xff, 0xff]);
    let out = World::new().forward(&error(2, 0, 1280, &quoted));
    assert_eq!(word(&out, 28 + 2), 65_535, "as much as the field can say");
}

/// RFC 8021 §4: nothing here makes an atomic fragment, or asks for one.
#[test]
fn mtus_below_1280_cross_without_fragment_headers() {
    let quoted = seen(&udp_in(&bytes(1100)));
    let out = World::new().forward(&error(2, 0, 1000, &quoted));
    assert_eq!(word(&out, 26), 980);
    let small = ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, &bytes(900)), |header| {
        header.dont_fragment = false;
    });
    assert_eq!(World::new().forward(&small)[6], 17, "no Fragment header");
}

/// RFC 4884 §5.1 asks for 128 bytes in front of extensions, but routers are seen that quote less.
#[test]
fn extensions_behind_a_short_quoted_packet_are_believed() {
    let mut quoted = seen(&udp_in(b"eight by"));
    let extension = [0x20, 0, 0, 0, 0, 8, 1, 1, 0xde, 0xad, 0xbe, 0xef];
    assert_eq!(quoted.len(), 56);
    quoted.extend_from_slice(&extension);
    let out = World::new().forward(&error(3, 0, 7 << 24, &quoted));
    assert_eq!((out[25], out.len()), (32, 28 + 128 + 12));
    assert!(out.ends_with(&extension));
}

/// RFC 4884 §5.5: without a length there is no extension, only a long quoted packet.
#[test]
fn extensions_without_a_length_are_part_of_the_quoted_packet() {
    let mut quoted = seen(&udp_in(&bytes(500)))[..128].to_vec();
    let extension = [0x20, 0, 0, 0, 0, 8, 1, 1, 0xde, 0xad, 0xbe, 0xef];
    quoted.extend_from_slice(&extension);
    let out = World::new().forward(&error(3, 0, 0, &quoted));
    assert_eq!((out[25], out.len()), (0, 28 + 108 + 12));
    assert!(out.ends_with(&extension));
}

#[test]
fn quoted_packet_gives_way_to_extensions_in_576_bytes() {
    let mut quoted = seen(&udp_in(&bytes(1000)))[..800].to_vec();
    quoted.extend_from_slice(&[0x20; 20]);
    let out = World::new().forward(&error(3, 0, 100 << 24, &quoted));
    assert_eq!((usize::from(out[25]) * 4, out.len()), (528, 576));
    assert!(out.ends_with(&[0x20; 20]));
}
