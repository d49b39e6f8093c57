//! What is done with a question: one pure decision before anything is asked of anyone.
//!
//! In this order: EDNS versions that do not exist (RFC 6891 §6.1.3), types that are no questions, names served here,
//! reverse names under a prefix, AAAA with synthesis, and everything else forwarded. The CD and RD columns of
//! RFC 6147 §5.5: a client that sets CD validates and synthesizes itself, whatever DO says; one that clears RD asks
//! for nothing to be looked up on its behalf. DO alone does not keep synthesis away: this is the
//! security-oblivious mode of RFC 6147 §3.

use crate::name::WireName;
use crate::policy::{Policy, Synthesis, View};
use crate::question::{CLASS_IN, Question};
use crate::reply::Reply;
use crate::reverse::{self, Reverse};
use crate::{ipv4only, special};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use std::sync::Arc;

/// What is done with a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Answered at once.
    Local(Box<Reply>),
    /// Asked upstream and passed on.
    Forward,
    /// Asked upstream for AAAA, and for A where AAAA is absent.
    Synthesize(Arc<Synthesis>),
    /// The IPv4 address's reverse name is asked for upstream.
    Reverse(Box<WireName>),
}

/// What is done with `question` from a client that has `view` of `policy`.
///
/// A reply by [`Plan::Forward`] is the same for every view; by the other plans it depends on
/// [`View::fingerprint`].
pub fn plan(question: &Question, policy: &Policy, view: &View) -> Plan {
    let local = |reply| Plan::Local(Box::new(reply));
    if question.edns.is_some_and(|edns| edns.version != 0) {
        return local(Reply::refused(ResponseCode::BADVERS));
    }
    if is_meta(question.qtype) {
        return local(Reply::refused(ResponseCode::Refused));
    }
    if question.qclass != CLASS_IN {
        return Plan::Forward;
    }
    let synthesis = view.synthesis();
    if let Some(reply) = ipv4only::answer(question, synthesis.map(Arc::as_ref)) {
        return local(reply);
    }
    if let Some(reply) = special::answer(question) {
        return local(reply);
    }
    match reverse::find(question, policy.sites()) {
        Some(Reverse::Answer(reply)) => return local(reply),
        Some(Reverse::Chase(target)) => return Plan::Reverse(Box::new(target)),
        None => {}
    }
    match synthesis {
        Some(synthesis) if wants_synthesis(question) => Plan::Synthesize(Arc::clone(synthesis)),
        _ => Plan::Forward,
    }
}

fn wants_synthesis(question: &Question) -> bool {
    question.qtype == RecordType::AAAA && question.recursion_desired && !question.checking_disabled
}

/// Types that name a transaction or a transfer, not records (RFC 6895 §3.1), but for ANY; and OPT.
fn is_meta(qtype: RecordType) -> bool {
    matches!(u16::from(qtype), 41 | 128..=254)
}

#[cfg(test)]
mod tests;
