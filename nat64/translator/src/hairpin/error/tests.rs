//! RFC 7757 §4: errors about packets between IPv6 hosts that reach each other by IPv4 addresses.

use crate::hairpin::tests::{A, A_V4, B, B_V4, embed, rfc_world, udp};
use crate::icmp_source::IcmpSources;
use crate::testing::*;
use crate::translator::Hairpin;
use crate::verdict::{Direction, DropReason, Verdict};
use etherparse::{Icmpv6Type, IpNumber};
use std::net::Ipv6Addr;

const ROUTER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x1234);

/// An error of `reporter` to A about `quoted`.
fn error(reporter: Ipv6Addr, kind: u8, code: u8, rest: u32, quoted: &[u8]) -> Vec<u8> {
    let dst = embed(A_V4);
    let message = raw_icmp6(reporter, dst, kind, code, rest.to_be_bytes(), quoted);
    ipv6(reporter, dst, IpNumber::IPV6_ICMP, &message)
}

/// A packet of A to B as B's network sees it.
fn seen(packet: &[u8]) -> Vec<u8> {
    rfc_world(Hairpin::Intrinsic).turn(packet)
}

/// The addresses of an error and of the packet it quotes.
fn both(packet: &[u8]) -> [(Ipv6Addr, Ipv6Addr); 2] {
    [addresses6(packet), addresses6(&packet[48..])]
}

#[test]
fn a_routers_error_is_turned_as_in_rfc_7757_figure_9() {
    let mut world = rfc_world(Hairpin::Intrinsic);
    let sent = udp(A, embed(B_V4));
    let out = world.turn(&error(ROUTER, 3, 0, 0, &seen(&sent)));
    // The router has no IPv4 address: the translator speaks for it.
    assert_eq!(both(&out), [(OWN_V6, A), (A, embed(B_V4))]);
    assert_eq!(out[48 + 8..], sent[8..], "checksums are those that A has sent");
    let mut world = rfc_world(Hairpin::Intrinsic);
    world.translator = crate::Translator::new(crate::Params {
        own_v4: "198.51.100.254".parse().unwrap(),
        icmp_source_v4: IcmpSources::new(vec!["198.51.100.1/32".parse().unwrap()]),
        ..world.translator.params().clone()
    });
    let out = world.turn(&error(ROUTER, 3, 0, 0, &seen(&sent)));
    assert_eq!(both(&out)[0], (embed("198.51.100.1".parse().unwrap()), A), "as the figure has it");
}

#[test]
fn a_hosts_error_is_turned_as_in_rfc_7757_figure_10() {
    let mut world = rfc_world(Hairpin::Intrinsic);
    let sent = udp(A, embed(B_V4));
    let out = world.turn(&error(B, 1, 4, 0, &seen(&sent)));
    assert_eq!(both(&out), [(embed(B_V4), A), (A, embed(B_V4))]);
    assert_eq!(out[40..42], [1, 4]);
    assert_eq!(out[48 + 8..], sent[8..]);
}

#[test]
fn a_mapped_router_is_known_by_its_own_address() {
    let mut world = rfc_world(Hairpin::Intrinsic);
    let router = "2001:db8:cccc::8".parse().unwrap();
    let out = world.turn(&error(router, 3, 0, 0, &seen(&udp(A, embed(B_V4)))));
    assert_eq!(addresses6(&out), (router, A), "RFC 7757 §4.2.1, rule 3 does not hold");
}

#[test]
fn mtu_pointer_and_extensions_keep_their_meaning() {
    let quoted = seen(&udp(A, embed(B_V4)));
    for (kind, code, rest) in [(2, 0, 1400), (4, 0, 7), (3, 0, 0), (1, 0, 0)] {
        let out = rfc_world(Hairpin::Intrinsic).turn(&error(B, kind, code, rest, &quoted));
        assert_eq!((out[40], out[41], out[44..48].to_vec()), (kind, code, rest.to_be_bytes().to_vec()));
    }
    let mut padded = quoted;
    padded.resize(128, 0);
    padded.extend_from_slice(&[0x20, 0, 0, 0, 0, 8, 1, 1, 9, 9, 9, 9]);
    let out = rfc_world(Hairpin::Intrinsic).turn(&error(B, 3, 0, 16 << 24, &padded));
    assert_eq!(out[48 + 128..], padded[128..]);
}

