//! All metrics of this daemon: names, help texts, labels.
//!
//! Nothing is registered one by one: a collector sums the workers' counters when somebody scrapes, so every label
//! value is there from the start, at zero. Names get the prefix `causeway_nat64_`, counters the suffix `_total`.

use crate::counters::{BATCH_BUCKETS, Counters, Family, Refused, WriteError};
use crate::egress::Merging;
use crate::lease::SharedPool;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use translator::{Direction, DropReason, Merge};

/// Where the numbers come from.
#[derive(Clone)]
pub struct Sources {
    /// One per worker.
    pub workers: Vec<Arc<Counters>>,
    /// Whether packets are merged.
    pub merging: Arc<Merging>,
    /// The dynamic pool.
    pub pool: Arc<SharedPool>,
    /// Writes of `dynamic.map` that failed.
    pub persist_failures: Arc<AtomicU64>,
}

/// A counter with one label.
struct Labelled {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: fn(&Sources) -> Vec<(&'static str, u64)>,
}

/// A counter by direction and reason.
struct Refusals {
    name: &'static str,
    help: &'static str,
    count: fn(&Counters) -> &Refused,
}

/// A number without labels.
pub(crate) struct Plain {
    pub(crate) name: &'static str,
    help: &'static str,
    pub(crate) value: fn(&Sources) -> u64,
}

const REFUSED_COUNTERS: [Refusals; 2] = [
    Refusals {
        name: "dropped_packets",
        help: "Packets dropped without a word, by direction and reason",
        count: |worker| &worker.dropped,
    },
    Refusals {
        name: "icmp_errors",
        help: "Packets answered with an ICMP error, by direction and reason",
        count: |worker| &worker.errors,
    },
];

const LABELLED_COUNTERS: [Labelled; 7] = [
    Labelled {
        name: "received_packets",
        help: "Packets read from the device; a super-packet counts once",
        label: "family",
        values: |of| of.by(Family::ALL, Family::label, |worker, index| worker.received[index].packets.get()),
    },
    Labelled {
        name: "received_bytes",
        help: "Bytes read from the device, from the IP header on",
        label: "family",
        values: |of| of.by(Family::ALL, Family::label, |worker, index| worker.received[index].bytes.get()),
    },
    Labelled {
        name: "sent_packets",
        help: "Packets written to the device; a super-packet counts once",
        label: "family",
        values: |of| of.by(Family::ALL, Family::label, |worker, index| worker.sent[index].packets.get()),
    },
    Labelled {
        name: "sent_bytes",
        help: "Bytes written to the device, from the IP header on",
        label: "family",
        values: |of| of.by(Family::ALL, Family::label, |worker, index| worker.sent[index].bytes.get()),
    },
    Labelled {
        name: "translated_packets",
        help: "Packets translated",
        label: "direction",
        values: |of| {
            of.by(Direction::ALL, Direction::label, |worker, index| worker.translated[index].packets.get())
        },
    },
    Labelled {
        name: "translated_bytes",
        help: "Bytes translated, as they were read",
        label: "direction",
        values: |of| {
            of.by(Direction::ALL, Direction::label, |worker, index| worker.translated[index].bytes.get())
        },
    },
    Labelled {
        name: "write_errors",
        help: "Packets that the device did not take",
        label: "error",
        values: |of| {
            of.by(WriteError::ALL, WriteError::label, |worker, index| worker.write_errors[index].get())
        },
    },
];

/// Counters without labels.
pub(crate) const COUNTERS: [Plain; 8] = [
    Plain {
        name: "echo_replies",
        help: "Echo requests to own addresses that were answered",
        value: |of| of.sum(|worker| worker.echo_replies.get()),
    },
    Plain {
        name: "suppressed_icmp_errors",
        help: "Packets that got no ICMP error because of nat64.icmp_error_rate; they count as dropped, too",
        value: Sources::suppressed_icmp_errors,
    },
    Plain {
        name: "split_packets",
        help: "Packets translated into several",
        value: |of| of.sum(|worker| worker.split.get()),
    },
    Plain {
        name: "super_packets",
        help: "Packets read that stand for several segments",
        value: |of| of.sum(|worker| worker.super_packets.get()),
    },
    Plain {
        name: "merged_packets",
        help: "Packets that left merged into super-packets",
        value: |of| of.sum(|worker| worker.merged.get()),
    },
    Plain {
        name: "cut_super_packets",
        help: "Super-packets that the kernel refused and that were cut in user space",
        value: |of| of.sum(|worker| worker.cut.get()),
    },
    Plain {
        name: "worker_panics",
        help: "Panics of workers; each costs one packet and is worth a report",
        value: |of| of.sum(|worker| worker.panics.get()),
    },
    Plain {
        name: "lease_write_failures",
        help: "Writes of dynamic.map that failed",
        value: |of| of.persist_failures.load(Ordering::Relaxed),
    },
];

const GAUGES: [Plain; 5] = [
    Plain {
        name: "leases",
        help: "Hosts with an address of the dynamic pool",
        value: |of| of.pool.len() as u64,
    },
    Plain {
        name: "draining_leases",
        help: "Hosts with an address that a change took out of the dynamic pool",
        value: |of| of.pool.draining() as u64,
    },
    Plain {
        name: "pool_addresses",
        help: "Addresses in the dynamic pool's prefix",
        value: |of| of.pool.size(),
    },
    Plain {
        name: "merging",
        help: "1 while packets of one flow are merged into super-packets, 0 where the kernel does not take these",
        value: |of| u64::from(of.merging.merge() != Merge::default()),
    },
    Plain { name: "workers", help: "Threads that translate", value: |of| of.workers.len() as u64 },
];

impl Sources {
    /// ICMP errors that did not leave because there were too many.
    pub fn suppressed_icmp_errors(&self) -> u64 {
        self.sum(|worker| worker.suppressed_errors.get())
    }

