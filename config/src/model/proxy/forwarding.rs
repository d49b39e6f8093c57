//! What members are told of the client in the fields of a request, and whom a listener believes about it.

use super::Mode;
use crate::defaults;
use ipnet::IpNet;

/// The keys of `[[proxy.listener]]` about forwarding fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarding {
    /// `forwarded_for`; only http.
    pub forwarded_for: ForwardedFor,
    /// `forwarded_for_header`: a token (RFC 9110 §5.6.2); no field that means something else to HTTP, and none of
    /// `fields`.
    pub header: String,
    /// `forwarded_for_except`: clients whose address is not added.
    pub except: Vec<IpNet>,
    /// `forwarded_for_if_none`: nothing is added to a list that is believed.
    pub if_none: bool,
    /// `forwarded_headers`; only http. None stands twice.
    pub fields: Vec<ForwardedField>,
    /// `client_certificate_headers`; only http with `tls` that asks for certificates.
    pub certificate: bool,
    /// `trusted_proxies`: whose forwarding fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `trusted_hops`, 1 to 32: how many addresses at the end of a list are believed; `None` is all of them.
    pub trusted_hops: Option<u8>,
}

impl Forwarding {
    /// The default of every key.
    pub fn new(mode: Mode) -> Self {
        let forwarded_for = defaults::forwarded_for(mode);
        Self {
            forwarded_for,
            header: defaults::FORWARDED_FOR_HEADER.to_owned(),
            except: Vec::new(),
            if_none: defaults::FORWARDED_FOR_IF_NONE,
            fields: defaults::forwarded_headers(forwarded_for).to_vec(),
            certificate: defaults::CLIENT_CERTIFICATE_HEADERS,
            trusted_proxies: Vec::new(),
            trusted_hops: None,
        }
    }
}

/// `proxy.listener.forwarded_for`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedFor {
    /// The client's address is added behind what a trusted proxy sent.
    Append,
    /// Only the client's address.
    Replace,
    /// The header is left as it came.
    Off,
}

/// An element of `proxy.listener.forwarded_headers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardedField {
    /// `X-Forwarded-Proto`: whether the client spoke TLS.
    Proto,
    /// `X-Forwarded-Port`: the port that it connected to.
    Port,
    /// `X-Forwarded-Host`: the host that it asked for.
    Host,
    /// `X-Real-IP`: its address alone.
    RealIp,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For-V4`: the IPv4 address within an address of a translation prefix (RFC 6052).
    EmbeddedV4,
}

impl ForwardedField {
    /// The field's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proto => "X-Forwarded-Proto",
            Self::Port => "X-Forwarded-Port",
            Self::Host => "X-Forwarded-Host",
            Self::RealIp => "X-Real-IP",
            Self::Forwarded => "Forwarded",
            Self::EmbeddedV4 => "X-Forwarded-For-V4",
        }
    }
}
