//! A client connection that speaks HTTP/1.1: one request at a time. RFC 9112.

use super::answer::{self, Answer, SLOW_HEAD};
use super::connection::{Connection, Due};
use super::deadlines::Overdue;
use super::exchange::Exchange;
use super::io::ClientStream;
use super::{diary, forward, tunnel};
use crate::alarm::Alarm;
use crate::clock::{self, now};
use crate::counts::Failure;
use crate::linger;
use crate::listener::Stage;
use crate::stream::Stream;
use crate::worker::Stop;
use config::model::RequestLimits;
use hyper::StatusCode;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time;

/// The read and write buffers of one connection grow to this at most.
const MAX_BUFFER: usize = 64 << 10;
/// The same in a crowd, beside what a head may have.
const TIGHT_BUFFER: usize = 8 << 10;
/// The fields that the HTTP library takes of itself.
const FIELDS_AT_HAND: usize = 100;

/// What a connection comes to.
pub(super) enum End {
    /// The close, or the stage that follows an upgrade.
    Of(Option<Stage>),
    /// The client has begun HTTP/2.
    Http2(ClientStream),
    /// Nothing has happened for a while, and nothing is under way.
    Rest(Stream),
}

/// Carries one client connection to its end. When told to stop it finishes the response under way and answers one more
/// request that comes soon, so that the client learns ahead of its next one that the connection is closed.
pub(super) async fn serve(connection: &Rc<Connection>, client: ClientStream, stop: &mut Stop) -> End {
    let mut alarm = connection.local.alarms.alarm();
    let builder = builder(connection.route().limits, connection.local.is_crowded());
    let service = {
        let connection = Rc::clone(connection);
        service_fn(move |request| forward::forward(Exchange::begin(&connection), request))
    };
    let mut serving = builder.serve_connection(TokioIo::new(client), service);
    let mut stopped = pin!(stop.wait());
    let (mut stopping, mut looked) = (false, now());
    loop {
        let event = clock::poll_fn(|cx| {
            if let Poll::Ready(end) = Pin::new(&mut serving).poll(cx) {
                return Poll::Ready(Event::Ended(end));
            }
            if let Some(event) = asked(connection) {
                return Poll::Ready(event);
            }
            if !stopping && stopped.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Stop);
            }
            due(connection, looked, &mut alarm, cx)
        })
        .await;
        match event {
            Event::Ended(Ok(())) => {
                return End::Of(part(connection, serving.into_parts().io.into_inner()).await);
            }
            Event::Ended(Err(error)) => return End::Of(broken(connection, &error)),
            Event::Http2 => return End::Http2(serving.into_parts().io.into_inner()),
            Event::Look => {
                looked = now();
                connection.looks();
            }
            Event::Rest if !stopping && connection.may_rest() => {
                // All that the library has read is of requests that are answered.
                return End::Rest(serving.into_parts().io.into_inner().into_inner());
            }
            Event::Rest => connection.waits.borrow_mut().stays_awake(now()),
            Event::Stop => {
                stopping = true;
                // A request may be on its way to a connection that was busy a moment ago.
                let is_at_rest = connection.waits.borrow().is_at_rest(now());
                if is_at_rest {
                    Pin::new(&mut serving).graceful_shutdown();
                } else {
                    connection.is_to_leave();
                }
            }
            Event::Refused(answer) => {
                return End::Of(refuse(connection, serving.into_parts().io.into_inner(), answer).await);
            }
            Event::Idle => return End::Of(say_goodbye(serving.into_parts().io.into_inner()).await),
            Event::Overdue(due) => {
                if !keeps_on(connection, &due) {
                    return End::Of(None);
                }
            }
        }
    }
}

fn builder(limits: RequestLimits, crowded: bool) -> Builder {
    let mut builder = Builder::new();
    // The longest head must fit in, and the library find no end of it full.
    let tight = TIGHT_BUFFER.max(limits.head as usize + 1);
    let buffer = if crowded { tight } else { tight.max(MAX_BUFFER) };
    builder.half_close(true).header_read_timeout(None).max_buf_size(buffer);
    let fields = usize::from(limits.fields);
    // Up to its own limit the library takes room for fields from the stack.
    if fields > FIELDS_AT_HAND {
        builder.max_headers(fields);
    }
    builder
}

enum Event {
    Ended(hyper::Result<()>),
    Http2,
    Rest,
    Stop,
    /// It is time to see whether the client is still there.
    Look,
    Refused(Answer),
    /// Nothing has come for long, and nothing is under way.
    Idle,
    Overdue(Due),
}

