//! Names answered here, and messages that are no questions: nothing of them goes upstream.

use crate::scripted::{Scripted, only_a};
use crate::world::{World, nibbles, question, unhurried, v6};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use std::net::Ipv6Addr;

#[tokio::test]
async fn ipv4only_arpa_is_answered_with_every_upstream_dead() {
    let world = World::new(&[Scripted::nobody()], unhurried());
    let message = world.ask("ipv4only.arpa.", RecordType::AAAA).await;
    let expect: Vec<Ipv6Addr> =
        ["2001:db8:64::192.0.0.170", "2001:db8:64::192.0.0.171"].map(|text| text.parse().unwrap()).to_vec();
    assert_eq!(v6(&message), expect);
    assert_eq!(world.ask("ipv4only.arpa.", RecordType::A).await.answers.len(), 2);
    let name = format!("{}ip6.arpa.", nibbles(expect[0]));
    assert_eq!(world.ask(&name, RecordType::PTR).await.answers[0].data.to_string(), "ipv4only.arpa.");
}

#[tokio::test]
async fn special_names_do_not_leave() {
    let upstream = Scripted::start(only_a).await;
    let world = World::new(&[upstream.address], unhurried());
    for (name, rcode) in [
        ("localhost.", ResponseCode::NoError),
        ("x.invalid.", ResponseCode::NXDomain),
        ("x.onion.", ResponseCode::NXDomain),
        ("printer.local.", ResponseCode::NXDomain),
        ("_dns.resolver.arpa.", ResponseCode::NoError),
    ] {
        assert_eq!(world.ask(name, RecordType::AAAA).await.metadata.response_code, rcode, "{name}");
    }
    assert_eq!(upstream.asked(), []);
}

#[tokio::test]
async fn garbage_is_dropped_or_refused_with_a_counted_reason() {
    let upstream = Scripted::start(only_a).await;
    let world = World::new(&[upstream.address], unhurried());
    assert_eq!(world.ask_raw(b"").await, None);
    assert_eq!(world.ask_raw(b"short").await, None);
    let mut response = question("v4.example.", RecordType::A);
    response[2] |= 0x80;
    assert_eq!(world.ask_raw(&response).await, None);
    let refused = world.ask_raw(&[0; 40]).await.unwrap();
    assert_eq!(refused.metadata.response_code, ResponseCode::FormErr);
    let mut update = question("v4.example.", RecordType::A);
    update[2] |= 5 << 3;
    assert_eq!(world.ask_raw(&update).await.unwrap().metadata.response_code, ResponseCode::NotImp);
    let transfer = world.ask("example.", RecordType::AXFR).await;
    assert_eq!(transfer.metadata.response_code, ResponseCode::Refused);
    for (line, count) in [
        (r#"dropped_total{reason="short"}"#, "2"),
        (r#"dropped_total{reason="response"}"#, "1"),
        (r#"rejected_total{reason="question_count"}"#, "1"),
        (r#"rejected_total{reason="opcode"}"#, "1"),
    ] {
        assert_eq!(world.metric(line), count, "{line}");
    }
    assert_eq!(upstream.asked(), []);
}
