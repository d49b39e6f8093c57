//! When AAAA records are made (RFC 6147 §5.1).

use super::SYNTHESIZED;
use crate::scripted::{Gate, Scripted, Send, a, aaaa, back, no_data, only_a, reply, with};
use crate::site::{Site, patient};
use crate::world::{LONG, PREF64, synthesized, v6};
use dns64::upstream::Timing;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::NS;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::time::Duration;

#[tokio::test]
async fn rule_01_real_aaaa_is_returned_verbatim_with_its_signature_and_alone() {
    let site = Site::new("signed\nv6.example. AAAA 2001:db8:1::1\nv6.example. A 192.0.2.1").await;
    let real = "v6.example. 300 AAAA 2001:db8:1::1";
    site.check("v6.example. AAAA", &["NOERROR", real]).await;
    site.check("v6.example. AAAA +do", &["NOERROR", real, "v6.example. 300 RRSIG AAAA"]).await;
    assert_eq!(site.asked(), ["v6.example. AAAA"; 2]);
}

#[tokio::test]
async fn rule_02_name_error_on_aaaa_asks_for_no_a() {
    let site = Site::new("other.example. A 192.0.2.1").await;
    site.check("missing.example. AAAA", &["NXDOMAIN", "auth example. 900 SOA"]).await;
    assert_eq!(site.asked(), ["missing.example. AAAA"]);
}

#[tokio::test]
async fn rule_03_any_other_error_on_aaaa_counts_as_no_aaaa() {
    for fault in ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"] {
        let site = Site::new(&format!("v4.example. AAAA !{fault}\nv4.example. A 192.0.2.1")).await;
        site.check("v4.example. AAAA", &["NOERROR", "v4.example. 300 AAAA 2001:db8:64::c000:201"]).await;
    }
}

#[tokio::test]
async fn rule_04_silence_on_aaaa_is_synthesized_around_while_the_client_waits() {
    let zone = "v4.example. AAAA !silent\nv4.example. A 192.0.2.1";
    let timing = Timing { patience: LONG, ..Timing::default() };
    let site = Site::all(PREF64, zone, "", timing).await;
    assert!(Timing::default().total <= Duration::from_millis(1800), "stub resolvers wait two seconds");
    site.check("v4.example. AAAA", &["NOERROR", "v4.example. 300 AAAA 2001:db8:64::c000:201"]).await;
    assert_eq!(site.upstream.count(RecordType::A), 1, "A was in flight and was not asked again");
}

#[tokio::test]
async fn rule_05_where_aaaa_fails_a_decides() {
    let site = Site::new(
        "both.example. AAAA !SERVFAIL\nboth.example. A !SERVFAIL\n\
         none.example. AAAA !SERVFAIL\nnone.example. TXT text",
    )
    .await;
    site.check("both.example. AAAA", &["SERVFAIL"]).await;
    site.check("none.example. AAAA", &["NOERROR", "auth example. 900 SOA"]).await;
}

#[tokio::test]
async fn rule_06_an_error_on_a_is_the_reply() {
    let site = Site::new("v4.example. A !SERVFAIL\nodd.example. A !NXDOMAIN").await;
    site.check("v4.example. AAAA", &["SERVFAIL"]).await;
    site.check("odd.example. AAAA", &["NXDOMAIN"]).await;
}

#[tokio::test]
async fn rule_07_no_data_on_both_sides_is_the_aaaa_answer_with_one_soa() {
    let site = Site::new("text.example. TXT text").await;
    site.check("text.example. AAAA", &["NOERROR", "auth example. 900 SOA"]).await;
    assert_eq!(site.asked(), ["text.example. AAAA", "text.example. A"]);
}

#[tokio::test]
async fn rule_08_a_failed_validation_is_not_worked_around() {
    for code in [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 27] {
        let site =
            Site::new(&format!("v4.example. AAAA !SERVFAIL ede={code}\nv4.example. A 192.0.2.1")).await;
        site.check("v4.example. AAAA", &["SERVFAIL", &format!("ede {code}")]).await;
        assert_eq!(site.upstream.count(RecordType::A), 0);
    }
    let site = Site::new("v4.example. AAAA !SERVFAIL ede=23\nv4.example. A 192.0.2.1").await;
    site.check("v4.example. AAAA", &["NOERROR", "v4.example. 300 AAAA 2001:db8:64::c000:201"]).await;
}

