//! What other proxies and libraries had to be corrected for in HTTP/2 and TLS, as far as a client can do it to a running
//! daemon. One worker serves all, so that a loop without an end would be noticed by the next client.

use crate::backend::{Backend, field};
use crate::certificate::Authority;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6, wait_for};
use crate::http2::{Http2, bare, served};
use crate::http2_frames::{
    CALM, COMPRESSION, CONTINUATION, END_HEADERS, END_STREAM, FRAME_SIZE, Fate, HEADERS, PRIORITY,
    RST_STREAM, entering, farewell, fate, fields, frame, get, indexed, literal, number, open, string,
};
use crate::http2_member::Frames;
use crate::recorder::recorder;
use crate::versions::{Asked, Version, Way, target};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::io::{Read, Write};
use std::net::TcpStream;

/// More than any of these may take.
const MEMORY: usize = 16 << 20;

fn started() -> (Backend, Gateway, u16) {
    let backend = Backend::http("a");
    let (gateway, port) = served(&backend, "workers = 1", "", "");
    (backend, gateway, port)
}

/// Whether the daemon serves a client that does nothing of this.
fn serves_on(gateway: &Gateway, port: u16) {
    assert_eq!(Http2::connect(port).get("/").text(), "a", "{}", gateway.log());
}

/// Sends a head in one frame on a connection of its own, and says what becomes of it.
fn head(port: u16, flags: u8, block: &[u8]) -> Fate {
    let mut stream = open(port);
    stream.write_all(&frame(HEADERS, flags | END_STREAM | END_HEADERS, 1, block)).unwrap();
    fate(&mut stream, 1)
}

/// CVE-2018-14645, HAProxy: an index with the highest bit set read ahead of the table.
#[test]
fn an_index_of_any_size_names_an_entry_or_none() {
    let (_backend, gateway, port) = started();
    let indices = [
        0,
        62,
        128,
        1 << 16,
        (1 << 31) - 1,
        1 << 31,
        (1 << 31) + 61,
        (1 << 32) - 1,
        1 << 32,
        (1 << 32) + 2,
        u64::MAX,
    ];
    for index in indices {
        // A whole field, and the name of one that has a value, goes into the table or does not.
        let names = [(0x40, 6), (0x00, 4), (0x10, 4)]
            .map(|(first, bits)| [number(first, bits, index), string(b"b")].concat());
        // Without an index a name follows.
        let names = names.into_iter().filter(|_| index > 0);
        for block in names.chain([indexed(index)]) {
            let block = [&fields("/")[..], &block].concat();
            let ended = Fate::Ended(Some(COMPRESSION));
            assert_eq!(head(port, 0, &block), ended, "{index}: {block:x?}");
        }
    }
    serves_on(&gateway, port);
}

/// CVE-2018-20615, HAProxy: what a priority takes was read of frames that are shorter than that.
#[test]
fn a_priority_that_does_not_fit_into_its_frame_is_not_read() {
    let (_backend, gateway, port) = started();
    for length in 0..5 {
        let mut stream = open(port);
        let flags = PRIORITY | END_STREAM | END_HEADERS;
        stream.write_all(&frame(HEADERS, flags, 1, &vec![0; length])).unwrap();
        assert_eq!(fate(&mut stream, 1), Fate::Ended(Some(FRAME_SIZE)), "{length} octets");
    }
    // With room for it, it is passed over.
    let block = [&[0, 0, 0, 0, 16][..], &fields("/")].concat();
    assert_eq!(head(port, PRIORITY, &block), Fate::Answered(200));
    serves_on(&gateway, port);
}

