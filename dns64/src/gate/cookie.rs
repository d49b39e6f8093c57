//! DNS cookies, the server's side: making them and telling whether one is ours (RFC 7873 §5.2, RFC 9018 §4).
//!
//! A cookie that is ours proves that the client receives what is sent to its address. Pure: secrets and the time are
//! arguments. The secret changes by [`Secrets::rotated`]; cookies of the one before are good until the next change.

use crate::question::{CLIENT_COOKIE, Cookie, SERVER_COOKIE};
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use std::net::IpAddr;

/// Octets of a server's secret.
pub const SECRET: usize = 16;

/// Seconds that a cookie is good for (RFC 9018 §4.3).
const LIFETIME: i32 = 3600;

/// Seconds that a cookie may be ahead of the clock, since other servers may share the secret (RFC 9018 §4.3).
const SKEW: i32 = 300;

/// Seconds after which a good cookie is replaced all the same (RFC 9018 §4.3).
const RENEWAL: i32 = 1800;

/// The version of the cookies of RFC 9018 §4.1, and three reserved octets.
const VERSION: [u8; 4] = [1, 0, 0, 0];

/// The secrets of this server.
#[derive(Clone, Copy)]
pub struct Secrets {
    current: [u8; SECRET],
    previous: Option<[u8; SECRET]>,
}

/// What a client's cookie comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The client's cookie and the server's for the reply.
    pub reply: [u8; CLIENT_COOKIE + SERVER_COOKIE],
    /// The client showed that it receives what is sent to its address.
    pub proven: bool,
}

impl Secrets {
    /// The first secret, random.
    pub fn new(current: [u8; SECRET]) -> Self {
        Self { current, previous: None }
    }

    /// The secrets after a change to `fresh`, random.
    #[must_use]
    pub fn rotated(&self, fresh: [u8; SECRET]) -> Self {
        Self { current: fresh, previous: Some(self.current) }
    }

    /// What `cookie` from `client` comes to, `now` seconds after 1970 modulo 2^32 (RFC 9018 §4.3).
    pub fn judge(&self, cookie: &Cookie, client: IpAddr, now: u32) -> Judgement {
        let client = client.to_canonical();
        let age = cookie.server.map(|server| age(&server, now));
        let recent = age.is_some_and(|age| (-SKEW..=LIFETIME).contains(&age));
        let by = |secret: &[u8; SECRET]| {
            cookie.server.is_some_and(|server| made_by(secret, cookie.client, server, client))
        };
        let current = recent && by(&self.current);
        let proven = current || recent && self.previous.as_ref().is_some_and(by);
        let kept = cookie.server.filter(|server| {
            current && server.starts_with(&VERSION) && age.is_some_and(|age| age <= RENEWAL)
        });
        let fresh = || {
            let mut head = [0; 8];
            head[..4].copy_from_slice(&VERSION);
            head[4..].copy_from_slice(&now.to_be_bytes());
            server_cookie(&self.current, cookie.client, head, client)
        };
        let server = kept.unwrap_or_else(fresh);
        let mut reply = [0; CLIENT_COOKIE + SERVER_COOKIE];
        reply[..CLIENT_COOKIE].copy_from_slice(&cookie.client);
        reply[CLIENT_COOKIE..].copy_from_slice(&server);
        Judgement { reply, proven }
    }
}

/// Secrets are never shown.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

/// Seconds since a server cookie was made; less than 0 where it comes from the future (RFC 1982).
fn age(server: &[u8; SERVER_COOKIE], now: u32) -> i32 {
    let made = u32::from_be_bytes([server[4], server[5], server[6], server[7]]);
    now.wrapping_sub(made).cast_signed()
}

/// Whether `server` is what `secret` makes for a client, its reserved octets as they came.
fn made_by(
    secret: &[u8; SECRET],
    client_cookie: [u8; CLIENT_COOKIE],
    server: [u8; SERVER_COOKIE],
    client: IpAddr,
) -> bool {
    let mut head = [0; 8];
    head.copy_from_slice(&server[..8]);
    head[0] == VERSION[0] && server == server_cookie(secret, client_cookie, head, client)
}

/// The server cookie of a client that begins with version, reserved octets and time `head` (RFC 9018 §4.4).
fn server_cookie(
    secret: &[u8; SECRET],
    client_cookie: [u8; CLIENT_COOKIE],
    head: [u8; 8],
    client: IpAddr,
) -> [u8; SERVER_COOKIE] {
    let mut hasher = SipHasher24::new_with_key(secret);
    hasher.write(&client_cookie);
    hasher.write(&head);
    match client {
        IpAddr::V4(v4) => hasher.write(&v4.octets()),
        IpAddr::V6(v6) => hasher.write(&v6.octets()),
    }
    let mut cookie = [0; SERVER_COOKIE];
    cookie[..8].copy_from_slice(&head);
    cookie[8..].copy_from_slice(&hasher.finish().to_le_bytes());
    cookie
}

#[cfg(test)]
mod tests;
