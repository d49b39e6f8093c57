//! Lines about requests: the same ones beside those of Debian's haproxy, for every way a request can end.

use crate::backend::{Backend, Wire};
use crate::certificate::{Authority, connect};
use crate::client::Client;
use crate::foreign::{Program, find};
use crate::gateway::{Config, Gateway, PATIENCE, UNCHECKED, free_port, v4, v6, wait_for};
use crate::http2_frames::{END_HEADERS, Fate, HEADERS, fate, frame, literal, open};
use crate::log::{Receiver, ask, crowded, plain};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

/// What is configured on both sides, and what clients do at this port.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) name: &'static str,
    pub(crate) members: &'a [SocketAddr],
    /// In HAProxy's words, and in ours: of the pool, of each member, of all, and of the listener.
    pub(crate) pool: [&'a str; 2],
    pub(crate) member: [&'a str; 2],
    pub(crate) timeouts: [&'a str; 2],
    pub(crate) listener: [&'a str; 2],
    pub(crate) format: [&'a str; 2],
    pub(crate) act: &'a dyn Fn(u16),
    /// The lines, without what differs from run to run.
    pub(crate) expect: &'a [&'a str],
    /// HAProxy's, where they are others for a reason that stands there.
    pub(crate) theirs: Option<&'a [&'a str]>,
}

pub(crate) const PATIENT: [&str; 2] = [
    "timeout connect 5s\n timeout client 30s\n timeout server 30s\n timeout queue 30s",
    "connect = \"5s\"\nclient = \"30s\"\nserver = \"30s\"\nqueue = \"30s\"",
];

pub(crate) const PLAIN: Case<'_> = Case {
    name: "",
    members: &[],
    pool: ["", UNCHECKED],
    member: ["", ""],
    timeouts: PATIENT,
    listener: ["", ""],
    format: ["option httplog", "httplog"],
    act: &|_| {},
    expect: &[],
    theirs: None,
};

/// Runs the case with both and compares their lines with what is expected.
pub(crate) fn compare(case: &Case<'_>) {
    assert_eq!(by_us(case), case.expect, "{}", case.name);
    if let Some(theirs) = by_haproxy(case) {
        assert_eq!(theirs, case.theirs.unwrap_or(case.expect), "{} by haproxy", case.name);
    }
}

fn by_us(case: &Case<'_>) -> Vec<String> {
    let (receiver, port) = (Receiver::new(), free_port());
    let members: Vec<_> = case.members.iter().map(|address| (*address, case.member[1])).collect();
    let log = format!(
        "workers = 1\nlog = {{ format = '{}', to = \"udp://{}\", tag = \"haproxy\" }}",
        case.format[1],
        receiver.address()
    );
    let config = Config::new(&log)
        .timeouts(case.timeouts[1])
        .listener("web", "http", port, "pool", case.listener[1])
        .pool_of("pool", case.pool[1], &members);
    let _gateway = Gateway::start(&config);
    (case.act)(port);
    case.expect.iter().map(|_| masked(&receiver.next())).collect()
}

fn by_haproxy(case: &Case<'_>) -> Option<Vec<String>> {
    let (receiver, port, probe) = (Receiver::new(), free_port(), free_port());
    let members = case.members.iter().enumerate();
    let members: Vec<_> =
        members.map(|(place, address)| format!(" server m{place} {address} {}\n", case.member[0])).collect();
    let file = format!(
        "global\n log {} local0\n nbthread 1\n stats socket DIR/stats\n\
         defaults\n mode http\n log global\n {}\n option dontlognull\n {}\n\
         frontend web\n bind [::1]:{port}\n bind 127.0.0.1:{port}\n {}\n default_backend pool\n\
         listen probe\n no log\n bind 127.0.0.1:{probe}\n\
         backend pool\n {}\n{}",
        receiver.address(),
        case.format[0],
        case.timeouts[0],
        case.listener[0],
        case.pool[0],
        members.concat()
    );
    let program = Program::start("haproxy", &file, probe)?;
    // The connection that found it started would count in the first line.
    wait_for("haproxy to be alone", || {
        ask(&program, "show info")?.contains("\nCurrConns: 0\n").then_some(())
    });
    (case.act)(port);
    let expect = case.theirs.unwrap_or(case.expect);
    Some(expect.iter().map(|_| masked(&receiver.next())).collect())
}

/// A line without what differs from run to run, and without the octets of requests: HAProxy counts those of its own form
/// of a response, none of what it answers to no request, and pages of errors differ.
pub(crate) fn masked(line: &str) -> String {
    if let Some((_, own)) = line.split_once("]: - ") {
        // One digit for each number.
        let mut digits = own.replace(|letter: char| letter.is_ascii_digit(), "0");
        while digits.contains("00") {
            digits = digits.replace("00", "0");
        }
        return digits;
    }
    let line = plain(line);
    let mut words: Vec<_> = line.split(' ').collect();
    if words.get(5).is_some_and(|word| word.parse::<u64>().is_ok()) {
        words[5] = "n";
    }
    words.join(" ")
}

/// Answers each request with a few octets.
pub(crate) fn kind() -> Backend {
    Backend::new("kind", |_, stream| {
        let mut writer = stream.try_clone()?;
        let mut wire = Wire::new(stream);
        while let Some(head) = wire.head()? {
            let body = if head.starts_with("HEAD") { "" } else { "hello" };
            write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}")?;
        }
        Ok(())
    })
}

