//! Tunnels of single streams: `CONNECT`, and `WebSocket` by extended `CONNECT` (RFC 8441), which members of HTTP/1.1 are
//! asked for by an upgrade.

use crate::http::answer::{self, Answer};
use crate::http::connection::now;
use crate::http::exchange::{Exchange, Underway};
use crate::http::tunnel::Switched;
use crate::http::upgrade::Asked;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::ext::Protocol;
use hyper::header::{
    CONTENT_LENGTH, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional};

/// The one protocol that an upgrade of HTTP/1.1 stands for.
const WEBSOCKET: &str = "websocket";

/// Takes what a `CONNECT` has of its own out of the request. One that asks for a protocol becomes what a member of
/// HTTP/1.1 is asked by, and says so.
pub(crate) fn receive(exchange: &Exchange, request: &mut Parts) -> Result<Option<Asked>, Answer> {
    exchange.upgrade.set(request.extensions.remove::<OnUpgrade>());
    let Some(protocol) = request.extensions.remove::<Protocol>() else { return Ok(None) };
    if protocol.as_str() != WEBSOCKET {
        return Err(answer::UNKNOWN_PROTOCOL);
    }
    let local = &exchange.connection.local;
    let nonce = [local.random().to_be_bytes(), local.random().to_be_bytes()].concat();
    let key = HeaderValue::from_str(&STANDARD.encode(nonce)).expect("base64 is plain characters");
    request.method = Method::GET;
    request.headers.insert(SEC_WEBSOCKET_KEY, key);
    request.headers.entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
    request.headers.remove(CONTENT_LENGTH);
    Ok(Some(Asked::Protocols(HeaderValue::from_static(WEBSOCKET))))
}

/// Has the head of a response that grants it say so to a client of HTTP/2, which knows no upgrade.
pub(crate) fn grant(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(SEC_WEBSOCKET_ACCEPT);
}

/// Carries a stream on once the head that grants it has left, until both ends have said all, one breaks, or neither
/// moves for the timeout of tunnels.
pub(crate) async fn carry(underway: Underway, upgrade: OnUpgrade, switched: Switched) {
    underway.waits.borrow_mut().tunnels(underway.route.timeout.tunnel, now());
    let Ok(upgraded) = upgrade.await else { return };
    let (member, ahead, _lease) = switched.into_parts();
    let mut client = Noted { inner: TokioIo::new(upgraded), exchange: &underway, is_client: true };
    let mut member = Noted { inner: member, exchange: &underway, is_client: false };
    let passed = async {
        client.write_all(&ahead).await?;
        copy_bidirectional(&mut client, &mut member).await
    };
    if let Err(error) = passed.await {
        tracing::debug!(%error, "tunnel of a stream did not end well");
    }
    underway.settles();
}

/// An end of a tunnel that notes when it moves.
struct Noted<'a, S> {
    inner: S,
    exchange: &'a Rc<Exchange>,
    is_client: bool,
}

impl<S> Noted<'_, S> {
    fn moved(&self, read: usize, written: usize) {
        self.exchange.waits.borrow_mut().member = Some(now());
        if self.is_client {
            self.exchange.received(read);
            self.exchange.sends(written);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        self.moved(buffer.filled().len() - before, 0);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        self.moved(0, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
