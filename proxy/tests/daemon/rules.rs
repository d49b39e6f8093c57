//! Rules of a listener of mode http: where requests go, and answers without a member.

use crate::backend::{Backend, field};
use crate::certificate::{Authority, connect};
use crate::client::{Client, Response};
use crate::foreign::find;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6};
use std::io::{Read, Write};
use std::process::Command;

/// A listener with these rules in front of the pools `usual` and `other`.
fn config(port: u16, lines: &str, usual: &Backend, other: &Backend) -> Config {
    Config::new("workers = 1")
        .listener("web", "http", port, "usual", lines)
        .pool("usual", UNCHECKED, &[usual.address])
        .pool("other", UNCHECKED, &[other.address])
}

/// The answer to a request of this method, target and these further lines, each with its end.
fn ask(client: &mut Client, method: &str, host: &str, target: &str, lines: &str) -> Response {
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"));
    client.response()
}

fn requests(rule: &str, action: &str) -> String {
    format!("rule_requests_total{{listener=\"web\",rule=\"{rule}\",action=\"{action}\"}}")
}

const ROUTES: &str = r#"
[[proxy.listener.rule]]
name = "host"
host = ["*.b.example"]
pool = "other"
[[proxy.listener.rule]]
path_prefix = ["/static/"]
path_suffix = [".png"]
pool = "other"
[[proxy.listener.rule]]
method = ["PUT"]
header = { "X-Version" = "2" }
pool = "other"
[[proxy.listener.rule]]
source = ["127.0.0.0/8"]
path = ["/from-v4"]
pool = "other"
"#;

#[test]
fn requests_of_one_connection_go_where_their_rules_say() {
    let (usual, other) = (Backend::http("usual"), Backend::http("other"));
    let port = free_port();
    let gateway = Gateway::start(&config(port, ROUTES, &usual, &other));
    let mut client = Client::connect(v6(port));
    let mut check = |(method, host, target, lines): (&str, &str, &str, &str), expect: &str| {
        let response = ask(&mut client, method, host, target, lines);
        assert_eq!(response.text(), expect, "{method} {host}{target} {lines}");
    };
    check(("GET", "a.example", "/", ""), "usual");
    check(("GET", "x.b.example:8080", "/", ""), "other");
    check(("GET", "a.example", "http://x.b.example/", ""), "other");
    check(("GET", "a.example", "/static/a.png?b", ""), "other");
    check(("GET", "a.example", "/%73tatic//a.png", ""), "other");
    check(("GET", "a.example", "/static/../a.png", ""), "usual");
    check(("PUT", "a.example", "/", "Content-Length: 0\r\nx-version: 2\r\n"), "other");
    check(
        ("PUT", "a.example", "/", "Content-Length: 0\r\nX-Version: 2\r\nConnection: x-version\r\n"),
        "usual",
    );
    check(("GET", "a.example", "/from-v4", ""), "usual");
    assert_eq!(Client::connect(v4(port)).get("/from-v4").text(), "other");
    gateway.counts(&requests("host", "pool"), 2);
    gateway.counts(&requests("2", "pool"), 2);
    gateway.counts(&requests("3", "pool"), 1);
    gateway.counts(&requests("4", "pool"), 1);
    // A member gets the path as it came.
    assert!(other.heads().iter().any(|head| head.starts_with("GET /%73tatic//a.png HTTP/1.1\r\n")));
}

const ANSWERS: &str = r#"
[[proxy.listener.rule]]
path_prefix = ["/admin"]
deny = 403
[[proxy.listener.rule]]
path = ["/robots.txt"]
answer = { content_type = "text/plain", body = "nobody\n" }
[[proxy.listener.rule]]
path = ["/empty"]
answer = { status = 204 }
[[proxy.listener.rule]]
host = ["old.example"]
redirect = { to = "https://a.example{uri}", status = 301 }
[[proxy.listener.rule]]
path_prefix = ["/moved"]
redirect = { to = "/new{uri}" }
"#;

