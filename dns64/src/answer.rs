//! What came back from the upstreams: an [`Answer`] that was checked and measured, or a [`Failure`].
//!
//! An answer keeps the octets it came in, so that whatever is not synthesized passes on unchanged (RFC 5625 §4.3,
//! RFC 6147 §5.3.3). Owns the check that a reply belongs to its query (RFC 5452 §9.1) and the offsets of its
//! sections. Does not decode records; [`Answer::message`] does that for synthesis, and records of another class than
//! was asked for, which nobody should believe, are taken out that way.

use crate::query::Query;
use crate::wire::{self, HEADER, QUESTION_TAIL, flag};
use hickory_proto::ProtoError;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::serialize::binary::DecodeError;
use std::borrow::Cow;

/// The outcome of a query.
pub type Outcome = Result<Answer, Failure>;

/// Why no upstream gave an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    /// All that were asked stayed silent.
    #[error("no upstream resolver answered in time")]
    Silent,
    /// All that were asked could not be reached or broke the exchange off.
    #[error("no upstream resolver can be reached")]
    Unreachable,
    /// As many queries as the daemon allows are waiting for upstreams.
    #[error("too many queries are waiting for upstream resolvers")]
    Overload,
    /// As many queries as one client may have are waiting for upstreams.
    #[error("this client has too many queries waiting for upstream resolvers")]
    ClientOverload,
    /// An answer came whose records cannot be read.
    #[error("the upstream resolver's answer cannot be read")]
    Malformed,
    /// The operating system refused a socket or random numbers.
    #[error("the resolver is out of sockets or other resources")]
    Resources,
    /// The aliases of the name asked for go on for longer than anyone follows.
    #[error("the name's aliases go on for too long")]
    Endless,
    /// The exchange ended before its time, for a fault of this daemon.
    #[error("the query to the upstream resolvers was broken off")]
    Interrupted,
    /// Whoever could be asked asks this daemon in turn.
    #[error("the upstream resolver leads back to this one")]
    Loop,
}

/// An extended error (RFC 8914).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    /// INFO-CODE.
    pub code: u16,
    /// EXTRA-TEXT, UTF-8 by rule.
    pub text: Cow<'static, [u8]>,
}

/// INFO-CODEs of a failed validation (RFC 8914 §4, and 27 of RFC 9276): data that must not be worked around.
const VALIDATION_FAILED: [u16; 11] = [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 27];

impl Failure {
    /// What the client is told.
    pub fn extended_error(self) -> ExtendedError {
        // RFC 8914 §4.23 No Reachable Authority, §4.1 Other Error, §4.24 Network Error.
        let code = match self {
            Self::Silent | Self::Unreachable | Self::Loop => 22,
            Self::Overload | Self::ClientOverload | Self::Resources | Self::Endless | Self::Interrupted => 0,
            Self::Malformed => 23,
        };
        ExtendedError::new(code, self.to_string())
    }
}

impl ExtendedError {
    /// Blocked by the operator's own policy (RFC 8914 §4.16).
    pub const BLOCKED: u16 = 15;
    /// Filtered by what the site asked for (RFC 8914 §4.18).
    pub const FILTERED: u16 = 17;
    /// The reply holds records that no zone has (code 29 of the registry of RFC 8914 §5.2).
    pub const SYNTHESIZED: Self = Self { code: 29, text: Cow::Borrowed(b"DNS64") };

    /// A reply that is made of what its time is over for (RFC 8914 §4.4).
    pub const STALE: Self = Self { code: 3, text: Cow::Borrowed(b"") };
    /// A name error whose time is over (RFC 8914 §4.20).
    pub const STALE_NAME_ERROR: Self = Self { code: 19, text: Cow::Borrowed(b"") };

    /// `code` with an explanation.
    pub fn new(code: u16, text: String) -> Self {
        Self { code, text: Cow::Owned(text.into_bytes()) }
    }
}

/// Why an answer cannot be taken apart.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unreadable {
    /// Its compression pointers lead to each other over and over.
    #[error("compression pointers lead to each other over and over")]
    Pointers,
    /// A record is malformed.
    #[error(transparent)]
    Record(#[from] DecodeError),
    /// What is left of it has no wire form.
    #[error(transparent)]
    Encoding(#[from] ProtoError),
}

/// Why a message is not the reply to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// Another number.
    Id,
    /// Another question, or none.
    Question,
    /// The right question in another case than it was sent in.
    Case,
    /// Not a response, or one that cannot be read.
    Malformed,
}

impl Mismatch {
    /// Every mismatch.
    pub const ALL: [Self; 4] = [Self::Id, Self::Question, Self::Case, Self::Malformed];

    /// The metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Question => "question",
            Self::Case => "case",
            Self::Malformed => "malformed",
        }
    }
}

