//! A small world for tests: a translator with one of everything, packets built by etherparse, and etherparse as the
//! judge of every packet that leaves.
//!
//! ```text
//!   client 2001:db8:6::1  ── leased 192.0.2.101 ──┐
//!   mapped 2001:db8:7::7  ── explicit 198.51.100.7 ┤ translator ── remote 203.0.113.9 = 2001:db8:64::203.0.113.9
//!                     2001:db8:ffff::64 = 192.0.2.1 ┘
//! ```

use crate::class::Class;
use crate::frame::Frame;
use crate::icmp_source::IcmpSources;
use crate::mss::MssClamp;
use crate::next_hop::{Mtu, NextHops};
use crate::state::WorkerState;
use crate::translator::{Context, Hairpin, Leases, Params, Translator, UdpZeroChecksum};
use crate::verdict::{DropReason, Reply, Verdict};
use addr::{ExplicitMap, ExplicitMaps, Prefix64};
use etherparse::{
    IcmpEchoHeader, Icmpv4Type, Icmpv6Type, IpFragOffset, IpNumber, Ipv4Header, Ipv6Header, NetSlice,
    SlicedPacket, TransportSlice,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

pub(crate) const OWN_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const OWN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x64);
pub(crate) const CLIENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 1);
pub(crate) const LEASED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 101);
pub(crate) const MAPPED: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 7);
pub(crate) const MAPPED_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
pub(crate) const REMOTE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
pub(crate) const REMOTE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x64, 0, 0, 0, 0xcb00, 0x7109);
/// A router on the IPv6 side that has no IPv4 address.
pub(crate) const ROUTER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 0xfe);

pub(crate) fn prefix(text: &str) -> Prefix64 {
    text.parse().unwrap()
}

/// The parameters of the picture above.
pub(crate) fn params() -> Params {
    let map =
        ExplicitMap { v4: "198.51.100.7/32".parse().unwrap(), v6: "2001:db8:7::7/128".parse().unwrap() };
    Params {
        prefixes: prefix("2001:db8:64::/96").into(),
        allow_private_ipv4: false,
        own_v4: OWN_V4,
        own_v6: OWN_V6,
        maps: ExplicitMaps::new([map]).expect("a single map"),
        pools: vec!["192.0.2.0/24".parse().unwrap()],
        icmp_source_v4: IcmpSources::default(),
        icmp_source_v6: None,
        hairpin: Hairpin::Intrinsic,
        udp_zero_checksum: UdpZeroChecksum::Drop,
        ipv6_min_mtu: 1280,
        mtu_v4: Mtu::Fixed(1500),
        mtu_v6: Mtu::Fixed(1500),
        tcp_mss_clamp: MssClamp::Off,
        tos: Class::Copy,
        traffic_class: Class::Copy,
        icmp_error_rate: 1000,
    }
}

/// A pool of addresses from 192.0.2.101 on, as many as `free` says.
pub(crate) struct Pool {
    pub(crate) hosts: Vec<Ipv6Addr>,
    pub(crate) free: usize,
}

impl Pool {
    pub(crate) fn lease_of(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        self.hosts.iter().position(|host| *host == v6).map(Self::address)
    }

    pub(crate) fn host_of(&self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        let index = v4.to_bits().checked_sub(LEASED.to_bits())?;
        self.hosts.get(usize::try_from(index).unwrap()).copied()
    }

    /// The address of the host with this number.
    pub(crate) fn address(index: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(LEASED.to_bits() + u32::try_from(index).unwrap())
    }
}

impl Leases for Pool {
    fn lease_for_v6(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        if self.lease_of(v6).is_none() && self.free > 0 {
            self.free -= 1;
            self.hosts.push(v6);
        }
        self.lease_of(v6)
    }

    fn known_lease_for_v6(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        self.lease_of(v6)
    }

    fn v6_of_lease(&mut self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        self.host_of(v4)
    }
}

/// The same MTU towards every destination of a family, save one, and a count of who asked.
#[derive(Default)]
pub(crate) struct Routes {
    pub(crate) mtu_v4: Option<u16>,
    pub(crate) mtu_v6: Option<u16>,
    pub(crate) narrow_v6: Option<(Ipv6Addr, u16)>,
    pub(crate) asked: Vec<IpAddr>,
}

