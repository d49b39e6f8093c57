//! The heart of DNS64: the reply to an AAAA question from the outcome for AAAA, the outcome for A, and the policy.
//!
//! Two pure steps (RFC 6147 §5.1): [`judge`] says whether the AAAA outcome is the reply or the A records are needed,
//! and [`finish`] makes the reply from both. Nothing else is remembered between them than [`Absent`]. Covers
//! exclusion per record (§5.1.4), CNAME and DNAME chains (§5.1.5), the TTL (§5.1.7) and the other sections (§5.3.2,
//! §5.4). A synthesized reply follows the chain of the A answer alone, never a mix of both. Records outside the
//! chain that starts at the name asked for are left out of everything that is built here.
//!
//! Choice: a forced name (Unbound's `dns64-ignore-aaaa`) whose A records cannot be had keeps its real AAAA records.
//! Choice: an excluded AAAA record is left out whether it is signed or not, and whatever the client says of DNSSEC:
//! the MUST NOT of §5.1.4 has no exception. Choice: an answer without AAAA records that says that it is truncated
//! says nothing of their absence, and a truncated A answer is no basis for synthesis.
//!
//! Does not ask anyone, and does not decide who gets synthesis: [`crate::plan`] does.

use crate::answer::{Answer, ExtendedError, Failure, Outcome};
use crate::cache::STALE_TTL;
use crate::chain::{Chain, covered};
use crate::policy::{Excluded, NameRule, Refused, Source, Synthesis, Treatment};
use crate::question::Question;
use crate::reply::{Body, Built, Origin, Reply};
use crate::ttl;
use crate::zone;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::AAAA;
use hickory_proto::rr::{RData, Record, RecordType};
use std::collections::HashSet;

/// TTL in seconds at most where no SOA record says how long the absence of AAAA holds (RFC 6147 §5.1.7).
const MAX_TTL_WITHOUT_SOA: u32 = 600;

/// Synthesized records in one reply: more A records times prefixes than this are cut off.
const MAX_SYNTHESIZED: usize = 1024;

/// What the outcome for AAAA comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is the reply.
    Reply(Reply),
    /// The A records are needed.
    AskA(Absent),
}

/// Why the AAAA records are not the reply, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Absent {
    reason: Reason,
    /// TTL cap of what is synthesized, in seconds.
    ttl: u32,
    /// The AAAA answer that says so is stale, and what follows from it as well.
    stale: bool,
    /// The reply where the A records do not help; without it the A answer says that there are none.
    basis: Option<Box<Reply>>,
}

/// Why the AAAA records are not the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The name has none.
    #[error("the name has no AAAA records")]
    NoData,
    /// The name does not exist, which counts as no AAAA records by configuration.
    #[error("the name has no AAAA records: it does not even exist")]
    NameError,
    /// All that the name has are excluded; this is the first.
    #[error("the name has excluded AAAA records only: {0}")]
    Excluded(Excluded),
    /// The answer has AAAA records of other names only.
    #[error("the answer is about other names")]
    Stray,
    /// The name's AAAA records are passed over.
    #[error("the name's AAAA records are passed over")]
    Forced,
    /// An error other than a name error, which counts as no records (RFC 6147 §5.1.2), or silence (§5.1.3).
    #[error("asking for AAAA ended in an error")]
    Error,
}

impl Absent {
    /// Why the AAAA records are not the reply.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The reply where asking for A came to nothing but `failed` (RFC 6147 §5.1.6).
    fn without_a(self, failed: Reply) -> Reply {
        match (self.reason, self.basis) {
            (Reason::Forced | Reason::NameError, Some(basis)) => *basis,
            _ => failed,
        }
    }
}

