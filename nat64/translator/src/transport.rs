//! Transport checksums in a translated packet (RFC 7915 §4.5, §5.5).
//!
//! TCP and UDP sum the addresses into their checksums, so new addresses change them; both families treat them alike.
//! Every other transport crosses untouched, whether or not its receiver will like that. Fragments behind the first
//! have no transport header and are not looked at.

use crate::checksum::{Delta, Sum, for_udp};
use crate::translator::UdpZeroChecksum;
use crate::verdict::DropReason;
use crate::wire::protocol::{TCP, UDP};
use crate::wire::quoted::{QuotedTransport, set_word};
use crate::wire::tcp::{self, Tcp};
use crate::wire::udp::{self, Udp};

/// Which part of a transport message a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// The beginning.
    First,
    /// Something behind the beginning.
    Later,
}

/// What must be done to a transport checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Nothing.
    Keep,
    /// Adjusted to what changed, at this offset.
    Adjust(usize),
    /// The same for UDP, where a computed zero is sent as all ones.
    AdjustUdp,
    /// Computed over this many bytes, since UDP came without one.
    ComputeUdp(usize),
}

/// Decides what the checksum in `transport` needs; changes nothing. `partial` says that it holds the sum of the
/// pseudo-header only.
pub(crate) fn inspect(
    protocol: u8,
    transport: &[u8],
    part: Part,
    partial: bool,
    zero: UdpZeroChecksum,
) -> Result<Check, DropReason> {
    match protocol {
        _ if part == Part::Later => Ok(Check::Keep),
        TCP if transport.len() < Tcp::LEN => Err(DropReason::TransportHeader),
        TCP => Ok(Check::Adjust(tcp::CHECKSUM_AT)),
        UDP => {
            let header = Udp::copy_from(transport).ok_or(DropReason::TransportHeader)?;
            if partial || header.checksum() != 0 {
                return Ok(Check::AdjustUdp);
            }
            match zero {
                UdpZeroChecksum::Forward => Ok(Check::Keep),
                UdpZeroChecksum::Calculate if part == Part::Whole => {
                    let len = usize::from(header.len());
                    if len < Udp::LEN || len > transport.len() {
                        return Err(DropReason::TransportHeader);
                    }
                    Ok(Check::ComputeUdp(len))
                }
                UdpZeroChecksum::Calculate | UdpZeroChecksum::Drop => Err(DropReason::UdpZeroChecksum),
            }
        }
        _ => Ok(Check::Keep),
    }
}

impl Check {
    /// Does it. `pseudo_header` gives the sum of the new pseudo-header for an upper layer of so many bytes.
    pub(crate) fn apply(
        self,
        transport: &mut [u8],
        delta: Delta,
        partial: bool,
        pseudo_header: impl FnOnce(usize) -> Sum,
    ) {
        let adjusted = |at: usize| {
            let old = QuotedTransport(transport).word(at).unwrap_or_default();
            if partial { delta.apply_partial(old) } else { delta.apply(old) }
        };
        match self {
            Self::Keep => {}
            Self::Adjust(at) => {
                let new = adjusted(at);
                set_word(transport, at, new);
            }
            Self::AdjustUdp => {
                let new = adjusted(udp::CHECKSUM_AT);
                set_word(transport, udp::CHECKSUM_AT, if partial { new } else { for_udp(new) });
            }
            Self::ComputeUdp(len) => {
                let sum = Sum::of(&transport[..len.min(transport.len())]).plus(pseudo_header(len));
                set_word(transport, udp::CHECKSUM_AT, for_udp(sum.checksum()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(len: u16, checksum: u16, bytes: usize) -> Vec<u8> {
        let mut header = Udp::zeroed();
        header.set_len(len);
        header.set_checksum(checksum);
        let mut datagram = header.bytes().to_vec();
        datagram.resize(bytes, 0);
        datagram
    }

    #[test]
    fn udp_without_checksum_follows_the_policy() {
        let check = |zero: UdpZeroChecksum, part: Part, expect: Result<Check, DropReason>| {
            assert_eq!(inspect(UDP, &udp(12, 0, 12), part, false, zero), expect, "{zero:?} {part:?}");
        };
        check(UdpZeroChecksum::Drop, Part::Whole, Err(DropReason::UdpZeroChecksum));
        check(UdpZeroChecksum::Drop, Part::First, Err(DropReason::UdpZeroChecksum));
        check(UdpZeroChecksum::Drop, Part::Later, Ok(Check::Keep));
        check(UdpZeroChecksum::Calculate, Part::Whole, Ok(Check::ComputeUdp(12)));
        check(UdpZeroChecksum::Calculate, Part::First, Err(DropReason::UdpZeroChecksum));
        check(UdpZeroChecksum::Calculate, Part::Later, Ok(Check::Keep));
        check(UdpZeroChecksum::Forward, Part::Whole, Ok(Check::Keep));
        check(UdpZeroChecksum::Forward, Part::First, Ok(Check::Keep));
    }

    #[test]
    fn partial_zero_is_a_sum_and_not_a_missing_checksum() {
        let result = inspect(UDP, &udp(8, 0, 8), Part::Whole, true, UdpZeroChecksum::Drop);
        assert_eq!(result, Ok(Check::AdjustUdp));
    }

    #[test]
    fn headers_that_are_cut_short_are_refused() {
        let inspect =
            |protocol, bytes: &[u8]| inspect(protocol, bytes, Part::Whole, false, UdpZeroChecksum::Calculate);
        assert_eq!(inspect(TCP, &[0; 19]), Err(DropReason::TransportHeader));
        assert_eq!(inspect(UDP, &[0; 7]), Err(DropReason::TransportHeader));
        assert_eq!(inspect(UDP, &udp(7, 0, 8)), Err(DropReason::TransportHeader));
        assert_eq!(inspect(UDP, &udp(9, 0, 8)), Err(DropReason::TransportHeader));
        assert_eq!(inspect(132, &[]), Ok(Check::Keep));
    }

    #[test]
    fn udp_checksum_that_becomes_zero_is_sent_as_all_ones() {
        let mut datagram = udp(8, 1, 8);
        let delta = Delta { removed: Sum::word(1), added: Sum::word(2) };
        Check::AdjustUdp.apply(&mut datagram, delta, false, |_| Sum::default());
        assert_eq!(datagram[6..], [0xff, 0xff]);
    }
}