/// Reads one head, answers by `bytes`, and then does this.
macro_rules! answering {
    ($bytes:expr, $then:expr) => {
        Backend::new("answering", |seen, stream| {
            let mut writer = stream.try_clone()?;
            let mut wire = Wire::new(stream);
            seen.heads.lock().unwrap().extend(wire.head()?);
            writer.write_all($bytes)?;
            let then: fn(&std::net::TcpStream, Wire) -> std::io::Result<()> = $then;
            then(&writer, wire)
        })
    };
}
pub(crate) use answering;

pub(crate) fn closes(writer: &TcpStream, _: Wire) -> std::io::Result<()> {
    writer.shutdown(Shutdown::Both)
}

pub(crate) fn resets(writer: &TcpStream, _: Wire) -> std::io::Result<()> {
    socket2::SockRef::from(writer).set_linger(Some(Duration::ZERO))
}

/// Until the proxy leaves.
pub(crate) fn hangs(_: &TcpStream, mut wire: Wire) -> std::io::Result<()> {
    wire.rest().map(drop)
}

pub(crate) fn streams(mut writer: &TcpStream, _: Wire) -> std::io::Result<()> {
    let part = vec![b'x'; 64 << 10];
    loop {
        writer.write_all(&part)?;
    }
}

pub(crate) fn echoes(mut writer: &TcpStream, wire: Wire) -> std::io::Result<()> {
    let (mut reader, early) = wire.into_parts();
    writer.write_all(&early)?;
    std::io::copy(&mut reader, &mut writer)?;
    writer.shutdown(Shutdown::Write)
}

fn cuts_after_more(writer: &TcpStream, mut wire: Wire) -> std::io::Result<()> {
    wire.bytes(1, |_| {})?;
    resets(writer, wire)
}

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
pub(crate) const UPGRADE: &str =
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
pub(crate) const GRANTED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
pub(crate) const LONG: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nonly";

/// A client that has sent this.
fn sent(port: u16, bytes: &str) -> Client {
    let mut client = Client::connect(v6(port));
    client.send(bytes);
    client
}

/// Sends this and reads to the end.
fn ask_all(port: u16, bytes: &str) {
    let _ = sent(port, bytes).read_all();
}

const BAD: &str = "::1 web web/<NOSRV> -1/-1/-1/-1/t 400 n - - PR-- 1/1/0/0/0 0/0 \"<BADREQ>\"\n";
const FINE: &str = "::1 web pool/m0 t/t/t/t/t 200 n - - ---- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"\n";
const SLOW: &str = "::1 web web/<NOSRV> -1/-1/-1/-1/t 408 n - - cR-- 1/1/0/0/0 0/0 \"<BADREQ>\"\n";
pub(crate) const ONCE: [&str; 2] = ["retries 0", "check = { kind = \"off\" }\nretries = 0"];
const LINE: &str = r"- [%t] %tr x %ST %{+Q}o%ci %fi %bi %si %ts %tsc %f %ft %b %s %HM %HP %HQ %HU %HV %{-Q}r %Th %hr %hs %CC %{-Q}CS %rc %sq/%bq 100%%";

