//! What holds of every pair of outcomes under every policy.

use super::*;
use crate::policy::{Cases, MappedNet, PrefixRule};
use crate::question::ClientEdns;
use crate::reply::{Extras, Room};
use addr::Prefix64;
use proptest::prelude::*;
use std::net::Ipv6Addr;

/// One record of an answer, or of its authority section behind `|`.
fn any_record() -> impl Strategy<Value = String> {
    let owner = || {
        prop::sample::select(vec!["www.example", "www.example", "a.example", "b.example", "other.example"])
    };
    let ttl = || prop_oneof![4 => 0_u32..5000, 1 => any::<u32>()];
    let v4 = || {
        prop_oneof![
            any::<u32>().prop_map(Ipv4Addr::from_bits),
            prop::sample::select(
                ["10.0.0.1", "192.168.0.1", "127.0.0.1", "169.254.169.254", "9.9.9.9", "192.0.2.1"]
                    .map(|text| text.parse::<Ipv4Addr>().unwrap())
                    .to_vec()
            ),
        ]
    };
    let v6 = prop_oneof![
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).to_string()),
        v4().prop_map(|v4| format!("::ffff:{v4}")),
        v4().prop_map(|v4| format!("2001:db8:64::{v4}")),
        v4().prop_map(|v4| format!("64:ff9b::{v4}")),
    ];
    prop_oneof![
        4 => (owner(), ttl(), v4()).prop_map(|(owner, ttl, v4)| format!("{owner} {ttl} A {v4}")),
        4 => (owner(), ttl(), v6).prop_map(|(owner, ttl, v6)| format!("{owner} {ttl} AAAA {v6}")),
        3 => (owner(), ttl(), owner()).prop_map(|(from, ttl, to)| format!("{from} {ttl} CNAME {to}")),
        1 => (owner(), prop::sample::select(vec!["A", "AAAA", "CNAME"]))
            .prop_map(|(owner, rtype)| format!("{owner} 60 RRSIG {rtype}")),
        1 => Just("example 60 DNAME example.net".to_owned()),
        3 => (ttl(), ttl()).prop_map(|(ttl, minimum)| format!("| example {ttl} SOA {minimum}")),
        1 => Just("| example 60 NS ns.example".to_owned()),
        1 => Just("| example 60 NSEC x".to_owned()),
    ]
}

fn any_outcome(qtype: RecordType) -> impl Strategy<Value = Outcome> {
    let rcode = prop::sample::select(vec![
        ResponseCode::NoError,
        ResponseCode::NoError,
        ResponseCode::NoError,
        ResponseCode::NXDomain,
        ResponseCode::ServFail,
        ResponseCode::Refused,
    ]);
    let failure = prop::sample::select(vec![Failure::Silent, Failure::Unreachable, Failure::Overload]);
    prop_oneof![
        8 => (rcode, prop::collection::vec(any_record(), 0..9)).prop_map(move |(rcode, records)| {
            let (authority, answer): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.starts_with('|'));
            let section = |records: Vec<&String>| -> Vec<String> {
                records.into_iter().map(|record| record.trim_start_matches("| ").to_owned()).collect()
            };
            let text = format!("{} | {}", section(answer).join(","), section(authority).join(","));
            says("www.example", qtype, rcode, &text)
        }),
        1 => failure.prop_map(Err),
    ]
}

/// Any legal prefix of any length.
fn any_prefix() -> impl Strategy<Value = Prefix64> {
    let lengths = prop::sample::select(vec![32_u8, 40, 48, 56, 64, 96]);
    (any::<u128>(), lengths).prop_filter_map("a legal prefix", |(bits, length)| {
        // Bits 64 to 71 are zero, and those behind the length.
        let bits = bits & !(u128::MAX >> length) & !(0xff << 56);
        Prefix64::new(Ipv6Addr::from_bits(bits), length).ok()
    })
}

/// Networks that may be embedded or not; the first decides.
fn any_mapped() -> impl Strategy<Value = Vec<MappedNet>> {
    let nets = prop::sample::select(vec![
        "0.0.0.0/0",
        "0.0.0.0/0",
        "9.0.0.0/8",
        "10.0.0.0/8",
        "192.0.2.0/24",
        "128.0.0.0/1",
    ]);
    let one = (nets, any::<bool>()).prop_map(|(net, allow)| MappedNet { net: net.parse().unwrap(), allow });
    prop::collection::vec(one, 0..4)
}

