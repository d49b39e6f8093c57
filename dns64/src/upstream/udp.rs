//! Queries over UDP (RFC 1035 §4.2.1, RFC 5452): a set of connected sockets, from which those queries draw one that
//! leave together.
//!
//! A socket's port is drawn at random by the kernel out of all that may be given away, whatever the worker. The
//! socket serves few queries for a short time and is replaced, so that a port that was found out is worth little. It
//! is connected: the kernel lets nothing through but datagrams from the upstream's address and port, and reports a
//! closed port at once. Number and spelling of the name are random as well. A datagram that is no reply is counted
//! and passed over; a wrong spelling, or many wrong datagrams, are the sign of a guesser or of a server that
//! respells, and TCP tells them apart.

mod volley;

use super::breakdown::Breakdown;
use super::descriptors::{Descriptor, Descriptors};
use super::flights::{Flights, Landing, Message};
use super::random;
use crate::metrics::UpstreamMetrics;
use crate::query::{Edns, Query};
use nix::sys::socket::{MsgFlags, recv};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use volley::Volley;

/// Sockets of one worker to one upstream. Each is opened when it is first drawn.
const SOCKETS: usize = 128;

/// Queries that a socket serves, and those of a last volley.
const MAX_USES: u32 = 64;

/// For how long a socket serves.
const MAX_AGE: Duration = Duration::from_secs(10);

/// Datagrams that are no reply, after which UDP is given up for a query.
const MAX_STRIKES: u8 = 8;

/// Datagrams that are read before others have their turn.
const BATCH: usize = 64;

/// What a socket has to say: datagrams, and that its upstream's port is closed.
const NEWS: Interest = Interest::READABLE.add(Interest::ERROR);

/// More than is ever announced, for upstreams that do not care.
const BUFFER: usize = 4096;

thread_local! {
    /// What is received: done with before anything else of the thread runs.
    static DATAGRAM: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into());
}

/// The sockets of one worker to one upstream.
#[derive(Debug)]
pub(super) struct Pool {
    address: SocketAddr,
    metrics: UpstreamMetrics,
    descriptors: Arc<Descriptors>,
    slots: Mutex<Vec<Option<Arc<Socket>>>>,
    /// What leaves when the tasks that are ready have run.
    volleys: Arc<Mutex<Vec<Volley>>>,
}

/// One socket.
#[derive(Debug)]
struct Socket {
    udp: UdpSocket,
    flights: Mutex<Flights>,
    opened: Instant,
    uses: AtomicU32,
    retired: AtomicBool,
    reader: OnceLock<AbortHandle>,
    metrics: UpstreamMetrics,
    /// Stands behind the socket, and so is dropped after it.
    _descriptor: Descriptor,
}

/// A query in the air, and its place on the socket.
struct Flight {
    socket: Arc<Socket>,
    id: u16,
}

impl Pool {
    pub(super) fn new(address: SocketAddr, metrics: UpstreamMetrics, descriptors: Arc<Descriptors>) -> Self {
        let slots = Mutex::new(vec![None; SOCKETS]);
        Self { address, metrics, descriptors, slots, volleys: Arc::default() }
    }

    /// Asks, and waits for as long as it takes; the caller limits the time.
    pub(super) async fn exchange(&self, query: &Query, edns: Edns) -> Result<Landing, Breakdown> {
        let flight = self.stage(query, edns)?;
        self.metrics.sent(crate::metrics::Carriage::Udp);
        poll_fn(|context| flight.socket.flights().poll(flight.id, context)).await
    }

    /// Puts `query` among those that leave next.
    fn stage(&self, query: &Query, edns: Edns) -> Result<Flight, Breakdown> {
        let [high, low, mask @ ..] = random::draw::<34>()?;
        let spelling = query.name.respelt(&mask);
        let mut volleys = lock(&self.volleys);
        if volleys.last().is_none_or(Volley::is_full) {
            let socket = self.socket(usize::from(u16::from_be_bytes([high, low])))?;
            if volleys.is_empty() {
                // Behind all tasks that are ready, which may have more to send.
                tokio::spawn(send(Arc::clone(&self.volleys)));
            }
            volleys.push(Volley::new(socket));
        }
        let volley = volleys.last_mut().expect("one was pushed if there was none");
        let socket = Arc::clone(volley.socket());
        let id = socket.flights().enter(query, &spelling, random::number)?;
        socket.uses.fetch_add(1, Ordering::Relaxed);
        volley.add(id, |out| query.encode(id, &spelling, edns, out));
        Ok(Flight { socket, id })
    }

