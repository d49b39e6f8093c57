//! What a client sees of a reply, without what may differ each time: numbers, TTLs, and the order of records.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use std::collections::BTreeSet;
use std::fmt;

/// What a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) rcode: ResponseCode,
    pub(crate) authentic: bool,
    /// Owner in lower case, type and data; without signatures.
    pub(crate) answers: BTreeSet<String>,
    /// Whether the answers are signed.
    pub(crate) is_signed: bool,
    /// Whether an SOA record says how long the absence of an answer holds.
    pub(crate) has_soa: bool,
}

impl View {
    pub(crate) fn of(message: &Message) -> Self {
        let is_signature = |record: &&Record| record.record_type() == RecordType::RRSIG;
        let shown = |record: &Record| {
            let owner = record.name.to_string().to_ascii_lowercase();
            format!("{owner} {} {}", record.record_type(), record.data.to_string().to_ascii_lowercase())
        };
        Self {
            rcode: message.metadata.response_code,
            authentic: message.metadata.authentic_data,
            answers: message.answers.iter().filter(|record| !is_signature(record)).map(shown).collect(),
            is_signed: message.answers.iter().any(|record| is_signature(&record)),
            has_soa: message.authorities.iter().any(|record| record.record_type() == RecordType::SOA),
        }
    }

    /// Whether there are addresses.
    pub(crate) fn has(&self, kind: &str) -> bool {
        self.answers.iter().any(|record| record.split(' ').nth(1) == Some(kind))
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rcode, authentic, answers, is_signed, has_soa } = self;
        write!(f, "{rcode:?}")?;
        for (word, holds) in [("ad", *authentic), ("signed", *is_signed), ("soa", *has_soa)] {
            if holds {
                write!(f, " {word}")?;
            }
        }
        answers.iter().try_for_each(|record| write!(f, "\n      {record}"))
    }
}
