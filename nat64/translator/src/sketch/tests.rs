use super::*;
use crate::outline::{Endpoints, Outline};
use crate::testing::{World, judge};
use crate::verdict::Verdict;

fn bytes(text: &str) -> Vec<u8> {
    parse(text).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn refused(text: &str, column: usize, width: usize, problem: &str) {
    let error = parse(text).expect_err(text);
    assert_eq!((error.column, error.width), (column, width), "{error}");
    assert!(error.problem.contains(problem), "{error}");
    assert!(!error.help.is_empty());
}

#[test]
fn hexadecimal_is_read_in_every_usual_form() {
    let expect = [0x60, 0x00, 0xab, 0xcd];
    for text in [
        "6000abcd",
        "60 00 ab cd",
        "60:00:AB:CD",
        "0x60 0x00 0xab 0xcd",
        "0x6000abcd",
        "  6000\n\tabcd\n",
        "6 0 0 0 a b c d",
    ] {
        assert_eq!(bytes(text), expect, "{text}");
    }
}

#[test]
fn offsets_of_tcpdump_are_passed_over() {
    let text = "\t0x0000:  6000 0000 0008 1140 2001 0db8 0006 0000\n\t0x0010:  0000 0000 0000 0001\n";
    assert_eq!(bytes(text).len(), 24);
    assert_eq!(bytes(text)[16..], [0, 0, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn descriptions_become_sound_packets() {
    for (text, len) in [
        ("udp 2001:db8:6::1#5 -> 2001:db8:64::203.0.113.9#53", 48),
        ("udp 2001:db8:6::1 -> 2001:db8:64::203.0.113.9 len 1200 ttl 3 tos 0xb8", 1200),
        ("TCP 203.0.113.9#443->192.0.2.101#40000 syn ack df", 40),
        ("tcp [2001:db8:6::1]#443 -> 2001:db8:64::203.0.113.9#1 len 1000", 1000),
        ("icmp 203.0.113.9 -> 192.0.2.101 len 84", 84),
        ("icmp 2001:db8:6::1 -> 2001:db8:64::203.0.113.9 reply", 48),
    ] {
        let packet = bytes(text);
        assert_eq!(packet.len(), len, "{text}");
        judge(&packet);
    }
}

#[test]
fn ports_flags_and_fields_stand_where_they_belong() {
    let outline = Outline::of(&bytes("udp 203.0.113.9#5 -> 192.0.2.101#53"));
    assert_eq!(outline.endpoints, Some(Endpoints::Ports(5, 53)));
    assert_eq!(outline.dst, "192.0.2.101".parse().ok());
    assert_eq!(
        Outline::of(&bytes("icmp 203.0.113.9 -> 192.0.2.101 type 13 code 2")).endpoints,
        Some(Endpoints::Icmp(13, 2))
    );
    let packet = bytes("132 203.0.113.9 -> 192.0.2.101 len 100");
    assert_eq!((packet.len(), packet[9]), (100, 132));
    assert_eq!(bytes("udp 203.0.113.9 -> 192.0.2.101 nosum")[26..], [0, 0]);
    let packet = bytes("tcp 203.0.113.9 -> 192.0.2.101 ttl 9 tos 0x10 id 513 offset 16 more df");
    assert_eq!((packet[1], &packet[4..9]), (0x10, &[2, 1, 0x60, 2, 9][..]));
    let packet = bytes("tcp 2001:db8:6::1 -> 2001:db8:64::203.0.113.9 syn offset 0 more id 9");
    assert_eq!(packet[6..8], [44, 64]);
    assert_eq!(packet[40..48], [6, 0, 0, 1, 0, 0, 0, 9]);
    assert_eq!(packet[48 + 13], 2);
}

#[test]
fn errors_quote_a_packet_that_translates() {
    for text in [
        "icmp 2001:db8:6::fe -> 2001:db8:64::203.0.113.9 ptb 1280 about 2001:db8:6::1#5",
        "icmp 2001:db8:6::1 -> 2001:db8:64::203.0.113.9 unreachable",
        "icmp 203.0.113.1 -> 192.0.2.101 expired about 203.0.113.9#53",
        "icmp 203.0.113.9 -> 192.0.2.101 ptb 1400",
    ] {
        let packet = bytes(text);
        let verdict = World::new().verdict(&packet);
        assert!(matches!(verdict, Verdict::Forward(_)), "{text}: {verdict:?}");
    }
}

#[test]
fn mistakes_are_named_with_their_column() {
    refused("", 1, 1, "there is no packet");
    refused("60 0g", 5, 1, "'g' is no hexadecimal digit");
    refused("60 00 f", 7, 1, "only one digit");
    refused("hello", 1, 1, "'h' is no hexadecimal digit");
    refused("sctp 192.0.2.1 -> 192.0.2.2", 1, 4, "\"sctp\" is no protocol");
    refused("256 192.0.2.1 -> 192.0.2.2", 1, 3, "is no protocol");
    refused("udp 2001:db8:::1#5 -> 64:ff9b::c000:201#53", 5, 12, "\"2001:db8:::1\" is no IP address");
    refused("udp 2001:db8::1#70000 -> 64:ff9b::1", 17, 5, "\"70000\" is no port");
    refused("udp 2001:db8::1# -> 64:ff9b::1", 17, 1, "\"\" is no port");
    refused("icmp 192.0.2.1#5 -> 192.0.2.2", 16, 1, "only tcp and udp have ports");
    refused("udp 192.0.2.1#5", 16, 1, "\"->\" is missing");
    refused("udp 192.0.2.1#5 192.0.2.2 -> x", 17, 9, "expected \"->\"");
    refused("udp 192.0.2.1 ->", 17, 1, "the destination is missing");
    refused("udp 192.0.2.1 -> 2001:db8::1", 18, 11, "different families");
    refused("udp 192.0.2.1 -> 192.0.2.2 ttl", 31, 1, "the number behind \"ttl\" is missing");
    refused("udp 192.0.2.1 -> 192.0.2.2 ttl 256", 32, 3, "no number from 0 to 255");
    refused("udp 192.0.2.1 -> 192.0.2.2 len 27", 32, 2, "the headers alone have 28");
    refused("udp 192.0.2.1 -> 192.0.2.2 len 70000", 32, 5, "no number from 20 to 65535");
    refused("udp 192.0.2.1 -> 192.0.2.2 syn", 28, 3, "is an option of tcp");
    refused("tcp 192.0.2.1 -> 192.0.2.2 nosum", 28, 5, "is an option of udp");
    refused("udp 2001:db8::1 -> 2001:db8::2 df", 32, 2, "is an option of IPv4");
    refused("udp 192.0.2.1 -> 192.0.2.2 offset 4", 35, 1, "a multiple of 8");
    refused("udp 192.0.2.1 -> 192.0.2.2 fast", 28, 4, "\"fast\" is no option");
    refused("icmp 192.0.2.1 -> 192.0.2.2 code 1", 29, 4, "a code needs a type");
    refused("icmp 192.0.2.1 -> 192.0.2.2 about 192.0.2.3", 29, 5, "only an error is about a packet");
    refused("icmp 192.0.2.1 -> 192.0.2.2 ptb 9 about 2001:db8::1", 41, 11, "another family");
}

#[test]
fn an_error_shows_the_line_and_the_place() {
    let text = "udp 192.0.2.1\n  -> 192.0.2.256\n";
    let expect = "line 2, column 6: \"192.0.2.256\" is no IP address\n  |   -> 192.0.2.256\n  |      ^^^^^^^^^^^\n  = help: write 192.0.2.1 or 2001:db8::1, and a port behind #: 2001:db8::1#53";
    assert_eq!(parse(text).expect_err("not an address").to_string(), expect);
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[a-z0-9:#> \\-.\n]{0,60}|(udp|icmp|tcp) 192\\.0\\.2\\.1 -> .{0,40}") {
        let _ = parse(&text);
    }

    #[test]
    fn bytes_survive_their_hexadecimal(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..100)) {
        let text: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        proptest::prop_assert_eq!(parse(&text.join(" ")).unwrap(), bytes);
        proptest::prop_assert_eq!(parse(&text.join(" ")).unwrap(), parse(&text.concat()).unwrap());
    }
}