/// CVE-2020-11100, HAProxy: entries that went around the end of the table were written beside it.
#[test]
fn a_table_that_is_filled_over_and_over_keeps_what_is_in_it() {
    let backend = recorder();
    let (_gateway, port) = served(&backend, "workers = 1", "", "");
    let mut stream = open(port);
    // Of lengths that end anywhere in a table of 4096 octets, each of which counts 32 more.
    let value = |round: u32, place: u32| {
        let length = 1 + (round * 97 + place * 389) % 700;
        format!("{round}-{place}-{}", "v".repeat(length as usize))
    };
    for round in 0..60_u32 {
        let entries = 1 + round % 7;
        let mut block = Vec::new();
        if round % 5 == 4 {
            // The table is emptied and grows again.
            block = [number(0x20, 5, 0), number(0x20, 5, 4096)].concat();
        }
        block.extend(fields(&format!("/{round}")));
        block.extend(
            (0..entries)
                .flat_map(|place| entering(format!("x-{place}").as_bytes(), value(round, place).as_bytes())),
        );
        // The last is the first of the table.
        block.extend((0..entries).flat_map(|back| indexed(62 + u64::from(back))));
        // One name that the table has, with another value.
        block.extend([number(0x00, 4, 62), string(b"by name")].concat());
        let id = 2 * round + 1;
        stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, id, &block)).unwrap();
        assert_eq!(fate(&mut stream, id), Fate::Answered(200), "{round}");
        let told = backend.heads().pop().expect("it came");
        assert_eq!(target(&told), format!("/{round}"));
        for place in 0..entries {
            let line = format!("\r\nx-{place}: {}\r\n", value(round, place));
            // A line after another shares its end.
            assert_eq!(told.replace("\r\n", "\r\n\r\n").matches(&line).count(), 2, "{line}: {told}");
        }
        assert!(told.contains(&format!("\r\nx-{}: by name\r\n", entries - 1)), "{told}");
    }
}

/// CVE-2024-45506, HAProxy: passing on content to a client that broke off while it had no room looped without an end.
#[test]
fn a_client_that_breaks_off_with_answers_on_their_way_is_let_go() {
    let (_backend, gateway, port) = started();
    let wrong_frame = || frame(6, 0, 0, &[0; 3]);
    let resets = || [1, 3, 5].map(|id| frame(RST_STREAM, 0, id, &[0, 0, 0, 8])).concat();
    let window = |id: u32, size: u32| frame(8, 0, id, &size.to_be_bytes());
    let endings: [&dyn Fn() -> Vec<u8>; 5] = [
        &wrong_frame,
        &resets,
        &|| [resets(), wrong_frame()].concat(),
        // Room for one octet more of each, and then for none of the stream.
        &|| [window(0, 1), window(1, 1), wrong_frame()].concat(),
        // The window of all of them is full, that of one is not.
        &|| [window(1, 1 << 20), window(3, 1 << 20), frame(7, 0, 0, &[0; 8])].concat(),
    ];
    for (place, ending) in endings.iter().enumerate() {
        let mut stream = open(port);
        stream.write_all(&[get(1, "/big"), get(3, "/big"), get(5, "/big")].concat()).unwrap();
        assert_eq!(fate(&mut stream, 1), Fate::Answered(200));
        gateway.counts("member_load{pool=\"web\",member=\"m0\"}", 3);
        stream.write_all(&ending()).unwrap();
        serves_on(&gateway, port);
        drop(stream);
        gateway.counts("member_load{pool=\"web\",member=\"m0\"}", 0);
        serves_on(&gateway, port);
        wait_for(&format!("the end of {place}"), || {
            (gateway.metric("connections_open{listener=\"web\"}") == 0).then_some(())
        });
    }
}

/// RUSTSEC-2023-0034 (CVE-2023-26964), h2, and CVE-2023-44487: streams that are reset at once gathered without a bound.
#[test]
fn streams_that_are_reset_as_they_come_do_not_gather() {
    let (_backend, gateway, port) = started();
    let before = gateway.memory();
    let mut stream = open(port);
    for place in 0..100_000_u32 {
        let id = 2 * place + 1;
        if stream.write_all(&[get(id, "/never"), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])].concat()).is_err() {
            break;
        }
    }
    assert_eq!(farewell(stream), Some(CALM));
    assert!(gateway.memory() < before + MEMORY);
    gateway.counts("member_load{pool=\"web\",member=\"m0\"}", 0);
    serves_on(&gateway, port);
}

