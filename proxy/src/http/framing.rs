//! Judges the heads of a client's requests, and reads those that are good. Pure.
//!
//! One strict grammar (RFC 9112 §2 to §6) does both at once: what a proxy must not forgive, as bare line feeds, a length
//! beside a coding, or repeated lengths, is refused as soon as the line has come that it is in.
//!
//! Deliberately does not judge targets or `Host`: see [`super::guard`]. The content is the matter of
//! [`crate::message::content`].

pub(crate) mod grammar;

pub(crate) use grammar::is_token;

use super::guard;
use crate::message::content::Content;
use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use ::http::request::Parts;
use ::http::{Method, Request, Uri, Version};
use bytes::Bytes;
use config::model::RequestLimits;
use std::ops::Range;

/// Octets of a line between chunks, and of all trailers together.
const MAX_TRAILERS: usize = 4 << 10;

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A line does not end in CR LF, or holds a CR or NUL.
    LineEnd,
    /// Not `method SP target SP HTTP/1.x`, or a target with a fragment or bytes that need encoding.
    RequestLine,
    /// A version of HTTP other than 1.0 and 1.1.
    Version,
    /// A field line that is folded, without a colon, with a name that is no token or control bytes in its value.
    Field,
    /// A length that is no plain decimal number, or more than one.
    Length,
    /// A transfer coding that is not the one word `chunked`.
    Coding,
    /// A length beside a coding.
    LengthAndCoding,
    /// A coding in HTTP/1.0.
    OldCoding,
    /// The request line is too long.
    LongTarget,
    /// The head has too many bytes or fields.
    LargeHead,
    /// The line of a chunk or a trailer is malformed. Never of a head.
    Chunk,
}

/// What a head says of its message and of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) version: Version,
    /// Whether the target is [bare](guard::is_bare), of which the parsed one says nothing.
    pub(crate) bare: bool,
    /// Whether the client sends its content once it is asked to (RFC 9110 §10.1.1).
    pub(crate) expects: bool,
    /// Whether the client takes trailers.
    pub(crate) trailers: bool,
    extent: Extent,
    /// Whether the connection is to end, or to go on, where either is said. The end counts for more.
    keeps: Option<bool>,
}

/// How far the content goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Extent {
    length: Option<u64>,
    chunked: bool,
}

impl Told {
    /// Whether the client may know nothing of HTTP/1.1.
    pub(crate) fn is_old(self) -> bool {
        self.version == Version::HTTP_10
    }

    /// Whether the client may send another request behind this one (RFC 9112 §9.3).
    pub(crate) fn persists(self) -> bool {
        self.keeps.unwrap_or(!self.is_old())
    }

    /// What follows the head (RFC 9112 §6.3).
    pub(crate) fn content(self) -> Content {
        let Extent { length, chunked } = self.extent;
        if chunked { Content::chunked(MAX_TRAILERS) } else { Content::of(length.unwrap_or(0)) }
    }

    /// Takes in a field line.
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        let Extent { length, chunked } = &mut self.extent;
        // Few names have these lengths.
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let told = grammar::decimal(value).ok_or(Fault::Length)?;
                if length.replace(told).is_some() {
                    return Err(Fault::Length);
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if *chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Fault::Coding);
                }
                *chunked = true;
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in list(value) {
                    if option.eq_ignore_ascii_case(b"close") {
                        self.keeps = Some(false);
                    } else if option.eq_ignore_ascii_case(b"keep-alive") {
                        self.keeps.get_or_insert(true);
                    }
                }
            }
            2 if name.eq_ignore_ascii_case(b"te") => {
                self.trailers |= list(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
            }
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.expects |= value.eq_ignore_ascii_case(b"100-continue");
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the content ends in one place only.
    fn check(self) -> Result<(), Fault> {
        match self.extent {
            Extent { chunked: true, .. } if self.is_old() => Err(Fault::OldCoding),
            Extent { chunked: true, length: Some(_) } => Err(Fault::LengthAndCoding),
            Extent { .. } => Ok(()),
        }
    }
}

/// The members of a field that is a list (RFC 9110 §5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Where a part of a head stands in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    start: u32,
    end: u32,
}

impl Place {
    /// Of a part of these octets.
    fn of(part: &[u8], octets: &[u8]) -> Self {
        let start = part.as_ptr() as usize - octets.as_ptr() as usize;
        let place = |at: usize| u32::try_from(at).expect("limits of heads are numbers of 32 bits");
        Self { start: place(start), end: place(start + part.len()) }
    }

