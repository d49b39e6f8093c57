use super::line::{BadLine, Fault, Form, Terms, read};
use super::table::{Builder, Lasting};
use super::*;
use crate::policy::Synthesis;
use crate::policy::tests::synthesis;
use crate::reply::tests::{built, question, shown};
use hickory_proto::rr::RecordType;
use proptest::prelude::*;
use std::net::IpAddr;

const NOW: u64 = 1_800_000_000;

fn name(text: &str) -> WireName {
    WireName::from_labels(text.split('.').filter(|label| !label.is_empty()).map(str::as_bytes)).unwrap()
}

/// Hosts of a hosts file and a lease file, with the domain `lan` and a TTL of 60, and what could not be read of each.
fn parsed(hosts: &str, leases: &str) -> (Hosts, [Vec<BadLine>; 2]) {
    let domain = name("lan");
    let terms = Terms { domain: Some(&domain), ttl: 60 };
    let mut fixed = Builder::new(Lasting::Ttl);
    let mut lent = Builder::new(Lasting::Until { base: NOW, ttl: 60 });
    let bad = [
        read(Form::Hosts, hosts.as_bytes(), terms, &mut fixed),
        read(Form::Leases, leases.as_bytes(), terms, &mut lent),
    ];
    (
        Hosts { fixed: Arc::new(fixed.build()), leases: Arc::new(lent.build()), ttl: 60, files: Vec::new() },
        bad,
    )
}

/// Hosts of texts without a mistake.
pub(crate) fn hosts(hosts: &str, leases: &str) -> Hosts {
    let (hosts, bad) = parsed(hosts, leases);
    assert_eq!(bad, [vec![], vec![]]);
    hosts
}

fn at(hosts: &Hosts, text: &str, now: u64) -> Option<Vec<String>> {
    let found = hosts.find(&name(text), now)?;
    let v4 = found.v4.iter().map(|(v4, ttl)| format!("{v4} {ttl}"));
    Some(v4.chain(found.v6.iter().map(|(v6, ttl)| format!("{v6} {ttl}"))).collect())
}

fn found(hosts: &Hosts, text: &str) -> Option<Vec<String>> {
    at(hosts, text, NOW)
}

fn faults(bad: &[BadLine]) -> Vec<(usize, Fault)> {
    bad.iter().map(|bad| (bad.number, bad.fault)).collect()
}

#[test]
fn lines_of_a_hosts_file_add_up_in_any_case() {
    let hosts = hosts(
        "\u{feff}# comment\n\n192.0.2.10 Vm1.Example vm1.alias  # its first address\r\n\t2001:db8::10\tVM1.example.\n\
         192.0.2.11 vm1.example\n192.0.2.10 vm1.example\n192.0.2.12 a_b-c.example",
        "",
    );
    assert_eq!(found(&hosts, "vM1.EXAMPLE").unwrap(), ["192.0.2.10 60", "192.0.2.11 60", "2001:db8::10 60"]);
    assert_eq!(found(&hosts, "vm1.alias").unwrap(), ["192.0.2.10 60"]);
    assert_eq!(found(&hosts, "a_b-c.example").unwrap(), ["192.0.2.12 60"]);
    for stranger in ["vm1", "example", "x.vm1.example", "vm1.example.lan", ""] {
        assert_eq!(found(&hosts, stranger), None, "{stranger}");
    }
}

#[test]
fn plain_names_stand_below_the_domain_as_well() {
    let hosts =
        hosts("192.0.2.10 vm1 vm2.example\n", &format!("{} 52:54:00:00:00:01 192.0.2.20 vm3 *\n", NOW + 600));
    for full in ["vm1", "vm1.lan", "vm3", "vm3.lan", "vm2.example"] {
        assert!(found(&hosts, full).is_some(), "{full}");
    }
    assert_eq!(found(&hosts, "vm2.example.lan"), None);
    let of = |v4: &str| hosts.name_of_v4(v4.parse().unwrap(), NOW).map(|(name, _)| name.to_string());
    assert_eq!(
        (of("192.0.2.10").unwrap(), of("192.0.2.20").unwrap()),
        ("vm1.lan.".into(), "vm3.lan.".into())
    );
}

