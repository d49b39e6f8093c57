//! What a request asks the connection to become, and whether a response grants it. Pure.
//!
//! RFC 9110 §7.8 (`Upgrade`), §9.3.6 (`CONNECT`) and §15.2.2 (101). Deliberately knows no protocol: whatever a client
//! asks for and a member grants is carried, but for what is listed as ignored.

use ::http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use ::http::request;
use ::http::response;
use ::http::{Method, StatusCode, Version};

/// Protocols that a client may offer and that are not asked for further on: the recipient of an offer may go on as if
/// there were none. HTTP/2 of the other side would reach a member past all that is looked at here.
const IGNORED: [&[u8]; 1] = [b"h2c"];

/// The one protocol that HTTP/2 has a word for.
pub(crate) const WEBSOCKET: &str = "websocket";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A tunnel, by `CONNECT`.
    Tunnel,
    /// One of these protocols, in the client's order.
    Protocols(HeaderValue),
}

/// What a member of HTTP/2 is asked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connect {
    /// `CONNECT` to a host and a port (RFC 9113 §8.5).
    Plain,
    /// Extended `CONNECT` (RFC 8441).
    WebSocket,
}

/// What a request without content asks for. One with content asks for nothing: it would have to be read first.
pub(crate) fn asked(request: &request::Parts) -> Option<Asked> {
    if request.method == Method::CONNECT {
        return Some(Asked::Tunnel);
    }
    let names_it = members(&request.headers, CONNECTION.as_str())
        .any(|option| option.eq_ignore_ascii_case(UPGRADE.as_str().as_bytes()));
    if request.version != Version::HTTP_11 || !names_it {
        return None;
    }
    let offers = members(&request.headers, UPGRADE.as_str())
        .filter(|offer| !offer.is_empty() && !IGNORED.iter().any(|known| offer.eq_ignore_ascii_case(known)));
    let offers = offers.collect::<Vec<_>>().join(&b", "[..]);
    let offers = HeaderValue::from_bytes(&offers).ok().filter(|offers| !offers.is_empty())?;
    Some(Asked::Protocols(offers))
}

impl Asked {
    /// Has a request, which has no fields of its own connection any more, ask for it.
    pub(crate) fn ask(&self, headers: &mut HeaderMap) {
        if let Self::Protocols(offers) = self {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, offers.clone());
        }
    }

    /// What a member that speaks HTTP/2 is asked by, for a request of this method. None: the offers are passed over, of
    /// which it knows none. Handshakes of `WebSocket` are made by `GET` (RFC 6455 §4.1).
    pub(crate) fn over_http2(&self, method: &Method) -> Option<Connect> {
        match self {
            Self::Tunnel => Some(Connect::Plain),
            Self::Protocols(offers) => list(offers.as_bytes())
                .any(|offer| method == Method::GET && offer.eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
                .then_some(Connect::WebSocket),
        }
    }

    /// Whether this response grants it.
    pub(crate) fn is_granted(&self, response: &response::Parts) -> bool {
        match self {
            Self::Tunnel => response.status.is_success(),
            Self::Protocols(offers) => {
                let granted: Vec<_> = members(&response.headers, UPGRADE.as_str()).collect();
                let offered = |granted: &&[u8]| {
                    list(offers.as_bytes()).any(|offer| offer.eq_ignore_ascii_case(granted))
                };
                response.status == StatusCode::SWITCHING_PROTOCOLS
                    && !granted.is_empty()
                    && granted.iter().all(offered)
            }
        }
    }

    /// Has the head of a response that grants it say so to the client, and nothing of a body.
    pub(crate) fn grant(&self, headers: &mut HeaderMap, granted: Option<HeaderValue>) {
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRANSFER_ENCODING);
        if let (Self::Protocols(_), Some(granted)) = (self, granted) {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, granted);
        }
    }
}

/// The members of a field that is a list (RFC 9110 §5.6.1).
fn members<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().flat_map(|value| list(value.as_bytes()))
}

fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::{Request, Response};

    fn request(method: &str, version: Version, fields: &[(&str, &str)]) -> Option<Asked> {
        let mut request = Request::builder().method(method).uri("/").version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        asked(&request.body(()).unwrap().into_parts().0)
    }

    fn offers(value: &str) -> Asked {
        Asked::Protocols(HeaderValue::from_str(value).unwrap())
    }

    #[test]
    fn an_upgrade_is_asked_for_where_connection_names_it() {
        let check = |fields: &[(&str, &str)], expect: Option<&str>| {
            assert_eq!(request("GET", Version::HTTP_11, fields), expect.map(offers), "{fields:?}");
        };
        check(&[("connection", "Upgrade"), ("upgrade", "websocket")], Some("websocket"));
        check(&[("connection", "keep-alive, UPGRADE"), ("upgrade", "WebSocket")], Some("WebSocket"));
        check(&[("connection", "upgrade"), ("upgrade", "a/1, b"), ("upgrade", "c")], Some("a/1, b, c"));
        check(&[("connection", "upgrade"), ("upgrade", "h2c")], None);
        check(&[("connection", "upgrade"), ("upgrade", "H2C, websocket,")], Some("websocket"));
        check(&[("connection", "upgrade"), ("upgrade", " , ")], None);
        check(&[("connection", "upgrade")], None);
        check(&[("upgrade", "websocket")], None);
        check(&[("connection", "close"), ("upgrade", "websocket")], None);
    }

    #[test]
    fn old_requests_ask_for_tunnels_only() {
        let fields = [("connection", "upgrade"), ("upgrade", "websocket")];
        assert_eq!(request("GET", Version::HTTP_10, &fields), None);
        assert_eq!(request("CONNECT", Version::HTTP_10, &fields), Some(Asked::Tunnel));
    }

    #[test]
    fn http_2_knows_websockets_and_tunnels() {
        let check =
            |offered: &str, expect| assert_eq!(offers(offered).over_http2(&Method::GET), expect, "{offered}");
        check("websocket", Some(Connect::WebSocket));
        check("a/1, WebSocket", Some(Connect::WebSocket));
        check("a/1", None);
        assert_eq!(offers("websocket").over_http2(&Method::POST), None);
        assert_eq!(Asked::Tunnel.over_http2(&Method::CONNECT), Some(Connect::Plain));
    }

    #[test]
    fn only_what_was_asked_for_is_granted() {
        let check = |asked: &Asked, status: u16, upgrade: Option<&str>, expect: bool| {
            let mut response = Response::builder().status(status);
            if let Some(upgrade) = upgrade {
                response = response.header(UPGRADE, upgrade);
            }
            let response = response.body(()).unwrap().into_parts().0;
            assert_eq!(asked.is_granted(&response), expect, "{asked:?} {status} {upgrade:?}");
        };
        let websocket = offers("a/1, websocket");
        check(&websocket, 101, Some("WebSocket"), true);
        check(&websocket, 101, Some("websocket, a/1"), true);
        check(&websocket, 101, Some("b"), false);
        check(&websocket, 101, Some("websocket, b"), false);
        check(&websocket, 101, Some(""), false);
        check(&websocket, 101, None, false);
        check(&websocket, 200, Some("websocket"), false);
        check(&Asked::Tunnel, 200, None, true);
        check(&Asked::Tunnel, 204, None, true);
        check(&Asked::Tunnel, 101, Some("websocket"), false);
        check(&Asked::Tunnel, 407, None, false);
    }
}
