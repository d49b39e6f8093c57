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
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let count = self.sending.capacity().min(bytes.len());
        let part = Bytes::copy_from_slice(&bytes[..count]);
        Poll::Ready(self.sending.send_data(part, false).map(|()| count).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::replace(&mut self.ended, true) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.sending.send_data(Bytes::new(), true).map_err(io::Error::other))
    }
}
