//! What an upstream knows, as a person writes it: one record or one fault a line.
//!
//! ```text
//! www.example. 60 CNAME cdn.example.     TTL 300 where none stands
//! example. 900 SOA 60                    TTL and MINIMUM of negative answers; these where no SOA stands
//! *.wild.example. A 192.0.2.1
//! www.example. AAAA !SERVFAIL ede=6      a response code, with an extended error if told
//! www.example. AAAA !silent              or !truncated (over UDP), !bare (no record at all)
//! signed                                 every record set has an RRSIG record and denials have NSEC, if DO is set
//! ```
//!
//! It answers as a resolver does: chains are followed as far as it knows them.

use crate::scripted::{Asked, Sends, back, reply};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{CNAME, MX, NS, NULL, PTR, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::str::FromStr;

/// All that one upstream knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zone {
    records: Vec<Record>,
    faults: Vec<(Name, RecordType, Vec<String>)>,
    signed: bool,
}

impl Zone {
    pub(crate) fn parse(text: &str) -> Self {
        let mut zone = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<_> = line.split_whitespace().collect();
            match words[..] {
                ["signed"] => zone.signed = true,
                [name, qtype, fault, ref more @ ..] if fault.starts_with('!') => {
                    let words = [&fault[1..]].into_iter().chain(more.iter().copied()).map(str::to_owned);
                    zone.faults.push((fqdn(name), RecordType::from_str(qtype).unwrap(), words.collect()));
                }
                [..] => zone.records.push(record(&words)),
            }
        }
        zone
    }

    /// What the upstream sends.
    pub(crate) fn answer(&self, query: &Message, asked: &Asked) -> Sends {
        let (name, qtype) = (&query.queries[0].name, query.queries[0].query_type);
        let fault = self.faults.iter().find(|fault| fault.0 == *name && fault.1 == qtype);
        match fault.map(|(.., words)| words.as_slice()) {
            None => back(&fitting(query, asked, self.lookup(query))),
            Some([word]) if word == "silent" => vec![],
            Some([word]) if word == "bare" => back(&reply(query, ResponseCode::NoError)),
            Some([word]) if word == "truncated" && asked.tcp => back(&self.lookup(query)),
            Some([word]) if word == "truncated" => back(&truncated(query)),
            Some([rcode, errors @ ..]) => {
                let mut message = reply(query, code(rcode));
                for error in errors {
                    let info: u16 = error.strip_prefix("ede=").expect("ede=NUMBER").parse().unwrap();
                    let option = EdnsOption::Unknown(15, info.to_be_bytes().to_vec());
                    message.edns.as_mut().expect("queries have OPT").options_mut().insert(option);
                }
                back(&message)
            }
            Some([]) => unreachable!("a fault has a word"),
        }
    }

    fn lookup(&self, query: &Message) -> Message {
        let qtype = query.queries[0].query_type;
        let dnssec_ok = query.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
        let signed = self.signed && dnssec_ok;
        let mut message = reply(query, ResponseCode::NoError);
        let mut owner = query.queries[0].name.clone();
        for _ in 0..32 {
            let found = self.at(&owner, qtype);
            if let Some(first) = found.first() {
                let signature = signed.then(|| signature(first));
                message.add_answers(found);
                message.add_answers(signature);
                return message;
            }
            let Some((alias, target)) = self.alias(&owner) else { break };
            let signature = signed.then(|| signature(&alias[0]));
            message.add_answers(alias);
            message.add_answers(signature);
            owner = target;
        }
        if !self.exists(&owner) {
            message.metadata.response_code = ResponseCode::NXDomain;
        }
        let soa = self.soa(&owner);
        if signed {
            message.add_authority(signature(&soa));
            let denial = unknown(RecordType::NSEC, b"\x00\x00\x01\x40");
            let denial = Record::from_rdata(owner, soa.ttl, denial);
            message.add_authority(signature(&denial));
            message.add_authority(denial);
        }
        message.add_authority(soa);
        message
    }

    /// The records of a type, those of a wildcard included.
    fn at(&self, owner: &Name, qtype: RecordType) -> Vec<Record> {
        let matches = |record: &&Record| {
            qtype == record.record_type() || qtype == RecordType::ANY && record.name == *owner
        };
        let exact = self.records.iter().filter(matches).filter(|record| record.name == *owner);
        let wild = self.records.iter().filter(matches).filter(|record| covers(&record.name, owner));
        let mut found: Vec<_> =
            if self.stands(owner) { exact.cloned().collect() } else { wild.cloned().collect() };
        for record in &mut found {
            record.name.clone_from(owner);
        }
        found
    }

    /// The alias at or above a name, and where it leads.
    fn alias(&self, owner: &Name) -> Option<(Vec<Record>, Name)> {
        self.records.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == *owner => Some((vec![record.clone()], target.0.clone())),
            RData::Unknown { code: RecordType::DNAME, rdata }
                if record.name.zone_of(owner) && record.name != *owner =>
            {
                let new = name_of(&rdata.anything);
                let left = usize::from(owner.num_labels() - record.name.num_labels());
                let lower = owner.to_lowercase();
                let labels = lower.iter().take(left).chain(new.iter());
                let mut target = Name::from_labels(labels).unwrap();
                target.set_fqdn(true);
                let cname =
                    Record::from_rdata(owner.clone(), record.ttl, RData::CNAME(CNAME(target.clone())));
                Some((vec![record.clone(), cname], target))
            }
            _ => None,
        })
    }

    fn exists(&self, owner: &Name) -> bool {
        self.stands(owner) || self.records.iter().any(|record| covers(&record.name, owner))
    }

    /// Whether a line names it, or something below it.
    fn stands(&self, owner: &Name) -> bool {
        let faults = self.faults.iter().map(|fault| &fault.0);
        self.records.iter().map(|record| &record.name).chain(faults).any(|name| owner.zone_of(name))
    }

    fn soa(&self, owner: &Name) -> Record {
        let above = self.records.iter().filter(|record| record.record_type() == RecordType::SOA);
        let above = above.filter(|record| record.name.zone_of(owner));
        let nearest = above.max_by_key(|record| record.name.num_labels()).cloned();
        nearest.unwrap_or_else(|| record(&["example.", "900", "SOA", "60"]))
    }
}

