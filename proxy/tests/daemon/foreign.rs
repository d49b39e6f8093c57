//! Other people's programs in front of the proxy and behind it: Debian's haproxy, nginx and curl.
//!
//! Without them a test says SKIPPED and passes, but fails where `CI=true` says that a skip counts.

use crate::backend::{Backend, field};
use crate::checks::sight;
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6, wait_for};
use std::net::{IpAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Both loopback addresses must send a header.
const FROM: &str = "proxy_protocol_from = [\"::1/128\", \"127.0.0.0/8\"]";

pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{program} is missing: apt-get install it");
        println!("SKIPPED: {program} is missing");
    }
    found
}

/// A running program with a file and a folder of its own. Dropping it ends it.
pub(crate) struct Program {
    child: Child,
    dir: TempDir,
}

impl Program {
    /// Starts it and waits until somebody listens on this port.
    pub(crate) fn start(program: &str, file: &str, port: u16) -> Option<Self> {
        let path = find(program)?;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let conf = dir.path().join("conf");
        std::fs::write(&conf, file.replace("DIR", &dir.path().display().to_string())).expect("our folder");
        let arguments: &[&str] = match program {
            "nginx" => &["-c"],
            "unbound" => &["-d", "-c"],
            _ => &["-db", "-f"],
        };
        let mut child = Command::new(path)
            .args(arguments)
            .arg(conf)
            .stdin(Stdio::null())
            .spawn()
            .expect("the program starts");
        wait_for("the program to listen", || {
            if let Some(status) = child.try_wait().expect("our own child") {
                panic!("it ended: {status}");
            }
            TcpStream::connect(v4(port)).ok()
        });
        Some(Self { child, dir })
    }
}

impl Program {
    /// Its folder, which is `DIR` in its file.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) const HAPROXY: &str = "defaults\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n";

/// An address that only the client has, so that it cannot be taken for a program's.
fn client() -> IpAddr {
    "127.0.0.7".parse().expect("an address")
}

#[test]
fn haproxy_names_its_client_to_us() {
    let backend = Backend::http("a");
    let ours = free_port();
    let config =
        Config::new("").listener("web", "http", ours, "web", FROM).pool("web", UNCHECKED, &[backend.address]);
    let gateway = Gateway::start(&config);
    let with_tlvs = "send-proxy-v2 proxy-v2-options crc32c,unique-id";
    for sending in ["send-proxy", "send-proxy-v2", with_tlvs] {
        let port = free_port();
        let file = format!(
            "{HAPROXY}listen out\n mode tcp\n bind 127.0.0.1:{port}\n unique-id-format %pid-%rt\n \
             server us [::1]:{ours} {sending} check inter 100ms\n"
        );
        let Some(_haproxy) = Program::start("haproxy", &file, port) else { return };
        let mut connection = Client::connect_from(client(), v4(port));
        let head = connection.get("/head").text();
        assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.7"), "{sending}");
    }
    assert_eq!(gateway.metric("failures_total{listener=\"web\",reason=\"bad_proxy_header\"}"), 0);
}

/// What `answer` at `member` says of a client that came through us, told by each version.
fn told(member: u16, expect: impl Fn(u16, u16) -> String) {
    for version in ["v1", "v2"] {
        let ours = free_port();
        let pool = format!("{UNCHECKED}\nproxy_protocol = \"{version}\"");
        let config = Config::new("")
            .listener("raw", "tcp", ours, "raw", "proxy_protocol_from = [\"::1/128\"]")
            .pool("raw", &pool, &[v4(member)]);
        let _gateway = Gateway::start(&config);
        let mut connection = Client::connect_from(client(), v4(ours));
        let own = connection.stream.local_addr().expect("a connected socket").port();
        assert_eq!(connection.get("/").text(), expect(own, ours), "{version}");
        // Over IPv6, on behalf of somebody else.
        let mut connection = Client::connect(v6(ours));
        connection.send("PROXY TCP6 2001:db8::7 2001:db8::80 51413 443\r\n");
        assert_eq!(connection.get("/").text(), "2001:db8::7 51413 2001:db8::80 443", "{version}");
    }
}

#[test]
fn haproxy_learns_the_client_from_us() {
    let port = free_port();
    let answer = "%[src] %[src_port] %[dst] %[dst_port]";
    let file = format!(
        "{HAPROXY}frontend in\n mode http\n bind 127.0.0.1:{port} accept-proxy\n \
         http-request return status 200 content-type text/plain lf-string \"{answer}\"\n"
    );
    let Some(_haproxy) = Program::start("haproxy", &file, port) else { return };
    told(port, |own, ours| format!("127.0.0.7 {own} 127.0.0.1 {ours}"));
}

/// A file of nginx with one server.
pub(crate) fn nginx(server: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|kind| format!("{kind}_temp_path DIR/{kind};\n")).concat();
    format!(
        "daemon off;\nmaster_process off;\npid DIR/pid;\nerror_log DIR/error;\nevents {{}}\nhttp {{\n{temporary}\
         access_log off;\nserver {{ {server} }}\n}}\n"
    )
}

