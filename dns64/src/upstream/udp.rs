//! One query over UDP (RFC 1035 §4.2.1, RFC 5452).
//!
//! Each query has a socket of its own, connected to the upstream: the kernel draws the port at random, lets nothing
//! through but datagrams from the upstream's address and port, and reports a closed port at once. Number and
//! spelling of the name are random too. A datagram that is no reply is counted and passed over; a wrong spelling, or
//! many wrong datagrams, are the sign of a guesser or of a server that respells, and TCP tells them apart.

use super::random::Nonce;
use super::{Breakdown, Upstream};
use crate::answer::{Answer, Mismatch};
use crate::metrics::Transport;
use crate::query::Query;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::UdpSocket;

/// Datagrams that are no reply, after which UDP is given up.
const MAX_MISMATCHES: usize = 8;

/// More than is ever announced, for upstreams that do not care.
const BUFFER: usize = 4096;

/// What an exchange over UDP comes to.
#[derive(Debug)]
pub(super) enum Heard {
    /// A reply.
    Answer(Answer),
    /// A reply that leaves records out, or doubt about who answers: ask over TCP.
    Unsure,
}

/// Asks `upstream` and waits for as long as it takes; the caller limits the time.
pub(super) async fn exchange(upstream: &Upstream, query: &Query) -> Result<Heard, Breakdown> {
    let nonce = Nonce::draw()?;
    let spelling = query.name.respelt(&nonce.mask);
    let socket = connect(upstream.address).await?;
    upstream.metrics.sent(Transport::Udp);
    socket.send(&query.encode(nonce.id, &spelling)).await?;
    for _ in 0..MAX_MISMATCHES {
        let mut message = Vec::with_capacity(BUFFER);
        socket.recv_buf(&mut message).await?;
        match Answer::parse(message, query, nonce.id, spelling.as_bytes()) {
            Ok(answer) if answer.is_truncated() => return Ok(Heard::Unsure),
            Ok(answer) => return Ok(Heard::Answer(answer)),
            Err(mismatch) => {
                upstream.metrics.mismatched(mismatch);
                if mismatch == Mismatch::Case {
                    break;
                }
            }
        }
    }
    Ok(Heard::Unsure)
}

async fn connect(address: SocketAddr) -> Result<UdpSocket, Breakdown> {
    let unspecified: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // Port 0: the kernel draws one of the local range at random and leaves out reserved ones.
    let socket = UdpSocket::bind(unspecified).await?;
    socket.connect(address).await?;
    Ok(socket)
}
