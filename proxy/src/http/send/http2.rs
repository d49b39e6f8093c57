//! The exchange over one stream of a connection that carries others beside it.
//!
//! RFC 9113 §8. The connection is driven by a task of its own; the content of the request leaves in the task of the client
//! until the head of the answer is there, and from then on in one of its own, so that neither direction waits for the
//! other.

mod pump;

pub(in crate::http) use pump::Pumping;

use super::{Lost, Why};
use crate::http::answer::{self, Answer};
use crate::http::exchange::Exchange;
use crate::http::outgoing::Outgoing;
use crate::http::reply::{Granted, Reply};
use crate::http::upgrade::Connect;
use crate::http::websocket;
use crate::upstream::Stream;
use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use hyper::body::Body;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode};
use pump::{Broken, Pump};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Sends the request and waits for the head of the answer.
pub(super) async fn ask(
    exchange: &Exchange,
    stream: Stream,
    (outgoing, connect): (Box<Outgoing>, Option<Connect>),
) -> Result<Response<Reply>, Lost> {
    let mut request = outgoing.head.to_http2((stream.is_encrypted(), stream.member().address), connect);
    let accept = match connect {
        Some(Connect::WebSocket) => Some(shake(&stream, request.headers_mut()).map_err(Lost::Unfit)?),
        Some(Connect::Plain) | None => None,
    };
    let ends = connect.is_none() && outgoing.body.is_end_stream();
    let (mut answer, sending) = match stream.sender().send_request(request, ends) {
        Ok(opened) => opened,
        Err(error) => {
            tracing::debug!(%error, "connection to a member takes no further request");
            stream.retire();
            return Err(Lost::Unsent(outgoing));
        }
    };
    let Outgoing { head, body, repeatable } = *outgoing;
    let asked = body.waits();
    let (sending, tunnel) = if connect.is_some() { (None, Some(sending)) } else { (Some(sending), None) };
    let mut pump = Pump::new(sending.filter(|_| !ends), body);
    exchange.waits_for_member();
    let answered = poll_fn(|cx| {
        if let Some(overdue) = exchange.take_overdue() {
            return Poll::Ready(Err(Lost::Overdue(overdue)));
        }
        if let Some(asked) = &asked {
            listen(&mut answer, cx, asked);
        }
        if let Poll::Ready(answered) = Pin::new(&mut answer).poll(cx) {
            return Poll::Ready(answered.map_err(|error| lost(&error, &stream, pump.has_begun())));
        }
        match pump.poll(cx) {
            Poll::Ready(Err(Broken::Client)) => {
                Poll::Ready(Err(Lost::Failed { heard: true, why: Why::Client, failed: () }))
            }
            // What the member does with the stream comes as its answer.
            Poll::Ready(Ok(()) | Err(Broken::Member)) | Poll::Pending => Poll::Pending,
        }
    })
    .await;
    let answered = match answered {
        Ok(response) => whole(exchange, response, (&head.method, tunnel.is_some()), &mut pump).await,
        Err(lost) => Err(lost),
    };
    match answered {
        Ok((response, is_bare)) => {
            stream.is_answered();
            if let Some(sending) = tunnel {
                return Ok(settle(response, stream, Granted { sending, accept }));
            }
            let client = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
            Ok(response.map(|content| Reply::http2(content, stream, pump.go_on(client), is_bare)))
        }
        Err(lost) => Err(lost.of(|| Box::new(Outgoing { head, body: pump.into_body(), repeatable }))),
    }
}

/// The answer, and whether it ends with its head (RFC 9110 §6.4.1), unless it grants a tunnel. Some members end the stream
/// of such an answer behind the head, and who passes the head on looks no further; so that end is waited for. Octets of
/// content there are malformed (RFC 9113 §8.1.1). The head is whole if the stream breaks off.
async fn whole(
    exchange: &Exchange,
    mut response: Response<RecvStream>,
    (method, is_tunnel): (&Method, bool),
    pump: &mut Pump,
) -> Result<(Response<RecvStream>, bool), Lost<()>> {
    let has_none = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status());
    if is_tunnel || !(has_none || *method == Method::HEAD) {
        return Ok((response, false));
    }
    let content = response.body_mut();
    poll_fn(|cx| {
        if let Some(overdue) = exchange.take_overdue() {
            return Poll::Ready(Err(Lost::Overdue(overdue)));
        }
        while let Poll::Ready(part) = content.poll_data(cx) {
            match part {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(_)) => {
                    return Poll::Ready(Err(Lost::Failed { heard: true, why: Why::Malformed, failed: () }));
                }
                Some(Err(_)) => return Poll::Ready(Ok(())),
                // Trailers of no content are nobody's.
                None if content.poll_trailers(cx).is_ready() => return Poll::Ready(Ok(())),
                None => break,
            }
        }
        // A member may want the rest of the request first; what becomes of it comes as the end.
        let _ = pump.poll(cx);
        Poll::Pending
    })
    .await?;
    Ok((response, true))
}

/// Does the member's part of a handshake of `WebSocket`: takes the key out, which HTTP/2 does without, and gives what
/// answers it.
fn shake(stream: &Stream, headers: &mut HeaderMap) -> Result<HeaderValue, Answer> {
    if !stream.allows_websockets() {
        return Err(answer::NO_WEBSOCKET);
    }
    websocket::take_key(headers).ok_or(answer::NO_KEY)
}

/// What has become of a request for a tunnel.
fn settle(response: Response<RecvStream>, stream: Stream, mut granted: Granted) -> Response<Reply> {
    let is_granted = response.status().is_success();
    if !is_granted {
        // A member that has answered already may have ended the stream.
        let _ = granted.sending.send_data(Bytes::new(), true);
    }
    response.map(|content| {
        if is_granted {
            Reply::tunnel(content, stream, granted)
        } else {
            Reply::http2(content, stream, None, false)
        }
    })
}

/// Hears whether the member asks for the content.
fn listen(answer: &mut ResponseFuture, cx: &mut Context<'_>, asked: &Cell<bool>) {
    while let Poll::Ready(Some(Ok(interim))) = answer.poll_informational(cx) {
        asked.set(asked.get() || interim.status() == StatusCode::CONTINUE);
    }
}

/// What became of a request that got this in place of an answer. `begun`: a part of its content has left, so that it
/// cannot be sent again.
///
/// A GOAWAY reaches a stream while the connection is whole only if the member has left it alone.
fn lost(error: &h2::Error, stream: &Stream, begun: bool) -> Lost<()> {
    tracing::debug!(%error, "member gave no answer");
    let untouched = error.is_remote() && !begun;
    let leaves = untouched && error.is_go_away() && !stream.is_cut();
    match error.reason() {
        Some(Reason::REFUSED_STREAM) if untouched && error.is_reset() => return Lost::Refused(()),
        Some(Reason::NO_ERROR) if leaves => return Lost::Leaving(()),
        _ if leaves => return Lost::Unsent(()),
        _ => {}
    }
    let why = if error.is_library() { Why::Malformed } else { Why::Gone };
    Lost::Failed { heard: error.is_reset(), why, failed: () }
}
