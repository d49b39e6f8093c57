//! The parser of the hot path: a datagram becomes a [`Question`], or is refused or dropped with a reason.
//!
//! Follows RFC 1035 §4.1 for the message, RFC 6891 §6.1 for the OPT record and RFC 9619 for the one question.
//! Reads one pass without allocation and keeps the name's octets as they came, since the reply echoes them.
//! Deliberately lenient: octets behind the last record and EDNS options are ignored.

mod edns;

pub use edns::{Asks, CLIENT_COOKIE, ClientEdns, Cookie, SERVER_COOKIE};

use crate::name::WireName;
use crate::wire::{self, HEADER, QUESTION_TAIL, flag};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

/// Class IN.
pub const CLASS_IN: u16 = 1;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The message's number, echoed.
    pub id: u16,
    /// The name, in the case it came in.
    pub name: WireName,
    /// The type.
    pub qtype: RecordType,
    /// The class.
    pub qclass: u16,
    /// RD.
    pub recursion_desired: bool,
    /// CD (RFC 4035 §3.2.2).
    pub checking_disabled: bool,
    /// AD: the client understands AD in the reply (RFC 6840 §5.7).
    pub authentic_data: bool,
    /// What the client's OPT record says, if there is one.
    pub edns: Option<ClientEdns>,
}

/// Why a message is no question that can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is sent back.
    Drop(DropReason),
    /// An error without a question section is sent back.
    Reject(Rejection),
}

/// Why a message gets no answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Fewer octets than a header: there is no number to answer to.
    Short,
    /// QR is set: answering responses makes loops.
    Response,
    /// It came from port 0, where no answer can go.
    SourcePort,
    /// It seems to come from where this daemon listens.
    OwnAddress,
    /// Its sender may not ask.
    Denied,
    /// Its sender's network had as many answers of this kind as it may have.
    RateLimited,
    /// The answer did not fit into the socket's send buffer.
    SendBuffer,
    /// The operating system refused to send the answer.
    Unsendable,
    /// The client's connection was gone before its answer.
    ConnectionGone,
    /// A fault of this daemon, which cost one datagram.
    Panic,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::Short,
        Self::Response,
        Self::SourcePort,
        Self::OwnAddress,
        Self::Denied,
        Self::RateLimited,
        Self::SendBuffer,
        Self::Unsendable,
        Self::ConnectionGone,
        Self::Panic,
    ];

    /// The metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Response => "response",
            Self::SourcePort => "source_port",
            Self::OwnAddress => "own_address",
            Self::Denied => "denied",
            Self::RateLimited => "rate_limited",
            Self::SendBuffer => "send_buffer",
            Self::Unsendable => "unsendable",
            Self::ConnectionGone => "connection_gone",
            Self::Panic => "panic",
        }
    }
}

/// What the error reply to an unusable message needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The message's number, echoed.
    pub id: u16,
    /// Header octets 2 and 3 as they came.
    pub flags: u16,
    /// What is wrong.
    pub reason: RejectReason,
}

/// Why a message is answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// An opcode other than QUERY.
    Opcode,
    /// No question, or several.
    QuestionCount,
    /// A name or record that runs past the end, or counts that do not hold.
    Malformed,
    /// Two OPT records, or one whose owner is not the root (RFC 6891 §6.1.1).
    Opt,
    /// A cookie of a length that cannot be (RFC 7873 §5.2.2).
    Cookie,
}

impl RejectReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Opcode, Self::QuestionCount, Self::Malformed, Self::Opt, Self::Cookie];

    /// The metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Opcode => "opcode",
            Self::QuestionCount => "question_count",
            Self::Malformed => "malformed",
            Self::Opt => "opt",
            Self::Cookie => "cookie",
        }
    }

    /// The code that is sent back.
    pub const fn rcode(self) -> ResponseCode {
        match self {
            Self::Opcode => ResponseCode::NotImp,
            Self::QuestionCount | Self::Malformed | Self::Opt | Self::Cookie => ResponseCode::FormErr,
        }
    }
}

impl Question {
    /// The question in `message`.
    ///
    /// # Errors
    /// The reason why there is none, and whether that is said to the sender.
    pub fn parse(message: &[u8]) -> Result<Self, Refusal> {
        let header: &[u8; HEADER] = message.first_chunk().ok_or(Refusal::Drop(DropReason::Short))?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (id, flags) = (word(0), word(2));
        if flags & flag::RESPONSE != 0 {
            return Err(Refusal::Drop(DropReason::Response));
        }
        let reject = |reason| Refusal::Reject(Rejection { id, flags, reason });
        if flags & flag::OPCODE != 0 {
            return Err(reject(RejectReason::Opcode));
        }
        if word(4) != 1 {
            return Err(reject(RejectReason::QuestionCount));
        }
        let malformed = || reject(RejectReason::Malformed);
        let name = WireName::parse(&message[HEADER..]).map_err(|_| malformed())?;
        let at = HEADER + name.as_bytes().len();
        let qtype = wire::u16_at(message, at).ok_or_else(malformed)?;
        let qclass = wire::u16_at(message, at + 2).ok_or_else(malformed)?;
        let before_additional = usize::from(word(6)) + usize::from(word(8));
        let edns = edns::read(message, at + QUESTION_TAIL, before_additional, usize::from(word(10)));
        Ok(Self {
            id,
            name,
            qtype: RecordType::from(qtype),
            qclass,
            recursion_desired: flags & flag::RECURSION_DESIRED != 0,
            checking_disabled: flags & flag::CHECKING_DISABLED != 0,
            authentic_data: flags & flag::AUTHENTIC_DATA != 0,
            edns: edns.map_err(reject)?,
        })
    }

    /// Whether the client wants DNSSEC records.
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }
}

#[cfg(test)]
mod tests;
