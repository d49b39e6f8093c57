//! IPv6 extension headers (RFC 8200 §4): the walk from the IPv6 header to the transport.
//!
//! ```text
//!   |  next header  |    length     |  ...  routing: type, segments left (byte 3)
//! ```
//! The length counts units of 8 bytes beyond the first 8. Hop-by-hop options, destination options and routing headers
//! are passed over in any order (RFC 7915 §5.1 ignores them); the Fragment header ends the walk, since what follows it
//! may be the middle of a packet; every other number, the Authentication Header among them, is the transport.

use super::fragment::Fragment;
use super::ipv6::{Ipv6, NEXT_HEADER_AT};
use super::protocol::{
    AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HIP, HOP_BY_HOP, MOBILITY, ROUTING, SHIM6,
};
use crate::verdict::DropReason;

/// Headers that must not follow a Fragment header (RFC 7915 §5.1.1: all but ESP).
const BARRED_BEHIND_FRAGMENT: [u8; 8] =
    [HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS, MOBILITY, HIP, SHIM6];

/// Offset of Segments Left in a routing header.
const SEGMENTS_LEFT: usize = 3;

/// The headers of an IPv6 packet up to its transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    /// The IPv6 header.
    pub(crate) ip: Ipv6<[u8; 40]>,
    /// The transport protocol, or whatever ended the walk.
    pub(crate) protocol: u8,
    /// Offset in the packet of the field that names the protocol.
    pub(crate) protocol_at: usize,
    /// Offset of the transport header in the packet.
    pub(crate) transport: usize,
    /// The Fragment header, if there is one.
    pub(crate) fragment: Option<Fragment<[u8; 8]>>,
    /// Offset in the packet of a Segments Left field that is not zero.
    pub(crate) segments_left_at: Option<usize>,
}

/// Walks the extension headers of `packet`, which starts with an IPv6 header and ends where that says.
pub(crate) fn walk(packet: &[u8]) -> Result<Chain, DropReason> {
    let ip = Ipv6::copy_from(packet).ok_or(DropReason::ExtensionHeader)?;
    let mut chain = Chain {
        ip,
        protocol: ip.next_header(),
        protocol_at: NEXT_HEADER_AT.into(),
        transport: Ipv6::LEN,
        fragment: None,
        segments_left_at: None,
    };
    loop {
        let here = packet.get(chain.transport..).ok_or(DropReason::ExtensionHeader)?;
        match chain.protocol {
            HOP_BY_HOP | DESTINATION_OPTIONS | ROUTING => {
                let [next, len, _, segments_left, ..] = *here else {
                    return Err(DropReason::ExtensionHeader);
                };
                if chain.protocol == ROUTING && segments_left != 0 && chain.segments_left_at.is_none() {
                    chain.segments_left_at = Some(chain.transport + SEGMENTS_LEFT);
                }
                chain.protocol = next;
                chain.protocol_at = chain.transport;
                chain.transport += (usize::from(len) + 1) * 8;
            }
            FRAGMENT => {
                let fragment = Fragment::copy_from(here).ok_or(DropReason::ExtensionHeader)?;
                if BARRED_BEHIND_FRAGMENT.contains(&fragment.next_header()) {
                    return Err(DropReason::ExtensionAfterFragment);
                }
                chain.protocol = fragment.next_header();
                chain.protocol_at = chain.transport;
                chain.transport += Fragment::LEN;
                chain.fragment = Some(fragment);
                return Ok(chain);
            }
            _ => return Ok(chain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(next_header: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = Ipv6::zeroed();
        header.set_class(0);
        header.set_next_header(next_header);
        let mut packet = header.bytes().to_vec();
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn options_and_spent_routing_headers_are_passed_over() {
        let mut rest = vec![43, 0, 1, 4, 0, 0, 0, 0];
        rest.extend_from_slice(&[60, 2, 0, 0]);
        rest.extend_from_slice(&[0; 20]);
        rest.extend_from_slice(&[6, 0, 1, 4, 0, 0, 0, 0]);
        rest.extend_from_slice(&[0; 20]);
        let chain = walk(&packet(0, &rest)).expect("well-formed");
        assert_eq!((chain.protocol, chain.protocol_at, chain.transport), (6, 72, 80));
        assert_eq!(chain.segments_left_at, None);
    }

    #[test]
    fn segments_left_is_found_with_its_offset() {
        let chain = walk(&packet(43, &[17, 0, 0, 1, 0, 0, 0, 0])).expect("well-formed");
        assert_eq!(chain.segments_left_at, Some(43));
    }

    #[test]
    fn fragment_header_ends_the_walk() {
        let chain = walk(&packet(44, &[17, 0, 0, 9, 0, 0, 0, 7, 0, 0])).expect("well-formed");
        assert_eq!((chain.protocol, chain.transport), (17, 48));
        let fragment = chain.fragment.expect("there is one");
        assert_eq!((fragment.offset(), fragment.more(), fragment.identification()), (8, true, 7));
    }

    #[test]
    fn extension_headers_behind_a_fragment_header_are_refused_except_esp() {
        for next in BARRED_BEHIND_FRAGMENT {
            let result = walk(&packet(44, &[next, 0, 0, 0, 0, 0, 0, 0]));
            assert_eq!(result.err(), Some(DropReason::ExtensionAfterFragment), "{next}");
        }
        assert!(walk(&packet(44, &[50, 0, 0, 0, 0, 0, 0, 0])).is_ok());
    }

    #[test]
    fn authentication_header_counts_as_the_transport() {
        let chain = walk(&packet(51, &[6, 4, 0, 0])).expect("well-formed");
        assert_eq!((chain.protocol, chain.transport), (51, 40));
    }

    #[test]
    fn headers_that_are_cut_short_are_refused() {
        for rest in [&[][..], &[6], &[6, 0, 0], &[6, 1, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(walk(&packet(0, rest)).err(), Some(DropReason::ExtensionHeader), "{rest:?}");
        }
        assert_eq!(walk(&packet(44, &[6, 0, 0, 0, 0, 0, 0])).err(), Some(DropReason::ExtensionHeader));
    }
}
