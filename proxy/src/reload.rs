//! A change of configuration: everything that can fail is done in prepare, and commit swaps.

use crate::app::App;
use crate::error::Error;
use crate::files::Files;
use crate::listener::socket::{self, Manner, Sockets};
use crate::listener::{Inherited, Site};
use crate::log::Log;
use crate::snapshot::Snapshot;
use crate::translated::Translated;
use crate::worker::{Order, Registered, Worker};
use config::Gateway;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A configuration that is ready to be put in force. Dropping it closes the sockets that were made for it.
#[derive(Debug)]
pub struct Prepared {
    snapshot: Snapshot,
    opened: Vec<Sockets<Registered>>,
    closed: Vec<Site>,
}

/// One whose sockets no worker knows.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) snapshot: Snapshot,
    pub(crate) opened: Vec<Sockets>,
    closed: Vec<Site>,
}

/// Builds the configuration and listens on every address that it adds.
pub(crate) fn build(
    model: &Gateway,
    current: Option<&Snapshot>,
    workers: usize,
    inherited: &Inherited,
) -> Result<Built, Error> {
    let section = model.proxy.as_ref().ok_or(Error::NoSection)?;
    let files = Files::load(section, current.map(|current| &current.files))?;
    let beside = model.nat64.iter().flat_map(|nat64| nat64.prefix.iter().map(|ranged| ranged.prefix));
    let translated = Translated::new(model.prefix.iter().map(|prefix| prefix.pref64).chain(beside));
    let mut snapshot = Snapshot::build(section, &translated, files, current, workers);
    let running = current.and_then(|current| current.log.as_ref());
    snapshot.log = Log::of(&section.log, running, &snapshot.log_counts, workers)?;
    let sites = |snapshot: &Snapshot| snapshot.sites().map(|(site, _)| site.clone()).collect::<BTreeSet<_>>();
    let (old, new) = (current.map(sites).unwrap_or_default(), sites(&snapshot));
    let mut opened: Vec<Sockets> = Vec::new();
    for site in new.difference(&old) {
        let Some(route) = snapshot.route(site) else { continue };
        let shared =
            old.iter().chain(opened.iter().map(|sockets| &sockets.site)).any(|other| other.meets(site));
        let manner = Manner {
            listener: &route.name,
            workers,
            shared,
            freebind: route.freebind,
            mode: route.socket_mode,
            inherited,
        };
        opened.push(socket::open(site, manner)?);
    }
    Ok(Built { opened, closed: old.difference(&new).cloned().collect(), snapshot })
}

/// Makes each socket known to the worker that will have it.
pub(crate) fn register(
    workers: &[Worker],
    snapshot: &Snapshot,
    opened: Vec<Sockets>,
) -> Result<Vec<Sockets<Registered>>, Error> {
    let of_site = |Sockets { site, of_workers, file }| {
        let with_workers = workers.iter().zip(of_workers);
        let registered: Result<_, _> =
            with_workers.map(|(worker, sockets)| worker.register(sockets)).collect();
        let of_workers = registered.map_err(|cause| Error::Register {
            listener: snapshot.route(&site).map(|route| route.name.clone()).unwrap_or_default(),
            site: site.to_string(),
            cause,
        })?;
        Ok(Sockets { site, of_workers, file })
    };
    opened.into_iter().map(of_site).collect()
}

/// Puts a prepared configuration in force: routes first, so that a new socket never lacks one.
pub(crate) fn commit(app: &App, prepared: Prepared) {
    let Prepared { snapshot, opened, closed } = prepared;
    let snapshot = Arc::new(snapshot);
    let previous = app.shared.snapshot.swap(Arc::clone(&snapshot));
    snapshot.put_in_force(Some(&previous));
    // The limit that somebody waits for may be another one, and the listener too.
    previous.wake();
    open(app, &snapshot, opened);
    permit(app, &snapshot);
    for site in closed {
        // Its file goes first, so that nobody comes any more.
        app.files.borrow_mut().remove(&site);
        for worker in &app.workers {
            worker.order(Order::Close(site.clone()));
        }
    }
    // Nobody waits for the first round of a change: members count as up until then.
    drop(app.checker.check(snapshot.pools.values()));
}

/// Hands each worker its sockets of every site, and keeps the files.
pub(crate) fn open(app: &App, snapshot: &Snapshot, opened: Vec<Sockets<Registered>>) {
    for Sockets { site, of_workers, file } in opened {
        let Some(route) = snapshot.route(&site) else { continue };
        let shared = Arc::new(site.clone());
        for (worker, sockets) in app.workers.iter().zip(of_workers) {
            worker.order(Order::Open { site: Arc::clone(&shared), route: Arc::clone(route), sockets });
        }
        app.files.borrow_mut().extend(file.map(|file| (site, file)));
    }
}

/// Gives the files of Unix sockets that stand the permissions that are wanted.
fn permit(app: &App, snapshot: &Snapshot) {
    for (site, file) in app.files.borrow_mut().iter_mut() {
        let Some(route) = snapshot.route(site) else { continue };
        if let Err(error) = file.set_mode(route.socket_mode) {
            tracing::warn!(%error, %site, "the permissions of a socket stay as they were");
        }
    }
}

impl Built {
    /// Makes its sockets known to these workers.
    pub(crate) fn prepare(self, workers: &[Worker]) -> Result<Prepared, Error> {
        let Self { snapshot, opened, closed } = self;
        Ok(Prepared { opened: register(workers, &snapshot, opened)?, snapshot, closed })
    }
}
