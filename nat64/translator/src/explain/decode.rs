//! Packets in words, good or bad, as far as they can be read.

use crate::checksum::{Pair, Sum};
use crate::outline::{Endpoints, Outline};
use crate::transport::Check;
use crate::wire::extension::{self, Chain};
use crate::wire::fragment::Fragment;
use crate::wire::ipv4::Ipv4;
use crate::wire::ipv6::Ipv6;
use crate::wire::protocol::{DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ICMPV4, ICMPV6, ROUTING, TCP, UDP};
use crate::wire::quoted::QuotedTransport;
use crate::wire::{icmpv4, icmpv6, tcp, udp};

/// The headers of `packet` in one line.
pub(super) fn decode(packet: &[u8]) -> String {
    match packet.first().map(|first| first >> 4) {
        Some(4) => ipv4(packet),
        Some(6) => ipv6(packet),
        _ => None,
    }
    .unwrap_or_else(|| format!("{} bytes that are no IP packet", packet.len()))
}

fn ipv4(packet: &[u8]) -> Option<String> {
    let header = Ipv4::copy_from(packet)?;
    let mut text = format!(
        "IPv4 {} -> {}, {} bytes, TTL {}, TOS {:#04x}",
        header.src(),
        header.dst(),
        header.total_len(),
        header.ttl(),
        header.tos()
    );
    text += if header.dont_fragment() { ", DF" } else { "" };
    if header.is_fragment() {
        text += &part(header.fragment_offset(), header.more_fragments(), header.identification().into());
    }
    let end = packet.len().min(header.total_len().into());
    let body = packet.get(header.header_len()..end).unwrap_or_default();
    let is_whole = !header.is_fragment() && end == usize::from(header.total_len());
    let pair = Pair { src: header.src(), dst: header.dst() };
    let sum = is_whole.then(|| pair.pseudo_header(header.protocol(), body.len()));
    Some(text + &transport(header.protocol(), body, Outline::of(packet), sum))
}

fn ipv6(packet: &[u8]) -> Option<String> {
    let header = Ipv6::copy_from(packet)?;
    let mut text = format!(
        "IPv6 {} -> {}, {} bytes, hop limit {}, class {:#04x}",
        header.src(),
        header.dst(),
        Ipv6::LEN + usize::from(header.payload_len()),
        header.hop_limit(),
        header.traffic_class()
    );
    let Ok(chain) = extension::walk(packet) else {
        return Some(text + "; its extension headers cannot be read");
    };
    if let Some(fragment) = &chain.fragment {
        text += &part(fragment.offset(), fragment.more(), fragment.identification());
    }
    let whole = Ipv6::LEN + usize::from(header.payload_len());
    let body = packet.get(chain.transport..packet.len().min(whole)).unwrap_or_default();
    let is_whole = chain.fragment.is_none_or(|fragment| fragment.is_atomic()) && packet.len() >= whole;
    let pair = Pair { src: header.src(), dst: header.dst() };
    let sum = is_whole.then(|| pair.pseudo_header(chain.protocol, body.len()));
    Some(text + &transport(chain.protocol, body, Outline::of(packet), sum))
}

fn part(offset: usize, more: bool, id: u32) -> String {
    format!(", fragment {id} at {offset}{}", if more { ", more follow" } else { "" })
}

/// The transport behind the IP header. `pseudo_header` is there if all of it is.
fn transport(protocol: u8, body: &[u8], outline: Outline, pseudo_header: Option<Sum>) -> String {
    let checksum_at = match protocol {
        TCP => Some(tcp::CHECKSUM_AT),
        UDP => Some(udp::CHECKSUM_AT),
        ICMPV4 | ICMPV6 => Some(icmpv4::CHECKSUM_AT),
        _ => None,
    };
    let pseudo_header =
        if protocol == ICMPV4 { pseudo_header.map(|_| Sum::default()) } else { pseudo_header };
    let checksum = match (checksum_at.and_then(|at| QuotedTransport(body).word(at)), pseudo_header) {
        (Some(0), _) if protocol == UDP => ", no checksum",
        (Some(_), Some(sum)) if Sum::of(body).plus(sum).checksum() == 0 => ", checksum right",
        (Some(_), Some(_)) => ", checksum wrong",
        _ => "",
    };
    let text = match (protocol, outline.endpoints) {
        (TCP, Some(Endpoints::Ports(src, dst))) => format!("TCP {src} -> {dst}{}", flags(body)),
        (UDP, Some(Endpoints::Ports(src, dst))) => format!("UDP {src} -> {dst}"),
        (ICMPV4, Some(Endpoints::Icmp(kind, code))) => {
            let mtu = (kind, code) == (icmpv4::UNREACHABLE, 4);
            format!("ICMP type {kind} code {code}{}", told(body, 6, mtu))
        }
        (ICMPV6, Some(Endpoints::Icmp(kind, code))) => {
            format!("ICMPv6 type {kind} code {code}{}", told(body, 6, kind == icmpv6::PACKET_TOO_BIG))
        }
        _ => format!("protocol {protocol}, {} bytes", body.len()),
    };
    format!("; {text}{checksum}")
}

/// The MTU in the low half of the word behind the checksum.
fn told(body: &[u8], at: usize, is_there: bool) -> String {
    let mtu = QuotedTransport(body).word(at).filter(|_| is_there);
    mtu.map_or_else(String::new, |mtu| format!(", MTU {mtu}"))
}

/// The flags of a TCP header by name.
fn flags(body: &[u8]) -> String {
    const NAMES: [(u8, &str); 6] =
        [(0x01, "FIN"), (0x02, "SYN"), (0x04, "RST"), (0x08, "PSH"), (0x10, "ACK"), (0x20, "URG")];
    let set = QuotedTransport(body).byte(13).unwrap_or_default();
    let names: Vec<_> = NAMES.iter().filter(|(bit, _)| set & bit != 0).map(|(_, name)| *name).collect();
    if names.is_empty() { String::new() } else { format!(" {}", names.join(" ")) }
}

/// The extension headers of an IPv6 packet, by name.
pub(super) fn extensions(packet: &[u8]) -> Vec<String> {
    let Ok(Chain { ip, transport, .. }) = extension::walk(packet) else { return Vec::new() };
    let mut names = Vec::new();
    let (mut kind, mut at) = (ip.next_header(), Ipv6::LEN);
    while at < transport {
        let [next, words, ..] = *packet.get(at..).unwrap_or_default() else { break };
        let len = if kind == FRAGMENT { Fragment::LEN } else { (usize::from(words) + 1) * 8 };
        let name = match kind {
            HOP_BY_HOP => "Hop-by-Hop Options",
            DESTINATION_OPTIONS => "Destination Options",
            ROUTING => "Routing",
            FRAGMENT => "Fragment",
            _ => "unknown",
        };
        names.push(format!("{name} ({len} bytes)"));
        (kind, at) = (next, at + len);
    }
    names
}

/// What is done to the checksum of a transport.
pub(super) fn check(protocol: u8, check: Check) -> String {
    match check {
        Check::Keep if matches!(protocol, TCP | UDP) => "crosses as it is".to_owned(),
        Check::Keep => format!("protocol {protocol} crosses as it is"),
        Check::Adjust(_) | Check::AdjustUdp => "the checksum follows the addresses".to_owned(),
        Check::ComputeUdp(len) => format!("no checksum: one is computed over {len} bytes"),
    }
}
