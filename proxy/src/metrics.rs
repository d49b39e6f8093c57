//! Every metric of the daemon: names, help texts, labels. The service adds the prefix `causeway_proxy_`.
//!
//! Values are read from the counters of the configuration in force when somebody asks. Labels are configured names and
//! closed sets of words.

mod latency;

use crate::counts::{CLASSES, Failure, ListenerCounts, Loss};
use crate::pool::health::Status;
use crate::pool::{MemberState, Pool, Terms};
use crate::snapshot::{Shared, Snapshot};
use crate::words;
use config::model::{AdminState, Mode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Makes the daemon's metrics part of a registry.
pub(crate) fn register(registry: &mut Registry, shared: &Arc<Shared>) {
    registry.register_collector(Box::new(Metrics(Arc::clone(shared))));
}

#[derive(Debug)]
struct Metrics(Arc<Shared>);

/// A value with the label that tells it from its siblings.
type Sample = (Option<(&'static str, &'static str)>, u64);

/// A counter of the whole daemon.
struct OfDaemon {
    name: &'static str,
    help: &'static str,
    value: fn(&Snapshot) -> u64,
}

/// A metric of each listener: name, help text, and its values with the label that tells them apart.
struct OfListener {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    values: fn(&ListenerCounts) -> Vec<Sample>,
    /// The mode of the listeners that have it, if not all do.
    only: Option<Mode>,
}

/// A metric of each pool.
struct OfPool {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(&Pool) -> u64,
}

/// A metric of each member.
struct OfMember {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    values: fn(&Seen<'_>) -> Vec<Sample>,
}

/// A member, and what is wanted of it.
struct Seen<'a> {
    state: &'a MemberState,
    terms: Terms,
}

/// The one value of a metric that has no label of its own.
fn one(value: u64) -> Vec<Sample> {
    vec![(None, value)]
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    /// A gauge of seconds, whose values are microseconds.
    Seconds,
}

const DAEMON: [OfDaemon; 2] = [
    OfDaemon {
        name: "log_lines",
        help: "Lines about connections that were handed on",
        value: |snapshot| snapshot.log_counts.written(),
    },
    OfDaemon {
        name: "log_lost",
        help: "Lines about connections that were lost because their receiver was gone or too slow",
        value: |snapshot| snapshot.log_counts.lost(),
    },
];

const LISTENERS: [OfListener; 10] = [
    OfListener {
        name: "connections",
        help: "Client connections accepted, flows of datagrams begun",
        kind: Kind::Counter,
        only: None,
        values: |counts| vec![(None, counts.total())],
    },
    OfListener {
        name: "connections_open",
        help: "Client connections open, flows of datagrams under way",
        kind: Kind::Gauge,
        only: None,
        values: |counts| vec![(None, counts.active())],
    },
    OfListener {
        name: "connections_resting",
        help: "Client connections of HTTP/1.1 open on which nothing happens, in little memory",
        kind: Kind::Gauge,
        only: Some(Mode::Http),
        values: |counts| vec![(None, counts.resting())],
    },
    OfListener {
        name: "bytes",
        help: "Bytes received from and sent to clients",
        kind: Kind::Counter,
        only: None,
        values: |counts| {
            vec![
                (Some(("direction", "received")), counts.bytes_received()),
                (Some(("direction", "sent")), counts.bytes_sent()),
            ]
        },
    },
    OfListener {
        name: "tls_handshakes",
        help: "TLS handshakes done with clients, in full or to resume a session",
        kind: Kind::Counter,
        only: None,
        values: |counts| {
            let (full, resumed) = counts.handshakes();
            vec![(Some(("kind", "full")), full), (Some(("kind", "resumed")), resumed)]
        },
    },
    OfListener {
        name: "requests",
        help: "HTTP requests by class of the status they were answered with",
        kind: Kind::Counter,
        only: Some(Mode::Http),
        values: |counts| {
            let classes = CLASSES.iter().enumerate();
            classes.map(|(place, class)| (Some(("class", *class)), counts.requests(place))).collect()
        },
    },
    OfListener {
        name: "datagrams",
        help: "Datagrams received from and sent to clients",
        kind: Kind::Counter,
        only: Some(Mode::Udp),
        values: |counts| {
            ["received", "sent"]
                .map(|way| Some(("direction", way)))
                .into_iter()
                .zip(counts.datagrams())
                .collect()
        },
    },
    OfListener {
        name: "datagrams_lost",
        help: "Datagrams that were not passed on, in either direction, by reason",
        kind: Kind::Counter,
        only: Some(Mode::Udp),
        values: |counts| {
            Loss::ALL.iter().map(|(loss, label)| (Some(("reason", *label)), counts.losses(*loss))).collect()
        },
    },
    OfListener {
        name: "flows_evicted",
        help: "Flows of datagrams that ended before their time to make room for others",
        kind: Kind::Counter,
        only: Some(Mode::Udp),
        values: |counts| vec![(None, counts.flows_evicted())],
    },
    OfListener {
        name: "failures",
        help: "Connections and requests that did not end well, by reason",
        kind: Kind::Counter,
        only: None,
        values: |counts| {
            let reasons = Failure::ALL.iter();
            reasons.map(|(failure, label)| (Some(("reason", *label)), counts.failures(*failure))).collect()
        },
    },
];

/// A metric of each rule, by its labels `rule` and `action`.
const RULES: (&str, &str, Kind) =
    ("rule_requests", "HTTP requests that a rule fits, by what the rule does", Kind::Counter);

/// A metric of each file of certificates, by its label `file`.
const CERTIFICATES: (&str, &str, Kind) = (
    "certificate_expiry_timestamp_seconds",
    "When a certificate that is served ends, in Unix time",
    Kind::Gauge,
);

const POOLS: [OfPool; 7] = [
    OfPool {
        name: "pool_taking_work",
        help: "Members that take new connections (tcp) and requests (http), backups included",
        kind: Kind::Gauge,
        value: |pool| pool.taking_work() as u64,
    },
    OfPool {
        name: "pool_queue",
        help: "Connections (tcp) and requests (http) that wait for a place at a member",
        kind: Kind::Gauge,
        value: |pool| pool.state.line.length() as u64,
    },
    OfPool {
        name: "pool_queued",
        help: "Connections (tcp) and requests (http) that had to wait for a place at a member",
        kind: Kind::Counter,
        value: |pool| pool.state.line.joined(),
    },
    OfPool {
        name: "pool_retries",
        help: "Connections that a member did not take and that were tried there again",
        kind: Kind::Counter,
        value: |pool| pool.state.retries(),
    },
    OfPool {
        name: "pool_redispatches",
        help: "Connections that a member did not take and that were tried at another",
        kind: Kind::Counter,
        value: |pool| pool.state.redispatches(),
    },
    OfPool {
        name: "pool_stick_entries",
        help: "Client networks that are remembered with their member",
        kind: Kind::Gauge,
        value: |pool| pool.state.bound() as u64,
    },
    OfPool {
        name: "pool_sessions",
        help: "Sessions of the application that are remembered with their member",
        kind: Kind::Gauge,
        value: |pool| pool.state.bound_sessions() as u64,
    },
];

const MEMBERS: [OfMember; 12] = [
    OfMember {
        name: "member_up",
        help: "1 unless its checks say that the member is down",
        kind: Kind::Gauge,
        values: |member| one(u64::from(member.state.status() != Status::Down)),
    },
    OfMember {
        name: "member_state_changes",
        help: "Times checks have brought the member up or taken it out, what the first one found included",
        kind: Kind::Counter,
        values: |member| one(member.state.turns()),
    },
    OfMember {
        name: "member_admin",
        help: "1 for what the file or an operator wants of the member: ready, drain or maintenance",
        kind: Kind::Gauge,
        values: |member| {
            let wanted = [AdminState::Ready, AdminState::Drain, AdminState::Maintenance];
            wanted
                .map(|state| (Some(("state", words::admin(state))), u64::from(member.terms.state == state)))
                .into()
        },
    },
    OfMember {
        name: "member_weight",
        help: "The member's weight, by the file or an operator",
        kind: Kind::Gauge,
        values: |member| one(u64::from(member.terms.weight)),
    },
    OfMember {
        name: "member_load",
        help: "Connections (tcp), requests (http) and flows (udp) under way at the member",
        kind: Kind::Gauge,
        values: |member| one(member.state.load()),
    },
    OfMember {
        name: "member_uses",
        help: "Connections (tcp), requests (http) and flows (udp) given to the member",
        kind: Kind::Counter,
        values: |member| one(member.state.counts.uses()),
    },
    OfMember {
        name: "member_connections",
        help: "Connections and sockets for flows opened to the member, health checks apart",
        kind: Kind::Counter,
        values: |member| one(member.state.counts.connections()),
    },
    OfMember {
        name: "member_connect_failures",
        help: "Connections to the member that could not be opened, and refusals of datagrams, health checks apart",
        kind: Kind::Counter,
        values: |member| one(member.state.counts.connect_failures()),
    },
    OfMember {
        name: "member_ejections",
        help: "Times the member was left out because clients fared badly there",
        kind: Kind::Counter,
        values: |member| one(member.state.ejections()),
    },
    OfMember {
        name: "member_checks",
        help: "Health checks of the member that have ended, by result",
        kind: Kind::Counter,
        values: |member| {
            member.state.checks.results().map(|(label, count)| (Some(("result", label)), count)).into()
        },
    },
    OfMember {
        name: "member_check_seconds",
        help: "How long the latest health check of the member took",
        kind: Kind::Seconds,
        values: |member| {
            let micros = |took: Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            member.state.checks.latest().map(|(took, _)| (None, micros(took))).into_iter().collect()
        },
    },
    OfMember {
        name: "member_check_panics",
        help: "Health checks of the member that panicked and were started again",
        kind: Kind::Counter,
        values: |member| one(member.state.checks.panics()),
    },
];

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = self.0.snapshot.load();
        for metric in &LISTENERS {
            metric.encode(&mut encoder, &snapshot)?;
        }
        latency::encode(&mut encoder, &snapshot)?;
        encode_rules(&mut encoder, &snapshot)?;
        encode_certificates(&mut encoder, &snapshot)?;
        for metric in &POOLS {
            metric.encode(&mut encoder, &snapshot)?;
        }
        for metric in &MEMBERS {
            metric.encode(&mut encoder, &snapshot)?;
        }
        for metric in &DAEMON {
            metric.encode(&mut encoder, &snapshot)?;
        }
        Ok(())
    }
}

