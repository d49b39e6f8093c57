//! The matrix of DO, CD and AD (RFC 6147 §3 and §5.5), for a resolver that does not validate.

use super::SYNTHESIZED;
use crate::scripted::{Scripted, a, back, no_data, with};
use crate::site::{Site, patient};
use hickory_proto::rr::{Record, RecordType};

const UNSIGNED: &str = "v4.example. A 192.0.2.1";
const SIGNED: &str = "signed\nv4.example. A 192.0.2.1";

#[tokio::test]
async fn rule_41_without_do_and_cd_a_name_is_synthesized() {
    for zone in [UNSIGNED, SIGNED] {
        let site = Site::new(zone).await;
        site.check("v4.example. AAAA", &["NOERROR", SYNTHESIZED]).await;
    }
}

#[tokio::test]
async fn rule_41_do_alone_does_not_keep_synthesis_away() {
    for zone in [UNSIGNED, SIGNED] {
        let site = Site::new(zone).await;
        site.check("v4.example. AAAA +do", &["NOERROR", SYNTHESIZED]).await;
    }
}

#[tokio::test]
async fn rule_41_cd_gets_the_real_denial_with_or_without_do() {
    let site = Site::new(SIGNED).await;
    let denial =
        ["NOERROR cd", "auth example. 900 RRSIG", "auth v4.example. 900 RRSIG", "auth v4.example. 900 NSEC"];
    let denial: Vec<_> = denial.into_iter().chain(["auth example. 900 SOA"]).collect();
    site.check("v4.example. AAAA +do +cd", &denial).await;
    site.check("v4.example. AAAA +cd", &["NOERROR cd", "auth example. 900 SOA"]).await;
    assert_eq!(site.upstream.count(RecordType::A), 0);
}

#[tokio::test]
async fn rule_41_ad_is_never_copied_from_an_upstream_nor_from_the_client() {
    let site = Site::scripted(|query, asked| {
        let mut message = match asked.qtype {
            RecordType::A => with(query, [a("192.0.2.1")]),
            _ => no_data(query),
        };
        message.metadata.authentic_data = true;
        back(&message)
    })
    .await;
    for flags in ["", "+ad", "+do", "+do +ad"] {
        site.check(&format!("v4.example. AAAA {flags}"), &["NOERROR", SYNTHESIZED]).await;
        site.check(&format!("v4.example. A {flags}"), &["NOERROR", "v4.example. 300 A 192.0.2.1"]).await;
    }
}

#[tokio::test]
async fn rule_42_ipv4only_arpa_is_answered_whatever_do_and_cd_say_and_only_its_ds_goes_upstream() {
    let site = Site::new("arpa. 900 SOA 60\nipv4only.arpa. NS ns.iana.test.").await;
    for flags in ["", "+do", "+cd", "+do +cd"] {
        let reply = site.ask(&format!("ipv4only.arpa. AAAA {flags}")).await;
        assert_eq!((reply.answers.len(), reply.metadata.authentic_data), (2, false), "{flags}");
    }
    assert_eq!(site.asked(), [""; 0]);
    site.check("ipv4only.arpa. DS +do", &["NOERROR", "auth arpa. 900 SOA"]).await;
    assert_eq!(site.asked(), ["ipv4only.arpa. DS"]);
}

#[tokio::test]
async fn rule_41_signed_records_are_left_alone_for_do_where_the_file_says_so() {
    let site = Site::with(SIGNED, "signed = \"pass\"").await;
    site.check("v4.example. AAAA", &["NOERROR", SYNTHESIZED]).await;
    let reply = site.ask("v4.example. AAAA +do").await;
    let types: Vec<_> = reply.authorities.iter().map(Record::record_type).collect();
    assert!(reply.answers.is_empty() && types.contains(&RecordType::NSEC), "{reply}");
    let unsigned = Site::with(UNSIGNED, "signed = \"pass\"").await;
    unsigned.check("v4.example. AAAA +do", &["NOERROR", SYNTHESIZED]).await;
}

#[tokio::test]
async fn rule_41_ad_of_a_trusted_upstream_is_passed_on_with_what_nobody_changed() {
    let upstream = Scripted::start(|query, asked| {
        let mut message = match asked.qtype {
            RecordType::A => with(query, [a("192.0.2.1")]),
            _ => no_data(query),
        };
        message.metadata.authentic_data = true;
        back(&message)
    })
    .await;
    let site = Site::before(upstream, "trust_ad = true", patient()).await;
    for (flags, head) in [("", "NOERROR"), ("+ad", "NOERROR ad"), ("+do", "NOERROR ad")] {
        site.check(&format!("v4.example. A {flags}"), &[head, "v4.example. <=300 A 192.0.2.1"]).await;
        site.check(
            &format!("v4.example. AAAA {flags}"),
            &["NOERROR", "v4.example. <=60 AAAA 2001:db8:64::c000:201"],
        )
        .await;
    }
}
