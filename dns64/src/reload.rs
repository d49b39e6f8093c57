//! Changing the configuration while serving: everything that can fail happens in [`App::prepare_change`].
//!
//! Policy and upstreams are swapped as one pointer. Listening addresses come and go by themselves: an address that
//! stays keeps its sockets and its clients. Workers are added and drained as their number changes.

use crate::app::{App, Workers, worker_count};
use crate::error::Error;
use crate::listen::{self, MAX_CONNECTIONS, Sockets};
use crate::snapshot::Snapshot;
use crate::worker::Worker;
use config::Gateway;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A change that was made ready. Dropping it closes its sockets and ends its workers.
#[derive(Debug)]
pub struct Prepared {
    snapshot: Arc<Snapshot>,
    /// New sockets, by worker: those that are first, then those that are started.
    sockets: Vec<Vec<Sockets>>,
    started: Vec<Worker>,
    left: Vec<SocketAddr>,
    connections: HashMap<SocketAddr, Arc<Semaphore>>,
}

impl App {
    /// Makes `model` ready beside what runs.
    pub(crate) fn prepare_change(&self, model: &Gateway) -> Result<Prepared, Error> {
        let prefix = model.prefix.as_ref().ok_or(Error::Section("prefix"))?;
        let dns64 = model.dns64.as_ref().ok_or(Error::Section("dns64"))?;
        let current = self.shared.snapshot();
        let metrics = Arc::clone(self.shared.metrics());
        let snapshot = Arc::new(Snapshot::new(prefix, dns64, metrics, Some(&current)));

        let running = self.workers.borrow();
        let (before, after) = (running.threads.len(), worker_count(dns64));
        let started = (before..after).map(|index| self.start_worker(index)).collect::<Result<_, _>>()?;

        let mut sockets: Vec<Vec<Sockets>> = (0..after).map(|_| Vec::new()).collect();
        let mut connections = HashMap::new();
        for address in &dns64.listen {
            let known = running.connections.get(address);
            let limit = known.cloned().unwrap_or_else(|| Arc::new(Semaphore::new(MAX_CONNECTIONS)));
            // Workers that already listen there keep their sockets.
            let first = if known.is_some() { before.min(after) } else { 0 };
            let fresh = running.connections.keys().all(|held| held.port() != address.port());
            for (worker, bound) in (first..after).zip(listen::bind(*address, after - first, fresh, &limit)?) {
                sockets[worker].push(bound);
            }
            connections.insert(*address, limit);
        }
        let left = running.connections.keys().filter(|held| !dns64.listen.contains(held)).copied().collect();
        Ok(Prepared { snapshot, sockets, started, left, connections })
    }

    /// Puts a prepared change in place.
    pub(crate) fn commit_change(&self, prepared: Prepared) {
        let Prepared { snapshot, sockets, started, left, connections } = prepared;
        self.shared.replace(&snapshot);
        let mut running = self.workers.borrow_mut();
        let Workers { threads, connections: served } = &mut *running;
        for surplus in threads.drain(sockets.len().min(threads.len())..) {
            // It finishes on its own; nobody waits for it.
            drop(surplus.drain());
        }
        for (worker, address) in threads.iter().flat_map(|worker| left.iter().map(move |left| (worker, left)))
        {
            worker.leave(*address);
        }
        threads.extend(started);
        for (worker, sockets) in threads.iter().zip(sockets) {
            for bound in sockets {
                drop(worker.serve(bound));
            }
        }
        *served = connections;
    }
}
