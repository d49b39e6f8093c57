//! What is asked upstream for an AAAA question, and what comes of it.

use crate::scripted::{Scripted, Send, a, aaaa, back, no_data, only_a, reply, with};
use crate::world::{LONG, World, nibbles, question, synthesized, unhurried, v6};
use dns64::upstream::Timing;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::PTR;
use hickory_proto::rr::{Name, RData, RecordType};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

fn patient() -> Timing {
    Timing { patience: LONG, total: LONG, head_start: LONG, quick: LONG }
}

#[tokio::test]
async fn a_name_with_only_a_gets_an_address_in_the_prefix() {
    let upstream = Scripted::start(only_a).await;
    let world = World::new(&[upstream.address], unhurried());
    let message = world.ask("v4.example.", RecordType::AAAA).await;
    assert_eq!(v6(&message), synthesized());
    assert_eq!(message.answers[0].ttl, 60, "the negative TTL of the AAAA answer");
    assert_eq!(message.metadata.response_code, ResponseCode::NoError);
    let line = r#"queries_total{transport="udp",type="AAAA",outcome="synthesized"}"#;
    assert_eq!((world.metric(line), world.metric("synthesized_records_total")), ("1".into(), "1".into()));
}

#[tokio::test]
async fn real_aaaa_is_untouched_and_a_is_not_asked() {
    let upstream = Scripted::start(|query, _| back(&with(query, [aaaa("2001:db8:1::1")]))).await;
    let world = World::new(&[upstream.address], patient());
    let message = world.ask("v6.example.", RecordType::AAAA).await;
    assert_eq!(v6(&message), ["2001:db8:1::1".parse::<std::net::Ipv6Addr>().unwrap()]);
    assert_eq!((upstream.count(RecordType::AAAA), upstream.count(RecordType::A)), (1, 0));
}

#[tokio::test]
async fn a_name_error_sends_no_a() {
    let upstream = Scripted::start(|query, _| back(&reply(query, ResponseCode::NXDomain))).await;
    let world = World::new(&[upstream.address], patient());
    let message = world.ask("missing.example.", RecordType::AAAA).await;
    assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!((upstream.count(RecordType::AAAA), upstream.count(RecordType::A)), (1, 0));
}

#[tokio::test]
async fn an_error_on_aaaa_is_synthesized_around() {
    for rcode in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::NotImp, ResponseCode::FormErr]
    {
        let upstream = Scripted::start(move |query, asked| match asked.qtype {
            RecordType::A => back(&with(query, [a("192.0.2.1")])),
            _ => back(&reply(query, rcode)),
        })
        .await;
        let world = World::new(&[upstream.address], patient());
        let message = world.ask("v4.example.", RecordType::AAAA).await;
        assert_eq!(
            (message.metadata.response_code, v6(&message)),
            (ResponseCode::NoError, synthesized()),
            "{rcode}"
        );
    }
}

#[tokio::test]
async fn a_black_holed_aaaa_is_synthesized_around_while_the_client_waits() {
    let upstream = Scripted::start(|query, asked| match asked.qtype {
        RecordType::A => back(&with(query, [a("192.0.2.1")])),
        _ => vec![],
    })
    .await;
    let world = World::new(&[upstream.address], Timing { patience: LONG, ..Timing::default() });
    let answer = tokio::time::timeout(LONG, world.ask("v4.example.", RecordType::AAAA)).await;
    assert_eq!(v6(&answer.expect("a stub does not wait forever")), synthesized());
    assert_eq!(upstream.count(RecordType::A), 1, "asked early and once");
    assert!(Timing::default().total < std::time::Duration::from_millis(1800));
}

#[tokio::test]
async fn a_truncated_answer_is_asked_again_over_tcp_before_anything_is_decided() {
    let upstream = Scripted::start(|query, asked| {
        let mut message = match (asked.qtype, asked.tcp) {
            (RecordType::AAAA, true) => with(query, [aaaa("2001:db8:1::1")]),
            (_, true) => no_data(query),
            (_, false) => reply(query, ResponseCode::NoError),
        };
        message.metadata.truncation = !asked.tcp;
        back(&message)
    })
    .await;
    let world = World::new(&[upstream.address], patient());
    let message = world.ask("big.example.", RecordType::AAAA).await;
    assert_eq!(v6(&message), ["2001:db8:1::1".parse::<std::net::Ipv6Addr>().unwrap()]);
    let transports: Vec<_> = upstream.asked().iter().map(|asked| asked.tcp).collect();
    assert_eq!(transports, [false, true]);
}

#[tokio::test]
async fn a_question_for_a_is_passed_on_after_a_synthesis() {
    let upstream = Scripted::start(only_a).await;
    let world = World::new(&[upstream.address], unhurried());
    world.ask("v4.example.", RecordType::AAAA).await;
    let message = world.ask("v4.example.", RecordType::A).await;
    assert_eq!(
        message.answers.iter().map(|record| record.data.clone()).collect::<Vec<_>>(),
        [a("192.0.2.1")]
    );
}

#[tokio::test]
async fn the_clients_spelling_comes_back_whatever_went_upstream() {
    let upstream = Scripted::start(only_a).await;
    let world = World::new(&[upstream.address], unhurried());
    for qtype in [RecordType::AAAA, RecordType::A] {
        let message = world.ask("WwW.ExAmPlE.", qtype).await;
        assert_eq!(message.queries[0].name.to_ascii(), "WwW.ExAmPlE.");
        assert_eq!(message.answers[0].name.to_ascii(), "WwW.ExAmPlE.");
    }
}

