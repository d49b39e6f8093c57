//! Connections that become another: `Upgrade` and `CONNECT`, with servers of our own and with other people's programs.

use crate::backend::{Backend, Seen, Wire, noise};
use crate::client::Client;
use crate::foreign::find;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6, wait_for};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::sync::atomic::Ordering;

const ASK: &str = "Host: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Grants what it is asked for once the gate is open, greets, and sends back what comes. `/plain` it answers as if
/// nothing had been asked for, and for `/other` it speaks what nobody asked for.
pub(crate) fn granting(seen: &Seen, stream: TcpStream) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut wire = Wire::new(stream);
    while let Some(head) = wire.head()? {
        seen.heads.lock().unwrap().push(head.clone());
        let granted = match head.split(' ').nth(1).unwrap_or("") {
            "/plain" => {
                writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")?;
                continue;
            }
            "/other" => "101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other",
            "b.example:443" => "200 Fine\r\nContent-Length: 7\r\nTransfer-Encoding: chunked",
            "/" => "101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nX-Kept: yes",
            _ => "403 Forbidden\r\nContent-Length: 0",
        };
        wait_for("the test to open the gate", || seen.gate.load(Ordering::SeqCst).then_some(()));
        let (mut reader, mut early) = wire.into_parts();
        reader.set_nonblocking(true)?;
        while let Ok(1..) = reader.read(&mut [0; 1]).inspect(|count| early.extend(vec![b'?'; *count])) {}
        reader.set_nonblocking(false)?;
        write!(writer, "HTTP/1.1 {granted}\r\nX-Early: {}\r\n\r\nhello", early.len())?;
        std::io::copy(&mut reader, &mut writer)?;
        return writer.shutdown(Shutdown::Write);
    }
    Ok(())
}

fn tunnelled(timeouts: &str) -> (Backend, Gateway, u16) {
    let backend = Backend::new("granting", granting);
    let port = free_port();
    let config = Config::new("workers = 1").timeouts(timeouts).listener("web", "http", port, "web", "").pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    (backend, Gateway::start(&config), port)
}

/// Sends octets and the end through a tunnel whose member gives back what it gets.
pub(crate) fn echoes(client: &mut Client) {
    let body = noise((3 << 20) + 1);
    let mut writer = client.stream.try_clone().unwrap();
    let sent = body.clone();
    let sender = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    assert!(client.bytes(body.len()) == body);
    assert!(client.is_closed(), "one end is passed on, and answered by the other");
    sender.join().unwrap();
}

#[test]
fn an_upgraded_connection_carries_bytes_both_ways_to_their_ends() {
    let (backend, gateway, port) = tunnelled("");
    backend.seen.gate.store(true, Ordering::SeqCst);
    let mut client = Client::connect(v6(port));
    client.send(format!("GET / HTTP/1.1\r\n{ASK}"));
    let response = client.bare_response();
    assert_eq!(response.status, 101, "{}", response.head);
    let fields = ["connection", "upgrade", "x-kept", "content-length"].map(|name| response.field(name));
    assert_eq!(fields, [Some("upgrade"), Some("WebSocket"), Some("yes"), None], "{}", response.head);
    assert_eq!(client.bytes(5), b"hello", "what came behind the answer is passed on");
    echoes(&mut client);
    let head = backend.heads().remove(0).to_ascii_lowercase();
    assert!(
        head.contains("\r\nconnection: upgrade\r\n") && head.contains("\r\nupgrade: websocket\r\n"),
        "{head}"
    );
    gateway.counts("requests_total{listener=\"web\",class=\"1xx\"}", 1);
    gateway.counts("connections_open{listener=\"web\"}", 0);
    assert!(gateway.metric("bytes_total{listener=\"web\",direction=\"received\"}") > 3 << 20);
    assert!(gateway.metric("bytes_total{listener=\"web\",direction=\"sent\"}") > 3 << 20);
}

