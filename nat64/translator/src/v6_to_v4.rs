//! IPv6 to IPv4 (RFC 7915 §5). The mirror of [`crate::v4_to_v6`].
//!
//! Everything is decided before anything is written, so that a refused packet can still be quoted in an error. The
//! source is mapped last, so that a packet that dies for another reason costs no lease.

mod error;

use crate::checksum::{Delta, Pair, Sum, for_icmpv4};
use crate::fragment;
use crate::frame::Frame;
use crate::hairpin::{self, Turn};
use crate::mtu::{self, Fit};
use crate::next_hop::Path;
use crate::offload::{self, Arrival, Family, Offload};
use crate::reply::Refusal;
use crate::translator::{Context, Params};
use crate::transport::{self, Check, Part};
use crate::verdict::{Direction, DropReason, Verdict};
use crate::wire::extension::{self, Chain};
use crate::wire::field16;
use crate::wire::icmpv6::Icmpv6;
use crate::wire::ipv4::{DF, Ipv4, MF};
use crate::wire::ipv6::{self, Ipv6};
use crate::wire::protocol::{ICMPV4, ICMPV6};
use crate::wire::{icmpv4, quoted};
use crate::{icmp, map, mss, own};
use addr::special;
use std::net::Ipv4Addr;

/// A packet that may cross, and what was found out about it.
struct Crossing {
    chain: Chain,
    /// Length of the transport at hand.
    payload: usize,
    offload: Offload,
    message: Message,
    /// The Maximum Segment Size that the packet may announce, if it announces one.
    mss: Option<u16>,
    src: Ipv4Addr,
    dst: Ipv4Addr,
}

/// What the transport needs.
#[derive(Clone, Copy)]
enum Message {
    /// Its checksum adjusted to the new addresses.
    Transport(Check),
    /// This ICMP type, and a checksum without a pseudo-header.
    Echo(u8),
}

/// Translates the IPv6 packet in `frame`.
pub(crate) fn translate(
    params: &Params,
    frame: &mut Frame,
    ctx: &mut Context<'_>,
) -> Result<Verdict, Refusal> {
    let header = ipv6::parse(frame.packet())?;
    frame.truncate(Ipv6::LEN + usize::from(header.payload_len()));
    screen(&header)?;
    let chain = extension::walk(frame.packet())?;
    screen_length(&chain, frame.packet().len() - chain.transport)?;
    if let Some(at) = chain.segments_left_at {
        return Err(Refusal::pointed(DropReason::SegmentsLeft, at));
    }
    if params.is_own_v6(header.dst()) {
        return own::answer_v6(frame, &chain);
    }
    let dst = map::destination_to_v4(params, header.dst()).map_err(Refusal::answered)?;
    if params.is_own_v4(dst.address) {
        return own::answer_v6(frame, &chain);
    }
    if let Some(host) = map::turned(params, ctx.leases, dst).map_err(Refusal::answered)? {
        let turn = Turn { chain: &chain, via: dst.address, host: host.address };
        if let Some(verdict) = hairpin::translate(params, frame, ctx, turn)? {
            return Ok(verdict);
        }
    }
    let dst = dst.address;
    if chain.protocol == ICMPV4 {
        return Err(DropReason::Protocol.into());
    }
    let part = part(&chain);
    let offload = offload::admit(frame, arrival(&chain))?;
    let payload = frame.packet().get(chain.transport..).unwrap_or_default();
    let message = if chain.protocol == ICMPV6 {
        let icmp = whole_icmp(payload, part)?;
        match icmp::echo_to_v4(icmp.kind()) {
            Some(kind) => Message::Echo(kind),
            None if icmp::find(&icmp::V6_TO_V4, icmp.kind(), icmp.code()).is_some() => {
                return error::translate(params, frame, ctx, &chain, dst);
            }
            None => return Err(DropReason::IcmpType.into()),
        }
    } else {
        let zero = params.udp_zero_checksum;
        Message::Transport(transport::inspect(chain.protocol, payload, part, offload.partial, zero)?)
    };
    if header.hop_limit() <= 1 {
        return Err(Refusal::answered(DropReason::HopLimit));
    }
    let arrived = frame.packet().len();
    let mut path = Path::new(params, ctx, dst, header.src());
    let fit = mtu::fit_v4(&mut path, chain.fragment.is_some(), arrived, payload.len(), offload.segment);
    if let Fit::TooBig(mtu) = fit {
        return Err(Refusal::too_big(mtu));
    }
    let mss = params.tcp_mss_clamp.limit(chain.protocol, part, payload, || mss::longest(&mut path));
    let payload = payload.len();
    let src = map::source_to_v4(params, ctx.leases, header.src()).map_err(Refusal::answered)?.address;
    let crossing = Crossing { chain, payload, offload, message, mss, src, dst };
    Ok(cross(params, frame, ctx, crossing, fit))
}

