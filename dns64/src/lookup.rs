//! From a query to its outcome: the cache first, then whoever asks the same already, then the upstreams.
//!
//! Owns what of an outcome is remembered and what is served although its time is over (RFC 8767 §5): when
//! the upstreams failed, or have not answered when the client is about to give up. Failures are remembered for a
//! moment (RFC 9520 §3.2), and for longer while there is something stale to serve instead.

use crate::answer::{Answer, ExtendedError, Failure, Outcome, read_errors};
use crate::cache::{Age, Content, Hit, Key, Kind, Name};
use crate::flight::{Landing, Pilot, Seat};
use crate::lead::Sort;
use crate::lifetime::{self, Keep};
use crate::query::Query;
use crate::query_log::{Effort, Recall};
use crate::question::CLASS_IN;
use crate::reply::write_errors;
use crate::resolver::Shared;
use crate::snapshot::Snapshot;
use crate::ttl;
use crate::upstream::{Asked, Inquiry};
use crate::wire::{HEADER, QUESTION_TAIL};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep_until, timeout_at};

/// Seconds for which an upstream's error is remembered.
const ERROR_LIFETIME: u32 = 5;

/// Seconds for which it is remembered that no upstream answered. Short, since a link that comes back should not seem
/// down.
const FAILURE_LIFETIME: u32 = 1;

/// Seconds for which a failure is remembered while there is something stale to serve (RFC 8767 §5).
const STALE_RECHECK: u32 = 30;

/// How long a client waits before it gets what is stale (RFC 8767 §5).
const STALE_WAIT: Duration = Duration::from_millis(1200);

/// How often a query that ended without an outcome is put again.
const TRIES: usize = 2;

/// What came of a query.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The outcome, its TTLs those that are left.
    pub(crate) outcome: Outcome,
    /// Seconds for which what follows from it may be kept.
    pub(crate) holds: u32,
    /// What it took.
    pub(crate) effort: Effort,
}

/// How much of its time a remembered outcome must have left, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Any will do, and what is stale in need.
    Usable,
    /// So much.
    Remaining(u32),
    /// The upstreams are to be asked.
    New,
}

/// What all lookups for one question share.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) snapshot: &'a Arc<Snapshot>,
    pub(crate) inquiry: Inquiry,
}

impl Lookup<'_> {
    /// The outcome of `query`.
    pub(crate) async fn find(&self, query: &Query, demand: Demand) -> Found {
        let name = self.snapshot.cache.name(&query.name);
        let stale = match self.remembered(&name, query, demand) {
            Remembered::Found(found) => return found,
            Remembered::Stale(answer) => Some(answer),
            Remembered::Nothing => None,
        };
        let asked = self.ask(&name, query);
        let found = if stale.is_some() {
            let mut asked = pin!(asked);
            tokio::select! {
                biased;
                found = &mut asked => found,
                () = sleep_until(self.inquiry.put + STALE_WAIT) => Found::failed(Failure::Silent),
            }
        } else {
            asked.await
        };
        match stale {
            Some(answer) if is_failure(&found.outcome) => self.resort(answer),
            _ => found,
        }
    }

    /// What is stale, for want of better.
    fn resort(&self, answer: Answer) -> Found {
        self.shared.metrics().cache.stale.inc();
        Found { outcome: Ok(answer), holds: 0, effort: Effort { recall: Recall::Stale, upstream: None } }
    }

    fn remembered(&self, name: &Name, query: &Query, demand: Demand) -> Remembered {
        if query.qclass != CLASS_IN {
            return Remembered::Nothing;
        }
        let now = self.shared.now();
        let mut stale = None;
        if demand != Demand::New
            && let Some((answer, age)) = self.recall(&key(name, query, Kind::Answer), query, now)
        {
            match (age, demand) {
                (Age::Fresh { remaining, .. }, Demand::Remaining(least)) if remaining < least => {}
                (Age::Fresh { remaining, .. }, _) => {
                    return Remembered::Found(Found::remembered(Ok(answer), remaining));
                }
                (Age::Stale { past }, Demand::Usable) if past < self.snapshot.serve_stale => {
                    stale = Some(excuse(answer));
                }
                (Age::Stale { .. }, _) => {}
            }
        }
        if demand == Demand::Usable
            && let Some(failed) = self.recall_failure(&key(name, query, Kind::Failure), query, now)
        {
            return Remembered::Found(match stale {
                Some(answer) if is_failure(&failed.outcome) => self.resort(answer),
                _ => failed,
            });
        }
        stale.map_or(Remembered::Nothing, Remembered::Stale)
    }

    fn recall(&self, key: &Key<'_>, query: &Query, now: u32) -> Option<(Answer, Age)> {
        let mut message = preamble(query);
        let question_end = message.len();
        let hit = self.snapshot.cache.any(key, now, &mut message)?;
        Some((restore(message, &hit, question_end), hit.age))
    }

    fn recall_failure(&self, key: &Key<'_>, query: &Query, now: u32) -> Option<Found> {
        let mut message = preamble(query);
        let question_end = message.len();
        let hit = self.snapshot.cache.fresh(key, now, &mut message)?;
        let Age::Fresh { remaining, .. } = hit.age else { return None };
        let failure = usize::from(hit.class).checked_sub(1).and_then(|at| REMEMBERED.get(at));
        let outcome = match failure {
            Some(failure) => Err(*failure),
            None => Ok(restore(message, &hit, question_end)),
        };
        Some(Found::remembered(outcome, remaining))
    }

    /// Asks the upstreams, or waits for who does.
    async fn ask(&self, name: &Name, query: &Query) -> Found {
        let mut failure = Failure::Interrupted;
        for _ in 0..TRIES {
            let Some((landing, mine)) = self.board(name, query) else {
                self.shared.metrics().overload.inc();
                return Found::failed(Failure::Overload);
            };
            // Whoever asks may go on for longer than this client waits.
            let Ok(landed) = timeout_at(self.inquiry.deadline, landing.wait()).await else {
                return Found::failed(Failure::Silent);
            };
            match landed {
                Some(found) => match found.outcome {
                    // Whoever asked had too much under way; that is not this client's fault.
                    Err(Failure::Overload | Failure::ClientOverload) if !mine => failure = Failure::Overload,
                    _ => return found.clone(),
                },
                None => failure = Failure::Interrupted,
            }
        }
        Found::failed(failure)
    }

    /// A place among those who wait for `query`, if there is one, and whether it is asked for this one's sake.
    fn board(&self, name: &Name, query: &Query) -> Option<(Landing, bool)> {
        let selector = u64::from(u16::from(query.qtype)) << 4
            | u64::from(query.dnssec_ok) << 1
            | u64::from(query.checking_disabled);
        let hash = name.hash() ^ selector.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        match self.shared.flights().board(hash, query, self.snapshot) {
            Seat::Full => None,
            Seat::Passenger(landing) => Some((landing, false)),
            Seat::Pilot(pilot, landing) => {
                let (shared, snapshot) = (Arc::clone(self.shared), Arc::clone(self.snapshot));
                tokio::spawn(fly(shared, snapshot, query.clone(), self.inquiry, pilot));
                Some((landing, true))
            }
        }
    }
}

