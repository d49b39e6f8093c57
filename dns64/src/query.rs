//! What is asked of an upstream, and its octets (RFC 1035 §4.1, RFC 6891 §6.1).
//!
//! Built from the question's meaning and never from its octets: no option of the client goes upstream, so nothing
//! that it sends can mark it there. DO, CD and RD are the client's own. AD is
//! always set, which asks an upstream that validates to say what it found (RFC 6840 §5.7). The caller brings number
//! and spelling, which must be random (RFC 5452 §9.2, and names in mixed case).

use crate::name::WireName;
use crate::question::Question;
use crate::reply::MAX_UDP;
use crate::wire::{self, HEADER, QUESTION_TAIL, flag};
use hickory_proto::rr::RecordType;

/// Octets of an OPT record without options.
const OPT_LENGTH: usize = 11;

/// What is asked of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The name, in the client's case.
    pub name: WireName,
    /// The type.
    pub qtype: RecordType,
    /// The class.
    pub qclass: u16,
    /// RD.
    pub recursion_desired: bool,
    /// CD.
    pub checking_disabled: bool,
    /// DO.
    pub dnssec_ok: bool,
}

impl Query {
    /// `question` about another name or type.
    pub fn new(question: &Question, name: WireName, qtype: RecordType) -> Self {
        Self {
            name,
            qtype,
            qclass: question.qclass,
            recursion_desired: question.recursion_desired,
            checking_disabled: question.checking_disabled,
            dnssec_ok: question.dnssec_ok(),
        }
    }

    /// The message with number `id` and the name spelt `spelling`.
    pub fn encode(&self, id: u16, spelling: &WireName) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + spelling.as_bytes().len() + QUESTION_TAIL + OPT_LENGTH);
        let mut flags = flag::AUTHENTIC_DATA;
        for (bit, set) in [
            (flag::RECURSION_DESIRED, self.recursion_desired),
            (flag::CHECKING_DISABLED, self.checking_disabled),
        ] {
            flags |= if set { bit } else { 0 };
        }
        for word in [id, flags, 1, 0, 0, 1] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.extend_from_slice(spelling.as_bytes());
        let dnssec_ok = if self.dnssec_ok { flag::DNSSEC_OK } else { 0 };
        out.extend_from_slice(&u16::from(self.qtype).to_be_bytes());
        out.extend_from_slice(&self.qclass.to_be_bytes());
        out.push(0);
        for word in [wire::OPT, MAX_UDP, 0, dnssec_ok, 0] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::query;
    use hickory_proto::op::{Message, MessageType};

    #[test]
    fn a_query_carries_the_clients_bits_and_nothing_else_of_it() {
        let query =
            Query { checking_disabled: true, dnssec_ok: true, ..query("www.example", RecordType::AAAA) };
        let spelling = query.name.respelt(&[0xff; 32]);
        let message = Message::from_vec(&query.encode(0xbeef, &spelling)).unwrap();
        assert_eq!((message.metadata.id, message.metadata.message_type), (0xbeef, MessageType::Query));
        assert!(message.metadata.recursion_desired && message.metadata.checking_disabled);
        assert!(message.metadata.authentic_data);
        assert_eq!(message.queries[0].name.to_string(), "WWW.EXAMPLE.");
        let edns = message.edns.unwrap();
        assert!(
            edns.flags().dnssec_ok && edns.max_payload() == MAX_UDP && edns.options().as_ref().is_empty()
        );
    }

    #[test]
    fn cleared_bits_stay_clear() {
        let query = Query { recursion_desired: false, ..query("www.example", RecordType::A) };
        let message = Message::from_vec(&query.encode(1, &query.name)).unwrap();
        assert!(!message.metadata.recursion_desired && !message.metadata.checking_disabled);
        assert!(!message.edns.unwrap().flags().dnssec_ok);
    }
}
