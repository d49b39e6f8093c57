//! Programs that people speak HTTP with, as they come with Debian, over IPv6 to a member on IPv4: curl, requests of
//! Python, `WebSocket` of Node. Those of Python are in [`crate::tunnel`].

use crate::backend::{Backend, noise};
use crate::foreign::find;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

/// A gateway before one member, and where it listens.
fn start(member: SocketAddr) -> (Gateway, u16) {
    let port = free_port();
    let config =
        Config::new("workers = 1").listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[member]);
    (Gateway::start(&config), port)
}

/// What a program prints that must end well.
fn prints(output: &Output) -> Vec<u8> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.clone()
}

#[test]
fn curl_gets_and_sends_all_over_one_connection() {
    let Some(curl) = find("curl") else { return };
    let backend = Backend::http("a");
    let (gateway, port) = start(backend.address);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (sent, got) = (folder.path().join("sent"), folder.path().join("got"));
    let content = noise(3 << 20);
    std::fs::write(&sent, &content).expect("our folder");
    let url = |path: &str| format!("http://{}{path}", v6(port));
    let run = |arguments: &[&str]| {
        prints(
            &Command::new(&curl).args(["-sS", "-m", "30", "-g"]).args(arguments).output().expect("curl runs"),
        )
    };
    assert_eq!(run(&[&url("/"), &url("/chunked-not"), &url("/hops")]), b"aa");
    gateway.counts("connections_total{listener=\"web\"}", 1);
    let at = |path: &Path| path.display().to_string();
    // With a length, which curl asks about first; in chunks; both as fast as they come.
    for how in [
        vec!["--data-binary".to_owned(), format!("@{}", at(&sent))],
        vec!["-T".to_owned(), at(&sent)],
        vec!["-T".to_owned(), at(&sent), "-H".to_owned(), "Transfer-Encoding: chunked".to_owned()],
    ] {
        let how: Vec<&str> = how.iter().map(String::as_str).collect();
        run(&[&how[..], &["-o", &at(&got), &url("/echo")]].concat());
        assert_eq!(std::fs::read(&got).expect("what curl has written").len(), content.len(), "{how:?}");
        assert_eq!(std::fs::read(&got).expect("what curl has written"), content, "{how:?}");
    }
    let head = String::from_utf8(run(&["-I", &url("/")])).expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\ncontent-length: 1\r\n"), "{head}");
    assert_eq!(run(&["--http1.0", &url("/")]), b"a");
}

const REQUESTS: &str = r#"
import sys, requests
url = f"http://[::1]:{sys.argv[1]}"
content = bytes(range(256)) * 4000
with requests.Session() as session:
    assert session.get(url + "/").text == "a"
    assert session.head(url + "/").headers["content-length"] == "1"
    assert session.post(url + "/echo", data=content).content == content
    def pieces():
        for at in range(0, len(content), 9999):
            yield content[at:at + 9999]
    assert session.post(url + "/echo", data=pieces()).content == content
    with session.get(url + "/big", stream=True) as answer:
        assert sum(len(piece) for piece in answer.iter_content(10000)) == 5 << 20
    answer = session.get(url + "/head", headers={"X-Asked": "yes"}, cookies={"a": "b"})
    assert "\r\ncookie: a=b\r\n" in answer.text and "\r\nx-asked: yes\r\n" in answer.text, answer.text
print("well")
"#;

#[test]
fn requests_of_python_are_answered() {
    const PYTHON: &str = "/usr/bin/python3";
    if !Command::new(PYTHON)
        .args(["-c", "import requests"])
        .output()
        .is_ok_and(|known| known.status.success())
    {
        assert!(std::env::var_os("CI").is_none(), "the package python3-requests is missing");
        println!("SKIPPED: the package python3-requests is missing");
        return;
    }
    let backend = Backend::http("a");
    let (gateway, port) = start(backend.address);
    let output =
        Command::new(PYTHON).args(["-c", REQUESTS, &port.to_string()]).output().expect("python runs");
    assert_eq!(prints(&output), b"well\n");
    gateway.counts("connections_total{listener=\"web\"}", 1);
}

/// A server and a client of one program, who talk through the gateway.
const SOCKETS: &str = r"
const WebSocket = require('ws');
const [back, front] = process.argv.slice(1).map(Number);
const giveUp = setTimeout(() => { console.error('nothing comes'); process.exit(1); }, 25000);
const server = new WebSocket.Server({ host: '127.0.0.1', port: back }, () => {
    const messages = ['hello', '', 'x'.repeat(200000), Buffer.alloc(2000000, 7)];
    const client = new WebSocket(`ws://[::1]:${front}/chat`, ['a', 'b']);
    let heard = 0;
    client.on('open', () => messages.forEach((message) => client.send(message)));
    client.on('message', (data) => {
        if (!Buffer.from(messages[heard]).equals(data)) { console.error(`message ${heard} differs`); process.exit(1); }
        heard += 1;
        if (heard === messages.length) { client.ping(); }
    });
    client.on('pong', () => client.close(4001, 'done'));
    client.on('close', (code) => { console.log(`${client.protocol} ${code}`); clearTimeout(giveUp); server.close(); });
});
server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
";

#[test]
fn web_sockets_of_node_talk_through() {
    let Some(node) = find("node") else { return };
    let script = |arguments: &[&str]| {
        Command::new(&node)
            .env("NODE_PATH", "/usr/share/nodejs")
            .arg("-e")
            .args(arguments)
            .output()
            .expect("node runs")
    };
    if !script(&["require('ws')"]).status.success() {
        assert!(std::env::var_os("CI").is_none(), "the package node-ws is missing");
        println!("SKIPPED: the package node-ws is missing");
        return;
    }
    let back = free_port();
    let (gateway, port) = start(v4(back));
    assert_eq!(prints(&script(&[SOCKETS, &back.to_string(), &port.to_string()])), b"a 4001\n");
    gateway.counts("requests_total{listener=\"web\",class=\"1xx\"}", 1);
}
