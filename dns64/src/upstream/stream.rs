//! Queries over streams: TCP (RFC 7766) and TLS (RFC 7858).
//!
//! A connection stays open and carries many queries at a time, answered in any order (RFC 7766 §6.2.1.1). It has one
//! task, which writes what queries leave for it and hands out replies. A query whose connection ends under it goes
//! over another one, once (RFC 7766 §6.2.4). No guesser can write into a connection, so what comes on it and is no
//! reply ends it.

use super::breakdown::Breakdown;
use super::descriptors::{Descriptor, Descriptors};
use super::flights::{Flights, Landing, Message};
use super::random;
use super::tls::Secured;
use crate::answer::Answer;
use crate::metrics::{Carriage, UpstreamMetrics};
use crate::query::{Edns, Query};
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Connections of one worker to one upstream.
const CONNECTIONS: usize = 4;

/// Queries on a connection, after which another one is opened.
const PIPELINED: usize = 128;

/// How long a connection may take to come about, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a connection without queries stays (RFC 7766 §6.2.3: a few seconds).
const IDLE: Duration = Duration::from_secs(10);

/// How long a query waits in vain until its connection is given up.
const SILENCE: Duration = Duration::from_secs(1);

/// How long the kernel tries to get octets through.
const UNACKNOWLEDGED: Duration = Duration::from_secs(3);

/// Octets read at a time.
const READ: usize = 4096;

/// How connections come about.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    pub(super) address: SocketAddr,
    /// `None` is clear text.
    pub(super) secured: Option<Secured>,
}

/// The connections of one worker to one upstream.
#[derive(Debug)]
pub(super) struct Pool {
    dial: Dial,
    carriage: Carriage,
    metrics: UpstreamMetrics,
    descriptors: Arc<Descriptors>,
    connections: Mutex<Vec<Arc<Connection>>>,
}

#[derive(Debug)]
struct Connection {
    state: Mutex<State>,
    written: Notify,
    metrics: UpstreamMetrics,
    driver: OnceLock<AbortHandle>,
}

#[derive(Debug)]
struct State {
    flights: Flights,
    /// What is to be sent.
    out: Vec<u8>,
    /// Takes no new queries.
    closing: bool,
    /// When a message came or a query left last.
    used: Instant,
    /// When a message came last.
    heard: Instant,
}

/// A query in the air, and its place on the connection.
struct Flight {
    connection: Arc<Connection>,
    id: u16,
    sent: Instant,
}

impl Dial {
    /// A new connection with its options.
    pub(super) async fn connect(&self) -> Result<TcpStream, Breakdown> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
        Ok(stream)
    }
}

impl Pool {
    pub(super) fn new(dial: Dial, metrics: UpstreamMetrics, descriptors: Arc<Descriptors>) -> Self {
        let carriage = if dial.secured.is_some() { Carriage::Tls } else { Carriage::Tcp };
        Self { dial, carriage, metrics, descriptors, connections: Mutex::default() }
    }

    /// Whether what goes over it is encrypted.
    pub(super) fn is_secured(&self) -> bool {
        self.dial.secured.is_some()
    }

    /// Asks, and waits for as long as it takes; the caller limits the time.
    pub(super) async fn exchange(&self, query: &Query, edns: Edns) -> Result<Answer, Breakdown> {
        match self.attempt(query, edns).await {
            Err(Breakdown::Closed) => self.attempt(query, edns).await,
            result => result,
        }
    }

    async fn attempt(&self, query: &Query, edns: Edns) -> Result<Answer, Breakdown> {
        let connection = self.connection()?;
        let now = Instant::now();
        let id = connection.enter(query, edns, now)?;
        let flight = Flight { connection, id, sent: now };
        self.metrics.sent(self.carriage);
        let landing = poll_fn(|context| flight.connection.state().flights.poll(id, context)).await?;
        match landing {
            Landing::Answer(answer) => Ok(answer),
            Landing::Unsure => Err(Breakdown::Garbled),
        }
    }

    /// The first connection that has room, or a new one, or the one that has the most room.
    fn connection(&self) -> Result<Arc<Connection>, Breakdown> {
        let mut connections = self.connections();
        connections.retain(|connection| !connection.state().closing);
        let load = |connection: &Connection| connection.state().flights.len();
        if let Some(free) = connections.iter().find(|connection| load(connection) < PIPELINED) {
            return Ok(Arc::clone(free));
        }
        if connections.len() < CONNECTIONS
            && let Some(descriptor) = self.descriptors.take()
        {
            let connection = Connection::open(self.dial.clone(), self.metrics.clone(), descriptor);
            connections.push(Arc::clone(&connection));
            return Ok(connection);
        }
        connections.iter().min_by_key(|connection| load(connection)).cloned().ok_or(Breakdown::Resources)
    }

