//! Names of synthesized addresses (RFC 6147 §5.3.1).

use crate::scripted::only_a;
use crate::site::Site;
use crate::world::{PREF64, nibbles, v6};
use hickory_proto::op::ResponseCode;
use std::net::Ipv6Addr;

/// The reverse name of an address.
fn arpa(v6: &str) -> String {
    format!("{}ip6.arpa.", nibbles(v6.parse().unwrap()))
}

const POINTER: &str = "1.2.0.192.in-addr.arpa. 120 PTR host.example.";

#[tokio::test]
async fn rule_43_the_alias_comes_with_what_it_leads_to_and_does_not_outlive_it() {
    let site = Site::new(&format!("{POINTER}\n9.2.0.192.in-addr.arpa. 86400 PTR old.example.")).await;
    let (short, long) = (arpa("2001:db8:64::192.0.2.1"), arpa("2001:db8:64::192.0.2.9"));
    let alias = format!("{short} 120 CNAME 1.2.0.192.in-addr.arpa.");
    site.check(&format!("{short} PTR"), &["NOERROR", &alias, POINTER]).await;
    assert_eq!(site.asked(), ["1.2.0.192.in-addr.arpa. PTR"]);
    let alias = format!("{long} 600 CNAME 9.2.0.192.in-addr.arpa.");
    let pointer = "9.2.0.192.in-addr.arpa. 86400 PTR old.example.";
    site.check(&format!("{long} PTR"), &["NOERROR", &alias, pointer]).await;
}

#[tokio::test]
async fn rule_44_an_alias_to_a_name_that_does_not_exist_says_so_behind_it() {
    let site = Site::new("192.in-addr.arpa. 900 SOA 60").await;
    let name = arpa("2001:db8:64::192.0.2.1");
    let alias = format!("{name} 60 CNAME 1.2.0.192.in-addr.arpa.");
    site.check(&format!("{name} PTR"), &["NXDOMAIN", &alias, "auth 192.in-addr.arpa. 900 SOA"]).await;
}

#[tokio::test]
async fn private_reverse_names_under_a_prefix_do_not_leave() {
    let name = arpa("2001:db8:64::10.1.2.3");
    let alias = format!("{name} <=600 CNAME 3.2.1.10.in-addr.arpa.");
    for (keys, zone) in [
        ("private_zones = \"local\"", "10.in-addr.arpa."),
        ("local_domains = [\"1.10.in-addr.arpa\"]", "1.10.in-addr.arpa."),
    ] {
        let soa = format!("auth {zone} <=600 SOA");
        let site = Site::with("", keys).await;
        site.check(&format!("{name} PTR"), &["NXDOMAIN aa", &alias, &soa]).await;
        let direct = Site::with("", &format!("{keys}\nreverse = \"direct\"")).await;
        let apex = "0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
        direct.check(&format!("{name} PTR"), &["NXDOMAIN aa", &format!("auth {apex} <=600 SOA")]).await;
        assert_eq!((site.asked(), direct.asked()), (vec![], vec![]), "{keys}");
    }
}

#[tokio::test]
async fn rule_45_every_prefix_length_leads_there_and_back() {
    for pref64 in [
        "2001:db8::/32",
        "2001:db8:100::/40",
        "2001:db8:122::/48",
        "2001:db8:122:300::/56",
        "2001:db8:122:344::/64",
        "2001:db8:122:344::/96",
    ] {
        let site = Site::at(pref64, "v4.example. A 1.2.3.5\n5.3.2.1.in-addr.arpa. PTR host.example.").await;
        let address = v6(&site.ask("v4.example. AAAA").await)[0];
        let name = arpa(&address.to_string());
        let alias = format!("{name} 300 CNAME 5.3.2.1.in-addr.arpa.");
        let pointer = "5.3.2.1.in-addr.arpa. 300 PTR host.example.";
        site.check(&format!("{name} PTR"), &["NOERROR", &alias, pointer]).await;
    }
}

#[tokio::test]
async fn rule_46_incomplete_names_have_no_data_and_names_of_no_address_do_not_exist() {
    let site = Site::at("2001:db8:122::/48", POINTER).await;
    let full = arpa("2001:db8:122:c000:2:100::");
    let labels: Vec<_> = full.split('.').collect();
    let apex = "2.2.1.0.8.b.d.0.1.0.0.2.ip6.arpa.";
    let soa = format!("auth {apex} 10800 SOA");
    for (name, head) in [
        (labels[1..].join("."), "NOERROR aa"),
        (labels[8..].join("."), "NOERROR aa"),
        (format!("0.{full}"), "NXDOMAIN aa"),
        (format!("xy.{}", labels[1..].join(".")), "NXDOMAIN aa"),
        (format!("g.{}", labels[1..].join(".")), "NXDOMAIN aa"),
        (arpa("2001:db8:122:c000:1ff:100::"), "NXDOMAIN aa"),
    ] {
        site.check(&format!("{name} PTR"), &[head, &soa]).await;
    }
    assert_eq!(site.asked(), [""; 0]);
    let upper = full.to_uppercase();
    let alias = format!("{upper} 120 CNAME 1.2.0.192.in-addr.arpa.");
    site.check(&format!("{upper} PTR"), &["NOERROR", &alias, POINTER]).await;
}

