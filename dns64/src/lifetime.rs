//! For how long an answer may be kept, and its TTLs brought within bounds (RFC 2308 §5, RFC 2181 §8, RFC 8767 §4).
//!
//! An answer is kept as a whole and only under the question it answers, so nothing in it can speak for another name.
//! Not kept: truncated answers, other classes than IN, answers with records outside the chain of aliases that starts
//! at the name asked for, negative answers without an SOA record, and whatever has a TTL of 0.

use crate::answer::Answer;
use crate::name::WireName;
use crate::query::Query;
use crate::question::CLASS_IN;
use crate::ttl;
use crate::wire::{self, HEADER, QUESTION_TAIL, RecordHead};
use hickory_proto::op::ResponseCode;
use std::ops::Range;

/// The longest that answers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Seconds at most for records.
    pub max_ttl: u32,
    /// Seconds at most for their absence.
    pub max_negative_ttl: u32,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is kept for so many seconds, at least 1.
    For(u32),
    /// It is kept for so many seconds, which become the TTL of the SOA record that starts its data here.
    Absence {
        /// Seconds, at least 1.
        lifetime: u32,
        /// An offset in the answer.
        soa_at: usize,
    },
    /// It says that resolution failed; that may be remembered for a moment (RFC 9520).
    Failure,
    /// It is used once. What follows from it may be kept for so many seconds.
    Not(u32),
}

/// Seconds for which what follows from a negative answer without an SOA record may be kept (RFC 6147 §5.1.7); the
/// answer itself is not (RFC 2308 §5).
const WITHOUT_SOA: u32 = 600;

/// Record types by number.
const CNAME: u16 = 5;
const SOA: u16 = 6;
const DNAME: u16 = 39;
const RRSIG: u16 = 46;
const ANY: u16 = 255;

/// Aliases followed from the name asked for.
const MAX_CHAIN: usize = 16;

/// Octets of MINIMUM, the last field of an SOA record.
const MINIMUM: usize = 4;

/// Brings the TTLs of an answer to `query` within bounds, and says how long it may be kept.
pub fn settle(answer: &mut Answer, query: &Query, bounds: Bounds) -> Keep {
    if !matches!(answer.rcode(), ResponseCode::NoError | ResponseCode::NXDomain) {
        return Keep::Failure;
    }
    let start = HEADER + query.name.as_bytes().len() + QUESTION_TAIL;
    if answer.is_truncated() || query.qclass != CLASS_IN || answer.question_end() != start {
        return Keep::Not(0);
    }
    let counts = answer.sections().map(|section| section.count);
    let Some(content) = examine(answer.octets(), start, counts, query) else { return Keep::Not(0) };
    let least = bound(answer, start, counts, &content, bounds);
    match (content, least) {
        (Content::Foreign, _) | (Content::Present, None) | (_, Some(0)) => Keep::Not(0),
        (Content::Present, Some(least)) => Keep::For(least),
        (Content::Absent { soa: Some(soa) }, Some(least)) => {
            Keep::Absence { lifetime: least, soa_at: soa.data.start }
        }
        (Content::Absent { .. }, least) => Keep::Not(least.unwrap_or(WITHOUT_SOA).min(WITHOUT_SOA)),
    }
}

/// What an answer holds for its question.
enum Content {
    /// Records of the type asked for at the end of the chain.
    Present,
    /// None, and where it stands for how long.
    Absent { soa: Option<Soa> },
    /// Something that does not belong there.
    Foreign,
}

/// The SOA record of a negative answer.
struct Soa {
    data: Range<usize>,
    minimum: u32,
}