impl OfDaemon {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
        let value = ConstCounter::new((self.value)(snapshot));
        value.encode(encoder.encode_descriptor(self.name, self.help, None, value.metric_type())?)
    }
}

impl OfListener {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
        let has_it = |mode| self.only.is_none_or(|only| only == mode);
        let routes = snapshot.listeners.values().filter(|route| has_it(route.mode));
        let samples = routes.flat_map(|route| {
            let name = route.name.as_str();
            (self.values)(&route.counts).into_iter().map(move |(label, value)| {
                (std::iter::once(("listener", name)).chain(label).collect(), value)
            })
        });
        encode(encoder, (self.name, self.help, self.kind), samples)
    }
}

impl OfPool {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
        let samples =
            snapshot.pools.iter().map(|(name, pool)| (vec![("pool", name.as_str())], (self.value)(pool)));
        encode(encoder, (self.name, self.help, self.kind), samples)
    }
}

impl OfMember {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
        let members = snapshot.pools.values().flat_map(|pool| pool.members.iter().zip(pool.terms()));
        let samples = members.flat_map(|(state, terms)| {
            let own = [("pool", state.pool.as_str()), ("member", state.name.as_str())];
            let values = (self.values)(&Seen { state, terms }).into_iter();
            values.map(move |(label, value)| (own.into_iter().chain(label).collect(), value))
        });
        encode(encoder, (self.name, self.help, self.kind), samples)
    }
}

