//! The room that messages are read into.
//!
//! A head, or little content, is read onto the stack, and kept as what came. Where much comes the worker lends some of its few
//! large buffers, which are warm: what a stream costs is mostly the waking of both ends, which comes once for each read and
//! write. Each comes back when what was read into it has left. Whoever finds none free has one of middle size made.

use crate::stream::Stream;
use bytes::{Bytes, BytesMut};
use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// Octets that are read at once onto the stack.
pub(crate) const SMALL: usize = 8 << 10;
/// The same into room that is made for them.
const MIDDLE: usize = 64 << 10;
/// The same into what the worker lends.
pub(crate) const LARGE: usize = 256 << 10;
/// The most that a record of TLS holds (RFC 8446 §5.1).
pub(crate) const RECORD: usize = 16 << 10;
/// Buffers that a worker lends, and keeps.
const LARGE_ONES: usize = 8;

thread_local! {
    static LENDING: Lending = const { Lending { free: RefCell::new(Vec::new()), made: Cell::new(0) } };
}

/// The large buffers of this thread.
struct Lending {
    free: RefCell<Vec<Box<[u8]>>>,
    made: Cell<usize>,
}

impl Lending {
    fn take(&self) -> Option<Box<[u8]>> {
        let free = self.free.borrow_mut().pop();
        if free.is_none() && self.made.get() < LARGE_ONES {
            self.made.set(self.made.get() + 1);
            return Some(vec![0; LARGE].into_boxed_slice());
        }
        free
    }
}

/// A large buffer for as long as anything that was read into it is kept.
struct Lent {
    buffer: Box<[u8]>,
    filled: usize,
}

impl Lent {
    fn take() -> Option<Self> {
        LENDING.with(Lending::take).map(|buffer| Self { buffer, filled: 0 })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        // The thread may be at its end.
        let _ = LENDING.try_with(|lending| lending.free.borrow_mut().push(buffer));
    }
}

/// Reads at most so many octets, or [`SMALL`]. None is the end.
pub(crate) fn read(stream: &mut Stream, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<Bytes>> {
    if most <= SMALL {
        return read_small(stream, cx);
    }
    let lent = if most > MIDDLE { Lent::take() } else { None };
    if let Some(mut lent) = lent {
        let most = most.min(lent.buffer.len());
        let mut buffer = ReadBuf::new(&mut lent.buffer[..most]);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        lent.filled = buffer.filled().len();
        // Whoever takes little of it slowly would keep others from it.
        let is_little = lent.filled <= 2 * SMALL;
        return Poll::Ready(Ok(if is_little {
            Bytes::copy_from_slice(lent.as_ref())
        } else {
            Bytes::from_owner(lent)
        }));
    }
    let mut buffer = BytesMut::with_capacity(most.min(MIDDLE));
    let count = ready!(pin!(stream.read_buf(&mut buffer)).poll(cx))?;
    // The same of the room that it does not fill.
    let is_little = count < buffer.capacity() / 2;
    Poll::Ready(Ok(if is_little { Bytes::copy_from_slice(&buffer) } else { buffer.freeze() }))
}

fn read_small(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    let mut room = [MaybeUninit::uninit(); SMALL];
    let mut buffer = ReadBuf::uninit(&mut room);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(Bytes::copy_from_slice(buffer.filled())))
}
