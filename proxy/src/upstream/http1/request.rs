//! The head of a request on its way to a member. Pure.
//!
//! RFC 9112 §3, §5, §6. Fields stand in the order in which they were put together, with names in small letters. What
//! follows is the matter of [`crate::message::leaving`].

use crate::http::framing::grammar::decimal;
use crate::message::leaving::{Framing, Leaving, announced, list, write_field};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::{Method, Uri};

/// A request with this head, whose content, if it has any, is to be added, and whether it asks the member to end the
/// connection.
pub(super) fn begin(
    (method, uri, headers): (&Method, &Uri, &HeaderMap),
    has_content: bool,
) -> (Leaving, bool) {
    let framing = if has_content { framing(headers) } else { Framing::Ended };
    let length = match framing {
        // Where there is none, no other length than zero is.
        Framing::Ended => Some(true),
        Framing::Length(_) => Some(false),
        Framing::Chunked(_) | Framing::UntilClose => None,
    };
    let mut leaving = Leaving::default();
    let out = leaving.begin(framing, 256 + 48 * headers.len());
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    write_target(out, uri);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut closes = false;
    for (name, value) in headers {
        let is_length = || length.is_some_and(|is_zero| !is_zero || value == "0");
        if name == TRANSFER_ENCODING || (name == CONTENT_LENGTH && !is_length()) {
            continue;
        }
        if name == CONNECTION {
            closes |= list(value).any(|option| option.eq_ignore_ascii_case(b"close"));
        }
        write_field(out, (name, value));
    }
    if length.is_none() {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
    (leaving, closes)
}

/// RFC 9112 §3.2: the host and port of `CONNECT`, and else a path or `*`.
fn write_target(out: &mut Vec<u8>, uri: &Uri) {
    let target = match (uri.authority(), uri.path_and_query()) {
        (_, Some(path)) => path.as_str(),
        (Some(authority), None) => return out.extend_from_slice(authority.as_str().as_bytes()),
        (None, None) => "",
    };
    if !target.starts_with(['/', '*']) {
        out.push(b'/');
    }
    out.extend_from_slice(target.as_bytes());
}

/// The framing of content behind this head.
fn framing(headers: &HeaderMap) -> Framing {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| decimal(length.as_bytes()));
    if let (Some(length), false) = (length, headers.contains_key(TRANSFER_ENCODING)) {
        return if length == 0 { Framing::Ended } else { Framing::Length(length) };
    }
    Framing::Chunked(announced(headers))
}

#[cfg(test)]
mod tests;
