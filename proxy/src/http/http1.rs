//! A client connection that speaks HTTP/1.1: one request at a time. RFC 9112.
//!
//! What requests and responses look like is the matter of [`request`] and [`response`], which see octets only; here these
//! are read and written. Nothing is read of a client but what is asked for: the head of its next request, and content
//! that somebody takes.

pub(super) mod content;
mod date;
mod ending;
pub(super) mod request;
mod response;

use super::body::{Content, ResponseBody};
use super::connection::{Connection, Due};
use super::deadlines::Overdue;
use super::exchange::Exchange;
use super::framing::{Fault, Told};
use super::{answer, forward};
use crate::alarm::Alarm;
use crate::clock::{self, now};
use crate::counts::Failure;
use crate::listener::Stage;
use crate::message::leaving::{Leaving, Short};
use crate::message::room;
use crate::stream::Stream;
use crate::worker::Stop;
use ::http::request::Parts;
use answer::SLOW_HEAD;
use bytes::Bytes;
use hyper::body::{Body, SizeHint};
use hyper::ext::ReasonPhrase;
use hyper::{Request, Response};
use request::Beginning;
use response::{Asked, Beside, Size};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::AsyncWrite;

/// Parts of a response that one connection writes while others may be waiting.
const TURN: usize = 16;
/// RFC 9110 §15.2.1.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a connection comes to.
pub(super) enum End {
    /// The close, or the stage that follows an upgrade.
    Of(Option<Stage>),
    /// The client has begun HTTP/2, with these octets.
    Http2(Stream, Bytes),
    /// Nothing has happened for a while, and nothing is under way.
    Rest(Stream),
}

/// Carries one client connection to its end. When told to stop it finishes the response under way and answers one more
/// request that comes soon, so that the client learns ahead of its next one that the connection is closed.
pub(super) async fn serve(connection: &Rc<Connection>, stream: Stream, stop: &mut Stop) -> End {
    connection.holds(stream);
    // Behind all that is of the requests.
    let _closing = ending::Closing::new(connection);
    let stopped = pin!(stop.wait());
    let half = Half {
        connection,
        leaving: Leaving::default(),
        alarm: connection.local.alarms.alarm(),
        stopped,
        stopping: false,
        looked: now(),
    };
    let mut serving = pin!(half.serve());
    clock::poll_fn(|cx| serving.as_mut().poll(cx)).await
}

/// The side of a connection that is of this version of HTTP.
struct Half<'a, S> {
    connection: &'a Rc<Connection>,
    /// What the client is still to get.
    leaving: Leaving,
    alarm: Alarm,
    /// Ready when stopping is due.
    stopped: Pin<&'a mut S>,
    stopping: bool,
    /// When it was last seen that the client is there.
    looked: Instant,
}

/// What happens beside what is waited for.
enum Event {
    Rest,
    Stop,
    /// It is time to see whether the client is still there.
    Look,
    /// Nothing has come for long, and nothing is under way.
    Idle,
    Overdue(Due),
}

/// What comes in the place of a request.
enum Other {
    Http2,
    /// A head that is refused.
    Bad(Fault),
    /// The end of the connection.
    End,
    Gone(io::Error),
}

/// Why a response has not left as it should.
enum Unsent {
    /// The client takes no more.
    Gone(io::Error),
    /// There is no more of it.
    Cut,
}

