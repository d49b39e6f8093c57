//! Whether a parsed request may be forwarded, to which host and path, and whether a response may be. Pure.
//!
//! RFC 9112 §3.2 (target forms and `Host`), RFC 9113 §8.3.1 (the same in HTTP/2), RFC 9110 §4.2 (authority), §7.6.2 (`Max-Forwards`) and §9.3.6 (`CONNECT`).
//! What the bytes looked like is the matter of [`super::framing`], and what a connection may become that of
//! [`super::upgrade`].

use ::http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, MAX_FORWARDS, TRANSFER_ENCODING};
use ::http::request::Parts;
use ::http::response;
use ::http::uri::{Authority, PathAndQuery};
use ::http::{Method, StatusCode, Uri, Version};
use std::net::Ipv6Addr;

/// Why a request is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// HTTP/1.1 without a `Host`.
    NoHost,
    /// More than one `Host`.
    TwoHosts,
    /// A `Host` that is another one than the authority in the target of HTTP/2.
    OtherHost,
    /// A `Host`, or an authority in the target, that is no host with an optional port.
    BadHost,
    /// A target that is neither a path, nor an http address, nor the `*` of `OPTIONS`, nor the host and port of `CONNECT`.
    BadTarget,
    /// `CONNECT` with content.
    Content,
    /// `TRACE`: its answer would show what other proxies have added.
    Trace,
    /// More than one `Max-Forwards`, or one that is no number.
    BadMaxForwards,
    /// `OPTIONS` that may be forwarded no further: this proxy is whom it asks.
    LastHop,
}

/// What is forwarded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The target in origin form, or `*`, or the host and port of `CONNECT`.
    pub(crate) uri: Uri,
    /// The `Host` to send, if it is not the one that came: that of an absolute target, or of `CONNECT` (RFC 9112 §3.2.2
    /// and §3.2.3).
    pub(crate) host: Option<HeaderValue>,
    /// The `Max-Forwards` to send, if it is not the one that came.
    pub(crate) max_forwards: Option<HeaderValue>,
}

/// Whether a target, as it came, is an absolute one with neither path nor query.
pub(crate) fn is_bare(target: &[u8]) -> bool {
    let authority = memchr::memmem::find(target, b"://").map(|scheme| &target[scheme + 3..]);
    authority.is_some_and(|rest| memchr::memchr2(b'/', b'?', rest).is_none())
}

/// Judges a request; `bare` says whether its target [is that](is_bare).
pub(crate) fn judge(request: &Parts, bare: bool) -> Result<Target, Refusal> {
    if request.method == Method::TRACE {
        return Err(Refusal::Trace);
    }
    check_host(request)?;
    let (uri, host) = if request.method == Method::CONNECT {
        end_of_tunnel(request)?
    } else {
        target(&request.method, &request.uri, bare)?
    };
    let max_forwards = match request.method {
        Method::OPTIONS => max_forwards(&request.headers)?,
        _ => None,
    };
    Ok(Target { uri, host, max_forwards })
}

/// Whether a member's response can be read in one way only (RFC 9112 §6.3), and is none to a request that was not made.
/// Those of HTTP/1.1 are held to that before they are here; of HTTP/2 the library lets repeated lengths pass.
pub(crate) fn is_sound(response: &response::Parts) -> bool {
    let headers = &response.headers;
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let framed = match (lengths.next(), codings.next()) {
        (Some(length), None) => length.as_bytes().iter().all(u8::is_ascii_digit),
        (None, Some(coding)) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (None, None) => true,
        (Some(_), Some(_)) => false,
    };
    framed
        && lengths.next().is_none()
        && codings.next().is_none()
        && response.status != StatusCode::SWITCHING_PROTOCOLS
}

