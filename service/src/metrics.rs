//! The metrics that all daemons have, and the OpenMetrics text of all metrics of this one.
//!
//! Names here carry no daemon in them, so that one dashboard row serves all three. A daemon's own metrics stand in
//! its own registry, which gets the daemon's name as prefix.

use crate::instance::unix_time;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

/// The media type of [`Metrics::encode`]'s text.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of the process.
#[derive(Debug)]
pub(crate) struct Metrics {
    common: Registry,
    own: OnceLock<Registry>,
    ready: Gauge,
    generation: Gauge<u64, AtomicU64>,
    reload_ok: Gauge,
    reload_time: Gauge<f64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    program: &'static str,
    version: &'static str,
}

impl Metrics {
    /// The common metrics, of a process that started at `started`.
    pub(crate) fn new(program: &'static str, started: SystemTime) -> Self {
        let mut common = Registry::default();
        let start_time = Gauge::<f64, AtomicU64>::default();
        start_time.set(unix_time(started).as_secs_f64());
        common.register("process_start_time_seconds", "When the process started, in Unix time", start_time);

        let causeway = common.sub_registry_with_prefix("causeway");
        causeway.register(
            "build",
            "What is running",
            Info::new(Build { program, version: crate::cli::VERSION }),
        );
        let ready = Gauge::default();
        causeway.register("ready", "1 if every part serves and the daemon is not draining", ready.clone());
        let generation = Gauge::default();
        causeway.register(
            "config_generation",
            "Number of the configuration in effect; 1 is the one that the process started with",
            generation.clone(),
        );
        let reload_ok = Gauge::default();
        reload_ok.set(1);
        causeway.register(
            "config_last_reload_successful",
            "1 if the last reload succeeded or there was none, 0 if it was refused",
            reload_ok.clone(),
        );
        let reload_time = Gauge::<f64, AtomicU64>::default();
        reload_time.set(unix_time(started).as_secs_f64());
        causeway.register(
            "config_last_reload_timestamp_seconds",
            "When the last reload ended, or else when the process started, in Unix time",
            reload_time.clone(),
        );
        Self { common, own: OnceLock::new(), ready, generation, reload_ok, reload_time }
    }

    /// The registry that a daemon fills while it starts: `causeway_nat64_…` for `causeway-nat64`.
    pub(crate) fn registry(program: &str) -> Registry {
        Registry::with_prefix(prefix(program))
    }

    /// Shows a daemon's own metrics from here on. Only the first call counts.
    pub(crate) fn add(&self, own: Registry) {
        let _ = self.own.set(own);
    }

    /// Sets the number of the configuration in effect.
    pub(crate) fn generation(&self, number: u64) {
        self.generation.set(number);
    }

    /// Notes what came of a reload that ended at `at`.
    pub(crate) fn reloaded(&self, ok: bool, at: SystemTime) {
        self.reload_ok.set(i64::from(ok));
        self.reload_time.set(unix_time(at).as_secs_f64());
    }

    /// The OpenMetrics text of all metrics; `ready` is read at this moment.
    pub(crate) fn encode(&self, ready: bool) -> Result<String, fmt::Error> {
        self.ready.set(i64::from(ready));
        let mut out = String::new();
        text::encode_registry(&mut out, &self.common)?;
        if let Some(own) = self.own.get() {
            text::encode_registry(&mut out, own)?;
        }
        text::encode_eof(&mut out)?;
        Ok(out)
    }
}

/// The prefix of a program's own metrics.
pub(crate) fn prefix(program: &str) -> String {
    program.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;
    use std::time::{Duration, UNIX_EPOCH};

    fn metrics() -> Metrics {
        Metrics::new("causeway-x", UNIX_EPOCH + Duration::from_secs(1000))
    }

    #[test]
    fn common_metrics_are_there_before_the_daemon_has_its_own() {
        let metrics = metrics();
        metrics.generation(1);
        let text = metrics.encode(false).unwrap();
        for line in [
            "process_start_time_seconds 1000.0",
            "causeway_ready 0",
            "causeway_config_generation 1",
            "causeway_config_last_reload_successful 1",
            "causeway_config_last_reload_timestamp_seconds 1000.0",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.contains("causeway_build_info{program=\"causeway-x\",version="), "{text}");
    }

    #[test]
    fn own_metrics_carry_the_programs_name() {
        let metrics = metrics();
        let mut own = Metrics::registry("causeway-x");
        let packets: Counter = Counter::default();
        packets.inc();
        own.register("packets", "Packets", packets);
        metrics.add(own);
        let text = metrics.encode(true).unwrap();
        assert!(text.contains("\ncauseway_x_packets_total 1\n"), "{text}");
        assert!(text.contains("\ncauseway_ready 1\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn a_refused_reload_shows() {
        let metrics = metrics();
        metrics.reloaded(false, UNIX_EPOCH + Duration::from_secs(2000));
        let text = metrics.encode(true).unwrap();
        assert!(text.contains("\ncauseway_config_last_reload_successful 0\n"), "{text}");
        assert!(text.contains("\ncauseway_config_last_reload_timestamp_seconds 2000.0\n"), "{text}");
    }
}
