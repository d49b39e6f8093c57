//! The proxy daemon, put together.

use crate::capacity::Capacity;
use crate::error::Error;
use crate::listener::{Inherited, Site};
use crate::pool::check::Checker;
use crate::reload::{self, Built, Prepared};
use crate::snapshot::{Shared, Snapshot};
use crate::worker::Worker;
use crate::{admin, advice, files, metrics, orders, origination, rate, status, termination};
use config::model::Gateway;
use config::{Diff, Refusal, Section};
use futures_util::future::join_all;
use service::unix_socket::SocketFile;
use service::{Boot, Capability, Daemon, Order, Table};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// causeway-proxy.
#[derive(Debug)]
pub struct App {
    pub(crate) shared: Arc<Shared>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) checker: Checker,
    inherited: Inherited,
    /// Those of Unix sockets that are listened on.
    pub(crate) files: RefCell<HashMap<Site, SocketFile>>,
}

impl Daemon for App {
    const NAME: &'static str = "causeway-proxy";
    const ABOUT: &'static str =
        "A tcp and http load balancer: IPv6 and IPv4 listeners in front of pools of servers";
    const SECTION: Section = Section::Proxy;
    const CAPABILITIES: &'static [Capability] = &[Capability::CAP_NET_BIND_SERVICE];
    const ORDERS: &'static [Order] = &orders::COMMANDS;
    type Error = Error;
    type Prepared = Prepared;

    fn check(_: &Gateway) -> Vec<Refusal> {
        Vec::new()
    }

    fn check_files(model: &Gateway) -> Vec<Refusal> {
        let Some(proxy) = &model.proxy else { return Vec::new() };
        files::refusals(proxy)
    }

    fn advise(model: &Gateway) -> Vec<String> {
        let Some(proxy) = &model.proxy else { return Vec::new() };
        let of_members = origination::warnings(proxy);
        advice::of(proxy).into_iter().chain(termination::warnings(proxy)).chain(of_members).collect()
    }

    async fn start(model: Arc<Gateway>, boot: &mut Boot<'_>) -> Result<Self, Error> {
        let listening = boot.readiness.latch("listeners");
        let first_checks = boot.readiness.latch("checks");

        let workers = count(&model)?;
        let inherited = Inherited::take()?;
        let Built { snapshot, opened, .. } = reload::build(&model, None, workers, &inherited)?;
        warn_of_unused(&inherited, &snapshot);
        let capacity = Capacity::of_this_process().without(inherited.count() * (workers + 1));
        let shared = Arc::new(Shared::new(snapshot, workers, capacity));
        metrics::register(boot.registry, &shared);

        let workers = (0..workers)
            .map(|index| Worker::start(index, Arc::clone(&shared), boot.failures.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let checker = Checker::start(Arc::clone(&shared), boot.failures.clone())?;

        let snapshot = shared.snapshot.load_full();
        snapshot.put_in_force(None);
        let first_round = checker.check(snapshot.pools.values());
        tokio::spawn(async move {
            // An error means that the checks have failed, and the daemon with them.
            if first_round.await.is_ok() {
                first_checks.open();
            }
        });

        tokio::spawn(rate::sample(Arc::clone(&shared)));

        let app = Self { shared, workers, checker, inherited, files: RefCell::default() };
        let opened = reload::register(&app.workers, &snapshot, opened)?;
        reload::open(&app, &snapshot, opened);
        join_all(app.workers.iter().map(Worker::reported)).await;
        listening.open();
        let (listeners, connections) = (snapshot.listeners.len(), app.shared.connections_per_worker());
        tracing::info!(
            workers = app.workers.len(),
            listeners,
            connections_per_worker = connections,
            "listening"
        );
        Ok(app)
    }

    fn stale(&self, model: &Gateway) -> Vec<String> {
        let Some(proxy) = &model.proxy else { return Vec::new() };
        let snapshot = self.shared.snapshot.load();
        snapshot.files.changed(proxy)
    }

    async fn prepare(&self, model: Arc<Gateway>, _: &Diff) -> Result<Prepared, Error> {
        // What the last change closed may be an address that this one listens on.
        join_all(self.workers.iter().map(Worker::reported)).await;
        let current = self.shared.snapshot.load();
        reload::build(&model, Some(&current), self.shared.workers, &self.inherited)?.prepare(&self.workers)
    }

    fn commit(&self, prepared: Prepared) {
        reload::commit(self, prepared);
    }

    fn routes(&self) -> axum::Router {
        let orders = orders::routes(Arc::clone(&self.shared), self.checker.clone());
        admin::routes(Arc::clone(&self.shared)).merge(orders)
    }

    fn tables(&self) -> Box<dyn Fn() -> Vec<Table> + Send + Sync> {
        let shared = Arc::clone(&self.shared);
        Box::new(move || status::tables(&shared))
    }

    async fn drain(self) {
        // Their files go first, so that nobody comes any more.
        drop(self.files);
        let last = Last { shared: self.shared, workers: self.workers };
        join_all(last.workers.iter().map(Worker::drained)).await;
    }
}

/// The end of the workers. Whatever they have under way when this is dropped is cut off, and told.
struct Last {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

impl Drop for Last {
    fn drop(&mut self) {
        self.shared.cuts_off();
        let limit = Instant::now() + CUT_LIMIT;
        let ends: Vec<_> = self.workers.drain(..).map(Worker::ends).collect();
        for ended in ends {
            // A thread that is stuck is left behind.
            let _ = ended.recv_timeout(limit.saturating_duration_since(Instant::now()));
        }
        if let Some(log) = &self.shared.snapshot.load().log {
            log.end(LAST_LINES_LIMIT);
        }
    }
}

/// How long workers may take to let go of what is cut off.
const CUT_LIMIT: Duration = Duration::from_secs(2);

fn warn_of_unused(inherited: &Inherited, snapshot: &Snapshot) {
    for name in inherited.names() {
        if snapshot.route(&Site::Inherited(name.to_owned())).is_none() {
            tracing::warn!(
                name,
                "no listener has the socket that systemd hands over: bind it by \"fd:{name}\""
            );
        }
    }
}

/// How long the log of connections may take for the lines that wait at the end.
const LAST_LINES_LIMIT: Duration = Duration::from_secs(2);

fn count(model: &Gateway) -> Result<usize, Error> {
    let section = model.proxy.as_ref().ok_or(Error::NoSection)?;
    Ok(if section.workers == 0 { service::cores() } else { usize::from(section.workers) })
}

#[cfg(test)]
mod tests;