/// What is remembered of a query.
enum Remembered {
    Found(Found),
    Stale(Answer),
    Nothing,
}

impl Found {
    /// Whether it was not asked for because too much was under way.
    pub(crate) fn is_of_overload(&self) -> bool {
        matches!(self.outcome, Err(Failure::Overload | Failure::ClientOverload))
    }

    fn failed(failure: Failure) -> Self {
        Self { outcome: Err(failure), holds: 0, effort: Effort { recall: Recall::Miss, upstream: None } }
    }

    fn remembered(outcome: Outcome, holds: u32) -> Self {
        Self { outcome, holds, effort: Effort { recall: Recall::Hit, upstream: None } }
    }
}

/// The failures that are remembered; a cached failure has its place here, counted from 1, as its class.
const REMEMBERED: [Failure; 3] = [Failure::Silent, Failure::Unreachable, Failure::Malformed];

/// Asks the upstreams on behalf of all who wait.
async fn fly(shared: Arc<Shared>, snapshot: Arc<Snapshot>, query: Query, inquiry: Inquiry, pilot: Pilot) {
    let Asked { outcome, by } = snapshot.upstreams.ask(&query, inquiry).await;
    let outcome = outcome.and_then(|answer| {
        let (answer, removed) = snapshot.guard.screen(&query, answer)?;
        shared.metrics().names.screened(&query.name, removed);
        Ok(answer)
    });
    if query.qtype == RecordType::AAAA
        && query.qclass == CLASS_IN
        && let Some(sort) = outcome.as_ref().ok().and_then(Sort::of)
    {
        shared.habits().learn(&query.name, sort);
    }
    // A snapshot that was replaced meanwhile may have asked whom the file no longer names.
    let current = shared.serves(&snapshot);
    let (outcome, holds) = remember(&snapshot, &query, outcome, shared.now(), current);
    if current {
        shared.reconsider(&snapshot, &query.name);
    }
    pilot.land(Found { outcome, holds, effort: Effort { recall: Recall::Miss, upstream: by } });
}