    /// The socket at a random place, a new one where that is worn.
    fn socket(&self, draw: usize) -> Result<Arc<Socket>, Breakdown> {
        let mut slots = self.slots();
        let at = draw % slots.len();
        let now = Instant::now();
        match &slots[at] {
            Some(socket) if !socket.is_worn(now) => return Ok(Arc::clone(socket)),
            _ => {}
        }
        let Some(descriptor) = self.descriptors.take() else {
            // As many are open as may be: a worn one is better than none.
            let mut order = (0..slots.len()).map(|step| (at + step) % slots.len());
            let open = order.find_map(|at| slots[at].clone());
            return open.ok_or(Breakdown::Resources);
        };
        let socket = Socket::open(self.address, now, self.metrics.clone(), descriptor)?;
        if let Some(worn) = slots[at].replace(Arc::clone(&socket)) {
            worn.retire();
        }
        Ok(socket)
    }

    /// Closes what has served its time.
    pub(super) fn tidy(&self, now: Instant) {
        for slot in self.slots().iter_mut() {
            if let Some(worn) = slot.take_if(|socket| socket.is_worn(now)) {
                worn.retire();
            }
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Option<Arc<Socket>>>> {
        lock(&self.slots)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for socket in self.slots().drain(..).flatten() {
            socket.retire();
        }
    }
}

impl Socket {
    /// A new socket with its reader.
    fn open(
        address: SocketAddr,
        now: Instant,
        metrics: UpstreamMetrics,
        descriptor: Descriptor,
    ) -> Result<Arc<Self>, Breakdown> {
        let raw =
            RawSocket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        // Without a bind before, the kernel draws the port from all of the local range but what is reserved.
        raw.connect(&address.into())?;
        let socket = Arc::new(Self {
            udp: UdpSocket::from_std(raw.into())?,
            flights: Mutex::new(Flights::new(MAX_STRIKES)),
            opened: now,
            uses: AtomicU32::new(0),
            retired: AtomicBool::new(false),
            reader: OnceLock::new(),
            metrics,
            _descriptor: descriptor,
        });
        let reader = tokio::spawn(Arc::clone(&socket).read()).abort_handle();
        socket.reader.set(reader).expect("a new socket has no reader");
        Ok(socket)
    }

    fn is_worn(&self, now: Instant) -> bool {
        self.uses.load(Ordering::Relaxed) >= MAX_USES || now.saturating_duration_since(self.opened) >= MAX_AGE
    }

    /// Serves no new queries, and closes when the last in the air is done.
    fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        if self.flights().len() == 0 {
            self.close();
        }
    }

    /// Ends the reader, which holds the socket.
    fn close(&self) {
        if let Some(reader) = self.reader.get() {
            reader.abort();
        }
    }

    async fn read(self: Arc<Self>) {
        // Readiness never fails on a socket that is registered with the runtime that runs this.
        while let Ok(ready) = self.udp.ready(NEWS).await {
            // The runtime tries nothing where both are asked for at once.
            let interest = if ready.is_readable() { Interest::READABLE } else { Interest::ERROR };
            match self.udp.try_io(interest, || self.drain()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => self.flights().fail_sent(&error.into()),
                Ok(()) => tokio::task::yield_now().await,
            }
        }
    }

    /// Reads what is there; `WouldBlock` is the word for having read all that is of use.
    ///
    /// Where nothing is waited for any more, the system call that would find nothing is spared. What lies there even
    /// so is read before the next reply.
    fn drain(&self) -> io::Result<()> {
        DATAGRAM.with_borrow_mut(|buffer| {
            for _ in 0..BATCH {
                let length = recv(self.udp.as_raw_fd(), buffer, MsgFlags::empty())?;
                let mut flights = self.flights();
                if let Message::Stray(mismatch) = flights.receive(&buffer[..length]) {
                    self.metrics.mismatched(mismatch);
                }
                if !flights.expect_more() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
            }
            Ok(())
        })
    }

    fn flights(&self) -> MutexGuard<'_, Flights> {
        lock(&self.flights)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut flights = self.socket.flights();
        flights.leave(self.id);
        if flights.len() == 0 && self.socket.retired.load(Ordering::Relaxed) {
            self.socket.close();
        }
    }
}

/// Sends what waits.
async fn send(volleys: Arc<Mutex<Vec<Volley>>>) {
    let waiting = std::mem::take(&mut *lock(&volleys));
    for volley in waiting {
        volley.send().await;
    }
}

/// A panic elsewhere leaves nothing half done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
