//! A client's OPT record (RFC 6891 §6.1.2) and those of its options that are understood here.
//!
//! Understands COOKIE (RFC 7873), NSID (RFC 5001), edns-tcp-keepalive (RFC 7828) and Padding (RFC 7830). All other
//! options are passed over and never echoed. Options are read as far as they can be: what follows a broken one is
//! ignored. Only a cookie of a length that cannot be is refused, as RFC 7873 §5.2.2 asks for.

use super::RejectReason;
use crate::wire::{self, flag};

/// The smallest payload a client may announce; lower values count as this (RFC 6891 §6.2.3).
const MIN_PAYLOAD: u16 = 512;

/// Octets of a client cookie (RFC 7873 §4).
pub const CLIENT_COOKIE: usize = 8;

/// Octets of a server cookie as this server makes it (RFC 9018 §4).
pub const SERVER_COOKIE: usize = 16;

/// A client's OPT record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientEdns {
    /// The largest UDP payload it takes, in octets; at least 512 where it was read from a message.
    pub payload: u16,
    /// The EDNS version; only 0 exists.
    pub version: u8,
    /// DO: it wants DNSSEC records.
    pub dnssec_ok: bool,
    /// The options that ask for one of the same kind.
    pub asks: Asks,
    /// Its cookie.
    pub cookie: Option<Cookie>,
}

/// The options of a query that say no more than that they are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// Which server it is.
    pub nsid: bool,
    /// How long an idle connection may stay.
    pub keepalive: bool,
    /// A padded reply, as the query is.
    pub padding: bool,
}

/// A cookie as a client sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its own part.
    pub client: [u8; CLIENT_COOKIE],
    /// What it says to have had from this server. A server cookie of a length that this server does not make counts
    /// as none.
    pub server: Option<[u8; SERVER_COOKIE]>,
}

/// The OPT record among the records that start at `at`.
pub(super) fn read(
    message: &[u8],
    mut at: usize,
    before_additional: usize,
    additional: usize,
) -> Result<Option<ClientEdns>, RejectReason> {
    let mut edns = None;
    for index in 0..before_additional + additional {
        let record = wire::record(message, at).ok_or(RejectReason::Malformed)?;
        if record.rtype == wire::OPT {
            if index < before_additional || edns.is_some() || message[at] != 0 {
                return Err(RejectReason::Opt);
            }
            let [_, version, high, low] = record.ttl.to_be_bytes();
            let fixed = ClientEdns {
                payload: record.class.max(MIN_PAYLOAD),
                version,
                dnssec_ok: u16::from_be_bytes([high, low]) & flag::DNSSEC_OK != 0,
                ..ClientEdns::default()
            };
            edns = Some(read_options(fixed, &message[record.data.clone()])?);
        }
        at = record.data.end;
    }
    Ok(edns)
}

fn read_options(mut edns: ClientEdns, data: &[u8]) -> Result<ClientEdns, RejectReason> {
    for (code, body) in wire::options(data) {
        match code {
            wire::OPTION_COOKIE if edns.cookie.is_none() => edns.cookie = Some(read_cookie(body)?),
            wire::OPTION_NSID => edns.asks.nsid = true,
            wire::OPTION_KEEPALIVE => edns.asks.keepalive = true,
            wire::OPTION_PADDING => edns.asks.padding = true,
            _ => {}
        }
    }
    Ok(edns)
}

/// A client cookie alone, or with a server cookie of 8 to 32 octets behind it (RFC 7873 §4).
fn read_cookie(body: &[u8]) -> Result<Cookie, RejectReason> {
    let (client, server) = body.split_first_chunk().ok_or(RejectReason::Cookie)?;
    match server.len() {
        0 | 8..=32 => Ok(Cookie { client: *client, server: server.try_into().ok() }),
        _ => Err(RejectReason::Cookie),
    }
}
