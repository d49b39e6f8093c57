//! How long queries take, in classes of time. Counting takes no lock, and one step for all queries of one batch.

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bound of the first class in nanoseconds; each class reaches twice as far as the one before.
const FIRST: u64 = 16_000;

/// Classes with a bound: the last reaches to 2 s, which is longer than any client is kept waiting.
const BOUNDED: usize = 18;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    from: &'static str,
}

/// The times of queries, by what their answers took.
#[derive(Debug)]
pub(crate) struct QueryTimes {
    family: Family<SourceLabels, Classes>,
    /// Of queries answered at once: from the cache, or by what is known here.
    pub(crate) memory: Classes,
    /// Of queries whose answers took a task of their own.
    pub(crate) lookup: Classes,
}

impl Default for QueryTimes {
    fn default() -> Self {
        let family = Family::<SourceLabels, Classes>::default();
        let of = |from| family.get_or_create_owned(&SourceLabels { from });
        Self { memory: of("memory"), lookup: of("lookup"), family }
    }
}

impl QueryTimes {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "query_latency_seconds",
            "Time from taking queries in to having their answers ready, a batch at a time",
            self.family.clone(),
        );
    }
}

/// How many took how long.
#[derive(Clone, Debug, Default)]
pub(crate) struct Classes(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// The last has no bound.
    classes: [AtomicU64; BOUNDED + 1],
    nanoseconds: AtomicU64,
}

impl Classes {
    /// Counts `number` queries that took `time` each.
    pub(crate) fn count(&self, time: Duration, number: usize) {
        if number == 0 {
            return;
        }
        let (nanoseconds, number) = (u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), number as u64);
        self.0.classes[class(nanoseconds)].fetch_add(number, Ordering::Relaxed);
        self.0.nanoseconds.fetch_add(nanoseconds.saturating_mul(number), Ordering::Relaxed);
    }
}

/// The class of a time in nanoseconds.
fn class(nanoseconds: u64) -> usize {
    let units = nanoseconds.div_ceil(FIRST).max(1);
    let doublings = u64::BITS - (units - 1).leading_zeros();
    BOUNDED.min(doublings as usize)
}

impl TypedMetric for Classes {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Classes {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let bounds = (0..BOUNDED).map(|class| Duration::from_nanos(FIRST << class).as_secs_f64());
        let counts = self.0.classes.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.chain([f64::INFINITY]).zip(counts).collect();
        let number = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(self.0.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, number, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text;

    #[test]
    fn a_time_is_in_the_first_class_that_reaches_it() {
        for (nanoseconds, expect) in [(0, 0), (1, 0), (FIRST, 0), (FIRST + 1, 1), (2 * FIRST, 1)] {
            assert_eq!(class(nanoseconds), expect, "{nanoseconds}");
        }
        for bounded in 0..BOUNDED {
            assert_eq!(class(FIRST << bounded), bounded);
            assert_eq!(class((FIRST << bounded) + 1), bounded + 1);
        }
        assert_eq!(class(u64::MAX), BOUNDED);
    }

    #[test]
    fn a_batch_counts_as_often_as_it_has_queries() {
        let (times, mut registry) = (QueryTimes::default(), Registry::default());
        times.register(&mut registry);
        times.memory.count(Duration::from_micros(40), 3);
        times.memory.count(Duration::from_micros(40), 0);
        times.lookup.count(Duration::from_secs(3), 1);
        let mut out = String::new();
        text::encode(&mut out, &registry).unwrap();
        for line in [
            r#"query_latency_seconds_sum{from="memory"} 0.00012"#,
            r#"query_latency_seconds_count{from="memory"} 3"#,
            r#"query_latency_seconds_bucket{le="0.000032",from="memory"} 0"#,
            r#"query_latency_seconds_bucket{le="0.000064",from="memory"} 3"#,
            r#"query_latency_seconds_bucket{le="2.097152",from="lookup"} 0"#,
            r#"query_latency_seconds_bucket{le="+Inf",from="lookup"} 1"#,
        ] {
            assert!(out.contains(line), "{line} in\n{out}");
        }
    }
}
