//! causeway-nat64: translates between IPv6 and IPv4 on a TUN device (RFC 7915).
//!
//! ```text
//!   kernel: routes ──> TUN device, one queue per worker ──> worker: read ──> translator ──> write ──> kernel
//!                                                             │ asks
//!                                                             v
//!                        dynamic.map <── keeper <── SharedPool: one IPv4 address per IPv6 host
//! ```
//!
//! The translation itself is the crate `translator`, which knows no device, clock or thread; the choice of addresses
//! is [`pool`] on a [`table`], which knows no file. This crate is the shell around both: [`device`], [`link`] and
//! [`routes`] towards the kernel, [`worker`] and [`workers`] for the packets, [`lease`], [`persist`] and [`keeper`] for
//! the addresses, [`reload`] and [`drain`] for changes, [`admin`], [`metrics`], [`status`] and [`drop_log`] for those who
//! watch, [`compat`] for those who call it Tayga.

pub mod admin;
pub mod compat;
pub mod counters;
pub mod device;
pub mod drain;
pub mod drop_log;
pub mod egress;
pub mod error;
pub mod explain;
pub mod forwarding;
pub mod keeper;
pub mod lease;
pub mod link;
pub mod metrics;
pub mod next_hop;
pub mod persist;
pub mod pool;
pub mod reload;
pub mod routes;
pub mod status;
mod steering;
pub mod table;
pub mod worker;
pub mod workers;

mod app;
#[cfg(test)]
mod netns;

pub use app::App;
pub use error::Error;
