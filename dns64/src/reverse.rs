//! Reverse names under the prefixes in use at the site (RFC 6147 §5.3.1).
//!
//! A full name becomes a CNAME record to the IPv4 address's own reverse name, and what is found there comes along
//! in the same reply (second option of §5.3.1); or, by configuration, it has the PTR records found there as its own.
//! Shorter names exist without records; names that are no address do not exist; neither is asked upstream, since a
//! prefix's reverse zone is nobody's but the site's. Choice: every prefix in use is answered for every client, with
//! synthesis or without, and whatever CD says, so that no such name leaks. Choice: the CNAME stands also where the
//! IPv4 name has no data; the reply then says so for the IPv4 name. Choice: a question for ANY gets the CNAME alone.
//! An IPv4 address that may not be embedded has no reverse name either.

use crate::answer::{Failure, Outcome};
use crate::arpa::Partial;
use crate::chain::Chain;
use crate::hosts;
use crate::ipv4only;
use crate::name::WireName;
use crate::policy::{Reverse, Site};
use crate::question::Question;
use crate::reply::{Body, Built, Origin, Reply};
use crate::synth::negative_ttl;
use crate::ttl;
use crate::zone::{self, Zone};
use addr::Prefix64;
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// TTL in seconds of the CNAME record at most; it never outlives what it leads to.
const MAX_TTL: u32 = 600;

/// Nibbles of an address.
const NIBBLES: usize = 32;

/// What becomes of a question about a name under a prefix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// Answered here.
    Answer(Reply),
    /// Something must be asked upstream first.
    Chase(Chase),
}

/// What must be asked upstream about a reverse name, and what its reply is made of then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chase {
    /// The address inside.
    pub(crate) v4: Ipv4Addr,
    /// The type.
    pub qtype: RecordType,
    direct: bool,
    prefix: Prefix64,
}

impl Chase {
    /// The IPv4 address's reverse name.
    pub fn target(&self) -> WireName {
        reverse_v4(self.v4)
    }
}

/// What becomes of `question`; `None` for names that are under no prefix.
pub(crate) fn find(question: &Question, site: &Site) -> Option<Found> {
    if site.reverse == Reverse::Off {
        return None;
    }
    let partial = Partial::of(&question.name)?;
    let IpAddr::V6(address) = partial.address else { return None };
    let prefix = site.prefix_of(address, 4 * partial.read)?;
    Some(judge(question, site, prefix, address, (partial.labels, partial.read)))
}

fn nibbles(prefix: Prefix64) -> usize {
    usize::from(prefix.prefix_len()) / 4
}

fn judge(
    question: &Question,
    site: &Site,
    prefix: Prefix64,
    address: Ipv6Addr,
    (below, valid): (usize, usize),
) -> Found {
    let zone = || Zone::new(apex(prefix));
    let u_octet = address.octets()[8];
    if valid != below || u_octet != 0 {
        return Found::Answer(zone().name_error());
    }
    if below < NIBBLES {
        return Found::Answer(match (below == nibbles(prefix), question.qtype) {
            (true, qtype) => zone().at_apex(qtype),
            (false, _) => zone().no_data(),
        });
    }
    let v4 = prefix.extract(address).expect("the address was found in this prefix");
    let owner = || question.name.to_name();
    if ipv4only::ADDRESSES.contains(&v4) {
        return Found::Answer(match question.qtype {
            RecordType::PTR | RecordType::ANY => Zone::answer(vec![ipv4only::pointer(owner())]),
            _ => zone().no_data(),
        });
    }
    if !site.allows(prefix, v4) {
        return Found::Answer(zone().name_error());
    }
    let direct = site.reverse == Reverse::Direct;
    match (direct, question.qtype) {
        (false, RecordType::CNAME | RecordType::ANY) => {
            Found::Answer(Zone::answer(vec![alias(owner(), reverse_v4(v4), MAX_TTL)]))
        }
        (false, qtype) => Found::Chase(Chase { v4, qtype, direct, prefix }),
        (true, RecordType::PTR | RecordType::ANY) => {
            Found::Chase(Chase { v4, qtype: RecordType::PTR, direct, prefix })
        }
        (true, _) => Found::Answer(zone().no_data()),
    }
}

/// The reply to `question`, once it is known what was found by `chase`.
pub fn assemble(question: &Question, chase: &Chase, outcome: Outcome) -> Reply {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(failure) => return Reply::failed(failure),
    };
    let errors = answer.extended_errors().to_vec();
    let of = |built: Built| Reply { origin: Origin::Reverse, body: Body::Built(Built { errors, ..built }) };
    let rcode = answer.rcode();
    if !matches!(rcode, ResponseCode::NoError | ResponseCode::NXDomain) {
        return of(Built { rcode, ..Built::default() });
    }
    let Ok(message) = answer.message() else {
        return Reply::failed(Failure::Malformed);
    };
    let owner = question.name.to_name();
    of(if chase.direct { own(&owner, chase, rcode, &message) } else { aliased(owner, chase, rcode, message) })
}

