//! What is done with a question: one pure decision before anything is asked of anyone.
//!
//! In this order: EDNS versions that do not exist (RFC 6891 §6.1.3), types that are no questions, `ipv4only.arpa`,
//! names of hosts files and leases, reverse names under a prefix, special names, AAAA with synthesis, IPv4 hints to
//! strip, and everything else forwarded. What is served here goes before every upstream and cache. The CD and RD columns of RFC 6147 §5.5: a client that sets CD validates and synthesizes itself, whatever DO says; one that
//! clears RD asks for nothing to be looked up on its behalf. DO alone does not keep synthesis away: this is the
//! security-oblivious mode of RFC 6147 §3, and [`crate::policy::Cases::signed`] is for those who want it otherwise.

use crate::hosts::{self, Hosts};
use crate::policy::{NameRule, Policy, Synthesis, View};
use crate::question::{CLASS_IN, Question};
use crate::reply::Reply;
use crate::reverse::{self, Chase, Found};
use crate::{hints, ipv4only, special};
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
    /// Asked upstream, and passed on without IPv4 hints by [`hints::strip`].
    Strip,
    /// Asked upstream for AAAA, and for A where AAAA is absent: [`crate::synth`].
    Synthesize(Arc<Synthesis>),
    /// The IPv4 address's reverse name is asked for upstream: [`reverse::assemble`].
    Reverse(Chase),
}

/// Why a question about AAAA is forwarded plainly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Plain {
    /// No synthesis for this client.
    #[error("this client is not synthesized for")]
    Client,
    /// The name is on the client's list of names that are left alone.
    #[error("the name is forbidden")]
    Forbidden,
    /// CD is set (RFC 6147 §5.5).
    #[error("CD is set: the client synthesizes itself")]
    CheckingDisabled,
    /// RD is clear.
    #[error("RD is clear: nothing may be looked up")]
    NoRecursion,
}

/// What this daemon knows by itself.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The names that are served here.
    pub hosts: &'a Hosts,
    /// Names that are not looked up.
    pub special: &'a special::Rules,
    /// The Unix time in seconds; of use only where [`Hosts::is_dated`].
    pub now: u64,
}

/// What is done with `question` from a client that has `view` of `policy`.
pub fn plan(question: &Question, policy: &Policy, view: &View, known: &Known<'_>) -> Plan {
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
    if let Some(reply) = ipv4only::answer(question, view.synthesis().map(Arc::as_ref)) {
        return local(reply);
    }
    if let Some(reply) = hosts::answer(question, known.hosts, of_hosts(question, view), known.now) {
        return local(reply);
    }
    match reverse::find(question, policy.site()) {
        Some(Found::Answer(reply)) => return local(reply),
        Some(Found::Chase(chase)) => return pursue(question, chase, known),
        None => {}
    }
    if let Some(reply) = special::answer(question, known.special, known.hosts) {
        return local(reply);
    }
    match question.qtype {
        RecordType::AAAA => match synthesis(question, view) {
            Ok(synthesis) => Plan::Synthesize(Arc::clone(synthesis)),
            Err(_) => Plan::Forward,
        },
        RecordType::HTTPS | RecordType::SVCB if hints::unwanted(policy, view) => Plan::Strip,
        _ => Plan::Forward,
    }
}

/// Where a reverse name leads to the IPv4 address's, that name is judged as if it had been asked for.
fn pursue(question: &Question, chase: Chase, known: &Known<'_>) -> Plan {
    if let Some((name, ttl)) = known.hosts.name_of_v4(chase.v4, known.now) {
        return Plan::Local(Box::new(reverse::found_here(question, &chase, &name, ttl)));
    }
    let target = Question { name: chase.target(), qtype: chase.qtype, ..question.clone() };
    match special::answer(&target, known.special, known.hosts) {
        Some(reply) => Plan::Local(Box::new(reverse::kept_here(question, &chase, reply))),
        None => Plan::Reverse(chase),
    }
}

/// How AAAA records are made of IPv4 addresses that are known here: nothing needs to be looked up for them.
fn of_hosts<'a>(question: &Question, view: &'a View) -> Option<&'a Synthesis> {
    match synthesis(question, view) {
        Ok(synthesis) => Some(synthesis),
        Err(Plain::NoRecursion) => view.synthesis().map(Arc::as_ref),
        Err(Plain::Client | Plain::Forbidden | Plain::CheckingDisabled) => None,
    }
}

/// How the AAAA records that `question` asks for are made.
///
/// # Errors
/// Why they are not.
pub fn synthesis<'a>(question: &Question, view: &'a View) -> Result<&'a Arc<Synthesis>, Plain> {
    let synthesis = view.synthesis().ok_or(Plain::Client)?;
    if question.checking_disabled {
        return Err(Plain::CheckingDisabled);
    }
    match synthesis.names.get(&question.name) {
        Some(NameRule::Forbid) => Err(Plain::Forbidden),
        Some(NameRule::Force) | None if question.recursion_desired => Ok(synthesis),
        Some(NameRule::Force) | None => Err(Plain::NoRecursion),
    }
}

/// Types that name a transaction or a transfer, not records (RFC 6895 §3.1), but for ANY; and OPT.
fn is_meta(qtype: RecordType) -> bool {
    matches!(u16::from(qtype), 41 | 128..=254)
}

#[cfg(test)]
mod tests;