impl NextHops for Routes {
    fn mtu_v4(&mut self, dst: Ipv4Addr, _: Duration) -> Option<u16> {
        self.asked.push(dst.into());
        self.mtu_v4
    }

    fn mtu_v6(&mut self, dst: Ipv6Addr, _: Duration) -> Option<u16> {
        self.asked.push(dst.into());
        self.narrow_v6.filter(|(host, _)| *host == dst).map(|(_, mtu)| mtu).or(self.mtu_v6)
    }
}

/// A translator and everything it needs.
pub(crate) struct World {
    pub(crate) translator: Translator,
    pub(crate) pool: Pool,
    pub(crate) routes: Routes,
    pub(crate) state: WorkerState,
    pub(crate) frame: Frame,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A world whose parameters `change` has changed.
    pub(crate) fn with(change: impl FnOnce(&mut Params)) -> Self {
        let mut params = params();
        change(&mut params);
        Self {
            translator: Translator::new(params),
            pool: Pool { hosts: vec![CLIENT], free: 1 },
            routes: Routes::default(),
            state: WorkerState::new(0x4242, 1),
            frame: Frame::with_capacity(65_535),
        }
    }

    /// What a packet meets besides the parameters.
    pub(crate) fn context(&mut self) -> Context<'_> {
        Context {
            leases: &mut self.pool,
            next_hops: &mut self.routes,
            now: Duration::from_secs(1),
            state: &mut self.state,
        }
    }

    /// Translates what is in the frame.
    pub(crate) fn run(&mut self) -> Verdict {
        let Self { translator, pool, routes, state, frame } = self;
        let mut ctx = Context { leases: pool, next_hops: routes, now: Duration::from_secs(1), state };
        translator.translate(frame, &mut ctx)
    }

    pub(crate) fn verdict(&mut self, packet: &[u8]) -> Verdict {
        self.frame.set_packet(packet);
        self.run()
    }

    /// The packet that `packet` becomes; it must be forwarded as one, and is judged by [`judge`].
    pub(crate) fn forward(&mut self, packet: &[u8]) -> Vec<u8> {
        let verdict = self.verdict(packet);
        assert!(matches!(verdict, Verdict::Forward(_)), "{verdict:?}");
        judge(self.frame.packet());
        self.frame.packet().to_vec()
    }

    /// The fragments that `packet` becomes.
    pub(crate) fn split(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        let verdict = self.verdict(packet);
        assert!(matches!(verdict, Verdict::Split(_)), "{verdict:?}");
        self.fragments()
    }

    pub(crate) fn fragments(&mut self) -> Vec<Vec<u8>> {
        let fragments: Vec<_> = self.state.fragments().iter().map(|frame| frame.packet().to_vec()).collect();
        for fragment in &fragments {
            judge(fragment);
        }
        fragments
    }

    /// The error that answers `packet`, refused for `reason`.
    pub(crate) fn error(&mut self, packet: &[u8], reason: DropReason) -> Vec<u8> {
        assert_eq!(self.verdict(packet), Verdict::Reply(Reply::Error(reason)));
        judge(self.frame.packet());
        self.frame.packet().to_vec()
    }

    pub(crate) fn dropped(&mut self, packet: &[u8], reason: DropReason) {
        assert_eq!(self.verdict(packet), Verdict::Drop(reason));
    }
}

