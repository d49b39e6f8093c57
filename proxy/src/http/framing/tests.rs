use super::*;
use proptest::prelude::*;

/// The verdicts on a stream, one per request that a forgiving parser would see.
fn verdicts(stream: &[u8], requests: usize) -> Vec<Result<(), Fault>> {
    let mut framing = Framing::new();
    framing.observe(stream);
    (0..requests).map(|_| framing.verdict()).collect()
}

fn check(head: &str, expect: Result<(), Fault>) {
    let stream = format!("{head}\r\n\r\n");
    assert_eq!(verdicts(stream.as_bytes(), 1), [expect], "{head:?}");
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
        assert_eq!(verdicts(stream.as_bytes(), 1), [Err(Fault::LineEnd)], "{stream:?}");
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
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / http/1.1",
    ] {
        check(&format!("{line}\r\nHost: a"), Err(Fault::RequestLine));
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
    for value in [
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked;q=1",
        "",
        "identity",
        "\x0bchunked",
        "xchunked",
    ] {
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

#[test]
fn heads_are_limited() {
    check(&format!("GET /{} HTTP/1.1", "a".repeat(MAX_LINE)), Err(Fault::LongTarget));
    check(&format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(MAX_LINE)), Err(Fault::LargeHead));
    check(&format!("GET / HTTP/1.1{}", "\r\nX: y".repeat(MAX_FIELDS)), Ok(()));
    check(&format!("GET / HTTP/1.1{}", "\r\nX: y".repeat(MAX_FIELDS + 1)), Err(Fault::LargeHead));
    let line = format!("\r\nX: {}", "a".repeat(4000));
    check(&format!("GET / HTTP/1.1{}", line.repeat(3)), Ok(()));
    check(&format!("GET / HTTP/1.1{}", line.repeat(5)), Err(Fault::LargeHead));
}

#[test]
fn bodies_are_passed_over_to_the_next_head() {
    let stream = concat!(
        "POST / HTTP/1.1\r\nContent-Length: 28\r\n\r\nGET /hidden HTTP/1.1\nHost:x\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
    );
    assert_eq!(verdicts(stream.as_bytes(), 4), [Ok(()), Ok(()), Ok(()), Err(Fault::LineEnd)]);
}

#[test]
fn after_lost_chunk_framing_no_request_has_a_verdict() {
    for chunk in ["3\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n", "g\r\n", "-3\r\n", "11111111111111111\r\n", "\r\n"]
    {
        let stream = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        let seen = verdicts(stream.as_bytes(), 2);
        assert_eq!(seen[0], Ok(()), "{chunk:?}");
        assert!(seen[1].is_err(), "{chunk:?}");
    }
}

#[test]
fn it_is_known_where_in_a_request_the_stream_stands() {
    let mut framing = Framing::new();
    let mut check = |bytes: &str, head: bool, body: bool| {
        framing.observe(bytes.as_bytes());
        assert_eq!((framing.in_head(), framing.in_body()), (head, body), "after {bytes:?}");
    };
    check("", false, false);
    check("P", true, false);
    check("OST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", false, true);
    check("ab", false, true);
    check("c", false, false);
    check("GET", true, false);
}

proptest! {
    /// How the network cuts the stream makes no difference.
    #[test]
    fn verdicts_do_not_depend_on_the_cut(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "Host: a\r\n", "Content-Length: 4\r\n",
            "Transfer-Encoding: chunked\r\n", "\r\n", "\n", "\r", "4\r\n", "abcd", "0\r\n\r\n", ":", " ",
        ]), 0..24),
        cuts in prop::collection::vec(1_usize..9, 1..200),
    ) {
        let stream = pieces.concat().into_bytes();
        let mut cut = Framing::new();
        let mut rest = stream.as_slice();
        for size in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, left) = rest.split_at((*size).min(rest.len()));
            cut.observe(part);
            rest = left;
        }
        let whole = verdicts(&stream, pieces.len());
        let pieced: Vec<_> = (0..pieces.len()).map(|_| cut.verdict()).collect();
        prop_assert_eq!(whole, pieced);
    }

    #[test]
    fn any_bytes_are_taken(stream in prop::collection::vec(any::<u8>(), 0..2048)) {
        let _ = verdicts(&stream, 3);
    }
}
