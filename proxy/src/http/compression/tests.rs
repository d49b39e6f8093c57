use super::*;
use ::http::Response;
use proptest::prelude::*;
use std::io::Read;

const ALL: [Coding; 3] = [Coding::Br, Coding::Zstd, Coding::Gzip];

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    fields.iter().map(field).collect()
}

#[test]
fn the_coding_is_what_the_client_takes_best() {
    let check = |lines: &[&str], expect: Option<Coding>| {
        let fields: Vec<_> = lines.iter().map(|line| ("accept-encoding", *line)).collect();
        assert_eq!(chosen(&ALL, &headers(&fields)), expect, "{lines:?}");
    };
    check(&[], None);
    check(&[""], None);
    check(&["gzip, deflate, br, zstd"], Some(Coding::Br));
    check(&["gzip", "zstd"], Some(Coding::Zstd));
    check(&["br;q=0.5, gzip"], Some(Coding::Gzip));
    check(&["br;q=0.5, gzip;Q=0.501"], Some(Coding::Gzip));
    check(&["br; q=0, X-GZIP"], Some(Coding::Gzip));
    check(&["*"], Some(Coding::Br));
    check(&["*;q=0.1, br;q=0"], Some(Coding::Zstd));
    check(&["identity, gzip;q=0.9"], None);
    check(&["identity;q=0.5, gzip"], Some(Coding::Gzip));
    check(&["gzip;q=0"], None);
    check(&["gzip;q=2", "gzip;q=0.1234", "gzip;q=x"], None);
    check(&["deflate, compress"], None);
    assert_eq!(chosen(&[Coding::Gzip], &headers(&[("accept-encoding", "br")])), None);
}

#[test]
fn some_requests_are_never_answered_compressed() {
    let headers = headers(&[("accept-encoding", "gzip")]);
    let check = |offered: &[Coding], method: Method, version: Version, expect: Option<Wish>| {
        assert_eq!(wish(offered, (&method, version, &headers)), expect, "{method} {version:?}");
    };
    let gzip = Some(Wish { coding: Some(Coding::Gzip) });
    check(&ALL, Method::GET, Version::HTTP_11, gzip);
    check(&ALL, Method::POST, Version::HTTP_2, gzip);
    check(&[Coding::Br], Method::GET, Version::HTTP_11, Some(Wish { coding: None }));
    check(&[], Method::GET, Version::HTTP_11, None);
    check(&ALL, Method::GET, Version::HTTP_10, None);
    check(&ALL, Method::HEAD, Version::HTTP_11, gzip);
    check(&ALL, Method::CONNECT, Version::HTTP_11, None);
}

#[test]
fn a_client_may_ask_for_content_as_it_is() {
    let headers = headers(&[("accept-encoding", "gzip"), ("cache-control", "max-age=0, No-Transform")]);
    let asked = wish(&ALL, (&Method::GET, Version::HTTP_11, &headers));
    assert_eq!(asked, Some(Wish { coding: None }), "and caches learn that another client might not");
}

#[test]
fn answers_are_compressed_where_it_changes_nothing_but_their_size() {
    let check = |status: u16, fields: &[(&'static str, &str)], length: Option<u64>, expect: bool| {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = StatusCode::from_u16(status).unwrap();
        parts.headers = headers(fields);
        assert_eq!(fits(&parts, length), expect, "{status} {fields:?} {length:?}");
    };
    let html = ("content-type", "Text/HTML; charset=utf-8");
    check(200, &[html], None, true);
    check(404, &[html], Some(256), true);
    check(200, &[html], Some(255), false);
    check(200, &[], None, false);
    for (content_type, expect) in [
        ("application/json", true),
        ("application/problem+json", true),
        ("image/svg+xml", true),
        ("application/wasm", true),
        ("text/event-stream", true),
        ("image/png", false),
        ("application/grpc", false),
        ("application/zip", false),
        ("video/mp4", false),
    ] {
        check(200, &[("content-type", content_type)], None, expect);
    }
    for status in [101, 204, 205, 206, 301, 304] {
        check(status, &[html], None, false);
    }
    check(200, &[html, ("content-encoding", "gzip")], None, false);
    check(200, &[html, ("content-range", "bytes 0-1/2")], None, false);
    check(200, &[html, ("cache-control", "private, No-Transform")], None, false);
    for digest in ["content-digest", "repr-digest"] {
        check(200, &[html, (digest, "sha-256=:x:")], None, false);
    }
}

#[test]
fn the_head_says_what_was_done() {
    let check = |fields: &[(&'static str, &str)], coding: Option<Coding>, expect: &[&str]| {
        let mut headers = headers(fields);
        tell(&mut headers, coding);
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        assert_eq!(lines, expect, "{fields:?}");
    };
    check(
        &[("content-length", "999"), ("etag", "\"a\""), ("accept-ranges", "bytes"), ("vary", "Origin")],
        Some(Coding::Br),
        &["content-encoding: br", "etag: W/\"a\"", "vary: Accept-Encoding", "vary: Origin"],
    );
    check(
        &[("etag", "W/\"a\""), ("vary", "Origin, accept-encoding")],
        Some(Coding::Gzip),
        &["content-encoding: gzip", "etag: W/\"a\"", "vary: Origin, accept-encoding"],
    );
    check(&[("etag", "\"a\""), ("vary", "*")], None, &["etag: \"a\"", "vary: *"]);
}

fn unpacked(coding: Coding, packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    // What has not ended yet is read as far as it goes.
    let _ = match coding {
        Coding::Br => brotli::Decompressor::new(packed, 4096).read_to_end(&mut plain),
        Coding::Zstd => zstd::stream::read::Decoder::new(packed).unwrap().read_to_end(&mut plain),
        Coding::Gzip => flate2::read::GzDecoder::new(packed).read_to_end(&mut plain),
    };
    plain
}

#[test]
fn what_a_pause_follows_leaves_whole() {
    for coding in ALL {
        let mut packer = Packer::new(coding).unwrap();
        let mut sent = Vec::new();
        assert_eq!(packer.pause().unwrap(), None, "{coding:?}: nothing has come");
        for event in ["data: one\n\n", "data: two\n\n"] {
            assert_eq!(packer.take(event.as_bytes()).unwrap(), None);
            sent.extend(packer.pause().unwrap().expect("an event waits"));
            assert!(unpacked(coding, &sent).ends_with(event.as_bytes()), "{coding:?}");
        }
        sent.extend(packer.end().unwrap().unwrap());
        assert!(packer.has_ended() && packer.end().unwrap().is_none());
        assert_eq!(unpacked(coding, &sent), b"data: one\n\ndata: two\n\n", "{coding:?}");
    }
}

proptest! {
    #[test]
    fn bodies_are_the_same_unpacked(
        pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..300), 1_usize..400, any::<bool>()), 0..12),
        coding in proptest::sample::select(ALL.to_vec()),
    ) {
        let mut packer = Packer::new(coding).unwrap();
        let (mut plain, mut sent) = (Vec::new(), Vec::new());
        for (piece, times, pauses) in pieces {
            let piece = piece.repeat(times);
            sent.extend(packer.take(&piece).unwrap().unwrap_or_default());
            if pauses {
                sent.extend(packer.pause().unwrap().unwrap_or_default());
                prop_assert!(unpacked(coding, &sent).len() >= plain.len());
            }
            plain.extend(piece);
        }
        sent.extend(packer.end().unwrap().unwrap());
        prop_assert_eq!(unpacked(coding, &sent), plain);
    }
}