#[test]
fn quoted_packets_of_every_length_and_kind_are_the_ones_that_were_sent() {
    let dst = embed(B_V4);
    let tcp = ipv6(A, dst, IpNumber::TCP, &tcp6(A, dst, b"hello"));
    let echo = ipv6(A, dst, IpNumber::IPV6_ICMP, &icmp6(A, dst, Icmpv6Type::EchoRequest(ECHO), b"hello"));
    let later = fragmented(IpNumber::UDP, 1240, false, 7, &bytes(40));
    let later = ipv6(A, dst, IpNumber::IPV6_FRAGMENTATION_HEADER, &later);
    for sent in [tcp, echo, later, udp(A, dst)] {
        let quoted = seen(&sent);
        for len in 40..=quoted.len() {
            if sent[6] == 44 && len < 48 {
                continue;
            }
            let out = rfc_world(Hairpin::Intrinsic).turn(&error(B, 1, 0, 0, &quoted[..len]));
            assert_eq!(out[48 + 8..48 + 40], sent[8..40]);
            if len == quoted.len() {
                assert_eq!(out[48 + 8..], sent[8..]);
            }
        }
    }
}

#[test]
fn errors_about_errors_and_unreadable_packets_are_dropped() {
    let mut world = rfc_world(Hairpin::Intrinsic);
    let inner = raw_icmp6(embed(A_V4), B, 1, 0, [0; 4], &bytes(40));
    let nested = ipv6(embed(A_V4), B, IpNumber::IPV6_ICMP, &inner);
    world.dropped(&error(B, 1, 0, 0, &nested), DropReason::NestedError);
    let inner = raw_icmp6(embed(A_V4), B, 143, 0, [0; 4], &[]);
    let report = ipv6(embed(A_V4), B, IpNumber::IPV6_ICMP, &inner);
    world.dropped(&error(B, 1, 0, 0, &report), DropReason::QuotedPacket);
    world.dropped(&error(B, 1, 0, 0, &nested[..39]), DropReason::QuotedPacket);
    let stranger = udp(embed(A_V4), "2001:db8:9::9".parse().unwrap());
    world.dropped(&error(B, 1, 0, 0, &stranger), DropReason::QuotedUnmapped);
}

#[test]
fn an_error_about_a_packet_that_was_not_turned_leaves_as_ipv4() {
    let mut world = rfc_world(Hairpin::Intrinsic);
    let other = udp(embed(REMOTE), B);
    assert_eq!(world.verdict(&error(B, 1, 0, 0, &other)), Verdict::Forward(Direction::V6ToV4));
    assert_eq!(addresses4(world.frame.packet()), (B_V4, A_V4));
}

/// RFC 7757 §4.2.1, rules 2 and 3.
#[test]
fn simple_hairpinning_knows_the_receiver_by_its_prefix_in_errors() {
    let mut world = rfc_world(Hairpin::Simple);
    let sent = udp(A, embed(B_V4));
    let there = world.forward(&sent);
    let there = world.forward(&there);
    let between = world.forward(&error(B, 1, 4, 0, &there));
    assert_eq!(addresses4(&between), (B_V4, A_V4));
    let out = world.forward(&between);
    assert_eq!(both(&out), [(embed(B_V4), A), (A, embed(B_V4))]);
    assert_eq!(out[48 + 8..], sent[8..]);
    let between = world.forward(&error(ROUTER, 3, 0, 0, &there));
    let out = world.forward(&between);
    assert_eq!(both(&out), [(OWN_V6, A), (A, embed(B_V4))]);
}
