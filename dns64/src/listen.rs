//! Binding a listening address: one socket of each kind per worker, among which the kernel spreads the clients.
//!
//! `SO_REUSEPORT` lets any process of the same user share an address unnoticed, so a new address is first bound
//! without it: that finds a second daemon as well as another resolver. IPv6 sockets take IPv6 only (`IPV6_V6ONLY`),
//! whatever the system's default: `[::]:53` and `0.0.0.0:53` stand side by side.

use crate::error::ListenError;
use crate::quota::Quota;
use config::model::Dns64;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

/// Connections that clients may have open on one address, over all workers; one client a
/// [`crate::quota::SHARE`]th of them.
pub const MAX_CONNECTIONS: usize = 4096;

/// The same for clients that may not ask and are told so.
pub const MAX_STRANGERS: usize = 256;

/// Connections that wait to be accepted, per worker.
const BACKLOG: i32 = 1024;

/// Octets of queries that may wait in one UDP socket, as far as the system allows.
const RECEIVE_BUFFER: usize = 1 << 20;

/// What is spoken at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// DNS over UDP and TCP.
    Plain,
    /// DNS over TLS.
    Tls,
    /// DNS over HTTPS.
    Https,
    /// DNS over QUIC.
    Quic,
}

/// What the kernel is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocols {
    Udp,
    Tcp,
}

/// One listening address and what is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// What is spoken.
    pub kind: Kind,
    /// Where.
    pub address: SocketAddr,
}

/// The sockets of one endpoint for one worker.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) endpoint: Endpoint,
    pub(crate) open: Open,
    pub(crate) places: Places,
}

/// The connections that may be open at one address.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Those of clients that may ask.
    pub(crate) clients: Arc<Quota>,
    /// Those of others, so that they take none from the former.
    pub(crate) strangers: Arc<Quota>,
}

/// The sockets that a kind of endpoint has.
#[derive(Debug)]
pub(crate) enum Open {
    Plain { udp: UdpSocket, tcp: TcpListener },
    Tls(TcpListener),
    Https(TcpListener),
    Quic(UdpSocket),
}

impl Kind {
    /// The key that lists the addresses.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Plain => "dns64.listen",
            Self::Tls => "dns64.listen_tls",
            Self::Https => "dns64.listen_https",
            Self::Quic => "dns64.listen_quic",
        }
    }

    /// What its sockets take.
    pub(crate) const fn protocols(self) -> &'static [Protocols] {
        match self {
            Self::Plain => &[Protocols::Udp, Protocols::Tcp],
            Self::Tls | Self::Https => &[Protocols::Tcp],
            Self::Quic => &[Protocols::Udp],
        }
    }
}

/// Everything that a section listens at.
pub(crate) fn endpoints(dns64: &Dns64) -> Vec<Endpoint> {
    let lists = [
        (Kind::Plain, &dns64.listen),
        (Kind::Tls, &dns64.listen_tls),
        (Kind::Https, &dns64.listen_https),
        (Kind::Quic, &dns64.listen_quic),
    ];
    let of = |(kind, list): (Kind, &Vec<SocketAddr>)| {
        list.iter().map(|&address| Endpoint { kind, address }).collect::<Vec<_>>()
    };
    lists.into_iter().flat_map(of).collect()
}

/// Binds every endpoint for `workers` workers, beside those that this daemon holds already.
///
/// All are probed before the first is bound, so that a socket of ours never looks like a stranger's. Returns the
/// sockets of each endpoint.
///
/// # Errors
/// The first endpoint that cannot be had, and why.
pub fn bind_all(
    endpoints: &[Endpoint],
    held: &[Endpoint],
    workers: usize,
) -> Result<Vec<Vec<Sockets>>, ListenError> {
    for endpoint in endpoints {
        for protocol in endpoint.kind.protocols() {
            let overlaps = |held: &Endpoint| {
                held.kind.protocols().contains(protocol) && overlap(held.address, endpoint.address)
            };
            if !held.iter().any(overlaps) {
                bind(*endpoint, *protocol, false)?;
            }
        }
    }
    endpoints.iter().map(|endpoint| open(*endpoint, workers)).collect()
}

