//! Which address stands for which when IPv6 hosts reach each other by IPv4 addresses (RFC 7757 §4).
//!
//! In that traffic a source is not looked up among maps and leases but embedded in its prefix, as if it were an
//! ordinary IPv4 address, so that the answer comes back to the translator. Leases count as explicit maps.

use super::{
    Mapped, Rule, Side, embed, fixed_to_v4, has_pool, icmp_source_v6, in_pool, leased, screen_link_local,
    source_to_v4,
};
use crate::translator::{Hairpin, Leases, Params};
use crate::verdict::DropReason;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The IPv6 host behind the IPv4 destination of an IPv6 packet, if the packet is to be turned around: a prefix carried
/// the destination, and a map or lease has it (RFC 7757 §4.2.2, conditions A2 and A3).
pub(crate) fn turned<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    dst: Mapped<'p, Ipv4Addr>,
) -> Result<Option<Mapped<'p, Ipv6Addr>>, DropReason> {
    if params.hairpin != Hairpin::Intrinsic || !matches!(dst.rule, Rule::Prefix(_)) {
        return Ok(None);
    }
    let v4 = dst.address;
    if let Some(map) = params.maps.lookup_v4(v4) {
        return Ok(Some(Mapped { address: map.embed(v4), rule: Rule::Explicit(map) }));
    }
    if in_pool(params, v4) {
        return leases.v6_of_lease(v4).map(leased).map(Some).ok_or(DropReason::NoLease);
    }
    Ok(None)
}

/// The sender of a quoted packet, if the packet was turned around (RFC 7757 §4.2.2, conditions B2 and B3).
pub(crate) fn quoted_turned_source<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    v6: Ipv6Addr,
) -> Option<Mapped<'p, Ipv6Addr>> {
    if params.maps.lookup_v6(v6).is_some() {
        return None;
    }
    let (prefix, address) = params.prefixes.extract(v6)?;
    turned(params, leases, Mapped { address, rule: Rule::Prefix(prefix) }).ok().flatten()
}

/// The source of a packet that is turned around: the IPv4 address that `v6` is known by, and the IPv6 address that stands
/// for this one. A host gets no lease for a packet that is then refused because no prefix carries the pool.
pub(crate) fn turned_source<'p>(
    params: &'p Params,
    leases: &mut dyn Leases,
    v6: Ipv6Addr,
) -> Result<(Mapped<'p, Ipv4Addr>, Mapped<'p, Ipv6Addr>), DropReason> {
    if fixed_to_v4(params, v6, Side::Source) == Err(DropReason::SourceUnmapped)
        && has_pool(params)
        && leases.known_lease_for_v6(v6).is_none()
    {
        screen_pools(params)?;
    }
    let known_as = source_to_v4(params, leases, v6)?;
    Ok((known_as, converted_source(params, known_as.address)?))
}

/// Refuses when no address of the pool may be embedded. Choice: the first and last address of each network stand for
/// all of it; where prefixes carry only what lies between, a lease may be lost.
fn screen_pools(params: &Params) -> Result<(), DropReason> {
    let ends = params.pools.iter().flat_map(|pool| [pool.network(), pool.broadcast()]);
    let mut refusal = Ok(());
    for v4 in ends {
        match converted_source(params, v4) {
            Ok(_) => return Ok(()),
            Err(reason) => refusal = Err(reason),
        }
    }
    refusal
}

/// The IPv6 source for `v4`, as if no map and no lease had it (RFC 7757 §4.2.1, rule 1).
pub(crate) fn converted_source(params: &Params, v4: Ipv4Addr) -> Result<Mapped<'_, Ipv6Addr>, DropReason> {
    if v4 == params.own_v4 {
        return Ok(Mapped { address: params.own_v6, rule: Rule::Own });
    }
    let prefix = params.prefixes.of_v4(v4).ok_or(DropReason::SourceUnmapped)?;
    if !in_pool(params, v4) && params.maps.lookup_v4(v4).is_none() {
        screen_link_local(v4, Side::Source)?;
    }
    if prefix.may_embed(v4, params.allow_private_ipv4) {
        Ok(embed(prefix, v4))
    } else {
        Err(DropReason::NonGlobalIpv4)
    }
}

/// The IPv6 source of an error that `v4` reports about a packet to itself (RFC 7757 §4.2.1, rule 3).
pub(crate) fn converted_reporter(params: &Params, v4: Ipv4Addr) -> Mapped<'_, Ipv6Addr> {
    converted_source(params, v4).unwrap_or_else(|_| icmp_source_v6(params, v4))
}

/// The IPv6 destination of a quoted packet, as if no map and no lease had it (RFC 7757 §4.2.1, rule 2): judges none.
pub(crate) fn converted_quoted(params: &Params, v4: Ipv4Addr) -> Option<Mapped<'_, Ipv6Addr>> {
    if v4 == params.own_v4 {
        return Some(Mapped { address: params.own_v6, rule: Rule::Own });
    }
    params.prefixes.of_v4(v4).map(|prefix| embed(prefix, v4))
}
