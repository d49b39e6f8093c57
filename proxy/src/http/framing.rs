//! Follows the bytes of a client connection to where each request head begins and ends, and judges the heads. Pure.
//!
//! The HTTP library forgives what a proxy must not: bare line feeds, a length beside a coding, repeated equal lengths.
//! It hides some of it from its caller. So this module looks at the same bytes first, with one strict grammar
//! (RFC 9112 §2 to §7), and says how many of them the library may see: all but those of a head that can mean more than
//! one thing, and nothing behind it. It changes no byte.
//!
//! Deliberately does not judge targets or `Host`: see [`super::guard`].

pub(crate) mod grammar;

pub(crate) use grammar::is_token;

use super::guard;
use config::model::RequestLimits;
use std::collections::VecDeque;

/// Bytes of all trailers.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a head, or before its first byte.
    Head,
    /// This many bytes of a body are left.
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    /// Behind a request that asks the connection to become another: whose bytes follow is not decided yet.
    Held,
    /// The head is not to be passed on, nor anything behind it.
    BadHead(Fault),
    /// The framing of a body is lost.
    BadBody,
}

/// What is known of the head under way.
#[derive(Clone, Debug, Default)]
struct Head {
    bytes: usize,
    fields: usize,
    /// What is known of the request line, once it is whole.
    request_line: Option<Good>,
    old: bool,
    length: Option<u64>,
    chunked: bool,
    /// Whether it may ask the connection to become another.
    asks: bool,
}

/// What the HTTP library hides of a head that was found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Good {
    /// Whether the target is [bare](guard::is_bare): the library reads an empty path as `/`.
    pub(crate) bare: bool,
}

/// The follower of one connection.
#[derive(Debug)]
pub(crate) struct Framing {
    state: State,
    /// Of this head and those that follow.
    limits: RequestLimits,
    head: Head,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// Bytes of trailers so far.
    trailers: usize,
    /// Good heads that nobody has asked about yet.
    good: VecDeque<Good>,
    /// Whether any request may have asked the connection to become another.
    asked: bool,
}

impl Framing {
    pub(crate) const fn new(limits: RequestLimits) -> Self {
        let head = Head {
            bytes: 0,
            fields: 0,
            request_line: None,
            old: false,
            length: None,
            chunked: false,
            asks: false,
        };
        Self {
            state: State::Head,
            limits,
            head,
            line: Vec::new(),
            trailers: 0,
            good: VecDeque::new(),
            asked: false,
        }
    }

    /// Holds what is not whole yet, and all that follows, against other limits.
    pub(crate) const fn limit(&mut self, limits: RequestLimits) {
        self.limits = limits;
    }

    /// The head of the next request of the HTTP library, if it was found good here. Call once per request.
    pub(crate) fn expects_request(&mut self) -> Option<Good> {
        self.good.pop_front()
    }

    /// Whether a head has begun and not ended.
    pub(crate) const fn in_head(&self) -> bool {
        matches!(self.state, State::Head) && self.has_begun()
    }

    /// Whether there is anything of a head. Empty lines ahead of it are of none (RFC 9112 §2.2).
    const fn has_begun(&self) -> bool {
        self.head.request_line.is_some() || !self.line.is_empty()
    }

    /// Whether what follows is of a head.
    pub(crate) const fn awaits_head(&self) -> bool {
        matches!(self.state, State::Head)
    }

    /// Whether all that has come is of requests that the HTTP library has, to their ends.
    pub(crate) fn is_between(&self) -> bool {
        self.awaits_head() && !self.in_head() && self.good.is_empty()
    }

    /// Whether what follows waits for the answer to the request before it.
    pub(crate) const fn is_held(&self) -> bool {
        matches!(self.state, State::Held)
    }

    /// What follows is the next request.
    pub(crate) fn release(&mut self) {
        if self.is_held() {
            self.state = State::Head;
        }
    }

    /// Whether any request may have asked the connection to become another.
    pub(crate) const fn has_asked(&self) -> bool {
        self.asked
    }

    /// Whether the client may still be sending what nobody will read.
    pub(crate) const fn is_inside(&self) -> bool {
        !matches!(self.state, State::Head | State::Held) || self.has_begun()
    }

    /// Why the head that is next must be refused.
    pub(crate) const fn bad_head(&self) -> Option<Fault> {
        match self.state {
            State::BadHead(fault) => Some(fault),
            _ => None,
        }
    }

    /// Whether the framing of a body is lost.
    pub(crate) const fn is_body_lost(&self) -> bool {
        matches!(self.state, State::BadBody)
    }

