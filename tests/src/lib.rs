//! The lab: a private network with an IPv6-only client, the gateway, and IPv4-only servers.
//!
//! ```text
//! sandbox ── enter once ──> namespace ── link ──> topology (Network, Servers)
//!                               │                     │
//!                 program ──────┴──> gateway ────> lab (Lab) <── capture
//!                                                     │
//!                                  probe ──> check ───┴──> report
//! ```
//!
//! Owns what `cargo lab`, the end-to-end tests and the benchmarks share. The lower half ([`namespace`], [`link`],
//! [`program`], [`capture`], [`server`], [`probe`]) knows nothing of causeway. Nothing here calls an outside program
//! but the daemons; nothing but a temporary folder is on disk; all ends with the process, however that ends.

pub mod admin;
pub mod binaries;
pub mod capture;
pub mod check;
pub mod folder;
pub mod gateway;
pub mod hold;
pub mod http;
pub mod interrupt;
pub mod lab;
pub mod link;
pub mod namespace;
pub mod payload;
pub mod peers;
pub mod probe;
pub mod program;
pub mod report;
pub mod sandbox;
pub mod server;
pub mod tap;
pub mod topology;
pub mod wait;
