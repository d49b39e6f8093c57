//! Upstreams over TLS and HTTPS: who they prove to be, and what they say.

mod server;

use crate::daemon::{Daemon, ask_udp, file as gateway, listener};
use crate::scripted::{Scripted, Send, a, back, only_a, with};
use crate::world::{LONG, PREF64, World, synthesized, v6};
use dns64::upstream::Timing;
use futures_util::future::join_all;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use server::{Authority, Saying, Server};
use std::time::Duration;

/// Gives up late, and moves on at once where something is wrong.
fn patient() -> Timing {
    Timing { patience: LONG, total: LONG, head_start: LONG, quick: LONG }
}

/// A resolver that trusts `authority` and asks `upstreams`.
fn world(authority: &Authority, upstreams: &[String]) -> World {
    let more = format!("upstream_ca = \"{}\"", authority.file().display());
    World::with(upstreams, patient(), PREF64, &more)
}

fn failures(world: &World, upstream: &str, reason: &str) -> String {
    world.metric(&format!(r#"upstream_failures_total{{upstream="{upstream}",reason="{reason}"}}"#))
}

/// Asks twenty names at once: two queries each, all on one connection, and none of a telling length.
async fn padded_on_one_connection(world: &World, server: &Server) {
    let names: Vec<_> = (0..20).map(|index| format!("v4-{index}.example.")).collect();
    let asked = names.iter().map(|name| world.ask(name, RecordType::AAAA));
    for message in join_all(asked).await {
        assert_eq!(v6(&message), synthesized());
    }
    assert_eq!((server.asked().len(), server.handshakes()), (40, 1));
    assert!(server.lengths().iter().all(|length| *length > 0 && length % 128 == 0), "{:?}", server.lengths());
}

#[tokio::test]
async fn queries_over_tls_share_a_connection_and_are_padded() {
    let authority = Authority::new();
    let server = Server::tls(authority.issue("dns.example"), only_a).await;
    let world = world(&authority, &[server.tls_as("dns.example")]);
    padded_on_one_connection(&world, &server).await;
    let sent =
        format!(r#"upstream_queries_total{{upstream="{}",transport="tls"}}"#, server.tls_as("dns.example"));
    assert_eq!(world.metric(&sent), "40");
}

#[tokio::test]
async fn a_later_connection_resumes_the_session() {
    let authority = Authority::new();
    let server = Server::tls(authority.issue("dns.example"), |query, asked| {
        let mut sends = only_a(query, asked);
        sends.push(Send::Close);
        sends
    })
    .await;
    let world = world(&authority, &[server.tls_as("dns.example")]);
    for round in 0..3 {
        let message = world.ask(&format!("v4-{round}.example."), RecordType::A).await;
        assert_eq!(message.answers[0].data, a("192.0.2.1"));
    }
    assert_eq!((server.handshakes(), server.resumptions()), (3, 2));
}

#[tokio::test]
async fn who_does_not_prove_the_name_is_not_believed() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let cases = [
        ("another name", authority.issue("other.example")),
        ("another issuer", stranger.issue("dns.example")),
        ("expired", authority.issue_expired("dns.example")),
    ];
    for (case, identity) in cases {
        for https in [false, true] {
            let server = Server::either(https, identity.clone(), only_a).await;
            let name = server.named("dns.example");
            let world = world(&authority, std::slice::from_ref(&name));
            let message = world.ask("v4.example.", RecordType::AAAA).await;
            assert_eq!(message.metadata.response_code, ResponseCode::ServFail, "{case}");
            assert!(server.asked().is_empty(), "{case}: nothing is said to a stranger");
            assert_ne!(failures(&world, &name, "certificate"), "0", "{case}");
        }
    }
}

#[tokio::test]
async fn a_certificate_for_an_address_proves_the_address() {
    let authority = Authority::new();
    let server = Server::tls(authority.issue("192.0.2.53"), only_a).await;
    let world = world(&authority, &[server.tls_as("192.0.2.53")]);
    assert_eq!(v6(&world.ask("v4.example.", RecordType::AAAA).await), synthesized());
}

#[tokio::test]
async fn clear_text_where_tls_should_be_is_never_spoken() {
    let authority = Authority::new();
    let plain = Scripted::start(only_a).await;
    let name = format!("tls://{}#dns.example", plain.address);
    let world = World::with(
        std::slice::from_ref(&name),
        Timing {
            patience: Duration::from_millis(50),
            total: Duration::from_millis(200),
            head_start: LONG,
            quick: LONG,
        },
        PREF64,
        &format!("upstream_ca = \"{}\"", authority.file().display()),
    );
    let message = world.ask("v4.example.", RecordType::AAAA).await;
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
    let clear = plain.asked().iter().filter(|asked| asked.name.contains("v4")).count();
    assert_eq!(clear, 0);
}

#[tokio::test]
async fn queries_over_https_share_a_connection() {
    let authority = Authority::new();
    let server = Server::https(authority.issue("dns.example"), only_a).await;
    let world = world(&authority, &[server.https_as("dns.example")]);
    padded_on_one_connection(&world, &server).await;
    let requests = server.requests();
    assert!(
        requests.iter().all(|request| request == "POST /dns-query application/dns-message id 0"),
        "{requests:?}"
    );
}

#[tokio::test]
async fn what_is_no_answer_over_https_is_asked_of_the_next() {
    let authority = Authority::new();
    let good = Scripted::start(only_a).await;
    for saying in [
        Saying::Status(400),
        Saying::Status(503),
        Saying::Status(302),
        Saying::Media("text/html"),
        Saying::Body(b"garbage".to_vec()),
        Saying::Body(vec![0; 70_000]),
    ] {
        let server = Server::https(authority.issue("dns.example"), only_a).await;
        server.say(saying.clone());
        let name = server.https_as("dns.example");
        let world = world(&authority, &[name.clone(), good.address.to_string()]);
        assert_eq!(v6(&world.ask("v4.example.", RecordType::AAAA).await), synthesized(), "{saying:?}");
        assert_eq!(failures(&world, &name, "protocol"), "2", "{saying:?}");
    }
}

#[tokio::test]
async fn a_server_without_http_2_is_named_a_fault_of_the_protocol() {
    let authority = Authority::new();
    let server = Server::tls(authority.issue("dns.example"), only_a).await;
    let name = format!("https://{}/dns-query#dns.example", server.address);
    let world = world(&authority, std::slice::from_ref(&name));
    assert_eq!(world.ask("v4.example.", RecordType::A).await.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(failures(&world, &name, "protocol"), "1");
}

#[tokio::test]
async fn a_connection_that_ends_under_queries_is_followed_by_another() {
    let authority = Authority::new();
    for https in [false, true] {
        let server = Server::either(https, authority.issue("dns.example"), move |query, _| {
            back(&with(query, [a("192.0.2.1")]))
        })
        .await;
        let name = server.named("dns.example");
        let world = world(&authority, std::slice::from_ref(&name));
        for round in 0..3 {
            let answer = world.ask(&format!("v4-{round}.example."), RecordType::A).await;
            assert_eq!(answer.answers[0].data, a("192.0.2.1"));
            server.cut();
        }
        assert_eq!(server.handshakes(), 3, "https: {https}");
        assert_eq!(failures(&world, &name, "unreachable"), "0", "https: {https}");
    }
}

#[tokio::test]
async fn the_file_of_who_may_vouch_is_read_again_on_a_reload() {
    let (authority, renewed) = (Authority::new(), Authority::new());
    let server = Server::tls(renewed.issue("dns.example"), only_a).await;
    let address = listener();
    let more = format!("upstream_ca = \"{}\"", authority.file().display());
    let text = gateway(PREF64, &[address], &[], &more)
        .replace("[]", &format!("[\"{}\"]", server.tls_as("dns.example")));
    let daemon = Daemon::start(&text).await;
    let message = ask_udp(address, "v4-1.example.", RecordType::A).await;
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
    let report = daemon.admin("GET", "/upstreams").await;
    assert!(report.contains("does not prove that this is dns.example"), "{report}");
    std::fs::copy(renewed.file(), authority.file()).unwrap();
    let answer = daemon.admin("POST", "/reload").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("dns64.upstream_ca"), "{answer}");
    let message = ask_udp(address, "v4-2.example.", RecordType::A).await;
    assert_eq!(message.answers[0].data, a("192.0.2.1"));
    let answer = daemon.admin("POST", "/reload").await;
    assert!(!answer.contains("upstream_ca"), "nothing changed: {answer}");
    std::fs::write(authority.file(), "no PEM at all").unwrap();
    let answer = daemon.admin("POST", "/reload").await;
    assert!(!answer.starts_with("HTTP/1.1 200") && answer.contains("dns64.upstream_ca"), "{answer}");
    let message = ask_udp(address, "v4-3.example.", RecordType::A).await;
    assert_eq!(message.answers[0].data, a("192.0.2.1"), "what was read before goes on");
}
