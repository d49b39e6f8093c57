//! What each source of connections has at the moment: a bounded table. Pure: time comes in.
//!
//! A source is a network of clients, both families in one table: an IPv6 host takes addresses from its own /64 as it
//! likes. IPv4-mapped addresses are IPv4. The rate is a bucket that holds one second's worth: so many at once, and so
//! many a second over time. A connection that is refused counts for nothing.
//!
//! A source is forgotten when it has no connection and its bucket is full again, which takes a second at most. A full
//! table takes no new source, known ones go on: it fails towards refusing, since a source that is not in the table could
//! have any number. Only [`BOUND`] sources with a connection each can fill it for longer than a second.

use addr::fold_mapped;
use config::model::PerSource;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Sources at one time: more than a machine with 16 GiB holds connections. About 60 bytes each.
pub(super) const BOUND: usize = 200_000;
/// Entries below which nothing is looked for that may be forgotten.
const FEW: usize = 1024;
/// A full table is looked through this often at most.
const PAUSE: Duration = Duration::from_secs(1);
/// What a bucket holds.
const SECOND: Duration = Duration::from_secs(1);

/// The sources of one listener.
#[derive(Debug)]
pub(super) struct Sources {
    prefix_v6: u8,
    prefix_v4: u8,
    bound: usize,
    /// Keyed by a hash of its own: clients choose their addresses.
    entries: HashMap<IpAddr, Entry>,
    /// From this many entries on it is looked for those that may be forgotten.
    sweep_at: usize,
    swept: Option<Instant>,
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
        Self {
            prefix_v6: limits.prefix_v6,
            prefix_v4: limits.prefix_v4,
            bound,
            entries: HashMap::new(),
            sweep_at: FEW.min(bound),
            swept: None,
        }
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
        let source = self.source(client);
        let known = self.entries.get(&source);
        let (open, full) = known.map_or((0, now), |entry| (entry.open, entry.full.max(now)));
        if limits.connections.is_some_and(|most| open >= most) {
            return Err(Excess::Connections);
        }
        let step = limits.rate.map_or(Duration::ZERO, |rate| SECOND / rate.max(1));
        if full + step > now + SECOND {
            return Err(Excess::Rate);
        }
        if known.is_none() && !self.has_room(now) {
            return Err(Excess::Table);
        }
        self.entries.insert(source, Entry { open: open + 1, full: full + step });
        Ok(source)
    }

    /// A connection of the source has ended.
    pub(super) fn release(&mut self, source: IpAddr, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&source) {
            entry.open = entry.open.saturating_sub(1);
            if entry.is_forgettable(now) {
                self.entries.remove(&source);
            }
        }
    }

    /// The network that makes one source of a client's address.
    fn source(&self, client: IpAddr) -> IpAddr {
        let client = fold_mapped(client);
        let length = if client.is_ipv4() { self.prefix_v4 } else { self.prefix_v6 };
        IpNet::new(client, length).map_or(client, |net| net.network())
    }

    /// Whether one entry more may be made. Each look through the table is paid for by as many new entries as stayed.
    fn has_room(&mut self, now: Instant) -> bool {
        let rested = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= PAUSE);
        if self.entries.len() >= self.sweep_at && (self.entries.len() < self.bound || rested) {
            self.entries.retain(|_, entry| !entry.is_forgettable(now));
            self.swept = Some(now);
            self.sweep_at = (2 * self.entries.len()).max(FEW).min(self.bound);
        }
        self.entries.len() < self.bound
    }
}

impl Entry {
    fn is_forgettable(&self, now: Instant) -> bool {
        self.open == 0 && self.full <= now
    }
}

#[cfg(test)]
mod tests;
