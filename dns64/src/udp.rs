//! Serving UDP: datagrams in, replies out, on one socket of one worker.
//!
//! After each wake-up the socket is drained. Replies at hand leave at once from the same loop; the others are tasks.
//! On a wildcard address a reply leaves from the address that was asked (`IP_PKTINFO`), since the client waits for it
//! from there. One bad datagram costs one counter, even where it finds a fault of ours.

use crate::metrics::{Metrics, Transport};
use crate::question::DropReason;
use crate::resolver::{Received, Shared};
use crate::worker::Busy;
use nix::cmsg_space;
use nix::libc::{in_pktinfo, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, recvmsg,
    sendmsg, setsockopt, sockopt,
};
use socket2::Socket;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams read before other tasks of the worker get their turn.
const BATCH: usize = 64;

/// The longest query in octets; what is longer is cut and fails to parse.
const BUFFER: usize = 4096;

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

/// Serves until the task is aborted.
pub(crate) async fn serve(socket: UdpSocket, shared: Arc<Shared>, busy: Busy) {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; BUFFER];
    let mut control = cmsg_space!(in6_pktinfo, in_pktinfo);
    let mut out = Vec::with_capacity(BUFFER);
    loop {
        // Readiness never fails on a socket that is registered with the runtime that runs this.
        if socket.readable().await.is_err() {
            return;
        }
        for _ in 0..BATCH {
            match receive(&socket, &mut buffer, &mut control) {
                Ok(datagram) => {
                    let message = &buffer[..datagram.length];
                    contain(shared.metrics(), || {
                        handle(&socket, message, datagram.path, &shared, &busy, &mut out);
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    tracing::debug!(%error, "reading a datagram failed");
                    tokio::time::sleep(PAUSE).await;
                    break;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Does `work`, whose panic costs its datagram and not the daemon.
fn contain(metrics: &Metrics, work: impl FnOnce()) {
    // What `work` borrows is the buffer for replies, which each reply overwrites, and state behind locks and atomics.
    if panic::catch_unwind(AssertUnwindSafe(work)).is_err() {
        metrics.dropped(DropReason::Panic);
    }
}

fn handle(
    socket: &Arc<UdpSocket>,
    message: &[u8],
    path: Path,
    shared: &Arc<Shared>,
    busy: &Busy,
    out: &mut Vec<u8>,
) {
    match shared.receive(message, path.client, Transport::Udp, out) {
        Received::Nothing => {}
        Received::Reply => {
            let sent = socket.try_io(Interest::WRITABLE, || path.send(socket, out));
            note(shared, sent);
        }
        Received::Job(job) => {
            let (socket, shared, busy) = (Arc::clone(socket), Arc::clone(shared), busy.clone());
            tokio::spawn(async move {
                let mut out = Vec::new();
                job.run(&mut out).await;
                note(&shared, socket.async_io(Interest::WRITABLE, || path.send(&socket, &out)).await);
                drop(busy);
            });
        }
    }
}

fn note(shared: &Shared, sent: io::Result<()>) {
    match sent {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            shared.metrics().dropped(DropReason::SendBuffer);
        }
        Err(error) => {
            shared.metrics().dropped(DropReason::Unsendable);
            tracing::debug!(%error, "sending a reply failed");
        }
    }
}

/// A datagram that was read.
struct Datagram {
    length: usize,
    path: Path,
}

/// Where a datagram came from and where it went to.
#[derive(Clone, Copy)]
struct Path {
    client: SocketAddr,
    local: Local,
}

/// The local address of a datagram.
#[derive(Clone, Copy)]
enum Local {
    /// The socket's own.
    Bound,
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

fn receive(socket: &UdpSocket, buffer: &mut [u8], control: &mut [u8]) -> io::Result<Datagram> {
    socket.try_io(Interest::READABLE, || {
        let mut parts = [IoSliceMut::new(buffer)];
        let message =
            recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(control), MsgFlags::empty())?;
        let client = message.address.as_ref().and_then(socket_address);
        let client = client.ok_or_else(|| io::Error::other("a datagram without a source address"))?;
        let local = message.cmsgs()?.fold(Local::Bound, |local, control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => Local::V4(info),
            ControlMessageOwned::Ipv6PacketInfo(info) => Local::V6(info),
            _ => local,
        });
        Ok(Datagram { length: message.bytes, path: Path { client, local } })
    })
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
}

impl Path {
    /// Sends `message` back along the path.
    fn send(&self, socket: &UdpSocket, message: &[u8]) -> io::Result<()> {
        let parts = [IoSlice::new(message)];
        let fd = socket.as_raw_fd();
        let send = |control: &[ControlMessage<'_>]| match self.client {
            SocketAddr::V4(v4) => {
                sendmsg(fd, &parts, control, MsgFlags::empty(), Some(&SockaddrIn::from(v4)))
            }
            SocketAddr::V6(v6) => {
                sendmsg(fd, &parts, control, MsgFlags::empty(), Some(&SockaddrIn6::from(v6)))
            }
        };
        match self.local {
            Local::Bound => send(&[]),
            Local::V4(info) => {
                // The source alone is fixed; the route decides on the interface.
                let source = in_pktinfo { ipi_ifindex: 0, ..info };
                send(&[ControlMessage::Ipv4PacketInfo(&source)])
            }
            Local::V6(info) => {
                let local = std::net::Ipv6Addr::from(info.ipi6_addr.s6_addr);
                let ipi6_ifindex = if local.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                send(&[ControlMessage::Ipv6PacketInfo(&in6_pktinfo { ipi6_ifindex, ..info })])
            }
        }?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    #[test]
    fn a_panic_costs_one_datagram_and_is_counted() {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let mut handled = 0;
        contain(&metrics, || panic!("a fault that a test makes"));
        contain(&metrics, || handled += 1);
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &registry).unwrap();
        assert!(out.contains(r#"dropped_total{reason="panic"} 1"#), "{out}");
        assert_eq!(handled, 1);
    }
}
