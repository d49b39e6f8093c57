//! TLS that ends at the listener.

use crate::backend::{Backend, field, noise};
use crate::certificate::{Authority, Secured, connect, shown};
use crate::client::Client;
use crate::foreign::{HAPROXY, Program, find};
use crate::gateway::{Config, Gateway, QUICK, UNCHECKED, free_port, v4, v6, wait_for};
use crate::versions::{Asked, Version, Way, secured};
use proxy::proxy_protocol;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// The lines of a listener with these bundles, and more in the table.
fn tls(files: &[&Path], more: &str) -> String {
    let files: Vec<_> = files.iter().map(|file| format!("\"{}\"", file.display())).collect();
    format!("tls = {{ certificates = [{}]{more} }}", files.join(", "))
}

/// A tcp or http listener over TLS in front of one member.
fn one(mode: &str, lines: &str, backend: &Backend) -> (Gateway, u16) {
    let port = free_port();
    let config =
        Config::new("").listener("web", mode, port, "web", lines).pool("web", UNCHECKED, &[backend.address]);
    (Gateway::start(&config), port)
}

/// Sends all, says so, and returns what comes back.
fn exchange(mut stream: Secured, sent: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(sent)?;
    stream.conn.send_close_notify();
    stream.flush()?;
    let mut got = Vec::new();
    stream.read_to_end(&mut got)?;
    Ok(got)
}

/// What a program of OpenSSL says of a connection, with nothing on its standard input.
fn s_client(port: u16, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new(find("openssl")?);
    command.args(["s_client", "-connect", &v4(port).to_string(), "-verify_return_error", "-brief"]);
    Some(command.args(arguments).stdin(Stdio::null()).output().expect("openssl runs"))
}

fn failures(reason: &str) -> String {
    format!("failures_total{{listener=\"web\",reason=\"{reason}\"}}")
}

fn handshakes(kind: &str) -> String {
    format!("tls_handshakes_total{{listener=\"web\",kind=\"{kind}\"}}")
}

#[test]
fn bytes_pass_both_ways_after_the_client_has_said_all() {
    let (authority, backend) = (Authority::new(), Backend::echo_after_end());
    let (gateway, port) = one("tcp", &tls(&[&authority.bundle("web", &["web.example"])], ""), &backend);
    let sent = noise((4 << 20) + 13);
    let config = authority.client(None);
    for address in [v6(port), v4(port)] {
        let got = exchange(connect(&config, address, "web.example"), &sent).unwrap();
        assert!(got == sent, "the answer is what was sent");
    }
    let bytes = 2 * sent.len() as u64;
    for direction in ["received", "sent"] {
        gateway.counts(&format!("bytes_total{{listener=\"web\",direction=\"{direction}\"}}"), bytes);
    }
    gateway.counts("connections_open{listener=\"web\"}", 0);
}

#[test]
fn a_client_that_takes_nothing_for_a_while_gets_all_in_the_end() {
    let (authority, backend) = (Authority::new(), Backend::http("a"));
    let (_gateway, port) = one("http", &tls(&[&authority.bundle("web", &["web.example"])], ""), &backend);
    let mut stream = connect(&authority.client(None), v6(port), "web.example");
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    // The member has sent it all before the first byte is read here: five megabytes fill every buffer on the way.
    wait_for("the request to arrive", || (!backend.heads().is_empty()).then_some(()));
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got.ends_with(&noise(5 << 20)));
}

#[test]
fn an_end_without_the_word_of_tls_is_the_end_of_what_a_client_says() {
    let (authority, backend) = (
        Authority::new(),
        Backend::new("all", |seen, mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all)?;
            seen.body_bytes.store(all.len(), Ordering::SeqCst);
            Ok(())
        }),
    );
    let (gateway, port) = one("tcp", &tls(&[&authority.bundle("web", &["web.example"])], ""), &backend);
    let mut stream = connect(&authority.client(None), v6(port), "web.example");
    stream.write_all(b"all").unwrap();
    stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
    wait_for("the member to have it all", || {
        (backend.seen.body_bytes.load(Ordering::SeqCst) == 3).then_some(())
    });
    gateway.counts("connections_open{listener=\"web\"}", 0);
    assert_eq!(gateway.metric(&failures("client_gone")), 0);
}

