//! From a message to its reply: drives plan, upstreams and synthesis, and decides nothing itself.
//!
//! [`Shared::receive`] answers at once whatever needs no upstream; all else becomes a [`Job`], which the listener
//! runs as a task. A job holds the snapshot that its question was planned with to its end.

use crate::answer::Outcome;
use crate::hints;
use crate::hosts::Hosts;
use crate::hosts::source::unix_time;
use crate::metrics::{Metrics, Transport};
use crate::plan::{Known, Plan, plan};
use crate::policy::Synthesis;
use crate::query::Query;
use crate::question::{DropReason, Question, Refusal};
use crate::reply::{Body, Extras, Origin, Reply, Room};
use crate::reverse;
use crate::snapshot::Snapshot;
use crate::synth::{self, Verdict};
use arc_swap::ArcSwap;
use hickory_proto::rr::RecordType;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::time::timeout;

/// What all listeners of all workers share.
#[derive(Debug)]
pub struct Shared {
    snapshot: ArcSwap<Snapshot>,
    hosts: ArcSwap<Hosts>,
    metrics: Arc<Metrics>,
}

/// What becomes of a message.
#[derive(Debug)]
pub enum Received {
    /// Nothing is sent.
    Nothing,
    /// The reply stands in the buffer.
    Reply,
    /// The reply needs upstreams.
    Job(Box<Job>),
}

/// A question that needs upstreams.
#[derive(Debug)]
pub struct Job {
    shared: Arc<Shared>,
    snapshot: Arc<Snapshot>,
    question: Question,
    plan: Plan,
    client: SocketAddr,
    via: Transport,
}

impl Shared {
    /// Begins with `snapshot`.
    pub fn new(snapshot: Snapshot, metrics: Arc<Metrics>) -> Self {
        Self { snapshot: ArcSwap::from_pointee(snapshot), hosts: ArcSwap::default(), metrics }
    }

    /// The snapshot in effect.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Serves `snapshot` from here on; jobs that run keep theirs.
    pub fn replace(&self, snapshot: &Arc<Snapshot>) {
        let previous = self.snapshot.swap(Arc::clone(snapshot));
        snapshot.upstreams.supersede(&previous.upstreams);
    }

    /// The names that are served here.
    pub fn hosts(&self) -> Arc<Hosts> {
        self.hosts.load_full()
    }

    /// Serves `hosts` from here on, and no others.
    pub fn serve_hosts(&self, hosts: Arc<Hosts>) {
        self.metrics.names.serve(&hosts);
        self.hosts.store(hosts);
    }

    /// The counters.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Reads `message` from `client`; a reply that is at hand is written to `out`.
    pub fn receive(
        self: &Arc<Self>,
        message: &[u8],
        client: SocketAddr,
        via: Transport,
        out: &mut Vec<u8>,
    ) -> Received {
        if client.port() == 0 {
            self.metrics.dropped(DropReason::SourcePort);
            return Received::Nothing;
        }
        let question = match Question::parse(message) {
            Ok(question) => question,
            Err(Refusal::Drop(reason)) => {
                self.metrics.dropped(reason);
                return Received::Nothing;
            }
            Err(Refusal::Reject(rejection)) => {
                self.metrics.rejected(rejection.reason);
                out.clear();
                out.extend_from_slice(&rejection.encode());
                return Received::Reply;
            }
        };
        let snapshot = self.snapshot.load();
        let view = snapshot.policy.view(client.ip());
        let hosts = self.hosts.load();
        let known = Known { hosts: &hosts, now: if hosts.is_dated() { unix_time() } else { 0 } };
        match plan(&question, &snapshot.policy, view, &known) {
            Plan::Local(reply) => {
                self.answer(&question, &reply, via, out);
                Received::Reply
            }
            plan @ (Plan::Forward | Plan::Strip | Plan::Synthesize(_) | Plan::Reverse(_)) => {
                let (shared, snapshot) = (Arc::clone(self), Arc::clone(&snapshot));
                Received::Job(Box::new(Job { shared, snapshot, question, plan, client, via }))
            }
        }
    }

    fn answer(&self, question: &Question, reply: &Reply, via: Transport, out: &mut Vec<u8>) {
        self.metrics.answered(via, question.qtype, reply.origin);
        let room = match via {
            Transport::Udp => Room::Datagram,
            Transport::Tcp => Room::Stream,
        };
        reply.encode(question, room, Extras::default(), out);
    }
}

impl Job {
    /// Asks the upstreams and writes the reply to `out`. Ends within [`crate::upstream::Timing::total`].
    pub async fn run(self, out: &mut Vec<u8>) {
        let trust_ad = self.snapshot.policy.site().trust_ad;
        let reply = match &self.plan {
            Plan::Local(reply) => (**reply).clone(),
            Plan::Forward => Reply::relayed(self.ask(self.query(self.question.qtype)).await, trust_ad),
            Plan::Strip => {
                let outcome = self.ask(self.query(self.question.qtype)).await;
                hints::strip(&self.question, outcome, trust_ad)
            }
            Plan::Synthesize(synthesis) => self.synthesize(synthesis).await,
            Plan::Reverse(chase) => {
                let outcome = self.ask(Query::new(&self.question, chase.target, chase.qtype)).await;
                reverse::assemble(&self.question, chase, outcome)
            }
        };
        self.note(&reply);
        self.shared.answer(&self.question, &reply, self.via, out);
    }

    async fn ask(&self, query: Query) -> Outcome {
        let upstreams = &self.snapshot.upstreams;
        upstreams.ask(&query, upstreams.inquiry(self.client.ip())).await
    }

    /// Asks for AAAA, and for A as soon as it is known or likely to be needed (RFC 6147 §5.1.8).
    async fn synthesize(&self, synthesis: &Synthesis) -> Reply {
        let upstreams = &self.snapshot.upstreams;
        let inquiry = upstreams.inquiry(self.client.ip());
        let (aaaa_query, a_query) = (self.query(RecordType::AAAA), self.query(RecordType::A));
        let mut aaaa = pin!(upstreams.ask(&aaaa_query, inquiry));
        let mut a = pin!(upstreams.ask(&a_query, inquiry));
        let mut a_outcome = None;
        let aaaa_outcome = match timeout(upstreams.timing().head_start, &mut aaaa).await {
            Ok(outcome) => outcome,
            Err(_) => loop {
                tokio::select! {
                    biased;
                    outcome = &mut aaaa => break outcome,
                    outcome = &mut a, if a_outcome.is_none() => a_outcome = Some(outcome),
                }
            },
        };
        match synth::judge(&self.question, aaaa_outcome, synthesis) {
            Verdict::Reply(reply) => reply,
            Verdict::AskA(absent) => {
                let outcome = match a_outcome {
                    Some(outcome) => outcome,
                    None => a.await,
                };
                synth::finish(&self.question, absent, outcome, synthesis)
            }
        }
    }

    fn query(&self, qtype: RecordType) -> Query {
        Query::new(&self.question, self.question.name, qtype)
    }

    fn note(&self, reply: &Reply) {
        if let (Origin::Synthesized, Body::Built(built)) = (reply.origin, &reply.body) {
            let aaaa = built.answers.iter().filter(|record| record.record_type() == RecordType::AAAA);
            self.shared.metrics.synthesized_records.inc_by(aaaa.count() as u64);
        }
        if reply.origin == Origin::Failed {
            let (client, name, qtype) = (self.client, self.question.name, self.question.qtype);
            tracing::debug!(%client, %name, %qtype, "no upstream gave an answer");
        }
    }
}
