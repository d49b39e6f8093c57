//! Where measured traffic begins and ends.

use crate::namespace::Namespace;
use anyhow::{Context, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// A path on which nothing moves for this long is dead.
pub const STALLED: Duration = Duration::from_secs(5);

/// A client, a server, and the address that leads from one to the other.
#[derive(Clone, Copy)]
pub struct Ends<'a> {
    /// Who connects.
    pub client: &'a Namespace,
    /// Who listens, over IPv4.
    pub server: &'a Namespace,
    /// The server as the client addresses it.
    pub address: IpAddr,
}

impl Ends<'_> {
    /// Opens a TCP connection and returns the client's end and the server's.
    pub fn connect(self) -> Result<[TcpStream; 2]> {
        let listener = self.server.run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
        let server = SocketAddr::new(self.address, listener.local_addr()?.port());
        let near = self
            .client
            .run(|| TcpStream::connect_timeout(&server, STALLED))
            .with_context(|| format!("connecting to {server}"))?;
        let (far, _) = listener.accept()?;
        for end in [&near, &far] {
            end.set_read_timeout(Some(STALLED))?;
            end.set_write_timeout(Some(STALLED))?;
        }
        Ok([near, far])
    }

    /// Opens UDP sockets and returns the client's, which is connected, and the server's, which is not.
    pub fn sockets(self) -> Result<[UdpSocket; 2]> {
        let far = self.server.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
        let server = SocketAddr::new(self.address, far.local_addr()?.port());
        let any = match self.address {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let near = self.client.run(|| UdpSocket::bind((any, 0)))?;
        near.connect(server).with_context(|| format!("no route to {server}"))?;
        Ok([near, far])
    }
}
