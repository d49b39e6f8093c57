//! Replies about names that are served here.
//!
//! An AAAA question about a name that only has IPv4 addresses is answered by the client's policy, as an upstream's
//! answer would be (RFC 6147 §5.1), so that router machines can name their guests; AAAA records in excluded ranges count
//! as absent here too. A served name has no records of other types. Choice: replies are authoritative, and say how
//! long they hold by an SOA record at the name asked for, since hosts files know no zones.

use super::{Found, Hosts};
use crate::answer::ExtendedError;
use crate::arpa::Partial;
use crate::name::WireName;
use crate::policy::{NameRule, Refused, Source, Synthesis};
use crate::question::Question;
use crate::reply::{Body, Built, Origin, Reply};
use crate::zone;
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{RData, Record, RecordType};
use std::net::{IpAddr, Ipv6Addr};

/// The reply to `question` at `now`, a Unix time in seconds, if its name is served here. `synthesis` is the client's,
/// if AAAA records may be made for this question.
pub(crate) fn answer(
    question: &Question,
    hosts: &Hosts,
    synthesis: Option<&Synthesis>,
    now: u64,
) -> Option<Reply> {
    if let Some(found) = hosts.find(&question.name, now) {
        return Some(forward(question, hosts, &found, synthesis));
    }
    let (target, ttl) = pointer(&question.name, hosts, now)?;
    Some(match question.qtype {
        RecordType::PTR | RecordType::ANY => reply(vec![record(question, ttl, pointing_to(&target))]),
        _ => no_data(question, hosts, None),
    })
}

/// The name that a reverse name leads to, and its TTL, if it is one of an address that is served here.
fn pointer(name: &WireName, hosts: &Hosts, now: u64) -> Option<(WireName, u32)> {
    if hosts.is_empty() {
        return None;
    }
    match Partial::of(name)?.whole()? {
        IpAddr::V4(v4) => hosts.name_of_v4(v4, now),
        IpAddr::V6(v6) => hosts.name_of_v6(v6, now),
    }
}

/// The data of a PTR record.
pub(crate) fn pointing_to(target: &WireName) -> RData {
    RData::PTR(PTR(target.to_name()))
}

fn forward(question: &Question, hosts: &Hosts, found: &Found, synthesis: Option<&Synthesis>) -> Reply {
    let v4 = || found.v4.iter().map(|(v4, ttl)| record(question, *ttl, RData::A(A(*v4))));
    let v6 = || found.v6.iter().map(|(v6, ttl)| record(question, *ttl, RData::AAAA(AAAA(*v6))));
    let records: Vec<_> = match question.qtype {
        RecordType::A => v4().collect(),
        RecordType::AAAA => return aaaa(question, hosts, found, synthesis),
        RecordType::ANY => v4().chain(v6()).collect(),
        _ => Vec::new(),
    };
    if records.is_empty() { no_data(question, hosts, None) } else { reply(records) }
}

fn aaaa(question: &Question, hosts: &Hosts, found: &Found, synthesis: Option<&Synthesis>) -> Reply {
    let of = |(v6, ttl): (Ipv6Addr, u32)| record(question, ttl, RData::AAAA(AAAA(v6)));
    let Some(synthesis) = synthesis else {
        let all: Vec<_> = found.v6.iter().copied().map(of).collect();
        return if all.is_empty() { no_data(question, hosts, None) } else { reply(all) };
    };
    let forced = synthesis.names.get(&question.name) == Some(&NameRule::Force) && !found.v4.is_empty();
    let kept = |v6: Ipv6Addr| !forced && synthesis.judge_v6(v6, Source::Trusted).is_ok();
    let own: Vec<_> = found.v6.iter().filter(|(v6, _)| kept(*v6)).copied().map(of).collect();
    if !own.is_empty() {
        return reply(own);
    }
    let mut refused = None;
    let mut made = Vec::new();
    for (v4, ttl) in &found.v4 {
        for (_, fate) in synthesis.judge_v4(*v4, Source::Trusted) {
            match fate {
                Ok(v6) => made.push(of((v6, *ttl))),
                Err(why) => refused = Some(why),
            }
        }
    }
    if made.is_empty() { no_data(question, hosts, refused) } else { reply(made) }
}

fn record(question: &Question, ttl: u32, data: RData) -> Record {
    Record::from_rdata(question.name.to_name(), ttl, data)
}

fn reply(answers: Vec<Record>) -> Reply {
    Reply {
        origin: Origin::Hosts,
        body: Body::Built(Built { authoritative: true, answers, ..Built::default() }),
    }
}

/// The name is served here and has no records of the type; `refused` says why none could be made.
fn no_data(question: &Question, hosts: &Hosts, refused: Option<Refused>) -> Reply {
    let error = |why: Refused| ExtendedError::new(ExtendedError::BLOCKED, format!("A record: {why}"));
    Reply {
        origin: Origin::Hosts,
        body: Body::Built(Built {
            authoritative: true,
            authorities: vec![zone::soa(question.name.to_name(), hosts.ttl)],
            errors: refused.map(error).into_iter().collect(),
            ..Built::default()
        }),
    }
}