/// A request whose connection ends with its answer.
pub(crate) const LAST: &str = "GET / HTTP/1.0\r\nHost: a.example\r\n\r\n";

#[test]
fn requests_that_are_answered_are_told_as_haproxy_tells_them() {
    let kind = kind();
    let served = Case { members: &[kind.address], ..PLAIN };
    let two = |port: u16| {
        let mut client = Client::connect(v6(port));
        assert_eq!(client.get("/a?b=c").status, 200);
        assert_eq!(client.get("/d").status, 200);
    };
    compare(&Case {
        name: "two requests of one connection",
        act: &two,
        expect: &[
            "::1 web pool/m0 t/t/t/t/t 200 n - - ---- 1/1/0/0/0 0/0 \"GET /a?b=c HTTP/1.1\"\n",
            "::1 web pool/m0 t/t/t/t/t 200 n - - ---- 1/1/0/0/0 0/0 \"GET /d HTTP/1.1\"\n",
        ],
        ..served
    });
    compare(&Case {
        name: "others are served meanwhile",
        act: &|port| {
            let mut other = Client::connect(v4(port));
            assert_eq!(other.get("/").status, 200);
            let mut client = Client::connect(v6(port));
            client.send("HEAD / HTTP/1.0\r\nHost: a.example\r\n\r\n");
            assert_eq!(client.bare_response().status, 200);
        },
        expect: &[
            "127.0.0.1 web pool/m0 t/t/t/t/t 200 n - - ---- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"\n",
            "::1 web pool/m0 t/t/t/t/t 200 n - - ---- 2/2/0/0/0 0/0 \"HEAD / HTTP/1.0\"\n",
        ],
        ..served
    });
    compare(&Case {
        name: "tcplog of requests",
        act: &two,
        format: ["option tcplog", "tcplog"],
        expect: &["::1 web pool/m0 t/t/t 80 -- 1/1/0/0/0 0/0\n"; 2],
        theirs: Some(&["::1 web pool/m0 t/t/t 54 -- 1/1/0/0/0 0/0\n"; 2]),
        ..served
    });
}

#[test]
fn what_is_no_request_is_told_as_haproxy_tells_it() {
    let kind = kind();
    let served = Case { members: &[kind.address], ..PLAIN };
    let hasty = Case {
        timeouts: [
            "timeout connect 5s\n timeout client 30s\n timeout server 30s\n timeout http-request 100ms\n timeout http-keep-alive 100ms",
            "request_head = \"100ms\"\nkeep_alive = \"100ms\"",
        ],
        ..served
    };
    compare(&Case {
        name: "malformed",
        act: &|port| ask_all(port, "GET / HTTP/1.1\r\nx y\r\n\r\n"),
        expect: &[BAD],
        ..served
    });
    compare(&Case {
        name: "malformed behind a request",
        act: &|port| {
            let mut client = sent(port, GET);
            assert_eq!(client.response().status, 200);
            client.send("GET / HTTP/1.1\r\nx y\r\n\r\n");
            let _ = client.read_all();
        },
        expect: &[FINE, BAD],
        ..served
    });
    compare(&Case {
        name: "a head that does not come in time",
        act: &|port| {
            ask_all(port, "GET / HT");
            let mut client = sent(port, GET);
            assert_eq!(client.response().status, 200);
            client.send("GET /");
            let _ = client.read_all();
        },
        expect: &[SLOW, FINE, SLOW],
        ..hasty
    });
    compare(&Case {
        name: "a client that leaves in a head, and those that say nothing",
        act: &|port| {
            drop(Client::connect(v6(port)));
            ask_all(port, "");
            drop(sent(port, "GET / HT"));
        },
        expect: &["::1 web web/<NOSRV> -1/-1/-1/-1/t 400 n - - CR-- 1/1/0/0/0 0/0 \"<BADREQ>\"\n"],
        ..hasty
    });
}

