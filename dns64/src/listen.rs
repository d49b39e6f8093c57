//! Binding a listening address: one UDP and one TCP socket per worker, among which the kernel spreads the clients.
//!
//! `SO_REUSEPORT` lets any process of the same user share an address unnoticed, so a new address is first bound
//! without it: that finds a second daemon as well as another resolver. IPv6 sockets take IPv6 only (`IPV6_V6ONLY`),
//! whatever the system's default: `[::]:53` and `0.0.0.0:53` stand side by side.

use crate::error::ListenError;
use crate::quota::Quota;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

/// TCP connections that clients may have open on one address, over all workers; one client a
/// [`crate::quota::SHARE`]th of them.
pub const MAX_CONNECTIONS: usize = 512;

/// Connections that wait to be accepted, per worker.
const BACKLOG: i32 = 256;

/// Octets of queries that may wait in one UDP socket, as far as the system allows.
const RECEIVE_BUFFER: usize = 1 << 20;

/// The sockets of one address for one worker.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) address: SocketAddr,
    pub(crate) udp: UdpSocket,
    pub(crate) tcp: TcpListener,
    pub(crate) connections: Arc<Quota>,
}

/// Binds every address of `addresses` for `workers` workers, beside those that this daemon holds already.
///
/// All are probed before the first is bound, so that a socket of ours never looks like a stranger's. Returns the
/// sockets of each address.
///
/// # Errors
/// The first address that cannot be had, and why.
pub fn bind_all(
    addresses: &[SocketAddr],
    held: &[SocketAddr],
    workers: usize,
) -> Result<Vec<Vec<Sockets>>, ListenError> {
    for address in addresses.iter().filter(|address| !held.iter().any(|held| overlap(*held, **address))) {
        probe(*address)?;
    }
    addresses.iter().map(|address| bind(*address, workers)).collect()
}

/// Whether a socket at one address stands in the way of one at the other that does not share. Port 0 is another port
/// each time.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let wild = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && a.is_ipv6() == b.is_ipv6() && (wild || a.ip() == b.ip())
}

/// Finds whether someone else has `address`.
fn probe(address: SocketAddr) -> Result<(), ListenError> {
    udp(address, false).map_err(|error| ListenError::new(address, true, error))?;
    tcp(address, false).map_err(|error| ListenError::new(address, false, error))?;
    Ok(())
}

fn bind(address: SocketAddr, workers: usize) -> Result<Vec<Sockets>, ListenError> {
    let connections = Quota::new(MAX_CONNECTIONS);
    (0..workers)
        .map(|_| {
            Ok(Sockets {
                address,
                udp: udp(address, true).map_err(|error| ListenError::new(address, true, error))?.into(),
                tcp: tcp(address, true).map_err(|error| ListenError::new(address, false, error))?.into(),
                connections: Arc::clone(&connections),
            })
        })
        .collect()
}

fn udp(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
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
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
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

    /// An address that no other test has, with a port that the kernel gives to nobody.
    fn own(last: u8) -> SocketAddr {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        (std::net::Ipv4Addr::new(127, high ^ 0x40, low, last), 5300).into()
    }

    #[test]
    fn an_address_that_another_holds_is_named_with_its_remedy() {
        let address = own(1);
        let _holder = UdpSocket::bind(address).unwrap();
        let error = bind_all(&[address], &[], 1).unwrap_err().to_string();
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
        assert!(matches!(bind_all(&[address], &[], 1), Err(ListenError::InUse { .. })));
        let own = bind_all(&[address], &[address], 2).unwrap();
        assert_eq!(own[0].len(), 2, "our own daemon may share");
    }

    #[test]
    fn an_address_of_no_interface_is_named() {
        let error = bind_all(&["192.0.2.1:5353".parse().unwrap()], &[], 1).unwrap_err();
        assert!(error.to_string().contains("192.0.2.1:5353 is not an address of this machine"), "{error}");
    }

    #[test]
    fn only_a_wildcard_of_the_same_family_and_port_overlaps_another_address() {
        let overlap = |a: &str, b: &str| overlap(a.parse().unwrap(), b.parse().unwrap());
        assert!(overlap("0.0.0.0:53", "127.0.0.1:53") && overlap("[::1]:53", "[::]:53"));
        assert!(overlap("127.0.0.1:53", "127.0.0.1:53"));
        assert!(!overlap("127.0.0.1:53", "127.0.0.2:53"), "someone else may have the other");
        assert!(!overlap("[::]:53", "0.0.0.0:53") && !overlap("0.0.0.0:53", "127.0.0.1:54"));
    }
}
