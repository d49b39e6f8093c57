//! The content of a message as it comes: so many octets, chunks, or all up to the end of the connection. Pure.
//!
//! RFC 9112 §6.2, §7.1 and §8.

use crate::http::framing::grammar::{chunk_size, field};
use bytes::{Buf, Bytes};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Octets of the extensions of all chunks.
const MAX_EXTENSIONS: usize = 16 << 10;
/// Trailers of one message.
const MAX_TRAILERS: usize = 100;

/// Why content is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The connection has ended within it.
    #[error("the connection ended within the content")]
    Cut,
    /// A line between chunks is malformed, or too long.
    #[error("a chunk is malformed")]
    Chunk,
    /// A trailer is malformed, or there are too many of them.
    #[error("the trailers are malformed")]
    Trailers,
}

/// A piece of what comes behind a head.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// Octets of the content, at least one.
    Data(Bytes),
    /// The fields behind it, at least one.
    Trailers(HeaderMap),
}

#[derive(Debug, Default)]
pub(crate) enum Content {
    #[default]
    Ended,
    /// So many octets are left.
    Length(u64),
    Chunked(Box<Chunked>),
    UntilClose,
}

impl Content {
    pub(crate) const fn of(length: u64) -> Self {
        if length == 0 { Self::Ended } else { Self::Length(length) }
    }

    /// In chunks, with so many octets at most in a line between them, and in all trailers together.
    pub(crate) fn chunked(most: usize) -> Self {
        Self::Chunked(Box::new(Chunked { most, ..Chunked::default() }))
    }

    /// Whether nothing of it is left to be taken.
    pub(crate) const fn is_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Octets that are left, where that is known.
    pub(crate) const fn left(&self) -> Option<u64> {
        match self {
            Self::Ended => Some(0),
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Takes the next part out of what has come.
    pub(crate) fn next(&mut self, ahead: &mut Bytes) -> Result<Option<Part>, Fault> {
        match self {
            Self::Ended => Ok(None),
            Self::Length(left) => {
                let data = take(ahead, left);
                if *left == 0 {
                    *self = Self::Ended;
                }
                Ok(data.map(Part::Data))
            }
            Self::Chunked(chunked) => {
                let part = chunked.next(ahead)?;
                if chunked.is_ended() {
                    *self = Self::Ended;
                }
                Ok(part)
            }
            Self::UntilClose => {
                let data = std::mem::take(ahead);
                Ok((!data.is_empty()).then_some(Part::Data(data)))
            }
        }
    }

    /// The connection has ended, and nothing that has come is left.
    pub(crate) fn close(&mut self) -> Result<(), Fault> {
        match self {
            Self::Ended => Ok(()),
            Self::UntilClose => {
                *self = Self::Ended;
                Ok(())
            }
            Self::Length(_) | Self::Chunked(_) => Err(Fault::Cut),
        }
    }
}

/// Takes at most `left` octets, which are left no more.
fn take(ahead: &mut Bytes, left: &mut u64) -> Option<Bytes> {
    let count = usize::try_from(*left).map_or(ahead.len(), |left| left.min(ahead.len()));
    *left -= count as u64;
    (count > 0).then(|| ahead.split_to(count))
}

/// Skips so many octets. Where nothing is left, what they were read into is let go.
pub(crate) fn skip(ahead: &mut Bytes, count: usize) {
    ahead.advance(count);
    if ahead.is_empty() {
        *ahead = Bytes::new();
    }
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Size,
    /// So many octets of a chunk are left.
    Data(u64),
    DataEnd,
    Trailers,
    Ended,
}

/// Content in chunks.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    state: State,
    /// Octets that a line may have, and all trailers together.
    most: usize,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Octets of extensions so far.
    extensions: usize,
    trailers: HeaderMap,
    /// Octets of trailers so far.
    trailing: usize,
    /// What is wrong behind what was taken.
    fault: Option<Fault>,
}

impl Chunked {
    fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended) && self.trailers.is_empty() && self.fault.is_none()
    }

    fn next(&mut self, ahead: &mut Bytes) -> Result<Option<Part>, Fault> {
        self.skip(ahead)?;
        match &mut self.state {
            State::Data(left) => {
                let data = take(ahead, left);
                // Whoever takes the last octets is to know that they are.
                self.fault = self.skip(ahead).err();
                Ok(data.map(Part::Data))
            }
            State::Ended if !self.trailers.is_empty() => {
                Ok(Some(Part::Trailers(std::mem::take(&mut self.trailers))))
            }
            State::Size | State::DataEnd | State::Trailers | State::Ended => Ok(None),
        }
    }

    /// Reads lines up to the next octet of the content, or the end.
    fn skip(&mut self, ahead: &mut Bytes) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if matches!(self.state, State::Data(0)) {
            self.state = State::DataEnd;
        }
        while !ahead.is_empty() && matches!(self.state, State::Size | State::DataEnd | State::Trailers) {
            let end = memchr::memchr(b'\n', ahead).map(|end| end + 1);
            let part = &ahead[..end.unwrap_or(ahead.len())];
            if self.line.len() + part.len() > self.most {
                return Err(self.fault_here());
            }
            if end.is_some() && self.line.is_empty() {
                act(self, part)?;
            } else {
                self.line.extend_from_slice(part);
                if end.is_some() {
                    let line = std::mem::take(&mut self.line);
                    act(self, &line)?;
                }
            }
            let count = part.len();
            skip(ahead, count);
        }
        Ok(())
    }

    const fn fault_here(&self) -> Fault {
        if matches!(self.state, State::Trailers) { Fault::Trailers } else { Fault::Chunk }
    }

    fn size(&mut self, line: &[u8]) -> Result<(), Fault> {
        let size = chunk_size(line).ok_or(Fault::Chunk)?;
        self.extensions += memchr::memchr(b';', line).map_or(0, |at| line.len() - at);
        if self.extensions >= MAX_EXTENSIONS {
            return Err(Fault::Chunk);
        }
        self.state = if size == 0 { State::Trailers } else { State::Data(size) };
        Ok(())
    }

    fn trailer(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.trailing += line.len() + 2;
        if self.trailing + 2 >= self.most || self.trailers.len() == MAX_TRAILERS {
            return Err(Fault::Trailers);
        }
        let (name, value) = field(line).map_err(|_| Fault::Trailers)?;
        let name = HeaderName::from_bytes(name).map_err(|_| Fault::Trailers)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| Fault::Trailers)?;
        self.trailers.append(name, value);
        Ok(())
    }
}

/// Acts on one whole line.
fn act(chunked: &mut Chunked, line: &[u8]) -> Result<(), Fault> {
    let fault = chunked.fault_here();
    let content = line.strip_suffix(b"\r\n").ok_or(fault)?;
    if memchr::memchr2(b'\r', 0, content).is_some() {
        return Err(fault);
    }
    match chunked.state {
        State::Size => chunked.size(content),
        State::DataEnd if content.is_empty() => {
            chunked.state = State::Size;
            Ok(())
        }
        State::Trailers if content.is_empty() => {
            chunked.state = State::Ended;
            Ok(())
        }
        State::Trailers => chunked.trailer(content),
        State::DataEnd | State::Data(_) | State::Ended => Err(fault),
    }
}
