//! All metrics of the daemon: names, help texts, labels. Every label value is a closed set or a configured address.
//!
//! Names get the prefix `causeway_dns64_`. Counters of the serving path are made once and found by index, so that
//! counting is one addition; all of them exist from the start, at 0.

mod cache;
mod connections;
mod latency;
mod names;

pub(crate) use cache::CacheMetrics;
pub(crate) use connections::ConnectionMetrics;
pub(crate) use latency::QueryTimes;
pub(crate) use names::NameMetrics;

use crate::answer::{Failure, Mismatch};
use crate::question::{DropReason, RejectReason};
use crate::quota::Exhausted;
use crate::reply::Origin;
use hickory_proto::rr::RecordType;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// How a query or reply travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS (RFC 7858).
    Tls,
    /// HTTPS (RFC 8484).
    Https,
    /// QUIC (RFC 9250).
    Quic,
}

impl Transport {
    const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Https, Self::Quic];

    /// Those that have connections.
    const CONNECTED: [Self; 4] = [Self::Tcp, Self::Tls, Self::Https, Self::Quic];

    /// The metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Https => "https",
            Self::Quic => "quic",
        }
    }

    /// Whether edns-tcp-keepalive means something on it (RFC 7828 §3.3.1): HTTP and QUIC have their own.
    pub const fn has_keepalive(self) -> bool {
        match self {
            Self::Tcp | Self::Tls => true,
            Self::Udp | Self::Https | Self::Quic => false,
        }
    }

    /// Whether nobody on the way can read what it carries.
    pub const fn is_encrypted(self) -> bool {
        match self {
            Self::Udp | Self::Tcp => false,
            Self::Tls | Self::Https | Self::Quic => true,
        }
    }
}

/// How a query goes to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Carriage {
    /// A datagram.
    Udp,
    /// A connection in the clear.
    Tcp,
    /// A connection over TLS.
    Tls,
    /// A request over HTTPS.
    Https,
}

impl Carriage {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Udp, "udp"), (Self::Tcp, "tcp"), (Self::Tls, "tls"), (Self::Https, "https")];
}

/// Types that are counted by name; all others are one.
const TYPES: [(RecordType, &str); 10] = [
    (RecordType::A, "A"),
    (RecordType::AAAA, "AAAA"),
    (RecordType::PTR, "PTR"),
    (RecordType::HTTPS, "HTTPS"),
    (RecordType::SVCB, "SVCB"),
    (RecordType::CNAME, "CNAME"),
    (RecordType::MX, "MX"),
    (RecordType::TXT, "TXT"),
    (RecordType::SRV, "SRV"),
    (RecordType::ANY, "ANY"),
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabels {
    transport: &'static str,
    r#type: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabels {
    table: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    upstream: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamTransportLabels {
    upstream: String,
    transport: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamReasonLabels {
    upstream: String,
    reason: &'static str,
}

/// Why an upstream did not give a usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum UpstreamFailure {
    /// No answer within its time.
    Timeout,
    /// The network or the host said no, or the connection broke.
    Unreachable,
    /// SERVFAIL, REFUSED or the like.
    Rebuff,
    /// A certificate that does not prove who the upstream is.
    Certificate,
    /// An HTTP status other than success, or something else that is not what was agreed on.
    Protocol,
}

impl UpstreamFailure {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Timeout, "timeout"),
        (Self::Unreachable, "unreachable"),
        (Self::Rebuff, "rebuff"),
        (Self::Certificate, "certificate"),
        (Self::Protocol, "protocol"),
    ];
}

/// All counters.
#[derive(Debug)]
pub struct Metrics {
    queries: Vec<Counter>,
    dropped: Vec<Counter>,
    rejected: Vec<Counter>,
    pub(crate) synthesized_records: Counter,
    pub(crate) slipped: Counter,
    pub(crate) times: QueryTimes,
    pub(crate) unlogged: Counter,
    pub(crate) connections: ConnectionMetrics,
    pub(crate) upstream_in_flight: Gauge,
    pub(crate) overload: Counter,
    pub(crate) client_overload: Counter,
    pub(crate) upstream_hedges: Counter,
    pub(crate) upstream_sockets: Gauge,
    upstream_queries: Family<UpstreamTransportLabels, Counter>,
    upstream_failures: Family<UpstreamReasonLabels, Counter>,
    upstream_mismatches: Family<UpstreamReasonLabels, Counter>,
    upstream_latency: Family<UpstreamLabels, Histogram, fn() -> Histogram>,
    upstream_up: Family<UpstreamLabels, Gauge>,
    pub(crate) names: NameMetrics,
    pub(crate) cache: CacheMetrics,
}

/// The counters of one upstream.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamMetrics {
    queries: Vec<Counter>,
    failures: Vec<Counter>,
    mismatches: Vec<Counter>,
    pub(crate) latency: Histogram,
    pub(crate) up: Gauge,
}

