//! The cases on which resolvers differ, and the lists of names.

use super::*;
use crate::question::ClientEdns;

fn with(change: impl FnOnce(&mut Synthesis)) -> Synthesis {
    let mut synthesis = default();
    change(&mut synthesis);
    synthesis
}

const ONE_A: &str = "www.example 60 A 192.0.2.1";
const MADE: &str = "www.example. 60 AAAA 2001:db8:64::c000:201";

// === errors on AAAA ===

#[test]
fn errors_on_aaaa_are_passed_on_request() {
    let pass = with(|synthesis| synthesis.cases.error = Treatment::Pass);
    for rcode in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::FormErr] {
        let error = says("www.example", RecordType::AAAA, rcode, "");
        assert_eq!(reply(error, None, &pass).rcode(), rcode);
    }
    assert_eq!(reply(Err(Failure::Silent), None, &pass), Reply::failed(Failure::Silent));
}

#[test]
fn a_name_error_is_synthesized_around_on_request() {
    let around = with(|synthesis| synthesis.cases.name_error = Treatment::Synthesize);
    let missing = || says("www.example", RecordType::AAAA, ResponseCode::NXDomain, NO_DATA);
    let made = reply(missing(), Some(a(ONE_A)), &around);
    assert_eq!((made.rcode(), shown(&built(made).answers)), (ResponseCode::NoError, vec![MADE.to_owned()]));
    let Ok(expect) = missing() else { unreachable!() };
    let nothing = [
        a(NO_DATA),
        says("www.example", RecordType::A, ResponseCode::NXDomain, NO_DATA),
        says("www.example", RecordType::A, ResponseCode::ServFail, ""),
        Err(Failure::Silent),
    ];
    for outcome in nothing {
        assert_eq!(reply(missing(), Some(outcome), &around), Reply::forwarded(expect.clone()));
    }
}

// === signed answers ===

/// The reply to a client that sets DO as given.
fn asked_with_do(dnssec_ok: bool, aaaa: Outcome, a: Outcome, synthesis: &Synthesis) -> Reply {
    let edns = Some(ClientEdns { payload: 1232, version: 0, dnssec_ok, ..ClientEdns::default() });
    let question = Question { edns, ..question("www.example", RecordType::AAAA) };
    match judge(&question, aaaa, synthesis) {
        Verdict::Reply(reply) => reply,
        Verdict::AskA(absent) => finish(&question, absent, a, synthesis),
    }
}

#[test]
fn signed_a_records_are_left_alone_on_request_for_who_wants_signatures() {
    let pass = with(|synthesis| synthesis.cases.signed = Treatment::Pass);
    let none = aaaa("| example 3600 SOA 900, example 60 RRSIG SOA, www.example 60 NSEC x");
    let signed = || a("www.example 60 A 192.0.2.1, www.example 60 RRSIG A");
    let Ok(expect) = none.clone() else { unreachable!() };
    assert_eq!(asked_with_do(true, none.clone(), signed(), &pass), Reply::forwarded(expect));
    for (dnssec_ok, outcome, synthesis) in
        [(false, signed(), &pass), (true, a(ONE_A), &pass), (true, signed(), &default())]
    {
        let made = asked_with_do(dnssec_ok, none.clone(), outcome, synthesis);
        assert_eq!(shown(&built(made).answers), [MADE], "DO {dnssec_ok}");
    }
}

#[test]
fn only_the_signature_of_the_a_records_themselves_counts() {
    let pass = with(|synthesis| synthesis.cases.signed = Treatment::Pass);
    let alias = "www.example 60 CNAME cdn.example, www.example 60 RRSIG CNAME, cdn.example 60 A 192.0.2.1";
    let made = asked_with_do(true, aaaa(NO_DATA), a(alias), &pass);
    assert_eq!(made.origin, Origin::Synthesized);
    let signed = a(&format!("{alias}, cdn.example 60 RRSIG A"));
    assert_eq!(asked_with_do(true, aaaa(NO_DATA), signed, &pass).origin, Origin::Forwarded);
}

#[test]
fn excluded_aaaa_never_leaks_however_signed_it_is() {
    let pass = with(|synthesis| synthesis.cases.signed = Treatment::Pass);
    let excluded = aaaa("www.example 60 AAAA ::ffff:192.0.2.9, www.example 60 RRSIG AAAA");
    let signed = a("www.example 60 A 192.0.2.1, www.example 60 RRSIG A");
    let records = built(asked_with_do(true, excluded, signed, &pass));
    assert_eq!((records.rcode, records.answers.len()), (ResponseCode::NoError, 0));
}

// === forced names ===

fn forced() -> Synthesis {
    with(|synthesis| synthesis.names = names(&[("example", NameRule::Force)]))
}

#[test]
fn aaaa_of_forced_names_are_passed_over() {
    let real = aaaa("www.example 50 AAAA 2001:db8::1");
    let made = reply(real, Some(a(ONE_A)), &forced());
    assert_eq!(
        shown(&built(made).answers),
        ["www.example. 50 AAAA 2001:db8:64::c000:201"],
        "the TTL is at most that of the record passed over"
    );
}

