//! Names that are served here: single hosts, hosts files and leases, and that nothing of them goes upstream.

use crate::scripted::{Scripted, only_a};
use crate::world::{PREF64, World, nibbles, unhurried};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};

const GUESTS: &str = r#"
    [[dns64.host]]
    name = "v4.lan"
    addresses = ["192.168.7.10"]
    ttl = "30s"
    [[dns64.host]]
    name = "both.lan"
    addresses = ["192.168.7.11", "2001:db8:7::11"]
"#;

/// The answer section as `ttl type data`.
fn answers(message: &Message) -> Vec<String> {
    let show = |record: &hickory_proto::rr::Record| {
        format!("{} {} {}", record.ttl, record.record_type(), record.data)
    };
    message.answers.iter().map(show).collect()
}

fn guests(upstream: &Scripted) -> World {
    World::with(&[upstream.address.to_string()], unhurried(), PREF64, GUESTS)
}

#[tokio::test]
async fn a_guest_is_named_synthesized_and_found_back_without_an_upstream() {
    let upstream = Scripted::start(only_a).await;
    let world = guests(&upstream);
    assert_eq!(answers(&world.ask("V4.lan.", RecordType::A).await), ["30 A 192.168.7.10"]);
    assert_eq!(answers(&world.ask("v4.lan.", RecordType::AAAA).await), ["30 AAAA 2001:db8:64::c0a8:70a"]);
    assert_eq!(answers(&world.ask("both.lan.", RecordType::AAAA).await), ["60 AAAA 2001:db8:7::11"]);
    let none = world.ask("v4.lan.", RecordType::TXT).await;
    assert_eq!(
        (none.metadata.response_code, none.answers.len(), none.authorities.len()),
        (ResponseCode::NoError, 0, 1)
    );
    let reverse = world.ask("10.7.168.192.in-addr.arpa.", RecordType::PTR).await;
    assert_eq!(answers(&reverse), ["30 PTR v4.lan."]);
    let reverse = format!("{}ip6.arpa.", nibbles("2001:db8:7::11".parse().unwrap()));
    assert_eq!(answers(&world.ask(&reverse, RecordType::PTR).await), ["60 PTR both.lan."]);
    assert_eq!(upstream.asked(), []);
    assert_eq!(world.metric(r#"queries_total{transport="udp",type="AAAA",outcome="hosts"}"#), "2");
}

#[tokio::test]
async fn the_synthesized_address_of_a_guest_leads_back_to_it() {
    let upstream = Scripted::start(only_a).await;
    let world = guests(&upstream);
    let reverse = format!("{}ip6.arpa.", nibbles("2001:db8:64::192.168.7.10".parse().unwrap()));
    assert_eq!(
        answers(&world.ask(&reverse, RecordType::PTR).await),
        ["30 CNAME 10.7.168.192.in-addr.arpa.", "30 PTR v4.lan."]
    );
    assert_eq!(answers(&world.ask(&reverse, RecordType::TXT).await), ["30 CNAME 10.7.168.192.in-addr.arpa."]);
    assert_eq!(upstream.asked(), []);
}

#[tokio::test]
async fn under_the_well_known_prefix_a_private_guest_has_no_aaaa_record_and_the_reply_says_why() {
    let upstream = Scripted::start(only_a).await;
    let world = World::with(&[upstream.address.to_string()], unhurried(), "64:ff9b::/96", GUESTS);
    let reply = world.ask("v4.lan.", RecordType::AAAA).await;
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0));
    let edns = reply.edns.expect("an OPT record");
    let Some(EdnsOption::Unknown(15, error)) = edns.option(EdnsCode::Unknown(15)) else {
        panic!("an extended error in {edns:?}")
    };
    assert!(String::from_utf8_lossy(&error[2..]).contains("64:ff9b::/96"), "{error:?}");
    assert_eq!(upstream.asked(), []);
}
