//! Binding a listening address: one UDP and one TCP socket per worker, among which the kernel spreads the clients.
//!
//! `SO_REUSEPORT` lets any process of the same user share an address unnoticed, so a new address is first bound
//! without it: that finds a second daemon as well as another resolver.

use crate::error::ListenError;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// TCP connections that clients may have open on one address, over all workers.
pub const MAX_CONNECTIONS: usize = 512;

/// Connections that wait to be accepted, per worker.
const BACKLOG: i32 = 256;

/// Octets of queries that may wait in one UDP socket, as far as the system allows.
const RECEIVE_BUFFER: usize = 1 << 20;

/// The sockets of one address for one worker.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) address: SocketAddr,
    pub(crate) udp: UdpSocket,
    pub(crate) tcp: TcpListener,
    pub(crate) connections: Arc<Semaphore>,
}

/// Binds `address` for `workers` workers.
///
/// `fresh` says that no socket of this daemon has the port yet, so that whoever has it is someone else.
pub(crate) fn bind(
    address: SocketAddr,
    workers: usize,
    fresh: bool,
    connections: &Arc<Semaphore>,
) -> Result<Vec<Sockets>, ListenError> {
    if fresh {
        udp(address, false).map_err(|error| ListenError::new(address, true, error))?;
        tcp(address, false).map_err(|error| ListenError::new(address, false, error))?;
    }
    (0..workers)
        .map(|_| {
            Ok(Sockets {
                address,
                udp: udp(address, true).map_err(|error| ListenError::new(address, true, error))?.into(),
                tcp: tcp(address, true).map_err(|error| ListenError::new(address, false, error))?.into(),
                connections: Arc::clone(connections),
            })
        })
        .collect()
}

fn udp(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_port(shared)?;
    // Best effort: the system's limit may be lower.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    if address.ip().is_unspecified() {
        crate::udp::request_destination(&socket, address)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn tcp(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier run that linger in TIME_WAIT do not stand in the way.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(1))
    }

    /// An address that no other test has, with a port that the kernel gives to nobody.
    fn own(last: u8) -> SocketAddr {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        (std::net::Ipv4Addr::new(127, high ^ 0x40, low, last), 5300).into()
    }

    #[test]
    fn an_address_that_another_holds_is_named_with_its_remedy() {
        let address = own(1);
        let _holder = UdpSocket::bind(address).unwrap();
        let error = bind(address, 1, true, &connections()).unwrap_err().to_string();
        for part in
            [address.to_string(), "in use".into(), format!("sport = :{}", address.port()), "-lnpu".into()]
        {
            assert!(error.contains(&part), "{part} in {error}");
        }
    }

    #[test]
    fn a_second_daemon_that_shares_ports_is_found() {
        let address = own(2);
        let _holder = udp(address, true).unwrap();
        assert!(matches!(bind(address, 1, true, &connections()), Err(ListenError::InUse { .. })));
        assert_eq!(bind(address, 2, false, &connections()).unwrap().len(), 2, "our own daemon may share");
    }

    #[test]
    fn an_address_of_no_interface_is_named() {
        let error = bind("192.0.2.1:5353".parse().unwrap(), 1, true, &connections()).unwrap_err();
        assert!(error.to_string().contains("192.0.2.1:5353 is not an address of this machine"), "{error}");
    }
}
