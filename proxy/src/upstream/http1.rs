//! One connection to a member that speaks HTTP/1.1: one request at a time, driven in the task of its client.
//!
//! What requests and responses look like is the matter of [`request`] and [`response`], which see octets only; here these
//! are written and read. A connection that waits for a request keeps no buffers.

mod request;
pub mod response;

use super::choice::Seeker;
use crate::dial::{Dial, First};
use crate::http::body::{self, RequestBody};
use crate::message::leaving::{Leaving, Short};
use crate::message::room;
use crate::origination::Secured;
use crate::pool::MemberState;
use crate::stream::Stream;
use bytes::Bytes;
use config::model::ProxyProtocol;
use hyper::body::{Body, Frame};
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode, Uri};
use response::{Fault, Head, Part, Response};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::unconstrained;
use tokio::time::Instant;

/// Why a request brought no whole response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The client broke off the content of the request.
    #[error("the content of the request broke off")]
    Client(#[source] Option<body::Cut>),
    /// The member sent something else than a response.
    #[error(transparent)]
    Malformed(Fault),
    /// The connection ended.
    #[error("the connection to the member ended")]
    Gone(#[source] Option<io::Error>),
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Cut => Self::Gone(None),
            Fault::Head(_) | Fault::LargeHead | Fault::Framing | Fault::Chunk | Fault::Trailers => {
                Self::Malformed(fault)
            }
        }
    }
}

/// One connection to a member.
pub(crate) struct Http1 {
    pub(super) member: Arc<MemberState>,
    /// How it speaks TLS, if it does.
    secured: Option<Arc<Secured>>,
    stream: Stream,
    /// What the member is still to get.
    request: Leaving,
    /// How far that has left once all of it is written.
    then: Sending,
    /// Whence the rest of that comes.
    content: RequestBody,
    sending: Sending,
    response: Response,
    /// Whether any octet of the response has come.
    heard: bool,
    /// Whether the latest read found as much as there was room for.
    flows: bool,
    /// Octets that are read at once at most.
    most: usize,
    /// The requests that it carried before.
    pub(super) carried: u64,
    pub(super) idle_since: Instant,
    /// How the member was told of the client that it takes every request to come from.
    told: ProxyProtocol,
    /// Whether it belongs to the client connection that it serves.
    pub(super) owned: bool,
}

/// How far a request has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// Nothing of it.
    Ready,
    Begun,
    /// All of it.
    Done,
    /// All of it, or all that the member takes: the connection carries no other.
    Over,
}

impl Http1 {
    /// Opens a connection, which begins with `first`, for a request like this.
    pub(crate) async fn open(
        dial: &Dial<'_>,
        member: Arc<MemberState>,
        (seeker, first): (Seeker, &First),
    ) -> io::Result<Box<Self>> {
        let secured = dial.secured(&member).map_err(io::Error::other)?.cloned();
        let stream = dial.connect(&member, first).await?;
        Ok(Box::new(Self { secured, told: seeker.told, owned: seeker.keeps(), ..Self::over(member, stream) }))
    }

    /// One that is open and has carried nothing, without TLS and for whoever asks.
    fn over(member: Arc<MemberState>, stream: Stream) -> Self {
        Self {
            secured: None,
            member,
            stream,
            request: Leaving::default(),
            then: Sending::Done,
            content: RequestBody::Empty,
            sending: Sending::Done,
            response: Response::default(),
            heard: false,
            flows: false,
            most: room::LARGE,
            carried: 0,
            idle_since: Instant::now(),
            told: ProxyProtocol::Off,
            owned: false,
        }
    }

