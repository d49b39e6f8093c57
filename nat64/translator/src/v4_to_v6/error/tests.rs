//! RFC 7915 §4.2 and §4.3: ICMP errors about packets of IPv6 hosts.

use crate::icmp::V4_TO_V6;
use crate::testing::*;
use crate::translator::UdpZeroChecksum;
use crate::verdict::DropReason;
use crate::wire::fragment::Fragment;
use crate::wire::ipv6::Ipv6;
use etherparse::{Icmpv4Type, Icmpv6Type, IpFragOffset, IpNumber};
use std::net::Ipv4Addr;

const ROUTER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// An error of the router to the client about `quoted`.
fn error(kind: u8, code: u8, rest: [u8; 4], quoted: &[u8]) -> Vec<u8> {
    ipv4(ROUTER, LEASED, IpNumber::ICMP, &raw_icmp4(kind, code, rest, quoted))
}

/// What the router saw of a packet from the client.
fn seen(packet: &[u8]) -> Vec<u8> {
    World::new().forward(packet)
}

#[test]
fn quoted_packet_is_the_one_the_client_sent() {
    let sent = udp_out(b"hello");
    let out = World::new().forward(&error(3, 3, [0; 4], &seen(&sent)));
    assert_eq!(addresses6(&out), ("2001:db8:64::203.0.113.1".parse().unwrap(), CLIENT));
    assert_eq!(out[40..42], [1, 4]);
    let quoted = &out[48..];
    assert_eq!(quoted.len(), sent.len());
    // All but the hop limit, which had been decremented when the router saw it.
    assert_eq!((&quoted[..7], quoted[7], &quoted[8..]), (&sent[..7], sent[7] - 1, &sent[8..]));
}

#[test]
fn quoted_tcp_and_echo_are_the_ones_the_client_sent() {
    let tcp = ipv6(CLIENT, REMOTE_V6, IpNumber::TCP, &tcp6(CLIENT, REMOTE_V6, b"hello"));
    let message = icmp6(CLIENT, REMOTE_V6, Icmpv6Type::EchoRequest(ECHO), b"hello");
    let echo = ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_ICMP, &message);
    for sent in [tcp, echo] {
        let out = World::new().forward(&error(11, 0, [0; 4], &seen(&sent)));
        assert_eq!(out[48 + 8..], sent[8..]);
    }
}

#[test]
fn eight_bytes_of_transport_are_enough() {
    let sent = ipv6(CLIENT, REMOTE_V6, IpNumber::TCP, &tcp6(CLIENT, REMOTE_V6, b"hello"));
    let quoted = seen(&sent);
    for len in 0..=quoted.len() - 20 {
        let out = World::new().forward(&error(3, 1, [0; 4], &quoted[..20 + len]));
        assert_eq!(out.len(), 48 + 40 + len);
        assert_eq!(out[48 + 40..][..len.min(16)], sent[40..][..len.min(16)]);
        assert_eq!(word(&out, 48 + 4), word(&sent, 4), "the length is that of the whole packet");
    }
}

#[test]
fn every_row_of_the_table_crosses() {
    let quoted = seen(&udp_out(&bytes(1300)));
    for row in V4_TO_V6 {
        let code = row.from.1.unwrap_or(1);
        let out = World::new().forward(&error(row.from.0, code, [0; 4], &quoted[..60]));
        assert_eq!((out[40], out[41]), (row.to.0, row.to.1.unwrap_or(code)));
    }
}

#[test]
fn fragmentation_needed_becomes_packet_too_big() {
    let quoted = seen(&udp_out(&bytes(1400)));
    let told = |mtu: u16| {
        let [high, low] = mtu.to_be_bytes();
        let out = World::new().forward(&error(3, 4, [0, 0, high, low], &quoted[..28]));
        assert_eq!(out[40..42], [2, 0]);
        u32::from_be_bytes(out[44..48].try_into().unwrap())
    };
    assert_eq!(told(1400), 1420);
    assert_eq!(told(1200), 1280);
    assert_eq!(told(0), 1280, "no plateau between 1280 and 1428");
}

