//! Pools by the name that a client asks for in TLS.

use crate::backend::Backend;
use crate::certificate::{Authority, connect};
use crate::client::Client;
use crate::foreign::{HAPROXY, Program, find, nginx as nginx_file};
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::Command;

const NAMES: &str = "[[proxy.listener.sni]]\nnames = [\"a.example\", \"*.b.example\"]\npool = \"named\"";

/// Sends back all that came, and then its name.
fn named(name: &'static str) -> Backend {
    Backend::new(name, |seen, mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        stream.write_all(&all)?;
        stream.write_all(seen.name.as_bytes())?;
        stream.shutdown(Shutdown::Write)
    })
}

fn config(port: u16, lines: &str, usual: &Backend, named: &Backend) -> Config {
    Config::new("")
        .listener("raw", "tcp", port, "usual", lines)
        .pool("usual", UNCHECKED, &[usual.address])
        .pool("named", UNCHECKED, &[named.address])
}

/// The first octets of a client that asks for `name`.
fn hello(authority: &Authority, name: &str) -> Vec<u8> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(authority.client(None), name).unwrap();
    let mut octets = Vec::new();
    client.write_tls(&mut octets).unwrap();
    octets
}

#[test]
fn octets_go_untouched_to_the_pool_of_the_name() {
    let (authority, usual, other) = (Authority::new(), named("usual"), named("named"));
    let port = free_port();
    let gateway = Gateway::start(&config(port, NAMES, &usual, &other));
    let check = |octets: &[u8], expect: &str| {
        // In two parts and behind them what a client may say at once.
        let mut client = Client::connect(v6(port));
        let (one, two) = octets.split_at(octets.len() / 2);
        client.send(one);
        client.send([two, b"and more"].concat());
        client.stream.shutdown(Shutdown::Write).unwrap();
        let all = client.read_all().unwrap();
        assert_eq!(all, [octets, b"and more", expect.as_bytes()].concat(), "{expect}");
    };
    check(&hello(&authority, "a.example"), "named");
    check(&hello(&authority, "x.y.b.example"), "named");
    check(&hello(&authority, "b.example"), "usual");
    // An address is no name, so the client sends none.
    check(&hello(&authority, "192.0.2.1"), "usual");
    check(b"SSH-2.0-client\r\n", "usual");
    let sent: usize = ["a.example", "x.y.b.example", "b.example", "192.0.2.1"]
        .iter()
        .map(|name| hello(&authority, name).len() + b"and more".len())
        .sum();
    let bytes = sent + b"SSH-2.0-client\r\nand more".len();
    gateway.counts("bytes_total{listener=\"raw\",direction=\"received\"}", bytes as u64);
    let status = gateway.succeeds(&["status"]);
    assert!(status.contains("usual named"), "all pools of the listener: {status}");
}

#[test]
fn a_malformed_or_late_hello_is_counted_and_no_member_hears_of_it() {
    let (authority, usual, other) = (Authority::new(), named("usual"), named("named"));
    let port = free_port();
    let lines = format!("timeout = {{ handshake = \"1s\" }}\n{NAMES}");
    let gateway = Gateway::start(&config(port, &lines, &usual, &other));
    let mut octets = hello(&authority, "a.example");
    let mut late = Client::connect(v6(port));
    late.send(&octets[..octets.len() - 1]);
    assert!(late.is_closed());
    gateway.counts("failures_total{listener=\"raw\",reason=\"slow_handshake\"}", 1);
    // The length of the session id, behind the headers, the version and the random: longer than one may be.
    octets[5 + 4 + 2 + 32] = 33;
    let mut broken = Client::connect(v6(port));
    broken.send(&octets);
    assert!(broken.is_closed());
    gateway.counts("failures_total{listener=\"raw\",reason=\"tls_malformed\"}", 1);
    let gone = Client::connect(v6(port));
    drop(gone);
    gateway.counts("failures_total{listener=\"raw\",reason=\"client_gone\"}", 1);
    assert_eq!((usual.accepted(), other.accepted()), (0, 0));
}

#[test]
fn names_choose_where_tls_ends_here_too() {
    let (authority, usual, other) = (Authority::new(), named("usual"), named("named"));
    let bundle = authority.bundle("web", &["a.example", "x.example"]);
    let port = free_port();
    let lines = format!("tls = {{ certificates = [\"{}\"] }}\n{NAMES}", bundle.display());
    let gateway = Gateway::start(&config(port, &lines, &usual, &other));
    let ask = |name: &str| {
        let mut stream = connect(&authority.client(None), v6(port), name);
        stream.write_all(b"hello ").unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).unwrap();
        got
    };
    assert_eq!((ask("A.example").as_str(), ask("x.example").as_str()), ("hello named", "hello usual"));
    // The names change with the file.
    gateway.change(&config(
        port,
        &lines.replace("a.example", "x.example").replace("[\"a", "[\"x"),
        &usual,
        &other,
    ));
    assert_eq!((ask("a.example").as_str(), ask("x.example").as_str()), ("hello usual", "hello named"));
}

#[test]
fn curl_speaks_through_us_with_haproxy_or_nginx_by_name() {
    let Some(curl) = find("curl") else { return };
    let authority = Authority::new();
    let (one, two) = (authority.bundle("one", &["a.example"]), authority.bundle("two", &["c.example"]));
    let (haproxy, nginx, ours) = (free_port(), free_port(), free_port());
    let file = format!(
        "{HAPROXY}listen in\n mode http\n bind 127.0.0.1:{haproxy} ssl crt {} alpn h2,http/1.1\n \
         http-request return status 200 content-type text/plain string haproxy\n",
        one.display()
    );
    let Some(_haproxy) = Program::start("haproxy", &file, haproxy) else { return };
    let two = two.display();
    let file = nginx_file(&format!(
        "listen 127.0.0.1:{nginx} ssl http2; ssl_certificate {two}; ssl_certificate_key {two}; \
         location / {{ return 200 nginx; }}"
    ));
    let Some(_nginx) = Program::start("nginx", &file, nginx) else { return };
    let config = Config::new("")
        .listener("raw", "tcp", ours, "usual", NAMES)
        .pool("usual", UNCHECKED, &[v4(nginx)])
        .pool("named", UNCHECKED, &[v4(haproxy)]);
    let _gateway = Gateway::start(&config);
    for (name, expect) in [("a.example", "haproxy 2"), ("c.example", "nginx 2")] {
        let output = Command::new(&curl)
            .args(["--silent", "--show-error", "--fail", "--http2", "--write-out", " %{http_version}"])
            .args(["--cacert", authority.file().to_str().unwrap()])
            .args(["--resolve", &format!("{name}:{ours}:[::1]")])
            .arg(format!("https://{name}:{ours}/"))
            .output()
            .expect("curl runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expect, "{name}: {error}");
    }
}
