use super::*;
use crate::answer::tests::{answer, query, reply as upstream_reply};
use crate::policy::tests::{names, rule, synthesis};
use crate::policy::{Limits, Synthesis};
use crate::reply::tests::{built, question, shown};
use hickory_proto::op::Edns;
use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{A, CNAME, NULL};
use std::net::Ipv4Addr;
use std::str::FromStr;

mod chains;
mod errors;
mod exclusion;
mod knobs;
mod properties;

/// A record in the form `owner ttl type data`.
fn record(text: &str) -> Record {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_else(|| panic!("{text}"));
    // Not from_str, which lowers the case.
    let owner = Name::from_ascii(format!("{}.", word())).unwrap();
    let ttl = word().parse().unwrap();
    let (rtype, data) = (word(), word());
    let name = |text: &str| Name::from_str(&format!("{text}.")).unwrap();
    let rdata = match rtype {
        "A" => RData::A(A(data.parse().unwrap())),
        "AAAA" => RData::AAAA(AAAA(data.parse().unwrap())),
        "CNAME" => RData::CNAME(CNAME(name(data))),
        "SOA" => return zone_soa(&owner, ttl, data.parse().unwrap()),
        "NS" => RData::NS(hickory_proto::rr::rdata::NS(name(data))),
        // An RRSIG of which only the covered type matters here.
        "RRSIG" => unknown(RecordType::RRSIG, &u16::from(RecordType::from_str(data).unwrap()).to_be_bytes()),
        "NSEC" => unknown(RecordType::NSEC, b"\x00\x00\x01\x40"),
        "DNAME" => unknown(RecordType::DNAME, query(data, RecordType::A).name.as_bytes()),
        other => panic!("{other}"),
    };
    Record::from_rdata(owner, ttl, rdata)
}

fn unknown(code: RecordType, data: &[u8]) -> RData {
    RData::Unknown { code, rdata: NULL::with(data.to_vec()) }
}

fn zone_soa(owner: &Name, ttl: u32, minimum: u32) -> Record {
    let mut record = zone::soa(owner.clone(), minimum);
    record.ttl = ttl;
    record
}

#[expect(clippy::unnecessary_wraps, reason = "an outcome is what the functions under test take")]
/// What an upstream says to a query for `qtype`: a response code, then sections `answer | authority | additional`.
fn says(name: &str, qtype: RecordType, rcode: ResponseCode, text: &str) -> Outcome {
    let query = query(name, qtype);
    let mut message = upstream_reply(&query);
    message.metadata.response_code = rcode;
    let mut sections = text.split('|').map(|section| {
        section.split(',').map(str::trim).filter(|text| !text.is_empty()).map(record).collect::<Vec<_>>()
    });
    message.add_answers(sections.next().unwrap_or_default());
    message.add_authorities(sections.next().unwrap_or_default());
    message.add_additionals(sections.next().unwrap_or_default());
    Ok(answer(&query, &message))
}

fn aaaa(text: &str) -> Outcome {
    says("www.example", RecordType::AAAA, ResponseCode::NoError, text)
}

fn a(text: &str) -> Outcome {
    says("www.example", RecordType::A, ResponseCode::NoError, text)
}

const NO_DATA: &str = "| example 900 SOA 300";

/// The reply to `www.example AAAA`, where A is asked only if needed.
fn reply(aaaa: Outcome, a: Option<Outcome>, synthesis: &Synthesis) -> Reply {
    let question = question("www.example", RecordType::AAAA);
    match (judge(&question, aaaa, synthesis), a) {
        (Verdict::Reply(reply), None) => reply,
        (Verdict::AskA(absent), Some(a)) => finish(&question, absent, a, synthesis),
        (Verdict::Reply(reply), Some(_)) => panic!("A is not needed: {reply:?}"),
        (Verdict::AskA(absent), None) => panic!("A is needed: {absent:?}"),
    }
}

/// The answer section of a reply that was built here, by the default policy.
fn answers(aaaa: Outcome, a: Outcome) -> Vec<String> {
    shown(&built(reply(aaaa, Some(a), &synthesis(&["2001:db8:64::/96"]))).answers)
}

fn default() -> Synthesis {
    synthesis(&["2001:db8:64::/96"])
}

// === what is synthesized ===

#[test]
fn a_name_with_only_a_is_synthesized() {
    let reply = reply(aaaa(NO_DATA), Some(a("www.example 60 A 192.0.2.1")), &default());
    assert_eq!(reply.origin, Origin::Synthesized);
    assert_eq!(shown(&built(reply).answers), ["www.example. 60 AAAA 2001:db8:64::c000:201"]);
}

#[test]
fn real_aaaa_is_returned_untouched_with_its_signature() {
    let real = aaaa("www.example 60 AAAA 2001:db8::1, www.example 60 RRSIG AAAA");
    let Ok(expect) = real.clone() else { unreachable!() };
    assert_eq!(reply(real, None, &default()), Reply::forwarded(expect));
}

#[test]
fn every_prefix_length_follows_the_rfc_6052_table() {
    for (prefix, expect) in [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::c000:221"),
    ] {
        let reply = reply(aaaa(NO_DATA), Some(a("www.example 60 A 192.0.2.33")), &synthesis(&[prefix]));
        assert_eq!(shown(&built(reply).answers), [format!("www.example. 60 AAAA {expect}")], "{prefix}");
    }
}