fn truncated(query: &Message) -> Message {
    let mut message = reply(query, ResponseCode::NoError);
    message.metadata.truncation = true;
    message
}

/// The message, or a truncated one where that does not fit what the query allows.
fn fitting(query: &Message, asked: &Asked, message: Message) -> Message {
    let fits = asked.tcp || message.to_vec().unwrap().len() <= usize::from(query.max_payload());
    if fits { message } else { truncated(query) }
}

fn covers(wildcard: &Name, owner: &Name) -> bool {
    wildcard.is_wildcard() && wildcard.base_name().zone_of(owner) && wildcard.base_name() != *owner
}

fn code(word: &str) -> ResponseCode {
    match word {
        "NOERROR" => ResponseCode::NoError,
        "FORMERR" => ResponseCode::FormErr,
        "SERVFAIL" => ResponseCode::ServFail,
        "NXDOMAIN" => ResponseCode::NXDomain,
        "NOTIMP" => ResponseCode::NotImp,
        "REFUSED" => ResponseCode::Refused,
        other => panic!("{other} is no fault"),
    }
}

fn fqdn(text: &str) -> Name {
    assert!(text.ends_with('.'), "{text} ends with a dot");
    Name::from_ascii(text).unwrap()
}

/// `NAME [TTL] TYPE DATA...`
fn record(words: &[&str]) -> Record {
    let owner = fqdn(words[0]);
    let (ttl, rest) = words[1].parse().map_or((300, &words[1..]), |ttl| (ttl, &words[2..]));
    let data = rest[1];
    let rdata = match rest[0] {
        "A" => crate::scripted::a(data),
        "AAAA" => crate::scripted::aaaa(data),
        "CNAME" => RData::CNAME(CNAME(fqdn(data))),
        "PTR" => RData::PTR(PTR(fqdn(data))),
        "NS" => RData::NS(NS(fqdn(data))),
        "MX" => RData::MX(MX::new(10, fqdn(data))),
        "TXT" => RData::TXT(TXT::new(vec![data.to_owned()])),
        "SOA" => {
            RData::SOA(SOA::new(owner.clone(), owner.clone(), 1, 3600, 600, 86_400, data.parse().unwrap()))
        }
        "DNAME" => unknown(RecordType::DNAME, &octets_of(&fqdn(data))),
        // RFC 3597 §5: TYPE64 \# HEX.
        other => {
            assert_eq!(data, "\\#", "{other} is written in octets");
            unknown(rtype(other), &hex(rest[2]))
        }
    };
    Record::from_rdata(owner, ttl, rdata)
}

/// An RRSIG record of which only the covered type matters.
fn signature(of: &Record) -> Record {
    let data = [&u16::from(of.record_type()).to_be_bytes()[..], &[8; 16], &octets_of(&of.name), &[0xdd; 64]]
        .concat();
    Record::from_rdata(of.name.clone(), of.ttl, unknown(RecordType::RRSIG, &data))
}

fn unknown(code: RecordType, data: &[u8]) -> RData {
    RData::Unknown { code, rdata: NULL::with(data.to_vec()) }
}

fn octets_of(name: &Name) -> Vec<u8> {
    let labels = name.iter().flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label].concat());
    labels.chain([0]).collect()
}

/// The name in octets without pointers.
pub(crate) fn name_of(octets: &[u8]) -> Name {
    let mut labels = Vec::new();
    let mut at = 0;
    while octets[at] != 0 {
        let end = at + 1 + usize::from(octets[at]);
        labels.push(&octets[at + 1..end]);
        at = end;
    }
    let mut name = Name::from_labels(labels).unwrap();
    name.set_fqdn(true);
    name
}

/// A type's name, or TYPE and its number (RFC 3597 §5).
pub(crate) fn rtype(word: &str) -> RecordType {
    let number = word.strip_prefix("TYPE").map(|number| number.parse::<u16>().unwrap());
    number.map_or_else(|| RecordType::from_str(word).unwrap(), RecordType::from)
}

/// Octets as hexadecimal digits.
pub(crate) fn digits(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |text, octet| format!("{text}{octet:02x}"))
}

/// The octets that hexadecimal digits stand for.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(digit).collect()
}
