//! Logins that hold for a connection and not for a request. Pure.
//!
//! NTLM, and Negotiate where it carries NTLM, take whoever sends on a connection for the one who has logged in on it
//! (RFC 4559 §6). Deliberately knows nothing of what is proven: the challenge tells enough.

use ::http::StatusCode;
use ::http::header::{PROXY_AUTHENTICATE, WWW_AUTHENTICATE};
use ::http::response;

/// How the names of the schemes begin that do so; `Nego2` is one of them.
const SCHEMES: [&[u8]; 2] = [b"ntlm", b"nego"];

/// Whether the response asks for such a login.
pub(crate) fn is_asked(response: &response::Parts) -> bool {
    let field = match response.status {
        StatusCode::UNAUTHORIZED => WWW_AUTHENTICATE,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => PROXY_AUTHENTICATE,
        _ => return false,
    };
    let values = response.headers.get_all(field).iter();
    let mut challenges = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    challenges.any(|challenge| {
        let challenge = challenge.trim_ascii_start();
        SCHEMES.iter().any(|scheme| {
            challenge.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Response;

    fn check(status: u16, fields: &[(&str, &str)], expect: bool) {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let parts = response.body(()).unwrap().into_parts().0;
        assert_eq!(is_asked(&parts), expect, "{status} {fields:?}");
    }

    #[test]
    fn ntlm_and_negotiate_are_logins_of_a_connection() {
        check(401, &[("www-authenticate", "NTLM")], true);
        check(401, &[("www-authenticate", "negotiate oYG2MIGz")], true);
        check(401, &[("www-authenticate", "Basic realm=\"a\""), ("www-authenticate", "Nego2")], true);
        check(401, &[("www-authenticate", "Basic realm=\"a\", NTLM TlRMTVNTUAAC")], true);
        check(407, &[("proxy-authenticate", "NTLM")], true);
    }

    #[test]
    fn other_logins_come_with_every_request() {
        check(401, &[("www-authenticate", "Basic realm=\"NTLM\"")], false);
        check(401, &[("proxy-authenticate", "NTLM")], false);
        check(407, &[("www-authenticate", "NTLM")], false);
        check(200, &[("www-authenticate", "NTLM")], false);
        check(401, &[("www-authenticate", "NT")], false);
        check(401, &[], false);
    }
}