fn check_host(request: &Parts) -> Result<(), Refusal> {
    let mut hosts = request.headers.get_all(HOST).iter();
    // In HTTP/2 it stands for `Host`, which is nobody's choice beside it (RFC 9113 §8.3.1).
    let authority = request.uri.authority().filter(|_| request.version == Version::HTTP_2);
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Refusal::TwoHosts),
        (Some(host), None) if !is_authority(host.as_bytes()) => Err(Refusal::BadHost),
        (Some(host), None) => {
            let same = |known: &Authority| known.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes());
            if authority.is_none_or(same) { Ok(()) } else { Err(Refusal::OtherHost) }
        }
        (None, _) if authority.is_some() || request.version < Version::HTTP_11 => Ok(()),
        (None, _) => Err(Refusal::NoHost),
    }
}

/// `Max-Forwards` after this hop. Numbers beyond the range of `u32` become its greatest.
fn max_forwards(headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
    let mut values = headers.get_all(MAX_FORWARDS).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let digits = value.as_bytes();
    if values.next().is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::BadMaxForwards);
    }
    let left = digits
        .iter()
        .fold(0_u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
    let left = left.checked_sub(1).ok_or(Refusal::LastHop)?;
    Ok(Some(HeaderValue::from(left)))
}

/// The host and port that `CONNECT` asks for, both of which it must name (RFC 9110 §9.3.6).
fn end_of_tunnel(request: &Parts) -> Result<(Uri, Option<HeaderValue>), Refusal> {
    let has_content = |name| request.headers.get(name).is_some_and(|value: &HeaderValue| value != "0");
    if has_content(CONTENT_LENGTH) || has_content(TRANSFER_ENCODING) {
        return Err(Refusal::Content);
    }
    let (None, Some(authority), None) =
        (request.uri.scheme(), request.uri.authority(), request.uri.path_and_query())
    else {
        return Err(Refusal::BadTarget);
    };
    if authority.port().is_none() || !is_authority(authority.as_str().as_bytes()) {
        return Err(Refusal::BadTarget);
    }
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::BadTarget)?;
    Ok((request.uri.clone(), Some(host)))
}

/// The target in origin form or `*`, and the host of an absolute one.
fn target(method: &Method, uri: &Uri, bare: bool) -> Result<(Uri, Option<HeaderValue>), Refusal> {
    let path = || uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    match (uri.scheme_str(), uri.authority()) {
        (None, None) if uri.path() == "*" && method != Method::OPTIONS => Err(Refusal::BadTarget),
        (None, None) if uri.path() == "*" || uri.path().starts_with('/') => Ok((Uri::from(path()), None)),
        (Some("http" | "https"), Some(authority)) => {
            let is_path = uri.path().starts_with('/') || (uri.path() == "*" && method == Method::OPTIONS);
            if !is_path && uri.path_and_query().is_some() {
                return Err(Refusal::BadTarget);
            }
            if !is_authority(authority.as_str().as_bytes()) {
                return Err(Refusal::BadHost);
            }
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::BadHost)?;
            // An absolute OPTIONS without path and query asks the server as a whole (RFC 9112 §3.2.4).
            let path =
                if bare && method == Method::OPTIONS { PathAndQuery::from_static("*") } else { path() };
            Ok((Uri::from(path), Some(host)))
        }
        (None | Some(_), None | Some(_)) => Err(Refusal::BadTarget),
    }
}

/// RFC 3986 §3.2.2 and §3.2.3 without user information and zone, and not empty.
pub(crate) fn is_authority(text: &[u8]) -> bool {
    let (host, port) = match text {
        [b'[', rest @ ..] => {
            let Some(end) = memchr::memchr(b']', rest) else { return false };
            let literal = str::from_utf8(&rest[..end]).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
            if literal.is_none() {
                return false;
            }
            (&b"[]"[..], &rest[end + 1..])
        }
        _ => text.split_at(memchr::memchr(b':', text).unwrap_or(text.len())),
    };
    let name = host == b"[]" || (!host.is_empty() && is_registered_name(host));
    let port = match port {
        [] => true,
        [b':', digits @ ..] => {
            digits.is_empty()
                || str::from_utf8(digits).is_ok_and(|text| {
                    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
                })
        }
        _ => false,
    };
    name && port
}

fn is_registered_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            _ if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) => after,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests;
