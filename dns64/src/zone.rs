//! A zone that is served here: its apex, and the negative answers that go with it.
//!
//! Negative answers carry an SOA record, so that clients may cache them (RFC 2308 §3). Its content follows the
//! template of RFC 6303 §3. Knows no names of its own; the modules that own special names do.

use crate::reply::{Body, Built, Origin, Reply};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::str::FromStr;

/// TTL in seconds of negative answers (RFC 6303 §3).
const NEGATIVE_TTL: u32 = 10_800;

/// A zone served here.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    apex: Name,
    /// How long negative answers may be kept, in seconds.
    ttl: u32,
}

impl Zone {
    /// A zone that never changes.
    pub(crate) const fn new(apex: Name) -> Self {
        Self { apex, ttl: NEGATIVE_TTL }
    }

    /// A zone whose names come and go: that there is none may be kept for `ttl` seconds.
    pub(crate) const fn brief(apex: Name, ttl: u32) -> Self {
        Self { apex, ttl }
    }

    /// A reply with `answers`.
    pub(crate) fn answer(answers: Vec<Record>) -> Reply {
        Reply {
            origin: Origin::Local,
            body: Body::Built(Built { authoritative: true, answers, ..Built::default() }),
        }
    }

    /// A reply about the zone's own name: its SOA and NS records (RFC 6303 §3), and no others.
    pub(crate) fn at_apex(&self, qtype: RecordType) -> Reply {
        match qtype {
            RecordType::SOA => Self::answer(vec![self.soa()]),
            RecordType::NS => {
                let data = RData::NS(NS(self.apex.clone()));
                Self::answer(vec![Record::from_rdata(self.apex.clone(), self.ttl, data)])
            }
            _ => self.no_data(),
        }
    }

    /// The name exists, without records of the type asked for.
    pub(crate) fn no_data(&self) -> Reply {
        self.negative(ResponseCode::NoError)
    }

    /// The name does not exist.
    pub(crate) fn name_error(&self) -> Reply {
        self.negative(ResponseCode::NXDomain)
    }

    /// The zone's SOA record.
    pub(crate) fn soa(&self) -> Record {
        soa(self.apex.clone(), self.ttl)
    }

    fn negative(&self, rcode: ResponseCode) -> Reply {
        let authorities = vec![self.soa()];
        Reply {
            origin: Origin::Local,
            body: Body::Built(Built { rcode, authoritative: true, authorities, ..Built::default() }),
        }
    }
}

/// An SOA record at `owner` that lets a negative answer be kept for `ttl` seconds.
pub(crate) fn soa(owner: Name, ttl: u32) -> Record {
    let mailbox = Name::from_str("nobody.invalid.").expect("a constant name");
    let rdata = SOA::new(owner.clone(), mailbox, 1, 3600, 1200, 604_800, ttl);
    Record::from_rdata(owner, ttl, RData::SOA(rdata))
}
