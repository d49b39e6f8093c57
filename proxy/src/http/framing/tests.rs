use super::*;
use proptest::prelude::*;

/// What becomes of a head under these limits, in whatever pieces it comes.
fn judged(limits: RequestLimits, octets: &[u8], size: usize) -> Result<Option<Told>, Fault> {
    let mut framing = Framing::default();
    let mut come = 0;
    loop {
        come = octets.len().min(come + size);
        if let Some(length) = framing.judge(&octets[..come], limits)? {
            let head = Bytes::copy_from_slice(&octets[..length]);
            return framing.read(&head, HeaderMap::new()).map(|(_, told)| Some(told));
        }
        if come == octets.len() {
            return Ok(None);
        }
    }
}

/// A head is good, or refused, however it is cut.
fn check_stream(stream: &[u8], expect: Result<(), Fault>) {
    for size in [1, 7, stream.len()] {
        let judged = judged(RequestLimits::default(), stream, size);
        let shown = String::from_utf8_lossy(stream);
        assert_eq!(judged.map(|told| assert!(told.is_some())), expect, "{shown:?} by {size}");
    }
}

fn check(head: &str, expect: Result<(), Fault>) {
    check_stream(format!("{head}\r\n\r\n").as_bytes(), expect);
}

#[test]
fn ordinary_heads_are_good() {
    check("GET / HTTP/1.1\r\nHost: a", Ok(()));
    check("\r\nGET /a?b=c HTTP/1.0", Ok(()));
    check("OPTIONS * HTTP/1.1\r\nHost: a", Ok(()));
    check("POST http://[2001:db8::1]:80/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0", Ok(()));
    check("POST / HTTP/1.1\r\nHost:a\r\ntransfer-ENCODING:\tChunked ", Ok(()));
    check("GET / HTTP/1.1\r\nX:\r\nY: \u{fc}", Ok(()));
}

#[test]
fn lines_must_end_in_both_bytes() {
    for stream in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    ] {
        check_stream(stream.as_bytes(), Err(Fault::LineEnd));
    }
}

#[test]
fn request_lines_have_three_parts_and_a_plain_target() {
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/ HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /#top HTTP/1.1",
        "GET /\u{fc} HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET / HTTP/11",
        "GET / HTTPS/1.1",
        "GET / http/1.1",
    ] {
        check(&format!("{line}\r\nHost: a"), Err(Fault::RequestLine));
    }
}

#[test]
fn a_line_that_none_begins_so_is_refused_ahead_of_its_end() {
    for (octets, expect) in [
        (&b"\x16\x03\x01\x02"[..], Fault::RequestLine),
        (b"\0", Fault::RequestLine),
        (b"\r\n GET", Fault::RequestLine),
        (b"GET / HTTP/1.1\r\n folded", Fault::Field),
        (b"GET / HTTP/1.1\r\nX: y\r\n:", Fault::Field),
    ] {
        for size in [1, 100] {
            assert_eq!(judged(RequestLimits::default(), octets, size).unwrap_err(), expect, "{octets:?}");
        }
    }
}

#[test]
fn other_versions_are_told_apart_from_nonsense() {
    for line in ["GET / HTTP/1.2", "GET / HTTP/0.9", "PRI * HTTP/2.0"] {
        check(line, Err(Fault::Version));
    }
}

#[test]
fn field_names_are_tokens_at_the_start_of_the_line() {
    for field in ["Host : a", " Host: a", "\tfolded", ": a", "Host", "Ho st: a", "H\u{f6}st: a"] {
        check(&format!("GET / HTTP/1.1\r\nX: y\r\n{field}"), Err(Fault::Field));
    }
}

#[test]
fn lengths_are_plain_single_numbers() {
    for value in ["", "+5", "-1", "0x5", "5, 5", "5 5", "1e3", "9223372036854775808", "99999999999999999999"]
    {
        check(&format!("POST / HTTP/1.1\r\nContent-Length: {value}"), Err(Fault::Length));
    }
    check("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5", Err(Fault::Length));
    check("POST / HTTP/1.1\r\nContent-Length: 9223372036854775807", Ok(()));
}

#[test]
fn the_only_coding_is_chunked_once() {
    for value in ["gzip", "gzip, chunked", "chunked, chunked", "chunked;q=1", "", "identity", "xchunked"] {
        check(&format!("POST / HTTP/1.1\r\nTransfer-Encoding: {value}"), Err(Fault::Coding));
    }
    check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Err(Fault::Coding));
}

#[test]
fn a_length_beside_a_coding_is_refused_in_either_order() {
    check("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", Err(Fault::LengthAndCoding));
    check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", Err(Fault::LengthAndCoding));
}

#[test]
fn http_1_0_has_no_codings() {
    check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked", Err(Fault::OldCoding));
}

/// What becomes of a head under these limits.
fn check_limits(limits: RequestLimits, head: &str, expect: Option<Fault>) {
    let judged = judged(limits, format!("{head}\r\n\r\n").as_bytes(), 100);
    assert_eq!(judged.err(), expect, "{limits:?}, {} octets", head.len() + 4);
}

