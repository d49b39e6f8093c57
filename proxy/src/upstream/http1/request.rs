//! A request on its way to a member, as octets that wait to be written. Pure.
//!
//! RFC 9112 §3, §5, §6 and §7.1. Fields stand in the order in which they were put together, with names in small letters.
//! Small pieces of content are joined, a large one is written from where it lies. Of trailers only those leave that the
//! head announces.

use crate::http::framing::grammar::decimal;
use bytes::{Buf, Bytes};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRAILER, TRANSFER_ENCODING,
};
use http::{Method, Uri};
use std::io::{IoSlice, Write};

/// Pieces of content up to this size are copied beside each other.
const JOINED: usize = 4 << 10;
/// Octets from which on nothing more is added before they are written.
const FULL: usize = 16 << 10;

/// How the content of a request is told from what follows it.
#[derive(Debug, Default, PartialEq, Eq)]
enum Framing {
    /// All of it is there.
    #[default]
    Ended,
    /// So many octets are still to be added.
    Length(u64),
    /// With the names that its trailers may have.
    Chunked(Vec<HeaderName>),
}

/// Content that ends ahead of the length in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short;

/// What of a request is not written yet.
#[derive(Debug, Default)]
pub(super) struct Request {
    framing: Framing,
    joined: Vec<u8>,
    /// Octets of `joined` that are written.
    written: usize,
    /// A large piece behind it.
    large: Bytes,
    /// What stands behind that.
    tail: &'static [u8],
    /// Whether the member is asked to end the connection.
    closes: bool,
}

impl Request {
    /// One with this head, whose content, if it has any, is to be added.
    pub(super) fn new((method, uri, headers): (&Method, &Uri, &HeaderMap), has_content: bool) -> Self {
        let framing = if has_content { framing(headers) } else { Framing::Ended };
        let mut joined = Vec::with_capacity(256 + 48 * headers.len());
        joined.extend_from_slice(method.as_str().as_bytes());
        joined.push(b' ');
        write_target(&mut joined, uri);
        joined.extend_from_slice(b" HTTP/1.1\r\n");
        let mut closes = false;
        for (name, value) in headers {
            if name == TRANSFER_ENCODING || (name == CONTENT_LENGTH && !is_length(&framing, value)) {
                continue;
            }
            if name == CONNECTION {
                closes |= list(value).any(|option| option.eq_ignore_ascii_case(b"close"));
            }
            write_field(&mut joined, (name, value));
        }
        if matches!(framing, Framing::Chunked(_)) {
            joined.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        joined.extend_from_slice(b"\r\n");
        Self { framing, joined, closes, ..Self::default() }
    }

    /// Whether the member is asked to end the connection behind its response.
    pub(super) const fn closes(&self) -> bool {
        self.closes
    }

    /// Whether content may be added at this moment.
    pub(super) fn takes_more(&self) -> bool {
        let is_joining = self.large.is_empty() && self.tail.is_empty();
        self.framing != Framing::Ended && is_joining && self.joined.len() - self.written < FULL
    }

    /// Adds a piece of the content. What is beyond the length in the head is left out.
    pub(super) fn add(&mut self, mut piece: Bytes) {
        let mut tail: &'static [u8] = b"";
        match &mut self.framing {
            Framing::Ended => piece.clear(),
            Framing::Length(left) => {
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
                if *left == 0 {
                    self.framing = Framing::Ended;
                }
            }
            Framing::Chunked(_) if piece.is_empty() => {}
            Framing::Chunked(_) => {
                // Memory takes whatever is written.
                let _ = write!(self.joined, "{:X}\r\n", piece.len());
                tail = b"\r\n";
            }
        }
        if piece.len() > JOINED {
            (self.large, self.tail) = (piece, tail);
        } else {
            self.joined.extend_from_slice(&piece);
            self.joined.extend_from_slice(tail);
        }
    }

    /// All of the content was added.
    pub(super) fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), Short> {
        match std::mem::take(&mut self.framing) {
            Framing::Ended => Ok(()),
            Framing::Length(_) => Err(Short),
            Framing::Chunked(_) if self.tail == b"\r\n" => {
                // A large piece is the last one, and has no trailers behind it: those come when it is written.
                self.tail = b"\r\n0\r\n\r\n";
                Ok(())
            }
            Framing::Chunked(announced) => {
                self.joined.extend_from_slice(b"0\r\n");
                for (name, value) in
                    trailers.into_iter().flatten().filter(|(name, _)| announced.contains(name))
                {
                    write_field(&mut self.joined, (name, value));
                }
                self.joined.extend_from_slice(b"\r\n");
                Ok(())
            }
        }
    }

    /// What is to be written next.
    pub(super) fn pieces(&self) -> [IoSlice<'_>; 3] {
        [&self.joined[self.written..], &self.large, self.tail].map(IoSlice::new)
    }

    /// So many octets of that are written.
    pub(super) fn advance(&mut self, mut count: usize) {
        let joined = count.min(self.joined.len() - self.written);
        self.written += joined;
        count -= joined;
        let large = count.min(self.large.len());
        self.large.advance(large);
        count -= large;
        self.tail = &self.tail[count..];
        // What is written goes as soon as it is much, since more may be added for as long as something is left.
        if self.written == self.joined.len() || self.written >= FULL {
            self.joined.drain(..self.written);
            self.written = 0;
        }
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.joined.is_empty() && self.large.is_empty() && self.tail.is_empty()
    }

    /// Whether all of it is written.
    pub(super) fn is_done(&self) -> bool {
        self.framing == Framing::Ended && self.is_empty()
    }
}

/// RFC 9112 §3.2: the host and port of `CONNECT`, and else a path or `*`.
fn write_target(out: &mut Vec<u8>, uri: &Uri) {
    let target = match (uri.authority(), uri.path_and_query()) {
        (_, Some(path)) => path.as_str(),
        (Some(authority), None) => return out.extend_from_slice(authority.as_str().as_bytes()),
        (None, None) => "",
    };
    if !target.starts_with(['/', '*']) {
        out.push(b'/');
    }
    out.extend_from_slice(target.as_bytes());
}

/// The framing of content behind this head.
fn framing(headers: &HeaderMap) -> Framing {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| decimal(length.as_bytes()));
    if let (Some(length), false) = (length, headers.contains_key(TRANSFER_ENCODING)) {
        return if length == 0 { Framing::Ended } else { Framing::Length(length) };
    }
    let announced = headers.get_all(TRAILER).iter().flat_map(list);
    Framing::Chunked(announced.filter_map(|name| HeaderName::from_bytes(name).ok()).collect())
}

/// Whether this is the length of content in such framing. Where there is none, no other than zero is.
fn is_length(framing: &Framing, value: &HeaderValue) -> bool {
    match framing {
        Framing::Ended => value == "0",
        Framing::Length(_) => true,
        Framing::Chunked(_) => false,
    }
}

fn write_field(out: &mut Vec<u8>, (name, value): (&HeaderName, &HeaderValue)) {
    for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// The members of a field that is a list (RFC 9110 §5.6.1).
fn list(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests;
