//! Members that speak HTTP/2: a whole one, and frames by hand for what no library would do.

use crate::backend::{Backend, Seen};
use crate::gateway::wait_for;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::ext::Protocol;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use std::fmt::Write as _;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;

/// A server that speaks HTTP/2 from the first octet on; see [`answer`] for its paths.
pub(crate) fn member(name: &'static str) -> Backend {
    Backend::new(name, |seen, stream| serve(seen, stream, Builder::new().max_concurrent_streams(100)))
}

/// The same, one request at a time on each connection, whose end it notes.
pub(crate) fn narrow_member(name: &'static str) -> Backend {
    Backend::new(name, |seen, stream| {
        let served = serve(seen, stream, Builder::new().max_concurrent_streams(1));
        seen.heads.lock().unwrap().push(CLOSED.to_owned());
        served
    })
}

/// What a narrow member notes of a connection that has ended.
pub(crate) const CLOSED: &str = "closed";

/// The same, which is silent until the gate is open.
pub(crate) fn late_narrow_member(name: &'static str) -> Backend {
    Backend::new(name, |seen, stream| {
        wait_for("the test to open the gate", || seen.gate.load(Ordering::SeqCst).then_some(()));
        serve(seen, stream, Builder::new().max_concurrent_streams(1))
    })
}

fn serve(seen: &Seen, stream: TcpStream, builder: &Builder) -> std::io::Result<()> {
    serve_by(seen, stream, builder, &answer)
}

/// Serves a connection: each request has an answer of its own.
pub(crate) fn serve_by(
    seen: &Seen,
    stream: TcpStream,
    builder: &Builder,
    answer: &impl AsyncFn(&Seen, Request<RecvStream>, SendResponse<Bytes>) -> Result<(), h2::Error>,
) -> std::io::Result<()> {
    stream.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::from_std(stream)?;
        let mut connection = builder.handshake(stream).await.map_err(std::io::Error::other)?;
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                next = connection.accept() => match next {
                    Some(Ok((request, respond))) => running.push(answer(seen, request, respond)),
                    Some(Err(error)) => return Err(std::io::Error::other(error)),
                    None => return Ok(()),
                },
                // What a client breaks off is the business of the test.
                Some(_) = running.next(), if !running.is_empty() => {}
            }
        }
    })
}

/// One that allows `WebSocket` by extended `CONNECT`.
pub(crate) fn websocket_member(name: &'static str) -> Backend {
    Backend::new(name, |seen, stream| serve(seen, stream, Builder::new().enable_connect_protocol()))
}

/// The head as text, with the pseudo-header fields in the first lines.
fn text(request: &Request<RecvStream>) -> String {
    let mut text = format!("{} {}\n", request.method(), request.uri());
    if let Some(protocol) = request.extensions().get::<Protocol>() {
        writeln!(text, ":protocol: {}", protocol.as_str()).unwrap();
    }
    for (name, value) in request.headers() {
        writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes())).unwrap();
    }
    text
}

/// Streams that are given up, by path.
const RESET: [(&str, Reason); 2] = [("/refused", Reason::REFUSED_STREAM), ("/reset", Reason::INTERNAL_ERROR)];

async fn answer(
    seen: &Seen,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let text = text(&request);
    seen.heads.lock().unwrap().push(text.clone());
    let path = request.uri().path().to_owned();
    if let Some((_, reason)) = RESET.iter().find(|(known, _)| *known == path) {
        respond.send_reset(*reason);
        return Ok(());
    }
    if request.method() == Method::CONNECT {
        return tunnel(seen, request, respond).await;
    }
    let mut content = request.into_body();
    let status = |code: u16| Response::builder().status(code).body(()).unwrap();
    match path.as_str() {
        "/head" => send(respond, status(200), text.into(), None).await,
        "/echo" => echo(seen, content, respond).await,
        "/back-and-forth" => {
            // Answers each part as it comes, behind a head that comes first.
            let mut out = respond.send_response(status(200), false)?;
            while let Some(part) = content.data().await {
                let part = part?;
                content.flow_control().release_capacity(part.len())?;
                write(&mut out, part).await?;
            }
            out.send_data(Bytes::new(), true)
        }
        "/early" => send(respond, status(403), Bytes::from_static(b"no"), None).await,
        "/nothing" => respond.send_response(status(204), true).map(drop),
        "/wait" => {
            seen.gate.opens().await;
            send(respond, status(200), seen.name.into(), None).await
        }
        "/endless" => {
            let mut out = respond.send_response(status(200), false)?;
            let part = Bytes::from_static(&[0; 1024]);
            while write(&mut out, part.clone()).await.is_ok() {}
            let reason = poll_fn(|cx| out.poll_reset(cx)).await?;
            seen.heads.lock().unwrap().push(format!("reset: {reason:?}"));
            Ok(())
        }
        "/half" => {
            let mut out = respond.send_response(status(200), false)?;
            write(&mut out, Bytes::from_static(b"only this")).await?;
            seen.gate.opens().await;
            out.send_reset(Reason::CANCEL);
            Ok(())
        }
        "/login" => {
            let head =
                Response::builder().status(StatusCode::UNAUTHORIZED).header("www-authenticate", "NTLM");
            respond.send_response(head.body(()).unwrap(), true).map(drop)
        }
        _ => send(respond, status(200), seen.name.into(), None).await,
    }
}