/// Whether a socket at one address stands in the way of one at the other that does not share. Port 0 is another port
/// each time.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let wild = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && a.is_ipv6() == b.is_ipv6() && (wild || a.ip() == b.ip())
}

fn open(endpoint: Endpoint, workers: usize) -> Result<Vec<Sockets>, ListenError> {
    let places = Places { clients: Quota::new(MAX_CONNECTIONS), strangers: Quota::new(MAX_STRANGERS) };
    let udp = || bind(endpoint, Protocols::Udp, true).map(UdpSocket::from);
    let tcp = || bind(endpoint, Protocols::Tcp, true).map(TcpListener::from);
    let one = || {
        Ok(match endpoint.kind {
            Kind::Plain => Open::Plain { udp: udp()?, tcp: tcp()? },
            Kind::Tls => Open::Tls(tcp()?),
            Kind::Https => Open::Https(tcp()?),
            Kind::Quic => Open::Quic(udp()?),
        })
    };
    (0..workers).map(|_| Ok(Sockets { endpoint, open: one()?, places: places.clone() })).collect()
}

/// A socket of `endpoint`; one that is not `shared` finds whether someone else has it.
fn bind(endpoint: Endpoint, protocol: Protocols, shared: bool) -> Result<Socket, ListenError> {
    match protocol {
        Protocols::Udp => {
            udp(endpoint.address, shared).map_err(|error| ListenError::new(endpoint, true, error))
        }
        Protocols::Tcp => {
            tcp(endpoint.address, shared).map_err(|error| ListenError::new(endpoint, false, error))
        }
    }
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

    /// An endpoint whose address no other test has, with a port that the kernel gives to nobody.
    fn own(kind: Kind, last: u8) -> Endpoint {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        Endpoint { kind, address: (std::net::Ipv4Addr::new(127, high ^ 0x40, low, last), 5300).into() }
    }

    #[test]
    fn an_address_that_another_holds_is_named_with_its_remedy() {
        let endpoint = own(Kind::Plain, 1);
        let address = endpoint.address;
        let _holder = UdpSocket::bind(address).unwrap();
        let error = bind_all(&[endpoint], &[], 1).unwrap_err().to_string();
        for part in
            [address.to_string(), "in use".into(), format!("sport = :{}", address.port()), "-lnpu".into()]
        {
            assert!(error.contains(&part), "{part} in {error}");
        }
    }

    #[test]
    fn a_second_daemon_that_shares_ports_is_found() {
        let endpoint = own(Kind::Plain, 2);
        let _holder = udp(endpoint.address, true).unwrap();
        assert!(matches!(bind_all(&[endpoint], &[], 1), Err(ListenError::InUse { .. })));
        let own = bind_all(&[endpoint], &[endpoint], 2).unwrap();
        assert_eq!(own[0].len(), 2, "our own daemon may share");
    }

    #[test]
    fn tls_and_quic_share_a_port_and_tls_and_https_change_places() {
        let (tls, quic, https) = (own(Kind::Tls, 3), own(Kind::Quic, 3), own(Kind::Https, 3));
        let held = bind_all(&[tls, quic], &[], 1).unwrap();
        assert_eq!(held.len(), 2);
        assert!(bind_all(&[https], &[], 1).is_err(), "a stranger has it");
        assert!(bind_all(&[https], &[tls, quic], 1).is_ok(), "it is ours");
        assert!(bind_all(&[https], &[quic], 1).is_err(), "we have its UDP port only");
    }

    #[test]
    fn an_address_of_no_interface_is_named() {
        let stranger = Endpoint { kind: Kind::Tls, address: "192.0.2.1:5353".parse().unwrap() };
        let error = bind_all(&[stranger], &[], 1).unwrap_err();
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
