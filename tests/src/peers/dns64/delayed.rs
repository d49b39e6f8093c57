//! A server that has the zone's answers, each a fixed time late: a resolver's upstream that is far away.

use super::questions::{ADDRESS, TTL, ZONE};
use crate::namespace::Namespace;
use anyhow::{Context, Result};
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::{A, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How late each answer is.
pub(super) const DELAY: Duration = Duration::from_millis(20);

/// How long the server takes to notice that it is over.
const LOOK: Duration = Duration::from_millis(50);

/// The server. Dropping it ends it.
pub(super) struct DelayedServer {
    /// Where it serves.
    pub(super) address: Ipv4Addr,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// An answer that is due.
struct Due {
    at: Instant,
    reply: Vec<u8>,
    client: SocketAddr,
}

impl DelayedServer {
    /// Serves at `address` inside `host`.
    pub(super) fn start(host: &Namespace, address: Ipv4Addr) -> Result<Self> {
        let socket = host
            .run(|| UdpSocket::bind((address, 53)))
            .with_context(|| format!("cannot bind {address} in {}", host.name()))?;
        socket.set_read_timeout(Some(LOOK))?;
        let out = socket.try_clone()?;
        let over = Arc::new(AtomicBool::new(false));
        let (later, due) = mpsc::channel::<Due>();
        let watched = Arc::clone(&over);
        let hear = thread::Builder::new().name("delayed-in".to_owned());
        let say = thread::Builder::new().name("delayed-out".to_owned());
        let threads = vec![
            hear.spawn(move || listen(&socket, &watched, &later))?,
            say.spawn(move || {
                // All are late by the same time, so they are due in the order they came in.
                for Due { at, reply, client } in due {
                    thread::sleep(at.saturating_duration_since(Instant::now()));
                    // A client that is gone asks no more.
                    let _ = out.send_to(&reply, client);
                }
            })?,
        ];
        Ok(Self { address, over, threads })
    }
}

impl Drop for DelayedServer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            // A thread that panicked has already said so on standard error.
            let _ = thread.join();
        }
    }
}

fn listen(socket: &UdpSocket, over: &AtomicBool, later: &Sender<Due>) {
    let mut buffer = [0; 4096];
    while !over.load(Ordering::Acquire) {
        match socket.recv_from(&mut buffer) {
            Ok((length, client)) => {
                let at = Instant::now() + DELAY;
                let Some(reply) = answer(&buffer[..length]) else { continue };
                if later.send(Due { at, reply, client }).is_err() {
                    return;
                }
            }
            Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // ICMP errors about earlier answers show up here; the next datagram is none the worse.
            Err(_) => {}
        }
    }
}

/// An address for a question for one; the zone's SOA for any other.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).ok()?;
    let [question] = query.queries.as_slice() else { return None };
    let mut reply = Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.authoritative = true;
    reply.queries.clone_from(&query.queries);
    if question.query_type == RecordType::A {
        reply.add_answer(Record::from_rdata(question.name.clone(), TTL, RData::A(A(ADDRESS))));
    } else {
        let origin = Name::from_ascii(ZONE).ok()?;
        let ttl = i32::try_from(TTL).ok()?;
        let soa = SOA::new(origin.clone(), origin.clone(), 1, 3600, 600, ttl, TTL);
        reply.add_authority(Record::from_rdata(origin, TTL, RData::SOA(soa)));
    }
    reply.to_vec().ok()
}
