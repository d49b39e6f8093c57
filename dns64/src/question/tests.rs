use super::*;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::Name;
use proptest::prelude::*;

fn query(name: &str, qtype: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), qtype));
    message
}

fn refusal(bytes: &[u8]) -> Refusal {
    Question::parse(bytes).unwrap_err()
}

fn reject_reason(bytes: &[u8]) -> RejectReason {
    match refusal(bytes) {
        Refusal::Reject(rejection) => rejection.reason,
        Refusal::Drop(reason) => panic!("dropped: {reason:?}"),
    }
}

#[test]
fn a_plain_question_is_read_with_its_case() {
    let question = Question::parse(&query("Www.Example.", RecordType::AAAA).to_vec().unwrap()).unwrap();
    assert_eq!(question.id, 0x1234);
    assert_eq!(question.name.as_bytes(), b"\x03Www\x07Example\x00");
    assert_eq!((question.qtype, question.qclass), (RecordType::AAAA, CLASS_IN));
    assert!(question.recursion_desired && !question.checking_disabled && !question.authentic_data);
    assert_eq!(question.edns, None);
}

#[test]
fn header_bits_and_edns_are_read() {
    let mut message = query("www.example.", RecordType::A);
    message.metadata.recursion_desired = false;
    message.metadata.checking_disabled = true;
    message.metadata.authentic_data = true;
    let mut edns = Edns::new();
    edns.set_max_payload(4096).set_dnssec_ok(true).set_version(3);
    message.set_edns(edns);
    let question = Question::parse(&message.to_vec().unwrap()).unwrap();
    assert!(!question.recursion_desired && question.checking_disabled && question.authentic_data);
    assert_eq!(
        question.edns,
        Some(ClientEdns { payload: 4096, version: 3, dnssec_ok: true, ..ClientEdns::default() })
    );
}

#[test]
fn a_payload_below_512_counts_as_512() {
    let mut bytes = query("a.", RecordType::A).to_vec().unwrap();
    bytes[11] = 1;
    bytes.extend_from_slice(b"\x00\x00\x29\x00\x10\x00\x00\x00\x00\x00\x00");
    assert_eq!(Question::parse(&bytes).unwrap().edns.unwrap().payload, 512);
}

#[test]
fn short_messages_and_responses_are_dropped() {
    let bytes = query("www.example.", RecordType::A).to_vec().unwrap();
    for cut in 0..HEADER {
        assert_eq!(refusal(&bytes[..cut]), Refusal::Drop(DropReason::Short), "{cut}");
    }
    let mut response = bytes;
    response[2] |= 0x80;
    assert_eq!(refusal(&response), Refusal::Drop(DropReason::Response));
}

#[test]
fn other_opcodes_are_not_implemented() {
    for opcode in 1..16_u8 {
        let mut bytes = query("www.example.", RecordType::A).to_vec().unwrap();
        bytes[2] |= opcode << 3;
        assert_eq!(reject_reason(&bytes), RejectReason::Opcode, "{opcode}");
    }
    assert_eq!(RejectReason::Opcode.rcode(), ResponseCode::NotImp);
}

#[test]
fn none_or_several_questions_are_a_format_error() {
    for count in [0, 2, 255] {
        let mut bytes = query("www.example.", RecordType::A).to_vec().unwrap();
        bytes[5] = count;
        assert_eq!(reject_reason(&bytes), RejectReason::QuestionCount, "{count}");
        assert_eq!(RejectReason::QuestionCount.rcode(), ResponseCode::FormErr);
    }
}

#[test]
fn every_cut_of_a_question_is_a_format_error() {
    let mut message = query("www.example.", RecordType::A);
    message.set_edns(Edns::new());
    let bytes = message.to_vec().unwrap();
    for cut in HEADER..bytes.len() {
        assert_eq!(reject_reason(&bytes[..cut]), RejectReason::Malformed, "{cut}");
    }
}

#[test]
fn a_compression_pointer_in_the_question_is_a_format_error() {
    let mut bytes = query("www.example.", RecordType::A).to_vec().unwrap();
    bytes[HEADER] = 0xc0;
    assert_eq!(reject_reason(&bytes), RejectReason::Malformed);
}

