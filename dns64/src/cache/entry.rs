//! The octets of one cached entry: a fixed head, what replies are told apart by, the name, records, extended errors.
//!
//! Numbers are little-endian. The name is in lower case; the records are octets of a message whose header and
//! question stand before them, so that compression pointers hold; errors are EDNS options. Nothing here knows how
//! entries are found or how long they are kept.

use super::{Content, Key, Kind};
use std::ops::Range;

/// Octets of the head.
const HEAD: usize = 28;

/// What the size of an entry is counted in, in octets.
pub(super) const UNIT: usize = 4;

/// The type whose answers hold a [`Pass`].
const AAAA: u16 = 28;

/// Octets of a view, and of a [`Pass`].
const VIEW: usize = 8;
const PASS: usize = 12;

/// The parts of the octet of state. The low four bits are part of the key.
mod state {
    pub(super) const SELECTOR: u8 = 0x0f;
    pub(super) const FAILURE: u8 = 0x01;
    pub(super) const REPLY: u8 = 0x02;
    pub(super) const DNSSEC_OK: u8 = 0x04;
    pub(super) const CHECKING_DISABLED: u8 = 0x08;
    /// How often it was used lately, 0 to 3.
    pub(super) const USES: u8 = 0x30;
    pub(super) const USE: u8 = 0x10;
    /// The index does not have it.
    pub(super) const DEAD: u8 = 0x40;
    /// Someone renews it.
    pub(super) const RENEWING: u8 = 0x80;
}

const STATE_AT: usize = 14;

/// Bits of [`Head::code`] beside the response code.
const AUTHENTIC: u16 = 0x8000;
const AUTHORITATIVE: u16 = 0x4000;
const RCODE: u16 = 0x0fff;

/// The octets of extended errors stand in the low bits of 16, the class in the others.
const ERRORS: u16 = 0x0fff;
const CLASS: u8 = 0x0f;
const CLASS_SHIFT: u32 = 12;

/// The fixed part of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) hash: u32,
    /// When it was put in, in seconds.
    pub(super) stored: u32,
    /// For how many seconds it is fresh.
    pub(super) lifetime: u32,
    units: u16,
    state: u8,
    name: u8,
    pub(super) qtype: u16,
    code: u16,
    /// What the caller told it by.
    pub(super) class: u8,
    errors: u16,
    answers: u16,
    authorities: u8,
    additionals: u8,
    records: u16,
}

/// For which view an AAAA answer is the reply as it is, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    pub(super) view: u64,
    pub(super) until: u32,
}

impl Head {
    /// The head of an entry, or `None` where the content is more than an entry can hold.
    pub(super) fn new(hash: u32, key: &Key<'_>, content: &Content<'_>, now: u32) -> Option<Self> {
        let [answers, authorities, additionals] = content.counts;
        let flag = |set: bool, bit: u16| if set { bit } else { 0 };
        let mut head = Self {
            hash,
            stored: now,
            lifetime: content.lifetime,
            units: 0,
            state: selector(key),
            name: u8::try_from(key.name.as_bytes().len()).ok()?,
            qtype: key.qtype,
            code: content.rcode & RCODE
                | flag(content.authentic, AUTHENTIC)
                | flag(content.authoritative, AUTHORITATIVE),
            class: content.class & CLASS,
            errors: u16::try_from(content.errors.len()).ok().filter(|errors| *errors <= ERRORS)?,
            answers,
            authorities: u8::try_from(authorities).ok()?,
            additionals: u8::try_from(additionals).ok()?,
            records: u16::try_from(content.records.len()).ok()?,
        };
        head.units = u16::try_from(head.errors_at().end.div_ceil(UNIT)).ok()?;
        Some(head)
    }

    /// The head of the entry that `octets` start with.
    pub(super) fn read(octets: &[u8]) -> Self {
        let u16_at = |at: usize| u16::from_le_bytes([octets[at], octets[at + 1]]);
        let u32_at =
            |at: usize| u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        Self {
            hash: u32_at(0),
            stored: u32_at(4),
            lifetime: u32_at(8),
            units: u16_at(12),
            state: octets[STATE_AT],
            name: octets[15],
            qtype: u16_at(16),
            code: u16_at(18),
            class: (u16_at(20) >> CLASS_SHIFT).to_le_bytes()[0],
            errors: u16_at(20) & ERRORS,
            answers: u16_at(22),
            authorities: octets[24],
            additionals: octets[25],
            records: u16_at(26),
        }
    }

    fn write(&self, octets: &mut [u8]) {
        let mut put = |at: usize, number: &[u8]| octets[at..at + number.len()].copy_from_slice(number);
        put(0, &self.hash.to_le_bytes());
        put(4, &self.stored.to_le_bytes());
        put(8, &self.lifetime.to_le_bytes());
        put(12, &self.units.to_le_bytes());
        put(STATE_AT, &[self.state, self.name]);
        put(16, &self.qtype.to_le_bytes());
        put(18, &self.code.to_le_bytes());
        put(20, &(u16::from(self.class) << CLASS_SHIFT | self.errors).to_le_bytes());
        put(22, &self.answers.to_le_bytes());
        put(24, &[self.authorities, self.additionals]);
        put(26, &self.records.to_le_bytes());
    }

    /// Octets of the entry.
    pub(super) fn size(&self) -> usize {
        usize::from(self.units) * UNIT
    }

    /// The same entry in a place of `size` octets, which is no less than its own.
    pub(super) fn widened(self, size: usize) -> Self {
        let units = u16::try_from(size / UNIT).unwrap_or(self.units);
        Self { units: units.max(self.units), ..self }
    }

