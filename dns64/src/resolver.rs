//! From a message to its reply: what all listeners share, and the one door for every transport.
//!
//! [`Shared::receive`] answers at once whatever is served here or remembered; all else becomes a [`Job`], which the
//! listener runs as a task. A job holds the snapshot that its question was planned with to its end.

mod recall;

use crate::answer::Failure;
use crate::flight::Flights;
use crate::gate::{self, Gate, Pass, Reception, Release};
use crate::hosts::Hosts;
use crate::hosts::source::unix_time;
pub use crate::job::Job;
use crate::job::Purpose;
use crate::lead::Habits;
use crate::loops;
use crate::metrics::{Metrics, Transport};
use crate::name::WireName;
use crate::plan::{Known, Plan, plan};
use crate::policy::View;
use crate::query_log::{self, Effort, Note, QueryLog};
use crate::question::{DropReason, Question, Refusal};
use crate::quota::Quota;
use crate::reply::{self, Extras, Origin, Outline, Reply, Room};
use crate::snapshot::{Snapshot, seed};
use crate::upstream::{MAX_IN_FLIGHT, most_files};
use arc_swap::ArcSwap;
use hickory_proto::op::ResponseCode;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Questions of clients that may wait for an answer at one time, in the whole daemon, whoever asks it for them. One
/// client may have a [`crate::quota::SHARE`]th of them. Four times as many as go upstream, since many ask the same.
pub const MAX_WAITING: usize = 4 * MAX_IN_FLIGHT;

/// What the connections of clients may take of the files that the process may open, so that upstreams, the admin
/// socket and files of names always find some left.
const PART: usize = 2;

/// What all listeners of all workers share.
#[derive(Debug)]
pub struct Shared {
    snapshot: ArcSwap<Snapshot>,
    hosts: ArcSwap<Hosts>,
    gate: Gate,
    connections: Arc<Quota>,
    metrics: Arc<Metrics>,
    flights: Arc<Flights>,
    habits: Habits,
    renewals: Arc<Semaphore>,
    waiting: Arc<Quota>,
    query_log: Arc<QueryLog>,
    started: Instant,
}