#[test]
fn each_address_is_embedded_in_each_prefix_once_and_in_order() {
    let two = synthesis(&["2001:db8:a::/96", "2001:db8:b::/96"]);
    let addresses = "www.example 60 A 192.0.2.2, www.example 60 A 192.0.2.1, www.example 60 A 192.0.2.2";
    let reply = reply(aaaa(NO_DATA), Some(a(addresses)), &two);
    assert_eq!(
        shown(&built(reply).answers),
        [
            "www.example. 60 AAAA 2001:db8:a::c000:202",
            "www.example. 60 AAAA 2001:db8:b::c000:202",
            "www.example. 60 AAAA 2001:db8:a::c000:201",
            "www.example. 60 AAAA 2001:db8:b::c000:201",
        ]
    );
}

#[test]
fn more_records_than_a_reply_should_hold_are_cut_off() {
    let many: Vec<_> = (0..1100).map(|i| format!("www.example 60 A 10.0.{}.{}", i / 256, i % 256)).collect();
    assert_eq!(answers(aaaa(NO_DATA), a(&many.join(","))).len(), MAX_SYNTHESIZED);
}

#[test]
fn addresses_that_may_not_be_embedded_are_left_out() {
    let well_known = synthesis(&["64:ff9b::/96"]);
    let mixed = a("www.example 60 A 10.0.0.1, www.example 60 A 9.9.9.9, www.example 60 A 192.168.1.1");
    let reply = reply(aaaa(NO_DATA), Some(mixed), &well_known);
    assert_eq!(shown(&built(reply).answers), ["www.example. 60 AAAA 64:ff9b::909:909"]);
}

#[test]
fn where_no_address_may_be_embedded_the_aaaa_answer_stands() {
    let none = aaaa(NO_DATA);
    let Ok(expect) = none.clone() else { unreachable!() };
    for (v4, policy) in [
        ("10.0.0.1", synthesis(&["64:ff9b::/96"])),
        ("127.0.0.1", default()),
        (
            "10.0.0.1",
            Synthesis {
                prefixes: vec![rule("2001:db8:64::/96", &["!10.0.0.0/8", "0.0.0.0/0"])],
                ..default()
            },
        ),
    ] {
        let private = a(&format!("www.example 60 A {v4}"));
        let Body::Passed(passed) = reply(none.clone(), Some(private), &policy).body else { panic!("{v4}") };
        assert_eq!(passed.records(2), expect.records(2), "{v4}");
    }
}

// === the TTL ===

#[test]
fn the_ttl_is_the_least_of_a_and_the_absence_of_aaaa() {
    let check = |a_ttl: u32, negative: &str, expect: u32| {
        let synthesized = answers(aaaa(negative), a(&format!("www.example {a_ttl} A 192.0.2.1")));
        assert_eq!(
            synthesized,
            [format!("www.example. {expect} AAAA 2001:db8:64::c000:201")],
            "{a_ttl} {negative}"
        );
    };
    for (a_ttl, expect) in [(500, 500), (700, 700), (1100, 1100), (1300, 1200)] {
        check(a_ttl, "| example 3600 SOA 1200", expect);
    }
    check(1300, "| example 100 SOA 1200", 100);
    check(0, "| example 3600 SOA 1200", 0);
    check(500, "", 500);
    check(7200, "", 600);
    check(u32::MAX, "| example 3600 SOA 1200", 0);
}

#[test]
fn without_an_aaaa_answer_the_ttl_is_at_most_600() {
    let silent = Err(Failure::Silent);
    assert_eq!(
        answers(silent, a("www.example 7200 A 192.0.2.1")),
        ["www.example. 600 AAAA 2001:db8:64::c000:201"]
    );
}

// === the other sections ===

#[test]
fn authority_and_additional_are_those_of_the_a_answer_untouched() {
    let sections = "www.example 60 A 192.0.2.1 | example 60 NS ns.example | ns.example 60 A 192.0.2.53";
    let reply = built(reply(aaaa(NO_DATA), Some(a(sections)), &default()));
    assert_eq!(shown(&reply.authorities), ["example. 60 NS ns.example."]);
    assert_eq!(shown(&reply.additionals), ["ns.example. 60 A 192.0.2.53"]);
}

#[test]
fn signatures_and_denials_that_no_longer_fit_are_left_out() {
    let signed = "www.example 60 A 192.0.2.1, www.example 60 RRSIG A \
        | example 60 NS ns.example, example 60 RRSIG NS, a.example 60 NSEC x, a.example 60 RRSIG NSEC";
    let reply = built(reply(aaaa(NO_DATA), Some(a(signed)), &default()));
    assert_eq!(shown(&reply.answers), ["www.example. 60 AAAA 2001:db8:64::c000:201"]);
    assert_eq!(
        reply.authorities.iter().map(Record::record_type).collect::<Vec<_>>(),
        [RecordType::NS, RecordType::RRSIG]
    );
}

#[test]
fn the_owner_is_spelt_as_in_the_a_answer() {
    let query = query("www.example", RecordType::A);
    let mut message = upstream_reply(&query);
    message.add_answer(record("WWW.Example 60 A 192.0.2.1"));
    assert_eq!(
        answers(aaaa(NO_DATA), Ok(answer(&query, &message)))[0],
        "WWW.Example. 60 AAAA 2001:db8:64::c000:201"
    );
}
