//! Reverse names under the prefixes in use (RFC 6147 §5.3.1, second option).
//!
//! A full name becomes a CNAME record to the IPv4 address's own reverse name, and what is found there comes along
//! in the same reply. Shorter names exist without records; names that are no address do not exist; neither is asked
//! upstream, since a prefix's reverse zone is nobody's but the site's. Choice: every prefix in use is answered for
//! every client, with synthesis or without, and whatever CD says, so that no such name leaks. Choice: the CNAME
//! stands also where the IPv4 name has no data; the reply then says so for the IPv4 name. An IPv4 address that may
//! not be embedded has no reverse name either.

use crate::answer::{Failure, Outcome};
use crate::ipv4only;
use crate::name::WireName;
use crate::policy::Site;
use crate::question::Question;
use crate::reply::{Body, Built, Origin, Reply};
use crate::synth::{negative_ttl, sane_ttl};
use crate::zone::Zone;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, NS};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::{Ipv4Addr, Ipv6Addr};

/// TTL in seconds of the CNAME record at most; it never outlives what it leads to.
const MAX_TTL: u32 = 600;

/// Nibbles of an address.
const NIBBLES: usize = 32;

const ZONE: &[u8] = b"\x03ip6\x04arpa\x00";

/// What becomes of a question about a name under a prefix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reverse {
    /// Answered here.
    Answer(Reply),
    /// The IPv4 address's reverse name must be asked for first.
    Chase(WireName),
}

/// What becomes of `question`; `None` for names that are under no prefix.
pub(crate) fn find(question: &Question, sites: &[Site]) -> Option<Reverse> {
    let below = question.name.labels_below(ZONE)?;
    let labels: Vec<_> = question.name.labels().take(below).collect();
    let (bits, valid) = read_nibbles(&labels);
    let address = Ipv6Addr::from_bits(bits);
    let site = sites.iter().find(|site| valid >= nibbles(**site) && site.prefix.contains(address))?;
    Some(judge(question, *site, address, below, valid))
}

/// The address of the leading nibbles and how many there are; the most significant label stands last.
fn read_nibbles(labels: &[&[u8]]) -> (u128, usize) {
    let mut bits = 0;
    let mut valid = 0;
    for label in labels.iter().rev().take(NIBBLES) {
        let [digit] = label else { break };
        let Some(nibble) = char::from(*digit).to_digit(16) else { break };
        bits |= u128::from(nibble) << (4 * (NIBBLES - 1 - valid));
        valid += 1;
    }
    (bits, valid)
}

fn nibbles(site: Site) -> usize {
    usize::from(site.prefix.prefix_len()) / 4
}

fn judge(question: &Question, site: Site, address: Ipv6Addr, below: usize, valid: usize) -> Reverse {
    let apex = || site_apex(site);
    let u_octet = address.octets()[8];
    if valid != below || u_octet != 0 {
        return Reverse::Answer(Zone::new(apex()).name_error());
    }
    if below < NIBBLES {
        let zone = Zone::new(apex());
        return Reverse::Answer(match (below == nibbles(site), question.qtype) {
            (true, RecordType::SOA) => Zone::answer(vec![zone.soa()]),
            (true, RecordType::NS) => {
                let soa = zone.soa();
                Zone::answer(vec![Record::from_rdata(soa.name.clone(), soa.ttl, RData::NS(NS(soa.name)))])
            }
            _ => zone.no_data(),
        });
    }
    let v4 = site.prefix.extract(address).expect("the address was found in this prefix");
    let owner = question.name.to_name();
    if ipv4only::ADDRESSES.contains(&v4) {
        return Reverse::Answer(match question.qtype {
            RecordType::PTR | RecordType::ANY => Zone::answer(vec![ipv4only::pointer(owner)]),
            _ => Zone::new(apex()).no_data(),
        });
    }
    if !site.allows(v4) {
        return Reverse::Answer(Zone::new(apex()).name_error());
    }
    let target = reverse_v4(v4);
    if question.qtype == RecordType::CNAME {
        return Reverse::Answer(Zone::answer(vec![alias(owner, target, MAX_TTL)]));
    }
    Reverse::Chase(target)
}

/// The reply, once it is known what `target` holds.
pub(crate) fn assemble(question: &Question, target: WireName, outcome: Outcome) -> Reply {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(failure) => return Reply::failed(failure),
    };
    let rcode = answer.rcode();
    let errors = answer.extended_errors().to_vec();
    if !matches!(rcode, ResponseCode::NoError | ResponseCode::NXDomain) {
        let built = Built { rcode, errors, ..Built::default() };
        return Reply { origin: Origin::Reverse, body: Body::Built(built) };
    }
    let Ok(message) = answer.message() else {
        return Reply::failed(Failure::Malformed);
    };
    let ttl = MAX_TTL.min(target_ttl(&message));
    let mut answers = vec![alias(question.name.to_name(), target, ttl)];
    answers.extend(message.answers);
    let built = Built {
        rcode,
        authoritative: false,
        answers,
        authorities: message.authorities,
        additionals: message.additionals,
        errors,
    };
    Reply { origin: Origin::Reverse, body: Body::Built(built) }
}

/// How long what was found may be kept.
fn target_ttl(message: &Message) -> u32 {
    let found = message.answers.iter().map(|record| sane_ttl(record.ttl)).min();
    found.or_else(|| negative_ttl(message)).unwrap_or(MAX_TTL)
}

fn alias(owner: Name, target: WireName, ttl: u32) -> Record {
    Record::from_rdata(owner, ttl, RData::CNAME(CNAME(target.to_name())))
}

/// `d.c.b.a.in-addr.arpa` of `a.b.c.d` (RFC 1035 §3.5).
fn reverse_v4(v4: Ipv4Addr) -> WireName {
    let octets = v4.octets().map(|octet| octet.to_string());
    let labels = octets.iter().rev().map(String::as_str).chain(["in-addr", "arpa"]);
    WireName::from_labels(labels.map(str::as_bytes)).expect("six short labels are a name")
}

fn site_apex(site: Site) -> Name {
    let bits = site.prefix.addr().to_bits();
    let digits: Vec<_> = (0..nibbles(site))
        .map(|index| (bits >> (4 * (NIBBLES - 1 - index))) & 0xf)
        .map(|nibble| format!("{nibble:x}"))
        .collect();
    let labels = digits.iter().rev().map(String::as_str).chain(["ip6", "arpa"]);
    WireName::from_labels(labels.map(str::as_bytes)).expect("at most 26 short labels are a name").to_name()
}

#[cfg(test)]
mod tests;
