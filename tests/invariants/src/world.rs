//! A translator whose parameters come from the first bytes of an input, and one run of it.
//!
//! ```text
//!   client 2001:db8:6::1  ── leased 192.0.2.101 ──┐
//!   mapped 2001:db8:7::7  ── explicit 198.51.100.7 ┤ translator ── remote 203.0.113.9, under one of eight prefixes
//!                     2001:db8:ffff::64 = 192.0.2.1 ┘
//! ```

use addr::{ExplicitMap, ExplicitMaps, Prefix64, Prefixes, RangedPrefix};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use translator::{
    Class, Coalescer, Context, Frame, Hairpin, IcmpSources, Leases, MssClamp, Mtu, NextHops, Params,
    Translator, UdpZeroChecksum, VNET_HEADER_LEN, Verdict, VnetHeader, WorkerState,
};

/// Bytes of an input that choose the parameters.
pub const CHOICE_LEN: usize = 4;

/// The translator's own IPv4 address.
pub const OWN_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The translator's own IPv6 address.
pub const OWN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x64);
/// A host with a lease.
pub const CLIENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 1);
/// Its lease.
pub const LEASED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 101);
/// A host with an explicit map, where there are maps.
pub const MAPPED: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 7);
/// Its address.
pub const MAPPED_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// A host on the IPv4 side.
pub const REMOTE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// The remote under the first prefix.
pub const REMOTE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x64, 0, 0, 0, 0xcb00, 0x7109);

const PREFIXES: [(&str, bool); 8] = [
    ("2001:db8:64::/96", false),
    ("64:ff9b::/96", false),
    ("64:ff9b::/96", true),
    ("2001:db8:64::/64", false),
    ("2001:db8:64::/56", false),
    ("2001:db8:64::/48", false),
    ("2001:db8::/40", false),
    ("2001:db8::/32", false),
];
const POLICIES: [UdpZeroChecksum; 4] =
    [UdpZeroChecksum::Drop, UdpZeroChecksum::Calculate, UdpZeroChecksum::Forward, UdpZeroChecksum::Calculate];
const MTUS_V4: [u16; 8] = [1500, 68, 576, 1260, 1280, 1400, 9000, 65_535];
const MTUS_V6: [u16; 8] = [1500, 1280, 1281, 1400, 1420, 4000, 9000, 65_535];
const HAIRPINS: [Hairpin; 4] = [Hairpin::Intrinsic, Hairpin::Simple, Hairpin::Off, Hairpin::Intrinsic];
const CLAMPS: [MssClamp; 4] = [MssClamp::Off, MssClamp::Mtu, MssClamp::Bytes(1200), MssClamp::Bytes(0)];
const MIN_MTUS: [u16; 4] = [1280, 1400, 1500, 9000];

/// Hosts that may get a lease beside [`CLIENT`].
const FREE: usize = 2;

/// One translator and what belongs to it.
pub struct World {
    /// The translator.
    pub translator: Translator,
    leases: Pool,
    state: WorkerState,
    frame: Frame,
}

/// What became of a packet.
#[derive(Debug)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// What leaves, in order.
    pub sent: Vec<Sent>,
}

/// A packet that leaves.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its virtio-net header.
    pub vnet: VnetHeader,
    /// The packet.
    pub packet: Vec<u8>,
}

/// Leases from 192.0.2.101 on.
struct Pool {
    hosts: Vec<Ipv6Addr>,
    limit: usize,
}

impl Leases for Pool {
    fn lease_for_v6(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        if self.known_lease_for_v6(v6).is_none() && self.hosts.len() < self.limit {
            self.hosts.push(v6);
        }
        self.known_lease_for_v6(v6)
    }

    fn known_lease_for_v6(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        let index = self.hosts.iter().position(|host| *host == v6)?;
        Some(Ipv4Addr::from_bits(LEASED.to_bits() + u32::try_from(index).ok()?))
    }

    fn v6_of_lease(&mut self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        let index = v4.to_bits().checked_sub(LEASED.to_bits())?;
        self.hosts.get(usize::try_from(index).ok()?).copied()
    }
}

/// Routes by the last bits of the destination: none, or an MTU that differs from the configured one.
struct Routes;

impl NextHops for Routes {
    fn mtu_v4(&mut self, dst: Ipv4Addr, _: Duration) -> Option<u16> {
        [None, Some(1400), Some(40), Some(65_535)][usize::from(dst.octets()[3] & 3)]
    }

    fn mtu_v6(&mut self, dst: Ipv6Addr, _: Duration) -> Option<u16> {
        [None, Some(1300), Some(900), Some(65_535)][usize::from(dst.octets()[15] & 3)]
    }
}

