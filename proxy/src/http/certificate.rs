//! What members are told of a client's certificate, in fields of requests. Pure.
//!
//! `Client-Cert` is that of RFC 9440; the others have the names that HAProxy's users give them. Names are written as
//! RFC 4514 has them. Deliberately not here: whether the certificate is valid; there would be no connection.

use super::forwarded::is_taken_for;
use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

const HAS_CERTIFICATE: HeaderName = HeaderName::from_static("x-ssl-client-has-cert");
const VERIFY: HeaderName = HeaderName::from_static("x-ssl-client-verify");
const SUBJECT: HeaderName = HeaderName::from_static("x-ssl-client-dn");
const COMMON_NAME: HeaderName = HeaderName::from_static("x-ssl-client-cn");
const ISSUER: HeaderName = HeaderName::from_static("x-ssl-issuer");
const CERTIFICATE: HeaderName = HeaderName::from_static("client-cert");

/// Names that nobody else may set, as [`is_taken_for`] reads them.
const OURS: [&str; 3] = ["x-ssl-", "client-cert", "client-cert-"];

/// The fields of one connection.
pub(crate) type Fields = Box<[(HeaderName, HeaderValue)]>;

/// What the certificate that a client has shown says.
pub(crate) fn fields(der: Option<&[u8]>) -> Fields {
    let Some(der) = der else {
        return [(HAS_CERTIFICATE, HeaderValue::from_static("0"))].into();
    };
    let mut fields =
        vec![(HAS_CERTIFICATE, HeaderValue::from_static("1")), (VERIFY, HeaderValue::from_static("0"))];
    let mut push = |name: HeaderName, value: Option<String>| {
        fields.extend(value.and_then(|value| Some((name, HeaderValue::from_str(&value).ok()?))));
    };
    if let Ok((_, parsed)) = X509Certificate::from_der(der) {
        push(SUBJECT, written(parsed.subject()));
        let common = parsed.subject().iter_common_name().next();
        push(COMMON_NAME, common.and_then(|name| Some(escaped(name.as_str().ok()?))));
        push(ISSUER, written(parsed.issuer()));
    }
    push(CERTIFICATE, Some(format!(":{}:", STANDARD.encode(der))));
    fields.into()
}

/// Puts the fields in the place of all that a client says of its own.
pub(crate) fn tell(headers: &mut HeaderMap, fields: &[(HeaderName, HeaderValue)]) {
    let ours = |name: &&HeaderName| OURS.iter().any(|known| is_taken_for(name.as_str(), known));
    let doomed: Vec<HeaderName> = headers.keys().filter(ours).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
    for (name, value) in fields {
        headers.insert(name, value.clone());
    }
}

/// RFC 4514 §2: the last part first. None: a part is no text.
fn written(name: &X509Name<'_>) -> Option<String> {
    let mut parts = Vec::new();
    for part in name.iter() {
        let mut attributes = Vec::new();
        for attribute in part.iter() {
            let kind = oid2abbrev(attribute.attr_type(), oid_registry())
                .map_or_else(|_| attribute.attr_type().to_id_string(), str::to_owned);
            attributes.push(format!("{kind}={}", escaped(attribute.as_str().ok()?)));
        }
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

/// RFC 4514 §2.4, and all that is no plain character by its octets.
fn escaped(value: &str) -> String {
    let last = value.len().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, byte) in value.bytes().enumerate() {
        let character = char::from(byte);
        let edge = (at == 0 && matches!(byte, b' ' | b'#')) || (at == last && byte == b' ');
        if b"\"+,;<>\\".contains(&byte) || edge {
            text.push('\\');
            text.push(character);
        } else if byte == b' ' || byte.is_ascii_graphic() {
            text.push(character);
        } else {
            write!(text, "\\{byte:02X}").expect("a string takes everything");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    fn certificate(parts: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_is_told_by_its_names_and_as_a_whole() {
        let der = certificate(&[
            (DnType::OrganizationName, "A, Inc."),
            (DnType::CommonName, "client \u{fc}\r\nX: y"),
        ]);
        let told = fields(Some(&der));
        let value = |wanted: &str| {
            let found = told.iter().find(|(name, _)| name.as_str() == wanted);
            found.map(|(_, value)| value.to_str().unwrap().to_owned())
        };
        let name = "client \\C3\\BC\\0D\\0AX: y";
        assert_eq!(value("x-ssl-client-has-cert").as_deref(), Some("1"));
        assert_eq!(value("x-ssl-client-verify").as_deref(), Some("0"));
        assert_eq!(value("x-ssl-client-cn").as_deref(), Some(name));
        assert_eq!(value("x-ssl-client-dn"), Some(format!("CN={name},O=A\\, Inc.")));
        assert_eq!(value("x-ssl-issuer"), value("x-ssl-client-dn"));
        let whole = value("client-cert").unwrap();
        let inner = whole.strip_prefix(':').unwrap().strip_suffix(':').unwrap();
        assert_eq!(STANDARD.decode(inner).unwrap(), der);
    }

    #[test]
    fn a_client_without_a_certificate_is_told_so_and_nothing_else() {
        let told = fields(None);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].0.as_str(), told[0].1.as_bytes()), ("x-ssl-client-has-cert", &b"0"[..]));
    }

    #[test]
    fn names_are_escaped_where_they_could_mean_something_else() {
        let check = |value: &str, expect: &str| assert_eq!(escaped(value), expect, "{value:?}");
        check("plain name", "plain name");
        check("a,O=b+c", "a\\,O=b\\+c");
        check(" #a ", "\\ #a\\ ");
        check("#a", "\\#a");
        check("\"<;>\\", "\\\"\\<\\;\\>\\\\");
        check("\0\u{7f}", "\\00\\7F");
        check("", "");
    }

    #[test]
    fn nobody_else_sets_these_fields() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-ssl-client-cn",
            "x_ssl_client_verify",
            "x-ssl-anything",
            "client-cert",
            "client_cert",
            "client-cert-chain",
            "accept",
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("forged"));
        }
        tell(&mut headers, &fields(None));
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "x-ssl-client-has-cert"]);
        assert_eq!(headers[HAS_CERTIFICATE], "0");
    }
}