#[test]
fn curl_gets_pages_over_tls() {
    let Some(curl) = find("curl") else { return };
    let (authority, backend) = (Authority::new(), Backend::http("a"));
    let (gateway, port) = one("http", &tls(&[&authority.bundle("web", &["web.example"])], ""), &backend);
    for version in ["--tlsv1.2", "--tlsv1.3"] {
        let output = Command::new(&curl)
            .args(["--silent", "--show-error", "--fail", "--http2", "--tls-max", &version[6..], version])
            .args(["--cacert", authority.file().to_str().unwrap(), "--write-out", " %{http_version}"])
            .args(["--resolve", &format!("web.example:{port}:[::1]")])
            .arg(format!("https://web.example:{port}/"))
            .arg(format!("https://web.example:{port}/"))
            .output()
            .expect("curl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "a 2a 2", "{version}");
    }
    assert_eq!(gateway.metric(&handshakes("full")), 2, "both pages of each run come over one connection");
    assert_eq!(gateway.metric("requests_total{listener=\"web\",class=\"2xx\"}"), 4);
}

#[test]
fn openssl_gets_the_certificate_of_the_name_it_asks_for() {
    let (authority, backend) = (Authority::new(), Backend::echo());
    let (one_file, two_file) =
        (authority.bundle("one", &["one.example"]), authority.bundle("two", &["*.two.example"]));
    let (_gateway, port) = one("tcp", &tls(&[&one_file, &two_file], ""), &backend);
    let ca = authority.file();
    for (name, expect) in
        [("one.example", "CN = one"), ("a.two.example", "CN = two"), ("x.example", "CN = one")]
    {
        let Some(output) = s_client(port, &["-CAfile", ca.to_str().unwrap(), "-servername", name]) else {
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.contains(expect) && said.contains("TLSv1.3"),
            "{name}: {said}"
        );
    }
}

#[test]
fn clients_without_a_valid_certificate_are_turned_away_where_one_is_required() {
    let (authority, other, backend) = (Authority::new(), Authority::new(), Backend::echo_after_end());
    let bundle = authority.bundle("web", &["web.example"]);
    let port = free_port();
    let config = |auth: &str| {
        let more = format!(", client_ca = \"{}\", client_auth = \"{auth}\"", authority.file().display());
        let lines = tls(&[&bundle], &more);
        Config::new("").listener("web", "tcp", port, "web", &lines).pool("web", UNCHECKED, &[backend.address])
    };
    let gateway = Gateway::start(&config("required"));
    let (good, bad) =
        (authority.issue("client", &["client.example"]), other.issue("client", &["client.example"]));
    let is_served = |shown: Option<&str>| {
        exchange(connect(&authority.client(shown), v6(port), "web.example"), b"hello")
            .is_ok_and(|got| got == b"hello")
    };
    assert!(is_served(Some(&good)));
    assert!(!is_served(None));
    assert!(!is_served(Some(&bad)));
    gateway.counts(&failures("tls_client_certificate"), 2);
    gateway.change(&config("optional"));
    assert!(is_served(Some(&good)) && is_served(None) && !is_served(Some(&bad)));
    gateway.counts(&failures("tls_client_certificate"), 3);
    gateway.change(&config("off"));
    assert!(is_served(Some(&bad)), "nobody is asked");
}

#[test]
fn sessions_resume_where_they_began_and_nowhere_else() {
    let (authority, backend) = (Authority::new(), Backend::echo_after_end());
    let bundle = authority.bundle("web", &["web.example"]);
    let (ours, strict) = (free_port(), free_port());
    let lines = tls(&[&bundle], "");
    let asking = tls(&[&bundle], &format!(", client_ca = \"{}\"", authority.file().display()));
    let config = Config::new("")
        .listener("web", "tcp", ours, "web", &lines)
        .listener("strict", "tcp", strict, "web", &asking)
        .pool("web", UNCHECKED, &[backend.address]);
    let gateway = Gateway::start(&config);
    // The client remembers sessions by the name of the server alone.
    let client = authority.client(None);
    let served = |port| exchange(connect(&client, v6(port), "web.example"), b"hello").is_ok();
    assert!(served(ours) && served(ours));
    gateway.counts(&handshakes("full"), 1);
    gateway.counts(&handshakes("resumed"), 1);
    assert!(!served(strict), "a session of a listener that asks for no certificate is worth nothing here");
    // A reload that changes something else keeps the keys of sessions.
    gateway.change(&config.timeouts("server = \"49s\""));
    assert!(served(ours));
    gateway.counts(&handshakes("resumed"), 2);
}

#[test]
fn old_versions_are_refused_where_the_listener_says_so() {
    let (authority, backend) = (Authority::new(), Backend::echo());
    let bundle = authority.bundle("web", &["web.example"]);
    let (gateway, port) = one("tcp", &tls(&[&bundle], ", min_version = \"1.3\""), &backend);
    let ca = authority.file();
    let Some(output) = s_client(port, &["-CAfile", ca.to_str().unwrap(), "-tls1_2"]) else { return };
    assert!(!output.status.success());
    gateway.counts(&failures("tls_incompatible"), 1);
    let output = s_client(port, &["-CAfile", ca.to_str().unwrap(), "-alpn", "h2"]).expect("it was there");
    assert!(output.status.success(), "without alpn of our own the client's does not matter");
}

#[test]
fn what_is_no_handshake_is_counted_by_reason() {
    let (authority, backend) = (Authority::new(), Backend::echo());
    let lines = tls(&[&authority.bundle("web", &["web.example"])], "") + "\ntimeout = { handshake = \"1s\" }";
    let (gateway, port) = one("tcp", &lines, &backend);
    let mut plain = Client::connect(v6(port));
    plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // An alert, and the end.
    assert_eq!(plain.read_all().unwrap()[0], 21);
    gateway.counts(&failures("tls_malformed"), 1);
    let mut silent = Client::connect(v6(port));
    assert!(silent.is_closed());
    gateway.counts(&failures("slow_handshake"), 1);
    let stranger = Authority::new().client(None);
    assert!(exchange(connect(&stranger, v6(port), "web.example"), b"hello").is_err());
    gateway.counts(&failures("tls_alert"), 1);
    drop(Client::connect(v6(port)));
    gateway.counts(&failures("client_gone"), 1);
    assert_eq!(backend.accepted(), 0, "no member hears of any of them");
}

#[test]
fn a_certificate_is_replaced_under_load_and_open_connections_go_on() {
    let (authority, backend) = (Authority::new(), Backend::echo());
    let bundle = authority.bundle("web", &["web.example"]);
    let port = free_port();
    let config = Config::new("").listener("web", "tcp", port, "web", &tls(&[&bundle], "")).pool(
        "web",
        QUICK,
        &[backend.address],
    );
    let gateway = Gateway::start(&config);
    let client = authority.client(None);
    let ask = |stream: &mut Secured| {
        let mut answer = [0; 5];
        stream.write_all(b"hello").and_then(|()| stream.read_exact(&mut answer)).map(|()| answer)
    };
    let mut open = connect(&client, v6(port), "web.example");
    assert_eq!(&ask(&mut open).unwrap(), b"hello");
    let first = shown(&open);
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let mut stream = connect(&authority.client(None), v6(port), "web.example");
                    assert_eq!(&ask(&mut stream).expect("none fails"), b"hello");
                    served.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for _ in 0..5 {
            let before = served.load(Ordering::SeqCst);
            wait_for("some load", || (served.load(Ordering::SeqCst) > before + 5).then_some(()));
            authority.bundle("web", &["web.example"]);
            let (status, body) = gateway.reload(&config);
            assert!(status == 200 && body.contains("web.pem has another certificate"), "{body}");
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert_eq!(&ask(&mut open).unwrap(), b"hello", "the old connection goes on");
    let mut new = connect(&authority.client(None), v6(port), "web.example");
    ask(&mut new).unwrap();
    assert_ne!(shown(&new), first);
}

#[test]
fn a_bad_file_is_refused_with_its_place_and_the_old_one_serves_on() {
    let (authority, backend) = (Authority::new(), Backend::echo_after_end());
    let bundle = authority.bundle("web", &["web.example"]);
    let port = free_port();
    let lines = tls(
        &[&bundle],
        &format!(", client_ca = \"{}\", client_auth = \"optional\"", authority.file().display()),
    );
    let config = Config::new("").listener("web", "tcp", port, "web", &lines).pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    let gateway = Gateway::start(&config);
    let client = authority.client(None);
    let good = std::fs::read(&bundle).unwrap();
    std::fs::write(&bundle, "nothing of worth").unwrap();
    let (status, body) = gateway.reload(&config);
    assert!(status != 200 && body.contains("web.pem: holds no certificate"), "{body}");
    assert!(body.contains("chain"), "a remedy: {body}");
    std::fs::write(&bundle, good).unwrap();
    std::fs::write(authority.file(), "nothing of worth").unwrap();
    let (status, body) = gateway.reload(&config);
    assert!(status != 200 && body.contains("ca.pem: holds no certificate"), "{body}");
    assert_eq!(exchange(connect(&client, v6(port), "web.example"), b"hello").unwrap(), b"hello");
}

#[test]
fn members_are_told_of_the_clients_tls() {
    let authority = Authority::new();
    // Sends back the header it got, and ends.
    let backend = Backend::new("told", |_, mut stream| {
        let mut octets = Vec::new();
        let mut part = [0; 1024];
        while !matches!(proxy_protocol::parse(&octets), Ok(Some(_))) {
            let count = stream.read(&mut part)?;
            octets.extend_from_slice(&part[..count]);
        }
        stream.write_all(&octets)
    });
    let more = format!(
        ", alpn = [\"x/1\"], client_ca = \"{}\", client_auth = \"optional\"",
        authority.file().display()
    );
    let port = free_port();
    let config = Config::new("")
        .listener("web", "tcp", port, "web", &tls(&[&authority.bundle("web", &["web.example"])], &more))
        .pool("web", &format!("{UNCHECKED}\nproxy_protocol = \"v2\""), &[backend.address]);
    let _gateway = Gateway::start(&config);
    let bundle = authority.issue("Client A", &["client.example"]);
    let mut client = (*authority.client(Some(&bundle))).clone();
    client.alpn_protocols = vec![b"x/1".to_vec()];
    let client = std::sync::Arc::new(client);
    for resumed in [false, true] {
        let mut stream = connect(&client, v6(port), "web.example");
        let mut told = Vec::new();
        stream.flush().unwrap();
        stream.read_to_end(&mut told).unwrap();
        let (header, _) = proxy_protocol::parse(&told).unwrap().expect("a whole header");
        let ssl = header.facts.ssl.expect("the facts of TLS");
        assert_eq!(header.facts.authority, Some("web.example"));
        assert_eq!(header.facts.alpn, Some(&b"x/1"[..]));
        assert_eq!((ssl.encrypted, ssl.verify, ssl.common_name), (true, 0, Some("Client A")));
        assert_eq!((ssl.cert_on_connection, ssl.cert_on_session), (!resumed, true));
        assert_eq!(ssl.version, Some("TLSv1.3"));
        assert!(ssl.cipher.is_some_and(|cipher| cipher.starts_with("TLS_")), "{ssl:?}");
    }
}

#[test]
fn haproxy_reads_what_we_tell_of_tls() {
    let (authority, theirs) = (Authority::new(), free_port());
    let file = format!(
        "{HAPROXY}listen in\n mode http\n bind 127.0.0.1:{theirs} accept-proxy\n \
         http-request return status 200 content-type text/plain lf-string \"%[fc_pp_authority] %[src]\"\n"
    );
    let Some(_haproxy) = Program::start("haproxy", &file, theirs) else { return };
    let port = free_port();
    let config = Config::new("")
        .listener("web", "http", port, "web", &tls(&[&authority.bundle("web", &["web.example"])], ""))
        .pool("web", &format!("{UNCHECKED}\nproxy_protocol = \"v2\""), &[v4(theirs)]);
    let _gateway = Gateway::start(&config);
    let mut stream = connect(&authority.client(None), v4(port), "web.example");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut got = String::new();
    stream.read_to_string(&mut got).unwrap();
    assert!(got.ends_with("web.example 127.0.0.1"), "{got}");
}

#[test]
fn requests_over_tls_tell_of_the_certificate_and_browsers_of_tls() {
    let authority = Authority::new();
    let bundle = authority.bundle("web", &["web.example"]);
    let issued = authority.issue("client", &["client.example"]);
    let more = format!(", client_ca = \"{}\", client_auth = \"optional\"", authority.file().display());
    let lines = tls(&[&bundle], &more);
    let keys =
        "hsts = { max_age = \"365d\", subdomains = true, preload = true }\nclient_certificate_headers = true";
    let hsts = Some("max-age=31536000; includeSubDomains; preload");
    Way::each(|way| {
        let (backend, port) = (way.member("a"), free_port());
        let config = |keys: &str| way.config(port, &format!("{keys}\n{lines}"), &backend);
        let gateway = Gateway::start(&config(keys));
        let seen = |shown: Option<&str>, method: &str| {
            let forged = "X-SSL-Client-CN: forged\r\nX_SSL_Client_DN: forged\r\nClient-Cert: forged\r\n";
            let asked = Asked { method, host: "web.example", ..Asked::get("/head", forged) };
            secured(way.front, &authority.client(shown), v6(port), "web.example", &asked)
        };
        let with = seen(Some(&issued), "GET");
        assert_eq!(with.field("strict-transport-security"), hsts);
        for (name, expect) in
            [("x-ssl-client-cn", "client"), ("x-ssl-client-has-cert", "1"), ("x-forwarded-proto", "https")]
        {
            assert_eq!(field(&with.text(), name), Some(expect), "{name}: {}", with.text());
        }
        let certificate = with.text().to_ascii_lowercase().contains("\r\nclient-cert: :");
        assert!(certificate, "{}", with.text());
        let without = seen(None, "GET").text().to_ascii_lowercase();
        assert!(without.contains("x-ssl-client-has-cert: 0") && !without.contains("client-cn"), "{without}");
        assert!(!with.text().contains("forged") && !without.contains("forged"), "{without}");
        let own = seen(None, "TRACE");
        assert_eq!((own.status, own.field("strict-transport-security")), (501, hsts), "our own say it too");
        if way.front == Version::One {
            let bad = Asked { host: "web.example", ..Asked::get("/", "no colon\r\n") };
            let refused = secured(way.front, &authority.client(None), v6(port), "web.example", &bad);
            assert_eq!((refused.status, refused.field("strict-transport-security")), (400, hsts));
            let told = ["date", "connection"].map(|name| refused.field(name).is_some());
            assert_eq!(told, [true, true], "{}", refused.head);
        }
        gateway.change(&config(""));
        let off = seen(Some(&issued), "GET");
        assert_eq!(off.field("strict-transport-security"), None);
        assert!(!off.text().contains("has-cert"), "{}", off.text());
    });
}