    const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[derive(Clone, Copy, Debug)]
struct Line {
    method: Place,
    target: Place,
}

/// What is known of the head under way.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    /// Octets of its whole lines.
    seen: usize,
    /// Octets in which no line ends behind those.
    searched: usize,
    line: Option<Line>,
    fields: Vec<(Place, Place)>,
    told: Told,
}

impl Framing {
    /// Whether there is anything of a head in what has come. Empty lines ahead of it are of none (RFC 9112 §2.2).
    pub(crate) const fn has_begun(&self, come: usize) -> bool {
        self.line.is_some() || come > self.seen
    }

    /// Looks at what has come, which begins with the head. Returns its length once it is whole.
    pub(crate) fn judge(&mut self, octets: &[u8], limits: RequestLimits) -> Result<Option<usize>, Fault> {
        loop {
            if let (0, Some(first)) = (self.searched, octets.get(self.seen)) {
                self.check_first(*first)?;
            }
            let behind = &octets[self.seen + self.searched..];
            let end = memchr::memchr(b'\n', behind).map(|end| self.seen + self.searched + end + 1);
            let come = end.unwrap_or(octets.len());
            self.check_size(come, limits)?;
            let Some(end) = end else {
                self.searched = octets.len() - self.seen;
                return Ok(None);
            };
            let line = &octets[self.seen..end];
            (self.seen, self.searched) = (end, 0);
            if self.act(line, octets, limits)? {
                return Ok(Some(end));
            }
        }
    }

    /// Refuses a line that none begins so: who speaks another protocol may never send its end.
    fn check_first(&self, octet: u8) -> Result<(), Fault> {
        if matches!(octet, b'\r' | b'\n') || is_token(&[octet]) {
            return Ok(());
        }
        Err(if self.line.is_none() { Fault::RequestLine } else { Fault::Field })
    }

    /// Holds the line under way, and the head as far as it has come, against the limits.
    fn check_size(&self, come: usize, limits: RequestLimits) -> Result<(), Fault> {
        let most = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        if come - self.seen <= most(limits.line) && come <= most(limits.head) {
            return Ok(());
        }
        Err(if self.line.is_none() { Fault::LongTarget } else { Fault::LargeHead })
    }

    /// Acts on one whole line, its line feed included. True at the end of the head.
    fn act(&mut self, line: &[u8], octets: &[u8], limits: RequestLimits) -> Result<bool, Fault> {
        let Some((content, b"\r\n")) = line.split_last_chunk::<2>() else { return Err(Fault::LineEnd) };
        if memchr::memchr2(b'\r', 0, content).is_some() {
            return Err(Fault::LineEnd);
        }
        match (self.line, content.is_empty()) {
            // RFC 9112 §2.2: an empty line before the request line is passed over.
            (None, true) => Ok(false),
            (None, false) => {
                let (method, target, old) = grammar::request_line(content)?;
                self.line =
                    Some(Line { method: Place::of(method, octets), target: Place::of(target, octets) });
                self.told.version = if old { Version::HTTP_10 } else { Version::HTTP_11 };
                self.told.bare = guard::is_bare(target);
                Ok(false)
            }
            (Some(_), true) => self.told.check().map(|()| true),
            (Some(_), false) => {
                if self.fields.len() >= usize::from(limits.fields) {
                    return Err(Fault::LargeHead);
                }
                let (name, value) = grammar::field(content)?;
                self.told.field(name, value)?;
                self.fields.push((Place::of(name, octets), Place::of(value, octets)));
                Ok(false)
            }
        }
    }

    /// Reads a head that is whole and good, into room for fields that has none. The next one follows.
    pub(crate) fn read(&mut self, head: &Bytes, mut headers: HeaderMap) -> Result<(Parts, Told), Fault> {
        headers.reserve(self.fields.len());
        for (name, value) in &self.fields {
            let name = HeaderName::from_bytes(&head[name.range()]).map_err(|_| Fault::Field)?;
            let value =
                HeaderValue::from_maybe_shared(head.slice(value.range())).map_err(|_| Fault::Field)?;
            headers.try_append(name, value).map_err(|_| Fault::LargeHead)?;
        }
        let (mut parts, ()) = Request::new(()).into_parts();
        let line = self.line.take().ok_or(Fault::RequestLine)?;
        parts.method = Method::from_bytes(&head[line.method.range()]).map_err(|_| Fault::RequestLine)?;
        parts.uri =
            Uri::from_maybe_shared(head.slice(line.target.range())).map_err(|_| Fault::RequestLine)?;
        parts.headers = headers;
        let told = std::mem::take(&mut self.told);
        parts.version = told.version;
        (self.seen, self.searched) = (0, 0);
        self.fields.clear();
        Ok((parts, told))
    }
}

#[cfg(test)]
mod tests;
