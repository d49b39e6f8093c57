//! IPv4 hints of SVCB and HTTPS records, left out for clients that have no IPv4.
//!
//! Off by default: a DNS64 passes these records octet by octet (RFC 9460 §4.2), since a client that follows the
//! target name gets synthesized addresses there. An address family that a client does not have is no use to it, and
//! some clients try the hints before they ask. A key that is left out goes from the `mandatory` list as well
//! (RFC 9460 §8). Choice: records that come with a signature to a client that wants signatures stay as they are.
//! Does not make IPv6 hints.

use crate::answer::Outcome;
use crate::chain::covered;
use crate::policy::{Policy, View};
use crate::question::Question;
use crate::reply::{Body, Built, Origin, Reply};
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::{RData, Record, RecordType};

/// Whether clients with `view` are spared IPv4 hints: those that are synthesized for.
pub(crate) fn unwanted(policy: &Policy, view: &View) -> bool {
    policy.site().strip_ipv4hint && view.synthesis().is_some()
}

/// The reply to `question` without IPv4 hints.
pub fn strip(question: &Question, outcome: Outcome, trust_ad: bool) -> Reply {
    let answer = match outcome {
        Ok(answer) => answer.believed(trust_ad),
        Err(failure) => return Reply::failed(failure),
    };
    let Ok(mut message) = answer.message() else { return Reply::forwarded(answer) };
    if question.dnssec_ok() && is_signed(&message) {
        return Reply::forwarded(answer);
    }
    let records = message.answers.iter_mut().chain(&mut message.additionals);
    if !records.fold(false, |changed, record| strip_record(record) | changed) {
        return Reply::forwarded(answer);
    }
    let built = Built {
        rcode: answer.rcode(),
        authoritative: false,
        answers: message.answers,
        authorities: message.authorities,
        additionals: message.additionals,
        errors: answer.extended_errors().to_vec(),
    };
    Reply { origin: Origin::Filtered, body: Body::Built(built) }
}

fn is_signed(message: &Message) -> bool {
    let records = message.answers.iter().chain(&message.additionals);
    records.into_iter().any(|record| matches!(covered(record), Some(RecordType::SVCB | RecordType::HTTPS)))
}

/// Says whether anything changed.
fn strip_record(record: &mut Record) -> bool {
    match &mut record.data {
        RData::SVCB(svcb) => strip_params(svcb),
        RData::HTTPS(https) => strip_params(&mut https.0),
        _ => false,
    }
}

fn strip_params(svcb: &mut SVCB) -> bool {
    let before = svcb.svc_params.len();
    svcb.svc_params.retain(|(key, _)| *key != SvcParamKey::Ipv4Hint);
    if svcb.svc_params.len() == before {
        return false;
    }
    for (_, value) in &mut svcb.svc_params {
        if let SvcParamValue::Mandatory(mandatory) = value {
            mandatory.0.retain(|key| *key != SvcParamKey::Ipv4Hint);
        }
    }
    // RFC 9460 §8: the list must not be empty.
    svcb.svc_params
        .retain(|(_, value)| !matches!(value, SvcParamValue::Mandatory(list) if list.0.is_empty()));
    true
}

#[cfg(test)]
mod tests;