fn encode_rules(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let samples = snapshot.listeners.values().flat_map(|route| {
        route.rule_counts.iter().map(|rule| {
            let labels = vec![
                ("listener", route.name.as_str()),
                ("rule", rule.label.as_str()),
                ("action", rule.action),
            ];
            (labels, rule.sum())
        })
    });
    encode(encoder, RULES, samples)
}

fn encode_certificates(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let bundles = snapshot.files.terminations.values().flat_map(|termination| &termination.bundles);
    let ends: BTreeMap<String, u64> = bundles
        .map(|bundle| {
            let end = bundle.not_after.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            (bundle.file.display().to_string(), end)
        })
        .collect();
    let samples = ends.iter().map(|(file, end)| (vec![("file", file.as_str())], *end));
    encode(encoder, CERTIFICATES, samples)
}

fn encode<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, kind): (&str, &str, Kind),
    samples: impl Iterator<Item = (Vec<(&'a str, &'a str)>, u64)>,
) -> fmt::Result {
    let metric_type = match kind {
        Kind::Counter => ConstCounter::new(0_u64).metric_type(),
        Kind::Gauge | Kind::Seconds => ConstGauge::new(0_i64).metric_type(),
    };
    let mut metric = encoder.encode_descriptor(name, help, None, metric_type)?;
    for (labels, value) in samples {
        let family = metric.encode_family(&labels)?;
        match kind {
            Kind::Counter => ConstCounter::new(value).encode(family)?,
            Kind::Seconds => ConstGauge::new(Duration::from_micros(value).as_secs_f64()).encode(family)?,
            Kind::Gauge => ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(family)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::{ENDLESS, listener, model};

    #[test]
    fn every_listener_and_member_has_its_samples() {
        let model = model(vec![listener("web", "[2001:db8::80]:80", Mode::Http, "web")], &["web"]);
        let snapshot = Snapshot::new(&model, None, 1);
        snapshot.listeners["web"].counts.failed(0, Failure::NoMember);
        snapshot.listeners["web"].counts.sent(0, 42);
        let took = Duration::from_millis(2);
        snapshot.listeners["web"].counts.latencies.took(0, crate::counts::Part::Whole, took);
        snapshot.pools["web"].state.latencies.took(0, crate::counts::Part::Queue, took * 10_000);
        let shared = Arc::new(Shared::new(snapshot, 1, ENDLESS));
        let mut registry = Registry::with_prefix("causeway_proxy");
        register(&mut registry, &shared);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "causeway_proxy_connections_total{listener=\"web\"} 0",
            "causeway_proxy_connections_open{listener=\"web\"} 0",
            "causeway_proxy_bytes_total{listener=\"web\",direction=\"sent\"} 42",
            "causeway_proxy_requests_total{listener=\"web\",class=\"5xx\"} 0",
            "causeway_proxy_request_seconds_bucket{le=\"0.001\",listener=\"web\"} 0",
            "causeway_proxy_request_seconds_bucket{le=\"0.0025\",listener=\"web\"} 1",
            "causeway_proxy_request_seconds_sum{listener=\"web\"} 0.002",
            "causeway_proxy_pool_queue_seconds_bucket{le=\"10.0\",pool=\"web\"} 0",
            "causeway_proxy_pool_queue_seconds_bucket{le=\"+Inf\",pool=\"web\"} 1",
            "causeway_proxy_failures_total{listener=\"web\",reason=\"no_member\"} 1",
            "causeway_proxy_member_up{pool=\"web\",member=\"a\"} 1",
            "causeway_proxy_member_connect_failures_total{pool=\"web\",member=\"a\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn every_metric_and_reason_has_its_row_in_metrics_md() {
        let document = include_str!("../../docs/metrics.md");
        let rows = |heading: &str| -> Vec<&str> {
            let section = document.split_once(heading).expect("the heading").1;
            let section = section.split("\n## ").next().expect("a split has a first part");
            let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
            cells.collect()
        };
        let names = LISTENERS.iter().map(|metric| metric.name).chain(latency::names());
        let names = names.chain([RULES.0, CERTIFICATES.0]);
        let names = names.chain(POOLS.iter().map(|metric| metric.name));
        let names = names.chain(MEMBERS.iter().map(|metric| metric.name));
        let names = names.chain(DAEMON.iter().map(|metric| metric.name));
        let names: Vec<_> = names.map(|name| format!("causeway_proxy_{name}")).collect();
        assert_eq!(rows("## causeway-proxy\n"), names);
        let reasons: Vec<_> = Failure::ALL.iter().map(|(_, label)| *label).collect();
        assert_eq!(rows("## Failure reasons of the proxy\n"), reasons);
        let reasons: Vec<_> = Loss::ALL.iter().map(|(_, label)| *label).collect();
        assert_eq!(rows("## Lost datagrams of the proxy\n"), reasons);
    }
}
