//! The steps of an IPv6 packet, in the order of [`crate::v6_to_v4`]. The mirror of [`super::v4_to_v6`].

use super::hairpin::{self, Described};
use super::step::{Steps, topic};
use super::{PoolView, decode, rule};
use crate::hairpin::Turn;
use crate::next_hop::Path;
use crate::translator::{Context, Params};
use crate::transport;
use crate::v6_to_v4::{part, screen, screen_length, whole_icmp};
use crate::verdict::DropReason;
use crate::wire::extension::{self, Chain};
use crate::wire::icmpv6::Icmpv6;
use crate::wire::ipv4::Ipv4;
use crate::wire::ipv6::{self, Ipv6};
use crate::wire::protocol::{ICMPV4, ICMPV6};
use crate::wire::quoted;
use crate::{icmp, map, mss, mtu, own};
use std::net::Ipv6Addr;

/// Describes the IPv6 packet; `None` where it ends before its last step.
pub(super) fn describe(
    params: &Params,
    packet: &[u8],
    pool: &dyn PoolView,
    ctx: &mut Context<'_>,
    steps: &mut Steps,
) -> Option<()> {
    let header = steps.check(topic::PACKET, ipv6::parse(packet), |_| decode(packet))?;
    let packet = &packet[..packet.len().min(Ipv6::LEN + usize::from(header.payload_len()))];
    steps.pass(topic::ADDRESSES, screen(&header))?;
    let chain = steps.pass(topic::HEADERS, extension::walk(packet))?;
    let names = decode::extensions(packet);
    if !names.is_empty() {
        steps.say(topic::HEADERS, format!("{} in front of the transport", names.join(", ")));
    }
    let payload = packet.get(chain.transport..).unwrap_or_default();
    steps.pass(topic::SIZE, screen_length(&chain, payload.len()))?;
    if chain.segments_left_at.is_some() {
        return steps.refuse(topic::HEADERS, DropReason::SegmentsLeft);
    }
    if params.is_own_v6(header.dst()) {
        steps.say(topic::DESTINATION, format!("{} is the translator itself", header.dst()));
        return echo(&chain, payload, steps);
    }
    let mapped = map::destination_to_v4(params, header.dst());
    let to = steps.check(topic::DESTINATION, mapped, |to| rule::to_v4(header.dst(), to, pool))?;
    let dst = to.address;
    if params.is_own_v4(dst) {
        steps.say(topic::DESTINATION, format!("{dst} is the translator itself"));
        return echo(&chain, payload, steps);
    }
    if let Some(host) = steps.pass(topic::DESTINATION, map::turned(params, ctx.leases, to))? {
        let turned = rule::to_v6(dst, &host);
        steps.say(topic::DESTINATION, format!("{turned}, so the packet is turned around (nat64.hairpin)"));
        let turn = Turn { chain: &chain, via: dst, host: host.address };
        if matches!(hairpin::describe(params, turn, payload, (pool, ctx, steps)), Described::Whole) {
            return None;
        }
    }
    match chain.protocol {
        ICMPV4 => return steps.refuse(topic::TRANSPORT, DropReason::Protocol),
        ICMPV6 => {
            let message = steps.pass(topic::TRANSPORT, whole_icmp(payload, part(&chain)))?;
            match icmp::echo_to_v4(message.kind()) {
                Some(kind) => {
                    steps.say(topic::TRANSPORT, format!("an echo, which becomes ICMP type {kind}"));
                }
                None => return error(params, &chain, message, payload, (pool, ctx, steps)),
            }
        }
        protocol => {
            let zero = params.udp_zero_checksum;
            let check = transport::inspect(protocol, payload, part(&chain), false, zero);
            steps.check(topic::TRANSPORT, check, |check| decode::check(protocol, *check))?;
        }
    }
    steps.hop_limit(header.hop_limit())?;
    let mut path = Path::new(params, ctx, dst, header.src());
    let fit = mtu::fit_v4(&mut path, chain.fragment.is_some(), packet.len(), payload.len(), None);
    steps.size(fit, Ipv4::LEN + payload.len(), path.mtu_v4())?;
    steps.mss(params.tcp_mss_clamp.limit(chain.protocol, part(&chain), payload, || mss::longest(&mut path)));
    let mapped = map::source_to_v4(params, ctx.leases, header.src());
    steps.check(topic::SOURCE, mapped, |to| rule::to_v4(header.src(), to, pool))?;
    Some(())
}

/// Describes a packet to the translator itself, which only answers echo requests.
fn echo(chain: &Chain, payload: &[u8], steps: &mut Steps) -> Option<()> {
    steps.pass(topic::TRANSPORT, own::echo_v6(chain, payload).map_err(|refusal| refusal.reason))?;
    None
}

/// Describes an ICMPv6 error and the packet that it quotes.
fn error(
    params: &Params,
    chain: &Chain,
    message: Icmpv6<[u8; 8]>,
    payload: &[u8],
    (pool, ctx, steps): (&dyn PoolView, &mut Context<'_>, &mut Steps),
) -> Option<()> {
    let Some(row) = icmp::find(&icmp::V6_TO_V4, message.kind(), message.code()) else {
        return steps.refuse(topic::TRANSPORT, DropReason::IcmpType);
    };
    let code = row.to.1.unwrap_or(message.code());
    steps.say(topic::TRANSPORT, format!("an error, which becomes ICMP type {} code {code}", row.to.0));
    steps.hop_limit(chain.ip.hop_limit())?;
    let body = payload.get(Icmpv6::LEN..).unwrap_or_default();
    let Some(quoted) = quoted::ipv6(body) else {
        return steps.refuse(topic::QUOTED, DropReason::QuotedPacket);
    };
    steps.say(topic::QUOTED, decode(body));
    let quoted = quoted.chain.ip;
    let mut lookup = |v6: Ipv6Addr| match map::quoted_to_v4(params, ctx.leases, v6) {
        Some(to) => rule::to_v4(v6, &to, pool),
        None => format!("{v6} has no equivalent"),
    };
    steps.say(topic::QUOTED, format!("{}; {}", lookup(quoted.src()), lookup(quoted.dst())));
    let reporter = map::reporter_to_v4(params, ctx.leases, chain.ip.src(), ctx.now);
    steps.say(topic::SOURCE, rule::to_v4(chain.ip.src(), &reporter, pool));
    Some(())
}
