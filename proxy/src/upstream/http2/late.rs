//! A member's socket whose end is heard of a turn of the runtime late.
//!
//! A member that closes says by GOAWAY which requests it will not serve (RFC 9113 §6.8), and the end comes right behind.
//! Those whose streams that cuts must learn it while the connection is still open: else they could not tell that nobody
//! has acted on their request from a connection that broke while somebody did.

use super::pulse::Pulse;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) struct LateEnd<S> {
    stream: S,
    /// How it ended, which is still to be told.
    ended: Option<io::Result<()>>,
    /// Learns when that is told, and of all that comes before.
    pulse: Rc<Pulse>,
}

impl<S> LateEnd<S> {
    pub(super) const fn new(stream: S, pulse: Rc<Pulse>) -> Self {
        Self { stream, ended: None, pulse }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LateEnd<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(ended) = self.ended.take() {
            self.pulse.cut.set(true);
            return Poll::Ready(ended);
        }
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if read.is_ok() && buffer.filled().len() > before {
            self.pulse.hears();
            return Poll::Ready(Ok(()));
        }
        self.ended = Some(read);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LateEnd<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
