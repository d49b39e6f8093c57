//! A message on its way out, as octets that wait to be written. Pure.
//!
//! RFC 9112 §6 and §7.1. Small pieces of content are joined, a large one is written from where it lies. Of trailers only
//! those leave that the head announces.

use bytes::{Buf, Bytes};
use http::header::{HeaderMap, HeaderName, HeaderValue, TRAILER};
use std::io::{IoSlice, Write};

/// Pieces of content up to this size are copied beside each other.
pub(crate) const JOINED: usize = 4 << 10;
/// Octets from which on nothing more is added before they are written.
pub(crate) const FULL: usize = 16 << 10;
/// Octets of room that are kept for the next message.
const KEPT: usize = 4 << 10;

/// How the content of a message is told from what follows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    /// All of it is there.
    #[default]
    Ended,
    /// So many octets are still to be added.
    Length(u64),
    /// With the names that its trailers may have.
    Chunked(Vec<HeaderName>),
    /// The connection ends behind it.
    UntilClose,
}

/// Content that ends ahead of the length in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short;

/// What of a message is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    framing: Framing,
    joined: Vec<u8>,
    /// Octets of `joined` that are written.
    written: usize,
    /// A large piece behind it.
    large: Bytes,
    /// What stands behind that.
    tail: &'static [u8],
}

impl Leaving {
    /// Adds a head behind which content of this kind is to be added, in about so many octets.
    pub(crate) fn begin(&mut self, framing: Framing, octets: usize) -> &mut Vec<u8> {
        self.framing = framing;
        self.joined.reserve(octets);
        &mut self.joined
    }

    /// Adds what is no message: nothing is to be added to it.
    pub(crate) fn add_interim(&mut self, head: &[u8]) {
        self.joined.extend_from_slice(head);
    }

    /// Whether content may be added at this moment.
    pub(crate) fn takes_more(&self) -> bool {
        let is_joining = self.large.is_empty() && self.tail.is_empty();
        self.framing != Framing::Ended && is_joining && self.joined.len() - self.written < FULL
    }

    /// Whether no more content may be added.
    pub(crate) fn is_ended(&self) -> bool {
        self.framing == Framing::Ended
    }

    /// Adds a piece of the content. What is beyond the length in the head is left out.
    pub(crate) fn add(&mut self, mut piece: Bytes) {
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
            Framing::Chunked(_) if !piece.is_empty() => {
                // Memory takes whatever is written.
                let _ = write!(self.joined, "{:X}\r\n", piece.len());
                tail = b"\r\n";
            }
            Framing::Chunked(_) | Framing::UntilClose => {}
        }
        if piece.len() > JOINED {
            (self.large, self.tail) = (piece, tail);
        } else {
            self.joined.extend_from_slice(&piece);
            self.joined.extend_from_slice(tail);
        }
    }

    /// All of the content was added.
    pub(crate) fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), Short> {
        match std::mem::take(&mut self.framing) {
            Framing::Ended | Framing::UntilClose => Ok(()),
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
    pub(crate) fn pieces(&self) -> [IoSlice<'_>; 3] {
        [&self.joined[self.written..], &self.large, self.tail].map(IoSlice::new)
    }

    /// So many octets of that are written.
    pub(crate) fn advance(&mut self, mut count: usize) {
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
        if self.large.is_empty() {
            // What it was read into may go.
            self.large = Bytes::new();
        }
    }

    /// Whether nothing waits to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.joined.is_empty() && self.large.is_empty() && self.tail.is_empty()
    }

    /// Whether all of it is written.
    pub(crate) fn is_done(&self) -> bool {
        self.is_ended() && self.is_empty()
    }

    /// Keeps little room for the next message.
    pub(crate) fn rests(&mut self) {
        if self.joined.capacity() > KEPT {
            self.joined.shrink_to(KEPT);
        }
    }

    #[cfg(test)]
    pub(crate) const fn room(&self) -> usize {
        self.joined.capacity()
    }
}

pub(crate) fn write_field(out: &mut Vec<u8>, (name, value): (&HeaderName, &HeaderValue)) {
    for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// The names that the trailers of a message with this head may have.
pub(crate) fn announced(headers: &HeaderMap) -> Vec<HeaderName> {
    let announced = headers.get_all(TRAILER).iter().flat_map(list);
    announced.filter_map(|name| HeaderName::from_bytes(name).ok()).collect()
}

/// The members of a field that is a list (RFC 9110 §5.6.1).
pub(crate) fn list(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}
