//! Clients and members of either version of HTTP: what does not depend on the version is tested once, over both.

use crate::backend::{Backend, Seen, Wire, field};
use crate::client::{Client, Response};
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6, wait_for};
use crate::http2::{Http2, send_all};
use crate::http2_member;
use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::Request;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}
use Version::{One, Two};

impl Version {
    /// What makes curl speak it.
    pub(crate) const fn of_curl(self) -> &'static str {
        match self {
            One => "--http1.1",
            Two => "--http2-prior-knowledge",
        }
    }
}

/// What the client and the members speak.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) front: Version,
    pub(crate) back: Version,
}

impl Way {
    /// Tests every way. The one that fails is the last that is told.
    pub(crate) fn each(test: impl Fn(Self)) {
        for (front, back) in [(One, One), (Two, One), (One, Two), (Two, Two)] {
            let way = Self { front, back };
            println!("{way:?}");
            test(way);
        }
    }

    /// The same over either version in front of members of HTTP/1.1.
    pub(crate) fn each_front(test: impl Fn(Self)) {
        for front in [One, Two] {
            println!("{front:?}");
            test(Self { front, back: One });
        }
    }

    /// A member that answers `/head` with the head it got, `/hops` with a field, and else with its name.
    pub(crate) fn member(self, name: &'static str) -> Backend {
        match self.back {
            One => Backend::http(name),
            Two => self.scripted(move |head| match target(head) {
                "/head" => Page::of("", head),
                "/hops" => Page::of("X-Outer: 2\r\n", ""),
                _ => Page::of("", name),
            }),
        }
    }

    /// A member that answers each head with a page.
    pub(crate) fn scripted(self, page: impl Fn(&str) -> Page + Send + Sync + 'static) -> Backend {
        match self.back {
            One => Backend::new("scripted", move |seen, stream| one(seen, stream, &page)),
            Two => Backend::new("scripted", move |seen, stream| {
                let answer = async |seen: &Seen, request, respond| two(seen, request, respond, &page).await;
                http2_member::serve_by(seen, stream, &h2::server::Builder::new(), &answer)
            }),
        }
    }

    /// The lines of a pool of members.
    pub(crate) fn pool(self) -> String {
        format!("{UNCHECKED}\n{}", self.protocol())
    }

    /// The line of a pool about what its members speak.
    pub(crate) const fn protocol(self) -> &'static str {
        match self.back {
            One => "",
            Two => "protocol = \"h2\"",
        }
    }

    /// A listener `web` with these lines in front of one member in the pool `usual`.
    pub(crate) fn config(self, port: u16, lines: &str, member: &Backend) -> Config {
        Config::new("workers = 1").listener("web", "http", port, "usual", lines).pool(
            "usual",
            &self.pool(),
            &[member.address],
        )
    }

    /// The same, running.
    pub(crate) fn start(self, lines: &str, member: &Backend) -> (Gateway, u16) {
        let port = free_port();
        (Gateway::start(&self.config(port, lines, member)), port)
    }

    /// A client over IPv6.
    pub(crate) fn client(self, port: u16) -> Speaker {
        Speaker::connect(self.front, v6(port))
    }
}

/// What a scripted member answers: 200 with these fields, and content.
pub(crate) struct Page {
    /// Each with its end.
    fields: String,
    /// Ahead of each but the first, the test has to open the gate.
    parts: Vec<String>,
}

impl Page {
    pub(crate) fn of(fields: &str, content: &str) -> Self {
        Self::in_parts(fields, &[content])
    }

    pub(crate) fn in_parts(fields: &str, parts: &[&str]) -> Self {
        Self { fields: fields.to_owned(), parts: parts.iter().map(|part| (*part).to_owned()).collect() }
    }

    fn length(&self) -> Option<usize> {
        match &self.parts[..] {
            [whole] => Some(whole.len()),
            _ => None,
        }
    }
}

fn one(seen: &Seen, mut stream: TcpStream, page: impl Fn(&str) -> Page) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wire = Wire::new(stream.try_clone()?);
    while let Some(head) = wire.head()? {
        seen.heads.lock().unwrap().push(head.clone());
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap_or(0));
        wire.bytes(length, |_| {})?;
        let page = page(&head);
        if let Some(length) = page.length() {
            let content = if head.starts_with("HEAD ") { "" } else { &page.parts[0] };
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{}\r\n{content}", page.fields)?;
            continue;
        }
        write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{}\r\n", page.fields)?;
        for (place, part) in page.parts.iter().enumerate() {
            if place > 0 {
                wait_for("the test to open the gate", || seen.gate.load(Ordering::SeqCst).then_some(()));
            }
            write!(stream, "{:x}\r\n{part}\r\n", part.len())?;
        }
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}

