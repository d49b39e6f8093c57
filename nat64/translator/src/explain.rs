//! What would happen to a packet, step by step, without anything happening.
//!
//! The verdict and the packets that leave come from [`Translator::translate`] itself, on a copy of the packet, with a
//! fresh worker's state and a pool that only looks ([`PoolView`]). The steps in front of them say what that code goes
//! by: they call the same parsers, maps and formulas, one after the other in its order, and end where one refuses. A
//! property test holds steps and verdict together.
//!
//! Deliberately decides nothing, takes no lease and spends no error.

mod decode;
mod hairpin;
mod rule;
mod step;
mod text;
mod v4_to_v6;
mod v6_to_v4;

use crate::frame::Frame;
use crate::next_hop::NextHops;
use crate::state::WorkerState;
use crate::translator::{Context, Leases, Translator};
use crate::verdict::{Direction, DropReason, Reply, Verdict};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use decode::decode;
pub use step::Step;
use step::{Steps, topic};
pub use text::hex;

/// The dynamic pool for somebody who only looks.
pub trait PoolView {
    /// The IPv4 address that `v6` has.
    fn lease_of(&self, v6: Ipv6Addr) -> Option<Ipv4Addr>;

    /// The IPv4 address that `v6`, which has none, would get; `None`: the pool is full.
    fn offer(&self, v6: Ipv6Addr) -> Option<Ipv4Addr>;

    /// The IPv6 host that has `v4`.
    fn host_of(&self, v4: Ipv4Addr) -> Option<Ipv6Addr>;
}

/// What would happen to one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What the translator looks at, in its order, up to where it refuses.
    pub steps: Vec<Step>,
    /// What becomes of the packet.
    pub verdict: Verdict,
    /// The packets that leave.
    pub leaving: Vec<Leaving>,
    /// ICMP errors that all workers together may send in a second.
    pub icmp_error_rate: u32,
}

/// A packet that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Its headers in words.
    pub text: String,
    /// Its bytes, from the IP header on.
    pub bytes: Vec<u8>,
}

/// A pool that only looks, as the translator asks it.
struct Preview<'a>(&'a dyn PoolView);

impl Leases for Preview<'_> {
    fn lease_for_v6(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        self.0.lease_of(v6).or_else(|| self.0.offer(v6))
    }

    fn known_lease_for_v6(&mut self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        self.0.lease_of(v6)
    }

    fn v6_of_lease(&mut self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        self.0.host_of(v4)
    }
}

impl Translator {
    /// What would happen to `packet` at `now`, a monotonic time. Identifications of IPv4 packets are counted from 0
    /// here; a worker counts from a random one.
    pub fn explain(
        &self,
        packet: &[u8],
        pool: &dyn PoolView,
        next_hops: &mut dyn NextHops,
        now: Duration,
    ) -> Explanation {
        let mut frame = Frame::with_capacity(packet.len());
        frame.set_packet(packet);
        let mut state = WorkerState::new(0, 1);
        let mut leases = Preview(pool);
        let mut ctx = Context { leases: &mut leases, next_hops, now, state: &mut state };
        let translator = self.detached();
        let verdict = translator.translate(&mut frame, &mut ctx);

        let mut steps = Steps::default();
        match packet.first().map(|first| first >> 4) {
            Some(4) => v4_to_v6::describe(translator.params(), packet, &mut ctx, &mut steps),
            Some(6) => v6_to_v4::describe(translator.params(), packet, pool, &mut ctx, &mut steps),
            _ => steps.refuse(topic::PACKET, DropReason::IpVersion),
        };
        let leaving = match verdict {
            Verdict::Forward(_) | Verdict::Reply(_) => vec![Leaving::of(frame.packet())],
            Verdict::Split(_) => state.fragments().iter().map(|frame| Leaving::of(frame.packet())).collect(),
            Verdict::Drop(_) => Vec::new(),
        };
        Explanation { steps: steps.found, verdict, leaving, icmp_error_rate: self.params().icmp_error_rate }
    }
}

impl Leaving {
    fn of(packet: &[u8]) -> Self {
        Self { text: decode(packet), bytes: packet.to_vec() }
    }
}

impl Explanation {
    /// What becomes of the packet, in a word that stays the same: `forward`, `split`, `echo_reply`, `icmp_error`, `drop`.
    pub const fn outcome(&self) -> &'static str {
        match self.verdict {
            Verdict::Forward(_) => "forward",
            Verdict::Split(_) => "split",
            Verdict::Reply(Reply::Echo) => "echo_reply",
            Verdict::Reply(Reply::Error(_)) => "icmp_error",
            Verdict::Drop(_) => "drop",
        }
    }

    /// Why the packet is not translated, if it is refused.
    pub const fn reason(&self) -> Option<DropReason> {
        match self.verdict {
            Verdict::Drop(reason) | Verdict::Reply(Reply::Error(reason)) => Some(reason),
            Verdict::Forward(_) | Verdict::Split(_) | Verdict::Reply(Reply::Echo) => None,
        }
    }

    /// The way that the packet crosses, if it does.
    pub const fn direction(&self) -> Option<Direction> {
        match self.verdict {
            Verdict::Forward(direction) | Verdict::Split(direction) => Some(direction),
            Verdict::Reply(_) | Verdict::Drop(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
