//! RFC 7757 §4: IPv6 hosts that reach each other by IPv4 addresses.

use crate::checksum::Pair;
use crate::class::Class;
use crate::mss::MssClamp;
use crate::next_hop::Mtu;
use crate::offload::{VnetHeader, complete};
use crate::testing::*;
use crate::translator::{Hairpin, UdpZeroChecksum};
use crate::verdict::{Direction, DropReason, Verdict};
use crate::wire::quoted::set_word;
use addr::{ExplicitMap, ExplicitMaps, Prefix64};
use etherparse::{Icmpv6Type, IpNumber};
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The hosts of RFC 7757 Appendix B.1, and the addresses that stand for them.
pub(super) const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xaaaa, 0, 0, 0, 0, 0);
pub(super) const A_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(super) const B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xbbbb, 0, 0, 0, 0, 0xb);
pub(super) const B_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

pub(super) fn embed(v4: Ipv4Addr) -> Ipv6Addr {
    Prefix64::WELL_KNOWN.embed(v4)
}

/// The gateway of RFC 7757 Appendix B.1: its prefix, the table of its figure 1, and no pool.
pub(super) fn rfc_world(hairpin: Hairpin) -> World {
    let maps = [
        "192.0.2.1/32 2001:db8:aaaa::/128",
        "192.0.2.2/32 2001:db8:bbbb::b/128",
        "192.0.2.16/28 2001:db8:cccc::/124",
        "192.0.2.128/26 2001:db8:dddd::/64",
        "192.0.2.192/29 2001:db8:eeee:8::/62",
        "192.0.2.224/31 64:ff9b::/127",
    ];
    let maps = maps.map(|line| {
        let (v4, v6) = line.split_once(' ').unwrap();
        ExplicitMap { v4: v4.parse().unwrap(), v6: v6.parse().unwrap() }
    });
    World::with(|params| {
        params.hairpin = hairpin;
        params.prefixes = Prefix64::WELL_KNOWN.into();
        params.allow_private_ipv4 = true;
        params.own_v4 = Ipv4Addr::new(198, 51, 100, 1);
        params.pools = Vec::new();
        params.maps = ExplicitMaps::new(maps).unwrap();
    })
}

/// A world in which two hosts have leases: [`CLIENT`] and [`OTHER`].
fn leased_world() -> World {
    let mut world = World::new();
    world.pool.hosts.push(OTHER);
    world
}

const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 2);
const OTHER_LEASED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 102);

/// The prefix of [`World::new`] with `v4` in it.
fn main_prefix(v4: Ipv4Addr) -> Ipv6Addr {
    prefix("2001:db8:64::/96").embed(v4)
}

pub(super) fn udp(src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    ipv6(src, dst, IpNumber::UDP, &udp6(src, dst, b"hello"))
}

impl World {
    /// What `packet` is turned into.
    pub(super) fn turn(&mut self, packet: &[u8]) -> Vec<u8> {
        assert_eq!(self.verdict(packet), Verdict::Forward(Direction::V6ToV6));
        judge(self.frame.packet());
        self.frame.packet().to_vec()
    }
}

#[test]
fn mapped_hosts_reach_each_other_as_in_rfc_7757_figures_8_and_11() {
    let mut world = rfc_world(Hairpin::Intrinsic);
    let there = world.turn(&udp(A, embed(B_V4)));
    assert_eq!(addresses6(&there), (embed(A_V4), B));
    let back = world.turn(&udp(B, embed(A_V4)));
    assert_eq!(addresses6(&back), (embed(B_V4), A), "whom the first packet was sent to");
}

#[test]
fn hosts_of_unequal_prefixes_reach_each_other() {
    let mut world = rfc_world(Hairpin::Intrinsic);
    let [c, d] = ["2001:db8:cccc::8", "2001:db8:dddd:0:6000::"].map(|text| text.parse().unwrap());
    let there = world.turn(&udp(c, embed("192.0.2.152".parse().unwrap())));
    assert_eq!(addresses6(&there), (embed("192.0.2.24".parse().unwrap()), d));
}

#[test]
fn leased_and_mapped_hosts_reach_each_other() {
    let mut world = leased_world();
    let hosts = [(CLIENT, LEASED), (OTHER, OTHER_LEASED), (MAPPED, MAPPED_V4)];
    for (src, src_v4) in hosts {
        for (dst, dst_v4) in hosts {
            let out = world.turn(&udp(src, main_prefix(dst_v4)));
            assert_eq!(addresses6(&out), (main_prefix(src_v4), dst));
        }
    }
}

