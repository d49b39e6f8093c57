use super::*;
use crate::answer::tests::{answer, query, reply as upstream_reply};
use crate::name::WireName;
use crate::question::ClientEdns;
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::{A, AAAA, TXT};
use hickory_proto::rr::{Name, RData, RecordType};
use proptest::prelude::*;
use std::net::Ipv6Addr;

/// A question without EDNS, RD set.
pub(crate) fn question(name: &str, qtype: RecordType) -> Question {
    let labels = name.split('.').filter(|label| !label.is_empty()).map(str::as_bytes);
    Question {
        id: 0x2b2b,
        name: WireName::from_labels(labels).unwrap(),
        qtype,
        qclass: 1,
        recursion_desired: true,
        checking_disabled: false,
        authentic_data: false,
        edns: None,
    }
}

/// The same with EDNS.
pub(crate) fn with_edns(question: &Question, payload: u16) -> Question {
    Question { edns: Some(ClientEdns { payload, ..ClientEdns::default() }), ..question.clone() }
}

/// The records of a reply that was built here.
pub(crate) fn built(reply: impl Into<Option<Reply>>) -> Built {
    match reply.into().expect("a reply").body {
        Body::Built(built) => built,
        Body::Passed(_) => panic!("passed on"),
    }
}

/// Records as `owner ttl type data`.
pub(crate) fn shown(records: &[Record]) -> Vec<String> {
    let show = |record: &Record| {
        let data = match &record.data {
            RData::Unknown { rdata, .. } => format!("{:02x?}", rdata.anything),
            data => data.to_string(),
        };
        format!("{} {} {} {data}", record.name, record.ttl, record.record_type())
    };
    records.iter().map(show).collect()
}

fn encode(reply: &Reply, question: &Question, room: Room) -> (Vec<u8>, Message) {
    let mut out = vec![0xee; 3];
    reply.encode(question, room, Extras::default(), &mut out);
    let message = Message::from_vec(&out).unwrap_or_else(|error| panic!("{error}: {out:02x?}"));
    (out, message)
}

fn addresses(count: u16) -> Vec<Record> {
    let record = |i| RData::AAAA(AAAA(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, i)));
    (0..count).map(|i| Record::from_rdata(Name::from_ascii("www.example.").unwrap(), 60, record(i))).collect()
}

fn of(answers: Vec<Record>) -> Reply {
    Reply { origin: Origin::Synthesized, body: Body::Built(Built { answers, ..Built::default() }) }
}

#[test]
fn the_question_comes_back_octet_by_octet() {
    let question = question("wWw.ExAmPlE", RecordType::AAAA);
    for reply in [of(addresses(1)), Reply::refused(ResponseCode::Refused)] {
        let (out, message) = encode(&reply, &question, Room::Datagram);
        assert_eq!(&out[HEADER..HEADER + 13], b"\x03wWw\x07ExAmPlE\x00");
        assert_eq!(message.metadata.id, 0x2b2b);
    }
}

#[test]
fn header_bits_follow_the_rules_of_a_forwarder() {
    let mut question = question("www.example", RecordType::AAAA);
    question.checking_disabled = true;
    let (_, message) = encode(&of(addresses(1)), &question, Room::Datagram);
    let header = message.metadata;
    assert!(header.recursion_available && header.recursion_desired && header.checking_disabled);
    assert!(!header.authoritative && !header.authentic_data && !header.truncation);
    question.recursion_desired = false;
    question.checking_disabled = false;
    let (_, message) = encode(&of(addresses(1)), &question, Room::Datagram);
    assert!(!message.metadata.recursion_desired && !message.metadata.checking_disabled);
}

#[test]
fn upstream_header_bits_do_not_leak() {
    let query = query("www.example", RecordType::A);
    let mut message = upstream_reply(&query);
    message.metadata.authoritative = true;
    message.metadata.authentic_data = true;
    let reply = Reply::forwarded(answer(&query, &message));
    let (_, message) = encode(&reply, &question("www.example", RecordType::A), Room::Datagram);
    assert!(!message.metadata.authoritative && !message.metadata.authentic_data);
    assert!(message.metadata.recursion_available);
}

#[test]
fn ad_of_a_trusted_upstream_reaches_clients_that_understand_it() {
    let query = query("www.example", RecordType::A);
    let answered = |ad: bool| {
        let mut message = upstream_reply(&query);
        message.metadata.authentic_data = ad;
        answer(&query, &message)
    };
    let plain = question("www.example", RecordType::A);
    let mut with_do = with_edns(&plain, 1232);
    let with_ad = Question { authentic_data: true, ..question("www.example", RecordType::A) };
    with_do.edns = with_do.edns.map(|edns| ClientEdns { dnssec_ok: true, ..edns });
    let ad = |reply: &Reply, question: &Question| {
        encode(reply, question, Room::Datagram).1.metadata.authentic_data
    };
    let trusted = Reply::relayed(Ok(answered(true)), true);
    assert!(!ad(&trusted, &plain) && ad(&trusted, &with_ad) && ad(&trusted, &with_do));
    for reply in [Reply::relayed(Ok(answered(true)), false), Reply::relayed(Ok(answered(false)), true)] {
        assert!(!ad(&reply, &with_ad) && !ad(&reply, &with_do));
    }
}

