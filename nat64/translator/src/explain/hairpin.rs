//! The steps of a packet between two IPv6 hosts, in the order of [`crate::hairpin`].

use super::step::{Steps, topic};
use super::{PoolView, decode, rule};
use crate::hairpin::Turn;
use crate::next_hop::Path;
use crate::translator::{Context, Params};
use crate::v6_to_v4::{part, whole_icmp};
use crate::verdict::DropReason;
use crate::wire::icmpv6::Icmpv6;
use crate::wire::protocol::{ICMPV4, ICMPV6, IGMP};
use crate::wire::quoted;
use crate::{icmp, map, mss, mtu, transport};

/// What was described.
pub(super) enum Described {
    /// All of it, or up to a refusal.
    Whole,
    /// Nothing: an error about a packet that was not turned around goes the way of ordinary errors.
    OrdinaryError,
}

/// Describes the packet whose transport is `payload`.
pub(super) fn describe(
    params: &Params,
    turn: Turn<'_>,
    payload: &[u8],
    (pool, ctx, steps): (&dyn PoolView, &mut Context<'_>, &mut Steps),
) -> Described {
    if turn.chain.protocol == ICMPV6 {
        let body = payload.get(Icmpv6::LEN..).unwrap_or_default();
        let message = whole_icmp(payload, part(turn.chain));
        if message.is_ok_and(|it| icmp::find(&icmp::V6_TO_V4, it.kind(), it.code()).is_some()) {
            return error(params, turn, body, ctx, steps);
        }
    }
    ordinary(params, turn, payload, (pool, ctx, steps));
    Described::Whole
}

/// Describes a packet that is no error; `None` where it is refused.
fn ordinary(
    params: &Params,
    turn: Turn<'_>,
    payload: &[u8],
    (pool, ctx, steps): (&dyn PoolView, &mut Context<'_>, &mut Steps),
) -> Option<()> {
    let chain = turn.chain;
    match chain.protocol {
        ICMPV4 | IGMP => return steps.refuse(topic::TRANSPORT, DropReason::Protocol),
        ICMPV6 => {
            let message = steps.pass(topic::TRANSPORT, whole_icmp(payload, part(chain)))?;
            let echo = icmp::echo_to_v4(message.kind()).ok_or(DropReason::IcmpType);
            steps.check(topic::TRANSPORT, echo, |_| "an echo, which stays one".to_owned())?;
        }
        protocol => {
            let zero = params.udp_zero_checksum;
            let check = transport::inspect(protocol, payload, part(chain), false, zero);
            steps.check(topic::TRANSPORT, check, |check| decode::check(protocol, *check))?;
        }
    }
    steps.hop_limit(chain.ip.hop_limit())?;
    let mut path = Path::new(params, ctx, turn.via, turn.host);
    let fit = mtu::fit_turned(&mut path, chain.transport, payload.len(), None);
    steps.size(fit, chain.transport + payload.len(), path.mtu_v6())?;
    let src = chain.ip.src();
    let longest = || mss::longest_turned(&mut path, src);
    steps.mss(params.tcp_mss_clamp.limit(chain.protocol, part(chain), payload, longest));
    let mapped = map::turned_source(params, ctx.leases, src);
    let (known_as, to) = steps.check(topic::SOURCE, mapped, |(v4, _)| rule::to_v4(src, v4, pool))?;
    steps.say(topic::SOURCE, rule::to_v6(known_as.address, &to));
    Some(())
}

/// Describes an ICMPv6 error with the `body` behind its header.
fn error(
    params: &Params,
    turn: Turn<'_>,
    body: &[u8],
    ctx: &mut Context<'_>,
    steps: &mut Steps,
) -> Described {
    let Some(quoted) = quoted::ipv6(body) else {
        steps.refuse::<()>(topic::QUOTED, DropReason::QuotedPacket);
        return Described::Whole;
    };
    let Some(sender) = map::quoted_turned_source(params, ctx.leases, quoted.chain.ip.src()) else {
        return Described::OrdinaryError;
    };
    steps.say(topic::TRANSPORT, "an error about a packet that was turned around");
    if steps.hop_limit(turn.chain.ip.hop_limit()).is_some() {
        steps.say(topic::QUOTED, decode(body));
        steps.say(topic::QUOTED, format!("it was sent by {}", sender.address));
    }
    Described::Whole
}