fn examine(message: &[u8], start: usize, counts: [u16; 3], query: &Query) -> Option<Content> {
    let qtype = u16::from(query.qtype);
    let [answers, authorities, additionals] = counts;
    let chain = Chain::follow(message, start, answers, query)?;
    let (mut at, mut present, mut foreign, mut soa) = (start, false, false, None);
    for index in 0..u32::from(answers) + u32::from(authorities) + u32::from(additionals) {
        let record = wire::record(message, at)?;
        foreign |= record.class != CLASS_IN;
        if index < u32::from(answers) {
            let place = chain.place(message, at)?;
            present |= place == Place::End && (record.rtype == qtype || qtype == ANY);
            foreign |= place == Place::Elsewhere && !matches!(record.rtype, DNAME | RRSIG);
        } else if index < u32::from(answers) + u32::from(authorities) && record.rtype == SOA {
            soa = soa.or(Some(read_soa(message, &record)?));
        }
        at = record.data.end;
    }
    Some(match () {
        () if foreign => Content::Foreign,
        () if present => Content::Present,
        () => Content::Absent { soa },
    })
}

fn read_soa(message: &[u8], record: &RecordHead) -> Option<Soa> {
    let minimum = message.get(record.data.end.checked_sub(MINIMUM)?..record.data.end)?;
    let minimum = u32::from_be_bytes(minimum.try_into().ok()?);
    Some(Soa { data: record.data.clone(), minimum: ttl::sane(minimum) })
}

/// Bounds every TTL, and returns the least of them and of what the SOA record of a negative answer says.
fn bound(
    answer: &mut Answer,
    start: usize,
    counts: [u16; 3],
    content: &Content,
    bounds: Bounds,
) -> Option<u32> {
    let soa = match content {
        Content::Absent { soa } => soa.as_ref(),
        Content::Present | Content::Foreign => None,
    };
    let mut least = None;
    ttl::rewrite(answer.octets_mut(), start, counts, |_, record| {
        let soa = soa.filter(|soa| soa.data == record.data);
        let max = soa.map_or(bounds.max_ttl, |_| bounds.max_negative_ttl);
        let ttl = ttl::sane(record.ttl).min(max);
        let holds = soa.map_or(ttl, |soa| soa.minimum.min(ttl));
        least = Some(least.unwrap_or(holds).min(holds));
        ttl
    })?;
    least
}

/// The names from the one asked for to the end of its aliases.
struct Chain {
    names: Vec<WireName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    End,
    OnTheWay,
    Elsewhere,
}

impl Chain {
    fn follow(message: &[u8], start: usize, answers: u16, query: &Query) -> Option<Self> {
        let mut names = vec![query.name];
        let aliases = if [CNAME, ANY].contains(&query.qtype.into()) {
            Vec::new()
        } else {
            aliases(message, start, answers)?
        };
        while let Some(last) = names.last().filter(|_| names.len() <= MAX_CHAIN) {
            let target = aliases.iter().find(|(owner, _)| owner == last).map(|(_, target)| *target);
            match target.filter(|target| !names.contains(target)) {
                Some(target) => names.push(target),
                None => break,
            }
        }
        Some(Self { names })
    }

    /// Where the owner of the record that starts at `at` stands.
    fn place(&self, message: &[u8], at: usize) -> Option<Place> {
        let owner = wire::name_at(message, at)?;
        let place = self.names.iter().position(|name| *name == owner);
        Some(match place {
            Some(place) if place + 1 == self.names.len() => Place::End,
            Some(_) => Place::OnTheWay,
            None => Place::Elsewhere,
        })
    }
}

/// The aliases of an answer section and what they lead to; `None` where it cannot be read.
fn aliases(message: &[u8], start: usize, answers: u16) -> Option<Vec<(WireName, WireName)>> {
    let mut at = start;
    let mut aliases = Vec::new();
    for _ in 0..answers {
        let record = wire::record(message, at)?;
        if record.rtype == CNAME {
            aliases.push((wire::name_at(message, at)?, wire::name_at(message, record.data.start)?));
        }
        at = record.data.end;
    }
    Some(aliases)
}

#[cfg(test)]
mod tests;
