//! IPv4 to IPv6 (RFC 7915 §4). The mirror of [`crate::v6_to_v4`].
//!
//! Everything is decided before anything is written, so that a refused packet can still be quoted in an error.

mod error;

use crate::checksum::{Delta, Pair, Sum};
use crate::fragment::{self, Position};
use crate::frame::Frame;
use crate::mtu::{self, Fit};
use crate::next_hop::Path;
use crate::offload::{self, Arrival, Family, Offload};
use crate::reply::Refusal;
use crate::translator::{Context, Params};
use crate::transport::{self, Check, Part};
use crate::verdict::{Direction, DropReason, Verdict};
use crate::wire::fragment::Fragment;
use crate::wire::icmpv4::{self, Icmpv4};
use crate::wire::ipv4::{self, Ipv4};
use crate::wire::ipv6::Ipv6;
use crate::wire::protocol::{DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ICMPV4, ICMPV6, IGMP, ROUTING};
use crate::{icmp, map, mss, own};
use addr::special;
use std::net::Ipv6Addr;

/// IPv4 protocol numbers that do not cross. Routers keep IGMP to one hop (RFC 7915 §4.2); the others a receiver of IPv6
/// would take for extension headers or for its own ICMP. Choice: dropped, since RFC 7915 is silent about them.
pub(crate) const UNTRANSLATED: [u8; 6] = [HOP_BY_HOP, IGMP, ROUTING, FRAGMENT, ICMPV6, DESTINATION_OPTIONS];

/// A packet that may cross, and what was found out about it.
struct Crossing {
    header: Ipv4<[u8; 20]>,
    /// Length of the transport at hand.
    payload: usize,
    offload: Offload,
    message: Message,
    /// The Maximum Segment Size that the packet may announce, if it announces one.
    mss: Option<u16>,
    src: Ipv6Addr,
    dst: Ipv6Addr,
}

/// What the transport needs.
#[derive(Clone, Copy)]
enum Message {
    /// Its checksum adjusted to the new addresses.
    Transport(Check),
    /// This ICMPv6 type, and a checksum with a pseudo-header.
    Echo(u8),
}

/// Translates the IPv4 packet in `frame`.
pub(crate) fn translate(
    params: &Params,
    frame: &mut Frame,
    ctx: &mut Context<'_>,
) -> Result<Verdict, Refusal> {
    let header = ipv4::parse(frame.packet())?;
    frame.truncate(header.total_len().into());
    screen(&header, frame.packet())?;
    if params.is_own_v4(header.dst()) {
        return own::answer_v4(frame, &header);
    }
    let options = frame.packet().get(Ipv4::LEN..header.header_len()).unwrap_or_default();
    if ipv4::has_unexpired_source_route(options) {
        return Err(Refusal::answered(DropReason::SourceRoute));
    }
    if UNTRANSLATED.contains(&header.protocol()) {
        return Err(DropReason::Protocol.into());
    }
    let dst = map::destination_to_v6(params, ctx.leases, header.dst()).map_err(Refusal::answered)?.address;
    let part = part(&header);
    let arrival = arrival(&header);
    let offload = offload::admit(frame, arrival)?;
    let payload = frame.packet().get(header.header_len()..).unwrap_or_default();
    let message = if header.protocol() == ICMPV4 {
        let icmp = whole_icmp(payload, part)?;
        match icmp::echo_to_v6(icmp.kind()) {
            Some(kind) => Message::Echo(kind),
            None if icmp::find(&icmp::V4_TO_V6, icmp.kind(), icmp.code()).is_some() => {
                return error::translate(params, frame, ctx, &header, dst);
            }
            None => return Err(DropReason::IcmpType.into()),
        }
    } else {
        let zero = params.udp_zero_checksum;
        Message::Transport(transport::inspect(header.protocol(), payload, part, offload.partial, zero)?)
    };
    if header.ttl() <= 1 {
        return Err(Refusal::answered(DropReason::HopLimit));
    }
    let mut path = Path::new(params, ctx, header.src(), dst);
    let fit = mtu::fit_v6(params, &mut path, &header, payload.len(), offload.segment);
    if let Fit::TooBig(mtu) = fit {
        return Err(Refusal::too_big(mtu));
    }
    let mss = params.tcp_mss_clamp.limit(header.protocol(), part, payload, || mss::longest(&mut path));
    let payload = payload.len();
    let src = map::source_to_v6(params, ctx.leases, header.src()).map_err(Refusal::answered)?.address;
    let crossing = Crossing { header, payload, offload, message, mss, src, dst };
    Ok(cross(params, frame, ctx, crossing, fit))
}