/// Where the transport of the packet is.
pub(crate) fn arrival(chain: &Chain) -> Arrival {
    Arrival {
        family: Family::V6,
        protocol: chain.protocol,
        transport: chain.transport,
        is_fragment: part(chain) != Part::Whole,
    }
}

/// Drops what no router forwards (RFC 4291 §2.5).
pub(crate) fn screen(header: &Ipv6<[u8; 40]>) -> Result<(), DropReason> {
    map::screen_destination_v6(header.dst())?;
    if special::is_legal_source_v6(header.src()) { Ok(()) } else { Err(DropReason::IllegalSource) }
}

/// Which part of its transport the packet carries. An atomic fragment carries all of it (RFC 6946).
pub(crate) fn part(chain: &Chain) -> Part {
    match &chain.fragment {
        None => Part::Whole,
        Some(fragment) if fragment.is_atomic() => Part::Whole,
        Some(fragment) if fragment.offset() == 0 => Part::First,
        Some(_) => Part::Later,
    }
}

/// Drops what IPv4 cannot express, with or without its other fragments.
pub(crate) fn screen_length(chain: &Chain, payload: usize) -> Result<(), DropReason> {
    let end = chain.fragment.map_or(0, |fragment| fragment.offset()) + payload;
    if end.max(Ipv4::LEN + payload) > usize::from(u16::MAX) { Err(DropReason::Oversize) } else { Ok(()) }
}

/// The ICMPv6 header of a message that arrived whole.
pub(crate) fn whole_icmp(payload: &[u8], part: Part) -> Result<Icmpv6<[u8; 8]>, DropReason> {
    if part != Part::Whole {
        return Err(DropReason::FragmentedIcmp);
    }
    Icmpv6::copy_from(payload).ok_or(DropReason::TransportHeader)
}

/// Rewrites the packet.
fn cross(
    params: &Params,
    frame: &mut Frame,
    ctx: &mut Context<'_>,
    mut packet: Crossing,
    fit: Fit,
) -> Verdict {
    if let (Fit::Segments(size), Some(segment)) = (fit, &mut packet.offload.segment) {
        segment.size = size;
    }
    let arrived = frame.vnet;
    rewrite_transport(frame, &packet);
    let segment = packet.offload.segment;
    let link_payload = segment.map_or(packet.payload, offload::Segment::len);
    let mut own = translate_header(params, &packet.chain, packet.src, packet.dst, link_payload);
    if packet.chain.fragment.is_none() && !own.dont_fragment() {
        let count = segment.map_or(1, |segment| packet.payload.div_ceil(segment.size.max(1).into()));
        own.set_identification(ctx.state.identifications(field16(count)));
        frame.is_numbered = true;
    }
    if let Fit::Fragments(limit) = fit {
        split(frame, ctx, &packet, &own, limit);
        return Verdict::Split(Direction::V6ToV4);
    }
    if !frame.replace_front(packet.chain.transport, Ipv4::LEN) {
        return Verdict::Drop(DropReason::Oversize);
    }
    own.set_total_len(field16(Ipv4::LEN + packet.payload));
    own.fill_checksum();
    if let Some(front) = frame.packet_mut().first_chunk_mut() {
        *front = *own.bytes();
    }
    frame.vnet = offload::forwarded(arrived, packet.offload, Family::V4, Ipv4::LEN);
    Verdict::Forward(Direction::V6ToV4)
}

