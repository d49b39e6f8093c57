//! The steps of an IPv4 packet, in the order of [`crate::v4_to_v6`]. The mirror of [`super::v6_to_v4`].

use super::step::{Steps, topic};
use super::{decode, rule};
use crate::map::Mapped;
use crate::next_hop::Path;
use crate::translator::{Context, Params};
use crate::transport;
use crate::v4_to_v6::{UNTRANSLATED, part, screen, whole_icmp};
use crate::verdict::DropReason;
use crate::wire::fragment::Fragment;
use crate::wire::icmpv4::Icmpv4;
use crate::wire::ipv4::{self, Ipv4};
use crate::wire::ipv6::Ipv6;
use crate::wire::protocol::ICMPV4;
use crate::wire::quoted;
use crate::{icmp, map, mss, mtu, own};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Describes the IPv4 packet; `None` where it ends before its last step.
pub(super) fn describe(
    params: &Params,
    packet: &[u8],
    ctx: &mut Context<'_>,
    steps: &mut Steps,
) -> Option<()> {
    let header = steps.check(topic::PACKET, ipv4::parse(packet), |_| decode(packet))?;
    let packet = &packet[..packet.len().min(header.total_len().into())];
    steps.pass(topic::ADDRESSES, screen(&header, packet))?;
    if params.is_own_v4(header.dst()) {
        steps.say(topic::DESTINATION, format!("{} is the translator itself", header.dst()));
        let echo = own::echo_v4(&header, packet.get(header.header_len()..).unwrap_or_default());
        steps.pass(topic::TRANSPORT, echo.map_err(|refusal| refusal.reason))?;
        return None;
    }
    let options = packet.get(Ipv4::LEN..header.header_len()).unwrap_or_default();
    if ipv4::has_unexpired_source_route(options) {
        return steps.refuse(topic::HEADERS, DropReason::SourceRoute);
    }
    if !options.is_empty() {
        steps.say(topic::HEADERS, format!("{} bytes of options, which do not cross", options.len()));
    }
    if UNTRANSLATED.contains(&header.protocol()) {
        return steps.refuse(topic::TRANSPORT, DropReason::Protocol);
    }
    let mapped = map::destination_to_v6(params, ctx.leases, header.dst());
    let dst = steps.check(topic::DESTINATION, mapped, |to| rule::to_v6(header.dst(), to))?.address;
    let payload = packet.get(header.header_len()..).unwrap_or_default();
    if header.protocol() == ICMPV4 {
        let message = steps.pass(topic::TRANSPORT, whole_icmp(payload, part(&header)))?;
        match icmp::echo_to_v6(message.kind()) {
            Some(kind) => steps.say(topic::TRANSPORT, format!("an echo, which becomes ICMPv6 type {kind}")),
            None => return error(params, &header, message, payload, (ctx, steps)),
        }
    } else {
        let zero = params.udp_zero_checksum;
        let check = transport::inspect(header.protocol(), payload, part(&header), false, zero);
        steps.check(topic::TRANSPORT, check, |check| decode::check(header.protocol(), *check))?;
    }
    steps.hop_limit(header.ttl())?;
    let mut path = Path::new(params, ctx, header.src(), dst);
    let fit = mtu::fit_v6(params, &mut path, &header, payload.len(), None);
    let fragment_header = if header.is_fragment() { Fragment::LEN } else { 0 };
    steps.size(fit, Ipv6::LEN + fragment_header + payload.len(), path.mtu_v6())?;
    steps.mss(
        params.tcp_mss_clamp.limit(header.protocol(), part(&header), payload, || mss::longest(&mut path)),
    );
    let mapped = map::source_to_v6(params, ctx.leases, header.src());
    steps.check(topic::SOURCE, mapped, |to| rule::to_v6(header.src(), to))?;
    Some(())
}

/// Describes an ICMP error and the packet that it quotes.
fn error(
    params: &Params,
    header: &Ipv4<[u8; 20]>,
    message: Icmpv4<[u8; 8]>,
    payload: &[u8],
    (ctx, steps): (&mut Context<'_>, &mut Steps),
) -> Option<()> {
    let Some(row) = icmp::find(&icmp::V4_TO_V6, message.kind(), message.code()) else {
        return steps.refuse(topic::TRANSPORT, DropReason::IcmpType);
    };
    let code = row.to.1.unwrap_or(message.code());
    steps.say(topic::TRANSPORT, format!("an error, which becomes ICMPv6 type {} code {code}", row.to.0));
    steps.hop_limit(header.ttl())?;
    let body = payload.get(Icmpv4::LEN..).unwrap_or_default();
    let Some(quoted) = quoted::ipv4(body) else {
        return steps.refuse(topic::QUOTED, DropReason::QuotedPacket);
    };
    steps.say(topic::QUOTED, decode(body));
    let quoted = quoted.header;
    let (src, dst) = (quoted.src(), quoted.dst());
    let told = |v4: Ipv4Addr, to: Option<Mapped<'_, Ipv6Addr>>| match to {
        Some(to) => rule::to_v6(v4, &to),
        None => format!("{v4} has no equivalent"),
    };
    let ends = (
        told(src, map::quoted_to_v6(params, ctx.leases, src)),
        told(dst, map::quoted_destination_to_v6(params, ctx.leases, dst)),
    );
    steps.say(topic::QUOTED, format!("{}; {}", ends.0, ends.1));
    let reporter = map::reporter_to_v6_about(params, ctx.leases, header.src(), dst);
    steps.say(topic::SOURCE, rule::to_v6(header.src(), &reporter));
    Some(())
}
