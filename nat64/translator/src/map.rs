//! Which address stands for which on the other side.
//!
//! | from | order |
//! |---|---|
//! | IPv6 to IPv4 | own address, explicit maps, prefixes, dynamic pool |
//! | IPv4 to IPv6 | own address, explicit maps, dynamic pool, first prefix |
//!
//! Explicit maps beat the prefix on each side by themselves (RFC 7757 §3.3). A destination is never looked up by the
//! lease of its IPv6 address: such a packet needs no translation. The Well-Known Prefix carries no non-global IPv4
//! address unless the parameters allow it (RFC 6052 §3.1); in quoted packets it may, to ease debugging
//! (RFC 7915 §4.1).
//!
//! No prefix carries a link-local IPv4 address, which a router must not forward (RFC 3927 §2.7): the gateway's own link
//! may have a cloud's metadata service there. Explicit maps and the pool may, since those addresses lead to the device.

use crate::translator::{Leases, Params};
use crate::verdict::DropReason;
use addr::special;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Which address of a packet is looked up: what its refusal is called.
#[derive(Clone, Copy)]
enum Side {
    Source,
    Destination,
}

impl Side {
    const fn unmapped(self) -> DropReason {
        match self {
            Self::Source => DropReason::SourceUnmapped,
            Self::Destination => DropReason::DestinationUnmapped,
        }
    }

    const fn illegal(self) -> DropReason {
        match self {
            Self::Source => DropReason::IllegalSource,
            Self::Destination => DropReason::IllegalDestination,
        }
    }
}

/// The IPv4 source for `v6`; leases one if need be.
pub(crate) fn source_to_v4(
    params: &Params,
    leases: &mut dyn Leases,
    v6: Ipv6Addr,
) -> Result<Ipv4Addr, DropReason> {
    let v4 = match fixed_to_v4(params, v6, Side::Source) {
        Err(DropReason::SourceUnmapped) if params.pool.is_some() => {
            leases.lease_for_v6(v6).ok_or(DropReason::PoolExhausted)
        }
        fixed => fixed,
    }?;
    if special::is_legal_source_v4(v4) { Ok(v4) } else { Err(DropReason::IllegalSource) }
}

/// The IPv4 destination for `v6`.
pub(crate) fn destination_to_v4(params: &Params, v6: Ipv6Addr) -> Result<Ipv4Addr, DropReason> {
    let v4 = fixed_to_v4(params, v6, Side::Destination)?;
    screen_destination_v4(v4)?;
    Ok(v4)
}

/// The IPv6 source for `v4`.
pub(crate) fn source_to_v6(
    params: &Params,
    leases: &mut dyn Leases,
    v4: Ipv4Addr,
) -> Result<Ipv6Addr, DropReason> {
    to_v6(params, leases, v4, Side::Source)
}

/// The IPv6 destination for `v4`.
pub(crate) fn destination_to_v6(
    params: &Params,
    leases: &mut dyn Leases,
    v4: Ipv4Addr,
) -> Result<Ipv6Addr, DropReason> {
    to_v6(params, leases, v4, Side::Destination)
}

/// The IPv4 source of an error that `v6` reports. A router that has none is spoken for by the translator, so that the
/// report is not lost (in the spirit of RFC 6791) and costs no lease.
pub(crate) fn reporter_to_v4(params: &Params, leases: &mut dyn Leases, v6: Ipv6Addr) -> Ipv4Addr {
    match fixed_to_v4(params, v6, Side::Source) {
        Ok(v4) if special::is_legal_source_v4(v4) => v4,
        Err(DropReason::SourceUnmapped) if params.pool.is_some() => {
            leases.known_lease_for_v6(v6).unwrap_or(params.own_v4)
        }
        _ => params.own_v4,
    }
}

/// The IPv6 source of an error that `v4` reports; see [`reporter_to_v4`].
pub(crate) fn reporter_to_v6(params: &Params, leases: &mut dyn Leases, v4: Ipv4Addr) -> Ipv6Addr {
    source_to_v6(params, leases, v4).unwrap_or(params.own_v6)
}

