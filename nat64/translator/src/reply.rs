//! ICMP and ICMPv6 errors of the translator itself (RFC 7915 §4.4, §5.4).
//!
//! A refused packet is answered from an own address if its reason has an answer and RFC 1122 §3.2.2, RFC 1812 §4.3.2.7
//! and RFC 4443 §2.4 (e) allow one: never about an ICMP error or redirect, a packet to a multicast or broadcast address,
//! or one whose source is not a single host; in IPv4 never about a fragment other than the first, in IPv6 only if it is
//! of ICMPv6, since it may belong to an error. Errors quote as much as fits 576 or 1280 bytes, and a super-packet is
//! quoted as its first segment. All are rate-limited.

use crate::checksum::{Pair, Sum};
use crate::frame::Frame;
use crate::mtu::{MAX_ICMPV4_ERROR, MIN_IPV6_MTU};
use crate::offload;
use crate::translator::{Context, Params};
use crate::verdict::{DropReason, Reply, Verdict};
use crate::wire::field16;
use crate::wire::icmpv4::{self, Icmpv4};
use crate::wire::icmpv6::{self, Icmpv6};
use crate::wire::ipv4::{self, Ipv4};
use crate::wire::ipv6::{self, Ipv6};
use crate::wire::protocol::{ICMPV4, ICMPV6};
use crate::wire::quoted::QuotedTransport;
use crate::wire::{extension, quoted};
use crate::{map, v4_to_v6, v6_to_v4};
use addr::special;

/// TTL and hop limit of packets that start here (RFC 1122 §3.2.1.7 and IANA's recommendation).
pub(crate) const HOP_LIMIT: u8 = 64;
/// TOS of ICMP errors: internetwork control (RFC 1812 §4.3.2.5).
const ERROR_TOS: u8 = 0xc0;

/// Why a packet is not translated, and whether its sender hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: DropReason,
    /// The MTU or pointer of the answer; `None` keeps silent.
    detail: Option<usize>,
}

impl From<DropReason> for Refusal {
    fn from(reason: DropReason) -> Self {
        Self { reason, detail: None }
    }
}

impl Refusal {
    /// A refusal that is answered if [`ANSWERS`] has an answer to it.
    pub(crate) fn answered(reason: DropReason) -> Self {
        Self { reason, detail: Some(0) }
    }

    /// A packet that must not exceed `mtu` bytes on its own side.
    pub(crate) fn too_big(mtu: usize) -> Self {
        Self { reason: DropReason::TooBig, detail: Some(mtu) }
    }

    /// A packet whose byte at `pointer` is the reason.
    pub(crate) fn pointed(reason: DropReason, pointer: usize) -> Self {
        Self { reason, detail: Some(pointer) }
    }
}

/// The error that answers each reason. Reasons that are not listed, or have no error in a family, are not answered there.
///
/// Unmapped addresses are answered as Tayga does; everything that policy forbids as RFC 7915 §4.4 and §5.4 say.
const ANSWERS: [Answer; 11] = [
    Answer(DropReason::HopLimit, Some((icmpv4::TIME_EXCEEDED, 0)), Some((icmpv6::TIME_EXCEEDED, 0))),
    Answer(DropReason::TooBig, Some((icmpv4::UNREACHABLE, 4)), Some((icmpv6::PACKET_TOO_BIG, 0))),
    Answer(DropReason::DestinationUnmapped, Some((icmpv4::UNREACHABLE, 1)), Some((icmpv6::UNREACHABLE, 0))),
    Answer(DropReason::NoLease, Some((icmpv4::UNREACHABLE, 1)), Some((icmpv6::UNREACHABLE, 3))),
    Answer(DropReason::SourceUnmapped, Some((icmpv4::UNREACHABLE, 10)), Some((icmpv6::UNREACHABLE, 5))),
    Answer(DropReason::PoolExhausted, Some((icmpv4::UNREACHABLE, 10)), Some((icmpv6::UNREACHABLE, 5))),
    Answer(DropReason::NonGlobalIpv4, Some((icmpv4::UNREACHABLE, 13)), Some((icmpv6::UNREACHABLE, 1))),
    Answer(DropReason::WrongPrefix, None, Some((icmpv6::UNREACHABLE, 1))),
    Answer(DropReason::SourceRoute, Some((icmpv4::UNREACHABLE, 5)), None),
    Answer(DropReason::SegmentsLeft, None, Some((icmpv6::PARAMETER_PROBLEM, 0))),
    // A protocol that an own address does not speak (RFC 1122 §3.2.2.1, RFC 4443 §3.4).
    Answer(DropReason::ToSelf, Some((icmpv4::UNREACHABLE, 2)), Some((icmpv6::PARAMETER_PROBLEM, 1))),
];