    /// Takes in the next bytes of the client and says how many of them may be passed on.
    pub(crate) fn observe(&mut self, input: &[u8]) -> usize {
        let mut rest = input;
        // Where the message, or the part of it that is in the input, began that `rest` is in.
        let mut began = 0;
        while !rest.is_empty() {
            let at = input.len() - rest.len();
            rest = match self.state {
                State::BadHead(_) | State::BadBody => return began,
                State::Held => return at,
                State::Body(left) => {
                    let (rest, left) = skip(rest, left);
                    self.state = if left == 0 { State::Head } else { State::Body(left) };
                    rest
                }
                State::ChunkData(left) => {
                    let (rest, left) = skip(rest, left);
                    self.state = if left == 0 { State::ChunkEnd } else { State::ChunkData(left) };
                    rest
                }
                State::Head => {
                    if self.head.bytes == 0 {
                        began = at;
                    }
                    self.observe_line(rest)
                }
                State::ChunkSize | State::ChunkEnd | State::Trailers => {
                    began = at;
                    self.observe_line(rest)
                }
            };
        }
        match self.state {
            State::BadHead(_) | State::BadBody => began,
            _ => input.len(),
        }
    }

    /// Takes in input up to the end of a line and acts on the line if it is whole. Returns what is left.
    fn observe_line<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let end = memchr::memchr(b'\n', input);
        let (part, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        let acted = self.check_size(part.len()).and_then(|()| {
            if end.is_none() {
                self.line.extend_from_slice(part);
                return Ok(());
            }
            if self.line.is_empty() {
                return self.act(part);
            }
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(part);
            let acted = self.act(&line);
            line.clear();
            self.line = line;
            acted
        });
        match acted {
            Ok(()) => rest,
            Err(fault) => {
                self.state = if self.state == State::Head { State::BadHead(fault) } else { State::BadBody };
                &[]
            }
        }
    }

    /// Counts bytes that belong to the line under way and holds them against the limits.
    fn check_size(&mut self, more: usize) -> Result<(), Fault> {
        let line = self.line.len() + more;
        if self.state != State::Head {
            return if line > MAX_TRAILERS { Err(Fault::Chunk) } else { Ok(()) };
        }
        self.head.bytes += more;
        let most = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        if line <= most(self.limits.line) && self.head.bytes <= most(self.limits.head) {
            return Ok(());
        }
        Err(if self.head.request_line.is_none() { Fault::LongTarget } else { Fault::LargeHead })
    }

    /// Acts on one whole line, its line feed included.
    fn act(&mut self, line: &[u8]) -> Result<(), Fault> {
        let Some((content, b"\r\n")) = line.split_last_chunk::<2>() else { return Err(Fault::LineEnd) };
        if content.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return Err(Fault::LineEnd);
        }
        match self.state {
            State::Head if self.head.request_line.is_none() => self.request_line(content),
            State::Head if content.is_empty() => self.end_of_head(),
            State::Head => self.field(content),
            State::ChunkSize => {
                let size = grammar::chunk_size(content).ok_or(Fault::Chunk)?;
                self.trailers = 0;
                self.state = if size == 0 { State::Trailers } else { State::ChunkData(size) };
                Ok(())
            }
            State::ChunkEnd if content.is_empty() => {
                self.state = State::ChunkSize;
                Ok(())
            }
            State::Trailers if content.is_empty() => {
                self.state = State::Head;
                Ok(())
            }
            State::Trailers => {
                self.trailers += line.len();
                let sound = self.trailers <= MAX_TRAILERS && grammar::field(content).is_ok();
                if sound { Ok(()) } else { Err(Fault::Chunk) }
            }
            State::ChunkEnd
            | State::Body(_)
            | State::ChunkData(_)
            | State::Held
            | State::BadHead(_)
            | State::BadBody => Err(Fault::Chunk),
        }
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if line.is_empty() {
            // RFC 9112 §2.2: an empty line before the request line is passed over.
            return Ok(());
        }
        let (method, target, old) = grammar::request_line(line)?;
        self.head.old = old;
        self.head.asks = method == b"CONNECT";
        self.head.request_line = Some(Good { bare: guard::is_bare(target) });
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.head.fields += 1;
        if self.head.fields > usize::from(self.limits.fields) {
            return Err(Fault::LargeHead);
        }
        let (name, value) = grammar::field(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = grammar::decimal(value).ok_or(Fault::Length)?;
            if self.head.length.replace(length).is_some() {
                return Err(Fault::Length);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.head.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Coding);
            }
            self.head.chunked = true;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.head.asks = true;
        }
        Ok(())
    }

    fn end_of_head(&mut self) -> Result<(), Fault> {
        let head = std::mem::take(&mut self.head);
        self.state = match (head.chunked, head.length) {
            (true, _) if head.old => return Err(Fault::OldCoding),
            (true, Some(_)) => return Err(Fault::LengthAndCoding),
            (true, None) => State::ChunkSize,
            (false, None | Some(0)) if head.asks => State::Held,
            (false, None | Some(0)) => State::Head,
            (false, Some(length)) => State::Body(length),
        };
        self.asked |= head.asks;
        self.good.extend(head.request_line);
        Ok(())
    }
}

fn skip(input: &[u8], left: u64) -> (&[u8], u64) {
    let here = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
    (&input[here..], left - here as u64)
}

#[cfg(test)]
mod tests;
