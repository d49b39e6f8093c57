//! Serving DNS over HTTPS (RFC 8484) on HTTP/2 and HTTP/1.1, over TLS that is already agreed on.
//!
//! One query per request, each answered when it is ready. The client's address is the connection's: a header that
//! claims another is not looked at. What a request asks and what its reply says is decided in [`request`].

pub(crate) mod request;

use crate::accept::Seat;
use crate::encryption::H2;
use crate::question::Question;
use crate::resolver::Received;
use crate::stream::{IDLE, MAX_PIPELINED};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use request::{Asks, LONGEST, Refused};
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::server::TlsStream;

/// Octets of a request's headers; a query of [`LONGEST`] octets fits into a GET.
const MAX_HEADER: u32 = 16 * 1024;

/// How long the head or the body of a request may take, and how long a connection that ends may take for its last
/// replies.
const PATIENCE: Duration = Duration::from_secs(10);

/// Streams that a client reset and whose work is not cleaned up yet (CVE-2023-44487).
const MAX_RESETS: usize = 32;

/// Serves one connection until the client closes, is idle, or the daemon drains.
pub(crate) async fn converse<S>(stream: TlsStream<S>, seat: Seat) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
    let visit = Arc::new(Visit { seat, activity: Mutex::new(Activity { open: 0, last: Instant::now() }) });
    let service = service_fn({
        let visit = Arc::clone(&visit);
        move |request| respond(Arc::clone(&visit), request)
    });
    let io = TokioIo::new(stream);
    if is_h2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_PIPELINED)
            .max_header_list_size(MAX_HEADER)
            .max_pending_accept_reset_streams(MAX_RESETS)
            .max_local_error_reset_streams(MAX_RESETS)
            .serve_connection(io, service);
        carry(connection, http2::Connection::graceful_shutdown, &visit).await
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(MAX_HEADER as usize)
            .serve_connection(io, service);
        carry(connection, http1::Connection::graceful_shutdown, &visit).await
    }
}

/// One client's connection.
struct Visit {
    seat: Seat,
    activity: Mutex<Activity>,
}

/// What a connection is doing.
struct Activity {
    /// Requests under way.
    open: usize,
    /// When the last one began or ended.
    last: Instant,
}

/// A request under way.
struct Errand<'a>(&'a Visit);

impl Visit {
    fn begin(&self) -> Errand<'_> {
        self.note(|open| open + 1);
        Errand(self)
    }

    fn note(&self, change: impl Fn(usize) -> usize) {
        let mut activity = self.activity.lock().unwrap_or_else(PoisonError::into_inner);
        *activity = Activity { open: change(activity.open), last: Instant::now() };
    }

    /// When the connection counts as idle if nothing happens until then.
    fn idle_at(&self) -> Instant {
        let activity = self.activity.lock().unwrap_or_else(PoisonError::into_inner);
        if activity.open > 0 { Instant::now() + IDLE } else { activity.last + IDLE }
    }
}

impl Drop for Errand<'_> {
    fn drop(&mut self) {
        self.0.note(|open| open.saturating_sub(1));
    }
}

/// Runs a connection; `close` asks it to end when its requests are answered.
async fn carry<C>(connection: C, close: fn(Pin<&mut C>), visit: &Visit) -> Result<(), hyper::Error>
where
    C: Future<Output = Result<(), hyper::Error>>,
{
    let mut connection = pin!(connection);
    let mut draining = visit.seat.draining.clone();
    let mut draining = pin!(draining.wait_for(|draining| *draining));
    let mut alarm = pin!(sleep(IDLE));
    let mut closing = false;
    loop {
        tokio::select! {
            biased;
            done = &mut connection => return done,
            _ = &mut draining, if !closing => closing = true,
            () = &mut alarm => {
                if closing {
                    return Ok(());
                }
                let idle_at = visit.idle_at();
                if idle_at > Instant::now() {
                    alarm.as_mut().reset(idle_at);
                    continue;
                }
                closing = true;
            }
        }
        close(connection.as_mut());
        alarm.as_mut().reset(Instant::now() + PATIENCE);
    }
}

async fn respond(visit: Arc<Visit>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _errand = visit.begin();
    let reply = answer(&visit.seat, request).await;
    Ok(reply.map_or_else(Refused::response, request::response).map(|octets| Full::new(octets.into())))
}

/// The reply message to a request.
async fn answer(seat: &Seat, request: Request<Incoming>) -> Result<Vec<u8>, Refused> {
    let (head, body) = request.into_parts();
    let message = match request::judge(&head, &seat.shared.snapshot().https_path)? {
        Asks::InPath(message) => message,
        Asks::InBody => body_of(body).await?,
    };
    let (mut reply, began) = (Vec::new(), Instant::now());
    match seat.shared.receive(&message, seat.client, seat.via, &mut reply) {
        Received::Reply => {
            seat.shared.metrics().times.memory.count(began.elapsed(), 1);
            Ok(reply)
        }
        Received::Job(job) => {
            job.run(&mut reply).await;
            Ok(reply)
        }
        Received::Nothing if Question::parse(&message).is_ok() => Err(Refused::Forbidden),
        Received::Nothing => Err(Refused::Malformed),
    }
}

async fn body_of(body: Incoming) -> Result<Vec<u8>, Refused> {
    let collected =
        timeout(PATIENCE, Limited::new(body, LONGEST).collect()).await.map_err(|_| Refused::TooSlow)?;
    match collected {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refused::TooLarge),
        Err(_) => Err(Refused::Malformed),
    }
}
