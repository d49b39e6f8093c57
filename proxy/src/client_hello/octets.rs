//! A cursor over fields that lengths stand before (RFC 8446 §3.4).

use super::{Malformed, Reason};

/// Octets not read yet.
pub(super) struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Reason::Fields)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Reason::Fields)?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*first))
    }

    /// A field with one octet of length before it.
    pub(super) fn short(&mut self) -> Result<Self, Malformed> {
        let length = self.u8()?;
        self.take(length.into()).map(Self)
    }

    /// A field with two octets of length before it.
    pub(super) fn long(&mut self) -> Result<Self, Malformed> {
        let length = self.u16()?;
        self.take(length.into()).map(Self)
    }
}
