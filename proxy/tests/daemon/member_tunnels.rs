//! Tunnels to members that are spoken to in HTTP/2: `CONNECT`, and `WebSocket` by extended `CONNECT`.

use crate::backend::{Backend, field};
use crate::client::{Client, Response};
use crate::foreign::find;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6, wait_for};
use crate::http2::{Http2, failed, read};
use crate::http2_member::{Frames, member, websocket_member};
use crate::http2_tunnels::{echoes, extended, open};
use crate::log::Receiver;
use bytes::Bytes;
use h2::Reason;
use http::Request;
use std::net::{Shutdown, SocketAddr};
use std::process::Command;
use std::sync::atomic::Ordering;

/// One worker, so that all requests find one connection.
fn before(member: SocketAddr, top: &str, timeouts: &str) -> (Gateway, u16) {
    let port = free_port();
    let config = Config::new(&format!("workers = 1\n{top}")).timeouts(timeouts);
    let config = config.listener("web", "http", port, "web", "");
    (Gateway::start(&config.pool("web", &format!("{UNCHECKED}\nprotocol = \"h2\""), &[member])), port)
}

/// The key of RFC 6455, and what answers it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A client of HTTP/1.1 that has asked for a `WebSocket`.
fn asking(port: u16, path: &str) -> (Client, Response) {
    let mut client = Client::connect(v6(port));
    client.send(format!(
        "GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    ));
    let response = client.bare_response();
    (client, response)
}

#[test]
fn an_upgrade_of_http_1_is_extended_connect_to_the_member() {
    let backend = websocket_member("a");
    let (gateway, port) = before(backend.address, "", "");
    let (mut client, response) = asking(port, "/chat?a=b");
    assert_eq!(response.status, 101, "{}", response.head);
    let fields = ["connection", "upgrade", "sec-websocket-accept", "x-kept", "content-length"];
    let expect = [Some("upgrade"), Some("websocket"), Some(ACCEPT), Some("yes"), None];
    assert_eq!(fields.map(|name| response.field(name)), expect, "{}", response.head);
    assert_eq!(client.bytes(5), b"hello");
    crate::tunnel::echoes(&mut client);
    let heads = backend.heads();
    let head = &heads[0];
    assert!(head.starts_with("CONNECT http://a.example/chat?a=b\n:protocol: websocket\n"), "{head}");
    let told =
        ["sec-websocket-version", "sec-websocket-protocol", "sec-websocket-key", "upgrade", "connection"];
    assert_eq!(told.map(|name| field(head, name)), [Some("13"), Some("chat"), None, None, None], "{head}");
    assert_eq!(heads[1], "all was said");
    assert_eq!(Client::connect(v6(port)).get("/").text(), "a");
    assert_eq!(backend.accepted(), 1, "others go on the same connection");
    gateway.counts("member_load{pool=\"web\",member=\"m0\"}", 0);
}

#[test]
fn extended_connect_goes_on_as_it_is() {
    let backend = websocket_member("a");
    let (gateway, port) = before(backend.address, "", "");
    let mut client = Http2::connect(port);
    assert_eq!(client.get("/").text(), "a");
    let (response, mut stream) = open(&mut client, extended("websocket", "/chat"));
    assert_eq!((response.status().as_u16(), response.headers().get("sec-websocket-accept")), (200, None));
    echoes(&mut client, response, &mut stream);
    let head = backend.heads().remove(1);
    assert!(head.starts_with("CONNECT http://a.example/chat\n:protocol: websocket\n"), "{head}");
    assert_eq!(field(&head, "sec-websocket-key"), None, "{head}");
    gateway.counts(&failed("client_gone"), 0);
}

#[test]
fn connect_goes_on_from_either_version() {
    let backend = member("a");
    let (_gateway, port) = before(backend.address, "", "");
    let mut client = Client::connect(v6(port));
    client.send("CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\nthere");
    assert_eq!(client.bare_response().status, 200);
    assert_eq!(client.bytes(10), b"hellothere");
    let mut client = Http2::connect(port);
    let (response, mut stream) = open(&mut client, Request::connect("b.example:443").body(()).unwrap());
    assert_eq!(response.status(), 200);
    stream.send_data(Bytes::from_static(b", you"), true).unwrap();
    assert_eq!(client.wait(read(&mut response.into_body())).unwrap(), b"hello, you");
    for head in backend.heads().iter().filter(|head| head.starts_with("CONNECT")) {
        assert!(head.starts_with("CONNECT b.example:443\n"), "{head}");
    }
    let mut client = Client::connect(v6(port));
    client.send("CONNECT c.example:443 HTTP/1.1\r\nHost: c.example:443\r\n\r\n");
    assert_eq!(client.response().status, 403, "the member says no");
}

#[test]
fn what_is_not_granted_leaves_the_connection_as_it_is() {
    let backend = websocket_member("a");
    let (_gateway, port) = before(backend.address, "", "");
    let (mut client, response) = asking(port, "/no");
    assert_eq!((response.status, response.field("upgrade")), (403, None));
    assert_eq!(client.get("/").text(), "a");
    let mut client = Http2::connect(port);
    assert_eq!(client.get("/").text(), "a");
    assert_eq!(open(&mut client, extended("websocket", "/no")).0.status(), 403);
    assert_eq!(client.get("/").text(), "a");
    assert_eq!(backend.accepted(), 1);
}

#[test]
fn a_member_that_allows_no_websockets_is_answered_502_for() {
    let (backend, lines) = (member("a"), Receiver::new());
    let log = format!("log = {{ format = \"httplog\", to = \"udp://{}\" }}", lines.address());
    let (gateway, port) = before(backend.address, &log, "");
    let (mut client, response) = asking(port, "/chat");
    assert_eq!(response.status, 502);
    let length = response.field("content-length").unwrap().parse().unwrap();
    let text = String::from_utf8(client.bytes(length)).unwrap();
    assert!(text.contains("allows no WebSockets"), "{text}");
    let line = lines.next();
    assert!(line.contains(" PH-- "), "{line}");
    gateway.counts(&failed("no_websocket"), 1);
    let mut client = Http2::connect(port);
    assert_eq!(client.get("/").text(), "a");
    assert_eq!(open(&mut client, extended("websocket", "/chat")).0.status(), 502);
    gateway.counts(&failed("no_websocket"), 2);
    assert!(
        backend.heads().iter().all(|head| head.starts_with("GET")),
        "it is sent nothing that it has not allowed"
    );
}

#[test]
fn a_websocket_without_a_key_is_no_request() {
    let backend = websocket_member("a");
    let (gateway, port) = before(backend.address, "", "");
    for key in ["", "Sec-WebSocket-Key: short\r\n"] {
        let mut client = Client::connect(v6(port));
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n"
        ));
        assert_eq!(client.response().status, 400, "{key}");
    }
    gateway.counts(&failed("bad_request"), 2);
    assert!(backend.heads().is_empty());
}

