//! Flows through nat64 that never rest and check every byte, to show what a fault costs them.

use anyhow::{Context, Result, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tests::lab::Lab;
use tests::payload;
use tests::topology::{ALPHA, ECHO, through_nat64_at};
use tests::wait::{PATIENCE, until};

/// How long a flow waits for its bytes: longer than TCP's pauses after an outage of seconds.
const STALL: Duration = Duration::from_secs(30);

/// Bytes of the stream that are under way at a time.
const CHUNK: usize = 64 << 10;

/// Datagrams that are under way at a time, and bytes of each.
const WINDOW: u64 = 8;
const DATAGRAM: usize = 64;

/// How far a flow has come.
#[derive(Default)]
pub(crate) struct Progress {
    done: AtomicUsize,
    stop: AtomicBool,
    ended: AtomicBool,
}

/// What a flow does: from an address of the client, until it is to stop.
pub(crate) type Flow = fn(Ipv6Addr, &Progress) -> Result<()>;

impl Progress {
    /// Waits until the flow has come this much further.
    ///
    /// # Errors
    /// It broke off, or came to a halt.
    pub(crate) fn advance(&self, further: usize) -> Result<()> {
        let target = self.done.load(Ordering::Acquire) + further;
        until(STALL, "the flow to go on", || {
            let done = self.done.load(Ordering::Acquire);
            if done < target && self.ended.load(Ordering::Acquire) {
                bail!("the flow broke off after {done}");
            }
            Ok((done >= target).then_some(()))
        })
    }

    fn add(&self, more: usize) {
        self.done.fetch_add(more, Ordering::AcqRel);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Runs `act` while `flow` goes on from `source`; it must be whole to the end.
pub(crate) fn during<T>(
    lab: &Lab,
    flow: Flow,
    source: Ipv6Addr,
    act: impl FnOnce(&Progress) -> Result<T>,
) -> Result<T> {
    let progress = Progress::default();
    thread::scope(|scope| {
        let flowing = scope.spawn(|| {
            let outcome = lab.as_client(|| flow(source, &progress));
            progress.ended.store(true, Ordering::Release);
            outcome
        });
        let acted = act(&progress);
        progress.stop.store(true, Ordering::Release);
        flowing.join().expect("a flow does not panic").context("the flow")?;
        acted
    })
}

/// A connection to the echo server; what comes back must be what was sent. Advances by bytes.
pub(crate) fn stream(source: Ipv6Addr, progress: &Progress) -> Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddrV6::new(source, 0, 0, 0).into())?;
    socket.connect(&through_nat64_at(ALPHA, ECHO).into()).context("connecting")?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    let mut back = vec![0; CHUNK];
    let mut seed = 0;
    while !progress.is_stopped() {
        seed += 1;
        let chunk = payload::bytes(CHUNK, seed);
        stream.write_all(&chunk).with_context(|| format!("sending chunk {seed}"))?;
        stream.read_exact(&mut back).with_context(|| format!("the echo of chunk {seed}"))?;
        ensure!(back == chunk, "chunk {seed} came back as other bytes");
        progress.add(CHUNK);
    }
    Ok(())
}

/// Numbered datagrams to the echo server, a few at a time, none of which may be lost, doubled or out of order. Advances by
/// datagrams.
pub(crate) fn datagrams(source: Ipv6Addr, progress: &Progress) -> Result<()> {
    let socket = UdpSocket::bind((source, 0))?;
    socket.connect(through_nat64_at(ALPHA, ECHO))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let datagram = |number: u64| {
        let mut bytes = payload::bytes(DATAGRAM, number);
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes
    };
    let mut next = 0;
    while !progress.is_stopped() {
        for number in next..next + WINDOW {
            socket.send(&datagram(number)).with_context(|| format!("sending datagram {number}"))?;
        }
        let mut back = [0; 2 * DATAGRAM];
        for number in next..next + WINDOW {
            let length = socket.recv(&mut back).with_context(|| format!("datagram {number} was lost"))?;
            let came = back.first_chunk().map_or(u64::MAX, |first| u64::from_be_bytes(*first));
            ensure!(back[..length] == datagram(number), "datagram {came} came in place of {number}");
        }
        next += WINDOW;
        progress.add(usize::try_from(WINDOW)?);
    }
    Ok(())
}

/// The IPv4 address that `source` has in the IPv4-only world.
pub(crate) fn seen_as(lab: &Lab, source: Ipv6Addr) -> Result<Ipv4Addr> {
    let server = lab.network.alpha.run(|| UdpSocket::bind((ALPHA, 0)))?;
    server.set_read_timeout(Some(Duration::from_millis(100)))?;
    let target = through_nat64_at(ALPHA, server.local_addr()?.port());
    let client = lab.as_client(|| UdpSocket::bind((source, 0)))?;
    let mut buffer = [0; 64];
    until(PATIENCE, &format!("a datagram from {source}"), || {
        // Where there is no route for a moment, the kernel says so.
        let _ = client.send_to(b"who am I?", target);
        Ok(server.recv_from(&mut buffer).ok().map(|(_, from)| from.ip()))
    })
    .and_then(|from| match from {
        std::net::IpAddr::V4(v4) => Ok(v4),
        std::net::IpAddr::V6(v6) => bail!("{v6} in the IPv4-only world"),
    })
}
