//! What is made of A records (RFC 6147 §5.1.5 to §5.4, RFC 6052 §2).

use super::SYNTHESIZED;
use crate::scripted::{a, back, no_data, with};
use crate::site::Site;
use crate::world::{PREF64, v6};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::fmt::Write;
use std::net::Ipv6Addr;

/// RFC 6052 §2.4: 192.0.2.33 in a prefix of each length.
const VECTORS: [(&str, &str); 6] = [
    ("2001:db8::/32", "2001:db8:c000:221::"),
    ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
    ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"),
    ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
];

#[tokio::test]
async fn rule_22_each_prefix_length_embeds_as_the_rfc_6052_table_says() {
    for (pref64, expect) in VECTORS {
        let site = Site::at(pref64, "v4.example. A 192.0.2.33").await;
        let reply = site.ask("v4.example. AAAA").await;
        assert_eq!(v6(&reply), [expect.parse::<Ipv6Addr>().unwrap()], "{pref64}");
    }
}

#[tokio::test]
async fn rule_23_bits_64_to_71_are_zero_for_every_length() {
    for (pref64, _) in VECTORS {
        let site = Site::at(pref64, "v4.example. A 223.255.255.254").await;
        let reply = site.ask("v4.example. AAAA").await;
        assert_eq!(v6(&reply)[0].octets()[8], 0, "{pref64}");
    }
}

#[tokio::test]
async fn rule_24_the_well_known_prefix_carries_no_address_that_is_not_global() {
    let private = [
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
    ];
    let mut zone = String::from("mix.example. A 10.0.0.1\nmix.example. A 9.9.9.9\n");
    for (index, v4) in private.iter().enumerate() {
        writeln!(zone, "h{index}.example. A {v4}").unwrap();
    }
    let site = Site::at("64:ff9b::/96", &zone).await;
    for index in 0..private.len() {
        site.check(&format!("h{index}.example. AAAA"), &["NOERROR", "auth example. 900 SOA"]).await;
    }
    site.check("mix.example. AAAA", &["NOERROR", "mix.example. 60 AAAA 64:ff9b::909:909"]).await;
    let reply = site.ask("ipv4only.arpa. AAAA").await;
    assert_eq!(v6(&reply)[0], "64:ff9b::192.0.0.170".parse::<Ipv6Addr>().unwrap());
}

#[tokio::test]
async fn rule_25_other_prefixes_carry_private_addresses() {
    for (pref64, expect) in [("64:ff9b:1::/48", "64:ff9b:1:c0a8:0:100::"), (PREF64, "2001:db8:64::c0a8:1")] {
        let site = Site::at(pref64, "lan.example. A 192.168.0.1").await;
        let reply = site.ask("lan.example. AAAA").await;
        assert_eq!(v6(&reply), [expect.parse::<Ipv6Addr>().unwrap()], "{pref64}");
    }
}

#[tokio::test]
async fn rule_26_each_address_in_each_prefix_once_and_what_does_not_fit_goes_over_tcp() {
    let clients =
        "[[dns64.client]]\nfrom = [\"0.0.0.0/0\"]\nprefixes = [\"2001:db8:a::/96\", \"2001:db8:b::/96\"]";
    let mut zone = String::from("few.example. A 192.0.2.1\nfew.example. A 192.0.2.2\n");
    for last in 1..=60 {
        writeln!(zone, "many.example. A 192.0.2.{last}").unwrap();
    }
    let site = Site::with(&zone, clients).await;
    let line = |prefix, v4| format!("few.example. 60 AAAA 2001:db8:{prefix}::c000:20{v4}");
    let expect = [("a", 1), ("b", 1), ("a", 2), ("b", 2)].map(|(prefix, v4)| line(prefix, v4));
    let expect: Vec<_> = ["NOERROR"].into_iter().chain(expect.iter().map(String::as_str)).collect();
    site.check("few.example. AAAA", &expect).await;
    site.check("few.example. AAAA", &expect).await;
    let datagram = site.ask("many.example. AAAA").await;
    assert!(datagram.metadata.truncation);
    let all = v6(&site.ask("many.example. AAAA tcp").await);
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (120, 120));
}

#[tokio::test]
async fn rule_27_the_order_of_a_is_kept_and_repeated_addresses_count_once() {
    let site = Site::scripted(|query, asked| match asked.qtype {
        RecordType::A => back(&with(query, ["192.0.2.3", "192.0.2.1", "192.0.2.3", "192.0.2.2"].map(a))),
        _ => back(&no_data(query)),
    })
    .await;
    let expect = [3, 1, 2].map(|last| format!("v4.example. 60 AAAA 2001:db8:64::c000:20{last}"));
    site.check("v4.example. AAAA", &["NOERROR", &expect[0], &expect[1], &expect[2]]).await;
}

