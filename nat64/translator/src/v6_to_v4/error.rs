//! ICMPv6 errors as ICMP errors, with the packet they quote (RFC 7915 §5.2, §5.3).
//!
//! The quoted packet travelled the other way: its addresses are looked up without leasing or judging any. Its time to
//! live, length and checksums say what they said, and its transport may be cut short. It is judged first, so that an
//! error about a packet that never crossed asks for no route and takes no address to speak for its sender.

use crate::checksum::{Delta, Pair, Sum};
use crate::frame::Frame;
use crate::icmp::body::{self, Body};
use crate::icmp::{self, Rest};
use crate::next_hop::Path;
use crate::reply::Refusal;
use crate::translator::{Context, Params};
use crate::transport::Part;
use crate::verdict::{Direction, DropReason, Verdict};
use crate::wire::extension::Chain;
use crate::wire::field16;
use crate::wire::icmpv4::{self, Icmpv4};
use crate::wire::icmpv6::{self, Icmpv6};
use crate::wire::ipv4::Ipv4;
use crate::wire::protocol::ICMPV6;
use crate::wire::quoted::{self, QuotedIpv6, QuotedTransport};
use crate::{map, mtu, offload};
use std::net::Ipv4Addr;

/// Where the quoted packet starts in the ICMP error, and its largest size (RFC 1812 §4.3.2.3).
const BODY: Body =
    Body { start: Ipv4::LEN + Icmpv4::LEN, unit: icmpv4::QUOTED_UNIT, limit: mtu::MAX_ICMPV4_ERROR };

/// Translates the ICMPv6 error in `frame` for `dst`.
pub(super) fn translate(
    params: &Params,
    frame: &mut Frame,
    ctx: &mut Context<'_>,
    chain: &Chain,
    dst: Ipv4Addr,
) -> Result<Verdict, Refusal> {
    if chain.ip.hop_limit() <= 1 {
        return Err(Refusal::answered(DropReason::HopLimit));
    }
    offload::complete(frame);
    let mut out = std::mem::take(&mut ctx.state.message);
    let message = frame.packet().get(chain.transport..).unwrap_or_default();
    let result = write(params, ctx, &Received { chain, message, dst }, &mut out);
    if result.is_ok() {
        frame.set_packet(&out);
    }
    ctx.state.message = out;
    result?;
    Ok(Verdict::Forward(Direction::V6ToV4))
}

/// An ICMPv6 error and where it goes.
struct Received<'a> {
    chain: &'a Chain,
    message: &'a [u8],
    dst: Ipv4Addr,
}

/// Writes the ICMP error for the ICMPv6 error to `out`.
fn write(
    params: &Params,
    ctx: &mut Context<'_>,
    &Received { chain, message, dst }: &Received<'_>,
    out: &mut Vec<u8>,
) -> Result<(), DropReason> {
    let icmp = Icmpv6::copy_from(message).ok_or(DropReason::TransportHeader)?;
    let words = if icmpv6::EXTENSIBLE.contains(&icmp.kind()) { icmp.quoted_words() } else { 0 };
    let behind = message.get(Icmpv6::LEN..).unwrap_or_default();
    let (quoted, extension) = quoted::split_extension(behind, words, icmpv6::QUOTED_UNIT);
    let quoted = quoted::ipv6(quoted).ok_or(DropReason::QuotedPacket)?;
    out.clear();
    out.resize(BODY.start, 0);
    append_quoted(params, ctx, out, &quoted)?;
    let mut new_icmp =
        translate_icmp(icmp, &quoted, &mut Path::new(params, ctx, dst, quoted.chain.ip.dst()))?;
    let src = map::reporter_to_v4(params, ctx.leases, chain.ip.src(), ctx.now).address;
    let extensible =
        matches!(new_icmp.kind(), icmpv4::UNREACHABLE | icmpv4::TIME_EXCEEDED | icmpv4::PARAMETER_PROBLEM);
    let words = body::finish(out, BODY, if extensible { extension } else { &[] });
    if words > 0 {
        new_icmp.set_quoted_words(words);
    }
    let len = out.len() - Ipv4::LEN;
    let mut new_header = super::translate_header(params, chain, src, dst, len);
    if chain.fragment.is_none() {
        new_header.set_identification(ctx.state.identifications(1));
    }
    new_header.set_total_len(field16(out.len()));
    new_header.fill_checksum();
    out[..Ipv4::LEN].copy_from_slice(new_header.bytes());
    out[Ipv4::LEN..BODY.start].copy_from_slice(new_icmp.bytes());
    let old = Pair { src: chain.ip.src(), dst: chain.ip.dst() };
    let delta = Delta {
        removed: body::covered(message).plus(old.pseudo_header(ICMPV6, message.len())),
        added: body::covered(&out[Ipv4::LEN..]),
    };
    quoted::set_word(&mut out[Ipv4::LEN..], icmpv4::CHECKSUM_AT, delta.apply(icmp.checksum()));
    Ok(())
}