    /// This side's end.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.stream.socket().local_addr()
    }

    /// Whether the connection can take a request: the member has not closed it, and nothing lies behind its last response,
    /// which would be taken for the answer to the next request. As far as the runtime has heard.
    pub(super) fn is_usable(&mut self) -> bool {
        let mut room = [0];
        let mut buffer = ReadBuf::new(&mut room);
        let mut cx = Context::from_waker(Waker::noop());
        if self.sending != Sending::Done || !self.response.leaves_connection() {
            return false;
        }
        // A task that has done much is told of nothing more, which is not to be taken for silence.
        let stream = &mut self.stream;
        let read = unconstrained(poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buffer)));
        pin!(read).poll(&mut cx).is_pending()
    }

    /// Takes a request, which leaves as the response is asked for.
    pub(crate) fn begin(
        &mut self,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
        content: RequestBody,
    ) {
        let (request, closes) = request::begin((method, uri, headers), !content.is_end_stream());
        (self.request, self.then) = (request, if closes { Sending::Over } else { Sending::Done });
        self.content = content;
        self.sending = Sending::Ready;
        self.response = Response::new(method.into());
        (self.heard, self.flows) = (false, false);
    }

    /// Whether it is to read little at once.
    pub(crate) const fn is_in_a_crowd(&mut self, crowded: bool) {
        self.most = if crowded { room::SMALL } else { room::LARGE };
    }

    /// Whether the member has begun to answer.
    pub(crate) const fn has_heard(&self) -> bool {
        self.heard
    }

    /// Whether nothing of the request has left, nor was asked of the client.
    pub(crate) fn is_unsent(&self) -> bool {
        self.sending == Sending::Ready
    }

    /// The content of the request, for another connection.
    pub(crate) fn into_content(self) -> RequestBody {
        self.content
    }

    /// Sends the request as far as there is room, and reads the head of the response.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Broken>> {
        loop {
            self.send(cx)?;
            let Some(head) = self.response.head()? else {
                ready!(self.receive(cx)).map_err(|error| Broken::Gone(Some(error)))?;
                continue;
            };
            if !head.is_interim() {
                return Poll::Ready(Ok(head));
            }
            if head.status == StatusCode::CONTINUE {
                self.content.is_asked_for();
            }
        }
    }

    /// The next part of the response behind its head. What is left of the request goes on beside it.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.send(cx) {
            // What the member has answered is whole without it.
            Err(Broken::Client(_)) => self.sends_no_more(Sending::Over),
            other => other?,
        }
        loop {
            match self.response.content()? {
                Some(Part::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Part::Trailers(trailers)) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                None if self.response.is_ended() || self.response.is_switched() => return Poll::Ready(None),
                None => ready!(self.receive(cx)).map_err(|error| Broken::Gone(Some(error)))?,
            }
        }
    }

    /// Whether all of the response was taken.
    pub(crate) const fn has_ended(&self) -> bool {
        self.response.is_ended()
    }

    /// Octets of the response that are still to be taken, where that is known.
    pub(crate) const fn left(&self) -> Option<u64> {
        self.response.left()
    }

    /// The connection itself and what was read ahead on it, where the response has ended the HTTP on it and all of the
    /// request has left.
    pub(crate) fn into_switched(self) -> Option<(Stream, Bytes)> {
        let has_switched = self.response.is_switched() && self.sending == Sending::Done;
        has_switched.then(|| (self.stream, self.response.into_ahead()))
    }

    /// Whether it has carried a request before.
    pub(crate) const fn is_reused(&self) -> bool {
        self.carried > 0
    }

    /// It serves its client only from here on.
    pub(crate) const fn keep_for_client(&mut self) {
        self.owned = true;
    }

    /// Whether a request has found it still alive, and so the member knows how to keep connections.
    pub(super) const fn is_proven(&self) -> bool {
        self.carried > 1
    }

    /// Whether it speaks TLS in this way, or none, and told the member of its client so.
    pub(super) fn speaks_as(&self, secured: Option<&Arc<Secured>>, told: ProxyProtocol) -> bool {
        self.secured.as_ref().map(Arc::as_ptr) == secured.map(Arc::as_ptr) && self.told == told
    }

    /// Sends as much of the request as there is and the member takes. A member that takes no more may have answered.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        while matches!(self.sending, Sending::Ready | Sending::Begun) {
            self.fill(cx)?;
            let is_empty = self.request.is_empty();
            let sent = if is_empty {
                // TLS may hold back what the socket did not take.
                Pin::new(&mut self.stream).poll_flush(cx).map_ok(|()| 0)
            } else {
                Pin::new(&mut self.stream).poll_write_vectored(cx, &self.request.pieces())
            };
            match sent {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) if self.request.is_done() => {
                    self.sends_no_more(self.then);
                }
                Poll::Ready(Ok(0)) if is_empty => return Ok(()),
                Poll::Ready(Ok(0) | Err(_)) => {
                    let is_unsent = self.sending == Sending::Ready;
                    if is_unsent {
                        return Err(Broken::Gone(None));
                    }
                    self.sends_no_more(Sending::Over);
                }
                Poll::Ready(Ok(count)) => {
                    self.sending = Sending::Begun;
                    self.request.advance(count);
                }
            }
        }
        Ok(())
    }

    /// Has the client's content wait to be sent, as far as there is any and room for it.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        while self.request.takes_more() {
            let Poll::Ready(frame) = Pin::new(&mut self.content).poll_frame(cx) else { return Ok(()) };
            self.sending = Sending::Begun;
            let frame = frame.transpose().map_err(|error| Broken::Client(Some(error)))?;
            let ended = match frame.map(Frame::into_data) {
                None => self.request.end(None),
                Some(Ok(data)) => {
                    self.request.add(data);
                    if self.content.is_end_stream() { self.request.end(None) } else { Ok(()) }
                }
                Some(Err(frame)) => self.request.end(frame.trailers_ref()),
            };
            ended.map_err(|Short| Broken::Client(None))?;
        }
        Ok(())
    }

    fn sends_no_more(&mut self, how: Sending) {
        self.sending = how;
        self.request = Leaving::default();
        self.content.is_given_up();
        self.content = RequestBody::Empty;
    }

    /// Reads what there is of the response.
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let most = match self.response.left() {
            // One more shows that nothing is behind it.
            Some(left) => usize::try_from(left).map_or(room::LARGE, |left| left.saturating_add(1)),
            None if self.flows => room::LARGE,
            None => room::SMALL,
        };
        // TLS gives one record at a time.
        let most = if self.secured.is_some() { most.min(room::RECORD) } else { most };
        let octets = ready!(room::read(&mut self.stream, cx, most.min(self.most)))?;
        if octets.is_empty() {
            self.response.close();
        } else {
            self.heard = true;
            self.flows = octets.len() >= room::SMALL;
            self.response.push(octets);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