#[test]
fn opt_is_sent_only_to_who_sent_one() {
    let plain = question("www.example", RecordType::AAAA);
    let (_, message) = encode(&of(addresses(1)), &plain, Room::Datagram);
    assert_eq!(message.edns, None);
    let mut asked = with_edns(&plain, 4096);
    asked.edns = asked.edns.map(|edns| ClientEdns { dnssec_ok: true, ..edns });
    let edns = encode(&of(addresses(1)), &asked, Room::Datagram).1.edns.expect("an OPT record");
    assert_eq!((edns.max_payload(), edns.version(), edns.flags().dnssec_ok), (MAX_UDP, 0, true));
}

#[test]
fn datagrams_keep_to_the_least_of_512_the_clients_size_and_1232() {
    let check = |payload: Option<u16>, limit: usize| {
        let plain = question("www.example", RecordType::AAAA);
        let asked = payload.map_or_else(|| plain.clone(), |payload| with_edns(&plain, payload));
        let mut largest = 0;
        for count in 0..60 {
            let (out, message) = encode(&of(addresses(count)), &asked, Room::Datagram);
            assert!(out.len() <= limit, "{count} records: {} octets", out.len());
            assert_eq!(message.metadata.truncation, message.answers.len() != usize::from(count));
            largest = largest.max(out.len());
        }
        assert!(largest + 28 > limit, "{largest} of {limit}: one more record would fit");
    };
    check(None, 512);
    check(Some(512), 512);
    check(Some(700), 700);
    check(Some(1232), 1232);
    check(Some(4096), 1232);
}

#[test]
fn a_truncated_reply_keeps_opt_and_a_stream_takes_all() {
    let asked = with_edns(&question("www.example", RecordType::AAAA), 1232);
    let (out, message) = encode(&of(addresses(200)), &asked, Room::Datagram);
    assert!(message.metadata.truncation && message.answers.is_empty() && message.edns.is_some());
    assert!(out.len() < 50);
    let (_, message) = encode(&of(addresses(200)), &asked, Room::Stream);
    assert_eq!((message.answers.len(), message.metadata.truncation), (200, false));
}

#[test]
fn additional_and_authority_give_way_before_the_answer() {
    let reply = |answers: u16, authorities: u16, additionals: u16| Reply {
        origin: Origin::Forwarded,
        body: Body::Built(Built {
            answers: addresses(answers),
            authorities: addresses(authorities),
            additionals: addresses(additionals),
            ..Built::default()
        }),
    };
    let plain = question("www.example", RecordType::AAAA);
    let counts = |reply: &Reply| {
        let message = encode(reply, &plain, Room::Datagram).1;
        let sections = (message.answers.len(), message.authorities.len(), message.additionals.len());
        (sections, message.metadata.truncation)
    };
    assert_eq!(counts(&reply(5, 5, 5)), ((5, 5, 5), false));
    assert_eq!(counts(&reply(5, 5, 50)), ((5, 5, 0), false));
    assert_eq!(counts(&reply(5, 50, 5)), ((5, 0, 0), false));
    assert_eq!(counts(&reply(50, 5, 5)), ((0, 0, 0), true));
    assert_eq!(counts(&reply(0, 50, 0)), ((0, 0, 0), true));
}

#[test]
fn a_passed_answer_gives_way_in_the_same_order() {
    let query = query("www.example", RecordType::AAAA);
    let counts = |answers: u16, authorities: u16, additionals: u16| {
        let mut message = upstream_reply(&query);
        message.add_answers(addresses(answers));
        message.add_authorities(addresses(authorities));
        message.add_additionals(addresses(additionals));
        let reply = Reply::forwarded(answer(&query, &message));
        let message = encode(&reply, &question("www.example", RecordType::AAAA), Room::Datagram).1;
        let sections = (message.answers.len(), message.authorities.len(), message.additionals.len());
        (sections, message.metadata.truncation)
    };
    assert_eq!(counts(5, 5, 5), ((5, 5, 5), false));
    assert_eq!(counts(5, 5, 50), ((5, 5, 0), false));
    assert_eq!(counts(5, 50, 5), ((5, 0, 0), false));
    assert_eq!(counts(50, 5, 5), ((0, 0, 0), true));
    assert_eq!(counts(0, 50, 0), ((0, 0, 0), true));
}

#[test]
fn records_of_any_type_pass_octet_by_octet() {
    let query = query("www.example", RecordType::Unknown(65_534));
    let mut message = upstream_reply(&query);
    let rdata = hickory_proto::rr::rdata::NULL::with(vec![0xc0, 0x0c, 1, 2, 3]);
    let data = RData::Unknown { code: RecordType::Unknown(65_534), rdata };
    message.add_answer(Record::from_rdata(Name::from_ascii("www.example.").unwrap(), 1, data.clone()));
    let sent = message.to_vec().unwrap();
    let reply = Reply::forwarded(answer(&query, &message));
    let (out, message) =
        encode(&reply, &question("www.example", RecordType::Unknown(65_534)), Room::Datagram);
    assert_eq!(message.answers[0].data, data);
    assert_eq!(out[HEADER..], sent[HEADER..]);
}

