//! Serving a stream, TCP or TLS: pipelined queries, answered in whatever order they are ready (RFC 7766 §6.2.1.1, §7).
//!
//! One task reads, answers and writes. Whatever is at hand leaves in one write, length and message together
//! (RFC 7766 §8); queries that need upstreams are tasks of their own, whose replies come back to this one. While a
//! client does not read its replies, or has its share of queries under way, nothing more is read from it. One that is
//! silent, that trickles, or that stops reading is let go of. Messages that are dropped over UDP are dropped here
//! too, and the connection goes on.

mod inbox;

use crate::accept::Seat;
use crate::question::DropReason;
use crate::resolver::Received;
use inbox::Inbox;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, Sleep, sleep, timeout};

/// How long a connection may go without a whole query (RFC 7766 §6.2.3). What clients are told by edns-tcp-keepalive
/// (RFC 7828), and so the same for all of them.
pub(crate) const IDLE: Duration = Duration::from_secs(20);

/// [`IDLE`] in units of 100 ms.
pub(crate) const KEEPALIVE: u16 = 200;

const _: () = assert!(KEEPALIVE as u128 * 100 == IDLE.as_millis(), "the same time");

/// The same where most places are taken, and a silent connection keeps others out (RFC 7828 §3.4).
const IDLE_IN_A_CROWD: Duration = Duration::from_secs(5);

/// The sixteenths of all places that make a crowd.
const CROWD: usize = 12;

/// How long replies may wait for the client to read.
const PATIENCE: Duration = Duration::from_secs(10);

/// Queries of one connection that may wait for upstreams; RFC 9113 §6.5.2 asks for no fewer streams.
pub(crate) const MAX_PIPELINED: u32 = 100;

/// Octets of replies that are written before more queries are read.
const FULL: usize = 1 << 16;

/// Octets that an empty buffer keeps for the next replies.
const KEPT: usize = 4096;

/// Speaks with one client until it closes, is let go of, or the daemon drains.
pub(crate) async fn converse<S>(stream: S, seat: Seat) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut draining = seat.draining.clone();
    let mut draining = pin!(draining.wait_for(|draining| *draining));
    let mut alarm = pin!(sleep(IDLE_IN_A_CROWD));
    let mut talk = Talk::new(stream, seat);
    while talk.answer().await? {
        tokio::select! {
            biased;
            read = talk.inbox.read(&mut talk.stream), if talk.listens() => {
                talk.closed |= read? == 0;
            }
            Some(done) = talk.jobs.join_next(), if !talk.jobs.is_empty() => talk.deliver(done),
            _ = &mut draining, if !talk.closed => talk.closed = true,
            () = &mut alarm => if !talk.is_alive(alarm.as_mut()) {
                break;
            }
        }
    }
    talk.end().await
}

/// A connection under way.
struct Talk<S> {
    stream: S,
    seat: Seat,
    inbox: Inbox,
    /// Replies behind their lengths.
    outbox: Vec<u8>,
    /// One reply, while it is made.
    reply: Vec<u8>,
    jobs: JoinSet<Vec<u8>>,
    /// When the last whole query came.
    heard: Instant,
    /// No more queries are wanted.
    closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S, seat: Seat) -> Self {
        Self {
            stream,
            seat,
            inbox: Inbox::default(),
            outbox: Vec::new(),
            reply: Vec::new(),
            jobs: JoinSet::new(),
            heard: Instant::now(),
            closed: false,
        }
    }

    /// Whether there is room for another query.
    fn listens(&self) -> bool {
        !self.closed && self.jobs.len() < MAX_PIPELINED as usize
    }

    /// Answers every query at hand and writes every reply that is ready; false once nothing is left to wait for.
    async fn answer(&mut self) -> io::Result<bool> {
        loop {
            self.take_queries();
            while let Some(done) = self.jobs.try_join_next() {
                self.deliver(done);
            }
            if self.outbox.is_empty() {
                return Ok(!self.closed || !self.jobs.is_empty());
            }
            timeout(PATIENCE, self.write()).await.map_err(|_| io::ErrorKind::TimedOut)??;
        }
    }

    /// Takes queries from the inbox while there is room for their replies.
    fn take_queries(&mut self) {
        let Seat { shared, client, via, .. } = &self.seat;
        let (began, mut at_once) = (Instant::now(), 0);
        let mut heard = false;
        while self.jobs.len() < MAX_PIPELINED as usize && self.outbox.len() < FULL {
            let Some(message) = self.inbox.message() else { break };
            heard = true;
            match shared.receive(message, *client, *via, &mut self.reply) {
                Received::Nothing => {}
                Received::Reply => {
                    at_once += 1;
                    frame(&self.reply, &mut self.outbox);
                }
                Received::Job(job) => {
                    self.jobs.spawn(async move {
                        let mut reply = Vec::new();
                        job.run(&mut reply).await;
                        reply
                    });
                }
            }
        }
        if heard {
            self.heard = Instant::now();
            shared.metrics().times.memory.count(self.heard - began, at_once);
        }
    }

    fn deliver(&mut self, done: Result<Vec<u8>, JoinError>) {
        match done {
            Ok(reply) => frame(&reply, &mut self.outbox),
            Err(_) => self.seat.shared.metrics().dropped(DropReason::Panic),
        }
    }

    async fn write(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.outbox).await?;
        self.stream.flush().await?;
        self.outbox.clear();
        self.outbox.shrink_to(KEPT);
        Ok(())
    }

    /// What becomes of a connection whose alarm went off: it is set anew while the client has time left.
    fn is_alive(&self, alarm: Pin<&mut Sleep>) -> bool {
        let patience = if self.seat.crowding() < CROWD { IDLE } else { IDLE_IN_A_CROWD };
        let last = if self.jobs.is_empty() { self.heard } else { Instant::now() };
        let alive = last.elapsed() < patience;
        // It may become crowded meanwhile.
        alarm.reset(Instant::now() + IDLE_IN_A_CROWD);
        alive
    }

    /// Says goodbye.
    async fn end(mut self) -> io::Result<()> {
        timeout(PATIENCE, self.stream.shutdown()).await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}

/// Queries that wait for upstreams go on without their client, since others may ask the same.
impl<S> Drop for Talk<S> {
    fn drop(&mut self) {
        for _ in 0..self.jobs.len() {
            self.seat.shared.metrics().dropped(DropReason::ConnectionGone);
        }
        self.jobs.detach_all();
    }
}

/// Puts `reply` behind its length into `outbox`. No reply is longer than its length can say.
fn frame(reply: &[u8], outbox: &mut Vec<u8>) {
    let Ok(length) = u16::try_from(reply.len()) else { return };
    outbox.extend_from_slice(&length.to_be_bytes());
    outbox.extend_from_slice(reply);
}
