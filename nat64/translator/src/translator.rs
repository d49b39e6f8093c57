//! The translator's parameters and its one verb, [`Translator::translate`].

use crate::class::Class;
use crate::frame::Frame;
use crate::icmp_source::IcmpSources;
use crate::mss::MssClamp;
use crate::next_hop::{Mtu, NextHops};
use crate::state::WorkerState;
use crate::verdict::{DropReason, Verdict};
use crate::wire::field16;
use crate::{mtu, reply, v4_to_v6, v6_to_v4};
use addr::{ExplicitMaps, Prefixes};
use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// What becomes of a UDP packet without a checksum (RFC 7915 §4.5). The same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UdpZeroChecksum {
    /// Dropped.
    Drop,
    /// The checksum is computed; first fragments are dropped, since the rest is not at hand.
    Calculate,
    /// Passed on without a checksum (RFC 6936).
    Forward,
}

/// How an IPv6 host reaches another one by the IPv4 address that stands for it (RFC 7757 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hairpin {
    /// The packet is translated to IPv4 and back in one step (RFC 7757 §4.2.2).
    Intrinsic,
    /// The IPv4 packet comes back by way of the IPv4 network, and its source is embedded in a prefix (RFC 7757 §4.2.1).
    Simple,
    /// No care is taken: the packet comes back with its IPv6 source, and the answer goes past the translator.
    Off,
}

/// Everything the translator must know beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Translation prefixes (RFC 6052), each with the IPv4 addresses it carries.
    pub prefixes: Prefixes,
    /// Lifts RFC 6052 §3.1 from `64:ff9b::/96`.
    pub allow_private_ipv4: bool,
    /// The translator's own IPv4 address: answers ping and is the source of ICMP errors.
    pub own_v4: Ipv4Addr,
    /// The translator's own IPv6 address: answers ping and is the source of ICMPv6 errors.
    pub own_v6: Ipv6Addr,
    /// Explicit maps (RFC 7757), which beat the pool and the prefixes.
    pub maps: ExplicitMaps,
    /// IPv4 addresses that only [`Leases`] map. Ranges are few: each packet from IPv4 is held against all of them.
    pub pools: Vec<Ipv4Net>,
    /// IPv4 addresses that speak for IPv6 routers without one (RFC 6791), and answer like [`Params::own_v4`]; without
    /// any, that one speaks.
    pub icmp_source_v4: IcmpSources,
    /// IPv6 addresses, at least 32 bits of them, that speak for IPv4 routers which no prefix may carry, each with the
    /// router's address as its last 32 bits; `None` is [`Params::own_v6`].
    pub icmp_source_v6: Option<Ipv6Net>,
    /// How IPv6 hosts reach each other by IPv4 addresses.
    pub hairpin: Hairpin,
    /// What becomes of UDP without a checksum.
    pub udp_zero_checksum: UdpZeroChecksum,
    /// Largest IPv6 packet in bytes, at least 1280, that an IPv4 packet without DF becomes before it is fragmented
    /// (RFC 7915 §4).
    pub ipv6_min_mtu: u16,
    /// MTU of the IPv4 side; less than 68 bytes count as 68.
    pub mtu_v4: Mtu,
    /// MTU of the IPv6 side; less than 1280 bytes count as 1280.
    pub mtu_v6: Mtu,
    /// What the Maximum Segment Size of TCP connections is lowered to.
    pub tcp_mss_clamp: MssClamp,
    /// TOS of packets that leave for IPv4 (RFC 7915 §5.1).
    pub tos: Class,
    /// Traffic class of packets that leave for IPv6 (RFC 7915 §4.1).
    pub traffic_class: Class,
    /// ICMP errors that all workers together may send in a second; 0 sends none (RFC 7915 §4.4, §5.4).
    pub icmp_error_rate: u32,
}

impl Params {
    /// Whether the translator itself answers at `v4`.
    pub(crate) fn is_own_v4(&self, v4: Ipv4Addr) -> bool {
        v4 == self.own_v4 || self.icmp_source_v4.contains(v4)
    }

    /// Whether the translator itself answers at `v6`.
    pub(crate) fn is_own_v6(&self, v6: Ipv6Addr) -> bool {
        v6 == self.own_v6 || self.icmp_source_v6.is_some_and(|net| net.contains(&v6))
    }
}

/// The dynamic pool as the translator sees it: one IPv4 address per IPv6 host.
///
/// Own addresses and explicitly mapped addresses must never be leased.
pub trait Leases {
    /// The IPv4 address leased to `v6`, leased on the spot if need be. `None`: the pool is full.
    /// Only asked when there are [`Params::pools`].
    fn lease_for_v6(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr>;

    /// The IPv4 address already leased to `v6`; never leases one.
    fn known_lease_for_v6(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr>;

    /// The IPv6 host that holds `v4`. Only asked for addresses in [`Params::pools`].
    fn v6_of_lease(&mut self, v4: Ipv4Addr) -> Option<Ipv6Addr>;
}

/// What a packet meets besides the parameters.
pub struct Context<'a> {
    /// The dynamic pool.
    pub leases: &'a mut dyn Leases,
    /// The routes of the host; only asked where [`Mtu::Route`] says so.
    pub next_hops: &'a mut dyn NextHops,
    /// Monotonic time since any fixed moment; may be read once per batch.
    pub now: Duration,
    /// What this worker keeps between packets.
    pub state: &'a mut WorkerState,
}

/// The translator: immutable, shared by all workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translator {
    params: Params,
}

impl Translator {
    /// A translator with these parameters.
    pub fn new(params: Params) -> Self {
        let ipv6_min_mtu = params.ipv6_min_mtu.max(field16(mtu::MIN_IPV6_MTU));
        Self { params: Params { ipv6_min_mtu, ..params } }
    }

    /// The same translator, with what `old` has learnt: which router has which of the addresses that speak for them, if
    /// these are the same.
    #[must_use]
    pub fn succeeding(mut self, old: &Self) -> Self {
        if self.params.icmp_source_v4 == old.params.icmp_source_v4 {
            self.params.icmp_source_v4 = old.params.icmp_source_v4.clone();
        }
        self
    }

    /// The same translator, from which this one learns nothing.
    pub(crate) fn detached(&self) -> Self {
        let icmp_source_v4 = self.params.icmp_source_v4.detached();
        Self { params: Params { icmp_source_v4, ..self.params.clone() } }
    }

    /// The parameters it was made with.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Translates the packet in `frame`, in place, and says what became of it.
    pub fn translate(&self, frame: &mut Frame, ctx: &mut Context<'_>) -> Verdict {
        ctx.state.clear_fragments();
        let result = match frame.packet().first().map(|first| first >> 4) {
            Some(4) => v4_to_v6::translate(&self.params, frame, ctx),
            Some(6) => v6_to_v4::translate(&self.params, frame, ctx),
            _ => Err(DropReason::IpVersion.into()),
        };
        result.unwrap_or_else(|refusal| reply::refuse(&self.params, frame, ctx, refusal))
    }
}