/// A reason, and type and code of its error in ICMP and in ICMPv6.
struct Answer(DropReason, Option<(u8, u8)>, Option<(u8, u8)>);

/// Turns a refusal into the verdict, and the frame into the answer if there is one.
pub(crate) fn refuse(params: &Params, frame: &mut Frame, ctx: &mut Context<'_>, refusal: Refusal) -> Verdict {
    let answered = refusal.detail.is_some_and(|detail| {
        let answer = ANSWERS.iter().find(|answer| answer.0 == refusal.reason);
        answer.is_some_and(|answer| match frame.packet().first().map(|first| first >> 4) {
            Some(4) => answer.1.is_some_and(|error| answer_v4(params, frame, ctx, error, detail)),
            Some(6) => answer.2.is_some_and(|error| answer_v6(params, frame, ctx, error, detail)),
            _ => false,
        })
    });
    if answered { Verdict::Reply(Reply::Error(refusal.reason)) } else { Verdict::Drop(refusal.reason) }
}

/// Turns the IPv4 packet in `frame` into an ICMP error about it; `false` when there must not be one.
fn answer_v4(
    params: &Params,
    frame: &mut Frame,
    ctx: &mut Context<'_>,
    (kind, code): (u8, u8),
    detail: usize,
) -> bool {
    let Ok(header) = ipv4::parse(frame.packet()) else { return false };
    let transport = QuotedTransport(frame.packet().get(header.header_len()..).unwrap_or_default());
    let about_error =
        header.protocol() == ICMPV4 && transport.byte(0).is_none_or(|inner| icmpv4::ERRORS.contains(&inner));
    if about_error
        || header.fragment_offset() > 0
        || map::screen_destination_v4(header.dst()).is_err()
        || !special::is_legal_source_v4(header.src())
        || !ctx.state.may_send_error(params.icmp_error_rate, ctx.now)
    {
        return false;
    }
    quote_first_segment_v4(frame, &header);
    let front = Ipv4::LEN + Icmpv4::LEN;
    frame.truncate(MAX_ICMPV4_ERROR - front);
    if !frame.replace_front(0, front) {
        return false;
    }
    let mut own = Ipv4::zeroed();
    own.set_plain();
    own.set_tos(ERROR_TOS);
    own.set_total_len(field16(frame.packet().len()));
    own.set_identification(ctx.state.identifications(1));
    own.set_ttl(HOP_LIMIT);
    own.set_protocol(ICMPV4);
    own.set_src(params.own_v4);
    own.set_dst(header.src());
    own.fill_checksum();
    let mut icmp = Icmpv4::zeroed();
    icmp.set_kind(kind);
    icmp.set_code(code);
    icmp.set_mtu(field16(detail));
    let packet = frame.packet_mut();
    packet[..Ipv4::LEN].copy_from_slice(own.bytes());
    packet[Ipv4::LEN..front].copy_from_slice(icmp.bytes());
    let checksum = Sum::of(&packet[Ipv4::LEN..]).checksum();
    quoted::set_word(&mut packet[Ipv4::LEN..], icmpv4::CHECKSUM_AT, checksum);
    true
}

