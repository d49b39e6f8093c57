//! A stream to a member that has become a tunnel (RFC 9113 §8.5, RFC 8441).

use super::Stream;
use crate::relay::Part;
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets that are handed over at once.
const PIECE: usize = 64 << 10;

pub(crate) struct Tunnel {
    content: RecvStream,
    sending: SendStream<Bytes>,
    /// What has come and is still to be taken.
    held: Bytes,
    /// Whether the member was told the end.
    ended: bool,
    /// Behind the others, which end the stream.
    stream: Stream,
}

impl Tunnel {
    pub(crate) const fn new(content: RecvStream, sending: SendStream<Bytes>, stream: Stream) -> Self {
        Self { content, sending, held: Bytes::new(), ended: false, stream }
    }

    /// What became of octets that the stream does not take. A member that has said all may ask for no more by a reset
    /// without an error (RFC 9113 §8.1), and they go nowhere; whether it has, whoever reads is told.
    fn given_up(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.sending.poll_reset(cx) {
            Poll::Ready(Ok(Reason::NO_ERROR)) => Ok(()),
            Poll::Ready(Ok(reason)) => Err(io::Error::other(h2::Error::from(reason))),
            Poll::Ready(Err(error)) => Err(io::Error::other(error)),
            Poll::Pending => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Part for Tunnel {
    fn abort(&mut self) {
        self.sending.send_reset(Reason::CANCEL);
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.held.is_empty() {
            let Some(data) = ready!(self.content.poll_data(cx)) else { return Poll::Ready(Ok(())) };
            self.held = data.map_err(io::Error::other)?;
            self.stream.is_answered();
        }
        let count = self.held.len().min(buffer.remaining());
        buffer.put_slice(&self.held.split_to(count));
        // The member may send as much again as soon as this is on its way.
        let _ = self.content.flow_control().release_capacity(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.sending.reserve_capacity(bytes.len().min(PIECE));
        while self.sending.capacity() == 0 && !bytes.is_empty() {
            match ready!(self.sending.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(self.given_up(cx).map(|()| bytes.len())),
            }
        }
        let count = self.sending.capacity().min(bytes.len());
        let part = Bytes::copy_from_slice(&bytes[..count]);
        let sent = self.sending.send_data(part, false).or_else(|_| self.given_up(cx));
        Poll::Ready(sent.map(|()| count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::replace(&mut self.ended, true) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.sending.send_data(Bytes::new(), true).or_else(|_| self.given_up(cx)))
    }
}
