//! The client's socket as the HTTP library sees it, with what it does not tell.

use super::connection::Connection;
use super::http2::preface::{self, PREFACE};
use crate::clock::now;
use crate::linger::Linger;
use crate::stream::Stream;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The client's socket. Its bytes are counted and followed by [`super::framing`], refused writes start a deadline, and
/// the close waits for the client.
pub(crate) struct ClientStream {
    stream: Option<Stream>,
    connection: Rc<Connection>,
    linger: Linger,
    /// What came behind a request that asks the connection to become another, until that is decided; or what may be the
    /// beginning of another version of HTTP.
    behind: Vec<u8>,
    /// Whether the client may still begin another version of HTTP than the one that reads.
    opening: bool,
}

impl ClientStream {
    pub(crate) fn new(stream: Stream, connection: Rc<Connection>) -> Self {
        let opening = !connection.is_http2() && connection.is_fresh();
        Self { stream: Some(stream), connection, linger: Linger::default(), behind: Vec::new(), opening }
    }

    /// Whether the client has begun HTTP/2, of which the HTTP library has seen nothing.
    fn begins_http2(&self) -> bool {
        self.opening && self.behind.len() >= PREFACE.len()
    }

    /// Reads from the beginning once more, for the library's other version.
    pub(crate) const fn begin_anew(&mut self) {
        self.opening = false;
    }

    /// Whether these bytes, the next of the client, may still make the preface of HTTP/2; keeps them if so.
    fn may_open(&mut self, bytes: &[u8]) -> bool {
        if self.behind.is_empty() && !preface::begins(bytes) {
            return false;
        }
        self.behind.extend_from_slice(bytes);
        preface::begins(&self.behind)
    }

    /// The socket itself, once the HTTP library is done with it.
    pub(crate) fn into_inner(self) -> Stream {
        self.into_parts().0
    }

    /// The same, with what is held back.
    pub(crate) fn into_parts(mut self) -> (Stream, Vec<u8>) {
        let stream = self.stream.take().expect("taken here only, and this consumes self");
        (stream, std::mem::take(&mut self.behind))
    }

    /// Reads what is held back before anything else.
    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.behind.is_empty() && !self.opening {
            let count = self.behind.len().min(buffer.remaining());
            buffer.put_slice(&self.behind[..count]);
            self.behind.drain(..count);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(self.stream()).poll_read(cx, buffer))?;
        self.connection.received(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }

    fn stream(&mut self) -> &mut Stream {
        self.stream.as_mut().expect("taken by into_inner only, which consumes self")
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
    /// The HTTP library sees nothing of a head that is refused: it waits, and whoever drives the connection refuses.
    /// It sees nothing behind a request that asks for an upgrade, either, until that is decided. It does not read
    /// meanwhile: it reads no further than a request before that is answered.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let wire = self.connection.wire.borrow();
            if wire.is_shut() || self.begins_http2() {
                return Poll::Pending;
            }
            if wire.is_body_lost() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "malformed chunk")));
            }
            drop(wire);
            let before = buffer.filled().len();
            ready!(self.read(cx, buffer))?;
            let came = buffer.filled().len() - before;
            if self.opening && came > 0 {
                self.opening = self.may_open(&buffer.filled()[before..]);
                if !self.behind.is_empty() {
                    buffer.set_filled(before);
                    self.connection.is_opening();
                    if self.begins_http2() {
                        self.connection.asks_http2();
                    }
                    continue;
                }
            }
            let good = self.connection.follow(&buffer.filled()[before..]);
            if self.connection.wire.borrow().is_held() {
                self.behind.splice(..0, buffer.filled()[before + good..].iter().copied());
            }
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
        // The HTTP library flushes whenever it runs, whether it has written or not.
        if self.connection.takes_look() && self.stream().socket().is_gone() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
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

    /// Closes the write side; with a request body unread, waits for the client so that the answer is not lost.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.closing.set(true);
        if self.connection.waits.borrow().close.is_none() {
            ready!(Pin::new(self.stream()).poll_shutdown(cx))?;
            if !self.connection.is_unread() {
                return Poll::Ready(Ok(()));
            }
            self.connection.waits.borrow_mut().close = Some(now());
        }
        let Self { stream, linger, .. } = &mut *self;
        let stream = stream.as_mut().expect("taken by into_inner only, which consumes self");
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
            self.connection.leave(stream);
        }
    }
}
