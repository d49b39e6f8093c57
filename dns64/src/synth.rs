//! The heart of DNS64: the reply to an AAAA question from the outcome for AAAA, the outcome for A, and the policy.
//!
//! Two pure steps (RFC 6147 §5.1): [`judge`] says whether the AAAA outcome is the reply or the A records are needed,
//! and [`finish`] makes the reply from both. Nothing else is remembered between them than [`Absent`]. Covers
//! exclusion per record (§5.1.4), CNAME and DNAME chains (§5.1.5), the TTL (§5.1.7) and the other sections (§5.3.2,
//! §5.4). A synthesized reply follows the chain of the A answer alone, never a mix of both. Records outside the
//! chain that starts at the name asked for are left out of everything that is built here.
//!
//! Does not ask anyone, and does not decide who gets synthesis: [`crate::plan`] does.

use crate::answer::{Answer, Failure, Outcome};
use crate::name::WireName;
use crate::policy::Synthesis;
use crate::question::Question;
use crate::reply::{Body, Built, Origin, Reply};
use crate::zone;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::AAAA;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::Ipv4Addr;

/// TTL in seconds at most where no SOA record says how long the absence of AAAA holds (RFC 6147 §5.1.7).
const MAX_TTL_WITHOUT_SOA: u32 = 600;

/// Aliases followed from the name asked for.
const MAX_CHAIN: usize = 16;

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

/// Why there is no usable AAAA record, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Absent {
    reason: Reason,
    /// TTL cap of what is synthesized, in seconds.
    ttl: u32,
}

#[derive(Clone, Debug, PartialEq)]
enum Reason {
    /// The name has no AAAA record: this answer says so.
    NoData(Box<Answer>),
    /// The name has excluded AAAA records only.
    Excluded,
    /// An error other than a name error, which counts as no records (RFC 6147 §5.1.2), or silence (§5.1.3).
    Error,
}

/// What the outcome for AAAA comes to.
pub fn judge(question: &Question, aaaa: Outcome, synthesis: &Synthesis) -> Verdict {
    let error = || Verdict::AskA(Absent { reason: Reason::Error, ttl: MAX_TTL_WITHOUT_SOA });
    let Ok(answer) = aaaa else { return error() };
    match answer.rcode() {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Verdict::Reply(Reply::forwarded(answer)),
        _ if answer.failed_validation() => return Verdict::Reply(Reply::forwarded(answer)),
        _ => return error(),
    }
    let Ok(message) = answer.message() else { return error() };
    let chain = Chain::follow(&question.name, &message.answers);
    let Found { kept, excluded_ttl, stray } = sort_aaaa(&chain, &message.answers, synthesis);
    match (kept, excluded_ttl) {
        (0, None) => {
            let ttl = negative_ttl(&message).unwrap_or(MAX_TTL_WITHOUT_SOA);
            let reason = if stray { Reason::Excluded } else { Reason::NoData(Box::new(answer)) };
            Verdict::AskA(Absent { reason, ttl })
        }
        (0, Some(ttl)) => Verdict::AskA(Absent { reason: Reason::Excluded, ttl }),
        (_, None) if !stray => Verdict::Reply(Reply::forwarded(answer)),
        _ => {
            let answers = filtered(&chain, &message.answers, synthesis);
            Verdict::Reply(rebuilt(Origin::Filtered, answers, &message, &answer))
        }
    }
}

/// The reply from the outcome for A, where [`judge`] asked for it.
pub fn finish(question: &Question, absent: Absent, a: Outcome, synthesis: &Synthesis) -> Reply {
    let answer = match a {
        Ok(answer) => answer,
        Err(failure) => return Reply::failed(failure),
    };
    if answer.rcode() != ResponseCode::NoError {
        // RFC 6147 §5.1.6: an error is the basis of the reply.
        return Reply::forwarded(answer);
    }
    let Ok(message) = answer.message() else { return Reply::failed(Failure::Malformed) };
    let chain = Chain::follow(&question.name, &message.answers);
    let synthesized = synthesize(&chain, &message.answers, absent.ttl, synthesis);
    if !synthesized.is_empty() {
        let mut answers = aliases(&chain, &message.answers);
        answers.extend(synthesized);
        return rebuilt(Origin::Synthesized, answers, &message, &answer);
    }
    match absent.reason {
        Reason::NoData(aaaa) => Reply::forwarded(*aaaa),
        Reason::Excluded | Reason::Error => empty(&chain, &message, absent.ttl, &answer),
    }
}

/// A TTL as RFC 2181 §8 reads it: one with the top bit set is 0.
pub(crate) fn sane_ttl(ttl: u32) -> u32 {
    if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl }
}

/// How long a negative answer holds: the lesser of its SOA record's TTL and MINIMUM (RFC 2308 §5).
pub(crate) fn negative_ttl(message: &Message) -> Option<u32> {
    message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(sane_ttl(record.ttl).min(sane_ttl(soa.minimum))),
        _ => None,
    })
}

/// The names from the one asked for to the end of its aliases.
struct Chain {
    names: Vec<Name>,
}

impl Chain {
    fn follow(name: &WireName, answers: &[Record]) -> Self {
        let mut names = vec![name.to_name()];
        while let Some(target) = next_alias(&names, answers) {
            names.push(target);
        }
        Self { names }
    }

    fn end(&self) -> &Name {
        &self.names[self.names.len() - 1]
    }