#[test]
fn heads_are_limited() {
    let limits = RequestLimits { head: 1024, fields: 20, line: 512, ..RequestLimits::default() };
    let check = |head: &str, expect: Option<Fault>| check_limits(limits, head, expect);
    // "GET / HTTP/1.1" and its line end are 16 octets.
    check(&format!("GET /{} HTTP/1.1", "a".repeat(496)), None);
    check(&format!("GET /{} HTTP/1.1", "a".repeat(497)), Some(Fault::LongTarget));
    check(&format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(507)), None);
    check(&format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(508)), Some(Fault::LargeHead));
    check(&format!("GET / HTTP/1.1{}", "\r\nX: y".repeat(20)), None);
    check(&format!("GET / HTTP/1.1{}", "\r\nX: y".repeat(21)), Some(Fault::LargeHead));
    let fields = |last: usize| format!("\r\nX: {}\r\nX: {}", "a".repeat(495), "a".repeat(last));
    check(&format!("GET / HTTP/1.1{}", fields(501)), None);
    check(&format!("GET / HTTP/1.1{}", fields(502)), Some(Fault::LargeHead));
    let tall = RequestLimits { line: 2048, ..limits };
    check_limits(tall, &format!("GET /{} HTTP/1.1", "a".repeat(1024)), Some(Fault::LongTarget));
}

#[test]
fn control_bytes_have_no_place_in_values() {
    for byte in ['\x01', '\x0b', '\x0c', '\x1b', '\x7f'] {
        check(&format!("GET / HTTP/1.1\r\nX: a{byte}b"), Err(Fault::Field));
        check(&format!("POST / HTTP/1.1\r\nTransfer-Encoding: {byte}chunked"), Err(Fault::Field));
        check(&format!("POST / HTTP/1.1\r\nContent-Length: 5{byte}"), Err(Fault::Field));
    }
    check("GET / HTTP/1.1\r\nX: a\tb", Ok(()));
}

#[test]
fn a_head_is_read_as_it_was_judged() {
    let octets = "\r\nPOST http://a.example HTTP/1.0\r\nX-A: \t b \r\nx-a:c\r\nExpect: 100-Continue\r\nContent-Length: 03\r\n\r\n";
    let mut framing = Framing::default();
    for _ in 0..2 {
        assert_eq!(framing.judge(octets.as_bytes(), RequestLimits::default()), Ok(Some(octets.len())));
        let head = Bytes::from_static(octets.as_bytes());
        let (parts, told) = framing.read(&head, HeaderMap::new()).unwrap();
        assert_eq!((parts.method, parts.version), (Method::POST, Version::HTTP_10));
        assert_eq!(parts.uri, "http://a.example/");
        let fields = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let expect = [("x-a", "b"), ("x-a", "c"), ("expect", "100-Continue"), ("content-length", "03")];
        assert!(fields.eq(expect.map(|(name, value)| (name, value.as_bytes()))));
        let (version, extent) = (Version::HTTP_10, Extent { length: Some(3), chunked: false });
        assert_eq!(told, Told { version, bare: true, expects: true, extent, ..Told::default() });
    }
}

#[test]
fn a_target_that_is_none_is_refused() {
    for target in ["http://[/", "a:b:c", "http://a b/"] {
        check(&format!("GET {target} HTTP/1.1"), Err(Fault::RequestLine));
    }
}

#[test]
fn it_is_told_whether_another_request_may_follow() {
    let check = |version: &str, options: &str, expect: bool| {
        let head = format!("GET / HTTP/{version}\r\nConnection: {options}\r\n\r\n");
        let told = judged(RequestLimits::default(), head.as_bytes(), 100).unwrap().unwrap();
        assert_eq!(told.persists(), expect, "{head}");
    };
    check("1.1", "", true);
    check("1.1", "keep-alive, Close", false);
    check("1.1", "keep-alive\r\nConnection: close", false);
    check("1.0", "", false);
    check("1.0", "a, Keep-Alive", true);
    check("1.0", "close\r\nConnection: keep-alive", false);
}

#[test]
fn it_is_told_whether_trailers_are_taken() {
    for (value, expect) in [("trailers", true), ("gzip;q=0.5, Trailers", true), ("gzip", false)] {
        let head = format!("GET / HTTP/1.1\r\nTE: {value}\r\n\r\n");
        let told = judged(RequestLimits::default(), head.as_bytes(), 100).unwrap().unwrap();
        assert_eq!(told.trailers, expect, "{value}");
    }
}

proptest! {
    #[test]
    fn a_head_is_judged_alike_however_it_is_cut(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "Host: a\r\n", "Content-Length: 4\r\n",
            "Transfer-Encoding: chunked\r\n", "\r\n", "\n", "\r", "4\r\n", "abcd", ":", " ",
        ]), 0..12),
        size in 1_usize..40,
    ) {
        let octets = pieces.concat().into_bytes();
        let limits = RequestLimits::default();
        let (whole, cut) = (judged(limits, &octets, octets.len().max(1)), judged(limits, &octets, size));
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn any_bytes_are_judged(octets in prop::collection::vec(any::<u8>(), 0..2048), size in 1_usize..2048) {
        let limits = RequestLimits::default();
        prop_assert_eq!(judged(limits, &octets, octets.len().max(1)), judged(limits, &octets, size));
    }
}
