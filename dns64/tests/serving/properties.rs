//! What holds of every zone and every order of questions: an answer that was asked for before equals one that was
//! not, but for its TTLs, which never grow; and nobody gets what is due to another.

use crate::scripted::own_address;
use crate::site::{Site, patient, shown};
use crate::world::PREF64;
use futures_util::future::join_all;
use hickory_proto::op::Message;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::IpAddr;

const NAMES: [&str; 4] = ["a.example.", "b.example.", "c.b.example.", "d.other."];

fn line() -> impl Strategy<Value = String> {
    let ttl = select(vec![0_u32, 30, 300, 86_400]);
    let data = prop_oneof![
        3 => (1_u8..4).prop_map(|last| format!("A 192.0.2.{last}")),
        1 => Just("A 10.0.0.1".to_owned()),
        2 => (1_u8..3).prop_map(|last| format!("AAAA 2001:db8:1::{last}")),
        1 => Just("AAAA ::ffff:192.0.2.7".to_owned()),
        1 => select(NAMES.to_vec()).prop_map(|name| format!("CNAME {name}")),
        1 => Just("TXT text".to_owned()),
    ];
    prop_oneof![
        12 => (select(NAMES.to_vec()), ttl, data).prop_map(|(name, ttl, data)| format!("{name} {ttl} {data}")),
        1 => select(NAMES.to_vec()).prop_map(|name| format!("{name} AAAA !SERVFAIL")),
        1 => select(NAMES.to_vec()).prop_map(|name| format!("{name} AAAA !bare")),
        1 => Just("example. 900 SOA 60".to_owned()),
        1 => Just("signed".to_owned()),
    ]
}

/// A question without its client, and the number of the client that puts it.
fn question() -> impl Strategy<Value = (String, usize)> {
    let flags = select(vec!["", "", "+do", "+cd", "+do +cd", "noedns", "tcp", "size=512"]);
    let qtype = select(vec!["AAAA", "AAAA", "AAAA", "A", "TXT"]);
    let case = any::<bool>();
    (select(NAMES.to_vec()), qtype, flags, case, 0_usize..3).prop_map(
        |(name, qtype, flags, upper, client)| {
            let name = if upper { name.to_uppercase() } else { name.to_owned() };
            (format!("{name} {qtype} {flags}"), client)
        },
    )
}

/// Three kinds of clients: with the prefix, with two others and not all of IPv4, and with none.
fn clients(addresses: &[IpAddr]) -> String {
    format!(
        "[[dns64.client]]\nfrom = [\"{}\"]\n\
         [[dns64.client]]\nfrom = [\"{}\"]\nmapped = [\"!10.0.0.0/8\", \"0.0.0.0/0\"]\n\
         prefixes = [\"2001:db8:a::/96\", \"2001:db8:b::/64\"]\n\
         [[dns64.client]]\nfrom = [\"{}\"]\nsynthesize = false\n",
        addresses[0], addresses[1], addresses[2]
    )
}

/// The lines of a reply without their TTLs, and the TTLs. Owners are compared as names are: without case.
fn apart(reply: &Message) -> (Vec<String>, Vec<u32>) {
    let ttls = reply.all_sections().map(|record| record.ttl).collect();
    let mut reply = reply.clone();
    let sections = [&mut reply.answers, &mut reply.authorities, &mut reply.additionals];
    for record in sections.into_iter().flatten() {
        record.ttl = 0;
    }
    (shown(&reply).into_iter().map(|line| line.to_lowercase()).collect(), ttls)
}

fn same(question: &str, kept: &Message, fresh: &Message) {
    let ((kept_lines, kept_ttls), (fresh_lines, fresh_ttls)) = (apart(kept), apart(fresh));
    assert_eq!(kept_lines, fresh_lines, "{question}: kept, and fresh");
    for (kept, fresh) in kept_ttls.iter().zip(&fresh_ttls) {
        assert!(kept <= fresh, "{question}: {kept_ttls:?} kept, {fresh_ttls:?} fresh");
    }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_that_was_asked_for_before_equals_a_fresh_one_but_for_its_ttls(
        zone in vec(line(), 0..14),
        questions in vec(question(), 1..12),
    ) {
        block_on(async {
            let addresses = [own_address(), own_address(), own_address()];
            let (zone, clients) = (zone.join("\n"), clients(&addresses));
            let site = Site::all(PREF64, &zone, &clients, patient()).await;
            for (question, client) in questions.iter().chain(&questions) {
                let question = format!("{question} from={}", addresses[*client]);
                let kept = site.ask(&question).await;
                let fresh = Site::all(PREF64, &zone, &clients, patient()).await;
                same(&question, &kept, &fresh.ask(&question).await);
            }
        });
    }

    #[test]
    fn rule_40_questions_at_once_get_what_each_gets_alone(
        zone in vec(line(), 0..14),
        questions in vec(question(), 2..12),
    ) {
        block_on(async {
            let addresses = [own_address(), own_address(), own_address()];
            let (zone, clients) = (zone.join("\n"), clients(&addresses));
            let questions: Vec<_> =
                questions.iter().map(|(text, client)| format!("{text} from={}", addresses[*client])).collect();
            let site = Site::all(PREF64, &zone, &clients, patient()).await;
            let together = join_all(questions.iter().map(|question| site.ask(question))).await;
            for (question, kept) in questions.iter().zip(together) {
                let fresh = Site::all(PREF64, &zone, &clients, patient()).await;
                same(question, &kept, &fresh.ask(question).await);
            }
        });
    }
}
