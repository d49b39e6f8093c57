//! udp mode: the datagrams of each client go to one member of the pool, and what that sends goes back to the client.
//!
//! One task for each socket of a worker, which reads and sends in batches; the kernel gives all datagrams of a client to
//! one socket, and so to one worker, for as long as the listener is there. A flow begins with a client's first datagram
//! and ends when both ends have been silent for `timeout.udp`.
//!
//! A flow stays with its member while that takes those who belong to it, as drained ones do. It moves to another with
//! the client's next datagram when the member is down, in maintenance, ejected or has left the pool, and when the member's
//! host says that nobody takes datagrams there.
//!
//! A listener that is to go takes nothing more in, passes on what had come, and waits a moment for the answers.

mod crossing;
mod flow;
mod flows;
mod inbox;
mod line;
mod loss;
mod members;
pub(crate) mod outbox;
mod path;
mod segments;

pub(crate) use inbox::Inbox;

use crate::counts::Failure;
use crate::listener::Site;
use crate::snapshot::Route;
use crate::worker::{Local, Stop};
use crossing::Crossing;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{SockRef, Socket};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{self, Instant};

/// Batches of both directions before other tasks of the worker get their turn.
const ROUNDS: usize = 4;

/// How many flows are ended at one go at best: an early one waits so long for others.
const TICK: Duration = Duration::from_millis(20);

/// How long a listener that goes waits for answers.
const FAREWELL: Duration = Duration::from_secs(1);

/// More batches than a socket's buffer holds: the last reading ends for sure.
const LAST: usize = 256;

/// How long a socket rests whose reading fails for a reason other than having nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// Octets of datagrams that may wait in a socket, as far as the system allows.
const BUFFER: usize = 4 << 20;

/// The port of RFC 863, which sends nothing.
const DISCARD: u16 = 9;

/// Prepares a socket for datagrams that is about to be bound.
pub(crate) fn prepare(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    socket.set_recv_buffer_size(BUFFER)?;
    // Without it datagrams come one by one, which costs time and nothing else.
    let _ = setsockopt(socket, sockopt::UdpGroSegment, &true);
    // Answers leave from where the client sent to, which a wildcard address does not tell.
    match address {
        SocketAddr::V4(address) if address.ip().is_unspecified() => {
            setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        SocketAddr::V6(address) if address.ip().is_unspecified() => {
            setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => {}
    }
    Ok(())
}

/// Passes datagrams on until told to stop.
pub(crate) async fn serve(
    local: Rc<Local>,
    socket: UdpSocket,
    site: Arc<Site>,
    route: Arc<Route>,
    mut stop: Stop,
) {
    let name = route.name.clone();
    let mut crossing = match Crossing::new(Rc::clone(&local), site, route, socket) {
        Ok(crossing) => crossing,
        // The kernel gives the datagrams to the sockets of the other workers.
        Err(error) => {
            return tracing::warn!(%error, worker = local.index(), listener = name, "socket is lost");
        }
    };
    loop {
        tokio::select! {
            biased;
            () = stop.wait() => break,
            () = expiry(&crossing) => crossing.expire(Instant::now().into_std()),
            () = crossing.ready() => {}
        }
        crossing.follow();
        match carry(&local, &mut crossing) {
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(%error, listener = name, "reading datagrams failed");
                time::sleep(PAUSE).await;
            }
        }
    }
    leave(&local, crossing).await;
}

/// Returns when some flows are over.
async fn expiry(crossing: &Crossing) {
    match crossing.flows.next_expiry(crossing.route().timeout.udp) {
        Some(next) => time::sleep_until(Instant::from_std(next) + TICK).await,
        None => std::future::pending().await,
    }
}

/// Passes on what has come, in both directions; true where more may wait.
fn carry(local: &Local, crossing: &mut Crossing) -> io::Result<bool> {
    contain(local, crossing, |crossing, inbox| {
        for _ in 0..ROUNDS {
            let upward = crossing.upward(inbox)?;
            if !crossing.downward(inbox)? && !upward {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// Does `work`, whose panic costs the flows of this socket and no more.
fn contain(
    local: &Local,
    crossing: &mut Crossing,
    work: impl FnOnce(&mut Crossing, &mut Inbox) -> io::Result<bool>,
) -> io::Result<bool> {
    let worked = {
        let mut inbox = local.inbox();
        // What `work` leaves half done is thrown away, and what is in the inbox is overwritten.
        catch_unwind(AssertUnwindSafe(|| work(crossing, &mut inbox)))
    };
    worked.unwrap_or_else(|_| {
        let route = crossing.route();
        route.counts.failed(local.index(), Failure::Panic);
        tracing::error!(
            listener = route.name,
            "passing datagrams on panicked; the flows of this socket are ended"
        );
        crossing.forget().map(|()| true)
    })
}

/// Takes nothing more in, passes on what has come, and what comes back of that.
async fn leave(local: &Local, mut crossing: Crossing) {
    if let Err(error) = turn_away(crossing.socket()) {
        tracing::debug!(%error, "datagrams that come to a socket that leaves may be lost");
    }
    for _ in 0..LAST {
        match contain(local, &mut crossing, Crossing::upward_last) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => tracing::debug!(%error, "reading a last datagram failed"),
        }
    }
    let end = Instant::now() + FAREWELL;
    while crossing.flows.asking() > 0 {
        if time::timeout_at(end, crossing.answers()).await.is_err() {
            break;
        }
        if let Err(error) = contain(local, &mut crossing, Crossing::downward) {
            tracing::debug!(%error, "reading an answer failed");
            break;
        }
    }
}

/// Has the kernel give later datagrams to other sockets, or refuse them: a connected socket takes them from its peer
/// alone, and the peer is a port of this host that sends nothing. Answers name their receivers themselves.
fn turn_away(socket: &UdpSocket) -> io::Result<()> {
    let mut peer = socket.local_addr()?;
    peer.set_port(DISCARD);
    match &mut peer {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => v4.set_ip(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => v6.set_ip(Ipv6Addr::LOCALHOST),
        _ => {}
    }
    SockRef::from(socket).connect(&peer.into())
}
