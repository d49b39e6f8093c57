//! Log lines on standard error or where else the terms say, in the format and at the level of `[log]`; and panics as log
//! lines, so many a minute.
//!
//! `log.level` applies to causeway's own crates. The libraries beneath speak up to `info`, unless the level is
//! lower: what they say further down is about themselves, not about traffic.

mod burst;
mod sink;

pub use sink::Sink;

use burst::Burst;
use config::model::{Level, Log, LogFormat};
use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// The running log. Both formats are in place and one of them is silent, so that spans that are open while the format
/// changes stay sound.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    text: reload::Handle<Targets, Registry>,
    json: reload::Handle<Targets, Registry>,
}

impl Logs {
    /// Begins to log. Where the process logs already, as under a test, that log is left alone.
    pub(crate) fn init(log: Log, sink: &Sink) -> Self {
        let (text_filter, text) = reload::Layer::new(targets(log, LogFormat::Text));
        let (json_filter, json) = reload::Layer::new(targets(log, LogFormat::Json));
        let ansi = matches!(sink, Sink::Stderr) && io::stderr().is_terminal();
        let plain = fmt::layer().with_writer(sink.clone()).with_ansi(ansi);
        let plain = if sink.has_times() {
            plain.with_filter(text_filter).boxed()
        } else {
            plain.without_time().with_filter(text_filter).boxed()
        };
        let objects = fmt::layer().with_writer(sink.clone()).json().flatten_event(true);
        let layers = vec![plain, objects.with_filter(json_filter).boxed()];
        if tracing_subscriber::registry().with(layers).try_init().is_ok() {
            let burst = Mutex::new(Burst::default());
            std::panic::set_hook(Box::new(move |panic| {
                // Given back before anything is logged, since logging may panic as well.
                let admitted = burst.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now());
                if let Some(admitted) = admitted {
                    if admitted.left_out > 0 {
                        tracing::error!(panics = admitted.left_out, "further panics were not logged");
                    }
                    log_panic(panic);
                    if admitted.last {
                        tracing::error!(
                            "too many panics: further ones of this minute are counted and not logged"
                        );
                    }
                }
            }));
        }
        Self { text, json }
    }

    /// Logs like this from here on.
    pub(crate) fn set(&self, log: Log) {
        for (handle, format) in [(&self.text, LogFormat::Text), (&self.json, LogFormat::Json)] {
            // Fails only when the subscriber is gone, and then there is nothing to set.
            let _ = handle.reload(targets(log, format));
        }
    }
}

/// A panic ends its thread or task, not the daemon, and leaves a line that names both.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let reason = text(panic.payload()).unwrap_or("a value that is not text");
    let backtrace = Backtrace::capture();
    tracing::error!(
        thread = thread.name().unwrap_or("unnamed"),
        place,
        reason,
        backtrace =
            (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(backtrace)),
        "a thread panicked"
    );
}

/// What `panic!` was given: a literal, or a formatted string.
fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// The crates whose level is `log.level`.
const OWN: [&str; 10] = [
    "addr",
    "causeway_dns64",
    "causeway_nat64",
    "causeway_proxy",
    "config",
    "dns64",
    "nat64",
    "proxy",
    "service",
    "translator",
];

/// What is logged in one of the formats: nothing, if the other one is asked for.
fn targets(log: Log, format: LogFormat) -> Targets {
    if log.format != format {
        return Targets::new().with_default(LevelFilter::OFF);
    }
    let own = match log.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_default(own.min(LevelFilter::INFO)).with_targets(OWN.map(|name| (name, own)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level as L;

    #[track_caller]
    fn check(level: Level, target: &str, event: L, expect: bool) {
        let log = Log { level, format: LogFormat::Text };
        assert_eq!(targets(log, LogFormat::Text).would_enable(target, &event), expect);
        assert!(!targets(log, LogFormat::Json).would_enable(target, &event));
    }

    #[test]
    fn level_applies_to_own_crates() {
        check(Level::Trace, "nat64::worker", L::TRACE, true);
        check(Level::Debug, "nat64::worker", L::TRACE, false);
        check(Level::Error, "service::run", L::ERROR, true);
        check(Level::Error, "service::run", L::WARN, false);
    }

    #[test]
    fn libraries_speak_up_to_info() {
        check(Level::Trace, "hyper::proto", L::DEBUG, false);
        check(Level::Trace, "hyper::proto", L::INFO, true);
        check(Level::Error, "hyper::proto", L::WARN, false);
    }
}
