//! Header fields that end at the proxy (RFC 9110 §7.6.1). Pure.
//!
//! `Connection` and what it names, and the fields that concern one connection by definition, are taken out of requests
//! and responses; the HTTP library sets its own for the next connection.

use ::http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// Taken out whether named by `Connection` or not.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// Never taken out because `Connection` names them: the message would mean something else without them.
const ESSENTIAL: [HeaderName; 2] = [HOST, CONTENT_LENGTH];

/// Takes out everything that concerns this connection only.
pub(crate) fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        for name in nominated(headers) {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok())
        .filter(|name| !ESSENTIAL.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::header::HeaderValue;

    fn check(fields: &[(&str, &str)], expect: &[&str]) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        strip(&mut headers);
        let mut left: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        left.sort();
        assert_eq!(left, expect, "{fields:?}");
    }

    #[test]
    fn end_to_end_fields_stay() {
        check(&[("accept", "a"), ("cookie", "b"), ("cookie", "c")], &["accept: a", "cookie: b", "cookie: c"]);
    }

    #[test]
    fn fields_of_one_connection_go() {
        for name in
            ["connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"]
        {
            check(&[(name, "x"), ("accept", "a")], &["accept: a"]);
        }
    }

    #[test]
    fn what_connection_names_goes_wherever_it_is_named() {
        check(
            &[
                ("x-a", "1"),
                ("x-b", "2"),
                ("x-c", "3"),
                ("connection", "close, X-A"),
                ("connection", " x-b ,"),
            ],
            &["x-c: 3"],
        );
    }

    #[test]
    fn connection_cannot_name_what_the_message_needs() {
        check(
            &[
                ("connection", "host, content-length, cookie"),
                ("host", "a"),
                ("content-length", "5"),
                ("cookie", "b"),
            ],
            &["content-length: 5", "host: a"],
        );
    }

    #[test]
    fn options_that_are_no_names_are_passed_over() {
        check(&[("connection", "a b, \u{fc}, ,"), ("accept", "a")], &["accept: a"]);
    }
}