    pub(super) fn rcode(&self) -> u16 {
        self.code & RCODE
    }

    pub(super) fn authentic(&self) -> bool {
        self.code & AUTHENTIC != 0
    }

    pub(super) fn authoritative(&self) -> bool {
        self.code & AUTHORITATIVE != 0
    }

    pub(super) fn counts(&self) -> [u16; 3] {
        [self.answers, self.authorities.into(), self.additionals.into()]
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state & state::DEAD != 0
    }

    pub(super) fn is_renewing(&self) -> bool {
        self.state & state::RENEWING != 0
    }

    pub(super) fn is_reply(&self) -> bool {
        self.state & state::REPLY != 0
    }

    /// How often it was used lately, 0 to 3.
    pub(super) fn uses(&self) -> u8 {
        (self.state & state::USES) / state::USE
    }

    pub(super) fn has_pass(&self) -> bool {
        !self.is_reply() && self.state & state::FAILURE == 0 && self.qtype == AAAA
    }

    /// Seconds it is still fresh for; `Err` has the seconds since.
    pub(super) fn remaining(&self, now: u32) -> Result<u32, u32> {
        let age = now.saturating_sub(self.stored);
        if age < self.lifetime { Ok(self.lifetime - age) } else { Err(age - self.lifetime) }
    }

    fn name_at(&self) -> Range<usize> {
        let extra = if self.is_reply() {
            VIEW
        } else if self.has_pass() {
            PASS
        } else {
            0
        };
        let start = HEAD + extra;
        start..start + usize::from(self.name)
    }

    /// Where the records stand.
    pub(super) fn records_at(&self) -> Range<usize> {
        let start = self.name_at().end;
        start..start + usize::from(self.records)
    }

    /// Where the extended errors stand.
    pub(super) fn errors_at(&self) -> Range<usize> {
        let start = self.records_at().end;
        start..start + usize::from(self.errors)
    }

    /// The name of the entry in `octets`, in wire form and lower case.
    pub(super) fn name<'a>(&self, octets: &'a [u8]) -> &'a [u8] {
        &octets[self.name_at()]
    }

    /// The view of the reply in `octets`.
    pub(super) fn view(&self, octets: &[u8]) -> Option<u64> {
        let view = octets.get(HEAD..HEAD + VIEW)?.try_into().map(u64::from_le_bytes);
        self.is_reply().then_some(view.ok()?)
    }

    /// The pass of the AAAA answer in `octets`.
    pub(super) fn pass(&self, octets: &[u8]) -> Option<Pass> {
        let (view, until) = octets.get(HEAD..HEAD + PASS)?.split_at(VIEW);
        let pass = Pass {
            view: view.try_into().map(u64::from_le_bytes).ok()?,
            until: until.try_into().map(u32::from_le_bytes).ok()?,
        };
        self.has_pass().then_some(pass)
    }

    /// Whether the entry in `octets` is the one that `key` asks for.
    pub(super) fn is(&self, key: &Key<'_>, octets: &[u8]) -> bool {
        let view = match key.kind {
            Kind::Reply { view } => Some(view),
            Kind::Answer | Kind::Failure => None,
        };
        self.qtype == key.qtype
            && self.state & state::SELECTOR == selector(key)
            && self.name(octets) == key.name.as_bytes()
            && self.view(octets) == view
    }
}

/// Writes an entry to the start of `octets`.
pub(super) fn write(octets: &mut [u8], head: &Head, key: &Key<'_>, content: &Content<'_>) {
    head.write(octets);
    let name_at = head.name_at();
    octets[HEAD..name_at.start].fill(0);
    if let Kind::Reply { view } = key.kind {
        octets[HEAD..HEAD + VIEW].copy_from_slice(&view.to_le_bytes());
    }
    octets[name_at].copy_from_slice(key.name.as_bytes());
    octets[head.records_at()].copy_from_slice(content.records);
    octets[head.errors_at()].copy_from_slice(content.errors);
}

/// Counts a use.
pub(super) fn used(octets: &mut [u8]) {
    if octets[STATE_AT] & state::USES != state::USES {
        octets[STATE_AT] += state::USE;
    }
}

/// Sets how often it was used lately.
pub(super) fn set_uses(octets: &mut [u8], uses: u8) {
    octets[STATE_AT] = octets[STATE_AT] & !state::USES | (uses * state::USE) & state::USES;
}

/// Says that the index does not have it.
pub(super) fn bury(octets: &mut [u8]) {
    octets[STATE_AT] |= state::DEAD;
}

/// Says whether someone renews it.
pub(super) fn set_renewing(octets: &mut [u8], renewing: bool) {
    let bit = if renewing { state::RENEWING } else { 0 };
    octets[STATE_AT] = octets[STATE_AT] & !state::RENEWING | bit;
}

/// Says for whom the AAAA answer in `octets` is the reply as it is.
pub(super) fn set_pass(octets: &mut [u8], pass: Pass) {
    octets[HEAD..HEAD + VIEW].copy_from_slice(&pass.view.to_le_bytes());
    octets[HEAD + VIEW..HEAD + PASS].copy_from_slice(&pass.until.to_le_bytes());
}

fn selector(key: &Key<'_>) -> u8 {
    let kind = match key.kind {
        Kind::Answer => 0,
        Kind::Failure => state::FAILURE,
        Kind::Reply { .. } => state::REPLY,
    };
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    kind | flag(key.dnssec_ok, state::DNSSEC_OK) | flag(key.checking_disabled, state::CHECKING_DISABLED)
}
