//! Synthesis in front of a cache.

use super::SYNTHESIZED;
use crate::scripted::{Gate, Scripted, Send, a, aaaa, with};
use crate::site::{Site, patient, shown};
use crate::world::{LONG, synthesized, v6};
use dns64::upstream::Timing;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use std::net::Ipv6Addr;
use std::time::Duration;
use tokio::time::timeout;

/// Asks until the reply is as wanted, which takes the seconds that a TTL takes to pass.
async fn until(site: &Site, question: &str, mut wanted: impl FnMut(&Message) -> bool) -> Message {
    let asking = async {
        loop {
            let reply = site.ask(question).await;
            if wanted(&reply) {
                return reply;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, asking).await.unwrap_or_else(|_| panic!("{question} never came as wanted"))
}

fn has(reply: &Message, line: &str) -> bool {
    shown(reply).iter().any(|found| found == line)
}

#[tokio::test]
async fn rule_31_ttls_go_down_by_one_clock_and_never_up() {
    let site = Site::new("v4.example. 100 A 192.0.2.1").await;
    let ttl = |reply: &Message| reply.answers[0].ttl;
    let mut last = ttl(&site.ask("v4.example. AAAA").await);
    assert_eq!(last, 60);
    let reply = until(&site, "v4.example. AAAA", |reply| {
        assert!(ttl(reply) <= last, "{} after {last}", ttl(reply));
        last = ttl(reply);
        last < 60
    })
    .await;
    let a = ttl(&site.ask("v4.example. A").await);
    assert!(a < 100 && 100 - a >= 60 - ttl(&reply), "{a} of 100 beside {last} of 60");
    assert_eq!(site.asked(), ["v4.example. AAAA", "v4.example. A"]);
}

#[tokio::test]
async fn rule_10_rd_clear_is_served_from_what_is_kept() {
    let site = Site::new("v4.example. A 192.0.2.1").await;
    site.check("v4.example. A", &["NOERROR", "v4.example. 300 A 192.0.2.1"]).await;
    site.check("v4.example. A -rd", &["NOERROR", "v4.example. <=300 A 192.0.2.1"]).await;
}

#[tokio::test]
async fn rule_67_only_the_absence_that_ran_out_is_asked_for_again() {
    let site = Site::new("example. 900 SOA 1\nv4.example. A 192.0.2.1").await;
    site.check("v4.example. AAAA", &["NOERROR", "v4.example. 1 AAAA 2001:db8:64::c000:201"]).await;
    until(&site, "v4.example. AAAA", |_| site.upstream.count(RecordType::AAAA) > 1).await;
    site.becomes("example. 900 SOA 1\nv4.example. A 192.0.2.1\nv4.example. AAAA 2001:db8:1::1");
    until(&site, "v4.example. AAAA", |reply| reply.answers[0].data == aaaa("2001:db8:1::1")).await;
    assert_eq!(site.upstream.count(RecordType::A), 1);
}

#[tokio::test]
async fn rule_69_what_is_stale_is_served_and_says_so_while_the_upstream_is_dead() {
    let mut site = Site::new(
        "example. 1 SOA 60\nv6.example. 1 AAAA 2001:db8:1::1\nv4.example. 1 A 192.0.2.1\nlong.example. 300 A 192.0.2.1",
    )
    .await;
    for name in ["v6", "v4", "long", "missing"] {
        site.ask(&format!("{name}.example. AAAA")).await;
    }
    site.upstream.kill().await;
    let stale = until(&site, "v6.example. AAAA", |reply| has(reply, "ede 3")).await;
    assert_eq!((stale.answers[0].ttl, v6(&stale)[0]), (30, "2001:db8:1::1".parse().unwrap()));
    // A is a moment younger than the absence of AAAA, and may hold when that has passed.
    let both = |reply: &Message| has(reply, "ede 3") && reply.answers[0].ttl == 30;
    assert_eq!(v6(&until(&site, "v4.example. AAAA", both).await), synthesized());
    let mixed = until(&site, "long.example. AAAA", |reply| reply.answers[0].ttl == 30).await;
    assert_eq!(v6(&mixed), synthesized(), "a stale absence with a fresh A record");
    let stale = until(&site, "missing.example. AAAA", |reply| has(reply, "ede 19")).await;
    assert_eq!(shown(&stale)[0], "NXDOMAIN");
}

#[tokio::test]
async fn rule_69_a_synthesis_is_stale_where_either_of_its_inputs_is() {
    // The absence of AAAA holds for a second: with A that holds for longer, and with A that does not.
    let absence = "example. 900 SOA 1\nfresh.example. 300 A 192.0.2.1\nboth.example. 1 A 192.0.2.1";
    let a = "example. 900 SOA 900\na.example. 1 A 192.0.2.1";
    for (zone, names) in [(absence, &["fresh", "both"][..]), (a, &["a"])] {
        let mut site = Site::new(zone).await;
        for name in names {
            site.check(
                &format!("{name}.example. AAAA"),
                &["NOERROR", &format!("{name}.example. 1 AAAA 2001:db8:64::c000:201")],
            )
            .await;
        }
        site.upstream.kill().await;
        for name in names {
            // A is a moment younger than the absence of AAAA, and may hold when that has passed.
            let stale = |reply: &Message| has(reply, "ede 3") && reply.answers[0].ttl == 30;
            let stale = until(&site, &format!("{name}.example. AAAA"), stale).await;
            let expect = ["NOERROR".to_owned(), format!("{name}.example. 30 AAAA 2001:db8:64::c000:201")];
            assert_eq!(shown(&stale)[..2], expect);
            let errors = shown(&stale).into_iter().filter(|line| line.starts_with("ede"));
            assert_eq!(errors.collect::<Vec<_>>(), ["ede 3", "ede 29"], "each once");
        }
    }
}

#[tokio::test]
async fn rule_69_a_stale_real_address_goes_before_a_synthetic_one() {
    let site = Site::new("both.example. 1 AAAA 2001:db8:1::1\nboth.example. A 192.0.2.1").await;
    site.ask("both.example. AAAA").await;
    site.becomes("both.example. AAAA !SERVFAIL\nboth.example. A 192.0.2.1");
    let stale = until(&site, "both.example. AAAA", |reply| {
        assert_eq!(v6(reply), ["2001:db8:1::1".parse::<Ipv6Addr>().unwrap()]);
        has(reply, "ede 3")
    })
    .await;
    assert_eq!(stale.answers[0].ttl, 30);
}

#[tokio::test]
async fn rule_70_what_may_not_be_kept_is_not_kept_as_a_synthesis_either() {
    let site = Site::new("example. 900 SOA 0\nv4.example. 0 A 192.0.2.1").await;
    for _ in 0..3 {
        site.check("v4.example. AAAA", &["NOERROR", "v4.example. 0 AAAA 2001:db8:64::c000:201"]).await;
        assert_eq!(site.asked(), ["v4.example. AAAA", "v4.example. A"]);
    }
}

#[tokio::test]
async fn rule_72_an_a_answer_that_comes_behind_a_real_aaaa_is_kept() {
    let gate = Gate::default();
    let wait = gate.clone();
    let upstream = Scripted::start(move |query, asked| match asked.qtype {
        RecordType::A => vec![Send::When(wait.clone(), with(query, [a("192.0.2.1")]).to_vec().unwrap())],
        _ => vec![Send::When(wait.clone(), with(query, [aaaa("2001:db8:1::1")]).to_vec().unwrap())],
    })
    .await;
    let site = Site::before(upstream, "", Timing { head_start: Duration::ZERO, ..patient() }).await;
    let (reply, ()) = tokio::join!(site.ask("both.example. AAAA"), async {
        site.upstream.until_asked(|asked| asked.len() == 2).await;
        gate.open();
    });
    assert_eq!(reply.answers[0].data, aaaa("2001:db8:1::1"));
    site.check("both.example. A", &["NOERROR", "both.example. <=300 A 192.0.2.1"]).await;
    assert_eq!(site.upstream.count(RecordType::A), 1, "both were asked at once, and each once");
}

#[tokio::test]
async fn a_warm_name_costs_no_upstream_query() {
    let site = Site::new("v4.example. A 192.0.2.1\nwww.example. CNAME v4.example.").await;
    for question in
        ["v4.example. AAAA", "V4.Example. AAAA", "v4.example. AAAA tcp", "v4.example. AAAA noedns"]
    {
        site.ask(question).await;
    }
    assert_eq!(site.asked(), ["v4.example. AAAA", "v4.example. A"]);
    let reply = site.ask("missing.example. AAAA").await;
    assert_eq!(shown(&reply)[0], "NXDOMAIN");
    site.ask("missing.example. AAAA").await;
    assert_eq!(site.asked(), ["missing.example. AAAA"], "name errors are kept");
}

#[tokio::test]
async fn rule_68_a_real_address_replaces_the_synthetic_one_within_its_ttl() {
    let site = Site::new("example. 900 SOA 0\nv4.example. A 192.0.2.1").await;
    site.check("v4.example. AAAA", &["NOERROR", "v4.example. 0 AAAA 2001:db8:64::c000:201"]).await;
    site.becomes("example. 900 SOA 0\nv4.example. A 192.0.2.1\nv4.example. AAAA 2001:db8:1::1");
    site.check("v4.example. AAAA", &["NOERROR", "v4.example. 300 AAAA 2001:db8:1::1"]).await;
}

#[tokio::test]
async fn rule_68_a_renewal_finds_the_real_address_before_the_synthetic_one_ends() {
    let zone = "example. 900 SOA 10\nv4.example. A 192.0.2.1";
    let site = Site::new(zone).await;
    site.check("v4.example. AAAA", &["NOERROR", "v4.example. 10 AAAA 2001:db8:64::c000:201"]).await;
    site.becomes(&format!("{zone}\nv4.example. 300 AAAA 2001:db8:1::1"));
    let real = until(&site, "v4.example. AAAA", |reply| {
        v6(reply) != synthesized() || {
            assert!(reply.answers[0].ttl > 0, "its time is over");
            false
        }
    })
    .await;
    assert_eq!(real.answers[0].data, aaaa("2001:db8:1::1"));
    assert_eq!(site.upstream.count(RecordType::AAAA), 2);
    assert_eq!(site.world.metric("cache_renewals_total"), "1");
    assert_eq!(site.world.metric("cache_misses_total"), "1", "nobody waited for it");
}

#[tokio::test]
async fn rule_71_a_changed_prefix_is_in_the_next_reply() {
    let site = Site::new("v4.example. A 192.0.2.1").await;
    site.check("v4.example. AAAA", &["NOERROR", SYNTHESIZED]).await;
    site.reload("2001:db8:65::/96", "");
    let expect = ["NOERROR", "v4.example. <=60 AAAA 2001:db8:65::c000:201"];
    site.check("v4.example. AAAA", &expect).await;
}

#[tokio::test]
async fn rule_74_the_source_address_decides_what_a_client_is_synthesized() {
    let clients = "[[dns64.client]]\nfrom = [\"127.255.0.1\"]\nprefixes = [\"2001:db8:a::/96\"]\n\
        [[dns64.client]]\nfrom = [\"127.255.0.2\"]\nprefixes = [\"2001:db8:a::/96\", \"2001:db8:b::/64\"]\n\
        [[dns64.client]]\nfrom = [\"127.255.0.3\"]\nprefixes = [\"64:ff9b::/96\"]\n\
        [[dns64.client]]\nfrom = [\"127.255.0.4\"]\nsynthesize = false\n";
    let site = Site::with("v4.example. A 9.9.9.9", clients).await;
    for _ in 0..2 {
        for (client, expect) in [
            (1, vec!["2001:db8:a::9.9.9.9"]),
            (2, vec!["2001:db8:a::9.9.9.9", "2001:db8:b:0:9:909:900:0"]),
            (3, vec!["64:ff9b::9.9.9.9"]),
            (4, vec![]),
            (5, vec![]),
        ] {
            let reply = site.ask(&format!("v4.example. AAAA from=127.255.0.{client}")).await;
            let expect: Vec<Ipv6Addr> = expect.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(v6(&reply), expect, "client {client}");
        }
    }
}

#[tokio::test]
async fn rule_40_clients_of_different_policies_at_once_get_each_their_own() {
    let clients = "[[dns64.client]]\nfrom = [\"127.255.0.1\"]\n\
        [[dns64.client]]\nfrom = [\"127.255.0.2\"]\nprefixes = [\"2001:db8:b::/96\"]\n";
    let site = Site::with("v4.example. A 192.0.2.1", clients).await;
    let ask = |client: u8| site.ask_owned(format!("v4.example. AAAA from=127.255.0.{client}"));
    let (first, second, third, again) = tokio::join!(ask(1), ask(2), ask(3), ask(1));
    let parsed = |text: &str| vec![text.parse::<Ipv6Addr>().unwrap()];
    assert_eq!(v6(&first), parsed("2001:db8:64::192.0.2.1"));
    assert_eq!(v6(&second), parsed("2001:db8:b::192.0.2.1"));
    assert!(v6(&third).is_empty(), "{third}");
    assert_eq!(v6(&again), v6(&first));
}