#[test]
fn what_is_answered_here_is_told_as_haproxy_tells_it() {
    let kind = kind();
    let served = Case { members: &[kind.address], act: &|port| ask_all(port, LAST), ..PLAIN };
    compare(&Case {
        name: "denied",
        listener: ["http-request deny", "[[proxy.listener.rule]]\ndeny = 403"],
        expect: &["::1 web web/<NOSRV> t/-1/-1/-1/t 403 n - - PR-- 1/1/0/0/0 0/0 \"GET / HTTP/1.0\"\n"],
        ..served
    });
    compare(&Case {
        name: "redirected",
        listener: [
            "http-request redirect location /x",
            "[[proxy.listener.rule]]\nredirect = { to = \"/x\", status = 302 }",
        ],
        expect: &["::1 web web/<NOSRV> t/-1/-1/-1/t 302 n - - LR-- 1/1/0/0/0 0/0 \"GET / HTTP/1.0\"\n"],
        ..served
    });
    compare(&Case {
        name: "answered",
        listener: [
            "http-request return status 200 content-type text/plain string hi",
            "[[proxy.listener.rule]]\nanswer = { status = 200, body = \"hi\" }",
        ],
        expect: &["::1 web web/<NOSRV> t/-1/-1/-1/t 200 n - - LR-- 1/1/0/0/0 0/0 \"GET / HTTP/1.0\"\n"],
        ..served
    });
}

#[test]
fn what_is_answered_here_over_tls_is_for_no_pool_either() {
    let (kind, authority) = (kind(), Authority::new());
    let file = authority.bundle("web", &["web.example"]);
    let listener =
        format!("tls = {{ certificates = [\"{}\"] }}\n[[proxy.listener.rule]]\ndeny = 403", file.display());
    let config = authority.client(None);
    let case = Case {
        members: &[kind.address],
        listener: ["", &listener],
        act: &|port| {
            let mut client = connect(&config, v6(port), "web.example");
            client.write_all(LAST.as_bytes()).expect("it is taken");
            client.read_to_end(&mut Vec::new()).expect("an answer and an end");
        },
        expect: &["::1 web~ web/<NOSRV> t/-1/-1/-1/t 403 n - - PR-- 1/1/0/0/0 0/0 \"GET / HTTP/1.0\"\n"],
        ..PLAIN
    };
    assert_eq!(by_us(&case), case.expect);
}

#[test]
fn members_that_are_not_reached_are_told_as_haproxy_tells_them() {
    let (kind, dead, (full, crowd)) = (kind(), v4(free_port()), crowded());
    assert!(!crowd.is_empty());
    let crowded = full.local_addr().expect("an address").as_socket().expect("of IP");
    let asked = Case { act: &|port| ask_all(port, LAST), ..PLAIN };
    compare(&Case {
        name: "refused",
        members: &[dead],
        pool: ONCE,
        expect: &["::1 web pool/m0 t/t/-1/-1/t 503 n - - SC-- 1/1/0/0/0 0/0 \"GET / HTTP/1.0\"\n"],
        ..asked
    });
    compare(&Case {
        name: "refused again",
        members: &[dead],
        pool: ["retries 2", "check = { kind = \"off\" }\nretries = 2\nredispatch = false"],
        expect: &["::1 web pool/m0 t/t/-1/-1/t 503 n - - SC-- 1/1/0/0/2 0/0 \"GET / HTTP/1.0\"\n"],
        ..asked
    });
    compare(&Case {
        name: "no answer in time",
        members: &[crowded],
        pool: ONCE,
        timeouts: ["timeout connect 100ms\n timeout client 30s\n timeout server 30s", "connect = \"100ms\""],
        expect: &["::1 web pool/m0 t/t/-1/-1/t 503 n - - sC-- 1/1/0/0/0 0/0 \"GET / HTTP/1.0\"\n"],
        ..asked
    });
    compare(&Case {
        name: "another member takes over",
        members: &[dead, kind.address],
        pool: ["option redispatch 1", UNCHECKED],
        expect: &["::1 web pool/m1 t/t/t/t/t 200 n - - ---- 1/1/0/0/+1 0/0 \"GET / HTTP/1.0\"\n"],
        ..asked
    });
    compare(&Case {
        name: "all members are out",
        members: &[kind.address],
        member: ["disabled", "state = \"maintenance\""],
        expect: &["::1 web pool/<NOSRV> t/-1/-1/-1/t 503 n - - SC-- 1/1/0/0/0 0/0 \"GET / HTTP/1.0\"\n"],
        ..asked
    });
    let silent = answering!(b"", hangs);
    compare(&Case {
        name: "no place in time",
        members: &[silent.address],
        member: ["maxconn 1", "max_connections = 1"],
        timeouts: [
            "timeout connect 5s\n timeout client 30s\n timeout server 30s\n timeout queue 100ms",
            "queue = \"100ms\"",
        ],
        act: &|port| {
            let _first = sent(port, GET);
            wait_for("the first to have its place", || (silent.accepted() > 0).then_some(()));
            ask_all(port, LAST);
        },
        expect: &["::1 web pool/<NOSRV> t/t/-1/-1/t 503 n - - sQ-- 2/2/1/0/0 0/1 \"GET / HTTP/1.0\"\n"],
        ..asked
    });
}

