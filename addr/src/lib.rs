//! Addresses as values: the arithmetic between IPv4 and IPv6 that every part of the gateway shares.
//!
//! Owns [`Prefix64`] (RFC 6052), the special-purpose registries (RFC 6890) and the policy drawn from them
//! (RFC 6052 §3.1), [`Prefixes`] for gateways with several, and [`ExplicitMaps`] (RFC 7757). A leaf: it imports nothing of the house, and knows
//! neither packets nor names nor files.

pub mod explicit;
mod lpm;
pub mod prefix64;
pub mod prefixes;
pub mod special;

pub use explicit::{ExplicitMap, ExplicitMaps, MapConflict};
pub use prefix64::{Prefix64, Prefix64Error};
pub use prefixes::{PrefixConflict, Prefixes, RangedPrefix};
pub use special::SpecialRange;

use std::net::{IpAddr, SocketAddr};

/// Folds an IPv4-mapped IPv6 address (`::ffff:a.b.c.d`, RFC 4291 §2.5.5.2) to the IPv4 address it carries.
///
/// A dual-stack socket reports IPv4 peers in mapped form; lists of allowed sources, logs and forwarding headers
/// mean the IPv4 address.
pub const fn fold_mapped(addr: IpAddr) -> IpAddr {
    addr.to_canonical()
}

/// [`fold_mapped`] for a socket address; the port stays.
pub const fn fold_mapped_socket(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(fold_mapped(addr.ip()), addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_fold_and_others_stay() {
        let check = |input: &str, expect: &str| {
            assert_eq!(fold_mapped(input.parse().unwrap()), expect.parse::<IpAddr>().unwrap(), "{input}");
        };
        check("::ffff:192.0.2.1", "192.0.2.1");
        check("192.0.2.1", "192.0.2.1");
        check("2001:db8::1", "2001:db8::1");
        check("::192.0.2.1", "::192.0.2.1");
        check("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.1");
        assert_eq!(
            fold_mapped_socket("[::ffff:192.0.2.1]:80".parse().unwrap()),
            "192.0.2.1:80".parse().unwrap()
        );
    }
}
