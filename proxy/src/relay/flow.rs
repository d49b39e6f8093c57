//! One direction of a relay.

use super::buffers::{Buffers, SMALL};
use super::leg::Leg;
use crate::stream::HELD_BACK;
use bytes::Bytes;
use std::io;
use std::task::{Context, Poll, ready};

/// A flow that has moved so much at one go lets others have their turn.
const TURN: usize = 1 << 20;

/// One direction.
#[derive(Default)]
pub(super) struct Flow {
    stage: Stage,
    /// Whether there was more than a small buffer holds.
    is_bulk: bool,
    /// Bytes that the buffers count as kept.
    kept: u32,
    held: Option<Held>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Reading,
    /// The sender has said all; what is held, and then the end, is still to be passed on.
    Ending,
    Ended,
}

/// What was read and not yet taken.
struct Held {
    buffer: Box<[u8]>,
    start: u32,
    end: u32,
}

/// Which side of a direction broke, and how.
#[derive(Debug)]
pub(super) enum Broken {
    Read(io::Error),
    Write(io::Error),
}

/// What a poll of a direction has moved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moved {
    /// Bytes from the sender.
    pub(super) read: usize,
    /// Bytes that the receiver's socket took.
    pub(super) written: usize,
    /// Whether the sender has said that it has no more.
    pub(super) heard_end: bool,
    /// Whether the receiver was told so.
    pub(super) told_end: bool,
}

impl Flow {
    /// With this to pass on first.
    pub(super) fn holding(ahead: Bytes) -> Self {
        let held = (!ahead.is_empty()).then(|| Held {
            start: 0,
            end: length(ahead.len()),
            buffer: Vec::from(ahead).into_boxed_slice(),
        });
        Self { held, ..Self::default() }
    }

    pub(super) fn waits_for_sender(&self) -> bool {
        self.stage == Stage::Reading && self.held.is_none()
    }

    pub(super) const fn waits_for_receiver(&self) -> bool {
        self.held.is_some()
    }

    /// Whether the sender has said all.
    pub(super) fn has_heard_end(&self) -> bool {
        self.stage != Stage::Reading
    }

    /// Whether the receiver was told all.
    pub(super) fn has_told_end(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Moves what can be moved. Ends when the end has been passed on; that of the last direction of a bare connection is
    /// told by the close that follows.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &Buffers,
        (from, to): (&mut Leg, &mut Leg),
        is_last: bool,
        moved: &mut Moved,
    ) -> Poll<Result<(), Broken>> {
        loop {
            // TLS takes more than the socket does, and so holds some itself.
            to.hold_back_at_most(if buffers.are_short() { HELD_BACK } else { SMALL });
            let passed_on = self.pass_on(cx, to, moved);
            if passed_on.is_pending() {
                self.keep(buffers, to);
            }
            ready!(passed_on).map_err(Broken::Write)?;
            self.give_back(buffers);
            match self.stage {
                Stage::Reading if moved.written >= TURN => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Stage::Reading => ready!(self.read(cx, buffers, from, moved)).map_err(Broken::Read)?,
                Stage::Ending if is_last && to.is_bare() => self.stage = Stage::Ended,
                Stage::Ending => {
                    ready!(to.poll_shutdown(cx)).map_err(Broken::Write)?;
                    self.stage = Stage::Ended;
                    moved.told_end = true;
                }
                Stage::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Gives the buffer back that it may hold, with what is in it.
    pub(super) fn give_back(&mut self, buffers: &Buffers) {
        if let Some(held) = self.held.take() {
            buffers.put(held.buffer);
        }
        self.count(buffers, 0);
    }

    /// Keeps what the receiver does not take: of that, what TLS has taken is with TLS.
    fn keep(&mut self, buffers: &Buffers, to: &Leg) {
        let Some(held) = &mut self.held else { return };
        if held.start == held.end {
            buffers.put(std::mem::take(&mut held.buffer));
        }
        // What TLS held back before memory was short, it may hold still.
        let of_tls = if to.is_bare() || buffers.are_short() { 0 } else { SMALL };
        let bytes = held.buffer.len() + of_tls;
        self.count(buffers, bytes.max(if to.is_bare() { 0 } else { self.kept as usize }));
    }

    fn count(&mut self, buffers: &Buffers, bytes: usize) {
        if bytes != self.kept as usize {
            buffers.keep(self.kept as usize, bytes);
            self.kept = length(bytes);
        }
    }

    /// Writes what is held until all of it has left.
    fn pass_on(&mut self, cx: &mut Context<'_>, to: &mut Leg, moved: &mut Moved) -> Poll<io::Result<()>> {
        let Some(held) = &mut self.held else { return Poll::Ready(Ok(())) };
        while held.start < held.end {
            let taken = ready!(to.poll_send(cx, &held.buffer[held.start as usize..held.end as usize]))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            held.start += length(taken);
            moved.written += taken;
        }
        to.poll_flush(cx)
    }

    /// Reads once into a borrowed buffer, which is held only if something came.
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &Buffers,
        from: &mut Leg,
        moved: &mut Moved,
    ) -> Poll<io::Result<()>> {
        let mut buffer = buffers.take(self.is_bulk);
        let received = from.poll_receive(cx, &mut buffer);
        match received {
            Poll::Ready(Ok(end @ 1..)) => {
                moved.read += end;
                self.is_bulk = end >= SMALL;
                self.held = Some(Held { buffer, start: 0, end: length(end) });
            }
            Poll::Ready(Ok(0)) => {
                buffers.put(buffer);
                self.stage = Stage::Ending;
                moved.heard_end = true;
            }
            Poll::Ready(Err(_)) | Poll::Pending => buffers.put(buffer),
        }
        received.map_ok(drop)
    }
}

/// A place in a buffer.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("no buffer has more than 256 KiB")
}
