//! How upstreams are spoken to: who is asked for which name, over which socket, and what becomes of a slow one.

use crate::scripted::{Asked, Gate, Scripted, Send, Sends, a, back, only_a, reply, with};
use crate::world::{PREF64, World, synthesized, unhurried, v6};
use futures_util::future::join_all;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

fn forwarding(default: &Scripted, groups: &[(&str, &Scripted)]) -> World {
    let group = |(domains, upstream): &(&str, &Scripted)| {
        format!("[[dns64.forward]]\ndomains = [{domains}]\nupstream = [\"{}\"]\n", upstream.address)
    };
    let more: String = groups.iter().map(group).collect();
    World::with(&[default.address.to_string()], unhurried(), PREF64, &more)
}

fn names(upstream: &Scripted) -> Vec<(String, RecordType)> {
    let mut names: Vec<_> = upstream.asked().into_iter().map(|asked| (asked.name, asked.qtype)).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_longest_domain_decides_who_is_asked_whatever_the_type() {
    let (default, outer, inner) =
        (Scripted::start(only_a).await, Scripted::start(only_a).await, Scripted::start(only_a).await);
    let world = forwarding(
        &default,
        &[(r#""corp.example", "2.0.192.in-addr.arpa""#, &outer), (r#""dev.corp.example""#, &inner)],
    );
    for name in ["www.example.", "xcorp.example.", "corp.example.", "a.CORP.example.", "b.dev.corp.example."]
    {
        assert_eq!(v6(&world.ask(name, RecordType::AAAA).await), synthesized(), "{name}");
    }
    world.ask("7.2.0.192.in-addr.arpa.", RecordType::PTR).await;
    let both = |name: &str| [(name.to_owned(), RecordType::A), (name.to_owned(), RecordType::AAAA)];
    assert_eq!(names(&default), [both("www.example."), both("xcorp.example.")].concat());
    let reverse = [("7.2.0.192.in-addr.arpa.".to_owned(), RecordType::PTR)];
    assert_eq!(names(&outer), [&reverse[..], &both("a.corp.example."), &both("corp.example.")].concat());
    assert_eq!(names(&inner), both("b.dev.corp.example."));
}

#[tokio::test]
async fn names_of_a_domain_do_not_leak_where_its_upstreams_are_dead() {
    let default = Scripted::start(only_a).await;
    let more =
        format!("[[dns64.forward]]\ndomains = [\"corp.example\"]\nupstream = [\"{}\"]\n", Scripted::nobody());
    let world = World::with(&[default.address.to_string()], unhurried(), PREF64, &more);
    let message = world.ask("www.corp.example.", RecordType::AAAA).await;
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
    assert!(default.asked().is_empty());
}

/// FORMERR to whatever has an OPT record, as servers from before RFC 2671 say it.
fn without_edns(query: &Message, asked: &Asked) -> Sends {
    if query.edns.is_none() {
        return only_a(query, asked);
    }
    let mut refusal = reply(query, ResponseCode::FormErr);
    refusal.edns = None;
    back(&refusal)
}

#[tokio::test]
async fn an_upstream_that_knows_no_edns_is_asked_without_and_that_is_remembered() {
    let upstream = Scripted::start(without_edns).await;
    let world = World::new(&[upstream.address], unhurried());
    let first = world.ask("v4.example.", RecordType::A).await;
    assert_eq!((first.answers[0].data.clone(), upstream.asked().len()), (a("192.0.2.1"), 2));
    let second = world.ask("v4-2.example.", RecordType::A).await;
    assert_eq!((second.answers[0].data.clone(), upstream.asked().len()), (a("192.0.2.1"), 3));
}

/// FORMERR without a question, as it is sent to the queries that are counted below `strays`.
async fn curt(strays: usize, edns_is_known: bool) -> (Scripted, Arc<Mutex<Vec<bool>>>) {
    let spoken = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&spoken);
    let upstream = Scripted::start(move |query, asked| {
        let mut heard = heard.lock().unwrap();
        heard.push(query.edns.is_some());
        if heard.len() > strays && (edns_is_known || query.edns.is_none()) {
            return only_a(query, asked);
        }
        let mut refusal = reply(query, ResponseCode::FormErr);
        refusal.edns = None;
        refusal.queries.clear();
        back(&refusal)
    })
    .await;
    (upstream, spoken)
}

#[tokio::test]
async fn one_format_error_without_a_question_turns_nothing_off() {
    let (upstream, spoken) = curt(1, true).await;
    let world = World::new(&[upstream.address], unhurried());
    for name in ["v4.example.", "v4-2.example."] {
        assert_eq!(world.ask(name, RecordType::A).await.answers[0].data, a("192.0.2.1"));
    }
    assert_eq!(*spoken.lock().unwrap(), [true, true, true], "EDNS is spoken in every query");
}

#[tokio::test]
async fn an_upstream_that_answers_edns_with_bare_headers_is_asked_without_and_that_is_remembered() {
    let (upstream, spoken) = curt(0, false).await;
    let world = World::new(&[upstream.address], unhurried());
    for name in ["v4.example.", "v4-2.example."] {
        assert_eq!(world.ask(name, RecordType::A).await.answers[0].data, a("192.0.2.1"));
    }
    assert_eq!(*spoken.lock().unwrap(), [true, true, false, false]);
}

#[tokio::test]
async fn a_format_error_from_an_upstream_that_knows_edns_is_not_blamed_on_edns() {
    let upstream = Scripted::start(|query, _| back(&reply(query, ResponseCode::FormErr))).await;
    let world = World::new(&[upstream.address], unhurried());
    world.ask("v4.example.", RecordType::A).await;
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn queries_over_tcp_share_a_connection_and_are_answered_in_any_order() {
    let last = Gate::default();
    let waiting = last.clone();
    // The first waits for the last.
    let upstream = Scripted::start(move |query, asked| {
        let answer = with(query, [a("192.0.2.1")]).to_vec().unwrap();
        match asked.name.as_str() {
            "v4-0.example." => vec![Send::When(waiting.clone(), answer)],
            "v4-9.example." => {
                waiting.open();
                vec![Send::Back(answer)]
            }
            _ => vec![Send::Back(answer)],
        }
    })
    .await;
    let world = World::with(&[format!("tcp://{}", upstream.address)], unhurried(), PREF64, "");
    let names: Vec<_> = (0..10).map(|index| format!("v4-{index}.example.")).collect();
    for message in join_all(names.iter().map(|name| world.ask(name, RecordType::A))).await {
        assert_eq!(message.answers[0].data, a("192.0.2.1"));
    }
    let asked = upstream.asked();
    assert!(asked.iter().all(|one| one.tcp && one.port == asked[0].port) && asked.len() == 10);
}

#[tokio::test]
async fn a_query_whose_connection_ends_goes_over_another_and_no_third() {
    let ends = AtomicUsize::new(0);
    let upstream = Scripted::start(move |query, asked| {
        if ends.fetch_add(1, Ordering::SeqCst) == 0 { vec![Send::Close] } else { only_a(query, asked) }
    })
    .await;
    let world = World::with(&[format!("tcp://{}", upstream.address)], unhurried(), PREF64, "");
    assert_eq!(world.ask("v4.example.", RecordType::A).await.answers[0].data, a("192.0.2.1"));
    let ports: Vec<_> = upstream.asked().iter().map(|asked| asked.port).collect();
    assert!(ports.len() == 2 && ports[0] != ports[1], "{ports:?}");

    let closing = Scripted::start(|_, _| vec![Send::Close]).await;
    let world = World::with(&[format!("tcp://{}", closing.address)], unhurried(), PREF64, "");
    let message = world.ask("v4.example.", RecordType::A).await;
    assert_eq!((message.metadata.response_code, closing.asked().len()), (ResponseCode::ServFail, 2));
}

#[tokio::test]
async fn what_is_no_reply_over_tcp_ends_the_connection() {
    let first = AtomicUsize::new(0);
    let upstream = Scripted::start(move |query, asked| {
        if first.fetch_add(1, Ordering::SeqCst) == 0 {
            let mut lie = with(query, [a("203.0.113.66")]);
            lie.queries[0].query_type = RecordType::TXT;
            back(&lie)
        } else {
            only_a(query, asked)
        }
    })
    .await;
    let world = World::with(&[format!("tcp://{}", upstream.address)], unhurried(), PREF64, "");
    let message = world.ask("v4-1.example.", RecordType::A).await;
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(world.ask("v4-2.example.", RecordType::A).await.answers[0].data, a("192.0.2.1"));
    let ports: Vec<_> = upstream.asked().iter().map(|asked| asked.port).collect();
    assert_ne!(ports[0], ports[1]);
}

#[tokio::test]
async fn many_replies_that_are_none_are_settled_over_tcp() {
    let upstream = Scripted::start(|query, asked| {
        if asked.tcp {
            return only_a(query, asked);
        }
        let guess = |number: u16| {
            let mut lie = with(query, [a("203.0.113.66")]);
            lie.metadata.id = lie.metadata.id.wrapping_add(number);
            Send::Back(lie.to_vec().unwrap())
        };
        (1..=20).map(guess).collect()
    })
    .await;
    let world = World::new(&[upstream.address], unhurried());
    assert_eq!(world.ask("v4.example.", RecordType::A).await.answers[0].data, a("192.0.2.1"));
    assert_eq!(upstream.asked().iter().map(|asked| asked.tcp).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn a_port_serves_few_queries_and_queries_leave_from_many_ports() {
    let upstream = Scripted::start(only_a).await;
    let world = World::new(&[upstream.address], unhurried());
    for index in 0..3000 {
        world.ask(&format!("v4-{index}.example."), RecordType::A).await;
    }
    let mut uses: HashMap<u16, usize> = HashMap::new();
    for asked in upstream.asked() {
        *uses.entry(asked.port).or_default() += 1;
    }
    assert!(uses.len() >= 100, "{} ports", uses.len());
    assert!(uses.values().all(|uses| *uses <= 64), "{uses:?}");
    let open: usize = world.metric("upstream_sockets").parse().unwrap();
    assert!(open <= 130, "{open} sockets stay open");
}

#[tokio::test]
async fn a_first_upstream_that_is_slower_than_nearly_ever_gets_a_hedge_beside_it() {
    let held = Gate::default();
    let slow = held.clone();
    let first = Scripted::start(move |query, asked| {
        let answer = with(query, [a("192.0.2.1")]).to_vec().unwrap();
        if asked.name.starts_with("slow") {
            vec![Send::When(slow.clone(), answer)]
        } else {
            vec![Send::Back(answer)]
        }
    })
    .await;
    let second = Scripted::start(only_a).await;
    let world = World::new(&[first.address, second.address], unhurried());
    for index in 0..100 {
        world.ask(&format!("v4-{index}.example."), RecordType::A).await;
    }
    let names: Vec<_> = (0..40).map(|index| format!("slow-{index}.example.")).collect();
    let asked = join_all(names.iter().map(|name| world.ask(name, RecordType::A)));
    let release = async {
        second.until_asked(|asked| asked.iter().any(|one| one.name.starts_with("slow"))).await;
        held.open();
    };
    for message in tokio::join!(asked, release).0 {
        assert_eq!(message.answers[0].data, a("192.0.2.1"));
    }
    let hedges: usize = world.metric("upstream_hedges_total").parse().unwrap();
    assert!(hedges <= 7, "{hedges} hedges are more than 5 in 100 of 140 queries");
    assert_eq!(second.asked().len(), hedges);
}
