//! What becomes of answers on their way: pages of errors, and compression.

use crate::backend::field;
use crate::client::{Client, Response};
use crate::foreign::find;
use crate::gateway::{Gateway, free_port, v6};
use crate::versions::{Asked, Page, Speaker, Version, Way, target};
use std::fs;
use std::io::Read;
use std::process::Command;
use std::sync::atomic::Ordering;

fn ask(client: &mut Speaker, method: &str, target: &str, lines: &str) -> Response {
    client.ask(&Asked { method, ..Asked::get(target, lines) })
}

#[test]
fn pages_stand_in_the_place_of_our_own_texts() {
    Way::each(|way| {
        let member = way.member("inside");
        let folder = tempfile::tempdir().unwrap();
        let (denied, bad) = (folder.path().join("403.html"), folder.path().join("400.txt"));
        fs::write(&denied, "<p>Staff only.</p>").unwrap();
        fs::write(&bad, "What?\n").unwrap();
        let lines = format!(
            "errors = {{ \"403\" = {denied:?}, \"400\" = {bad:?} }}\n\
         [[proxy.listener.rule]]\npath = [\"/admin\"]\ndeny = 403\n\
         [[proxy.listener.rule]]\npath = [\"/other\"]\nanswer = {{ status = 403, body = \"of the file\" }}\n"
        );
        let port = free_port();
        let config = way.config(port, &lines, &member);
        let gateway = Gateway::start(&config);
        let refused = ask(&mut way.client(port), "GET", "/admin", "");
        assert_eq!((refused.status, refused.text().as_str()), (403, "<p>Staff only.</p>"));
        assert_eq!(refused.field("content-type"), Some("text/html; charset=utf-8"));
        let head = ask(&mut way.client(port), "HEAD", "/admin", "");
        assert_eq!((head.status, head.field("content-length")), (403, Some("18")));
        assert_eq!(ask(&mut way.client(port), "GET", "/other", "").text(), "of the file");
        let malformed = match way.front {
            // One that the HTTP library never sees.
            Version::One => {
                let mut client = Client::connect(v6(port));
                client.send("GET / HTTP/1.1\nHost: a.example\r\n\r\n");
                client.response()
            }
            Version::Two => ask(&mut way.client(port), "GET", "/", "X-A: a\r\nHost: b.example\r\n"),
        };
        assert_eq!((malformed.status, malformed.text().as_str()), (400, "What?\n"));
        assert_eq!(malformed.field("content-type"), Some("text/plain; charset=utf-8"));
        fs::write(&denied, "<p>Nobody.</p>").unwrap();
        gateway.change(&config);
        assert_eq!(ask(&mut way.client(port), "GET", "/admin", "").text(), "<p>Nobody.</p>");
        fs::remove_file(&denied).unwrap();
        let (status, problem) = gateway.reload(&config);
        assert!(status >= 400 && problem.contains("403.html: it cannot be read"), "{problem}");
        assert_eq!(ask(&mut way.client(port), "GET", "/admin", "").text(), "<p>Nobody.</p>");
    });
}

/// A text that is worth compressing.
fn text() -> String {
    (0_u32..2000).map(|number| number.to_string() + ". line of a text\n").collect()
}

/// Answers with texts, images and events.
fn page(head: &str) -> Page {
    match target(head) {
        "/image" => Page::of("Content-Type: image/png\r\n", &text()),
        "/short" => Page::of("Content-Type: text/plain\r\n", "short"),
        "/fixed" => Page::of("Content-Type: text/plain\r\nCache-Control: no-transform\r\n", &text()),
        "/events" => {
            Page::in_parts("Content-Type: text/event-stream\r\n", &["data: one\n\n", "data: two\n\n"])
        }
        _ => Page::of("Content-Type: text/html\r\nETag: \"a\"\r\n", &text()),
    }
}

const ALL: &str = "compression = [\"br\", \"zstd\", \"gzip\"]\n";

/// What this was before it was packed in this way.
fn unpacked(coding: &str, packed: &[u8]) -> String {
    let mut plain = String::new();
    let read = match coding {
        "gzip" => flate2::read::GzDecoder::new(packed).read_to_string(&mut plain),
        "br" => brotli::Decompressor::new(packed, 4096).read_to_string(&mut plain),
        "zstd" => zstd::Decoder::new(packed).expect("a decoder").read_to_string(&mut plain),
        _ => panic!("{coding} is none of ours"),
    };
    read.expect("a whole stream");
    plain
}

