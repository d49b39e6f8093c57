//! Queries that leave together: those that one turn of a worker's tasks puts to one upstream.
//!
//! They leave on one socket, so that several of one length go through the network stack as one datagram that is cut
//! apart behind it (`UDP_SEGMENT`). Where the system does not do that they go one by one.

use super::Socket;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use std::cmp::Reverse;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::Interest;

/// Queries of a volley at most: what the kernel cuts a datagram into at most.
pub(super) const MOST: usize = 64;

/// Whether the system cuts datagrams, as far as is known.
static SEGMENTS: AtomicBool = AtomicBool::new(true);

/// Queries on their way to one socket.
#[derive(Debug)]
pub(super) struct Volley {
    socket: Arc<Socket>,
    octets: Vec<u8>,
    queries: Vec<Staged>,
}

/// A query, and where its octets stand.
#[derive(Debug)]
struct Staged {
    id: u16,
    place: Range<usize>,
}

impl Volley {
    /// An empty one for `socket`.
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        Self { socket, octets: Vec::new(), queries: Vec::new() }
    }

    pub(super) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    pub(super) fn is_full(&self) -> bool {
        self.queries.len() == MOST
    }

    /// Adds query `id`, which `write` writes.
    pub(super) fn add(&mut self, id: u16, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.octets.len();
        write(&mut self.octets);
        self.queries.push(Staged { id, place: start..self.octets.len() });
    }

    /// Sends all. A query that the system refuses fails for itself.
    pub(super) async fn send(mut self) {
        self.queries.sort_unstable_by_key(|query| Reverse(query.place.len()));
        let mut rest = &self.queries[..];
        while !rest.is_empty() {
            let count = if SEGMENTS.load(Ordering::Relaxed) { run(rest) } else { 1 };
            let (run, later) = rest.split_at(count);
            let mut sent = self.send_run(run);
            if sent == Err(Errno::EAGAIN) {
                let udp = &self.socket.udp;
                let room = udp.async_io(Interest::WRITABLE, || self.send_run(run).map_err(io::Error::from));
                sent = room.await.map_err(|error| Errno::try_from(error).unwrap_or(Errno::EIO));
            }
            match sent {
                Ok(()) => {
                    let mut flights = self.socket.flights();
                    for query in run {
                        flights.depart(query.id);
                    }
                    rest = later;
                }
                Err(Errno::EINTR) => {}
                // The news is about queries that were sent before.
                Err(errno @ Errno::ECONNREFUSED) => {
                    self.socket.flights().fail_sent(&io::Error::from(errno).into());
                }
                Err(Errno::EIO | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EMSGSIZE) if count > 1 => {
                    SEGMENTS.store(false, Ordering::Relaxed);
                }
                Err(errno) => {
                    let mut flights = self.socket.flights();
                    for query in run {
                        flights.fail_one(query.id, io::Error::from(errno).into());
                    }
                    rest = later;
                }
            }
        }
    }

    fn send_run(&self, run: &[Staged]) -> nix::Result<()> {
        let socket = self.socket.udp.as_raw_fd();
        let part = |query: &Staged| IoSlice::new(&self.octets[query.place.clone()]);
        if let [query] = run {
            sendmsg::<()>(socket, &[part(query)], &[], MsgFlags::MSG_DONTWAIT, None)?;
            return Ok(());
        }
        let mut parts = [IoSlice::new(&[]); MOST];
        parts.iter_mut().zip(run).for_each(|(place, query)| *place = part(query));
        let length = u16::try_from(run[0].place.len()).map_err(|_| Errno::EMSGSIZE)?;
        let cut = [ControlMessage::UdpGsoSegments(&length)];
        sendmsg::<()>(socket, &parts[..run.len()], &cut, MsgFlags::MSG_DONTWAIT, None)?;
        Ok(())
    }
}

/// How many of `queries`, longer ones first, can go as one: all of one length but a last, shorter one.
fn run(queries: &[Staged]) -> usize {
    let equal = queries.iter().take_while(|query| query.place.len() == queries[0].place.len()).count();
    queries.len().min(equal + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::query;
    use crate::metrics::Metrics;
    use crate::query::Edns;
    use crate::upstream::descriptors::Descriptors;
    use hickory_proto::rr::RecordType;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::registry::Registry;
    use std::net::SocketAddr;
    use std::task::{Context, Poll, Waker};
    use std::time::Instant;
    use tokio::net::UdpSocket;

    fn socket(address: SocketAddr) -> Arc<Socket> {
        let metrics = Metrics::new(&mut Registry::default()).upstream("here");
        let descriptor = Descriptors::new(1024, Gauge::default()).take().unwrap();
        Socket::open(address, Instant::now(), metrics, descriptor).unwrap()
    }

    /// A volley of queries for names of these lengths, and their numbers, which count up from `first`.
    fn volley(socket: &Arc<Socket>, first: u16, lengths: &[usize]) -> (Volley, Vec<u16>) {
        let mut volley = Volley::new(Arc::clone(socket));
        let mut ids = Vec::new();
        for (number, length) in (first..).zip(lengths) {
            let query = query(&format!("{}.example", "x".repeat(*length)), RecordType::AAAA);
            let id = socket.flights().enter(&query, &query.name, || Ok(number)).unwrap();
            volley.add(id, |out| query.encode(id, &query.name, Edns::Off, out));
            ids.push(id);
        }
        (volley, ids)
    }

    #[tokio::test]
    async fn queries_that_leave_together_arrive_apart_whatever_their_lengths() {
        let upstream = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let socket = socket(upstream.local_addr().unwrap());
        let lengths: Vec<usize> = (0..MOST).map(|at| [9, 3, 3, 20, 9, 1, 3][at % 7]).collect();
        let (full, ids) = volley(&socket, 1, &lengths);
        assert!(full.is_full());
        full.send().await;
        let mut seen = Vec::new();
        for _ in &ids {
            let mut buffer = [0; 512];
            let length = upstream.recv(&mut buffer).await.unwrap();
            let id = u16::from_be_bytes([buffer[0], buffer[1]]);
            let name = lengths[usize::from(id) - 1];
            assert_eq!(length, 12 + 1 + name + 9 + 4, "of query {id}");
            seen.push(id);
        }
        seen.sort_unstable();
        assert_eq!(seen, ids);
    }

    #[tokio::test]
    async fn a_closed_port_fails_what_was_sent_and_not_what_is_yet_to_be() {
        let address = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let socket = socket(address);
        let poll = |id| socket.flights().poll(id, &mut Context::from_waker(Waker::noop()));
        let (first, lost) = volley(&socket, 1, &[30, 20, 20]);
        first.send().await;
        // What the kernel knows of the closed port it tells when the second volley leaves, for a port that is open.
        let (second, waiting) = volley(&socket, 10, &[10, 5]);
        let upstream = UdpSocket::bind(address).await.unwrap();
        second.send().await;
        for id in &waiting {
            let mut buffer = [0; 512];
            upstream.recv(&mut buffer).await.unwrap();
            assert_eq!(buffer[..2], id.to_be_bytes());
            assert!(poll(*id).is_pending(), "query {id} was taken for lost");
        }
        for id in lost {
            assert!(matches!(poll(id), Poll::Ready(Err(_))), "query {id}");
        }
    }
}
