//! Bodies on their way through, frame by frame. Nothing is collected.

use super::compression::Packer;
use super::connection::Connection;
use super::exchange::{Exchange, Underway};
use super::headers;
use super::http1;
use super::http2::last_words::LastWords;
use super::reply::{Broken, Reply};
use super::rules;
use crate::clock::now;
use crate::counts::Failure;
use crate::pool::Lease;
use crate::worker::Spare;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::HeaderName;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::{self, Sleep};

type Polled<E> = Poll<Option<Result<Frame<Bytes>, E>>>;

/// Where the content of a request comes from.
pub(crate) enum Content {
    /// There is none.
    None,
    /// The connection of its client, which carries no other request meanwhile.
    Http1,
    /// Its stream.
    Http2(Incoming),
}

impl Content {
    /// That of one stream.
    pub(crate) fn http2(incoming: Incoming) -> Self {
        if incoming.is_end_stream() { Self::None } else { Self::Http2(incoming) }
    }

    pub(crate) const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    fn poll_frame(&mut self, exchange: &Rc<Exchange>, cx: &mut Context<'_>) -> Polled<Cut> {
        match self {
            Self::None => Poll::Ready(None),
            Self::Http1 => http1::content::poll(exchange, cx),
            Self::Http2(incoming) => Pin::new(incoming).poll_frame(cx).map_err(Cut::Http2),
        }
    }
}

/// Why the content of a request is not whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    #[error("the client's connection ended")]
    Gone(#[source] Option<io::Error>),
    #[error("a chunk is malformed")]
    Malformed,
    /// Nobody waits for its response any more.
    #[error("the request is over")]
    Over,
    #[error(transparent)]
    Http2(hyper::Error),
}

/// The body of a request on its way to a member. Notes when the client is waited for.
pub(crate) enum RequestBody {
    Empty,
    Client {
        content: Content,
        exchange: Rc<Exchange>,
        wait: Option<Box<Wait>>,
        /// Names that its trailers may not have.
        withheld: Vec<HeaderName>,
    },
}

/// How long a member may leave it open whether it wants a body: those that do not know the question never say so, and
/// clients send unasked after about as long.
const PATIENCE: Duration = Duration::from_secs(1);

/// The wait for a member to ask for the body of a client that sends none unasked (RFC 9110 §10.1.1).
pub(crate) struct Wait {
    asked: Rc<Cell<bool>>,
    patience: Pin<Box<Sleep>>,
}

impl Wait {
    pub(crate) fn new() -> Self {
        Self { asked: Rc::default(), patience: Box::pin(time::sleep(PATIENCE)) }
    }

    /// Ready when the client may be asked. A member that asks is heard in the very poll that reads it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.asked.get() {
            return Poll::Ready(());
        }
        self.patience.as_mut().poll(cx)
    }
}

impl RequestBody {
    /// Says to whoever sends the request how to tell that the member asks for the body.
    pub(crate) fn waits(&self) -> Option<Rc<Cell<bool>>> {
        match self {
            Self::Client { wait: Some(wait), .. } => Some(Rc::clone(&wait.asked)),
            Self::Client { .. } | Self::Empty => None,
        }
    }

    /// The member asks for it.
    pub(crate) fn is_asked_for(&self) {
        if let Some(asked) = self.waits() {
            asked.set(true);
        }
    }

    /// Nobody asks for more of it.
    pub(crate) fn is_given_up(&self) {
        if let Self::Client { exchange, .. } = self {
            exchange.waits.borrow_mut().body_given_up();
        }
    }

