//! The socket of a client of HTTP/2 as the HTTP library sees it, with what it does not tell.

use super::connection::Connection;
use crate::clock::now;
use crate::linger::Linger;
use crate::stream::Stream;
use bytes::{Buf, Bytes};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The client's socket. Its bytes are counted and followed by [`super::http2::Frames`], refused writes start a deadline, and
/// the close waits for the client.
pub(crate) struct ClientStream {
    stream: Option<Stream>,
    connection: Rc<Connection>,
    linger: Linger,
    /// What came before it was known which version of HTTP this is.
    ahead: Bytes,
}

impl ClientStream {
    pub(crate) fn new(stream: Stream, connection: Rc<Connection>, ahead: Bytes) -> Self {
        Self { stream: Some(stream), connection, linger: Linger::default(), ahead }
    }

    /// Reads what came before anything else.
    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let count = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..count]);
            self.ahead.advance(count);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(self.stream()).poll_read(cx, buffer))?;
        self.connection.received(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }

    fn stream(&mut self) -> &mut Stream {
        self.stream.as_mut().expect("taken by the drop only")
    }

    /// Notes what was written of these slices.
    fn note(&self, written: &Poll<io::Result<usize>>, slices: &[io::IoSlice<'_>]) {
        match written {
            Poll::Ready(Ok(count)) => self.connection.sent(slices, *count),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.connection.stalled(),
        }
    }
}

impl AsyncRead for ClientStream {
    /// The HTTP library sees nothing of a frame that may not be, nor of anything behind it: it waits, and whoever drives
    /// the connection ends it.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.connection.offence().is_some() {
                return Poll::Pending;
            }
            let before = buffer.filled().len();
            ready!(self.read(cx, buffer))?;
            let came = buffer.filled().len() - before;
            let good = self.connection.follow(&buffer.filled()[before..]);
            buffer.set_filled(before + good);
            if good > 0 || came == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.connection.waits_for_others(cx) {
            return Poll::Pending;
        }
        let written = Pin::new(self.stream()).poll_write(cx, bytes);
        self.note(&written, &[io::IoSlice::new(bytes)]);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.connection.waits_for_others(cx) {
            return Poll::Pending;
        }
        let written = Pin::new(self.stream()).poll_write_vectored(cx, slices);
        self.note(&written, slices);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(self.stream()).poll_flush(cx);
        match &flushed {
            Poll::Ready(flushed) => {
                self.connection.sent(&[], 0);
                if flushed.is_ok() {
                    self.connection.diary.flushed();
                    self.connection.flushes.add();
                }
            }
            Poll::Pending => self.connection.stalled(),
        }
        flushed
    }

    /// Closes the write side, and waits for the client, who may still be sending frames, so that no answer is lost.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.waits.borrow().close.is_none() {
            ready!(Pin::new(self.stream()).poll_shutdown(cx))?;
            self.connection.waits.borrow_mut().close = Some(now());
        }
        let Self { stream, linger, .. } = &mut *self;
        let stream = stream.as_mut().expect("taken by the drop only");
        linger.poll(cx, stream).map(Ok)
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.connection.diary.closes();
        let Some(stream) = self.stream.take() else { return };
        if self.connection.abort.get() {
            stream.socket().abort();
        } else if self.connection.offence().is_some() {
            self.connection.holds(stream);
        }
    }
}