#[test]
fn nothing_behind_a_request_for_a_tunnel_goes_on_before_the_members_answer() {
    for request in [
        format!("GET / HTTP/1.1\r\n{ASK}"),
        "CONNECT b.example:443 HTTP/1.1\r\nHost: c.example\r\n\r\n".into(),
    ] {
        let (backend, gateway, port) = tunnelled("");
        let mut client = Client::connect(v6(port));
        client.send(format!("{request}early, "));
        wait_for("the request at the member", || (backend.heads().len() == 1).then_some(()));
        client.send("and more");
        gateway.counts(
            "bytes_total{listener=\"web\",direction=\"received\"}",
            (request.len() + "early, ".len()) as u64,
        );
        backend.seen.gate.store(true, Ordering::SeqCst);
        let response = client.bare_response();
        assert_eq!(response.field("x-early"), Some("0"), "{}", response.head);
        assert_eq!(client.bytes(20), b"helloearly, and more");
    }
}

#[test]
fn a_connection_that_is_not_upgraded_goes_on_with_http() {
    let (backend, gateway, port) = tunnelled("");
    let mut client = Client::connect(v6(port));
    client.send(format!("GET /plain HTTP/1.1\r\n{ASK}GET /plain HTTP/1.1\r\n{ASK}"));
    for _ in 0..2 {
        assert_eq!(client.response().text(), "plain");
    }
    client.send(format!("GET /plain HTTP/1.1\r\n{ASK}GET /plain HTTP/1.1\n\n"));
    assert_eq!(client.response().text(), "plain");
    assert_eq!(client.response().status, 400, "what was held back is judged like any other head");
    assert!(client.is_closed());
    assert_eq!((backend.heads().len(), backend.accepted()), (3, 1));

    let mut client = Client::connect(v6(port));
    client.send(format!("GET /plain HTTP/1.1\r\nConnection: close\r\n{ASK}"));
    assert_eq!(client.response().text(), "plain");
    assert!(client.is_closed());
    gateway.counts("connections_open{listener=\"web\"}", 0);
}

#[test]
fn a_switch_to_what_was_not_asked_for_is_no_answer() {
    let (backend, gateway, port) = tunnelled("");
    backend.seen.gate.store(true, Ordering::SeqCst);
    for request in [
        format!("GET /other HTTP/1.1\r\n{ASK}"),
        "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n".to_owned(),
        format!("POST / HTTP/1.1\r\nContent-Length: 1\r\n{ASK}x"),
    ] {
        let mut client = Client::connect(v6(port));
        client.send(&request);
        let response = client.response();
        assert_eq!(response.status, 502, "{request}: {}", response.text());
    }
    gateway.counts("failures_total{listener=\"web\",reason=\"bad_response\"}", 4);
    let asked = backend.heads().iter().filter(|head| head.to_ascii_lowercase().contains("upgrade")).count();
    assert_eq!(asked, 1, "only the first of them asked");
}