/// The parameters that these bytes choose.
///
/// # Panics
/// Never: every entry of the tables is valid.
pub fn params([prefix, mtus, more, rest]: [u8; CHOICE_LEN]) -> Params {
    let (main, allow_private_ipv4) = PREFIXES[usize::from(prefix & 7)];
    let main: Prefix64 = main.parse().expect("each of the table is a prefix");
    let second = RangedPrefix {
        prefix: "2001:db9::/48".parse().expect("a prefix"),
        ipv4: vec!["203.0.113.128/25".parse().expect("a network")],
    };
    let others: &[RangedPrefix] = if prefix & 0x20 == 0 { &[] } else { &[second] };
    let map = |v4: &str, v6: &str| ExplicitMap {
        v4: v4.parse().expect("an IPv4 network"),
        v6: v6.parse().expect("an IPv6 network"),
    };
    let maps = if prefix & 0x10 == 0 {
        vec![]
    } else {
        vec![map("198.51.100.7/32", "2001:db8:7::7/128"), map("198.51.100.64/28", "2001:db8:7:1::/112")]
    };
    let pool = "192.0.2.0/24".parse().expect("a network");
    let speakers = "198.51.100.128/30".parse().expect("a network");
    let mtu = |bytes| if more & 0x80 == 0 { Mtu::Fixed(bytes) } else { Mtu::Route(bytes) };
    Params {
        prefixes: Prefixes::new(Some(main), others).expect("no prefix of the table overlaps the second"),
        allow_private_ipv4,
        own_v4: OWN_V4,
        own_v6: OWN_V6,
        maps: ExplicitMaps::new(maps).expect("the maps stand together"),
        pools: if prefix & 8 == 0 { vec![pool] } else { vec![] },
        udp_zero_checksum: POLICIES[usize::from(prefix >> 6)],
        ipv6_min_mtu: MIN_MTUS[usize::from(mtus >> 6)],
        mtu_v4: mtu(MTUS_V4[usize::from(mtus & 7)]),
        mtu_v6: mtu(MTUS_V6[usize::from((mtus >> 3) & 7)]),
        hairpin: HAIRPINS[usize::from((more >> 1) & 3)],
        tcp_mss_clamp: CLAMPS[usize::from((more >> 3) & 3)],
        tos: if more & 0x20 == 0 { Class::Copy } else { Class::Set(0x20) },
        traffic_class: if more & 0x40 == 0 { Class::Copy } else { Class::Set(0x48) },
        icmp_error_rate: if rest & 1 == 0 { 1000 } else { 0 },
        icmp_source_v4: IcmpSources::new(if rest & 2 == 0 { vec![] } else { vec![speakers] }),
        icmp_source_v6: if rest & 4 == 0 {
            None
        } else {
            Some("2001:db8:5::/96".parse().expect("a network"))
        },
    }
}

impl World {
    /// The world that these bytes choose.
    pub fn new(choice: [u8; CHOICE_LEN]) -> Self {
        Self {
            translator: Translator::new(params(choice)),
            leases: Pool { hosts: vec![CLIENT], limit: if choice[2] & 1 == 0 { 1 + FREE } else { 1 } },
            state: WorkerState::new(0x4242, 1),
            frame: Frame::with_capacity(65_535 + 40),
        }
    }

    /// The MTU of the way to this host.
    pub fn mtu(&self, dst: IpAddr) -> usize {
        let params = self.translator.params();
        let (side, told, least) = match dst {
            IpAddr::V4(dst) => (params.mtu_v4, Routes.mtu_v4(dst, Duration::ZERO), 68),
            IpAddr::V6(dst) => (params.mtu_v6, Routes.mtu_v6(dst, Duration::ZERO), 1280),
        };
        let mtu = match side {
            Mtu::Fixed(mtu) => mtu,
            Mtu::Route(otherwise) => told.unwrap_or(otherwise),
        };
        usize::from(mtu.max(least))
    }

    /// Translates `packet`, with this virtio-net header in front.
    pub fn run(&mut self, vnet: VnetHeader, packet: &[u8]) -> Outcome {
        let verdict = self.translate(vnet, packet);
        let frames = match verdict {
            Verdict::Forward(_) | Verdict::Reply(_) => std::slice::from_mut(&mut self.frame),
            Verdict::Split(_) => self.state.fragments(),
            Verdict::Drop(_) => &mut [],
        };
        Outcome { verdict, sent: frames.iter().map(Sent::of).collect() }
    }

    /// Translates a batch as a worker does, which merges packets of one flow in an empty `coalescer`. Returns what each packet became by itself,
    /// and what leaves, with the number of packets merged into it.
    pub fn run_batch(
        &mut self,
        coalescer: &mut Coalescer,
        packets: &[(VnetHeader, &[u8])],
    ) -> (Vec<Sent>, Vec<(Sent, u16)>) {
        let (mut single, mut left) = (Vec::new(), Vec::new());
        for &(vnet, packet) in packets {
            let verdict = self.translate(vnet, packet);
            let mut send = |frame: &mut Frame, packets| left.push((Sent::of(frame), packets));
            match verdict {
                Verdict::Forward(_) => {
                    single.push(Sent::of(&self.frame));
                    coalescer.push(&mut self.frame, &mut self.state, send);
                }
                Verdict::Split(_) => {
                    single.extend(self.state.fragments().iter().map(Sent::of));
                    coalescer.make_way(&mut self.state, &mut send);
                    self.state.fragments().iter_mut().for_each(|fragment| send(fragment, 1));
                }
                Verdict::Reply(_) => {
                    single.push(Sent::of(&self.frame));
                    send(&mut self.frame, 1);
                }
                Verdict::Drop(_) => {}
            }
        }
        coalescer.flush(&mut self.state, |frame, packets| left.push((Sent::of(frame), packets)));
        (single, left)
    }

    fn translate(&mut self, vnet: VnetHeader, packet: &[u8]) -> Verdict {
        let buffer = self.frame.receive_buffer();
        let len = VNET_HEADER_LEN + packet.len().min(buffer.len() - VNET_HEADER_LEN);
        buffer[..VNET_HEADER_LEN].copy_from_slice(&vnet.emit());
        buffer[VNET_HEADER_LEN..len].copy_from_slice(&packet[..len - VNET_HEADER_LEN]);
        if let Err(reason) = self.frame.set_received(len) {
            return Verdict::Drop(reason);
        }
        let mut context = Context {
            leases: &mut self.leases,
            next_hops: &mut Routes,
            now: Duration::from_secs(1),
            state: &mut self.state,
        };
        self.translator.translate(&mut self.frame, &mut context)
    }
}

impl Sent {
    fn of(frame: &Frame) -> Self {
        Self { vnet: frame.vnet, packet: frame.packet().to_vec() }
    }
}
