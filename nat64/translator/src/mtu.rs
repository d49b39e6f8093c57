//! Sizes: what fits, and what is said about what does not.
//!
//! IPv6 headers are 20 bytes longer than IPv4 ones, and 28 with a Fragment header; RFC 7915 §4 and §5 keep path MTU
//! discovery working across that difference. A super-packet is judged by its segments, since those are what crosses a
//! link.

use crate::next_hop::Path;
use crate::offload::{Segment, SegmentKind};
use crate::translator::Params;
use crate::wire::fragment::Fragment;
use crate::wire::ipv4::Ipv4;
use crate::wire::ipv6::Ipv6;

/// The smallest MTU of an IPv6 link (RFC 8200 §5).
pub(crate) const MIN_IPV6_MTU: usize = 1280;
/// Largest ICMP error (RFC 1812 §4.3.2.3).
pub(crate) const MAX_ICMPV4_ERROR: usize = 576;
/// The smallest MTU of an IPv4 link (RFC 791 §3.1).
pub(crate) const MIN_IPV4_MTU: usize = 68;
/// Largest IPv4 packet that leaves without DF when it comes from an unfragmented IPv6 packet (RFC 7915 §5).
pub(crate) const MAX_WITHOUT_DF: usize = 1260;
/// Payload bytes of the smallest TCP segment that a super-packet is cut into.
const MIN_SEGMENT: usize = 64;
/// What IPv6 needs more than IPv4.
const GROWTH: usize = 20;

/// Plateaus of RFC 1191 §7.1 that an IPv6 path can have, largest first: the likely path MTU when a router does not
/// tell one.
const PLATEAUS: [usize; 7] = [65_535, 32_000, 17_914, 8166, 4352, 2002, 1492];

/// How a translated packet fits the next link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// As it is.
    Whole,
    /// As a super-packet of smaller TCP segments, with this many payload bytes each.
    Segments(u16),
    /// In fragments of at most this many bytes, IP header included.
    Fragments(usize),
    /// Not at all; the sender must keep to this MTU of its own side.
    TooBig(usize),
}

/// How an IPv4 packet with `payload` bytes behind its header fits into IPv6 (RFC 7915 §4, §4.1).
///
/// Choice: the size compared is that of the resulting packet, so IPv4 options, which do not cross, do not count.
pub(crate) fn fit_v6(
    params: &Params,
    path: &mut Path<'_>,
    header: &Ipv4<[u8; 20]>,
    payload: usize,
    segment: Option<Segment>,
) -> Fit {
    let fragment_header = if header.is_fragment() { Fragment::LEN } else { 0 };
    let size = Ipv6::LEN + fragment_header + segment.map_or(payload, Segment::len);
    if size <= MIN_IPV6_MTU {
        return Fit::Whole;
    }
    let mtu = path.mtu_v6();
    if header.dont_fragment() {
        return if size <= mtu { Fit::Whole } else { Fit::TooBig(mtu - GROWTH - fragment_header) };
    }
    let limit = mtu.min(usize::from(params.ipv6_min_mtu));
    if size <= limit { Fit::Whole } else { cut(limit, Ipv6::LEN, segment) }
}

/// How an IPv6 packet of `arrived` bytes, of which `payload` are transport, fits into IPv4 (RFC 7915 §5, §5.1.1).
pub(crate) fn fit_v4(
    path: &mut Path<'_>,
    has_fragment_header: bool,
    arrived: usize,
    payload: usize,
    segment: Option<Segment>,
) -> Fit {
    let size = Ipv4::LEN + segment.map_or(payload, Segment::len);
    if size <= MIN_IPV4_MTU {
        return Fit::Whole;
    }
    let mtu = path.mtu_v4();
    if size <= mtu {
        return Fit::Whole;
    }
    let arrived = segment.map_or(arrived, |segment| arrived - payload + segment.len());
    if arrived <= MIN_IPV6_MTU {
        return cut(mtu, Ipv4::LEN, segment);
    }
    let fragment_header = if has_fragment_header { Fragment::LEN } else { 0 };
    Fit::TooBig((mtu + GROWTH + fragment_header).min(path.mtu_v6()).max(MIN_IPV6_MTU))
}

/// How an IPv6 packet fits that stays one, with its transport at the same place: routers do not cut it (RFC 8200 §5).
pub(crate) fn fit_turned(
    path: &mut Path<'_>,
    transport: usize,
    payload: usize,
    segment: Option<Segment>,
) -> Fit {
    let size = transport + segment.map_or(payload, Segment::len);
    if size <= MIN_IPV6_MTU {
        return Fit::Whole;
    }
    let mtu = path.mtu_v6();
    if size <= mtu { Fit::Whole } else { Fit::TooBig(mtu) }
}

/// Cuts a packet that may be cut: TCP super-packets into smaller segments, everything else into fragments.
fn cut(limit: usize, header: usize, segment: Option<Segment>) -> Fit {
    match segment {
        Some(Segment { kind: SegmentKind::Tcp, header_len, size }) => {
            // Headers may leave no room below an MTU of about 150; then routers on the way must fragment.
            let room = limit.saturating_sub(header + header_len).max(MIN_SEGMENT);
            Fit::Segments(u16::try_from(room).unwrap_or(size).min(size))
        }
        _ => Fit::Fragments(limit),
    }
}

/// The MTU of the Packet Too Big that a Fragmentation Needed becomes (RFC 7915 §4.2).
///
/// `claimed` is its MTU field and `quoted_len` the total length of the packet it quotes. Choice: an MTU that no IPv4
/// link may have is treated like none.
pub(crate) fn packet_too_big(path: &mut Path<'_>, claimed: u16, quoted_len: u16) -> u32 {
    let claimed = match usize::from(claimed) {
        0..MIN_IPV4_MTU => PLATEAUS
            .into_iter()
            .find(|plateau| *plateau < usize::from(quoted_len))
            .unwrap_or(MIN_IPV6_MTU - GROWTH),
        told => told,
    };
    let mtu = (claimed + GROWTH).min(path.mtu_v6()).min(path.mtu_v4() + GROWTH).max(MIN_IPV6_MTU);
    u32::try_from(mtu).expect("mtu_v6 bounds it to 65 535")
}

/// The MTU of the Fragmentation Needed that a Packet Too Big becomes (RFC 7915 §5.2).
///
/// `claimed` is its MTU field. Choice: never below the smallest MTU of IPv4.
pub(crate) fn fragmentation_needed(
    path: &mut Path<'_>,
    claimed: u32,
    quoted_has_fragment_header: bool,
) -> u16 {
    let growth = if quoted_has_fragment_header { GROWTH + Fragment::LEN } else { GROWTH };
    let claimed = usize::try_from(claimed).unwrap_or(usize::MAX);
    let mtu = claimed.saturating_sub(growth).min(path.mtu_v4()).min(path.mtu_v6() - GROWTH).max(MIN_IPV4_MTU);
    u16::try_from(mtu).expect("mtu_v4 bounds it to 65 535")
}

#[cfg(test)]
mod tests;
