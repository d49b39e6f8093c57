//! The octets that a client of HTTP/2 begins with (RFC 9113 §3.4). Pure.

/// The whole of it.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether what a client has begun with, be it less or more, is the preface as far as it goes.
pub(crate) fn begins(octets: &[u8]) -> bool {
    let known = octets.len().min(PREFACE.len());
    octets[..known] == PREFACE[..known]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_preface_begins_http_2() {
        let check = |octets: &str, expect: bool| assert_eq!(begins(octets.as_bytes()), expect, "{octets:?}");
        check("", true);
        check("P", true);
        check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true);
        check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0", true);
        check("POST / HTTP/1.1\r\n", false);
        check("PRI * HTTP/1.1\r\n", false);
        check("PRI * HTTP/2.0\r\nHost: a\r\n\r\n", false);
        check("GET", false);
    }
}
