//! The elements of `Forwarded` (RFC 7239 §4): what one proxy says of its client. Pure.
//!
//! Deliberately not read: what is in the elements of others. They are passed on as they came, or not at all.

use crate::http::framing::is_token;
use std::net::SocketAddr;

/// One element. An address of IPv6 stands in brackets, and whatever is no token in quotes (RFC 7239 §6); a client
/// without an address is `unknown` (§6.2).
pub(super) fn written(client: Option<SocketAddr>, host: &[u8], scheme: &str) -> Vec<u8> {
    let node = client.map_or_else(|| "unknown".to_owned(), without_zone);
    let mut element = b"for=".to_vec();
    push_value(&mut element, node.as_bytes());
    if !host.is_empty() {
        element.extend_from_slice(b";host=");
        push_value(&mut element, host);
    }
    element.extend_from_slice(b";proto=");
    element.extend_from_slice(scheme.as_bytes());
    element
}

/// Zones mean something on this machine alone.
fn without_zone(client: SocketAddr) -> String {
    SocketAddr::new(client.ip(), client.port()).to_string()
}

/// A token as it is, all else as a quoted string (RFC 9110 §5.6.4).
fn push_value(element: &mut Vec<u8>, value: &[u8]) {
    if is_token(value) {
        element.extend_from_slice(value);
        return;
    }
    element.push(b'"');
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            element.push(b'\\');
        }
        element.push(*byte);
    }
    element.push(b'"');
}

/// The elements of a line. Commas within quotes separate nothing.
pub(super) fn split(line: &[u8]) -> Vec<Vec<u8>> {
    let mut elements = Vec::new();
    let mut element = Vec::new();
    let (mut quoted, mut escaped) = (false, false);
    for byte in line {
        match byte {
            b',' if !quoted => elements.push(std::mem::take(&mut element)),
            _ => {
                if *byte == b'"' && !escaped {
                    quoted = !quoted;
                }
                escaped = quoted && *byte == b'\\' && !escaped;
                element.push(*byte);
            }
        }
    }
    elements.push(element);
    // A quote that nobody closes would swallow the elements behind it.
    if quoted {
        elements.pop();
    }
    let trimmed = elements.iter().map(|element| element.trim_ascii());
    trimmed.filter(|element| !element.is_empty()).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_quoted_where_they_are_no_tokens() {
        let check = |client: Option<&str>, host: &str, expect: &str| {
            let client = client.map(|client| client.parse().unwrap());
            let element = String::from_utf8(written(client, host.as_bytes(), "https")).unwrap();
            assert_eq!(element, format!("{expect};proto=https"));
        };
        check(Some("[2001:db8::1]:54321"), "web.example", "for=\"[2001:db8::1]:54321\";host=web.example");
        check(Some("192.0.2.1:80"), "a.example:81", "for=\"192.0.2.1:80\";host=\"a.example:81\"");
        check(Some("[fe80::1%7]:80"), "[2001:db8::2]", "for=\"[fe80::1]:80\";host=\"[2001:db8::2]\"");
        check(None, "", "for=unknown");
        check(None, "a\"b\\c", "for=unknown;host=\"a\\\"b\\\\c\"");
    }

    #[test]
    fn commas_in_quotes_separate_nothing() {
        let check = |line: &str, expect: &[&str]| {
            let elements = split(line.as_bytes());
            let elements: Vec<_> = elements.iter().map(|one| str::from_utf8(one).unwrap()).collect();
            assert_eq!(elements, expect, "{line}");
        };
        check(
            "for=192.0.2.1, for=\"[2001:db8::1]\";proto=http",
            &["for=192.0.2.1", "for=\"[2001:db8::1]\";proto=http"],
        );
        check("for=\"a,b\",for=c", &["for=\"a,b\"", "for=c"]);
        check("for=\"a\\\",b\", for=c", &["for=\"a\\\",b\"", "for=c"]);
        check("for=a\\,for=b", &["for=a\\", "for=b"]);
        check(" , ,", &[]);
        check("", &[]);
        check("for=a, for=\"b, for=c", &["for=a"]);
        check("for=a, for=\"b\\\"", &["for=a"]);
    }
}