    /// Refused packets by direction and reason, every pair that can be.
    pub fn refused(&self, count: fn(&Counters) -> &Refused) -> Vec<(&'static str, DropReason, u64)> {
        let families = Family::ALL.into_iter();
        let pairs = families.flat_map(|family| DropReason::ALL.map(|reason| (family, reason)));
        pairs
            .filter(|&(family, reason)| (family == Family::Other) == reason.precedes_direction())
            .map(|(family, reason)| {
                let packets = self.sum(|worker| count(worker).of(family, reason).get());
                (family.direction(), reason, packets)
            })
            .collect()
    }

    /// A number for each of `all`, summed over the workers.
    fn by<T, const N: usize>(
        &self,
        all: [T; N],
        label: fn(T) -> &'static str,
        count: fn(&Counters, usize) -> u64,
    ) -> Vec<(&'static str, u64)> {
        let values = all.into_iter().enumerate();
        values.map(|(index, value)| (label(value), self.sum(|worker| count(worker, index)))).collect()
    }

    /// A number of each worker, summed.
    pub(crate) fn sum(&self, count: impl Fn(&Counters) -> u64) -> u64 {
        self.workers.iter().map(|worker| count(worker)).sum()
    }

    /// The sizes of batches. Their sum is the number of packets received.
    fn encode_batches(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counts: Vec<u64> =
            (0..BATCH_BUCKETS.len()).map(|index| self.sum(|worker| worker.batches[index].get())).collect();
        let buckets: Vec<(f64, u64)> = BATCH_BUCKETS
            .iter()
            .zip(&counts)
            .map(|(&bound, &count)| (f64::from(u32::try_from(bound).unwrap_or(u32::MAX)), count))
            .collect();
        let packets = self.sum(|worker| worker.received.iter().map(|tally| tally.packets.get()).sum());
        encoder
            .encode_descriptor("batch_packets", "Packets read at one go", None, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(lossy(packets), counts.iter().sum(), &buckets, None)
    }
}

/// The number as OpenMetrics has it.
#[expect(clippy::cast_precision_loss, reason = "sums of histograms are floating-point by the format")]
const fn lossy(number: u64) -> f64 {
    number as f64
}

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Labelled { name, help, label, values } in &LABELLED_COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (value, number) in values(self) {
                let labels = [(*label, value)];
                metric.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&number, None)?;
            }
        }
        for Refusals { name, help, count } in &REFUSED_COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (direction, reason, number) in self.refused(*count) {
                let labels = [("direction", direction), ("reason", reason.label())];
                metric.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&number, None)?;
            }
        }
        for Plain { name, help, value } in &COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, u64, f64>(&value(self), None)?;
        }
        for Plain { name, help, value } in &GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            metric.encode_gauge(&value(self))?;
        }
        self.encode_batches(&mut encoder)
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{Pool, Range};
    use addr::ExplicitMaps;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;
    use std::net::Ipv4Addr;
    use translator::Verdict;

    fn scraped(workers: Vec<Arc<Counters>>) -> String {
        let pool = Arc::new(SharedPool::new(
            Pool::new(Range::new(None, Ipv4Addr::UNSPECIFIED, ExplicitMaps::default())),
            || (),
        ));
        let mut registry = Registry::with_prefix("causeway_nat64");
        registry.register_collector(Box::new(Sources {
            workers,
            merging: Arc::new(Merging::new(Merge::default(), || ())),
            pool,
            persist_failures: Arc::default(),
        }));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn every_reason_is_there_at_zero() {
        let text = scraped(vec![]);
        for reason in DropReason::ALL {
            for name in ["dropped_packets", "icmp_errors"] {
                let directions: &[_] =
                    if reason.precedes_direction() { &["none"] } else { &["v6_to_v4", "v4_to_v6"] };
                for direction in directions {
                    let labels = format!("direction=\"{direction}\",reason=\"{}\"", reason.label());
                    let line = format!("causeway_nat64_{name}_total{{{labels}}} 0\n");
                    assert!(text.contains(&line), "{line}{text}");
                }
            }
        }
        assert!(text.contains("causeway_nat64_leases 0\n"), "{text}");
    }

    #[test]
    fn workers_are_summed() {
        let workers: Vec<_> = (0..3).map(|_| Arc::new(Counters::default())).collect();
        for worker in &workers {
            worker.received(&[0x45; 100], true);
            worker.verdict(Verdict::Forward(Direction::V4ToV6), Family::Ipv4, 100);
            worker.verdict(Verdict::Drop(DropReason::NoLease), Family::Ipv4, 100);
            worker.sent(&[0x60; 120]);
            worker.batch(1);
        }
        let text = scraped(workers);
        for line in [
            "causeway_nat64_received_bytes_total{family=\"ipv4\"} 300",
            "causeway_nat64_sent_packets_total{family=\"ipv6\"} 3",
            "causeway_nat64_translated_packets_total{direction=\"v4_to_v6\"} 3",
            "causeway_nat64_dropped_packets_total{direction=\"v4_to_v6\",reason=\"no_lease\"} 3",
            "causeway_nat64_dropped_packets_total{direction=\"v6_to_v4\",reason=\"no_lease\"} 0",
            "causeway_nat64_super_packets_total 3",
            "causeway_nat64_batch_packets_count 3",
            "causeway_nat64_batch_packets_bucket{le=\"1.0\"} 3",
            "causeway_nat64_workers 3",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
        }
    }
}
