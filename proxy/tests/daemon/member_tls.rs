//! Members that are spoken to over TLS, by clients' connections and by checks.

use crate::backend::{Backend, noise};
use crate::certificate::Authority;
use crate::checks::sight;
use crate::client::Client;
use crate::foreign::{HAPROXY, Program, find, nginx};
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6, wait_for};
use std::net::Shutdown;
use std::path::Path;
use std::process::{Command, Stdio};

const NAME: &str = "web.example";

/// The lines of a pool that trusts this issuer, with more in the table.
fn tls(ca: &Path, more: &str) -> String {
    format!("tls = {{ ca = \"{}\"{more} }}", ca.display())
}

const NAMED: &str = ", server_name = \"web.example\"";

/// A listener in front of one member at this port of IPv4.
fn before(mode: &str, ours: u16, lines: &str, member: u16) -> Config {
    Config::new("").listener("web", mode, ours, "web", "").pool("web", lines, &[v4(member)])
}

/// A member of tcp mode that speaks TLS: another proxy, in front of this server.
fn encrypted(authority: &Authority, name: &str, backend: &Backend) -> (Gateway, u16) {
    let port = free_port();
    let lines = format!("tls = {{ certificates = [\"{}\"] }}", authority.bundle("web", &[name]).display());
    let config = Config::new("").listener("tls", "tcp", port, "web", &lines).pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    (Gateway::start(&config), port)
}

/// nginx with a certificate for [`NAME`], which answers with these words.
fn encrypted_nginx(authority: &Authority, port: u16, listen: &str, words: &str) -> Option<Program> {
    let bundle = authority.bundle("nginx", &[NAME]);
    let (bundle, ca) = (bundle.display(), authority.file());
    let file = nginx(&format!(
        "listen 127.0.0.1:{port} ssl {listen}; ssl_certificate {bundle}; ssl_certificate_key {bundle}; \
         ssl_client_certificate {}; ssl_verify_client optional; ssl_session_cache shared:a:1m; ssl_protocols TLSv1.2 TLSv1.3; \
         location / {{ return 200 \"{words}\"; }}",
        ca.display()
    ));
    Program::start("nginx", &file, port)
}

#[test]
fn bytes_pass_both_ways_over_tls_to_a_member() {
    let (authority, backend, ours) = (Authority::new(), Backend::echo_after_end(), free_port());
    // Without a name the address of the member is what its certificate must hold for.
    for (holds_for, more) in [(NAME, NAMED), ("127.0.0.1", "")] {
        let (_member, port) = encrypted(&authority, holds_for, &backend);
        let lines = format!("{UNCHECKED}\n{}", tls(&authority.file(), more));
        let _gateway = Gateway::start(&before("tcp", ours, &lines, port));
        let sent = noise((4 << 20) + 13);
        let mut client = Client::connect(v6(ours));
        let mut writer = client.stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::io::Write::write_all(&mut writer, &sent).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            assert!(client.read_all().unwrap() == sent, "the answer is what was sent");
        });
    }
}

#[test]
fn a_member_that_wants_a_certificate_is_heard() {
    let (authority, backend, ours, port) =
        (Authority::new(), Backend::echo_after_end(), free_port(), free_port());
    let certificates = authority.bundle("web", &[NAME]);
    let lines = format!(
        "tls = {{ certificates = [\"{}\"], client_ca = \"{}\", client_auth = \"required\", min_version = \"1.3\" }}",
        certificates.display(),
        authority.file().display()
    );
    let member = Config::new("").listener("tls", "tcp", port, "web", &lines);
    let _member = Gateway::start(&member.pool("web", UNCHECKED, &[backend.address]));
    let lines = format!("{UNCHECKED}\n{}", tls(&authority.file(), NAMED));
    let gateway = Gateway::start(&before("tcp", ours, &lines, port));
    let mut client = Client::connect(v6(ours));
    assert!(client.read_all().is_err(), "it is reset");
    let line = wait_for("a warning", || {
        gateway.log().lines().find(|line| line.contains("member breaks off")).map(str::to_owned)
    });
    let parts = ["WARN", "listener=\"web\"", "CertificateRequired", "proxy.pool.tls.certificate"];
    assert!(parts.iter().all(|part| line.contains(part)), "{line}");
}

