//! On what terms a daemon runs: where its configuration comes from, where its log goes, who hears that it is ready, and
//! what it gives up once it has started.
//!
//! The command line of the house runs daemons on [`Terms::of_file`]. A daemon that stands in for another program makes
//! [`Terms`] of its own and hands them to [`crate::serve`].

use crate::daemon::Daemon;
use crate::file::{self, FileError};
use crate::logs::Sink;
use crate::signals::StopSignal;
use caps::Capability;
use config::Gateway;
use std::error::Error;
use std::fmt;
use std::future::{self, Future};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

/// Whatever an error of another program's manners is.
pub type AnyError = Box<dyn Error + Send + Sync>;

/// Reads the configuration, at every reload; off the event loop, which a large file would hold up.
type Load = Arc<dyn Fn() -> Result<Gateway, FileError> + Send + Sync>;

/// Work on the event loop.
type Work = Pin<Box<dyn Future<Output = Result<(), AnyError>>>>;

/// See the module.
pub struct Terms {
    pub(crate) file: PathBuf,
    pub(crate) load: Load,
    pub(crate) settle: Work,
    /// Where the log goes.
    pub sink: Sink,
    /// Whom to tell of readiness.
    pub herald: Herald,
    /// Which signals end the daemon, besides SIGTERM and SIGINT.
    pub stops: &'static [StopSignal],
    /// Whether the daemon goes on where its admin socket cannot be opened.
    pub admin: AdminNeed,
    /// Capabilities besides the daemon's own that the settling takes.
    pub capabilities: Vec<Capability>,
}

/// When the service manager hears that the daemon is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Herald {
    /// Once every part serves.
    WhenServing,
    /// Once it has started, whatever others have still to do before it can serve.
    WhenStarted,
    /// Never.
    Never,
}

/// What an admin socket that cannot be opened means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminNeed {
    /// The daemon does not start.
    Required,
    /// It goes on without, and says so.
    Optional,
}

impl Terms {
    /// A gateway.toml, and the manners of the house.
    pub(crate) fn of_file<D: Daemon>(path: &Path) -> Self {
        let file = path.to_owned();
        Self {
            file: path.to_owned(),
            load: Arc::new(move || file::load::<D>(&file)),
            settle: Box::pin(future::ready(Ok(()))),
            sink: Sink::Stderr,
            herald: Herald::WhenServing,
            stops: &[],
            admin: AdminNeed::Required,
            capabilities: Vec::new(),
        }
    }

    /// Another program's file, its name in the log; `load` reads it again for a reload.
    pub fn new(file: &Path, load: impl Fn() -> Result<Gateway, AnyError> + Send + Sync + 'static) -> Self {
        Self {
            file: file.to_owned(),
            load: Arc::new(move || load().map_err(FileError::Foreign)),
            settle: Box::pin(future::ready(Ok(()))),
            sink: Sink::Stderr,
            herald: Herald::WhenStarted,
            stops: &[],
            admin: AdminNeed::Optional,
            capabilities: Vec::new(),
        }
    }

    /// Has `work` done once the daemon has started and before anybody hears of it: the place to give up rights that
    /// only the start takes. A failure ends the daemon.
    #[must_use]
    pub fn settle(mut self, work: impl Future<Output = Result<(), AnyError>> + 'static) -> Self {
        self.settle = Box::pin(work);
        self
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, load: _, settle: _, sink, herald, stops, admin, capabilities } = self;
        f.debug_struct("Terms")
            .field("file", file)
            .field("sink", sink)
            .field("herald", herald)
            .field("stops", stops)
            .field("admin", admin)
            .field("capabilities", capabilities)
            .finish_non_exhaustive()
    }
}
