//! What the HTTP library does not judge of a head in HTTP/2, and what another version writes otherwise. Pure.
//!
//! RFC 9113 §8.2 (values), §8.2.3 (`Cookie`), §8.3.1 (the target). What concerns both versions is the matter of
//! [`guard`](crate::http::guard).

use crate::http::framing::Fault;
use ::http::header::{CONTENT_LENGTH, COOKIE, HeaderMap, HeaderValue};
use ::http::request::Parts;
use config::model::RequestLimits;

/// Judges the fields and the target, and puts the parts of `Cookie` together.
pub(crate) fn settle(request: &mut Parts, limits: RequestLimits) -> Result<(), Fault> {
    let most = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
    let target = request.uri.authority().map_or(0, |authority| authority.as_str().len())
        + request.uri.path_and_query().map_or(0, |path| path.as_str().len());
    let line = request.method.as_str().len() + target;
    if line > most(limits.line) {
        return Err(Fault::LongTarget);
    }
    let path = request.uri.path_and_query().map_or(&b""[..], |path| path.as_str().as_bytes());
    if !path.iter().all(|byte| matches!(byte, 0x21..=0x7e)) {
        return Err(Fault::RequestLine);
    }
    let lengths = || request.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    let head = line + lengths().sum::<usize>();
    let too_long = lengths().any(|length| length > most(limits.line));
    if too_long || head > most(limits.head) || request.headers.len() > usize::from(limits.fields) {
        return Err(Fault::LargeHead);
    }
    if !request.headers.values().all(is_plain) {
        return Err(Fault::Field);
    }
    let mut lengths = request.headers.get_all(CONTENT_LENGTH).iter();
    let is_good =
        |length: &HeaderValue| !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
    if !lengths.next().is_none_or(is_good) || lengths.next().is_some() {
        return Err(Fault::Length);
    }
    join_cookies(&mut request.headers);
    // A member of HTTP/1.1 gets it as one line.
    let whole = request.headers.get(COOKIE).map_or(0, |whole| COOKIE.as_str().len() + whole.len());
    if whole > most(limits.line) { Err(Fault::LargeHead) } else { Ok(()) }
}

/// Whether a value neither begins nor ends with a blank, and holds no control byte (RFC 9113 §8.2.1).
fn is_plain(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let blank = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    !blank(bytes.first())
        && !blank(bytes.last())
        && !bytes.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}

fn join_cookies(headers: &mut HeaderMap) {
    let parts: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if parts.len() < 2 {
        return;
    }
    let whole = HeaderValue::from_maybe_shared(bytes::Bytes::from(parts.join(&b"; "[..])));
    headers.insert(COOKIE, whole.expect("header values with a separator between make one"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Request;

    fn settled(uri: &str, fields: &[(&str, &str)]) -> Result<Parts, Fault> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let limits = RequestLimits { head: 1024, fields: 20, line: 512, ..RequestLimits::default() };
        let mut parts = request.body(()).unwrap().into_parts().0;
        settle(&mut parts, limits).map(|()| parts)
    }

    fn fault(uri: &str, fields: &[(&str, &str)]) -> Option<Fault> {
        settled(uri, fields).err()
    }

    #[test]
    fn parts_of_a_cookie_become_one() {
        let parts = settled("/", &[("cookie", "a=1"), ("accept", "x"), ("cookie", "b=2; c=3")]).unwrap();
        let cookies: Vec<_> = parts.headers.get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
    }

    #[test]
    fn parts_of_a_cookie_count_as_fields() {
        assert_eq!(fault("/", &[("cookie", "a"); 20]), None);
        assert_eq!(fault("/", &[("cookie", "a"); 21]), Some(Fault::LargeHead));
    }

    #[test]
    fn parts_of_a_cookie_are_one_line() {
        let half = "x".repeat(253);
        assert_eq!(fault("/", &[("cookie", &half), ("cookie", &half)]), Some(Fault::LargeHead));
        assert_eq!(fault("/", &[("cookie", &half), ("cookie", &half[8..])]), None);
    }

    #[test]
    fn heads_are_held_against_the_limits() {
        let long = "x".repeat(506);
        assert_eq!(fault("/", &[("accept", &long)]), None);
        assert_eq!(fault("/", &[("accept", &format!("{long}x"))]), Some(Fault::LargeHead));
        assert_eq!(fault("/", &[("accept", &long), ("accept", &long)]), Some(Fault::LargeHead));
        assert_eq!(fault(&format!("/{}", "x".repeat(508)), &[]), None);
        assert_eq!(fault(&format!("/{}", "x".repeat(509)), &[]), Some(Fault::LongTarget));
    }

    #[test]
    fn values_with_blanks_at_an_end_are_refused() {
        for (value, expect) in [("a b", None), (" a", Some(Fault::Field)), ("a\t", Some(Fault::Field))] {
            assert_eq!(fault("/", &[("x-a", value)]), expect, "{value:?}");
        }
    }

    #[test]
    fn there_is_one_length() {
        assert_eq!(fault("/", &[("content-length", "5")]), None);
        assert_eq!(fault("/", &[("content-length", "5"), ("content-length", "5")]), Some(Fault::Length));
    }

    #[test]
    fn a_length_is_made_of_digits() {
        for length in ["", "+5", "5a", "0x5"] {
            assert_eq!(fault("/", &[("content-length", length)]), Some(Fault::Length), "{length:?}");
        }
        assert_eq!(fault("/", &[("content-length", "007")]), None);
    }

    #[test]
    fn paths_are_plain_characters() {
        assert_eq!(fault("/a?b=%20", &[]), None);
        assert_eq!(fault("/\u{fc}", &[]), Some(Fault::RequestLine));
    }
}
