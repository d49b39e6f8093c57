//! Templates filled with what a request has, as values of header fields.

use super::subject::Subject;
use ::http::header::HeaderValue;
use config::model::{Part, Place, Template};
use std::fmt::Write;

/// The text for a request. The `*` of `OPTIONS` is written as the root.
pub(super) fn fill(template: &Template, subject: &Subject<'_>) -> String {
    let mut text = String::new();
    for part in template.parts() {
        match part {
            Part::Text(plain) => text.push_str(plain),
            Part::Place(place) => put(&mut text, *place, subject),
        }
    }
    text
}

fn put(text: &mut String, place: Place, subject: &Subject<'_>) {
    let uri = subject.uri;
    let path = if uri.path() == "*" { "/" } else { uri.path() };
    let written = match place {
        Place::Client => subject.client.map_or(Ok(()), |client| write!(text, "{client}")),
        Place::Port => subject.port.map_or(Ok(()), |port| write!(text, "{port}")),
        Place::Host => text.write_str(subject.host()),
        Place::Method => text.write_str(subject.method.as_str()),
        Place::Path => text.write_str(path),
        Place::Query => text.write_str(uri.query().unwrap_or_default()),
        Place::Scheme => text.write_str(subject.scheme()),
        Place::Sni => text.write_str(subject.sni.unwrap_or_default()),
        Place::User => text.write_str(subject.user.unwrap_or_default()),
        Place::Uri => match uri.query() {
            Some(query) => write!(text, "{path}?{query}"),
            None => text.write_str(path),
        },
    };
    written.expect("a String takes all that is written to it");
}

/// These octets as a header value, control characters left out: none of ours can split a message.
pub(super) fn header_value(octets: &[u8]) -> HeaderValue {
    let plain: Vec<u8> = octets.iter().copied().filter(|octet| !octet.is_ascii_control()).collect();
    HeaderValue::from_maybe_shared(bytes::Bytes::from(plain))
        .expect("octets without control characters are a header value")
}

/// The value of `Location`. A path of the client's must not become the name of another host: of several slashes in
/// front one is left.
pub(super) fn location(template: &Template, subject: &Subject<'_>) -> HeaderValue {
    let text = fill(template, subject);
    let rest = text.trim_start_matches(['/', '\\']);
    let slash = if rest.len() < text.len() { "/" } else { "" };
    header_value(format!("{slash}{rest}").as_bytes())
}
