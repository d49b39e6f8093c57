//! Names that are served here (RFC 7050, RFC 8880, RFC 6761 and those after it).

use crate::scripted::Scripted;
use crate::site::{Site, ask, shown};
use crate::world::{World, unhurried, v6};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use std::net::Ipv6Addr;

const PAIR: [&str; 3] =
    ["NOERROR aa", "ipv4only.arpa. 3600 A 192.0.0.170", "ipv4only.arpa. 3600 A 192.0.0.171"];

#[tokio::test]
async fn rule_51_ipv4only_arpa_has_both_addresses_in_every_prefix_and_nothing_below_it() {
    let clients =
        "[[dns64.client]]\nfrom = [\"0.0.0.0/0\"]\nprefixes = [\"2001:db8:a::/96\", \"64:ff9b::/96\"]";
    let site = Site::with("", clients).await;
    site.check("ipv4only.arpa. A", &PAIR).await;
    let mapped = ["2001:db8:a::c000:aa", "64:ff9b::c000:aa", "2001:db8:a::c000:ab", "64:ff9b::c000:ab"]
        .map(|v6| format!("ipv4only.arpa. 3600 AAAA {v6}"));
    let expect: Vec<_> = ["NOERROR aa"].into_iter().chain(mapped.iter().map(String::as_str)).collect();
    site.check("ipv4only.arpa. AAAA", &expect).await;
    site.check("ipv4only.arpa. TXT", &["NOERROR aa", "auth ipv4only.arpa. 10800 SOA"]).await;
    site.check("x.ipv4only.arpa. A", &["NXDOMAIN aa", "auth ipv4only.arpa. 10800 SOA"]).await;
    assert_eq!(site.asked(), [""; 0]);
}

#[tokio::test]
async fn rule_52_a_client_without_synthesis_learns_that_there_is_no_nat64() {
    let site = Site::with("", "[[dns64.client]]\nfrom = [\"0.0.0.0/0\"]\nsynthesize = false").await;
    site.check("ipv4only.arpa. A", &PAIR).await;
    site.check("ipv4only.arpa. AAAA", &["NOERROR aa", "auth ipv4only.arpa. 10800 SOA"]).await;
}

#[tokio::test]
async fn rule_54_the_special_names_are_served_while_every_upstream_is_dead() {
    let world = World::new(&[Scripted::nobody()], unhurried());
    let address = world.listen().await;
    for (question, count) in [
        ("ipv4only.arpa. A", 2),
        ("ipv4only.arpa. AAAA", 2),
        ("170.0.0.192.in-addr.arpa. PTR", 1),
        ("localhost. AAAA", 1),
    ] {
        let reply = Message::from_vec(&ask(address, question).await).unwrap();
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, count));
    }
}

#[tokio::test]
async fn rule_55_the_well_known_addresses_pass_the_rebinding_filter_and_private_ones_do_not() {
    for pref64 in ["64:ff9b::/96", "2001:db8:64::/96"] {
        let site = Site::all(
            pref64,
            "lan.example. A 192.168.0.1\nbox.example. A 169.254.169.254",
            "rebind_protection = true",
            crate::site::patient(),
        )
        .await;
        assert_eq!(site.ask("ipv4only.arpa. AAAA").await.answers.len(), 2);
        for name in ["lan.example.", "box.example."] {
            let reply = site.ask(&format!("{name} AAAA")).await;
            assert!(reply.answers.is_empty(), "{:?}", shown(&reply));
        }
    }
}

#[tokio::test]
async fn rule_56_special_use_names_do_not_leave() {
    let site = Site::new("").await;
    site.check("localhost. A", &["NOERROR aa", "localhost. 10800 A 127.0.0.1"]).await;
    site.check("localhost. AAAA", &["NOERROR aa", "localhost. 10800 AAAA ::1"]).await;
    for name in ["x.invalid.", "abc.onion."] {
        for qtype in ["A", "AAAA"] {
            let reply = site.ask(&format!("{name} {qtype}")).await;
            assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain, "{name}");
            assert_eq!(reply.authorities[0].record_type(), RecordType::SOA);
        }
    }
    assert_eq!(site.asked(), [""; 0]);
}