/// What the outcome for AAAA comes to.
pub fn judge(question: &Question, aaaa: Outcome, synthesis: &Synthesis) -> Verdict {
    let error = |reply: Reply| match synthesis.cases.error {
        Treatment::Pass => Verdict::Reply(reply),
        Treatment::Synthesize => Verdict::AskA(Absent {
            reason: Reason::Error,
            ttl: MAX_TTL_WITHOUT_SOA,
            stale: false,
            basis: None,
        }),
    };
    let answer = match aaaa {
        Ok(answer) => answer.believed(synthesis.trust_ad),
        Err(failure) => return error(Reply::failed(failure)),
    };
    match answer.rcode() {
        ResponseCode::NoError => judge_records(question, answer, synthesis).unwrap_or_else(error),
        ResponseCode::NXDomain if synthesis.cases.name_error == Treatment::Synthesize => {
            let stale = answer.is_stale();
            let ttl = answer.message().map_or(MAX_TTL_WITHOUT_SOA, |message| absence_ttl(&message, stale));
            let basis = Some(Box::new(Reply::forwarded(answer)));
            Verdict::AskA(Absent { reason: Reason::NameError, ttl, stale, basis })
        }
        ResponseCode::NXDomain => Verdict::Reply(Reply::forwarded(answer)),
        // What failed to validate must not be worked around (RFC 6147 §5.5).
        _ if answer.failed_validation() => Verdict::Reply(Reply::forwarded(answer)),
        _ => error(Reply::forwarded(answer)),
    }
}

/// What an AAAA answer without an error comes to; `Err` is a reply to fall back on where it is as good as an error.
fn judge_records(question: &Question, answer: Answer, synthesis: &Synthesis) -> Result<Verdict, Reply> {
    let Ok(message) = answer.message() else { return Err(Reply::failed(Failure::Malformed)) };
    let chain = Chain::follow(&question.name, &message.answers);
    if chain.is_endless() {
        return Ok(Verdict::Reply(Reply::failed(Failure::Endless)));
    }
    let source = synthesis.source(&question.name);
    let found = sort_aaaa(&chain, &message.answers, synthesis, source);
    let stale = answer.is_stale();
    let absent = |reason, ttl, basis| Ok(Verdict::AskA(Absent { reason, ttl, stale, basis }));
    if let Some(ttl) = found.kept_ttl {
        let reply = match found.excluded {
            None if !found.stray => Reply::forwarded(answer),
            _ => {
                let answers = filtered(&chain, &message.answers, synthesis, source);
                let reply = rebuilt(Origin::Filtered, answers, &message, &answer);
                match found.excluded {
                    Some((why, _)) => reply.explained(filtered_out(why)),
                    None => reply,
                }
            }
        };
        return match synthesis.names.get(&question.name) {
            Some(NameRule::Force) => absent(Reason::Forced, ttl, Some(Box::new(reply))),
            Some(NameRule::Forbid) | None => Ok(Verdict::Reply(reply)),
        };
    }
    match found.excluded {
        Some((why, ttl)) => absent(Reason::Excluded(why), ttl, None),
        // Nothing vouches for its records, and what is absent it does not say.
        None if answer.is_truncated() && found.stray => Err(Reply::failed(Failure::Malformed)),
        None if answer.is_truncated() => Err(Reply::forwarded(answer)),
        None if found.stray => absent(Reason::Stray, absence_ttl(&message, stale), None),
        None => {
            let ttl = absence_ttl(&message, stale);
            absent(Reason::NoData, ttl, Some(Box::new(Reply::forwarded(answer))))
        }
    }
}

/// The reply from the outcome for A, where [`judge`] asked for it.
pub fn finish(question: &Question, absent: Absent, a: Outcome, synthesis: &Synthesis) -> Reply {
    let answer = match a {
        Ok(answer) => answer.believed(synthesis.trust_ad),
        Err(failure) => return absent.without_a(Reply::failed(failure)),
    };
    if answer.rcode() != ResponseCode::NoError {
        return absent.without_a(Reply::forwarded(answer));
    }
    let message = match answer.message() {
        Ok(message) if !answer.is_truncated() => message,
        _ => return absent.without_a(Reply::failed(Failure::Malformed)),
    };
    let chain = Chain::follow(&question.name, &message.answers);
    if chain.is_endless() {
        return absent.without_a(Reply::failed(Failure::Endless));
    }
    // What is made of both is stale where either is.
    let answer =
        if absent.stale && !answer.is_stale() { answer.explained(ExtendedError::STALE) } else { answer };
    if synthesis.cases.signed == Treatment::Pass && question.dnssec_ok() && has_signed_a(&chain, &message) {
        return unmade(absent, None, &chain, &message, answer);
    }
    let source = synthesis.source(&question.name);
    let Made { records, refused } = synthesize(&chain, &message.answers, absent.ttl, synthesis, source);
    if records.is_empty() {
        return unmade(absent, refused, &chain, &message, answer);
    }
    let mut answers = chain.aliases(&message.answers);
    answers.extend(records);
    rebuilt(Origin::Synthesized, answers, &message, &answer).explained(ExtendedError::SYNTHESIZED)
}

