//! The pieces of one direction of an HTTP/2 connection that are looked at, however its octets are cut. Pure.
//!
//! RFC 9113 §4.1 (frames) and §6 (what is behind their heads). Deliberately judges nothing.

use crate::http::http2::breach::PRIORITY_FIELDS;

pub(super) const HEAD: usize = 9;
/// Most octets behind a head that are looked at with it.
const AHEAD: usize = 4;
/// One setting of `SETTINGS`.
const SETTING: usize = 6;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Of `DATA` and `HEADERS`.
pub(crate) const END_STREAM: u8 = 1;
/// Of `SETTINGS` and `PING`.
pub(crate) const ACK: u8 = 1;
/// Of `HEADERS` and `CONTINUATION`.
pub(crate) const END_HEADERS: u8 = 4;
/// Of `DATA` and `HEADERS`.
pub(crate) const PADDED: u8 = 8;
/// Of `HEADERS`.
pub(crate) const PRIORITIZED: u8 = 0x20;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    /// The first octets behind the head: the code of `RST_STREAM`, the increment of `WINDOW_UPDATE`, and in the highest
    /// octet alone the length of padding.
    pub(crate) word: u32,
}

impl Frame {
    pub(crate) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// What is looked at.
pub(super) enum Piece<'a> {
    Frame(Frame),
    /// Octets of the header block in the frame under way, and whether they are the last ones there.
    Fields(&'a [u8], bool),
    /// The name and the value of one of the settings in the frame under way.
    Setting(u16, u32),
}

/// The place in the octets of one direction.
#[derive(Debug)]
pub(super) struct Cursor {
    /// What has come of the next frame's head and of what is looked at behind it, or of the next setting.
    part: [u8; HEAD + AHEAD],
    had: usize,
    /// What is left of the payload.
    left: usize,
    inside: Inside,
}

/// What the frame under way holds.
#[derive(Debug)]
enum Inside {
    Other,
    Settings,
    /// So many octets of a header block, behind so many others.
    Fields {
        ahead: usize,
        left: usize,
    },
}

impl Cursor {
    pub(super) const fn new(left: usize) -> Self {
        Self { part: [0; HEAD + AHEAD], had: 0, left, inside: Inside::Other }
    }

    /// Whether a frame, or the preface, has begun and not ended.
    pub(super) const fn is_inside(&self) -> bool {
        self.had > 0 || self.left > 0
    }

    /// Whether the preface, or what a frame holds behind its head, has begun and not ended.
    pub(super) const fn is_behind_head(&self) -> bool {
        self.had == 0 && self.left > 0
    }

    /// How many octets behind this head are looked at.
    const fn ahead(length: u32, kind: u8, flags: u8) -> usize {
        match kind {
            RST_STREAM | WINDOW_UPDATE if length >= 4 => 4,
            DATA | HEADERS if length > 0 && flags & PADDED != 0 => 1,
            _ => 0,
        }
    }

    /// The next piece that is whole, taken from the front of `octets`.
    pub(super) fn next<'a>(&mut self, octets: &mut &'a [u8]) -> Option<Piece<'a>> {
        if matches!(self.inside, Inside::Settings) && self.left >= SETTING {
            return self.collect(octets, SETTING).then(|| {
                (self.had, self.left) = (0, self.left - SETTING);
                let [n0, n1, v0, v1, v2, v3, ..] = self.part;
                Piece::Setting(u16::from_be_bytes([n0, n1]), u32::from_be_bytes([v0, v1, v2, v3]))
            });
        }
        if let Inside::Fields { ahead, left } = self.inside {
            let ahead = ahead - self.skip(octets, ahead).len();
            if ahead > 0 || (left > 0 && octets.is_empty()) {
                self.inside = Inside::Fields { ahead, left };
                return None;
            }
            let fields = self.skip(octets, left);
            let left = left - fields.len();
            self.inside = if left > 0 { Inside::Fields { ahead, left } } else { Inside::Other };
            return Some(Piece::Fields(fields, left == 0));
        }
        self.skip(octets, self.left);
        if octets.is_empty() || !self.collect(octets, HEAD) {
            return None;
        }
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3, ..] = self.part;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        let ahead = Self::ahead(length, kind, flags);
        if !self.collect(octets, HEAD + ahead) {
            return None;
        }
        self.left = length as usize - ahead;
        self.had = 0;
        self.inside = self.holds(kind, flags, ahead);
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
        let [.., w0, w1, w2, w3] = self.part;
        Some(Piece::Frame(Frame { length, kind, flags, stream, word: u32::from_be_bytes([w0, w1, w2, w3]) }))
    }

    /// What a frame with this head holds behind the octets that are looked at with it.
    fn holds(&self, kind: u8, flags: u8, ahead: usize) -> Inside {
        let (padding, ahead) = match kind {
            SETTINGS => return Inside::Settings,
            HEADERS => {
                let priority = if flags & PRIORITIZED != 0 { PRIORITY_FIELDS as usize } else { 0 };
                (if ahead > 0 { usize::from(self.part[HEAD]) } else { 0 }, priority)
            }
            CONTINUATION => (0, 0),
            _ => return Inside::Other,
        };
        // More than there is has been refused before it is looked for.
        Inside::Fields { ahead, left: self.left.saturating_sub(padding + ahead) }
    }

    /// Takes up to so many octets of the payload from the front of `octets`.
    fn skip<'a>(&mut self, octets: &mut &'a [u8], most: usize) -> &'a [u8] {
        let (skipped, rest) = octets.split_at(most.min(octets.len()));
        self.left -= skipped.len();
        *octets = rest;
        skipped
    }

    /// Takes from the front of `octets` until there are so many. False if there are too few.
    fn collect(&mut self, octets: &mut &[u8], wanted: usize) -> bool {
        let (more, rest) = octets.split_at(wanted.saturating_sub(self.had).min(octets.len()));
        self.part[self.had..self.had + more.len()].copy_from_slice(more);
        self.had += more.len();
        *octets = rest;
        self.had >= wanted
    }
}