#[test]
fn requests_reuse_a_connection_until_the_way_of_speaking_changes() {
    let (authority, ours, port) = (Authority::new(), free_port(), free_port());
    let words = "$ssl_server_name $ssl_protocol $ssl_client_verify $connection";
    let Some(_nginx) = encrypted_nginx(&authority, port, "", words) else { return };
    let config = |more: &str, other: &str| {
        before("http", ours, &format!("{UNCHECKED}\n{other}\n{}", tls(&authority.file(), more)), port)
    };
    let gateway = Gateway::start(&config(NAMED, ""));
    let mut client = Client::connect(v6(ours));
    let mut get = || client.get("/").text();
    let first = get();
    assert!(first.starts_with("web.example TLSv1.3 NONE "), "{first}");
    assert_eq!([get(), get()], [first.clone(), first.clone()], "one connection for all");
    gateway.change(&config(NAMED, "max_queue = 7"));
    assert_eq!(get(), first, "another change leaves it");

    let bundle = authority.bundle("client", &["client.example"]);
    let shows = format!("{NAMED}, certificate = \"{}\"", bundle.display());
    gateway.change(&config(&shows, ""));
    let second = get();
    assert!(second.starts_with("web.example TLSv1.3 SUCCESS "), "{second}");
    assert_eq!(get(), second);
    // The same file with another certificate in it is read with the next reload.
    authority.bundle("client", &["client.example"]);
    gateway.change(&config(&shows, ""));
    let third = get();
    assert!(third != second && third.starts_with("web.example TLSv1.3 SUCCESS "), "{third}");
    assert!(gateway.log().contains("client.pem has another certificate"), "{}", gateway.log());
}

#[test]
fn a_header_goes_ahead_of_tls_and_sessions_resume_behind_it() {
    let (authority, ours, port) = (Authority::new(), free_port(), free_port());
    let words = "$proxy_protocol_addr $ssl_session_reused";
    let Some(_nginx) = encrypted_nginx(&authority, port, "proxy_protocol", words) else { return };
    let lines = format!(
        "proxy_protocol = \"v2\"\n{}\n[proxy.pool.check]\nkind = \"http\"\nrise = 1\nfall = 1",
        tls(&authority.file(), NAMED)
    );
    let gateway = Gateway::start(&before("http", ours, &lines, port));
    assert_eq!((gateway.state("web", "m0").as_str(), sight(&gateway).as_str()), ("up", "200 OK"));
    // Each request has a connection of its own, since the header names its client.
    let answers: Vec<_> = (0..6).map(|_| Client::connect(v6(ours)).get("/").text()).collect();
    assert!(answers.iter().all(|answer| answer.starts_with("::1 ")), "{answers:?}");
    assert_eq!(answers[0], "::1 .", "the session of a check is not taken over");
    assert!(answers.contains(&"::1 r".to_owned()), "{answers:?}");
}

#[test]
fn members_that_cannot_prove_who_they_are_get_no_client() {
    let (authority, other, backend) = (Authority::new(), Authority::new(), Backend::http("a"));
    let (_member, port) = encrypted(&authority, NAME, &backend);
    let ours = free_port();
    let config = |tls: &str| {
        before(
            "http",
            ours,
            &format!("retries = 0\n{tls}\n[proxy.pool.check]\nkind = \"tls\"\nrise = 1\nfall = 1"),
            port,
        )
    };
    let gateway = Gateway::start(&config(&tls(&authority.file(), NAMED)));
    assert_eq!(sight(&gateway), "handshake of TLS 1.3 done");
    assert_eq!(Client::connect(v6(ours)).get("/").text(), "a");
    let check = |lines: &str, state: &str, saw: &str| {
        gateway.change(&config(lines));
        wait_for(saw, || sight(&gateway).contains(saw).then_some(()));
        assert_eq!(gateway.state("web", "m0"), state, "{saw}");
    };
    check(
        &tls(&other.file(), NAMED),
        "down",
        "nobody who is trusted issued the member's certificate; proxy.pool.tls.ca",
    );
    check(&tls(&authority.file(), ", server_name = \"other.example\""), "down", "made out to others");
    check(&tls(&authority.file(), ""), "down", "made out to others");
    assert_eq!(Client::connect(v6(ours)).get("/").status, 503);
    check("tls = { verify = false }", "up", "handshake of TLS 1.3 done");
    assert_eq!(Client::connect(v6(ours)).get("/").text(), "a");
    // Clients' connections are verified, too, and not only checks.
    let unchecked = format!("{UNCHECKED}\nretries = 0\n{}", tls(&other.file(), NAMED));
    gateway.change(&before("http", ours, &unchecked, port));
    assert_eq!(Client::connect(v6(ours)).get("/").status, 503);
    // Once a minute for each member.
    assert_eq!(Client::connect(v6(ours)).get("/").status, 503);
    let log = gateway.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("clients cannot be passed on")).collect();
    assert!(told.len() == 1 && told[0].contains("WARN"), "{log}");
    assert!(told[0].contains("no TLS handshake: nobody who is trusted"), "{log}");
}

