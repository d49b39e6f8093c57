//! The content of a request on its way into a stream, as the member gives it room.

use crate::http::body::RequestBody;
use bytes::Bytes;
use h2::{Reason, SendStream};
use hyper::body::Body;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;
use tokio::task::AbortHandle;

pub(super) struct Pump {
    /// Until all has left.
    sending: Option<SendStream<Bytes>>,
    body: RequestBody,
    /// What waits for room.
    held: Bytes,
    begun: bool,
}

/// Whose fault it is that not all of the content has left.
#[derive(Clone, Copy, Debug)]
pub(super) enum Broken {
    Client,
    Member,
}

impl Pump {
    /// Without `sending` there is no content.
    pub(super) const fn new(sending: Option<SendStream<Bytes>>, body: RequestBody) -> Self {
        Self { sending, body, held: Bytes::new(), begun: false }
    }

    /// Whether a part of the content was taken from the client.
    pub(super) const fn has_begun(&self) -> bool {
        self.begun
    }

    pub(super) fn into_body(self) -> RequestBody {
        self.body
    }

    /// Sends until all has left, or the member gives no more room, or the client no more content.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Some(sending) = &mut self.sending else { return Poll::Ready(Ok(())) };
        let sent = ready!(send(sending, &mut self.body, (&mut self.held, &mut self.begun), cx));
        self.sending = None;
        Poll::Ready(sent)
    }

    /// Sends the rest beside the answer. `client` wakes the task of the client connection, which sleeps until something
    /// is due.
    pub(super) fn go_on(mut self, client: Waker) -> Option<Pumping> {
        self.sending.is_some().then(|| {
            let task = tokio::task::spawn_local(async move {
                // Whoever takes the answer sees what became of the stream.
                let _ = poll_fn(|cx| {
                    let before = self.body.due();
                    let polled = self.poll(cx);
                    if is_sooner(self.body.due(), before) {
                        client.wake_by_ref();
                    }
                    polled
                })
                .await;
            });
            Pumping(task.abort_handle())
        })
    }
}

/// Whether something is due before anything was.
fn is_sooner(due: Option<Instant>, before: Option<Instant>) -> bool {
    due.is_some_and(|due| before.is_none_or(|before| due < before))
}

fn send(
    sending: &mut SendStream<Bytes>,
    body: &mut RequestBody,
    (held, begun): (&mut Bytes, &mut bool),
    cx: &mut Context<'_>,
) -> Poll<Result<(), Broken>> {
    loop {
        if !held.is_empty() {
            sending.reserve_capacity(held.len());
            let Some(Ok(room)) = ready!(sending.poll_capacity(cx)) else {
                return Poll::Ready(Err(Broken::Member));
            };
            if room == 0 {
                // It was there and is gone: a frame without content would only cost the member.
                continue;
            }
            let part = held.split_to(room.min(held.len()));
            let last = held.is_empty() && body.is_end_stream();
            if sending.send_data(part, last).is_err() {
                return Poll::Ready(Err(Broken::Member));
            }
            if last {
                return Poll::Ready(Ok(()));
            }
            continue;
        }
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
            // A member that wants no more of it must not wait for the client.
            return sending.poll_reset(cx).map(|_| Err(Broken::Member));
        };
        let Some(frame) = frame else {
            return Poll::Ready(sending.send_data(Bytes::new(), true).map_err(|_| Broken::Member));
        };
        *begun = true;
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => *held = data,
            Ok(Err(frame)) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return Poll::Ready(sending.send_trailers(trailers).map_err(|_| Broken::Member));
                }
            }
            Err(_) => {
                sending.send_reset(Reason::CANCEL);
                return Poll::Ready(Err(Broken::Client));
            }
        }
    }
}

/// Content that leaves beside the answer, for as long as somebody takes that.
pub(in crate::http) struct Pumping(AbortHandle);

impl Drop for Pumping {
    fn drop(&mut self) {
        self.0.abort();
    }
}