#[test]
fn requests_are_answered_without_a_member() {
    let (usual, other) = (Backend::http("usual"), Backend::http("other"));
    let port = free_port();
    let gateway = Gateway::start(&config(port, ANSWERS, &usual, &other));
    let mut client = Client::connect(v6(port));
    let robots = client.get("/robots.txt");
    assert_eq!((robots.status, robots.text().as_str()), (200, "nobody\n"));
    assert_eq!(robots.field("content-type"), Some("text/plain"));
    client.send("HEAD /robots.txt HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.bare_response().field("content-length"), Some("7"));
    let empty = client.get("/empty");
    assert_eq!((empty.status, empty.field("content-type")), (204, None));
    let moved = client.get("/moved?a=b");
    assert_eq!((moved.status, moved.field("location")), (308, Some("/new/moved?a=b")));
    let old = ask(&mut client, "GET", "OLD.example:8080", "/a", "");
    assert_eq!((old.status, old.field("location")), (301, Some("https://a.example/a")));
    // All of it on one connection, which goes on.
    assert_eq!(client.get("/").text(), "usual");
    for path in ["/admin", "/%61dmin/x", "/x/%2e./admin"] {
        let mut client = Client::connect(v6(port));
        assert_eq!(client.get(path).status, 403, "{path}");
        assert!(client.is_closed(), "{path}");
    }
    let doubtful = Client::connect(v6(port)).get("/x/..;/admin");
    assert_eq!(doubtful.status, 400);
    assert_eq!(usual.heads().len(), 1);
    gateway.counts(&requests("1", "deny"), 3);
    gateway.counts(&requests("2", "answer"), 2);
    gateway.counts(&requests("4", "redirect"), 1);
    gateway.counts("failures_total{listener=\"web\",reason=\"bad_request\"}", 1);
}

#[test]
fn an_answer_to_a_request_whose_body_is_on_its_way_ends_the_connection() {
    let (usual, other) = (Backend::http("usual"), Backend::http("other"));
    let port = free_port();
    let _gateway = Gateway::start(&config(port, ANSWERS, &usual, &other));
    let mut client = Client::connect(v6(port));
    client.send("POST /robots.txt HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100\r\n\r\npart");
    let response = client.response();
    assert_eq!((response.status, response.field("connection")), (200, Some("close")));
    assert!(client.is_closed());
    // A body that has come whole harms nobody.
    let mut client = Client::connect(v6(port));
    assert_eq!(client.post("/robots.txt", b"whole").status, 200);
    assert_eq!(client.get("/").text(), "usual");
}

#[test]
fn a_kept_connection_follows_changed_rules_and_counters_go_on() {
    let (usual, other) = (Backend::http("usual"), Backend::http("other"));
    let port = free_port();
    let named = |path: &str| {
        format!("[[proxy.listener.rule]]\nname = \"a\"\npath = [\"{path}\"]\npool = \"other\"\n")
    };
    let gateway = Gateway::start(&config(port, &named("/one"), &usual, &other));
    let mut client = Client::connect(v6(port));
    assert_eq!((client.get("/one").text(), client.get("/two").text()), ("other".into(), "usual".into()));
    gateway.change(&config(port, &named("/two"), &usual, &other));
    assert_eq!((client.get("/one").text(), client.get("/two").text()), ("usual".into(), "other".into()));
    gateway.counts(&requests("a", "pool"), 2);
    let (status, problem) = gateway.reload(&config(port, &named("two"), &usual, &other));
    assert!(status >= 400 && problem.contains("begin with a slash"), "{status} {problem}");
    assert_eq!(client.get("/two").text(), "other");
}

#[test]
fn the_name_asked_for_in_tls_chooses_the_pool() {
    let (usual, other) = (Backend::http("usual"), Backend::http("other"));
    let authority = Authority::new();
    let bundle = authority.bundle("web", &["a.example", "b.example"]);
    let lines = format!(
        "tls = {{ certificates = [\"{}\"] }}\n[[proxy.listener.rule]]\nsni = [\"b.example\"]\npool = \"other\"\n",
        bundle.display()
    );
    let port = free_port();
    let _gateway = Gateway::start(&config(port, &lines, &usual, &other));
    let check = |name: &str, expect: &str| {
        let mut stream = connect(&authority.client(None), v6(port), name);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: c.example\r\nConnection: close\r\n\r\n").unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).unwrap();
        assert!(got.ends_with(&format!("\r\n\r\n{expect}")), "{name}: {got}");
    };
    check("a.example", "usual");
    check("b.example", "other");
}

#[test]
fn curl_follows_a_redirect() {
    let (usual, other) = (Backend::http("usual"), Backend::http("other"));
    let port = free_port();
    let lines = "[[proxy.listener.rule]]\npath_prefix = [\"/old\"]\nredirect = { to = \"{scheme}://{host}:{port}/new?was={path}\", status = 307 }\n\
                 [[proxy.listener.rule]]\npath = [\"/new\"]\nmethod = [\"POST\"]\npool = \"other\"\n";
    let _gateway = Gateway::start(&config(port, lines, &usual, &other));
    let Some(curl) = find("curl") else { return };
    let url = format!("http://[::1]:{port}/old/a");
    let output =
        Command::new(curl).args(["-sS", "-g", "-L", "-d", "body", &url]).output().expect("curl runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "other");
    let heads = other.heads();
    assert!(heads[0].starts_with("POST /new?was=/old/a HTTP/1.1\r\n"), "{heads:?}");
    assert!(usual.heads().is_empty());
}

#[test]
fn headers_change_on_their_way() {
    let (usual, other) = (Backend::http("usual"), Backend::http("other"));
    let port = free_port();
    let lines = r#"
[[proxy.listener.rule]]
request_headers = [{ set = "X-Client", value = "{client}" }, { delete = "X-Debug" }]
response_headers = [{ set = "X-Asked", value = "{host}{uri}" }, { delete = "X-Outer" }]
[[proxy.listener.rule]]
path = ["/here"]
answer = { body = "here" }
"#;
    let gateway = Gateway::start(&config(port, lines, &usual, &other));
    let mut client = Client::connect(v6(port));
    let response = ask(&mut client, "GET", "a.example:80", "/head?b", "X-Client: forged\r\nx-debug: 1\r\n");
    assert_eq!(response.field("x-asked"), Some("a.example/head?b"));
    let head = usual.heads().remove(0);
    assert_eq!((field(&head, "x-client"), field(&head, "x-debug")), (Some("::1"), None), "{head}");
    assert_eq!(head.matches("x-client").count(), 1, "{head}");
    let hops = client.get("/hops");
    assert_eq!((hops.field("x-outer"), hops.field("x-asked")), (None, Some("a.example/hops")));
    assert_eq!(client.get("/here").field("x-asked"), Some("a.example/here"));
    gateway.counts(&requests("1", "edit"), 3);
}

const REWRITES: &str = r#"
[[proxy.listener.rule]]
path_prefix = ["/api/"]
header = { "X-Version" = { regex = "^[0-9]+$" } }
request_path = [{ strip_prefix = "/api" }, { add_prefix = "/v2" }]
request_headers = [{ set = "Host", value = "{header}.internal.example:8080" }, { replace = "Cookie", regex = "; *track=[^;]*", with = "" }]
pool = "other"
[[proxy.listener.rule]]
request_query = [{ delete = "utm_*" }, { set = "from", value = "{client}" }]
[[proxy.listener.rule]]
path_regex = ['^/old/[0-9]+\.html$']
request_path = [{ regex = '^/old/([0-9]+)\.html$', with = "/new/$1" }]
response_headers = [{ replace = "X-Backend", regex = "^", with = "was " }]
[[proxy.listener.rule]]
path_prefix = ["/static/"]
request_path = [{ set = "/files/{query}" }]
"#;

#[test]
fn targets_hosts_and_fields_are_rewritten() {
    let (usual, other) = (Backend::http("usual"), Backend::http("other"));
    let port = free_port();
    let lines = REWRITES.replace("{header}", "{host}");
    let gateway = Gateway::start(&config(port, &lines, &usual, &other));
    let mut client = Client::connect(v6(port));
    let lines = "X-Version: 2\r\nCookie: a=1; track=2; b=3\r\n";
    assert_eq!(ask(&mut client, "GET", "a.example:80", "/%61pi//b?c", lines).text(), "other");
    assert_eq!(ask(&mut client, "GET", "a.example", "/api/b", "X-Version: a\r\n").text(), "usual");
    assert_eq!(client.get("/x?utm_source=a&b=c").status, 200);
    assert_eq!(client.get("/old/12.html").status, 200);
    let head = other.heads().remove(0);
    assert!(head.starts_with("GET /v2/b?c HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "host"), Some("a.example.internal.example:8080"));
    assert_eq!(field(&head, "cookie"), Some("a=1; b=3"));
    let lines: Vec<_> = usual.heads().iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    let expect =
        ["GET /api/b?from=::1 HTTP/1.1", "GET /x?b=c&from=::1 HTTP/1.1", "GET /new/12?from=::1 HTTP/1.1"];
    assert_eq!(lines, expect);
    assert_eq!(Client::connect(v6(port)).get("/static/?../../secret").status, 400);
    gateway.counts("failures_total{listener=\"web\",reason=\"bad_request\"}", 1);
    assert_eq!(usual.heads().len(), 3);
}
