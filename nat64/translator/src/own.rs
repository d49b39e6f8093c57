//! Packets for the translator's own addresses: echo requests are answered, everything else is refused.
//!
//! Own addresses are those of the parameters, those that speak for routers among them, and the IPv4 ones also as a
//! client reaches them through a prefix. The
//! answer leaves without the options and extension headers of the question. A fragmented echo is dropped, since a
//! stateless translator does not reassemble.

use crate::checksum::{Delta, Sum, for_icmpv4};
use crate::frame::Frame;
use crate::offload;
use crate::reply::{HOP_LIMIT, Refusal};
use crate::transport::Part;
use crate::v6_to_v4;
use crate::verdict::{DropReason, Reply, Verdict};
use crate::wire::extension::Chain;
use crate::wire::field16;
use crate::wire::icmpv4::{self, Icmpv4};
use crate::wire::icmpv6::{self, Icmpv6};
use crate::wire::ipv4::{DF, Ipv4};
use crate::wire::ipv6::Ipv6;
use crate::wire::protocol::{ICMPV4, ICMPV6};
use crate::wire::quoted;

/// Answers an IPv4 packet to [`crate::Params::own_v4`].
pub(crate) fn answer_v4(frame: &mut Frame, header: &Ipv4<[u8; 20]>) -> Result<Verdict, Refusal> {
    let front = header.header_len();
    echo_v4(header, frame.packet().get(front..).unwrap_or_default())?;
    offload::complete(frame);
    if !frame.replace_front(front, Ipv4::LEN) {
        return Err(DropReason::Oversize.into());
    }
    let mut own = *header;
    own.set_plain();
    own.set_total_len(field16(frame.packet().len()));
    own.set_fragment(0, header.flags_offset() & DF);
    own.set_ttl(HOP_LIMIT);
    own.set_src(header.dst());
    own.set_dst(header.src());
    own.fill_checksum();
    let packet = frame.packet_mut();
    packet[..Ipv4::LEN].copy_from_slice(own.bytes());
    let message = &mut packet[Ipv4::LEN..];
    if let Some(mut icmp) = Icmpv4::first_mut(message) {
        let delta = kind_delta(icmpv4::ECHO_REQUEST, icmpv4::ECHO_REPLY);
        let checksum = delta.apply(icmp.checksum());
        icmp.set_kind(icmpv4::ECHO_REPLY);
        let checksum = for_icmpv4(checksum, message);
        quoted::set_word(message, icmpv4::CHECKSUM_AT, checksum);
    }
    Ok(Verdict::Reply(Reply::Echo))
}

/// Answers an IPv6 packet to [`crate::Params::own_v6`], or to the own IPv4 address through the prefix.
pub(crate) fn answer_v6(frame: &mut Frame, chain: &Chain) -> Result<Verdict, Refusal> {
    echo_v6(chain, frame.packet().get(chain.transport..).unwrap_or_default())?;
    offload::complete(frame);
    if !frame.replace_front(chain.transport, Ipv6::LEN) {
        return Err(DropReason::Oversize.into());
    }
    let mut own = chain.ip;
    own.set_class(chain.ip.traffic_class());
    own.set_payload_len(field16(frame.packet().len() - Ipv6::LEN));
    own.set_next_header(ICMPV6);
    own.set_hop_limit(HOP_LIMIT);
    own.set_src(chain.ip.dst());
    own.set_dst(chain.ip.src());
    let packet = frame.packet_mut();
    packet[..Ipv6::LEN].copy_from_slice(own.bytes());
    // The addresses change places, so the pseudo-header sums to the same.
    if let Some(mut icmp) = Icmpv6::first_mut(&mut packet[Ipv6::LEN..]) {
        let delta = kind_delta(icmpv6::ECHO_REQUEST, icmpv6::ECHO_REPLY);
        icmp.set_checksum(delta.apply(icmp.checksum()));
        icmp.set_kind(icmpv6::ECHO_REPLY);
    }
    Ok(Verdict::Reply(Reply::Echo))
}

/// Refuses what is no whole echo request; `payload` is what stands behind `header`.
pub(crate) fn echo_v4(header: &Ipv4<[u8; 20]>, payload: &[u8]) -> Result<(), Refusal> {
    if header.protocol() != ICMPV4 {
        return Err(Refusal::answered(DropReason::ToSelf));
    }
    if header.is_fragment() {
        return Err(DropReason::FragmentedIcmp.into());
    }
    let icmp = Icmpv4::copy_from(payload).ok_or(DropReason::TransportHeader)?;
    if icmp.kind() == icmpv4::ECHO_REQUEST { Ok(()) } else { Err(DropReason::ToSelf.into()) }
}

/// Refuses what is no whole echo request; `payload` is what stands behind the headers of `chain`.
pub(crate) fn echo_v6(chain: &Chain, payload: &[u8]) -> Result<(), Refusal> {
    if chain.protocol != ICMPV6 {
        return Err(Refusal::pointed(DropReason::ToSelf, chain.protocol_at));
    }
    if v6_to_v4::part(chain) != Part::Whole {
        return Err(DropReason::FragmentedIcmp.into());
    }
    let icmp = Icmpv6::copy_from(payload).ok_or(DropReason::TransportHeader)?;
    if icmp.kind() == icmpv6::ECHO_REQUEST { Ok(()) } else { Err(DropReason::ToSelf.into()) }
}

fn kind_delta(from: u8, to: u8) -> Delta {
    let word = |kind| Sum::word(u16::from_be_bytes([kind, 0]));
    Delta { removed: word(from), added: word(to) }
}

#[cfg(test)]
mod tests;
