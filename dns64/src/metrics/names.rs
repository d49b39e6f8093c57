//! What is counted of names that are served here, and of answers and queries that are not trusted.

use super::TableLabels;
use crate::hosts::Hosts;
use crate::name::WireName;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct NameMetrics {
    hosts: Family<TableLabels, Gauge>,
    bad_lines: Family<TableLabels, Gauge>,
    rereads: Counter,
    private_records: Counter,
    loops: Counter,
    early: Counter,
    needless: Counter,
}

impl NameMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hosts",
            "Names served from hosts files and dns64.host (fixed) and from leases",
            self.hosts.clone(),
        );
        registry.register(
            "hosts_bad_lines",
            "Lines of hosts files and lease files that cannot be read",
            self.bad_lines.clone(),
        );
        registry.register(
            "hosts_rereads",
            "Changes of hosts files and lease files that were taken in",
            self.rereads.clone(),
        );
        registry.register(
            "private_records",
            "Records with private addresses taken out of upstreams' answers",
            self.private_records.clone(),
        );
        registry.register(
            "loops",
            "Own questions that an upstream resolver sent back here",
            self.loops.clone(),
        );
        registry.register(
            "early_a_lookups",
            "Lookups of A that began before AAAA was answered",
            self.early.clone(),
        );
        registry.register(
            "needless_a_lookups",
            "Those of them that the answer to AAAA made needless",
            self.needless.clone(),
        );
    }

    /// Counts a lookup of A that began before AAAA was answered.
    pub(crate) fn asked_early(&self, needed: bool) {
        self.early.inc();
        if !needed {
            self.needless.inc();
        }
    }

    /// Counts records of an answer about `name` that were taken out of it.
    pub(crate) fn screened(&self, name: &WireName, records: usize) {
        if records > 0 {
            self.private_records.inc_by(records as u64);
            tracing::debug!(%name, records, "private addresses were taken out of an answer");
        }
    }

    /// Counts an own question that came back.
    pub(crate) fn came_back(&self) {
        self.loops.inc();
    }

    /// Says what is served from here on.
    pub(crate) fn serve(&self, hosts: &Hosts) {
        for ((table, size), bad) in
            [("fixed", hosts.fixed.len()), ("leases", hosts.leases.len())].into_iter().zip([
                hosts.bad_lines(crate::hosts::line::Form::Hosts),
                hosts.bad_lines(crate::hosts::line::Form::Leases),
            ])
        {
            let labels = TableLabels { table };
            self.hosts.get_or_create(&labels).set(i64::try_from(size).unwrap_or(i64::MAX));
            self.bad_lines.get_or_create(&labels).set(i64::try_from(bad).unwrap_or(i64::MAX));
        }
    }

    /// Counts a change that was taken in.
    pub(crate) fn reread(&self) {
        self.rereads.inc();
    }
}
