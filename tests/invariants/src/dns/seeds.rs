//! What the fuzzers of the DNS64 begin with.

use super::view;
use crate::seeds::Seeds;

/// Octets of a query: number 0x4711, these flags, this question, and an OPT record with these options if there are any.
fn query(flags: u16, name: &[u8], qtype: u16, edns: Option<&[u8]>) -> Vec<u8> {
    let mut message =
        [&[0x47, 0x11][..], &flags.to_be_bytes(), &[0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())]].concat();
    message.extend_from_slice(name);
    message.extend_from_slice(&qtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    if let Some(options) = edns {
        message.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0x80, 0]);
        message.extend_from_slice(&u16::try_from(options.len()).unwrap_or_default().to_be_bytes());
        message.extend_from_slice(options);
    }
    message
}

/// Questions that take every way through the door.
pub fn questions() -> Seeds {
    let rd = view::RECURSION_DESIRED;
    let cd = rd | view::CHECKING_DISABLED;
    let reverse = b"\x011\x012\x012\x010\x010\x010\x010\x01c\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\
        \x014\x016\x010\x010\x018\x01b\x01d\x010\x011\x010\x010\x012\x03ip6\x04arpa\x00";
    let cookie = b"\x00\x0a\x00\x08\x01\x02\x03\x04\x05\x06\x07\x08";
    let asks = b"\x00\x03\x00\x00\x00\x0b\x00\x00\x00\x0c\x00\x02\x00\x00";
    let of = |name: &str, place: u8, client: u8, message: Vec<u8>| {
        (name.to_owned(), [&[place, client], message.as_slice()].concat())
    };
    vec![
        of("aaaa", 0, 0, query(rd, b"\x03wWw\x07example\x00", view::AAAA, Some(&[]))),
        of("aaaa_cd", 0, 0, query(cd, b"\x03www\x07example\x00", view::AAAA, Some(&[]))),
        of("host", 0, 0, query(rd, b"\x02V4\x03lan\x00", view::AAAA, None)),
        of("host_both", 0, 0, query(rd, b"\x04both\x03lan\x00", 255, None)),
        of(
            "host_back",
            0,
            0,
            query(rd, b"\x0210\x017\x03168\x03192\x07in-addr\x04arpa\x00", view::PTR, None),
        ),
        of("reverse", 0, 0, query(rd, reverse, view::PTR, Some(&[]))),
        of("reverse_direct", 1, 0, query(rd, reverse, view::PTR, Some(&[]))),
        of("reverse_zone", 0, 0, query(rd, &reverse[32..], view::SOA, None)),
        of("well_known", 0, 0, query(rd, b"\x08ipv4only\x04arpa\x00", view::AAAA, Some(&[]))),
        of("well_known_two", 1, 2, query(rd, b"\x08ipv4only\x04arpa\x00", view::AAAA, None)),
        of("localhost", 0, 0, query(rd, b"\x09localhost\x00", view::AAAA, Some(&[]))),
        of("onion", 0, 0, query(rd, b"\x01x\x05onion\x00", view::A, None)),
        of("single", 0, 0, query(rd, b"\x07printer\x00", view::A, None)),
        of("https", 1, 0, query(rd, b"\x07example\x00", view::HTTPS, Some(&[]))),
        of("refused", 1, 3, query(rd, b"\x07example\x00", view::A, Some(asks))),
        of("cookie", 0, 0, query(rd, b"\x02v4\x03lan\x00", view::A, Some(cookie))),
        of("asks_tls", 9, 0, query(rd, b"\x02v4\x03lan\x00", view::A, Some(asks))),
        of("any", 0, 0, query(rd, b"\x07example\x00", 255, None)),
        of("limited", 2, 0, query(rd, b"\x09localhost\x00", view::A, Some(cookie))),
        of("no_recursion", 0, 0, query(0, b"\x07example\x00", view::A, None)),
        of("status", 0, 0, query(0x1000, b"\x07example\x00", view::A, None)),
        of("response", 0, 0, query(view::RESPONSE, b"\x07example\x00", view::A, None)),
        of("short", 0, 0, vec![0x47, 0x11, 1]),
    ]
}