#[test]
fn what_breaks_off_breaks_off_at_the_other_end() {
    let (backend, lines) = (websocket_member("a"), Receiver::new());
    let log = format!("log = {{ format = \"httplog\", to = \"udp://{}\" }}", lines.address());
    let (gateway, port) = before(backend.address, &log, "server_fin = \"300ms\"");
    let ends = |state: &str| {
        let line = lines.next();
        assert!(line.contains(&format!(" {state}-- ")), "{state}: {line}");
    };
    let (leaving, response) = asking(port, "/chat");
    assert_eq!(response.status, 101);
    leaving.reset();
    ends("CD");
    wait_for("the member to see it", || {
        backend.heads().contains(&"broken: Some(CANCEL)".to_owned()).then_some(())
    });
    let (mut left, _) = asking(port, "/break");
    let mut client = Http2::connect(port);
    assert_eq!(client.get("/").text(), "a");
    ends("--");
    let (response, _stream) = open(&mut client, extended("websocket", "/break"));
    backend.seen.gate.store(true, Ordering::SeqCst);
    assert!(left.read_all().is_err(), "a part does not look whole");
    let ended = client.wait(read(&mut response.into_body()));
    assert_eq!(ended.unwrap_err().reason(), Some(Reason::CANCEL));
    ends("SD");
    ends("SD");
    gateway.counts(&failed("member_gone"), 2);
    let (mut deaf, _) = asking(port, "/deaf");
    deaf.stream.shutdown(Shutdown::Write).unwrap();
    assert!(deaf.read_all().is_err(), "an end that is not answered is waited for no longer than in mode tcp");
    ends("sD");
    let (response, _stream) = open(&mut client, extended("websocket", "/chat"));
    assert_eq!(client.wait(response.into_body().data()).unwrap().unwrap(), "hello");
    drop(client);
    ends("CD");
    wait_for("the member to see it", || {
        let heads = backend.heads();
        (heads.iter().filter(|head| *head == "broken: Some(CANCEL)").count() == 2).then_some(())
    });
    assert_eq!(backend.accepted(), 1);
}