/// RUSTSEC-2024-0003, h2, and CVE-2025-8671: resets of its own gathered where the client did not read.
#[test]
fn resets_of_our_own_do_not_gather_where_nobody_reads() {
    let (_backend, gateway, port) = started();
    let before = gateway.memory();
    let mut stream = open(port);
    for place in 0..100_000_u32 {
        let id = 2 * place + 1;
        // A window beyond its greatest is an error of the stream.
        let fault = frame(8, 0, id, &[0x7f, 0xff, 0xff, 0xff]);
        if stream.write_all(&[get(id, "/never"), fault].concat()).is_err() {
            break;
        }
    }
    assert_eq!(farewell(stream), Some(CALM));
    assert!(gateway.memory() < before + MEMORY);
    serves_on(&gateway, port);
}

/// RUSTSEC-2024-0332, h2, and CVE-2024-27316: a head without an end was read for as long as it went on.
#[test]
fn a_head_without_an_end_is_not_read_to_it() {
    let (_backend, gateway, port) = started();
    let before = gateway.memory();
    let field = literal(b"x-a", &[b'a'; 1000]);
    for piece in [Vec::new(), field.clone(), field.repeat(16)] {
        let mut stream = open(port);
        let _ = stream.write_all(&frame(HEADERS, END_STREAM, 1, &fields("/")));
        for _ in 0..4000 {
            if stream.write_all(&frame(CONTINUATION, 0, 1, &piece)).is_err() {
                break;
            }
        }
        assert_eq!(farewell(stream), Some(CALM), "{}", piece.len());
    }
    assert!(gateway.memory() < before + MEMORY);
    serves_on(&gateway, port);
}

/// RUSTSEC-2026-0258, h2, and CVE-2019-9518: empty frames of content were taken without a bound.
#[test]
fn empty_frames_of_content_come_to_an_end() {
    let (_backend, gateway, port) = started();
    let before = gateway.memory();
    let begun = frame(HEADERS, END_HEADERS, 1, &[&[0x83][..], &fields("/never")[1..]].concat());
    // With padding a frame holds octets, none of which are content.
    for (flags, payload) in [(0, &[][..]), (8, &[0][..]), (8, &[3, 0, 0, 0][..])] {
        let mut stream = open(port);
        stream.write_all(&begun).unwrap();
        for _ in 0..100_000 {
            if stream.write_all(&frame(0, flags, 1, payload)).is_err() {
                break;
            }
        }
        assert_eq!(farewell(stream), Some(CALM), "{payload:?}");
    }
    assert!(gateway.memory() < before + MEMORY);
    serves_on(&gateway, port);
}

/// CVE-2026-49975 of Apache and others, and CVE-2019-9517: small heads that became large ones, on streams whose answers
/// nobody took.
#[test]
fn a_small_head_that_becomes_a_large_one_is_refused() {
    let (backend, gateway, port) = started();
    let before = gateway.memory();
    let mut stream = open(port);
    // No room for any answer.
    stream.write_all(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])).unwrap();
    let first = [&fields("/")[..], &entering(b"x-a", &[b'a'; 4000])].concat();
    stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &first)).unwrap();
    assert_eq!(fate(&mut stream, 1), Fate::Answered(200));
    let block = [&fields("/large")[..], &indexed(62).repeat(10_000)].concat();
    for place in 1..90_u32 {
        if stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 2 * place + 1, &block)).is_err() {
            break;
        }
    }
    // Whether each is refused or all of them with the connection, none goes on.
    serves_on(&gateway, port);
    assert!(gateway.memory() < before + MEMORY);
    drop(stream);
    wait_for("the end", || (gateway.metric("connections_open{listener=\"web\"}") == 0).then_some(()));
    assert!(backend.heads().iter().all(|head| !head.contains("/large")));
}

