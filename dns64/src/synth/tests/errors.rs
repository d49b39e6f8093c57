//! Errors and silence on either side (RFC 6147 §5.1.2, §5.1.3, §5.1.6).

use super::*;
use crate::policy::Cases;

fn aaaa_error(rcode: ResponseCode) -> Outcome {
    says("www.example", RecordType::AAAA, rcode, "")
}

fn a_error(rcode: ResponseCode) -> Outcome {
    says("www.example", RecordType::A, rcode, "")
}

fn rcode(aaaa: Outcome, a: Outcome) -> ResponseCode {
    reply(aaaa, Some(a), &default()).rcode()
}

#[test]
fn a_name_error_is_the_reply() {
    let missing = says("www.example", RecordType::AAAA, ResponseCode::NXDomain, NO_DATA);
    let Ok(expect) = missing.clone() else { unreachable!() };
    assert_eq!(reply(missing, None, &default()), Reply::forwarded(expect));
}

#[test]
fn any_other_error_counts_as_no_aaaa() {
    for error in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::FormErr, ResponseCode::NotImp]
    {
        assert_eq!(
            answers(aaaa_error(error), a("www.example 60 A 192.0.2.1")),
            ["www.example. 60 AAAA 2001:db8:64::c000:201"],
            "{error}"
        );
    }
}

#[test]
fn silence_counts_as_no_aaaa() {
    for failure in [Failure::Silent, Failure::Unreachable, Failure::Malformed] {
        assert_eq!(answers(Err(failure), a("www.example 60 A 192.0.2.1")).len(), 1, "{failure:?}");
    }
}

#[test]
fn an_error_on_both_sides_is_the_error_of_a() {
    assert_eq!(
        rcode(aaaa_error(ResponseCode::ServFail), a_error(ResponseCode::Refused)),
        ResponseCode::Refused
    );
    assert_eq!(rcode(aaaa(NO_DATA), a_error(ResponseCode::ServFail)), ResponseCode::ServFail);
    assert_eq!(rcode(aaaa(NO_DATA), a_error(ResponseCode::NXDomain)), ResponseCode::NXDomain);
    assert_eq!(rcode(aaaa(NO_DATA), Err(Failure::Silent)), ResponseCode::ServFail);
    assert_eq!(rcode(Err(Failure::Silent), Err(Failure::Silent)), ResponseCode::ServFail);
}

#[test]
fn an_error_on_aaaa_and_no_a_is_no_data() {
    let Ok(expect) = a(NO_DATA) else { unreachable!() };
    let none = reply(aaaa_error(ResponseCode::ServFail), Some(a(NO_DATA)), &default());
    assert_eq!(none, Reply::forwarded(expect), "the A answer's");
    let without_soa = reply(aaaa_error(ResponseCode::ServFail), Some(a("")), &default());
    let records = built(without_soa);
    assert_eq!((records.rcode, records.answers.len()), (ResponseCode::NoError, 0));
    assert!(shown(&records.authorities)[0].starts_with("www.example. 600 SOA"), "made up");
}

#[test]
fn no_data_on_both_sides_is_the_aaaa_answer() {
    let none = aaaa(NO_DATA);
    let Ok(expect) = none.clone() else { unreachable!() };
    assert_eq!(reply(none, Some(a("| example 60 SOA 60")), &default()), Reply::forwarded(expect));
}

#[test]
fn an_answer_without_records_and_without_soa_counts_as_no_aaaa() {
    assert_eq!(answers(aaaa("| example 60 NS ns.example"), a("www.example 60 A 192.0.2.1")).len(), 1);
}

#[test]
fn a_failed_validation_upstream_is_not_worked_around() {
    for code in [1_u16, 2, 5, 6, 7, 8, 9, 10, 11, 12, 27] {
        let query = query("www.example", RecordType::AAAA);
        let mut message = upstream_reply(&query);
        message.metadata.response_code = ResponseCode::ServFail;
        let mut edns = Edns::new();
        edns.options_mut().insert(EdnsOption::Unknown(15, code.to_be_bytes().to_vec()));
        message.set_edns(edns);
        let bogus = Ok(answer(&query, &message));
        assert_eq!(reply(bogus, None, &default()).rcode(), ResponseCode::ServFail, "{code}");
    }
}

#[test]
fn an_alias_without_records_is_no_data() {
    let Ok(expect) = a("www.example 60 CNAME a.example | example 900 SOA 300") else { unreachable!() };
    let alias = a("www.example 60 CNAME a.example | example 900 SOA 300");
    assert_eq!(reply(aaaa_error(ResponseCode::ServFail), Some(alias), &default()), Reply::forwarded(expect));
}

#[test]
fn a_truncated_answer_says_nothing_of_what_is_absent() {
    let truncated = |qtype, text| {
        let query = query("www.example", qtype);
        let mut message = upstream_reply(&query);
        message.metadata.truncation = true;
        message.add_answers(Some(text).filter(|text: &&str| !text.is_empty()).map(record));
        Ok(answer(&query, &message))
    };
    let absent = truncated(RecordType::AAAA, "");
    assert_eq!(
        answers(absent, a("www.example 7200 A 192.0.2.1")),
        ["www.example. 600 AAAA 2001:db8:64::c000:201"]
    );
    let some = truncated(RecordType::A, "www.example 60 A 192.0.2.1");
    assert_eq!(reply(aaaa(NO_DATA), Some(some), &default()), Reply::failed(Failure::Malformed));
}

#[test]
fn records_of_other_names_in_a_truncated_answer_are_not_passed_on() {
    let query = query("www.example", RecordType::AAAA);
    let mut message = upstream_reply(&query);
    message.metadata.truncation = true;
    message.add_answer(record("cdn.example 60 AAAA ::ffff:192.0.2.9"));
    let stray = || Ok(answer(&query, &message));
    let pass = Synthesis { cases: Cases { error: Treatment::Pass, ..Cases::default() }, ..default() };
    assert_eq!(reply(stray(), None, &pass), Reply::failed(Failure::Malformed));
    let a = a("www.example 60 A 192.0.2.1");
    assert_eq!(answers(stray(), a), ["www.example. 60 AAAA 2001:db8:64::c000:201"]);
}