impl Metrics {
    /// Registers every metric.
    pub fn new(registry: &mut Registry) -> Self {
        let queries = Family::<QueryLabels, Counter>::default();
        let dropped = Family::<ReasonLabels, Counter>::default();
        let rejected = Family::<ReasonLabels, Counter>::default();
        let reason = |family: &Family<ReasonLabels, Counter>, reason| {
            family.get_or_create_owned(&ReasonLabels { reason })
        };
        let metrics = Self {
            queries: query_counters(&queries),
            dropped: DropReason::ALL.map(|why| reason(&dropped, why.label())).to_vec(),
            rejected: RejectReason::ALL.map(|why| reason(&rejected, why.label())).to_vec(),
            synthesized_records: Counter::default(),
            slipped: Counter::default(),
            times: QueryTimes::default(),
            unlogged: Counter::default(),
            connections: ConnectionMetrics::default(),
            upstream_in_flight: Gauge::default(),
            overload: Counter::default(),
            client_overload: Counter::default(),
            upstream_hedges: Counter::default(),
            upstream_sockets: Gauge::default(),
            upstream_queries: Family::default(),
            upstream_failures: Family::default(),
            upstream_mismatches: Family::default(),
            upstream_latency: Family::new_with_constructor(latency_histogram),
            upstream_up: Family::default(),
            names: NameMetrics::default(),
            cache: CacheMetrics::default(),
        };
        registry.register("queries", "Queries answered, by transport, type and outcome", queries);
        registry.register("dropped", "Messages and answers that went nowhere, by reason", dropped);
        registry.register("rejected", "Messages answered with a format error or not implemented", rejected);
        metrics.register(registry);
        metrics.names.register(registry);
        metrics.cache.register(registry);
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "synthesized_records",
            "AAAA records made of A records",
            self.synthesized_records.clone(),
        );
        registry.register(
            "rate_limited_replies",
            "Answers over the limit in whose place the client was told to come back",
            self.slipped.clone(),
        );
        self.times.register(registry);
        registry.register(
            "query_log_lost",
            "Lines of the query log that were not written because it could not keep up",
            self.unlogged.clone(),
        );
        self.connections.register(registry);
        self.register_upstreams(registry);
    }

    fn register_upstreams(&self, registry: &mut Registry) {
        registry.register(
            "upstream_in_flight",
            "Queries waiting for upstream resolvers",
            self.upstream_in_flight.clone(),
        );
        registry.register(
            "upstream_overload",
            "Queries that failed because too many were waiting for upstream resolvers",
            self.overload.clone(),
        );
        registry.register(
            "upstream_client_overload",
            "Queries that failed because their client had too many waiting for upstream resolvers",
            self.client_overload.clone(),
        );
        registry.register(
            "upstream_sockets",
            "Sockets open towards upstream resolvers",
            self.upstream_sockets.clone(),
        );
        registry.register(
            "upstream_hedges",
            "Queries sent to a second upstream resolver because the first took longer than it nearly ever does",
            self.upstream_hedges.clone(),
        );
        registry.register(
            "upstream_queries",
            "Queries sent to an upstream resolver",
            self.upstream_queries.clone(),
        );
        registry.register(
            "upstream_failures",
            "Queries an upstream resolver did not answer usefully, by reason",
            self.upstream_failures.clone(),
        );
        registry.register(
            "upstream_mismatches",
            "Messages from an upstream resolver's address that were no reply to the query",
            self.upstream_mismatches.clone(),
        );
        registry.register(
            "upstream_latency_seconds",
            "Time from a query to its reply",
            self.upstream_latency.clone(),
        );
        registry.register(
            "upstream_up",
            "1 if the upstream resolver answers, 0 if it is left aside",
            self.upstream_up.clone(),
        );
    }

    /// Counts an answered query.
    pub(crate) fn answered(&self, transport: Transport, qtype: RecordType, origin: Origin) {
        let qtype = TYPES.iter().position(|(named, _)| *named == qtype).unwrap_or(TYPES.len());
        if let Some(counter) = self.queries.get(query_index(transport as usize, qtype, origin as usize)) {
            counter.inc();
        }
    }

    /// How many queries were answered, by transport and outcome.
    pub(crate) fn outcomes(&self) -> Vec<(&'static str, &'static str, u64)> {
        let of = |transport: Transport, origin: Origin| {
            let types = 0..=TYPES.len();
            let counters = types.filter_map(|place| {
                self.queries.get(
                    (transport as usize * (TYPES.len() + 1) + place) * Origin::ALL.len() + origin as usize,
                )
            });
            (transport.label(), origin.label(), counters.map(Counter::get).sum())
        };
        Transport::ALL
            .into_iter()
            .flat_map(|transport| Origin::ALL.map(|origin| of(transport, origin)))
            .collect()
    }

    /// Counts a query for which there is no room, and says why it fails.
    pub(crate) fn overloaded(&self, exhausted: Exhausted) -> Failure {
        match exhausted {
            Exhausted::Client => {
                self.client_overload.inc();
                Failure::ClientOverload
            }
            Exhausted::All => {
                self.overload.inc();
                Failure::Overload
            }
        }
    }

    /// Counts a message or an answer that went nowhere.
    pub(crate) fn dropped(&self, reason: DropReason) {
        self.dropped[reason as usize].inc();
    }

    /// Counts a message that was answered with an error.
    pub(crate) fn rejected(&self, reason: RejectReason) {
        self.rejected[reason as usize].inc();
    }

    /// The counters of the upstream called `name`; the same ones for the same name.
    pub(crate) fn upstream(&self, name: &str) -> UpstreamMetrics {
        let by_reason = |family: &Family<UpstreamReasonLabels, Counter>, reason| {
            family.get_or_create_owned(&UpstreamReasonLabels { upstream: name.to_owned(), reason })
        };
        let by_transport = |(_, transport)| {
            let labels = UpstreamTransportLabels { upstream: name.to_owned(), transport };
            self.upstream_queries.get_or_create_owned(&labels)
        };
        let labels = UpstreamLabels { upstream: name.to_owned() };
        UpstreamMetrics {
            queries: Carriage::ALL.map(by_transport).to_vec(),
            failures: UpstreamFailure::ALL
                .map(|(_, label)| by_reason(&self.upstream_failures, label))
                .to_vec(),
            mismatches: Mismatch::ALL.map(|why| by_reason(&self.upstream_mismatches, why.label())).to_vec(),
            latency: self.upstream_latency.get_or_create_owned(&labels),
            up: self.upstream_up.get_or_create_owned(&labels),
        }
    }

    /// Forgets the gauge of an upstream that is no longer configured; its counters stay.
    pub(crate) fn forget_upstream(&self, name: &str) {
        self.upstream_up.remove(&UpstreamLabels { upstream: name.to_owned() });
    }
}

