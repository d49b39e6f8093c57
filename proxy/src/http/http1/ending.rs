//! How a client connection that speaks HTTP/1.1 comes to its end.

use super::response::{self, Asked, Beside, Size};
use super::{End, date};
use crate::counts::Failure;
use crate::http::answer::Answer;
use crate::http::connection::Connection;
use crate::http::{diary, tunnel};
use crate::linger;
use crate::message::leaving::Leaving;
use crate::snapshot::Route;
use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderValue};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time;

/// Lets go of the socket of a connection that nothing follows, whatever has ended it.
pub(super) struct Closing<'a>(&'a Connection);

impl<'a> Closing<'a> {
    pub(super) const fn new(connection: &'a Connection) -> Self {
        Self(connection)
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let Some(stream) = self.0.take_socket() else { return };
        self.0.diary.closes();
        if self.0.abort.get() {
            stream.socket().abort();
        }
    }
}

/// Closes behind the last response, and waits for a client that may still be sending, so that the response is not lost.
pub(super) async fn close(connection: &Connection) -> End {
    let is_unread = connection.is_unread() || connection.requests.borrow().has_begun();
    if let Some(mut stream) = connection.take_socket() {
        if is_unread {
            linger::close(stream).await;
        } else {
            let closed = poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx));
            // A client that takes nothing gets the close alone.
            let _ = time::timeout(linger::LIMIT, closed).await;
        }
    }
    End::Of(None)
}

/// The stage that follows a response behind which the connection is another.
pub(super) fn switch(connection: &Rc<Connection>) -> Option<End> {
    let switched = connection.take_switched()?;
    let early = connection.requests.borrow_mut().take_ahead();
    let stream = connection.take_socket()?;
    Some(End::Of(Some(tunnel::carry(connection, stream, early, *switched))))
}

/// Answers a request that never became one, and closes.
pub(super) async fn refuse(connection: &Connection, answer: Answer) -> End {
    let (route, worker) = (connection.route(), connection.local.index());
    let (listener, status, reason) = (&route.name, answer.status.as_u16(), answer.reason);
    tracing::debug!(client = connection.client.map(display), listener, status, reason, "request is refused");
    if let Some(failure) = answer.failure {
        route.counts.failed(worker, failure);
    }
    route.counts.answered(worker, answer.status);
    let Some(mut stream) = connection.take_socket() else { return End::Of(None) };
    // The answer fits into an empty socket, or nearly; a client that takes nothing gets the close alone.
    let octets = refusal(connection, &route, answer);
    if let Ok(Ok(())) = time::timeout(linger::LIMIT, stream.write_all(&octets)).await {
        connection.sent(&[], octets.len());
    }
    if let Some(failure) = answer.failure {
        diary::tell_of_none(connection, failure, answer.status);
    }
    linger::close(stream).await;
    End::Of(None)
}

/// The whole of such an answer.
fn refusal(connection: &Connection, route: &Route, answer: Answer) -> Vec<u8> {
    let (mut head, content) = answer.parts(&route.pages);
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    connection.keeps_to_tls(route, &mut head.headers);
    let (mut leaving, size) = (Leaving::default(), Size::Known(content.len() as u64));
    date::with(|date| {
        response::begin(&mut leaving, Asked::default(), &head, Beside { size, reason: None, date })
    });
    leaving.add(content);
    leaving.pieces().iter().flat_map(|piece| piece.iter().copied()).collect()
}

/// Tells the client that nothing follows, in TLS as well (RFC 8446 §6.1), where its socket has room for that.
pub(super) async fn say_goodbye(connection: &Connection) -> End {
    let Some(mut stream) = connection.take_socket() else { return End::Of(None) };
    poll_fn(|cx| {
        // One that takes nothing gets the close alone.
        let _ = Pin::new(&mut stream).poll_shutdown(cx);
        Poll::Ready(())
    })
    .await;
    End::Of(None)
}

/// Counts a client that left before all was said.
pub(super) fn gone(connection: &Connection, error: &io::Error) -> End {
    tracing::debug!(%error, client = connection.client.map(display), "client connection did not end well");
    let route = connection.route();
    route.counts.failed(connection.local.index(), Failure::ClientGone);
    // It is the response that has not left, whatever stands behind its request.
    let is_answered = connection.under_way() == 0 && connection.diary.is_done();
    if is_answered && connection.requests.borrow().has_begun() {
        diary::tell_of_none(connection, Failure::ClientGone, StatusCode::BAD_REQUEST);
    }
    End::Of(None)
}

/// The response under way is not whole, which the client is to see.
pub(super) fn cut(connection: &Connection) -> End {
    if !connection.abort.get() {
        connection.failed(Failure::MemberGone);
        connection.breaks_off();
    }
    End::Of(None)
}
