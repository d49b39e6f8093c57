//! The part of `WebSocket`'s handshake that HTTP/2 does without. Pure.
//!
//! RFC 6455 §4.2.1 (the key) and §4.2.2 (what proves that it was read); RFC 8441 §5.

use ::http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_KEY};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What each key is joined with.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Octets of a key, decoded.
const KEY: usize = 16;

/// Takes the key out of a request and gives what answers it. None: there is not one key, or it is none.
pub(crate) fn take_key(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().filter(|_| keys.next().is_none())?;
    let known = STANDARD.decode(key).is_ok_and(|key| key.len() == KEY);
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat()));
    headers.remove(SEC_WEBSOCKET_KEY);
    HeaderValue::from_str(&accept).ok().filter(|_| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &[&'static str], expect: Option<&str>) {
        let mut headers = HeaderMap::new();
        for key in keys {
            headers.append(SEC_WEBSOCKET_KEY, HeaderValue::from_static(key));
        }
        let accept = take_key(&mut headers);
        assert_eq!(accept.as_ref().map(HeaderValue::as_bytes), expect.map(str::as_bytes), "{keys:?}");
    }

    #[test]
    fn a_key_is_answered_as_the_standard_has_it() {
        check(&["dGhlIHNhbXBsZSBub25jZQ=="], Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn what_is_no_key_is_not_answered() {
        for key in ["", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ==, a", "AAAA"] {
            check(&[key], None);
        }
        check(&[], None);
        check(&["dGhlIHNhbXBsZSBub25jZQ=="; 2], None);
    }
}
