//! IP/ICMP translation (RFC 7915) as a pure function: a packet in, a verdict and packets out.
//!
//! ```text
//!   Frame ─> wire ─> own address? ─> map destination ─> offload ─> icmp or transport ─> hop limit ─> mtu ─> map source
//!              │           │               │                │                │               │          │        │
//!              │           │               └────────────────┴───── reply <───┴───────────────┴──────────┘        │
//!              v           v                                         │                                           v
//!            Drop     Reply(Echo)                          Reply(Error) or Drop      Forward <─ rewrite, or fragment ─> Split
//! ```
//!
//! What leaves may pass a [`Coalescer`], which merges packets of one flow into super-packets; [`cut`] undoes that.
//!
//! Owns everything between the bytes of one packet and the bytes that leave: header translation both ways, ICMP and
//! the packets quoted in it, checksums, fragments, sizes, the virtio-net header, and the ICMP errors and echo replies
//! of the translator itself. Takes time, leases and randomness as arguments. Deliberately holds no clock, socket,
//! thread, log or table of dynamic addresses: those belong to the daemon around it. One
//! thing is learnt from packets and shared by workers: which router is known by which address ([`IcmpSources`]).
//!
//! Invariants: one packet gives exactly one [`Verdict`]; no input panics; a frame that is not forwarded, split or
//! answered keeps no promise about its bytes; nothing is allocated per packet once the buffers have grown.

mod checksum;
mod class;
mod coalesce;
mod explain;
mod fragment;
mod frame;
mod hairpin;
mod icmp;
mod icmp_source;
mod map;
mod mss;
mod mtu;
mod next_hop;
mod offload;
mod outline;
mod own;
#[cfg(test)]
mod properties;
mod reply;
mod segment;
mod sketch;
#[cfg(test)]
mod soundness;
mod state;
#[cfg(test)]
mod testing;
mod translator;
mod transport;
mod v4_to_v6;
mod v6_to_v4;
mod verdict;
mod wire;

pub use class::Class;
pub use coalesce::{Coalescer, Merge};
pub use explain::{Explanation, Leaving, PoolView, Step, hex};
pub use frame::{Frame, HEADROOM};
pub use icmp_source::IcmpSources;
pub use map::{Mapped, Rule};
pub use mss::MssClamp;
pub use next_hop::{Mtu, NextHops};
pub use offload::{GsoType, VNET_HEADER_LEN, VnetHeader};
pub use outline::{Endpoints, Outline};
pub use segment::cut;
pub use sketch::{GRAMMAR, SketchError, parse as parse_sketch};
pub use state::WorkerState;
pub use translator::{Context, Hairpin, Leases, Params, Translator, UdpZeroChecksum};
pub use verdict::{Direction, DropReason, Reply, Verdict};
