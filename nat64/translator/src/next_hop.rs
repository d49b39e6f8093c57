//! The MTU towards each end of a packet: what the formulas of RFC 7915 §4.1, §4.2, §5.1.1 and §5.2 call the MTU of the
//! next hop.
//!
//! Each side has a number of its own, or is asked for with every packet that could exceed it ([`NextHops`]). Packets
//! that fit what every link must carry are never asked about. Deliberately knows no routes and keeps no answers: that
//! is the business of whoever implements [`NextHops`].

use crate::mtu::{MIN_IPV4_MTU, MIN_IPV6_MTU};
use crate::translator::{Context, Params};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The MTU of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mtu {
    /// This many bytes towards every destination.
    Fixed(u16),
    /// What [`NextHops`] says; this many bytes where it says nothing.
    Route(u16),
}

/// The routes of the host, as far as the translator must know them. [`Mtu::Fixed`] never asks.
pub trait NextHops {
    /// The MTU in bytes of the way to `dst` at `now`, a monotonic time; `None` when there is no such way.
    fn mtu_v4(&mut self, dst: Ipv4Addr, now: Duration) -> Option<u16>;

    /// The MTU in bytes of the way to `dst` at `now`, a monotonic time; `None` when there is no such way.
    fn mtu_v6(&mut self, dst: Ipv6Addr, now: Duration) -> Option<u16>;
}

/// No routes at all.
impl NextHops for () {
    fn mtu_v4(&mut self, _: Ipv4Addr, _: Duration) -> Option<u16> {
        None
    }

    fn mtu_v6(&mut self, _: Ipv6Addr, _: Duration) -> Option<u16> {
        None
    }
}

impl Mtu {
    fn told(self, ask: impl FnOnce() -> Option<u16>) -> usize {
        usize::from(match self {
            Self::Fixed(mtu) => mtu,
            Self::Route(otherwise) => ask().unwrap_or(otherwise),
        })
    }
}

/// The way of a packet through the translator: from the host at one end to the host at the other.
pub(crate) struct Path<'a> {
    sides: (Mtu, Mtu),
    next_hops: &'a mut dyn NextHops,
    now: Duration,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
}

impl<'a> Path<'a> {
    /// The way between the IPv4 host `v4` and the IPv6 host `v6`.
    pub(crate) fn new(params: &Params, ctx: &'a mut Context<'_>, v4: Ipv4Addr, v6: Ipv6Addr) -> Self {
        Self { sides: (params.mtu_v4, params.mtu_v6), next_hops: ctx.next_hops, now: ctx.now, v4, v6 }
    }

    /// The MTU towards the IPv4 end.
    pub(crate) fn mtu_v4(&mut self) -> usize {
        self.sides.0.told(|| self.next_hops.mtu_v4(self.v4, self.now)).max(MIN_IPV4_MTU)
    }

    /// The MTU towards the IPv6 end.
    pub(crate) fn mtu_v6(&mut self) -> usize {
        self.mtu_towards(self.v6)
    }

    /// The MTU towards another IPv6 host: where a packet that is turned around comes from.
    pub(crate) fn mtu_towards(&mut self, v6: Ipv6Addr) -> usize {
        self.sides.1.told(|| self.next_hops.mtu_v6(v6, self.now)).max(MIN_IPV6_MTU)
    }
}

#[cfg(test)]
mod tests;
