//! The exchange over a connection that carries it alone, driven in the task of the client.

use super::{Lost, Why};
use crate::http::exchange::Exchange;
use crate::http::outgoing::Outgoing;
use crate::http::reply::Reply;
use crate::upstream::{Http1, poll_with};
use hyper::Response;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Sends the request and waits for the head of the answer.
pub(super) async fn ask(
    exchange: &Exchange,
    mut upstream: Box<Http1>,
    outgoing: Box<Outgoing>,
) -> Result<Response<Reply>, Lost> {
    let repeatable = outgoing.repeatable;
    upstream.heard.set(false);
    exchange.waits_for_member();
    let answered = {
        let mut sending = pin!(upstream.sender.try_send_request(outgoing.into_request()));
        // The request lies ready in the connection: it leaves with the first drive.
        poll_fn(|cx| {
            if let Some(overdue) = exchange.take_overdue() {
                return Poll::Ready(Err(Lost::Overdue(overdue)));
            }
            let heard = upstream.heard.clone();
            poll_with(&mut upstream, cx, |cx| sending.as_mut().poll(cx)).map_err(|mut error| {
                match error.take_message() {
                    Some(request) => Lost::Unsent(Box::new(Outgoing::from_request(request, repeatable))),
                    None => Lost::Failed { heard: heard.get(), why: why(error.error()) },
                }
            })
        })
        .await
    };
    answered.map(|response| response.map(|incoming| Reply::http1(incoming, upstream)))
}

fn why(error: &hyper::Error) -> Why {
    if error.is_user() {
        Why::Client
    } else if error.is_parse() {
        Why::Malformed
    } else {
        Why::Gone
    }
}