#[test]
fn a_second_opt_or_one_with_an_owner_is_a_format_error() {
    let opt = b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00";
    let mut twice = query("a.", RecordType::A).to_vec().unwrap();
    twice[11] = 2;
    twice.extend_from_slice(opt);
    twice.extend_from_slice(opt);
    assert_eq!(reject_reason(&twice), RejectReason::Opt);

    let mut owned = query("a.", RecordType::A).to_vec().unwrap();
    owned[11] = 1;
    owned.extend_from_slice(b"\x01b\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00");
    assert_eq!(reject_reason(&owned), RejectReason::Opt);

    let mut answer_section = query("a.", RecordType::A).to_vec().unwrap();
    answer_section[7] = 1;
    answer_section.extend_from_slice(opt);
    assert_eq!(reject_reason(&answer_section), RejectReason::Opt);
}

#[test]
fn unknown_options_and_octets_behind_the_message_are_ignored() {
    let mut bytes = query("a.", RecordType::A).to_vec().unwrap();
    bytes[11] = 1;
    bytes.extend_from_slice(b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x08\xff\xfe\x00\x04beef");
    bytes.extend_from_slice(b"trailer");
    assert_eq!(Question::parse(&bytes).unwrap().edns.unwrap().payload, 1232);
}

/// A query whose OPT record has `options`.
fn with_options(options: &[u8]) -> Vec<u8> {
    let mut bytes = query("a.", RecordType::A).to_vec().unwrap();
    bytes[11] = 1;
    bytes.extend_from_slice(b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00");
    bytes.extend_from_slice(&u16::try_from(options.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(options);
    bytes
}

#[test]
fn options_that_are_understood_are_read_among_others() {
    let read = |options: &[u8]| Question::parse(&with_options(options)).unwrap().edns.unwrap();
    let plain = ClientEdns { payload: 1232, ..ClientEdns::default() };
    let asks = |asks: Asks| ClientEdns { asks, ..plain };
    assert_eq!(read(b""), plain);
    assert_eq!(read(b"\x00\x03\x00\x00"), asks(Asks { nsid: true, ..Asks::default() }));
    assert_eq!(
        read(b"\x00\x08\x00\x02xx\x00\x0b\x00\x00"),
        asks(Asks { keepalive: true, ..Asks::default() })
    );
    assert_eq!(read(b"\x00\x0c\x00\x03\x00\x00\x00"), asks(Asks { padding: true, ..Asks::default() }));
    let cookie = Cookie { client: *b"12345678", server: None };
    assert_eq!(read(b"\x00\x0a\x00\x0812345678").cookie, Some(cookie));
    let server = Cookie { server: Some(*b"0123456789abcdef"), ..cookie };
    assert_eq!(read(b"\x00\x0a\x00\x18123456780123456789abcdef").cookie, Some(server));
    let strange = read(b"\x00\x0a\x00\x1012345678strange!").cookie;
    assert_eq!(strange, Some(cookie), "a server cookie that another server made");
}

#[test]
fn a_cookie_of_an_impossible_length_is_a_format_error() {
    for length in (0..8).chain(9..16).chain(41..50) {
        let options = [&[0, 10, 0, length][..], &vec![7; usize::from(length)]].concat();
        assert_eq!(reject_reason(&with_options(&options)), RejectReason::Cookie, "{length}");
    }
    assert_eq!(RejectReason::Cookie.rcode(), ResponseCode::FormErr);
}

#[test]
fn every_type_keeps_its_number() {
    for number in 0..=u16::MAX {
        assert_eq!(u16::from(RecordType::from(number)), number);
    }
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Question::parse(&bytes);
    }

    #[test]
    fn damaged_questions_never_panic(at in 0_usize..60, value in any::<u8>(), cut in 0_usize..60) {
        let mut message = query("www.example.", RecordType::AAAA);
        message.set_edns(Edns::new());
        let mut bytes = message.to_vec().unwrap();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        bytes.truncate(cut.max(HEADER));
        let _ = Question::parse(&bytes);
    }
}