/// Answers that come to everything that answers come to.
pub fn replies() -> Seeds {
    const BUILT: u8 = 5;
    // Flags and records, as `records::built` reads them: type, place, TTL, and one or two for the data.
    let (a, aaaa, cname, soa) = ([0, 0, 3, 0], [2, 0, 3, 0, 0], [4, 1, 3, 2], [5, 64, 3, 2]);
    let (mapped, cdn, signed) = ([2, 0, 3, 1, 0], [0, 2, 3, 1], [6, 0, 3, 2]);
    let answer = |records: &[&[u8]]| [&[BUILT, 0, 0][..], &records.concat()].concat();
    let failed = |rcode: u8| vec![BUILT, 0, rcode];
    let of = |name: &str, head: [u8; 3], first: Vec<u8>, second: Vec<u8>| {
        let length = u16::try_from(first.len()).unwrap_or_default().to_be_bytes();
        (name.to_owned(), [&head[..], &length, &first, &second].concat())
    };
    vec![
        of("synthesized", [0, 0, 8], answer(&[&soa]), answer(&[&a])),
        of("synthesized_well_known", [1, 0, 12], answer(&[&soa]), answer(&[&a, &[0, 0, 3, 1]])),
        of("synthesized_two", [1, 2, 0], answer(&[&soa]), answer(&[&a, &[0, 0, 3, 2]])),
        of("real", [0, 0, 8], answer(&[&aaaa]), answer(&[&a])),
        of("forced", [2, 0, 8], answer(&[&aaaa]), answer(&[&a])),
        of("mixed", [0, 0, 24], answer(&[&aaaa, &mapped, &signed]), answer(&[&a])),
        of("excluded", [3, 0, 8], answer(&[&aaaa]), answer(&[&a])),
        of("alias", [0, 0, 8], answer(&[&cname, &soa]), answer(&[&cname, &cdn])),
        of("both_fail", [0, 0, 8], vec![0], vec![8]),
        of("aaaa_fails", [0, 0, 8], failed(2), answer(&[&a])),
        of("name_error", [2, 0, 8], failed(3), answer(&[&a])),
        of("neither", [0, 0, 8], answer(&[&soa]), answer(&[&soa])),
        of("private", [2, 0, 8], answer(&[&soa]), answer(&[&[0, 0, 3, 2]])),
        of("https", [1, 0, 10], answer(&[&[10, 0, 3, 0]]), Vec::new()),
        of("reverse", [0, 0, 11], answer(&[&[4, 0, 3, 3]]), Vec::new()),
        of("raw", [0, 0, 0], raw(), Vec::new()),
    ]
}

/// A whole answer, spelt as it was sent.
fn raw() -> Vec<u8> {
    let head = b"\x01\x47\x11\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00";
    let question = b"\x03wWw\x07ExaMPLe\x00\x00\x1c\x00\x01";
    let record = b"\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10\x20\x01\x0d\xb8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01";
    [&head[..], question, record].concat()
}

fn texts(texts: &[(&str, &str)]) -> Seeds {
    texts.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
}

/// Hosts files; the first octet says whether there is a domain.
pub fn hosts() -> Seeds {
    texts(&[
        ("usual", "0192.168.7.10 vm1.lan vm1\n2001:db8:7::10\tvm1.lan # a guest\n"),
        ("domain", "1192.168.7.10 vm1\n192.168.7.11 vm2 vm2.other\n"),
        ("loopback", "0127.0.0.1 localhost\n::1 localhost ip6-localhost\n"),
        ("mapped", "0::ffff:192.168.7.10 vm1\n"),
        ("case", "0192.168.7.10 VM1.Lan\n192.168.7.11 vm1.LAN\n"),
        ("dots", "0192.168.7.10 vm1.lan. .lan lan..example\n"),
        ("wildcard", "0192.168.7.10 *.lan\n"),
        ("address", "0192.168.7.300 vm1\n192.168.7.10\n"),
        ("mark", "0\u{feff}192.168.7.10 vm1\n"),
        ("returns", "0192.168.7.10 vm1\r\n\r\n# end\r\n"),
        ("twice", "0192.168.7.10 vm1 vm1 vm2\n192.168.7.10 vm2\n"),
        ("below", "1192.168.7.10 a.b.c.lan\n192.168.7.11 b.c.lan\n"),
    ])
}

/// Files of leases.
pub fn leases() -> Seeds {
    texts(&[
        ("usual", "01800003600 52:54:00:12:34:56 192.168.7.20 vm3 01:52:54:00:12:34:56\n"),
        ("never", "00 52:54:00:12:34:56 192.168.7.20 vm3 *\n"),
        ("ended", "01700000000 52:54:00:12:34:56 192.168.7.20 vm3 *\n"),
        ("far", "018446744073709551615 52:54:00:12:34:56 192.168.7.20 vm3 *\n"),
        ("nameless", "01800003600 52:54:00:12:34:56 192.168.7.20 * *\n"),
        ("six", "0duid 00:01:00:01\n1800003600 1234 2001:db8:7::20 vm3 00:01\n"),
        ("domain", "11800003600 52:54:00:12:34:56 192.168.7.20 vm3 *\n"),
        ("columns", "01800003600 52:54:00:12:34:56 192.168.7.20 vm3\n"),
        ("expiry", "0soon 52:54:00:12:34:56 192.168.7.20 vm3 *\n"),
        ("address", "01800003600 52:54:00:12:34:56 vm3 192.168.7.20 *\n"),
        (
            "many",
            "01800003600 a 192.168.7.20 vm3 *\n1800000001 b 192.168.7.21 vm3 *\n1800003600 c 2001:db8::1 VM3 *\n",
        ),
    ])
}
