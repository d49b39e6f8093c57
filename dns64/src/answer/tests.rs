use super::*;
use crate::name::WireName;
use hickory_proto::op::{Edns, MessageType, OpCode};
use hickory_proto::rr::rdata::{A, opt::EdnsOption};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use proptest::prelude::*;

/// A query as the resolver asks it.
pub(crate) fn query(name: &str, qtype: RecordType) -> Query {
    let labels = name.split('.').filter(|label| !label.is_empty()).map(str::as_bytes);
    Query {
        name: WireName::from_labels(labels).unwrap(),
        qtype,
        qclass: 1,
        recursion_desired: true,
        checking_disabled: false,
        dnssec_ok: false,
    }
}

/// An empty reply to `query`.
pub(crate) fn reply(query: &Query) -> Message {
    let mut message = Message::new(7, MessageType::Response, OpCode::Query);
    message.add_query(hickory_proto::op::Query::query(query.name.to_name(), query.qtype));
    message
}

/// `message` as an answer to `query`.
pub(crate) fn answer(query: &Query, message: &Message) -> Answer {
    Answer::parse(message.to_vec().unwrap(), query, 7, query.name.as_bytes()).unwrap()
}

fn a_record(name: &str) -> Record {
    Record::from_rdata(Name::from_ascii(name).unwrap(), 60, RData::A(A::new(192, 0, 2, 1)))
}

#[test]
fn the_right_reply_is_taken_and_spelt_as_the_client_spelt_it() {
    let query = query("Www.Example.", RecordType::A);
    let mut message = reply(&query);
    message.queries[0].name = Name::from_ascii("wWW.eXAMPLE.").unwrap();
    message.add_answer(a_record("wWW.eXAMPLE."));
    let parsed = Answer::parse(message.to_vec().unwrap(), &query, 7, b"\x03wWW\x07eXAMPLE\x00").unwrap();
    let decoded = parsed.message().unwrap();
    assert_eq!(decoded.queries[0].name.to_string(), "Www.Example.");
    assert_eq!(decoded.answers[0].name.to_string(), "Www.Example.", "compressed against the question");
}

#[test]
fn records_of_another_class_are_taken_out_wherever_they_stand() {
    let query = query("www.example.", RecordType::A);
    let mut message = reply(&query);
    let mut foreign = a_record("a.rather.long.name.of.www.example.");
    foreign.dns_class = hickory_proto::rr::DNSClass::CH;
    message.add_answers([foreign.clone(), a_record("www.example."), foreign.clone()]);
    message.add_authority(foreign.clone());
    // Its owner is compressed against a record that goes.
    message.add_additionals([a_record("of.www.example."), foreign]);
    message.set_edns(Edns::new());
    let answer = answer(&query, &message);
    assert_eq!(answer.sections().map(|section| section.count), [1, 0, 1]);
    assert!(answer.has_edns());
    let decoded = answer.message().unwrap();
    assert_eq!(decoded.answers, [a_record("www.example.")]);
    assert_eq!(decoded.additionals, [a_record("of.www.example.")]);
}

#[test]
fn long_texts_of_extended_errors_are_cut_between_characters() {
    let check = |text: &str, expect: usize| {
        let body = [&[0, 6], text.as_bytes()].concat();
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        let errors = read_errors(&[&[0, 15], &length[..], &body].concat());
        assert_eq!((errors[0].code, &errors[0].text[..]), (6, &text.as_bytes()[..expect]));
    };
    check("", 0);
    check(&"x".repeat(MAX_TEXT), MAX_TEXT);
    check(&"x".repeat(1000), MAX_TEXT);
    check(&format!("{}ä", "x".repeat(MAX_TEXT - 1)), MAX_TEXT - 1);
    check(&format!("{}ä{}", "x".repeat(MAX_TEXT - 2), "y".repeat(9)), MAX_TEXT);
    // No text at all, which no boundary helps.
    let octets = [&[0, 15, 1, 2, 0, 6], &[0x80; 256][..]].concat();
    assert_eq!(read_errors(&octets)[0].text.len(), 0);
}

