use super::*;
use crate::name::WireName;
use crate::policy;
use crate::policy::tests::{client, synthesis};
use crate::reply::Origin;
use crate::reply::tests::{question, with_edns};

fn policy() -> Policy {
    let default = synthesis(&["2001:db8:64::/96"]);
    let rules = vec![client(&["2001:db8:6::/64"], Some(default.clone())), client(&["192.0.2.0/24"], None)];
    policy::tests::policy(rules, default)
}

fn planned(question: &Question) -> Plan {
    planned_for("2001:db8:6::1", question)
}

fn planned_for(client: &str, question: &Question) -> Plan {
    let policy = policy();
    plan(
        question,
        &policy,
        policy.view(client.parse().unwrap()),
        &Known {
            hosts: &Hosts::default(),
            special: &special::Rules { forward_private: true, ..special::Rules::default() },
            now: 0,
        },
    )
}

fn local_rcode(question: &Question) -> (Origin, ResponseCode) {
    match planned(question) {
        Plan::Local(reply) => (reply.origin, reply.rcode()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn aaaa_is_synthesized_only_for_clients_that_get_it() {
    let asked = question("www.example", RecordType::AAAA);
    assert!(matches!(planned(&asked), Plan::Synthesize(_)));
    for client in ["192.0.2.1", "2001:db8:7::1"] {
        assert_eq!(planned_for(client, &asked), Plan::Forward, "{client}");
    }
}

#[test]
fn other_types_and_classes_are_forwarded() {
    for qtype in [RecordType::A, RecordType::ANY, RecordType::HTTPS, RecordType::SVCB, RecordType::MX] {
        assert_eq!(planned(&question("www.example", qtype)), Plan::Forward, "{qtype}");
    }
    for qclass in [3, 255] {
        let asked = Question { qclass, ..question("www.example", RecordType::AAAA) };
        assert_eq!(planned(&asked), Plan::Forward, "{qclass}");
    }
}

#[test]
fn cd_keeps_synthesis_away_and_do_does_not() {
    for (dnssec_ok, checking_disabled, synthesized) in
        [(false, false, true), (true, false, true), (true, true, false), (false, true, false)]
    {
        let mut asked = with_edns(&question("www.example", RecordType::AAAA), 1232);
        asked.edns = asked.edns.map(|edns| crate::question::ClientEdns { dnssec_ok, ..edns });
        asked.checking_disabled = checking_disabled;
        let plan = planned(&asked);
        assert_eq!(matches!(plan, Plan::Synthesize(_)), synthesized, "DO {dnssec_ok} CD {checking_disabled}");
    }
}

#[test]
fn without_rd_nothing_is_synthesized() {
    let asked = Question { recursion_desired: false, ..question("www.example", RecordType::AAAA) };
    assert_eq!(planned(&asked), Plan::Forward);
}

#[test]
fn edns_versions_that_do_not_exist_are_refused() {
    let mut asked = with_edns(&question("www.example", RecordType::A), 1232);
    asked.edns = asked.edns.map(|edns| crate::question::ClientEdns { version: 1, ..edns });
    assert_eq!(local_rcode(&asked), (Origin::Refused, ResponseCode::BADVERS));
}

#[test]
fn transfers_and_transactions_are_refused() {
    for qtype in
        [RecordType::AXFR, RecordType::IXFR, RecordType::OPT, RecordType::TSIG, RecordType::from(249)]
    {
        assert_eq!(
            local_rcode(&question("example", qtype)),
            (Origin::Refused, ResponseCode::Refused),
            "{qtype}"
        );
    }
}

#[test]
fn special_names_are_answered_here() {
    for (name, qtype) in [
        ("ipv4only.arpa", RecordType::AAAA),
        ("localhost", RecordType::AAAA),
        ("a.invalid", RecordType::A),
        ("4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa", RecordType::PTR),
    ] {
        let plan = planned(&question(name, qtype));
        let local = matches!(&plan, Plan::Local(reply) if reply.origin == Origin::Local);
        // The last name lies above the prefix's apex and is nobody's here.
        assert_eq!(local, !name.starts_with("4.6"), "{name}: {plan:?}");
    }
}

#[test]
fn reverse_names_are_translated_for_every_client_and_whatever_cd_says() {
    let name = "1.2.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    for client in ["2001:db8:6::1", "192.0.2.1", "2001:db8:7::1"] {
        let asked = Question { checking_disabled: true, ..question(name, RecordType::PTR) };
        let plan = planned_for(client, &asked);
        let Plan::Reverse(chase) = plan else { panic!("{client}: {plan:?}") };
        assert_eq!(chase.target().to_string(), "33.2.0.192.in-addr.arpa.");
    }
}

#[test]
fn a_reverse_name_under_a_prefix_is_judged_as_the_ipv4_name_it_leads_to() {
    let domain = |labels: [&str; 3]| WireName::from_labels(labels.map(str::as_bytes)).unwrap();
    let ours = (domain(["10", "in-addr", "arpa"]), special::Keeper::Here);
    let upstreams = (domain(["10", "in-addr", "arpa"]), special::Keeper::Upstream);
    let private = special::Rules::default();
    let open = special::Rules { forward_private: true, ..special::Rules::default() };
    let kept = special::Rules { domains: [ours].into_iter().collect(), ..open.clone() };
    let sent = special::Rules { domains: [upstreams].into_iter().collect(), ..private.clone() };
    let policy = policy();
    // 10.1.2.3 in the prefix.
    let name = "3.0.2.0.1.0.a.0.0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    let question = question(name, RecordType::PTR);
    for (special, is_local) in [(private, true), (open, false), (kept, true), (sent, false)] {
        let known = Known { hosts: &Hosts::default(), special: &special, now: 0 };
        let view = policy.view("2001:db8:6::1".parse().unwrap());
        let plan = plan(&question, &policy, view, &known);
        let local = match &plan {
            Plan::Local(reply) => {
                assert_eq!((reply.origin, reply.rcode()), (Origin::Reverse, ResponseCode::NXDomain));
                true
            }
            Plan::Reverse(_) => false,
            other => panic!("{other:?}"),
        };
        assert_eq!(local, is_local, "{special:?}: {plan:?}");
    }
}

#[test]
fn served_names_go_before_synthesis_and_ipv4only_arpa_before_them() {
    let hosts = hosts::tests::hosts("192.0.2.10 v4.example ipv4only.arpa\n", "");
    let policy = policy();
    let planned = |name: &str, checking_disabled| {
        let question = Question { checking_disabled, ..question(name, RecordType::AAAA) };
        let known = Known {
            hosts: &hosts,
            special: &special::Rules { forward_private: true, ..special::Rules::default() },
            now: 0,
        };
        match plan(&question, &policy, policy.view("2001:db8:6::1".parse().unwrap()), &known) {
            Plan::Local(reply) => (reply.origin, crate::reply::tests::built(*reply).answers.len()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(planned("v4.example", false), (Origin::Hosts, 1));
    assert_eq!(planned("v4.example", true), (Origin::Hosts, 0), "who sets CD synthesizes by itself");
    assert_eq!(planned("ipv4only.arpa", false), (Origin::Local, 2));
}