#[test]
fn protocol_unreachable_points_at_the_next_header() {
    let out = World::new().forward(&error(3, 2, [0; 4], &seen(&udp_out(b"x"))));
    assert_eq!(out[40..48], [4, 1, out[42], out[43], 0, 0, 0, 6]);
}

#[test]
fn parameter_problem_pointers_are_translated_or_the_error_dropped() {
    let quoted = seen(&udp_out(b"x"));
    let out = World::new().forward(&error(12, 0, [9, 0, 0, 0], &quoted));
    assert_eq!(out[40..48], [4, 0, out[42], out[43], 0, 0, 0, 6]);
    World::new().dropped(&error(12, 0, [10, 0, 0, 0], &quoted), DropReason::IcmpPointer);
    World::new().dropped(&error(12, 2, [20, 0, 0, 0], &quoted), DropReason::IcmpPointer);
}

#[test]
fn quoted_fragment_gets_a_fragment_header() {
    let quoted = ipv4_with(LEASED, REMOTE, IpNumber::UDP, &bytes(64), |header| {
        header.identification = 0xbeef;
        header.more_fragments = true;
        header.fragment_offset = IpFragOffset::try_new(100).unwrap();
    });
    let out = World::new().forward(&error(11, 1, [0; 4], &quoted));
    let inner = Ipv6::copy_from(&out[48..]).unwrap();
    assert_eq!((inner.next_header(), inner.payload_len()), (44, 72));
    let fragment = Fragment::copy_from(&out[88..]).unwrap();
    assert_eq!((fragment.offset(), fragment.more(), fragment.identification()), (800, true, 0xbeef));
    assert_eq!(out[96..], bytes(64));
}

#[test]
fn quoted_udp_without_checksum_stays_without() {
    let mut udp = udp4(LEASED, REMOTE, b"x");
    udp[6..8].fill(0);
    let out = World::new().forward(&error(3, 3, [0; 4], &ipv4(LEASED, REMOTE, IpNumber::UDP, &udp)));
    assert_eq!(word(&out, 48 + 46), 0);
}

#[test]
fn quoted_header_checksum_is_not_believed() {
    let mut quoted = seen(&udp_out(b"x"));
    quoted[10] ^= 0xff;
    World::new().forward(&error(3, 3, [0; 4], &quoted));
}

#[test]
fn error_about_an_error_is_dropped() {
    let inner = ipv4(LEASED, REMOTE, IpNumber::ICMP, &raw_icmp4(3, 1, [0; 4], &seen(&udp_out(b"x"))));
    World::new().dropped(&error(3, 1, [0; 4], &inner), DropReason::NestedError);
    let inner = ipv4(LEASED, REMOTE, IpNumber::ICMP, &raw_icmp4(13, 0, [0; 4], &[0; 12]));
    World::new().dropped(&error(3, 1, [0; 4], &inner), DropReason::QuotedPacket);
}

#[test]
fn quoted_packet_that_cannot_be_read_or_mapped_is_dropped() {
    let quoted = seen(&udp_out(b"x"));
    World::new().dropped(&error(3, 1, [0; 4], &quoted[..19]), DropReason::QuotedPacket);
    World::new().dropped(&error(3, 1, [0; 4], &udp_out(b"x")), DropReason::QuotedPacket);
    let stranger = ipv4("192.0.2.200".parse().unwrap(), REMOTE, IpNumber::UDP, &[0; 8]);
    World::new().dropped(&error(3, 1, [0; 4], &stranger), DropReason::QuotedUnmapped);
}

#[test]
fn error_from_an_address_that_must_not_be_embedded_comes_from_the_own_one() {
    let mut world = World::with(|params| params.prefixes = addr::Prefix64::WELL_KNOWN.into());
    let router = "10.0.0.1".parse().unwrap();
    let quoted = ipv4(LEASED, REMOTE, IpNumber::UDP, &udp4(LEASED, REMOTE, b"x"));
    let packet = ipv4(router, LEASED, IpNumber::ICMP, &raw_icmp4(11, 0, [0; 4], &quoted));
    assert_eq!(addresses6(&world.forward(&packet)), (OWN_V6, CLIENT));
}

