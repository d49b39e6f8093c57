use super::*;
use crate::reply::tests::{built, question, shown};
use hickory_proto::op::ResponseCode;

/// What is answered with the zones of private networks kept here and names of one label refused.
fn ask(name: &str, qtype: RecordType) -> Option<Reply> {
    answer(&question(name, qtype), &strict(), &Hosts { ttl: 60, ..Hosts::default() })
}

fn strict() -> Rules {
    Rules { domain_needed: true, ..Rules::default() }
}

fn name(text: &str) -> WireName {
    WireName::from_labels(text.split('.').map(str::as_bytes)).unwrap()
}

fn rcode(reply: Option<Reply>) -> Option<ResponseCode> {
    reply.map(|reply| reply.rcode())
}

#[test]
fn localhost_is_the_loopback_and_is_not_synthesized() {
    for name in ["localhost", "LocalHost", "printer.localhost"] {
        assert_eq!(shown(&built(ask(name, RecordType::A)).answers), [format!("{name}. 10800 A 127.0.0.1")]);
        assert_eq!(shown(&built(ask(name, RecordType::AAAA)).answers), [format!("{name}. 10800 AAAA ::1")]);
        assert!(built(ask(name, RecordType::MX)).answers.is_empty());
    }
}

#[test]
fn invalid_onion_and_local_do_not_exist() {
    for name in ["invalid", "a.invalid", "abc.onion", "printer.local"] {
        let reply = built(ask(name, RecordType::AAAA));
        assert_eq!(reply.rcode, ResponseCode::NXDomain, "{name}");
        assert_eq!(reply.authorities.len(), 1, "{name}");
    }
}

#[test]
fn resolver_arpa_exists_without_records() {
    for name in ["resolver.arpa", "_dns.resolver.arpa"] {
        let reply = built(ask(name, RecordType::SVCB));
        assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 0), "{name}");
    }
}

#[test]
fn loopback_addresses_point_to_localhost() {
    let v6 = format!("1.{}ip6.arpa", "0.".repeat(31));
    for name in ["1.0.0.127.in-addr.arpa", &v6] {
        assert_eq!(
            shown(&built(ask(name, RecordType::PTR)).answers),
            [format!("{name}. 10800 PTR localhost.")]
        );
    }
}

#[test]
fn names_that_only_look_special_are_not() {
    for name in [
        "notlocalhost.example",
        "localhost.example",
        "onion.example",
        "x.xonion",
        "example.arpa",
        "xhome.arpa",
        "arpa.example",
    ] {
        assert_eq!(ask(name, RecordType::A), None, "{name}");
    }
}

#[test]
fn names_of_private_networks_do_not_exist_unless_the_upstreams_know_them() {
    for name in
        ["printer.home.arpa", "a.test", "x.service.arpa", "1.0.0.10.in-addr.arpa", "1.1.168.192.in-addr.arpa"]
    {
        assert_eq!(rcode(ask(name, RecordType::PTR)), Some(ResponseCode::NXDomain), "{name}");
        let forwarding = Rules { forward_private: true, ..strict() };
        assert_eq!(answer(&question(name, RecordType::PTR), &forwarding, &Hosts::default()), None, "{name}");
    }
    for apex in ["home.arpa", "test", "10.in-addr.arpa", "31.172.in-addr.arpa", "d.f.ip6.arpa"] {
        let reply = built(ask(apex, RecordType::A));
        assert_eq!((reply.rcode, reply.authorities.len()), (ResponseCode::NoError, 1), "{apex}");
        let soa = built(ask(apex, RecordType::SOA));
        assert!(shown(&soa.answers)[0].starts_with(&format!("{apex}. 60 SOA")), "{apex}");
    }
}

#[test]
fn ds_of_a_delegated_private_zone_goes_upstream_where_its_absence_is_proven() {
    for apex in ["home.arpa", "service.arpa", "test", "10.in-addr.arpa", "d.f.ip6.arpa"] {
        assert_eq!(ask(apex, RecordType::DS), None, "{apex}");
    }
    assert_eq!(rcode(ask("x.home.arpa", RecordType::DS)), Some(ResponseCode::NXDomain));
}

