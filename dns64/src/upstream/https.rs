//! Queries over HTTPS (RFC 8484): POST over HTTP/2, many at a time on one connection.

use super::breakdown::Breakdown;
use super::descriptors::{Descriptor, Descriptors};
use super::stream::Dial;
use crate::answer::Answer;
use crate::metrics::{Carriage, UpstreamMetrics};
use crate::query::{Edns, Query};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

/// The media type of a DNS message (RFC 8484 §6).
const MESSAGE: &str = "application/dns-message";

/// The longest DNS message.
const LONGEST: usize = 65_535;

/// How long a connection may take to come about, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a connection without queries stays.
const IDLE: Duration = Duration::from_secs(10);

/// How long a query waits in vain until its connection is given up.
const SILENCE: Duration = Duration::from_secs(1);

/// The connection of one worker to one upstream.
#[derive(Debug)]
pub(super) struct Pool {
    dial: Dial,
    uri: Uri,
    metrics: UpstreamMetrics,
    descriptors: Arc<Descriptors>,
    current: Mutex<Option<Arc<Session>>>,
}

/// A connection that is there or on its way.
#[derive(Debug)]
struct Session {
    state: watch::Receiver<State>,
    /// Takes no new queries; the connection ends with the last.
    closing: Arc<Notify>,
    activity: Mutex<Activity>,
}

#[derive(Clone, Debug)]
enum State {
    Coming,
    Open(SendRequest<Full<Bytes>>),
    Over(Breakdown),
}

#[derive(Clone, Copy, Debug)]
struct Activity {
    in_flight: u32,
    used: Instant,
    heard: Instant,
}

/// A query on its way. Dropping it takes note of whether anything came.
struct Request<'a> {
    session: &'a Session,
    sent: Instant,
}

impl Pool {
    /// For the upstream at `dial`, which is secured, and the path of its URI.
    pub(super) fn new(
        dial: Dial,
        name: &str,
        path: &str,
        metrics: UpstreamMetrics,
        descriptors: Arc<Descriptors>,
    ) -> Result<Self, http::Error> {
        let port = dial.address.port();
        let authority = if port == 443 { name.to_owned() } else { format!("{name}:{port}") };
        let uri = Uri::builder().scheme("https").authority(authority).path_and_query(path).build()?;
        Ok(Self { dial, uri, metrics, descriptors, current: Mutex::default() })
    }

    /// Asks, and waits for as long as it takes; the caller limits the time.
    pub(super) async fn exchange(&self, query: &Query, edns: Edns) -> Result<Answer, Breakdown> {
        match self.attempt(query, edns).await {
            Err(Breakdown::Closed) => self.attempt(query, edns).await,
            result => result,
        }
    }

    async fn attempt(&self, query: &Query, edns: Edns) -> Result<Answer, Breakdown> {
        let session = self.session()?;
        let result = self.post(&session, query, edns).await;
        if matches!(result, Err(Breakdown::Closed)) {
            // The connection's own task may not have heard of it yet.
            self.current().take_if(|current| Arc::ptr_eq(current, &session));
        }
        result
    }

    async fn post(&self, session: &Session, query: &Query, edns: Edns) -> Result<Answer, Breakdown> {
        let request = Request::begin(session);
        let mut sender = session.sender().await?;
        let mut message = Vec::new();
        // Without a number of its own, a query can be answered from an HTTP cache (RFC 8484 §4.1).
        query.encode(0, &query.name, edns, &mut message);
        self.metrics.sent(Carriage::Https);
        let posted = http::Request::post(&self.uri)
            .header(CONTENT_TYPE, MESSAGE)
            .header(ACCEPT, MESSAGE)
            .body(Full::new(message.into()))
            .map_err(|error| Breakdown::Protocol(error.to_string().into()))?;
        let response = sender.send_request(posted).await.map_err(|error| broken(&error))?;
        request.heard();
        let body = body_of(response).await?;
        Answer::parse(body, query, 0, query.name.as_bytes()).map_err(|mismatch| {
            self.metrics.mismatched(mismatch);
            Breakdown::Garbled
        })
    }

