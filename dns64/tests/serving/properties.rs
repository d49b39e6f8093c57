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
        1 => Just("TYPE65 \\# 0001000001000302683200040004c0000201".to_owned()),
    ];
    prop_oneof![
        12 => (select(NAMES.to_vec()), ttl, data).prop_map(|(name, ttl, data)| format!("{name} {ttl} {data}")),
        1 => select(NAMES.to_vec()).prop_map(|name| format!("{name} AAAA !SERVFAIL")),
        1 => select(NAMES.to_vec()).prop_map(|name| format!("{name} AAAA !bare")),
        1 => select(NAMES.to_vec()).prop_map(|name| format!("{name} A !SERVFAIL")),
        1 => Just("example. 900 SOA 60".to_owned()),
        1 => Just("signed".to_owned()),
    ]
}

/// A question without its client, and the number of the client that puts it.
fn question() -> impl Strategy<Value = (String, usize)> {
    let flags = select(vec!["", "", "+do", "+cd", "+do +cd", "noedns", "tcp", "size=512"]);
    let qtype = select(vec!["AAAA", "AAAA", "AAAA", "A", "TXT", "HTTPS"]);
    let case = any::<bool>();
    (select(NAMES.to_vec()), qtype, flags, case, 0_usize..3).prop_map(
        |(name, qtype, flags, upper, client)| {
            let name = if upper { name.to_uppercase() } else { name.to_owned() };
            (format!("{name} {qtype} {flags}"), client)
        },
    )
}

/// A prefix of any length, with a suffix or without, and not of all of IPv4.
fn prefix() -> impl Strategy<Value = String> {
    let prefixes = [
        "2001:db8::/32",
        "2001:db8:100::/40",
        "2001:db8:122::/48",
        "2001:db8:122:300::/56",
        "2001:db8:122:344::/64",
        "2001:db8:a::/96",
        "64:ff9b::/96",
    ];
    let mapped = vec!["", ", mapped = [\"!10.0.0.0/8\", \"0.0.0.0/0\"]", ", mapped = [\"192.0.2.2/32\"]"];
    (select(prefixes.to_vec()), any::<bool>(), select(mapped)).prop_map(|(prefix, suffixed, mapped)| {
        let suffix = if suffixed && !prefix.ends_with("/96") { ", suffix = \"::5\"" } else { "" };
        format!("{{ prefix = \"{prefix}\"{suffix}{mapped} }}")
    })
}

/// What the file says of one kind of client, but for its address.
fn client() -> impl Strategy<Value = String> {
    let names = || select(vec!["[]", "[\"example\"]", "[\"b.example\", \"d.other\"]"]);
    let excluded = select(vec![
        "[]",
        "[\"2001:db8:1::/48\"]",
        "[\"::/0\"]",
        "[\"!::ffff:0:0/96\"]",
        "[\"2001:db8:1::2/128\"]",
    ]);
    let prefixes = vec(prefix(), 1..4).prop_map(|mut prefixes| {
        prefixes.sort();
        prefixes.dedup_by_key(|text| text.split('"').nth(1).map(str::to_owned));
        prefixes.join(", ")
    });
    let made = (prefixes, excluded, names(), names()).prop_map(|(prefixes, excluded, force, forbid)| {
        let forbid = if force == forbid { "[]" } else { forbid };
        format!("prefixes = [{prefixes}]\nexclude_aaaa = {excluded}\nforce = {force}\nforbid = {forbid}\n")
    });
    prop_oneof![1 => Just(String::new()), 1 => Just("synthesize = false\n".to_owned()), 4 => made]
}

/// What the file says of everyone.
fn keys() -> impl Strategy<Value = String> {
    let treatment = || select(vec!["pass", "synthesize"]);
    let reverse = select(vec!["cname", "direct", "off"]);
    (treatment(), treatment(), treatment(), any::<[bool; 3]>(), reverse).prop_map(
        |(error, nxdomain, signed, [rebind, trust_ad, strip], reverse)| {
            format!(
                "on_aaaa_error = \"{error}\"\non_nxdomain = \"{nxdomain}\"\nsigned = \"{signed}\"\n\
                 rebind_protection = {rebind}\ntrust_ad = {trust_ad}\nstrip_ipv4hint = {strip}\nreverse = \"{reverse}\"\n"
            )
        },
    )
}

/// Keys, and three kinds of clients.
fn policy() -> impl Strategy<Value = (String, [String; 3])> {
    (keys(), [client(), client(), client()])
}

/// The file of a policy whose clients ask from these addresses.
fn file(policy: &(String, [String; 3]), addresses: &[IpAddr; 3]) -> String {
    let (keys, clients) = policy;
    let clients = clients.iter().zip(addresses);
    let clients =
        clients.map(|(client, address)| format!("[[dns64.client]]\nfrom = [\"{address}\"]\n{client}"));
    format!("{keys}{}", clients.collect::<String>())
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
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_that_was_asked_for_before_equals_a_fresh_one_but_for_its_ttls(
        zone in vec(line(), 0..14),
        policy in policy(),
        questions in vec(question(), 1..12),
    ) {
        block_on(async {
            let addresses = [own_address(), own_address(), own_address()];
            let (zone, clients) = (zone.join("\n"), file(&policy, &addresses));
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
        policy in policy(),
        questions in vec(question(), 2..12),
    ) {
        block_on(async {
            let addresses = [own_address(), own_address(), own_address()];
            let (zone, clients) = (zone.join("\n"), file(&policy, &addresses));
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
