//! One run of a daemon, as the admin interface and the reload see it.

use crate::daemon::Daemon;
use crate::error::chain;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::status::table::Table;
use arc_swap::{ArcSwap, ArcSwapOption};
use config::Gateway;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is known of the running daemon.
#[derive(Debug)]
pub(crate) struct Instance {
    /// The program's name.
    pub(crate) name: &'static str,
    /// When the process started.
    pub(crate) started: SystemTime,
    /// The parts that must serve.
    pub(crate) readiness: Readiness,
    /// The metrics of all parts.
    pub(crate) metrics: Metrics,
    generation: ArcSwap<Generation>,
    last_reload: ArcSwapOption<LastReload>,
    tables: OnceLock<Tables>,
}

/// What makes a daemon's own tables.
struct Tables(Box<dyn Fn() -> Vec<Table> + Send + Sync>);

/// One configuration in effect.
#[derive(Debug)]
pub(crate) struct Generation {
    /// Counts up from 1 with every reload that changed something for this daemon.
    pub(crate) number: u64,
    /// The configuration.
    pub(crate) model: Arc<Gateway>,
    /// When it took effect.
    pub(crate) loaded: SystemTime,
}

/// What came of the last reload.
#[derive(Debug)]
pub(crate) struct LastReload {
    /// When it ended.
    pub(crate) at: SystemTime,
    /// Why it was refused.
    pub(crate) error: Option<String>,
}

impl Instance {
    /// The first generation.
    pub(crate) fn new<D: Daemon>(model: Arc<Gateway>) -> Self {
        let started = SystemTime::now();
        let metrics = Metrics::new(D::NAME, started);
        metrics.generation(FIRST);
        Self {
            name: D::NAME,
            started,
            readiness: Readiness::new(),
            metrics,
            generation: ArcSwap::from_pointee(Generation { number: FIRST, model, loaded: started }),
            last_reload: ArcSwapOption::empty(),
            tables: OnceLock::new(),
        }
    }

    /// The configuration in effect.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// What came of the last reload, if there was one.
    pub(crate) fn last_reload(&self) -> Option<Arc<LastReload>> {
        self.last_reload.load_full()
    }

    /// Puts a changed configuration in effect and returns its number.
    pub(crate) fn advance(&self, model: Arc<Gateway>) -> u64 {
        let number = self.generation.load().number + 1;
        self.generation.store(Arc::new(Generation { number, model, loaded: SystemTime::now() }));
        self.metrics.generation(number);
        number
    }

    /// Shows a configuration that changes nothing for this daemon, under the number of the one before.
    pub(crate) fn adopt(&self, model: Arc<Gateway>) -> u64 {
        let number = self.generation.load().number;
        self.generation.store(Arc::new(Generation { number, model, loaded: SystemTime::now() }));
        number
    }

    /// Shows a daemon's own tables from here on. Only the first call counts.
    pub(crate) fn show(&self, tables: Box<dyn Fn() -> Vec<Table> + Send + Sync>) {
        let _ = self.tables.set(Tables(tables));
    }

    /// The daemon's own tables as they are at this moment.
    pub(crate) fn tables(&self) -> Vec<Table> {
        self.tables.get().map(|tables| tables.0()).unwrap_or_default()
    }

    /// Notes what came of a reload.
    pub(crate) fn reloaded(&self, error: Option<&dyn std::error::Error>) {
        let at = SystemTime::now();
        self.metrics.reloaded(error.is_none(), at);
        self.last_reload.store(Some(Arc::new(LastReload { at, error: error.map(chain) })));
    }

    /// What the daemon is doing, in a few words.
    pub(crate) fn summary(&self) -> String {
        let number = self.generation.load().number;
        if self.readiness.is_draining() {
            return format!("draining; configuration {number}");
        }
        let refused = self.last_reload.load().as_ref().is_some_and(|last| last.error.is_some());
        let reload = if refused { "; last reload refused" } else { "" };
        match self.readiness.waiting().as_slice() {
            [] => format!("serving; configuration {number}{reload}"),
            waiting => format!("waiting for {}; configuration {number}{reload}", waiting.join(", ")),
        }
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tables")
    }
}

/// The number of the configuration that the process started with.
const FIRST: u64 = 1;

/// Unix time; zero for a clock that stands before 1970.
pub(crate) fn unix_time(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_time_begins_with_1970() {
        let second = Duration::from_millis(1500);
        assert_eq!(unix_time(UNIX_EPOCH + second), second);
        assert_eq!(unix_time(UNIX_EPOCH - second), Duration::ZERO);
    }
}
