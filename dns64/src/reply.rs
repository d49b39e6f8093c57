//! What a client is told, and its octets.
//!
//! Follows RFC 1035 §4.1, RFC 6891 §6.1 and §7, RFC 2181 §9 (truncation) and RFC 8914. The question is echoed octet
//! by octet, so that a client that varies the case of its names finds its own. An OPT record is sent only to who
//! sent one, and is never lost to truncation. Choice: a reply that does not fit leaves out the additional section,
//! then, where there is an answer, the authority section; if the answer itself does not fit it goes out empty with
//! TC set, which is small and sends the client to TCP. RA is always set. Nothing is validated
//! here: AD is set on what a trusted upstream found authentic and nobody changed, for clients that understand it
//! (RFC 6840 §5.7, §5.8).

mod opt;

pub use opt::Extras;

use crate::answer::{Answer, ExtendedError, Failure, Outcome, Section};
use crate::question::{Question, Rejection};
use crate::wire::{HEADER, QUESTION_TAIL, flag};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};
use opt::Opt;
pub(crate) use opt::write_errors;

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
    /// Answered here by rule: special names and the like.
    Local,
    /// Answered here from hosts files, leases and single hosts.
    Hosts,
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
    pub const ALL: [Self; 8] = [
        Self::Local,
        Self::Hosts,
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
            Self::Hosts => "hosts",
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

    /// What came of asking an upstream, as it came; with its AD bit if `trust_ad`.
    pub fn relayed(outcome: Outcome, trust_ad: bool) -> Self {
        match outcome {
            Ok(answer) => Self::forwarded(answer.believed(trust_ad)),
            Err(failure) => Self::failed(failure),
        }
    }

    /// An error code by rule.
    pub fn refused(rcode: ResponseCode) -> Self {
        Self { origin: Origin::Refused, body: Body::Built(Built { rcode, ..Built::default() }) }
    }

    /// The same with one more extended error.
    #[must_use]
    pub fn explained(self, error: ExtendedError) -> Self {
        let body = match self.body {
            Body::Passed(answer) => Body::Passed(answer.explained(error)),
            Body::Built(mut built) => {
                built.errors.push(error);
                Body::Built(built)
            }
        };
        Self { body, ..self }
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
        let outline = self.outline(question, out);
        finish(question, room, extras, &outline, out);
    }

    /// Writes everything behind the header: question, records, and extended errors as OPT options.
    pub(crate) fn outline(&self, question: &Question, out: &mut Vec<u8>) -> Outline {
        let (sections, truncated, errors) = match &self.body {
            Body::Passed(answer) => {
                (pass(answer, question, out), answer.is_truncated(), answer.extended_errors())
            }
            Body::Built(built) => {
                let (sections, truncated) = build(built, question, out);
                (sections, truncated, &built.errors[..])
            }
        };
        write_errors(errors, out);
        let authoritative = matches!(&self.body, Body::Built(built) if built.authoritative);
        let authentic = matches!(&self.body, Body::Passed(answer) if answer.is_authentic());
        Outline { rcode: self.rcode(), authoritative, authentic, truncated, sections }
    }
}

/// What stands in a buffer behind header and question, and what header and OPT record will say of it.
///
/// Offsets count from the start of the message. What stands behind the last section are extended errors, each as
/// an OPT option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) rcode: ResponseCode,
    pub(crate) authoritative: bool,
    /// A trusted upstream vouches for the records.
    pub(crate) authentic: bool,
    /// Records are missing already.
    pub(crate) truncated: bool,
    pub(crate) sections: [Section; 3],
}

/// The part of a reply's records that is sent.
struct Cut {
    end: usize,
    counts: [u16; 3],
    truncated: bool,
}

impl Outline {
    /// The records that fit into `limit` octets of message whose question ends at `start`.
    fn cut(&self, start: usize, limit: usize) -> Cut {
        let [answers, authorities, additionals] = self.sections;
        let cut = |end, counts| Cut { end, counts, truncated: self.truncated };
        if additionals.end <= limit {
            cut(additionals.end, [answers.count, authorities.count, additionals.count])
        } else if authorities.end <= limit {
            cut(authorities.end, [answers.count, authorities.count, 0])
        } else if answers.end <= limit && answers.count > 0 {
            cut(answers.end, [answers.count, 0, 0])
        } else {
            Cut { truncated: true, ..cut(start, [0; 3]) }
        }
    }
}

