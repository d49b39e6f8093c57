//! Which IPv4 addresses may stand under a prefix at all, before anyone's own lists (RFC 6052 §3.1).
//!
//! Choice: addresses that name no remote host are refused under every prefix and for every name. Choice: rebinding
//! protection leaves 192.0.0.0/24 alone, which is nobody's private network and holds the addresses of
//! `ipv4only.arpa`.

use addr::{Prefix64, special};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// IPv4 addresses that name no remote host, under whatever prefix.
const NEVER_EMBEDDED: [Ipv4Net; 5] = [
    Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8),
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4),
    Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32),
];

/// IETF protocol assignments (RFC 6890).
const PROTOCOL_ASSIGNMENTS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 0, 0), 24);

/// Which non-global IPv4 addresses may be embedded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Lifts RFC 6052 §3.1 from `64:ff9b::/96`.
    pub allow_private_ipv4: bool,
    /// Refuses non-global IPv4 of public names under every prefix.
    pub rebind_protection: bool,
}

/// Whose word an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A name that anyone may have registered.
    Public,
    /// The operator's own data, or a name that may lead to private addresses: no rebinding.
    Trusted,
}

/// Why an IPv4 address is not embedded in a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It names no remote host.
    #[error("{0} holds no remote hosts")]
    Never(Ipv4Net),
    /// RFC 6052 §3.1.
    #[error("64:ff9b::/96 must not carry private addresses")]
    WellKnown,
    /// `rebind_protection`.
    #[error("a public name leads to a private address")]
    Rebinding,
    /// It belongs to none of the networks that are mapped to this prefix.
    #[error("not mapped to this prefix")]
    Unmapped,
}

/// Whether `v4` may be of someone's own network, as rebinding protection sees it.
pub(crate) fn is_private_v4(v4: Ipv4Addr) -> bool {
    !special::is_global_v4(v4) && !PROTOCOL_ASSIGNMENTS.contains(&v4)
}

impl Limits {
    /// Whether `v4` of a name of `source` may stand in `prefix`.
    ///
    /// # Errors
    /// The first rule against it.
    pub fn judge(self, prefix: Prefix64, v4: Ipv4Addr, source: Source) -> Result<(), Refused> {
        if let Some(net) = NEVER_EMBEDDED.iter().find(|net| net.contains(&v4)) {
            return Err(Refused::Never(*net));
        }
        if !prefix.may_embed(v4, self.allow_private_ipv4) {
            return Err(Refused::WellKnown);
        }
        if self.rebind_protection && source == Source::Public && is_private_v4(v4) {
            return Err(Refused::Rebinding);
        }
        Ok(())
    }
}
