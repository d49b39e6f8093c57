//! Names that are not looked up: special-use names, those of private networks, and those the operator keeps here.
//!
//! Covers the registry of special-use names (RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9462, RFC 9665), the locally
//! served zones (RFC 6303, RFC 7793) and names of one label. Everything is answered without an upstream. A domain that
//! the configuration has upstreams of its own for is asked there, and a domain that it keeps here has no names but those
//! of hosts files and leases; of both, the longer one decides, and both go before every rule but those of `localhost`
//! and `resolver.arpa`.
//! DS records of a zone that its parent delegates are asked upstream, where it is proven that they do not exist
//! (RFC 4035 §3.1.4.1, RFC 8375 §4). Choice: a question about a top-level domain as a zone is not kept back, since
//! validating clients ask it of every one.

mod private;

use crate::answer::ExtendedError;
use crate::designated;
use crate::domain::DomainMap;
use crate::hosts::Hosts;
use crate::name::WireName;
use crate::question::Question;
use crate::reply::{Body, Reply};
use crate::zone::Zone;
use hickory_proto::rr::rdata::{A, AAAA, PTR, SVCB};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// TTL in seconds of loopback records.
const TTL: u32 = 10_800;

/// What the configuration says of names that are not looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Who knows a domain and all below it.
    pub domains: DomainMap<Keeper>,
    /// Names of one label are not asked upstream.
    pub domain_needed: bool,
    /// The zones of private networks are asked upstream.
    pub forward_private: bool,
    /// The encrypted listeners, as clients of plain DNS learn of them (RFC 9462 §4).
    pub designated: Vec<SVCB>,
}

/// Who knows a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keeper {
    /// This daemon alone.
    Here,
    /// Upstreams.
    Upstream,
}

/// What becomes of a name and all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// The loopback addresses (RFC 6761 §6.3).
    Loopback,
    /// The reverse of a loopback address (RFC 6303 §4.1, §4.3).
    LoopbackReverse,
    /// Does not exist.
    Absent,
    /// Names the encrypted listeners, and never leaves (RFC 9462 §6.4).
    Resolvers,
    /// Of a private network: the apex exists, and names below if the network says so.
    Private,
}

/// Zone, what becomes of it, and the document that says so.
const TABLE: [(&[u8], Use, &str); 10] = [
    (b"\x09localhost\x00", Use::Loopback, "RFC 6761 §6.3"),
    (b"\x07invalid\x00", Use::Absent, "RFC 6761 §6.4"),
    (b"\x05onion\x00", Use::Absent, "RFC 7686 §2"),
    (b"\x05local\x00", Use::Absent, "RFC 6762 §22.1"),
    (b"\x04test\x00", Use::Private, "RFC 6761 §6.2"),
    (b"\x04home\x04arpa\x00", Use::Private, "RFC 8375 §4"),
    (b"\x07service\x04arpa\x00", Use::Private, "RFC 9665 §10"),
    (b"\x08resolver\x04arpa\x00", Use::Resolvers, "RFC 9462 §6.4"),
    (b"\x03127\x07in-addr\x04arpa\x00", Use::LoopbackReverse, "RFC 6303 §4.1"),
    (
        b"\x011\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\
          \x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x03ip6\x04arpa\x00",
        Use::LoopbackReverse,
        "RFC 6303 §4.3",
    ),
];

/// The top-level domains of the table; most names are in none.
const TOPS: [&[u8]; 6] = [b"arpa", b"localhost", b"invalid", b"onion", b"local", b"test"];

/// Types that are asked about a zone, not about a host.
const OF_ZONES: [RecordType; 4] = [RecordType::NS, RecordType::SOA, RecordType::DS, RecordType::DNSKEY];

/// The reply where the name of `question`, which is none of `hosts`, is not looked up; `None` where it is.
pub(crate) fn answer(question: &Question, rules: &Rules, hosts: &Hosts) -> Option<Reply> {
    let row = row(&question.name);
    match row {
        Some((zone, Use::Loopback)) => return Some(loopback(question, &zone)),
        Some((zone, Use::Resolvers)) => {
            return Some(designated::answer(question, &rules.designated, &Zone::new(zone.to_name())));
        }
        _ => {}
    }
    match rules.domains.get(&question.name) {
        Some(Keeper::Upstream) => return None,
        Some(Keeper::Here) => return Some(kept_here(question, rules, hosts)),
        None => {}
    }
    match row {
        Some((zone, Use::Private)) => return private_name(question, rules, hosts, &zone),
        Some((zone, becomes)) => return Some(by_rule(question, &zone, becomes)),
        None => {}
    }
    if !rules.forward_private
        && let Some(place) = private::find(&question.name)
    {
        return private_reverse(question, hosts, &place);
    }
    let plain = question.name.labels().count() == 1;
    (plain && rules.domain_needed && !OF_ZONES.contains(&question.qtype)).then(|| {
        let reply = Zone::brief(question.name.to_name(), hosts.ttl).name_error();
        explained(reply, "a name of one label is not asked upstream (domain_needed)")
    })
}

