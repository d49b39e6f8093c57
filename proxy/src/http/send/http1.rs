//! The exchange over a connection that carries it alone, driven in the task of the client.

use super::{Lost, Why};
use crate::http::body::RequestBody;
use crate::http::exchange::Exchange;
use crate::http::outgoing::Outgoing;
use crate::http::reply::Reply;
use crate::upstream::{Broken, Http1};
use hyper::Response;
use hyper::ext::ReasonPhrase;
use std::future::poll_fn;
use std::task::Poll;

/// Sends the request and waits for the head of the answer.
pub(super) async fn ask(
    exchange: &Exchange,
    mut upstream: Box<Http1>,
    mut outgoing: Box<Outgoing>,
) -> Result<Response<Reply>, Lost> {
    exchange.waits_for_member();
    let content = std::mem::replace(&mut outgoing.body, RequestBody::Empty);
    let head = &outgoing.head;
    upstream.is_in_a_crowd(exchange.connection.local.is_crowded());
    upstream.begin((&head.method, &head.uri, &head.headers), content);
    let answered = poll_fn(|cx| match exchange.take_overdue() {
        Some(overdue) => Poll::Ready(Err(Lost::Overdue(overdue))),
        None => upstream.poll_head(cx).map_err(|broken| lost(&broken, upstream.has_heard())),
    })
    .await;
    match answered {
        Ok(head) => {
            let mut response = Response::new(Reply::Http1(upstream));
            *response.status_mut() = head.status;
            *response.headers_mut() = head.headers;
            if let Some(reason) = head.reason.and_then(|reason| ReasonPhrase::try_from(reason).ok()) {
                response.extensions_mut().insert(reason);
            }
            Ok(response)
        }
        Err(Lost::Failed { heard: false, why: Why::Gone, failed: () }) if upstream.is_unsent() => {
            outgoing.body = upstream.into_content();
            Err(Lost::Unsent(outgoing))
        }
        Err(lost) => Err(lost.of(|| outgoing)),
    }
}

/// What became of a request that got this in place of an answer.
fn lost(broken: &Broken, heard: bool) -> Lost<()> {
    tracing::debug!(error = %broken, "member gave no answer");
    let why = match broken {
        Broken::Client(_) => Why::Client,
        Broken::Malformed(_) => Why::Malformed,
        Broken::Gone(_) => Why::Gone,
    };
    Lost::Failed { heard, why, failed: () }
}