fn any_rule() -> impl Strategy<Value = PrefixRule> {
    let known = ["2001:db8:64::/96", "64:ff9b::/96", "2001:db8:48::/48"]
        .map(|text| text.parse::<Prefix64>().unwrap());
    let prefix = prop_oneof![1 => prop::sample::select(known.to_vec()), 2 => any_prefix()];
    (prefix, any::<u128>(), any_mapped()).prop_map(|(prefix, bits, mapped)| {
        let free = u128::MAX.checked_shr(8 * u32::from(prefix.octets_before_suffix())).unwrap_or(0);
        PrefixRule { prefix, suffix: Ipv6Addr::from_bits(bits & free), mapped }
    })
}

/// IPv6 networks that do not count, none and all of them included.
fn any_exclusion() -> impl Strategy<Value = Vec<ipnet::Ipv6Net>> {
    let nets = ["::ffff:0:0/96", "64:ff9b::/96", "2001:db8:64::/96", "2001:db8::/32", "8000::/1", "::/0"];
    prop::collection::vec(prop::sample::select(nets.to_vec()).prop_map(|net| net.parse().unwrap()), 0..3)
}

fn any_policy() -> impl Strategy<Value = Synthesis> {
    let treatment = || prop::sample::select(vec![Treatment::Synthesize, Treatment::Pass]);
    let cases = (treatment(), treatment(), treatment()).prop_map(|(error, name_error, signed)| Cases {
        error,
        name_error,
        signed,
    });
    let forced = prop::option::of(Just(("example", NameRule::Force)));
    let limits = (any::<bool>(), any::<bool>())
        .prop_map(|(allow_private_ipv4, rebind_protection)| Limits { allow_private_ipv4, rebind_protection });
    let rules = prop::collection::vec(any_rule(), 0..5);
    let more = (any::<bool>(), any::<bool>(), cases);
    (rules, any_exclusion(), limits, forced, more).prop_map(
        |(prefixes, exclude, limits, forced, (private, trust_ad, cases))| Synthesis {
            guarded: prefixes.iter().map(|rule| rule.prefix).collect(),
            prefixes,
            exclude,
            limits,
            names: names(forced.as_slice()),
            private_domains: names(if private { &[("example", ())] } else { &[] }),
            cases,
            trust_ad,
        },
    )
}

/// Whether `v6` stands for `v4` by one of the policy's prefixes, and may: a second opinion on RFC 6052 §2.2 and §3.1, on
/// the lists, and on what is never embedded.
fn may_stand_for(policy: &Synthesis, v4: Ipv4Addr, v6: Ipv6Addr) -> bool {
    let first = v4.octets()[0];
    let remote =
        ![0, 127].contains(&first) && !v4.is_link_local() && !v4.is_multicast() && !v4.is_broadcast();
    let trusted = !policy.private_domains.is_empty();
    let protocols = v4.octets()[..3] == [192, 0, 0];
    let public = addr::special::is_global_v4(v4);
    remote
        && (!policy.limits.rebind_protection || trusted || public || protocols)
        && policy.prefixes.iter().any(|rule| {
            let well_known = rule.prefix.addr() == "64:ff9b::".parse::<Ipv6Addr>().unwrap()
                && rule.prefix.prefix_len() == 96;
            let first = rule.mapped.iter().find(|mapped| mapped.net.contains(&v4));
            first.is_some_and(|mapped| mapped.allow)
                && (!well_known || public || policy.limits.allow_private_ipv4)
                && embedded(rule, v4) == v6
        })
}

/// Prefix, address around octet 8, suffix.
fn embedded(rule: &PrefixRule, v4: Ipv4Addr) -> Ipv6Addr {
    let mut octets = rule.prefix.addr().octets();
    let places = (usize::from(rule.prefix.prefix_len()) / 8..16).filter(|at| *at != 8);
    for (at, octet) in places.zip(v4.octets()) {
        octets[at] = octet;
    }
    Ipv6Addr::from_bits(u128::from_be_bytes(octets) | rule.suffix.to_bits())
}

