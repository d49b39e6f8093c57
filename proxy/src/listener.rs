//! Listeners: sockets made in one go for all workers, and accepted from by each worker on its own.
//!
//! Every worker has a socket of its own per address (`SO_REUSEPORT`), so the kernel spreads connections and no two
//! workers wait on one queue. IPv6 sockets take IPv6 only (`IPV6_V6ONLY`), whatever the system's default, unless both
//! families are asked for: `[::]:80` and `0.0.0.0:80` stand side by side. Unix sockets and inherited ones have no such
//! twins: all workers accept from one socket.

pub(crate) mod accept;
mod admission;
mod incoming;
pub(crate) mod inherited;
mod room;
pub(crate) mod site;
pub(crate) mod socket;
mod sources;

pub(crate) use accept::{Accepted, Acts, Stage, accept};
pub(crate) use admission::{Admission, Ticket};
pub(crate) use incoming::Listener;
pub(crate) use inherited::Inherited;
pub(crate) use room::Place;
pub(crate) use site::Site;
