//! Clamping the Maximum Segment Size option of TCP (RFC 9293 §3.7.1) as packets cross.
//!
//! The option tells the other end how long segments may be that it sends back. Its value says nothing of headers, so
//! it crosses between the families as it is; a clamp lowers it to what both ends of the packet's way carry, for networks
//! that lose the ICMP errors which path MTU discovery lives on. Only SYN and SYN-ACK carry it. The value is never
//! raised, an option is never added, and options that cannot be read are left alone.

use crate::checksum::{Delta, Sum};
use crate::next_hop::Path;
use crate::transport::Part;
use crate::wire::field16;
use crate::wire::ipv4::Ipv4;
use crate::wire::ipv6::Ipv6;
use crate::wire::protocol::TCP;
use crate::wire::quoted::{QuotedTransport, set_word};
use crate::wire::tcp::{self, SYN, Tcp};
use std::net::Ipv6Addr;

/// What the Maximum Segment Size of TCP connections is lowered to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MssClamp {
    /// Nothing: it crosses as it is.
    #[default]
    Off,
    /// The longest segment that fits the MTU towards both ends without fragments.
    Mtu,
    /// This many bytes of payload.
    Bytes(u16),
}

/// Kinds of TCP options: the end of the list, a filler, and the one of interest with its length (RFC 9293 §3.1).
const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_MSS: u8 = 2;
const MSS_LEN: u8 = 4;

impl MssClamp {
    /// The largest value that the option in `transport` may have where `fits` finds the longest segment; `None` when
    /// there is nothing to lower in it. A first fragment holds the option like a whole packet.
    pub(crate) fn limit(
        self,
        protocol: u8,
        part: Part,
        transport: &[u8],
        fits: impl FnOnce() -> usize,
    ) -> Option<u16> {
        if self == Self::Off || protocol != TCP || part == Part::Later {
            return None;
        }
        Tcp::copy_from(transport).filter(|header| header.flags() & SYN != 0)?;
        match self {
            Self::Off => None,
            Self::Bytes(most) => Some(most),
            Self::Mtu => Some(field16(fits())),
        }
    }
}

/// The longest segment between an IPv4 and an IPv6 host.
pub(crate) fn longest(path: &mut Path<'_>) -> usize {
    let v4 = path.mtu_v4().saturating_sub(Ipv4::LEN + Tcp::LEN);
    let v6 = path.mtu_v6().saturating_sub(Ipv6::LEN + Tcp::LEN);
    v4.min(v6)
}

/// The longest segment between two IPv6 hosts, when a packet from `src` is turned around. What the option bounds goes
/// to `src`, and nothing of it is ever IPv4.
pub(crate) fn longest_turned(path: &mut Path<'_>, src: Ipv6Addr) -> usize {
    path.mtu_v6().min(path.mtu_towards(src)).saturating_sub(Ipv6::LEN + Tcp::LEN)
}

/// Lowers every Maximum Segment Size option in `segment` to `limit`. `partial` says that the checksum covers the
/// pseudo-header only, so that what changes behind it does not concern it.
pub(crate) fn clamp(segment: &mut [u8], limit: u16, partial: bool) {
    let Some(header) = Tcp::copy_from(segment) else { return };
    let end = header.header_len().min(segment.len());
    let mut at = Tcp::LEN;
    while let Some(&[kind, len]) = segment.get(at..end).and_then(|options| options.first_chunk()) {
        match (kind, len) {
            (OPTION_NOP, _) => at += 1,
            (OPTION_END, _) | (_, 0 | 1) => return,
            (OPTION_MSS, MSS_LEN) if at + usize::from(MSS_LEN) <= end => {
                lower(segment, at + 2, limit, partial);
                at += usize::from(MSS_LEN);
            }
            (_, len) => at += usize::from(len),
        }
    }
}

/// Lowers the value at `at` to `limit`.
fn lower(segment: &mut [u8], at: usize, limit: u16, partial: bool) {
    let view = QuotedTransport(segment);
    let (Some(old), Some(checksum)) = (view.word(at), view.word(tcp::CHECKSUM_AT)) else { return };
    if old <= limit {
        return;
    }
    set_word(segment, at, limit);
    if !partial {
        // A value that straddles two words of the sum enters it with its bytes swapped (RFC 1071 §2 (B)).
        let word = |value: u16| Sum::word(if at.is_multiple_of(2) { value } else { value.swap_bytes() });
        let delta = Delta { removed: word(old), added: word(limit) };
        set_word(segment, tcp::CHECKSUM_AT, delta.apply(checksum));
    }
}

#[cfg(test)]
mod tests;