/// Where the transport of the packet is.
pub(crate) fn arrival(header: &Ipv4<[u8; 20]>) -> Arrival {
    Arrival {
        family: Family::V4,
        protocol: header.protocol(),
        transport: header.header_len(),
        is_fragment: header.is_fragment(),
    }
}

/// Which part of its transport the packet carries.
pub(crate) fn part(header: &Ipv4<[u8; 20]>) -> Part {
    match (header.fragment_offset(), header.more_fragments()) {
        (0, false) => Part::Whole,
        (0, true) => Part::First,
        _ => Part::Later,
    }
}

/// Drops what no router forwards (RFC 1812 §5.3.7) and what would reach beyond the largest packet. An ICMP error crosses
/// from whatever source, for the sake of whoever looks for trouble (RFC 7915 §4.1).
pub(crate) fn screen(header: &Ipv4<[u8; 20]>, packet: &[u8]) -> Result<(), DropReason> {
    map::screen_destination_v4(header.dst())?;
    let kind =
        packet.get(header.header_len()).filter(|_| header.protocol() == ICMPV4 && !header.is_fragment());
    let is_error = kind.is_some_and(|kind| icmpv4::ERRORS.contains(kind));
    if !is_error && !special::is_legal_source_v4(header.src()) {
        return Err(DropReason::IllegalSource);
    }
    let end = header.fragment_offset() + usize::from(header.total_len()) - header.header_len();
    if end > usize::from(u16::MAX) { Err(DropReason::Oversize) } else { Ok(()) }
}

/// The ICMP header of a message that arrived whole.
pub(crate) fn whole_icmp(payload: &[u8], part: Part) -> Result<Icmpv4<[u8; 8]>, DropReason> {
    if part != Part::Whole {
        return Err(DropReason::FragmentedIcmp);
    }
    Icmpv4::copy_from(payload).ok_or(DropReason::TransportHeader)
}

/// Rewrites the packet.
fn cross(
    params: &Params,
    frame: &mut Frame,
    ctx: &mut Context<'_>,
    mut packet: Crossing,
    fit: Fit,
) -> Verdict {
    let header = packet.header;
    let front = header.header_len();
    if let (Fit::Segments(size), Some(segment)) = (fit, &mut packet.offload.segment) {
        segment.size = size;
    }
    let arrived = frame.vnet;
    rewrite_transport(frame, &packet);
    let own = translate_header(params, &header, packet.src, packet.dst);
    if let Fit::Fragments(limit) = fit {
        split(frame, ctx, &packet, &own, limit);
        return Verdict::Split(Direction::V4ToV6);
    }
    let position = header.is_fragment().then(|| position(&header));
    let new = Ipv6::LEN + if position.is_some() { Fragment::LEN } else { 0 };
    if !frame.replace_front(front, new) {
        return Verdict::Drop(DropReason::Oversize);
    }
    fragment::write_v6_headers(frame.packet_mut(), &own, position, packet.payload);
    frame.vnet = offload::forwarded(arrived, packet.offload, Family::V6, new);
    Verdict::Forward(Direction::V4ToV6)
}

