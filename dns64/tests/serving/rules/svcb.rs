//! Service binding records (RFC 9460 §4.2.1): synthesis is not carried over to their hints.

use crate::scripted::{Scripted, a, aaaa, back, with};
use crate::site::{Site, patient};
use crate::zone::hex;
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// `1 . alpn=h2 ipv4hint=192.0.2.1 ipv6hint=2001:db8:1::1`
const HINTS: &str = "0001000001000302683200040004c00002010006001020010db8000100000000000000000001";

#[tokio::test]
async fn rule_59_hints_pass_octet_by_octet() {
    for number in [64, 65] {
        let zone = format!("svc.example. TYPE{number} \\# {HINTS}\nsvc.example. A 192.0.2.1");
        let site = Site::new(&zone).await;
        for flags in ["", "+do"] {
            let octets = site.ask_octets(&format!("svc.example. TYPE{number} {flags}")).await;
            let data = hex(HINTS);
            assert!(octets.windows(data.len()).any(|window| window == data), "TYPE{number} {flags}");
        }
        assert!(site.asked().iter().all(|asked| !asked.ends_with(" A") && !asked.ends_with(" AAAA")));
    }
}

#[tokio::test]
async fn rule_59_hints_pass_octet_by_octet_whatever_the_file_says_of_addresses() {
    let zone = format!("signed\nsvc.example. TYPE65 \\# {HINTS}\nsvc.example. A 192.0.2.1");
    for keys in [
        "force = [\"example\"]",
        "forbid = [\"example\"]",
        "exclude_aaaa = [\"::/0\"]",
        "rebind_protection = true\nprivate_domains = [\"example\"]",
        "signed = \"pass\"\non_aaaa_error = \"pass\"\non_nxdomain = \"synthesize\"",
        "strip_ipv4hint = true",
        "[[dns64.client]]\nfrom = [\"127.0.0.0/8\"]\nprefixes = [\"64:ff9b::/96\", \"2001:db8:b::/64\"]",
    ] {
        let site = Site::with(&zone, keys).await;
        for round in ["asked", "kept"] {
            let octets = site.ask_octets("svc.example. TYPE65 +do").await;
            let data = hex(HINTS);
            assert!(octets.windows(data.len()).any(|window| window == data), "{keys}, {round}");
        }
    }
}

#[tokio::test]
async fn rule_59_addresses_beside_hints_are_left_as_the_upstream_sent_them() {
    for keys in ["", "strip_ipv4hint = true"] {
        let upstream = Scripted::start(|query, _| {
            let hints = RData::Unknown { code: RecordType::HTTPS, rdata: NULL::with(hex(HINTS)) };
            let mut message = with(query, [hints]);
            for data in [a("192.0.2.1"), aaaa("2001:db8:1::1")] {
                let target = Name::from_ascii("target.example.").unwrap();
                message.add_additional(Record::from_rdata(target, 300, data));
            }
            back(&message)
        })
        .await;
        let site = Site::before(upstream, keys, patient()).await;
        for round in ["asked", "kept"] {
            let reply = site.ask("svc.example. TYPE65").await;
            let additional: Vec<_> = reply.additionals.iter().map(|record| record.data.clone()).collect();
            assert_eq!(additional, [a("192.0.2.1"), aaaa("2001:db8:1::1")], "{keys}, {round}");
        }
        assert_eq!(site.asked(), ["svc.example. HTTPS"], "nothing is looked up for hints");
    }
}

/// `1 . mandatory=alpn,ipv4hint alpn=h2 ipv4hint=192.0.2.1`, and the same without the hint.
const MANDATORY: [&str; 2] =
    ["00010000000004000100040001000302683200040004c0000201", "00010000000002000100010003026832"];

#[tokio::test]
async fn rule_60_ipv4_hints_are_stripped_where_the_file_says_so_but_not_from_signed_records_with_do() {
    let [before, after] = MANDATORY;
    let zone = format!("svc.example. TYPE65 \\# {before}");
    let site = Site::with(&zone, "strip_ipv4hint = true").await;
    let holds = |octets: &[u8], digits: &str| {
        let data = hex(digits);
        octets.windows(data.len()).any(|window| window == data)
    };
    let octets = site.ask_octets("svc.example. TYPE65").await;
    assert!(holds(&octets, after) && !holds(&octets, before), "{octets:02x?}");
    let signed = Site::with(&format!("signed\n{zone}"), "strip_ipv4hint = true").await;
    assert!(holds(&signed.ask_octets("svc.example. TYPE65 +do").await, before));
    assert!(holds(&signed.ask_octets("svc.example. TYPE65").await, after));
}

#[tokio::test]
async fn rule_60_who_is_not_synthesized_for_keeps_the_hints() {
    let [before, _] = MANDATORY;
    let keys = "strip_ipv4hint = true\n[[dns64.client]]\nfrom = [\"127.0.0.9\"]";
    let site = Site::with(&format!("svc.example. TYPE65 \\# {before}"), keys).await;
    let octets = site.ask_octets("svc.example. TYPE65 from=127.0.0.1").await;
    let data = hex(before);
    assert!(octets.windows(data.len()).any(|window| window == data), "{octets:02x?}");
}
