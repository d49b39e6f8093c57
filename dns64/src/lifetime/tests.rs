use super::*;
use crate::answer::tests::{answer, query, reply};
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::{A, CNAME, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

const BOUNDS: Bounds = Bounds { max_ttl: 86_400, max_negative_ttl: 3600 };

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn a(owner: &str, ttl: u32) -> Record {
    Record::from_rdata(name(owner), ttl, RData::A(A::new(192, 0, 2, 1)))
}

fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
}

fn soa(ttl: u32, minimum: u32) -> Record {
    let data = SOA::new(name("example."), name("example."), 1, 2, 3, 4, minimum);
    Record::from_rdata(name("example."), ttl, RData::SOA(data))
}

/// What becomes of an answer to `www.example A`, and the TTLs that it then has.
fn settled(fill: impl FnOnce(&mut Message)) -> (Keep, Vec<u32>) {
    let query = query("www.example", RecordType::A);
    let mut message = reply(&query);
    fill(&mut message);
    let mut answer = answer(&query, &message);
    let keep = settle(&mut answer, &query, BOUNDS);
    let message = answer.message().unwrap();
    let ttls = message.answers.iter().chain(&message.authorities).chain(&message.additionals);
    (keep, ttls.map(|record| record.ttl).collect())
}

fn with(answers: &[Record], authorities: &[Record]) -> (Keep, Vec<u32>) {
    settled(|message| {
        message.add_answers(answers.iter().cloned());
        message.add_authorities(authorities.iter().cloned());
    })
}

fn absence(keep: &Keep) -> Option<u32> {
    match keep {
        Keep::Absence { lifetime, .. } => Some(*lifetime),
        _ => None,
    }
}

#[test]
fn records_are_kept_for_the_least_of_their_ttls() {
    assert_eq!(with(&[a("www.example.", 300)], &[]).0, Keep::For(300));
    let chain = [cname("www.example.", 60, "web.example."), a("web.example.", 300)];
    assert_eq!(with(&chain, &[]), (Keep::For(60), vec![60, 300]));
}

#[test]
fn ttls_are_bounded() {
    assert_eq!(with(&[a("www.example.", 604_800)], &[]), (Keep::For(86_400), vec![86_400]));
    assert_eq!(with(&[a("www.example.", 1 << 31)], &[]), (Keep::Not(0), vec![0]), "RFC 2181 §8");
    let (keep, ttls) = with(&[], &[soa(604_800, 604_800)]);
    assert_eq!((absence(&keep), ttls), (Some(3600), vec![3600]));
}

#[test]
fn an_absence_is_kept_for_as_long_as_its_soa_record_says() {
    for (ttl, minimum, expect) in [(900, 60, 60), (60, 900, 60), (7200, 7200, 3600)] {
        assert_eq!(absence(&with(&[], &[soa(ttl, minimum)]).0), Some(expect), "{ttl} {minimum}");
    }
    let name_error = settled(|message| {
        message.metadata.response_code = ResponseCode::NXDomain;
        message.add_authority(soa(900, 60));
    });
    assert_eq!(absence(&name_error.0), Some(60));
    let chain = with(&[cname("www.example.", 30, "web.example.")], &[soa(900, 60)]);
    assert_eq!(absence(&chain.0), Some(30), "the alias does not hold for longer");
}

#[test]
fn an_absence_without_an_soa_record_is_not_kept() {
    assert_eq!(with(&[], &[]).0, Keep::Not(WITHOUT_SOA));
    assert_eq!(with(&[], &[soa(0, 60)]).0, Keep::Not(0));
    assert_eq!(with(&[], &[soa(60, 0)]).0, Keep::Not(0));
}

#[test]
fn a_ttl_of_zero_is_not_kept() {
    assert_eq!(with(&[a("www.example.", 0)], &[]).0, Keep::Not(0));
    assert_eq!(
        with(&[cname("www.example.", 0, "web.example."), a("web.example.", 300)], &[]).0,
        Keep::Not(0)
    );
}

#[test]
fn records_of_another_owner_or_class_are_not_kept() {
    assert_eq!(with(&[a("ftp.example.", 300)], &[soa(900, 60)]).0, Keep::Not(0));
    assert_eq!(with(&[a("www.example.", 300), a("ftp.example.", 300)], &[]).0, Keep::Not(0));
    let mut foreign = a("www.example.", 300);
    foreign.dns_class = DNSClass::CH;
    // It is taken out where the answer is read, and what is left has no SOA record to say how long it holds.
    assert_eq!(with(&[foreign], &[]).0, Keep::Not(600));
}

#[test]
fn a_loop_of_aliases_ends() {
    let chain = [cname("www.example.", 60, "web.example."), cname("web.example.", 60, "www.example.")];
    assert_eq!(absence(&with(&chain, &[soa(900, 60)]).0), Some(60));
}

#[test]
fn truncated_answers_are_not_kept_and_errors_are_failures() {
    let truncated = settled(|message| {
        message.metadata.truncation = true;
        message.add_answer(a("www.example.", 300));
    });
    assert_eq!(truncated.0, Keep::Not(0));
    for rcode in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::FormErr, ResponseCode::NotImp]
    {
        assert_eq!(settled(|message| message.metadata.response_code = rcode).0, Keep::Failure, "{rcode}");
    }
}

#[test]
fn another_class_is_not_kept() {
    let query = Query { qclass: 3, ..query("www.example", RecordType::A) };
    let mut message = reply(&query);
    message.queries[0].query_class = DNSClass::CH;
    assert_eq!(settle(&mut answer(&query, &message), &query, BOUNDS), Keep::Not(0));
}
