//! Streams of HTTP/2 that become tunnels: `CONNECT`, and `WebSocket` by extended `CONNECT`.

use crate::backend::{Backend, Seen, Wire, field, noise};
use crate::gateway::{Gateway, wait_for};
use crate::http2::{Http2, failed, read, send_all, served};
use crate::tunnel::granting;
use bytes::Bytes;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

fn started(timeouts: &str) -> (Backend, Gateway, u16) {
    let backend = Backend::new("granting", granting);
    backend.seen.gate.store(true, Ordering::SeqCst);
    let (gateway, port) = served(&backend, "workers = 1", timeouts, "");
    (backend, gateway, port)
}

pub(crate) fn extended(protocol: &'static str, path: &str) -> Request<()> {
    let asked =
        Request::connect(format!("http://a.example{path}")).extension(Protocol::from_static(protocol));
    asked.header("sec-websocket-version", "13").header("origin", "http://a.example").body(()).unwrap()
}

/// Asks for a tunnel once the proxy has said that it knows this kind.
pub(crate) fn open(client: &mut Http2, asked: Request<()>) -> (Response<RecvStream>, SendStream<Bytes>) {
    let (response, stream) = client.send(asked, false);
    (client.wait(response).expect("a response comes"), stream)
}

/// Sends octets and the end through a tunnel whose member greets and gives back what it gets.
pub(crate) fn echoes(client: &mut Http2, response: Response<RecvStream>, stream: &mut SendStream<Bytes>) {
    let body = noise((1 << 20) + 1);
    let mut answers = response.into_body();
    let all = client.wait(async {
        let sending = async {
            send_all(stream, &body).await.unwrap();
            stream.send_data(Bytes::new(), true).unwrap();
        };
        futures_util::future::join(sending, read(&mut answers)).await.1.unwrap()
    });
    assert!(
        all == [b"hello", &body[..]].concat(),
        "what came behind the answer is passed on, and all comes back"
    );
}

#[test]
fn a_websocket_over_http_2_is_an_upgrade_to_the_member() {
    let (backend, gateway, port) = started("");
    let mut client = Http2::connect(port);
    // The first answer comes behind the settings.
    assert_eq!(client.get("/plain").text(), "plain");
    let (response, mut stream) = open(&mut client, extended("websocket", "/"));
    assert_eq!(response.status(), 200);
    let fields = ["x-kept", "upgrade", "connection", "sec-websocket-accept"];
    let fields = fields.map(|name| response.headers().get(name).map(|value| value.to_str().unwrap()));
    assert_eq!(fields, [Some("yes"), None, None, None]);
    echoes(&mut client, response, &mut stream);
    let head = backend.heads().remove(1).to_ascii_lowercase();
    assert!(head.starts_with("get / http/1.1\r\n"), "{head}");
    let asked = ["host", "connection", "upgrade", "sec-websocket-version", "origin"];
    let expect = ["a.example", "upgrade", "websocket", "13", "http://a.example"].map(Some);
    assert_eq!(asked.map(|name| field(&head, name)), expect, "{head}");
    assert_eq!(field(&head, "sec-websocket-key").map(str::len), Some(24), "{head}");
    assert_eq!(client.get("/plain").text(), "plain", "the connection goes on");
    gateway.counts("member_load{pool=\"web\",member=\"m0\"}", 0);
    gateway.counts(&failed("client_gone"), 0);
}

#[test]
fn connect_over_http_2_is_a_tunnel_if_the_member_grants_it() {
    let (_backend, gateway, port) = started("");
    let mut client = Http2::connect(port);
    let (response, mut stream) = open(&mut client, Request::connect("b.example:443").body(()).unwrap());
    assert_eq!((response.status().as_u16(), response.headers().get("content-length")), (200, None));
    let mut answers = response.into_body();
    client.wait(send_all(&mut stream, b", you")).unwrap();
    stream.send_data(Bytes::new(), true).unwrap();
    assert_eq!(client.wait(read(&mut answers)).unwrap(), b"hello, you");
    let (refused, _stream) = open(&mut client, Request::connect("c.example:443").body(()).unwrap());
    assert_eq!(refused.status(), 403);
    gateway.counts("requests_total{listener=\"web\",class=\"2xx\"}", 1);
}

#[test]
fn what_is_not_granted_is_no_tunnel() {
    let (_backend, gateway, port) = started("");
    let mut client = Http2::connect(port);
    assert_eq!(client.get("/plain").text(), "plain");
    for (protocol, path, status) in [
        ("websocket", "/plain", 502),
        ("websocket", "/other", 502),
        ("websocket", "/no", 403),
        ("connect-udp", "/", 501),
    ] {
        let (response, _stream) = open(&mut client, extended(protocol, path));
        assert_eq!(response.status(), status, "{protocol} {path}");
    }
    gateway.counts(&failed("unsupported"), 1);
    assert_eq!(client.get("/plain").text(), "plain");
}

