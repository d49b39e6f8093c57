//! What a client says of itself in `Authorization` (RFC 7617 §2). Pure.

use ::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Octets of a name with its password. The time to hash grows with them, and nobody's password is longer.
const LONGEST: usize = 512;

/// A name and a password.
#[derive(PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Vec<u8>,
    pub(super) password: Vec<u8>,
}

/// Never with the password.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Those of a request; `None` if it has none that can be right: another scheme, several fields, control characters, or
    /// more than [`LONGEST`].
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return None };
        let (scheme, rest) = field.as_bytes().split_at_checked(b"Basic".len())?;
        if !scheme.eq_ignore_ascii_case(b"Basic") || !rest.starts_with(b" ") {
            return None;
        }
        let encoded = rest.trim_ascii();
        let decoded = (encoded.len() <= LONGEST * 4 / 3 + 4).then(|| BASE64.decode(encoded).ok())??;
        if decoded.len() > LONGEST || decoded.iter().any(u8::is_ascii_control) {
            return None;
        }
        let colon = memchr::memchr(b':', &decoded)?;
        Some(Self { user: decoded[..colon].to_vec(), password: decoded[colon + 1..].to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderValue;

    fn check(fields: &[&str], expect: Option<(&str, &str)>) {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, HeaderValue::from_str(field).unwrap());
        }
        let expect = expect.map(|(user, password)| (user.as_bytes().to_vec(), password.as_bytes().to_vec()));
        let got = Credentials::of(&headers).map(|got| (got.user, got.password));
        assert_eq!(got, expect, "{fields:?}");
    }

    #[test]
    fn names_and_passwords_are_read() {
        // The examples of RFC 7617 §2 and §2.1.
        check(&["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="], Some(("Aladdin", "open sesame")));
        check(&["Basic dGVzdDoxMjPCow=="], Some(("test", "123\u{a3}")));
        check(&["bASIC  dGVzdDoxMjPCow"], Some(("test", "123\u{a3}")));
        check(&[&format!("Basic {}", BASE64.encode(":a:b"))], Some(("", "a:b")));
        check(&[&format!("Basic {}", BASE64.encode("a:"))], Some(("a", "")));
    }

    #[test]
    fn what_cannot_be_right_is_none() {
        check(&[], None);
        check(&["Basic"], None);
        check(&["Basic "], None);
        check(&["BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ=="], None);
        check(&["Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="], None);
        check(&["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="], None);
        check(&["Basic QWxh*GRpbjpvcGVuIHNlc2FtZQ=="], None);
        for text in ["no colon", "a:b\n", "a\0:b", &format!("a:{}", "b".repeat(LONGEST))] {
            check(&[&format!("Basic {}", BASE64.encode(text))], None);
        }
    }
}