/// The mirror of RFC 6791: each router is known by its own 32 bits.
#[test]
fn error_from_an_address_that_must_not_be_embedded_comes_from_the_configured_network() {
    let mut world = World::with(|params| {
        params.prefixes = addr::Prefix64::WELL_KNOWN.into();
        params.icmp_source_v6 = Some("2001:db8:6791::/64".parse().unwrap());
    });
    let quoted = ipv4(LEASED, REMOTE, IpNumber::UDP, &udp4(LEASED, REMOTE, b"x"));
    for (router, expect) in [("10.0.0.1", "2001:db8:6791::a00:1"), ("169.254.7.8", "2001:db8:6791::a9fe:708")]
    {
        let router = router.parse().unwrap();
        let packet = ipv4(router, LEASED, IpNumber::ICMP, &raw_icmp4(11, 0, [0; 4], &quoted));
        assert_eq!(addresses6(&world.forward(&packet)), (expect.parse().unwrap(), CLIENT));
    }
}

#[test]
fn errors_keep_to_1280_bytes() {
    let quoted = ipv4(LEASED, REMOTE, IpNumber::UDP, &udp4(LEASED, REMOTE, &bytes(1400)));
    assert_eq!(World::new().forward(&error(3, 3, [0; 4], &quoted)).len(), 1280);
}

/// RFC 4884 §3: the length counts words of 32 bits in ICMP and of 64 bits in ICMPv6.
#[test]
fn extensions_cross_behind_the_quoted_packet() {
    let mut quoted = seen(&udp_out(&bytes(100)));
    let extension = [0x20, 0, 0, 0, 0, 8, 1, 1, 0xde, 0xad, 0xbe, 0xef];
    assert_eq!(quoted.len(), 128);
    quoted.extend_from_slice(&extension);
    let out = World::new().forward(&error(11, 0, [0, 32, 0, 0], &quoted));
    assert_eq!((usize::from(out[44]) * 8, out.len()), (152, 48 + 152 + 12));
    assert!(out.ends_with(&extension));
    assert_eq!(out[48 + 148..48 + 152], [0; 4], "padding to the unit");
}

#[test]
fn extensions_end_where_the_new_type_has_no_length_field() {
    let mut quoted = seen(&udp_out(&bytes(100)));
    quoted.extend_from_slice(&[0x20, 0, 0, 0]);
    let out = World::new().forward(&error(3, 4, [0, 32, 5, 0], &quoted));
    assert_eq!((out.len(), &out[44..48]), (48 + 148, &1300_u32.to_be_bytes()[..]));
}

#[test]
fn wrong_checksum_stays_wrong() {
    let mut packet = error(3, 3, [0; 4], &seen(&udp_out(b"x")));
    packet[22] ^= 0x40;
    let mut world = World::new();
    world.verdict(&packet);
    let wrong = world.frame.packet().to_vec();
    packet[22] ^= 0x40;
    let right = world.forward(&packet);
    assert_ne!(word(&wrong, 42), word(&right, 42));
    assert_eq!(wrong[44..], right[44..]);
}

#[test]
fn expired_error_is_dropped_silently() {
    let message = raw_icmp4(3, 3, [0; 4], &seen(&udp_out(b"x")));
    let packet = ipv4_with(ROUTER, LEASED, IpNumber::ICMP, &message, |header| header.time_to_live = 1);
    World::new().dropped(&packet, DropReason::HopLimit);
}

#[test]
fn quoted_echo_reply_changes_type() {
    let inner = ipv4(LEASED, REMOTE, IpNumber::ICMP, &icmp4(Icmpv4Type::EchoReply(ECHO), b"x"));
    assert_eq!(World::new().forward(&error(3, 3, [0; 4], &inner))[48 + 40], 129);
}

