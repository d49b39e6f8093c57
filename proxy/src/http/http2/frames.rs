//! Follows the frames of an HTTP/2 connection in both directions and counts what costs a client little and this side
//! much. Pure: time comes in.
//!
//! RFC 9113 §4.1 (frames), §6.10 (header blocks), §10.5 (floods). Each kind has a limit within a second; header blocks
//! have one for themselves. What goes with the content that a client takes is free: whoever takes much opens its windows
//! and measures the way often, and there are clients that do both for each small frame. Whether a frame may be is judged
//! by [`super::breach`].

mod cursor;

pub(super) use cursor::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PADDED, PING, PRIORITIZED,
    RST_STREAM, SETTINGS, WINDOW_UPDATE,
};

use super::breach::{self, Breach, Judge};
use super::fields::Fields;
use super::preface::PREFACE;
use cursor::{Cursor, HEAD, Piece};
use std::time::{Duration, Instant};

/// What is counted begins anew this often.
const WINDOW: Duration = Duration::from_secs(1);
/// One window update of the connection, and one PING, is free for so many octets of content sent.
const OCTETS_FOR_ONE: u64 = 1 << 10;
/// So many octets sent make others free later at most.
const MOST_OCTETS: u64 = 1 << 26;
/// So many `DATA` frames sent make others free later at most.
const MOST_FRAMES: u32 = 1 << 10;

/// Error codes with which the library ends a stream because of what the client has sent (RFC 9113 §7).
const CLIENTS_FAULT: [u32; 4] = [1, 3, 5, 6];

/// What there can be too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flood {
    /// Streams that the client resets (CVE-2023-44487).
    Resets,
    /// Streams that it has this side reset (CVE-2025-8671).
    Faults,
    Pings,
    Settings,
    /// `DATA` without octets that ends nothing.
    EmptyData,
    /// Window updates of the connection.
    WindowUpdates,
    /// Frames of one header block.
    Continuations,
}

impl Flood {
    const ALL: [(Self, u32, &'static str); 7] = [
        (Self::Resets, 100, "streams are reset"),
        (Self::Faults, 100, "streams break the rules"),
        (Self::Pings, 100, "PING frames"),
        (Self::Settings, 50, "SETTINGS frames"),
        (Self::EmptyData, 100, "empty DATA frames"),
        (Self::WindowUpdates, 100, "WINDOW_UPDATE frames of the connection"),
        (Self::Continuations, 20, "CONTINUATION frames of one header block"),
    ];

    /// How many there may be.
    const fn limit(self) -> u32 {
        Self::ALL[self as usize].1
    }

    /// For the log.
    pub(crate) const fn text(self) -> &'static str {
        Self::ALL[self as usize].2
    }
}

/// Why a connection is not to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offence {
    Flood(Flood),
    Breach(Breach),
}

impl Offence {
    /// What the client is told (RFC 9113 §7); `ENHANCE_YOUR_CALM` of floods.
    const fn code(self) -> u32 {
        match self {
            Self::Flood(_) => 11,
            Self::Breach(breach) => breach.code(),
        }
    }
}

/// Both directions of one connection.
#[derive(Debug)]
pub(crate) struct Frames {
    of_client: Cursor,
    to_client: Cursor,
    /// Since when is counted.
    since: Instant,
    counts: [u32; Flood::ALL.len()],
    /// Octets of content sent that nothing has gone with yet.
    sent: u64,
    /// `DATA` frames sent that no PING, and no window update of the connection, has gone with yet.
    pings: u32,
    updates: u32,
    /// How many header blocks have begun.
    blocks: u64,
    judge: Judge,
    fields: Fields,
    /// Whether the frame of the client under way is of a header block.
    in_fields: bool,
    /// Whether any octet of the client has come.
    begun: bool,
    offence: Option<Offence>,
}

