//! What is counted of the cache. How much it holds is asked of it when someone wants to know.

use crate::cache::{Cache, Totals};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct CacheMetrics {
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) stale: Counter,
    pub(crate) renewals: Counter,
    content: Content,
}

/// What is said of the cache on the admin socket; octets, and numbers since the daemon began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Report {
    limit: u64,
    bytes: usize,
    entries: usize,
    hits: u64,
    misses: u64,
    stale: u64,
    renewals: u64,
    evictions: u64,
}

/// The cache in effect, and what earlier ones had to let go.
#[derive(Clone, Debug, Default)]
struct Content(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    cache: Option<Arc<Cache>>,
    evicted_before: u64,
}

impl CacheMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "cache_hits",
            "Questions answered from the cache without a task of their own",
            self.hits.clone(),
        );
        registry.register(
            "cache_misses",
            "Questions that took more than one look into the cache, most of them a question upstream",
            self.misses.clone(),
        );
        registry.register(
            "cache_stale",
            "Answers used after their time because upstream resolvers failed",
            self.stale.clone(),
        );
        registry.register(
            "cache_renewals",
            "Entries in use that were asked for again before their time was over",
            self.renewals.clone(),
        );
        registry.register_collector(Box::new(self.content.clone()));
    }

    /// Says what is in the cache from here on.
    pub(crate) fn serve(&self, cache: &Arc<Cache>) {
        let mut held = self.content.held();
        if let Some(previous) = held.cache.take_if(|previous| !Arc::ptr_eq(previous, cache)) {
            held.evicted_before += previous.totals().evicted;
        }
        held.cache = Some(Arc::clone(cache));
    }

    /// What is said on the admin socket.
    pub(crate) fn report(&self, limit: u64) -> Report {
        let Totals { entries, bytes, evicted } = self.content.totals();
        Report {
            limit,
            bytes,
            entries,
            hits: self.hits.get(),
            misses: self.misses.get(),
            stale: self.stale.get(),
            renewals: self.renewals.get(),
            evictions: evicted,
        }
    }
}

impl Content {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn totals(&self) -> Totals {
        let held = self.held();
        let totals = held.cache.as_ref().map(|cache| cache.totals()).unwrap_or_default();
        Totals { evicted: totals.evicted + held.evicted_before, ..totals }
    }
}

impl Collector for Content {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Totals { entries, bytes, evicted } = self.totals();
        let gauge = |number: usize| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
        let gauges = [
            (
                "cache_entries",
                "Entries in the cache: answers, failures, and replies made here",
                gauge(entries),
            ),
            ("cache_bytes", "Octets that the cache takes, everything counted", gauge(bytes)),
        ];
        for (name, help, gauge) in gauges {
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let evictions = ConstCounter::new(evicted);
        let help = "Entries that left the cache to make room for others";
        evictions.encode(encoder.encode_descriptor("cache_evictions", help, None, evictions.metric_type())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn it_tells_what_the_cache_in_effect_holds() {
        let mut registry = Registry::default();
        let metrics = CacheMetrics::default();
        metrics.register(&mut registry);
        let shown = || {
            let mut out = String::new();
            encode(&mut out, &registry).unwrap();
            out
        };
        assert!(shown().contains("cache_entries 0\n"), "{}", shown());
        let cache = Arc::new(Cache::new(1 << 20, [1, 2, 3]));
        metrics.serve(&cache);
        let bytes = cache.totals().bytes;
        assert!(bytes > 0 && shown().contains(&format!("cache_bytes {bytes}\n")), "{}", shown());
        assert!(shown().contains("cache_evictions_total 0\n"), "{}", shown());
    }
}
