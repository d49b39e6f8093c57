//! http mode: requests of a client connection, each forwarded to a member.
//!
//! ```text
//! socket -> io (framing holds back bad heads) -> HTTP library -> forward: guard, headers, forwarded, rules
//!                                                                  -> pick, connect or reuse, exchange -> body
//! ```
//!
//! Both sides of a request run in the one task of the client connection. RFC 9110, RFC 9112. Deliberately not here:
//! HTTP/2, caching.

mod answer;
pub(crate) mod body;
mod certificate;
mod deadlines;
mod forward;
mod forwarded;
mod framing;
mod guard;
mod headers;
pub(crate) mod io;
mod pace;
pub(crate) mod rules;
mod ruling;
mod session;
mod tunnel;
mod upgrade;

pub(crate) use forwarded::Teller;

use crate::counts::Failure;
use crate::linger;
use crate::listener::{Accepted, Stage};
use crate::upstream::MAX_BUFFER;
use crate::worker::Local;
use answer::{Answer, SLOW_HEAD};
use deadlines::Overdue;
use hyper::StatusCode;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use io::ClientStream;
use session::Session;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use tokio::io::AsyncWriteExt;
use tokio::time;

/// The fields that the HTTP library takes of itself.
const FIELDS_AT_HAND: usize = 100;

/// Carries one client connection from accept to close, or to the stage that follows an upgrade. When told to stop it
/// finishes the response under way.
pub(crate) async fn serve(local: Rc<Local>, accepted: Accepted) -> Option<Stage> {
    let mut alarm = local.alarms.alarm();
    let session = Rc::new(Session::new(local, &accepted));
    let fields = usize::from(accepted.route.limits.fields);
    let Accepted { stream, mut stop, .. } = accepted;
    let io = TokioIo::new(ClientStream::new(stream, Rc::clone(&session)));
    let service = {
        let session = Rc::clone(&session);
        service_fn(move |request| forward::forward(Rc::clone(&session), request))
    };
    let mut builder = Builder::new();
    builder.half_close(true).header_read_timeout(None).max_buf_size(MAX_BUFFER);
    // Up to its own limit the library takes room for fields from the stack.
    if fields > FIELDS_AT_HAND {
        builder.max_headers(fields);
    }
    let mut connection = builder.serve_connection(io, service);
    let mut stopped = pin!(stop.wait());
    let mut stopping = false;
    loop {
        let event = poll_fn(|cx| {
            if let Poll::Ready(end) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(Event::Ended(end));
            }
            if let Some(fault) = session.refuses() {
                return Poll::Ready(Event::Refused(answer::to_fault(fault)));
            }
            if !stopping && stopped.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Stop);
            }
            match session.waits.borrow().next() {
                Some((deadline, overdue)) => {
                    alarm.poll(cx, Some(deadline.into())).map(|()| Event::Overdue(overdue))
                }
                None => Poll::Pending,
            }
        })
        .await;
        match event {
            Event::Ended(Ok(())) => return part(&session, connection.into_parts().io.into_inner()).await,
            Event::Ended(Err(error)) => return broken(&session, &error),
            Event::Stop => {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            Event::Refused(answer) => {
                return refuse(&session, connection.into_parts().io.into_inner(), answer).await;
            }
            Event::Overdue(Overdue::Head) if session.waits.borrow().is_quiet() => {
                return refuse(&session, connection.into_parts().io.into_inner(), SLOW_HEAD).await;
            }
            Event::Overdue(overdue) => {
                if !keeps_on(&session, overdue) {
                    return None;
                }
            }
        }
    }
}

enum Event {
    Ended(hyper::Result<()>),
    Stop,
    Refused(Answer),
    Overdue(Overdue),
}

/// Deals with what ran out. True where the request under way answers it.
fn keeps_on(session: &Session, overdue: Overdue) -> bool {
    let failure = match overdue {
        Overdue::Idle | Overdue::Close => return false,
        Overdue::Body | Overdue::Member if !session.is_responding() => {
            session.set_overdue(overdue);
            return true;
        }
        Overdue::Head => Failure::SlowHead,
        Overdue::Body | Overdue::Room => Failure::ClientTimeout,
        Overdue::Member => Failure::MemberTimeout,
    };
    session.route().counts.failed(session.local.index(), failure);
    session.abort.set(true);
    false
}

/// The HTTP of a connection has ended well.
async fn part(session: &Rc<Session>, client: ClientStream) -> Option<Stage> {
    let has_asked = session.framing.borrow().has_asked();
    if let Some(switched) = session.take_switched() {
        let (client, early) = client.into_parts();
        return Some(tunnel::carry(session, client, early.into(), *switched));
    }
    if has_asked {
        // The HTTP library leaves the end of such a connection to its caller, whatever was answered.
        linger::close(client.into_inner()).await;
    }
    None
}

/// Answers a request that the HTTP library never saw as one, and closes.
async fn refuse(session: &Session, client: ClientStream, answer: Answer) -> Option<Stage> {
    let (route, worker) = (session.route(), session.local.index());
    if let Some(failure) = answer.failure {
        route.counts.failed(worker, failure);
    }
    route.counts.answered(worker, answer.status);
    let mut stream = client.into_inner();
    // The answer fits into an empty socket; a client that takes nothing gets the close alone.
    if let Ok(Ok(sent)) = time::timeout(linger::LIMIT, stream.write(&answer.bytes())).await {
        route.counts.sent(worker, sent as u64);
    }
    linger::close(stream).await;
    None
}

/// Counts what the HTTP library ended by itself.
fn broken(session: &Session, error: &hyper::Error) -> Option<Stage> {
    tracing::debug!(%error, client = session.client.map(display), "client connection did not end well");
    if session.abort.get() {
        return None;
    }
    let (route, worker) = (session.route(), session.local.index());
    if error.is_parse() {
        route.counts.answered(worker, StatusCode::BAD_REQUEST);
        route.counts.failed(worker, Failure::BadRequest);
    } else {
        route.counts.failed(worker, Failure::ClientGone);
    }
    None
}
