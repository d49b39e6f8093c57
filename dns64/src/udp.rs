//! Serving UDP: datagrams in, replies out, on one socket of one worker.
//!
//! After each wake-up the socket is drained, a batch at a time. Replies at hand leave with one system call per batch;
//! the others are tasks, whose replies are gathered in an [`Outbox`]. One bad datagram costs one counter, even where
//! it finds a fault of ours, and so does a reply that the system refuses to send. A listener that is told to leave
//! takes nothing more in, answers all that it has taken, and ends.

mod batch;
mod outbox;
mod path;

use crate::metrics::{Metrics, Transport};
use crate::question::DropReason;
use crate::resolver::{Received, Shared};
use crate::worker::Busy;
use batch::{BATCH, Inbox};
use nix::sys::socket::{setsockopt, sockopt};
use outbox::Outbox;
use socket2::{SockRef, Socket};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;

/// Batches read before other tasks of the worker get their turn.
const ROUNDS: usize = 4;

/// Octets that a buffer for a reply holds from the start, so that replies of usual size do not move it.
const REPLY: usize = 512;

/// More datagrams than a socket's buffer holds ([`crate::listen`]): the last reading ends for sure.
const QUEUE: usize = 8192;

/// The port of RFC 863, which sends nothing.
const DISCARD: u16 = 9;

/// How long a socket rests whose reading fails for a reason other than having nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks the kernel to say for each datagram which local address it was sent to.
pub(crate) fn request_destination(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    Ok(())
}

/// Serves until `leave` is closed and all that was taken in is answered.
pub(crate) async fn serve(
    socket: UdpSocket,
    shared: Arc<Shared>,
    busy: Busy,
    mut leave: oneshot::Receiver<Infallible>,
) {
    let mut listener = Listener::new(socket, shared);
    loop {
        tokio::select! {
            biased;
            _ = &mut leave => break,
            () = listener.outbox.changed() => listener.flush().await,
            // Readiness never fails on a socket that is registered with the runtime that runs this.
            _ = listener.socket.readable() => {}
        }
        match listener.read() {
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(%error, "reading datagrams failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    listener.leave().await;
    drop(busy);
}

/// One socket and what passes through it.
struct Listener {
    socket: UdpSocket,
    shared: Arc<Shared>,
    inbox: Inbox,
    /// Replies at hand, and for each the place of its query in the inbox.
    replies: Vec<Vec<u8>>,
    queries: [usize; BATCH],
    outbox: Arc<Outbox>,
}

impl Listener {
    fn new(socket: UdpSocket, shared: Arc<Shared>) -> Self {
        let replies = (0..BATCH).map(|_| Vec::with_capacity(REPLY)).collect();
        Self { socket, shared, inbox: Inbox::new(), replies, queries: [0; BATCH], outbox: Outbox::new() }
    }

    /// Reads and answers what waits; true where more may wait.
    fn read(&mut self) -> io::Result<bool> {
        for _ in 0..ROUNDS {
            let more = self.inbox.fill(&self.socket)?;
            let tasks = self.answer();
            if !more || tasks {
                return Ok(more);
            }
        }
        Ok(true)
    }

    /// Answers what was read, at once or by tasks; true where there are tasks.
    fn answer(&mut self) -> bool {
        let (mut count, mut tasks) = (0, false);
        let began = Instant::now();
        for (index, (path, message)) in self.inbox.datagrams().enumerate() {
            let Some(client) = path.client() else { continue };
            let reply = &mut self.replies[count];
            match contain(self.shared.metrics(), || {
                self.shared.receive(message, client, Transport::Udp, reply)
            }) {
                Received::Nothing => {}
                Received::Reply => {
                    self.queries[count] = index;
                    count += 1;
                }
                Received::Job(job) => {
                    tasks = true;
                    let owed = self.outbox.owe(*path);
                    tokio::spawn(async move {
                        let mut reply = owed.buffer();
                        job.run(&mut reply).await;
                        if !reply.is_empty() {
                            owed.pay(reply);
                        }
                    });
                }
            }
        }
        let queries = self.queries.iter().take(count).map(|index| self.inbox.path(*index));
        let replies = queries.zip(self.replies.iter().map(Vec::as_slice));
        batch::send(&self.socket, replies, &mut |_, error| note(&self.shared, &error));
        // One look at the clock for the whole batch: each of its queries took as long as all of them.
        self.shared.metrics().times.memory.count(began.elapsed(), count);
        tasks
    }

    async fn flush(&self) {
        self.outbox.flush(&self.socket, |error| note(&self.shared, error)).await;
    }

    /// Takes nothing more in, and answers what was taken in and what is owed.
    async fn leave(mut self) {
        if let Err(error) = self.turn_away() {
            tracing::debug!(%error, "queries that come to a socket that leaves may be lost");
        }
        for _ in 0..QUEUE / BATCH {
            match self.inbox.fill_last(&self.socket) {
                Ok(more) => {
                    self.answer();
                    if !more {
                        break;
                    }
                }
                Err(error) => tracing::debug!(%error, "reading a last datagram failed"),
            }
        }
        while self.outbox.owes() {
            self.outbox.changed().await;
            self.flush().await;
        }
    }
}

impl Listener {
    /// Has the kernel give later datagrams to other sockets, or refuse them: a connected socket takes them from its
    /// peer alone, and the peer is a port of this host that sends nothing. Replies name their receivers themselves.
    fn turn_away(&self) -> io::Result<()> {
        let mut peer = self.socket.local_addr()?;
        peer.set_port(DISCARD);
        match &mut peer {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => v4.set_ip(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => v6.set_ip(Ipv6Addr::LOCALHOST),
            _ => {}
        }
        SockRef::from(&self.socket).connect(&peer.into())
    }
}

/// Does `work`, whose panic costs its datagram and not the daemon.
fn contain(metrics: &Metrics, work: impl FnOnce() -> Received) -> Received {
    // What `work` borrows is the buffer for a reply, which each reply overwrites, and state behind locks and atomics.
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        metrics.dropped(DropReason::Panic);
        Received::Nothing
    })
}

fn note(shared: &Shared, error: &io::Error) {
    let reason = match error.kind() {
        io::ErrorKind::WouldBlock => DropReason::SendBuffer,
        _ => DropReason::Unsendable,
    };
    shared.metrics().dropped(reason);
    tracing::debug!(%error, "sending a reply failed");
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    #[test]
    fn a_panic_costs_one_datagram_and_is_counted() {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let lost = contain(&metrics, || panic!("a fault that a test makes"));
        assert!(matches!(lost, Received::Nothing));
        assert!(matches!(contain(&metrics, || Received::Reply), Received::Reply));
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &registry).unwrap();
        assert!(out.contains(r#"dropped_total{reason="panic"} 1"#), "{out}");
    }
}