/// What the client has asked for that the HTTP library does not see.
fn asked(connection: &Connection) -> Option<Event> {
    if connection.is_http2_asked() {
        return Some(Event::Http2);
    }
    Some(Event::Refused(answer::to_fault(connection.refuses()?)))
}

/// Waits for what is due next, rest included, and a look at the client, of whom the last one was then.
fn due(connection: &Connection, looked: Instant, alarm: &mut Alarm, cx: &mut Context<'_>) -> Poll<Event> {
    // There is nothing to look for while it may rest.
    let (look, rest) = (connection.look_due(looked), connection.rest());
    let is_first = |due: &Due| look.or(rest).is_none_or(|other| due.at <= other);
    match connection.due().filter(is_first) {
        Some(due) => alarm.poll(cx, Some(due.at.into())).map(|()| overdue(connection, due)),
        None if look.is_some() => alarm.poll(cx, look.map(Into::into)).map(|()| Event::Look),
        None => alarm.poll(cx, rest.map(Into::into)).map(|()| Event::Rest),
    }
}

fn overdue(connection: &Connection, due: Due) -> Event {
    match due.what {
        Overdue::Idle | Overdue::Close => Event::Idle,
        Overdue::Head if connection.waits.borrow().is_quiet() => Event::Refused(SLOW_HEAD),
        Overdue::Head | Overdue::Body | Overdue::Room | Overdue::Member => Event::Overdue(due),
    }
}

/// Deals with what ran out. True where the request under way answers it.
fn keeps_on(connection: &Connection, due: &Due) -> bool {
    if let Some(exchange) = due.exchange.as_ref().filter(|exchange| !exchange.is_responding()) {
        exchange.set_overdue(due.what);
        return true;
    }
    let failure = match due.what {
        Overdue::Idle | Overdue::Close => return false,
        Overdue::Head => Failure::SlowHead,
        Overdue::Body | Overdue::Room => Failure::ClientTimeout,
        Overdue::Member => Failure::MemberTimeout,
    };
    connection.failed(failure);
    connection.breaks_off();
    false
}

/// The HTTP of a connection has ended well.
async fn part(connection: &Rc<Connection>, client: ClientStream) -> Option<Stage> {
    let has_asked = connection.wire.borrow().has_asked();
    if let Some(switched) = connection.take_switched() {
        let (client, early) = client.into_parts();
        return Some(tunnel::carry(connection, client, early.into(), *switched));
    }
    if has_asked {
        // The HTTP library leaves the end of such a connection to its caller, whatever was answered.
        linger::close(client.into_inner()).await;
    }
    None
}

/// Answers a request that the HTTP library never saw as one, and closes.
async fn refuse(connection: &Connection, client: ClientStream, answer: Answer) -> Option<Stage> {
    let (route, worker) = (connection.route(), connection.local.index());
    let (listener, status, reason) = (&route.name, answer.status.as_u16(), answer.reason);
    tracing::debug!(client = connection.client.map(display), listener, status, reason, "request is refused");
    if let Some(failure) = answer.failure {
        route.counts.failed(worker, failure);
    }
    route.counts.answered(worker, answer.status);
    let mut stream = client.into_inner();
    // The answer fits into an empty socket, or nearly; a client that takes nothing gets the close alone.
    let bytes = answer.bytes(&route.pages);
    if let Ok(Ok(())) = time::timeout(linger::LIMIT, stream.write_all(&bytes)).await {
        connection.sent(&[], bytes.len());
    }
    if let Some(failure) = answer.failure {
        diary::tell_of_none(connection, failure, answer.status);
    }
    linger::close(stream).await;
    None
}

/// Tells the client that nothing follows, in TLS as well (RFC 8446 §6.1), where its socket has room for that.
async fn say_goodbye(client: ClientStream) -> Option<Stage> {
    let mut stream = client.into_inner();
    poll_fn(|cx| {
        // One that takes nothing gets the close alone.
        let _ = Pin::new(&mut stream).poll_shutdown(cx);
        Poll::Ready(())
    })
    .await;
    None
}

/// Counts what the HTTP library ended by itself.
fn broken(connection: &Connection, error: &hyper::Error) -> Option<Stage> {
    tracing::debug!(%error, client = connection.client.map(display), "client connection did not end well");
    if connection.abort.get() {
        return None;
    }
    let (route, worker) = (connection.route(), connection.local.index());
    let in_head = connection.wire.borrow().in_head();
    let failure = if error.is_parse() { Failure::BadRequest } else { Failure::ClientGone };
    route.counts.failed(worker, failure);
    if error.is_parse() {
        route.counts.answered(worker, StatusCode::BAD_REQUEST);
    }
    if error.is_parse() || in_head {
        diary::tell_of_none(connection, failure, StatusCode::BAD_REQUEST);
    }
    None
}
