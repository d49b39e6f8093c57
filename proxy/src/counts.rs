//! Counters of the data path: one shard per worker, summed when somebody asks.
//!
//! A shard has one writer, its worker, so counting is a plain load and store on a cache line that no other core
//! writes. Counters belong to a listener or a member and outlive changes of configuration together with its name.

mod latency;
mod reasons;
mod shards;

pub(crate) use latency::{BOUNDS, Latencies, Part, Spread};
pub(crate) use reasons::{Failure, Loss};

use crate::rate::Rate;
use config::model::{Rule, RuleAction};
use hyper::StatusCode;
use shards::Shards;

/// The classes of status codes, as labels.
pub(crate) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Connections open in the whole process.
#[derive(Debug)]
pub(crate) struct OpenCount(Shards<1>);

impl OpenCount {
    pub(crate) fn new(workers: usize) -> Self {
        Self(Shards::new(workers))
    }

    pub(crate) fn opened(&self, worker: usize) {
        self.0.add(worker, 0, 1);
    }

    pub(crate) fn closed(&self, worker: usize) {
        self.0.add(worker, 0, 1_u64.wrapping_neg());
    }

    /// A connection closes where it was opened, so no shard is ever below zero.
    pub(crate) fn sum(&self) -> u64 {
        self.0.sum(0)
    }
}

/// Requests that one rule of a listener fits.
#[derive(Debug)]
pub(crate) struct RuleCount {
    /// The name of the rule, or its place counted from 1.
    pub(crate) label: String,
    /// What it does.
    pub(crate) action: &'static str,
    shards: Shards<1>,
}

impl RuleCount {
    pub(crate) fn new(rule: &Rule, place: usize, workers: usize) -> Self {
        let action = match &rule.action {
            Some(RuleAction::Pool(_)) => "pool",
            Some(RuleAction::Redirect(_)) => "redirect",
            Some(RuleAction::Deny(_)) => "deny",
            Some(RuleAction::Answer(_)) => "answer",
            None => "edit",
        };
        let label = rule.name.clone().unwrap_or_else(|| (place + 1).to_string());
        Self { label, action, shards: Shards::new(workers) }
    }

    /// Whether both count the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.label, self.action) == (&other.label, other.action)
    }

    /// A request fits the rule.
    pub(crate) fn fitted(&self, worker: usize) {
        self.shards.add(worker, 0, 1);
    }

    pub(crate) fn sum(&self) -> u64 {
        self.shards.sum(0)
    }
}

const OPENED: usize = 0;
const CLOSED: usize = 1;
const RECEIVED: usize = 2;
const SENT: usize = 3;
const SHAKEN: usize = 4;
const RESUMED: usize = 5;
const CLASS: usize = 6;
const FAILURE: usize = CLASS + CLASSES.len();
const DATAGRAMS_RECEIVED: usize = FAILURE + Failure::ALL.len();
const DATAGRAMS_SENT: usize = DATAGRAMS_RECEIVED + 1;
const EVICTED: usize = DATAGRAMS_SENT + 1;
const LOSS: usize = EVICTED + 1;
const RESTED: usize = LOSS + Loss::ALL.len();
const ROSE: usize = RESTED + 1;
const LISTENER_SLOTS: usize = ROSE + 1;

/// What is counted of one listener.
#[derive(Debug)]
pub(crate) struct ListenerCounts {
    shards: Shards<LISTENER_SLOTS>,
    /// Client connections a second.
    pub(crate) rate: Rate,
    /// Of requests.
    pub(crate) latencies: Latencies,
}

impl ListenerCounts {
    pub(crate) fn new(workers: usize) -> Self {
        Self { shards: Shards::new(workers), rate: Rate::default(), latencies: Latencies::new(workers) }
    }

    pub(crate) fn opened(&self, worker: usize) {
        self.shards.add(worker, OPENED, 1);
    }

    pub(crate) fn closed(&self, worker: usize) {
        self.shards.add(worker, CLOSED, 1);
    }

    /// A connection rests.
    pub(crate) fn rests(&self, worker: usize) {
        self.shards.add(worker, RESTED, 1);
    }

    /// A connection rests no longer.
    pub(crate) fn rose(&self, worker: usize) {
        self.shards.add(worker, ROSE, 1);
    }

    /// Connections on which nothing happens. May be off by those that change while it is read.
    pub(crate) fn resting(&self) -> u64 {
        let rose = self.shards.sum(ROSE);
        self.shards.sum(RESTED).saturating_sub(rose)
    }

    /// Bytes that came from clients.
    pub(crate) fn received(&self, worker: usize, bytes: u64) {
        self.shards.add(worker, RECEIVED, bytes);
    }

    /// Bytes that went to clients.
    pub(crate) fn sent(&self, worker: usize, bytes: u64) {
        self.shards.add(worker, SENT, bytes);
    }

    /// One TLS handshake done.
    pub(crate) fn shaken(&self, worker: usize, resumed: bool) {
        self.shards.add(worker, if resumed { RESUMED } else { SHAKEN }, 1);
    }

    /// One request answered with this status.
    pub(crate) fn answered(&self, worker: usize, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        self.shards.add(worker, CLASS + class, 1);
    }

    pub(crate) fn failed(&self, worker: usize, failure: Failure) {
        self.shards.add(worker, FAILURE + failure as usize, 1);
    }