#[tokio::test]
async fn rule_28_the_owner_is_the_end_of_the_chain_spelt_as_in_the_a_answer() {
    let target = Name::from_ascii("CDN.Other.").unwrap();
    let site = Site::scripted(move |query, asked| match asked.qtype {
        RecordType::A => {
            let mut message = with(query, [RData::CNAME(CNAME(target.clone()))]);
            message.add_answer(Record::from_rdata(target.clone(), 300, a("192.0.2.1")));
            back(&message)
        }
        _ => back(&no_data(query)),
    })
    .await;
    // Site::ask compares the question octet by octet.
    let expect = ["NOERROR", "wWw.ExAmPlE. 300 CNAME CDN.Other.", "CDN.Other. 60 AAAA 2001:db8:64::c000:201"];
    site.check("wWw.ExAmPlE. AAAA", &expect).await;
}

#[tokio::test]
async fn rule_29_the_ttl_is_the_least_of_a_and_the_absence_of_aaaa() {
    let mut zone = String::from("example. 86400 SOA 1200\n");
    for ttl in [500, 700, 1100, 1300] {
        writeln!(zone, "t{ttl}.example. {ttl} A 192.0.2.1").unwrap();
    }
    zone.push_str("bare.example. AAAA !bare\nbare.example. 1300 A 192.0.2.1\n");
    zone.push_str("short.test. 30 SOA 1200\na.short.test. 1300 A 192.0.2.1\n");
    let site = Site::new(&zone).await;
    for (name, ttl) in [
        ("t500.example.", 500),
        ("t700.example.", 700),
        ("t1100.example.", 1100),
        ("t1300.example.", 1200),
        ("bare.example.", 600),
        ("a.short.test.", 30),
    ] {
        let line = format!("{name} {ttl} AAAA 2001:db8:64::c000:201");
        site.check(&format!("{name} AAAA"), &["NOERROR", &line]).await;
    }
}

#[tokio::test]
async fn rule_30_a_ttl_of_zero_stays_zero_and_excluded_records_bound_the_ttl() {
    let site = Site::new(
        "zero.example. 0 A 192.0.2.1\n\
         bad.example. 40 AAAA ::ffff:192.0.2.7\nbad.example. 300 A 192.0.2.1",
    )
    .await;
    for _ in 0..2 {
        site.check("zero.example. AAAA", &["NOERROR", "zero.example. 0 AAAA 2001:db8:64::c000:201"]).await;
        assert!(site.asked().contains(&"zero.example. A".to_owned()), "it is not kept");
    }
    site.check("bad.example. AAAA", &["NOERROR", "bad.example. 40 AAAA 2001:db8:64::c000:201"]).await;
}

#[tokio::test]
async fn rule_32_aliases_keep_their_ttl_and_order_and_a_dname_its_cname() {
    let site = Site::new(
        "www.example. 10 CNAME a.example.\na.example. 20 CNAME b.example.\nb.example. 30 A 192.0.2.1\n\
         old.example. 40 DNAME new.example.\nx.new.example. 50 A 192.0.2.1",
    )
    .await;
    let chain = [
        "NOERROR",
        "www.example. 10 CNAME a.example.",
        "a.example. 20 CNAME b.example.",
        "b.example. 30 AAAA 2001:db8:64::c000:201",
    ];
    site.check("www.example. AAAA", &chain).await;
    let dname = [
        "NOERROR",
        "old.example. 40 DNAME new.example.",
        "x.old.example. 40 CNAME x.new.example.",
        "x.new.example. 50 AAAA 2001:db8:64::c000:201",
    ];
    site.check("x.old.example. AAAA", &dname).await;
}

#[tokio::test]
async fn rule_33_the_original_name_is_asked_for_a_and_two_chains_are_never_mixed() {
    let alias = |text: &str| RData::CNAME(CNAME(Name::from_ascii(text).unwrap()));
    let site = Site::scripted(move |query, asked| {
        if asked.qtype == RecordType::A {
            let mut message = with(query, [alias("east.cdn.")]);
            let east = Name::from_ascii("east.cdn.").unwrap();
            message.add_answer(Record::from_rdata(east, 300, a("192.0.2.1")));
            return back(&message);
        }
        let mut message = no_data(query);
        message.add_answer(Record::from_rdata(query.queries[0].name.clone(), 300, alias("west.cdn.")));
        back(&message)
    })
    .await;
    let expect = ["NOERROR", "www.example. 300 CNAME east.cdn.", "east.cdn. 60 AAAA 2001:db8:64::c000:201"];
    site.check("www.example. AAAA", &expect).await;
    assert_eq!(site.asked(), ["www.example. AAAA", "www.example. A"]);
}