/// Turns the IPv6 packet in `frame` into an ICMPv6 error about it; `false` when there must not be one.
fn answer_v6(
    params: &Params,
    frame: &mut Frame,
    ctx: &mut Context<'_>,
    (kind, code): (u8, u8),
    detail: usize,
) -> bool {
    let Ok(header) = ipv6::parse(frame.packet()) else { return false };
    let Ok(chain) = extension::walk(frame.packet()) else { return false };
    let transport = QuotedTransport(frame.packet().get(chain.transport..).unwrap_or_default());
    let is_later = chain.fragment.is_some_and(|fragment| fragment.offset() > 0);
    let tells_error = |kind| kind < icmpv6::FIRST_INFORMATIONAL || kind == icmpv6::REDIRECT;
    let about_error = chain.protocol == ICMPV6 && (is_later || transport.byte(0).is_none_or(tells_error));
    if about_error
        || map::screen_destination_v6(header.dst()).is_err()
        || !special::is_legal_source_v6(header.src())
        || !ctx.state.may_send_error(params.icmp_error_rate, ctx.now)
    {
        return false;
    }
    quote_first_segment_v6(frame, &chain);
    let front = Ipv6::LEN + Icmpv6::LEN;
    frame.truncate(MIN_IPV6_MTU - front);
    if !frame.replace_front(0, front) {
        return false;
    }
    let len = frame.packet().len() - Ipv6::LEN;
    let mut own = Ipv6::zeroed();
    own.set_class(0);
    own.set_payload_len(field16(len));
    own.set_next_header(ICMPV6);
    own.set_hop_limit(HOP_LIMIT);
    own.set_src(params.own_v6);
    own.set_dst(header.src());
    let mut icmp = Icmpv6::zeroed();
    icmp.set_kind(kind);
    icmp.set_code(code);
    icmp.set_rest(u32::try_from(detail).unwrap_or(u32::MAX));
    let packet = frame.packet_mut();
    packet[..Ipv6::LEN].copy_from_slice(own.bytes());
    packet[Ipv6::LEN..front].copy_from_slice(icmp.bytes());
    let pair = Pair { src: params.own_v6, dst: header.src() };
    let checksum = Sum::of(&packet[Ipv6::LEN..]).plus(pair.pseudo_header(ICMPV6, len)).checksum();
    quoted::set_word(&mut packet[Ipv6::LEN..], icmpv6::CHECKSUM_AT, checksum);
    true
}

/// Makes the packet in `frame` what its sender would have put on a link: complete checksums, one segment.
fn quote_first_segment_v4(frame: &mut Frame, header: &Ipv4<[u8; 20]>) {
    if offload::keep_first_segment(frame, v4_to_v6::arrival(header)) {
        let total_len = field16(frame.packet().len());
        let front = header.header_len();
        if let Some(whole) = frame.packet_mut().get_mut(..front) {
            if let Some(mut own) = Ipv4::first_mut(whole) {
                own.set_total_len(total_len);
                own.set_checksum(0);
            }
            let checksum = Sum::of(whole).checksum();
            quoted::set_word(whole, ipv4::CHECKSUM_AT, checksum);
        }
    }
    offload::complete(frame);
}

/// Makes the packet in `frame` what its sender would have put on a link: complete checksums, one segment.
fn quote_first_segment_v6(frame: &mut Frame, chain: &extension::Chain) {
    if offload::keep_first_segment(frame, v6_to_v4::arrival(chain)) {
        let payload_len = field16(frame.packet().len() - Ipv6::LEN);
        if let Some(mut own) = Ipv6::first_mut(frame.packet_mut()) {
            own.set_payload_len(payload_len);
        }
    }
    offload::complete(frame);
}

#[cfg(test)]
mod tests;
