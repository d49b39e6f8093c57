//! Judges the frames of an HTTP/2 client as far as they concern the connection as a whole. Pure.
//!
//! RFC 9113 §4.2 (lengths), §5.1 (states of streams), §5.1.1 (their numbers), §6 (each type). The HTTP library refuses the
//! same, but with `PROTOCOL_ERROR` whatever the reason. What would be a stream error in a frame's form or place is one of
//! the connection, as §5.4.1 allows. Deliberately not here, since the library judges it well: flow control, and what is
//! wrong with a message (§8.1.1). Header blocks are followed by [`super::fields`].

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, PADDED, PRIORITIZED, RST_STREAM,
    SETTINGS, WINDOW_UPDATE,
};

/// A frame has no more octets behind its head: what `SETTINGS_MAX_FRAME_SIZE` is where nobody says otherwise.
const MOST: u32 = 1 << 14;
/// What a block's fields have ahead of them in a frame that gives its stream a priority.
pub(super) const PRIORITY_FIELDS: u32 = 5;

/// What ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    Length,
    Place,
    Push,
    Block,
    Padding,
    Number,
    Idle,
    Ended,
    Update,
    Setting,
    Window,
    Fields,
    Trailers,
}

impl Breach {
    /// The error codes are those of RFC 9113 §7.
    const ALL: [(Self, u32, &'static str); 13] = [
        (Self::Length, 6, "a frame has a length that its type does not have"),
        (Self::Place, 1, "a frame of a stream is on none, or one of the connection on a stream"),
        (Self::Push, 1, "a client sends PUSH_PROMISE"),
        (Self::Block, 1, "a header block is interrupted, or goes on without having begun"),
        (Self::Padding, 1, "a frame has more padding than octets"),
        (Self::Number, 1, "a stream begins out of order"),
        (Self::Idle, 1, "a frame is on a stream that has not begun"),
        (Self::Ended, 5, "a frame goes on with a stream that the client has ended"),
        (Self::Update, 1, "a window is opened by nothing"),
        (Self::Setting, 1, "a setting has a value that is none"),
        (Self::Window, 3, "a setting opens windows too far"),
        (Self::Fields, 9, "a header block cannot be decoded"),
        (Self::Trailers, 1, "trailers have a field that only heads have"),
    ];

    /// What the client is told (RFC 9113 §7).
    pub(super) const fn code(self) -> u32 {
        Self::ALL[self as usize].1
    }

    /// For the log.
    pub(super) const fn text(self) -> &'static str {
        Self::ALL[self as usize].2
    }
}

/// Where frames of a type are.
enum Place {
    Stream,
    Connection,
    Either,
    /// No client sends them.
    Nowhere,
}

/// What length they have.
enum Length {
    Any,
    Exactly(u32),
    AtLeast(u32),
    Times(u32),
}

/// By type (RFC 9113 §6.1 to §6.10).
const RULES: [(Place, Length); 10] = [
    (Place::Stream, Length::Any),
    (Place::Stream, Length::Any),
    (Place::Stream, Length::Exactly(PRIORITY_FIELDS)),
    (Place::Stream, Length::Exactly(4)),
    (Place::Connection, Length::Times(6)),
    (Place::Nowhere, Length::Any),
    (Place::Connection, Length::Exactly(8)),
    (Place::Connection, Length::AtLeast(8)),
    (Place::Either, Length::Exactly(4)),
    (Place::Stream, Length::Any),
];

/// Settings with least and greatest value (RFC 9113 §6.5.2, RFC 8441 §3).
const SETTING_VALUES: [(u16, u32, u32, Breach); 4] = [
    (2, 0, 1, Breach::Setting),
    (4, 0, (1 << 31) - 1, Breach::Window),
    (5, 1 << 14, (1 << 24) - 1, Breach::Setting),
    (8, 0, 1, Breach::Setting),
];

/// What the client has made of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not begun, and may yet be if the number is odd.
    Idle,
    Open,
    /// Ended or reset by the client itself. One that this side has ended or reset is open as before: the client may not
    /// know of it (RFC 9113 §5.1).
    Ended,
    /// Not begun when a later one was, and so never to be.
    Skipped,
    /// Longer ago than is remembered.
    Forgotten,
}

/// What is known of the streams of one connection.
#[derive(Debug)]
pub(super) struct Judge {
    /// The stream whose header block has begun and not ended.
    block: Option<u32>,
    /// The last stream that the client has begun.
    last: u32,
    /// The last streams up to that, which is the lowest bit: those that have begun, and those that the client has ended.
    begun: u128,
    ended: u128,
    /// Whether the latest header block is one of trailers.
    in_trailers: bool,
}

impl Judge {
    pub(super) const fn new() -> Self {
        Self { block: None, last: 0, begun: 0, ended: 0, in_trailers: false }
    }

    /// Whether a header block has begun whose last frame has not.
    pub(super) const fn in_block(&self) -> bool {
        self.block.is_some()
    }

    /// Whether the latest header block is not the first one of its stream.
    pub(super) const fn in_trailers(&self) -> bool {
        self.in_trailers
    }

