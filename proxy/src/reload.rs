//! A change of configuration: everything that can fail is done in prepare, and commit swaps.

use crate::app::App;
use crate::error::Error;
use crate::listener::{self, Sockets};
use crate::snapshot::Snapshot;
use crate::worker::{Order, Worker};
use config::Gateway;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

/// A configuration that is ready to be put in force. Dropping it closes the sockets that were made for it.
#[derive(Debug)]
pub struct Prepared {
    snapshot: Snapshot,
    opened: Vec<Sockets>,
    closed: Vec<SocketAddr>,
}

/// Builds the configuration and listens on every address that it adds.
pub(crate) fn prepare(
    model: &Gateway,
    current: Option<&Snapshot>,
    workers: usize,
) -> Result<Prepared, Error> {
    let section = model.proxy.as_ref().ok_or(Error::NoSection)?;
    let snapshot = Snapshot::new(section, current, workers);
    let addresses =
        |snapshot: &Snapshot| snapshot.addresses().map(|(address, _)| address).collect::<BTreeSet<_>>();
    let (old, new) = (current.map(addresses).unwrap_or_default(), addresses(&snapshot));
    let mut opened: Vec<Sockets> = Vec::new();
    for (address, name) in snapshot.addresses().filter(|(address, _)| !old.contains(address)) {
        let same_port =
            |other: &SocketAddr| other.port() == address.port() && other.is_ipv6() == address.is_ipv6();
        let shared = old.iter().any(same_port) || opened.iter().any(|sockets| same_port(&sockets.address));
        opened.push(listener::bind(name, address, workers, shared)?);
    }
    Ok(Prepared { opened, closed: old.difference(&new).copied().collect(), snapshot })
}

/// Puts a prepared configuration in force: routes first, so that a new socket never lacks one.
pub(crate) fn commit(app: &App, prepared: Prepared) {
    let Prepared { snapshot, opened, closed } = prepared;
    let snapshot = Arc::new(snapshot);
    app.shared.snapshot.store(Arc::clone(&snapshot));
    snapshot.put_in_force();
    open(&app.workers, &snapshot, opened);
    for address in closed {
        for worker in &app.workers {
            worker.order(Order::Close(address));
        }
    }
    // Nobody waits for the first round of a change: members count as up until then.
    drop(app.checker.check(snapshot.pools.values()));
}

/// Hands each worker its socket of every address.
pub(crate) fn open(workers: &[Worker], snapshot: &Snapshot, opened: Vec<Sockets>) {
    for Sockets { address, sockets } in opened {
        let Some(route) = snapshot.route(&address) else { continue };
        for (worker, socket) in workers.iter().zip(sockets) {
            worker.order(Order::Open { address, route: Arc::clone(route), socket });
        }
    }
}

impl Prepared {
    /// What `start` needs apart.
    pub(crate) fn into_parts(self) -> (Snapshot, Vec<Sockets>) {
        (self.snapshot, self.opened)
    }
}
