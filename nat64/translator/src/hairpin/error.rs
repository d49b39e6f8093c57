//! ICMPv6 errors about packets that were turned around (RFC 7757 §4.2.2, condition set B).
//!
//! ```text
//!   outer  R -> pref64::a                  =   pref64::r -> A          or what speaks for R, if it has no r
//!   inner      pref64::a -> B              =              A -> pref64::b
//! ```
//! The packet stays an ICMPv6 error of the same length: type, code, MTU, pointer and extensions keep their meaning.
//! The quoted packet is the one that its sender knows; its checksums are adjusted as far as they are there.

use super::{Turn, readdress};
use crate::checksum::{Delta, Pair};
use crate::frame::Frame;
use crate::icmp::body;
use crate::reply::Refusal;
use crate::translator::{Context, Params};
use crate::transport::Part;
use crate::v6_to_v4::part;
use crate::verdict::{Direction, DropReason, Verdict};
use crate::wire::icmpv6::{self, Icmpv6};
use crate::wire::ipv6::Ipv6;
use crate::wire::protocol::ICMPV6;
use crate::wire::quoted::{self, QuotedTransport};
use crate::{icmp, map, offload};
use std::net::Ipv6Addr;

/// The quoted packet: what it was, and where its transport begins in the message.
struct Quoted {
    old: Pair<Ipv6Addr>,
    protocol: u8,
    part: Part,
    transport: usize,
}

/// Turns the error in `frame` around; `None` if the packet it quotes was not.
pub(super) fn translate(
    params: &Params,
    frame: &mut Frame,
    ctx: &mut Context<'_>,
    turn: Turn<'_>,
) -> Result<Option<Verdict>, Refusal> {
    let chain = turn.chain;
    let message = frame.packet().get(chain.transport..).unwrap_or_default();
    let quoted = read(message)?;
    let Some(sender) = map::quoted_turned_source(params, ctx.leases, quoted.old.src) else { return Ok(None) };
    if chain.ip.hop_limit() <= 1 {
        return Err(Refusal::answered(DropReason::HopLimit));
    }
    let receiver = map::quoted_to_v4(params, ctx.leases, quoted.old.dst);
    let receiver = receiver.ok_or(DropReason::QuotedUnmapped)?.address;
    let known_as = map::converted_quoted(params, receiver).ok_or(DropReason::QuotedUnmapped)?;
    let reporter = map::reporter_to_v4(params, ctx.leases, chain.ip.src(), ctx.now).address;
    let src = if reporter == receiver {
        map::converted_reporter(params, reporter)
    } else {
        map::reporter_to_v6(params, ctx.leases, reporter)
    };

    offload::complete(frame);
    let old = Pair { src: chain.ip.src(), dst: chain.ip.dst() };
    let new = Pair { src: src.address, dst: turn.host };
    if let Some(message) = frame.packet_mut().get_mut(chain.transport..) {
        let removed = body::covered(message).plus(old.sum());
        requote(message, &quoted, Pair { src: sender.address, dst: known_as.address });
        let delta = Delta { removed, added: body::covered(message).plus(new.sum()) };
        let checksum = QuotedTransport(message).word(icmpv6::CHECKSUM_AT).unwrap_or_default();
        quoted::set_word(message, icmpv6::CHECKSUM_AT, delta.apply(checksum));
    }
    readdress(params, frame, new);
    Ok(Some(Verdict::Forward(Direction::V6ToV6)))
}

/// Reads the packet that `message` quotes. There are no errors about errors, and of ICMPv6 only echoes cross.
fn read(message: &[u8]) -> Result<Quoted, DropReason> {
    let icmp = Icmpv6::copy_from(message).ok_or(DropReason::TransportHeader)?;
    let words = if icmpv6::EXTENSIBLE.contains(&icmp.kind()) { icmp.quoted_words() } else { 0 };
    let behind = message.get(Icmpv6::LEN..).unwrap_or_default();
    let (quoted, _) = quoted::split_extension(behind, words, icmpv6::QUOTED_UNIT);
    let quoted = quoted::ipv6(quoted).ok_or(DropReason::QuotedPacket)?;
    let (chain, part) = (quoted.chain, part(&quoted.chain));
    if chain.protocol == ICMPV6 && part != Part::Later {
        match QuotedTransport(quoted.payload).byte(0) {
            Some(kind) if kind < icmpv6::FIRST_INFORMATIONAL => return Err(DropReason::NestedError),
            Some(kind) if icmp::echo_to_v4(kind).is_none() => return Err(DropReason::QuotedPacket),
            Some(_) | None => {}
        }
    }
    let old = Pair { src: chain.ip.src(), dst: chain.ip.dst() };
    Ok(Quoted { old, protocol: chain.protocol, part, transport: Icmpv6::LEN + chain.transport })
}

/// Gives the quoted packet in `message` its new addresses.
fn requote(message: &mut [u8], quoted: &Quoted, new: Pair<Ipv6Addr>) {
    let (front, transport) = message.split_at_mut(quoted.transport.min(message.len()));
    if let Some(mut ip) = front.get_mut(Icmpv6::LEN..).and_then(Ipv6::first_mut) {
        ip.set_src(new.src);
        ip.set_dst(new.dst);
    }
    if quoted.part == Part::Later {
        return;
    }
    let delta = Delta { removed: quoted.old.sum(), added: new.sum() };
    if quoted.protocol == ICMPV6 {
        if let Some(old) = QuotedTransport(transport).word(icmpv6::CHECKSUM_AT) {
            quoted::set_word(transport, icmpv6::CHECKSUM_AT, delta.apply(old));
        }
    } else {
        quoted::adjust_ports_checksum(transport, quoted.protocol, delta);
    }
}

#[cfg(test)]
mod tests;