/// The row of a name, by its zone.
fn row(name: &WireName) -> Option<(WireName, Use)> {
    let top = name.labels().last()?;
    TOPS.iter().find(|known| known.eq_ignore_ascii_case(top))?;
    let (zone, becomes, _) = TABLE.iter().find(|(zone, ..)| name.labels_below(zone).is_some())?;
    Some((WireName::parse(zone).expect("a constant name"), *becomes))
}

fn loopback(question: &Question, zone: &WireName) -> Reply {
    let one = |rdata| Zone::answer(vec![Record::from_rdata(question.name.to_name(), TTL, rdata)]);
    match question.qtype {
        RecordType::A => one(RData::A(A(Ipv4Addr::LOCALHOST))),
        RecordType::AAAA => one(RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
        _ => Zone::new(zone.to_name()).no_data(),
    }
}

fn by_rule(question: &Question, zone: &WireName, becomes: Use) -> Reply {
    let owner = question.name.to_name();
    let zone = Zone::new(zone.to_name());
    match (becomes, question.qtype) {
        (Use::LoopbackReverse, RecordType::PTR) => {
            Zone::answer(vec![Record::from_rdata(owner, TTL, RData::PTR(PTR(localhost())))])
        }
        (Use::Absent, _) => zone.name_error(),
        (Use::LoopbackReverse | Use::Resolvers | Use::Loopback | Use::Private, _) => zone.no_data(),
    }
}

/// A name of a domain that nobody else knows, and that is no host.
fn kept_here(question: &Question, rules: &Rules, hosts: &Hosts) -> Reply {
    let mut apex = question.name;
    while let Some(above) = apex.parent().filter(|above| rules.domains.get(above) == Some(&Keeper::Here)) {
        apex = above;
    }
    let zone = Zone::brief(apex.to_name(), hosts.ttl);
    if apex == question.name {
        return zone.at_apex(question.qtype);
    }
    if hosts.is_above(&question.name) {
        return zone.no_data();
    }
    explained(zone.name_error(), "the name is in no hosts file or lease (local_domains)")
}

/// A name of a zone that private networks have for themselves.
fn private_name(question: &Question, rules: &Rules, hosts: &Hosts, zone: &WireName) -> Option<Reply> {
    let at_apex = question.name == *zone;
    if rules.forward_private || at_apex && question.qtype == RecordType::DS {
        return None;
    }
    let zone = Zone::brief(zone.to_name(), hosts.ttl);
    Some(match (at_apex, hosts.is_above(&question.name)) {
        (true, _) => zone.at_apex(question.qtype),
        (false, true) => zone.no_data(),
        (false, false) => explained(zone.name_error(), NOT_FORWARDED),
    })
}

/// A reverse name of a private address that no host has.
fn private_reverse(question: &Question, hosts: &Hosts, place: &private::Place) -> Option<Reply> {
    let zone = Zone::brief(place.apex.to_name(), hosts.ttl);
    match place.depth {
        private::Depth::Apex if question.qtype == RecordType::DS => None,
        private::Depth::Apex => Some(zone.at_apex(question.qtype)),
        private::Depth::Between => Some(zone.no_data()),
        private::Depth::Whole | private::Depth::Outside => Some(explained(zone.name_error(), NOT_FORWARDED)),
    }
}

const NOT_FORWARDED: &str = "a name of a private network is not asked upstream (private_zones)";

/// RFC 8914 §4.1: what other codes do not say.
const OTHER_ERROR: u16 = 0;

fn explained(mut reply: Reply, why: &'static str) -> Reply {
    if let Body::Built(built) = &mut reply.body {
        built.errors.push(ExtendedError { code: OTHER_ERROR, text: Cow::Borrowed(why.as_bytes()) });
    }
    reply
}

fn localhost() -> Name {
    Name::from_str("localhost.").expect("a constant name")
}

#[cfg(test)]
mod tests;
