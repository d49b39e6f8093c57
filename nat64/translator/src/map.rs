//! Which address stands for which on the other side.
//!
//! | from | order |
//! |---|---|
//! | IPv6 to IPv4 | own address, explicit maps, prefixes, dynamic pool |
//! | IPv4 to IPv6 | own address, explicit maps, dynamic pool, the prefix that carries the address |
//!
//! Explicit maps beat the prefix on each side by themselves (RFC 7757 §3.3). A destination is never looked up by the
//! lease of its IPv6 address: such a packet needs no translation. The Well-Known Prefix carries no non-global IPv4
//! address unless the parameters allow it (RFC 6052 §3.1); in quoted packets it may, to ease debugging
//! (RFC 7915 §4.1). A prefix that does not carry an address is refused with it, since the answer would come from
//! another one.
//!
//! IPv6 hosts that reach each other by IPv4 addresses are looked up by the rules of [`hairpin`].
//!
//! No prefix carries a link-local IPv4 address, which a router must not forward (RFC 3927 §2.7): the gateway's own link
//! may have a cloud's metadata service there. Explicit maps and the pool may, since those addresses lead to the device.

mod hairpin;

use crate::translator::{Hairpin, Leases, Params};
use crate::verdict::DropReason;
pub(crate) use hairpin::{
    converted_quoted, converted_reporter, converted_source, quoted_turned_source, turned, turned_source,
};

use addr::{ExplicitMap, Prefix64, special};
use ipnet::Ipv6Net;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// An address on the other side, and why it is that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped<'p, A> {
    /// The address.
    pub address: A,
    /// The rule that gave it.
    pub rule: Rule<'p>,
}

/// A rule that maps addresses. It borrows from the parameters, so that naming it costs a packet nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule<'p> {
    /// The translator's own address of one family stands for that of the other.
    Own,
    /// An explicit map (RFC 7757).
    Explicit(&'p ExplicitMap),
    /// A translation prefix (RFC 6052).
    Prefix(&'p Prefix64),
    /// A lease of the dynamic pool, held before or granted to this packet: [`Leases`] knows which.
    Lease,
    /// The reporter of an ICMP error has no address of the other family, and the translator speaks for it (RFC 6791).
    IcmpSource,
}

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
pub(crate) fn source_to_v4<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    v6: Ipv6Addr,
) -> Result<Mapped<'p, Ipv4Addr>, DropReason> {
    let mapped = match fixed_to_v4(params, v6, Side::Source) {
        Err(DropReason::SourceUnmapped) if has_pool(params) => {
            leases.lease_for_v6(v6).map(leased).ok_or(DropReason::PoolExhausted)
        }
        fixed => fixed,
    }?;
    if special::is_legal_source_v4(mapped.address) { Ok(mapped) } else { Err(DropReason::IllegalSource) }
}

/// The IPv4 destination for `v6`.
pub(crate) fn destination_to_v4(params: &Params, v6: Ipv6Addr) -> Result<Mapped<'_, Ipv4Addr>, DropReason> {
    let mapped = fixed_to_v4(params, v6, Side::Destination)?;
    screen_destination_v4(mapped.address)?;
    Ok(mapped)
}

/// The IPv6 source for `v4` of a packet that is no ICMP error.
pub(crate) fn source_to_v6<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    v4: Ipv4Addr,
) -> Result<Mapped<'p, Ipv6Addr>, DropReason> {
    match params.hairpin {
        Hairpin::Simple => converted_source(params, v4),
        Hairpin::Intrinsic | Hairpin::Off => to_v6(params, leases, v4, Side::Source),
    }
}

/// The IPv6 destination for `v4`.
pub(crate) fn destination_to_v6<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    v4: Ipv4Addr,
) -> Result<Mapped<'p, Ipv6Addr>, DropReason> {
    to_v6(params, leases, v4, Side::Destination)
}

/// The IPv4 source of an error that `v6` reports. A router that has none is spoken for (RFC 6791), so that the report is
/// not lost and costs no lease. `now` is a monotonic time.
pub(crate) fn reporter_to_v4<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    v6: Ipv6Addr,
    now: Duration,
) -> Mapped<'p, Ipv4Addr> {
    let known = match fixed_to_v4(params, v6, Side::Source) {
        Ok(mapped) if special::is_legal_source_v4(mapped.address) => Some(mapped),
        Err(DropReason::SourceUnmapped) if has_pool(params) => leases.known_lease_for_v6(v6).map(leased),
        _ => None,
    };
    known.unwrap_or_else(|| {
        let address = params.icmp_source_v4.speaker(v6, now).unwrap_or(params.own_v4);
        Mapped { address, rule: Rule::IcmpSource }
    })
}

/// The IPv6 source of an error that `v4` reports; see [`reporter_to_v4`].
pub(crate) fn reporter_to_v6<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    v4: Ipv4Addr,
) -> Mapped<'p, Ipv6Addr> {
    to_v6(params, leases, v4, Side::Source).unwrap_or_else(|_| icmp_source_v6(params, v4))
}

/// The IPv6 address that speaks for an IPv4 router.
fn icmp_source_v6(params: &Params, v4: Ipv4Addr) -> Mapped<'_, Ipv6Addr> {
    let speaker = |net: Ipv6Net| Ipv6Addr::from_bits(net.network().to_bits() | u128::from(v4.to_bits()));
    let address = params.icmp_source_v6.map_or(params.own_v6, speaker);
    Mapped { address, rule: Rule::IcmpSource }
}

