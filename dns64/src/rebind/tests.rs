use super::*;
use crate::answer::tests::{answer, query, reply};
use crate::reply::tests::shown;
use hickory_proto::rr::rdata::svcb::{IpHint, SvcParamKey};
use hickory_proto::rr::rdata::{CNAME, NULL};
use proptest::prelude::*;
use std::str::FromStr;

fn guard() -> Guard {
    let labels = |text: &str| WireName::from_labels(text.split('.').map(str::as_bytes)).unwrap();
    Guard {
        on: true,
        trusted: [labels("lan")].into_iter().collect(),
        prefixes: vec!["2001:db8:64::/96".parse().unwrap(), "fd00:64::/96".parse().unwrap()],
    }
}

fn name(text: &str) -> Name {
    Name::from_str(text).unwrap()
}

fn record(owner: &str, address: &str) -> Record {
    let data = match address.parse().unwrap() {
        std::net::IpAddr::V4(v4) => RData::A(A(v4)),
        std::net::IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    };
    Record::from_rdata(name(owner), 300, data)
}

/// What is left of an answer with these records, as its sections, and how many went.
fn screened(asked: &str, qtype: RecordType, records: Vec<Record>) -> (Answer, usize) {
    let query = query(asked, qtype);
    let mut message = reply(&query);
    message.metadata.authentic_data = true;
    message.add_answers(records);
    guard().screen(&query, answer(&query, &message)).expect("it can be read")
}

fn left(asked: &str, addresses: &[&str]) -> Vec<String> {
    let qtype = if addresses[0].contains(':') { RecordType::AAAA } else { RecordType::A };
    let records = addresses.iter().map(|address| record(asked, address)).collect();
    let message = screened(asked, qtype, records).0.message().unwrap();
    message.answers.iter().map(|record| record.data.to_string()).collect()
}

#[test]
fn private_addresses_go_and_public_ones_stay() {
    let gone = |address: &str| assert!(left("www.example.", &[address]).is_empty(), "{address}");
    let kept = |address: &str| assert_eq!(left("www.example.", &[address]).len(), 1, "{address}");
    for private in
        ["10.0.0.1", "192.168.1.1", "172.16.0.1", "127.0.0.1", "0.0.0.0", "169.254.169.254", "100.64.0.1"]
    {
        gone(private);
    }
    for private in ["::1", "::", "fe80::1", "fd00::1", "fc00::1", "fec0::1", "::ffff:10.0.0.1"] {
        gone(private);
    }
    for public in ["9.9.9.9", "192.0.0.170", "192.0.0.8", "2620:fe::fe", "2001:db8::1", "::ffff:9.9.9.9"] {
        kept(public);
    }
    assert_eq!(left("www.example.", &["9.9.9.9", "10.0.0.1", "8.8.8.8"]), ["9.9.9.9", "8.8.8.8"]);
}

#[test]
fn addresses_of_a_prefix_in_use_are_judged_by_the_ipv4_address_inside() {
    for (address, count) in [
        ("2001:db8:64::10.0.0.1", 0),
        ("2001:db8:64::9.9.9.9", 1),
        ("fd00:64::9.9.9.9", 1),
        ("fd00:64::10.0.0.1", 0),
    ] {
        assert_eq!(left("www.example.", &[address]).len(), count, "{address}");
    }
}

#[test]
fn who_loses_all_addresses_has_no_data_with_a_reason() {
    let alias = Record::from_rdata(name("www.example."), 60, RData::CNAME(CNAME(name("lan.example."))));
    let (answer, removed) =
        screened("www.example.", RecordType::A, vec![alias, record("lan.example.", "10.0.0.1")]);
    assert_eq!((removed, answer.rcode()), (1, ResponseCode::NoError));
    assert!(!answer.says_authentic());
    let message = answer.message().unwrap();
    assert_eq!(shown(&message.answers), ["www.example. 60 CNAME lan.example."]);
    assert!(shown(&message.authorities)[0].starts_with("lan.example. 300 SOA"), "{message:?}");
    assert_eq!(answer.extended_errors()[0].code, ExtendedError::BLOCKED);
}