#[tokio::test]
async fn bits_and_types_of_a_proxied_question_survive() {
    let upstream = Scripted::start(|query, _| {
        assert!(query.metadata.checking_disabled && query.edns.as_ref().unwrap().flags().dnssec_ok);
        back(&no_data(query))
    })
    .await;
    let world = World::new(&[upstream.address], patient());
    let mut message = Message::from_vec(&question("v4.example.", RecordType::AAAA)).unwrap();
    message.metadata.checking_disabled = true;
    message.edns.as_mut().unwrap().set_dnssec_ok(true);
    let reply = world.ask_raw(&message.to_vec().unwrap()).await.unwrap();
    assert!(reply.metadata.checking_disabled && reply.edns.unwrap().flags().dnssec_ok);
    assert_eq!((reply.authorities.len(), upstream.count(RecordType::A)), (1, 0), "CD keeps synthesis away");
}

#[tokio::test]
async fn a_synthesized_address_leads_back_to_the_ipv4_name() {
    let upstream = Scripted::start(|query, asked| match (asked.name.as_str(), asked.qtype) {
        ("1.2.0.192.in-addr.arpa.", RecordType::PTR) => {
            back(&with(query, [RData::PTR(PTR(Name::from_ascii("host.example.").unwrap()))]))
        }
        _ => only_a(query, asked),
    })
    .await;
    let world = World::new(&[upstream.address], unhurried());
    let address = v6(&world.ask("v4.example.", RecordType::AAAA).await)[0];
    let message = world.ask(&format!("{}ip6.arpa.", nibbles(address)), RecordType::PTR).await;
    let shown: Vec<_> = message.answers.iter().map(|record| record.data.to_string()).collect();
    assert_eq!(shown, ["1.2.0.192.in-addr.arpa.", "host.example."]);
    assert_eq!(message.answers[0].record_type(), RecordType::CNAME);
    assert_eq!(message.answers[1].name.to_string(), "1.2.0.192.in-addr.arpa.");
}

#[tokio::test]
async fn lies_are_counted_and_passed_over() {
    let upstream = Scripted::start(|query, asked| {
        let truth = with(query, [a("192.0.2.1")]);
        let lie = with(query, [a("203.0.113.66")]);
        let edited = |edit: fn(&mut Message)| {
            let mut lie = lie.clone();
            edit(&mut lie);
            Send::Back(lie.to_vec().unwrap())
        };
        if asked.qtype != RecordType::A {
            return back(&no_data(query));
        }
        vec![
            edited(|lie| lie.metadata.id ^= 1),
            edited(|lie| lie.queries[0].name = Name::from_ascii("other.example.").unwrap()),
            edited(|lie| lie.queries[0].query_type = RecordType::AAAA),
            edited(|lie| lie.metadata.message_type = hickory_proto::op::MessageType::Query),
            Send::Back(b"garbage".to_vec()),
            Send::FromElsewhere(lie.to_vec().unwrap()),
            Send::Back(truth.to_vec().unwrap()),
        ]
    })
    .await;
    let world = World::new(&[upstream.address], patient());
    assert_eq!(v6(&world.ask("v4.example.", RecordType::AAAA).await), synthesized());
    let counted = |reason: &str| {
        let name = upstream.address;
        world.metric(&format!(r#"upstream_mismatches_total{{upstream="{name}",reason="{reason}"}}"#))
    };
    assert_eq!(
        (counted("id"), counted("question"), counted("malformed")),
        ("1".into(), "2".into(), "2".into())
    );
}

#[tokio::test]
async fn a_wrong_spelling_is_settled_over_tcp() {
    let upstream = Scripted::start(|query, asked| {
        let answer = if asked.tcp { a("192.0.2.1") } else { a("203.0.113.66") };
        let mut message = with(query, [answer]);
        if !asked.tcp {
            let spelt = query.queries[0].name.to_ascii();
            let respelt: String = spelt
                .chars()
                .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
                .collect();
            message.queries[0].name = Name::from_ascii(respelt).unwrap();
        }
        back(&message)
    })
    .await;
    let world = World::new(&[upstream.address], patient());
    let message = world.ask("v4.example.", RecordType::A).await;
    assert_eq!(message.answers[0].data, a("192.0.2.1"));
    assert_eq!(upstream.asked().iter().map(|asked| asked.tcp).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn queries_differ_in_number_spelling_and_port() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let upstream = Scripted::start(move |query, asked| {
        let spelt = query.queries[0].name.to_ascii()[1..].to_owned();
        log.lock().unwrap().push((query.metadata.id, spelt, asked.port));
        only_a(query, asked)
    })
    .await;
    let world = World::new(&[upstream.address], unhurried());
    for number in 0..8 {
        world.ask(&format!("{number}a-rather-long-name-with-many-letters.example."), RecordType::A).await;
    }
    let seen = seen.lock().unwrap();
    let distinct = |values: Vec<String>| values.into_iter().collect::<HashSet<_>>().len();
    // Eight draws of 2^14 ports or more: fewer than five different ones do not happen by chance.
    assert!(distinct(seen.iter().map(|(id, ..)| id.to_string()).collect()) > 4, "{seen:?}");
    assert!(distinct(seen.iter().map(|(_, name, _)| name.clone()).collect()) > 4, "{seen:?}");
    assert!(distinct(seen.iter().map(|(.., port)| port.to_string()).collect()) > 4, "{seen:?}");
}
