//! Holds what ours emits against etherparse: lengths, and every checksum that ought to be right.

use super::anatomy::Anatomy;
use anyhow::{Context, Result, bail, ensure};
use etherparse::checksum::Sum16BitWords;
use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice, LaxSlicedPacket, TransportSlice};

/// The octets of a packet's addresses.
enum Ends {
    V4([u8; 4], [u8; 4]),
    V6([u8; 16], [u8; 16]),
}

/// Judges one of the packets that the packet `arrived` became.
pub(crate) fn judge(arrived: &Anatomy, emitted: &[u8]) -> Result<()> {
    let ends = judge_header(emitted)?;
    let parsed = LaxSlicedPacket::from_ip(emitted)?;
    let is_part =
        parsed.net.as_ref().and_then(|net| net.ip_payload_ref()).is_some_and(|payload| payload.fragmented);
    let Some(transport) = parsed.transport.filter(|_| !is_part) else { return Ok(()) };
    // What goes back to where the packet came from is the translator's own word.
    let is_own = Anatomy::of(emitted).get("dst") == arrived.get("src");
    // An echo request with a wrong checksum gets a reply with one as wrong.
    let is_wrong = arrived.get("icmp.checksum").starts_with("off");
    if arrived.has_right_checksum() || is_own && !is_wrong {
        ensure!(is_right(&transport, &ends)?, "a transport checksum that etherparse does not agree with");
    }
    match &transport {
        TransportSlice::Icmpv4(icmp) if [3, 11, 12].contains(&icmp.type_u8()) => judge_quoted(icmp.payload()),
        _ => Ok(()),
    }
}

fn judge_header(packet: &[u8]) -> Result<Ends> {
    if packet.first().is_some_and(|first| first >> 4 == 4) {
        let header = Ipv4HeaderSlice::from_slice(packet).context("an IPv4 header")?.to_header();
        ensure!(header.header_checksum == header.calc_header_checksum(), "an IPv4 header checksum");
        ensure!(usize::from(header.total_len) == packet.len(), "an IPv4 total length");
        Ok(Ends::V4(header.source, header.destination))
    } else {
        let header = Ipv6HeaderSlice::from_slice(packet).context("an IPv6 header")?.to_header();
        ensure!(usize::from(header.payload_length) + 40 == packet.len(), "an IPv6 payload length");
        Ok(Ends::V6(header.source, header.destination))
    }
}

/// The header of a packet in an ICMP error; it may be cut short.
fn judge_quoted(quoted: &[u8]) -> Result<()> {
    let Ok(header) = Ipv4HeaderSlice::from_slice(quoted) else { return Ok(()) };
    let header = header.to_header();
    ensure!(header.header_checksum == header.calc_header_checksum(), "a quoted IPv4 header checksum");
    Ok(())
}

fn is_right(transport: &TransportSlice<'_>, ends: &Ends) -> Result<bool> {
    Ok(match (transport, ends) {
        (TransportSlice::Udp(udp), Ends::V4(src, dst)) => {
            udp.checksum() == udp.to_header().calc_checksum_ipv4_raw(*src, *dst, udp.payload())?
        }
        (TransportSlice::Udp(udp), Ends::V6(src, dst)) => {
            udp.checksum() == udp.to_header().calc_checksum_ipv6_raw(*src, *dst, udp.payload())?
        }
        (TransportSlice::Tcp(tcp), Ends::V4(src, dst)) => {
            tcp.checksum() == tcp.calc_checksum_ipv4(*src, *dst)?
        }
        (TransportSlice::Tcp(tcp), Ends::V6(src, dst)) => {
            tcp.checksum() == tcp.calc_checksum_ipv6(*src, *dst)?
        }
        (TransportSlice::Icmpv4(icmp), Ends::V4(..)) => {
            Sum16BitWords::new().add_slice(icmp.slice()).ones_complement() == 0
        }
        (TransportSlice::Icmpv6(icmp), Ends::V6(src, dst)) => icmp.is_checksum_valid(*src, *dst),
        // Another transport's is nobody's to change.
        (TransportSlice::Igmp(_), _) => true,
        (TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_), _) => {
            bail!("a transport of the other family")
        }
    })
}