#[test]
fn members_that_fail_are_told_as_haproxy_tells_them() {
    let asked = Case {
        act: &|port| ask_all(port, LAST),
        timeouts: [
            "timeout connect 5s\n timeout client 30s\n timeout server 200ms",
            "connect = \"5s\"\nclient = \"30s\"\nserver = \"200ms\"",
        ],
        ..PLAIN
    };
    let check = |name: &'static str, member: Backend, end: &str| {
        let line = format!("::1 web pool/m0 t/t/t/{end} 1/1/0/0/0 0/0 \"GET / HTTP/1.0\"\n");
        compare(&Case { name, members: &[member.address], expect: &[&line], ..asked });
    };
    check("it closes", answering!(b"", closes), "-1/t 502 n - - SH--");
    check("it resets", answering!(b"", resets), "-1/t 502 n - - SH--");
    check("it closes in its head", answering!(b"HTTP/1.1 200 OK\r\nConte", closes), "-1/t 502 n - - SH--");
    check("it is silent", answering!(b"", hangs), "-1/t 504 n - - sH--");
    check("it speaks otherwise", answering!(b"220 mail.example ESMTP\r\n\r\n", hangs), "-1/t 502 n - - PH--");
    check("it closes in its body", answering!(LONG, closes), "t/t 200 n - - SD--");
    check("it resets in its body", answering!(LONG, resets), "t/t 200 n - - SD--");
    check("it is silent in its body", answering!(LONG, hangs), "t/t 200 n - - sD--");
}