/// Holds a packet against etherparse: it parses to its last byte, and every checksum in it is right.
pub(crate) fn judge(packet: &[u8]) {
    let sliced = SlicedPacket::from_ip(packet).unwrap_or_else(|e| panic!("{e}: {packet:02x?}"));
    let (src, dst) = match sliced.net.as_ref().expect("an IP packet") {
        NetSlice::Ipv4(ip) => {
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum(), "IPv4 header checksum");
            assert_eq!(usize::from(header.total_len), packet.len(), "total length");
            (header.source.to_vec(), header.destination.to_vec())
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header().to_header();
            assert_eq!(usize::from(header.payload_length) + 40, packet.len(), "payload length");
            (header.source.to_vec(), header.destination.to_vec())
        }
        NetSlice::Arp(_) => panic!("not an IP packet"),
    };
    if sliced.is_ip_payload_fragmented() {
        return;
    }
    let pair: Result<([u8; 4], [u8; 4]), _> =
        src.clone().try_into().and_then(|src| dst.clone().try_into().map(|dst| (src, dst)));
    match (sliced.transport.expect("a known transport"), pair) {
        (TransportSlice::Tcp(tcp), Ok((src, dst))) => {
            assert_eq!(Ok(tcp.checksum()), tcp.calc_checksum_ipv4(src, dst), "TCP checksum");
        }
        (TransportSlice::Tcp(tcp), Err(_)) => {
            let (src, dst) = (src.try_into().unwrap(), dst.try_into().unwrap());
            assert_eq!(Ok(tcp.checksum()), tcp.calc_checksum_ipv6(src, dst), "TCP checksum");
        }
        (TransportSlice::Udp(udp), Ok((src, dst))) => {
            let right = udp.to_header().calc_checksum_ipv4_raw(src, dst, udp.payload());
            assert_eq!(Ok(udp.checksum()), right, "UDP checksum");
        }
        (TransportSlice::Udp(udp), Err(_)) => {
            let (src, dst) = (src.try_into().unwrap(), dst.try_into().unwrap());
            let right = udp.to_header().calc_checksum_ipv6_raw(src, dst, udp.payload());
            assert_eq!(Ok(udp.checksum()), right, "UDP checksum");
        }
        (TransportSlice::Icmpv4(icmp), Ok(_)) => {
            assert_eq!(
                etherparse::checksum::Sum16BitWords::new().add_slice(icmp.slice()).ones_complement(),
                0
            );
        }
        (TransportSlice::Icmpv6(icmp), Err(_)) => {
            let (src, dst) = (src.try_into().unwrap(), dst.try_into().unwrap());
            assert!(icmp.is_checksum_valid(src, dst), "ICMPv6 checksum");
        }
        (other, _) => panic!("{other:?} in the wrong family"),
    }
}

/// `0, 1, 2, ...`
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..=255).cycle().take(len).collect()
}

/// An IPv4 packet.
pub(crate) fn ipv4(src: Ipv4Addr, dst: Ipv4Addr, protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
    ipv4_with(src, dst, protocol, payload, |_| {})
}

/// An IPv4 packet whose header `change` has changed; its checksum is right.
pub(crate) fn ipv4_with(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: IpNumber,
    payload: &[u8],
    change: impl FnOnce(&mut Ipv4Header),
) -> Vec<u8> {
    let mut header = Ipv4Header::new(0, 64, protocol, src.octets(), dst.octets()).unwrap();
    header.dont_fragment = true;
    change(&mut header);
    header.total_len = u16::try_from(header.header_len() + payload.len()).unwrap();
    header.header_checksum = header.calc_header_checksum();
    let mut packet = Vec::new();
    header.write(&mut packet).unwrap();
    packet.extend_from_slice(payload);
    packet
}

/// An IPv6 packet.
pub(crate) fn ipv6(src: Ipv6Addr, dst: Ipv6Addr, protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
    ipv6_with(src, dst, protocol, payload, |_| {})
}

/// An IPv6 packet whose header `change` has changed.
pub(crate) fn ipv6_with(
    src: Ipv6Addr,
    dst: Ipv6Addr,
    protocol: IpNumber,
    payload: &[u8],
    change: impl FnOnce(&mut Ipv6Header),
) -> Vec<u8> {
    let mut header = Ipv6Header {
        payload_length: u16::try_from(payload.len()).unwrap(),
        next_header: protocol,
        hop_limit: 64,
        source: src.octets(),
        destination: dst.octets(),
        ..Ipv6Header::default()
    };
    change(&mut header);
    let mut packet = Vec::new();
    header.write(&mut packet).unwrap();
    packet.extend_from_slice(payload);
    packet
}

/// `payload` behind a Fragment header.
pub(crate) fn fragmented(next: IpNumber, offset: u16, more: bool, id: u32, payload: &[u8]) -> Vec<u8> {
    let offset = IpFragOffset::try_new(offset / 8).unwrap();
    let header = etherparse::Ipv6FragmentHeader::new(next, offset, more, id);
    let mut packet = header.to_bytes().to_vec();
    packet.extend_from_slice(payload);
    packet
}