/// Puts an outcome into the cache, as far as it may stand there; how many seconds it holds comes back with it.
fn remember(snapshot: &Snapshot, query: &Query, outcome: Outcome, now: u32, current: bool) -> (Outcome, u32) {
    let name = snapshot.cache.name(&query.name);
    let put = |kind, content: &Content<'_>| {
        if current {
            snapshot.cache.put(&key(&name, query, kind), content, now);
        }
        content.lifetime
    };
    let failed = |lifetime: u32| {
        let mut octets = Vec::new();
        let hit = snapshot.cache.any(&key(&name, query, Kind::Answer), now, &mut octets);
        // What is still fresh outlives the failure, and what may not be served helps nobody.
        let served = hit.and_then(|hit| hit.age.left_when_stale(snapshot.serve_stale));
        served.map_or(lifetime, |left| left.clamp(lifetime, STALE_RECHECK))
    };
    let mut errors = Vec::new();
    match outcome {
        Ok(mut answer) => {
            let keep = lifetime::settle(&mut answer, query, snapshot.bounds);
            write_errors(answer.extended_errors(), &mut errors);
            let content = content(&answer, &errors);
            let holds = match keep {
                Keep::For(lifetime) => put(Kind::Answer, &Content { lifetime, ..content }),
                Keep::Absence { lifetime, soa_at } => {
                    // What its client is told of the absence later must not hold for longer than it does here.
                    let mut records = content.records.to_vec();
                    ttl::set(&mut records, soa_at - answer.question_end(), lifetime);
                    put(Kind::Answer, &Content { lifetime, records: &records, ..content })
                }
                Keep::Failure if query.qclass == CLASS_IN => {
                    // Nothing stale is served in place of what failed validation.
                    let bogus = answer.failed_validation();
                    let lifetime = if bogus { ERROR_LIFETIME } else { failed(ERROR_LIFETIME) };
                    put(Kind::Failure, &Content { lifetime, counts: [0; 3], records: &[], ..content })
                }
                Keep::Failure => 0,
                Keep::Not(holds) => holds,
            };
            (Ok(answer), holds)
        }
        Err(failure) => {
            let place = REMEMBERED.iter().position(|remembered| *remembered == failure);
            let class = place.and_then(|place| u8::try_from(place + 1).ok());
            let holds = class.filter(|_| query.qclass == CLASS_IN).map_or(0, |class| {
                let lifetime = failed(FAILURE_LIFETIME);
                put(Kind::Failure, &Content { class, lifetime, ..Content::default() })
            });
            (Err(failure), holds)
        }
    }
}

/// What is remembered of `query`, fresh or not.
pub(crate) fn recall(shared: &Arc<Shared>, snapshot: &Arc<Snapshot>, query: &Query) -> Option<Outcome> {
    let inquiry = snapshot.upstreams.inquiry(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let (lookup, name, now) =
        (Lookup { shared, snapshot, inquiry }, snapshot.cache.name(&query.name), shared.now());
    let answer = lookup.recall(&key(&name, query, Kind::Answer), query, now).map(|(answer, _)| Ok(answer));
    answer.or_else(|| {
        lookup.recall_failure(&key(&name, query, Kind::Failure), query, now).map(|found| found.outcome)
    })
}

/// The key of what is remembered of `query`.
pub(crate) fn key<'a>(name: &'a Name, query: &Query, kind: Kind) -> Key<'a> {
    Key {
        name,
        qtype: query.qtype.into(),
        dnssec_ok: query.dnssec_ok,
        checking_disabled: query.checking_disabled,
        kind,
    }
}

fn content<'a>(answer: &'a Answer, errors: &'a [u8]) -> Content<'a> {
    Content {
        rcode: answer.rcode().into(),
        authentic: answer.says_authentic(),
        counts: answer.sections().map(|section| section.count),
        records: answer.records(2),
        errors,
        ..Content::default()
    }
}

/// An empty header and the question.
fn preamble(query: &Query) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + query.name.as_bytes().len() + QUESTION_TAIL + 256);
    message.extend_from_slice(&[0; HEADER]);
    message.extend_from_slice(query.name.as_bytes());
    message.extend_from_slice(&u16::from(query.qtype).to_be_bytes());
    message.extend_from_slice(&query.qclass.to_be_bytes());
    message
}

fn restore(mut message: Vec<u8>, hit: &Hit, question_end: usize) -> Answer {
    let errors = message.split_off(hit.sections[2].end);
    Answer::restored(message, hit.sections, hit.rcode, hit.authentic, read_errors(&errors), question_end)
}

/// Says of an answer that its time is over.
fn excuse(answer: Answer) -> Answer {
    let missing = answer.rcode() == ResponseCode::NXDomain;
    answer.explained(if missing { ExtendedError::STALE_NAME_ERROR } else { ExtendedError::STALE })
}

/// Whether what is stale is better. What failed validation must not be worked around.
fn is_failure(outcome: &Outcome) -> bool {
    match outcome {
        Ok(answer) => {
            !matches!(answer.rcode(), ResponseCode::NoError | ResponseCode::NXDomain)
                && !answer.failed_validation()
        }
        Err(_) => true,
    }
}
