//! ICMP errors as ICMPv6 errors, with the packet they quote (RFC 7915 §4.2, §4.3).
//!
//! The quoted packet travelled the other way: its addresses are looked up without leasing or judging any. Its hop
//! limit, length and checksums say what they said, and its transport may be cut short. It is judged first, so that an
//! error about a packet that never crossed asks for no route.

use crate::checksum::{Delta, Pair, Sum};
use crate::fragment::write_v6_headers;
use crate::frame::Frame;
use crate::icmp::body::{self, Body};
use crate::icmp::{self, Rest};
use crate::next_hop::Path;
use crate::reply::Refusal;
use crate::translator::{Context, Params};
use crate::verdict::{Direction, DropReason, Verdict};
use crate::wire::field16;
use crate::wire::fragment::Fragment;
use crate::wire::icmpv4::{self, Icmpv4};
use crate::wire::icmpv6::{self, Icmpv6};
use crate::wire::ipv4::Ipv4;
use crate::wire::ipv6::Ipv6;
use crate::wire::protocol::{ICMPV4, ICMPV6};
use crate::wire::quoted::{self, QuotedIpv4, QuotedTransport};
use crate::{map, mtu, offload};
use std::net::Ipv6Addr;

/// Where the quoted packet starts in the ICMPv6 error.
const BODY: Body =
    Body { start: Ipv6::LEN + Icmpv6::LEN, unit: icmpv6::QUOTED_UNIT, limit: mtu::MIN_IPV6_MTU };

/// Translates the ICMP error in `frame` for `dst`.
pub(super) fn translate(
    params: &Params,
    frame: &mut Frame,
    ctx: &mut Context<'_>,
    header: &Ipv4<[u8; 20]>,
    dst: Ipv6Addr,
) -> Result<Verdict, Refusal> {
    if header.ttl() <= 1 {
        return Err(Refusal::answered(DropReason::HopLimit));
    }
    offload::complete(frame);
    let mut out = std::mem::take(&mut ctx.state.message);
    let message = frame.packet().get(header.header_len()..).unwrap_or_default();
    let result = write(params, ctx, &Received { header, message, dst }, &mut out);
    if result.is_ok() {
        frame.set_packet(&out);
    }
    ctx.state.message = out;
    result?;
    Ok(Verdict::Forward(Direction::V4ToV6))
}

/// An ICMP error and where it goes.
struct Received<'a> {
    header: &'a Ipv4<[u8; 20]>,
    message: &'a [u8],
    dst: Ipv6Addr,
}

/// Writes the ICMPv6 error for the ICMP error to `out`.
fn write(
    params: &Params,
    ctx: &mut Context<'_>,
    &Received { header, message, dst }: &Received<'_>,
    out: &mut Vec<u8>,
) -> Result<(), DropReason> {
    let icmp = Icmpv4::copy_from(message).ok_or(DropReason::TransportHeader)?;
    let words = if EXTENSIBLE.contains(&icmp.kind()) { icmp.quoted_words() } else { 0 };
    let behind = message.get(Icmpv4::LEN..).unwrap_or_default();
    let (quoted, extension) = quoted::split_extension(behind, words, icmpv4::QUOTED_UNIT);
    let quoted = quoted::ipv4(quoted).ok_or(DropReason::QuotedPacket)?;
    out.clear();
    out.resize(BODY.start, 0);
    append_quoted(params, ctx, out, &quoted)?;
    let mut new_icmp = translate_icmp(icmp, &quoted, &mut Path::new(params, ctx, quoted.header.dst(), dst))?;
    let src = map::reporter_to_v6_about(params, ctx.leases, header.src(), quoted.header.dst()).address;
    let extensible = matches!(new_icmp.kind(), icmpv6::UNREACHABLE | icmpv6::TIME_EXCEEDED);
    let words = body::finish(out, BODY, if extensible { extension } else { &[] });
    if words > 0 {
        new_icmp.set_quoted_words(words);
    }
    let mut new_header = super::translate_header(params, header, src, dst);
    let len = out.len() - Ipv6::LEN;
    new_header.set_payload_len(field16(len));
    out[..Ipv6::LEN].copy_from_slice(new_header.bytes());
    out[Ipv6::LEN..BODY.start].copy_from_slice(new_icmp.bytes());
    let delta = Delta {
        removed: body::covered(message),
        added: body::covered(&out[Ipv6::LEN..]).plus(Pair { src, dst }.pseudo_header(ICMPV6, len)),
    };
    quoted::set_word(&mut out[Ipv6::LEN..], icmpv6::CHECKSUM_AT, delta.apply(icmp.checksum()));
    Ok(())
}