#[test]
fn a_forced_name_without_a_keeps_its_real_aaaa() {
    let real = || aaaa("www.example 50 AAAA 2001:db8::1");
    let Ok(expect) = real() else { unreachable!() };
    let nothing = [
        a(NO_DATA),
        a("www.example 60 A 127.0.0.1"),
        says("www.example", RecordType::A, ResponseCode::NXDomain, NO_DATA),
        Err(Failure::Silent),
    ];
    for (index, outcome) in nothing.into_iter().enumerate() {
        let Reply { origin, body } = reply(real(), Some(outcome), &forced());
        let Body::Passed(answer) = body else { panic!("the real answer") };
        assert_eq!((origin, answer.records(2)), (Origin::Forwarded, expect.records(2)), "{index}");
    }
}

#[test]
fn a_forced_name_without_a_still_loses_excluded_records() {
    let mixed = aaaa("www.example 50 AAAA 2001:db8::1, www.example 50 AAAA ::ffff:192.0.2.9");
    let kept = reply(mixed, Some(a(NO_DATA)), &forced());
    assert_eq!(shown(&built(kept).answers), ["www.example. 50 AAAA 2001:db8::1"]);
}

// === private names ===

#[test]
fn private_addresses_of_public_names_are_not_embedded_and_those_of_private_names_are() {
    let mut guarded = with(|synthesis| synthesis.limits.rebind_protection = true);
    let private = || a("www.example 60 A 192.168.0.1");
    let refused = reply(aaaa(NO_DATA), Some(private()), &guarded);
    let Body::Passed(answer) = &refused.body else { panic!("the AAAA answer") };
    let why = answer.extended_errors().last().expect("an explanation");
    assert_eq!((why.code, &*why.text), (15, &b"A record: a public name leads to a private address"[..]));
    guarded.private_domains = names(&[("example", ())]);
    let made = reply(aaaa(NO_DATA), Some(private()), &guarded);
    assert_eq!(shown(&built(made).answers), ["www.example. 60 AAAA 2001:db8:64::c0a8:1"]);
}

#[test]
fn a_public_name_does_not_become_private_by_an_alias() {
    let mut guarded = with(|synthesis| synthesis.limits.rebind_protection = true);
    guarded.private_domains = names(&[("corp.example", ())]);
    let sly = a("www.example 60 CNAME db.corp.example, db.corp.example 60 A 192.168.0.1");
    assert_eq!(reply(aaaa(NO_DATA), Some(sly), &guarded).origin, Origin::Forwarded);
}

// === explanations ===

fn codes(reply: &Reply) -> Vec<u16> {
    let errors = match &reply.body {
        Body::Passed(answer) => answer.extended_errors(),
        Body::Built(built) => &built.errors,
    };
    errors.iter().map(|error| error.code).collect()
}

#[test]
fn replies_say_why_they_are_as_they_are() {
    let none = || aaaa(NO_DATA);
    assert_eq!(codes(&reply(none(), Some(a(ONE_A)), &default())), [29]);
    assert_eq!(codes(&reply(none(), Some(a(NO_DATA)), &default())), [0; 0]);
    assert_eq!(codes(&reply(none(), Some(a("www.example 60 A 127.0.0.1")), &default())), [15]);
    let excluded = || aaaa("www.example 60 AAAA ::ffff:192.0.2.9");
    assert_eq!(codes(&reply(excluded(), Some(a(ONE_A)), &default())), [29]);
    assert_eq!(codes(&reply(excluded(), Some(a(NO_DATA)), &default())), [17]);
    let mixed = aaaa("www.example 60 AAAA 2001:db8::1, www.example 60 AAAA ::ffff:192.0.2.9");
    assert_eq!(codes(&reply(mixed, None, &default())), [17]);
}

#[test]
fn what_is_needed_of_a_says_why() {
    let reason = |outcome: Outcome, synthesis: &Synthesis| match judge(
        &question("www.example", RecordType::AAAA),
        outcome,
        synthesis,
    ) {
        Verdict::AskA(absent) => absent.reason().to_string(),
        Verdict::Reply(reply) => panic!("{reply:?}"),
    };
    assert_eq!(reason(aaaa(NO_DATA), &default()), "the name has no AAAA records");
    assert_eq!(reason(Err(Failure::Silent), &default()), "asking for AAAA ended in an error");
    assert_eq!(
        reason(aaaa("www.example 60 AAAA ::ffff:192.0.2.9"), &default()),
        "the name has excluded AAAA records only: ::ffff:0.0.0.0/96 is excluded"
    );
    assert_eq!(
        reason(aaaa("other.example 60 AAAA 2001:db8::1"), &default()),
        "the answer is about other names"
    );
    let real = aaaa("www.example 60 AAAA 2001:db8::1");
    assert_eq!(reason(real, &forced()), "the name's AAAA records are passed over");
}