impl<S: Future<Output = ()>> Half<'_, S> {
    async fn serve(mut self) -> End {
        loop {
            match self.carry().await {
                Ok(()) => {}
                Err(end) => return end,
            }
        }
    }

    /// Carries one request and its response.
    async fn carry(&mut self) -> Result<(), End> {
        let connection = self.connection;
        if connection.requests.borrow().has_begun() {
            connection.begins_head();
        }
        let (parts, told) = match self.until(|half, cx| half.poll_head(cx)).await? {
            Ok(head) => head,
            Err(other) => return Err(self.turn(other).await),
        };
        let asked = Asked::new(told, &parts.method);
        let content = if connection.requests.borrow().has_ended() { Content::None } else { Content::Http1 };
        connection.is_to_be_asked(told.expects && !told.is_old() && !content.is_none());
        let underway = Exchange::begin(connection);
        let request = Request::from_parts(parts, content);
        let mut answering = pin!(forward::forward(underway, request, told.bare));
        let response = self.until(|half, cx| half.poll_answer(answering.as_mut(), cx)).await?;
        match response {
            Ok(response) => self.respond(response, asked).await,
            Err(error) => Err(ending::gone(connection, &error)),
        }
    }

    /// Waits for this, and deals with whatever is due meanwhile.
    async fn until<T>(
        &mut self,
        mut poll: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<T>,
    ) -> Result<T, End> {
        loop {
            let event = poll_fn(|cx| {
                if let Poll::Ready(done) = poll(self, cx) {
                    return Poll::Ready(Ok(done));
                }
                if !self.stopping && self.stopped.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(Event::Stop));
                }
                due(self.connection, self.looked, &mut self.alarm, cx).map(Err)
            })
            .await;
            match event {
                Ok(done) => return Ok(done),
                Err(event) => self.happens(event).await?,
            }
        }
    }

    async fn happens(&mut self, event: Event) -> Result<(), End> {
        let connection = self.connection;
        match event {
            Event::Look => {
                self.looked = now();
                if connection.is_gone() {
                    return Err(ending::gone(connection, &io::ErrorKind::ConnectionReset.into()));
                }
            }
            Event::Rest => {
                let rests = !self.stopping && connection.may_rest();
                // All that has come is of requests that are answered.
                if let Some(stream) = rests.then(|| connection.take_socket()).flatten() {
                    return Err(End::Rest(stream));
                }
                connection.waits.borrow_mut().stays_awake(now());
            }
            Event::Stop => {
                self.stopping = true;
                // A request may be on its way to a connection that was busy a moment ago.
                let is_at_rest = connection.waits.borrow().is_at_rest(now());
                if is_at_rest {
                    return Err(ending::close(connection).await);
                }
                connection.is_to_leave();
            }
            Event::Idle => return Err(ending::say_goodbye(connection).await),
            Event::Overdue(Due { what: Overdue::Head, .. }) if connection.waits.borrow().is_quiet() => {
                return Err(ending::refuse(connection, SLOW_HEAD).await);
            }
            Event::Overdue(due) => {
                if !keeps_on(connection, &due) {
                    return Err(End::Of(None));
                }
            }
        }
        Ok(())
    }

    /// Reads the head of the next request.
    fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<(Parts, Told), Other>> {
        let connection = self.connection;
        loop {
            let read = next(connection);
            let mut waits = connection.waits.borrow_mut();
            if let Some(next) = read.transpose() {
                waits.head = None;
                return Poll::Ready(next);
            }
            let has_begun = connection.requests.borrow().has_begun();
            waits.head = has_begun.then(|| waits.head.unwrap_or_else(now));
            drop(waits);
            if !has_begun {
                connection.diary.heard_nothing();
            }
            match ready!(connection.poll_receive(cx, room::SMALL)) {
                Ok(0) if has_begun && !connection.is_opening() => {
                    return Poll::Ready(Err(Other::Gone(io::ErrorKind::UnexpectedEof.into())));
                }
                Ok(0) => return Poll::Ready(Err(Other::End)),
                Ok(_) if has_begun => {}
                Ok(_) => connection.begins_head(),
                Err(error) if has_begun => return Poll::Ready(Err(Other::Gone(error))),
                // Nothing was owed to the client, which may end as it likes.
                Err(_) => return Poll::Ready(Err(Other::End)),
            }
        }
    }

    /// Deals with what has come in the place of a request.
    async fn turn(&self, other: Other) -> End {
        let connection = self.connection;
        match other {
            Other::Http2 => match connection.take_socket() {
                Some(stream) => End::Http2(stream, connection.requests.borrow_mut().take_ahead()),
                None => End::Of(None),
            },
            Other::Bad(fault) => ending::refuse(connection, answer::to_fault(fault)).await,
            Other::End => ending::close(connection).await,
            Other::Gone(error) => ending::gone(connection, &error),
        }
    }

    /// Waits for the answer, and asks the client for its content if somebody wants that.
    fn poll_answer<F: Future<Output = Response<ResponseBody>>>(
        &mut self,
        answering: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Response<ResponseBody>>> {
        if let Poll::Ready(response) = answering.poll(cx) {
            return Poll::Ready(Ok(response));
        }
        if self.connection.takes_asking() {
            self.leaving.add_interim(CONTINUE);
        }
        if !self.leaving.is_empty() {
            ready!(self.poll_write(cx))?;
        }
        Poll::Pending
    }

    /// Sends the response, and finds what follows it.
    async fn respond(&mut self, response: Response<ResponseBody>, asked: Asked) -> Result<(), End> {
        let connection = self.connection;
        let (mut parts, body) = response.into_parts();
        let size = if body.is_end_stream() { SizeHint::with_exact(0) } else { body.size_hint() };
        let size = size.exact().map_or(Size::Unknown, Size::Known);
        let reason = parts.extensions.get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
        let persists = date::with(|date| {
            response::begin(&mut self.leaving, asked, &parts, Beside { size, reason, date })
        });
        connection.requests.borrow_mut().keep(std::mem::take(&mut parts.headers));
        let mut body = Some(body).filter(|_| !self.leaving.is_ended());
        match self.until(|half, cx| half.poll_send(&mut body, cx)).await? {
            Ok(()) => {}
            Err(Unsent::Gone(error)) => return Err(ending::gone(connection, &error)),
            Err(Unsent::Cut) => return Err(ending::cut(connection)),
        }
        self.leaving.rests();
        if let Some(end) = ending::switch(connection) {
            return Err(end);
        }
        if persists && self.until(|half, cx| half.poll_passed_over(cx)).await? {
            return Ok(());
        }
        Err(ending::close(connection).await)
    }

    /// Sends what is there to be sent until all has left.
    fn poll_send(
        &mut self,
        body: &mut Option<ResponseBody>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Unsent>> {
        for _ in 0..TURN {
            let is_all = self.fill(body, cx)?;
            ready!(self.poll_write(cx)).map_err(Unsent::Gone)?;
            if self.leaving.is_done() {
                self.connection.diary.flushed();
                return Poll::Ready(Ok(()));
            }
            if is_all {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Has the content wait to be sent, as far as there is any and room for it. True where there is no more at the moment.
    fn fill(&mut self, body: &mut Option<ResponseBody>, cx: &mut Context<'_>) -> Result<bool, Unsent> {
        while self.leaving.takes_more() {
            let Some(from) = body else { return Err(Unsent::Cut) };
            let Poll::Ready(frame) = Pin::new(&mut *from).poll_frame(cx) else { return Ok(true) };
            let frame = frame.transpose().map_err(|_| Unsent::Cut)?;
            let ended = match frame.map(hyper::body::Frame::into_data) {
                None => self.leaving.end(None),
                Some(Ok(data)) => {
                    self.leaving.add(data);
                    if from.is_end_stream() { self.leaving.end(None) } else { Ok(()) }
                }
                Some(Err(frame)) => self.leaving.end(frame.trailers_ref()),
            };
            ended.map_err(|Short| Unsent::Cut)?;
        }
        if self.leaving.is_ended() {
            *body = None;
        }
        Ok(false)
    }

    /// Writes what waits until the client has taken it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.connection;
        while !self.leaving.is_empty() {
            if connection.waits_for_others(cx) {
                return Poll::Pending;
            }
            let pieces = self.leaving.pieces();
            let written = connection.with_socket(|stream| Pin::new(stream).poll_write_vectored(cx, &pieces));
            match written {
                Poll::Pending => {
                    connection.stalled();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(count) => {
                    let count = count?;
                    connection.sent(&pieces, count);
                    self.leaving.advance(count);
                }
            }
        }
        // TLS may hold back what the socket did not take.
        let flushed = connection.with_socket(|stream| Pin::new(stream).poll_flush(cx));
        match &flushed {
            Poll::Pending => connection.stalled(),
            Poll::Ready(_) => connection.sent(&[], 0),
        }
        flushed
    }

    /// Passes over what the client has sent of content that nobody takes. True where that is all of it.
    fn poll_passed_over(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let connection = self.connection;
        if connection.requests.borrow_mut().pass_over() {
            return Poll::Ready(true);
        }
        // What has come may be the rest of it; what has not is not waited for.
        let came = matches!(connection.poll_receive(cx, room::SMALL), Poll::Ready(Ok(1..)));
        Poll::Ready(came && connection.requests.borrow_mut().pass_over())
    }
}

/// The next head in what has come, or what stands in its place.
fn next(connection: &Connection) -> Result<Option<(Parts, Told)>, Other> {
    let mut requests = connection.requests.borrow_mut();
    if connection.is_fresh() && requests.has_begun() {
        match requests.beginning() {
            Beginning::Http1 => {}
            Beginning::Open => return Ok(None),
            Beginning::Http2 => return Err(Other::Http2),
        }
    }
    requests.head().map_err(Other::Bad)
}

/// Waits for what is due next, rest included, and a look at the client, of whom the last one was then.
fn due(connection: &Connection, looked: Instant, alarm: &mut Alarm, cx: &mut Context<'_>) -> Poll<Event> {
    // There is nothing to look for while it may rest.
    let (look, rest) = (connection.look_due(looked), connection.rest());
    let is_first = |due: &Due| look.or(rest).is_none_or(|other| due.at <= other);
    match connection.due().filter(is_first) {
        Some(due) => alarm.poll(cx, Some(due.at.into())).map(|()| match due.what {
            Overdue::Idle | Overdue::Close => Event::Idle,
            Overdue::Head | Overdue::Body | Overdue::Room | Overdue::Member => Event::Overdue(due),
        }),
        None if look.is_some() => alarm.poll(cx, look.map(Into::into)).map(|()| Event::Look),
        None => alarm.poll(cx, rest.map(Into::into)).map(|()| Event::Rest),
    }
}

/// Deals with what ran out. True where the request under way answers it.
fn keeps_on(connection: &Connection, due: &Due) -> bool {
    if let Some(exchange) = due.exchange.as_ref().filter(|exchange| !exchange.is_responding()) {
        exchange.set_overdue(due.what);
        return true;
    }
    let failure = match due.what {
        Overdue::Idle | Overdue::Close => return false,
        Overdue::Head => Failure::SlowHead,
        Overdue::Body | Overdue::Room => Failure::ClientTimeout,
        Overdue::Member => Failure::MemberTimeout,
    };
    connection.failed(failure);
    connection.breaks_off();
    false
}
