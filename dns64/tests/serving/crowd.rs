//! Many that wait for upstreams at once: how many may, and what the others are told.

use crate::scripted::{Asked, Gate, Scripted, Send, Sends, a, only_a, with};
use crate::world::{LONG, World, question, synthesized, v6};
use dns64::quota::SHARE;
use dns64::resolver::MAX_WAITING;
use dns64::upstream::{MAX_IN_FLIGHT, Timing};
use futures_util::future::join_all;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// Client `number`, of a network of its own.
fn client(number: usize) -> SocketAddr {
    format!("[2001:db8:6:{number:x}::1]:4096").parse().unwrap()
}

/// Answers to names that begin with `held` wait for the gate.
async fn upstream(gate: &Gate) -> Scripted {
    let gate = gate.clone();
    let script = move |query: &Message, asked: &Asked| -> Sends {
        if asked.name.starts_with("held") {
            return vec![Send::When(gate.clone(), with(query, [a("192.0.2.1")]).to_vec().unwrap())];
        }
        only_a(query, asked)
    };
    Scripted::start(script).await
}

/// Waits and is slow as long as nothing else is said; upstreams are slow whose time is known.
fn far() -> Timing {
    Timing { patience: LONG, total: LONG, head_start: LONG, quick: Duration::ZERO }
}

async fn until(world: &World, metric: &str, value: usize) {
    let wait = async {
        while world.metric(metric) != value.to_string() {
            tokio::task::yield_now().await;
        }
    };
    let reached = timeout(LONG, wait).await.is_ok();
    assert!(reached, "{metric} is {} and never {value}", world.metric(metric));
}

#[tokio::test]
async fn those_who_wait_for_one_answer_are_bounded_for_each_client_and_in_all() {
    let gate = Gate::default();
    let upstream = upstream(&gate).await;
    let world = World::new(&[upstream.address], far());
    let (held, other) = (question("held.example.", RecordType::A), question("v4.example.", RecordType::A));
    let ask = |number, message| {
        let asked = world.ask_as(client(number), message);
        async { asked.await.expect("a reply") }
    };
    let share = MAX_WAITING / SHARE;
    let first = join_all((0..share).map(|_| ask(1, &held)));
    let second = join_all((0..share).map(|_| ask(2, &held)));
    let (first, second, ()) = tokio::join!(first, second, async {
        until(&world, "cache_misses_total", 2 * share).await;
        let refused = ask(1, &held).await;
        assert_eq!(refused.metadata.response_code, ResponseCode::ServFail);
        assert_eq!(world.metric("upstream_client_overload_total"), "1", "it has its share");
        let refused = ask(3, &held).await;
        assert_eq!(refused.metadata.response_code, ResponseCode::ServFail);
        assert_eq!(world.metric("upstream_overload_total"), "1", "so many wait for nothing else");
        assert_eq!(ask(3, &other).await.answers[0].data, a("192.0.2.1"), "there is room for other questions");
        gate.open();
    });
    assert!(first.iter().chain(&second).all(|reply| reply.answers[0].data == a("192.0.2.1")));
    let asked: Vec<_> = upstream.asked().into_iter().map(|asked| asked.name).collect();
    assert_eq!(asked, ["held.example.", "v4.example."], "each is asked once");
    let again = question("v4-1.example.", RecordType::A);
    assert_eq!(ask(1, &again).await.answers[0].data, a("192.0.2.1"), "places are given back");
}

#[tokio::test]
async fn a_question_for_a_that_found_no_room_beside_aaaa_is_put_behind_it() {
    let gate = Gate::default();
    let upstream = upstream(&gate).await;
    let world = World::new(&[upstream.address], far());
    world.ask("v4-1.example.", RecordType::AAAA).await;
    let names: Vec<_> = (1..MAX_IN_FLIGHT / SHARE).map(|number| format!("held-{number}.example.")).collect();
    let filling = join_all(names.iter().map(|name| world.ask(name, RecordType::A)));
    let ((), _) = tokio::join!(
        async {
            until(&world, "upstream_in_flight", names.len()).await;
            assert_eq!(v6(&world.ask("v4-2.example.", RecordType::AAAA).await), synthesized());
            assert_eq!(world.metric("upstream_client_overload_total"), "1");
            gate.open();
        },
        filling
    );
}
