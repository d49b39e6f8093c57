//! What is remembered, for how long, and what is asked only once (RFC 2308, RFC 8767, RFC 9520, RFC 2181).

use crate::daemon::{Daemon, ask_udp, file, listener};
use crate::scripted::{Gate, Scripted, Send, a, back, only_a, reply, with};
use crate::site::{Site, patient, shown};
use crate::world::{LONG, PREF64, v6};
use dns64::upstream::Timing;
use futures_util::future::join_all;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::EdnsOption;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn absences_are_kept_if_an_soa_says_for_how_long() {
    let site = Site::new("example. 900 SOA 60\ntext.example. TXT text\nbare.example. A !bare").await;
    // What comes first hand is passed on as it is; what is kept says how long it is kept.
    for soa in ["auth example. 900 SOA", "auth example. <=60 SOA"] {
        site.check("missing.example. A", &["NXDOMAIN", soa]).await;
        site.check("text.example. A", &["NOERROR", soa]).await;
        site.check("bare.example. A", &["NOERROR"]).await;
    }
    let expect = ["missing.example. A", "text.example. A", "bare.example. A", "bare.example. A"];
    assert_eq!(site.asked(), expect);
}

#[tokio::test]
async fn failures_are_kept_for_a_moment() {
    let site = Site::new("broken.example. A !SERVFAIL").await;
    for _ in 0..20 {
        site.check("broken.example. A", &["SERVFAIL"]).await;
    }
    // One more, should a slow machine take more than that moment.
    assert!(site.asked().len() <= 2);
}

/// Much longer than a failure is remembered, and much shorter than it is while something stale is served in its place.
const MOMENT: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_failure_does_not_outlive_its_cause_by_more_than_a_moment() {
    let site = Site::new("v4.example. A !SERVFAIL").await;
    site.check("v4.example. A", &["SERVFAIL"]).await;
    site.becomes("v4.example. A 192.0.2.1");
    let recovered = async { while site.ask("v4.example. A").await.answers.is_empty() {} };
    timeout(MOMENT, recovered).await.expect("it is asked for again");
}

#[tokio::test]
async fn a_failure_is_kept_for_a_moment_only_where_what_is_stale_is_too_old_to_serve() {
    let site = Site::with("v4.example. 1 A 192.0.2.1", "serve_stale = \"1s\"").await;
    site.check("v4.example. A", &["NOERROR", "v4.example. 1 A 192.0.2.1"]).await;
    site.becomes("v4.example. A !SERVFAIL");
    let failed =
        async { while site.ask("v4.example. A").await.metadata.response_code != ResponseCode::ServFail {} };
    timeout(LONG, failed).await.expect("nothing stale is left");
    site.becomes("v4.example. A 192.0.2.2");
    let recovered = async { while site.ask("v4.example. A").await.answers.is_empty() {} };
    timeout(MOMENT, recovered).await.expect("it is asked for again");
}

#[tokio::test]
async fn failures_with_long_explanations_are_kept_too() {
    let site = Site::scripted(|query, _| {
        let mut message = reply(query, ResponseCode::ServFail);
        let body = [&[0, 6], &[b'x'; 300][..]].concat();
        let options = message.edns.as_mut().expect("queries have OPT").options_mut();
        options.insert(EdnsOption::Unknown(15, body));
        back(&message)
    })
    .await;
    for _ in 0..20 {
        site.check("bogus.example. A", &["SERVFAIL", "ede 6"]).await;
    }
    // One more, should a slow machine take more than that moment.
    assert!(site.asked().len() <= 2);
}

#[tokio::test]
async fn one_question_of_many_clients_is_asked_once() {
    let gate = Gate::default();
    let wait = gate.clone();
    let upstream = Scripted::start(move |query, _| {
        vec![Send::When(wait.clone(), with(query, [a("192.0.2.1")]).to_vec().unwrap())]
    })
    .await;
    let site = Site::before(upstream, "", patient()).await;
    let questions = (0..20).map(|client| {
        let transport = if client % 2 == 0 { "" } else { "tcp" };
        let name = if client % 3 == 0 { "Many.Example." } else { "many.example." };
        site.ask_owned(format!("{name} A {transport}"))
    });
    let (replies, ()) = tokio::join!(join_all(questions), async {
        site.upstream.until_asked(|asked| !asked.is_empty()).await;
        gate.open();
    });
    assert!(replies.iter().all(|reply| reply.answers[0].data == a("192.0.2.1")));
    assert_eq!(site.asked(), ["many.example. A"]);
}