#[test]
fn a_member_that_has_said_all_and_wants_no_more_ends_a_tunnel_well() {
    const ENABLE_CONNECT_PROTOCOL: u16 = 8;
    let backend = Backend::new("a", |_, stream| {
        let mut frames = Frames::new(stream, &[(ENABLE_CONNECT_PROTOCOL, 1)])?;
        loop {
            let stream = frames.request()?;
            frames.begin(stream)?;
            frames.ends_and_resets(stream, "all")?;
        }
    });
    let lines = Receiver::new();
    let log = format!("log = {{ format = \"httplog\", to = \"udp://{}\" }}", lines.address());
    let (gateway, port) = before(backend.address, &log, "");
    for last_words in [&b"a close that crosses the end"[..], b""] {
        let (mut client, response) = asking(port, "/");
        assert_eq!(response.status, 101);
        assert_eq!(client.bytes(3), b"all");
        client.send(last_words);
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert!(client.read_all().unwrap().is_empty());
        let line = lines.next();
        assert!(line.contains(" ---- "), "{line}");
    }
    gateway.counts(&failed("member_gone"), 0);
    assert_eq!(backend.accepted(), 1);
}

/// A server of HTTP/2 and clients of HTTP/1.1 and HTTP/2, who talk through the gateway.
const NODE: &str = r"
const http2 = require('http2'), WebSocket = require('ws');
const [back, front] = process.argv.slice(1).map(Number);
const fail = (why) => { console.error(why); process.exit(1); };
setTimeout(() => fail('nothing comes'), 25000).unref();
const messages = ['hello', '', 'x'.repeat(200000), Buffer.alloc(2000000, 7)];
// Frames of WebSocket over a stream, by the library.
const over = (stream, server) => {
    stream.setNoDelay = () => {};
    const socket = new WebSocket(null);
    socket._isServer = server;
    socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 0, skipUTF8Validation: false });
    return socket;
};
const talk = (socket, done) => {
    let heard = 0;
    socket.on('message', (data) => {
        if (!Buffer.from(messages[heard]).equals(data)) { fail(`message ${heard} differs`); }
        heard += 1;
        if (heard === messages.length) { socket.close(4001, 'done'); }
    });
    socket.on('close', (code) => done(code));
    messages.forEach((message) => socket.send(message));
};
const server = http2.createServer({ settings: { enableConnectProtocol: true } });
server.on('stream', (stream, headers) => {
    if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket') { stream.respond({ ':status': 200 }); stream.end('plain'); return; }
    stream.respond({ ':status': 200 });
    over(stream, true).on('message', function (data, binary) { this.send(data, { binary }); });
});
server.listen(back, '127.0.0.1', () => {
    const first = new WebSocket(`ws://[::1]:${front}/chat`, { perMessageDeflate: false });
    first.on('error', fail);
    first.on('open', () => talk(first, (code) => {
        const session = http2.connect(`http://[::1]:${front}`);
        session.on('remoteSettings', (settings) => {
            if (!settings.enableConnectProtocol) { fail('not allowed'); }
            const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat', ':authority': 'a.example', 'sec-websocket-version': '13' });
            stream.on('response', (headers) => {
                if (headers[':status'] !== 200) { fail(`status ${headers[':status']}`); }
                talk(over(stream, false), (other) => { console.log(`${code} ${other}`); process.exit(0); });
            });
        });
    }));
});
";

#[test]
fn web_sockets_of_node_talk_through_to_http_2() {
    let Some(node) = find("node") else { return };
    let script = |arguments: &[&str]| {
        let mut node = Command::new(&node);
        node.env("NODE_PATH", "/usr/share/nodejs").arg("-e").args(arguments).output().expect("node runs")
    };
    if !script(&["require('ws')"]).status.success() {
        assert!(std::env::var_os("CI").is_none(), "the package node-ws is missing");
        println!("SKIPPED: the package node-ws is missing");
        return;
    }
    let back = free_port();
    let (_gateway, port) = before(v4(back), "", "");
    let output = script(&[NODE, &back.to_string(), &port.to_string()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "4001 4001\n");
}