#[test]
fn an_address_leads_back_to_its_first_name_as_it_was_written() {
    let hosts = hosts(
        "192.0.2.10 First.Example second.example\n192.0.2.10 third.example\n2001:db8::10 six.example\n",
        "",
    );
    let (v4, ttl) = hosts.name_of_v4("192.0.2.10".parse().unwrap(), NOW).unwrap();
    assert_eq!((v4.to_string(), ttl), ("First.Example.".to_owned(), 60));
    let (v6, _) = hosts.name_of_v6("2001:db8::10".parse().unwrap(), NOW).unwrap();
    assert_eq!(v6.to_string(), "six.example.");
    assert_eq!(hosts.name_of_v4("192.0.2.11".parse().unwrap(), NOW), None);
}

#[test]
fn bad_lines_take_no_other_along() {
    let long = "a".repeat(64);
    let (hosts, [bad, _]) = parsed(
        &format!(
            "192.0.2.256 a.example\n192.0.2.1\nfe80::1%eth0 b.example\n192.0.2.2 c.example *.example d..example \
             b\u{fc}cher.example {long}.example e.example\n192.0.2.3 f.example\n\
             192.0.2.4 a/b.example g.example\n"
        ),
        "",
    );
    assert_eq!(
        faults(&bad),
        [
            (1, Fault::Address),
            (2, Fault::NoName),
            (3, Fault::Address),
            (4, Fault::Wildcard),
            (4, Fault::Length),
            (4, Fault::Character),
            (4, Fault::Length),
            (6, Fault::Character),
        ]
    );
    for good in ["c.example", "e.example", "f.example", "g.example"] {
        assert!(found(&hosts, good).is_some(), "{good}");
    }
    assert_eq!(found(&hosts, "a.example"), None);
}

#[test]
fn a_name_with_too_many_addresses_keeps_the_first() {
    let lines: Vec<_> = (0..300).map(|i| format!("10.0.{}.{} many.example", i / 256, i % 256)).collect();
    let (hosts, [bad, _]) = parsed(&lines.join("\n"), "");
    assert_eq!(found(&hosts, "many.example").unwrap().len(), 256);
    assert_eq!((bad.len(), bad[0].number, bad[0].fault), (44, 257, Fault::Full));
}

#[test]
fn localhost_is_nobodys_name_in_a_file() {
    let hosts = hosts("127.0.0.1 localhost gateway.example\n::1 localhost x.localhost\n", "");
    assert_eq!((found(&hosts, "localhost"), found(&hosts, "x.localhost")), (None, None));
    assert_eq!(found(&hosts, "gateway.example").unwrap(), ["127.0.0.1 60"]);
}

#[test]
fn leases_of_both_families_last_until_they_expire() {
    let hosts = hosts(
        "",
        &format!(
            "{soon} 52:54:00:00:00:01 192.0.2.21 soon 01:52:54:00:00:00:01\n{late} 06-52:54 192.0.2.22 late *\n\
             0 52:54:00:00:00:03 192.0.2.23 never *\n{past} 52:54:00:00:00:04 192.0.2.24 past *\n\
             {late} 52:54:00:00:00:05 192.0.2.25 * *\nduid 00:01:00:01\n{soon} 12345 2001:db8::21 soon 00:01\n\
             {late} T99 2001:db8::26 six 00:01\n",
            soon = NOW + 20,
            late = NOW + 86_400,
            past = NOW - 1,
        ),
    );
    assert_eq!(found(&hosts, "soon").unwrap(), ["192.0.2.21 20", "2001:db8::21 20"]);
    assert_eq!(at(&hosts, "soon", NOW + 19).unwrap(), ["192.0.2.21 1", "2001:db8::21 1"]);
    assert_eq!(at(&hosts, "soon", NOW + 20), None);
    assert_eq!(found(&hosts, "late.lan").unwrap(), ["192.0.2.22 60"]);
    assert_eq!(at(&hosts, "never", NOW + 1_000_000_000).unwrap(), ["192.0.2.23 60"]);
    assert_eq!(found(&hosts, "past"), None);
    assert_eq!(found(&hosts, "six").unwrap(), ["2001:db8::26 60"]);
    let of = |v4: &str, now| hosts.name_of_v4(v4.parse().unwrap(), now).map(|(_, ttl)| ttl);
    assert_eq!(
        (of("192.0.2.21", NOW + 5), of("192.0.2.21", NOW + 21), of("192.0.2.25", NOW)),
        (Some(15), None, None)
    );
}

