//! Every kind of client asks for every shape of answer under every prefix length, twice, and a second opinion says
//! what it must get.

use crate::scripted::own_address;
use crate::site::{Site, patient, shown};
use crate::world::v6;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Outside every prefix (RFC 9637).
const REAL: &str = "3fff::1";
const EXCLUDED: &str = "::ffff:192.0.2.7";

/// One shape of what a name has: its label, its AAAA records, its A records; 10/8 belongs to no prefix.
const SHAPES: [(&str, &[&str], &[&str]); 10] = [
    ("only-a", &[], &["192.0.2.1"]),
    ("only-aaaa", &[REAL], &[]),
    ("both", &[REAL], &["192.0.2.1"]),
    ("excluded", &[EXCLUDED], &["192.0.2.1"]),
    ("excluded-alone", &[EXCLUDED], &[]),
    ("partly-excluded", &[EXCLUDED, REAL], &["192.0.2.1"]),
    ("mapped-and-not", &[], &["10.1.1.1", "192.0.2.1", "192.0.2.2"]),
    ("not-mapped", &[], &["10.1.1.1"]),
    ("excluded-not-mapped", &[EXCLUDED], &["10.1.1.1"]),
    ("no-data", &[], &[]),
];

/// What the file says of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// Addresses are made of what is mapped, in the site's prefix.
    Usual,
    /// The same in a second prefix as well, with a suffix.
    Pair,
    /// No AAAA record of anyone is believed.
    Distrustful,
    /// Nothing is made.
    Stranger,
}

/// The flags that clients ask with, their group, and whether they are synthesized for.
const CLIENTS: [(&str, Group, bool); 12] = [
    ("", Group::Usual, true),
    ("+do", Group::Usual, true),
    ("+ad", Group::Usual, true),
    ("noedns", Group::Usual, true),
    ("+cd", Group::Usual, false),
    ("+do +cd", Group::Usual, false),
    ("-rd", Group::Usual, false),
    ("tcp", Group::Pair, true),
    ("+do", Group::Pair, true),
    ("", Group::Distrustful, true),
    ("", Group::Stranger, false),
    ("+do", Group::Stranger, false),
];

/// The second prefix of a pair, and its suffix.
const SECOND: (&str, &str) = ("3fff:f00::/40", "::5");

const PREFIXES: [&str; 6] = [
    "2001:db8::/32",
    "2001:db8:100::/40",
    "2001:db8:122::/48",
    "2001:db8:122:300::/56",
    "2001:db8:122:344::/64",
    "2001:db8:122:344::/96",
];

/// RFC 6052 §2.2, written down a second time: octet 8 is skipped.
fn embed(pref64: &str, v4: Ipv4Addr) -> Ipv6Addr {
    let (address, length) = pref64.split_once('/').unwrap();
    let mut octets = address.parse::<Ipv6Addr>().unwrap().octets();
    let mut at = length.parse::<usize>().unwrap() / 8;
    for octet in v4.octets() {
        at += usize::from(at == 8);
        octets[at] = octet;
        at += 1;
    }
    octets.into()
}

fn zone(signed: bool) -> String {
    let mut lines = vec!["alias-to-nothing.example. CNAME missing.example.".to_owned()];
    lines.extend(signed.then(|| "signed".to_owned()));
    for (label, aaaa, a) in SHAPES {
        let records = aaaa.iter().map(|v6| format!("AAAA {v6}")).chain(a.iter().map(|v4| format!("A {v4}")));
        lines.extend(records.map(|data| format!("{label}.example. {data}")));
        lines.push(format!("{label}.example. TXT text"));
        lines.push(format!("alias-to-{label}.example. CNAME {label}.example."));
        lines.push(format!("alias-to-alias-to-{label}.example. CNAME alias-to-{label}.example."));
    }
    lines.join("\n")
}