#[tokio::test]
async fn rule_47_the_apex_is_served_here_and_any_type_at_a_full_name_finds_the_alias() {
    let site = Site::new(POINTER).await;
    let apex = "0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
    for (qtype, count) in [("SOA", 1), ("NS", 1), ("TXT", 0)] {
        let reply = site.ask(&format!("{apex} {qtype}")).await;
        assert_eq!(
            (reply.metadata.response_code, reply.answers.len()),
            (ResponseCode::NoError, count),
            "{qtype}"
        );
    }
    assert_eq!(site.asked(), [""; 0]);
    let name = arpa("2001:db8:64::192.0.2.1");
    for qtype in ["PTR", "TXT", "CNAME"] {
        let reply = site.ask(&format!("{name} {qtype}")).await;
        assert_eq!(reply.answers[0].data.to_string(), "1.2.0.192.in-addr.arpa.", "{qtype}");
    }
}

#[tokio::test]
async fn rule_48_names_under_no_prefix_are_forwarded() {
    let name = arpa("2001:db8:63::192.0.2.1");
    let pointer = format!("{name} 300 PTR host.example.");
    let site = Site::new(&pointer).await;
    site.check(&format!("{name} PTR"), &["NOERROR", &pointer]).await;
    assert_eq!(site.asked(), [format!("{name} PTR")]);
}

#[tokio::test]
async fn rule_49_what_the_well_known_prefix_may_not_carry_has_no_reverse_name() {
    let site = Site::at("64:ff9b::/96", POINTER).await;
    let reply = site.ask(&format!("{} PTR", arpa("64:ff9b::10.0.0.1"))).await;
    assert_eq!((reply.metadata.response_code, site.asked().len()), (ResponseCode::NXDomain, 0));
}

#[tokio::test]
async fn rule_50_cd_does_not_let_a_name_of_the_prefix_leak() {
    let site = Site::new(POINTER).await;
    let name = arpa("2001:db8:64::192.0.2.1");
    let alias = format!("{name} 120 CNAME 1.2.0.192.in-addr.arpa.");
    site.check(&format!("{name} PTR +cd"), &["NOERROR cd", &alias, POINTER]).await;
    assert_eq!(site.asked(), ["1.2.0.192.in-addr.arpa. PTR"]);
}

#[tokio::test]
async fn rule_53_the_well_known_addresses_point_to_ipv4only_arpa() {
    let site = Site::scripted(only_a).await;
    let mapped: Ipv6Addr = format!("{}192.0.0.171", PREF64.trim_end_matches("/96")).parse().unwrap();
    for name in ["170.0.0.192.in-addr.arpa.", "171.0.0.192.in-addr.arpa.", &arpa(&mapped.to_string())] {
        let pointer = format!("{name} 3600 PTR ipv4only.arpa.");
        site.check(&format!("{name} PTR"), &["NOERROR aa", &pointer]).await;
    }
    assert_eq!(site.asked(), [""; 0]);
}

#[tokio::test]
async fn rule_43_the_pointer_stands_at_the_name_itself_where_the_file_says_so() {
    let site = Site::with(POINTER, "reverse = \"direct\"").await;
    let name = arpa("2001:db8:64::192.0.2.1");
    let pointer = format!("{name} 120 PTR host.example.");
    site.check(&format!("{name} PTR"), &["NOERROR", &pointer]).await;
}

#[tokio::test]
async fn rule_48_other_translators_names_are_answered_and_all_are_forwarded_where_the_file_says_so() {
    let name = arpa("2001:db8:66::192.0.2.1");
    let site = Site::with(POINTER, "reverse_prefixes = [\"2001:db8:66::/96\"]").await;
    let alias = format!("{name} 120 CNAME 1.2.0.192.in-addr.arpa.");
    site.check(&format!("{name} PTR"), &["NOERROR", &alias, POINTER]).await;
    let own = arpa("2001:db8:64::192.0.2.1");
    let pointer = format!("{own} 300 PTR elsewhere.example.");
    let site = Site::with(&pointer, "reverse = \"off\"").await;
    site.check(&format!("{own} PTR"), &["NOERROR", &pointer]).await;
}

#[tokio::test]
async fn rule_43_directly_a_missing_name_is_said_in_the_prefixs_own_zone() {
    let site = Site::with("192.in-addr.arpa. 900 SOA 60", "reverse = \"direct\"").await;
    let reply = site.ask(&format!("{} PTR", arpa("2001:db8:64::192.0.2.9"))).await;
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NXDomain, 0));
    let apex = "0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
    assert_eq!(reply.authorities[0].name.to_string(), apex);
}
