//! `[dns64]`: where it listens, whom it asks, and who is synthesized what.

mod admission;
mod cache;
mod client;
mod listen;
mod names;
mod synthesis;
mod upstream;

use super::{Read, Table, Value, all, values};
use crate::defaults;
use crate::model::Dns64;
use addr::Prefix64;
use std::ops::RangeInclusive;
use synthesis::Lists;

/// One in more than a million is hardly ever.
const QUERY_LOG_RANGE: RangeInclusive<u32> = 0..=1_000_000;

pub(super) fn read(table: &Table<'_>, pref64: Option<Prefix64>) -> Read<Dns64> {
    let listening = listen::read(table);
    let upstreams = upstream::read(table, listening.as_ref().ok());
    let lists = synthesis::lists(table, &Lists::default());
    let rules = synthesis::rules(table);
    let cache = cache::read(table);
    let workers = table.or("workers", defaults::WORKERS, |value| value.integer(super::nat64::WORKER_RANGE));
    let rebind_protection = table.or("rebind_protection", defaults::REBIND_PROTECTION, Value::boolean);
    let query_log = table.or("query_log", defaults::QUERY_LOG, |value| value.integer(QUERY_LOG_RANGE));
    let private_domains = names::domains(table, "private_domains");
    let admission = admission::read(table);
    let names = names::read(table);
    let usual = lists.as_ref().cloned().unwrap_or_default();
    let client = table
        .tables("client")
        .and_then(|tables| all(tables.iter().map(|table| client::read(table, pref64, &usual))));
    let (listening, upstreams, lists) = (listening?, upstreams?, lists?);
    Ok(Dns64 {
        listen: values(listening.plain),
        listen_tls: listening.tls,
        listen_https: listening.https,
        listen_quic: listening.quic,
        certificates: listening.certificates,
        https_path: listening.https_path,
        upstream: upstreams.upstream,
        upstream_ca: upstreams.upstream_ca,
        forward: upstreams.forward,
        exclude_aaaa: lists.exclude_aaaa,
        force: lists.force,
        forbid: lists.forbid,
        rules: rules?,
        cache: cache?,
        workers: workers?,
        rebind_protection: rebind_protection?,
        query_log: query_log?,
        private_domains: private_domains?,
        admission: admission?,
        names: names?,
        // An entry is absent only if it takes its prefixes from an unreadable [prefix], which has been reported.
        client: client?.into_iter().flatten().collect(),
    })
}
