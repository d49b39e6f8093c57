//! Bytes both ways between a client and a member until both have said all.
//!
//! The end of one direction is passed on as such (half-close) and the other goes on. A broken or silent connection
//! breaks the other too, by a reset, so that nobody takes a part for the whole.
//!
//! A direction that waits for bytes holds no buffer: one of the worker's is borrowed for the moment between a read and
//! a write, and kept only while the receiver does not take what was read. So an idle connection costs two sockets.

use crate::alarm::Alarm;
use crate::snapshot::Route;
use crate::stream::Stream;
use crate::worker::Local;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Bytes moved by one read and one write at most.
const BUFFER: usize = 64 << 10;
/// Free buffers a worker keeps for the next use; more are given back.
const SPARE: usize = 16;

/// The free buffers of one worker.
#[derive(Default)]
pub(crate) struct Buffers(RefCell<Vec<Box<[u8]>>>);

impl Buffers {
    fn take(&self) -> Box<[u8]> {
        self.0.borrow_mut().pop().unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice())
    }

    fn put(&self, buffer: Box<[u8]>) {
        let mut free = self.0.borrow_mut();
        if free.len() < SPARE {
            free.push(buffer);
        }
    }
}

/// How a relayed connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides have said all, and it was passed on.
    Whole,
    /// The client's connection broke.
    ClientGone,
    /// The member's connection broke.
    MemberGone,
    /// The client sent or took nothing for its timeout.
    ClientSilent,
    /// The member sent or took nothing for its timeout.
    MemberSilent,
}

/// Relays until the end, counting bytes as they pass.
pub(crate) async fn relay(local: &Local, route: &Route, mut client: Stream, mut member: Stream) -> End {
    let now = Instant::now();
    let mut relay = Relay {
        upward: Flow::default(),
        downward: Flow::default(),
        client_seen: now,
        member_seen: now,
        client_limit: route.timeout.client,
        member_limit: route.timeout.server,
        alarm: Alarm::default(),
    };
    let end = poll_fn(|cx| {
        let polled = relay.poll(cx, &local.buffers, &mut client, &mut member);
        let (received, sent) = (relay.upward.take_read(), relay.downward.take_written());
        if received > 0 {
            route.counts.received(local.index(), received);
        }
        if sent > 0 {
            route.counts.sent(local.index(), sent);
        }
        polled
    })
    .await;
    if end != End::Whole {
        client.socket().abort();
        member.socket().abort();
    }
    end
}

struct Relay {
    /// From the client to the member.
    upward: Flow,
    /// From the member to the client.
    downward: Flow,
    /// When the client last sent or took something.
    client_seen: Instant,
    /// When the member last sent or took something.
    member_seen: Instant,
    client_limit: Duration,
    member_limit: Duration,
    alarm: Alarm,
}

impl Relay {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &Buffers,
        client: &mut Stream,
        member: &mut Stream,
    ) -> Poll<End> {
        let upward = self.upward.poll(cx, buffers, client, member);
        let downward = self.downward.poll(cx, buffers, member, client);
        let (up, down) = (self.upward.take_moved(), self.downward.take_moved());
        if up.read || up.written || down.read || down.written {
            let now = Instant::now();
            if up.read || down.written {
                self.client_seen = now;
            }
            if down.read || up.written {
                self.member_seen = now;
            }
        }
        match (upward, downward) {
            (Poll::Ready(Err(Broken::Read)), _) | (_, Poll::Ready(Err(Broken::Write))) => {
                return Poll::Ready(End::ClientGone);
            }
            (Poll::Ready(Err(Broken::Write)), _) | (_, Poll::Ready(Err(Broken::Read))) => {
                return Poll::Ready(End::MemberGone);
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(End::Whole),
            (Poll::Pending, _) | (_, Poll::Pending) => {}
        }
        let (deadline, end) = self.deadline();
        ready!(self.alarm.poll(cx, Some(deadline)));
        Poll::Ready(end)
    }

    /// Silence counts only where something is expected: of the sender of an open direction that holds nothing back, of
    /// the receiver of one that does.
    fn deadline(&self) -> (Instant, End) {
        let client = (self.client_seen + self.client_limit, End::ClientSilent);
        let member = (self.member_seen + self.member_limit, End::MemberSilent);
        let of_client = self.upward.waits_for_sender() || self.downward.waits_for_receiver();
        let of_member = self.downward.waits_for_sender() || self.upward.waits_for_receiver();
        match (of_client, of_member) {
            (true, false) => client,
            (false, true) => member,
            (true, true) | (false, false) => {
                if client.0 <= member.0 {
                    client
                } else {
                    member
                }
            }
        }
    }
}

/// Which side of a direction broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Read,
    Write,
}

/// What a poll of a direction has moved.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    read: bool,
    written: bool,
}

/// One direction.
#[derive(Default)]
struct Flow {
    stage: Stage,
    held: Option<Held>,
    moved: Moved,
    read: u64,
    written: u64,
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
    start: usize,
    end: usize,
}

impl Flow {
    const fn waits_for_sender(&self) -> bool {
        matches!(self.stage, Stage::Reading) && self.held.is_none()
    }

    const fn waits_for_receiver(&self) -> bool {
        self.held.is_some()
    }

    const fn take_moved(&mut self) -> Moved {
        std::mem::replace(&mut self.moved, Moved { read: false, written: false })
    }

    const fn take_read(&mut self) -> u64 {
        std::mem::replace(&mut self.read, 0)
    }

    const fn take_written(&mut self) -> u64 {
        std::mem::replace(&mut self.written, 0)
    }

    /// Moves what can be moved. Ends when the end has been passed on.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &Buffers,
        from: &mut Stream,
        to: &mut Stream,
    ) -> Poll<Result<(), Broken>> {
        loop {
            if let Some(held) = self.held.take() {
                ready!(self.pass_on(cx, buffers, held, to)).map_err(|_| Broken::Write)?;
            }
            match self.stage {
                Stage::Reading => ready!(self.read(cx, buffers, from)).map_err(|_| Broken::Read)?,
                Stage::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(|_| Broken::Write)?;
                    self.stage = Stage::Ended;
                }
                Stage::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Writes what is held; keeps it until all of it has left.
    fn pass_on(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &Buffers,
        mut held: Held,
        to: &mut Stream,
    ) -> Poll<io::Result<()>> {
        while held.start < held.end {
            match Pin::new(&mut *to).poll_write(cx, &held.buffer[held.start..held.end]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(taken)) => {
                    held.start += taken;
                    self.written += taken as u64;
                    self.moved.written = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.held = Some(held);
                    return Poll::Pending;
                }
            }
        }
        if Pin::new(&mut *to).poll_flush(cx)?.is_pending() {
            self.held = Some(held);
            return Poll::Pending;
        }
        buffers.put(held.buffer);
        Poll::Ready(Ok(()))
    }

    /// Reads once into a borrowed buffer, which is held only if something came.
    fn read(&mut self, cx: &mut Context<'_>, buffers: &Buffers, from: &mut Stream) -> Poll<io::Result<()>> {
        let mut buffer = buffers.take();
        let mut target = ReadBuf::new(&mut buffer);
        let polled = Pin::new(from).poll_read(cx, &mut target);
        let end = target.filled().len();
        if end > 0 {
            self.read += end as u64;
            self.moved.read = true;
            self.held = Some(Held { buffer, start: 0, end });
        } else {
            buffers.put(buffer);
            if matches!(polled, Poll::Ready(Ok(()))) {
                self.stage = Stage::Ending;
                self.moved.read = true;
            }
        }
        polled
    }
}

#[cfg(test)]
mod tests;
