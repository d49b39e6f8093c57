use super::*;
use crate::answer::tests::{answer, reply as upstream_reply};
use crate::policy::tests::site;
use crate::query::Query;
use crate::reply::tests::{built, question, shown};
use addr::Prefix64;
use hickory_proto::rr::rdata::PTR;
use std::str::FromStr;

/// The ip6.arpa name of an address.
fn name_of(v6: &str) -> String {
    let bits = v6.parse::<Ipv6Addr>().unwrap().to_bits();
    let nibbles: Vec<_> = (0..32).map(|i| format!("{:x}", (bits >> (4 * i)) & 0xf)).collect();
    format!("{}.ip6.arpa", nibbles.join("."))
}

fn ask(name: &str, qtype: RecordType, prefixes: &[&str]) -> Option<Found> {
    find(&question(name, qtype), &site(prefixes))
}

fn local(name: &str, qtype: RecordType, prefixes: &[&str]) -> Built {
    match ask(name, qtype, prefixes) {
        Some(Found::Answer(reply)) => built(reply),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_prefix_length_leads_to_the_ipv4_name() {
    let v4 = Ipv4Addr::new(192, 0, 2, 33);
    for prefix in [
        "2001:db8::/32",
        "2001:db8:100::/40",
        "2001:db8:122::/48",
        "2001:db8:122:300::/56",
        "2001:db8:122:344::/64",
        "2001:db8:122:344::/96",
    ] {
        let v6 = prefix.parse::<Prefix64>().unwrap().embed(v4).to_string();
        let found = ask(&name_of(&v6), RecordType::PTR, &[prefix]);
        let Some(Found::Chase(chase)) = found else { panic!("{prefix}: {found:?}") };
        assert_eq!(chase.target().to_string(), "33.2.0.192.in-addr.arpa.", "{prefix}");
    }
}

#[test]
fn case_and_suffix_do_not_matter() {
    let with_suffix = name_of("2001:db8:122:c000:2:21ab:cdef:1234").to_ascii_uppercase();
    let found = ask(&with_suffix, RecordType::PTR, &["2001:db8:122::/48"]);
    let Some(Found::Chase(chase)) = found else { panic!("{found:?}") };
    assert_eq!(chase.target().to_string(), "33.2.0.192.in-addr.arpa.");
}

#[test]
fn the_longest_prefix_decides() {
    let prefixes = ["2001:db8::/32", "2001:db8:122:344::/96"];
    let found = ask(&name_of("2001:db8:122:344::192.0.2.33"), RecordType::PTR, &prefixes);
    let Some(Found::Chase(chase)) = found else { panic!("{found:?}") };
    assert_eq!(chase.target().to_string(), "33.2.0.192.in-addr.arpa.");
}

#[test]
fn names_outside_every_prefix_are_forwarded() {
    let outside = [
        name_of("2001:db8:9::1"),
        "8.b.d.0.1.0.0.2.ip6.arpa".into(),
        "ip6.arpa".into(),
        "x.1.0.0.2.ip6.arpa".into(),
        "33.2.0.192.in-addr.arpa".into(),
    ];
    for name in outside {
        assert_eq!(ask(&name, RecordType::PTR, &["2001:db8:64::/96"]), None, "{name}");
    }
}

#[test]
fn shorter_names_exist_without_records() {
    let full = name_of("2001:db8:64::192.0.2.33");
    let labels: Vec<_> = full.split('.').collect();
    for cut in 1..=8 {
        let reply = local(&labels[cut..].join("."), RecordType::PTR, &["2001:db8:64::/96"]);
        assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 0), "{cut}");
        assert_eq!(reply.authorities.len(), 1);
    }
    assert_eq!(ask(&labels[9..].join("."), RecordType::PTR, &["2001:db8:64::/96"]), None, "above the apex");
}

#[test]
fn names_that_are_no_address_do_not_exist() {
    let full = name_of("2001:db8:64::192.0.2.33");
    let names = [
        format!("0.{full}"),
        full.replacen("1.", "g.", 1),
        full.replacen("1.", "11.", 1),
        full.replacen("1.", "", 1).replacen("2.", "xyz.", 1),
    ];
    for name in names {
        let reply = local(&name, RecordType::PTR, &["2001:db8:64::/96"]);
        assert_eq!(reply.rcode, ResponseCode::NXDomain, "{name}");
    }
    let u_octet = name_of("2001:db8:122:c000:102:2100::");
    assert_eq!(local(&u_octet, RecordType::PTR, &["2001:db8:122::/48"]).rcode, ResponseCode::NXDomain);
}