#[test]
fn a_tunnel_ends_when_its_stream_does_or_neither_end_moves() {
    let (_backend, gateway, port) = started("tunnel = \"1s\"\nkeep_alive = \"200ms\"");
    let mut client = Http2::connect(port);
    let tunnel = || Request::connect("b.example:443").body(()).unwrap();
    let (response, mut stream) = open(&mut client, tunnel());
    let (silent, _kept) = open(&mut client, tunnel());
    let mut answers = response.into_body();
    assert_eq!(client.wait(answers.data()).unwrap().unwrap(), "hello");
    stream.send_reset(Reason::CANCEL);
    gateway.counts("member_load{pool=\"web\",member=\"m0\"}", 1);
    let ended = client.wait(read(&mut silent.into_body()));
    assert_eq!(ended.unwrap_err().reason(), Some(Reason::CANCEL), "what is broken off is no good end");
    gateway.counts(&failed("tunnel_timeout"), 1);
    gateway.counts("member_load{pool=\"web\",member=\"m0\"}", 0);
    assert_eq!(gateway.metric("requests_total{listener=\"web\",class=\"2xx\"}"), 2);
}

/// Grants what it is asked for and greets. It sends back what comes and notes the end, but for `/break` it breaks off, and
/// for `/deaf` it never ends.
fn breaking(seen: &Seen, stream: TcpStream) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut wire = Wire::new(stream);
    let Some(head) = wire.head()? else { return Ok(()) };
    writer.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello",
    )?;
    let path = head.split(' ').nth(1).unwrap_or("").to_owned();
    let (mut reader, _) = wire.into_parts();
    if path == "/break" {
        wait_for("the test to open the gate", || seen.gate.load(Ordering::SeqCst).then_some(()));
        return socket2::SockRef::from(&writer).set_linger(Some(Duration::ZERO));
    }
    let ended = std::io::copy(&mut reader, &mut writer);
    seen.heads
        .lock()
        .unwrap()
        .push(ended.map_or_else(|error| format!("{:?}", error.kind()), |_| "end".into()));
    if path == "/deaf" {
        wait_for("the test to open the gate", || seen.gate.load(Ordering::SeqCst).then_some(()));
    }
    writer.shutdown(Shutdown::Write)
}

#[test]
fn a_tunnel_whose_member_breaks_off_is_reset() {
    let backend = Backend::new("breaking", breaking);
    let (gateway, port) = served(&backend, "workers = 1", "", "");
    let mut client = Http2::connect(port);
    // What the proxy allows is known with its first answer, whatever that is.
    assert!(client.get("/").head.status().is_server_error());
    let (response, _stream) = open(&mut client, extended("websocket", "/break"));
    let mut answers = response.into_body();
    assert_eq!(client.wait(answers.data()).unwrap().unwrap(), "hello");
    backend.seen.gate.store(true, Ordering::SeqCst);
    let ended = client.wait(read(&mut answers));
    assert_eq!(ended.unwrap_err().reason(), Some(Reason::CANCEL));
    gateway.counts(&failed("member_gone"), 1);
}

#[test]
fn a_tunnel_that_the_client_resets_breaks_off_at_the_member() {
    let backend = Backend::new("breaking", breaking);
    let (gateway, port) = served(&backend, "workers = 1", "", "");
    let mut client = Http2::connect(port);
    assert!(client.get("/").head.status().is_server_error());
    for reason in [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
        let (response, mut stream) = open(&mut client, extended("websocket", "/"));
        let mut answers = response.into_body();
        assert_eq!(client.wait(answers.data()).unwrap().unwrap(), "hello");
        stream.send_reset(reason);
    }
    // The first one was no tunnel.
    wait_for("the member to see them", || (backend.heads().len() == 4).then_some(()));
    let resets = || backend.heads().iter().filter(|head| *head == "ConnectionReset").count();
    assert_eq!(resets(), 3, "{:?}", backend.heads());
    gateway.counts(&failed("client_gone"), 3);
    let (response, _stream) = open(&mut client, extended("websocket", "/"));
    assert_eq!(client.wait(response.into_body().data()).unwrap().unwrap(), "hello");
    drop(client);
    wait_for("the member to see it", || (backend.heads().len() == 5).then_some(()));
    assert_eq!(resets(), 4, "the connection of the client went, and its tunnels with it");
}

#[test]
fn a_half_closed_tunnel_has_the_timeout_of_the_end() {
    let backend = Backend::new("breaking", breaking);
    let (gateway, port) = served(&backend, "workers = 1", "server_fin = \"300ms\"", "");
    let mut client = Http2::connect(port);
    assert!(client.get("/").head.status().is_server_error());
    let (response, mut stream) = open(&mut client, extended("websocket", "/deaf"));
    stream.send_data(Bytes::from_static(b", you"), true).unwrap();
    let ended = client.wait(read(&mut response.into_body()));
    assert_eq!(ended.unwrap_err().reason(), Some(Reason::CANCEL));
    gateway.counts(&failed("member_timeout"), 1);
}
