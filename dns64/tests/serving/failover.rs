//! Upstreams that are silent, dead, or unwilling.

use crate::scripted::{Gate, Scripted, Send, a, back, only_a, reply, with};
use crate::world::{LONG, PREF64, World, synthesized, unhurried, v6};
use dns64::upstream::Timing;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Moves on soon and gives up late.
fn hasty() -> Timing {
    Timing { patience: Duration::from_millis(20), total: LONG, head_start: LONG, quick: LONG }
}

/// Gives up soon.
fn brief() -> Timing {
    Timing {
        patience: Duration::from_millis(20),
        total: Duration::from_millis(100),
        head_start: LONG,
        quick: LONG,
    }
}

#[tokio::test]
async fn silence_moves_on_to_the_next_upstream() {
    let silent = Scripted::start(|_, _| vec![]).await;
    let good = Scripted::start(only_a).await;
    let world = World::new(&[silent.address, good.address], hasty());
    assert_eq!(v6(&world.ask("v4.example.", RecordType::AAAA).await), synthesized());
    assert!(!silent.asked().is_empty(), "the first was asked first");
}

#[tokio::test]
async fn a_closed_port_moves_on_at_once() {
    let good = Scripted::start(only_a).await;
    let patient = Timing { patience: LONG, total: LONG, head_start: LONG, quick: LONG };
    let dead = Scripted::nobody();
    let world = World::new(&[dead, good.address], patient);
    assert_eq!(v6(&world.ask("v4.example.", RecordType::AAAA).await), synthesized());
    let line = format!(r#"upstream_failures_total{{upstream="{dead}",reason="unreachable"}}"#);
    assert_eq!(world.metric(&line), "2", "for AAAA and for A");
}

#[tokio::test]
async fn servfail_and_refused_get_a_second_opinion() {
    for rcode in [ResponseCode::ServFail, ResponseCode::Refused] {
        let unwilling = Scripted::start(move |query, _| back(&reply(query, rcode))).await;
        let good = Scripted::start(only_a).await;
        let world = World::new(&[unwilling.address, good.address], hasty());
        let message = world.ask("v4.example.", RecordType::A).await;
        assert_eq!(message.answers[0].data, a("192.0.2.1"), "{rcode}");
        assert_eq!((unwilling.asked().len(), good.asked().len()), (1, 1));
    }
}

#[tokio::test]
async fn where_all_are_unwilling_the_first_answer_is_passed_on() {
    let refusing = Scripted::start(|query, _| back(&reply(query, ResponseCode::Refused))).await;
    let failing = Scripted::start(|query, _| back(&reply(query, ResponseCode::ServFail))).await;
    let world = World::new(&[refusing.address, failing.address], hasty());
    let message = world.ask("v4.example.", RecordType::A).await;
    assert_eq!(message.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn a_name_error_is_final() {
    let first = Scripted::start(|query, _| back(&reply(query, ResponseCode::NXDomain))).await;
    let second = Scripted::start(only_a).await;
    let world = World::new(&[first.address, second.address], hasty());
    let message = world.ask("missing.example.", RecordType::A).await;
    assert_eq!((message.metadata.response_code, second.asked().len()), (ResponseCode::NXDomain, 0));
}

#[tokio::test]
async fn a_query_that_gets_lost_is_sent_again() {
    let lost = AtomicUsize::new(0);
    let upstream =
        Scripted::start(
            move |query, asked| {
                if lost.fetch_add(1, Ordering::SeqCst) < 3 { vec![] } else { only_a(query, asked) }
            },
        )
        .await;
    let world = World::new(&[upstream.address], hasty());
    assert_eq!(world.ask("v4.example.", RecordType::A).await.answers[0].data, a("192.0.2.1"));
    assert_eq!(upstream.asked().len(), 4);
}

#[tokio::test]
async fn a_late_answer_is_still_an_answer() {
    let first = AtomicBool::new(true);
    // The first query is answered when the second arrives, and the second never.
    let upstream = Scripted::start(move |query, _| {
        let reply = with(query, [a("192.0.2.1")]).to_vec().unwrap();
        if first.swap(false, Ordering::SeqCst) { vec![Send::WithNext(reply)] } else { vec![] }
    })
    .await;
    let world = World::new(&[upstream.address], hasty());
    assert_eq!(world.ask("v4.example.", RecordType::A).await.answers[0].data, a("192.0.2.1"));
    assert!(upstream.asked().len() >= 2);
}

#[tokio::test]
async fn an_answer_that_comes_when_the_client_has_given_up_is_for_who_asks_again() {
    let late = Gate::default();
    let (held, first) = (late.clone(), AtomicBool::new(true));
    // Only the first query is ever answered.
    let upstream = Scripted::start(move |query, _| {
        let reply = with(query, [a("192.0.2.1")]).to_vec().unwrap();
        if first.swap(false, Ordering::SeqCst) { vec![Send::When(held.clone(), reply)] } else { vec![] }
    })
    .await;
    let world = World::new(&[upstream.address], brief());
    let message = world.ask("v4.example.", RecordType::A).await;
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
    late.open();
    let again = async {
        loop {
            let message = world.ask("v4.example.", RecordType::A).await;
            if message.metadata.response_code == ResponseCode::NoError {
                return message;
            }
        }
    };
    let message = tokio::time::timeout(LONG, again).await.expect("the answer");
    assert_eq!(message.answers[0].data, a("192.0.2.1"));
}

#[tokio::test]
async fn dead_upstreams_end_in_a_server_failure_that_says_why() {
    let silent = Scripted::start(|_, _| vec![]).await;
    for (upstream, text) in [
        (Scripted::nobody(), "no upstream resolver can be reached"),
        (silent.address, "no upstream resolver answered in time"),
    ] {
        let world = World::new(&[upstream], brief());
        let message = world.ask("v4.example.", RecordType::AAAA).await;
        assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
        let Some(EdnsOption::Unknown(15, body)) =
            message.edns.as_ref().unwrap().option(EdnsCode::Unknown(15)).cloned()
        else {
            panic!("{message}");
        };
        assert_eq!(body, [&[0, 22], text.as_bytes()].concat());
        let line = r#"queries_total{transport="udp",type="AAAA",outcome="failed"}"#;
        assert_eq!(world.metric(line), "1");
    }
}

#[tokio::test]
async fn silent_upstreams_end_in_a_server_failure_within_the_limit() {
    let silent = Scripted::start(|_, _| vec![]).await;
    let world = World::new(&[silent.address], brief());
    let message =
        tokio::time::timeout(LONG, world.ask("v4.example.", RecordType::AAAA)).await.expect("an end");
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
    let line = format!(r#"upstream_failures_total{{upstream="{}",reason="timeout"}}"#, silent.address);
    assert_ne!(world.metric(&line), "0");
    // The query for A ends by itself, at the same moment or the next.
    while world.metric("upstream_in_flight") != "0" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_goes_last() {
    let dead = Scripted::nobody();
    let good = Scripted::start(only_a).await;
    let world = World::new(&[dead, good.address], unhurried());
    let up = format!(r#"upstream_up{{upstream="{dead}"}}"#);
    let failures = format!(r#"upstream_failures_total{{upstream="{dead}",reason="unreachable"}}"#);
    assert_eq!(world.metric(&up), "1");
    for number in 0.. {
        if world.metric(&up) == "0" {
            break;
        }
        world.ask(&format!("v4-{number}.example."), RecordType::A).await;
    }
    let before = world.metric(&failures);
    world.ask("v4.example.", RecordType::A).await;
    assert_eq!(world.metric(&failures), before, "the good one is asked first");
}

#[tokio::test]
async fn one_name_without_an_answer_does_not_take_its_upstream_down() {
    let upstream = Scripted::start(|_, _| vec![]).await;
    let timing = Timing { patience: Duration::from_millis(20), total: Duration::from_millis(500), ..brief() };
    let world = World::new(&[upstream.address], Timing { head_start: Duration::ZERO, ..timing });
    let message = world.ask("dead.example.", RecordType::AAAA).await;
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
    let failures = format!(r#"upstream_failures_total{{upstream="{}",reason="timeout"}}"#, upstream.address);
    assert!(world.metric(&failures).parse::<u32>().unwrap() > 5, "each of AAAA and A is sent four times");
    assert_eq!(world.metric(&format!(r#"upstream_up{{upstream="{}"}}"#, upstream.address)), "1");
}

#[tokio::test]
async fn a_tcp_upstream_is_never_asked_over_udp() {
    let upstream = Scripted::start(only_a).await;
    let world = World::with(&[format!("tcp://{}", upstream.address)], unhurried(), PREF64, "");
    assert_eq!(v6(&world.ask("v4.example.", RecordType::AAAA).await), synthesized());
    assert!(upstream.asked().iter().all(|asked| asked.tcp));
}