impl Frames {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            of_client: Cursor::new(PREFACE.len()),
            to_client: Cursor::new(0),
            since: now,
            counts: [0; Flood::ALL.len()],
            sent: 0,
            pings: 0,
            updates: 0,
            blocks: 0,
            judge: Judge::new(),
            fields: Fields::new(),
            in_fields: false,
            begun: false,
            offence: None,
        }
    }

    /// Why the connection is not to go on.
    pub(crate) const fn offence(&self) -> Option<Offence> {
        self.offence
    }

    /// Whether the preface or a header block has begun and is not whole.
    pub(crate) const fn in_head(&self) -> bool {
        let in_preface = self.begun && self.judge.last() == 0 && self.of_client.is_behind_head();
        self.judge.in_block() || (self.in_fields && self.of_client.is_inside()) || in_preface
    }

    /// How many header blocks have begun.
    pub(crate) const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// What to say at the end if it is a frame's turn (RFC 9113 §6.8): `GOAWAY` with the last stream that may have been
    /// acted on.
    pub(crate) fn farewell(&self) -> Option<[u8; HEAD + 8]> {
        let code = self.offence.filter(|_| !self.to_client.is_inside())?.code();
        let mut frame = [0; HEAD + 8];
        (frame[2], frame[3]) = (8, GOAWAY);
        frame[HEAD..HEAD + 4].copy_from_slice(&self.judge.last().to_be_bytes());
        frame[HEAD + 4..].copy_from_slice(&code.to_be_bytes());
        Some(frame)
    }

    /// Takes in the next octets of the client. Returns how many of them the HTTP library may see: not the last one that
    /// makes a frame a breach, before which it does nothing about that frame.
    pub(crate) fn received(&mut self, octets: &[u8], now: Instant) -> usize {
        self.begun |= !octets.is_empty();
        let mut rest = octets;
        while let Some(piece) = self.of_client.next(&mut rest) {
            let judged = match &piece {
                Piece::Frame(frame) => self.judge.frame(frame),
                Piece::Setting(name, value) => breach::setting(*name, *value),
                Piece::Fields(octets, is_last) => self.fields(octets, *is_last),
            };
            if let Err(breach) = judged {
                self.offence.get_or_insert(Offence::Breach(breach));
                return octets.len() - rest.len() - 1;
            }
            if let Piece::Frame(frame) = piece {
                self.note(frame, now);
            }
        }
        octets.len()
    }

    /// Follows octets of a header block, the last ones of their frame or not.
    fn fields(&mut self, octets: &[u8], is_last: bool) -> Result<(), Breach> {
        self.fields.take(octets)?;
        if is_last && !self.judge.in_block() { self.fields.end() } else { Ok(()) }
    }

    /// Counts a frame of the client.
    fn note(&mut self, frame: Frame, now: Instant) {
        self.in_fields = matches!(frame.kind, HEADERS | CONTINUATION);
        match frame.kind {
            DATA if frame.length == 0 && !frame.has(END_STREAM) => self.count(Flood::EmptyData, now),
            HEADERS => {
                self.fields.begin(self.judge.in_trailers());
                self.blocks += 1;
                self.counts[Flood::Continuations as usize] = 0;
            }
            CONTINUATION => self.add(Flood::Continuations),
            RST_STREAM => self.count(Flood::Resets, now),
            SETTINGS if !frame.has(ACK) => self.count(Flood::Settings, now),
            PING if !frame.has(ACK) => self.count_unless_earned(Flood::Pings, now),
            WINDOW_UPDATE if frame.stream == 0 => self.count_unless_earned(Flood::WindowUpdates, now),
            _ => {}
        }
    }

    /// Takes in the next octets to the client.
    pub(crate) fn sent(&mut self, mut octets: &[u8], now: Instant) {
        while let Some(piece) = self.to_client.next(&mut octets) {
            let Piece::Frame(frame) = piece else { continue };
            match frame.kind {
                DATA => {
                    self.sent = MOST_OCTETS.min(self.sent + u64::from(frame.length));
                    self.pings = MOST_FRAMES.min(self.pings + 1);
                    self.updates = MOST_FRAMES.min(self.updates + 1);
                }
                RST_STREAM if CLIENTS_FAULT.contains(&frame.word) => self.count(Flood::Faults, now),
                _ => {}
            }
        }
    }

    fn count_unless_earned(&mut self, flood: Flood, now: Instant) {
        let frames = if flood == Flood::Pings { &mut self.pings } else { &mut self.updates };
        if *frames > 0 {
            *frames -= 1;
            return;
        }
        match self.sent.checked_sub(OCTETS_FOR_ONE) {
            Some(left) => self.sent = left,
            None => self.count(flood, now),
        }
    }

    fn count(&mut self, flood: Flood, now: Instant) {
        if now.saturating_duration_since(self.since) >= WINDOW {
            self.since = now;
            let of_block = self.counts[Flood::Continuations as usize];
            self.counts = [0; Flood::ALL.len()];
            self.counts[Flood::Continuations as usize] = of_block;
        }
        self.add(flood);
    }

    fn add(&mut self, flood: Flood) {
        let count = &mut self.counts[flood as usize];
        *count += 1;
        if *count > flood.limit() {
            self.offence.get_or_insert(Offence::Flood(flood));
        }
    }
}

#[cfg(test)]
mod tests;