    /// What is due next of the request that it is of.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self {
            Self::Client { exchange, .. } => exchange.due().map(|(at, _)| at),
            Self::Empty => None,
        }
    }

    /// Has its trailers come without these names too.
    pub(crate) fn withhold(&mut self, names: Vec<HeaderName>) {
        if let Self::Client { withheld, .. } = self {
            withheld.extend(names);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<Cut> {
        let Self::Client { content, exchange, wait, withheld } = &mut *self else {
            return Poll::Ready(None);
        };
        if let Some(wait) = wait {
            ready!(wait.poll(cx));
        }
        *wait = None;
        let polled = content.poll_frame(exchange, cx).map_ok(|frame| without(frame, withheld));
        let mut waits = exchange.waits.borrow_mut();
        match &polled {
            Poll::Pending => waits.awaits_body(now()),
            Poll::Ready(frame) => {
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                let now = now();
                waits.body_came(data.map_or(0, Bytes::len), now);
                exchange.received(data.map_or(0, Bytes::len));
                waits.member = Some(now);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Client { content: Content::None, .. } => true,
            Self::Client { content: Content::Http1, exchange, .. } => http1::content::has_ended(exchange),
            Self::Client { content: Content::Http2(incoming), .. } => incoming.is_end_stream(),
        }
    }
}

/// The frame without the trailers that must not be.
fn fit(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        headers::strip_trailers(trailers);
    }
    frame
}

/// The same of a request whose trailers may not have these names either.
fn without(frame: Frame<Bytes>, withheld: &[HeaderName]) -> Frame<Bytes> {
    let mut frame = fit(frame);
    if let Some(trailers) = frame.trailers_mut() {
        rules::forget(withheld, trailers);
    }
    frame
}

/// From so many octets on a piece leaves its last one behind. See [`ResponseBody::hold_back`].
const DIVIDED: usize = 256;

/// The body of a response on its way to the client, and with it the request's life.
pub(crate) struct ResponseBody {
    source: Source,
    /// The last octet of the piece before.
    held: Option<Bytes>,
    /// Compresses what the source gives.
    packing: Option<Box<Packing>>,
    /// Ends the request when the body goes. Behind `source`, so that a member's connection is free before.
    underway: Option<Underway>,
}

enum Source {
    Text(Option<Bytes>),
    Last(LastWords),
    Member(MemberBody),
}

impl ResponseBody {
    /// A short text of the proxy's own.
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        let text = Some(text.into()).filter(|text| !text.is_empty());
        Self { source: Source::Text(text), held: None, packing: None, underway: None }
    }

    /// No content at all.
    pub(crate) const fn empty() -> Self {
        Self { source: Source::Text(None), held: None, packing: None, underway: None }
    }

    /// What a member answers.
    pub(crate) const fn member(body: MemberBody) -> Self {
        Self { source: Source::Member(body), held: None, packing: None, underway: None }
    }

    /// Has the stream be reset behind a text.
    pub(crate) fn reset_behind(self, connection: &Rc<Connection>) -> Self {
        let source = match self.source {
            Source::Text(text) => Source::Last(LastWords::new(text, Rc::clone(connection))),
            other => other,
        };
        Self { source, ..self }
    }

    /// Leaves out a text of the proxy's own. Returns its octets, if they are known.
    pub(crate) fn take_own(&mut self) -> Option<usize> {
        let text = match &mut self.source {
            Source::Text(text) => text.take(),
            Source::Last(words) => words.take(),
            Source::Member(_) => None,
        };
        let octets = text.map(|text| text.len());
        // Of what is packed as well.
        octets.filter(|_| self.packing.take().is_none())
    }

    /// Ties the request's life to the body.
    pub(crate) fn until_end(self, underway: Underway) -> Self {
        if self.is_end_stream() {
            underway.settles();
        }
        Self { underway: Some(underway), ..self }
    }
}

struct Packing {
    packer: Packer,
    /// The memory of the packer.
    _memory: Spare,
    /// What stands behind the content, once that has left.
    trailers: Option<Frame<Bytes>>,
}

impl ResponseBody {
    /// Compressed, if there is something that does it.
    pub(crate) fn packed_by(self, packer: Option<(Packer, Spare)>) -> Self {
        let packing = packer.map(|(packer, memory)| Packing { packer, _memory: memory, trailers: None });
        let packing = packing.map(Box::new);
        Self { packing, ..self }
    }

    /// Has the last octet of a longer piece leave by itself where many requests share a connection: the HTTP library
    /// takes a whole piece as soon as there is room for one octet, and the next one only once there is room behind it.
    /// So a request lasts until the client has room for its response, and what it keeps is counted until then.
    fn hold_back(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        let shares = self.underway.as_ref().is_some_and(|underway| underway.connection.is_http2());
        match frame.into_data() {
            Ok(mut data) if shares && data.len() > DIVIDED => {
                self.held = Some(data.split_off(data.len() - 1));
                Frame::data(data)
            }
            Ok(data) => Frame::data(data),
            Err(frame) => frame,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Polled<Broken> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(Some(Ok(Frame::data(held))));
        }
        let polled = if self.packing.is_some() { self.poll_packed(cx) } else { self.source.poll_frame(cx) };
        polled.map_ok(|frame| self.hold_back(frame))
    }

