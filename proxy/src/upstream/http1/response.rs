//! A member's response as its octets come: heads, content, trailers, and where it ends. Pure.
//!
//! RFC 9112 §4 to §9.3. A response that can be read in two ways is refused: what one side takes for content the other may
//! take for the next response. Octets behind a response are kept apart, and never taken for another. How the octets are
//! cut apart on their way changes nothing.
//!
//! Public for its fuzz target. Deliberately judges neither what a field says nor whether an upgrade was asked for.

mod head;

pub use crate::message::content::Part;
pub use head::{Asked, Head, MAX_HEAD};

use crate::message::content::{self, Content, skip};
use bytes::Bytes;
use head::Framing;

/// Why a response is none, or no whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The connection has ended within it, or ahead of it.
    #[error("the connection ended before a whole response")]
    Cut,
    /// The head is none of HTTP/1.
    #[error("the head of the response is malformed: {0}")]
    Head(#[from] httparse::Error),
    /// The head has more octets than [`MAX_HEAD`].
    #[error("the head of the response is too large")]
    LargeHead,
    /// Where the content ends can be read in two ways.
    #[error("the length of the response is doubtful")]
    Framing,
    /// A line between chunks is malformed, or too long.
    #[error("a chunk of the response is malformed")]
    Chunk,
    /// A trailer is malformed, or there are too many of them.
    #[error("the trailers of the response are malformed")]
    Trailers,
}

impl From<content::Fault> for Fault {
    fn from(fault: content::Fault) -> Self {
        match fault {
            content::Fault::Cut => Self::Cut,
            content::Fault::Chunk => Self::Chunk,
            content::Fault::Trailers => Self::Trailers,
        }
    }
}

#[derive(Debug)]
enum State {
    /// In a head, or ahead of one.
    Head,
    Content(Content),
    /// The connection is another behind the head.
    Switched,
}

/// The response to one request.
#[derive(Debug)]
pub struct Response {
    asked: Asked,
    state: State,
    /// What has come and is not looked at yet.
    ahead: Bytes,
    /// Whether `ahead` may hold the end of a head, or what can be none.
    is_new: bool,
    closed: bool,
    /// Whether the connection goes on behind it.
    persists: bool,
}

impl Default for Response {
    /// One that has ended, as on a connection that has carried none.
    fn default() -> Self {
        Self {
            asked: Asked::Other,
            state: State::Content(Content::Ended),
            ahead: Bytes::new(),
            is_new: false,
            closed: false,
            persists: true,
        }
    }
}

impl Response {
    /// The one to a request like this, of which nothing has come.
    pub fn new(asked: Asked) -> Self {
        Self { asked, state: State::Head, persists: false, ..Self::default() }
    }

    /// These octets have come.
    pub fn push(&mut self, octets: Bytes) {
        if self.ahead.is_empty() {
            self.is_new = true;
            self.ahead = octets;
            return;
        }
        // What is no line yet is looked at again only once it may be one.
        self.is_new |= memchr::memchr(b'\n', &octets).is_some();
        let mut all = Vec::from(std::mem::take(&mut self.ahead));
        all.extend_from_slice(&octets);
        self.is_new |= all.len() >= MAX_HEAD;
        self.ahead = all.into();
    }

    /// No more octets will come.
    pub const fn close(&mut self) {
        self.closed = true;
        self.is_new = true;
    }

    /// The next head, until one that is not interim: 1xx other than 101. `None` before its end has come.
    ///
    /// # Errors
    /// What has come is the beginning of no response, or there is no more.
    pub fn head(&mut self) -> Result<Option<Head>, Fault> {
        let is_new = std::mem::take(&mut self.is_new);
        let read = if is_new { head::read(&self.ahead, self.asked)? } else { None };
        let Some((head, length, framing)) = read else {
            return if self.closed { Err(Fault::Cut) } else { Ok(None) };
        };
        skip(&mut self.ahead, length);
        self.is_new = true;
        self.persists = head.persists;
        self.state = match framing {
            Framing::Interim => State::Head,
            Framing::Switched => State::Switched,
            Framing::Content(content) => State::Content(content),
        };
        Ok(Some(head))
    }

    /// The next part of the content. `None` where it has [ended](Self::is_ended), or before more of it has come.
    ///
    /// # Errors
    /// What has come is malformed, or there is no more ahead of the end.
    pub fn content(&mut self) -> Result<Option<Part>, Fault> {
        let State::Content(content) = &mut self.state else { return Ok(None) };
        let part = content.next(&mut self.ahead)?;
        if part.is_none() && self.closed {
            content.close()?;
        }
        Ok(part)
    }

    /// Whether all of it has come and was taken.
    pub const fn is_ended(&self) -> bool {
        match &self.state {
            State::Head | State::Switched => false,
            State::Content(content) => content.is_ended(),
        }
    }

    /// Octets of the content that are still to be taken, where that is known.
    pub const fn left(&self) -> Option<u64> {
        match &self.state {
            State::Head | State::Switched => None,
            State::Content(content) => content.left(),
        }
    }

    /// Whether content of an unknown length comes.
    pub const fn is_open(&self) -> bool {
        matches!(&self.state, State::Content(content) if content.left().is_none())
    }

    /// Whether the connection is another one behind the head.
    pub const fn is_switched(&self) -> bool {
        matches!(self.state, State::Switched)
    }

    /// Whether the connection may carry another request: all is taken, the member goes on, and nothing has come behind it.
    pub fn leaves_connection(&self) -> bool {
        self.persists && self.is_ended() && self.ahead.is_empty() && !self.closed
    }

    /// What has come and is not of it.
    pub fn into_ahead(self) -> Bytes {
        self.ahead
    }
}

#[cfg(test)]
mod tests;
