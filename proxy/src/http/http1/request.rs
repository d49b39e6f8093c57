//! The requests of a client one behind the other, as their octets come. Pure.
//!
//! Each is taken to its end before the next is looked at: what stands behind one that asks the connection to become
//! another is nobody's request. How the octets are cut apart on their way changes nothing. RFC 9112 §2.2, §6 and §9.3.2.

use crate::http::framing::{Fault, Framing, Told};
use crate::http::http2::preface::{self, PREFACE};
use crate::message::content::{self, Content, Part, skip};
use ::http::header::HeaderMap;
use ::http::request::Parts;
use bytes::{Bytes, BytesMut};
use config::model::RequestLimits;

/// Octets that are much to come at once.
const MUCH: usize = 8 << 10;

/// Those of one connection.
#[derive(Debug)]
pub(crate) struct Requests {
    /// Of the head under way and those that follow.
    limits: RequestLimits,
    /// What has come and is not taken.
    ahead: Bytes,
    framing: Framing,
    /// What is still to be taken of the latest request.
    content: Content,
    /// Whether it cannot be known any more where that ends.
    lost: bool,
    /// Whether much has come at once of late.
    flows: bool,
    /// Room for the fields of the next one.
    spare: HeaderMap,
}

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    Http1,
    /// As far as it has come it may be either.
    Open,
    Http2,
}

impl Requests {
    pub(crate) fn new(limits: RequestLimits) -> Self {
        Self {
            limits,
            ahead: Bytes::new(),
            framing: Framing::default(),
            content: Content::Ended,
            lost: false,
            flows: false,
            spare: HeaderMap::new(),
        }
    }

    /// Holds the head that is not whole yet, and all that follow, against other limits.
    pub(crate) const fn limit(&mut self, limits: RequestLimits) {
        self.limits = limits;
    }

    /// These octets have come.
    pub(crate) fn push(&mut self, octets: Bytes) {
        self.flows = octets.len() >= MUCH;
        if self.ahead.is_empty() {
            self.ahead = octets;
            return;
        }
        // Whoever sends a head in small pieces has none of them copied often.
        let ahead = std::mem::take(&mut self.ahead);
        let mut all = ahead.try_into_mut().unwrap_or_else(|ahead| BytesMut::from(&*ahead));
        all.extend_from_slice(&octets);
        self.ahead = all.freeze();
    }

    /// What the connection begins with, of which no request was taken.
    pub(crate) fn beginning(&self) -> Beginning {
        match preface::begins(&self.ahead) {
            false => Beginning::Http1,
            true if self.ahead.len() < PREFACE.len() => Beginning::Open,
            true => Beginning::Http2,
        }
    }

    /// The head of the next request, once it is whole and the one before is taken.
    pub(crate) fn head(&mut self) -> Result<Option<(Parts, Told)>, Fault> {
        let Some(length) = self.framing.judge(&self.ahead, self.limits)? else { return Ok(None) };
        let head = self.ahead.slice(..length);
        let (parts, told) = self.framing.read(&head, std::mem::take(&mut self.spare))?;
        skip(&mut self.ahead, length);
        self.content = told.content();
        Ok(Some((parts, told)))
    }

    /// The next part of the content. `None` where it has [ended](Self::has_ended), or before more of it has come.
    pub(crate) fn content(&mut self) -> Result<Option<Part>, content::Fault> {
        self.content.next(&mut self.ahead).inspect_err(|_| self.lost = true)
    }

    /// Whether all of the latest request was taken.
    pub(crate) const fn has_ended(&self) -> bool {
        self.content.is_ended()
    }

    /// Octets of its content that are still to be taken, where that is known.
    pub(crate) const fn left(&self) -> Option<u64> {
        self.content.left()
    }

    /// Whether more may well come at once than has.
    pub(crate) const fn flows(&self) -> bool {
        self.flows
    }

    /// Passes over what has come of the content, which nobody takes. True if that is all of it.
    pub(crate) fn pass_over(&mut self) -> bool {
        while !self.lost && matches!(self.content(), Ok(Some(_))) {}
        !self.lost && self.has_ended()
    }

    /// Whether it cannot be known where the latest request ends.
    pub(crate) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether anything of the next head has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.framing.has_begun(self.ahead.len())
    }

    /// Whether all that has come is of requests that are taken.
    pub(crate) fn is_between(&self) -> bool {
        self.has_ended() && !self.has_begun()
    }

    /// What has come and is of no request that was taken.
    pub(crate) const fn take_ahead(&mut self) -> Bytes {
        std::mem::replace(&mut self.ahead, Bytes::new())
    }

    /// Keeps the room of these fields for those of the next head.
    pub(crate) fn keep(&mut self, mut fields: HeaderMap) {
        fields.clear();
        self.spare = fields;
    }
}

#[cfg(test)]
mod tests;
