//! What becomes of answers on their way: pages of errors, and compression.

use crate::backend::{Backend, Seen, Wire};
use crate::client::{Client, Response};
use crate::foreign::find;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6, wait_for};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::Ordering;

fn config(port: u16, lines: &str, member: &Backend) -> Config {
    Config::new("workers = 1").listener("web", "http", port, "usual", lines).pool(
        "usual",
        UNCHECKED,
        &[member.address],
    )
}

fn ask(client: &mut Client, method: &str, target: &str, lines: &str) -> Response {
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n"));
    if method == "HEAD" { client.bare_response() } else { client.response() }
}

#[test]
fn pages_stand_in_the_place_of_our_own_texts() {
    let member = Backend::http("inside");
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
    let config = config(port, &lines, &member);
    let gateway = Gateway::start(&config);
    let refused = ask(&mut Client::connect(v6(port)), "GET", "/admin", "");
    assert_eq!((refused.status, refused.text().as_str()), (403, "<p>Staff only.</p>"));
    assert_eq!(refused.field("content-type"), Some("text/html; charset=utf-8"));
    let head = ask(&mut Client::connect(v6(port)), "HEAD", "/admin", "");
    assert_eq!((head.status, head.field("content-length")), (403, Some("18")));
    assert_eq!(ask(&mut Client::connect(v6(port)), "GET", "/other", "").text(), "of the file");
    // One that the HTTP library never sees.
    let mut client = Client::connect(v6(port));
    client.send("GET / HTTP/1.1\nHost: a.example\r\n\r\n");
    let malformed = client.response();
    assert_eq!((malformed.status, malformed.text().as_str()), (400, "What?\n"));
    assert_eq!(malformed.field("content-type"), Some("text/plain; charset=utf-8"));
    fs::write(&denied, "<p>Nobody.</p>").unwrap();
    gateway.change(&config);
    assert_eq!(ask(&mut Client::connect(v6(port)), "GET", "/admin", "").text(), "<p>Nobody.</p>");
    fs::remove_file(&denied).unwrap();
    let (status, problem) = gateway.reload(&config);
    assert!(status >= 400 && problem.contains("403.html: it cannot be read"), "{problem}");
    assert_eq!(ask(&mut Client::connect(v6(port)), "GET", "/admin", "").text(), "<p>Nobody.</p>");
}

/// A text that is worth compressing.
fn text() -> String {
    (0_u32..2000).map(|number| number.to_string() + ". line of a text\n").collect()
}

/// Answers with texts, images and events.
fn pages(seen: &Seen, mut stream: TcpStream) -> std::io::Result<()> {
    let mut wire = Wire::new(stream.try_clone()?);
    while let Some(head) = wire.head()? {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let text = text();
        let send = |stream: &mut TcpStream, fields: &str, body: &str| {
            write!(stream, "HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
        };
        match path.as_str() {
            "/image" => send(&mut stream, "Content-Type: image/png\r\n", &text)?,
            "/short" => send(&mut stream, "Content-Type: text/plain\r\n", "short")?,
            "/fixed" => {
                send(&mut stream, "Content-Type: text/plain\r\nCache-Control: no-transform\r\n", &text)?;
            }
            "/events" => {
                let first = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
                             b\r\ndata: one\n\n\r\n";
                stream.write_all(first.as_bytes())?;
                wait_for("the gate", || seen.gate.load(Ordering::Relaxed).then_some(()));
                stream.write_all(b"b\r\ndata: two\n\n\r\n0\r\n\r\n")?;
            }
            _ => send(&mut stream, "Content-Type: text/html\r\nETag: \"a\"\r\n", &text)?,
        }
    }
    Ok(())
}

const ALL: &str = "compression = [\"br\", \"zstd\", \"gzip\"]\n";

#[test]
fn answers_are_compressed_as_clients_take_them() {
    let member = Backend::new("pages", pages);
    let port = free_port();
    let _gateway = Gateway::start(&config(port, ALL, &member));
    let mut client = Client::connect(v6(port));
    let gzip = ask(&mut client, "GET", "/", "Accept-Encoding: gzip\r\n");
    assert_eq!(
        (
            gzip.field("content-encoding"),
            gzip.field("etag"),
            gzip.field("vary"),
            gzip.field("content-length")
        ),
        (Some("gzip"), Some("W/\"a\""), Some("Accept-Encoding"), None)
    );
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_string(&mut plain).unwrap();
    assert!(plain == text() && gzip.body.len() < plain.len() / 4, "{}", gzip.body.len());
    let coding = |client: &mut Client, method: &str, target: &str, lines: &str| {
        let answer = ask(client, method, target, lines);
        (answer.field("content-encoding").map(str::to_owned), answer.field("vary").is_some())
    };
    let br = |some: bool| some.then(|| "br".to_owned());
    assert_eq!(coding(&mut client, "GET", "/", "Accept-Encoding: gzip, br\r\n"), (br(true), true));
    assert_eq!(coding(&mut client, "GET", "/", ""), (None, true));
    assert_eq!(coding(&mut client, "GET", "/image", "Accept-Encoding: br\r\n"), (None, false));
    assert_eq!(coding(&mut client, "GET", "/short", "Accept-Encoding: br\r\n"), (None, false));
    assert_eq!(coding(&mut client, "GET", "/fixed", "Accept-Encoding: br\r\n"), (None, false));
    let mut old = Client::connect(v6(port));
    old.send("GET / HTTP/1.0\r\nHost: a.example\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(old.response().field("content-encoding"), None);
}

#[test]
fn events_leave_at_once_though_they_are_compressed() {
    let member = Backend::new("pages", pages);
    let port = free_port();
    let _gateway = Gateway::start(&config(port, ALL, &member));
    let mut stream = TcpStream::connect(v6(port)).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    stream
        .write_all(
            b"GET /events HTTP/1.1\r\nHost: a.example\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
    let mut got = Vec::new();
    // The second event comes when the first one is here.
    loop {
        let mut octets = [0; 4096];
        let count = stream.read(&mut octets).unwrap();
        assert!(count > 0, "the connection ends ahead of the first event");
        got.extend_from_slice(&octets[..count]);
        let head = got.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(chunk) = head.map(|end| &got[end + 4..]) else { continue };
        let Some(line) = chunk.windows(2).position(|window| window == b"\r\n") else { continue };
        let mut plain = Vec::new();
        // It has not ended yet.
        let _ = flate2::read::GzDecoder::new(&chunk[line + 2..]).read_to_end(&mut plain);
        if plain.starts_with(b"data: one\n\n") {
            break;
        }
    }
    member.seen.gate.store(true, Ordering::Relaxed);
    stream.read_to_end(&mut got).unwrap();
    assert!(got.ends_with(b"0\r\n\r\n"));
}

#[test]
fn curl_unpacks_what_it_takes() {
    let Some(curl) = find("curl") else { return };
    let member = Backend::new("pages", pages);
    let port = free_port();
    let _gateway = Gateway::start(&config(port, ALL, &member));
    let url = format!("http://[::1]:{port}/");
    let output =
        Command::new(curl).args(["-sS", "-g", "--compressed", "-D", "-", &url]).output().expect("curl runs");
    let got = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, body) = got.split_once("\r\n\r\n").expect("a head");
    assert!(head.to_ascii_lowercase().contains("content-encoding: "), "{head}");
    assert!(body == text());
}
