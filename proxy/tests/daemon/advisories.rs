//! What other proxies and libraries had to be corrected for, as far as HTTP/1.1 can tell it. None of it may come back.

use crate::backend::Backend;
use crate::client::{Client, Response};
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6};
use crate::recorder::{octets, puppet, recorder};

const HOST: &str = "Host: a.example\r\n";
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a.example\r\n\r\n";

fn start(backend: &Backend, lines: &str) -> (Gateway, u16) {
    let port = free_port();
    let lines = format!("forwarded_for = \"off\"\n{lines}");
    let config = Config::new("workers = 1").listener("web", "http", port, "web", &lines).pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    (Gateway::start(&config), port)
}

/// Sends these octets, and a request behind them. The first answer, and what the member got in all.
fn ask(request: &str) -> (Response, Vec<String>) {
    let backend = recorder();
    let (_gateway, port) = start(&backend, "");
    let mut client = Client::connect(v6(port));
    client.send(octets(&format!("{request}{HIDDEN}")));
    let response = client.response();
    // What follows is answered, or not: either way the member has got all that it is to get.
    let _ = client.try_response(false);
    (response, backend.heads())
}

/// None of these goes on, and nothing behind them.
fn refused(requests: &[&str]) {
    for request in requests {
        let (response, heads) = ask(request);
        assert_eq!((response.status, heads), (400, Vec::new()), "{request:?}");
    }
}

/// A request head with these lines, and what is behind it.
fn post(lines: &str, behind: &str) -> String {
    format!("POST / HTTP/1.1\r\n{HOST}{lines}\r\n{behind}")
}

