//! Unix sockets and sockets that systemd hands over: their files, their clients, and what changes leave of them.

use crate::backend::{Backend, field};
use crate::client::Client;
use crate::foreign::find;
use crate::gateway::{Config, Gateway, PATIENCE, UNCHECKED, free_port, v6, wait_for};
use nix::fcntl::{FcntlArg, fcntl};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A folder for sockets, and a listener's `bind` of one in it.
fn place() -> (TempDir, std::path::PathBuf, String) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("web.sock");
    let bind = format!("\"unix:{}\"", path.display());
    (dir, path, bind)
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

/// Sends all, says so, and reads all that comes.
fn exchange(mut stream: UnixStream, bytes: &str) -> String {
    stream.write_all(bytes.as_bytes()).expect("the proxy takes it");
    stream.shutdown(Shutdown::Write).expect("a socket");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the socket's file").permissions().mode() & 0o777
}

#[test]
fn the_file_of_a_unix_socket_comes_changes_and_goes() {
    let (backend, (_dir, path, bind)) = (Backend::echo(), place());
    let config = |bind: &str, lines: &str| {
        Config::new("").bound("raw", "tcp", bind, "raw", lines).pool("raw", UNCHECKED, &[backend.address])
    };
    // What a killed process leaves.
    drop(UnixListener::bind(&path).unwrap());
    let mut gateway = Gateway::start(&config(&bind, ""));
    assert_eq!(mode(&path), 0o600);
    let mut kept = connect(&path);
    gateway.change(&config(&bind, "socket_mode = \"0666\""));
    assert_eq!(mode(&path), 0o666);
    gateway.change(&config(&format!("\"{}\"", v6(free_port())), ""));
    assert!(!path.exists(), "a listener that goes takes its file along");
    kept.write_all(b"ping").unwrap();
    let mut pong = [0; 4];
    kept.read_exact(&mut pong).expect("who was accepted is served on");
    gateway.change(&config(&bind, ""));
    assert_eq!(exchange(connect(&path), "ping"), "ping");
    drop(kept);
    gateway.terminate();
    assert!(gateway.ended_well(), "{}", gateway.log());
    assert!(!path.exists(), "and so does the daemon");
}

