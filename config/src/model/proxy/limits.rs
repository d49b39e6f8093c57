//! `proxy.listener.limits`: how much of a request is taken.

use crate::defaults;

/// `proxy.listener.limits`; only http.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// `head`: octets of a request line with all header fields, 1 KiB to 48 KiB.
    pub head: u32,
    /// `fields`: header fields, 1 to 1000.
    pub fields: u16,
    /// `line`: octets of the request line, and of each field, 256 to 48 KiB.
    pub line: u32,
    /// `body_rate`: octets of a body in each second that they are waited for, at least 1; `None` is no limit.
    pub body_rate: Option<u32>,
    /// `streams`: requests at once on one connection of HTTP/2, 1 to 1000.
    pub streams: u16,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            head: defaults::REQUEST_LIMIT_HEAD,
            fields: defaults::REQUEST_LIMIT_FIELDS,
            line: defaults::REQUEST_LIMIT_LINE,
            body_rate: None,
            streams: defaults::REQUEST_LIMIT_STREAMS,
        }
    }
}
