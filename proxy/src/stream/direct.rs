//! Reading and writing a bare socket with no more system calls than there are bytes for.
//!
//! The kernel is asked directly: the system library's `recv` and `send` are points where a thread of a program that has
//! several may be cancelled, and say so before and after each call.

use super::{Socket, Stream};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

impl Stream {
    /// Reads what is there, as far as there is room. Zero is the end, with or without TLS's word for it: most protocols
    /// know where they end, and a reset in its place would cost the peer what it has not read yet.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Bare(socket) => socket.poll_receive(cx, room),
            Self::Tls(stream) => {
                let mut room = ReadBuf::new(room);
                Poll::Ready(match ready!(Pin::new(stream).poll_read(cx, &mut room)) {
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                    read => read.map(|()| room.filled().len()),
                })
            }
        }
    }

    /// Writes as much as is taken.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Bare(socket) => socket.poll_send(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }
}

impl Socket {
    fn poll_receive(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            let mut count = None;
            let tried = self.try_io(Interest::READABLE, || {
                let (_, received) = recv(self, &mut *room, RecvFlags::DONTWAIT)?;
                count = Some(received);
                drained(received, room.len())
            });
            if let Some(done) = outcome(count, tried) {
                return Poll::Ready(done);
            }
        }
    }

    fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let mut count = None;
            let tried = self.try_io(Interest::WRITABLE, || {
                let sent = send(self, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
                count = Some(sent);
                drained(sent, bytes.len())
            });
            if let Some(done) = outcome(count, tried) {
                return Poll::Ready(done);
            }
        }
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    fn try_io(&self, interest: Interest, operation: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.try_io(interest, operation),
            Self::Unix(stream) => stream.try_io(interest, operation),
        }
    }
}

/// Tells the runtime that the socket is not ready any more where fewer bytes passed than could: the next call would only
/// find that out.
fn drained(passed: usize, could: usize) -> io::Result<()> {
    if 0 < passed && passed < could { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
}

/// What a call has come to. None: the socket was not ready after all.
fn outcome(count: Option<usize>, tried: io::Result<()>) -> Option<io::Result<usize>> {
    match (count, tried) {
        (Some(count), _) => Some(Ok(count)),
        (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
        (None, Err(error)) => Some(Err(error)),
        (None, Ok(())) => None,
    }
}