/// Writes what the transport needs, in place.
fn rewrite_transport(frame: &mut Frame, packet: &Crossing) {
    let old = Pair { src: packet.header.src(), dst: packet.header.dst() };
    let new = Pair { src: packet.src, dst: packet.dst };
    let partial = packet.offload.partial;
    let Some(transport) = frame.packet_mut().get_mut(packet.header.header_len()..) else { return };
    match packet.message {
        Message::Transport(check) => {
            let delta = Delta { removed: old.sum(), added: new.sum() };
            let protocol = packet.header.protocol();
            check.apply(transport, delta, partial, |len| new.pseudo_header(protocol, len));
            if let Some(limit) = packet.mss {
                mss::clamp(transport, limit, partial);
            }
        }
        Message::Echo(kind) => rewrite_echo(transport, kind, new, partial),
    }
}

/// Gives an echo message its ICMPv6 type and a pseudo-header.
fn rewrite_echo(message: &mut [u8], kind: u8, pair: Pair<Ipv6Addr>, partial: bool) {
    let pseudo_header = pair.pseudo_header(ICMPV6, message.len());
    let Some(mut icmp) = Icmpv4::first_mut(message) else { return };
    let old = Sum::word(u16::from_be_bytes([icmp.kind(), icmp.code()]));
    icmp.set_kind(kind);
    let new = Sum::word(u16::from_be_bytes([kind, icmp.code()]));
    let checksum = if partial {
        // The sum that is completed later covers the type as it is then.
        Delta { added: pseudo_header, ..Delta::default() }.apply_partial(icmp.checksum())
    } else {
        Delta { removed: old, added: new.plus(pseudo_header) }.apply(icmp.checksum())
    };
    icmp.set_checksum(checksum);
}

/// The IPv6 header for a packet with this IPv4 header; the payload length is left open (RFC 7915 §4.1).
fn translate_header(
    params: &Params,
    header: &Ipv4<[u8; 20]>,
    src: Ipv6Addr,
    dst: Ipv6Addr,
) -> Ipv6<[u8; 40]> {
    let mut new = Ipv6::zeroed();
    new.set_class(params.traffic_class.of(header.tos()));
    new.set_next_header(next_header(header.protocol()));
    new.set_hop_limit(header.ttl().saturating_sub(1));
    new.set_src(src);
    new.set_dst(dst);
    new
}

const fn next_header(protocol: u8) -> u8 {
    if protocol == ICMPV4 { ICMPV6 } else { protocol }
}

/// What the Fragment header for this packet says (RFC 7915 §4.1).
fn position(header: &Ipv4<[u8; 20]>) -> Position {
    Position {
        identification: header.identification().into(),
        offset: header.fragment_offset(),
        more: header.more_fragments(),
    }
}

/// Puts the packet, whose transport is rewritten, into fragments. A UDP super-packet first falls into its datagrams,
/// each with an identification of its own, as the kernel would number them.
fn split(frame: &mut Frame, ctx: &mut Context<'_>, packet: &Crossing, own: &Ipv6<[u8; 40]>, limit: usize) {
    let position = position(&packet.header);
    let front = packet.header.header_len();
    let Some(segment) = packet.offload.segment else {
        offload::complete(frame);
        let payload = frame.packet().get(front..).unwrap_or_default();
        return fragment::into_v6(ctx.state, own, position, payload, limit);
    };
    let message = frame.packet().get(front..).unwrap_or_default();
    let mut datagram = std::mem::take(&mut ctx.state.message);
    let pair = Pair { src: packet.src, dst: packet.dst };
    fragment::datagrams(message, segment, pair, &mut datagram, |number, datagram| {
        let identification = packet.header.identification().wrapping_add(number).into();
        if Ipv6::LEN + datagram.len() > limit {
            fragment::into_v6(ctx.state, own, Position { identification, ..position }, datagram, limit);
        } else {
            let whole = ctx.state.next_fragment().resize(Ipv6::LEN + datagram.len());
            whole[Ipv6::LEN..].copy_from_slice(datagram);
            fragment::write_v6_headers(whole, own, None, datagram.len());
        }
    });
    ctx.state.message = datagram;
}

#[cfg(test)]
mod tests;
