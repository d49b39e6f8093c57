//! The life of a daemon from a checked configuration to its exit. Reads as the boot log does.

use crate::admin::Bound;
use crate::cli::VERSION;
use crate::daemon::{Boot, Daemon};
use crate::error::{RunError, chain};
use crate::instance::Instance;
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::reload::{self, Reloader};
use crate::signals::{Hangups, Stops};
use crate::terms::{AdminNeed, Herald, Terms};
use crate::{privileges, systemd};
use config::Gateway;
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long accepted work may take to finish after SIGTERM. Under systemd's default `TimeoutStopSec` of 90 s.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// How long it may take after a part has failed: what is left rarely finishes, and a restart helps sooner.
const FAILURE_DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Runs a daemon until a signal or a failure ends it.
pub(crate) fn run<D: Daemon>(model: Gateway, terms: Terms) -> ExitCode {
    let logs = Logs::init(model.log, &terms.sink);
    if terms.herald == Herald::Never {
        systemd::silence();
    }
    tracing::info!(version = VERSION, file = %terms.file.display(), "{} starts", D::NAME);
    match prepared::<D>(Arc::new(model), terms, &logs) {
        Ok(()) => {
            tracing::info!("{} ends", D::NAME);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let reason = chain(&error);
            systemd::status(&reason);
            tracing::error!(reason, "{} ends", D::NAME);
            ExitCode::FAILURE
        }
    }
}

/// Takes on the process's final rights while there is one thread, and enters the event loop.
fn prepared<D: Daemon>(model: Arc<Gateway>, terms: Terms, logs: &Logs) -> Result<(), RunError> {
    privileges::raise_open_files();
    privileges::keep(&[D::CAPABILITIES, &terms.capabilities])?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
    let outcome = runtime.block_on(life::<D>(model, terms, logs));
    // Blocking calls in the background, such as name lookups, do not hold up the exit.
    runtime.shutdown_background();
    outcome
}

/// What ends a daemon's service.
enum End {
    Signal(&'static str),
    Failure(String),
}

async fn life<D: Daemon>(model: Arc<Gateway>, mut terms: Terms, logs: &Logs) -> Result<(), RunError> {
    let mut stops = Stops::new(terms.stops).map_err(RunError::Signals)?;
    let mut hangups = Hangups::new().map_err(RunError::Signals)?;

    let _courier = tokio::spawn(systemd::deliver());
    let instance = Arc::new(Instance::new::<D>(Arc::clone(&model)));
    let (reloads, mut requests) = reload::channel();
    let admin = bound(&model.admin, D::NAME, terms.admin).await?.serve(Arc::clone(&instance), reloads);

    let (failures, mut failed) = mpsc::unbounded_channel();
    let daemon = tokio::select! {
        started = start::<D>(model, &instance, failures) => started?,
        Some(reason) = failed.recv() => return Err(RunError::Part(reason)),
        signal = stops.next() => {
            tracing::info!(signal, "stopped before it served");
            return Ok(());
        }
    };
    admin.add(daemon.routes());
    instance.show(daemon.tables());

    terms.settle.as_mut().await.map_err(RunError::Settle)?;
    if terms.herald == Herald::WhenStarted {
        systemd::ready(&instance.summary());
    }

    let reloader = Reloader { daemon: &daemon, terms: &terms, instance: &instance, admin: &admin, logs };
    let end = tokio::select! {
        biased;
        Some(reason) = failed.recv() => End::Failure(reason),
        signal = stops.next() => End::Signal(signal),
        never = announce(&instance) => match never {},
        never = reloader.serve(&mut requests, &mut hangups) => match never {},
    };
    // Who waits for a reload is told at once that none will come.
    drop(requests);
    instance.readiness.drain();
    systemd::stopping("draining");
    match end {
        End::Signal(signal) => {
            tracing::info!(signal, limit = ?DRAIN_LIMIT, "draining");
            drain(daemon.drain(), DRAIN_LIMIT, &mut stops).await;
            Ok(())
        }
        End::Failure(reason) => {
            tracing::warn!(reason, limit = ?FAILURE_DRAIN_LIMIT, "draining");
            drain(daemon.drain(), FAILURE_DRAIN_LIMIT, &mut stops).await;
            Err(RunError::Part(reason))
        }
    }
}

/// Opens the admin interface, or goes on without.
async fn bound(admin: &config::model::Admin, name: &str, need: AdminNeed) -> Result<Bound, RunError> {
    match (Bound::bind(admin, name).await, need) {
        (Err(error), AdminNeed::Optional) => {
            tracing::warn!(reason = chain(&error), "there is no admin interface");
            Ok(Bound::none())
        }
        (bound, _) => Ok(bound?),
    }
}

async fn start<D: Daemon>(
    model: Arc<Gateway>,
    instance: &Instance,
    failures: mpsc::UnboundedSender<String>,
) -> Result<D, RunError> {
    reload::advise::<D>(&model);
    let mut registry = Metrics::registry(D::NAME);
    let mut boot = Boot { registry: &mut registry, readiness: instance.readiness.clone(), failures };
    let daemon = D::start(model, &mut boot).await.map_err(|error| RunError::Start(Box::new(error)))?;
    instance.metrics.add(registry);
    Ok(daemon)
}

/// Says that the daemon serves as soon as it does, and then feeds the watchdog.
async fn announce(instance: &Instance) -> Infallible {
    let waiting = instance.readiness.waiting();
    if !waiting.is_empty() {
        tracing::info!(parts = waiting.join(" "), "waiting");
        systemd::status(&instance.summary());
    }
    instance.readiness.opened().await;
    systemd::ready(&instance.summary());
    tracing::info!("ready");
    systemd::watchdog().await
}

/// Lets accepted work finish, within a limit and until somebody is tired of waiting. Returns whether it did.
async fn drain(work: impl Future<Output = ()>, limit: Duration, stops: &mut Stops) -> bool {
    tokio::select! {
        biased;
        () = work => return true,
        () = tokio::time::sleep(limit) => tracing::warn!("the drain limit is over, unfinished work is cut off"),
        signal = stops.next() => tracing::warn!(signal, "unfinished work is cut off"),
        never = systemd::watchdog() => match never {},
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unfinished_work_is_cut_off_at_the_limit() {
        let mut stops = Stops::new(&[]).unwrap();
        assert!(!drain(std::future::pending(), Duration::ZERO, &mut stops).await);
    }

    #[tokio::test]
    async fn finished_work_does_not_wait_for_the_limit() {
        let mut stops = Stops::new(&[]).unwrap();
        assert!(drain(std::future::ready(()), Duration::MAX, &mut stops).await);
    }
}
