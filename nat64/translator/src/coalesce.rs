//! Merging translated packets of one flow into super-packets, as receive offload does, so that the kernel's whole
//! forwarding path runs once for many.
//!
//! ```text
//!   translated packet ─> may merge? ── no ──> flow's lane leaves, then the packet
//!                           │ yes
//!                           v
//!                 flow's lane takes it? ── no ──> lane leaves, packet opens a lane
//!                           │ yes
//!                           v
//!                 appended; a short, pushed or 64th packet makes the lane leave
//! ```
//!
//! Nothing waits for a packet that is not there yet: the caller flushes when its queue is empty. The packets of one
//! flow leave in the order they came in, those that cannot merge included; fragments and protocols without ports count
//! as one flow with everything between their two addresses.
//!
//! Merging is undone by segmentation ([`crate::segment`], or the kernel's), which gives back the very packets that
//! were merged, but for one thing: IPv4 identifications count up from the first packet's. Behind DF they mean nothing
//! (RFC 6864 §4.1). Without DF either they counted up before, or the translator had chosen them and chooses a fresh run
//! for the super-packet, so that none is used twice. Since segmentation computes checksums anew, no packet merges
//! whose checksum is missing or was not found right: a wrong checksum stays wrong.
//!
//! Deliberately not merged: packets that are super-packets already, fragments, headers with options of IPv4 or
//! extension headers, and TCP segments with other flags than ACK and PSH or without data.

mod shape;

use crate::frame::Frame;
use crate::offload::SegmentKind;
use crate::state::WorkerState;
use shape::{Flow, Shape, continues, finish, is_right};

/// Flows that may be open at a time. More than a batch usually has; where it has more, the oldest leaves early.
const LANES: usize = 16;

/// Packets that one super-packet holds. Kernels from 4.18 on take 64 datagrams, newer ones 128.
const MOST: u16 = 64;

/// Bytes that one super-packet has, IP header included: what an IPv4 header can say.
const LONGEST: usize = u16::MAX as usize;

/// Which protocols' packets are merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merge {
    /// TCP segments.
    pub tcp: bool,
    /// UDP datagrams.
    pub udp: bool,
}

/// The packets of one batch that may still grow.
pub struct Coalescer {
    lanes: [Lane; LANES],
    /// Open lanes, oldest first: the first `open` entries.
    order: [usize; LANES],
    open: usize,
    merge: Merge,
}

/// One flow's packets: the first one as it came, the payload of the others behind it.
struct Lane {
    frame: Frame,
    flow: Flow,
    shape: Shape,
    /// How many packets.
    packets: u16,
    /// Whether the first packet's checksum was found right.
    is_verified: bool,
    /// The sequence number that follows.
    sequence: u32,
    /// Whether identifications have counted up so far.
    counts_up: bool,
}

impl Lane {
    fn new() -> Self {
        Self {
            frame: Frame::with_capacity(LONGEST),
            flow: Flow { ports: None, protocol: 0, addresses: [0; 32] },
            shape: Shape {
                kind: SegmentKind::Udp,
                transport: 0,
                headers: 0,
                payload: 0,
                sequence: 0,
                ends: false,
                identification: None,
            },
            packets: 0,
            is_verified: false,
            sequence: 0,
            counts_up: true,
        }
    }

    fn open(&mut self, frame: &Frame, flow: Flow, shape: Shape) {
        self.frame.copy_from(frame);
        self.flow = flow;
        self.shape = shape;
        self.packets = 1;
        self.is_verified = false;
        self.sequence = shape.next_sequence();
        self.counts_up = true;
    }

    /// Appends the packet, if it continues what is here. Returns whether it did.
    fn take(&mut self, frame: &Frame, shape: Shape) -> bool {
        let next = self.shape.identification.map(|first| first.wrapping_add(self.packets));
        let counts_up = self.counts_up && shape.identification == next;
        // The super-packet's identifications are all chosen anew, or none is.
        let is_numbered = self.frame.is_numbered && frame.is_numbered;
        if shape.payload > self.shape.payload
            || shape.sequence != self.sequence
            || !(counts_up || is_numbered)
            || self.frame.packet().len() + shape.payload > LONGEST
            || !continues(self.frame.packet(), frame.packet(), self.shape, shape)
            || !is_right(frame, shape)
        {
            return false;
        }
        if !self.is_verified {
            if !is_right(&self.frame, self.shape) {
                return false;
            }
            self.is_verified = true;
        }
        self.frame.append(frame.packet().get(shape.headers..).unwrap_or_default());
        self.packets += 1;
        self.sequence = shape.next_sequence();
        self.counts_up = counts_up;
        self.frame.is_numbered = is_numbered;
        if shape.ends {
            self.shape.ends = true;
        }
        true
    }