#[test]
fn the_socket_of_a_living_process_is_left_to_it() {
    let (backend, (dir, path, bind)) = (Backend::http("a"), place());
    let config = |bind: &str| {
        Config::new("").bound("web", "http", bind, "web", "").pool("web", UNCHECKED, &[backend.address])
    };
    let holder = UnixListener::bind(&path).unwrap();
    let port = free_port();
    let gateway = Gateway::start(&config(&format!("\"{}\"", v6(port))));
    let (status, body) = gateway.reload(&config(&bind));
    assert!(status >= 400 && body.contains("it is held by"), "{status} {body}");
    let file = dir.path().join("file");
    fs::write(&file, "of somebody").unwrap();
    let (status, body) = gateway.reload(&config(&format!("\"unix:{}\"", file.display())));
    assert!(status >= 400 && body.contains("not a socket"), "{status} {body}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "of somebody");
    assert_eq!(Client::connect(v6(port)).get("/").text(), "a", "the old configuration runs on");
    drop(holder);
    // A program that another test starts at this moment has the socket until it runs.
    wait_for("nobody listens", || UnixStream::connect(&path).is_err().then_some(()));
    gateway.change(&config(&bind));
    assert!(exchange(connect(&path), "GET / HTTP/1.0\r\n\r\n").ends_with("\r\n\r\na"));
}

#[test]
fn a_client_without_an_address_is_told_as_such() {
    let (http, (_dir, path, bind)) = (Backend::http("a"), place());
    let lines =
        "trusted_proxies = [\"::/0\", \"0.0.0.0/0\"]\nproxy_protocol_from = [\"::/0\", \"0.0.0.0/0\"]";
    let config =
        Config::new("").bound("web", "http", &bind, "web", lines).pool("web", UNCHECKED, &[http.address]);
    let gateway = Gateway::start(&config);
    let told = exchange(connect(&path), "GET /head HTTP/1.0\r\nX-Forwarded-For: 192.0.2.66\r\n\r\n");
    assert_eq!(field(&told, "x-forwarded-for"), None, "{told}");
    assert_eq!(field(&told, "host"), Some(""), "{told}");

    for (version, header) in [("v1", &b"PROXY UNKNOWN\r\n"[..]), ("v2", b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0")] {
        let members = [(); 3].map(|()| Backend::echo());
        let addresses = members.each_ref().map(|member| member.address);
        let pool = format!("{UNCHECKED}\nbalance = \"source\"\nproxy_protocol = \"{version}\"\nstick = {{}}");
        gateway.change(&Config::new("").bound("raw", "tcp", &bind, "raw", "").pool("raw", &pool, &addresses));
        for _ in 0..60 {
            assert_eq!(exchange(connect(&path), "ping").as_bytes(), [header, b"ping"].concat());
        }
        assert!(members.iter().all(|member| member.accepted() > 0), "one address would have one member");
        assert_eq!(gateway.metric("pool_stick_entries{pool=\"raw\"}"), 0);
    }
}

#[test]
fn curl_and_socat_reach_a_unix_socket() {
    let (Some(curl), Some(socat)) = (find("curl"), find("socat")) else { return };
    let (http, raw, (dir, path, bind)) = (Backend::http("a"), Backend::echo_after_end(), place());
    let other = dir.path().join("raw.sock");
    let config = Config::new("")
        .bound("web", "http", &bind, "web", "")
        .bound("raw", "tcp", &format!("\"unix:{}\"", other.display()), "raw", "")
        .pool("web", UNCHECKED, &[http.address])
        .pool("raw", UNCHECKED, &[raw.address]);
    let _gateway = Gateway::start(&config);
    let answer =
        Command::new(curl).arg("-sS").arg("--unix-socket").arg(&path).arg("http://a.example/").output();
    assert_eq!(answer.expect("curl runs").stdout, b"a");
    let script = format!("printf half-close | '{}' - 'UNIX-CONNECT:{}'", socat.display(), other.display());
    let answer = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    assert_eq!(answer.stdout, b"half-close");
}

/// Starts the daemon as systemd does, with these sockets from descriptor 3 on.
fn activated(config: &Config, names: &str, sockets: &[&dyn AsFd]) -> Gateway {
    let mut redirections = String::new();
    for (place, socket) in sockets.iter().enumerate() {
        // A number that nobody redirects, which a program started from here gets as well.
        let number = fcntl(socket.as_fd(), FcntlArg::F_DUPFD(100)).expect("an open socket");
        write!(redirections, " {}<&{number}", place + 3).expect("a text grows");
    }
    let mut shell = Command::new("bash");
    let script = format!("export LISTEN_PID=$$; exec \"$0\" \"$@\"{redirections}");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_causeway-proxy")]);
    shell.env("LISTEN_FDS", sockets.len().to_string()).env("LISTEN_FDNAMES", names);
    Gateway::start_by(config, shell)
}

#[test]
fn sockets_that_systemd_hands_over_survive_changes_and_the_daemon() {
    let (backend, (_dir, path, _)) = (Backend::http("a"), place());
    let (six, unix) = (TcpListener::bind("[::1]:0").unwrap(), UnixListener::bind(&path).unwrap());
    let address = six.local_addr().unwrap();
    let config = |bind: &str| {
        Config::new("workers = 2").bound("web", "http", bind, "web", "").pool(
            "web",
            UNCHECKED,
            &[backend.address],
        )
    };
    let with = config("\"fd:web\"");
    let mut gateway = activated(
        &with,
        "web:web:other",
        &[&six, &unix, &UnixListener::bind(path.with_extension("x")).unwrap()],
    );
    assert!(gateway.log().contains("no listener has the socket"), "{}", gateway.log());
    let told = Client::connect(address).get("/head").text();
    assert_eq!(field(&told, "x-forwarded-for"), Some("::1"));
    assert!(exchange(connect(&path), "GET / HTTP/1.0\r\n\r\n").ends_with("\r\n\r\na"));

    let mut kept = Client::connect(address);
    assert_eq!(kept.get("/").text(), "a");
    let port = free_port();
    gateway.change(&config(&format!("\"{}\"", v6(port))));
    assert_eq!(Client::connect(v6(port)).get("/").text(), "a");
    assert!(kept.is_closed(), "an idle connection ends with its listener's place");
    // It comes while nobody accepts, and is served by the listener that has the socket again.
    let mut early = Client::connect(address);
    early.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    gateway.change(&with);
    assert_eq!(early.response().text(), "a");

    let (status, body) = gateway.reload(&config("\"fd:none\""));
    for part in ["fd:none", "FileDescriptorName=none", "handed over were web, other"] {
        assert!(status >= 400 && body.contains(part), "{part} is not in: {body}");
    }
    gateway.terminate();
    assert!(gateway.ended_well(), "{}", gateway.log());
    assert!(path.exists(), "it belongs to whoever made it");
    // A successor gets what came meanwhile.
    let mut waiting = Client::connect(address);
    waiting.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let _next = activated(&with, "web", &[&six]);
    assert_eq!(waiting.response().text(), "a");
}

#[test]
fn one_socket_feeds_all_workers() {
    let (backend, (_dir, path, bind)) = (Backend::echo(), place());
    let config = Config::new("workers = 3").bound("raw", "tcp", &bind, "raw", "").pool(
        "raw",
        UNCHECKED,
        &[backend.address],
    );
    let gateway = Gateway::start(&config);
    let streams: Vec<_> = (0..50).map(|_| connect(&path)).collect();
    for stream in streams {
        assert_eq!(exchange(stream, "ping"), "ping");
    }
    gateway.counts("connections_total{listener=\"raw\"}", 50);
    wait_for("all to be closed", || {
        (gateway.metric("connections_open{listener=\"raw\"}") == 0).then_some(())
    });
}
