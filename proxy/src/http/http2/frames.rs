//! Follows the frames of an HTTP/2 connection in both directions and counts what costs a client little and this side
//! much. Pure: time comes in.
//!
//! RFC 9113 §4.1 (frames), §6.10 (header blocks), §10.5 (floods). Each kind has a limit within a second; header blocks
//! have one for themselves. What goes with the content that a client takes is free: whoever takes much opens its windows
//! and measures the way often, and there are clients that do both for each small frame. Deliberately judges no frame: the
//! HTTP library does.

use super::preface::PREFACE;
use std::time::{Duration, Instant};

/// What is counted begins anew this often.
const WINDOW: Duration = Duration::from_secs(1);
/// One window update of the connection, and one PING, is free for so many octets of content sent.
const OCTETS_FOR_ONE: u64 = 1 << 10;
/// So many octets sent make others free later at most.
const MOST_OCTETS: u64 = 1 << 26;
/// So many `DATA` frames sent make others free later at most.
const MOST_FRAMES: u32 = 1 << 10;

const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// Of `DATA` and `HEADERS`.
const END_STREAM: u8 = 1;
/// Of `SETTINGS` and `PING`.
const ACK: u8 = 1;
/// Of `HEADERS` and `CONTINUATION`.
const END_HEADERS: u8 = 4;

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

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    length: u32,
    kind: u8,
    flags: u8,
    stream: u32,
    /// Of `RST_STREAM`.
    code: u32,
}

/// The place in the octets of one direction.
#[derive(Debug)]
struct Cursor {
    /// What has come of the next frame's head, and of the code of a reset.
    head: [u8; HEAD + 4],
    had: usize,
    /// What is left of the payload.
    left: usize,
}

impl Cursor {
    const fn new(left: usize) -> Self {
        Self { head: [0; HEAD + 4], had: 0, left }
    }

    /// Whether a frame, or the preface, has begun and not ended.
    const fn is_inside(&self) -> bool {
        self.had > 0 || self.left > 0
    }

    /// The next frame whose head is whole, taken from the front of `octets`.
    fn next(&mut self, octets: &mut &[u8]) -> Option<Frame> {
        loop {
            let (skipped, rest) = octets.split_at(self.left.min(octets.len()));
            self.left -= skipped.len();
            *octets = rest;
            if octets.is_empty() {
                return None;
            }
            let wanted = if self.had >= HEAD { HEAD + 4 } else { HEAD };
            let (more, rest) = octets.split_at((wanted - self.had).min(octets.len()));
            self.head[self.had..self.had + more.len()].copy_from_slice(more);
            self.had += more.len();
            *octets = rest;
            if self.had < wanted {
                return None;
            }
            let [l0, l1, l2, kind, flags, s0, s1, s2, s3, c0, c1, c2, c3] = self.head;
            let length = u32::from_be_bytes([0, l0, l1, l2]);
            if kind == RST_STREAM && length >= 4 && wanted == HEAD {
                continue;
            }
            self.left = length as usize - (wanted - HEAD);
            self.had = 0;
            let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
            return Some(Frame { length, kind, flags, stream, code: u32::from_be_bytes([c0, c1, c2, c3]) });
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
    /// Whether a header block has begun whose last frame has not.
    in_block: bool,
    /// Whether the frame of the client under way is of a header block.
    in_fields: bool,
    /// Whether any octet of the client has come.
    begun: bool,
    /// The last stream that the client has begun.
    last: u32,
    flood: Option<Flood>,
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
            in_block: false,
            in_fields: false,
            begun: false,
            last: 0,
            flood: None,
        }
    }

    /// What the client has sent too much of.
    pub(crate) const fn flood(&self) -> Option<Flood> {
        self.flood
    }

    /// Whether the preface or a header block has begun and is not whole.
    pub(crate) const fn in_head(&self) -> bool {
        let in_preface = self.begun && self.last == 0 && self.of_client.had == 0 && self.of_client.left > 0;
        self.in_block || (self.in_fields && self.of_client.is_inside()) || in_preface
    }

    /// How many header blocks have begun.
    pub(crate) const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The last stream that the client has begun; none if something else cannot be sent in the place of the next frame.
    pub(crate) const fn last_stream(&self) -> Option<u32> {
        if self.to_client.is_inside() { None } else { Some(self.last) }
    }

    /// Takes in the next octets of the client.
    pub(crate) fn received(&mut self, mut octets: &[u8], now: Instant) {
        self.begun |= !octets.is_empty();
        while let Some(frame) = self.of_client.next(&mut octets) {
            self.in_fields = matches!(frame.kind, HEADERS | CONTINUATION);
            match (frame.kind, frame.flags) {
                (DATA, flags) if frame.length == 0 && flags & END_STREAM == 0 => {
                    self.count(Flood::EmptyData, now);
                }
                (HEADERS, flags) => {
                    self.last = self.last.max(frame.stream);
                    self.in_block = flags & END_HEADERS == 0;
                    self.blocks += 1;
                    self.counts[Flood::Continuations as usize] = 0;
                }
                (CONTINUATION, flags) => {
                    self.in_block = flags & END_HEADERS == 0;
                    self.add(Flood::Continuations);
                }
                (RST_STREAM, _) => self.count(Flood::Resets, now),
                (SETTINGS, flags) if flags & ACK == 0 => self.count(Flood::Settings, now),
                (PING, flags) if flags & ACK == 0 => self.count_unless_earned(Flood::Pings, now),
                (WINDOW_UPDATE, _) if frame.stream == 0 => {
                    self.count_unless_earned(Flood::WindowUpdates, now);
                }
                _ => {}
            }
        }
    }

    /// Takes in the next octets to the client.
    pub(crate) fn sent(&mut self, mut octets: &[u8], now: Instant) {
        while let Some(frame) = self.to_client.next(&mut octets) {
            match frame.kind {
                DATA => {
                    self.sent = MOST_OCTETS.min(self.sent + u64::from(frame.length));
                    self.pings = MOST_FRAMES.min(self.pings + 1);
                    self.updates = MOST_FRAMES.min(self.updates + 1);
                }
                RST_STREAM if CLIENTS_FAULT.contains(&frame.code) => self.count(Flood::Faults, now),
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
            self.flood.get_or_insert(flood);
        }
    }
}

/// A frame that ends the connection because of a flood (RFC 9113 §6.8, `ENHANCE_YOUR_CALM`). `last` is the last stream
/// that may have been acted on.
pub(crate) fn farewell(last: u32) -> [u8; 17] {
    let mut frame = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];
    frame[9..13].copy_from_slice(&last.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests;