#[tokio::test]
async fn rule_34_long_chains_are_followed_and_loops_end() {
    let mut zone = String::from("loop1.example. CNAME loop2.example.\nloop2.example. CNAME loop1.example.\n");
    for link in 0..10 {
        writeln!(zone, "c{link}.example. CNAME c{}.example.", link + 1).unwrap();
    }
    zone.push_str("c10.example. A 192.0.2.1");
    let site = Site::new(&zone).await;
    let reply = site.ask("c0.example. AAAA").await;
    assert_eq!((reply.answers.len(), v6(&reply).len()), (11, 1), "{reply}");
    let reply = site.ask("loop1.example. AAAA").await;
    assert!(v6(&reply).is_empty(), "{reply}");
}

#[tokio::test]
async fn rule_35_a_chain_without_data_at_its_end_stays_with_the_soa_of_the_target() {
    let site =
        Site::new("example. SOA 60\nother. 700 SOA 60\nwww.example. CNAME text.other.\ntext.other. TXT text")
            .await;
    let expect = ["NOERROR", "www.example. 300 CNAME text.other.", "auth other. 700 SOA"];
    site.check("www.example. AAAA", &expect).await;
}

#[tokio::test]
async fn rule_36_a_records_outside_the_answer_section_are_untouched() {
    let name = |text| Name::from_ascii(text).unwrap();
    let site = Site::scripted(move |query, asked| {
        if asked.qtype != RecordType::A {
            return back(&no_data(query));
        }
        let mut message = with(query, [a("192.0.2.1")]);
        let server = hickory_proto::rr::rdata::NS(name("ns.example."));
        message.add_authority(Record::from_rdata(name("example."), 300, RData::NS(server)));
        message.add_additional(Record::from_rdata(name("ns.example."), 300, a("192.0.2.53")));
        back(&message)
    })
    .await;
    let expect = ["NOERROR", SYNTHESIZED, "auth example. 300 NS", "add ns.example. 300 A 192.0.2.53"];
    site.check("v4.example. AAAA", &expect).await;
}

#[tokio::test]
async fn rule_37_signatures_and_denials_that_no_longer_fit_are_left_out() {
    let site = Site::new("signed\nv4.example. A 192.0.2.1").await;
    let reply = site.ask("v4.example. AAAA +do").await;
    let types: Vec<_> = reply.all_sections().map(Record::record_type).collect();
    for gone in [RecordType::RRSIG, RecordType::NSEC, RecordType::NSEC3] {
        assert!(!types.contains(&gone), "{reply}");
    }
    assert_eq!(v6(&reply).len(), 1);
}

#[tokio::test]
async fn rule_38_a_synthesized_answer_is_not_authoritative() {
    let site = Site::scripted(|query, asked| {
        let mut message = match asked.qtype {
            RecordType::A => with(query, [a("192.0.2.1")]),
            _ => no_data(query),
        };
        message.metadata.authoritative = true;
        back(&message)
    })
    .await;
    // Site::check lists AA where it is set, and wants RA always.
    site.check("v4.example. AAAA", &["NOERROR", SYNTHESIZED]).await;
}

#[tokio::test]
async fn rule_39_a_is_untouched_by_a_synthesis_before_it() {
    let site = Site::new("v4.example. A 192.0.2.1").await;
    for _ in 0..2 {
        site.check("v4.example. AAAA", &["NOERROR", "v4.example. <=60 AAAA 2001:db8:64::c000:201"]).await;
        site.check("v4.example. A", &["NOERROR", "v4.example. <=300 A 192.0.2.1"]).await;
    }
}

#[tokio::test]
async fn rule_23_a_suffix_stands_behind_the_address_and_bits_64_to_71_stay_zero() {
    let clients = "[[dns64.client]]\nfrom = [\"0.0.0.0/0\"]\n\
        prefixes = [{ prefix = \"2001:db8:67::/64\", suffix = \"::1\" }]";
    let site = Site::with("v4.example. A 192.0.2.1", clients).await;
    let reply = site.ask("v4.example. AAAA").await;
    assert_eq!(v6(&reply), ["2001:db8:67:0:c0:2:100:1".parse::<Ipv6Addr>().unwrap()]);
}
