//! Reading and writing a bare socket with no more system calls than there are bytes for.
//!
//! The kernel is asked directly: the system library's `recv` and `send` are points where a thread of a program that has
//! several may be cancelled, and say so before and after each call.

use super::{Socket, Stream};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// Pieces of no more bytes than this together are joined.
const JOINED: usize = 2 << 10;

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
        self.poll_receiving(cx, || {
            recv(self, &mut *room, RecvFlags::DONTWAIT).map(|(_, count)| (count, room.len()))
        })
    }

    /// Reads into room that may never have been written to.
    pub(super) fn poll_fill(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let received = self.poll_receiving(cx, || {
            #[expect(unsafe_code, reason = "what the kernel writes to need not be initialized")]
            // SAFETY: nothing is written here but by the kernel, and so nothing is made uninitialized.
            let room = unsafe { buffer.unfilled_mut() };
            let could = room.len();
            recv(self, room, RecvFlags::DONTWAIT).map(|((received, _), _)| (received.len(), could))
        });
        let count = ready!(received)?;
        #[expect(unsafe_code, reason = "the kernel has written to so much of it")]
        // SAFETY: the call has returned that it wrote to this many bytes of the unfilled part.
        unsafe {
            buffer.assume_init(count);
        }
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }

    /// Calls until it is found that nothing is there, with how many bytes came and could have come.
    fn poll_receiving(
        &self,
        cx: &mut Context<'_>,
        mut call: impl FnMut() -> Result<(usize, usize), Errno>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            let mut count = None;
            let tried = self.try_io(Interest::READABLE, || {
                let (received, could) = call()?;
                count = Some(received);
                drained(received, could)
            });
            if let Some(done) = outcome(count, tried) {
                return Poll::Ready(done);
            }
        }
    }

    pub(super) fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
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

    /// Writes as much as is taken of pieces, which leave as one where they are small: each piece costs the kernel more
    /// than that.
    pub(super) fn poll_send_pieces(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = pieces.iter().filter(|piece| !piece.is_empty());
        match (filled.next(), filled.next()) {
            (None, _) => self.poll_send(cx, &[]),
            (Some(only), None) => self.poll_send(cx, only),
            (Some(_), Some(_)) => match joined(pieces, &mut [0; JOINED]) {
                Some(bytes) => self.poll_send(cx, bytes),
                None => self.io().poll_write_vectored(cx, pieces),
            },
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

/// All of the pieces one behind the other, where there is room for them.
fn joined<'a>(pieces: &[IoSlice<'_>], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut end = 0;
    for piece in pieces {
        room.get_mut(end..end + piece.len())?.copy_from_slice(piece);
        end += piece.len();
    }
    Some(&room[..end])
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
