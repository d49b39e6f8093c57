//! What checks ask members, and what they make of the answers.

use crate::backend::{Backend, Seen, Wire, field};
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6, wait_for};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::Ordering;

/// What the latest check of the first member of the first pool saw.
pub(crate) fn sight(gateway: &Gateway) -> String {
    gateway.json("/pools")[0]["members"][0]["why"].as_str().expect("a text").to_owned()
}

fn wait_sight(gateway: &Gateway, expect: &str) {
    wait_for(expect, || sight(gateway).contains(expect).then_some(()));
}

/// Answers 503 until its gate opens, and 200 from then on, which it says is ready.
fn moody(seen: &Seen, mut stream: TcpStream) -> std::io::Result<()> {
    let mut wire = Wire::new(stream.try_clone()?);
    if let Some(head) = wire.head()? {
        seen.heads.lock().unwrap().push(head);
        let open = seen.gate.load(Ordering::SeqCst);
        let status = if open { "200 OK" } else { "503 Service Unavailable" };
        write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n\r\nI am ready")?;
    }
    Ok(())
}

fn web(port: u16, check: &str, backend: &Backend) -> Config {
    let lines = format!("[proxy.pool.check]\n{check}");
    Config::new("").listener("web", "tcp", port, "web", "").pool("web", &lines, &[backend.address])
}

const FAST: &str = "interval = \"300ms\"\nrise = 1\nfall = 1";

#[test]
fn a_member_that_answers_wrongly_is_left_out_until_it_answers_well() {
    let backend = Backend::new("a", moody);
    let port = free_port();
    let http = format!("kind = \"http\"\npath = \"/health?full=1\"\nexpect_body = \"ready\"\n{FAST}");
    let gateway = Gateway::start(&web(port, &http, &backend));
    assert_eq!(gateway.state("web", "m0"), "down");
    assert_eq!(sight(&gateway), "503 Service Unavailable, expected 200-399");
    assert!(Client::connect(v6(port)).is_closed());
    let changed = "up=false why=\"503 Service Unavailable, expected 200-399\"";
    assert_eq!(gateway.log().matches(changed).count(), 1, "said once: {}", gateway.log());

    backend.seen.gate.store(true, Ordering::SeqCst);
    wait_for("the member to be up", || (gateway.state("web", "m0") == "up").then_some(()));
    assert_eq!(sight(&gateway), "200 OK with \"ready\" in the body");
    let head = backend.heads().swap_remove(0);
    assert!(head.starts_with("GET /health?full=1 HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "host"), Some(backend.address.to_string().as_str()));
    assert_eq!(field(&head, "connection"), Some("close"));

    gateway.change(&web(port, &format!("{http}\nexpect_status = [\"204\", \"500-599\"]"), &backend));
    wait_sight(&gateway, "200 OK, expected 204, 500-599");
    gateway.change(&web(port, &http.replace("\"ready\"", "\"steady\""), &backend));
    wait_sight(&gateway, "200 OK, but its body of 10 octets does not hold \"steady\"");
    let method = "kind = \"http\"\nmethod = \"HEAD\"\nhost = \"web.example\"\nheaders = [\"X-Probe: b c\"]";
    gateway.change(&web(port, &format!("{method}\n{FAST}"), &backend));
    let head = wait_for("a HEAD", || backend.heads().into_iter().find(|head| head.starts_with("HEAD / ")));
    assert_eq!((field(&head, "host"), field(&head, "x-probe")), (Some("web.example"), Some("b c")));
}

#[test]
fn a_member_that_does_not_answer_in_time_is_left_out() {
    let backend = Backend::http("a");
    let http = |path: &str| {
        format!("kind = \"http\"\npath = \"{path}\"\ntimeout = \"50ms\"\nexpect_body = \"second\"\n{FAST}")
    };
    let gateway = Gateway::start(&web(free_port(), &http("/never"), &backend));
    assert_eq!(
        (gateway.state("web", "m0").as_str(), sight(&gateway).as_str()),
        ("down", "no answer within 50ms")
    );
    gateway.change(&web(free_port(), &http("/chunked"), &backend));
    wait_sight(&gateway, "no whole body within 50ms");
    gateway.change(&web(free_port(), &http("/garbage"), &backend));
    wait_sight(&gateway, "the answer is not HTTP");
    gateway.change(&web(free_port(), &http("/reset"), &backend));
    wait_sight(&gateway, "the connection ended before a whole answer");
}

#[test]
fn a_member_is_checked_where_the_file_says() {
    let (serves, speaks) = (Backend::http("a"), Backend::new("b", moody));
    speaks.seen.gate.store(true, Ordering::SeqCst);
    let port = speaks.address.port();
    let elsewhere = format!("kind = \"http\"\nport = {port}\n{FAST}");
    let gateway = Gateway::start(&web(free_port(), &elsewhere, &serves));
    assert_eq!((gateway.state("web", "m0").as_str(), serves.accepted()), ("up", 0));
    assert_eq!(field(&speaks.heads()[0], "host"), Some(v4(port).to_string().as_str()));
    // Nobody listens on the IPv6 address of that port.
    gateway.change(&web(free_port(), &format!("{elsewhere}\naddress = \"::1\""), &serves));
    wait_sight(&gateway, "tcp connection failed: Connection refused");
}

#[test]
fn checks_that_contradict_the_state_follow_each_other_quickly() {
    let mut backend = Backend::http("a");
    backend.stop();
    let port = free_port();
    let slow = "interval = \"1h\"\ntimeout = \"10s\"\nrise = 3";
    let gateway = Gateway::start(&web(port, slow, &backend));
    assert_eq!(gateway.state("web", "m0"), "down");
    backend.start();
    // A changed check begins at once; the two behind it would take two hours.
    gateway.change(&web(port, &format!("{slow}\nfast_interval = \"50ms\""), &backend));
    wait_for("the member to be up", || (gateway.state("web", "m0") == "up").then_some(()));
    assert_eq!(Client::connect(v6(port)).get("/").text(), "a");
    assert_eq!(backend.accepted(), 3 + 1, "checks are in no hurry once they agree");
}

#[test]
fn kinds_of_checks_change_while_the_daemon_runs() {
    let backend = Backend::http("a");
    let port = free_port();
    let config = |check: &str| {
        Config::new("").listener("web", "http", port, "web", "").pool("web", check, &[backend.address])
    };
    let gateway = Gateway::start(&config(UNCHECKED));
    for (kind, why) in [
        ("http", "200 OK"),
        ("tcp", "tcp connection accepted"),
        ("off", "members of this pool are not checked"),
    ] {
        gateway.change(&config(&format!("check = {{ kind = \"{kind}\" }}")));
        wait_sight(&gateway, why);
        assert_eq!(Client::connect(v6(port)).get("/").text(), "a");
    }
}
