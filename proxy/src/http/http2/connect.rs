//! Tunnels of single streams: `CONNECT`, and `WebSocket` by extended `CONNECT` (RFC 8441), which members of HTTP/1.1 are
//! asked for by an upgrade.

use crate::http::answer::{self, Answer};
use crate::http::exchange::{Exchange, Underway};
use crate::http::tunnel::Switched;
use crate::http::upgrade::{Asked, WEBSOCKET};
use crate::relay::{Ahead, Leg, Part, Relay};
use crate::tcp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use hyper::ext::Protocol;
use hyper::header::{
    CONTENT_LENGTH, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
};
use hyper::http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

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

/// Carries a stream on once the head that grants it has left, as mode tcp carries a connection.
pub(crate) async fn carry(underway: Underway, upgrade: OnUpgrade, switched: Switched) {
    underway.waits.borrow_mut().end();
    // The response is all there once the tunnel has ended.
    underway.progress.borrow_mut().finishes(false);
    let Ok(upgraded) = upgrade.await else { return };
    let (member, ahead, _lease) = switched.into_parts();
    let client = OfClient { inner: TokioIo::new(upgraded), exchange: Rc::clone(&underway), is_ending: false };
    let (local, route) = (Rc::clone(&underway.connection.local), Arc::clone(&underway.route));
    let relay = Relay::new(local, route, Leg::part(client), member, None);
    let ahead = Ahead { of_client: Bytes::new(), of_member: ahead };
    let mut tunnel = Tunnel { relay: relay.resume(ahead), has_ended: false };
    let (ending, failure) = tcp::outcome((&mut tunnel.relay).await);
    tunnel.has_ended = true;
    match failure {
        None => underway.progress.borrow_mut().finishes(true),
        Some(failure) => {
            tracing::debug!(?ending, "tunnel of a stream did not end well");
            underway.failed(failure);
        }
    }
    underway.settles();
}

/// A tunnel, which ends with the connection of the client if not before: then the member must see that this was not all.
struct Tunnel {
    relay: Relay,
    has_ended: bool,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if !self.has_ended {
            self.relay.leave_member();
        }
    }
}

/// The client's end of a tunnel.
struct OfClient {
    inner: TokioIo<Upgraded>,
    exchange: Rc<Exchange>,
    /// Whether an end was read.
    is_ending: bool,
}

impl Part for OfClient {
    /// Ends what serves the stream, which the library resets then: told an end it would pass it on as a good one.
    fn abort(&mut self) {
        self.exchange.cancel();
    }
}

impl AsyncRead for OfClient {
    /// The library takes some resets for a good end where it reads. What it writes with learns of them, but a turn later.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        if read == 0 && !std::mem::replace(&mut self.is_ending, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if read == 0
            && let Poll::Ready(flushed) = Pin::new(&mut self.inner).poll_flush(cx)
        {
            flushed?;
        }
        self.exchange.received(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for OfClient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        self.exchange.sends(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