#[test]
fn every_zone_of_rfc_6303_and_7793_is_known() {
    let v6 = |nibbles: &str| format!("{nibbles}.ip6.arpa");
    let zones = [
        "1.2.3.0.in-addr.arpa",
        "1.2.3.10.in-addr.arpa",
        "1.2.64.100.in-addr.arpa",
        "1.2.127.100.in-addr.arpa",
        "1.2.254.169.in-addr.arpa",
        "1.2.16.172.in-addr.arpa",
        "1.2.31.172.in-addr.arpa",
        "1.2.0.192.in-addr.arpa",
        "1.2.168.192.in-addr.arpa",
        "1.100.51.198.in-addr.arpa",
        "1.113.0.203.in-addr.arpa",
    ];
    for zone in zones {
        assert_eq!(rcode(ask(zone, RecordType::PTR)), Some(ResponseCode::NXDomain), "{zone}");
    }
    for prefix in ["8.e.f", "9.e.f", "a.e.f", "B.E.F", "d.f", "8.b.d.0.1.0.0.2"] {
        let filled = 32 - prefix.split('.').count();
        let name = v6(&format!("{}{prefix}", "0.".repeat(filled)));
        assert_eq!(rcode(ask(&name, RecordType::PTR)), Some(ResponseCode::NXDomain), "{name}");
    }
    for whole in ["255.255.255.255.in-addr.arpa", &v6(&["0"; 32].join("."))] {
        assert_eq!(
            rcode(ask(whole, RecordType::PTR)),
            Some(ResponseCode::NoError),
            "{whole} is a zone of its own"
        );
    }
    for public in [
        "1.2.63.100.in-addr.arpa",
        "1.2.128.100.in-addr.arpa",
        "1.2.15.172.in-addr.arpa",
        "1.2.32.172.in-addr.arpa",
        "172.in-addr.arpa",
        "8.8.8.8.in-addr.arpa",
        "in-addr.arpa",
        "x.11.in-addr.arpa",
        "c.e.f.ip6.arpa",
        "f.ip6.arpa",
        "0.0.0.2.ip6.arpa",
        "ip6.arpa",
    ] {
        assert_eq!(ask(public, RecordType::PTR), None, "{public}");
    }
}

#[test]
fn private_reverse_names_between_zone_and_address_exist_without_records() {
    for between in ["1.10.in-addr.arpa", "1.168.192.in-addr.arpa", "0.0.d.f.ip6.arpa"] {
        let reply = built(ask(between, RecordType::PTR));
        assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 0), "{between}");
    }
    for none in ["x.10.in-addr.arpa", "256.10.in-addr.arpa", "5.4.3.2.10.in-addr.arpa", "g.d.f.ip6.arpa"] {
        assert_eq!(rcode(ask(none, RecordType::PTR)), Some(ResponseCode::NXDomain), "{none}");
    }
}

#[test]
fn names_of_one_label_are_not_asked_upstream_but_as_zones() {
    for qtype in [RecordType::A, RecordType::AAAA, RecordType::HTTPS, RecordType::TXT] {
        let reply = built(ask("printer", qtype));
        assert_eq!((reply.rcode, reply.errors.len()), (ResponseCode::NXDomain, 1), "{qtype}");
        assert!(shown(&reply.authorities)[0].starts_with("printer. 60 SOA"), "{qtype}");
    }
    for qtype in OF_ZONES {
        assert_eq!(ask("com", qtype), None, "{qtype}");
    }
    assert_eq!(ask("printer.example", RecordType::A), None);
    let root = Question { name: WireName::ROOT, ..question("", RecordType::A) };
    assert_eq!(answer(&root, &strict(), &Hosts::default()), None);
    assert_eq!(answer(&question("printer", RecordType::A), &Rules::default(), &Hosts::default()), None);
}

#[test]
fn of_domains_kept_here_and_those_with_upstreams_of_their_own_the_longer_decides() {
    let domains = [
        (name("lan"), Keeper::Here),
        (name("corp.lan"), Keeper::Upstream),
        (name("home.arpa"), Keeper::Upstream),
        (name("printer"), Keeper::Upstream),
        (name("1.10.in-addr.arpa"), Keeper::Upstream),
        (name("localhost"), Keeper::Upstream),
    ];
    let rules = Rules { domains: domains.into_iter().collect(), ..strict() };
    let hosts = crate::hosts::tests::hosts("192.0.2.10 a.b.lan\n", "");
    let ask = |text, qtype| answer(&question(text, qtype), &rules, &hosts);
    assert_eq!(rcode(ask("vm9.lan", RecordType::A)), Some(ResponseCode::NXDomain));
    for exists in ["lan", "b.lan"] {
        assert_eq!(rcode(ask(exists, RecordType::A)), Some(ResponseCode::NoError), "{exists}");
    }
    assert_eq!(rcode(ask("x.a.b.lan", RecordType::A)), Some(ResponseCode::NXDomain));
    let negative = shown(&built(ask("vm9.lan", RecordType::A)).authorities);
    assert!(negative[0].starts_with("lan. 60 SOA"), "{negative:?}");
    for elsewhere in ["x.corp.lan", "corp.lan", "x.home.arpa", "printer", "1.1.1.10.in-addr.arpa"] {
        assert_eq!(ask(elsewhere, RecordType::A), None, "{elsewhere}");
    }
    assert_eq!(rcode(ask("1.2.0.10.in-addr.arpa", RecordType::A)), Some(ResponseCode::NXDomain));
    assert_eq!(built(ask("localhost", RecordType::A)).answers.len(), 1);
}
