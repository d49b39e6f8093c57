use super::*;
use proptest::prelude::*;

/// How a stream is taken: its good heads, the bytes passed on, and why the next head is refused.
#[derive(Debug, PartialEq, Eq)]
struct Taken {
    good: usize,
    passed: Vec<u8>,
    bad: Option<Fault>,
    lost: bool,
}

fn take<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Taken {
    let mut framing = Framing::new(RequestLimits::default());
    let mut passed = Vec::new();
    for part in parts {
        let count = framing.observe(part);
        passed.extend_from_slice(&part[..count]);
    }
    let mut good = 0;
    while framing.expects_request().is_some() {
        good += 1;
    }
    Taken { good, passed, bad: framing.bad_head(), lost: framing.is_body_lost() }
}

/// A bad head is refused and none of it passed on; a good one is passed on whole.
fn check_stream(stream: &[u8], expect: Result<(), Fault>) {
    let taken = take([stream]);
    let shown = String::from_utf8_lossy(stream);
    assert_eq!((taken.good, taken.bad), (usize::from(expect.is_ok()), expect.err()), "{shown:?}");
    assert_eq!(taken.passed, if expect.is_ok() { stream } else { b"" }, "{shown:?}");
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
fn nothing_behind_a_head_that_may_ask_for_a_tunnel_is_passed_on_until_released() {
    let next = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (head, held) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nupGRADE: b\r\n\r\n", true),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nUpgrade: b\r\nContent-Length: 0\r\n\r\n", true),
        ("CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n", false),
    ] {
        let mut framing = Framing::new(RequestLimits::default());
        let passed = framing.observe(&[head.as_bytes(), next].concat());
        assert_eq!(
            (passed, framing.is_held()),
            (head.len() + if held { 0 } else { next.len() }, held),
            "{head}"
        );
        assert!(!framing.is_inside(), "{head}");
        if held {
            assert_eq!(framing.observe(b"x"), 0, "{head}");
            framing.release();
            assert_eq!(framing.observe(next), next.len(), "{head}");
        }
        assert!(framing.expects_request().is_some() && framing.expects_request().is_some(), "{head}");
    }
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
    let mut framing = Framing::new(limits);
    framing.observe(format!("{head}\r\n\r\n").as_bytes());
    assert_eq!(framing.bad_head(), expect, "{limits:?}, {} octets", head.len() + 4);
    assert_eq!(framing.expects_request().is_some(), expect.is_none());
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
fn other_limits_hold_for_the_next_head() {
    let mut framing = Framing::new(RequestLimits::default());
    let head = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(300));
    framing.observe(head.as_bytes());
    framing.limit(RequestLimits { line: 256, ..RequestLimits::default() });
    framing.observe(head.as_bytes());
    assert!(framing.expects_request().is_some());
    assert_eq!((framing.expects_request(), framing.bad_head()), (None, Some(Fault::LongTarget)));
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
fn bodies_are_passed_over_to_the_next_head() {
    let good = concat!(
        "POST / HTTP/1.1\r\nContent-Length: 28\r\n\r\nGET /hidden HTTP/1.1\nHost:x\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3 ; a=\"b\\\";c\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let stream = format!("{good}GET / HTTP/1.1\nHost: a\n\n");
    let taken = take([stream.as_bytes()]);
    assert_eq!((taken.good, taken.bad), (3, Some(Fault::LineEnd)));
    assert_eq!(taken.passed, good.as_bytes(), "everything but the bad head");
}

#[test]
fn nothing_behind_a_malformed_chunk_is_passed_on() {
    for chunk in [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n",
        "g\r\n",
        "-3\r\n",
        "11111111111111111\r\n",
        "\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3;a=\"b\r\nabc\r\n0\r\n\r\n",
        "3;a=\"\\\"\r\nabc\r\n0\r\n\r\n",
        "3;\u{1}\r\nabc\r\n0\r\n\r\n",
        "0\r\nT : u\r\n\r\n",
        "0\r\n\r: u\r\n\r\n",
    ] {
        let stream = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        let taken = take([stream.as_bytes()]);
        assert!(taken.good == 1 && taken.lost, "{chunk:?}");
        assert!(!String::from_utf8_lossy(&taken.passed).contains("GET"), "{chunk:?}");
    }
}

#[test]
fn it_is_known_where_in_a_request_the_stream_stands() {
    let mut framing = Framing::new(RequestLimits::default());
    let mut check = |bytes: &str, head: bool, inside: bool| {
        framing.observe(bytes.as_bytes());
        assert_eq!((framing.in_head(), framing.is_inside()), (head, inside), "after {bytes:?}");
    };
    check("", false, false);
    check("P", true, true);
    check("OST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", false, true);
    check("ab", false, true);
    check("c", false, false);
    check("GET", true, true);
}

proptest! {
    /// How the network cuts the stream makes no difference.
    #[test]
    fn what_is_taken_does_not_depend_on_the_cut(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "Host: a\r\n", "Content-Length: 4\r\n",
            "Transfer-Encoding: chunked\r\n", "\r\n", "\n", "\r", "4\r\n", "abcd", "0\r\n\r\n", ":", " ",
        ]), 0..24),
        cuts in prop::collection::vec(1_usize..9, 1..200),
    ) {
        let stream = pieces.concat().into_bytes();
        let mut parts = Vec::new();
        let mut rest = stream.as_slice();
        for size in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, left) = rest.split_at((*size).min(rest.len()));
            parts.push(part);
            rest = left;
        }
        let (whole, cut) = (take([stream.as_slice()]), take(parts));
        prop_assert_eq!((whole.good, whole.bad, whole.lost), (cut.good, cut.bad, cut.lost));
        // Cut, the beginning of a head may have gone before it turned bad; never the end of one.
        prop_assert!(cut.passed.starts_with(&whole.passed));
        prop_assert!(stream.starts_with(&cut.passed));
        let more = &cut.passed[whole.passed.len()..];
        prop_assert!(whole.lost || !more.trim_ascii_start().windows(4).any(|window| window == b"\r\n\r\n"));
    }

    #[test]
    fn any_bytes_are_taken(stream in prop::collection::vec(any::<u8>(), 0..2048)) {
        let taken = take([stream.as_slice()]);
        prop_assert!(stream.starts_with(&taken.passed));
    }
}
