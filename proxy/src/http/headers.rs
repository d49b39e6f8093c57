//! Header fields that end at the proxy (RFC 9110 §7.6.1), and those that may be trailers (§6.5). Pure.
//!
//! `Connection` and what it names, and the fields that concern one connection by definition, are taken out of requests
//! and responses; whoever writes to the next connection sets its own.

use super::forwarded::is_taken_for;
use ::http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};

/// Taken out whether named by `Connection` or not.
static HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// The lengths of names that may end here, which few others have.
const LENGTHS: [usize; 7] = [2, 4, 7, 10, 14, 16, 17];
/// Of the framing, or settled beside it: what some server may take for one of these is taken out.
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "host"];
/// Never taken out because `Connection` names them: the message would mean something else without them.
const ESSENTIAL: [HeaderName; 2] = [HOST, CONTENT_LENGTH];

/// Fields that mean something only ahead of the content, or that would slip past what is judged and set there; beside
/// those of one connection. With `-` at the end, all that begin so.
const NO_TRAILERS: [&str; 22] = [
    "authorization",
    "cache-control",
    "client-cert",
    "client-cert-",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "set-cookie",
    "www-authenticate",
    "x-forwarded-",
    "x-real-ip",
    "x-ssl-",
];

/// Has a request whose client takes trailers ask the member for them.
pub(crate) fn ask_for_trailers(headers: &mut HeaderMap) {
    headers.append(CONNECTION, HeaderValue::from_static("te"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
}

/// Whether whoever sent these takes trailers.
pub(crate) fn takes_trailers(headers: &HeaderMap) -> bool {
    list(headers, &TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// Takes out everything that concerns this connection only, and leaves of the framing what has one meaning. What is
/// announced as trailers and may be stays announced: no others are sent.
///
/// Few messages have any of it, and to look for a name costs as much as to look at all of them.
pub(crate) fn strip(headers: &mut HeaderMap) {
    canonicalize(headers);
    let ending: Vec<_> = headers.keys().filter(|name| ends_here(name)).cloned().collect();
    let nominated = if ending.contains(&CONNECTION) { nominated(headers) } else { Vec::new() };
    let trailers = if ending.contains(&TRAILER) { announced(headers, &nominated) } else { None };
    for name in ending.iter().chain(&nominated) {
        headers.remove(name);
    }
    if let Some(trailers) = trailers {
        headers.insert(TRAILER, trailers);
    }
}

/// Whether a field goes whatever else there is. CGI and its kin see no difference between `-` and other marks, and may
/// take what is spelt with those for another field of the framing.
fn ends_here(name: &HeaderName) -> bool {
    let text = name.as_str();
    LENGTHS.contains(&text.len()) && is_ending(name, text)
}

fn is_ending(name: &HeaderName, text: &str) -> bool {
    HOP_BY_HOP.contains(name) || FRAMING.iter().any(|known| is_taken_for(text, known) && text != *known)
}

/// Writes a length without leading zeros, which some readers take for a sign of octal.
fn canonicalize(headers: &mut HeaderMap) {
    let length = headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
    if let Some(digits @ [b'0', _, ..]) = length {
        let start = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len() - 1);
        if let Ok(plain) = HeaderValue::from_bytes(&digits[start..]) {
            headers.insert(CONTENT_LENGTH, plain);
        }
    }
}

/// Takes out what only HTTP/1.1 has (RFC 9113 §8.2.2). That trailers are taken stays said.
pub(crate) fn leave_http1(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP.iter().filter(|name| ![TE, TRAILER].contains(name)) {
        headers.remove(name);
    }
}

/// Takes out everything that may not come behind the content, announced or not.
pub(crate) fn strip_trailers(trailers: &mut HeaderMap) {
    let doomed: Vec<HeaderName> = trailers.keys().filter(|name| !may_trail(name)).cloned().collect();
    for name in doomed {
        trailers.remove(name);
    }
}

/// Whether a message would mean something else, or end elsewhere, without this field.
pub(crate) fn is_essential(name: &HeaderName) -> bool {
    ESSENTIAL.contains(name) || HOP_BY_HOP.contains(name)
}

/// Nor may what some server would take for one of these, which makes one list of fields and trailers.
fn may_trail(name: &HeaderName) -> bool {
    let mut known = HOP_BY_HOP.iter().map(HeaderName::as_str).chain(NO_TRAILERS);
    !known.any(|known| is_taken_for(name.as_str(), known))
}

/// The fields that are to come behind the content and may. `nominated` are those that `Connection` names.
fn announced(headers: &HeaderMap, nominated: &[HeaderName]) -> Option<HeaderValue> {
    let may = |name: &HeaderName| may_trail(name) && !nominated.contains(name);
    let names: Vec<_> = list(headers, &TRAILER)
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(may)
        .map(|name| name.as_str().to_owned())
        .collect();
    HeaderValue::from_str(&names.join(", ")).ok().filter(|names| !names.is_empty())
}

/// The members of a field that is a list (RFC 9110 §5.6.1).
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let values = headers.get_all(name).iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// What `Connection` names beside what goes in any case.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let goes = |option: &[u8]| HOP_BY_HOP.iter().any(|name| option.eq_ignore_ascii_case(name.as_ref()));
    list(headers, &CONNECTION)
        .filter(|option| !goes(option))
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .filter(|name| !ESSENTIAL.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn no_name_that_ends_here_is_of_another_length() {
        for text in HOP_BY_HOP.iter().map(HeaderName::as_str).chain(FRAMING) {
            assert!(LENGTHS.contains(&text.len()), "{text}");
        }
    }

    #[test]
    fn end_to_end_fields_stay() {
        check(&[("accept", "a"), ("cookie", "b"), ("cookie", "c")], &["accept: a", "cookie: b", "cookie: c"]);
    }

    #[test]
    fn fields_of_one_connection_go() {
        for name in ["connection", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade"] {
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
    fn lengths_have_no_leading_zeros() {
        for (value, expect) in [("0", "0"), ("000", "0"), ("0010", "10"), ("10", "10")] {
            check(&[("content-length", value)], &[&format!("content-length: {expect}")]);
        }
    }

    #[test]
    fn what_a_server_may_take_for_framing_goes() {
        check(&[("Content_Length", "5"), ("transfer.encoding", "chunked"), ("x_a", "1")], &["x_a: 1"]);
    }

    #[test]
    fn only_what_may_be_a_trailer_stays_announced() {
        check(
            &[("trailer", "X-Sum, Content-Length,host"), ("trailer", "grpc-status, X-Forwarded-For, a b,")],
            &["trailer: x-sum, grpc-status"],
        );
        check(&[("trailer", "Transfer-Encoding, cookie, x-real-ip")], &[]);
        check(&[("connection", "x-sum"), ("trailer", "X-Sum")], &[]);
    }

    #[test]
    fn what_may_not_trail_is_taken_out() {
        let mut trailers = HeaderMap::new();
        let doomed =
            ["host", "x-forwarded-for", "connection", "set-cookie", "x-ssl-client-cn", "client-cert-chain"];
        let spelt = ["x_forwarded_for", "x.real.ip", "content_length", "transfer_encoding", "client_cert"];
        for name in ["grpc-status", "x-sum", "x_sum", "client-certain"].into_iter().chain(doomed).chain(spelt)
        {
            trailers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        strip_trailers(&mut trailers);
        let left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["grpc-status", "x-sum", "x_sum", "client-certain"]);
    }

    #[test]
    fn http_2_is_told_nothing_of_a_connection_of_http_1() {
        let mut headers = HeaderMap::new();
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers.insert(UPGRADE, HeaderValue::from_static("a/1"));
        ask_for_trailers(&mut headers);
        leave_http1(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), [&TE]);
    }

    #[test]
    fn trailers_are_asked_for_where_the_client_takes_them() {
        for (value, expect) in
            [("trailers", true), ("gzip;q=0.5, Trailers", true), ("gzip", false), ("", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(TE, HeaderValue::from_static(value));
            assert_eq!(takes_trailers(&headers), expect, "{value}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        ask_for_trailers(&mut headers);
        assert_eq!(
            (headers.get_all(CONNECTION).iter().count(), &headers[TE]),
            (2, &HeaderValue::from_static("trailers"))
        );
    }

    #[test]
    fn options_that_are_no_names_are_passed_over() {
        check(&[("connection", "a b, \u{fc}, ,"), ("accept", "a")], &["accept: a"]);
    }
}