/// Grants a tunnel, greets and sends back what comes, or does as the path or the host says.
async fn tunnel(
    seen: &Seen,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let target = request.uri();
    let named = if target.path().len() > 1 { target.path() } else { target.host().unwrap_or("") }.to_owned();
    let head = |status: u16| Response::builder().status(status).header("x-kept", "yes").body(()).unwrap();
    if named == "/no" || named == "c.example" {
        return respond.send_response(head(403), true).map(drop);
    }
    let mut out = respond.send_response(head(200), false)?;
    write(&mut out, Bytes::from_static(b"hello")).await?;
    if named == "/break" {
        seen.gate.opens().await;
        out.send_reset(Reason::INTERNAL_ERROR);
        return Ok(());
    }
    let mut content = request.into_body();
    let ended = loop {
        match content.data().await {
            Some(Ok(part)) => {
                content.flow_control().release_capacity(part.len())?;
                write(&mut out, part).await?;
            }
            Some(Err(error)) => break format!("broken: {:?}", error.reason()),
            None => break "all was said".to_owned(),
        }
    };
    seen.heads.lock().unwrap().push(ended);
    if named == "/deaf" {
        let _ = poll_fn(|cx| out.poll_reset(cx)).await;
        return Ok(());
    }
    out.send_data(Bytes::new(), true)
}

async fn echo(
    seen: &Seen,
    mut content: RecvStream,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    respond.send_informational(Response::builder().status(100).body(()).unwrap())?;
    let mut body = Vec::new();
    while let Some(part) = content.data().await {
        let part = part?;
        seen.body_bytes.fetch_add(part.len(), Ordering::SeqCst);
        content.flow_control().release_capacity(part.len())?;
        body.extend_from_slice(&part);
    }
    let mut trailers = content.trailers().await?.unwrap_or_default();
    trailers.insert("x-octets", body.len().into());
    let head = Response::builder().header("trailer", "x-octets, x-sum").body(()).unwrap();
    send(respond, head, body.into(), Some(trailers)).await
}

async fn send(
    mut respond: SendResponse<Bytes>,
    mut head: Response<()>,
    body: Bytes,
    trailers: Option<HeaderMap>,
) -> Result<(), h2::Error> {
    if trailers.is_none() {
        head.headers_mut().insert("content-length", body.len().into());
    }
    let mut out = respond.send_response(head, false)?;
    write(&mut out, body).await?;
    match trailers {
        Some(trailers) => out.send_trailers(trailers),
        None => out.send_data(Bytes::new(), true),
    }
}

/// Sends as there is room.
pub(crate) async fn write(out: &mut SendStream<Bytes>, mut body: Bytes) -> Result<(), h2::Error> {
    while !body.is_empty() {
        out.reserve_capacity(body.len());
        let Some(room) = poll_fn(|cx| out.poll_capacity(cx)).await else { return Err(Reason::CANCEL.into()) };
        let room = room?.min(body.len());
        out.send_data(body.split_to(room), false)?;
    }
    Ok(())
}

/// One connection of HTTP/2, frame by frame.
pub(crate) struct Frames(TcpStream);

/// A frame: its type, its flags, its stream.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` of the static table (RFC 7541 appendix A).
const OK: &[u8] = &[0x88];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

impl Frames {
    /// Takes the preface and sends these settings.
    pub(crate) fn new(mut stream: TcpStream, settings: &[(u16, u32)]) -> std::io::Result<Self> {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface)?;
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        let mut frames = Self(stream);
        frames.send(SETTINGS, 0, 0, &settings)?;
        Ok(frames)
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        self.0.write_all(&frame(kind, flags, stream, payload))
    }

    /// Says this and that it is all, and at once that nothing more need come (RFC 9113 §8.1).
    pub(crate) fn ends_and_resets(&mut self, stream: u32, content: &str) -> std::io::Result<()> {
        let end = frame(DATA, END_STREAM, stream, content.as_bytes());
        self.0.write_all(&[end, frame(RST_STREAM, 0, stream, &[0; 4])].concat())
    }

    /// The next frame that is no PING or SETTINGS; these are acknowledged.
    pub(crate) fn next(&mut self) -> std::io::Result<Frame> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head)?;
            let [a, b, c, kind, flags, stream @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.0.read_exact(&mut payload)?;
            match (kind, flags & ACK) {
                (SETTINGS, 0) => self.send(SETTINGS, ACK, 0, &[])?,
                (PING, 0) => self.send(PING, ACK, 0, &payload)?,
                (SETTINGS | PING, _) => {}
                _ => return Ok(Frame { kind, flags, stream: u32::from_be_bytes(stream) }),
            }
        }
    }

    /// The stream of the next request.
    pub(crate) fn request(&mut self) -> std::io::Result<u32> {
        loop {
            let frame = self.next()?;
            if frame.kind == HEADERS {
                return Ok(frame.stream);
            }
        }
    }

    /// Begins an answer with 200.
    pub(crate) fn begin(&mut self, stream: u32) -> std::io::Result<()> {
        self.send(HEADERS, END_HEADERS, stream, OK)
    }

    /// Answers 200 with this content.
    pub(crate) fn answer(&mut self, stream: u32, content: &str) -> std::io::Result<()> {
        self.begin(stream)?;
        self.send(DATA, END_STREAM, stream, content.as_bytes())
    }

    /// Serves no request behind this stream.
    pub(crate) fn go_away(&mut self, last: u32) -> std::io::Result<()> {
        self.send(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
    }
}
