//! What the bytes of a client connection are followed by, which depends on the version of HTTP. Pure: time comes in.

use super::framing::{Fault, Framing, Good};
use super::http2::{Frames, Offence};
use config::model::RequestLimits;
use std::io::IoSlice;
use std::time::Instant;

/// The follower of a client connection.
#[derive(Debug)]
pub(crate) enum Wire {
    /// Requests one behind the other, whose heads are judged before the HTTP library sees them.
    Http1(Framing),
    /// Requests side by side, in frames.
    Http2(Frames),
}

impl Wire {
    pub(crate) const fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// Holds what is not whole yet, and all that follows, against other limits.
    pub(crate) const fn limit(&mut self, limits: RequestLimits) {
        match self {
            Self::Http1(framing) => framing.limit(limits),
            // What was announced when the connection began holds as long as it does.
            Self::Http2(_) => {}
        }
    }

    /// Takes in the next bytes of the client and says how many of them the HTTP library may see.
    pub(crate) fn received(&mut self, bytes: &[u8], now: impl FnOnce() -> Instant) -> usize {
        match self {
            Self::Http1(framing) => framing.observe(bytes),
            Self::Http2(frames) => frames.received(bytes, now()),
        }
    }

    /// Takes in that the client has taken so many bytes of these slices.
    pub(crate) fn sent(&mut self, slices: &[IoSlice<'_>], count: usize, now: impl FnOnce() -> Instant) {
        let Self::Http2(frames) = self else { return };
        let (mut left, now) = (count, now());
        for slice in slices {
            let part = &slice[..left.min(slice.len())];
            frames.sent(part, now);
            left -= part.len();
        }
    }

    /// Whether what follows is of a head, as far as that is known of the bytes alone.
    pub(crate) const fn awaits_head(&self) -> bool {
        match self {
            Self::Http1(framing) => framing.awaits_head(),
            Self::Http2(_) => false,
        }
    }

    /// Whether a head has begun and not ended.
    pub(crate) const fn in_head(&self) -> bool {
        match self {
            Self::Http1(framing) => framing.in_head(),
            Self::Http2(frames) => frames.in_head(),
        }
    }

    /// Whether nothing is under way, as far as that is known of the client's bytes, and the next one begins a request.
    pub(crate) fn is_between(&self) -> bool {
        match self {
            Self::Http1(framing) => framing.is_between(),
            // Frames come at any time.
            Self::Http2(_) => false,
        }
    }

    /// How many header blocks have begun, where a head may be behind the one before in what is read at once.
    pub(crate) const fn blocks(&self) -> u64 {
        match self {
            Self::Http1(_) => 0,
            Self::Http2(frames) => frames.blocks(),
        }
    }

    /// Whether the HTTP library is to see nothing more for the moment.
    pub(crate) const fn is_shut(&self) -> bool {
        match self {
            Self::Http1(framing) => framing.bad_head().is_some() || framing.is_held(),
            Self::Http2(frames) => frames.offence().is_some(),
        }
    }

    /// Whether what follows waits for the answer to the request before it.
    pub(crate) const fn is_held(&self) -> bool {
        match self {
            Self::Http1(framing) => framing.is_held(),
            Self::Http2(_) => false,
        }
    }

    /// What follows is the next request.
    pub(crate) fn release(&mut self) {
        match self {
            Self::Http1(framing) => framing.release(),
            Self::Http2(_) => {}
        }
    }

    /// The head of the next request of the HTTP library, if it was found good here. Call once per request.
    pub(crate) fn expects_request(&mut self) -> Option<Good> {
        match self {
            Self::Http1(framing) => framing.expects_request(),
            // Its target is made of parts, none of which the library changes.
            Self::Http2(_) => Some(Good { bare: false }),
        }
    }

    /// Whether the client may still be sending what nobody will read.
    pub(crate) const fn is_inside(&self) -> bool {
        match self {
            Self::Http1(framing) => framing.is_inside(),
            // Whoever speaks HTTP/2 sends frames whenever it likes.
            Self::Http2(_) => true,
        }
    }

    /// Whether any request may have asked the connection to become another.
    pub(crate) const fn has_asked(&self) -> bool {
        match self {
            Self::Http1(framing) => framing.has_asked(),
            Self::Http2(_) => false,
        }
    }

    /// Why the head that is next must be refused.
    pub(crate) const fn bad_head(&self) -> Option<Fault> {
        match self {
            Self::Http1(framing) => framing.bad_head(),
            Self::Http2(_) => None,
        }
    }

    /// Whether the framing of a body is lost.
    pub(crate) const fn is_body_lost(&self) -> bool {
        match self {
            Self::Http1(framing) => framing.is_body_lost(),
            Self::Http2(_) => false,
        }
    }

    /// Why the connection is not to go on.
    pub(crate) const fn offence(&self) -> Option<Offence> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(frames) => frames.offence(),
        }
    }
}
