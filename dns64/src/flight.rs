//! Questions under way to upstreams: who asks the same meanwhile waits for the one answer (RFC 5452 §5).
//!
//! What is the same is the whole query, DO and CD included, to the upstreams of one snapshot; clients and their
//! policies have no part in it, since what is shared is an upstream's answer and no reply. The task that asks
//! belongs to no client, so nobody's going ends it for others. Ends it otherwise, by a panic or with its worker,
//! then those who wait learn so and one of them asks anew. How many board one flight is bounded, so that one name
//! whose answer does not come cannot have all places of those who wait.

use crate::lookup::Found;
use crate::query::Query;
use crate::resolver::MAX_WAITING;
use crate::snapshot::Snapshot;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::SetOnce;

/// Separately locked parts.
const PARTS: usize = 16;

/// How many may board one flight. Those who went before it ended count as well: a flight is short.
const SEATS: usize = MAX_WAITING / 4;

/// All questions under way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    parts: [Mutex<HashMap<u64, Flight>>; PARTS],
}

/// One question under way.
#[derive(Debug)]
struct Flight {
    query: Query,
    snapshot: Arc<Snapshot>,
    landing: Landing,
    boarded: usize,
}

/// Where the answer will be; nothing, where whoever asked ended without one.
pub(crate) type Landing = Arc<SetOnce<Option<Found>>>;

/// What one who asks is to do.
pub(crate) enum Seat {
    /// Ask the upstreams, and wait for the answer as the others do.
    Pilot(Pilot, Landing),
    /// Wait.
    Passenger(Landing),
    /// Go: too many wait for this already.
    Full,
}

/// The duty to ask. Dropping it undone tells those who wait.
#[derive(Debug)]
pub(crate) struct Pilot {
    flights: Arc<Flights>,
    /// `None` where the table has another query under this hash, which is left to itself.
    hash: Option<u64>,
    landing: Landing,
}

impl Flights {
    /// A seat for `query`, whose `hash` nobody outside can foretell.
    pub(crate) fn board(self: &Arc<Self>, hash: u64, query: &Query, snapshot: &Arc<Snapshot>) -> Seat {
        let mut part = self.part(hash);
        let mut known = part.get_mut(&hash);
        if let Some(flight) = &mut known
            && flight.query == *query
            && Arc::ptr_eq(&flight.snapshot, snapshot)
        {
            if flight.boarded >= SEATS {
                return Seat::Full;
            }
            flight.boarded += 1;
            return Seat::Passenger(Arc::clone(&flight.landing));
        }
        let free = known.is_none();
        let landing = Landing::default();
        if free {
            let (query, snapshot) = (query.clone(), Arc::clone(snapshot));
            let flight = Flight { query, snapshot, landing: Arc::clone(&landing), boarded: 1 };
            part.insert(hash, flight);
        }
        let pilot =
            Pilot { flights: Arc::clone(self), hash: free.then_some(hash), landing: Arc::clone(&landing) };
        Seat::Pilot(pilot, landing)
    }

    fn part(&self, hash: u64) -> MutexGuard<'_, HashMap<u64, Flight>> {
        let part = usize::from(hash.to_be_bytes()[0]) % PARTS;
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pilot {
    /// Tells everyone who waits.
    pub(crate) fn land(self, found: Found) {
        // Nobody else sets it while its only pilot lives.
        let _ = self.landing.set(Some(found));
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        // Stands already where it was landed.
        let _ = self.landing.set(None);
        if let Some(hash) = self.hash {
            self.flights.part(hash).remove(&hash);
        }
    }
}