    /// What the packer makes of what is at hand. Whatever a pause follows leaves at once.
    fn poll_packed(&mut self, cx: &mut Context<'_>) -> Polled<Broken> {
        const PROOF: &str = "a vector takes all, and coders refuse no octets";
        let Self { source, packing: Some(packing), .. } = self else { return Poll::Ready(None) };
        let Packing { packer, trailers, .. } = &mut **packing;
        loop {
            if packer.has_ended() {
                return Poll::Ready(trailers.take().map(Ok));
            }
            let leaving = match source.poll_frame(cx) {
                Poll::Pending => match packer.pause().expect(PROOF) {
                    None => return Poll::Pending,
                    leaving => leaving,
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => packer.end().expect(PROOF),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => packer.take(&data).expect(PROOF),
                    Err(frame) => {
                        *trailers = Some(frame);
                        packer.end().expect(PROOF)
                    }
                },
            };
            if let Some(leaving) = leaving {
                return Poll::Ready(Some(Ok(Frame::data(leaving))));
            }
        }
    }
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled<Broken> {
        match self {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Last(words) => words.poll_frame(cx),
            Self::Member(body) => body.poll_frame(cx).map_ok(fit),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<Broken> {
        if let Some(exchange) = &self.underway {
            exchange.is_asked();
        }
        let polled = self.poll_next(cx);
        if let (Some(exchange), Poll::Ready(frame)) = (&self.underway, &polled) {
            exchange.hands_over();
            if let Some(Ok(frame)) = frame {
                exchange.sends(frame.data_ref().map_or(0, Bytes::len));
            }
            if !matches!(frame, Some(Ok(_))) || self.is_end_stream() {
                exchange.settles();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        if self.held.is_some() {
            return false;
        }
        if let Some(Packing { packer, trailers, .. }) = self.packing.as_deref() {
            return packer.has_ended() && trailers.is_none();
        }
        match &self.source {
            Source::Text(text) => text.is_none(),
            Source::Last(_) => false,
            Source::Member(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        if self.packing.is_some() || self.held.is_some() {
            return SizeHint::default();
        }
        match &self.source {
            Source::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Source::Last(words) => SizeHint::with_exact(words.left() as u64),
            Source::Member(body) => body.size_hint(),
        }
    }
}

/// A member's answer; drives the member's connection whenever the client's side asks for more.
pub(crate) struct MemberBody {
    /// Until it is given back, when the body goes.
    reply: Option<Reply>,
    exchange: Rc<Exchange>,
    ended: bool,
    /// Counts as the member's load until the body goes.
    _lease: Lease,
}

impl MemberBody {
    pub(super) const fn new(reply: Reply, exchange: Rc<Exchange>, lease: Lease) -> Self {
        Self { reply: Some(reply), exchange, ended: false, _lease: lease }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled<Broken> {
        let Self { reply, exchange, .. } = self;
        let Some(reply) = reply else { return Poll::Ready(None) };
        let polled = reply.poll_frame(cx);
        if polled.is_pending() {
            exchange.waits.borrow_mut().member.get_or_insert_with(now);
        }
        let frame = ready!(polled);
        exchange.waits.borrow_mut().member = None;
        match &frame {
            // Nothing follows trailers, and nobody asks behind them.
            Some(Ok(frame)) => self.ended = frame.is_trailers(),
            Some(Err(error)) => {
                tracing::debug!(%error, "member's answer broke off");
                exchange.failed(Failure::MemberGone);
                exchange.connection.breaks_off();
            }
            None => self.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.reply.as_ref().is_none_or(Reply::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.reply.as_ref().map_or_else(SizeHint::default, Reply::size_hint)
    }
}

impl Drop for MemberBody {
    fn drop(&mut self) {
        let has_ended = self.is_end_stream();
        self.exchange.progress.borrow_mut().finishes(has_ended);
        if let Some(reply) = self.reply.take().filter(|_| has_ended) {
            reply.release(&self.exchange.connection);
        }
    }
}
