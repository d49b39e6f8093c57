//! `auth` and `rate` of a rule: whose requests pass, and how many.

use crate::defaults;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// `proxy.listener.rule.auth`: who may pass (RFC 7617).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// `realm`: 1 to 255 visible ASCII characters and inner blanks, without quotes and backslashes.
    pub realm: String,
    /// `users`: a file of htpasswd.
    pub users: PathBuf,
    /// `forward`: members get the password.
    pub forward: bool,
}

/// `proxy.listener.rule.rate`: how many requests pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// `requests`: so many in each `per`, at least 1.
    pub requests: u32,
    /// `per`, at least 1 ms.
    pub per: Duration,
    /// `burst`: so many at once, at least 1. All of them come back within a day.
    pub burst: u32,
    /// `by`: whose requests count together.
    pub by: RateBy,
    /// `prefix_v6`: the length that makes IPv6 addresses one source, 1 to 128.
    pub prefix_v6: u8,
    /// `prefix_v4`: the same for IPv4, 1 to 32. IPv4-mapped addresses count as IPv4.
    pub prefix_v4: u8,
    /// `status`, 400 to 599.
    pub status: u16,
}

impl Rate {
    /// So many requests a second, with the default of everything else.
    pub const fn new(requests: u32) -> Self {
        Self {
            requests,
            per: defaults::RATE_PER,
            burst: requests,
            by: RateBy::Source,
            prefix_v6: defaults::SOURCE_PREFIX_V6,
            prefix_v4: defaults::SOURCE_PREFIX_V4,
            status: defaults::RATE_STATUS,
        }
    }
}

/// `proxy.listener.rule.rate.by`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateBy {
    /// Those of one network of clients.
    Source,
    /// Those with the same value of this header, in lower case; without it, those of one network.
    Header(String),
}

/// As the file writes it.
impl fmt::Display for RateBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("source"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}