#[test]
fn clients_that_leave_are_told_as_haproxy_tells_them() {
    let (stream, silent) = (answering!(LONG, streams), answering!(b"", hangs));
    // They are there until their line has come.
    let held = RefCell::new(Vec::new());
    let post = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000\r\n\r\nab";
    compare(&Case {
        name: "in the response",
        members: &[stream.address],
        act: &|port| {
            let mut client = sent(port, GET);
            client.bytes(100);
            client.reset();
        },
        expect: &["::1 web pool/m0 t/t/t/t/t 200 n - - CD-- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"\n"],
        ..PLAIN
    });
    compare(&Case {
        name: "without taking the response",
        members: &[stream.address],
        timeouts: [
            "timeout connect 5s\n timeout client 200ms\n timeout server 30s",
            "connect = \"5s\"\nclient = \"200ms\"\nserver = \"30s\"",
        ],
        act: &|port| {
            held.borrow_mut().push(sent(port, GET));
        },
        expect: &["::1 web pool/m0 t/t/t/t/t 200 n - - cD-- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"\n"],
        ..PLAIN
    });
    let leaves = |port: u16| {
        let before = silent.heads().len();
        let client = sent(port, post);
        wait_for("the member to be asked", || (silent.heads().len() > before).then_some(()));
        client.reset();
    };
    compare(&Case {
        name: "ahead of the response",
        members: &[silent.address],
        act: &|port| {
            let before = silent.heads().len();
            let client = sent(port, GET);
            wait_for("the member to be asked", || (silent.heads().len() > before).then_some(()));
            client.reset();
        },
        timeouts: [
            "timeout connect 5s\n timeout client 30s\n timeout server 1s",
            "connect = \"5s\"\nclient = \"30s\"\nserver = \"30s\"",
        ],
        expect: &["::1 web pool/m0 t/t/t/-1/t -1 n - - CH-- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"\n"],
        // It sees the reset when it writes.
        theirs: Some(&["::1 web pool/m0 t/t/t/-1/t 504 n - - sH-- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"\n"]),
        ..PLAIN
    });
    compare(&Case {
        name: "in the request",
        members: &[silent.address],
        act: &leaves,
        expect: &["::1 web pool/m0 t/t/t/-1/t -1 n - - CD-- 1/1/0/0/0 0/0 \"POST / HTTP/1.1\"\n"],
        ..PLAIN
    });
}

#[test]
fn tunnels_are_told_as_haproxy_tells_them() {
    let echo = answering!(GRANTED, echoes);
    let granted = Case { members: &[echo.address], ..PLAIN };
    let open = |port: u16| {
        let mut client = sent(port, UPGRADE);
        assert_eq!(client.bare_response().status, 101);
        client.send("ping");
        assert_eq!(client.bytes(4), b"ping");
        client
    };
    let line = |state: &str| {
        format!("::1 web pool/m0 t/t/t/t/t 101 n - - {state} 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"\n")
    };
    compare(&Case {
        name: "both have said all",
        act: &|port| {
            let mut client = open(port);
            client.stream.shutdown(Shutdown::Write).expect("it is open");
            assert!(client.is_closed());
        },
        expect: &[&line("----")],
        ..granted
    });
    compare(&Case {
        name: "the client breaks off",
        act: &|port| open(port).reset(),
        expect: &[&line("CD--")],
        ..granted
    });
    compare(&Case {
        name: "both are silent",
        timeouts: [
            "timeout connect 5s\n timeout client 30s\n timeout server 30s\n timeout tunnel 1s",
            "tunnel = \"1s\"",
        ],
        act: &|port| drop(open(port).read_all()),
        expect: &[&line("cD--")],
        ..granted
    });
    let cutting = answering!(GRANTED, cuts_after_more);
    compare(&Case {
        name: "the member breaks off",
        members: &[cutting.address],
        act: &|port| {
            let mut client = sent(port, UPGRADE);
            assert_eq!(client.bare_response().status, 101);
            client.send("p");
            let _ = client.read_all();
        },
        expect: &[&line("SD--")],
        ..granted
    });
}

#[test]
fn fields_of_ones_own_are_told_as_haproxy_tells_them() {
    let kind = kind();
    let theirs = format!("log-format '{LINE}'");
    let ours = format!("custom:{LINE}");
    compare(&Case {
        name: "a line of one's own",
        members: &[kind.address],
        format: [&theirs, &ours],
        act: &|port| {
            let mut client = Client::connect(v6(port));
            client.send("GET /a?b=c HTTP/1.1\r\nHost: a.example\r\n\r\n");
            assert_eq!(client.response().status, 200);
        },
        expect: &[concat!(
            "[0/Nov/0:0:0:0.0] 0/Nov/0:0:0:0.0 x 0 \"::0\" \"::0\" \"0.0.0.0\" \"0.0.0.0\" -- ---- ",
            "\"web\" \"web\" \"pool\" \"m0\" \"GET\" \"/a\" \"?b=c\" \"/a?b=c\" \"HTTP/0.0\" GET /a?b=c HTTP/0.0 ",
            "0 \"\" - 0 0/0 0%\n"
        )],
        ..PLAIN
    });
}

#[test]
fn requests_of_http2_are_told_as_haproxy_tells_them() {
    let Some(curl) = find("curl") else { return };
    let kind = kind();
    compare(&Case {
        name: "http2",
        members: &[kind.address],
        act: &|port| {
            let url = format!("http://{}/a?b=c", v6(port));
            let output = Command::new(&curl)
                .args(["-s", "-g", "--http2-prior-knowledge", "-H", "Host: a.example", &url])
                .output();
            assert_eq!(output.expect("curl runs").stdout, b"hello");
        },
        expect: &[
            "::1 web pool/m0 t/t/t/t/t 200 n - - ---- 1/1/0/0/0 0/0 \"GET http://a.example/a?b=c HTTP/2.0\"\n",
        ],
        ..PLAIN
    });
}

#[test]
fn targets_that_only_http2_has_are_told_as_haproxy_tells_them() {
    let kind = kind();
    let ask = |stream: &mut TcpStream, number: u32, fields: &[(&str, &str)]| {
        let block: Vec<u8> =
            fields.iter().flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes())).collect();
        stream.write_all(&frame(HEADERS, END_HEADERS, number, &block)).expect("it is taken");
        assert_eq!(fate(stream, number), Fate::Answered(0));
    };
    compare(&Case {
        name: "http2 targets",
        members: &[kind.address],
        listener: ["http-request deny", "[[proxy.listener.rule]]\ndeny = 403"],
        act: &|port| {
            let mut stream = open(port);
            let host = [(":scheme", "http"), (":authority", "a.example")];
            ask(&mut stream, 1, &[(":method", "OPTIONS"), host[0], host[1], (":path", "*")]);
            let shake = [(":method", "CONNECT"), (":protocol", "websocket")];
            ask(&mut stream, 3, &[shake[0], shake[1], host[0], host[1], (":path", "/chat")]);
        },
        expect: &[
            "::1 web web/<NOSRV> t/-1/-1/-1/t 403 n - - PR-- 1/1/0/0/0 0/0 \"OPTIONS http://a.example HTTP/2.0\"\n",
            "::1 web web/<NOSRV> t/-1/-1/-1/t 403 n - - PR-- 1/1/0/0/0 0/0 \"GET http://a.example/chat HTTP/2.0\"\n",
        ],
        ..PLAIN
    });
}

#[test]
fn flows_of_datagrams_have_a_line_when_they_end() {
    let member = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    member.set_read_timeout(Some(PATIENCE)).expect("a socket of ours");
    for (format, expect) in [
        ("tcplog", "web pool/m0 t/t/t 8 -- 0/1/0/0/0 0/0\n"),
        ("httplog", "web pool/m0 t/t/t 8 -- 0/1/0/0/0 0/0\n"),
    ] {
        let (receiver, port) = (Receiver::new(), free_port());
        let log = format!(
            "workers = 1\nlog = {{ format = '{format}', to = \"udp://{}\", tag = \"haproxy\" }}",
            receiver.address()
        );
        let config = Config::new(&log)
            .timeouts("udp = \"100ms\"")
            .listener("web", "udp", port, "pool", "")
            .pool("pool", UNCHECKED, &[member.local_addr().expect("an address")]);
        let _gateway = Gateway::start(&config);
        let client = UdpSocket::bind("[::1]:0").expect("a socket");
        client.set_read_timeout(Some(PATIENCE)).expect("a socket of ours");
        client.send_to(b"ping", v6(port)).expect("it is sent");
        let mut buffer = [0; 100];
        let (_, from) = member.recv_from(&mut buffer).expect("it comes");
        member.send_to(b"pongpong", from).expect("it is sent");
        assert_eq!(client.recv(&mut buffer).expect("it comes"), 8);
        let line = plain(&receiver.next());
        assert_eq!(line.split_once(' ').map(|(_, rest)| rest), Some(expect), "{format} {line}");
    }
}

#[test]
fn requests_are_objects() {
    let (kind, receiver, port) = (kind(), Receiver::new(), free_port());
    let log = format!("workers = 1\nlog = {{ format = \"json\", to = \"udp://{}\" }}", receiver.address());
    let config =
        Config::new(&log).listener("web", "http", port, "pool", "").pool("pool", UNCHECKED, &[kind.address]);
    let gateway = Gateway::start(&config);
    assert_eq!(Client::connect(v6(port)).get("/a?b=c").status, 200);
    let line = receiver.next();
    let (_, object) = line.split_once("]: ").expect("an envelope");
    let object: serde_json::Value = serde_json::from_str(object).expect("JSON");
    for (key, expect) in [
        ("client", "::1"),
        ("listener", "web"),
        ("pool", "pool"),
        ("member", "m0"),
        ("method", "GET"),
        ("target", "/a?b=c"),
        ("version", "HTTP/1.1"),
        ("state", "--"),
        ("cookie_state", "--"),
    ] {
        assert_eq!(object[key], expect, "{line}");
    }
    assert_eq!(object["status"], 200, "{line}");
    gateway.counts("request_seconds_count{listener=\"web\"}", 1);
    gateway.counts("pool_response_seconds_count{pool=\"pool\"}", 1);
}
