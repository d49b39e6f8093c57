//! What each source of connections has at the moment: a bounded table. Pure: time comes in.
//!
//! A source is a network of clients, both families in one table: an IPv6 host takes addresses from its own /64 as it
//! likes. IPv4-mapped addresses are IPv4. The rate is a bucket that holds one second's worth: so many at once, and so
//! many a second over time. A connection that is refused counts for nothing.
//!
//! A source is forgotten when it has no connection and its bucket is full again, which takes a second at most. Only
//! [`BOUND`] sources with a connection each can fill the table for longer than a second.

use crate::accounts::{self, Account, Accounts, Bucket};
use config::model::PerSource;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Sources at one time: more than a machine with 16 GiB holds connections. About 60 bytes each.
pub(super) const BOUND: usize = 200_000;
/// What a bucket holds.
const SECOND: Duration = Duration::from_secs(1);

/// The sources of one listener.
#[derive(Debug)]
pub(super) struct Sources {
    prefix_v6: u8,
    prefix_v4: u8,
    accounts: Accounts<IpAddr, Entry>,
}

#[derive(Debug)]
struct Entry {
    open: u32,
    /// When the bucket is full again.
    full: Instant,
}

/// Why a source gets no connection more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// It has as many as it may.
    Connections,
    /// It came too often within a second.
    Rate,
    /// It is new, and the table is full.
    Table,
}

impl Sources {
    pub(super) fn new(limits: PerSource, bound: usize) -> Self {
        Self { prefix_v6: limits.prefix_v6, prefix_v4: limits.prefix_v4, accounts: Accounts::new(bound) }
    }

    /// Whether the same addresses make the same sources with these lengths.
    pub(super) fn fits(&self, limits: PerSource) -> bool {
        (self.prefix_v6, self.prefix_v4) == (limits.prefix_v6, limits.prefix_v4)
    }

    /// Gives a client's source one connection more, to be released under what is returned.
    pub(super) fn admit(
        &mut self,
        client: IpAddr,
        limits: PerSource,
        now: Instant,
    ) -> Result<IpAddr, Excess> {
        let source = accounts::source(client, self.prefix_v6, self.prefix_v4);
        let known = self.accounts.get(&source);
        let (open, full) = known.map_or((0, now), |entry| (entry.open, entry.full));
        if limits.connections.is_some_and(|most| open >= most) {
            return Err(Excess::Connections);
        }
        let full = match limits.rate {
            Some(rate) => Bucket::new(rate, SECOND, rate).take(full, now).map_err(|_| Excess::Rate)?,
            None => full,
        };
        let entry = Entry { open: open + 1, full };
        if self.accounts.put(source, entry, now) { Ok(source) } else { Err(Excess::Table) }
    }

    /// A connection of the source has ended.
    pub(super) fn release(&mut self, source: IpAddr, now: Instant) {
        self.accounts.settle(&source, now, |entry| entry.open = entry.open.saturating_sub(1));
    }
}

impl Account for Entry {
    fn is_settled(&self, now: Instant) -> bool {
        self.open == 0 && self.full <= now
    }
}

#[cfg(test)]
mod tests;
