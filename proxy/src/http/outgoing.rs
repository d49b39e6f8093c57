//! A request as it goes to a member: judged and rewritten.

use super::body::RequestBody;
use super::headers;
use super::upgrade::{Connect, WEBSOCKET};
use h2::ext::Protocol;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Method, Request, Uri};
use std::net::SocketAddr;

/// A request as it is sent on.
pub(super) struct Outgoing {
    pub(super) head: Head,
    pub(super) body: RequestBody,
    /// Whether it may be sent twice, which takes that it has no content: nobody can tell whether a lost one was acted on (RFC 9110 §9.2.2).
    pub(super) repeatable: bool,
}

pub(super) struct Head {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

impl Head {
    /// The same for a member that speaks HTTP/2, over TLS or not, at this address, which is asked for a tunnel if it is to
    /// `connect` (RFC 9113 §8.3.1 and §8.5, RFC 8441 §4).
    pub(super) fn to_http2(
        &self,
        (encrypted, member): (bool, SocketAddr),
        connect: Option<Connect>,
    ) -> Request<()> {
        let mut request = Request::new(());
        let mut headers = self.headers.clone();
        let host = headers.remove(HOST);
        headers::leave_http1(&mut headers);
        let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
        let mut uri = self.uri.clone().into_parts();
        // Servers compare it with what they are spoken to by.
        uri.scheme = Some(if encrypted { Scheme::HTTPS } else { Scheme::HTTP });
        uri.authority = authority.or_else(|| Authority::try_from(member.to_string()).ok());
        uri.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
        // The library leaves scheme and path of a plain `CONNECT` out.
        *request.uri_mut() = Uri::from_parts(uri).expect("scheme, authority and path are all there");
        *request.method_mut() = if connect.is_some() { Method::CONNECT } else { self.method.clone() };
        if connect == Some(Connect::WebSocket) {
            request.extensions_mut().insert(Protocol::from_static(WEBSOCKET));
        }
        if connect.is_some() {
            headers.remove(CONTENT_LENGTH);
        }
        *request.headers_mut() = headers;
        request
    }
}
