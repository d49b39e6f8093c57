//! Changing the configuration while serving: everything that can fail happens in [`App::prepare_change`].
//!
//! Policy and upstreams are swapped as one pointer, what hosts files and leases say as another, certificates as a third:
//! connections that stand keep theirs. Listening addresses come and go by themselves: an address that
//! stays keeps its sockets and its clients. The number of workers does not change while the daemon runs; the shared
//! reload refuses that before it comes here.

use crate::app::App;
use crate::certificate;
use crate::error::Error;
use crate::hosts::source::Sources;
use crate::hosts::{Hosts, watch};
use crate::listen::{self, Endpoint, Sockets};
use crate::snapshot::Snapshot;
use config::Gateway;
use service::tls::Bundle;
use std::sync::Arc;

/// A change that was made ready. Dropping it closes its sockets.
#[derive(Debug)]
pub struct Prepared {
    snapshot: Arc<Snapshot>,
    hosts: Arc<Hosts>,
    sources: Sources,
    certificates: Vec<Bundle>,
    /// The sockets of each new endpoint, for each worker.
    come: Vec<Vec<Sockets>>,
    go: Vec<Endpoint>,
    listening: Vec<Endpoint>,
}

impl App {
    /// Makes `model` ready beside what runs.
    pub(crate) fn prepare_change(&self, model: &Gateway) -> Result<Prepared, Error> {
        let prefix = model.prefix.as_ref().ok_or(Error::Section("prefix"))?;
        let dns64 = model.dns64.as_ref().ok_or(Error::Section("dns64"))?;
        let current = self.shared.snapshot();
        let metrics = Arc::clone(self.shared.metrics());
        let certificates = certificate::load(dns64)?;
        let snapshot = Snapshot::new(prefix, dns64, metrics, Some(&current))?;
        let snapshot = Arc::new(snapshot.designating(dns64, &certificates));

        let (held, listening) = (self.listening.borrow(), listen::endpoints(dns64));
        let new: Vec<_> = listening.iter().filter(|endpoint| !held.contains(endpoint)).copied().collect();
        let come = listen::bind_all(&new, &held, self.workers.len())?;
        let go = held.iter().filter(|held| !listening.contains(held)).copied().collect();
        let mut sources = Sources::new(&dns64.names);
        let hosts = Arc::new(sources.load());
        Ok(Prepared { snapshot, hosts, sources, certificates, come, go, listening })
    }

    /// Puts a prepared change in place.
    pub(crate) fn commit_change(&self, prepared: Prepared) {
        let Prepared { snapshot, hosts, sources, certificates, come, go, listening } = prepared;
        self.watcher.borrow().abort();
        self.shared.serve_hosts(hosts);
        self.watcher.replace(tokio::spawn(watch::run(Arc::clone(&self.shared), sources)));
        self.shared.replace(&snapshot);
        if !self.encryption.certificates.are(&certificates) {
            certificate::announce(&certificates, self.shared.metrics());
            self.encryption.certificates.replace(certificates);
        }
        for (worker, endpoint) in
            self.workers.iter().flat_map(|worker| go.iter().map(move |go| (worker, *go)))
        {
            worker.leave(endpoint);
        }
        for (worker, sockets) in come.into_iter().flat_map(|bound| self.workers.iter().zip(bound)) {
            // Bound sockets take queries in from the start; nobody waits for the worker to read them.
            drop(worker.serve(sockets));
        }
        self.listening.replace(listening);
    }
}