async fn two(
    seen: &Seen,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    page: impl Fn(&str) -> Page,
) -> Result<(), h2::Error> {
    let uri = request.uri();
    let (path, host) =
        (uri.path_and_query().map_or("", |path| path.as_str()), uri.authority().map_or("", |it| it.as_str()));
    let mut head = format!("{} {path} HTTP/2\r\nhost: {host}\r\n", request.method());
    for (name, value) in request.headers() {
        write!(head, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())).unwrap();
    }
    head.push_str("\r\n");
    seen.heads.lock().unwrap().push(head.clone());
    let mut content = request.into_body();
    while let Some(part) = content.data().await {
        content.flow_control().release_capacity(part?.len())?;
    }
    let page = page(&head);
    let mut answer = http::Response::builder();
    for (name, value) in fields(&page.fields) {
        answer = answer.header(name.to_ascii_lowercase(), value);
    }
    if let Some(length) = page.length() {
        answer = answer.header("content-length", length);
    }
    let bare = head.starts_with("HEAD ");
    let mut out = respond.send_response(answer.body(()).expect("a sound page"), bare)?;
    for (place, part) in page.parts.iter().filter(|_| !bare).enumerate() {
        if place > 0 {
            seen.gate.opens().await;
        }
        send_all(&mut out, part.as_bytes()).await?;
    }
    if bare { Ok(()) } else { out.send_data(Bytes::new(), true) }
}

/// The target in a head of either version.
pub(crate) fn target(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

/// Lines of fields as names and values.
fn fields(lines: &str) -> impl Iterator<Item = (&str, &str)> {
    lines.lines().map(|line| {
        let (name, value) = line.split_once(':').expect("a field has a colon");
        (name, value.trim())
    })
}

/// A request: its method, the host that it is for, its target, and lines of further fields, each with its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    pub(crate) target: &'a str,
    pub(crate) lines: &'a str,
}

impl<'a> Asked<'a> {
    pub(crate) const fn get(target: &'a str, lines: &'a str) -> Self {
        Self { method: "GET", host: "a.example", target, lines }
    }

    fn one(&self) -> String {
        let Self { method, host, target, lines } = self;
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")
    }

    /// `scheme` is that of the connection. A target of absolute form is taken as it is.
    fn two(&self, scheme: &str) -> Request<()> {
        let mut request = Request::builder().method(self.method);
        request = if self.method == "CONNECT" || self.target.starts_with("http") {
            request.uri(self.target)
        } else {
            let uri = http::Uri::builder().scheme(scheme).authority(self.host).path_and_query(self.target);
            request.uri(uri.build().expect("a target"))
        };
        for (name, value) in fields(self.lines) {
            request = request.header(name, value);
        }
        request.body(()).expect("a sound request")
    }
}

/// A client on one connection, which sends a request and reads its response.
pub(crate) struct Speaker {
    speech: Speech,
    /// The content of a response that is read part by part.
    content: Option<RecvStream>,
    /// Streams of requests that go on; one that is dropped is reset.
    unfinished: Vec<SendStream<Bytes>>,
}

enum Speech {
    /// With, of each response to come, whether it is one without content.
    One(Client, VecDeque<bool>),
    Two(Http2, VecDeque<ResponseFuture>),
}

impl Speaker {
    pub(crate) fn connect(version: Version, address: SocketAddr) -> Self {
        Self::announced(version, address, "")
    }

