//! Private addresses that upstreams give to public names, and who may have them.

use crate::scripted::{Scripted, a, aaaa, back, no_data, with};
use crate::world::{PREF64, World, unhurried, v6};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{RData, Record, RecordType};

/// A router's address for every name, and one beside it that is public.
async fn hostile() -> Scripted {
    Scripted::start(|query, asked| match (asked.qtype, asked.name.starts_with("mixed")) {
        (RecordType::A, false) if asked.name.starts_with("odd") => {
            let mut message = with(query, [a("192.168.1.1")]);
            let empty = RData::Unknown { code: RecordType::Unknown(65_280), rdata: NULL::new() };
            message.add_additional(Record::from_rdata(query.queries[0].name.clone(), 300, empty));
            back(&message)
        }
        (RecordType::A, _) if asked.name.starts_with("good") => back(&with(query, [a("9.9.9.9")])),
        (RecordType::A, false) => back(&with(query, [a("192.168.1.1")])),
        (RecordType::A, true) => back(&with(query, [a("192.168.1.1"), a("9.9.9.9")])),
        (RecordType::AAAA, _) if asked.name.starts_with("six") => {
            back(&with(query, [aaaa("fd00::1"), aaaa("2001:db8:64::10.0.0.1")]))
        }
        _ => back(&no_data(query)),
    })
    .await
}

fn blocked(message: &Message) -> bool {
    let edns = message.edns.as_ref().expect("an OPT record");
    matches!(edns.option(EdnsCode::Unknown(15)), Some(EdnsOption::Unknown(15, error)) if error.starts_with(&[0, 15]))
}

fn world(upstream: &Scripted, keys: &str) -> World {
    World::with(&[upstream.address.to_string()], unhurried(), PREF64, keys)
}

#[tokio::test]
async fn a_public_name_does_not_lead_into_the_own_network() {
    let upstream = hostile().await;
    let world = world(&upstream, "rebind_protection = true");
    for _ in ["fresh", "from the cache"] {
        for (name, qtype) in [
            ("evil.example.", RecordType::A),
            ("evil.example.", RecordType::AAAA),
            ("six.example.", RecordType::AAAA),
        ] {
            let reply = world.ask(name, qtype).await;
            assert!(reply.answers.is_empty() && !reply.authorities.is_empty(), "{name} {qtype}: {reply:?}");
            assert!(blocked(&reply), "{name} {qtype}: {reply:?}");
        }
        let mixed = world.ask("mixed.example.", RecordType::AAAA).await;
        assert_eq!(v6(&mixed), ["2001:db8:64::9.9.9.9".parse::<std::net::Ipv6Addr>().unwrap()]);
    }
    assert_ne!(world.metric("private_records_total"), "0");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_hides_no_private_address() {
    let upstream = hostile().await;
    let world = world(&upstream, "rebind_protection = true");
    for _ in ["fresh", "from the cache"] {
        let reply = world.ask("odd.example.", RecordType::A).await;
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::ServFail, 0));
    }
}

#[tokio::test]
async fn names_that_may_have_private_addresses_keep_them() {
    let upstream = hostile().await;
    let keys = "rebind_protection = true\nprivate_domains = [\"corp.example\"]";
    let world = world(&upstream, keys);
    assert_eq!(world.ask("nas.corp.example.", RecordType::A).await.answers.len(), 1);
    let expect: std::net::Ipv6Addr = "2001:db8:64::192.168.1.1".parse().unwrap();
    assert_eq!(v6(&world.ask("nas.corp.example.", RecordType::AAAA).await), [expect]);
    assert!(world.ask("nas.example.", RecordType::A).await.answers.is_empty());
}

#[tokio::test]
async fn protection_that_is_turned_on_or_off_forgets_what_it_concerns_and_nothing_else() {
    let upstream = hostile().await;
    let world = world(&upstream, "");
    let reload = |pref64, keys| world.reload(&[upstream.address.to_string()], unhurried(), pref64, keys);
    let asked = |name: &str| upstream.asked().iter().filter(|asked| asked.name == name).count();
    let private = async |name: &str| world.ask(name, RecordType::A).await.answers.len();
    assert_eq!((private("evil.example.").await, private("good.example.").await), (1, 1));
    reload(PREF64, "rebind_protection = true");
    assert_eq!((private("evil.example.").await, private("good.example.").await), (0, 1));
    reload(PREF64, "rebind_protection = true\nprivate_domains = [\"evil.example\"]");
    assert_eq!(private("evil.example.").await, 1);
    reload(PREF64, "rebind_protection = true");
    assert_eq!(private("evil.example.").await, 0);
    reload(PREF64, "");
    assert_eq!((private("evil.example.").await, private("good.example.").await), (1, 1));
    assert_eq!((asked("evil.example."), asked("good.example.")), (5, 1));
}

#[tokio::test]
async fn protection_that_is_turned_off_forgets_what_it_emptied_whatever_upstreams_said_besides() {
    let upstream = Scripted::start(|query, _| {
        let mut message = with(query, [a("192.168.1.1")]);
        let options = message.edns.as_mut().expect("queries have OPT").options_mut();
        for code in [4, 13, 24, 25] {
            options.insert(EdnsOption::Unknown(15, vec![0, code]));
        }
        back(&message)
    })
    .await;
    let world = world(&upstream, "rebind_protection = true");
    for _ in ["fresh", "from the cache"] {
        let guarded = world.ask("evil.example.", RecordType::A).await;
        assert!(guarded.answers.is_empty() && blocked(&guarded), "{guarded:?}");
    }
    // Made of the remembered answer.
    assert!(blocked(&world.ask("evil.example.", RecordType::AAAA).await));
    world.reload(&[upstream.address.to_string()], unhurried(), PREF64, "");
    assert_eq!(world.ask("evil.example.", RecordType::A).await.answers.len(), 1);
}

#[tokio::test]
async fn a_changed_prefix_drops_what_lies_in_it_and_what_was_synthesized() {
    let upstream = hostile().await;
    for keys in ["", "rebind_protection = true"] {
        let world = world(&upstream, keys);
        let synthesized = async |expect: &str| {
            let reply = world.ask("good.example.", RecordType::AAAA).await;
            assert_eq!(v6(&reply), [expect.parse::<std::net::Ipv6Addr>().unwrap()]);
        };
        synthesized("2001:db8:64::9.9.9.9").await;
        let before = upstream.asked().len();
        world.reload(&[upstream.address.to_string()], unhurried(), "2001:db8:65::/96", keys);
        synthesized("2001:db8:65::9.9.9.9").await;
        assert_eq!(upstream.asked().len(), before, "what upstreams said is kept");
    }
    // An address of a private network, once it lies in a prefix in use.
    let keys = "rebind_protection = true";
    let world = World::with(&[upstream.address.to_string()], unhurried(), "2001:db8:65::/96", keys);
    assert_eq!(v6(&world.ask("six.example.", RecordType::AAAA).await).len(), 1);
    world.reload(&[upstream.address.to_string()], unhurried(), PREF64, keys);
    assert!(v6(&world.ask("six.example.", RecordType::AAAA).await).is_empty());
}