#[tokio::test]
async fn rule_09_other_classes_and_types_are_untouched() {
    let site = Site::scripted(|query, asked| match query.queries[0].query_class {
        DNSClass::IN => only_a(query, asked),
        class => {
            let mut reply = no_data(query);
            reply.authorities.iter_mut().for_each(|soa| soa.dns_class = class);
            back(&reply)
        }
    })
    .await;
    site.check("v4.example. AAAA class=CH", &["NOERROR", "auth example. 900 SOA"]).await;
    assert_eq!(site.asked(), ["v4.example. AAAA"]);
    for qtype in ["MX", "HTTPS", "TYPE38", "NAPTR"] {
        site.check(&format!("v4.example. {qtype}"), &["NOERROR", "auth example. 900 SOA"]).await;
        assert_eq!(site.asked().len(), 1, "{qtype}");
    }
    site.check("v4.example. A", &["NOERROR", "v4.example. 300 A 192.0.2.1"]).await;
}

#[tokio::test]
async fn rule_10_rd_clear_asks_for_no_synthesis() {
    let site = Site::new("v4.example. A 192.0.2.1").await;
    let reply = site.ask("v4.example. AAAA -rd").await;
    assert!(reply.answers.is_empty(), "{reply}");
    assert_eq!(site.upstream.count(RecordType::A), 0);
}

#[tokio::test]
async fn rule_12_empty_non_terminals_have_no_data_and_wildcards_take_the_name_asked_for() {
    let site = Site::new("a.ent.example. A 192.0.2.1\n*.wild.example. A 192.0.2.1").await;
    site.check("ent.example. AAAA", &["NOERROR", "auth example. 900 SOA"]).await;
    site.check("x.Wild.example. AAAA", &["NOERROR", "x.Wild.example. 60 AAAA 2001:db8:64::c000:201"]).await;
}

#[tokio::test]
async fn rule_13_truncation_is_settled_over_tcp_before_anything_is_decided() {
    let site = Site::new(
        "v6.example. AAAA !truncated\nv6.example. AAAA 2001:db8:1::1\nv6.example. A 192.0.2.1\n\
         v4.example. AAAA !truncated\nv4.example. A !truncated\nv4.example. A 192.0.2.1",
    )
    .await;
    site.check("v6.example. AAAA", &["NOERROR", "v6.example. 300 AAAA 2001:db8:1::1"]).await;
    assert_eq!(site.asked(), ["v6.example. AAAA"; 2], "a truncated answer without records is not no data");
    site.check("v4.example. AAAA", &["NOERROR", SYNTHESIZED]).await;
    let over_tcp = site.upstream.take_asked().iter().map(|asked| asked.tcp).collect::<Vec<_>>();
    assert_eq!(over_tcp, [false, true, false, true]);
}

#[tokio::test]
async fn rule_14_an_answer_without_records_counts_as_empty_and_a_lone_alias_as_a_chain() {
    let site = Site::new(
        "v4.example. AAAA !bare\nv4.example. A 192.0.2.1\n\
         www.example. CNAME cdn.other.\ncdn.other. A 192.0.2.1",
    )
    .await;
    site.check("v4.example. AAAA", &["NOERROR", "v4.example. 300 AAAA 2001:db8:64::c000:201"]).await;
    let chain = ["NOERROR", "www.example. 300 CNAME cdn.other.", "cdn.other. 60 AAAA 2001:db8:64::c000:201"];
    site.check("www.example. AAAA", &chain).await;
    let lame = Site::scripted(|query, asked| {
        if asked.qtype == RecordType::A {
            return back(&with(query, [a("192.0.2.1")]));
        }
        let mut referral = reply(query, ResponseCode::NoError);
        let [zone, server] = ["example.", "ns.example."].map(|text| Name::from_ascii(text).unwrap());
        referral.add_authority(Record::from_rdata(zone, 300, RData::NS(NS(server))));
        back(&referral)
    })
    .await;
    lame.check("v4.example. AAAA", &["NOERROR", "v4.example. 300 AAAA 2001:db8:64::c000:201"]).await;
}