/// The types whose sixth byte is the length of the quoted packet (RFC 4884 §4).
const EXTENSIBLE: [u8; 3] = [icmpv4::UNREACHABLE, icmpv4::TIME_EXCEEDED, icmpv4::PARAMETER_PROBLEM];

/// Type, code and the four bytes behind the checksum.
fn translate_icmp(
    icmp: Icmpv4<[u8; 8]>,
    quoted: &QuotedIpv4<'_>,
    path: &mut Path<'_>,
) -> Result<Icmpv6<[u8; 8]>, DropReason> {
    let row = icmp::find(&icmp::V4_TO_V6, icmp.kind(), icmp.code()).ok_or(DropReason::IcmpType)?;
    let mut new = Icmpv6::zeroed();
    new.set_kind(row.to.0);
    new.set_code(row.to.1.unwrap_or(icmp.code()));
    new.set_rest(match row.rest {
        Rest::Unused => 0,
        Rest::Fixed(value) => value.into(),
        Rest::Mtu => mtu::packet_too_big(path, icmp.mtu(), quoted.header.total_len()),
        Rest::Pointer => {
            icmp::pointer(&icmp::POINTERS_TO_V6, icmp.pointer().into()).ok_or(DropReason::IcmpPointer)?.into()
        }
    });
    Ok(new)
}

/// Appends the quoted packet, translated.
fn append_quoted(
    params: &Params,
    ctx: &mut Context<'_>,
    out: &mut Vec<u8>,
    quoted: &QuotedIpv4<'_>,
) -> Result<(), DropReason> {
    let header = &quoted.header;
    let old = Pair { src: header.src(), dst: header.dst() };
    let src = map::quoted_to_v6(params, ctx.leases, old.src).ok_or(DropReason::QuotedUnmapped)?;
    let dst = map::quoted_destination_to_v6(params, ctx.leases, old.dst).ok_or(DropReason::QuotedUnmapped)?;
    let new = Pair { src: src.address, dst: dst.address };

    let position = header.is_fragment().then(|| super::position(header));
    let start = out.len();
    out.resize(start + Ipv6::LEN + if position.is_some() { Fragment::LEN } else { 0 }, 0);
    let mut new_header = super::translate_header(params, header, new.src, new.dst);
    new_header.set_hop_limit(header.ttl());
    write_v6_headers(&mut out[start..], &new_header, position, quoted.claimed);

    let start = out.len();
    out.extend_from_slice(quoted.payload);
    if header.fragment_offset() > 0 {
        return Ok(());
    }
    let transport = &mut out[start..];
    if header.protocol() == ICMPV4 {
        return rewrite_quoted_echo(transport, new.pseudo_header(ICMPV6, quoted.claimed));
    }
    quoted::adjust_ports_checksum(
        transport,
        header.protocol(),
        Delta { removed: old.sum(), added: new.sum() },
    );
    Ok(())
}

/// Translates the quoted ICMP message, which must be an echo: there are no errors about errors, and nothing else has
/// crossed (RFC 7915 §4.3). Of a first fragment the length of the whole is unknown, so its checksum is approximate.
fn rewrite_quoted_echo(message: &mut [u8], pseudo_header: Sum) -> Result<(), DropReason> {
    let view = QuotedTransport(message);
    let Some(kind) = view.byte(0) else { return Ok(()) };
    let new_kind = icmp::echo_to_v6(kind).ok_or(if icmpv4::ERRORS.contains(&kind) {
        DropReason::NestedError
    } else {
        DropReason::QuotedPacket
    })?;
    let removed = Sum::word(u16::from_be_bytes([kind, 0]));
    let added = Sum::word(u16::from_be_bytes([new_kind, 0])).plus(pseudo_header);
    if let Some(old) = view.word(icmpv4::CHECKSUM_AT) {
        quoted::set_word(message, icmpv4::CHECKSUM_AT, Delta { removed, added }.apply(old));
    }
    if let Some(byte) = message.first_mut() {
        *byte = new_kind;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