/// A reply that belongs to its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    message: Vec<u8>,
    question_end: usize,
    sections: [Section; 3],
    rcode: u16,
    errors: Vec<ExtendedError>,
    authentic: bool,
    edns: bool,
}

/// One of the three record sections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    /// How many records.
    pub(crate) count: u16,
    /// Where they end.
    pub(crate) end: usize,
}

impl Answer {
    /// The reply in `message` to `query`, which was sent with `id` and with its name spelt `sent_name`.
    ///
    /// The question is rewritten to the client's spelling, so that names compressed against it follow. An error
    /// without a question section is taken, as some servers send it.
    ///
    /// # Errors
    /// What does not fit. The caller goes on waiting: anyone can send such a message.
    pub fn parse(mut message: Vec<u8>, query: &Query, id: u16, sent_name: &[u8]) -> Result<Self, Mismatch> {
        let header: [u8; HEADER] = *message.first_chunk().ok_or(Mismatch::Malformed)?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        if word(0) != id {
            return Err(Mismatch::Id);
        }
        let flags = word(2);
        if flags & (flag::RESPONSE | flag::OPCODE) != flag::RESPONSE {
            return Err(Mismatch::Malformed);
        }
        let low_rcode = flags & flag::RCODE;
        let question_end = match word(4) {
            0 if low_rcode != 0 && low_rcode != NAME_ERROR => HEADER,
            1 => take_question(&mut message, query, sent_name)?,
            _ => return Err(Mismatch::Question),
        };
        let mut answer = Self {
            message,
            question_end,
            sections: [Section::default(); 3],
            rcode: low_rcode,
            errors: Vec::new(),
            authentic: false,
            edns: false,
        };
        let pure = answer.measure([word(6), word(8), word(10)], query.qclass).ok_or(Mismatch::Malformed)?;
        if pure {
            return Ok(answer);
        }
        let message = of_class(&answer.message, query.qclass).map_err(|_| Mismatch::Malformed)?;
        Self::parse(message, query, id, query.name.as_bytes())
    }

    /// An answer that was taken apart: `message` is its question behind an empty header and its records behind that.
    pub(crate) fn restored(
        mut message: Vec<u8>,
        sections: [Section; 3],
        rcode: u16,
        authentic: bool,
        errors: Vec<ExtendedError>,
        question_end: usize,
    ) -> Self {
        let authentic = if authentic { flag::AUTHENTIC_DATA } else { 0 };
        let [answers, authorities, additionals] = sections.map(|section| section.count);
        let flags = flag::RESPONSE | authentic | (rcode & flag::RCODE);
        for (at, word) in [0, flags, 1, answers, authorities, additionals].into_iter().enumerate() {
            message[2 * at..2 * at + 2].copy_from_slice(&word.to_be_bytes());
        }
        Self { message, question_end, sections, rcode, errors, authentic: false, edns: true }
    }

    /// Finds where the sections end, and whether all records are of `class`. An OPT record is read and left out, with
    /// whatever stands behind it.
    fn measure(&mut self, counts: [u16; 3], class: u16) -> Option<bool> {
        let mut at = self.question_end;
        let mut pure = true;
        for (index, count) in counts.into_iter().enumerate() {
            self.sections[index] = Section { count: 0, end: at };
            let mut open = true;
            for _ in 0..count {
                let record = wire::record(&self.message, at)?;
                if record.rtype == wire::OPT && index == 2 {
                    (open, self.edns) = (false, true);
                    self.rcode |= u16::from(record.ttl.to_be_bytes()[0]) << 4;
                    self.errors = read_errors(&self.message[record.data.clone()]);
                    self.errors.truncate(MAX_ERRORS);
                }
                at = record.data.end;
                pure &= record.class == class || class == CLASS_ANY || record.rtype == wire::OPT;
                if open {
                    self.sections[index].count += 1;
                    self.sections[index].end = at;
                }
            }
        }
        Some(pure)
    }

    /// The response code with its extended bits (RFC 6891 §6.1.3).
    pub fn rcode(&self) -> ResponseCode {
        self.rcode.into()
    }

    /// Whether the sender left records out for lack of room.
    pub fn is_truncated(&self) -> bool {
        wire::u16_at(&self.message, 2).is_some_and(|flags| flags & flag::TRUNCATED != 0)
    }

    /// Whether all records were found authentic by someone who is believed; false until [`Answer::believed`] says so.
    pub fn is_authentic(&self) -> bool {
        self.authentic
    }

    /// The same with the upstream's AD bit (RFC 4035 §3.2.3) if `trusted`, and without it otherwise.
    #[must_use]
    pub fn believed(self, trusted: bool) -> Self {
        Self { authentic: trusted && self.says_authentic(), ..self }
    }

    /// The same with one more extended error, which stands before the upstream's.
    #[must_use]
    pub(crate) fn explained(mut self, error: ExtendedError) -> Self {
        self.errors.insert(0, error);
        self
    }