#[test]
fn files_are_read_anew_with_a_reload_and_refused_by_their_place() {
    let (authority, other, backend) = (Authority::new(), Authority::new(), Backend::http("a"));
    let (_member, port) = encrypted(&authority, NAME, &backend);
    let ours = free_port();
    let lines = format!("{UNCHECKED}\nretries = 0\n{}", tls(&authority.file(), NAMED));
    let config = before("http", ours, &lines, port);
    let gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(ours));
    assert_eq!(client.get("/").text(), "a");
    let good = std::fs::read(authority.file()).unwrap();

    std::fs::write(authority.file(), "hello").unwrap();
    let (status, said) = gateway.reload(&config);
    assert!(status == 422 && said.contains("proxy.pool[0].tls.ca"), "{status} {said}");
    assert!(said.contains("holds no certificate"), "{said}");
    assert_eq!(client.get("/").text(), "a", "the old one is in force");

    std::fs::copy(other.file(), authority.file()).unwrap();
    let (status, said) = gateway.reload(&config);
    assert!(status == 200 && said.contains("other authorities are trusted"), "{status} {said}");
    assert_eq!(client.get("/").status, 503);
    std::fs::write(authority.file(), good).unwrap();
    gateway.change(&config);
    assert_eq!(client.get("/").text(), "a");
}

#[test]
fn checks_make_handshakes_where_the_data_is_passed_through() {
    let (authority, backend) = (Authority::new(), Backend::http("a"));
    let (_member, port) = encrypted(&authority, NAME, &backend);
    let ours = free_port();
    let config = |timeout: &str, port: u16| {
        let kind = "kind = \"tls\"\nserver_name = \"web.example\"\ninterval = \"1h\"";
        before("tcp", ours, &format!("[proxy.pool.check]\n{kind}\ntimeout = \"{timeout}\""), port)
    };
    let gateway = Gateway::start(&config("30s", port));
    assert_eq!(gateway.state("web", "m0"), "up");
    assert_eq!(sight(&gateway), "handshake of TLS 1.3 done");
    // This one waits for a request that can be read.
    gateway.change(&config("100ms", backend.address.port()));
    wait_for("the plain member to be down", || (gateway.state("web", "m0") == "down").then_some(()));
    assert_eq!(sight(&gateway), "no TLS handshake within 100ms");
}

#[test]
fn openssl_and_haproxy_are_members_over_tls() {
    let Some(openssl) = find("openssl") else { return };
    let (authority, ours, port) = (Authority::new(), free_port(), free_port());
    let bundle = authority.bundle("openssl", &[NAME]);
    let lines = format!("{UNCHECKED}\n{}", tls(&authority.file(), NAMED));
    for version in ["-tls1_2", "-tls1_3"] {
        let mut server = Command::new(&openssl)
            .args(["s_server", "-rev", "-quiet", version, "-accept", &v4(port).to_string()])
            .arg("-cert")
            .arg(&bundle)
            .arg("-key")
            .arg(&bundle)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("openssl runs");
        let gateway = Gateway::start(&before("tcp", ours, &lines, port));
        let answer = wait_for("openssl to listen", || {
            let mut client = Client::connect(v6(ours));
            client.send("hello\n");
            let answer = client.bytes(6);
            (!answer.is_empty()).then_some(answer)
        });
        drop(gateway);
        server.kill().unwrap();
        server.wait().unwrap();
        assert_eq!(answer, b"olleh\n", "{version}");
    }

    let file = format!(
        "{HAPROXY}frontend in\n mode http\n bind 127.0.0.1:{port} accept-proxy ssl crt {}\n \
         http-request return status 200 content-type text/plain lf-string \"%[ssl_fc_sni] %[src]\"\n",
        bundle.display()
    );
    let Some(_haproxy) = Program::start("haproxy", &file, port) else { return };
    let told = format!("{lines}\nproxy_protocol = \"v1\"");
    let _gateway = Gateway::start(&before("tcp", ours, &told, port));
    assert_eq!(Client::connect(v6(ours)).get("/").text(), "web.example ::1");
}
