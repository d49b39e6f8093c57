//! From a description to bytes: every header whole, every checksum right, payload of zeros.

use super::{End, Icmp, IcmpError, Protocol, Sketch, SketchError};
use crate::checksum::{Pair, Sum, for_udp};
use crate::wire::field16;
use crate::wire::fragment::Fragment;
use crate::wire::icmpv4::{self, Icmpv4};
use crate::wire::icmpv6::{self, Icmpv6};
use crate::wire::ipv4::{DF, Ipv4, MF};
use crate::wire::ipv6::Ipv6;
use crate::wire::protocol::{FRAGMENT, ICMPV4, ICMPV6, TCP, UDP};
use crate::wire::quoted::set_word;
use crate::wire::tcp::{self, Tcp};
use crate::wire::udp::{self, Udp};
use std::net::IpAddr;

/// Ports where none are given: a client's, and a server's.
const CLIENT_PORT: u16 = 40_000;
const SERVER_PORT: u16 = 53;

/// Bytes of a fragment's payload where no length is given.
const PART: usize = 8;

/// Length of the packet that an ICMP error quotes the beginning of.
const QUOTED_LEN: usize = 1500;

/// The flag that most TCP packets carry.
const ACK: u8 = 0x10;

/// The bytes of the packet.
pub(super) fn packet(sketch: &Sketch<'_>) -> Result<Vec<u8>, SketchError> {
    let number = number(sketch);
    let is_later = sketch.offset > 0;
    let mut transport = if is_later { vec![0; PART] } else { header(sketch) };
    let fragmented =
        sketch.src.address.is_ipv6() && (is_later || sketch.more_fragments || sketch.id.is_some());
    let front = if sketch.src.address.is_ipv4() {
        Ipv4::LEN
    } else {
        Ipv6::LEN + if fragmented { Fragment::LEN } else { 0 }
    };
    if let Some((len, at)) = sketch.len {
        let least = front + if is_later { 0 } else { transport.len() };
        if len < least {
            let problem = format!("{len} bytes are too few: the headers alone have {least}");
            return Err(at.refuse(problem, "give a greater length, or leave it out"));
        }
        transport.resize(len - front, 0);
    }
    if !is_later {
        fill_checksum(sketch, number, &mut transport);
    }
    let mut packet = match (sketch.src.address, sketch.dst.address) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut ip = Ipv4::zeroed();
            ip.set_plain();
            ip.set_tos(sketch.tos);
            ip.set_total_len(field16(front + transport.len()));
            ip.set_identification(sketch.id.unwrap_or(0));
            let flags =
                if sketch.dont_fragment { DF } else { 0 } | if sketch.more_fragments { MF } else { 0 };
            ip.set_fragment(sketch.offset, flags);
            ip.set_ttl(sketch.ttl);
            ip.set_protocol(number);
            ip.set_src(src);
            ip.set_dst(dst);
            ip.fill_checksum();
            ip.bytes().to_vec()
        }
        (src, dst) => {
            let mut ip = Ipv6::zeroed();
            ip.set_class(sketch.tos);
            ip.set_payload_len(field16(front - Ipv6::LEN + transport.len()));
            ip.set_next_header(if fragmented { FRAGMENT } else { number });
            ip.set_hop_limit(sketch.ttl);
            ip.set_src(v6(src));
            ip.set_dst(v6(dst));
            ip.bytes().to_vec()
        }
    };
    if fragmented {
        let mut fragment = Fragment::zeroed();
        fragment.set_next_header(number);
        fragment.set_offset(sketch.offset, sketch.more_fragments);
        fragment.set_identification(sketch.id.unwrap_or(0).into());
        packet.extend_from_slice(fragment.bytes());
    }
    packet.append(&mut transport);
    Ok(packet)
}

/// An address of a packet whose ends are not both IPv4, which makes both IPv6.
const fn v6(address: IpAddr) -> std::net::Ipv6Addr {
    match address {
        IpAddr::V6(address) => address,
        IpAddr::V4(address) => address.to_ipv6_mapped(),
    }
}

/// The number of the transport.
const fn number(sketch: &Sketch<'_>) -> u8 {
    match sketch.protocol {
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
        Protocol::Icmp if sketch.src.address.is_ipv4() => ICMPV4,
        Protocol::Icmp => ICMPV6,
        Protocol::Other(number) => number,
    }
}

/// The transport without payload and without checksum.
fn header(sketch: &Sketch<'_>) -> Vec<u8> {
    let ports = (sketch.src.port.unwrap_or(CLIENT_PORT), sketch.dst.port.unwrap_or(SERVER_PORT));
    match sketch.protocol {
        Protocol::Tcp => {
            let mut tcp = Tcp::zeroed();
            tcp.set_src_port(ports.0);
            tcp.set_dst_port(ports.1);
            tcp.set_data_offset(5 << 4);
            tcp.set_flags(if sketch.tcp_flags == 0 { ACK } else { sketch.tcp_flags });
            tcp.bytes().to_vec()
        }
        Protocol::Udp => udp(ports).bytes().to_vec(),
        Protocol::Icmp if sketch.src.address.is_ipv4() => icmp_v4(sketch),
        Protocol::Icmp => icmp_v6(sketch),
        Protocol::Other(_) => Vec::new(),
    }
}

