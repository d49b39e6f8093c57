//! What holds for every packet.

use crate::frame::Frame;
use crate::next_hop::Mtu;
use crate::offload::VnetHeader;
use crate::testing::*;
use crate::translator::UdpZeroChecksum;
use crate::verdict::{Direction, DropReason, Verdict};
use etherparse::{Icmpv4Type, Icmpv6Type, IpNumber};
use proptest::prelude::*;

/// A world that lets as much through as it can.
pub(crate) fn open_world(policy: UdpZeroChecksum, mtu: u16) -> World {
    World::with(|params| {
        params.udp_zero_checksum = policy;
        params.mtu_v4 = Mtu::Fixed(mtu);
        params.mtu_v6 = Mtu::Fixed(mtu);
    })
}

pub(crate) fn policies() -> impl Strategy<Value = UdpZeroChecksum> {
    prop::sample::select(vec![UdpZeroChecksum::Drop, UdpZeroChecksum::Calculate, UdpZeroChecksum::Forward])
}

fn vnet_headers() -> impl Strategy<Value = VnetHeader> {
    let plausible = (
        prop::sample::select(vec![0, 0, 1, 4, 5, 0x81, 0x84]),
        0_u16..2000,
        prop::sample::select(vec![20, 40, 48]),
        prop::sample::select(vec![2, 6, 16]),
    );
    prop_oneof![
        4 => Just(VnetHeader::default()),
        1 => any::<[u8; 10]>().prop_map(|bytes| VnetHeader::parse(&bytes)),
        4 => plausible.prop_map(|(gso_type, gso_size, csum_start, csum_offset)| VnetHeader {
            flags: 1,
            gso_type,
            gso_size,
            csum_start,
            csum_offset,
            hdr_len: 0,
        }),
    ]
}

/// A valid packet of either family, of one of many kinds.
pub(crate) fn valid_packets() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop::collection::vec(any::<u8>(), 0..1500);
    (0..10_u8, payload).prop_map(|(kind, payload)| match kind {
        0 => udp_out(&payload),
        1 => udp_in(&payload),
        2 => ipv6(CLIENT, REMOTE_V6, IpNumber::TCP, &tcp6(CLIENT, REMOTE_V6, &payload)),
        3 => ipv4(REMOTE, LEASED, IpNumber::TCP, &tcp4(REMOTE, LEASED, &payload)),
        4 => ipv6(
            CLIENT,
            REMOTE_V6,
            IpNumber::IPV6_ICMP,
            &icmp6(CLIENT, REMOTE_V6, Icmpv6Type::EchoRequest(ECHO), &payload),
        ),
        5 => ipv4(REMOTE, LEASED, IpNumber::ICMP, &icmp4(Icmpv4Type::EchoRequest(ECHO), &payload)),
        6 => ipv6(
            CLIENT,
            REMOTE_V6,
            IpNumber::IPV6_ICMP,
            &raw_icmp6(
                CLIENT,
                REMOTE_V6,
                1,
                4,
                [16, 0, 0, 0],
                &World::new().forward(&udp_in(&payload[..payload.len().min(1200)])),
            ),
        ),
        7 => ipv4(
            REMOTE,
            LEASED,
            IpNumber::ICMP,
            &raw_icmp4(
                3,
                4,
                [0, 32, 5, 0],
                &World::new().forward(&udp_out(&payload[..payload.len().min(1200)])),
            ),
        ),
        8 => ipv6(
            CLIENT,
            REMOTE_V6,
            IpNumber::IPV6_FRAGMENTATION_HEADER,
            &fragmented(IpNumber::UDP, 0, true, 7, &udp6(CLIENT, REMOTE_V6, &payload)),
        ),
        _ => ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, &payload), |header| {
            header.dont_fragment = false;
        }),
    })
}

