//! The content of a request of HTTP/1.1, read as whoever sends it on asks for it.

use crate::http::body::Cut;
use crate::http::exchange::Exchange;
use crate::message::content::Part;
use crate::message::room;
use bytes::Bytes;
use hyper::body::Frame;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Octets that are read at once at most.
const MOST: usize = 64 << 10;

/// The next part of it.
pub(in crate::http) fn poll(
    exchange: &Rc<Exchange>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
    let connection = &exchange.connection;
    if !connection.carries(exchange) {
        // What comes is of another request.
        return Poll::Ready(Some(Err(Cut::Over)));
    }
    if !exchange.is_responding() {
        connection.content_is_asked_for();
    }
    loop {
        let mut requests = connection.requests.borrow_mut();
        match requests.content() {
            Ok(Some(Part::Data(data))) => return Poll::Ready(Some(Ok(Frame::data(data)))),
            Ok(Some(Part::Trailers(trailers))) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Ok(None) if requests.has_ended() => return Poll::Ready(None),
            Ok(None) => {}
            Err(_) => return Poll::Ready(Some(Err(Cut::Malformed))),
        }
        let left = requests.left().map(|left| usize::try_from(left).unwrap_or(MOST));
        let most = left.unwrap_or(if requests.flows() { MOST } else { room::SMALL });
        drop(requests);
        let most = if connection.local.is_crowded() { room::SMALL } else { most.min(MOST) };
        match ready!(connection.poll_receive(cx, most)) {
            Ok(0) => return Poll::Ready(Some(Err(Cut::Gone(None)))),
            Ok(_) => {}
            Err(error) => return Poll::Ready(Some(Err(Cut::Gone(Some(error))))),
        }
    }
}

/// Whether all of it was taken.
pub(in crate::http) fn has_ended(exchange: &Rc<Exchange>) -> bool {
    exchange.connection.carries(exchange) && exchange.connection.requests.borrow().has_ended()
}