    /// Datagrams that came from clients.
    pub(crate) fn datagrams_received(&self, worker: usize, count: u64) {
        self.shards.add(worker, DATAGRAMS_RECEIVED, count);
    }

    /// Datagrams that went to clients.
    pub(crate) fn datagrams_sent(&self, worker: usize, count: u64) {
        self.shards.add(worker, DATAGRAMS_SENT, count);
    }

    /// A flow made room for another one.
    pub(crate) fn flow_evicted(&self, worker: usize) {
        self.shards.add(worker, EVICTED, 1);
    }

    /// Datagrams were not passed on.
    pub(crate) fn lost(&self, worker: usize, loss: Loss, count: u64) {
        self.shards.add(worker, LOSS + loss as usize, count);
    }

    pub(crate) fn total(&self) -> u64 {
        self.shards.sum(OPENED)
    }

    /// Connections open at this moment. Closes are summed first: a connection that opens and closes meanwhile must not
    /// make the difference negative.
    pub(crate) fn active(&self) -> u64 {
        let closed = self.shards.sum(CLOSED);
        self.shards.sum(OPENED).saturating_sub(closed)
    }

    pub(crate) fn bytes_received(&self) -> u64 {
        self.shards.sum(RECEIVED)
    }

    pub(crate) fn bytes_sent(&self) -> u64 {
        self.shards.sum(SENT)
    }

    /// TLS handshakes: in full, and those that resumed a session.
    pub(crate) fn handshakes(&self) -> (u64, u64) {
        (self.shards.sum(SHAKEN), self.shards.sum(RESUMED))
    }

    /// Requests of the class at this place of [`CLASSES`].
    pub(crate) fn requests(&self, class: usize) -> u64 {
        self.shards.sum(CLASS + class)
    }

    pub(crate) fn failures(&self, failure: Failure) -> u64 {
        self.shards.sum(FAILURE + failure as usize)
    }

    /// Datagrams from and to clients.
    pub(crate) fn datagrams(&self) -> [u64; 2] {
        [DATAGRAMS_RECEIVED, DATAGRAMS_SENT].map(|slot| self.shards.sum(slot))
    }

    pub(crate) fn flows_evicted(&self) -> u64 {
        self.shards.sum(EVICTED)
    }

    pub(crate) fn losses(&self, loss: Loss) -> u64 {
        self.shards.sum(LOSS + loss as usize)
    }
}

/// What is counted of one member.
#[derive(Debug)]
pub(crate) struct MemberCounts {
    shards: Shards<3>,
    /// Connections (tcp) and requests (http) a second.
    pub(crate) rate: Rate,
}

const CONNECTED: usize = 0;
const REFUSED: usize = 1;
const CHOSEN: usize = 2;

impl MemberCounts {
    pub(crate) fn new(workers: usize) -> Self {
        Self { shards: Shards::new(workers), rate: Rate::default() }
    }

    /// A connection was opened to the member.
    pub(crate) fn connected(&self, worker: usize) {
        self.shards.add(worker, CONNECTED, 1);
    }

    /// A connection to the member could not be opened.
    pub(crate) fn refused(&self, worker: usize) {
        self.shards.add(worker, REFUSED, 1);
    }

    /// The member was given a connection (tcp) or a request (http).
    pub(crate) fn chosen(&self, worker: usize) {
        self.shards.add(worker, CHOSEN, 1);
    }

    pub(crate) fn connections(&self) -> u64 {
        self.shards.sum(CONNECTED)
    }

    pub(crate) fn connect_failures(&self) -> u64 {
        self.shards.sum(REFUSED)
    }

    pub(crate) fn uses(&self) -> u64 {
        self.shards.sum(CHOSEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_run_over_all_workers() {
        let counts = ListenerCounts::new(3);
        for worker in 0..3 {
            counts.opened(worker);
            counts.received(worker, 10);
        }
        counts.closed(1);
        counts.sent(2, 7);
        assert_eq!((counts.total(), counts.active()), (3, 2));
        assert_eq!((counts.bytes_received(), counts.bytes_sent()), (30, 7));
    }

    #[test]
    fn each_failure_has_a_slot_of_its_own() {
        for (place, (failure, label)) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, place, "{label}");
            let counts = ListenerCounts::new(1);
            counts.failed(0, failure);
            for (other, label) in Failure::ALL {
                assert_eq!(counts.failures(other), u64::from(other == failure), "{label}");
            }
        }
    }

    #[test]
    fn each_loss_has_a_slot_of_its_own() {
        for (place, (loss, label)) in Loss::ALL.into_iter().enumerate() {
            assert_eq!(loss as usize, place, "{label}");
            let counts = ListenerCounts::new(1);
            counts.lost(0, loss, 3);
            for (other, label) in Loss::ALL {
                assert_eq!(counts.losses(other), if other == loss { 3 } else { 0 }, "{label}");
            }
        }
    }

    #[test]
    fn statuses_fall_into_their_class() {
        for (status, class) in [(101, 0), (200, 1), (304, 2), (431, 3), (599, 4), (999, 4)] {
            let counts = ListenerCounts::new(1);
            counts.answered(0, StatusCode::from_u16(status).unwrap());
            assert_eq!(counts.requests(class), 1, "{status}");
        }
    }
}