/// An alias, and what it leads to.
fn aliased(owner: Name, chase: &Chase, rcode: ResponseCode, message: Message) -> Built {
    let mut answers = vec![alias(owner, chase.target(), MAX_TTL.min(target_ttl(&message)))];
    answers.extend(message.answers);
    let (authorities, additionals) = (message.authorities, message.additionals);
    Built { rcode, answers, authorities, additionals, ..Built::default() }
}

/// The PTR records at the end of the target's chain, as the name's own.
fn own(owner: &Name, chase: &Chase, rcode: ResponseCode, message: &Message) -> Built {
    let chain = Chain::follow(&chase.target(), &message.answers);
    let ttl = target_ttl(message);
    let pointers = message.answers.iter().filter(|record| record.name == *chain.end());
    let pointers = pointers.filter(|record| record.record_type() == RecordType::PTR);
    let answers: Vec<_> =
        pointers.map(|record| Record::from_rdata(owner.clone(), ttl, record.data.clone())).collect();
    if answers.is_empty() {
        let authorities = vec![zone::soa(apex(chase.prefix), ttl.min(MAX_TTL))];
        return Built { rcode, authorities, ..Built::default() };
    }
    Built { rcode, answers, ..Built::default() }
}

/// The reply to `question` where the name that `chase` goes after leads to one that is served here.
pub(crate) fn found_here(question: &Question, chase: &Chase, name: &WireName, ttl: u32) -> Reply {
    let owner = question.name.to_name();
    let pointer = |owner: Name| Record::from_rdata(owner, ttl, hosts::pointing_to(name));
    let target = chase.target().to_name();
    let (answers, authorities) = match (chase.direct, chase.qtype) {
        (true, _) => (vec![pointer(owner)], Vec::new()),
        (false, RecordType::PTR) => {
            (vec![alias(owner, chase.target(), ttl.min(MAX_TTL)), pointer(target)], Vec::new())
        }
        (false, _) => (vec![alias(owner, chase.target(), ttl.min(MAX_TTL))], vec![zone::soa(target, ttl)]),
    };
    let built = Built { authoritative: true, answers, authorities, ..Built::default() };
    Reply { origin: Origin::Hosts, body: Body::Built(built) }
}

/// The reply to `question` where the name that `chase` goes after is not looked up: `reply` is what is said of it.
pub(crate) fn kept_here(question: &Question, chase: &Chase, reply: Reply) -> Reply {
    let built = match reply.body {
        Body::Built(built) => built,
        Body::Passed(answer) => return assemble(question, chase, Ok(answer)),
    };
    let Built { rcode, authoritative, answers, authorities, additionals, errors } = built;
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.add_answers(answers).add_authorities(authorities).add_additionals(additionals);
    let owner = question.name.to_name();
    let made = if chase.direct {
        own(&owner, chase, rcode, &message)
    } else {
        aliased(owner, chase, rcode, message)
    };
    Reply { origin: Origin::Reverse, body: Body::Built(Built { authoritative, errors, ..made }) }
}

/// How long what was found may be kept.
fn target_ttl(message: &Message) -> u32 {
    let found = message.answers.iter().map(|record| ttl::sane(record.ttl)).min();
    found.or_else(|| negative_ttl(message)).unwrap_or(MAX_TTL)
}

fn alias(owner: Name, target: WireName, ttl: u32) -> Record {
    Record::from_rdata(owner, ttl, RData::CNAME(CNAME(target.to_name())))
}

/// `d.c.b.a.in-addr.arpa` of `a.b.c.d` (RFC 1035 §3.5), without allocation.
fn reverse_v4(v4: Ipv4Addr) -> WireName {
    let octets = v4.octets().map(Decimal::of);
    let labels = octets.iter().rev().map(Decimal::digits).chain([b"in-addr".as_slice(), b"arpa"]);
    WireName::from_labels(labels).expect("six short labels are a name")
}

/// An octet as a person writes it.
struct Decimal {
    digits: [u8; 3],
    leading: usize,
}

impl Decimal {
    fn of(octet: u8) -> Self {
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let leading = digits.iter().take(2).take_while(|digit| **digit == 0).count();
        Self { digits: digits.map(|digit| b'0' + digit), leading }
    }

    fn digits(&self) -> &[u8] {
        &self.digits[self.leading..]
    }
}

fn apex(prefix: Prefix64) -> Name {
    let bits = prefix.addr().to_bits();
    let digits: Vec<_> = (0..nibbles(prefix))
        .map(|index| (bits >> (4 * (NIBBLES - 1 - index))) & 0xf)
        .map(|nibble| format!("{nibble:x}"))
        .collect();
    let labels = digits.iter().rev().map(String::as_str).chain(["ip6", "arpa"]);
    WireName::from_labels(labels.map(str::as_bytes)).expect("at most 26 short labels are a name").to_name()
}

#[cfg(test)]
mod tests;
