//! Answering from the cache: what is remembered for a plan, and renewing what is in use before its time is over.

use super::{Caller, Received, Shared};
use crate::cache::{Age, Hit, Key, Kind};
use crate::job::Purpose;
use crate::plan::Plan;
use crate::policy::View;
use crate::query_log::{Effort, Recall};
use crate::question::{CLASS_IN, Question};
use crate::renewal;
use crate::reply::{self, Origin, Outline};
use crate::snapshot::Snapshot;
use std::sync::Arc;

impl Shared {
    /// Answers from the cache, if it can.
    pub(super) fn recall(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        question: &Question,
        plan: &Plan,
        view: &View,
        caller: &Caller,
        out: &mut Vec<u8>,
    ) -> Option<Received> {
        if question.qclass != CLASS_IN {
            return None;
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
        let (hit, kind) = found?;
        self.metrics.cache.hits.inc();
        if let Age::Fresh { remaining, due: true } = hit.age
            && snapshot.prefetch
            && question.recursion_desired
        {
            let purpose = Purpose::Renewal(remaining);
            let job = self.job(snapshot, question.clone(), plan.clone(), view, caller.address, purpose);
            renewal::begin(job, kind, &self.renewals);
        }
        let (origin, believed) = match kind {
            Kind::Reply { .. } => (Origin::ALL[usize::from(hit.class) % Origin::ALL.len()], true),
            Kind::Answer | Kind::Failure => (Origin::Forwarded, snapshot.policy.site().trust_ad),
        };
        let outline = outline(&hit, believed);
        let received = self.finish(snapshot, question, caller, origin, &outline, out);
        let effort = || Effort { recall: Recall::Hit, upstream: None };
        self.note(question, caller, origin, outline.rcode, &received, effort);
        Some(received)
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