/// HAProxy, from 2020-12-07 to 2026-04-28: requests of HTTP/2 that mean something else in HTTP/1.1.
#[test]
fn what_other_versions_read_otherwise_is_refused() {
    let backend = recorder();
    let (_gateway, port) = served(&backend, "workers = 1", "", "");
    let [method, scheme, authority, path] =
        [(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/")];
    let cases: &[&[(&str, &str)]] = &[
        // Fields of a connection, and codings of HTTP/1.1.
        &[method, scheme, authority, path, ("transfer-encoding", "chunked")],
        &[method, scheme, authority, path, ("transfer-encoding", "")],
        &[method, scheme, authority, path, ("connection", "x-a")],
        &[method, scheme, authority, path, ("upgrade", "websocket")],
        &[method, scheme, authority, path, ("te", "chunked")],
        // Authorities and hosts of other characters, and such as contradict each other.
        &[method, scheme, (":authority", "a.example\\"), path],
        &[method, scheme, (":authority", "a.example:80:80"), path],
        &[method, scheme, (":authority", "user@a.example"), path],
        &[method, scheme, (":authority", "a example"), path],
        &[method, scheme, (":authority", ""), path],
        &[method, scheme, authority, path, ("host", "b.example")],
        &[method, scheme, path, ("host", "a.example?")],
        // Targets that are none.
        &[method, scheme, authority, (":path", "")],
        &[method, scheme, authority, (":path", "*")],
        &[method, scheme, authority, (":path", "admin")],
        &[method, scheme, authority, (":path", "http://b.example/")],
        &[method, scheme, authority, (":path", "/\u{7f}")],
        &[method, scheme, authority, (":path", "/\u{e9}")],
        &[method, (":scheme", "http://b.example/?"), authority, path],
        // A tunnel is asked for without scheme and path, and an extended one with both.
        &[(":method", "CONNECT"), scheme, (":authority", "a.example:80"), path],
        &[(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "a.example")],
        &[method, (":protocol", "websocket"), scheme, authority, path],
        // Pseudo-header fields behind others, twice, or of responses.
        &[method, scheme, authority, ("x-a", "b"), path],
        &[method, scheme, authority, path, path],
        &[method, scheme, authority, path, (":status", "200")],
        // Lengths.
        &[method, scheme, authority, path, ("content-length", "+0")],
        &[method, scheme, authority, path, ("content-length", "")],
        &[method, scheme, authority, path, ("content-length", "0"), ("content-length", "0")],
    ];
    for case in cases {
        let block: Vec<u8> =
            case.iter().flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes())).collect();
        let fate = head(port, 0, &block);
        let is_refused = matches!(fate, Fate::Answered(400) | Fate::Reset | Fate::Ended(Some(1 | 9)));
        assert!(is_refused, "{case:?}: {fate:?}");
    }
    assert_eq!(Http2::connect(port).get("/last").head.status(), 200);
    let heads = backend.heads();
    assert!(matches!(&heads[..], [last] if target(last) == "/last"), "{heads:?}");
}

/// CVE-2023-45539, HAProxy: rules by the end of a path were passed by a `#`. In HTTP/2 it and what follows are cut before
/// anybody sees the path.
#[test]
fn a_fragment_ends_no_path_of_http_2() {
    let backend = recorder();
    let rules = "[[proxy.listener.rule]]\npath_suffix = [\".png\"]\nrequest_headers = [{ set = \"x-open\", value = \"yes\" }]\n\
                 [[proxy.listener.rule]]\npath = [\"/admin\"]\ndeny = 403";
    let (_gateway, port) = served(&backend, "workers = 1", "", rules);
    for (path, expect) in [("/admin#.png", 0), ("/#.png", 200)] {
        assert_eq!(head(port, 0, &fields(path)), Fate::Answered(expect), "{path}");
    }
    let heads = backend.heads();
    assert_eq!((heads.len(), target(&heads[0]), field(&heads[0], "x-open")), (1, "/", None));
}

/// HAProxy, 2020-12-07: a member's 101 to a request of HTTP/2, which knows none. From HTTP/1.1 it is no answer, in HTTP/2
/// it is passed over as any interim one.
#[test]
fn a_101_that_was_not_asked_for_switches_no_protocol() {
    let from_http_2 = Backend::new("a", |_, stream| {
        let mut frames = Frames::new(stream, &[])?;
        loop {
            let id = frames.request()?;
            frames.send(HEADERS, END_HEADERS, id, &[&[0x08][..], &string(b"101")].concat())?;
            frames.answer(id, "a")?;
        }
    });
    let from_http_1 = Backend::http("a");
    Way::each(|way| {
        let (backend, expect) = match way.back {
            Version::One => (&from_http_1, 502),
            Version::Two => (&from_http_2, 200),
        };
        let (gateway, port) = way.start("", backend);
        let mut client = way.client(port);
        assert_eq!([client.get("/switch").status, client.get("/").status], [expect, 200]);
        let bad = u64::from(way.back == Version::One);
        gateway.counts("failures_total{listener=\"web\",reason=\"bad_response\"}", bad);
    });
}