    fn session(&self) -> Result<Arc<Session>, Breakdown> {
        let mut current = self.current();
        if let Some(session) = current.as_ref().filter(|session| !session.is_over()) {
            return Ok(Arc::clone(session));
        }
        let descriptor = self.descriptors.take().ok_or(Breakdown::Resources)?;
        let session = Session::open(self.dial.clone(), descriptor);
        *current = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Closes what has not been used for a while.
    pub(super) fn tidy(&self, now: Instant) {
        if let Some(idle) = self.current().take_if(|session| session.is_idle(now)) {
            idle.closing.notify_one();
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(session) = self.current().take() {
            session.closing.notify_one();
        }
    }
}

impl Session {
    fn open(dial: Dial, descriptor: Descriptor) -> Arc<Self> {
        let (sender, state) = watch::channel(State::Coming);
        let closing = Arc::new(Notify::new());
        tokio::spawn(run(dial, sender, Arc::clone(&closing), descriptor));
        let now = Instant::now();
        let activity = Mutex::new(Activity { in_flight: 0, used: now, heard: now });
        Arc::new(Self { state, closing, activity })
    }

    fn is_over(&self) -> bool {
        matches!(*self.state.borrow(), State::Over(_)) || self.state.has_changed().is_err()
    }

    fn is_idle(&self, now: Instant) -> bool {
        let activity = *self.activity();
        activity.in_flight == 0 && now.saturating_duration_since(activity.used) >= IDLE
    }

    /// What requests are made with, once the connection is there.
    async fn sender(&self) -> Result<SendRequest<Full<Bytes>>, Breakdown> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Coming)).await;
        match settled.as_deref() {
            Ok(State::Open(sender)) => Ok(sender.clone()),
            Ok(State::Over(breakdown)) => Err(breakdown.clone()),
            Ok(State::Coming) | Err(_) => Err(Breakdown::Closed),
        }
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The life of a connection.
async fn run(dial: Dial, state: watch::Sender<State>, closing: Arc<Notify>, descriptor: Descriptor) {
    match timeout(CONNECT, connect(&dial)).await {
        Err(_) => drop(state.send(State::Over(Breakdown::ConnectTime))),
        Ok(Err(breakdown)) => drop(state.send(State::Over(breakdown))),
        Ok(Ok((sender, connection))) => {
            state.send_replace(State::Open(sender));
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = &mut connection => {}
                () = closing.notified() => {
                    // Without a sender left, the connection ends when its requests have.
                    state.send_replace(State::Over(Breakdown::Closed));
                    // However it ends, it is over.
                    let _ = connection.await;
                }
            }
            state.send_replace(State::Over(Breakdown::Closed));
        }
    }
    drop(descriptor);
}

type Carrier = TokioIo<TlsStream<TcpStream>>;

async fn connect(
    dial: &Dial,
) -> Result<(SendRequest<Full<Bytes>>, http2::Connection<Carrier, Full<Bytes>, TokioExecutor>), Breakdown> {
    let secured = dial.secured.as_ref().ok_or_else(|| Breakdown::Protocol("HTTPS without TLS".into()))?;
    let stream = secured.handshake(dial.connect().await?).await?;
    http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(|error| broken(&error))
}

/// What a failed request says of the connection: a fault of the protocol, or that it is over.
fn broken(error: &hyper::Error) -> Breakdown {
    if error.is_parse() { Breakdown::Protocol(error.to_string().into()) } else { Breakdown::Closed }
}

/// The message in a response, if it is one.
async fn body_of(response: Response<Incoming>) -> Result<Vec<u8>, Breakdown> {
    let status = response.status();
    if !status.is_success() {
        return Err(Breakdown::Status(status.as_u16()));
    }
    let media =
        response.headers().get(CONTENT_TYPE).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    if !media
        .split(|octet| *octet == b';')
        .next()
        .is_some_and(|media| media.trim_ascii().eq_ignore_ascii_case(MESSAGE.as_bytes()))
    {
        let media = String::from_utf8_lossy(&media).into_owned();
        return Err(Breakdown::Protocol(format!("the upstream sends {media:?} instead of {MESSAGE}").into()));
    }
    match Limited::new(response.into_body(), LONGEST).collect().await {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(Breakdown::Garbled),
        Err(_) => Err(Breakdown::Closed),
    }
}

impl<'a> Request<'a> {
    fn begin(session: &'a Session) -> Self {
        let sent = Instant::now();
        let mut activity = session.activity();
        activity.in_flight += 1;
        activity.used = sent;
        Self { session, sent }
    }

    fn heard(&self) {
        self.session.activity().heard = Instant::now();
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        let mut activity = self.session.activity();
        activity.in_flight -= 1;
        // Whoever says nothing at all for so long may have forgotten the connection.
        if activity.heard < self.sent && self.sent.elapsed() >= SILENCE {
            self.session.closing.notify_one();
        }
    }
}
