//! Who the client is, told to the member in `X-Forwarded-For`. Pure.
//!
//! | mode | from a trusted proxy | from anybody else |
//! |---|---|---|
//! | append | its list and its address in one line | its address; all forwarding fields it sent are removed |
//! | replace | its address | the same |
//! | off | all as it came | all as it came |
//!
//! Spellings with `_` for `-` are removed in the first two modes, whoever sent them: servers that turn fields into
//! variables (CGI) take both for one. Addresses are written as RFC 5952 has them, IPv4-mapped ones as IPv4.

use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use addr::fold_mapped;
use config::model::ForwardedFor;
use std::net::IpAddr;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Names that tell of the client, in lower case with `-`; with `-` at the end, all that begin so.
const FORWARDING: [&str; 3] = ["forwarded", "x-real-ip", "x-forwarded-"];

/// Sets the forwarding fields of a request. A client without an address is told by none: nothing is invented for it. Call after hop-by-hop fields are gone, so that none of ours can be named
/// among them.
pub(crate) fn apply(headers: &mut HeaderMap, mode: ForwardedFor, client: Option<IpAddr>, trusted: bool) {
    let list = match mode {
        ForwardedFor::Off => return,
        ForwardedFor::Append if trusted => list(headers),
        ForwardedFor::Append | ForwardedFor::Replace => Vec::new(),
    };
    remove(headers, trusted);
    let Some(client) = client else { return };
    let mut value = list;
    if !value.is_empty() {
        value.extend_from_slice(b", ");
    }
    value.extend_from_slice(fold_mapped(client).to_string().as_bytes());
    let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(value))
        .expect("parts of header values, a separator and an address make a header value");
    headers.insert(X_FORWARDED_FOR, value);
}

/// The lines of the list as one.
fn list(headers: &HeaderMap) -> Vec<u8> {
    let lines = headers.get_all(X_FORWARDED_FOR).iter().map(|line| line.as_bytes().trim_ascii());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(&b", "[..])
}

/// Removes the fields that tell of the client: of a trusted sender only those spelt with `_`.
fn remove(headers: &mut HeaderMap, trusted: bool) {
    let doomed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| tells_of_the_client(name.as_str()) && (!trusted || name.as_str().contains('_')))
        .cloned()
        .collect();
    for name in doomed {
        headers.remove(name);
    }
}

fn tells_of_the_client(name: &str) -> bool {
    FORWARDING.iter().any(|known| {
        let length = if known.ends_with('-') { known.len().min(name.len()) } else { name.len() };
        length == known.len()
            && name
                .bytes()
                .zip(known.bytes())
                .all(|(byte, known)| byte == known || (byte == b'_' && known == b'-'))
    })
}

#[cfg(test)]
mod tests;