#[tokio::test]
async fn rule_57_names_of_the_local_link_and_single_labels_do_not_leave() {
    let site = Site::new("").await;
    for question in ["printer.local. AAAA", "printer.local. A", "printer. AAAA", "printer. A"] {
        let reply = site.ask(question).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain, "{question}");
    }
    assert_eq!(site.asked(), [""; 0]);
    let open = Site::with("printer. A 192.0.2.1", "domain_needed = false").await;
    open.check("printer. A", &["NOERROR", "printer. 300 A 192.0.2.1"]).await;
}

#[tokio::test]
async fn rule_58_resolver_arpa_exists_without_records_and_does_not_leave() {
    let site = Site::new("").await;
    for question in ["_dns.resolver.arpa. TYPE64", "resolver.arpa. A", "_dns.resolver.arpa. AAAA"] {
        let reply = site.ask(question).await;
        assert_eq!(
            (reply.metadata.response_code, reply.answers.len()),
            (ResponseCode::NoError, 0),
            "{question}"
        );
    }
    assert_eq!(site.asked(), [""; 0]);
}

#[tokio::test]
async fn rule_11_a_host_with_only_an_ipv4_address_is_synthesized() {
    let host = "[[dns64.host]]\nname = \"vm1.lan\"\naddresses = [\"192.168.0.7\"]\n\
        [[dns64.host]]\nname = \"vm2.lan\"\naddresses = [\"192.168.0.8\", \"2001:db8:1::8\"]\n";
    let site = Site::with("", host).await;
    let reply = site.ask("vm1.lan. AAAA").await;
    assert_eq!(v6(&reply), ["2001:db8:64::192.168.0.7".parse::<Ipv6Addr>().unwrap()]);
    let reply = site.ask("vm2.lan. AAAA").await;
    assert_eq!(v6(&reply), ["2001:db8:1::8".parse::<Ipv6Addr>().unwrap()]);
    assert_eq!(site.asked(), [""; 0]);
    let well_known = Site::all("64:ff9b::/96", "", host, crate::site::patient()).await;
    assert!(v6(&well_known.ask("vm1.lan. AAAA").await).is_empty(), "RFC 6052 forbids it");
}

#[tokio::test]
async fn rule_55_private_addresses_are_refused_in_every_prefix_of_an_upstreams_aaaa_too() {
    let zone = "lan.example. AAAA 2001:db8:64::192.168.0.1\nwell.example. AAAA 64:ff9b::10.0.0.1\n\
        dyn.trusted.example. A 192.168.0.9";
    let site = Site::with(zone, "rebind_protection = true\nprivate_domains = [\"trusted.example\"]").await;
    for name in ["lan.example.", "well.example."] {
        assert!(v6(&site.ask(&format!("{name} AAAA")).await).is_empty(), "{name}");
    }
    let reply = site.ask("dyn.trusted.example. AAAA").await;
    assert_eq!(v6(&reply), ["2001:db8:64::192.168.0.9".parse::<Ipv6Addr>().unwrap()]);
}

#[tokio::test]
async fn rule_55_private_domains_lift_the_filter_but_not_from_what_is_never_embedded() {
    let zone = "meta.trusted.example. A 169.254.169.254\nlo.trusted.example. A 127.0.0.1\n\
        sly.example. CNAME db.trusted.example.\ndb.trusted.example. A 192.168.0.9";
    let site = Site::with(zone, "rebind_protection = true\nprivate_domains = [\"trusted.example\"]").await;
    for name in ["meta.trusted.example.", "lo.trusted.example.", "sly.example."] {
        assert!(v6(&site.ask(&format!("{name} AAAA")).await).is_empty(), "{name}");
    }
}