/// Runs one packet; whatever comes of it, what leaves has a sound IP header and names its direction.
fn check_verdict(world: &mut World, packet: &[u8], vnet: VnetHeader) -> Verdict {
    world.frame.set_packet(packet);
    world.frame.vnet = vnet;
    let verdict = world.run();
    let version = packet.first().map(|first| first >> 4);
    let leaving: Vec<&[u8]> = match verdict {
        Verdict::Drop(reason) => {
            assert!(DropReason::ALL.contains(&reason));
            Vec::new()
        }
        Verdict::Split(_) => world.state.fragments().iter().map(Frame::packet).collect(),
        Verdict::Forward(_) | Verdict::Reply(_) => vec![world.frame.packet()],
    };
    assert!(leaving.is_empty() == matches!(verdict, Verdict::Drop(_)));
    for packet in leaving {
        let expect = match verdict {
            Verdict::Forward(Direction::V6ToV4) | Verdict::Split(Direction::V6ToV4) => Some(4),
            Verdict::Forward(Direction::V4ToV6 | Direction::V6ToV6)
            | Verdict::Split(Direction::V4ToV6 | Direction::V6ToV6) => Some(6),
            Verdict::Reply(_) | Verdict::Drop(_) => version,
        };
        assert_eq!(packet.first().map(|first| first >> 4), expect);
        let sound = if expect == Some(4) {
            crate::wire::ipv4::parse(packet)
                .is_ok_and(|header| usize::from(header.total_len()) == packet.len())
        } else {
            crate::wire::ipv6::parse(packet)
                .is_ok_and(|header| usize::from(header.payload_len()) + 40 == packet.len())
        };
        assert!(sound, "{verdict:?} {packet:02x?}");
    }
    assert!(world.frame.wire().len() >= crate::VNET_HEADER_LEN);
    verdict
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_give_one_verdict_and_no_panic(
        mut packet in prop::collection::vec(any::<u8>(), 0..200),
        version in prop::sample::select(vec![4_u8, 6, 9]),
        vnet in vnet_headers(),
        policy in policies(),
    ) {
        if let Some(first) = packet.first_mut() {
            *first = (version << 4) | 5;
        }
        check_verdict(&mut open_world(policy, 1500), &packet, vnet);
    }

    #[test]
    fn damaged_packets_give_one_verdict_and_no_panic(
        mut packet in valid_packets(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        near in any::<bool>(),
        cut in any::<prop::sample::Index>(),
        vnet in vnet_headers(),
        policy in policies(),
        mtu in prop::sample::select(vec![68_u16, 600, 1280, 1400, 1500, 65_535]),
    ) {
        let span = if near { packet.len().min(100) } else { packet.len() };
        for (at, value) in damage {
            packet[at.index(span)] = value;
        }
        if near && packet[0] >> 4 == 4 && packet.len() >= 20 && packet[0] & 0xf == 5 {
            // Otherwise nearly all damage ends at the header checksum.
            let mut header = crate::wire::ipv4::Ipv4::copy_from(&packet).expect("20 bytes");
            header.fill_checksum();
            packet[..20].copy_from_slice(header.bytes());
        }
        if cut.index(4) == 0 {
            packet.truncate(cut.index(packet.len() + 1));
        }
        check_verdict(&mut open_world(policy, mtu), &packet, vnet);
    }

    #[test]
    fn there_and_back_is_the_identity(
        kind in 0..3_u8,
        payload in prop::collection::vec(any::<u8>(), 0..1400),
        traffic_class in any::<u8>(),
        hop_limit in 3_u8..,
    ) {
        let (protocol, message) = match kind {
            0 => (IpNumber::UDP, udp6(CLIENT, REMOTE_V6, &payload)),
            1 => (IpNumber::TCP, tcp6(CLIENT, REMOTE_V6, &payload)),
            _ => (IpNumber::IPV6_ICMP, icmp6(CLIENT, REMOTE_V6, Icmpv6Type::EchoRequest(ECHO), &payload)),
        };
        let sent = ipv6_with(CLIENT, REMOTE_V6, protocol, &message, |header| {
            header.traffic_class = traffic_class;
            header.hop_limit = hop_limit;
        });
        // Sent in again as it is, the translated packet finds the same two hosts.
        let mut world = World::new();
        let between = world.forward(&sent);
        let mut back = world.forward(&between);
        prop_assert_eq!(back[7], hop_limit - 2);
        back[7] = hop_limit;
        prop_assert_eq!(back, sent);
    }

    #[test]
    fn length_changes_by_exactly_the_headers(payload in 0_usize..1400) {
        let mut world = World::new();
        let sent = udp_out(&bytes(payload));
        prop_assert_eq!(world.forward(&sent).len() + 20, sent.len());
        let sent = udp_in(&bytes(payload));
        prop_assert_eq!(world.forward(&sent).len(), sent.len() + 20);
    }

    #[test]
    fn incremental_checksum_is_the_one_etherparse_computes(
        payload in prop::collection::vec(any::<u8>(), 0..64), low in any::<u32>(), host in any::<u64>()
    ) {
        let src = std::net::Ipv6Addr::from_bits(0x2001_0db8_0006 << 80 | u128::from(host));
        prop_assume!(src != CLIENT);
        let v4 = std::net::Ipv4Addr::from_bits(0x0a00_0000 | (low & 0x00ff_ffff));
        let dst = prefix("2001:db8:64::/96").embed(v4);
        let mut world = World::new();
        // The judge recomputes every checksum.
        world.forward(&ipv6(src, dst, IpNumber::UDP, &udp6(src, dst, &payload)));
        world.forward(&ipv6(src, dst, IpNumber::TCP, &tcp6(src, dst, &payload)));
        world.forward(&ipv6(src, dst, IpNumber::IPV6_ICMP, &icmp6(src, dst, Icmpv6Type::EchoRequest(ECHO), &payload)));
        world.forward(&ipv4(v4, LEASED, IpNumber::UDP, &udp4(v4, LEASED, &payload)));
    }

    #[test]
    fn fragments_of_every_size_reassemble(payload in 1233_usize..9000, min_mtu in 1280_u16..1500) {
        let mut world = World::with(|params| {
            params.ipv6_min_mtu = min_mtu;
        });
        let packet = ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, &bytes(payload)), |header| {
            header.dont_fragment = false;
        });
        if payload + 48 <= usize::from(min_mtu) {
            world.forward(&packet);
        } else {
            let fragments = world.split(&packet);
            prop_assert!(fragments.iter().all(|fragment| fragment.len() <= usize::from(min_mtu)));
            let whole: Vec<_> = fragments.iter().flat_map(|fragment| fragment[48..].to_vec()).collect();
            judge(&ipv6(REMOTE_V6, CLIENT, IpNumber::UDP, &whole));
        }
    }
}