    /// Whether nothing may follow a packet of `payload` bytes.
    const fn is_full(&self, payload: usize) -> bool {
        self.packets == MOST || self.shape.ends || payload < self.shape.payload
    }

    /// Makes one packet of what is here; a packet that stayed alone is as it came.
    fn close(&mut self, state: &mut WorkerState) {
        if self.packets > 1 {
            let identification = (self.shape.identification.is_some() && !self.counts_up)
                .then(|| state.identifications(self.packets));
            finish(&mut self.frame, self.shape, identification);
        }
    }
}

impl Coalescer {
    /// Without packets.
    pub fn new(merge: Merge) -> Self {
        Self { lanes: std::array::from_fn(|_| Lane::new()), order: [0; LANES], open: 0, merge }
    }

    /// Which protocols' packets are merged.
    pub const fn merge(&self) -> Merge {
        self.merge
    }

    /// Merges the packets of these protocols from here on. Packets that wait are not forgotten.
    pub const fn set_merge(&mut self, merge: Merge) {
        self.merge = merge;
    }

    /// Takes the translated packet in `frame`. What leaves is handed to `send`, with the number of packets that were
    /// merged into it; what does not is kept until [`Coalescer::flush`].
    pub fn push(
        &mut self,
        frame: &mut Frame,
        state: &mut WorkerState,
        mut send: impl FnMut(&mut Frame, u16),
    ) {
        let Some(flow) = Flow::of(frame.packet()) else { return send(frame, 1) };
        if flow.ports.is_none() {
            self.flush_where(state, &mut send, |open| open.addresses == flow.addresses);
            return send(frame, 1);
        }
        let shape = Shape::of(frame, flow.protocol).filter(|shape| match shape.kind {
            SegmentKind::Tcp => self.merge.tcp,
            SegmentKind::Udp => self.merge.udp,
        });
        if let Some(place) = self.order[..self.open].iter().position(|&lane| self.lanes[lane].flow == flow) {
            let lane = &mut self.lanes[self.order[place]];
            if let Some(shape) = shape
                && lane.take(frame, shape)
            {
                if lane.is_full(shape.payload) {
                    self.leave(place, state, &mut send);
                }
                return;
            }
            self.leave(place, state, &mut send);
        }
        match shape {
            Some(shape) if !shape.ends => self.open(frame, flow, shape, state, &mut send),
            _ => send(frame, 1),
        }
    }

    /// Hands everything to `send` that travels between the addresses of the state's fragments, so that the caller may
    /// send these.
    pub fn make_way(&mut self, state: &mut WorkerState, mut send: impl FnMut(&mut Frame, u16)) {
        // All of them come from one packet.
        let flow = state.fragments().first().and_then(|fragment| Flow::of(fragment.packet()));
        if let Some(flow) = flow {
            self.flush_where(state, &mut send, |open| open.addresses == flow.addresses);
        }
    }

    /// Hands everything that is left to `send`, the flow first that was opened first.
    pub fn flush(&mut self, state: &mut WorkerState, mut send: impl FnMut(&mut Frame, u16)) {
        self.flush_where(state, &mut send, |_| true);
    }

    /// Forgets everything.
    pub const fn clear(&mut self) {
        self.open = 0;
    }

    fn flush_where(
        &mut self,
        state: &mut WorkerState,
        send: &mut impl FnMut(&mut Frame, u16),
        leaves: impl Fn(&Flow) -> bool,
    ) {
        let mut place = 0;
        while place < self.open {
            if leaves(&self.lanes[self.order[place]].flow) {
                self.leave(place, state, send);
            } else {
                place += 1;
            }
        }
    }

    fn open(
        &mut self,
        frame: &Frame,
        flow: Flow,
        shape: Shape,
        state: &mut WorkerState,
        send: &mut impl FnMut(&mut Frame, u16),
    ) {
        if self.open == LANES {
            self.leave(0, state, send);
        }
        let used = &self.order[..self.open];
        let free = (0..LANES).find(|lane| !used.contains(lane)).unwrap_or_default();
        self.lanes[free].open(frame, flow, shape);
        self.order[self.open] = free;
        self.open += 1;
    }

    /// Sends the lane at this place in the order, and closes the gap.
    fn leave(&mut self, place: usize, state: &mut WorkerState, send: &mut impl FnMut(&mut Frame, u16)) {
        let lane = &mut self.lanes[self.order[place]];
        lane.close(state);
        self.order.copy_within(place + 1..self.open, place);
        self.open -= 1;
        send(&mut lane.frame, lane.packets);
    }
}

#[cfg(test)]
mod tests;