/// Writes what the transport needs, in place.
fn rewrite_transport(frame: &mut Frame, packet: &Crossing) {
    let old = Pair { src: packet.chain.ip.src(), dst: packet.chain.ip.dst() };
    let new = Pair { src: packet.src, dst: packet.dst };
    let partial = packet.offload.partial;
    let Some(transport) = frame.packet_mut().get_mut(packet.chain.transport..) else { return };
    match packet.message {
        Message::Transport(check) => {
            let delta = Delta { removed: old.sum(), added: new.sum() };
            let protocol = packet.chain.protocol;
            check.apply(transport, delta, partial, |len| new.pseudo_header(protocol, len));
            if let Some(limit) = packet.mss {
                mss::clamp(transport, limit, partial);
            }
        }
        Message::Echo(kind) => {
            let pseudo_header = old.pseudo_header(ICMPV6, transport.len());
            rewrite_echo(transport, kind, pseudo_header, partial);
        }
    }
}

/// Gives an echo message its ICMP type and takes the pseudo-header out of its checksum.
fn rewrite_echo(message: &mut [u8], kind: u8, pseudo_header: Sum, partial: bool) {
    let Some(mut icmp) = Icmpv6::first_mut(message) else { return };
    let old = Sum::word(u16::from_be_bytes([icmp.kind(), icmp.code()]));
    icmp.set_kind(kind);
    let new = Sum::word(u16::from_be_bytes([kind, icmp.code()]));
    let checksum = if partial {
        // The sum that is completed later covers the type as it is then.
        Delta { removed: pseudo_header, ..Delta::default() }.apply_partial(icmp.checksum())
    } else {
        let checksum = Delta { removed: old.plus(pseudo_header), added: new }.apply(icmp.checksum());
        for_icmpv4(checksum, message)
    };
    quoted::set_word(message, icmpv4::CHECKSUM_AT, checksum);
}

/// The IPv4 header for a packet with these IPv6 headers and `payload` bytes of transport in each packet on the link;
/// total length and checksum are left open (RFC 7915 §5.1, §5.1.1).
fn translate_header(
    params: &Params,
    chain: &Chain,
    src: Ipv4Addr,
    dst: Ipv4Addr,
    payload: usize,
) -> Ipv4<[u8; 20]> {
    let mut new = Ipv4::zeroed();
    new.set_plain();
    new.set_tos(params.tos.of(chain.ip.traffic_class()));
    match &chain.fragment {
        Some(fragment) => {
            new.set_identification(fragment.identification_low());
            new.set_fragment(fragment.offset(), if fragment.more() { MF } else { 0 });
        }
        None => new.set_fragment(0, if Ipv4::LEN + payload > mtu::MAX_WITHOUT_DF { DF } else { 0 }),
    }
    new.set_ttl(chain.ip.hop_limit().saturating_sub(1));
    new.set_protocol(if chain.protocol == ICMPV6 { ICMPV4 } else { chain.protocol });
    new.set_src(src);
    new.set_dst(dst);
    new
}

/// Puts the packet, whose transport is rewritten, into fragments. A UDP super-packet first falls into its datagrams,
/// each with an identification of its own.
fn split(frame: &mut Frame, ctx: &mut Context<'_>, packet: &Crossing, own: &Ipv4<[u8; 20]>, limit: usize) {
    let front = packet.chain.transport;
    let Some(segment) = packet.offload.segment else {
        offload::complete(frame);
        let payload = frame.packet().get(front..).unwrap_or_default();
        return fragment::into_v4(ctx.state, own, payload, limit);
    };
    let message = frame.packet().get(front..).unwrap_or_default();
    let mut datagram = std::mem::take(&mut ctx.state.message);
    let pair = Pair { src: packet.src, dst: packet.dst };
    fragment::datagrams(message, segment, pair, &mut datagram, |number, datagram| {
        let mut own = *own;
        own.set_identification(own.identification().wrapping_add(number));
        fragment::into_v4(ctx.state, &own, datagram, limit);
    });
    ctx.state.message = datagram;
}

#[cfg(test)]
mod tests;
