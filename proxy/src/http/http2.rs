//! A client connection that speaks HTTP/2: many requests at once. RFC 9113.
//!
//! It is one task, as in HTTP/1.1: the streams of the HTTP library run in it ([`streams`]), and end with it. Only the rest
//! of a request's content that goes to a member of HTTP/2 has a task of its own, until that is aborted. What is due to any of them is found before it sleeps. Floods are found by [`frames`], and what may not be by [`breach`].
//! Deliberately not here: server push, and priorities (RFC 9113 §5.3).

mod breach;
pub(super) mod connect;
mod fields;
mod frames;
pub(super) mod head;
pub(super) mod last_words;
pub(super) mod preface;
mod streams;

pub(crate) use frames::{Frames, Offence};
pub(super) use streams::Begun;

use super::body::Content;
use super::connection::{Connection, Due};
use super::deadlines::Overdue;
use super::exchange::Exchange;
use super::forward;
use super::io::ClientStream;
use crate::clock::{self, now};
use crate::counts::Failure;
use crate::linger;
use crate::worker::Stop;
use config::model::RequestLimits;
use futures_util::FutureExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use streams::Streams;
use tokio::io::AsyncWriteExt;
use tokio::time;
use tracing::field::display;

/// What a client may send ahead of what a member takes, for one request and for all of a connection.
const WINDOW: u32 = 64 << 10;
const WINDOW_OF_ALL: u32 = 256 << 10;
/// The same in a crowd. That of all cannot be less (RFC 9113 §6.9.2).
const TIGHT_WINDOW: u32 = 16 << 10;
const TIGHT_WINDOW_OF_ALL: u32 = (1 << 16) - 1;
/// What waits to be sent for one request, beside the piece that a member's connection has read at once.
const SEND_BUFFER: usize = 32 << 10;
const TIGHT_SEND_BUFFER: usize = 8 << 10;
/// What each field counts beside its octets (RFC 9113 §10.5.1).
const FIELD: u32 = 32;

/// Carries one client connection from the preface to the close. When told to stop it takes no further request and
/// finishes those under way.
pub(super) async fn serve(connection: Rc<Connection>, client: ClientStream, mut stop: Stop) {
    let (mut alarm, mut streams) = (connection.local.alarms.alarm(), Streams::new(&connection.local.row));
    connection.runs_in(streams.begun());
    let service = {
        let (connection, begun) = (Rc::clone(&connection), streams.begun());
        service_fn(move |request: Request<Incoming>| {
            let underway = Exchange::begin(&connection);
            begun.next_is(&underway);
            // The library moves it about until it runs.
            Box::pin(forward::forward(underway, request.map(Content::http2), false).map(Ok::<_, Infallible>))
        })
    };
    let builder = builder(streams.begun(), connection.route().limits, connection.local.is_crowded());
    let mut serving = builder.serve_connection(TokioIo::new(client), service);
    let mut stopped = pin!(stop.wait());
    let mut leaving = false;
    loop {
        let event = poll_fn(|cx| {
            loop {
                streams.poll(cx);
                if let Poll::Ready(end) = clock::standing(|| Pin::new(&mut serving).poll(cx)) {
                    return Poll::Ready(Event::Ended(end));
                }
                if let Some(offence) = connection.offence() {
                    return Poll::Ready(Event::Offended(offence));
                }
                if !streams.take_in(cx) {
                    break;
                }
            }
            if !leaving && (connection.is_leaving() || stopped.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(Event::Leave);
            }
            match connection.due() {
                Some(due) => alarm.poll(cx, Some(due.at.into())).map(|()| Event::Overdue(due)),
                None => Poll::Pending,
            }
        })
        .await;
        let overdue = match event {
            Event::Ended(Ok(())) => return,
            Event::Ended(Err(error)) => return broken(&connection, &error),
            Event::Offended(offence) => {
                blame(&connection, offence);
                drop((serving, streams));
                return dismiss(&connection).await;
            }
            Event::Leave => Overdue::Idle,
            Event::Overdue(Due { what, exchange: Some(exchange), .. }) => {
                settle(&exchange, what);
                continue;
            }
            Event::Overdue(Due { what, .. }) => what,
        };
        if !leaves(&connection, overdue) {
            return;
        }
        leaving = true;
        Pin::new(&mut serving).graceful_shutdown();
    }
}