#[test]
fn the_name_asked_for_decides_whether_private_addresses_are_fine() {
    assert_eq!(left("NAS.Lan.", &["10.0.0.1"]).len(), 1);
    let alias = Record::from_rdata(name("www.example."), 60, RData::CNAME(CNAME(name("nas.lan."))));
    let (_, removed) = screened("www.example.", RecordType::A, vec![alias, record("nas.lan.", "10.0.0.1")]);
    assert_eq!(removed, 1, "a foreign alias does not make an internal name its own");
    let off = Guard { on: false, ..guard() };
    let query = query("www.example.", RecordType::A);
    let mut message = reply(&query);
    message.add_answer(record("www.example.", "10.0.0.1"));
    let unscreened = answer(&query, &message);
    assert_eq!(off.screen(&query, unscreened.clone()), Ok((unscreened, 0)));
}

#[test]
fn records_with_private_hints_go_as_a_whole() {
    let https = |v4: &str| {
        let hint = SvcParamValue::Ipv4Hint(IpHint(vec![A(v4.parse().unwrap())]));
        let svcb = SVCB::new(1, Name::root(), vec![(SvcParamKey::Ipv4Hint, hint)]);
        let data = RData::HTTPS(hickory_proto::rr::rdata::HTTPS(svcb));
        Record::from_rdata(name("www.example."), 300, data)
    };
    let (answer, removed) =
        screened("www.example.", RecordType::HTTPS, vec![https("9.9.9.9"), https("10.0.0.1")]);
    assert_eq!((removed, answer.message().unwrap().answers.len()), (1, 1));
    let (answer, removed) = screened("www.example.", RecordType::HTTPS, vec![https("9.9.9.9")]);
    assert_eq!((removed, answer.extended_errors().len()), (0, 0));
}

#[test]
fn glue_goes_too_and_other_records_stay() {
    let query = query("example.", RecordType::MX);
    let mut message = reply(&query);
    let mx = hickory_proto::rr::rdata::MX::new(10, name("mail.example."));
    message.add_answer(Record::from_rdata(name("example."), 300, RData::MX(mx)));
    message.add_additionals([record("mail.example.", "10.0.0.1"), record("mail.example.", "9.9.9.9")]);
    let (answer, removed) = guard().screen(&query, answer(&query, &message)).unwrap();
    let message = answer.message().unwrap();
    assert_eq!((removed, message.answers.len(), message.additionals.len()), (1, 1, 1));
    assert!(message.authorities.is_empty(), "nothing that was asked for is absent");
}

#[test]
fn what_cannot_be_read_does_not_pass_where_it_may_have_addresses() {
    let empty = RData::Unknown { code: RecordType::Unknown(65_280), rdata: NULL::new() };
    let odd = Record::from_rdata(name("x.example."), 300, empty);
    let query = query("www.example.", RecordType::A);
    let of = |records: Vec<Record>| {
        let mut message = reply(&query);
        message.add_answers(records);
        message.add_additional(odd.clone());
        answer(&query, &message)
    };
    let addressed = of(vec![record("www.example.", "9.9.9.9")]);
    assert!(addressed.message().is_err(), "no test otherwise");
    assert_eq!(guard().screen(&query, addressed.clone()), Err(Failure::Malformed));
    assert!(Guard { on: false, ..guard() }.screen(&query, addressed).is_ok());
    assert!(guard().screen(&query, of(vec![])).is_ok(), "no addresses, nothing to hide");
}

proptest! {
    #[test]
    fn no_private_address_passes_and_no_public_one_goes(
        addresses in prop::collection::vec(any::<u32>().prop_map(Ipv4Addr::from_bits), 1..20),
    ) {
        let records = addresses.iter().map(|v4| record("www.example.", &v4.to_string())).collect();
        let (answer, removed) = screened("www.example.", RecordType::A, records);
        let left = answer.message().unwrap().answers.len();
        let public = addresses.iter().filter(|v4| !is_private_v4(**v4)).count();
        prop_assert_eq!((left, removed), (public, addresses.len() - public));
    }
}
