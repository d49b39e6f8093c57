//! Who may speak to the admin interface over TCP: the holder of the bearer token (RFC 6750 §2.1), or, on a loopback
//! address without a token, a program of this machine that is not a web page.
//!
//! A browser speaks for any page that it shows. Such a request carries the page's origin, or a host name that was made
//! to point at the loopback address, and is refused.

use arc_swap::ArcSwapOption;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::fmt;
use std::fs;
use std::hint::black_box;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Why a token cannot be used.
#[derive(Debug, Error)]
pub(crate) enum TokenError {
    #[error("cannot read the token from {path} (admin.token_file)", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "the token in {path} (admin.token_file) must be one word of printable ASCII; make one with \
         `head -c 32 /dev/urandom | base64`", path = .path.display()
    )]
    Malformed { path: PathBuf },
}

/// A bearer token. Its text is never shown.
pub(super) struct Token(Vec<u8>);

/// The token in effect, shared by all listeners.
#[derive(Clone, Debug)]
pub(super) struct Tokens(Arc<ArcSwapOption<Token>>);

/// Who may speak on one listener.
#[derive(Clone, Debug)]
pub(super) enum Access {
    /// Whoever the socket file's permissions let through.
    Permissions,
    /// The holder of the token, or a local program where there is none.
    Loopback(Tokens),
    /// The holder of the token.
    Network(Tokens),
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The token is missing or wrong.
    Unauthorized,
    /// The request comes from a web page.
    CrossOrigin,
}

impl Token {
    /// The token that `[admin]` names, if it names one. White space around it is not part of it.
    pub(super) fn of(admin: &config::model::Admin) -> Result<Option<Self>, TokenError> {
        admin.token_file.as_deref().map(Self::read).transpose()
    }

    fn read(path: &Path) -> Result<Self, TokenError> {
        let content = fs::read(path).map_err(|source| TokenError::Read { path: path.to_owned(), source })?;
        let token = content.trim_ascii();
        if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
            return Err(TokenError::Malformed { path: path.to_owned() });
        }
        Ok(Self(token.to_owned()))
    }

    /// Compares in a time that depends on the lengths only.
    fn is(&self, offered: &[u8]) -> bool {
        let differing =
            self.0.iter().zip(offered).fold(0, |all, (own, other)| black_box(all | (own ^ other)));
        self.0.len() == offered.len() && differing == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Tokens {
    pub(super) fn new(token: Option<Token>) -> Self {
        Self(Arc::new(ArcSwapOption::from_pointee(token)))
    }

    pub(super) fn set(&self, token: Option<Token>) {
        self.0.store(token.map(Arc::new));
    }
}

impl Access {
    /// Who may speak on a TCP address.
    pub(super) fn over_tcp(address: SocketAddr, tokens: Tokens) -> Self {
        if address.ip().to_canonical().is_loopback() { Self::Loopback(tokens) } else { Self::Network(tokens) }
    }

    /// Whether a request with these headers is answered.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let (tokens, local) = match self {
            Self::Permissions => return Ok(()),
            Self::Loopback(tokens) => (tokens, true),
            Self::Network(tokens) => (tokens, false),
        };
        match &*tokens.0.load() {
            Some(token) if bearer(headers).is_some_and(|offered| token.is(offered)) => Ok(()),
            None if local && !from_web_page(headers) => Ok(()),
            None if local => Err(Refused::CrossOrigin),
            Some(_) | None => Err(Refused::Unauthorized),
        }
    }
}

/// The credentials of `Authorization: Bearer`; the scheme is case-insensitive (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, rest) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then(|| rest.trim_ascii())
}

const BEARER: &[u8] = b"Bearer ";

fn from_web_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || !headers.get(HOST).is_some_and(|host| is_own_host(host.as_bytes()))
}

/// Whether a Host header holds an address or `localhost`, as a local program's does.
fn is_own_host(host: &[u8]) -> bool {
    let Ok(host) = str::from_utf8(host) else { return false };
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                [(WWW_AUTHENTICATE, "Bearer")],
                "send the token of admin.token_file as `Authorization: Bearer TOKEN`\n",
            )
                .into_response(),
            Self::CrossOrigin => {
                (StatusCode::FORBIDDEN, "web pages may not speak here; set admin.token_file to use a token\n")
                    .into_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    const LOOPBACK: &str = "127.0.0.1:9464";
    const NETWORK: &str = "192.0.2.1:9464";

    #[track_caller]
    fn check(
        address: &str,
        token: Option<&str>,
        headers: &[(HeaderName, &str)],
        expect: Result<(), Refused>,
    ) {
        let tokens = Tokens::new(token.map(|token| Token(token.as_bytes().to_vec())));
        let access = Access::over_tcp(address.parse().unwrap(), tokens);
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect();
        assert_eq!(access.admit(&headers), expect);
    }

    #[test]
    fn the_token_opens_every_listener() {
        for address in [LOOPBACK, NETWORK] {
            check(address, Some("s3cret"), &[(AUTHORIZATION, "Bearer s3cret")], Ok(()));
            check(address, Some("s3cret"), &[(AUTHORIZATION, "bearer  s3cret")], Ok(()));
        }
    }

    #[test]
    fn a_missing_or_wrong_token_is_refused_everywhere() {
        for address in [LOOPBACK, "[::ffff:127.0.0.1]:9464", NETWORK] {
            check(address, Some("s3cret"), &[(HOST, "localhost")], Err(Refused::Unauthorized));
            for wrong in
                ["Bearer s3cre", "Bearer s3cret2", "Bearer S3CRET", "Bearer ", "Basic s3cret", "s3cret", ""]
            {
                check(address, Some("s3cret"), &[(AUTHORIZATION, wrong)], Err(Refused::Unauthorized));
            }
        }
    }

    #[test]
    fn without_a_token_the_network_is_refused() {
        check(NETWORK, None, &[(HOST, "192.0.2.1:9464")], Err(Refused::Unauthorized));
        check(NETWORK, None, &[(AUTHORIZATION, "Bearer ")], Err(Refused::Unauthorized));
    }

    #[test]
    fn without_a_token_local_programs_are_let_through() {
        for host in ["127.0.0.1:9464", "[::1]:9464", "localhost:9464", "LOCALHOST", "127.0.0.1", "[::1]"] {
            check(LOOPBACK, None, &[(HOST, host)], Ok(()));
        }
    }

    #[test]
    fn without_a_token_web_pages_are_refused() {
        check(LOOPBACK, None, &[(HOST, "rebound.example:9464")], Err(Refused::CrossOrigin));
        check(LOOPBACK, None, &[(HOST, "localhost.rebound.example")], Err(Refused::CrossOrigin));
        check(
            LOOPBACK,
            None,
            &[(HOST, "localhost"), (ORIGIN, "https://page.example")],
            Err(Refused::CrossOrigin),
        );
        check(LOOPBACK, None, &[], Err(Refused::CrossOrigin));
    }

    #[test]
    fn white_space_around_the_token_is_not_part_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, " s3cret\n").unwrap();
        assert!(Token::read(&path).unwrap().is(b"s3cret"));
    }

    #[test]
    fn an_empty_or_broken_token_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        for content in ["", "\n", "two words", "one\nline\n", "ümlaut"] {
            fs::write(&path, content).unwrap();
            assert!(matches!(Token::read(&path), Err(TokenError::Malformed { .. })), "{content:?}");
        }
        assert!(matches!(Token::read(&directory.path().join("none")), Err(TokenError::Read { .. })));
    }
}
