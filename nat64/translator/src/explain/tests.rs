use super::*;
use crate::icmp_source::IcmpSources;
use crate::properties::{open_world, policies, valid_packets};
use crate::sketch;
use crate::testing::*;
use crate::translator::Hairpin;
use proptest::prelude::*;

/// The pool of a [`World`], for somebody who only looks.
struct Look<'a>(&'a Pool);

impl PoolView for Look<'_> {
    fn lease_of(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        self.0.lease_of(v6)
    }

    fn offer(&self, _: Ipv6Addr) -> Option<Ipv4Addr> {
        (self.0.free > 0).then(|| Pool::address(self.0.hosts.len()))
    }

    fn host_of(&self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        self.0.host_of(v4)
    }
}

fn explain(world: &World, packet: &[u8]) -> Explanation {
    world.translator.explain(packet, &Look(&world.pool), &mut (), Duration::from_secs(1))
}

fn explained_in(world: &World, text: &str) -> Explanation {
    explain(world, &sketch::parse(text).unwrap_or_else(|error| panic!("{error}")))
}

/// Explains a description, and looks for each part in the text.
#[track_caller]
fn check(text: &str, outcome: &str, parts: &[&str]) {
    check_in(&World::new(), text, outcome, parts);
}

#[track_caller]
fn check_in(world: &World, text: &str, outcome: &str, parts: &[&str]) {
    let explanation = explained_in(world, text);
    let said = explanation.to_string();
    assert_eq!(explanation.outcome(), outcome, "{said}");
    for part in parts {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

#[test]
fn a_packet_that_crosses_is_followed_step_by_step() {
    let text = "udp 2001:db8:6::1#5 -> 2001:db8:64::203.0.113.9#53 len 60 ttl 9 tos 0x10";
    let expect = "\
packet       IPv6 2001:db8:6::1 -> 2001:db8:64::cb00:7109, 60 bytes, hop limit 9, class 0x10; UDP 5 -> 53, checksum right
destination  2001:db8:64::cb00:7109 is 203.0.113.9: the prefix 2001:db8:64::/96
transport    the checksum follows the addresses
hop limit    9 on arrival, 8 when it leaves
size         40 bytes when it leaves, towards an MTU of 1500
source       2001:db8:6::1 is 192.0.2.101: the lease that it has
verdict      translated, IPv6 to IPv4
leaves       IPv4 192.0.2.101 -> 203.0.113.9, 40 bytes, TTL 8, TOS 0x10; UDP 5 -> 53, checksum right
             4510 0028 0000 0000 0811 b446 c000 0265
             cb00 7109 0005 0035 0014 011d 0000 0000
             0000 0000 0000 0000
";
    let said = explained_in(&World::new(), text).to_string();

    assert_eq!(said, expect);
}

#[test]
fn rules_that_map_addresses_are_named() {
    check(
        "tcp 2001:db8:6::9 -> 2001:db8:64::203.0.113.9 syn",
        "forward",
        &["2001:db8:6::9 is 192.0.2.102: a lease that it would take", "SYN"],
    );
    check(
        "udp 2001:db8:7::7 -> 2001:db8:64::203.0.113.9",
        "forward",
        &["2001:db8:7::7 is 198.51.100.7: the explicit map of 198.51.100.7/32 and 2001:db8:7::7/128"],
    );
    check(
        "udp 203.0.113.9 -> 192.0.2.101",
        "forward",
        &["192.0.2.101 is 2001:db8:6::1: the host that holds the lease"],
    );
    check(
        "icmp 203.0.113.9 -> 192.0.2.1",
        "echo_reply",
        &["192.0.2.1 is the translator itself", "ICMP type 0"],
    );
    check(
        "icmp 2001:db8:6::1 -> 2001:db8:64::192.0.2.1",
        "echo_reply",
        &["is 192.0.2.1: the prefix 2001:db8:64::/96", "answered with an echo reply"],
    );
}

#[test]
fn packets_between_ipv6_hosts_are_turned_around() {
    let world = World::with(|params| params.hairpin = Hairpin::Intrinsic);
    check_in(
        &world,
        "udp 2001:db8:6::1 -> 2001:db8:64::198.51.100.7",
        "forward",
        &[
            "198.51.100.7 is 2001:db8:7::7: the explicit map of",
            "so the packet is turned around (nat64.hairpin)",
            "source       2001:db8:6::1 is 192.0.2.101: the lease that it has",
            "source       192.0.2.101 is 2001:db8:64::c000:265: the prefix 2001:db8:64::/96",
            "translated, IPv6 to IPv6, turned around",
        ],
    );
    check_in(
        &world,
        "icmp 2001:db8:7::7 -> 2001:db8:64::192.0.2.101 ptb 1300 about 2001:db8:7::7",
        "forward",
        &["an error about a packet that was turned around", "it was sent by 2001:db8:6::1"],
    );
    check_in(
        &world,
        "udp 2001:db8:6::1 -> 2001:db8:64::198.51.100.7 ttl 1",
        "icmp_error",
        &["hop limit    refused"],
    );
}

#[test]
fn refusals_say_why_and_what_to_do() {
    check(
        "udp 203.0.113.9 -> 192.0.2.77",
        "icmp_error",
        &[
            "destination  refused: ",
            ": no_lease\n",
            "remedy       Nothing for probes;",
            "ICMP type 3 code 1",
            "ICMP errors leave",
        ],
    );
    check(
        "udp 203.0.113.9 -> 192.0.2.101 nosum",
        "drop",
        &["transport    refused: ", "udp_zero_checksum\n", "calculate"],
    );
    check(
        "udp 2001:db8:6::1 -> 2001:db8:64::203.0.113.9 ttl 1",
        "icmp_error",
        &["hop limit    refused: ", "ICMPv6 type 3 code 0"],
    );
    check(
        "udp 203.0.113.9 -> 192.0.2.101 len 1490 df",
        "icmp_error",
        &[
            "1510 bytes when it leaves, towards an MTU of 1500, and it must not be fragmented: its sender may send 1480 at most",
            "ICMP type 3 code 4, MTU 1480",
        ],
    );
    check("udp 203.0.113.9 -> 224.0.0.1", "drop", &["addresses    refused: ", ": multicast\n"]);
    check("icmp 203.0.113.9 -> 192.0.2.101 type 13", "drop", &["transport    refused: ", ": icmp_type\n"]);
    check("6f", "drop", &["packet       refused: ", ": ipv6_header\n"]);
    check("00", "drop", &[": ip_version\n"]);
    let full = World { pool: Pool { hosts: vec![CLIENT], free: 0 }, ..World::new() };
    check_in(
        &full,
        "udp 2001:db8:6::9 -> 2001:db8:64::203.0.113.9",
        "icmp_error",
        &["source       refused: ", ": pool_exhausted\n"],
    );
    let silent = World::with(|params| params.icmp_error_rate = 0);
    check_in(&silent, "udp 203.0.113.9 -> 192.0.2.77", "drop", &[": no_lease\n"]);
}

#[test]
fn fragments_headers_and_quoted_packets_are_told() {
    check(
        "udp 203.0.113.9 -> 192.0.2.101 len 3000",
        "split",
        &["cut into fragments of at most 1280 bytes", "into 3 packets", ", more follow"],
    );
    check(
        "udp 2001:db8:6::1 -> 2001:db8:64::203.0.113.9 more id 7",
        "forward",
        &["headers      Fragment (8 bytes)", "fragment 7 at 0, more follow"],
    );
    check(
        "icmp 2001:db8:6::fe -> 2001:db8:64::203.0.113.9 ptb 1400 about 2001:db8:6::1#5",
        "forward",
        &[
            "ICMP type 3 code 4",
            "quoted       IPv6 2001:db8:64::cb00:7109 -> 2001:db8:6::1, 1500 bytes",
            "2001:db8:6::1 is 192.0.2.101: the lease that it has",
            "source       2001:db8:6::fe is 192.0.2.1: ",
            "MTU 1380",
        ],
    );
    check(
        "icmp 203.0.113.1 -> 192.0.2.101 expired about 192.0.2.77",
        "drop",
        &["192.0.2.77 has no equivalent", ": quoted_unmapped\n"],
    );
}

/// Where packets may go: to hosts, and to all that the translator answers at.
const TARGETS_V6: [&str; 5] = [
    "2001:db8:64::198.51.100.7",
    "2001:db8:64::192.0.2.1",
    "2001:db8:64::198.51.100.65",
    "2001:db8:ffff::64",
    "2001:db8:6791::a00:1",
];
const TARGETS_V4: [&str; 2] = ["192.0.2.1", "198.51.100.65"];

/// Parameters with addresses that speak for routers.
fn spoken_for(mut params: crate::Params) -> crate::Params {
    params.icmp_source_v4 = IcmpSources::new(vec!["198.51.100.64/30".parse().unwrap()]);
    params.icmp_source_v6 = Some("2001:db8:6791::/96".parse().unwrap());
    params
}

/// Sends `packet` to one of the targets, or leaves it where it goes.
fn aim(packet: &mut [u8], target: usize) {
    if packet[0] >> 4 == 6 {
        if let Some(to) = TARGETS_V6.get(target) {
            packet[24..40].copy_from_slice(&to.parse::<Ipv6Addr>().unwrap().octets());
        }
    } else if let Some(to) = TARGETS_V4.get(target) {
        packet[16..20].copy_from_slice(&to.parse::<Ipv4Addr>().unwrap().octets());
    }
}

#[test]
fn packets_to_the_translator_itself_end_at_its_answer_or_refusal() {
    let world = World::with(|params| *params = spoken_for(params.clone()));
    for to in TARGETS_V6 {
        let from = "2001:db8:6::1";
        if to != TARGETS_V6[0] {
            check_in(&world, &format!("icmp {from} -> {to}"), "echo_reply", &["is the translator itself"]);
            let refused = explained_in(&world, &format!("udp {from} -> {to}"));
            let last = refused.steps.last().and_then(|step| step.refused);
            assert_eq!((last, refused.reason()), (Some(DropReason::ToSelf), Some(DropReason::ToSelf)));
        }
    }
    for to in TARGETS_V4 {
        check_in(&world, &format!("icmp 203.0.113.9 -> {to}"), "echo_reply", &["is the translator itself"]);
        let text = format!("udp 203.0.113.9 -> {to}");
        check_in(&world, &text, "icmp_error", &["transport    refused: "]);
    }
}

#[test]
fn a_packet_too_long_for_ipv4_is_refused_for_that_first() {
    let packet = ipv6_with(CLIENT, REMOTE_V6, etherparse::IpNumber::SCTP, &bytes(65_530), |header| {
        header.hop_limit = 1;
    });
    let explanation = explain(&World::new(), &packet);
    let last = explanation.steps.last().and_then(|step| step.refused);
    assert_eq!((last, explanation.reason()), (Some(DropReason::Oversize), Some(DropReason::Oversize)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The verdict and the packets are the translator's, nothing has changed meanwhile, and the steps say the same.
    #[test]
    fn explanations_agree_with_the_translator(
        mut packet in valid_packets(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        (fills, target) in (any::<bool>(), 0..TARGETS_V6.len() + 1),
        huge in prop::bool::weighted(0.02),
        hairpin in prop::sample::select(vec![Hairpin::Intrinsic, Hairpin::Simple, Hairpin::Off]),
        cut in any::<prop::sample::Index>(),
        policy in policies(),
        mtu in prop::sample::select(vec![1280_u16, 1400, 1500, 9000]),
    ) {
        if huge {
            packet = ipv6(CLIENT, REMOTE_V6, etherparse::IpNumber::SCTP, &bytes(65_535 - target));
        }
        aim(&mut packet, target);
        let near = packet.len().min(80);
        for (at, value) in damage {
            packet[at.index(near)] = value;
        }
        if fills && packet[0] == 0x45 {
            let mut header = crate::wire::ipv4::Ipv4::copy_from(&packet).expect("20 bytes");
            header.fill_checksum();
            packet[..20].copy_from_slice(header.bytes());
        }
        if cut.index(4) == 0 {
            packet.truncate(cut.index(packet.len() + 1));
        }
        let mut world = open_world(policy, mtu);
        let params = spoken_for(crate::translator::Params { hairpin, ..world.translator.params().clone() });
        world.translator = Translator::new(params);
        let (hosts, free) = (world.pool.hosts.clone(), world.pool.free);
        let first = explain(&world, &packet);
        prop_assert_eq!(&first, &explain(&world, &packet), "explaining changes nothing");
        prop_assert_eq!((&world.pool.hosts, world.pool.free), (&hosts, free));

        world.state = WorkerState::new(0, 1);
        let verdict = world.verdict(&packet);
        prop_assert_eq!(first.verdict, verdict);
        let leaving: Vec<Vec<u8>> = match verdict {
            Verdict::Drop(_) => Vec::new(),
            Verdict::Split(_) => world.fragments(),
            Verdict::Forward(_) | Verdict::Reply(_) => vec![world.frame.packet().to_vec()],
        };
        prop_assert_eq!(first.leaving.iter().map(|packet| packet.bytes.clone()).collect::<Vec<_>>(), leaving);
        for (index, step) in first.steps.iter().enumerate() {
            let Some(reason) = step.refused else { continue };
            prop_assert_eq!(Some(reason), first.reason(), "{}", first);
            prop_assert_eq!(index + 1, first.steps.len(), "{}", first);
        }
        // Quoted packets are told, not judged.
        if !first.steps.iter().any(|step| step.topic == topic::QUOTED) {
            prop_assert_eq!(first.steps.last().and_then(|step| step.refused), first.reason(), "{}", first);
        }
        prop_assert!(!first.to_string().is_empty());
    }
}

/// Parameters whose every step is described: where the translator refuses an ordinary packet, so does the last step.
#[test]
fn the_step_that_refuses_is_the_last_one() {
    let refusals = [
        "udp 2001:db8:6::1 -> ff02::1",
        "udp fe80::1 -> 2001:db8:64::203.0.113.9",
        "udp 2001:db8:6::1 -> 2001:db8:9::1",
        "udp 2001:db8:6::1 -> 2001:db8:64::127.0.0.1",
        "1 2001:db8:6::1 -> 2001:db8:64::203.0.113.9",
        "icmp 2001:db8:6::1 -> 2001:db8:64::203.0.113.9 type 200",
        "icmp 2001:db8:6::1 -> 2001:db8:64::203.0.113.9 more",
        "58 203.0.113.9 -> 192.0.2.101",
        "udp 127.0.0.1 -> 192.0.2.101",
        "udp 203.0.113.9 -> 192.0.2.101 ttl 0",
        "udp 203.0.113.9 -> 192.0.2.77",
        "tcp 203.0.113.9 -> 192.0.2.101 len 1500 df",
    ];
    for text in refusals {
        let explanation = explained_in(&World::new(), text);
        let last = explanation.steps.last().and_then(|step| step.refused);
        assert!(last.is_some() && last == explanation.reason(), "{text}\n{explanation}");
    }
}

#[test]
fn a_long_packet_is_shown_in_part() {
    let said = explained_in(&World::new(), "udp 203.0.113.9 -> 192.0.2.101 len 1200").to_string();
    assert!(said.ends_with("... 1092 bytes more\n"), "{said}");
}