/// CVE-2026-2836, pingora: answers were kept by the path alone, for whatever host.
#[test]
fn an_answer_for_one_host_is_none_for_another() {
    Way::each(|way| {
        let backend = way.member("a");
        let (_gateway, port) = way.start("", &backend);
        let mut clients = [way.client(port), way.client(port)];
        for host in ["a.example", "b.example", "a.example", "c.example"] {
            for client in &mut clients {
                let answer = client.ask(&Asked { host, ..Asked::get("/head", "") });
                assert_eq!(field(&answer.text(), "host"), Some(host), "{}", answer.text());
            }
        }
        assert_eq!(backend.heads().len(), 8, "each is asked for");
    });
}

/// What a client of TLS sends first.
fn client_hello(authority: &Authority) -> Vec<u8> {
    let name = ServerName::try_from("web.example").expect("a name");
    let mut client = ClientConnection::new(authority.client(None), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("a vector takes all");
    hello
}

/// A listener over TLS, one worker.
fn encrypted(authority: &Authority) -> (Backend, Gateway, u16) {
    let backend = Backend::http("a");
    let bundle = authority.bundle("web", &["web.example"]);
    let port = free_port();
    let lines = format!("tls = {{ certificates = [\"{}\"] }}", bundle.display());
    let config = Config::new("workers = 1").listener("web", "http", port, "web", &lines);
    let gateway = Gateway::start(&config.pool("web", UNCHECKED, &[backend.address]));
    (backend, gateway, port)
}

fn serves_over_tls(authority: &Authority, port: u16) {
    let asked = Asked { host: "web.example", ..Asked::get("/", "") };
    for version in [Version::One, Version::Two] {
        let got = crate::versions::secured(version, &authority.client(None), v6(port), "web.example", &asked);
        assert_eq!(got.text(), "a");
    }
}

/// RUSTSEC-2024-0336, rustls: a client that said goodbye within its handshake made the server loop.
#[test]
fn a_goodbye_within_a_handshake_ends_it() {
    const GOODBYE: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];
    let authority = Authority::new();
    let (_backend, gateway, port) = encrypted(&authority);
    let hello = client_hello(&authority);
    for ahead in [&hello[..], &[]] {
        let mut stream = bare(port);
        stream.write_all(&[ahead, &GOODBYE].concat()).unwrap();
        // A reset is an end as well.
        let _ = stream.read_to_end(&mut Vec::new());
        serves_over_tls(&authority, port);
    }
    gateway.counts("connections_open{listener=\"web\"}", 0);
}

/// RUSTSEC-2024-0399, rustls: a greeting in more than one record ended the server.
#[test]
fn a_greeting_in_many_records_is_one() {
    let authority = Authority::new();
    let (_backend, gateway, port) = encrypted(&authority);
    let hello = client_hello(&authority);
    for size in [1, 2, 7, 100] {
        let record =
            |part: &[u8]| [&hello[..3], &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
        let records: Vec<u8> = hello[5..].chunks(size).flat_map(record).collect();
        let mut stream: TcpStream = bare(port);
        stream.write_all(&records).unwrap();
        let mut kind = [0];
        stream.read_exact(&mut kind).unwrap();
        assert_eq!(kind, [22], "records of {size}: the handshake goes on");
        serves_over_tls(&authority, port);
    }
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

/// CVE-2025-66199, OpenSSL: certificates that are unpacked without a bound. Nobody here packs or unpacks any.
#[test]
fn certificates_are_neither_packed_nor_unpacked() {
    assert!(rustls::compress::default_cert_compressors().is_empty());
    assert!(rustls::compress::default_cert_decompressors().is_empty());
}
