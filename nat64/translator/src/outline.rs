//! What an operator knows a packet by: addresses, protocol, ports or ICMP type, length.
//!
//! Read from as much of the packet as is there, good or bad: every part is an `Option`. Judges nothing.

use crate::wire::extension;
use crate::wire::ipv4::Ipv4;
use crate::wire::ipv6::Ipv6;
use crate::wire::protocol::{ICMPV4, ICMPV6, TCP, UDP};
use crate::wire::quoted::QuotedTransport;
use std::net::IpAddr;

/// The outline of one packet. A plain value of fixed size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The source.
    pub src: Option<IpAddr>,
    /// The destination.
    pub dst: Option<IpAddr>,
    /// The transport's number, behind the extension headers.
    pub protocol: Option<u8>,
    /// What the transport's header begins with; `None` in fragments other than the first.
    pub endpoints: Option<Endpoints>,
}

/// What the transport's header begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// Source and destination port of TCP or UDP.
    Ports(u16, u16),
    /// Type and code of ICMP or ICMPv6.
    Icmp(u8, u8),
}

impl Outline {
    /// The outline of the packet that begins with `head`.
    pub fn of(head: &[u8]) -> Self {
        match head.first().map(|first| first >> 4) {
            Some(4) => Self::of_v4(head),
            Some(6) => Self::of_v6(head),
            _ => Self::default(),
        }
    }

    fn of_v4(head: &[u8]) -> Self {
        let Some(header) = Ipv4::copy_from(head) else { return Self::default() };
        let transport = head.get(header.header_len()..).filter(|_| header.fragment_offset() == 0);
        Self {
            src: Some(header.src().into()),
            dst: Some(header.dst().into()),
            protocol: Some(header.protocol()),
            endpoints: transport.and_then(|transport| endpoints(header.protocol(), transport)),
        }
    }

    fn of_v6(head: &[u8]) -> Self {
        let Some(header) = Ipv6::copy_from(head) else { return Self::default() };
        let chain = extension::walk(head).ok();
        let later = |chain: &extension::Chain| chain.fragment.is_some_and(|fragment| fragment.offset() > 0);
        Self {
            src: Some(header.src().into()),
            dst: Some(header.dst().into()),
            protocol: Some(chain.map_or(header.next_header(), |chain| chain.protocol)),
            endpoints: chain
                .filter(|chain| !later(chain))
                .and_then(|chain| endpoints(chain.protocol, head.get(chain.transport..).unwrap_or_default())),
        }
    }
}

fn endpoints(protocol: u8, transport: &[u8]) -> Option<Endpoints> {
    let transport = QuotedTransport(transport);
    match protocol {
        TCP | UDP => Some(Endpoints::Ports(transport.word(0)?, transport.word(2)?)),
        ICMPV4 | ICMPV6 => Some(Endpoints::Icmp(transport.byte(0)?, transport.byte(1)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use etherparse::{Icmpv4Type, IpNumber};

    fn check(packet: &[u8], expect: (IpAddr, IpAddr), protocol: u8, endpoints: Option<Endpoints>) {
        let expect =
            Outline { src: Some(expect.0), dst: Some(expect.1), protocol: Some(protocol), endpoints };
        assert_eq!(Outline::of(packet), expect);
    }

    #[test]
    fn ports_and_icmp_types_are_found_in_both_families() {
        let (out, back) = ((CLIENT.into(), REMOTE_V6.into()), (REMOTE.into(), LEASED.into()));
        let udp = udp_out(b"payload");
        check(&udp, out, 17, Some(Endpoints::Ports(word(&udp, 40), word(&udp, 42))));
        let udp = udp_in(b"payload");
        check(&udp, back, 17, Some(Endpoints::Ports(word(&udp, 20), word(&udp, 22))));
        let echo = ipv4(REMOTE, LEASED, IpNumber::ICMP, &icmp4(Icmpv4Type::EchoRequest(ECHO), b""));
        check(&echo, back, 1, Some(Endpoints::Icmp(8, 0)));
    }

    #[test]
    fn what_is_cut_off_is_missing_and_the_rest_is_there() {
        let packet = udp_out(b"payload");
        let whole = Outline::of(&packet);
        assert_eq!(Outline::of(&packet[..43]), Outline { endpoints: None, ..whole });
        assert_eq!(Outline::of(&packet[..39]), Outline::default());
        assert_eq!(Outline::of(&[0x20; 60]), Outline::default());
        assert_eq!(Outline::of(&[]), Outline::default());
    }

    #[test]
    fn later_fragments_have_no_ports() {
        let later = |offset| {
            let fragment = fragmented(IpNumber::UDP, offset, true, 7, &udp6(CLIENT, REMOTE_V6, b"payload."));
            Outline::of(&ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &fragment))
        };
        assert_eq!((later(0).protocol, later(8).protocol), (Some(17), Some(17)));
        assert!(later(0).endpoints.is_some() && later(8).endpoints.is_none());
    }
}