/// Replies to padded queries are padded to a multiple of so many octets (RFC 8467 §4.1).
const PADDING: u16 = 468;

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
    pub fn new(snapshot: Snapshot, gate: Gate, metrics: Arc<Metrics>) -> Self {
        metrics.cache.serve(&snapshot.cache);
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            hosts: ArcSwap::default(),
            gate,
            connections: Quota::new(most_files() / PART),
            metrics,
            flights: Arc::default(),
            habits: Habits::new(seed()),
            renewals: Arc::new(Semaphore::new(crate::renewal::MOST)),
            waiting: Quota::new(MAX_WAITING),
            query_log: Arc::default(),
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
        self.metrics.cache.serve(&snapshot.cache);
        if !snapshot.guard.is_like(&previous.guard) {
            // What was learnt under another guard may be what this one keeps away, or lack what it lets through.
            let guards = [&snapshot.guard, &previous.guard];
            snapshot.cache.retain_answers(|records, errors| {
                !guards.iter().any(|guard| guard.may_concern(records, errors))
            });
        }
        for domain in snapshot.upstreams.reassigned(&previous.upstreams) {
            snapshot.cache.flush(domain, true);
        }
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

    /// Forgets what was put in about `name` on behalf of `snapshot`, if that was replaced meanwhile: it may have come
    /// behind the sweep.
    pub(crate) fn reconsider(&self, snapshot: &Arc<Snapshot>, name: &WireName) {
        if !self.serves(snapshot) {
            snapshot.cache.flush(name, false);
        }
    }

    /// The time that the cache goes by, in whole seconds.
    pub(crate) fn now(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// The questions under way.
    pub(crate) fn flights(&self) -> &Arc<Flights> {
        &self.flights
    }

    /// What names are like.
    pub(crate) fn habits(&self) -> &Habits {
        &self.habits
    }

    /// What is remembered of clients.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// What is to be said of queries.
    pub(crate) fn query_log(&self) -> &Arc<QueryLog> {
        &self.query_log
    }

    /// The connections of clients that each take a file of this process, whatever is spoken on them.
    pub(crate) fn connections(&self) -> &Arc<Quota> {
        &self.connections
    }

    /// The counters.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Reads `message` from `client`; a reply that is at hand is written to `out`.
    ///
    /// A [`Job`] that leaves its buffer empty has nothing to send.
    pub fn receive(
        self: &Arc<Self>,
        message: &[u8],
        client: SocketAddr,
        via: Transport,
        out: &mut Vec<u8>,
    ) -> Received {
        let snapshot = self.snapshot.load();
        let drawn = query_log::draws(snapshot.query_log).then(Instant::now);
        let reception = match snapshot.terms.receive(client) {
            Ok(reception) => reception,
            Err(reason) => return self.discard(reason, out),
        };
        let question = match Question::parse(message) {
            Ok(question) => question,
            Err(Refusal::Drop(reason)) => return self.discard(reason, out),
            Err(Refusal::Reject(rejection)) => {
                self.metrics.rejected(rejection.reason);
                out.clear();
                out.extend_from_slice(&rejection.encode());
                return Received::Reply;
            }
        };
        let pass = self.gate.pass(&snapshot.terms, &question, client.ip(), via, short_unix_time);
        let caller = Caller { address: client, via, pass, drawn };
        let at_the_door = match reception {
            Reception::Prohibited => Some(gate::prohibited()),
            Reception::Welcome => gate::minimal_any(&question, via),
        };
        match at_the_door {
            Some(reply) => self.answer(&snapshot, &question, &reply, &caller, out),
            None => self.admit(&snapshot, question, caller, out),
        }
    }

    /// Answers a question that passed the gate.
    fn admit(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        question: Question,
        caller: Caller,
        out: &mut Vec<u8>,
    ) -> Received {
        let view = snapshot.policy.view(caller.address.ip());
        let hosts = self.hosts.load();
        let known = Known {
            hosts: &hosts,
            special: &snapshot.special,
            now: if hosts.is_dated() { unix_time() } else { 0 },
        };
        if loops::tag(&question.name).is_some_and(|tag| snapshot.upstreams.came_back(tag)) {
            self.metrics.names.came_back();
            return self.answer(snapshot, &question, &Reply::failed(Failure::Loop), &caller, out);
        }
        let plan = match plan(&question, &snapshot.policy, view, &known) {
            Plan::Local(reply) => return self.answer(snapshot, &question, &reply, &caller, out),
            plan @ (Plan::Forward | Plan::Strip | Plan::Synthesize(_) | Plan::Reverse(_)) => plan,
        };
        if let Some(received) = self.recall(snapshot, &question, &plan, view, &caller, out) {
            return received;
        }
        if !question.recursion_desired {
            // Nothing is asked on behalf of who does not want it; what is remembered was not enough.
            let reply = Reply::refused(ResponseCode::Refused);
            return self.answer(snapshot, &question, &reply, &caller, out);
        }
        self.metrics.cache.misses.inc();
        let permit = match self.waiting.take(caller.address.ip()) {
            Ok(permit) => Some(permit),
            Err(exhausted) => {
                let reply = Reply::failed(self.metrics.overloaded(exhausted));
                return self.answer(snapshot, &question, &reply, &caller, out);
            }
        };
        let job = self.job(snapshot, question, plan, view, caller.address, Purpose::Client(caller));
        Received::Job(Box::new(Job { permit, ..job }))
    }

    fn job(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        question: Question,
        plan: Plan,
        view: &View,
        client: SocketAddr,
        purpose: Purpose,
    ) -> Job {
        Job {
            shared: Arc::clone(self),
            snapshot: Arc::clone(snapshot),
            question,
            plan,
            view: view.fingerprint(),
            client,
            purpose,
            permit: None,
            begun: Instant::now(),
        }
    }

    fn answer(
        &self,
        snapshot: &Snapshot,
        question: &Question,
        reply: &Reply,
        caller: &Caller,
        out: &mut Vec<u8>,
    ) -> Received {
        let outline = reply.outline(question, out);
        let received = self.finish(snapshot, question, caller, reply.origin, &outline, out);
        self.note(question, caller, reply.origin, outline.rcode, &received, Effort::default);
        received
    }

    /// Leaves a note about an answered question if it was drawn for the log.
    pub(crate) fn note(
        &self,
        question: &Question,
        caller: &Caller,
        origin: Origin,
        rcode: ResponseCode,
        received: &Received,
        effort: impl FnOnce() -> Effort,
    ) {
        let Some(began) = caller.drawn else { return };
        let note = Note {
            client: caller.address,
            transport: caller.via,
            name: question.name,
            qtype: question.qtype,
            outcome: match received {
                Received::Nothing => DropReason::RateLimited.label(),
                Received::Reply | Received::Job(_) => origin.label(),
            },
            rcode,
            effort: effort(),
            duration: began.elapsed(),
        };
        self.query_log.take(note, &self.metrics.unlogged);
    }

    /// Completes the reply whose records stand in `out`, or puts in its place what the limit on responses asks for.
    pub(crate) fn finish(
        &self,
        snapshot: &Snapshot,
        question: &Question,
        caller: &Caller,
        origin: Origin,
        outline: &Outline,
        out: &mut Vec<u8>,
    ) -> Received {
        self.metrics.answered(caller.via, question.qtype, origin);
        let (terms, room) = (&snapshot.terms, room(caller.via));
        let asks = question.edns.map(|edns| edns.asks).unwrap_or_default();
        let extras = Extras {
            keepalive: (asks.keepalive && caller.via.has_keepalive()).then_some(crate::stream::KEEPALIVE),
            padding: (asks.padding && caller.via.is_encrypted()).then_some(PADDING),
            ..terms.extras(question, &caller.pass)
        };
        reply::finish(question, room, extras, outline, out);
        let now = || self.started.elapsed();
        let rcode = match self.gate.release(terms, question, &caller.pass, caller.address, out, now) {
            Release::Send => return Received::Reply,
            Release::Drop => return self.discard(DropReason::RateLimited, out),
            Release::Truncate => ResponseCode::NoError,
            Release::BadCookie => ResponseCode::BADCOOKIE,
        };
        self.metrics.slipped.inc();
        reply::cut_off(question, room, extras, rcode, out);
        Received::Reply
    }

    fn discard(&self, reason: DropReason, out: &mut Vec<u8>) -> Received {
        self.metrics.dropped(reason);
        out.clear();
        Received::Nothing
    }
}

/// Who asks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    address: SocketAddr,
    via: Transport,
    pass: Pass,
    /// When it came, if it is one of those that are logged.
    drawn: Option<Instant>,
}

/// Seconds since 1970 modulo 2^32, as cookies have it.
fn short_unix_time() -> u32 {
    u32::try_from(unix_time() & u64::from(u32::MAX)).unwrap_or(0)
}

/// How large a reply may be.
pub(crate) fn room(via: Transport) -> Room {
    match via {
        Transport::Udp => Room::Datagram,
        Transport::Tcp | Transport::Tls | Transport::Https | Transport::Quic => Room::Stream,
    }
}