/// The IPv4 address for `v6` in a quoted packet: leases none, and judges none.
pub(crate) fn quoted_to_v4(params: &Params, leases: &mut dyn Leases, v6: Ipv6Addr) -> Option<Ipv4Addr> {
    own_or_explicit_v4(params, v6)
        .or_else(|| params.prefixes.iter().find_map(|prefix| prefix.extract(v6)))
        .or_else(|| params.pool.and_then(|_| leases.known_lease_for_v6(v6)))
}

/// The IPv6 address for `v4` in a quoted packet: judges none.
pub(crate) fn quoted_to_v6(params: &Params, leases: &mut dyn Leases, v4: Ipv4Addr) -> Option<Ipv6Addr> {
    match own_or_explicit_v6(params, v4) {
        None if in_pool(params, v4) => leases.v6_of_lease(v4),
        None => params.prefixes.first().map(|prefix| prefix.embed(v4)),
        fixed => fixed,
    }
}

/// Refuses destinations that no packet may have off its host or link (RFC 1122 §3.2.1.3).
pub(crate) fn screen_destination_v4(v4: Ipv4Addr) -> Result<(), DropReason> {
    if v4.is_multicast() || v4.is_broadcast() {
        return Err(DropReason::Multicast);
    }
    // Unicast is judged alike as source and as destination.
    if special::is_legal_source_v4(v4) { Ok(()) } else { Err(DropReason::IllegalDestination) }
}

/// Refuses destinations that no packet may have off its host or link (RFC 4291 §2.5).
pub(crate) fn screen_destination_v6(v6: Ipv6Addr) -> Result<(), DropReason> {
    if v6.is_multicast() {
        return Err(DropReason::Multicast);
    }
    if special::is_legal_source_v6(v6) { Ok(()) } else { Err(DropReason::IllegalDestination) }
}

fn fixed_to_v4(params: &Params, v6: Ipv6Addr, side: Side) -> Result<Ipv4Addr, DropReason> {
    if let Some(v4) = own_or_explicit_v4(params, v6) {
        return Ok(v4);
    }
    let embedded = params.prefixes.iter().find_map(|prefix| Some((prefix, prefix.extract(v6)?)));
    let (prefix, v4) = embedded.ok_or(side.unmapped())?;
    // A host may reach another one of the pool, or the translator, by its IPv4 address.
    let is_ours = matches!(side, Side::Destination) && (v4 == params.own_v4 || in_pool(params, v4));
    if !is_ours {
        screen_link_local(v4, side)?;
    }
    if prefix.may_embed(v4, params.allow_private_ipv4) { Ok(v4) } else { Err(DropReason::NonGlobalIpv4) }
}

fn to_v6(params: &Params, leases: &mut dyn Leases, v4: Ipv4Addr, side: Side) -> Result<Ipv6Addr, DropReason> {
    if let Some(v6) = own_or_explicit_v6(params, v4) {
        return Ok(v6);
    }
    if in_pool(params, v4) {
        return leases.v6_of_lease(v4).ok_or(DropReason::NoLease);
    }
    let prefix = params.prefixes.first().ok_or(side.unmapped())?;
    screen_link_local(v4, side)?;
    if prefix.may_embed(v4, params.allow_private_ipv4) {
        Ok(prefix.embed(v4))
    } else {
        Err(DropReason::NonGlobalIpv4)
    }
}

fn screen_link_local(v4: Ipv4Addr, side: Side) -> Result<(), DropReason> {
    if v4.is_link_local() { Err(side.illegal()) } else { Ok(()) }
}

fn own_or_explicit_v4(params: &Params, v6: Ipv6Addr) -> Option<Ipv4Addr> {
    if v6 == params.own_v6 { Some(params.own_v4) } else { params.maps.v6_to_v4(v6) }
}

fn own_or_explicit_v6(params: &Params, v4: Ipv4Addr) -> Option<Ipv6Addr> {
    if v4 == params.own_v4 { Some(params.own_v6) } else { params.maps.v4_to_v6(v4) }
}

fn in_pool(params: &Params, v4: Ipv4Addr) -> bool {
    params.pool.is_some_and(|pool| pool.contains(&v4))
}

#[cfg(test)]
mod tests;
