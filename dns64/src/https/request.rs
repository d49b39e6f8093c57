//! What an HTTP request asks, and what its response says (RFC 8484 §4 and §5). Pure.
//!
//! A DNS error is a success of HTTP: it goes out with status 200 and its own response code (RFC 8484 §4.2.1). Only
//! requests that hold no DNS message get an HTTP error.

use crate::wire::{self, HEADER, QUESTION_TAIL, flag};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hickory_proto::rr::RecordType;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

/// The media type of messages (RFC 8484 §6).
const MEDIA_TYPE: &str = "application/dns-message";

/// Octets of a query; no honest one comes near it.
pub(crate) const LONGEST: usize = 4096;

/// Where the message of a request stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// It was in the path.
    InPath(Vec<u8>),
    /// It is the body.
    InBody,
}

/// Why a request is answered with an error of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No message, or none that can be answered.
    Malformed,
    /// Policy drops the query, and silence is not a choice here.
    Forbidden,
    /// Another path.
    NotFound,
    /// Neither GET nor POST.
    Method,
    /// The body did not come in time.
    TooSlow,
    /// More than [`LONGEST`] octets.
    TooLarge,
    /// A body that is no message.
    MediaType,
}

impl Refused {
    const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "expected a DNS query: GET with ?dns= in base64url without padding, or POST",
            Self::Forbidden => "this client is not served",
            Self::NotFound => "no such path",
            Self::Method => "expected GET or POST",
            Self::TooSlow => "the body did not come in time",
            Self::TooLarge => "the query is too large",
            Self::MediaType => "expected the media type application/dns-message",
        }
    }

    /// The response that says so.
    pub(crate) fn response(self) -> Response<Vec<u8>> {
        let mut response = Response::new(format!("{}\n", self.reason()).into_bytes());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if self == Self::Method {
            headers.insert(ALLOW, HeaderValue::from_static("GET, POST"));
        }
        response
    }
}

/// What a request with this head asks of a server at `path`.
pub(crate) fn judge(head: &Parts, path: &str) -> Result<Asks, Refused> {
    if head.uri.path() != path {
        return Err(Refused::NotFound);
    }
    match head.method {
        Method::GET => in_path(head.uri.query().unwrap_or_default()).map(Asks::InPath),
        Method::POST => {
            let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let essence = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case(MEDIA_TYPE) {
                return Err(Refused::MediaType);
            }
            let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
            if length.is_some_and(|length: u64| length > LONGEST as u64) {
                return Err(Refused::TooLarge);
            }
            Ok(Asks::InBody)
        }
        _ => Err(Refused::Method),
    }
}

/// The message that a query component holds.
fn in_path(query: &str) -> Result<Vec<u8>, Refused> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("dns=")).ok_or(Refused::Malformed)?;
    if value.len() > LONGEST.div_ceil(3) * 4 {
        return Err(Refused::TooLarge);
    }
    URL_SAFE_NO_PAD.decode(value).map_err(|_| Refused::Malformed)
}

/// The response that carries the message `reply`.
pub(crate) fn response(reply: Vec<u8>) -> Response<Vec<u8>> {
    let lifetime = format!("max-age={}", freshness(&reply).unwrap_or(0));
    let mut response = Response::new(reply);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.extend(HeaderValue::try_from(lifetime).ok().map(|lifetime| (CACHE_CONTROL, lifetime)));
    response
}

/// How many seconds a reply may be kept: the smallest TTL of its answer, or, where it has none, what its SOA record
/// says (RFC 8484 §5.1, RFC 2308 §5). An error, and what cannot be read, may not be kept.
fn freshness(reply: &[u8]) -> Option<u32> {
    const NO_ERROR: u16 = 0;
    const NAME_ERROR: u16 = 3;
    let word = |at| wire::u16_at(reply, at);
    if ![NO_ERROR, NAME_ERROR].contains(&(word(2)? & flag::RCODE)) || word(4)? != 1 {
        return None;
    }
    let (answers, authorities) = (word(6)?, word(8)?);
    let mut at = wire::name_end(reply, HEADER)? + QUESTION_TAIL;
    let mut smallest: Option<u32> = None;
    for _ in 0..answers {
        let record = wire::record(reply, at)?;
        smallest = Some(smallest.map_or(record.ttl, |least| least.min(record.ttl)));
        at = record.data.end;
    }
    if smallest.is_some() {
        return smallest;
    }
    for _ in 0..authorities {
        let record = wire::record(reply, at)?;
        if record.rtype == u16::from(RecordType::SOA) {
            // MINIMUM is the last field of the data (RFC 1035 §3.3.13).
            let minimum = reply.get(record.data)?.last_chunk()?;
            return Some(record.ttl.min(u32::from_be_bytes(*minimum)));
        }
        at = record.data.end;
    }
    None
}

#[cfg(test)]
mod tests;