#[tokio::test]
async fn answers_with_and_without_signatures_are_kept_apart() {
    let site = Site::new("signed\nv4.example. A 192.0.2.1").await;
    let plain = ["NOERROR", "v4.example. <=300 A 192.0.2.1"];
    let signed = ["NOERROR", "v4.example. <=300 A 192.0.2.1", "v4.example. <=300 RRSIG A"];
    for _ in 0..2 {
        site.check("v4.example. A", &plain).await;
        site.check("v4.example. A +do", &signed).await;
    }
    assert_eq!(site.asked().len(), 2);
}

#[tokio::test]
async fn ttls_are_bounded_by_the_file_and_absurd_ones_are_zero() {
    let site = Site::with(
        "long.example. 4000000 A 192.0.2.1\nabsurd.example. 4000000000 A 192.0.2.1",
        "cache_max_ttl = \"1h\"",
    )
    .await;
    site.check("long.example. A", &["NOERROR", "long.example. 3600 A 192.0.2.1"]).await;
    site.check("absurd.example. A", &["NOERROR", "absurd.example. 0 A 192.0.2.1"]).await;
}

#[tokio::test]
async fn what_is_stale_is_served_before_the_client_gives_up_on_a_silent_upstream() {
    let timing = Timing { patience: LONG, ..Timing::default() };
    let site = Site::all(PREF64, "v4.example. 1 A 192.0.2.1", "", timing).await;
    site.check("v4.example. A", &["NOERROR", "v4.example. 1 A 192.0.2.1"]).await;
    site.becomes("v4.example. A !silent");
    let stale = async {
        loop {
            let reply = site.ask("v4.example. A").await;
            assert_eq!(reply.answers[0].data, a("192.0.2.1"));
            if shown(&reply).contains(&"ede 3".to_owned()) {
                return;
            }
        }
    };
    timeout(LONG, stale).await.expect("the stale answer");
}

#[tokio::test]
async fn nothing_stale_is_served_where_the_file_forbids_it() {
    let mut site = Site::with("v4.example. 1 A 192.0.2.1", "serve_stale = \"0s\"").await;
    site.check("v4.example. A", &["NOERROR", "v4.example. 1 A 192.0.2.1"]).await;
    site.upstream.kill().await;
    let failed =
        async { while site.ask("v4.example. A").await.metadata.response_code != ResponseCode::ServFail {} };
    timeout(LONG, failed).await.expect("a failure, when the time of the answer is over");
}

#[tokio::test]
async fn with_every_upstream_dead_what_is_stale_and_what_is_served_here_goes_on() {
    let short = |query: &hickory_proto::op::Message, asked: &crate::scripted::Asked| match asked.qtype {
        RecordType::A => {
            let mut message = with(query, [a("192.0.2.1")]);
            message.answers[0].ttl = 1;
            back(&message)
        }
        _ => only_a(query, asked),
    };
    let mut upstreams = [Scripted::start(short).await, Scripted::start(short).await];
    let address = listener();
    let more = "[[dns64.host]]\nname = \"vm1.lan\"\naddresses = [\"192.168.0.7\"]";
    let addresses = upstreams.each_ref().map(|upstream| upstream.address);
    let daemon = Daemon::start(&file(PREF64, &[address], &addresses, more)).await;
    assert_eq!(v6(&ask_udp(address, "v4.example.", RecordType::AAAA).await).len(), 1);
    for upstream in &mut upstreams {
        upstream.kill().await;
    }
    let stale = async {
        loop {
            let reply = ask_udp(address, "v4.example.", RecordType::AAAA).await;
            assert_eq!(v6(&reply).len(), 1, "{reply}");
            if shown(&reply).contains(&"ede 3".to_owned()) {
                return;
            }
        }
    };
    timeout(LONG, stale).await.expect("the stale answer");
    for (name, count) in [("ipv4only.arpa.", 2), ("localhost.", 1), ("vm1.lan.", 1)] {
        assert_eq!(v6(&ask_udp(address, name, RecordType::AAAA).await).len(), count, "{name}");
    }
    let failed = ask_udp(address, "new.example.", RecordType::AAAA).await;
    assert_eq!(failed.metadata.response_code, ResponseCode::ServFail);
    let prefix = "causeway_dns64_upstream_in_flight";
    assert_eq!(daemon.metric(prefix).await, "0");
}
