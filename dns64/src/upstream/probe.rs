//! Brings upstreams back: those that are down are asked a small question every second until one answer comes.
//! Those that may lead back here are followed. The same beat closes sockets that have served their time, and brings
//! the log what was held back from it.

use super::Upstream;
use crate::name::WireName;
use crate::query::Query;
use crate::question::CLASS_IN;
use hickory_proto::rr::RecordType;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// From one probe to the next, and how long one may take.
const INTERVAL: Duration = Duration::from_secs(1);

/// Probes whatever upstreams `current` names, forever.
pub(crate) async fn run(current: impl Fn() -> Vec<Arc<Upstream>>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        let members = current();
        for upstream in &members {
            upstream.tidy(Instant::now());
        }
        for upstream in members.iter().filter(|upstream| upstream.is_doubtful(Instant::now())) {
            let upstream = Arc::clone(upstream);
            tokio::spawn(async move { upstream.follow().await });
        }
        for upstream in members.into_iter().filter(|upstream| !upstream.is_up()) {
            // One that does not come in time is followed by the next.
            tokio::spawn(async move { timeout(INTERVAL, upstream.probe(&question())).await });
        }
    }
}

/// The root's name servers: a question every resolver can answer from memory.
fn question() -> Query {
    Query {
        name: WireName::ROOT,
        qtype: RecordType::NS,
        qclass: CLASS_IN,
        recursion_desired: true,
        checking_disabled: false,
        dnssec_ok: false,
    }
}
