//! One question that is not answered from memory: drives lookups and synthesis, decides nothing, keeps the reply.
//!
//! What is kept never outlives what it was made of: its lifetime is the least of its TTLs and of the time for which
//! each outcome behind it holds.

use crate::answer::Answer;
use crate::cache::{Content, Kind};
use crate::lead::{self, Need};
use crate::lookup::{Demand, Found, Lookup, key};
use crate::plan::Plan;
use crate::policy::{Synthesis, Treatment};
use crate::query::Query;
use crate::query_log::Effort;
use crate::question::Question;
use crate::quota::Permit;
use crate::reply::{Body, Origin, Outline, Reply};
use crate::resolver::{Caller, Shared};
use crate::snapshot::Snapshot;
use crate::synth::{self, Verdict};
use crate::{hints, reverse, ttl, wire};
use futures_util::FutureExt;
use hickory_proto::rr::RecordType;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// A question that needs more than one look into memory.
#[derive(Debug)]
pub struct Job {
    pub(crate) shared: Arc<Shared>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) question: Question,
    pub(crate) plan: Plan,
    /// The fingerprint of the client's view.
    pub(crate) view: u64,
    pub(crate) client: SocketAddr,
    pub(crate) purpose: Purpose,
    /// A client's right to wait, for as long as it does.
    #[expect(dead_code, reason = "is given back when it is dropped")]
    pub(crate) permit: Option<Permit>,
    /// When it was made.
    pub(crate) begun: Instant,
}

/// Whom the reply is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A client that waits for it.
    Client(Caller),
    /// The cache alone, whose reply has so many seconds left.
    Renewal(u32),
}

/// A reply and what is to be done with it.
struct Made {
    reply: Reply,
    keep: Keep,
    effort: Effort,
}

/// How a reply is kept.
enum Keep {
    /// Not beside the answer that it is.
    Not,
    /// For so many seconds at most.
    Reply(u32),
    /// It is this AAAA answer, and is known to be so for so many seconds at most.
    Pass(u32),
}

impl Job {
    /// Makes the reply and writes it to `out`, which is left empty where nothing is sent. Ends within [`crate::upstream::Timing::total`].
    pub async fn run(self, out: &mut Vec<u8>) {
        let made = self.make().await;
        self.note(&made.reply);
        let outline = made.reply.outline(&self.question, out);
        self.keep(&made, &outline, out);
        if let Purpose::Client(caller) = &self.purpose {
            let (shared, origin) = (&self.shared, made.reply.origin);
            let received = shared.finish(&self.snapshot, &self.question, caller, origin, &outline, out);
            shared.metrics().times.lookup.count(self.begun.elapsed(), 1);
            shared.note(&self.question, caller, origin, outline.rcode, &received, || made.effort.clone());
        }
    }

    async fn make(&self) -> Made {
        match &self.plan {
            Plan::Local(reply) => {
                Made { reply: (**reply).clone(), keep: Keep::Not, effort: Effort::default() }
            }
            Plan::Forward => {
                let found = self.lookup().find(&self.query(self.question.qtype), self.first_demand()).await;
                Made {
                    reply: Reply::relayed(found.outcome, self.trust_ad()),
                    keep: Keep::Not,
                    effort: found.effort.of_a_job(),
                }
            }
            Plan::Strip => {
                let found = self.lookup().find(&self.query(self.question.qtype), self.first_demand()).await;
                let reply = hints::strip(&self.question, found.outcome, self.trust_ad());
                Made { reply, keep: Keep::Reply(found.holds), effort: found.effort.of_a_job() }
            }
            Plan::Synthesize(synthesis) => self.synthesize(synthesis).await,
            Plan::Reverse(chase) => {
                let query = Query::new(&self.question, chase.target(), chase.qtype);
                let found = self.lookup().find(&query, self.first_demand()).await;
                let reply = reverse::assemble(&self.question, chase, found.outcome);
                Made { reply, keep: Keep::Reply(found.holds), effort: found.effort.of_a_job() }
            }
        }
    }

    /// Asks for AAAA, and for A as soon as it is known or likely to be needed (RFC 6147 §5.1.8).
    async fn synthesize(&self, synthesis: &Synthesis) -> Made {
        let lookup = self.lookup();
        let (aaaa_query, a_query) = (self.query(RecordType::AAAA), self.query(RecordType::A));
        let mut aaaa = pin!(lookup.find(&aaaa_query, self.first_demand()));
        let mut a = pin!(lookup.find(&a_query, self.second_demand()));
        let lead = self.lead(synthesis);
        // A timer for no time at all still waits for its next tick.
        let ahead =
            if lead.is_zero() { aaaa.as_mut().now_or_never() } else { timeout(lead, &mut aaaa).await.ok() };
        let early = ahead.is_none();
        let mut a_found = None;
        let aaaa = match ahead {
            Some(found) => found,
            None => loop {
                tokio::select! {
                    biased;
                    found = &mut aaaa => break found,
                    found = &mut a, if a_found.is_none() => a_found = Some(found),
                }
            },
        };
        let original = aaaa.outcome.clone().ok();
        let verdict = synth::judge(&self.question, aaaa.outcome, synthesis);
        if early {
            self.shared.metrics().names.asked_early(matches!(verdict, Verdict::AskA(_)));
        }
        match verdict {
            Verdict::Reply(reply) => self.made(reply, original.as_ref(), aaaa.holds, aaaa.effort.of_a_job()),
            Verdict::AskA(absent) => {
                let Found { outcome, holds, effort } = match a_found {
                    // There may be room for it when AAAA has given back its place.
                    Some(found) if found.is_of_overload() => {
                        lookup.find(&a_query, self.second_demand()).await
                    }
                    Some(found) => found,
                    None => a.await,
                };
                let reply = synth::finish(&self.question, absent, outcome, synthesis);
                self.made(reply, original.as_ref(), holds.min(aaaa.holds), aaaa.effort.and(effort))
            }
        }
    }