    /// Whether `owner` is on the way to the end.
    fn passes(&self, owner: &Name) -> bool {
        self.names.contains(owner)
    }
}

/// The target of the last name's alias; `None` at the end, in a loop, and past [`MAX_CHAIN`].
fn next_alias(names: &[Name], answers: &[Record]) -> Option<Name> {
    let last = names.last().filter(|_| names.len() <= MAX_CHAIN)?;
    let target = answers.iter().find_map(|record| match &record.data {
        RData::CNAME(target) if record.name == *last => Some(target.0.clone()),
        _ => None,
    })?;
    (!names.contains(&target)).then_some(target)
}

/// What AAAA records an answer section has.
struct Found {
    /// At the end of the chain, not excluded.
    kept: usize,
    /// The least TTL of the excluded ones at the end of the chain.
    excluded_ttl: Option<u32>,
    /// Some stand outside the chain, where nothing vouches for them.
    stray: bool,
}

fn sort_aaaa(chain: &Chain, answers: &[Record], synthesis: &Synthesis) -> Found {
    let mut found = Found { kept: 0, excluded_ttl: None, stray: false };
    for record in answers {
        let RData::AAAA(AAAA(v6)) = record.data else { continue };
        if record.name != *chain.end() {
            found.stray = true;
        } else if synthesis.excludes(v6) {
            let ttl = sane_ttl(record.ttl);
            found.excluded_ttl = Some(found.excluded_ttl.map_or(ttl, |least| least.min(ttl)));
        } else {
            found.kept += 1;
        }
    }
    found
}

/// The chain and the AAAA records that stay, in order. Their signature no longer fits and goes.
fn filtered(chain: &Chain, answers: &[Record], synthesis: &Synthesis) -> Vec<Record> {
    let mut kept = aliases(chain, answers);
    kept.extend(answers.iter().filter(|record| record.name == *chain.end()).filter_map(|record| {
        match record.data {
            RData::AAAA(AAAA(v6)) if !synthesis.excludes(v6) => Some(record.clone()),
            _ => None,
        }
    }));
    kept
}

/// One AAAA record per A record at the end of the chain and per prefix that takes it, A records first.
fn synthesize(chain: &Chain, answers: &[Record], cap: u32, synthesis: &Synthesis) -> Vec<Record> {
    let mut seen: Vec<Ipv4Addr> = Vec::new();
    let mut records = Vec::new();
    for record in answers.iter().filter(|record| record.name == *chain.end()) {
        let RData::A(a) = record.data else { continue };
        if seen.contains(&a.0) {
            continue;
        }
        seen.push(a.0);
        let ttl = sane_ttl(record.ttl).min(cap);
        let rdata = synthesis.embed(a.0).map(|v6| RData::AAAA(AAAA(v6)));
        records.extend(rdata.map(|rdata| Record::from_rdata(record.name.clone(), ttl, rdata)));
        if records.len() >= MAX_SYNTHESIZED {
            records.truncate(MAX_SYNTHESIZED);
            break;
        }
    }
    records
}

/// The aliases of the chain with their signatures, in order and with their own TTLs.
fn aliases(chain: &Chain, answers: &[Record]) -> Vec<Record> {
    answers.iter().filter(|record| is_alias_of(chain, record)).cloned().collect()
}

fn is_alias_of(chain: &Chain, record: &Record) -> bool {
    let on_the_way = |rtype: RecordType| match rtype {
        // The end of the chain has no alias, or its alias leads back into it.
        RecordType::CNAME => chain.passes(&record.name),
        RecordType::DNAME => chain.names.iter().any(|name| record.name.zone_of(name) && record.name != *name),
        _ => false,
    };
    match record.record_type() {
        RecordType::DNAME => on_the_way(RecordType::DNAME) && has_plain_target(record),
        RecordType::RRSIG => covered(record).is_some_and(on_the_way),
        rtype => on_the_way(rtype),
    }
}

/// The type that an RRSIG record covers (RFC 4034 §3.1.1).
fn covered(record: &Record) -> Option<RecordType> {
    match &record.data {
        RData::Unknown { rdata, .. } => crate::wire::u16_at(&rdata.anything, 0).map(RecordType::from),
        _ => None,
    }
}

/// Whether a DNAME record's target may be copied octet by octet: RFC 6672 §2.5 forbids to compress it.
fn has_plain_target(record: &Record) -> bool {
    match &record.data {
        RData::Unknown { rdata, .. } => {
            WireName::parse(&rdata.anything).is_ok_and(|name| name.as_bytes().len() == rdata.anything.len())
        }
        _ => false,
    }
}

/// A reply with a new answer section and the other sections of `message` (RFC 6147 §5.4).
fn rebuilt(origin: Origin, answers: Vec<Record>, message: &Message, answer: &Answer) -> Reply {
    // Denials and their signatures speak about records that the new answer section does not hold.
    let denies = |record: &Record| match record.record_type() {
        RecordType::NSEC | RecordType::NSEC3 => true,
        RecordType::RRSIG => {
            covered(record).is_some_and(|rtype| matches!(rtype, RecordType::NSEC | RecordType::NSEC3))
        }
        _ => false,
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
        answers: aliases(chain, &message.answers),
        authorities: vec![soa],
        additionals: Vec::new(),
        errors: answer.extended_errors().to_vec(),
    };
    Reply { origin: Origin::Filtered, body: Body::Built(built) }
}

#[cfg(test)]
mod tests;
