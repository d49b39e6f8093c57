//! The head of a response, and what it says of where the content ends.
//!
//! RFC 9112 §4, §5, §6.3 and §9.3. Forgives bare line feeds as a recipient may (§2.2), and refuses folded fields and
//! blanks ahead of colons.

use super::Fault;
use crate::http::framing::grammar::decimal;
use crate::message::content::Content;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, StatusCode, Version};
use httparse::{ParserConfig, Status};
use std::mem::MaybeUninit;

/// Octets of a head.
pub const MAX_HEAD: usize = 64 << 10;
/// Fields of a head.
const MAX_FIELDS: usize = 100;
/// Octets of a line between chunks, and of all trailers together.
const MAX_LINES: usize = 16 << 10;

/// What a response answers, as far as where it ends depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `HEAD`: the length is of another response.
    Head,
    /// `CONNECT`: a success has no content.
    Connect,
    /// Any other method.
    Other,
}

impl From<&Method> for Asked {
    fn from(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// What stands ahead of the content.
#[derive(Debug)]
pub struct Head {
    /// From 100 to 999.
    pub status: StatusCode,
    /// All fields in their order.
    pub headers: HeaderMap,
    /// The phrase behind the status, if it is another than that of the standard.
    pub reason: Option<Bytes>,
    /// Whether the member wants to keep the connection.
    pub(super) persists: bool,
}

impl Head {
    /// Whether another head follows.
    pub fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// What follows a head.
pub(super) enum Framing {
    /// Another head.
    Interim,
    /// Another protocol.
    Switched,
    Content(Content),
}

/// What the fields say of framing and connection.
#[derive(Default)]
struct Told {
    length: Option<u64>,
    chunked: bool,
    /// Whether any of it can be read in two ways.
    doubtful: bool,
    /// Whether the connection is to end, or to go on, where either is said. The end counts for more.
    keeps: Option<bool>,
}

impl Told {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) {
        if name == CONTENT_LENGTH {
            let length = decimal(value.as_bytes());
            self.doubtful |= length.is_none() || self.length.is_some();
            self.length = length;
        } else if name == TRANSFER_ENCODING {
            self.doubtful |= self.chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked");
            self.chunked = true;
        } else if name == CONNECTION {
            for option in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    self.keeps = Some(false);
                } else if option.eq_ignore_ascii_case(b"keep-alive") {
                    self.keeps.get_or_insert(true);
                }
            }
        }
    }

    /// RFC 9112 §6.3, without what a recipient could forgive.
    fn framing(&self, asked: Asked, (status, version): (StatusCode, Version)) -> Result<Framing, Fault> {
        if status.is_informational() {
            let switches = status == StatusCode::SWITCHING_PROTOCOLS;
            return Ok(if switches { Framing::Switched } else { Framing::Interim });
        }
        if asked == Asked::Connect && status.is_success() {
            return Ok(Framing::Switched);
        }
        let old_coding = self.chunked && version == Version::HTTP_10;
        if self.doubtful || old_coding || (self.chunked && self.length.is_some()) {
            return Err(Fault::Framing);
        }
        let is_bare = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(Framing::Content(match self.length {
            _ if is_bare || asked == Asked::Head => Content::Ended,
            _ if self.chunked => Content::chunked(MAX_LINES),
            Some(length) => Content::of(length),
            None => Content::UntilClose,
        }))
    }

    /// RFC 9112 §9.3.
    fn persists(&self, version: Version) -> bool {
        self.keeps.unwrap_or(version == Version::HTTP_11)
    }
}

/// Reads a head, if it is whole, with its length and what follows it.
pub(super) fn read(octets: &Bytes, asked: Asked) -> Result<Option<(Head, usize, Framing)>, Fault> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut read = httparse::Response::new(&mut []);
    let length =
        match ParserConfig::default().parse_response_with_uninit_headers(&mut read, octets, &mut fields)? {
            Status::Complete(length) if length <= MAX_HEAD => length,
            Status::Partial if octets.len() < MAX_HEAD => return Ok(None),
            Status::Complete(_) | Status::Partial => return Err(Fault::LargeHead),
        };
    let version = if read.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let code = read.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_| httparse::Error::Status)?;
    let reason = read.reason.filter(|reason| Some(*reason) != status.canonical_reason());
    let mut told = Told::default();
    let mut headers = HeaderMap::with_capacity(read.headers.len());
    for field in read.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| httparse::Error::HeaderName)?;
        let value = HeaderValue::from_maybe_shared(octets.slice_ref(field.value))
            .map_err(|_| httparse::Error::HeaderValue)?;
        told.note(&name, &value);
        headers.append(name, value);
    }
    let framing = told.framing(asked, (status, version))?;
    let reason = reason.map(|reason| octets.slice_ref(reason.as_bytes()));
    Ok(Some((Head { status, headers, reason, persists: told.persists(version) }, length, framing)))
}