#[test]
fn a_host_without_a_lease_gets_one_to_be_answered_at() {
    let mut world = leased_world();
    let out = world.turn(&udp(ROUTER_V6, main_prefix(LEASED)));
    assert_eq!(addresses6(&out), (main_prefix(Ipv4Addr::new(192, 0, 2, 103)), CLIENT));
    let error =
        world.error(&udp("2001:db8:6::77".parse().unwrap(), main_prefix(LEASED)), DropReason::PoolExhausted);
    assert_eq!(error[40..42], [1, 5]);
}

#[test]
fn every_transport_is_turned_and_everything_else_survives() {
    let mut world = leased_world();
    let dst = main_prefix(OTHER_LEASED);
    let echo = icmp6(CLIENT, dst, Icmpv6Type::EchoRequest(ECHO), b"hello");
    let sctp = bytes(60);
    let options = [&[17, 0, 1, 4, 0, 0, 0, 0][..], &udp6(CLIENT, dst, b"hello")].concat();
    let first = fragmented(IpNumber::UDP, 0, true, 0x1234_5678, &udp6(CLIENT, dst, &bytes(1232)));
    let later = fragmented(IpNumber::UDP, 1240, false, 0x1234_5678, &bytes(100));
    for (protocol, message) in [
        (IpNumber::UDP, udp6(CLIENT, dst, b"hello")),
        (IpNumber::TCP, tcp6(CLIENT, dst, b"hello")),
        (IpNumber::IPV6_ICMP, echo),
        (IpNumber::IPV6_DESTINATION_OPTIONS, options),
        (IpNumber::IPV6_FRAGMENTATION_HEADER, first),
        (IpNumber::IPV6_FRAGMENTATION_HEADER, later),
    ] {
        let packet = ipv6_with(CLIENT, dst, protocol, &message, |header| {
            header.traffic_class = 0xb9;
            header.flow_label = etherparse::Ipv6FlowLabel::try_new(0xbeef).unwrap();
        });
        let out = world.turn(&packet);
        assert_eq!(addresses6(&out), (main_prefix(LEASED), OTHER));
        assert_eq!((&out[..7], out[7]), (&packet[..7], packet[7] - 1), "{protocol:?}");
        assert_eq!(out.len(), packet.len());
    }
    let packet = ipv6(CLIENT, dst, IpNumber::SCTP, &sctp);
    assert_eq!(world.verdict(&packet), Verdict::Forward(Direction::V6ToV6));
    assert_eq!(world.frame.packet()[40..], sctp);
}

#[test]
fn hop_limit_goes_down_once_and_is_answered_when_used_up() {
    let with = |hop_limit| {
        ipv6_with(A, embed(B_V4), IpNumber::UDP, &udp6(A, embed(B_V4), b"hello"), |header| {
            header.hop_limit = hop_limit;
        })
    };
    let mut world = rfc_world(Hairpin::Intrinsic);
    assert_eq!(world.turn(&with(2))[7], 1);
    let error = world.error(&with(1), DropReason::HopLimit);
    assert_eq!((addresses6(&error), error[40]), ((OWN_V6, A), 3));
}

#[test]
fn super_packets_and_partial_checksums_are_turned_whole() {
    let mut world = leased_world();
    let dst = main_prefix(OTHER_LEASED);
    let mut packet = ipv6(CLIENT, dst, IpNumber::TCP, &tcp6(CLIENT, dst, &bytes(20_000)));
    let sum = Pair { src: CLIENT, dst }.pseudo_header(6, packet.len() - 40).folded();
    set_word(&mut packet[40..], 16, sum);
    world.frame.set_packet(&packet);
    let vnet =
        VnetHeader { flags: 1, gso_type: 4, hdr_len: 72, gso_size: 1428, csum_start: 40, csum_offset: 16 };
    world.frame.vnet = vnet;
    assert_eq!(world.run(), Verdict::Forward(Direction::V6ToV6));
    assert_eq!(world.frame.vnet, vnet);
    complete(&mut world.frame);
    judge(world.frame.packet());
}

#[test]
fn packets_beyond_the_mtu_are_answered() {
    let mut world = leased_world();
    world.translator = crate::Translator::new(crate::Params {
        mtu_v6: Mtu::Fixed(1400),
        ..world.translator.params().clone()
    });
    let dst = main_prefix(OTHER_LEASED);
    let sized = |len: usize| ipv6(CLIENT, dst, IpNumber::UDP, &udp6(CLIENT, dst, &bytes(len - 48)));
    assert_eq!(world.turn(&sized(1400)).len(), 1400);
    let error = world.error(&sized(1401), DropReason::TooBig);
    assert_eq!((error[40], word(&error, 46)), (2, 1400));
}

