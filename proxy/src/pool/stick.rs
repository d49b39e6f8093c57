//! Which member a network of clients was served by. Pure: time comes in.
//!
//! Both families are in one table: an IPv6 host takes addresses from its own /64 as it likes, so that clients are kept by
//! network. IPv4-mapped addresses are IPv4.

use super::bindings::{Bindings, Bounds};
use addr::fold_mapped;
use config::model::Stick;
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Instant;

/// The table of one pool.
#[derive(Debug)]
pub(crate) struct StickTable {
    config: Stick,
    bindings: Bindings<IpAddr>,
}

impl StickTable {
    pub(crate) fn new(config: Stick) -> Self {
        Self { config, bindings: Bindings::new(bounds(&config)) }
    }

    /// The member that served this client's network last, if that was less than `expire` ago. Counts as a use.
    pub(crate) fn find(&mut self, client: IpAddr, now: Instant) -> Option<&str> {
        self.bindings.find(self.network(client), now)
    }

    /// Remembers who serves this client's network. Nobody is bound to a name that is no member's.
    pub(crate) fn bind(&mut self, client: IpAddr, member: &str, now: Instant) {
        self.bindings.bind(self.network(client), member, now);
    }

    /// Goes on with another configuration and these members. What clients of a former member are bound to counts again
    /// when it returns. Other lengths of networks make other clients, so then all is forgotten.
    pub(crate) fn adapt<'a>(&mut self, config: &Stick, members: impl Iterator<Item = &'a str>) {
        let lengths = |config: &Stick| (config.prefix_v4, config.prefix_v6);
        if lengths(config) != lengths(&self.config) {
            *self = Self::new(*config);
        }
        self.config = *config;
        self.bindings.adapt(bounds(config), members);
    }

    /// Networks held, expired ones among them until somebody uses the table.
    pub(crate) fn len(&self) -> usize {
        self.bindings.len()
    }

    fn network(&self, client: IpAddr) -> IpAddr {
        let client = fold_mapped(client);
        let length = if client.is_ipv4() { self.config.prefix_v4 } else { self.config.prefix_v6 };
        IpNet::new(client, length).map_or(client, |net| net.network())
    }
}

const fn bounds(config: &Stick) -> Bounds {
    Bounds { size: config.size, expire: config.expire }
}

#[cfg(test)]
mod tests;
