//! The aliases between the name asked for and the name that has the records (RFC 6147 §5.1.5, RFC 6672 §3).
//!
//! Follows CNAME records within one answer section, whatever their order. DNAME records stand beside the CNAME
//! records made of them and need no following. Asks nobody: an alias that leads out of the answer ends the chain.

use crate::name::WireName;
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// Aliases followed from the name asked for: more than any resolver follows, so that no legal chain is cut.
const MAX_ALIASES: usize = 16;

/// The names from the one asked for to the end of its aliases.
#[derive(Debug)]
pub(crate) struct Chain {
    names: Vec<Name>,
    endless: bool,
}

impl Chain {
    /// The chain that starts at `name` in `answers`.
    pub(crate) fn follow(name: &WireName, answers: &[Record]) -> Self {
        let mut names = vec![name.to_name()];
        loop {
            match next_alias(&names[names.len() - 1], answers) {
                Some(_) if names.len() > MAX_ALIASES => return Self { names, endless: true },
                Some(target) if !names.contains(target) => names.push(target.clone()),
                // The end, or a circle.
                _ => return Self { names, endless: false },
            }
        }
    }

    /// The last name.
    pub(crate) fn end(&self) -> &Name {
        &self.names[self.names.len() - 1]
    }

    /// Whether it goes on for too long: its end is not the true one.
    pub(crate) fn is_endless(&self) -> bool {
        self.endless
    }

    /// The aliases with their signatures, in order and with their own TTLs.
    pub(crate) fn aliases(&self, answers: &[Record]) -> Vec<Record> {
        answers.iter().filter(|record| self.has_alias(record)).cloned().collect()
    }

    /// Whether `record` is an alias on the way, or the signature of one.
    pub(crate) fn has_alias(&self, record: &Record) -> bool {
        match record.record_type() {
            RecordType::DNAME => self.passes(record, RecordType::DNAME) && has_plain_target(record),
            RecordType::RRSIG => covered(record).is_some_and(|rtype| self.passes(record, rtype)),
            rtype => self.passes(record, rtype),
        }
    }

    /// Whether the owner of `record` is where an alias of type `rtype` leads on.
    fn passes(&self, record: &Record, rtype: RecordType) -> bool {
        match rtype {
            // The end of the chain has no alias, or its alias leads back into it.
            RecordType::CNAME => self.names.contains(&record.name),
            RecordType::DNAME => {
                self.names.iter().any(|name| record.name.zone_of(name) && record.name != *name)
            }
            _ => false,
        }
    }
}

fn next_alias<'a>(name: &Name, answers: &'a [Record]) -> Option<&'a Name> {
    answers.iter().find_map(|record| match &record.data {
        RData::CNAME(target) if record.name == *name => Some(&target.0),
        _ => None,
    })
}

/// The type that an RRSIG record covers (RFC 4034 §3.1.1).
pub(crate) fn covered(record: &Record) -> Option<RecordType> {
    match &record.data {
        RData::Unknown { rdata, .. } if record.record_type() == RecordType::RRSIG => {
            crate::wire::u16_at(&rdata.anything, 0).map(RecordType::from)
        }
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
