//! What a daemon gives to [`crate::main`], and what it gets from it.

use crate::explain::Explain;
use crate::order::Order;
use crate::readiness::Readiness;
use crate::status::table::Table;
use caps::Capability;
use config::{Diff, Gateway, Refusal, Section};
use prometheus_client::registry::Registry;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::mpsc;

/// One daemon: the composition root behind the shared command line.
///
/// All methods run on the main thread's single-threaded runtime; data paths live on threads that `start` makes.
pub trait Daemon: Sized + 'static {
    /// The program's name, `causeway-…`. Its metrics and its admin socket are named after it.
    const NAME: &'static str;
    /// One sentence for `--help`.
    const ABOUT: &'static str;
    /// The section of the file it needs.
    const SECTION: Section;
    /// The capabilities it keeps; all others are dropped before `start`, while there is a single thread.
    const CAPABILITIES: &'static [Capability];
    /// What its command `explain` takes, if it explains anything.
    const EXPLAIN: Option<Explain> = None;
    /// Its commands that tell the running daemon to do something.
    const ORDERS: &'static [Order] = &[];
    /// Its own errors.
    type Error: Error + Send + Sync + 'static;
    /// What `prepare` made ready and `commit` puts in place. Dropping it undoes the preparation.
    type Prepared;

    /// What this daemon cannot serve of a valid model. Pure.
    fn check(model: &Gateway) -> Vec<Refusal>;

    /// What it cannot use of the files that a valid model names.
    fn check_files(_model: &Gateway) -> Vec<Refusal> {
        Vec::new()
    }

    /// What an operator should know of a model that can be served, one sentence each: said by the command `check`, at
    /// the start and with every reload. May read the files that `check_files` reads.
    fn advise(_model: &Gateway) -> Vec<String> {
        Vec::new()
    }

    /// Builds everything and begins to serve.
    fn start(model: Arc<Gateway>, boot: &mut Boot<'_>) -> impl Future<Output = Result<Self, Self::Error>>;

    /// What the files that `model` names say otherwise than when they were last read, one line each: a reload is then
    /// prepared and committed even where the model is what it was.
    fn stale(&self, _model: &Gateway) -> Vec<String> {
        Vec::new()
    }

    /// Makes a changed model ready without touching what runs: binds, allocates, loads.
    fn prepare(
        &self,
        model: Arc<Gateway>,
        diff: &Diff,
    ) -> impl Future<Output = Result<Self::Prepared, Self::Error>>;

    /// Puts a prepared model in place. Cannot fail.
    fn commit(&self, prepared: Self::Prepared);

    /// Asks for what a crash would lose to be put on disk; called with every reload, also with one that changes nothing or
    /// is refused.
    fn sync(&self) {}

    /// The daemon's own admin routes, asked for once after `start`. All daemons have `/live`, `/ready`, `/status`,
    /// `/metrics`, `/config` and `/reload` already; a path that is there twice, or a fallback of its own, panics.
    fn routes(&self) -> axum::Router;

    /// Makes the daemon's own tables of `GET /status`; asked for once after `start`, called for each answer. By
    /// default there are none, and `status` prints the totals of all metrics instead.
    fn tables(&self) -> Box<dyn Fn() -> Vec<Table> + Send + Sync> {
        Box::new(Vec::new)
    }

    /// Takes no new work and finishes what was accepted; returns when all is done. Cut off by the drain limit.
    fn drain(self) -> impl Future<Output = ()>;
}

/// What `start` is handed.
pub struct Boot<'a> {
    /// Where metrics are registered; `packets` becomes `causeway_nat64_packets`. Shown once `start` has returned.
    pub registry: &'a mut Registry,
    /// Parts that must serve before the daemon is ready.
    pub readiness: Readiness,
    /// A part whose thread cannot go on says why; the daemon then drains for a moment and exits with status 1.
    pub failures: mpsc::UnboundedSender<String>,
}