#[test]
fn traffic_class_and_maximum_segment_size_follow_the_configuration() {
    let mut world = leased_world();
    let params = world.translator.params().clone();
    world.translator = crate::Translator::new(crate::Params {
        traffic_class: Class::Set(0x28),
        tcp_mss_clamp: MssClamp::Bytes(1000),
        ..params
    });
    let dst = main_prefix(OTHER_LEASED);
    let out = world.turn(&syn(CLIENT, dst));
    assert_eq!(out[..4], [0x62, 0x80, 0, 0]);
    assert_eq!(word(&out, 40 + 22), 1000);
}

#[test]
fn pool_addresses_that_nobody_holds_are_answered_at_once() {
    let mut world = leased_world();
    let error = world.error(&udp(CLIENT, main_prefix(Ipv4Addr::new(192, 0, 2, 250))), DropReason::NoLease);
    assert_eq!((addresses6(&error), error[40..42].to_vec()), ((OWN_V6, CLIENT), vec![1, 3]));
}

#[test]
fn only_destinations_that_stand_for_hosts_are_turned() {
    let mut world = rfc_world(Hairpin::Intrinsic);
    assert_eq!(world.verdict(&udp(A, embed(REMOTE))), Verdict::Forward(Direction::V6ToV4));
    // Condition A2: the destination was not embedded in a prefix.
    assert_eq!(world.verdict(&udp(A, B)), Verdict::Forward(Direction::V6ToV4));
    let own = ipv6(A, embed(Ipv4Addr::new(198, 51, 100, 1)), IpNumber::UDP, &[]);
    assert_eq!(world.error(&own, DropReason::ToSelf)[40], 4);
}

#[test]
fn what_does_not_cross_is_not_turned_either() {
    let mut world = leased_world();
    let dst = main_prefix(OTHER_LEASED);
    let icmp = |kind| raw_icmp6(CLIENT, dst, kind, 0, [0; 4], &[]);
    world.dropped(&ipv6(CLIENT, dst, IpNumber::IPV6_ICMP, &icmp(143)), DropReason::IcmpType);
    world.dropped(&ipv6(CLIENT, dst, IpNumber::ICMP, &bytes(8)), DropReason::Protocol);
    world.dropped(&ipv6(CLIENT, dst, IpNumber::IGMP, &bytes(8)), DropReason::Protocol);
    world.dropped(&ipv6(CLIENT, dst, IpNumber::TCP, &bytes(8)), DropReason::TransportHeader);
    let fragment = fragmented(IpNumber::IPV6_ICMP, 0, true, 7, &bytes(16));
    world.dropped(
        &ipv6(CLIENT, dst, IpNumber::IPV6_FRAGMENTATION_HEADER, &fragment),
        DropReason::FragmentedIcmp,
    );
    let mut zero = udp6(CLIENT, dst, b"hello");
    set_word(&mut zero, 6, 0);
    let zero = ipv6(CLIENT, dst, IpNumber::UDP, &zero);
    world.dropped(&zero, DropReason::UdpZeroChecksum);
    let mut world = World::with(|params| params.udp_zero_checksum = UdpZeroChecksum::Calculate);
    world.pool.hosts.push(OTHER);
    world.turn(&zero);
}

/// RFC 6052 §3.1 holds for the source that the answer would go to.
#[test]
fn a_private_source_is_not_embedded_in_the_well_known_prefix() {
    let mut world = rfc_world(Hairpin::Intrinsic);
    let maps = ExplicitMaps::new([
        ExplicitMap { v4: "10.0.0.1/32".parse().unwrap(), v6: A.into() },
        ExplicitMap { v4: "9.9.9.9/32".parse().unwrap(), v6: B.into() },
    ]);
    let params = world.translator.params().clone();
    let params = crate::Params { maps: maps.unwrap(), allow_private_ipv4: false, ..params };
    world.translator = crate::Translator::new(params);
    let error = world.error(&udp(A, embed("9.9.9.9".parse().unwrap())), DropReason::NonGlobalIpv4);
    assert_eq!(error[40..42], [1, 1]);
}

/// Under the Well-Known Prefix nobody can answer an address of a private pool.
#[test]
fn a_host_that_could_not_be_answered_gets_no_lease() {
    let mut world = rfc_world(Hairpin::Intrinsic);
    let maps = ExplicitMaps::new([ExplicitMap { v4: "9.9.9.9/32".parse().unwrap(), v6: B.into() }]);
    let params = crate::Params {
        maps: maps.unwrap(),
        allow_private_ipv4: false,
        pools: vec!["192.0.2.0/24".parse().unwrap()],
        ..world.translator.params().clone()
    };
    world.translator = crate::Translator::new(params.clone());
    let packet = udp(ROUTER_V6, embed("9.9.9.9".parse().unwrap()));
    world.error(&packet, DropReason::NonGlobalIpv4);
    assert_eq!((world.pool.free, world.pool.lease_of(ROUTER_V6)), (1, None));
    world.translator = crate::Translator::new(crate::Params { allow_private_ipv4: true, ..params });
    world.turn(&packet);
    assert_eq!(world.pool.free, 0);
}