#[test]
fn half_a_lease_is_none() {
    let whole = format!("{} 52:54:00:00:00:01 192.0.2.21 guest 01:52\n", NOW + 600);
    let whole_line = whole.trim_end().len();
    for cut in 1..=whole_line - "01:52".len() {
        let (hosts, [_, bad]) = parsed("", &whole[..cut]);
        assert!(hosts.is_empty() && bad.len() == 1, "{cut}");
    }
    let (_, [_, bad]) =
        parsed("", &format!("soon 52:54 192.0.2.21 guest *\n{} 52:54 nowhere guest *\n", NOW + 1));
    assert_eq!(faults(&bad), [(1, Fault::Expiry), (2, Fault::Address)]);
}

#[test]
fn what_the_operator_wrote_goes_before_a_lease_for_each_family() {
    let hosts = hosts(
        "192.0.2.10 guest.lan\n",
        &format!("{0} 52:54 192.0.2.99 guest *\nduid 00\n{0} 1 2001:db8::99 guest *\n", NOW + 600),
    );
    assert_eq!(found(&hosts, "guest.lan").unwrap(), ["192.0.2.10 60", "2001:db8::99 60"]);
}

#[test]
fn names_above_hosts_are_known_as_such() {
    let hosts = hosts("192.0.2.10 a.b.Site.example\n192.0.2.11 b.site.example\n", "");
    for above in ["site.EXAMPLE", "example"] {
        assert!(hosts.is_above(&name(above)), "{above}");
    }
    for not in ["a.b.site.example.x", "x.site.example", "c.example", "", "ite.example"] {
        assert!(!hosts.is_above(&name(not)), "{not}");
    }
}

fn asked(
    hosts: &Hosts,
    text: &str,
    qtype: RecordType,
    synthesis: Option<&Synthesis>,
) -> Option<crate::reply::Built> {
    answer(&question(text, qtype), hosts, synthesis, NOW).map(built)
}

#[test]
fn served_names_have_their_addresses_and_no_other_records() {
    let hosts = hosts("192.0.2.10 vm1.example\n2001:db8::10 vm1.example\n", "");
    let ask = |qtype| asked(&hosts, "VM1.example", qtype, None).unwrap();
    assert_eq!(shown(&ask(RecordType::A).answers), ["VM1.example. 60 A 192.0.2.10"]);
    assert_eq!(shown(&ask(RecordType::AAAA).answers), ["VM1.example. 60 AAAA 2001:db8::10"]);
    assert_eq!(ask(RecordType::ANY).answers.len(), 2);
    for qtype in [RecordType::TXT, RecordType::HTTPS, RecordType::CNAME, RecordType::PTR, RecordType::SOA] {
        let reply = ask(qtype);
        assert!(reply.answers.is_empty() && reply.authoritative, "{qtype}");
        assert!(shown(&reply.authorities)[0].starts_with("VM1.example. 60 SOA"), "{qtype}");
    }
    assert_eq!(asked(&hosts, "vm2.example", RecordType::A, None), None);
}

#[test]
fn a_guest_with_ipv4_alone_gets_an_aaaa_record_by_the_clients_policy() {
    let hosts = hosts(
        "192.0.2.10 v4.example\n192.0.2.11 both.example\n2001:db8::11 both.example\n2001:db8:bad::1 v4.example\n",
        "",
    );
    let mut policy = synthesis(&["2001:db8:64::/96", "2001:db8:65::/96"]);
    policy.exclude = vec!["2001:db8:bad::/48".parse().unwrap()];
    let aaaa = |text, synthesis| shown(&asked(&hosts, text, RecordType::AAAA, synthesis).unwrap().answers);
    assert_eq!(
        aaaa("v4.example", Some(&policy)),
        ["v4.example. 60 AAAA 2001:db8:64::c000:20a", "v4.example. 60 AAAA 2001:db8:65::c000:20a"]
    );
    assert_eq!(aaaa("both.example", Some(&policy)), ["both.example. 60 AAAA 2001:db8::11"]);
    assert_eq!(
        aaaa("v4.example", None),
        ["v4.example. 60 AAAA 2001:db8:bad::1"],
        "plain forwarding believes all"
    );
}

#[test]
fn a_private_guest_under_the_well_known_prefix_has_no_data_and_the_reply_says_why() {
    let hosts = hosts("10.0.0.10 vm1.example\n9.9.9.9 vm2.example\n2001:db8:bad::1 vm3.example\n", "");
    let mut policy = synthesis(&["64:ff9b::/96"]);
    policy.exclude = vec!["2001:db8:bad::/48".parse().unwrap()];
    let reply = asked(&hosts, "vm1.example", RecordType::AAAA, Some(&policy)).unwrap();
    assert!(reply.answers.is_empty() && reply.authorities.len() == 1);
    assert!(String::from_utf8_lossy(&reply.errors[0].text).contains("64:ff9b::/96"), "{:?}", reply.errors);
    assert_eq!(asked(&hosts, "vm2.example", RecordType::AAAA, Some(&policy)).unwrap().answers.len(), 1);
    let excluded = asked(&hosts, "vm3.example", RecordType::AAAA, Some(&policy)).unwrap();
    assert_eq!((excluded.answers.len(), excluded.errors.len()), (0, 0), "no IPv4 address was refused");
}