/// A UDP datagram between IPv4 addresses.
pub(crate) fn udp4(src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let header = etherparse::UdpHeader::with_ipv4_checksum(
        4000,
        53,
        &Ipv4Header::new(0, 0, IpNumber::UDP, src.octets(), dst.octets()).unwrap(),
        payload,
    )
    .unwrap();
    [&header.to_bytes(), payload].concat()
}

/// A UDP datagram between IPv6 addresses.
pub(crate) fn udp6(src: Ipv6Addr, dst: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let ip = Ipv6Header { source: src.octets(), destination: dst.octets(), ..Ipv6Header::default() };
    let header = etherparse::UdpHeader::with_ipv6_checksum(4000, 53, &ip, payload).unwrap();
    [&header.to_bytes(), payload].concat()
}

/// A TCP segment between IPv4 addresses.
pub(crate) fn tcp4(src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let mut header = tcp_header();
    header.checksum = header.calc_checksum_ipv4_raw(src.octets(), dst.octets(), payload).unwrap();
    [header.to_bytes().as_slice(), payload].concat()
}

/// A TCP segment between IPv6 addresses.
pub(crate) fn tcp6(src: Ipv6Addr, dst: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let mut header = tcp_header();
    header.checksum = header.calc_checksum_ipv6_raw(src.octets(), dst.octets(), payload).unwrap();
    [header.to_bytes().as_slice(), payload].concat()
}

fn tcp_header() -> etherparse::TcpHeader {
    let mut header = etherparse::TcpHeader::new(40_000, 80, 0x0102_0304, 1024);
    header.ack = true;
    header.psh = true;
    header.set_options_raw(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]).unwrap();
    header
}

/// An ICMP message.
pub(crate) fn icmp4(kind: Icmpv4Type, payload: &[u8]) -> Vec<u8> {
    let header = etherparse::Icmpv4Header::with_checksum(kind, payload);
    [header.to_bytes().as_slice(), payload].concat()
}

/// An ICMPv6 message.
pub(crate) fn icmp6(src: Ipv6Addr, dst: Ipv6Addr, kind: Icmpv6Type, payload: &[u8]) -> Vec<u8> {
    let header = etherparse::Icmpv6Header::with_checksum(kind, src.octets(), dst.octets(), payload).unwrap();
    [header.to_bytes().as_slice(), payload].concat()
}

/// An ICMP message of any type and code.
pub(crate) fn raw_icmp4(kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    icmp4(Icmpv4Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: rest }, payload)
}

/// An ICMPv6 message of any type and code.
pub(crate) fn raw_icmp6(
    src: Ipv6Addr,
    dst: Ipv6Addr,
    kind: u8,
    code: u8,
    rest: [u8; 4],
    payload: &[u8],
) -> Vec<u8> {
    icmp6(src, dst, Icmpv6Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: rest }, payload)
}

pub(crate) const ECHO: IcmpEchoHeader = IcmpEchoHeader { id: 0x1234, seq: 7 };

/// A UDP packet from the client to the remote host.
pub(crate) fn udp_out(payload: &[u8]) -> Vec<u8> {
    ipv6(CLIENT, REMOTE_V6, IpNumber::UDP, &udp6(CLIENT, REMOTE_V6, payload))
}

/// A UDP packet from the remote host to the client.
pub(crate) fn udp_in(payload: &[u8]) -> Vec<u8> {
    ipv4(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, payload))
}

/// The word at `at`.
pub(crate) fn word(packet: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([packet[at], packet[at + 1]])
}

/// The addresses of an IPv4 packet.
pub(crate) fn addresses4(packet: &[u8]) -> (Ipv4Addr, Ipv4Addr) {
    let header = crate::wire::ipv4::Ipv4::copy_from(packet).expect("20 bytes");
    (header.src(), header.dst())
}

/// The addresses of an IPv6 packet.
pub(crate) fn addresses6(packet: &[u8]) -> (Ipv6Addr, Ipv6Addr) {
    let header = crate::wire::ipv6::Ipv6::copy_from(packet).expect("40 bytes");
    (header.src(), header.dst())
}