#[test]
fn an_answer_whose_pointers_lead_to_each_other_is_not_taken_apart() {
    let query = query("www.example.", RecordType::A);
    let of = |pointers: u16| {
        let mut octets = reply(&query).to_vec().unwrap();
        // A record whose data are the pointers, and one whose owner is the last of them.
        octets[7] = 2;
        octets.extend_from_slice(&[0xc0, 12, 0xff, 0, 0, 1, 0, 0, 0, 60]);
        octets.extend_from_slice(&(2 * pointers).to_be_bytes());
        let mut target = 12_u16;
        for _ in 0..pointers {
            let at = u16::try_from(octets.len()).unwrap();
            octets.extend_from_slice(&(0xc000 | target).to_be_bytes());
            target = at;
        }
        octets.extend_from_slice(&(0xc000 | target).to_be_bytes());
        octets.extend_from_slice(&[0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
        Answer::parse(octets, &query, 7, query.name.as_bytes()).unwrap().message()
    };
    assert_eq!(of(10).unwrap().answers[1], a_record("www.example."));
    assert!(matches!(of(8000), Err(Unreadable::Pointers)));
}

#[test]
fn anything_else_is_told_apart() {
    let query = query("www.example.", RecordType::A);
    let good = reply(&query).to_vec().unwrap();
    let check = |bytes: &[u8], id: u16, sent: &[u8], expect: Mismatch| {
        assert_eq!(Answer::parse(bytes.to_vec(), &query, id, sent), Err(expect));
    };
    let name = query.name.as_bytes();
    check(&good, 8, name, Mismatch::Id);
    check(&good, 7, b"\x03WWW\x07example\x00", Mismatch::Case);
    check(&good, 7, b"\x03ftp\x07example\x00", Mismatch::Question);
    check(&good[..11], 7, name, Mismatch::Malformed);
    check(&good[..20], 7, name, Mismatch::Question);
    let mut a_query = good.clone();
    a_query[2] &= 0x7f;
    check(&a_query, 7, name, Mismatch::Malformed);
    let mut other_type = good.clone();
    other_type[HEADER + name.len() + 1] = 28;
    check(&other_type, 7, name, Mismatch::Question);
    let mut promised_record = good.clone();
    promised_record[7] = 1;
    check(&promised_record, 7, name, Mismatch::Malformed);
    let mut no_question = good;
    no_question[5] = 0;
    check(&no_question, 7, name, Mismatch::Question);
}

#[test]
fn an_error_may_come_without_its_question() {
    let query = query("www.example.", RecordType::A);
    let mut bytes = vec![0, 7, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let parsed = Answer::parse(bytes.clone(), &query, 7, query.name.as_bytes()).unwrap();
    assert_eq!(parsed.rcode(), ResponseCode::FormErr);
    bytes[3] = 3;
    assert_eq!(
        Answer::parse(bytes, &query, 7, query.name.as_bytes()),
        Err(Mismatch::Question),
        "a name error without its name is worth nothing"
    );
}

#[test]
fn opt_is_read_and_left_out_of_the_additional_section() {
    let query = query("www.example.", RecordType::A);
    let mut message = reply(&query);
    message.metadata.response_code = ResponseCode::ServFail;
    message.add_answer(a_record("www.example."));
    message.add_additional(a_record("ns.example."));
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(15, b"\x00\x06bogus".to_vec()));
    message.set_edns(edns);
    let parsed = answer(&query, &message);
    assert_eq!(parsed.sections().map(|section| section.count), [1, 0, 1]);
    assert_eq!(parsed.extended_errors(), [ExtendedError { code: 6, text: Cow::Borrowed(b"bogus") }]);
    assert!(parsed.failed_validation());
    assert!(parsed.records(2).len() > parsed.records(0).len());
}

#[test]
fn extended_response_codes_are_put_together() {
    let query = query("www.example.", RecordType::A);
    let mut message = reply(&query);
    message.metadata.response_code = ResponseCode::BADCOOKIE;
    message.set_edns(Edns::new());
    assert_eq!(answer(&query, &message).rcode(), ResponseCode::BADCOOKIE);
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), keep in 0_usize..40) {
        let query = query("www.example.", RecordType::A);
        let mut message = reply(&query).to_vec().unwrap();
        message.truncate(keep);
        message.extend_from_slice(&bytes);
        if let Ok(answer) = Answer::parse(message, &query, 7, query.name.as_bytes()) {
            let _ = answer.message();
            let _ = (answer.records(0), answer.records(2));
        }
    }
}