fn v6_of(records: &[Record]) -> Vec<Ipv6Addr> {
    records
        .iter()
        .filter_map(|record| if let RData::AAAA(AAAA(v6)) = record.data { Some(v6) } else { None })
        .collect()
}

fn soa_count(records: &[Record]) -> usize {
    records.iter().filter(|record| record.record_type() == RecordType::SOA).count()
}

/// What a reply rests on: the AAAA records of the one answer, and the A records of the other with their TTLs.
struct Inputs {
    aaaa: Vec<Record>,
    a: Vec<(Ipv4Addr, u32)>,
    soas: usize,
}

impl Inputs {
    fn new(aaaa: &Outcome, a: &Outcome) -> Self {
        let message = |outcome: &Outcome| outcome.as_ref().ok().map(|answer| answer.message().unwrap());
        let (aaaa, a) = (message(aaaa), message(a));
        let soas = [&aaaa, &a].into_iter().flatten().map(|message| soa_count(&message.authorities)).max();
        let v4 = |record: &Record| match record.data {
            RData::A(A(v4)) => Some((v4, ttl::sane(record.ttl))),
            _ => None,
        };
        Self {
            aaaa: aaaa.map(|message| message.answers).unwrap_or_default(),
            a: a.iter().flat_map(|message| message.answers.iter().filter_map(v4)).collect(),
            soas: soas.unwrap_or(0),
        }
    }
}

fn holds(reply: &Reply, policy: &Synthesis, inputs: &Inputs) -> Result<(), TestCaseError> {
    let Body::Built(built) = &reply.body else { return Ok(()) };
    let source = policy.source(&query("www.example", RecordType::A).name);
    for record in &built.answers {
        let RData::AAAA(AAAA(v6)) = record.data else { continue };
        if reply.origin != Origin::Synthesized {
            prop_assert!(inputs.aaaa.contains(record), "{v6} is nobody's");
            prop_assert!(policy.judge_v6(v6, source).is_ok(), "{v6} is excluded");
            continue;
        }
        let made_of = |(v4, _): &&(Ipv4Addr, u32)| may_stand_for(policy, *v4, v6);
        let ttl = inputs.a.iter().filter(made_of).map(|(_, ttl)| *ttl).max();
        prop_assert!(ttl.is_some(), "{v6} is made of no A record by the policy");
        prop_assert!(Some(record.ttl) <= ttl, "{v6} outlives its A record");
    }
    let synthesized = v6_of(&built.answers);
    if reply.origin == Origin::Synthesized {
        let distinct: HashSet<_> = synthesized.iter().collect();
        prop_assert_eq!(distinct.len(), synthesized.len());
        prop_assert!(!synthesized.is_empty());
    }
    prop_assert!(built.answers.iter().all(|record| record.record_type() != RecordType::A));
    prop_assert!(soa_count(&built.authorities) <= inputs.soas.max(1));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn synthesis_never_yields_an_address_outside_the_policy(
        aaaa in any_outcome(RecordType::AAAA),
        a in any_outcome(RecordType::A),
        policy in any_policy(),
        dnssec_ok in any::<bool>(),
        datagram in any::<bool>(),
    ) {
        let edns = Some(ClientEdns { payload: 1232, version: 0, dnssec_ok, ..ClientEdns::default() });
        let question = Question { edns, ..question("www.example", RecordType::AAAA) };
        let inputs = Inputs::new(&aaaa, &a);
        let reply = match judge(&question, aaaa, &policy) {
            Verdict::Reply(reply) => reply,
            Verdict::AskA(absent) => finish(&question, absent, a, &policy),
        };
        holds(&reply, &policy, &inputs)?;
        let mut out = Vec::new();
        let room = if datagram { Room::Datagram } else { Room::Stream };
        reply.encode(&question, room, Extras::default(), &mut out);
        let sent = Message::from_vec(&out).unwrap();
        prop_assert_eq!(sent.metadata.response_code, reply.rcode());
        if reply.origin == Origin::Forwarded && sent.metadata.response_code == ResponseCode::NoError {
            let source = policy.source(&question.name);
            let believed = |v6: &Ipv6Addr| policy.judge_v6(*v6, source).is_ok();
            prop_assert!(v6_of(&sent.answers).iter().all(believed), "an excluded record leaked");
        }
    }
}
