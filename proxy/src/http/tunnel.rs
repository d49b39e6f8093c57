//! What a connection becomes once a member has granted an upgrade or a tunnel: the relay of tcp mode.
//!
//! Until the member's answer has left for the client the connection speaks HTTP, and no octet behind the request goes on.
//! From then on nothing of HTTP is left of it but what was read ahead on either side, which is passed on first.

use super::body::ResponseBody;
use super::connection::Connection;
use super::exchange::Exchange;
use super::headers;
use super::http2::connect;
use super::reply::Granting;
use super::upgrade::{Asked, WEBSOCKET};
use crate::listener::Stage;
use crate::notes::MaybeNotes;
use crate::pool::Lease;
use crate::relay::{Ahead, Leg, Relay};
use crate::stream::Stream;
use crate::tcp;
use bytes::Bytes;
use hyper::header::{HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use hyper::http::response;
use hyper::{Response, StatusCode, Version};
use std::rc::Rc;

/// The member's side of a connection that has been granted what it asked for.
pub(crate) struct Switched {
    member: Leg,
    /// What the member sent behind its answer.
    ahead: Bytes,
    lease: Lease,
    /// For the line about the request and what has become of it.
    pub(super) notes: MaybeNotes,
}

impl Switched {
    /// The member, what it sent behind its answer, and the place there.
    pub(crate) fn into_parts(self) -> (Leg, Bytes, Lease) {
        (self.member, self.ahead, self.lease)
    }
}

/// The answer that grants it. The member's connection waits until the answer has left.
pub(crate) fn grant(
    exchange: &Exchange,
    asked: &Asked,
    mut parts: response::Parts,
    Granting { member, ahead, accept }: Granting,
    lease: Lease,
) -> Response<ResponseBody> {
    exchange.switches(Switched { member, ahead, lease, notes: None });
    let granted = parts.headers.get(UPGRADE).cloned();
    headers::strip(&mut parts.headers);
    if exchange.connection.is_http2() {
        connect::grant(&mut parts.headers);
        parts.status = StatusCode::OK;
    } else if let Some(accept) = accept {
        parts.status = StatusCode::SWITCHING_PROTOCOLS;
        asked.grant(&mut parts.headers, Some(HeaderValue::from_static(WEBSOCKET)));
        parts.headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    } else {
        asked.grant(&mut parts.headers, granted);
    }
    parts.version = Version::HTTP_11;
    Response::from_parts(parts, ResponseBody::empty())
}

/// Carries the connection on. `early` is what the client sent behind its request.
pub(crate) fn carry(connection: &Rc<Connection>, client: Stream, early: Bytes, switched: Switched) -> Stage {
    let Switched { member, ahead, lease, mut notes } = switched;
    if let Some(notes) = &mut notes {
        // The answer has left by then.
        notes.bytes += connection.diary.take_traffic();
    }
    let peer = connection.ends.map(|ends| ends.source());
    let ahead = Ahead { of_client: early, of_member: ahead };
    let relay = Relay::new(Rc::clone(&connection.local), connection.route(), client, member, notes);
    tcp::carry(relay.resume(ahead), peer, lease)
}