fn udp((src, dst): (u16, u16)) -> Udp<[u8; 8]> {
    let mut udp = Udp::zeroed();
    udp.set_src_port(src);
    udp.set_dst_port(dst);
    udp
}

fn icmp_v4(sketch: &Sketch<'_>) -> Vec<u8> {
    let mut icmp = Icmpv4::zeroed();
    let (kind, code) = match sketch.icmp {
        Icmp::Echo { is_reply: false } => (icmpv4::ECHO_REQUEST, 0),
        Icmp::Echo { is_reply: true } => (icmpv4::ECHO_REPLY, 0),
        Icmp::Raw { kind, code } => (kind, code),
        Icmp::Error { error: IcmpError::TooBig(mtu), .. } => {
            icmp.set_mtu(mtu);
            (icmpv4::UNREACHABLE, 4)
        }
        Icmp::Error { error: IcmpError::Unreachable, .. } => (icmpv4::UNREACHABLE, 1),
        Icmp::Error { error: IcmpError::Expired, .. } => (icmpv4::TIME_EXCEEDED, 0),
    };
    icmp.set_kind(kind);
    icmp.set_code(code);
    [icmp.bytes().as_slice(), &quoted(sketch)].concat()
}

fn icmp_v6(sketch: &Sketch<'_>) -> Vec<u8> {
    let mut icmp = Icmpv6::zeroed();
    let (kind, code) = match sketch.icmp {
        Icmp::Echo { is_reply: false } => (icmpv6::ECHO_REQUEST, 0),
        Icmp::Echo { is_reply: true } => (icmpv6::ECHO_REPLY, 0),
        Icmp::Raw { kind, code } => (kind, code),
        Icmp::Error { error: IcmpError::TooBig(mtu), .. } => {
            icmp.set_rest(mtu.into());
            (icmpv6::PACKET_TOO_BIG, 0)
        }
        Icmp::Error { error: IcmpError::Unreachable, .. } => (icmpv6::UNREACHABLE, 0),
        Icmp::Error { error: IcmpError::Expired, .. } => (icmpv6::TIME_EXCEEDED, 0),
    };
    icmp.set_kind(kind);
    icmp.set_code(code);
    [icmp.bytes().as_slice(), &quoted(sketch)].concat()
}

/// The beginning of the packet that an error is about: a UDP packet on its way back.
fn quoted(sketch: &Sketch<'_>) -> Vec<u8> {
    let Icmp::Error { about, .. } = sketch.icmp else { return Vec::new() };
    let about = about.unwrap_or(sketch.src);
    let ports = (SERVER_PORT, about.port.unwrap_or(CLIENT_PORT));
    let quoted = Sketch {
        protocol: Protocol::Udp,
        src: End { address: sketch.dst.address, port: Some(ports.0) },
        dst: End { address: about.address, port: Some(ports.1) },
        len: None,
        ttl: 60,
        tos: 0,
        id: None,
        dont_fragment: sketch.src.address.is_ipv4(),
        offset: 0,
        more_fragments: false,
        tcp_flags: 0,
        has_checksum: true,
        icmp: Icmp::Echo { is_reply: false },
    };
    let Ok(mut packet) = packet(&quoted) else { return Vec::new() };
    // The rest of the packet is not quoted; its headers tell of all of it.
    if sketch.src.address.is_ipv4() {
        if let Some(mut ip) = Ipv4::first_mut(&mut packet) {
            ip.set_total_len(field16(QUOTED_LEN));
            ip.fill_checksum();
        }
        set_word(&mut packet, Ipv4::LEN + 4, field16(QUOTED_LEN - Ipv4::LEN));
    } else {
        if let Some(mut ip) = Ipv6::first_mut(&mut packet) {
            ip.set_payload_len(field16(QUOTED_LEN - Ipv6::LEN));
        }
        set_word(&mut packet, Ipv6::LEN + 4, field16(QUOTED_LEN - Ipv6::LEN));
    }
    packet
}

/// Sets the lengths and checksums that the transport has.
fn fill_checksum(sketch: &Sketch<'_>, number: u8, transport: &mut [u8]) {
    let len = transport.len();
    let pseudo_header = match (sketch.src.address, sketch.dst.address) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Pair { src, dst }.pseudo_header(number, len),
        (src, dst) => Pair { src: v6(src), dst: v6(dst) }.pseudo_header(number, len),
    };
    match sketch.protocol {
        Protocol::Tcp => {
            let checksum = Sum::of(transport).plus(pseudo_header).checksum();
            set_word(transport, tcp::CHECKSUM_AT, checksum);
        }
        Protocol::Udp => {
            set_word(transport, 4, field16(len));
            if sketch.has_checksum {
                let checksum = for_udp(Sum::of(transport).plus(pseudo_header).checksum());
                set_word(transport, udp::CHECKSUM_AT, checksum);
            }
        }
        Protocol::Icmp => {
            let pseudo_header = if number == ICMPV6 { pseudo_header } else { Sum::default() };
            let checksum = Sum::of(transport).plus(pseudo_header).checksum();
            set_word(transport, icmpv4::CHECKSUM_AT, checksum);
        }
        Protocol::Other(_) => {}
    }
}
