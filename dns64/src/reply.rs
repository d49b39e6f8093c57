//! What a client is told, and its octets.
//!
//! Follows RFC 1035 §4.1, RFC 6891 §6.1 and §7, RFC 2181 §9 (truncation) and RFC 8914. The question is echoed octet
//! by octet, so that a client that varies the case of its names finds its own. An OPT record is sent only to who
//! sent one, and is never lost to truncation. Choice: a reply that does not fit leaves out the additional section,
//! then, where there is an answer, the authority section; if the answer itself does not fit it goes out empty with
//! TC set, which is small and sends the client to TCP. RA is always set. AD is never set: nothing is validated here.

mod opt;

pub use opt::Extras;

use crate::answer::{Answer, ExtendedError, Failure};
use crate::question::{Question, Rejection};
use crate::wire::{HEADER, QUESTION_TAIL, flag};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};
use opt::Opt;

/// The largest UDP reply in octets, and the payload that is announced (DNS flag day 2020).
pub const MAX_UDP: u16 = 1232;

/// The largest UDP reply in octets to a client without EDNS (RFC 1035 §4.2.1).
const MAX_UDP_PLAIN: u16 = 512;

/// A reply before it is octets.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Where it came from, for the counters.
    pub origin: Origin,
    /// Its content.
    pub body: Body,
}

/// The content of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// An upstream's records as they came. Its question is the client's but for the type.
    Passed(Answer),
    /// Records put together here.
    Built(Built),
}

/// Records put together here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Built {
    /// The response code.
    pub rcode: ResponseCode,
    /// AA: the name is served here (RFC 8880 §7.1).
    pub authoritative: bool,
    /// The answer section.
    pub answers: Vec<Record>,
    /// The authority section.
    pub authorities: Vec<Record>,
    /// The additional section, without OPT.
    pub additionals: Vec<Record>,
    /// Extended errors.
    pub errors: Vec<ExtendedError>,
}

/// Where a reply came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Answered here.
    Local,
    /// An upstream's answer as it came.
    Forwarded,
    /// AAAA records made of A records.
    Synthesized,
    /// An upstream's answer without its excluded AAAA records.
    Filtered,
    /// A reverse name under a prefix.
    Reverse,
    /// No upstream gave an answer.
    Failed,
    /// Not answered by rule.
    Refused,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Self; 7] = [
        Self::Local,
        Self::Forwarded,
        Self::Synthesized,
        Self::Filtered,
        Self::Reverse,
        Self::Failed,
        Self::Refused,
    ];

    /// The metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Forwarded => "forwarded",
            Self::Synthesized => "synthesized",
            Self::Filtered => "filtered",
            Self::Reverse => "reverse",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// How many octets a reply may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// What the client and RFC 6891 allow.
    Datagram,
    /// What a length prefix can say (RFC 1035 §4.2.2).
    Stream,
}

impl Room {
    /// Octets that a reply to `question` may have.
    pub fn limit(self, question: &Question) -> u16 {
        match (self, question.edns) {
            (Self::Stream, _) => u16::MAX,
            (Self::Datagram, Some(edns)) => edns.payload.min(MAX_UDP),
            (Self::Datagram, None) => MAX_UDP_PLAIN,
        }
    }
}

impl Reply {
    /// A server failure that says why.
    pub fn failed(failure: Failure) -> Self {
        let errors = vec![failure.extended_error()];
        Self {
            origin: Origin::Failed,
            body: Body::Built(Built { rcode: ResponseCode::ServFail, errors, ..Built::default() }),
        }
    }

    /// An upstream's answer as it came.
    pub fn forwarded(answer: Answer) -> Self {
        Self { origin: Origin::Forwarded, body: Body::Passed(answer) }
    }

    /// An error code by rule.
    pub fn refused(rcode: ResponseCode) -> Self {
        Self { origin: Origin::Refused, body: Body::Built(Built { rcode, ..Built::default() }) }
    }

    /// The response code.
    pub fn rcode(&self) -> ResponseCode {
        match &self.body {
            Body::Passed(answer) => answer.rcode(),
            Body::Built(built) => built.rcode,
        }
    }

    /// Writes the reply to `question` into `out`, which is cleared first.
    pub fn encode(&self, question: &Question, room: Room, extras: Extras<'_>, out: &mut Vec<u8>) {
        let limit = room.limit(question);
        let errors = match &self.body {
            Body::Passed(answer) => answer.extended_errors(),
            Body::Built(built) => &built.errors,
        };
        // Room for records comes before room for explanations.
        if self.write(question, limit, errors, extras, out).is_err() {
            let _ = self.write(question, limit, &[], extras, out);
        }
    }