#[test]
fn the_apex_has_soa_and_ns() {
    let apex = "0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    let soa = local(apex, RecordType::SOA, &["2001:db8:64::/96"]);
    assert!(shown(&soa.answers)[0].starts_with(&format!("{apex}. 10800 SOA")), "{:?}", shown(&soa.answers));
    let ns = local(apex, RecordType::NS, &["2001:db8:64::/96"]);
    assert_eq!(shown(&ns.answers), [format!("{apex}. 10800 NS {apex}.")]);
}

#[test]
fn the_well_known_addresses_point_to_ipv4only_arpa() {
    for v6 in ["2001:db8:64::192.0.0.170", "2001:db8:64::192.0.0.171"] {
        let reply = local(&name_of(v6), RecordType::PTR, &["2001:db8:64::/96"]);
        assert_eq!(shown(&reply.answers), [format!("{}. 3600 PTR ipv4only.arpa.", name_of(v6))]);
    }
    assert!(
        local(&name_of("2001:db8:64::192.0.0.170"), RecordType::TXT, &["2001:db8:64::/96"])
            .answers
            .is_empty()
    );
}

#[test]
fn addresses_that_are_never_embedded_have_no_reverse_name() {
    let check = |v6: &str, prefix: &str| {
        assert_eq!(local(&name_of(v6), RecordType::PTR, &[prefix]).rcode, ResponseCode::NXDomain, "{v6}");
    };
    check("64:ff9b::10.0.0.1", "64:ff9b::/96");
    check("2001:db8:64::127.0.0.1", "2001:db8:64::/96");
    check("2001:db8:64::169.254.169.254", "2001:db8:64::/96");
    assert!(matches!(
        ask(&name_of("2001:db8:64::10.0.0.1"), RecordType::PTR, &["2001:db8:64::/96"]),
        Some(Found::Chase(_))
    ));
}

// === the reply ===

fn pointer(owner: &str, ttl: u32) -> Record {
    Record::from_rdata(
        Name::from_str(owner).unwrap(),
        ttl,
        RData::PTR(PTR(Name::from_str("host.example.").unwrap())),
    )
}

fn chase(direct: bool) -> Chase {
    let v4 = Ipv4Addr::new(192, 0, 2, 33);
    let prefix = "2001:db8:64::/96".parse().unwrap();
    Chase { v4, qtype: RecordType::PTR, direct, prefix }
}

fn assembled_by(chase: &Chase, edit: impl FnOnce(&mut Message)) -> Built {
    let question = question(&name_of("2001:db8:64::192.0.2.33"), RecordType::PTR);
    let query = Query::new(&question, chase.target(), chase.qtype);
    let mut message = upstream_reply(&query);
    edit(&mut message);
    built(assemble(&question, chase, Ok(answer(&query, &message))))
}

fn assembled(edit: impl FnOnce(&mut Message)) -> Built {
    assembled_by(&chase(false), edit)
}

#[test]
fn the_alias_comes_with_what_it_leads_to_and_does_not_outlive_it() {
    let owner = name_of("2001:db8:64::192.0.2.33");
    let check = |ttl: u32, expect: u32| {
        let reply = assembled(|message| {
            message.add_answer(pointer("33.2.0.192.in-addr.arpa.", ttl));
        });
        let alias = format!("{owner}. {expect} CNAME 33.2.0.192.in-addr.arpa.");
        let pointer = format!("33.2.0.192.in-addr.arpa. {ttl} PTR host.example.");
        assert_eq!(shown(&reply.answers), [alias, pointer]);
        assert!(!reply.authoritative);
    };
    check(3600, 600);
    check(60, 60);
}

#[test]
fn a_missing_ipv4_name_is_said_behind_the_alias() {
    let reply = assembled(|message| {
        message.metadata.response_code = ResponseCode::NXDomain;
        message.add_authority(zone::soa(Name::from_str("192.in-addr.arpa.").unwrap(), 120));
    });
    assert_eq!(reply.rcode, ResponseCode::NXDomain);
    assert!(shown(&reply.answers)[0].contains(" 120 CNAME 33.2.0.192.in-addr.arpa."));
    assert_eq!(reply.authorities.len(), 1);
}

