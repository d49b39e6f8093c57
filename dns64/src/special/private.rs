//! Reverse names of private addresses: the zones that resolvers serve themselves (RFC 6303 §4, RFC 7793).
//!
//! A name is in such a zone if the octets or nibbles that stand nearest to the top are the network's. Loopback
//! addresses are not among them: their reverse names exist.

use crate::arpa::Partial;
use crate::name::WireName;
use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A place in a private reverse zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The zone.
    pub(super) apex: WireName,
    /// How far below the apex.
    pub(super) depth: Depth,
}

/// How far below its apex a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Not at all.
    Apex,
    /// Not far enough for a whole address.
    Between,
    /// At a whole address.
    Whole,
    /// Below an address, or no part of one.
    Outside,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, len: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), len)
}

/// RFC 6303 §4.1, §4.2 and RFC 7793 §3.
const V4: [Ipv4Net; 10] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 2, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(255, 255, 255, 255, 32),
];

/// RFC 6303 §4.3 to §4.6.
const V6: [Ipv6Net; 4] = [
    Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0), 8),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
];

/// Where `name` is in a private reverse zone.
pub(super) fn find(name: &WireName) -> Option<Place> {
    let partial = Partial::of(name)?;
    let bits = match partial.address {
        IpAddr::V4(v4) => V4.iter().find(|net| net.contains(&v4))?.prefix_len(),
        IpAddr::V6(v6) => V6.iter().find(|net| net.contains(&v6))?.prefix_len(),
    };
    let apex_labels = usize::from(bits).div_ceil(partial.width());
    if partial.read < apex_labels {
        return None;
    }
    let depth = match partial.labels {
        labels if labels == apex_labels => Depth::Apex,
        labels if labels > partial.read => Depth::Outside,
        labels if labels == partial.units() => Depth::Whole,
        _ => Depth::Between,
    };
    let mut apex = *name;
    for _ in apex_labels..partial.labels {
        apex = apex.parent()?;
    }
    Some(Place { apex, depth })
}
