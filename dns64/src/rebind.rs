//! Takes private addresses out of upstreams' answers, so that a foreign name cannot lead a browser into the own network.
//!
//! Judges A and AAAA records, the IPv4 addresses inside AAAA records of a prefix in use, and the hints of SVCB and HTTPS
//! records, in every section, before anything is synthesized or remembered. The name asked for decides whether private
//! addresses are fine, not the name at the end of its chain: a foreign alias to an internal name is how rebinding is
//! done. 192.0.0.0/24 is nobody's private network and holds the addresses of `ipv4only.arpa` (RFC 7050 §8.2).
//! Choice: a record with a private hint goes as a whole, since its sender knows what it says. Signatures over records
//! that lost one go too, and with them the claim that the answer was validated.

use crate::answer::{Answer, ExtendedError, Failure, read_errors};
use crate::chain::{Chain, covered};
use crate::domain::DomainSet;
use crate::name::WireName;
use crate::policy::is_private_v4;
use crate::query::Query;
use crate::ttl;
use crate::wire;
use crate::zone;
use addr::Prefix64;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamValue};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use ipnet::Ipv6Net;
use std::net::{Ipv4Addr, Ipv6Addr};

/// How long it may be kept that a name has no addresses but private ones, in seconds at most.
const MAX_TTL: u32 = 600;

/// IPv6 addresses of the own host, link or site.
const PRIVATE_V6: [Ipv6Net; 5] = [
    Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128),
    Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
];

/// Types of records that have addresses.
const ADDRESSED: [RecordType; 4] = [RecordType::A, RecordType::AAAA, RecordType::SVCB, RecordType::HTTPS];

/// What is taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Whether anything is.
    pub on: bool,
    /// Names that may have private addresses, with all below.
    pub trusted: DomainSet,
    /// Prefixes whose addresses are judged by the IPv4 address inside.
    pub prefixes: Vec<Prefix64>,
}

impl Guard {
    /// `answer` to `query` without private addresses, and how many records went.
    ///
    /// # Errors
    /// [`Failure::Malformed`] where it cannot be read: who knows what a client reads in it.
    pub fn screen(&self, query: &Query, answer: Answer) -> Result<(Answer, usize), Failure> {
        if !self.on || !may_have_addresses(&answer) || self.trusted.holds(&query.name) {
            return Ok((answer, 0));
        }
        let message = answer.message().map_err(|_| Failure::Malformed)?;
        Ok(self.strip(query, message)?.unwrap_or((answer, 0)))
    }

    /// Whether whatever is learnt under `other` would be learnt under this one.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self == other || !(self.on || other.on)
    }

    /// Whether an answer may be another one than it is under some guard of these prefixes: by its records, and by the
    /// extended errors of who took some out.
    pub(crate) fn may_concern(&self, records: &[u8], errors: &[u8]) -> bool {
        if read_errors(errors).iter().any(|error| error.code == ExtendedError::BLOCKED) {
            return true;
        }
        let mut at = 0;
        while let Some(record) = wire::record(records, at) {
            let data = &records[record.data.clone()];
            let concerned = match RecordType::from(record.rtype) {
                RecordType::A => <[u8; 4]>::try_from(data).map_or(true, |v4| Self::refuses_v4(v4.into())),
                RecordType::AAAA => <[u8; 16]>::try_from(data).map_or(true, |v6| self.refuses_v6(v6.into())),
                // Their hints stand deep inside.
                RecordType::SVCB | RecordType::HTTPS => true,
                _ => false,
            };
            if concerned {
                return true;
            }
            at = record.data.end;
        }
        false
    }

    /// Whether `v4` is of a private network.
    fn refuses_v4(v4: Ipv4Addr) -> bool {
        is_private_v4(v4)
    }

    fn refuses_v6(&self, v6: Ipv6Addr) -> bool {
        let inside = self.prefixes.iter().find_map(|prefix| prefix.extract(v6));
        match inside.or_else(|| v6.to_ipv4_mapped()) {
            Some(v4) => Self::refuses_v4(v4),
            None => PRIVATE_V6.iter().any(|net| net.contains(&v6)),
        }
    }

    fn refuses(&self, record: &Record) -> bool {
        match &record.data {
            RData::A(A(v4)) => Self::refuses_v4(*v4),
            RData::AAAA(AAAA(v6)) => self.refuses_v6(*v6),
            RData::SVCB(svcb) => self.refuses_hints(svcb),
            RData::HTTPS(https) => self.refuses_hints(&https.0),
            _ => false,
        }
    }

    fn refuses_hints(&self, svcb: &SVCB) -> bool {
        svcb.svc_params.iter().any(|(_, value)| match value {
            SvcParamValue::Ipv4Hint(hint) => hint.0.iter().any(|v4| Self::refuses_v4(v4.0)),
            SvcParamValue::Ipv6Hint(hint) => hint.0.iter().any(|v6| self.refuses_v6(v6.0)),
            _ => false,
        })
    }

    /// `None` if nothing is refused.
    fn strip(&self, query: &Query, mut message: Message) -> Result<Option<(Answer, usize)>, Failure> {
        let mut gone: Vec<(Name, RecordType)> = Vec::new();
        let mut least = MAX_TTL;
        for section in [&mut message.answers, &mut message.authorities, &mut message.additionals] {
            section.retain(|record| {
                let refused = self.refuses(record);
                if refused {
                    gone.push((record.name.clone(), record.record_type()));
                    least = least.min(ttl::sane(record.ttl));
                }
                !refused
            });
        }
        if gone.is_empty() {
            return Ok(None);
        }
        let unsigned = |record: &Record| {
            let rtype = covered(record);
            gone.iter().any(|(name, gone)| Some(*gone) == rtype && *name == record.name)
        };
        for section in [&mut message.answers, &mut message.authorities, &mut message.additionals] {
            section.retain(|record| !unsigned(record));
        }
        message.metadata.authentic_data = false;
        excuse_absence(&query.name, query.qtype, &mut message, least);
        let octets = message.to_vec().map_err(|_| Failure::Malformed)?;
        let id = message.metadata.id;
        let answer =
            Answer::parse(octets, query, id, query.name.as_bytes()).map_err(|_| Failure::Malformed)?;
        let why = "private addresses were left out (rebind_protection)".to_owned();
        Ok(Some((answer.explained(ExtendedError::new(ExtendedError::BLOCKED, why)), gone.len())))
    }
}

/// Says of an answer that lost all that was asked for how long that holds (RFC 2308 §2.1).
fn excuse_absence(name: &WireName, qtype: RecordType, message: &mut Message, ttl: u32) {
    let chain = Chain::follow(name, &message.answers);
    let answers = |record: &Record| record.name == *chain.end() && record.record_type() == qtype;
    if message.metadata.response_code != ResponseCode::NoError || message.answers.iter().any(answers) {
        return;
    }
    message.authorities.retain(|record| record.record_type() == RecordType::SOA);
    if message.authorities.is_empty() {
        message.authorities.push(zone::soa(chain.end().clone(), ttl));
    }
}

/// Whether some record may have an address, by its type.
fn may_have_addresses(answer: &Answer) -> bool {
    let records = answer.records(2);
    let mut at = 0;
    while let Some(record) = wire::record(records, at) {
        if ADDRESSED.contains(&RecordType::from(record.rtype)) {
            return true;
        }
        at = record.data.end;
    }
    false
}

#[cfg(test)]
mod tests;