/// Type, code and the four bytes behind the checksum.
fn translate_icmp(
    icmp: Icmpv6<[u8; 8]>,
    quoted: &QuotedIpv6<'_>,
    path: &mut Path<'_>,
) -> Result<Icmpv4<[u8; 8]>, DropReason> {
    let row = icmp::find(&icmp::V6_TO_V4, icmp.kind(), icmp.code()).ok_or(DropReason::IcmpType)?;
    let mut new = Icmpv4::zeroed();
    new.set_kind(row.to.0);
    new.set_code(row.to.1.unwrap_or(icmp.code()));
    match row.rest {
        Rest::Unused => {}
        Rest::Fixed(value) => new.set_rest(value.into()),
        Rest::Mtu => {
            new.set_mtu(mtu::fragmentation_needed(path, icmp.rest(), quoted.chain.fragment.is_some()));
        }
        Rest::Pointer => {
            let pointer = icmp::pointer(&icmp::POINTERS_TO_V4, icmp.rest());
            new.set_pointer(pointer.ok_or(DropReason::IcmpPointer)?);
        }
    }
    Ok(new)
}

/// Appends the quoted packet, translated.
fn append_quoted(
    params: &Params,
    ctx: &mut Context<'_>,
    out: &mut Vec<u8>,
    quoted: &QuotedIpv6<'_>,
) -> Result<(), DropReason> {
    let header = &quoted.chain.ip;
    let old = Pair { src: header.src(), dst: header.dst() };
    let mut lookup = |v6| map::quoted_to_v4(params, ctx.leases, v6).ok_or(DropReason::QuotedUnmapped);
    let new = Pair { src: lookup(old.src)?.address, dst: lookup(old.dst)?.address };

    let mut new_header = super::translate_header(params, &quoted.chain, new.src, new.dst, quoted.claimed);
    new_header.set_ttl(header.hop_limit());
    new_header.set_total_len(field16(Ipv4::LEN + quoted.claimed));
    new_header.fill_checksum();
    out.extend_from_slice(new_header.bytes());

    let start = out.len();
    out.extend_from_slice(quoted.payload);
    if super::part(&quoted.chain) == Part::Later {
        return Ok(());
    }
    let transport = &mut out[start..];
    if quoted.chain.protocol == ICMPV6 {
        return rewrite_quoted_echo(transport, old.pseudo_header(ICMPV6, quoted.claimed));
    }
    let delta = Delta { removed: old.sum(), added: new.sum() };
    quoted::adjust_ports_checksum(transport, quoted.chain.protocol, delta);
    Ok(())
}

/// Translates the quoted ICMPv6 message, which must be an echo: there are no errors about errors, and nothing else has
/// crossed (RFC 7915 §5.3). Of a first fragment the length of the whole is unknown, so its checksum is approximate.
fn rewrite_quoted_echo(message: &mut [u8], pseudo_header: Sum) -> Result<(), DropReason> {
    let view = QuotedTransport(message);
    let Some(kind) = view.byte(0) else { return Ok(()) };
    let new_kind = icmp::echo_to_v4(kind).ok_or(if kind < icmpv6::FIRST_INFORMATIONAL {
        DropReason::NestedError
    } else {
        DropReason::QuotedPacket
    })?;
    let removed = Sum::word(u16::from_be_bytes([kind, 0])).plus(pseudo_header);
    let added = Sum::word(u16::from_be_bytes([new_kind, 0]));
    if let Some(old) = view.word(icmpv6::CHECKSUM_AT) {
        quoted::set_word(message, icmpv6::CHECKSUM_AT, Delta { removed, added }.apply(old));
    }
    if let Some(byte) = message.first_mut() {
        *byte = new_kind;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