/// The addresses that a client must get.
fn expected(pref64: &str, (group, synthesizes): (Group, bool), aaaa: &[&str], a: &[&str]) -> Vec<Ipv6Addr> {
    let real = aaaa.iter().map(|v6| v6.parse::<Ipv6Addr>().unwrap());
    if !synthesizes {
        return real.collect();
    }
    let kept = |v6: &Ipv6Addr| group != Group::Distrustful && v6.to_ipv4_mapped().is_none();
    let kept: Vec<_> = real.filter(kept).collect();
    if !kept.is_empty() {
        return kept;
    }
    let v4 = a.iter().map(|v4| v4.parse::<Ipv4Addr>().unwrap()).filter(|v4| v4.octets()[0] != 10);
    let suffix = SECOND.1.parse::<Ipv6Addr>().unwrap().to_bits();
    let second = |v4| Ipv6Addr::from_bits(embed(SECOND.0, v4).to_bits() | suffix);
    v4.flat_map(|v4| [Some(embed(pref64, v4)), (group == Group::Pair).then(|| second(v4))])
        .flatten()
        .collect()
}

fn check(context: &str, reply: &Message, alias: bool, expect: &[Ipv6Addr]) {
    let mut found = v6(reply);
    found.sort_unstable();
    let mut expect = expect.to_vec();
    expect.sort_unstable();
    let types: Vec<_> = reply.answers.iter().map(Record::record_type).collect();
    let lines = shown(reply);
    assert_eq!(found, expect, "{context}: {lines:#?}");
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{context}");
    assert!(!reply.metadata.authentic_data && !types.contains(&RecordType::A), "{context}: {lines:#?}");
    assert_eq!(types.first() == Some(&RecordType::CNAME), alias, "{context}: {lines:#?}");
    let soa = reply.authorities.iter().filter(|record| record.record_type() == RecordType::SOA).count();
    assert_eq!(soa, usize::from(expect.is_empty()), "{context}: {lines:#?}");
}

#[tokio::test]
async fn rule_75_every_client_gets_what_is_due_to_it_for_every_shape_of_answer() {
    for pref64 in PREFIXES {
        for signed in [false, true] {
            ask_everything(pref64, signed).await;
        }
    }
}

async fn ask_everything(pref64: &str, signed: bool) {
    let [pair, distrustful, stranger]: [IpAddr; 3] = std::array::from_fn(|_| own_address());
    let mapped = "mapped = [\"!10.0.0.0/8\", \"0.0.0.0/0\"]";
    let (second, suffix) = SECOND;
    let clients = format!(
        "[[dns64.client]]\nfrom = [\"{stranger}\"]\nsynthesize = false\n\
         [[dns64.client]]\nfrom = [\"{distrustful}\"]\nexclude_aaaa = [\"::/0\"]\n{mapped}\n\
         [[dns64.client]]\nfrom = [\"{pair}\"]\n{mapped}\n\
         prefixes = [\"{pref64}\", {{ prefix = \"{second}\", suffix = \"{suffix}\" }}]\n\
         [[dns64.client]]\nfrom = [\"0.0.0.0/0\"]\n{mapped}\n"
    );
    let site = Site::all(pref64, &zone(signed), &clients, patient()).await;
    for round in ["first", "again"] {
        for (flags, group, synthesizes) in CLIENTS {
            let from = match group {
                Group::Usual => String::new(),
                Group::Pair => format!("from={pair}"),
                Group::Distrustful => format!("from={distrustful}"),
                Group::Stranger => format!("from={stranger}"),
            };
            for (label, aaaa, a) in SHAPES {
                let expect = expected(pref64, (group, synthesizes), aaaa, a);
                for aliases in ["", "alias-to-", "alias-to-alias-to-"] {
                    let name = format!("{aliases}{label}.example.");
                    let reply = site.ask(&format!("{name} AAAA {flags} {from}")).await;
                    let context = format!("{pref64} signed={signed} {round} {name} {flags:?} {group:?}");
                    check(&context, &reply, !aliases.is_empty(), &expect);
                }
            }
            for name in ["missing.example.", "alias-to-nothing.example."] {
                let reply = site.ask(&format!("{name} AAAA {flags} {from}")).await;
                let context = format!("{name} {flags:?} {group:?}");
                assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain, "{context}");
            }
        }
    }
}