#[test]
fn an_error_behind_the_alias_is_the_reply() {
    let reply = assembled(|message| message.metadata.response_code = ResponseCode::Refused);
    assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::Refused, 0));
    let question = question(&name_of("2001:db8:64::192.0.2.33"), RecordType::PTR);
    assert_eq!(assemble(&question, &chase(false), Err(Failure::Silent)), Reply::failed(Failure::Silent));
}

#[test]
fn any_and_cname_get_the_alias_alone() {
    let name = name_of("2001:db8:64::192.0.2.33");
    for qtype in [RecordType::ANY, RecordType::CNAME] {
        let reply = local(&name, qtype, &["2001:db8:64::/96"]);
        assert_eq!(shown(&reply.answers), [format!("{name}. 600 CNAME 33.2.0.192.in-addr.arpa.")], "{qtype}");
    }
    for qtype in [RecordType::PTR, RecordType::TXT] {
        let Some(Found::Chase(chase)) = ask(&name, qtype, &["2001:db8:64::/96"]) else { panic!("{qtype}") };
        assert_eq!(chase.qtype, qtype);
    }
}

#[test]
fn rebinding_protection_leaves_reverse_names_alone() {
    let mut site = site(&["2001:db8:64::/96"]);
    site.limits.rebind_protection = true;
    let private = question(&name_of("2001:db8:64::10.0.0.1"), RecordType::PTR);
    assert!(matches!(find(&private, &site), Some(Found::Chase(_))));
}

// === the other two manners ===

#[test]
fn direct_answers_give_the_pointers_as_the_names_own() {
    let owner = name_of("2001:db8:64::192.0.2.33");
    let reply = assembled_by(&chase(true), |message| {
        let cname = RData::CNAME(CNAME(Name::from_str("33.0-63.2.0.192.in-addr.arpa.").unwrap()));
        message.add_answer(Record::from_rdata(
            Name::from_str("33.2.0.192.in-addr.arpa.").unwrap(),
            90,
            cname,
        ));
        message.add_answer(pointer("33.0-63.2.0.192.in-addr.arpa.", 300));
        message.add_answer(pointer("34.0-63.2.0.192.in-addr.arpa.", 300));
        message.add_authority(zone::soa(Name::from_str("192.in-addr.arpa.").unwrap(), 120));
    });
    assert_eq!(shown(&reply.answers), [format!("{owner}. 90 PTR host.example.")]);
    assert!(reply.authorities.is_empty());
}

#[test]
fn direct_answers_say_that_there_is_nothing_in_the_prefixs_own_zone() {
    for rcode in [ResponseCode::NoError, ResponseCode::NXDomain] {
        let reply = assembled_by(&chase(true), |message| {
            message.metadata.response_code = rcode;
            message.add_authority(zone::soa(Name::from_str("192.in-addr.arpa.").unwrap(), 120));
        });
        assert_eq!((reply.rcode, reply.answers.len()), (rcode, 0));
        let apex = "0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 120 SOA";
        assert!(shown(&reply.authorities)[0].starts_with(apex), "{:?}", shown(&reply.authorities));
    }
}

#[test]
fn direct_names_have_pointers_and_nothing_else() {
    let site = Site { reverse: Reverse::Direct, ..site(&["2001:db8:64::/96"]) };
    let name = name_of("2001:db8:64::192.0.2.33");
    for qtype in [RecordType::PTR, RecordType::ANY] {
        let Some(Found::Chase(chase)) = find(&question(&name, qtype), &site) else { panic!("{qtype}") };
        assert_eq!(chase.qtype, RecordType::PTR, "{qtype}");
    }
    for qtype in [RecordType::CNAME, RecordType::TXT] {
        let Some(Found::Answer(reply)) = find(&question(&name, qtype), &site) else { panic!("{qtype}") };
        let reply = built(reply);
        assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 0), "{qtype}");
    }
}

#[test]
fn switched_off_reverse_names_are_forwarded() {
    let site = Site { reverse: Reverse::Off, ..site(&["2001:db8:64::/96"]) };
    for v6 in ["2001:db8:64::192.0.2.33", "2001:db8:64::192.0.0.170"] {
        assert_eq!(find(&question(&name_of(v6), RecordType::PTR), &site), None, "{v6}");
    }
}
