//! When A is asked for: beside AAAA or behind it (RFC 6147 §5.1.8).

use crate::scripted::{Asked, Scripted, Send, Sends, a, aaaa, back, no_data, only_a, reply, with};
use crate::site::Site;
use crate::world::{LONG, synthesized, v6};
use dns64::upstream::Timing;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use std::time::Duration;

/// Every upstream is slow whose time is known, and what is waited for is waited for to the end.
fn far() -> Timing {
    Timing { patience: LONG, total: LONG, head_start: LONG, quick: Duration::ZERO }
}

/// Names below `v6.example` have AAAA records, those below `none.example` do not exist, and all others have A records
/// alone. What is said of AAAA for a name that begins with `held` is held back until the next query has come.
fn script(query: &Message, asked: &Asked) -> Sends {
    match asked.qtype {
        RecordType::AAAA if asked.name.starts_with("held.") => {
            vec![Send::WithNext(no_data(query).to_vec().unwrap())]
        }
        _ if asked.name.ends_with(".none.example.") => back(&reply(query, ResponseCode::NXDomain)),
        RecordType::AAAA if asked.name.ends_with(".v6.example.") => {
            back(&with(query, [aaaa("2001:db8:1::1")]))
        }
        _ => only_a(query, asked),
    }
}

async fn site(more: &str) -> Site {
    Site::before(Scripted::start(script).await, more, far()).await
}

#[tokio::test]
async fn both_are_asked_for_at_once_when_the_upstream_is_known_to_be_slow() {
    let site = site("").await;
    assert_eq!(v6(&site.ask("a.v4.example. AAAA").await), synthesized());
    assert_eq!(site.asked(), ["a.v4.example. AAAA", "a.v4.example. A"]);
    // These would never be answered if A waited for the answer to AAAA.
    for name in ["held.v4.example.", "held.unknown.example."] {
        assert_eq!(v6(&site.ask(&format!("{name} AAAA")).await), synthesized());
        assert_eq!(site.asked(), [format!("{name} AAAA"), format!("{name} A")]);
    }
    assert_eq!(site.world.metric("early_a_lookups_total"), "2");
    assert_eq!(site.world.metric("needless_a_lookups_total"), "0");
}

#[tokio::test]
async fn an_upstream_is_waited_for_while_nothing_is_known_of_its_time() {
    let site = site("").await;
    site.ask("a.v6.example. AAAA").await;
    assert_eq!(site.asked(), ["a.v6.example. AAAA"]);
    assert_eq!(site.world.metric("early_a_lookups_total"), "0");
}

#[tokio::test]
async fn a_waits_where_names_beside_have_aaaa_records_or_do_not_exist() {
    let site = site("").await;
    site.ask("a.v4.example. AAAA").await;
    site.asked();
    for (parent, needless) in [("v6.example.", "1"), ("none.example.", "2")] {
        site.ask(&format!("a.{parent} AAAA")).await;
        site.upstream.until_asked(|asked| asked.len() == 2).await;
        site.asked();
        for name in ["b", "c", "D"] {
            site.ask(&format!("{name}.{parent} AAAA")).await;
            assert_eq!(site.asked(), [format!("{}.{parent} AAAA", name.to_lowercase())]);
        }
        assert_eq!(site.world.metric("needless_a_lookups_total"), needless, "one for each parent");
    }
}

#[tokio::test]
async fn a_does_not_wait_where_aaaa_is_passed_over_anyway() {
    let site = site("force = [\"v6.example\"]\non_nxdomain = \"synthesize\"").await;
    for name in ["a.v6.example.", "a.none.example."] {
        site.ask(&format!("{name} AAAA")).await;
        assert_eq!(site.asked(), [format!("{name} AAAA"), format!("{name} A")]);
    }
    for name in ["held.v6.example.", "held.none.example."] {
        site.ask(&format!("{name} AAAA")).await;
        assert_eq!(site.asked(), [format!("{name} AAAA"), format!("{name} A")]);
    }
}

#[tokio::test]
async fn a_quick_upstream_is_waited_for() {
    let timing = Timing { quick: LONG, ..far() };
    let site = Site::before(Scripted::start(script).await, "", timing).await;
    for name in ["a.v6.example.", "b.v6.example.", "a.none.example.", "b.none.example."] {
        site.ask(&format!("{name} AAAA")).await;
        assert_eq!(site.asked(), [format!("{name} AAAA")]);
    }
    assert_eq!(a("192.0.2.1"), site.ask("a.v4.example. A").await.answers[0].data);
    assert_eq!(site.world.metric("early_a_lookups_total"), "0");
}
