//! The ends of a relay: whole connections, and single streams of connections of HTTP/2.

use crate::stream::Stream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One end.
pub(crate) enum Leg {
    Whole(Stream),
    /// Beside others on one connection.
    Part(Box<dyn Part>),
}

/// A stream of HTTP/2 that has become a tunnel.
pub(crate) trait Part: AsyncRead + AsyncWrite + Unpin {
    /// Makes the coming end a reset: the peer must not take what it has for the whole.
    fn abort(&mut self);
}

impl Leg {
    /// A connection that carries others as well.
    pub(crate) fn part(part: impl Part + 'static) -> Self {
        Self::Part(Box::new(part))
    }

    pub(super) const fn is_part(&self) -> bool {
        matches!(self, Self::Part(_))
    }

    /// Whether nothing but a socket carries it, whose close tells the end.
    pub(super) const fn is_bare(&self) -> bool {
        matches!(self, Self::Whole(stream) if stream.is_bare())
    }

    /// See [`Stream::hold_back_at_most`].
    pub(super) fn hold_back_at_most(&mut self, bytes: usize) {
        if let Self::Whole(stream) = self {
            stream.hold_back_at_most(bytes);
        }
    }

    /// The other end. None: it has no address of its own, or is gone.
    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Whole(stream) => stream.socket().peer_addr(),
            Self::Part(_) => None,
        }
    }

    /// Makes the coming close a reset.
    pub(super) fn abort(&mut self) {
        match self {
            Self::Whole(stream) => stream.socket().abort(),
            Self::Part(part) => part.abort(),
        }
    }

    /// Reads what is there, as far as there is room. Zero is the end.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Whole(stream) => stream.poll_receive(cx, room),
            Self::Part(part) => {
                let mut room = ReadBuf::new(room);
                ready!(Pin::new(part).poll_read(cx, &mut room))?;
                Poll::Ready(Ok(room.filled().len()))
            }
        }
    }

    /// Writes as much as is taken.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Whole(stream) => stream.poll_send(cx, bytes),
            Self::Part(part) => Pin::new(part).poll_write(cx, bytes),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Whole(stream) => Pin::new(stream).poll_flush(cx),
            Self::Part(part) => Pin::new(part).poll_flush(cx),
        }
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Whole(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Part(part) => Pin::new(part).poll_shutdown(cx),
        }
    }
}

impl From<Stream> for Leg {
    fn from(stream: Stream) -> Self {
        Self::Whole(stream)
    }
}