#[test]
fn connect_is_a_tunnel_if_the_member_grants_it() {
    let (backend, gateway, port) = tunnelled("");
    backend.seen.gate.store(true, Ordering::SeqCst);
    let mut client = Client::connect(v6(port));
    client.send("CONNECT b.example:443 HTTP/1.1\r\nHost: c.example\r\n\r\n");
    let response = client.bare_response();
    let fields = ["content-length", "transfer-encoding"].map(|name| response.field(name));
    assert_eq!((response.status, fields), (200, [None; 2]), "{}", response.head);
    client.send("there");
    assert_eq!(client.bytes(10), b"hellothere");
    let head = backend.heads().remove(0);
    assert!(head.starts_with("CONNECT b.example:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("\r\nhost: b.example:443\r\n"), "{head}");

    let mut client = Client::connect(v6(port));
    client.send("CONNECT c.example:443 HTTP/1.1\r\nHost: c.example:443\r\n\r\n");
    assert_eq!(client.response().status, 403, "the member says no");
    let mut client = Client::connect(v6(port));
    client.send("CONNECT c.example HTTP/1.1\r\nHost: c.example\r\n\r\n");
    assert_eq!(client.response().status, 400, "a port is missing");
    gateway.counts("failures_total{listener=\"web\",reason=\"bad_request\"}", 1);
}

#[test]
fn a_tunnel_in_which_nobody_says_anything_ends() {
    let (backend, gateway, port) = tunnelled("tunnel = \"200ms\"");
    backend.seen.gate.store(true, Ordering::SeqCst);
    let mut client = Client::connect(v6(port));
    client.send(format!("GET / HTTP/1.1\r\n{ASK}"));
    assert_eq!(client.bare_response().status, 101);
    assert_eq!(client.bytes(5), b"hello");
    assert!(client.read_all().is_err(), "a session that is broken off ends by a reset");
    gateway.counts("failures_total{listener=\"web\",reason=\"tunnel_timeout\"}", 1);
}

#[test]
fn a_tunnel_outlives_its_listener() {
    let (backend, gateway, port) = tunnelled("");
    backend.seen.gate.store(true, Ordering::SeqCst);
    let mut client = Client::connect(v6(port));
    client.send(format!("GET / HTTP/1.1\r\n{ASK}"));
    assert_eq!(client.bare_response().status, 101);
    let other = Config::new("workers = 1").listener("other", "http", free_port(), "web", "").pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    gateway.change(&other);
    client.send("there");
    assert_eq!(client.bytes(10), b"hellothere");
}

/// Debian's own: another one that the path may lead to does not see Debian's packages.
const PYTHON: &str = "/usr/bin/python3";

/// A server and a client, who talk through the gateway: texts, octets of more than one frame's usual size, a ping, an end.
const WEBSOCKETS: &str = r#"
import asyncio, sys, websockets
back, front = int(sys.argv[1]), int(sys.argv[2])
async def echo(socket):
    async for message in socket:
        await socket.send(message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", back, max_size=None):
        for compression in (None, "deflate"):
            async with websockets.connect(f"ws://[::1]:{front}/chat", compression=compression, max_size=None) as socket:
                for message in ["hello", "", "x" * 200000, bytes(range(256)) * 8000]:
                    await socket.send(message)
                    assert await socket.recv() == message, len(message)
                await asyncio.wait_for(await socket.ping(), 20)
                await socket.close(4001, "done")
                assert socket.close_code == 4001, socket.close_code
        print("well")
asyncio.run(asyncio.wait_for(main(), 25))
"#;

#[test]
fn websockets_of_python_talk_through() {
    let known = Command::new(PYTHON).args(["-c", "import websockets"]).output();
    if !known.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "the package python3-websockets is missing");
        eprintln!("SKIPPED: the package python3-websockets is missing");
        return;
    }
    let (back, port) = (free_port(), free_port());
    let config = Config::new("").listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[v4(back)]);
    let gateway = Gateway::start(&config);
    let talk = Command::new(PYTHON)
        .args(["-c", WEBSOCKETS, &back.to_string(), &port.to_string()])
        .output()
        .expect("python runs");
    assert!(talk.status.success(), "{}", String::from_utf8_lossy(&talk.stderr));
    assert_eq!(talk.stdout, b"well\n");
    gateway.counts("requests_total{listener=\"web\",class=\"1xx\"}", 2);
}

#[test]
fn curl_tunnels_through() {
    fn serve(seen: &Seen, stream: TcpStream) -> std::io::Result<()> {
        let mut writer = stream.try_clone()?;
        let mut wire = Wire::new(stream);
        while let Some(head) = wire.head()? {
            let tunnel = head.starts_with("CONNECT ");
            seen.heads.lock().unwrap().push(head);
            let answer: &[u8] = if tunnel {
                b"HTTP/1.1 200 Connection established\r\n\r\n"
            } else {
                b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ninside"
            };
            writer.write_all(answer)?;
        }
        Ok(())
    }
    let Some(curl) = find("curl") else { return };
    let backend = Backend::new("proxy", serve);
    let port = free_port();
    let config =
        Config::new("").listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[backend.address]);
    let _gateway = Gateway::start(&config);
    let proxy = format!("http://[::1]:{port}");
    let output = Command::new(curl)
        .args(["-sS", "-m", "20", "--http1.1", "--noproxy", "", "--proxytunnel", "-x", &proxy])
        .arg("http://b.example/c")
        .output()
        .expect("curl runs");
    assert_eq!(output.stdout, b"inside", "{}", String::from_utf8_lossy(&output.stderr));
    assert!(backend.heads()[0].starts_with("CONNECT b.example:80 HTTP/1.1\r\n"));
    assert!(backend.heads()[1].starts_with("GET /c HTTP/1.1\r\n"));
}
