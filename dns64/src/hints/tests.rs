use super::*;
use crate::answer::tests::{answer, reply as upstream_reply};
use crate::policy::tests::{client, policy as policy_of, synthesis};
use crate::query::Query;
use crate::question::ClientEdns;
use crate::reply::tests::{built, question, with_edns};
use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::svcb::{Alpn, IpHint, Mandatory};
use hickory_proto::rr::rdata::{A, HTTPS, NULL};
use std::str::FromStr;

const ALPN: (SvcParamKey, fn() -> SvcParamValue) =
    (SvcParamKey::Alpn, || SvcParamValue::Alpn(Alpn(vec!["h2".into()])));

fn hint() -> (SvcParamKey, SvcParamValue) {
    (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(vec![A::new(192, 0, 2, 1)])))
}

fn mandatory(keys: &[SvcParamKey]) -> (SvcParamKey, SvcParamValue) {
    (SvcParamKey::Mandatory, SvcParamValue::Mandatory(Mandatory(keys.to_vec())))
}

fn service(params: Vec<(SvcParamKey, SvcParamValue)>) -> Record {
    let owner = Name::from_str("www.example.").unwrap();
    Record::from_rdata(owner, 60, RData::HTTPS(HTTPS(SVCB::new(1, Name::root(), params))))
}

fn signature(covered: RecordType) -> Record {
    let rdata = NULL::with(u16::from(covered).to_be_bytes().to_vec());
    let rdata = RData::Unknown { code: RecordType::RRSIG, rdata };
    Record::from_rdata(Name::from_str("www.example.").unwrap(), 60, rdata)
}

/// What becomes of an answer with these records.
fn stripped(answers: Vec<Record>, dnssec_ok: bool) -> Reply {
    let mut question = with_edns(&question("www.example", RecordType::HTTPS), 1232);
    question.edns = question.edns.map(|edns| ClientEdns { dnssec_ok, ..edns });
    let query = Query::new(&question, question.name, RecordType::HTTPS);
    let mut message = upstream_reply(&query);
    message.add_answers(answers);
    strip(&question, Ok(answer(&query, &message)), false)
}

/// The keys that are left.
fn keys(reply: Reply) -> Vec<SvcParamKey> {
    let RData::HTTPS(https) = &built(reply).answers[0].data else { panic!("an HTTPS record") };
    https.0.svc_params.iter().map(|(key, _)| *key).collect()
}

#[test]
fn the_hint_goes_and_the_rest_stays() {
    let (alpn, value) = ALPN;
    let reply = stripped(vec![service(vec![(alpn, value()), hint()])], false);
    assert_eq!(reply.origin, Origin::Filtered);
    assert_eq!(keys(reply), [SvcParamKey::Alpn]);
}

#[test]
fn the_mandatory_list_loses_the_key_and_goes_when_it_is_empty() {
    let (alpn, value) = ALPN;
    let both = [SvcParamKey::Alpn, SvcParamKey::Ipv4Hint];
    let reply = stripped(vec![service(vec![mandatory(&both), (alpn, value()), hint()])], false);
    let RData::HTTPS(https) = &built(reply.clone()).answers[0].data else { panic!("an HTTPS record") };
    assert_eq!(https.0.svc_params[0], mandatory(&[SvcParamKey::Alpn]));
    assert_eq!(keys(reply), [SvcParamKey::Mandatory, SvcParamKey::Alpn]);
    let alone = vec![mandatory(&[SvcParamKey::Ipv4Hint]), (alpn, value()), hint()];
    assert_eq!(keys(stripped(vec![service(alone)], false)), [SvcParamKey::Alpn]);
}

#[test]
fn signed_records_stay_as_they_are_for_who_wants_signatures() {
    let signed = || vec![service(vec![hint()]), signature(RecordType::HTTPS)];
    assert_eq!(stripped(signed(), true).origin, Origin::Forwarded);
    assert_eq!(stripped(signed(), false).origin, Origin::Filtered);
    assert_eq!(stripped(vec![service(vec![hint()])], true).origin, Origin::Filtered, "unsigned");
}

#[test]
fn answers_without_hints_pass_octet_by_octet() {
    let (alpn, value) = ALPN;
    assert_eq!(stripped(vec![service(vec![(alpn, value())])], false).origin, Origin::Forwarded);
    assert_eq!(stripped(vec![], false).origin, Origin::Forwarded);
    let asked = question("www.example", RecordType::HTTPS);
    let silent = strip(&asked, Err(crate::answer::Failure::Silent), false);
    assert_eq!(silent.origin, Origin::Failed);
}

#[test]
fn hints_are_left_out_only_on_request_and_only_for_who_is_synthesized_for() {
    let own = synthesis(&["2001:db8:64::/96"]);
    let clients = vec![client(&["2001:db8:6::/64"], Some(own.clone())), client(&["192.0.2.0/24"], None)];
    let mut policy = policy_of(clients, own);
    let strips = |policy: &Policy, address: &str| unwanted(policy, policy.view(address.parse().unwrap()));
    assert!(!strips(&policy, "2001:db8:6::1"));
    policy = policy.with_site(|site| site.strip_ipv4hint = true);
    assert!(strips(&policy, "2001:db8:6::1") && !strips(&policy, "192.0.2.1"));
}