/// [`reporter_to_v6`] for an error about a packet to `about`. With simple hairpinning a host that reports an error
/// about a packet to itself is known by its prefix (RFC 7757 §4.2.1, rule 3).
pub(crate) fn reporter_to_v6_about<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    v4: Ipv4Addr,
    about: Ipv4Addr,
) -> Mapped<'p, Ipv6Addr> {
    if params.hairpin == Hairpin::Simple && v4 == about {
        converted_reporter(params, v4)
    } else {
        reporter_to_v6(params, leases, v4)
    }
}

/// The IPv4 address for `v6` in a quoted packet: leases none, and judges none.
pub(crate) fn quoted_to_v4<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    v6: Ipv6Addr,
) -> Option<Mapped<'p, Ipv4Addr>> {
    let embedded = || {
        let (prefix, address) = params.prefixes.extract(v6)?;
        Some(Mapped { address, rule: Rule::Prefix(prefix) })
    };
    own_or_explicit_v4(params, v6)
        .or_else(embedded)
        .or_else(|| if has_pool(params) { leases.known_lease_for_v6(v6).map(leased) } else { None })
}

/// The IPv6 address for `v4` in a quoted packet: judges none.
pub(crate) fn quoted_to_v6<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    v4: Ipv4Addr,
) -> Option<Mapped<'p, Ipv6Addr>> {
    match own_or_explicit_v6(params, v4) {
        None if in_pool(params, v4) => leases.v6_of_lease(v4).map(leased),
        None => params.prefixes.of_v4(v4).map(|prefix| embed(prefix, v4)),
        fixed => fixed,
    }
}

/// The same for the destination of a quoted packet (RFC 7757 §4.2.1, rule 2).
pub(crate) fn quoted_destination_to_v6<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    v4: Ipv4Addr,
) -> Option<Mapped<'p, Ipv6Addr>> {
    match params.hairpin {
        Hairpin::Simple => converted_quoted(params, v4),
        Hairpin::Intrinsic | Hairpin::Off => quoted_to_v6(params, leases, v4),
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

fn fixed_to_v4(params: &Params, v6: Ipv6Addr, side: Side) -> Result<Mapped<'_, Ipv4Addr>, DropReason> {
    if let Some(mapped) = own_or_explicit_v4(params, v6) {
        return Ok(mapped);
    }
    let (prefix, v4) = params.prefixes.extract(v6).ok_or(side.unmapped())?;
    let mapped = Mapped { address: v4, rule: Rule::Prefix(prefix) };
    let is_destination = matches!(side, Side::Destination);
    let is_own = is_destination && params.is_own_v4(v4);
    // The translator answers for itself through any prefix.
    if !is_own && params.prefixes.of_v4(v4) != Some(prefix) {
        return Err(DropReason::WrongPrefix);
    }
    // A host may reach another one of the pool, or the translator, by its IPv4 address.
    if !(is_own || is_destination && in_pool(params, v4)) {
        screen_link_local(v4, side)?;
    }
    if prefix.may_embed(v4, params.allow_private_ipv4) { Ok(mapped) } else { Err(DropReason::NonGlobalIpv4) }
}

fn to_v6<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    v4: Ipv4Addr,
    side: Side,
) -> Result<Mapped<'p, Ipv6Addr>, DropReason> {
    if let Some(mapped) = own_or_explicit_v6(params, v4) {
        return Ok(mapped);
    }
    if in_pool(params, v4) {
        return leases.v6_of_lease(v4).map(leased).ok_or(DropReason::NoLease);
    }
    let prefix = params.prefixes.of_v4(v4).ok_or(side.unmapped())?;
    screen_link_local(v4, side)?;
    if prefix.may_embed(v4, params.allow_private_ipv4) {
        Ok(embed(prefix, v4))
    } else {
        Err(DropReason::NonGlobalIpv4)
    }
}

fn screen_link_local(v4: Ipv4Addr, side: Side) -> Result<(), DropReason> {
    if v4.is_link_local() { Err(side.illegal()) } else { Ok(()) }
}

fn own_or_explicit_v4(params: &Params, v6: Ipv6Addr) -> Option<Mapped<'_, Ipv4Addr>> {
    if v6 == params.own_v6 {
        return Some(Mapped { address: params.own_v4, rule: Rule::Own });
    }
    let map = params.maps.lookup_v6(v6)?;
    Some(Mapped { address: map.extract(v6), rule: Rule::Explicit(map) })
}

fn own_or_explicit_v6(params: &Params, v4: Ipv4Addr) -> Option<Mapped<'_, Ipv6Addr>> {
    if v4 == params.own_v4 {
        return Some(Mapped { address: params.own_v6, rule: Rule::Own });
    }
    let map = params.maps.lookup_v4(v4)?;
    Some(Mapped { address: map.embed(v4), rule: Rule::Explicit(map) })
}

const fn embed(prefix: &Prefix64, v4: Ipv4Addr) -> Mapped<'_, Ipv6Addr> {
    Mapped { address: prefix.embed(v4), rule: Rule::Prefix(prefix) }
}

const fn leased<'p, A>(address: A) -> Mapped<'p, A> {
    Mapped { address, rule: Rule::Lease }
}

fn has_pool(params: &Params) -> bool {
    !params.pools.is_empty()
}

fn in_pool(params: &Params, v4: Ipv4Addr) -> bool {
    params.pools.iter().any(|pool| pool.contains(&v4))
}

#[cfg(test)]
mod tests;