    /// The last stream that the client has begun.
    pub(super) const fn last(&self) -> u32 {
        self.last
    }

    /// The next frame. One of an unknown type is ignored outside of header blocks (RFC 9113 §5.5).
    pub(super) fn frame(&mut self, frame: &Frame) -> Result<(), Breach> {
        require(frame.length <= MOST, Breach::Length)?;
        let goes_on = frame.kind == CONTINUATION;
        require(self.block == goes_on.then_some(frame.stream), Breach::Block)?;
        let Some((place, length)) = RULES.get(usize::from(frame.kind)) else { return Ok(()) };
        match place {
            Place::Stream => require(frame.stream != 0, Breach::Place)?,
            Place::Connection => require(frame.stream == 0, Breach::Place)?,
            Place::Either => {}
            Place::Nowhere => return Err(Breach::Push),
        }
        let fits = match *length {
            Length::Any => true,
            Length::Exactly(length) => frame.length == length,
            Length::AtLeast(length) => frame.length >= length,
            Length::Times(length) => frame.length.is_multiple_of(length),
        };
        require(fits, Breach::Length)?;
        match frame.kind {
            DATA => {
                padding(frame, 0)?;
                self.data(frame)?;
            }
            HEADERS => {
                padding(frame, if frame.has(PRIORITIZED) { PRIORITY_FIELDS } else { 0 })?;
                self.headers(frame)?;
            }
            RST_STREAM => {
                require(self.state(frame.stream) != State::Idle, Breach::Idle)?;
                self.end(frame.stream);
            }
            SETTINGS if frame.has(ACK) => require(frame.length == 0, Breach::Length)?,
            WINDOW_UPDATE => {
                let is_idle = frame.stream != 0 && self.state(frame.stream) == State::Idle;
                require(!is_idle, Breach::Idle)?;
                require(frame.word & 0x7fff_ffff != 0, Breach::Update)?;
            }
            CONTINUATION if frame.has(END_HEADERS) => self.block = None,
            _ => {}
        }
        Ok(())
    }

    fn data(&mut self, frame: &Frame) -> Result<(), Breach> {
        match self.state(frame.stream) {
            State::Idle => return Err(Breach::Idle),
            State::Ended => return Err(Breach::Ended),
            // The library resets what it does not know.
            State::Open | State::Skipped | State::Forgotten => {}
        }
        if frame.has(END_STREAM) {
            self.end(frame.stream);
        }
        Ok(())
    }

    fn headers(&mut self, frame: &Frame) -> Result<(), Breach> {
        let state = self.state(frame.stream);
        match state {
            State::Idle if frame.stream % 2 == 1 => self.begin(frame.stream),
            State::Idle | State::Skipped => return Err(Breach::Number),
            State::Ended => return Err(Breach::Ended),
            State::Open | State::Forgotten => {}
        }
        if frame.has(END_STREAM) {
            self.end(frame.stream);
        }
        self.in_trailers = state != State::Idle;
        self.block = (!frame.has(END_HEADERS)).then_some(frame.stream);
        Ok(())
    }

    /// The bit of a stream of the client that is not idle, if it is remembered.
    const fn bit(&self, stream: u32) -> Option<u128> {
        1_u128.checked_shl((self.last - stream) / 2)
    }

    fn state(&self, stream: u32) -> State {
        if stream.is_multiple_of(2) || stream > self.last {
            return State::Idle;
        }
        match self.bit(stream) {
            None => State::Forgotten,
            Some(bit) if self.begun & bit == 0 => State::Skipped,
            Some(bit) if self.ended & bit == 0 => State::Open,
            Some(_) => State::Ended,
        }
    }

    fn begin(&mut self, stream: u32) {
        let later = stream.div_ceil(2) - self.last.div_ceil(2);
        self.begun = self.begun.checked_shl(later).unwrap_or(0) | 1;
        self.ended = self.ended.checked_shl(later).unwrap_or(0);
        self.last = stream;
    }

    fn end(&mut self, stream: u32) {
        self.ended |= self.bit(stream).unwrap_or(0);
    }
}

/// The next setting of the frame under way.
pub(super) fn setting(name: u16, value: u32) -> Result<(), Breach> {
    match SETTING_VALUES.iter().find(|(known, ..)| *known == name) {
        Some((_, least, most, breach)) => require((*least..=*most).contains(&value), *breach),
        None => Ok(()),
    }
}

const fn require(holds: bool, breach: Breach) -> Result<(), Breach> {
    if holds { Ok(()) } else { Err(breach) }
}

/// Whether the padding fits between the octets that the frame has ahead of its content and its end.
fn padding(frame: &Frame, ahead: u32) -> Result<(), Breach> {
    let is_padded = frame.has(PADDED);
    let room = frame.length.checked_sub(ahead + u32::from(is_padded)).ok_or(Breach::Length)?;
    require(!is_padded || u32::from(frame.word.to_be_bytes()[0]) <= room, Breach::Padding)
}

#[cfg(test)]
mod tests;
