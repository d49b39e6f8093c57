//! Echo servers (RFC 862): TCP with a farewell after the client's half-close, UDP with the kernel's defaults.

use super::TcpServer;
use crate::namespace::Namespace;
use anyhow::{Context, Result};
use nix::sys::socket::{MsgFlags, SockaddrStorage, recvfrom, sendto};
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// What the TCP server sends when the client has closed its half: proof that the other half is still open.
pub const FAREWELL: &str = "goodbye from ";

/// Echoes TCP at `address` inside `namespace`.
pub fn tcp(namespace: &Namespace, address: SocketAddr, name: &str) -> Result<TcpServer> {
    let listener = namespace
        .run(|| TcpListener::bind(address))
        .with_context(|| format!("cannot listen on {address} in {}", namespace.name()))?;
    let farewell = format!("{FAREWELL}{name}");
    Ok(TcpServer::start(listener, &format!("echo-{name}"), move |stream| converse(stream, &farewell))?)
}

fn converse(mut stream: TcpStream, farewell: &str) -> Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            stream.write_all(farewell.as_bytes())?;
            return Ok(stream.shutdown(Shutdown::Write)?);
        }
        stream.write_all(&buffer[..read])?;
    }
}

/// A UDP server on one thread; dropping it ends it.
pub struct UdpServer {
    socket: UdpSocket,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Echoes UDP at `address` inside `namespace`.
pub fn udp(namespace: &Namespace, address: SocketAddr, name: &str) -> Result<UdpServer> {
    UdpServer::start(namespace, address, &format!("echo-{name}"), |datagram| Some(datagram.to_vec()))
}

impl UdpServer {
    /// Answers each datagram with what `answer` makes of it.
    pub(super) fn start(
        namespace: &Namespace,
        address: SocketAddr,
        name: &str,
        answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static,
    ) -> Result<Self> {
        let socket = namespace
            .run(|| UdpSocket::bind(address))
            .with_context(|| format!("cannot bind {address} in {}", namespace.name()))?;
        let stopping = Arc::new(AtomicBool::new(false));
        let (source, stop) = (socket.try_clone()?, Arc::clone(&stopping));
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while !stop.load(Ordering::Acquire) {
                // ICMP errors about earlier answers show up here; the next datagram is none the worse. Without a peer it is
                // the end of the socket, which the standard library's `recv_from` does not expect.
                let received = recvfrom::<SockaddrStorage>(source.as_raw_fd(), &mut buffer);
                let Ok((length, Some(peer))) = received else { continue };
                if let Some(reply) = answer(&buffer[..length]) {
                    // Too large for the path is the peer's to notice and to ask again.
                    let _ = sendto(source.as_raw_fd(), &reply, &peer, MsgFlags::empty());
                }
            }
        })?;
        Ok(Self { socket, stopping, thread: Some(thread) })
    }
}

impl Drop for UdpServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // Says "not connected", and wakes `recv_from` all the same.
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has already said so on standard error.
            let _ = thread.join();
        }
    }
}
