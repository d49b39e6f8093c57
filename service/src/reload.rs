//! The one way from a changed file to a changed daemon, for SIGHUP and `POST /reload` alike.
//!
//! ```text
//! read -> check -> diff, and files that changed -> nothing that needs a restart -> prepare -> commit -> next generation
//! ```
//!
//! Until `commit` nothing that runs is touched; a reload that fails on the way leaves no trace but its error. Reloads
//! run one at a time: requests wait in line.

use crate::admin::{Admin, NextToken, TokenError};
use crate::daemon::Daemon;
use crate::error::chain;
use crate::file::FileError;
use crate::instance::Instance;
use crate::logs::Logs;
use crate::signals::Hangups;
use crate::systemd;
use crate::terms::Terms;
use config::{Change, Gateway};
use futures_util::FutureExt;
use std::convert::Infallible;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// Where the admin interface asks for reloads.
#[derive(Clone, Debug)]
pub(crate) struct Reloads(mpsc::Sender<Answer>);

/// Where the main loop hears of them.
#[derive(Debug)]
pub(crate) struct Requests(mpsc::Receiver<Answer>);

type Answer = oneshot::Sender<Result<Report, ReloadError>>;

/// A successful reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The number of the configuration in effect.
    pub(crate) generation: u64,
    /// What changed; empty where the file says what was in effect already.
    pub(crate) changes: Vec<String>,
}

/// Why the old configuration runs on.
#[derive(Debug, Error)]
pub(crate) enum ReloadError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("this cannot change while the daemon runs: {}", .0.join("; "))]
    Restart(Vec<String>),
    #[error("cannot prepare the change")]
    Prepare(#[source] Box<dyn Error + Send + Sync>),
    #[error("reading or preparing the change panicked; the log says where")]
    Panic,
}

impl ReloadError {
    fn line(&self) -> String {
        match self {
            Self::File(error) => error.line(),
            Self::Token(_) | Self::Restart(_) | Self::Prepare(_) | Self::Panic => chain(self),
        }
    }
}

/// What a reload works with.
pub(crate) struct Reloader<'a, D> {
    pub(crate) daemon: &'a D,
    pub(crate) terms: &'a Terms,
    pub(crate) instance: &'a Instance,
    pub(crate) admin: &'a Admin,
    pub(crate) logs: &'a Logs,
}

/// A reload that can only succeed.
struct Plan<P> {
    model: Arc<Gateway>,
    token: NextToken,
    changes: Vec<String>,
    /// `None` where nothing concerns this daemon: the file may differ in what others read.
    prepared: Option<P>,
}

/// Requests that may wait in line; more wait before it.
const WAITING: usize = 8;

/// The two ends of the line.
pub(crate) fn channel() -> (Reloads, Requests) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Reloads(sender), Requests(receiver))
}

impl Reloads {
    /// Asks for a reload and waits for what comes of it; `None` where the daemon is going down.
    pub(crate) async fn ask(&self) -> Option<Result<Report, ReloadError>> {
        let (answer, result) = oneshot::channel();
        self.0.send(answer).await.ok()?;
        result.await.ok()
    }
}

impl<D: Daemon> Reloader<'_, D> {
    /// Serves requests and signals for as long as it is polled.
    pub(crate) async fn serve(&self, requests: &mut Requests, hangups: &mut Hangups) -> Infallible {
        loop {
            let answer = tokio::select! {
                () = hangups.next() => None,
                Some(answer) = requests.0.recv() => Some(answer),
            };
            let result = self.reload().await;
            if let Some(answer) = answer {
                // Who asked may have gone; the reload is done all the same.
                let _ = answer.send(result);
            }
        }
    }

    async fn reload(&self) -> Result<Report, ReloadError> {
        // The service manager waits for the first READY=1 still; a reload before it is no news to it.
        let announced = self.instance.readiness.is_ready();
        if announced {
            systemd::reloading();
        }
        let result = self.attempt().await;
        self.daemon.sync();
        match &result {
            Ok(report) => {
                self.instance.reloaded(None);
                let changes = report.changes.join("; ");
                tracing::info!(generation = report.generation, changes, "configuration reloaded");
            }
            Err(error) => {
                self.instance.reloaded(Some(error));
                tracing::warn!(error = error.line(), "reload refused, the old configuration runs on");
            }
        }
        if announced {
            systemd::ready(&self.instance.summary());
        }
        result
    }

    async fn attempt(&self) -> Result<Report, ReloadError> {
        // A panic before anything is touched is a mistake of ours and no reason to stop serving.
        let plan = AssertUnwindSafe(self.plan()).catch_unwind().await.unwrap_or(Err(ReloadError::Panic))?;
        advise::<D>(&plan.model);
        let generation = match plan.prepared {
            Some(prepared) => {
                self.daemon.commit(prepared);
                self.logs.set(plan.model.log);
                self.instance.advance(plan.model)
            }
            None => self.instance.adopt(plan.model),
        };
        self.admin.set_token(plan.token);
        Ok(Report { generation, changes: plan.changes })
    }

    /// Everything that can fail.
    async fn plan(&self) -> Result<Plan<D::Prepared>, ReloadError> {
        let load = Arc::clone(&self.terms.load);
        // It can end only by a panic: nothing cancels it.
        let loaded = tokio::task::spawn_blocking(move || load()).await.map_err(|_| ReloadError::Panic)?;
        let model = Arc::new(loaded?);
        let token = Admin::read_token(&model.admin)?;
        let diff = config::diff(&self.instance.generation().model, &model);
        let restart = diff.needs_restart(D::SECTION);
        if !restart.is_empty() {
            return Err(ReloadError::Restart(lines(restart)));
        }
        let mut changes = lines(diff.for_section(D::SECTION));
        changes.extend(self.daemon.stale(&model));
        let prepared = if changes.is_empty() {
            None
        } else {
            let prepared = self.daemon.prepare(Arc::clone(&model), &diff).await;
            Some(prepared.map_err(|error| ReloadError::Prepare(Box::new(error)))?)
        };
        Ok(Plan { model, token, changes, prepared })
    }
}

/// Logs what an operator should know of `model`.
pub(crate) fn advise<D: Daemon>(model: &Gateway) {
    for advice in D::advise(model) {
        tracing::warn!("{advice}");
    }
}

fn lines<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<String> {
    changes.into_iter().map(ToString::to_string).collect()
}