#[test]
fn reverse_names_lead_to_the_first_name() {
    let hosts = hosts("192.0.2.10 vm1.example\n2001:db8::10 vm1.example\n", "");
    let v6 = format!("0.1.{}8.B.d.0.1.0.0.2.ip6.arpa", "0.".repeat(22));
    for reverse in ["10.2.0.192.in-addr.arpa", &v6] {
        let reply = asked(&hosts, reverse, RecordType::PTR, None).unwrap();
        assert_eq!(shown(&reply.answers), [format!("{reverse}. 60 PTR vm1.example.")]);
        assert!(asked(&hosts, reverse, RecordType::A, None).unwrap().answers.is_empty());
    }
    for other in [
        "11.2.0.192.in-addr.arpa",
        "010.2.0.192.in-addr.arpa",
        "2.0.192.in-addr.arpa",
        "x.10.2.0.192.in-addr.arpa",
    ] {
        assert_eq!(asked(&hosts, other, RecordType::PTR, None), None, "{other}");
    }
}

#[test]
fn a_host_takes_fewer_than_a_hundred_bytes() {
    let lines: Vec<_> = (0..100_000_u32)
        .map(|i| format!("10.{}.{}.{} guest{i:05}.lan", i >> 16, i >> 8 & 255, i & 255))
        .collect();
    let hosts = hosts(&lines.join("\n"), "");
    assert_eq!((hosts.fixed.len(), hosts.fixed.addresses()), (100_000, 100_000));
    let each = hosts.fixed.bytes() / 100_000;
    assert!(each < 100, "{each} bytes a host");
    assert_eq!(found(&hosts, "guest99999.lan").unwrap(), ["10.1.134.159 60"]);
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic_and_serves_only_what_stands_in_it(
        text in prop_oneof!["[ -~\n\t]{0,200}", "((192\\.0\\.2\\.[0-9]{1,3}|2001:db8::[0-9a-f]{1,4})( [a-c.*]{1,5}){0,3}\n?){0,8}"],
        asked in "[a-c]{1,2}(\\.[a-c]{1,2}){0,2}",
    ) {
        let (hosts, _) = parsed(&text, &text);
        for (address, ttl) in hosts.find(&name(&asked), NOW).unwrap_or_default().v4 {
            prop_assert!(text.contains(&address.to_string()) && ttl <= 60);
            prop_assert!(hosts.name_of_v4(address, NOW).is_some());
        }
    }

    #[test]
    fn a_table_finds_what_a_list_finds(
        entries in prop::collection::vec(("[ab]{1,2}(\\.[ab]){0,2}", 0..6_u8, any::<bool>()), 0..30),
    ) {
        let address = |last: u8, v6: bool| -> IpAddr {
            if v6 { format!("2001:db8::{last}").parse().unwrap() } else { IpAddr::V4([192, 0, 2, last].into()) }
        };
        let mut table = Builder::new(Lasting::Ttl);
        for (text, last, v6) in &entries {
            table.add(&name(text), address(*last, *v6), 60).unwrap();
        }
        let hosts = Hosts { fixed: Arc::new(table.build()), ..Hosts::default() };
        for (text, last, v6) in &entries {
            let found = hosts.find(&name(text), NOW).unwrap();
            let first = entries.iter().find(|(_, other, family)| (other, family) == (last, v6)).unwrap();
            let back = match address(*last, *v6) {
                IpAddr::V4(v4) => { prop_assert!(found.v4.contains(&(v4, 60))); hosts.name_of_v4(v4, NOW) }
                IpAddr::V6(v6) => { prop_assert!(found.v6.contains(&(v6, 60))); hosts.name_of_v6(v6, NOW) }
            };
            prop_assert_eq!(back, Some((name(&first.0), 60)));
            let distinct: std::collections::HashSet<_> =
                entries.iter().filter(|(other, ..)| other == text).map(|(_, last, v6)| (last, v6)).collect();
            prop_assert_eq!(found.v4.len() + found.v6.len(), distinct.len());
        }
    }
}