#[test]
fn nginx_learns_the_client_from_us() {
    let port = free_port();
    let answer =
        "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port";
    let file =
        nginx(&format!("listen 127.0.0.1:{port} proxy_protocol; location / {{ return 200 \"{answer}\"; }}"));
    let Some(_nginx) = Program::start("nginx", &file, port) else { return };
    told(port, |own, ours| format!("127.0.0.7 {own} 127.0.0.1 {ours}"));
}

/// What a check by HTTP with these lines says of the member at this port, and its state.
fn checked(member: u16, lines: &str) -> (String, String) {
    let pool =
        format!("proxy_protocol = \"v2\"\n[proxy.pool.check]\nkind = \"http\"\nrise = 1\nfall = 1\n{lines}");
    let config =
        Config::new("").listener("web", "http", free_port(), "web", "").pool("web", &pool, &[v4(member)]);
    let gateway = Gateway::start(&config);
    (gateway.state("web", "m0"), sight(&gateway))
}

#[test]
fn nginx_is_checked_behind_a_header() {
    let port = free_port();
    let file = nginx(&format!(
        "listen 127.0.0.1:{port} proxy_protocol; server_name health.example; \
         location = /health {{ return 200 \"$host is ready for [$proxy_protocol_addr]\"; }}"
    ));
    let Some(_nginx) = Program::start("nginx", &file, port) else { return };
    let lines = "host = \"health.example\"\npath = \"/health\"";
    // The header names nobody: the check comes from the proxy itself.
    assert_eq!(
        checked(port, &format!("{lines}\nexpect_body = \"health.example is ready for []\"")),
        ("up".to_owned(), "200 OK with \"health.example is ready for []\" in the body".to_owned())
    );
    assert_eq!(
        checked(port, &lines.replace("/health", "/nowhere")),
        ("down".to_owned(), "404 Not Found, expected 200-399".to_owned())
    );
    assert_eq!(checked(port, &format!("{lines}\nproxy_protocol = \"off\"")).0, "down");
}

#[test]
fn haproxy_is_checked_behind_a_header() {
    let port = free_port();
    let file = format!(
        "{HAPROXY}frontend in\n mode http\n bind 127.0.0.1:{port} accept-proxy\n monitor-uri /alive\n \
         monitor fail if {{ nbsrv(none) eq 0 }}\nbackend none\n"
    );
    let Some(_haproxy) = Program::start("haproxy", &file, port) else { return };
    let lines = "method = \"OPTIONS\"\npath = \"/alive\"";
    assert_eq!(checked(port, lines).1, "503 Service Unavailable, expected 200-399");
    let dead = format!("{lines}\nexpect_status = [\"503\"]\nexpect_body = \"Service Unavailable\"");
    assert_eq!(checked(port, &dead).0, "up");
}

#[test]
fn curl_names_itself_to_us() {
    let Some(curl) = find("curl") else { return };
    let backend = Backend::http("a");
    let port = free_port();
    let config =
        Config::new("").listener("web", "http", port, "web", FROM).pool("web", UNCHECKED, &[backend.address]);
    let _gateway = Gateway::start(&config);
    for (address, expect) in [(v6(port), "::1"), (v4(port), "127.0.0.1")] {
        let url = format!("http://{address}/head");
        let output =
            Command::new(&curl).args(["-s", "--haproxy-protocol", &url]).output().expect("curl runs");
        let head = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(field(&head, "x-forwarded-for"), Some(expect), "{head}");
    }
}
