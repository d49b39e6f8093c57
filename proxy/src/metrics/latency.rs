//! How long requests and their parts take, as histograms of each http listener and each pool.

use crate::counts::{BOUNDS, Latencies, Part, Spread};
use crate::snapshot::Snapshot;
use config::model::Mode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;

/// A histogram of each http listener, and with `pool_` in front of its name one of each pool.
struct Histogram {
    name: &'static str,
    pool: &'static str,
    help: &'static str,
    part: Part,
}

const HISTOGRAMS: [Histogram; 4] = [
    Histogram {
        name: "request_seconds",
        pool: "pool_request_seconds",
        help: "Time from the first octet of a request to the last of its response",
        part: Part::Whole,
    },
    Histogram {
        name: "response_seconds",
        pool: "pool_response_seconds",
        help: "Time from the connection to a member to the head of its response",
        part: Part::Response,
    },
    Histogram {
        name: "connect_seconds",
        pool: "pool_connect_seconds",
        help: "Time that new connections to members took for requests",
        part: Part::Connect,
    },
    Histogram {
        name: "queue_seconds",
        pool: "pool_queue_seconds",
        help: "Time from the head of a request to a place at a member",
        part: Part::Queue,
    },
];

/// The names, in the order of [`encode`].
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let of_pools = HISTOGRAMS.iter().map(|histogram| histogram.pool);
    HISTOGRAMS.iter().map(|histogram| histogram.name).chain(of_pools)
}

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    for Histogram { name, help, part, .. } in &HISTOGRAMS {
        let routes = snapshot.listeners.values().filter(|route| route.mode == Mode::Http);
        let all = routes.map(|route| (("listener", route.name.as_str()), &route.counts.latencies));
        of_all(encoder, (name, help), all, *part)?;
    }
    for Histogram { pool: name, help, part, .. } in &HISTOGRAMS {
        let all = snapshot.pools.iter().map(|(name, pool)| (("pool", name.as_str()), &pool.state.latencies));
        of_all(encoder, (name, help), all, *part)?;
    }
    Ok(())
}

fn of_all<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    all: impl Iterator<Item = ((&'static str, &'a str), &'a Latencies)>,
    part: Part,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (label, latencies) in all {
        latencies.spread(part).encode(metric.encode_family(&[label])?)?;
    }
    Ok(())
}

impl EncodeMetric for Spread {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        // Beyond the last one there is none.
        let bounds = BOUNDS.map(seconds).into_iter().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(self.counts).collect();
        encoder.encode_histogram::<NoLabelSet>(seconds(self.micros), self.counts.iter().sum(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[expect(clippy::cast_precision_loss, reason = "a sum of 2^53 microseconds is 285 years")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