    /// How long AAAA is waited for before A is asked.
    fn lead(&self, synthesis: &Synthesis) -> Duration {
        let (upstreams, name) = (&self.snapshot.upstreams, &self.question.name);
        let need = match self.purpose {
            // Nobody waits.
            Purpose::Renewal(_) => Need::Unlikely,
            Purpose::Client(_) if synthesis.passes_over_aaaa(name) => Need::Likely,
            Purpose::Client(_) => {
                self.shared.habits().beside(name).need(synthesis.cases.name_error == Treatment::Synthesize)
            }
        };
        lead::lead(&upstreams.timing(), upstreams.usual(name), need)
    }

    /// A reply that was made with `aaaa` and holds for so many seconds.
    fn made(&self, reply: Reply, aaaa: Option<&Answer>, holds: u32, effort: Effort) -> Made {
        let is_aaaa = |answer: &Answer| aaaa.is_some_and(|aaaa| aaaa.is_same(answer));
        let believed =
            |answer: &Answer| answer.is_authentic() == (self.trust_ad() && answer.says_authentic());
        let keep = match &reply.body {
            Body::Passed(answer) if is_aaaa(answer) && believed(answer) => Keep::Pass(holds),
            Body::Passed(_) | Body::Built(_) => Keep::Reply(holds),
        };
        Made { reply, keep, effort }
    }

    /// Keeps the reply, whose octets stand in `out`.
    fn keep(&self, made: &Made, outline: &Outline, out: &mut [u8]) {
        let cache = &self.snapshot.cache;
        let name = cache.name(&self.question.name);
        let query = self.query(self.question.qtype);
        let now = self.shared.now();
        let holds = match made.keep {
            Keep::Not => return,
            Keep::Reply(holds) => holds,
            Keep::Pass(holds) => {
                if cache.pass(&key(&name, &query, Kind::Answer), self.view, holds, now) {
                    return;
                }
                holds
            }
        };
        if outline.truncated || made.reply.origin == Origin::Failed || !self.shared.serves(&self.snapshot) {
            return;
        }
        let Some(class) = Origin::ALL.iter().position(|origin| *origin == made.reply.origin) else { return };
        let start = wire::HEADER + self.question.name.as_bytes().len() + wire::QUESTION_TAIL;
        let end = outline.sections[2].end;
        let counts = outline.sections.map(|section| section.count);
        let mut lifetime = holds;
        let measured = ttl::rewrite(out, start, counts, |_, record| {
            lifetime = lifetime.min(ttl::sane(record.ttl));
            record.ttl
        });
        let content = Content {
            rcode: outline.rcode.into(),
            authentic: outline.authentic,
            authoritative: outline.authoritative,
            class: u8::try_from(class).unwrap_or_default(),
            counts,
            records: &out[start..end],
            errors: &out[end..],
            lifetime: if measured.is_some() { lifetime } else { 0 },
        };
        cache.put(&key(&name, &query, Kind::Reply { view: self.view }), &content, now);
        self.shared.reconsider(&self.snapshot, &self.question.name);
    }

    fn lookup(&self) -> Lookup<'_> {
        let inquiry = self.snapshot.upstreams.inquiry(self.client.ip());
        Lookup { shared: &self.shared, snapshot: &self.snapshot, inquiry }
    }

    /// What is demanded of what is asked for first.
    fn first_demand(&self) -> Demand {
        match self.purpose {
            Purpose::Client(_) => Demand::Usable,
            Purpose::Renewal(_) => Demand::New,
        }
    }

    /// What is demanded of what is asked for only if the first comes to nothing: in a renewal, more time than the
    /// reply has left.
    fn second_demand(&self) -> Demand {
        match self.purpose {
            Purpose::Client(_) => Demand::Usable,
            Purpose::Renewal(remaining) => Demand::Remaining(remaining.saturating_add(1)),
        }
    }

    fn trust_ad(&self) -> bool {
        self.snapshot.policy.site().trust_ad
    }

    fn query(&self, qtype: RecordType) -> Query {
        Query::new(&self.question, self.question.name, qtype)
    }

    fn note(&self, reply: &Reply) {
        if let (Origin::Synthesized, Body::Built(built)) = (reply.origin, &reply.body) {
            let aaaa = built.answers.iter().filter(|record| record.record_type() == RecordType::AAAA);
            self.shared.metrics().synthesized_records.inc_by(aaaa.count() as u64);
        }
        if reply.origin == Origin::Failed {
            let (client, name, qtype) = (self.client, self.question.name, self.question.qtype);
            tracing::debug!(%client, %name, %qtype, "no upstream gave an answer");
        }
    }
}