#[test]
fn answers_are_compressed_as_clients_take_them() {
    Way::each(|way| {
        let member = way.scripted(page);
        let (_gateway, port) = way.start(ALL, &member);
        let mut client = way.client(port);
        for coding in ["gzip", "br", "zstd"] {
            let packed = ask(&mut client, "GET", "/", &format!("Accept-Encoding: {coding}\r\n"));
            let fields = ["content-encoding", "etag", "vary", "content-length"];
            let expect = [Some(coding), Some("W/\"a\""), Some("Accept-Encoding"), None];
            assert_eq!(fields.map(|name| packed.field(name)), expect);
            assert!(unpacked(coding, &packed.body) == text(), "{coding}");
            assert!(packed.body.len() < text().len() / 4, "{coding}: {}", packed.body.len());
        }
        let mut coding = |method: &str, target: &str, lines: &str| {
            let answer = ask(&mut client, method, target, lines);
            (answer.field("content-encoding").map(str::to_owned), answer.field("vary").is_some())
        };
        let br = Some("br".to_owned());
        assert_eq!(coding("GET", "/", "Accept-Encoding: gzip, br\r\n"), (br.clone(), true));
        assert_eq!(coding("HEAD", "/", "Accept-Encoding: gzip, br\r\n"), (br, true), "as with GET");
        assert_eq!(coding("HEAD", "/", ""), (None, true));
        assert_eq!(coding("HEAD", "/short", "Accept-Encoding: br\r\n"), (None, false));
        assert_eq!(coding("GET", "/", ""), (None, true));
        for target in ["/image", "/short", "/fixed"] {
            assert_eq!(coding("GET", target, "Accept-Encoding: br\r\n"), (None, false), "{target}");
        }
        let head = ask(&mut client, "HEAD", "/", "Accept-Encoding: gzip\r\n");
        assert_eq!(["content-length", "etag"].map(|name| head.field(name)), [None, Some("W/\"a\"")]);
        if way.front == Version::One {
            let mut old = Client::connect(v6(port));
            old.send("GET / HTTP/1.0\r\nHost: a.example\r\nAccept-Encoding: gzip\r\n\r\n");
            assert_eq!(old.response().field("content-encoding"), None);
        }
    });
}

#[test]
fn events_leave_at_once_though_they_are_compressed() {
    Way::each(|way| {
        let member = way.scripted(page);
        let (_gateway, port) = way.start(ALL, &member);
        let mut client = way.client(port);
        client.send(&Asked::get("/events", "Accept-Encoding: gzip\r\n"));
        let head = client.receive_head();
        assert_eq!(field(&head, "content-encoding"), Some("gzip"), "{head}");
        let (mut packed, mut plain) = (Vec::new(), Vec::new());
        // The second event comes when the first one is here.
        while !plain.starts_with(b"data: one\n\n") {
            let piece = client.part();
            assert!(!piece.is_empty(), "the answer ends ahead of the first event");
            packed.extend(piece);
            plain.clear();
            // It has not ended yet.
            let _ = flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut plain);
        }
        member.seen.gate.store(true, Ordering::SeqCst);
        loop {
            let piece = client.part();
            if piece.is_empty() {
                break;
            }
            packed.extend(piece);
        }
        assert_eq!(unpacked("gzip", &packed), "data: one\n\ndata: two\n\n");
    });
}

#[test]
fn curl_unpacks_what_it_takes() {
    let Some(curl) = find("curl") else { return };
    Way::each(|way| {
        let member = way.scripted(page);
        let (_gateway, port) = way.start(ALL, &member);
        let url = format!("http://[::1]:{port}/");
        let output = Command::new(&curl)
            .args(["-sS", "-g", "--compressed", "-D", "-", way.front.of_curl(), &url])
            .output()
            .expect("curl runs");
        let got = String::from_utf8_lossy(&output.stdout).into_owned();
        let (head, body) = got.split_once("\r\n\r\n").expect("a head");
        assert!(head.to_ascii_lowercase().contains("content-encoding: "), "{head}");
        assert!(body == text());
    });
}