/// The reply where an A answer gives no AAAA records.
fn unmade(
    absent: Absent,
    refused: Option<Refused>,
    chain: &Chain,
    message: &Message,
    answer: Answer,
) -> Reply {
    // Why the A answer is empty is why nothing is made of it.
    let blocked = answer.extended_errors().iter().find(|error| error.code == ExtendedError::BLOCKED).cloned();
    let reply = match absent.basis {
        Some(basis) => blocked.into_iter().fold(*basis, Reply::explained),
        // RFC 6147 §5.1.6: an empty A answer is the basis of the reply. Where there are AAAA records after all, what
        // it says of them does not fit.
        None if absent.reason == Reason::Error && says_no_data(chain, message) => Reply::forwarded(answer),
        None => empty(chain, message, absent.ttl, &answer),
    };
    let reply = match absent.reason {
        Reason::Excluded(why) => reply.explained(filtered_out(why)),
        _ => reply,
    };
    match refused {
        Some(why) => reply.explained(ExtendedError::new(ExtendedError::BLOCKED, format!("A record: {why}"))),
        None => reply,
    }
}

fn filtered_out(why: Excluded) -> ExtendedError {
    ExtendedError::new(ExtendedError::FILTERED, format!("AAAA record: {why}"))
}

/// How long a negative answer holds: the lesser of its SOA record's TTL and MINIMUM (RFC 2308 §5).
///
/// Of an answer out of a cache this is what is left of it, if the cache took the lesser of both as the SOA record's
/// TTL when it took the answer in.
pub(crate) fn negative_ttl(message: &Message) -> Option<u32> {
    message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(ttl::sane(record.ttl).min(ttl::sane(soa.minimum))),
        _ => None,
    })
}

/// The same as a cap, where there may be no SOA record, and where what is said is stale: then whatever its MINIMUM
/// (RFC 8767 §4).
fn absence_ttl(message: &Message, stale: bool) -> u32 {
    if !stale {
        return negative_ttl(message).unwrap_or(MAX_TTL_WITHOUT_SOA);
    }
    let soa = message.authorities.iter().find(|record| record.record_type() == RecordType::SOA);
    soa.map_or(STALE_TTL, |soa| ttl::sane(soa.ttl).min(STALE_TTL))
}

/// What AAAA records an answer section has.
struct Found {
    /// The least TTL of those at the end of the chain that are not excluded.
    kept_ttl: Option<u32>,
    /// Why the first excluded one at the end of the chain is, and the least TTL of them.
    excluded: Option<(Excluded, u32)>,
    /// Some stand outside the chain, where nothing vouches for them.
    stray: bool,
}

fn sort_aaaa(chain: &Chain, answers: &[Record], synthesis: &Synthesis, source: Source) -> Found {
    let mut found = Found { kept_ttl: None, excluded: None, stray: false };
    for record in answers {
        let RData::AAAA(AAAA(v6)) = record.data else { continue };
        let ttl = ttl::sane(record.ttl);
        if record.name != *chain.end() {
            found.stray = true;
            continue;
        }
        match synthesis.judge_v6(v6, source) {
            Ok(()) => found.kept_ttl = Some(found.kept_ttl.map_or(ttl, |least| least.min(ttl))),
            Err(why) => {
                let (first, least) = found.excluded.unwrap_or((why, ttl));
                found.excluded = Some((first, least.min(ttl)));
            }
        }
    }
    found
}

