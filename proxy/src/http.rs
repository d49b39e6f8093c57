//! http mode: requests of a client connection, each forwarded to a member.
//!
//! ```text
//! socket -> http1 (framing judges and reads heads) -+-> forward: guard, headers, forwarded, rules
//! socket -> io -> HTTP library -> http2 ------------+     -> send: pick, connect or reuse, ask -> body
//! ```
//!
//! Both sides of a request run in the one task of the client connection, but for members that speak HTTP/2: a connection
//! to one is shared and has a task of its own. What a connection has is in [`connection`],
//! what a request has in [`exchange`]; the way a version of HTTP drives both is in [`http1`]; what is left of a connection
//! on which nothing happens is in [`guest`]. RFC 9110. Deliberately
//! not here: caching.

mod answer;
pub(crate) mod auth;
pub(crate) mod body;
mod bond;
mod certificate;
mod compression;
mod connection;
mod deadlines;
mod diary;
mod exchange;
mod forward;
mod forwarded;
pub(crate) mod framing;
pub(crate) mod gates;
mod guard;
mod guest;
mod headers;
pub mod heads;
mod http1;
mod http2;
mod io;
mod limiter;
mod login;
mod outgoing;
mod pace;
pub(crate) mod pages;
mod progress;
mod reply;
mod rest;
pub(crate) mod rules;
mod ruling;
mod send;
mod tunnel;
mod upgrade;
pub mod verdict;
mod waits;
mod websocket;

pub(crate) use forwarded::Teller;
pub(crate) use rest::Rest;

use crate::listener::{Accepted, Stage};
use crate::opening::Told;
use crate::stream::Stream;
use crate::worker::{Local, Stop};
use bytes::Bytes;
use connection::Connection;
use guest::Guest;
use http1::End;
use io::ClientStream;
use std::rc::Rc;

/// Carries one client connection from accept to close, or to the stage that follows: an upgrade, or rest. When told to
/// stop it finishes the responses under way.
pub(crate) fn serve(local: Rc<Local>, accepted: Accepted) -> impl Future<Output = Option<Stage>> {
    let (guest, stream, stop) = Guest::new(local, accepted);
    go_on(guest, stream, stop)
}

/// The same of one that may have rested.
async fn go_on(guest: Guest, stream: Stream, mut stop: Stop) -> Option<Stage> {
    let connection = Rc::new(Connection::new(guest));
    let agreed = connection.told.as_deref().and_then(Told::alpn) == Some(b"h2");
    if agreed {
        connection.becomes_http2();
    }
    if agreed {
        let client = ClientStream::new(stream, Rc::clone(&connection), Bytes::new());
        return Some(Stage::last(http2::serve(connection, client, stop)));
    }
    match http1::serve(&connection, stream, &mut stop).await {
        End::Of(next) => next,
        End::Rest(stream) => rest::stage(connection.rests(), stream, stop),
        End::Http2(stream, ahead) => {
            connection.becomes_http2();
            let client = ClientStream::new(stream, Rc::clone(&connection), ahead);
            Some(Stage::last(http2::serve(connection, client, stop)))
        }
    }
}