    /// Closes what has not been used for a while.
    pub(super) fn tidy(&self, now: Instant) {
        self.connections().retain(|connection| {
            let idle = connection.state().is_idle(now);
            if idle {
                connection.end(&Breakdown::Closed);
            }
            !idle
        });
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Queries on the way may still get their replies: only what is idle closes at once.
impl Drop for Pool {
    fn drop(&mut self) {
        for connection in self.connections().drain(..) {
            connection.retire();
        }
    }
}

impl State {
    fn is_idle(&self, now: Instant) -> bool {
        self.flights.len() == 0 && now.saturating_duration_since(self.used) >= IDLE
    }
}

impl Connection {
    fn open(dial: Dial, metrics: UpstreamMetrics, descriptor: Descriptor) -> Arc<Self> {
        let now = Instant::now();
        let state =
            State { flights: Flights::new(1), out: Vec::new(), closing: false, used: now, heard: now };
        let connection = Arc::new(Self {
            state: Mutex::new(state),
            written: Notify::new(),
            metrics,
            driver: OnceLock::new(),
        });
        let driver = tokio::spawn(Arc::clone(&connection).drive(dial, descriptor)).abort_handle();
        connection.driver.set(driver).expect("a new connection has no driver");
        connection
    }

    /// Puts a query on the connection.
    fn enter(&self, query: &Query, edns: Edns, now: Instant) -> Result<u16, Breakdown> {
        let mut state = self.state();
        if state.closing {
            return Err(Breakdown::Closed);
        }
        // The client's spelling may go out as it is.
        let id = state.flights.enter(query, &query.name, random::number)?;
        let start = state.out.len();
        state.out.extend_from_slice(&[0; 2]);
        query.encode(id, &query.name, edns, &mut state.out);
        let length = u16::try_from(state.out.len() - start - 2).expect("a query has less than 400 octets");
        state.out[start..start + 2].copy_from_slice(&length.to_be_bytes());
        state.used = now;
        self.written.notify_one();
        Ok(id)
    }

    async fn drive(self: Arc<Self>, dial: Dial, descriptor: Descriptor) {
        let breakdown = match timeout(CONNECT, self.converse(&dial)).await {
            Ok(Ok(conversation)) => conversation.await,
            Ok(Err(breakdown)) => breakdown,
            Err(_) => Breakdown::ConnectTime,
        };
        drop(descriptor);
        self.end(&breakdown);
    }

    /// Connects. What is given back is the conversation, to its end.
    async fn converse(
        &self,
        dial: &Dial,
    ) -> Result<std::pin::Pin<Box<dyn Future<Output = Breakdown> + Send + '_>>, Breakdown> {
        let stream = dial.connect().await?;
        Ok(match &dial.secured {
            None => Box::pin(self.carry(stream)),
            Some(secured) => Box::pin(self.carry(secured.handshake(stream).await?)),
        })
    }

    async fn carry<S: AsyncRead + AsyncWrite + Send>(&self, stream: S) -> Breakdown {
        let (reader, writer) = tokio::io::split(stream);
        let ended = tokio::select! {
            ended = self.read(reader) => ended,
            ended = self.write(writer) => ended,
        };
        match ended {
            // However it was cut: what was on it goes over another connection.
            Err(error) => {
                tracing::trace!(%error, "a connection to an upstream broke");
                Breakdown::Closed
            }
            Ok(breakdown) => breakdown,
        }
    }

    async fn write<S: AsyncWrite>(&self, mut writer: WriteHalf<S>) -> io::Result<Breakdown> {
        let mut batch = Vec::new();
        loop {
            self.written.notified().await;
            batch.clear();
            std::mem::swap(&mut batch, &mut self.state().out);
            writer.write_all(&batch).await?;
            writer.flush().await?;
        }
    }

    async fn read<S: AsyncRead>(&self, mut reader: ReadHalf<S>) -> io::Result<Breakdown> {
        let mut buffer = Vec::with_capacity(READ);
        loop {
            if reader.read_buf(&mut buffer).await? == 0 {
                return Ok(Breakdown::Closed);
            }
            let mut rest = &buffer[..];
            while let Some((message, behind)) = split_message(rest) {
                // The query that it is about, if any, has its outcome; the others go elsewhere.
                if !self.receive(message) {
                    return Ok(Breakdown::Closed);
                }
                rest = behind;
            }
            let taken = buffer.len() - rest.len();
            buffer.drain(..taken);
            buffer.reserve(READ);
        }
    }

    /// Hands out a message; `false` where it is no reply.
    fn receive(&self, message: &[u8]) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        (state.used, state.heard) = (now, now);
        match state.flights.receive(message) {
            Message::Reply | Message::Late => true,
            Message::Stray(mismatch) => {
                self.metrics.mismatched(mismatch);
                false
            }
        }
    }

    /// Takes no new queries, and ends when the last is done.
    fn retire(&self) {
        let mut state = self.state();
        state.closing = true;
        if state.flights.len() == 0 {
            self.abort();
        }
    }

    /// Ends at once.
    fn end(&self, breakdown: &Breakdown) {
        let mut state = self.state();
        state.closing = true;
        state.flights.fail(breakdown);
        self.abort();
    }

    fn abort(&self) {
        if let Some(driver) = self.driver.get() {
            driver.abort();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.connection.state();
        state.flights.leave(self.id);
        // Whoever says nothing at all for so long may have forgotten the connection.
        if state.heard < self.sent && self.sent.elapsed() >= SILENCE {
            state.closing = true;
        }
        if state.closing && state.flights.len() == 0 {
            self.connection.abort();
        }
    }
}

/// The first message of a stream and what stands behind it, once all of it is there (RFC 1035 §4.2.2).
fn split_message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_when_they_are_whole() {
        assert_eq!(split_message(b"\0\x02ab\0\x01c"), Some((&b"ab"[..], &b"\0\x01c"[..])));
        assert_eq!(split_message(b"\0\0"), Some((&b""[..], &b""[..])));
        for part in [&b""[..], b"\0", b"\0\x02", b"\0\x02a"] {
            assert_eq!(split_message(part), None, "{part:?}");
        }
    }
}