#[test]
fn errors_from_illegal_sources_cross_and_other_packets_do_not() {
    let quoted = seen(&udp_out(b"x"));
    let message = raw_icmp4(11, 0, [0; 4], &quoted);
    for src in ["0.0.0.0", "127.0.0.1", "224.0.0.1"] {
        let src: Ipv4Addr = src.parse().unwrap();
        let out = World::new().forward(&ipv4(src, LEASED, IpNumber::ICMP, &message));
        assert_eq!(addresses6(&out).0.octets()[12..], src.octets());
        let echo = icmp4(Icmpv4Type::EchoRequest(ECHO), b"x");
        World::new().dropped(&ipv4(src, LEASED, IpNumber::ICMP, &echo), DropReason::IllegalSource);
        World::new().dropped(&ipv4(src, OWN_V4, IpNumber::ICMP, &message), DropReason::ToSelf);
    }
}

#[test]
fn quoted_udp_is_never_given_a_checksum_whatever_the_policy() {
    let mut world = World::with(|params| params.udp_zero_checksum = UdpZeroChecksum::Calculate);
    let mut udp = udp4(LEASED, REMOTE, &bytes(100));
    udp[6..8].fill(0);
    for (len, more) in [(108, false), (40, false), (8, false), (108, true)] {
        let quoted = ipv4_with(LEASED, REMOTE, IpNumber::UDP, &udp, |header| header.more_fragments = more);
        let out = world.forward(&error(3, 3, [0; 4], &quoted[..20 + len]));
        assert_eq!(word(&out, 48 + if more { 54 } else { 46 }), 0);
    }
}

#[test]
fn quoted_options_are_skipped() {
    let udp = udp4(LEASED, REMOTE, b"x");
    let quoted = ipv4_with(LEASED, REMOTE, IpNumber::UDP, &udp, |header| {
        header.options = etherparse::Ipv4Options::try_from(&[131, 7, 4, 192, 0, 2, 1, 0][..]).unwrap();
    });
    let out = World::new().forward(&error(3, 5, [0; 4], &quoted));
    assert_eq!((word(&out, 48 + 4), out.len()), (9, 48 + 40 + 9));
    judge(&out[48..]);
}

#[test]
fn quoted_super_packet_keeps_its_length() {
    let mut quoted = seen(&udp_out(&bytes(1000)));
    quoted[2..4].copy_from_slice(&65_000_u16.to_be_bytes());
    let out = World::new().forward(&error(3, 4, [0, 0, 5, 0], &quoted[..548]));
    assert_eq!(word(&out, 48 + 4), 64_980);
    assert_eq!(out.len(), 48 + 20 + 548);
}

/// RFC 4884 §5.1 asks for 128 bytes in front of extensions, but routers are seen that quote less.
#[test]
fn extensions_behind_a_short_quoted_packet_are_believed() {
    let mut quoted = seen(&udp_out(b""));
    let extension = [0x20, 0, 0, 0, 0, 8, 1, 1, 0xde, 0xad, 0xbe, 0xef];
    assert_eq!(quoted.len(), 28);
    quoted.extend_from_slice(&extension);
    let out = World::new().forward(&error(11, 0, [0, 7, 0, 0], &quoted));
    assert_eq!((out[44], out.len()), (16, 48 + 128 + 12));
    assert!(out.ends_with(&extension));
    assert_eq!(out[48 + 48..48 + 128], [0; 80]);
}

/// RFC 4884 §5.5: without a length there is no extension, only a long quoted packet.
#[test]
fn extensions_without_a_length_are_part_of_the_quoted_packet() {
    let mut quoted = seen(&udp_out(&bytes(500)))[..128].to_vec();
    let extension = [0x20, 0, 0, 0, 0, 8, 1, 1, 0xde, 0xad, 0xbe, 0xef];
    quoted.extend_from_slice(&extension);
    let out = World::new().forward(&error(11, 0, [0; 4], &quoted));
    assert_eq!((out[44], out.len()), (0, 48 + 148 + 12));
    assert!(out.ends_with(&extension));
}

#[test]
fn length_of_the_quoted_packet_that_cannot_be_is_ignored() {
    let quoted = seen(&udp_out(&bytes(100)));
    for words in [33, 255] {
        let out = World::new().forward(&error(11, 0, [0, words, 0, 0], &quoted));
        assert_eq!((out[44], out.len()), (0, 48 + 148));
    }
    World::new().dropped(&error(11, 0, [0, 4, 0, 0], &quoted), DropReason::QuotedPacket);
}