    /// With this ahead of all else, such as a header of the PROXY protocol.
    pub(crate) fn announced(version: Version, address: SocketAddr, ahead: &str) -> Self {
        let mut client = Client::connect(address);
        client.send(ahead);
        let speech = match version {
            One => Speech::One(client, VecDeque::new()),
            Two => {
                client.stream.set_nonblocking(true).expect("a socket of ours");
                let socket = async { tokio::net::TcpStream::from_std(client.stream) };
                Speech::Two(Http2::over(&h2::client::Builder::new(), socket), VecDeque::new())
            }
        };
        Self { speech, content: None, unfinished: Vec::new() }
    }

    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.ask(&Asked::get(target, ""))
    }

    pub(crate) fn post(&mut self, target: &str, content: &[u8]) -> Response {
        self.begin_post(target, content.len(), content);
        self.receive()
    }

    pub(crate) fn ask(&mut self, asked: &Asked<'_>) -> Response {
        self.send(asked);
        self.receive()
    }

    /// Sends a request without content, for a response that is read later.
    pub(crate) fn send(&mut self, asked: &Asked<'_>) {
        match &mut self.speech {
            Speech::One(client, bare) => {
                client.send(asked.one());
                bare.push_back(asked.method == "HEAD");
            }
            Speech::Two(client, answers) => answers.push_back(client.send(asked.two("http"), true).0),
        }
    }

    /// Sends a request with this part of content, which is `length` octets in all.
    pub(crate) fn begin_post(&mut self, target: &str, length: usize, part: &[u8]) {
        let lines = format!("Content-Length: {length}\r\n");
        let asked = Asked { method: "POST", ..Asked::get(target, &lines) };
        match &mut self.speech {
            Speech::One(client, bare) => {
                client.send([asked.one().as_bytes(), part].concat());
                bare.push_back(false);
            }
            Speech::Two(client, answers) => {
                let (answer, mut content) = client.send(asked.two("http"), false);
                answers.push_back(answer);
                let is_whole = part.len() == length;
                // The answer may be there already, and the stream have ended with it.
                let _ = content.send_data(Bytes::copy_from_slice(part), is_whole);
                if !is_whole {
                    self.unfinished.push(content);
                }
            }
        }
    }

    /// The next response, whole.
    pub(crate) fn receive(&mut self) -> Response {
        match &mut self.speech {
            Speech::One(client, bare) => {
                let bare = bare.pop_front().expect("it was asked for");
                client.try_response(bare).expect("a response comes")
            }
            Speech::Two(client, answers) => {
                let answer = answers.pop_front().expect("it was asked for");
                client.wait(whole(answer))
            }
        }
    }

    /// The head of the next response.
    pub(crate) fn receive_head(&mut self) -> String {
        match &mut self.speech {
            Speech::One(client, _) => client.head(),
            Speech::Two(client, answers) => {
                let answer = answers.pop_front().expect("it was asked for");
                let (head, content) = client.wait(answer).expect("a response comes").into_parts();
                self.content = Some(content);
                shown(&head)
            }
        }
    }

    /// The next part of the content behind that head; empty at its end.
    pub(crate) fn part(&mut self) -> Vec<u8> {
        match &mut self.speech {
            Speech::One(client, _) => client.chunk(),
            Speech::Two(client, _) => {
                let content = self.content.as_mut().expect("its head was read");
                let Some(part) = client.wait(content.data()) else { return Vec::new() };
                let part = part.expect("the content comes");
                content.flow_control().release_capacity(part.len()).expect("it was received");
                part.to_vec()
            }
        }
    }

    /// Waits until the proxy has ended the connection in good order.
    pub(crate) fn await_end(self) {
        match self.speech {
            Speech::One(mut client, _) => assert!(client.is_closed(), "a good end"),
            Speech::Two(client, _) => client.ended().expect("a good end"),
        }
    }

    /// Whether a refusal was the last of its connection, as it is in HTTP/1.1; in HTTP/2 others go on.
    pub(crate) fn ends_by_version(&mut self) -> bool {
        match &mut self.speech {
            Speech::One(client, _) => client.is_closed(),
            Speech::Two(client, _) => client.answers_pings(),
        }
    }
}

/// One request over TLS on a connection of its own. A bad name or certificate panics.
pub(crate) fn secured(
    version: Version,
    config: &Arc<ClientConfig>,
    address: SocketAddr,
    name: &str,
    asked: &Asked<'_>,
) -> Response {
    let mut config = (**config).clone();
    let protocol: &[u8] = if version == One { b"http/1.1" } else { b"h2" };
    config.alpn_protocols = vec![protocol.to_vec()];
    let config = Arc::new(config);
    if version == One {
        let mut stream = crate::certificate::connect(&config, address, name);
        let lines = format!("{}Connection: close\r\n", asked.lines);
        stream.write_all(Asked { lines: &lines, ..*asked }.one().as_bytes()).expect("the proxy takes it");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("all comes");
        let end = all.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&all[..end]).into_owned();
        let status = target(&head).parse().expect("a status");
        return Response { status, head, body: all.split_off(end) };
    }
    let name = ServerName::try_from(name.to_owned()).expect("a name or an address");
    let stream = async {
        let socket = tokio::net::TcpStream::connect(address).await?;
        tokio_rustls::TlsConnector::from(config).connect(name, socket).await
    };
    let mut client = Http2::over(&h2::client::Builder::new(), stream);
    let (answer, _) = client.send(asked.two("https"), true);
    client.wait(whole(answer))
}

/// The whole of a response. One that refuses a malformed request is followed by a reset (RFC 9113 §8.1.1).
async fn whole(answer: ResponseFuture) -> Response {
    let (head, mut stream) = answer.await.expect("a response comes").into_parts();
    let (status, mut body) = (head.status, Vec::new());
    let head = shown(&head);
    while let Some(part) = stream.data().await {
        match part {
            Ok(part) => {
                stream.flow_control().release_capacity(part.len()).expect("it was received");
                body.extend_from_slice(&part);
            }
            Err(error) => {
                let is_refusal = status.is_client_error() && error.reason() == Some(Reason::PROTOCOL_ERROR);
                assert!(is_refusal, "{head}{error}");
                assert_eq!(field(&head, "content-length"), Some(body.len().to_string().as_str()));
                break;
            }
        }
    }
    Response { status: status.as_u16(), head, body }
}

/// A head as HTTP/1.1 would write it.
fn shown(head: &http::response::Parts) -> String {
    let mut text = format!("HTTP/2 {}\r\n", head.status.as_u16());
    for (name, value) in &head.headers {
        write!(text, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())).unwrap();
    }
    text + "\r\n"
}
