//! This daemon's admin routes.
//!
//! ```text
//! GET /leases?after=192.0.2.7&limit=1000   hosts with an address of the dynamic pool, by address
//! GET /drops                               packets dropped, by direction and reason
//! ```

use crate::lease::SharedPool;
use crate::metrics::Sources;
use crate::pool::Lease;
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Leases on a page where none is asked for, and at most.
const PAGE: usize = 1000;

/// The routes.
pub fn routes(sources: Sources) -> Router {
    Router::new().route("/leases", get(leases)).route("/drops", get(drops)).with_state(sources)
}

/// Which leases are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    /// Those with an address above this one.
    after: Option<Ipv4Addr>,
    /// How many at most.
    limit: Option<usize>,
}

/// A page of leases.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Leases {
    /// How many there are in all.
    total: usize,
    /// How many are outside the pool and end when their hosts are silent.
    draining: usize,
    /// How many addresses the pool's prefix has.
    pool_addresses: u64,
    #[serde(rename = "leases")]
    rows: Vec<Row>,
    /// The `after` of the next page, if there is one.
    next: Option<Ipv4Addr>,
}

/// A lease.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    /// Seconds since 1970.
    last_used: u64,
    /// Whether it is outside the pool and ends when its host is silent.
    draining: bool,
}

async fn leases(State(sources): State<Sources>, Query(page): Query<Page>) -> Json<Leases> {
    Json(page_of(&sources.pool, &page))
}

fn page_of(pool: &SharedPool, page: &Page) -> Leases {
    let mut all = pool.leases();
    all.sort_unstable_by_key(|lease| lease.v4);
    let total = all.len();
    let limit = page.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let mut rest = all.into_iter().filter(|lease| page.after.is_none_or(|after| lease.v4 > after)).peekable();
    let rows: Vec<Row> = rest
        .by_ref()
        .take(limit)
        .map(|Lease { v4, v6, last_used }| Row { v4, v6, last_used: last_used.0, draining: pool.drains(v4) })
        .collect();
    let next = rows.last().filter(|_| rest.peek().is_some()).map(|row| row.v4);
    Leases { total, draining: pool.draining(), pool_addresses: pool.size(), rows, next }
}

async fn drops(State(sources): State<Sources>) -> Json<Drops> {
    let mut drops = Drops::default();
    for (direction, reason, packets) in sources.refused(|worker| &worker.dropped) {
        drops.entry(direction).or_default().insert(reason.label(), packets);
    }
    Json(drops)
}

/// Packets by direction and reason.
type Drops = BTreeMap<&'static str, BTreeMap<&'static str, u64>>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{Pool, Range, UnixTime};

    fn pool(hosts: u16) -> SharedPool {
        let range = Range::new(
            Some("198.51.100.0/24".parse().unwrap()),
            Ipv4Addr::new(192, 0, 2, 1),
            addr::ExplicitMaps::default(),
        );
        let mut pool = Pool::new(range);
        for host in 1..=hosts {
            pool.lease(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host), UnixTime(1_700_000_000)).unwrap();
        }
        SharedPool::new(pool, || ())
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition() {
        let pool = pool(10);
        let mut page = Page { after: None, limit: Some(4) };
        let mut seen = Vec::new();
        loop {
            let Leases { total, rows, next, .. } = page_of(&pool, &page);
            assert_eq!(total, 10);
            seen.extend(rows.iter().map(|row| row.v4));
            match next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen.len(), 10);
        assert!(seen.is_sorted());
    }

    #[test]
    fn a_page_that_ends_with_the_last_lease_has_no_next() {
        let pool = pool(4);
        let page = page_of(&pool, &Page { after: None, limit: Some(4) });
        assert_eq!((page.rows.len(), page.next), (4, None));
        assert_eq!(page_of(&pool, &Page { after: None, limit: Some(0) }).rows.len(), 1, "a page has a lease");
    }
}