/// What A announces bounds what B sends to A: both ways are IPv6, whatever the IPv4 side carries.
#[test]
fn maximum_segment_size_keeps_to_the_ways_of_both_ipv6_hosts() {
    let announced = |narrow: Option<(Ipv6Addr, u16)>| {
        let mut world = leased_world();
        world.translator = crate::Translator::new(crate::Params {
            mtu_v4: Mtu::Fixed(576),
            mtu_v6: Mtu::Route(1500),
            tcp_mss_clamp: MssClamp::Mtu,
            ..world.translator.params().clone()
        });
        world.routes.narrow_v6 = narrow;
        word(&world.turn(&syn(CLIENT, main_prefix(OTHER_LEASED))), 40 + 22)
    };
    assert_eq!(announced(None), 1440);
    assert_eq!(announced(Some((CLIENT, 1300))), 1240, "the way back");
    assert_eq!(announced(Some((OTHER, 1400))), 1340, "the way there");
}

/// A SYN that announces segments of 1440 bytes.
fn syn(src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let mut header = etherparse::TcpHeader::new(40_000, 80, 7, 1024);
    header.syn = true;
    header.set_options_raw(&[2, 4, 5, 0xa0]).unwrap();
    header.checksum = header.calc_checksum_ipv6_raw(src.octets(), dst.octets(), &[]).unwrap();
    ipv6(src, dst, IpNumber::TCP, &header.to_bytes())
}

#[test]
fn simple_hairpinning_embeds_the_source_of_what_comes_back() {
    let mut world = rfc_world(Hairpin::Simple);
    let between = world.forward(&udp(A, embed(B_V4)));
    assert_eq!(addresses4(&between), (A_V4, B_V4), "it leaves for the IPv4 network");
    let out = world.forward(&between);
    assert_eq!(addresses6(&out), (embed(A_V4), B));
    let mut world = leased_world();
    world.translator = crate::Translator::new(crate::Params {
        hairpin: Hairpin::Simple,
        ..world.translator.params().clone()
    });
    let between = world.forward(&udp(CLIENT, main_prefix(OTHER_LEASED)));
    let out = world.forward(&between);
    assert_eq!(addresses6(&out), (main_prefix(LEASED), OTHER));
}

#[test]
fn without_hairpinning_the_source_is_the_host_itself() {
    let mut world = rfc_world(Hairpin::Off);
    let between = world.forward(&udp(A, embed(B_V4)));
    assert_eq!(addresses4(&between), (A_V4, B_V4));
    let out = world.forward(&between);
    assert_eq!(addresses6(&out), (A, B));
}

proptest! {
    /// RFC 7757 §4.2.2: the outcome is that of both translations, one after the other.
    #[test]
    fn one_step_gives_what_two_translations_give(
        kind in 0..4_u8,
        payload in prop::collection::vec(any::<u8>(), 0..1100),
        (class, hop_limit) in (any::<u8>(), 3_u8..),
        (error_kind, code) in prop::sample::select(vec![(1_u8, 0_u8), (1, 1), (1, 4), (3, 0), (3, 1)]),
    ) {
        let dst = embed(B_V4);
        let (protocol, message) = match kind {
            0 => (IpNumber::UDP, udp6(A, dst, &payload)),
            1 => (IpNumber::TCP, tcp6(A, dst, &payload)),
            2 => (IpNumber::IPV6_ICMP, icmp6(A, dst, Icmpv6Type::EchoRequest(ECHO), &payload)),
            _ => {
                // A's error about a packet of B.
                let mut quoted = rfc_world(Hairpin::Intrinsic).turn(&udp(B, embed(A_V4)));
                quoted.truncate(40 + payload.len().min(13));
                (IpNumber::IPV6_ICMP, raw_icmp6(A, dst, error_kind, code, [0; 4], &quoted))
            }
        };
        let packet = ipv6_with(A, dst, protocol, &message, |header| {
            header.traffic_class = class;
            header.hop_limit = hop_limit;
        });
        let turned = rfc_world(Hairpin::Intrinsic).turn(&packet);
        let mut world = rfc_world(Hairpin::Simple);
        let between = world.forward(&packet);
        let mut twice = world.forward(&between);
        prop_assert_eq!((turned[7], twice[7]), (hop_limit - 1, hop_limit - 2));
        twice[7] = turned[7];
        prop_assert_eq!(turned, twice);
    }
}