/// Completes the reply to `question` that stands in `out` but for header and OPT record: cuts it to the room there
/// is, and writes both. Does not allocate where `out` has room for the OPT record.
pub(crate) fn finish(
    question: &Question,
    room: Room,
    extras: Extras<'_>,
    outline: &Outline,
    out: &mut Vec<u8>,
) {
    let limit = usize::from(room.limit(question));
    let opt = question.edns.map(|edns| Opt { rcode: outline.rcode, dnssec_ok: edns.dnssec_ok, extras });
    let beside = |errors: usize| limit.saturating_sub(opt.map_or(0, |opt| opt.len(errors)));
    let start = preamble(question);
    let records_end = outline.sections[2].end;
    let mut errors = if opt.is_some() { out.len() - records_end } else { 0 };
    let mut cut = outline.cut(start, beside(errors));
    if cut.truncated && errors > 0 {
        // Room for records comes before room for explanations.
        errors = 0;
        cut = outline.cut(start, beside(0));
    }
    out.copy_within(records_end..records_end + errors, cut.end);
    out.truncate(cut.end + errors);
    if let Some(opt) = opt {
        opt.write(errors, limit, out);
    }
    let mut flags = flag::RESPONSE | flag::RECURSION_AVAILABLE | u16::from(outline.rcode.low());
    let understands_ad = question.authentic_data || question.dnssec_ok();
    for (bit, set) in [
        (flag::AUTHORITATIVE, outline.authoritative),
        (flag::AUTHENTIC_DATA, outline.authentic && understands_ad),
        (flag::TRUNCATED, cut.truncated),
        (flag::RECURSION_DESIRED, question.recursion_desired),
        (flag::CHECKING_DISABLED, question.checking_disabled),
    ] {
        flags |= if set { bit } else { 0 };
    }
    let [answers, authorities, additionals] = cut.counts;
    let words = [question.id, flags, 1, answers, authorities, additionals + u16::from(opt.is_some())];
    for (at, word) in words.into_iter().enumerate() {
        out[2 * at..2 * at + 2].copy_from_slice(&word.to_be_bytes());
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

/// Writes the reply to `question` without records: with TC where it is no error, so that the client comes back over a
/// stream.
pub(crate) fn cut_off(
    question: &Question,
    room: Room,
    extras: Extras<'_>,
    rcode: ResponseCode,
    out: &mut Vec<u8>,
) {
    write_preamble(question, out);
    let sections = [Section { count: 0, end: out.len() }; 3];
    let truncated = rcode == ResponseCode::NoError;
    let outline = Outline { rcode, authoritative: false, authentic: false, truncated, sections };
    finish(question, room, extras, &outline, out);
}

/// Octets of header and question.
fn preamble(question: &Question) -> usize {
    HEADER + question.name.as_bytes().len() + QUESTION_TAIL
}

/// Header and question, the header still empty.
pub(crate) fn write_preamble(question: &Question, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0; HEADER]);
    out.extend_from_slice(question.name.as_bytes());
    out.extend_from_slice(&u16::from(question.qtype).to_be_bytes());
    out.extend_from_slice(&question.qclass.to_be_bytes());
}

/// Copies an upstream's records. Its question is as long as the client's, so compression pointers hold.
fn pass(answer: &Answer, question: &Question, out: &mut Vec<u8>) -> [Section; 3] {
    write_preamble(question, out);
    if answer.question_end() != out.len() {
        // An error without a question section; such an answer has no records worth passing on.
        return [Section { count: 0, end: out.len() }; 3];
    }
    out.extend_from_slice(answer.records(2));
    answer.sections()
}

/// Encodes records, compressing names; says as well whether what the reply is about did not fit into any message.
fn build(built: &Built, question: &Question, out: &mut Vec<u8>) -> ([Section; 3], bool) {
    out.clear();
    let mut encoder = BinEncoder::new(out);
    let preamble_fits = encoder
        .emit_vec(&[0; HEADER])
        // Through the encoder, so that records' names are compressed against it.
        .and_then(|()| question.name.to_name().emit(&mut encoder))
        .and_then(|()| encoder.emit_u16(question.qtype.into()))
        .and_then(|()| encoder.emit_u16(question.qclass));
    debug_assert!(preamble_fits.is_ok() && encoder.offset() == preamble(question));
    let mut sections = [Section { count: 0, end: encoder.offset() }; 3];
    let mut lost = None;
    for (index, records) in [&built.answers, &built.authorities, &built.additionals].into_iter().enumerate() {
        let start = encoder.offset();
        if lost.is_none() && records.iter().all(|record| record.emit(&mut encoder).is_ok()) {
            sections[index].count = u16::try_from(records.len()).unwrap_or(u16::MAX);
        } else {
            encoder.set_offset(start);
            encoder.trim();
            lost = lost.or(Some(index));
        }
        sections[index].end = encoder.offset();
    }
    let truncated = match lost {
        Some(0) => true,
        Some(1) => sections[0].count == 0,
        _ => false,
    };
    (sections, truncated)
}

#[cfg(test)]
pub(crate) mod tests;