#[tokio::test]
async fn rule_15_records_of_an_unrelated_owner_are_no_answer() {
    let site = Site::scripted(|query, asked| {
        let stranger = Name::from_ascii("bank.test.").unwrap();
        let (data, mut message) = match asked.qtype {
            RecordType::A => (a("203.0.113.66"), with(query, [a("192.0.2.1")])),
            _ => (aaaa("2001:db8:bad::1"), no_data(query)),
        };
        message.answers.insert(0, Record::from_rdata(stranger, 300, data));
        back(&message)
    })
    .await;
    site.check("v4.example. AAAA", &["NOERROR", SYNTHESIZED]).await;
    site.asked();
    let reply = site.ask("bank.test. A").await;
    assert_eq!(reply.answers.len(), 2, "it was not kept: the upstream is asked");
    assert_eq!(site.asked(), ["bank.test. A"]);
}

#[tokio::test]
async fn a_late_aaaa_after_a_is_still_the_reply() {
    let gate = Gate::default();
    let wait = gate.clone();
    let upstream = Scripted::start(move |query, asked| match asked.qtype {
        RecordType::A => back(&with(query, [a("192.0.2.1")])),
        _ => vec![Send::When(wait.clone(), with(query, [aaaa("2001:db8:1::1")]).to_vec().unwrap())],
    })
    .await;
    let site = Site::before(upstream, "", Timing { head_start: Duration::ZERO, ..patient() }).await;
    let (reply, ()) = tokio::join!(site.ask("both.example. AAAA"), async {
        site.upstream.until_asked(|asked| asked.len() == 2).await;
        gate.open();
    });
    assert_eq!(reply.answers[0].data, aaaa("2001:db8:1::1"));
}

#[tokio::test]
async fn rule_01_forced_names_are_synthesized_although_they_have_aaaa_and_forbidden_ones_never() {
    let site = Site::with(
        "a.forced.example. AAAA 2001:db8:1::1\na.forced.example. A 192.0.2.1\n\
         six.forced.example. AAAA 2001:db8:1::6\nv4.forbidden.example. A 192.0.2.1",
        "force = [\"forced.example\"]\nforbid = [\"forbidden.example\"]",
    )
    .await;
    let reply = site.ask("a.forced.example. AAAA").await;
    assert_eq!(v6(&reply), synthesized());
    site.check("six.forced.example. AAAA", &["NOERROR", "six.forced.example. 300 AAAA 2001:db8:1::6"]).await;
    site.asked();
    site.check("v4.forbidden.example. AAAA", &["NOERROR", "auth example. 900 SOA"]).await;
    assert_eq!(site.asked(), ["v4.forbidden.example. AAAA"]);
}

#[tokio::test]
async fn rule_02_a_name_error_is_synthesized_around_where_the_file_says_so() {
    let zone = "odd.example. AAAA !NXDOMAIN\nodd.example. A 192.0.2.1\nother.example. A 192.0.2.1";
    let site = Site::with(zone, "on_nxdomain = \"synthesize\"").await;
    let reply = site.ask("odd.example. AAAA").await;
    assert_eq!(v6(&reply), synthesized());
    site.check("missing.example. AAAA", &["NXDOMAIN", "auth example. 900 SOA"]).await;
}

#[tokio::test]
async fn rule_03_an_error_on_aaaa_is_passed_on_where_the_file_says_so() {
    for fault in ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"] {
        let zone = format!("v4.example. AAAA !{fault}\nv4.example. A 192.0.2.1");
        let site = Site::with(&zone, "on_aaaa_error = \"pass\"").await;
        site.check("v4.example. AAAA", &[fault]).await;
        assert_eq!(site.upstream.count(RecordType::A), 0, "{fault}");
    }
}

#[tokio::test]
async fn rule_01_of_forced_and_forbidden_names_the_longer_one_decides() {
    let site = Site::with(
        "www.example. A 192.0.2.1\nwww.some.example. AAAA 2001:db8:1::1\nwww.some.example. A 192.0.2.1",
        "forbid = [\"Example\"]\nforce = [\"some.example\"]",
    )
    .await;
    assert!(site.ask("www.example. AAAA").await.answers.is_empty());
    assert_eq!(v6(&site.ask("www.some.example. AAAA").await), synthesized());
    let real = "www.some.example. <=300 AAAA 2001:db8:1::1";
    site.check("www.some.example. AAAA +cd", &["NOERROR cd", real]).await;
}
