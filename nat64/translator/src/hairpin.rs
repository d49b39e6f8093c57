//! IPv6 to IPv6: a packet for an IPv4 address that stands for an IPv6 host is turned around (RFC 7757 §4.2.2).
//!
//! ```text
//!   A -> pref64::b   =   a -> b   =   pref64::a -> B      where A is mapped to a and B to b
//! ```
//!
//! The two translations are done as one: both addresses are replaced, the hop limit goes down once, and checksums
//! follow. A lease of the dynamic pool counts as an explicit map. Choice: what IPv4 cannot say survives, since it never
//! goes through IPv4: extension headers, the flow label, the whole identification of a fragment, and sizes that only
//! the IPv4 side would not take. What RFC 7915 §5 does not let through, such as fragmented ICMPv6, is refused here too.

mod error;

use crate::checksum::{Delta, Pair};
use crate::frame::Frame;
use crate::mtu::{self, Fit};
use crate::next_hop::Path;
use crate::offload::{self, Family};
use crate::reply::Refusal;
use crate::translator::{Context, Params};
use crate::transport::{self, Check};
use crate::v6_to_v4::{arrival, part, whole_icmp};
use crate::verdict::{Direction, DropReason, Verdict};
use crate::wire::extension::Chain;
use crate::wire::icmpv6;
use crate::wire::ipv6::Ipv6;
use crate::wire::protocol::{ICMPV4, ICMPV6, IGMP};
use crate::{icmp, map, mss};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A packet that may be turned around, and where it goes.
#[derive(Clone, Copy)]
pub(crate) struct Turn<'a> {
    /// Its headers.
    pub(crate) chain: &'a Chain,
    /// The IPv4 address that it is for.
    pub(crate) via: Ipv4Addr,
    /// The host behind that address.
    pub(crate) host: Ipv6Addr,
}

/// Turns the packet in `frame` around; `None` leaves it, unchanged, to be translated to IPv4: an ICMPv6 error about a
/// packet that was not turned around itself.
pub(crate) fn translate(
    params: &Params,
    frame: &mut Frame,
    ctx: &mut Context<'_>,
    turn: Turn<'_>,
) -> Result<Option<Verdict>, Refusal> {
    let chain = turn.chain;
    if [ICMPV4, IGMP].contains(&chain.protocol) {
        return Err(DropReason::Protocol.into());
    }
    let offload = offload::admit(frame, arrival(chain))?;
    let payload = frame.packet().get(chain.transport..).unwrap_or_default();
    let check = if chain.protocol == ICMPV6 {
        let icmp = whole_icmp(payload, part(chain))?;
        if icmp::find(&icmp::V6_TO_V4, icmp.kind(), icmp.code()).is_some() {
            return error::translate(params, frame, ctx, turn);
        }
        icmp::echo_to_v4(icmp.kind()).ok_or(DropReason::IcmpType)?;
        Check::Adjust(icmpv6::CHECKSUM_AT)
    } else {
        let zero = params.udp_zero_checksum;
        transport::inspect(chain.protocol, payload, part(chain), offload.partial, zero)?
    };
    if chain.ip.hop_limit() <= 1 {
        return Err(Refusal::answered(DropReason::HopLimit));
    }
    let mut path = Path::new(params, ctx, turn.via, turn.host);
    if let Fit::TooBig(mtu) = mtu::fit_turned(&mut path, chain.transport, payload.len(), offload.segment) {
        return Err(Refusal::too_big(mtu));
    }
    let mss = params
        .tcp_mss_clamp
        .limit(chain.protocol, part(chain), payload, || mss::longest_turned(&mut path, chain.ip.src()));
    let src = map::turned_source(params, ctx.leases, chain.ip.src()).map_err(Refusal::answered)?.1.address;

    let old = Pair { src: chain.ip.src(), dst: chain.ip.dst() };
    let new = Pair { src, dst: turn.host };
    if let Some(transport) = frame.packet_mut().get_mut(chain.transport..) {
        let delta = Delta { removed: old.sum(), added: new.sum() };
        check.apply(transport, delta, offload.partial, |len| new.pseudo_header(chain.protocol, len));
        if let Some(limit) = mss {
            mss::clamp(transport, limit, offload.partial);
        }
    }
    readdress(params, frame, new);
    frame.vnet = offload::forwarded(frame.vnet, offload, Family::V6, chain.transport);
    Ok(Some(Verdict::Forward(Direction::V6ToV6)))
}

/// Gives the packet its new addresses and traffic class, and takes one from its hop limit.
fn readdress(params: &Params, frame: &mut Frame, pair: Pair<Ipv6Addr>) {
    if let Some(mut ip) = Ipv6::first_mut(frame.packet_mut()) {
        let class = params.traffic_class.of(params.tos.of(ip.traffic_class()));
        ip.set_traffic_class(class);
        ip.set_hop_limit(ip.hop_limit().saturating_sub(1));
        ip.set_src(pair.src);
        ip.set_dst(pair.dst);
    }
}

#[cfg(test)]
mod tests;
