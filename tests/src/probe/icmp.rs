//! ICMPv6 echo, and the errors that a datagram provokes on its way (RFC 4443).

use super::ANSWER_LIMIT;
use crate::payload;
use anyhow::{Context, Result, bail, ensure};
use etherparse::{LaxSlicedPacket, TransportSlice};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, process};

/// ICMPv6 type and code of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub u8, pub u8);

/// Destination unreachable: port unreachable.
pub const PORT_UNREACHABLE: Kind = Kind(1, 4);
/// Time exceeded: hop limit exceeded in transit.
pub const HOP_LIMIT_EXCEEDED: Kind = Kind(3, 0);

const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

/// Types below this one are errors (RFC 4443 §2.1).
const FIRST_INFORMATIONAL: u8 = 128;

/// An ICMPv6 header: type, code, checksum, and four bytes whose meaning is the type's.
const HEADER: usize = 8;

/// Where an error that quotes an echo request has its identifier and sequence number: behind the IPv6 header.
const QUOTED_IDENTITY: std::ops::Range<usize> = 44..48;

/// An ICMPv6 error as a client received it.
#[derive(Clone, Debug)]
pub struct Complaint {
    /// Whose address it came from.
    pub from: Ipv6Addr,
    /// What it says.
    pub kind: Kind,
    /// The packet it quotes.
    pub quoted: Quoted,
}

/// What can be read of a quoted packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Source address and port.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
    /// The UDP payload, as much as was quoted.
    pub payload: Vec<u8>,
}

/// A datagram that was sent and the error that came back.
#[derive(Clone, Debug)]
pub struct Provoked {
    /// Source address and port, as the sending socket knows them.
    pub source: SocketAddr,
    /// Its payload.
    pub payload: Vec<u8>,
    /// The error.
    pub complaint: Complaint,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            PORT_UNREACHABLE => f.write_str("port unreachable"),
            HOP_LIMIT_EXCEEDED => f.write_str("time exceeded"),
            Self(kind, code) => write!(f, "ICMPv6 {kind}/{code}"),
        }
    }
}

impl Provoked {
    /// Checks that the quoted packet is the very one that was sent: addresses, ports, and all payload it quotes.
    pub fn ensure_own(&self, destination: SocketAddrV6) -> Result<()> {
        let quoted = &self.complaint.quoted;
        ensure!(
            quoted.source == self.source,
            "quotes the source {}, sent from {}",
            quoted.source,
            self.source
        );
        ensure!(
            quoted.destination == SocketAddr::V6(destination),
            "quotes the destination {}, sent to {destination}",
            quoted.destination
        );
        ensure!(self.payload.starts_with(&quoted.payload), "quotes another payload than was sent");
        Ok(())
    }
}

/// Sends one echo request with `length` bytes of payload and returns the round trip.
pub fn ping(destination: Ipv6Addr, length: usize) -> Result<Duration> {
    let socket = open()?;
    let payload = payload::bytes(length, 8);
    let identity = next_identity();
    let mut request = vec![ECHO_REQUEST, 0, 0, 0];
    request.extend_from_slice(&identity);
    request.extend_from_slice(&payload);
    let start = Instant::now();
    socket.send_to(&request, (destination, 0)).context("sending the echo request")?;
    wait(&socket, "an echo reply", |from, message| {
        let (head, body) = message.split_at_checked(HEADER)?;
        let ours = head[0] == ECHO_REPLY && from == destination && head[4..] == identity;
        if head[0] < FIRST_INFORMATIONAL && body.get(QUOTED_IDENTITY) == Some(&identity) {
            return Some(Err(anyhow::anyhow!("{} from {from}", Kind(head[0], head[1]))));
        }
        ours.then(|| {
            ensure!(body == payload, "the echo reply carries other bytes than the request");
            Ok(start.elapsed())
        })
    })?
}

/// Sends one datagram and waits for the ICMPv6 error about it.
///
/// # Errors
/// No error within [`ANSWER_LIMIT`], or a reply instead of one.
pub fn provoke(destination: SocketAddrV6, hop_limit: Option<u32>, payload: &[u8]) -> Result<Provoked> {
    let listener = open()?;
    let sender = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    sender.connect(destination)?;
    if let Some(hops) = hop_limit {
        socket2::SockRef::from(&sender).set_unicast_hops_v6(hops)?;
    }
    let source = sender.local_addr()?;
    sender.send(payload).context("sending the datagram")?;
    let complaint =
        wait(&listener, &format!("an ICMPv6 error about {source} to {destination}"), |from, message| {
            complaint(from, message).filter(|complaint| complaint.quoted.source.port() == source.port())
        })?;
    Ok(Provoked { source, payload: payload.to_vec(), complaint })
}

/// Identifier and sequence number that no other echo request of this process has.
fn next_identity() -> [u8; 4] {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    (process::id() << 16 | COUNT.fetch_add(1, Ordering::Relaxed) & 0xffff).to_be_bytes()
}

/// A raw ICMPv6 socket; the kernel computes and verifies checksums.
fn open() -> Result<UdpSocket> {
    let socket =
        Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).context("opening a raw socket")?;
    // The standard library's datagram socket receives with addresses; what protocol is below is all one to it.
    Ok(socket.into())
}

fn wait<T>(socket: &UdpSocket, what: &str, mut look: impl FnMut(Ipv6Addr, &[u8]) -> Option<T>) -> Result<T> {
    let end = Instant::now() + ANSWER_LIMIT;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("{what}: none came within {} s", ANSWER_LIMIT.as_secs());
        }
        socket.set_read_timeout(Some(left))?;
        let Ok((length, SocketAddr::V6(from))) = socket.recv_from(&mut buffer) else { continue };
        if let Some(found) = look(*from.ip(), &buffer[..length]) {
            return Ok(found);
        }
    }
}

/// Reads an error message that quotes a UDP datagram.
fn complaint(from: Ipv6Addr, message: &[u8]) -> Option<Complaint> {
    let (head, quoted) = message.split_at_checked(HEADER)?;
    if head[0] >= FIRST_INFORMATIONAL {
        return None;
    }
    Some(Complaint { from, kind: Kind(head[0], head[1]), quoted: quoted_datagram(quoted)? })
}

fn quoted_datagram(bytes: &[u8]) -> Option<Quoted> {
    let packet = LaxSlicedPacket::from_ip(bytes).ok()?;
    let Some(etherparse::LaxNetSlice::Ipv6(ip)) = &packet.net else { return None };
    let header = ip.header();
    let Some(TransportSlice::Udp(udp)) = &packet.transport else { return None };
    Some(Quoted {
        source: (header.source_addr(), udp.source_port()).into(),
        destination: (header.destination_addr(), udp.destination_port()).into(),
        payload: udp.payload().to_vec(),
    })
}