/// CVE-2019-18277, HAProxy: a vertical tab hid the coding from the proxy and not from the server.
#[test]
fn a_coding_behind_a_vertical_tab_is_not_overlooked() {
    refused(&[
        &post("Transfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
        &post("Transfer-Encoding: chunked\x0c\r\n", "0\r\n\r\n"),
    ]);
}

/// CVE-2021-40346, HAProxy: the length of a long name ran over into the length of its value.
#[test]
fn a_name_as_long_as_a_byte_can_count_changes_no_length() {
    for length in [255, 256, 257, 270] {
        let name = format!("Content-Length0{}", "a".repeat(length - 15));
        let (_, heads) =
            ask(&post(&format!("{name}:\r\nContent-Length: 24\r\n"), "GET /hidden HTTP/1.1\r\n\r\n"));
        assert_eq!(heads.len(), 2, "{length}: the content, and the request behind it");
        assert!(
            heads[0].ends_with("\r\ncontent-length: 24\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n"),
            "{heads:?}"
        );
    }
}

/// CVE-2021-39240 and CVE-2021-39241, HAProxy: a scheme or method that held another request line was sent on.
#[test]
fn no_part_of_a_request_line_holds_another() {
    refused(&[
        &format!("GET /admin? HTTP/1.1 / HTTP/1.1\r\n{HOST}\r\n"),
        &format!("GET http://b.example/ HTTP/1.1\nX: http://a.example/ HTTP/1.1\r\n{HOST}\r\n"),
        &format!("GET\u{b}/ HTTP/1.1\r\n{HOST}\r\n"),
    ]);
}

/// CVE-2021-39242, HAProxy: the host that routes were chosen by was not the one that the server saw.
#[test]
fn the_host_of_the_target_is_the_host_everywhere() {
    let backend = recorder();
    let rule = "[[proxy.listener.rule]]\nhost = [\"b.example\"]\ndeny = 403";
    let (_gateway, port) = start(&backend, rule);
    let mut client = Client::connect(v6(port));
    client.send("GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response().status, 403);
    let mut client = Client::connect(v6(port));
    client.send("GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(backend.heads(), ["GET / HTTP/1.1\r\nhost: a.example\r\n\r\n"]);
}

/// CVE-2022-0711, HAProxy: a response with `Set-Cookie2` made it loop.
#[test]
fn set_cookie2_is_a_field_like_others() {
    let backend = puppet();
    let (_gateway, port) = start(&backend, "");
    let mut client = Client::connect(v6(port));
    for value in ["a=b", "", ",;=\t", "a=\"b"] {
        let answer = format!("HTTP/1.1 200 OK\r\nSet-Cookie2: {value}\r\nContent-Length: 2\r\n\r\nok");
        let response = client.post("/", answer.as_bytes());
        assert_eq!((response.field("set-cookie2"), response.text().as_str()), (Some(value.trim()), "ok"));
    }
}

/// CVE-2023-25725, HAProxy: a field without a name ended the list of fields, so that the proxy saw no others.
#[test]
fn a_field_without_a_name_hides_none() {
    refused(&[
        &post(": x\r\nContent-Length: 5\r\n", "hello"),
        &post("X: y\r\n:\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ]);
}

/// CVE-2023-40225, HAProxy: an empty length was sent on. RUSTSEC-2021-0078, hyper: so was one with a sign.
#[test]
fn a_length_that_is_no_number_is_refused() {
    let lengths = ["", "\t", "+5", "-0", "5 ", "5,", "0x5", "5\u{b}"];
    for length in lengths.into_iter().filter(|length| *length != "5 ") {
        refused(&[&post(&format!("Content-Length: {length}\r\n"), "hello")]);
    }
}

/// HAProxy, 2023-08-09: a server may read a length with a zero ahead as octal.
#[test]
fn a_length_has_no_zeros_ahead_when_it_goes_on() {
    let (_, heads) = ask(&post("Content-Length: 010\r\n", "0123456789"));
    assert_eq!(heads[0], "POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 10\r\n\r\n0123456789");
}

/// CVE-2023-45539, HAProxy: rules by the end of a path were passed by a `#` that servers cut.
#[test]
fn a_fragment_ends_no_path() {
    refused(&[&format!("GET /admin#.png HTTP/1.1\r\n{HOST}\r\n"), &format!("GET /# HTTP/1.1\r\n{HOST}\r\n")]);
}

/// CVE-2024-53008, HAProxy: servers normalize targets, and reached what rules had denied by another spelling.
#[test]
fn no_spelling_of_a_path_leads_past_a_rule() {
    let backend = recorder();
    let rule = "[[proxy.listener.rule]]\npath_prefix = [\"/admin\"]\ndeny = 403";
    let (_gateway, port) = start(&backend, rule);
    for target in [
        "/admin/a",
        "//admin/a",
        "/./admin/a",
        "/b/../admin/a",
        "/b/%2e%2e/admin/a",
        "/%61dmin/a",
        "http://a.example/admin/a",
        "http://a.example//admin/a",
        "/b/..;/admin/a",
        "/b\\..\\admin/a",
        "/%2fadmin/a",
    ] {
        let mut client = Client::connect(v6(port));
        client.send(format!("GET {target} HTTP/1.1\r\n{HOST}\r\n"));
        let status = client.response().status;
        assert!(matches!(status, 400 | 403), "{target}: {status}");
    }
    assert_eq!(backend.heads(), Vec::<String>::new());
}

/// HAProxy, 2021-09-28, 2024-07-09, and RUSTSEC-2021-0020, hyper: codings that are none, or are named twice.
#[test]
fn codings_that_others_read_otherwise_are_refused() {
    for coding in ["chunked, chunked", "", "chunked,", ",chunked", "x, chunked", "chunked, x"] {
        refused(&[&post(&format!("Transfer-Encoding: {coding}\r\n"), "0\r\n\r\n")]);
    }
    refused(&[&post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", "0\r\n\r\n")]);
}

/// HAProxy, 2024-01-26 and 2026-01-28: line ends within chunks; RUSTSEC-2021-0079, hyper: sizes that overflow.
#[test]
fn nothing_behind_a_chunk_that_others_read_otherwise_is_a_request() {
    let chunks = [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5;\"\n\"\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\r\nhello\r\n0\r\n\r\n",
        "f0000000000000003\r\nabc\r\n0\r\n\r\n",
        "10000000000000000\r\n\r\n",
    ];
    for chunk in chunks {
        let (response, heads) = ask(&post("Transfer-Encoding: chunked\r\n", chunk));
        assert_eq!(response.status, 400, "{chunk:?}");
        assert!(heads.iter().all(|head| !head.contains("/hidden")), "{chunk:?}: {heads:?}");
    }
}

/// HAProxy, 2024-01-31: NUL in values. 2025-05-16 and 2026-04-28: hosts with other characters than hosts have.
#[test]
fn values_and_hosts_hold_what_they_may() {
    refused(&[
        &post("X: a\0\r\nContent-Length: 0\r\n", ""),
        "GET / HTTP/1.1\r\nHost: a.example\\\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example?b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example:80:80\r\n\r\n",
        "GET http://a.example:x/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    ]);
}

/// HAProxy, 2024-05-14 and 2024-05-15: targets of a form that their method does not have. 2026-08-12: absolute without path.
#[test]
fn a_target_has_the_form_of_its_method() {
    refused(&[
        &format!("CONNECT http://b.example:80 HTTP/1.1\r\n{HOST}\r\n"),
        &format!("CONNECT /b HTTP/1.1\r\n{HOST}\r\n"),
        &format!("GET b.example:80 HTTP/1.1\r\n{HOST}\r\n"),
        &format!("POST * HTTP/1.1\r\n{HOST}\r\n"),
        &format!("GET b HTTP/1.1\r\n{HOST}\r\n"),
    ]);
    let (_, heads) = ask("GET http://b.example HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(heads[0], "GET / HTTP/1.1\r\nhost: b.example\r\n\r\n");
}

/// RUSTSEC-2020-0008, hyper: the content of a GET was taken for the next request.
#[test]
fn the_content_of_a_get_is_no_request() {
    let (_, heads) = ask(&format!(
        "GET / HTTP/1.1\r\n{HOST}Content-Length: 43\r\n\r\n{}",
        "GET /within HTTP/1.1\r\nHost: a.example\r\n\r\n\r\n"
    ));
    assert_eq!(heads.len(), 2, "{heads:?}");
    assert!(heads.iter().all(|head| !head.starts_with("GET /within")), "{heads:?}");
}

/// CVE-2025-4366, pingora: content that nobody had read was taken for the next request on a kept connection.
#[test]
fn content_that_nobody_reads_is_no_request() {
    let backend = recorder();
    let rule = "[[proxy.listener.rule]]\npath = [\"/here\"]\nanswer = { status = 200, content_type = \"text/plain\", body = \"here\" }";
    let (_gateway, port) = start(&backend, rule);
    let length = HIDDEN.len();
    for content in [
        format!("Content-Length: {length}\r\n\r\n{HIDDEN}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
    ] {
        // In one segment the content is there when the answer is made, in two it is not.
        for cut in [0, content.len() - length] {
            let before = backend.heads().len();
            let mut client = Client::connect(v6(port));
            let (first, second) = content.split_at(content.len() - cut);
            client.send(format!("POST /here HTTP/1.1\r\n{HOST}{first}"));
            assert_eq!(client.response().text(), "here");
            let _ = client.try_send(format!("{second}GET /next HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"));
            let answered = usize::from(client.try_response(false).is_ok());
            assert!(client.read_all().is_ok_and(|rest| rest.is_empty()) || answered == 0);
            let heads = backend.heads().split_off(before);
            assert_eq!(heads.len(), answered, "{content:?}: {heads:?}");
            assert!(heads.iter().all(|head| head.starts_with("GET /next ")), "{content:?}: {heads:?}");
        }
    }
}

/// CVE-2026-2833, pingora: what followed a request for an upgrade went to the server before that had granted it.
#[test]
fn what_follows_a_request_for_an_upgrade_waits_for_the_grant() {
    let (response, heads) =
        ask(&format!("GET / HTTP/1.1\r\n{HOST}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"));
    assert_eq!(response.status, 200);
    assert_eq!(heads.len(), 2, "a request of its own, behind the answer: {heads:?}");
    assert!(heads[1].starts_with("GET /hidden HTTP/1.1\r\n"), "{heads:?}");
}

/// CVE-2026-2835, pingora: HTTP/1.0 with a coding, or content up to the end of the connection.
#[test]
fn old_requests_have_content_by_length_alone() {
    refused(&[&format!("POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]);
    let (response, heads) = ask(&format!("POST / HTTP/1.0\r\n{HOST}\r\n"));
    assert_eq!(response.status, 200);
    assert_eq!(heads, ["POST / HTTP/1.1\r\nhost: a.example\r\n\r\n"], "what follows is nothing");
}

/// CVE-2019-14241, HAProxy: an empty cookie, or a field of which nothing was left, made it loop.
#[test]
fn cookies_that_are_empty_or_taken_away_come_to_an_end() {
    const FIELDS: [&str; 8] = [
        "Cookie: SRV=\r\n",
        "Cookie: \r\n",
        "Cookie: ;\r\n",
        "Cookie: SRV=;SRV=;\r\nCookie: SRV=\r\nCookie: \r\n",
        "Cookie: SRV=s1\r\nCookie: SRV=s1\r\nCookie: SRV=\r\n",
        "Cookie: =\r\nCookie: ,\r\nCookie: SRV\r\n",
        "Cookie: a=1; SRV=\r\nCookie: SRV=; b=2\r\n",
        "Cookie: SRV=\r\nX-A: 1\r\nCookie: \r\nX-B: 2\r\nCookie: SRV=s1\r\n",
    ];
    for cookie in [
        "indirect = true",
        "mode = \"prefix\"",
        "mode = \"rewrite\"",
        "mode = \"passive\"",
        "indirect = true, max_idle = \"1h\"",
    ] {
        let (backend, port) = (recorder(), free_port());
        let pool = format!(
            "{UNCHECKED}\ncookie = {{ name = \"SRV\", {cookie} }}\napp_cookie = {{ name = \"APP\" }}"
        );
        let config = Config::new("workers = 1").listener("web", "http", port, "web", "");
        let _gateway = Gateway::start(&config.pool_of("web", &pool, &[(backend.address, "cookie = \"s1\"")]));
        let mut client = Client::connect(v6(port));
        for fields in FIELDS {
            client.send(format!("GET / HTTP/1.1\r\n{HOST}{fields}{}\r\n", fields.replace("SRV", "APP")));
            assert_eq!(client.response().status, 200, "{cookie} {fields:?}");
        }
        let heads = backend.heads();
        assert_eq!(heads.len(), FIELDS.len(), "{cookie}");
        let hidden = heads.iter().all(|head| !head.contains("SRV=s1"));
        assert!(hidden || cookie.starts_with("mode"), "{heads:?}");
        assert!(heads[7].contains("x-a: 1\r\n") && heads[7].contains("x-b: 2\r\n"), "{}", heads[7]);
    }
}

/// CVE-2019-19330 and CVE-2021-39240, HAProxy: line ends in fields, methods, schemes and paths of HTTP/2 became lines of
/// HTTP/1.1.
#[test]
fn nothing_of_http2_becomes_a_line_of_its_own() {
    let backend = recorder();
    let (_gateway, port) = start(&backend, "");
    let literal = |name: &[u8], value: &[u8]| {
        // A field by its own name, without the table (RFC 7541 §6.2.2).
        let length = |text: &[u8]| u8::try_from(text.len()).expect("a short text");
        [&[0, length(name)], name, &[length(value)], value].concat()
    };
    let whole = [
        (&b":method"[..], &b"GET"[..]),
        (b":scheme", b"http"),
        (b":authority", b"a.example"),
        (b":path", b"/"),
        (b"x-a", b"b"),
    ];
    let ask = |fields: &[(&[u8], &[u8])]| {
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
        let mut client = Client::connect(v6(port));
        let length = u8::try_from(block.len()).expect("a short block");
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        client.send([&preface[..], &[0, 0, length, 1, 5, 0, 0, 0, 1], &block].concat());
        // What the connection does behind it says that the request was looked at.
        client.send([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        while let Ok(head) = <[u8; 9]>::try_from(client.bytes(9)) {
            let [a, b, c, kind, flags, ..] = head;
            client.bytes(u32::from_be_bytes([0, a, b, c]) as usize);
            // The answer to the PING, a reset of the stream, or the end of the connection.
            if (kind == 6 && flags == 1) || kind == 3 || kind == 7 {
                break;
            }
        }
        client
    };
    // A client that leaves takes its request along, even if that is on its way to the member.
    let client = ask(&whole);
    crate::gateway::wait_for("the one that is whole", || (backend.heads().len() == 1).then_some(()));
    drop(client);
    for place in 0..whole.len() {
        for bad in ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "a HTTP/1.1\r\n\r\nGET /evil"] {
            let mut fields = whole;
            fields[place].1 = bad.as_bytes();
            ask(&fields);
            let mut fields = whole;
            fields[4].0 = bad.as_bytes();
            ask(&fields);
        }
    }
    ask(&[whole[0], whole[1], whole[2], whole[3], (b"X-Upper", b"1")]);
    ask(&[whole[0], whole[1], whole[2], whole[3], (b"", b"1")]);
    let mut client = Client::connect(v6(port));
    assert_eq!(client.get("/last").status, 200);
    let heads = backend.heads();
    assert_eq!(heads.len(), 2, "{heads:?}");
    assert!(heads[1].starts_with("GET /last "), "{heads:?}");
}

/// CVE-2025-32464, HAProxy: a replacement by parts of a long value wrote behind its buffer.
#[test]
fn replacements_of_long_values_are_whole_or_none() {
    let backend = recorder();
    let rule = "[[proxy.listener.rule]]\nrequest_headers = [{ replace = \"x-a\", regex = \"(a+)\", with = \"${1}${1}${1}${1}\" }]";
    let (_gateway, port) = start(&backend, rule);
    for length in [1, 100, 1000, 7000] {
        let mut client = Client::connect(v6(port));
        client.send(format!("GET /{length} HTTP/1.1\r\n{HOST}X-A: {}\r\n\r\n", "a".repeat(length)));
        let status = client.response().status;
        let heads = backend.heads();
        let head = heads.iter().find(|head| head.starts_with(&format!("GET /{length} ")));
        match head {
            Some(head) => {
                let value = crate::backend::field(head, "x-a").expect("it goes on");
                assert_eq!((status, value), (200, "a".repeat(4 * length).as_str()));
            }
            None => assert!((400..500).contains(&status), "{length}: {status}"),
        }
    }
}
