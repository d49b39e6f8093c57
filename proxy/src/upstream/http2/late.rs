//! A member's socket whose end is heard of a turn of the runtime late.
//!
//! A member that closes says by GOAWAY which requests it will not serve (RFC 9113 §6.8), and the end comes right behind.
//! Those whose streams that cuts must learn it while the connection is still open: else they could not tell that nobody
//! has acted on their request from a connection that broke while somebody did.

use crate::stream::Stream;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) struct LateEnd {
    stream: Stream,
    /// How it ended, which is still to be told.
    ended: Option<io::Result<()>>,
    /// Set when that is told.
    cut: Rc<Cell<bool>>,
}

impl LateEnd {
    /// `cut` is set when the end is heard of.
    pub(super) const fn new(stream: Stream, cut: Rc<Cell<bool>>) -> Self {
        Self { stream, ended: None, cut }
    }
}

impl AsyncRead for LateEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(ended) = self.ended.take() {
            self.cut.set(true);
            return Poll::Ready(ended);
        }
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if read.is_ok() && buffer.filled().len() > before {
            return Poll::Ready(Ok(()));
        }
        self.ended = Some(read);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncWrite for LateEnd {
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