    /// Writes the reply with `errors`; `Err` says that it was truncated and `errors` took some of its room.
    fn write(
        &self,
        question: &Question,
        limit: u16,
        errors: &[ExtendedError],
        extras: Extras<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Crowded> {
        let rcode = self.rcode();
        let opt = question.edns.map(|edns| Opt { rcode, dnssec_ok: edns.dnssec_ok, errors, extras });
        let taken = u16::try_from(opt.map_or(0, |opt| opt.len())).map_err(|_| Crowded)?;
        let room = limit.checked_sub(taken).ok_or(Crowded)?;
        let written = match &self.body {
            Body::Passed(answer) => pass(answer, question, room, out),
            Body::Built(built) => build(built, question, room, out),
        };
        if written.truncated && !errors.is_empty() {
            return Err(Crowded);
        }
        if let Some(opt) = opt {
            opt.write(usize::from(limit), out);
        }
        let mut flags = flag::RESPONSE | flag::RECURSION_AVAILABLE | u16::from(rcode.low());
        for (bit, set) in [
            (flag::AUTHORITATIVE, matches!(&self.body, Body::Built(built) if built.authoritative)),
            (flag::TRUNCATED, written.truncated),
            (flag::RECURSION_DESIRED, question.recursion_desired),
            (flag::CHECKING_DISABLED, question.checking_disabled),
        ] {
            flags |= if set { bit } else { 0 };
        }
        let [answers, authorities, additionals] = written.counts;
        let words = [question.id, flags, 1, answers, authorities, additionals + u16::from(opt.is_some())];
        for (at, word) in words.into_iter().enumerate() {
            out[2 * at..2 * at + 2].copy_from_slice(&word.to_be_bytes());
        }
        Ok(())
    }
}

impl Rejection {
    /// The error reply: a header and nothing else, since nothing else can be believed.
    pub fn encode(&self) -> [u8; HEADER] {
        let kept = flag::OPCODE | flag::RECURSION_DESIRED | flag::CHECKING_DISABLED;
        let rcode = u16::from(self.reason.rcode().low());
        let flags = flag::RESPONSE | flag::RECURSION_AVAILABLE | (self.flags & kept) | rcode;
        let mut out = [0; HEADER];
        out[..2].copy_from_slice(&self.id.to_be_bytes());
        out[2..4].copy_from_slice(&flags.to_be_bytes());
        out
    }
}

/// Explanations took the room of records.
struct Crowded;

/// What went into a reply behind its question.
struct Written {
    counts: [u16; 3],
    truncated: bool,
}

impl Written {
    const TRUNCATED: Self = Self { counts: [0; 3], truncated: true };
}

/// Octets of header and question.
fn preamble(question: &Question) -> usize {
    HEADER + question.name.as_bytes().len() + QUESTION_TAIL
}

/// Header and question, the header still empty.
fn write_preamble(question: &Question, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0; HEADER]);
    out.extend_from_slice(question.name.as_bytes());
    out.extend_from_slice(&u16::from(question.qtype).to_be_bytes());
    out.extend_from_slice(&question.qclass.to_be_bytes());
}

/// Copies an upstream's records. Its question is as long as the client's, so compression pointers hold.
fn pass(answer: &Answer, question: &Question, limit: u16, out: &mut Vec<u8>) -> Written {
    write_preamble(question, out);
    let sections = answer.sections();
    let [answers, authorities, additionals] = sections.map(|section| section.count);
    if answer.question_end() != out.len() {
        // An error without a question section; such an answer has no records worth passing on.
        return Written { counts: [0; 3], truncated: false };
    }
    let start = out.len();
    let fits = |last: usize| start + answer.records(last).len() <= usize::from(limit);
    let (last, counts) = if fits(2) {
        (2, [answers, authorities, additionals])
    } else if fits(1) {
        (1, [answers, authorities, 0])
    } else if fits(0) && answers > 0 {
        (0, [answers, 0, 0])
    } else {
        return Written::TRUNCATED;
    };
    out.extend_from_slice(answer.records(last));
    Written { counts, truncated: answer.is_truncated() }
}

/// Encodes records, compressing names.
fn build(built: &Built, question: &Question, limit: u16, out: &mut Vec<u8>) -> Written {
    out.clear();
    let mut encoder = BinEncoder::new(out);
    encoder.set_max_size(limit);
    let preamble_fits = encoder
        .emit_vec(&[0; HEADER])
        // Through the encoder, so that records' names are compressed against it.
        .and_then(|()| question.name.to_name().emit(&mut encoder))
        .and_then(|()| encoder.emit_u16(question.qtype.into()))
        .and_then(|()| encoder.emit_u16(question.qclass));
    debug_assert!(preamble_fits.is_ok() && encoder.offset() == preamble(question));
    let mut counts = [0; 3];
    let mut fits = true;
    for (count, records) in counts.iter_mut().zip([&built.answers, &built.authorities, &built.additionals]) {
        if !fits {
            break;
        }
        let start = encoder.offset();
        if records.iter().all(|record| record.emit(&mut encoder).is_ok()) {
            *count = u16::try_from(records.len()).unwrap_or(u16::MAX);
        } else {
            encoder.set_offset(start);
            encoder.trim();
            fits = false;
        }
    }
    drop(encoder);
    let answered = counts[0] > 0;
    let lost_answer = !fits && counts[0] == 0 && !built.answers.is_empty();
    let lost_proof = !fits && !answered && counts[1] == 0 && !built.authorities.is_empty();
    if lost_answer || lost_proof {
        out.truncate(preamble(question));
        return Written::TRUNCATED;
    }
    Written { counts, truncated: false }
}

#[cfg(test)]
pub(crate) mod tests;
