//! Renewing what is in use before its time is over, so that nobody waits for it then.
//!
//! Owns when that is tried: once at a time for an entry, for few entries at a time, and not while it is remembered that
//! the upstreams failed at it. After such a failure it is tried again as soon as that is forgotten.

use crate::cache::{Cache, Kind};
use crate::job::Job;
use crate::lookup::key;
use crate::plan::Plan;
use crate::query::Query;
use hickory_proto::rr::RecordType;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Entries that may be under renewal at one moment.
pub(crate) const MOST: usize = 64;

/// Runs `job` as a task, if the entry of `kind` that it renews may be renewed.
pub(crate) fn begin(job: Job, kind: Kind, permits: &Arc<Semaphore>) {
    let Ok(permit) = Arc::clone(permits).try_acquire_owned() else { return };
    let (shared, snapshot) = (Arc::clone(&job.shared), Arc::clone(&job.snapshot));
    let queries = queries(&job);
    let entry = Query::new(&job.question, job.question.name, job.question.qtype);
    let name = snapshot.cache.name(&entry.name);
    if failed_lately(&snapshot.cache, &queries, shared.now())
        || !snapshot.cache.claim_renewal(&key(&name, &entry, kind))
    {
        return;
    }
    shared.metrics().cache.renewals.inc();
    tokio::spawn(async move {
        job.run(&mut Vec::new()).await;
        // What failed otherwise, or may not be kept, would be asked for again with every use.
        if failed_lately(&snapshot.cache, &queries, shared.now()) {
            snapshot.cache.give_up_renewal(&key(&name, &entry, kind));
        }
        drop(permit);
    });
}

/// What the upstreams may be asked in a job.
fn queries(job: &Job) -> Vec<Query> {
    let query = |name, qtype| Query::new(&job.question, name, qtype);
    let own = query(job.question.name, job.question.qtype);
    match &job.plan {
        Plan::Local(_) => Vec::new(),
        Plan::Forward | Plan::Strip => vec![own],
        Plan::Synthesize(_) => vec![own, query(job.question.name, RecordType::A)],
        Plan::Reverse(chase) => vec![query(chase.target(), chase.qtype)],
    }
}

fn failed_lately(cache: &Cache, queries: &[Query], now: u32) -> bool {
    queries.iter().any(|query| cache.is_fresh(&key(&cache.name(&query.name), query, Kind::Failure), now))
}