#[test]
fn failures_say_why_to_clients_with_edns() {
    let asked = with_edns(&question("www.example", RecordType::AAAA), 1232);
    let (_, message) = encode(&Reply::failed(Failure::Silent), &asked, Room::Datagram);
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
    let options: &[u8] =
        &encode(&Reply::failed(Failure::Silent), &asked, Room::Datagram).0[HEADER + 17 + 11..];
    assert_eq!(&options[..2], b"\x00\x0f", "option EDE");
    assert_eq!(&options[4..6], b"\x00\x16", "No Reachable Authority");
    assert_eq!(&options[6..], b"no upstream resolver answered in time");
    let plain = question("www.example", RecordType::AAAA);
    assert_eq!(encode(&Reply::failed(Failure::Silent), &plain, Room::Datagram).1.edns, None);
}

#[test]
fn explanations_give_way_to_records() {
    let asked = with_edns(&question("www.example", RecordType::AAAA), 512);
    let long = ExtendedError { code: 0, text: vec![b'x'; 300].into() };
    let reply = |count| Reply {
        origin: Origin::Forwarded,
        body: Body::Built(Built {
            answers: addresses(count),
            errors: vec![long.clone()],
            ..Built::default()
        }),
    };
    let (out, message) = encode(&reply(1), &asked, Room::Datagram);
    assert!(out.len() > 300 && message.answers.len() == 1);
    let (out, message) = encode(&reply(14), &asked, Room::Datagram);
    assert!(out.len() <= 512 && message.answers.len() == 14 && message.edns.is_some());
}

#[test]
fn an_unknown_edns_version_is_answered_with_badvers() {
    let asked = with_edns(&question("www.example", RecordType::AAAA), 1232);
    let (_, message) = encode(&Reply::refused(ResponseCode::BADVERS), &asked, Room::Datagram);
    assert_eq!(u16::from(message.metadata.response_code), 16, "which hickory names BADSIG");
    assert_eq!(message.edns.unwrap().version(), 0);
}

#[test]
fn a_rejection_is_a_bare_header() {
    use crate::question::RejectReason;
    let rejection = Rejection { id: 0xabcd, flags: 0x2910, reason: RejectReason::Opcode };
    assert_eq!(rejection.encode(), [0xab, 0xcd, 0xa9, 0x94, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_text_record_too_long_for_a_datagram_is_truncated() {
    let text = RData::TXT(TXT::new(vec!["x".repeat(250); 8]));
    let record = Record::from_rdata(Name::from_ascii("www.example.").unwrap(), 1, text);
    let asked = with_edns(&question("www.example", RecordType::TXT), 4096);
    assert!(encode(&of(vec![record]), &asked, Room::Datagram).1.metadata.truncation);
}

prop_compose! {
    fn any_question()(
        labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..63), 0..4),
        qtype in any::<u16>(), qclass in any::<u16>(), id in any::<u16>(), rd in any::<bool>(), cd in any::<bool>(),
        edns in prop::option::of((any::<u16>(), any::<bool>())),
    ) -> Question {
        Question {
            id,
            name: WireName::from_labels(labels.iter().map(Vec::as_slice)).unwrap(),
            qtype: RecordType::from(qtype),
            qclass,
            recursion_desired: rd,
            checking_disabled: cd,
            authentic_data: false,
            edns: edns.map(|(payload, dnssec_ok)| ClientEdns { payload: payload.max(512), dnssec_ok, ..ClientEdns::default() }),
        }
    }
}

proptest! {
    #[test]
    fn replies_to_any_question_parse_again(question in any_question(), count in 0_u16..100, stream in any::<bool>()) {
        let room = if stream { Room::Stream } else { Room::Datagram };
        for reply in [of(addresses(count)), Reply::failed(Failure::Silent), Reply::refused(ResponseCode::BADVERS)] {
            let mut out = Vec::new();
            reply.encode(&question, room, Extras::default(), &mut out);
            prop_assert_eq!(&out[HEADER..HEADER + question.name.as_bytes().len()], question.name.as_bytes());
            let message = Message::from_vec(&out).unwrap();
            prop_assert_eq!(message.metadata.id, question.id);
            prop_assert_eq!(u16::from(message.queries[0].query_type), u16::from(question.qtype));
            prop_assert_eq!(message.edns.is_some(), question.edns.is_some());
            let limit = question.edns.map_or(512, |edns| edns.payload.min(MAX_UDP));
            prop_assert!(stream || out.len() <= usize::from(limit));
        }
    }

    #[test]
    fn ipv4_records_too(octets in any::<[u8; 4]>(), ttl in any::<u32>()) {
        let data = RData::A(A(octets.into()));
        let record = Record::from_rdata(Name::from_ascii("a.b.example.").unwrap(), ttl, data);
        let (_, message) = encode(&of(vec![record.clone()]), &question("a.b.example", RecordType::A), Room::Datagram);
        prop_assert_eq!(message.answers, vec![record]);
    }
}
