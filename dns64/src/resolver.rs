//! From a message to its reply: what all listeners share, and the one door for every transport.
//!
//! [`Shared::receive`] answers at once whatever is served here or remembered; all else becomes a [`Job`], which the
//! listener runs as a task. A job holds the snapshot that its question was planned with to its end.

use crate::cache::{Age, Hit, Key, Kind};
use crate::flight::Flights;
use crate::hosts::Hosts;
use crate::hosts::source::unix_time;
pub use crate::job::Job;
use crate::job::Purpose;
use crate::metrics::{Metrics, Transport};
use crate::plan::{Known, Plan, plan};
use crate::policy::View;
use crate::question::{CLASS_IN, DropReason, Question, Refusal};
use crate::reply::{self, Extras, Origin, Outline, Reply, Room};
use crate::snapshot::Snapshot;
use arc_swap::ArcSwap;
use hickory_proto::op::ResponseCode;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Entries that may be under renewal before their time at one moment.
const MAX_RENEWALS: usize = 64;

/// What all listeners of all workers share.
#[derive(Debug)]
pub struct Shared {
    snapshot: ArcSwap<Snapshot>,
    hosts: ArcSwap<Hosts>,
    metrics: Arc<Metrics>,
    flights: Arc<Flights>,
    renewals: Arc<Semaphore>,
    started: Instant,
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

impl Shared {
    /// Begins with `snapshot`.
    pub fn new(snapshot: Snapshot, metrics: Arc<Metrics>) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            hosts: ArcSwap::default(),
            metrics,
            flights: Arc::default(),
            renewals: Arc::new(Semaphore::new(MAX_RENEWALS)),
            started: Instant::now(),
        }
    }

    /// The snapshot in effect.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Serves `snapshot` from here on; jobs that run keep theirs.
    pub fn replace(&self, snapshot: &Arc<Snapshot>) {
        let previous = self.snapshot.swap(Arc::clone(snapshot));
        snapshot.upstreams.supersede(&previous.upstreams);
        // Answers are the same for whoever asks; what was made of them for a view that is gone is not.
        snapshot.cache.retain_views(|view| snapshot.policy.has_view(view));
        if snapshot.cache_size != previous.cache_size {
            snapshot.cache.resize(snapshot.cache_size, self.now());
        }
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

    /// Whether `snapshot` is in effect.
    pub(crate) fn serves(&self, snapshot: &Arc<Snapshot>) -> bool {
        Arc::ptr_eq(&self.snapshot.load(), snapshot)
    }

    /// The time that the cache goes by, in whole seconds.
    pub(crate) fn now(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// The questions under way.
    pub(crate) fn flights(&self) -> &Arc<Flights> {
        &self.flights
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
        let known = Known {
            hosts: &hosts,
            special: &snapshot.special,
            now: if hosts.is_dated() { unix_time() } else { 0 },
        };
        let plan = match plan(&question, &snapshot.policy, view, &known) {
            Plan::Local(reply) => {
                self.answer(&question, &reply, via, out);
                return Received::Reply;
            }
            plan @ (Plan::Forward | Plan::Strip | Plan::Synthesize(_) | Plan::Reverse(_)) => plan,
        };
        let client = Client { address: client, via };
        if self.recall(&snapshot, &question, &plan, view, client, out) {
            return Received::Reply;
        }
        if !question.recursion_desired {
            // Nothing is asked on behalf of who does not want it; what is remembered was not enough.
            self.answer(&question, &Reply::refused(ResponseCode::Refused), via, out);
            return Received::Reply;
        }
        Received::Job(Box::new(self.job(&snapshot, question, plan, view, client, Purpose::Client(via))))
    }

    /// Answers from the cache, if it can.
    fn recall(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        question: &Question,
        plan: &Plan,
        view: &View,
        client: Client,
        out: &mut Vec<u8>,
    ) -> bool {
        if question.qclass != CLASS_IN {
            return false;
        }
        let (cache, now) = (&snapshot.cache, self.now());
        let name = cache.name(&question.name);
        let key = |kind| Key {
            name: &name,
            qtype: question.qtype.into(),
            dnssec_ok: question.dnssec_ok(),
            checking_disabled: question.checking_disabled,
            kind,
        };
        reply::write_preamble(question, out);
        let fresh = |kind, out: &mut Vec<u8>| cache.fresh(&key(kind), now, out).map(|hit| (hit, kind));
        let made = Kind::Reply { view: view.fingerprint() };
        let found = match plan {
            Plan::Forward => fresh(Kind::Answer, out),
            Plan::Synthesize(_) => fresh(made, out).or_else(|| {
                let hit = cache.passed(&key(Kind::Answer), view.fingerprint(), now, out)?;
                Some((hit, Kind::Answer))
            }),
            Plan::Local(_) | Plan::Strip | Plan::Reverse(_) => fresh(made, out),
        };
        let Some((hit, kind)) = found else { return false };
        if let Age::Fresh { remaining, due: true } = hit.age
            && snapshot.prefetch
            && question.recursion_desired
            && let Ok(permit) = Arc::clone(&self.renewals).try_acquire_owned()
            && cache.claim_renewal(&key(kind))
        {
            let purpose = Purpose::Renewal(remaining);
            let job = self.job(snapshot, question.clone(), plan.clone(), view, client, purpose);
            tokio::spawn(async move {
                job.run(&mut Vec::new()).await;
                drop(permit);
            });
        }
        let (origin, believed) = match kind {
            Kind::Reply { .. } => (Origin::ALL[usize::from(hit.class) % Origin::ALL.len()], true),
            Kind::Answer | Kind::Failure => (Origin::Forwarded, snapshot.policy.site().trust_ad),
        };
        self.metrics.answered(client.via, question.qtype, origin);
        reply::finish(question, room(client.via), Extras::default(), &outline(&hit, believed), out);
        true
    }

    fn job(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        question: Question,
        plan: Plan,
        view: &View,
        client: Client,
        purpose: Purpose,
    ) -> Job {
        Job {
            shared: Arc::clone(self),
            snapshot: Arc::clone(snapshot),
            question,
            plan,
            view: view.fingerprint(),
            client: client.address,
            purpose,
        }
    }

    fn answer(&self, question: &Question, reply: &Reply, via: Transport, out: &mut Vec<u8>) {
        self.metrics.answered(via, question.qtype, reply.origin);
        reply.encode(question, room(via), Extras::default(), out);
    }
}

/// Who asks, and how.
#[derive(Clone, Copy)]
struct Client {
    address: SocketAddr,
    via: Transport,
}

/// How large a reply may be.
pub(crate) fn room(via: Transport) -> Room {
    match via {
        Transport::Udp => Room::Datagram,
        Transport::Tcp => Room::Stream,
    }
}

fn outline(hit: &Hit, believed: bool) -> Outline {
    Outline {
        rcode: hit.rcode.into(),
        authoritative: hit.authoritative,
        authentic: hit.authentic && believed,
        truncated: false,
        sections: hit.sections,
    }
}
