//! Echo servers (RFC 862): TCP with a farewell after the client's half-close, UDP with the kernel's defaults.

use super::TcpServer;
use crate::namespace::Namespace;
use crate::wait::readable;
use anyhow::{Context, Result};
use std::io::{self, PipeWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
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
    stop: Option<PipeWriter>,
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
        let (stopped, stop) = io::pipe()?;
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while readable(&socket, &stopped) {
                // ICMP errors about earlier answers show up here; the next datagram is none the worse.
                let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
                if let Some(reply) = answer(&buffer[..length]) {
                    // Too large for the path is the peer's to notice and to ask again.
                    let _ = socket.send_to(&reply, peer);
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for UdpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has already said so on standard error.
            let _ = thread.join();
        }
    }
}
