//! What is asked of an upstream, and its octets (RFC 1035 §4.1, RFC 6891 §6.1).
//!
//! Built from the question's meaning and never from its octets: no option of the client goes upstream, so nothing
//! that it sends can mark it there. DO, CD and RD are the client's own. AD is always set, which asks an upstream that
//! validates to say what it found (RFC 6840 §5.7). The caller brings number and spelling, which must be random
//! (RFC 5452 §9.2, and names in mixed case). On encrypted transports queries are padded, so that their length tells
//! little (RFC 7830, RFC 8467 §4.1).

use crate::name::WireName;
use crate::question::Question;
use crate::reply::MAX_UDP;
use crate::wire::{self, OPTION_HEAD, flag};
use hickory_proto::rr::RecordType;

/// Padded queries have a multiple of so many octets (RFC 8467 §4.1).
const PADDED_TO: usize = 128;

/// How a query speaks EDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edns {
    /// Not at all, to upstreams that do not know it (RFC 6891 §6.2.2): DO gets lost.
    Off,
    /// Without options.
    Plain,
    /// Padded.
    Padded,
}

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

    /// Appends the message with number `id` and the name spelt `spelling` to `out`.
    pub fn encode(&self, id: u16, spelling: &WireName, edns: Edns, out: &mut Vec<u8>) {
        let start = out.len();
        let mut flags = flag::AUTHENTIC_DATA;
        for (bit, set) in [
            (flag::RECURSION_DESIRED, self.recursion_desired),
            (flag::CHECKING_DISABLED, self.checking_disabled),
        ] {
            flags |= if set { bit } else { 0 };
        }
        let additional = u16::from(edns != Edns::Off);
        push(out, [id, flags, 1, 0, 0, additional]);
        out.extend_from_slice(spelling.as_bytes());
        push(out, [u16::from(self.qtype), self.qclass]);
        let dnssec_ok = if self.dnssec_ok { flag::DNSSEC_OK } else { 0 };
        if edns == Edns::Off {
            return;
        }
        out.push(0);
        push(out, [wire::OPT, MAX_UDP, 0, dnssec_ok]);
        if edns == Edns::Plain {
            return push(out, [0]);
        }
        // The length of the data stands before the option.
        let unpadded = out.len() - start + 2 + OPTION_HEAD;
        let padding = unpadded.next_multiple_of(PADDED_TO) - unpadded;
        let body = u16::try_from(padding).unwrap_or_default();
        push(out, [body + 4, wire::OPTION_PADDING, body]);
        out.resize(out.len() + padding, 0);
    }
}

fn push<const N: usize>(out: &mut Vec<u8>, words: [u16; N]) {
    out.extend(words.into_iter().flat_map(u16::to_be_bytes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::query;
    use crate::wire::{HEADER, QUESTION_TAIL};
    use hickory_proto::op::{Message, MessageType};

    fn decoded(query: &Query, id: u16, spelling: &WireName, edns: Edns) -> (Message, usize) {
        let mut out = Vec::new();
        query.encode(id, spelling, edns, &mut out);
        (Message::from_vec(&out).unwrap(), out.len())
    }

    #[test]
    fn a_query_carries_the_clients_bits_and_nothing_else_of_it() {
        let query =
            Query { checking_disabled: true, dnssec_ok: true, ..query("www.example", RecordType::AAAA) };
        let (message, _) = decoded(&query, 0xbeef, &query.name.respelt(&[0xff; 32]), Edns::Plain);
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
        let (message, _) = decoded(&query, 1, &query.name, Edns::Plain);
        assert!(!message.metadata.recursion_desired && !message.metadata.checking_disabled);
        assert!(!message.edns.unwrap().flags().dnssec_ok);
    }

    #[test]
    fn a_query_without_edns_has_a_question_and_nothing_else() {
        let query = Query { dnssec_ok: true, ..query("www.example", RecordType::A) };
        let (message, length) = decoded(&query, 1, &query.name, Edns::Off);
        assert!(message.edns.is_none());
        assert_eq!(length, HEADER + query.name.as_bytes().len() + QUESTION_TAIL);
    }

    #[test]
    fn padded_queries_have_one_of_few_lengths() {
        let label = "a".repeat(60);
        for name in ["a".to_owned(), "www.example".to_owned(), format!("{label}.{label}.{label}.{label}")] {
            for cut in 0..name.len().min(130) {
                let Some(text) = name.get(cut..).filter(|text| !text.starts_with('.')) else { continue };
                let query = query(text, RecordType::A);
                let (message, length) = decoded(&query, 1, &query.name, Edns::Padded);
                assert_eq!(length % PADDED_TO, 0, "{text}");
                assert!(message.edns.is_some() && length <= 3 * PADDED_TO);
            }
        }
    }
}
