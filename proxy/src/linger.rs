//! Closing a connection so that the peer still gets what was sent to it.
//!
//! A socket that is closed with bytes unread is reset, and a reset makes the peer's system throw away what it has not
//! read yet: the last answer would be lost with it. So the write side is closed first, and what still comes is read
//! and dropped for a while.

use crate::stream::Stream;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time;

/// How long the peer has to close its side.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);
/// How many bytes are dropped before patience ends.
const BYTES: usize = 1 << 20;

/// What is left to read and drop.
#[derive(Debug)]
pub(crate) struct Linger {
    left: usize,
}

impl Default for Linger {
    fn default() -> Self {
        Self { left: BYTES }
    }
}

impl Linger {
    /// Reads and drops; ready at the end of the stream, an error, or the limit of bytes.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<()> {
        let mut scratch = [std::mem::MaybeUninit::uninit(); 8 << 10];
        while self.left > 0 {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            self.left = self.left.saturating_sub(buffer.filled().len());
        }
        Poll::Ready(())
    }
}

/// Closes in an orderly way, within [`LIMIT`].
pub(crate) async fn close(mut stream: Stream) {
    let mut linger = Linger::default();
    let orderly = async {
        poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await?;
        poll_fn(|cx| linger.poll(cx, &mut stream)).await;
        io::Result::Ok(())
    };
    // Either way the socket is closed by the drop that follows.
    let _ = time::timeout(LIMIT, orderly).await;
}
