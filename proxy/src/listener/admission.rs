//! Whose connections a listener takes, and how many.

use super::room::{Place, Room};
use super::sources::{BOUND, Excess, Sources};
use crate::counts::{Failure, Loss};
use crate::snapshot::holds;
use crate::translated::Translated;
use config::model::{Listener, PerSource};
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// The rules of one listener in one configuration, with what outlives it.
#[derive(Debug)]
pub(crate) struct Admission {
    max_connections: usize,
    allow_from: Option<Vec<IpNet>>,
    per_source: PerSource,
    translated: Translated,
    room: Arc<Room>,
    /// None: there is no limit for a source.
    sources: Option<Arc<Table>>,
}

#[derive(Debug)]
struct Table(Mutex<Sources>);

/// One connection of a source, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    table: Arc<Table>,
    source: IpAddr,
}

/// Why a connection or a flow is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The client is not in the list.
    NotAllowed,
    /// Its source has had its part.
    Source(Excess),
}

impl Refusal {
    /// As what it counts, of a connection and of a datagram.
    const fn counted(self) -> (Failure, Loss) {
        match self {
            Self::NotAllowed => (Failure::NotAllowed, Loss::NotAllowed),
            Self::Source(Excess::Connections) => (Failure::SourceConnections, Loss::SourceConnections),
            Self::Source(Excess::Rate) => (Failure::SourceRate, Loss::SourceRate),
            Self::Source(Excess::Table) => (Failure::SourceTable, Loss::SourceTable),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        refusal.counted().0
    }
}

impl From<Refusal> for Loss {
    fn from(refusal: Refusal) -> Self {
        refusal.counted().1
    }
}

impl Admission {
    /// Goes on with what `previous` has counted. Other lengths of networks make other sources, so then it begins anew.
    pub(crate) fn new(listener: &Listener, translated: &Translated, previous: Option<&Self>) -> Self {
        let per_source = listener.per_source;
        let limited = per_source.connections.is_some() || per_source.rate.is_some();
        let old = previous.and_then(|old| old.sources.clone());
        let sources = limited.then(|| {
            let fitting = old.filter(|table| table.lock().fits(per_source));
            fitting.unwrap_or_else(|| Arc::new(Table(Mutex::new(Sources::new(per_source, BOUND)))))
        });
        let most = listener.max_connections.map_or(Ok(usize::MAX), usize::try_from);
        Self {
            max_connections: most.unwrap_or(usize::MAX),
            allow_from: listener.allow_from.clone(),
            per_source,
            translated: translated.clone(),
            room: previous.map_or_else(Arc::default, |old| Arc::clone(&old.room)),
            sources,
        }
    }

    /// A place for one connection more; none while there are as many as may be.
    pub(crate) fn take_place(&self) -> Option<Place> {
        self.room.take(self.max_connections)
    }

    pub(crate) fn has_place(&self) -> bool {
        self.taken() < self.max_connections
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        self.room.taken()
    }

    /// Tells whoever waits at that moment that there may be a place.
    pub(crate) fn freed(&self) -> &Notify {
        &self.room.freed
    }

    /// Whether a connection of this client is taken, and what counts it from here on. Who has no address came through a
    /// Unix socket, whose permissions choose: neither list nor limit of addresses is about it.
    pub(crate) fn judge(&self, client: Option<IpAddr>, now: Instant) -> Result<Option<Box<Ticket>>, Refusal> {
        let Some(client) = client else { return Ok(None) };
        if self.allow_from.as_ref().is_some_and(|networks| !holds(networks, client)) {
            return Err(Refusal::NotAllowed);
        }
        let Some(table) = &self.sources else { return Ok(None) };
        let admitted = table.lock().admit(self.translated.counted(client), self.per_source, now);
        match admitted {
            // Few listeners have such limits; no connection of the others should carry room for it.
            Ok(source) => Ok(Some(Box::new(Ticket { table: Arc::clone(table), source }))),
            Err(excess) => Err(Refusal::Source(excess)),
        }
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Sources> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.table.lock().release(self.source, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::model::Mode;

    fn listener(edit: impl FnOnce(&mut Listener)) -> Listener {
        let mut listener = Listener::new("web", Vec::new(), Mode::Tcp, "web");
        edit(&mut listener);
        listener
    }

    fn limited(connections: u32, prefix_v4: u8) -> Listener {
        let limits = PerSource { connections: Some(connections), prefix_v4, ..PerSource::default() };
        listener(|listener| listener.per_source = limits)
    }

    fn nat64() -> Translated {
        Translated::new(["2001:db8:64::/96".parse().unwrap()])
    }

    fn judge(admission: &Admission, client: &str) -> Result<Option<Box<Ticket>>, Refusal> {
        admission.judge(Some(client.parse().unwrap()), Instant::now())
    }

    #[test]
    fn only_clients_of_the_list_are_taken() {
        let list = vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let admission =
            Admission::new(&listener(|listener| listener.allow_from = Some(list)), &nat64(), None);
        let check = |client: &str, expect: bool| {
            assert_eq!(judge(&admission, client).is_ok(), expect, "{client}");
        };
        check("192.0.2.7", true);
        check("::ffff:192.0.2.7", true);
        check("2001:db8::7", true);
        check("198.51.100.7", false);
        check("2001:db9::7", false);
        assert!(admission.judge(None, Instant::now()).is_ok());
    }

    #[test]
    fn clients_of_a_translator_are_sources_of_their_own() {
        let admission = Admission::new(&limited(1, 32), &nat64(), None);
        let _held = ["2001:db8:64::192.0.2.1", "2001:db8:64::192.0.2.2", "64:ff9b::192.0.2.3"]
            .map(|client| judge(&admission, client).unwrap());
        for client in ["2001:db8:64::192.0.2.1", "192.0.2.2"] {
            let refused = judge(&admission, client).unwrap_err();
            assert_eq!(refused, Refusal::Source(Excess::Connections), "{client}");
        }
    }

    #[test]
    fn what_is_open_counts_on_after_a_change_of_limits_and_not_of_lengths() {
        let one = Admission::new(&limited(5, 32), &nat64(), None);
        let held: Vec<_> = (0..3).map(|_| judge(&one, "192.0.2.7").unwrap()).collect();
        let two = Admission::new(&limited(3, 32), &nat64(), Some(&one));
        assert_eq!(judge(&two, "192.0.2.7").unwrap_err(), Refusal::Source(Excess::Connections));
        let three = Admission::new(&limited(1, 24), &nat64(), Some(&two));
        let _fourth = judge(&three, "192.0.2.7").unwrap();
        assert_eq!(judge(&three, "192.0.2.8").unwrap_err(), Refusal::Source(Excess::Connections));
        drop(held);
        assert!(judge(&two, "192.0.2.7").is_ok());
    }

    #[test]
    fn places_are_counted_over_a_change_of_the_limit() {
        let most = |most| listener(|listener| listener.max_connections = most);
        let one = Admission::new(&most(None), &nat64(), None);
        let held: Vec<_> = (0..3).map(|_| one.take_place().unwrap()).collect();
        let two = Admission::new(&most(Some(3)), &nat64(), Some(&one));
        assert!(two.take_place().is_none());
        drop(held);
        assert!(two.take_place().is_some());
    }
}