/// The chain and the AAAA records that stay, in order. Their signature no longer fits and goes.
fn filtered(chain: &Chain, answers: &[Record], synthesis: &Synthesis, source: Source) -> Vec<Record> {
    let mut kept = chain.aliases(answers);
    kept.extend(answers.iter().filter(|record| record.name == *chain.end()).filter_map(|record| {
        match record.data {
            RData::AAAA(AAAA(v6)) if synthesis.judge_v6(v6, source).is_ok() => Some(record.clone()),
            _ => None,
        }
    }));
    kept
}

/// Whether the A records at the end of the chain come with their signature.
fn has_signed_a(chain: &Chain, message: &Message) -> bool {
    let end = message.answers.iter().filter(|record| record.name == *chain.end());
    end.into_iter().any(|record| covered(record) == Some(RecordType::A))
}

/// What became of the A records at the end of a chain.
struct Made {
    records: Vec<Record>,
    /// Why the first one that yields nothing in some prefix does not.
    refused: Option<Refused>,
}

/// One AAAA record per A record and per prefix that takes it, A records first, each address once.
fn synthesize(chain: &Chain, answers: &[Record], cap: u32, synthesis: &Synthesis, source: Source) -> Made {
    let mut seen = HashSet::new();
    let mut made = Made { records: Vec::new(), refused: None };
    for record in answers.iter().filter(|record| record.name == *chain.end()) {
        let RData::A(a) = record.data else { continue };
        let ttl = ttl::sane(record.ttl).min(cap);
        for (_, fate) in synthesis.judge_v4(a.0, source) {
            match fate {
                Ok(_) if made.records.len() == MAX_SYNTHESIZED => return made,
                Ok(v6) if seen.insert(v6) => {
                    made.records.push(Record::from_rdata(record.name.clone(), ttl, RData::AAAA(AAAA(v6))));
                }
                Ok(_) => {}
                Err(why) => made.refused = made.refused.or(Some(why)),
            }
        }
    }
    made
}

/// A reply with a new answer section and the other sections of `message` (RFC 6147 §5.4).
fn rebuilt(origin: Origin, answers: Vec<Record>, message: &Message, answer: &Answer) -> Reply {
    // Denials and their signatures speak about records that the new answer section does not hold.
    let denies = |record: &Record| {
        let denial = |rtype| matches!(rtype, RecordType::NSEC | RecordType::NSEC3);
        denial(record.record_type()) || covered(record).is_some_and(denial)
    };
    let built = Built {
        rcode: ResponseCode::NoError,
        authoritative: false,
        answers,
        authorities: message.authorities.iter().filter(|record| !denies(record)).cloned().collect(),
        additionals: message.additionals.clone(),
        errors: answer.extended_errors().to_vec(),
    };
    Reply { origin, body: Body::Built(built) }
}

/// Whether an A answer can be passed on as the answer that there is nothing: it has aliases alone, and says how long.
fn says_no_data(chain: &Chain, message: &Message) -> bool {
    message.answers.iter().all(|record| chain.has_alias(record)) && negative_ttl(message).is_some()
}

/// No AAAA records, by our own judgement: the chain, and an SOA record that says how long.
///
/// Choice: where the A answer brings no SOA record one is made up at the end of the chain, so that clients may keep
/// the reply (RFC 2308 §2.1).
fn empty(chain: &Chain, message: &Message, ttl: u32, answer: &Answer) -> Reply {
    let upstream_soa = message.authorities.iter().find(|record| record.record_type() == RecordType::SOA);
    let soa =
        upstream_soa.cloned().unwrap_or_else(|| zone::soa(chain.end().clone(), ttl.min(MAX_TTL_WITHOUT_SOA)));
    let built = Built {
        rcode: ResponseCode::NoError,
        authoritative: false,
        answers: chain.aliases(&message.answers),
        authorities: vec![soa],
        additionals: Vec::new(),
        errors: answer.extended_errors().to_vec(),
    };
    Reply { origin: Origin::Filtered, body: Body::Built(built) }
}

#[cfg(test)]
mod tests;