enum Event {
    Ended(hyper::Result<()>),
    Offended(Offence),
    /// No further request is to be taken.
    Leave,
    Overdue(Due),
}

fn builder(begun: Begun, limits: RequestLimits, crowded: bool) -> Builder<Begun> {
    let mut builder = Builder::new(begun);
    let (window, window_of_all, send_buffer) = if crowded {
        (TIGHT_WINDOW, TIGHT_WINDOW_OF_ALL, TIGHT_SEND_BUFFER)
    } else {
        (WINDOW, WINDOW_OF_ALL, SEND_BUFFER)
    };
    builder
        .max_concurrent_streams(u32::from(limits.streams))
        // Those that are reset before they were looked at: more than there can be at once are a flood.
        .max_pending_accept_reset_streams(usize::from(limits.streams))
        .max_header_list_size(limits.head + FIELD * u32::from(limits.fields))
        .initial_stream_window_size(window)
        .initial_connection_window_size(window_of_all)
        .max_send_buf_size(send_buffer)
        .enable_connect_protocol();
    builder
}

/// Deals with what ran out for one request.
fn settle(exchange: &Exchange, overdue: Overdue) {
    if !exchange.is_responding() {
        exchange.set_overdue(overdue);
        exchange.wake();
        return;
    }
    let failure = match overdue {
        Overdue::Member => Failure::MemberTimeout,
        Overdue::Body | Overdue::Room | Overdue::Head | Overdue::Idle | Overdue::Close => {
            Failure::ClientTimeout
        }
    };
    exchange.failed(failure);
    exchange.cancel();
}

/// Deals with what ran out for the connection as a whole. True where it is to end in good order.
fn leaves(connection: &Connection, overdue: Overdue) -> bool {
    match overdue {
        Overdue::Idle => {
            connection.waits.borrow_mut().leaving = Some(now());
            return true;
        }
        Overdue::Close => {}
        Overdue::Head => connection.failed(Failure::SlowHead),
        Overdue::Body | Overdue::Room | Overdue::Member => {
            connection.abort.set(true);
            connection.failed(Failure::ClientTimeout);
        }
    }
    false
}

/// Counts a connection whose client does what it may not, and what it cuts off.
fn blame(connection: &Connection, offence: Offence) {
    match offence {
        Offence::Flood(flood) => tell(connection, flood.text()),
        Offence::Breach(breach) => {
            connection.failed(Failure::BadRequest);
            let (client, what) = (connection.client.map(display), breach.text());
            tracing::debug!(client, what, "client connection is closed");
        }
    }
}

/// Ends such a connection, and says why if that can be said.
async fn dismiss(connection: &Connection) {
    let Some(mut stream) = connection.take_socket() else { return };
    if let Some(farewell) = connection.farewell() {
        // It fits into an empty socket; a client that takes nothing gets the close alone.
        let _ = time::timeout(linger::LIMIT, stream.write(farewell.as_ref())).await;
    }
    linger::close(stream).await;
}

/// Counts a connection that is closed for a flood.
fn tell(connection: &Connection, what: &str) {
    let (listener, failure) = (&connection.route().name, Failure::Flood);
    connection.failed(failure);
    let (client, reason) = (connection.client.map(display), failure.label());
    tracing::debug!(client, listener, reason, what, "client connection is closed");
    if let Some(more) = connection.local.admit_refusal(listener, failure) {
        tracing::warn!(listener, reason, more, "a client's connection is closed: too many {what}");
    }
}

/// Counts what the HTTP library ended by itself.
fn broken(connection: &Connection, error: &hyper::Error) {
    tracing::debug!(?error, client = connection.client.map(display), "client connection did not end well");
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref::<h2::Error>());
    match cause {
        Some(cause) if cause.is_library() && cause.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM) => {
            tell(connection, "frames that cost much");
        }
        Some(cause) if !cause.is_io() && cause.is_library() => connection.failed(Failure::BadRequest),
        _ => connection.failed(Failure::ClientGone),
    }
}