impl UpstreamMetrics {
    pub(crate) fn sent(&self, carriage: Carriage) {
        self.queries[carriage as usize].inc();
    }

    pub(crate) fn failed(&self, failure: UpstreamFailure) {
        self.failures[failure as usize].inc();
    }

    pub(crate) fn mismatched(&self, mismatch: Mismatch) {
        self.mismatches[mismatch as usize].inc();
    }
}

/// One counter per transport, type and outcome, in the order of [`query_index`].
fn query_counters(family: &Family<QueryLabels, Counter>) -> Vec<Counter> {
    let mut counters = Vec::new();
    for transport in Transport::ALL {
        for qtype in TYPES.iter().map(|(_, label)| *label).chain(["other"]) {
            for origin in Origin::ALL {
                counters.push(family.get_or_create_owned(&QueryLabels {
                    transport: transport.label(),
                    r#type: qtype,
                    outcome: origin.label(),
                }));
            }
        }
    }
    counters
}

fn query_index(transport: usize, qtype: usize, origin: usize) -> usize {
    (transport * (TYPES.len() + 1) + qtype) * Origin::ALL.len() + origin
}

/// From 0.25 ms to 2 s.
fn latency_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 14))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text;

    fn shown(metrics: impl FnOnce(&Metrics)) -> String {
        let mut registry = Registry::default();
        metrics(&Metrics::new(&mut registry));
        let mut out = String::new();
        text::encode(&mut out, &registry).unwrap();
        out
    }

    #[test]
    fn every_label_finds_its_own_counter() {
        for (index, origin) in Origin::ALL.into_iter().enumerate() {
            assert_eq!(index, origin as usize);
            let out = shown(|metrics| metrics.answered(Transport::Tcp, RecordType::AAAA, origin));
            let line =
                format!(r#"queries_total{{transport="tcp",type="AAAA",outcome="{}"}} 1"#, origin.label());
            assert!(out.contains(&line), "{line} in {out}");
            assert_eq!(out.lines().filter(|line| line.ends_with(" 1")).count(), 1);
        }
        let out = shown(|metrics| metrics.answered(Transport::Udp, RecordType::CAA, Origin::Local));
        assert!(out.contains(r#"queries_total{transport="udp",type="other",outcome="local"} 1"#), "{out}");
        for reason in DropReason::ALL {
            let out = shown(|metrics| metrics.dropped(reason));
            assert!(out.contains(&format!(r#"dropped_total{{reason="{}"}} 1"#, reason.label())), "{out}");
        }
        for reason in RejectReason::ALL {
            let out = shown(|metrics| metrics.rejected(reason));
            assert!(out.contains(&format!(r#"rejected_total{{reason="{}"}} 1"#, reason.label())), "{out}");
        }
        for mismatch in Mismatch::ALL {
            let out = shown(|metrics| metrics.upstream("192.0.2.53:53").mismatched(mismatch));
            let line = format!(r#"upstream="192.0.2.53:53",reason="{}"}} 1"#, mismatch.label());
            assert!(out.contains(&line), "{out}");
        }
        for (failure, label) in UpstreamFailure::ALL {
            let out = shown(|metrics| metrics.upstream("192.0.2.53:53").failed(failure));
            assert!(out.contains(&format!(r#"reason="{label}"}} 1"#)), "{out}");
        }
    }

    #[test]
    fn series_exist_before_anything_is_counted() {
        let out = shown(|_| ());
        assert!(out.contains(r#"queries_total{transport="udp",type="A",outcome="forwarded"} 0"#), "{out}");
    }
}
