//! This daemon's tables of `GET /status`, which the command `status` prints.
//!
//! The numbers are those of [`crate::metrics`] and of the admin routes, put side by side for a person who looks once.

use crate::resolver::Shared;
use crate::upstream::Report;
use service::{Cell, Table};

/// All tables, as the numbers are now.
pub(crate) fn tables(shared: &Shared) -> Vec<Table> {
    vec![upstreams(shared), queries(shared), cache(shared), names(shared)]
}

fn upstreams(shared: &Shared) -> Table {
    let columns =
        ["upstream", "domains", "transport", "up", "leads_back", "misses", "srtt_ms", "p95_ms", "last_fault"];
    let row = |report: Report| {
        let domains = if report.domains.is_empty() { "all".to_owned() } else { report.domains.join(" ") };
        [
            report.upstream.as_str().into(),
            domains.as_str().into(),
            report.transport.into(),
            yes_or_no(report.up),
            yes_or_no(report.leads_back),
            // A word, since a row whose numbers are all zero is not shown.
            report.misses.to_string().as_str().into(),
            milliseconds(report.srtt_ms),
            milliseconds(report.p95_ms),
            report.last_fault.as_deref().unwrap_or("none").into(),
        ]
    };
    Table::new("upstreams", &columns).rows(shared.snapshot().upstreams.report().into_iter().map(row))
}

fn yes_or_no(so: bool) -> Cell {
    if so { "yes" } else { "no" }.into()
}

fn milliseconds(time: Option<f64>) -> Cell {
    time.map_or_else(|| "-".to_owned(), |time| format!("{time:.1}")).as_str().into()
}

fn queries(shared: &Shared) -> Table {
    let rows = shared.metrics().outcomes();
    let row = |(transport, outcome, number): (&'static str, &'static str, u64)| {
        [transport.into(), outcome.into(), number.into()]
    };
    Table::new("queries answered", &["transport", "outcome", "number"]).rows(rows.into_iter().map(row))
}

fn cache(shared: &Shared) -> Table {
    let totals = shared.snapshot().cache.totals();
    Table::new("cache", &["entries", "bytes", "evicted"]).row([
        (totals.entries as u64).into(),
        (totals.bytes as u64).into(),
        totals.evicted.into(),
    ])
}

fn names(shared: &Shared) -> Table {
    let hosts = shared.hosts();
    let report = hosts.report();
    Table::new("names served here", &["hosts", "leases", "bytes", "files"]).row([
        (report.hosts as u64).into(),
        (report.leases as u64).into(),
        (report.bytes as u64).into(),
        (report.files.len() as u64).into(),
    ])
}