    /// Whether it repeats the question, in the case it was sent in.
    pub(crate) fn has_question(&self) -> bool {
        self.question_end > HEADER
    }

    /// Whether the upstream speaks EDNS in it.
    pub(crate) fn has_edns(&self) -> bool {
        self.edns
    }

    /// Our own extended errors and then the upstream's.
    pub fn extended_errors(&self) -> &[ExtendedError] {
        &self.errors
    }

    /// Whether the upstream says that validation failed: such data must not be worked around.
    pub fn failed_validation(&self) -> bool {
        self.errors.iter().any(|error| VALIDATION_FAILED.contains(&error.code))
    }

    /// Whether it says that its time is over.
    pub fn is_stale(&self) -> bool {
        let stale = [ExtendedError::STALE.code, ExtendedError::STALE_NAME_ERROR.code];
        self.errors.iter().any(|error| stale.contains(&error.code))
    }

    /// The decoded message.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn message(&self) -> Result<Message, Unreadable> {
        decode(&self.message)
    }

    /// Whether its sender says that its records are authentic (RFC 4035 §3.2.3). Nothing says that it is right.
    pub(crate) fn says_authentic(&self) -> bool {
        wire::u16_at(&self.message, 2).is_some_and(|flags| flags & flag::AUTHENTIC_DATA != 0)
    }

    /// The message.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.message
    }

    /// Whether `other` is this answer, whoever is believed.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.message == other.message && self.errors == other.errors
    }

    /// The message, in which nothing may change its length.
    pub(crate) fn octets_mut(&mut self) -> &mut [u8] {
        &mut self.message
    }

    /// The records' octets from the first of the answer section to the end of section `last` (0 to 2).
    pub(crate) fn records(&self, last: usize) -> &[u8] {
        &self.message[self.question_end..self.sections[last].end]
    }

    /// The three sections, without OPT.
    pub(crate) fn sections(&self) -> [Section; 3] {
        self.sections
    }

    /// Where the question ends; [`HEADER`] where there is none.
    pub(crate) fn question_end(&self) -> usize {
        self.question_end
    }
}

/// QCLASS * (RFC 1035 §3.2.5).
const CLASS_ANY: u16 = 255;

/// Decodes a message whose names take no longer to read than its length is worth.
fn decode(message: &[u8]) -> Result<Message, Unreadable> {
    if wire::has_pointer_chain(message) {
        return Err(Unreadable::Pointers);
    }
    Ok(Message::from_vec(message)?)
}

/// `message` without the records of other classes than `class`. Names may be compressed against those, so they cannot
/// be cut out.
fn of_class(message: &[u8], class: u16) -> Result<Vec<u8>, Unreadable> {
    let mut message = decode(message)?;
    for records in [&mut message.answers, &mut message.authorities, &mut message.additionals] {
        records.retain(|record| u16::from(record.dns_class) == class);
    }
    Ok(message.to_vec()?)
}

/// RCODE 3.
const NAME_ERROR: u16 = 3;

/// How many of an upstream's extended errors are passed on.
const MAX_ERRORS: usize = 3;

/// Octets of an extended error's text that are passed on: a sentence. What stands behind them is cut off, so that every
/// answer can be remembered with its errors.
const MAX_TEXT: usize = 128;

/// All extended errors among EDNS options.
pub(crate) fn read_errors(options: &[u8]) -> Vec<ExtendedError> {
    let bodies = wire::options(options).filter(|(code, _)| *code == wire::OPTION_EDE);
    let errors = bodies.filter_map(|(_, body)| {
        let code = wire::u16_at(body, 0)?;
        Some(ExtendedError { code, text: Cow::Owned(cut_text(&body[2..]).to_vec()) })
    });
    errors.collect()
}

/// The start of `text`, without a part of a character at its end.
fn cut_text(text: &[u8]) -> &[u8] {
    let is_inside = |octet: &u8| octet & 0xc0 == 0x80;
    let mut end = text.len().min(MAX_TEXT);
    while end > 0 && text.get(end).is_some_and(is_inside) {
        end -= 1;
    }
    &text[..end]
}

/// Compares the question with what was asked and gives its name the client's spelling.
fn take_question(message: &mut [u8], query: &Query, sent_name: &[u8]) -> Result<usize, Mismatch> {
    let name_end = HEADER + sent_name.len();
    let name = message.get(HEADER..name_end).ok_or(Mismatch::Question)?;
    if !name.eq_ignore_ascii_case(sent_name)
        || wire::u16_at(message, name_end) != Some(u16::from(query.qtype))
        || wire::u16_at(message, name_end + 2) != Some(query.qclass)
    {
        return Err(Mismatch::Question);
    }
    if name != sent_name {
        return Err(Mismatch::Case);
    }
    message[HEADER..name_end].copy_from_slice(query.name.as_bytes());
    Ok(name_end + QUESTION_TAIL)
}

#[cfg(test)]
pub(crate) mod tests;
