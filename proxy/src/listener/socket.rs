//! Listening sockets, made in one go for all workers.

use super::inherited::Inherited;
use super::site::{Inet, Site};
use crate::error::Error;
use crate::udp;
use nix::errno::Errno;
use service::unix_socket::{self, SocketFile, UnixSocketError};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;

/// Connections the kernel holds until a worker takes them; the kernel cuts it to `net.core.somaxconn`.
pub(super) const BACKLOG: u16 = 4096;

/// A socket that listens and does not block.
#[derive(Debug)]
pub(crate) enum Listening {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl Listening {
    /// The same socket once more.
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

impl AsRawFd for Listening {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// The sockets of one site, listening: bound, or known to the worker that has them.
#[derive(Debug)]
pub(crate) struct Sockets<S = Bound> {
    pub(crate) site: Site,
    /// Those of each worker.
    pub(crate) of_workers: Vec<Vec<S>>,
    /// What goes with the site.
    pub(crate) file: Option<SocketFile>,
}

/// A socket at its site.
#[derive(Debug)]
pub(crate) enum Bound {
    Stream(Listening),
    Datagram(std::net::UdpSocket),
}

/// How the sockets of a site are made, beside what the site says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner<'a> {
    /// The listener's name.
    pub(crate) listener: &'a str,
    pub(crate) workers: usize,
    /// Whether this process listens already where these would be in each other's way: a wildcard address beside a single
    /// one.
    pub(crate) shared: bool,
    /// Whether an address may be missing still.
    pub(crate) freebind: bool,
    /// The permissions of a Unix socket.
    pub(crate) mode: u32,
    pub(crate) inherited: &'a Inherited,
}

/// Listens at a site for each worker.
pub(crate) fn open(site: &Site, manner: Manner<'_>) -> Result<Sockets, Error> {
    let explain = |(cause, remedy)| Error::Bind {
        listener: manner.listener.to_owned(),
        site: site.to_string(),
        cause,
        remedy,
    };
    let (of_workers, file) = match site {
        Site::Inet(inet) => {
            let sockets = bind(inet, manner);
            (sockets.map_err(|error| explain((error.to_string(), remedy(&error, inet))))?, None)
        }
        Site::Unix(path) => {
            let (listener, file) =
                unix_socket::listen(path, manner.mode).map_err(|error| explain(unix_remedy(error, path)))?;
            let shared = share(&[Listening::Unix(listener)], manner.workers);
            (shared.map_err(|error| explain((error.to_string(), RAISE_FILES.to_owned())))?, Some(file))
        }
        Site::Inherited(name) => {
            let sockets = manner.inherited.named(name).map_err(explain)?;
            let shared = share(sockets, manner.workers);
            (shared.map_err(|error| explain((error.to_string(), RAISE_FILES.to_owned())))?, None)
        }
    };
    Ok(Sockets { site: site.clone(), of_workers, file })
}

const RAISE_FILES: &str = "raise the limit of open files (LimitNOFILE)";

/// Each socket for every worker: whoever is free takes what comes.
fn share(sockets: &[Listening], workers: usize) -> io::Result<Vec<Vec<Bound>>> {
    let again = |socket: &Listening| Ok(Bound::Stream(socket.again()?));
    (0..workers).map(|_| sockets.iter().map(again).collect()).collect()
}

/// One socket per worker.
///
/// `SO_REUSEPORT` alone would let a second program of the same user share the address unnoticed and take half of the
/// connections. So a socket without it is bound first and closed again, unless the port is shared already.
fn bind(inet: &Inet, manner: Manner<'_>) -> io::Result<Vec<Vec<Bound>>> {
    if !manner.shared {
        socket(inet, manner.freebind, false)?;
    }
    let own = |_| {
        let socket = socket(inet, manner.freebind, true)?;
        if inet.datagrams {
            return Ok(vec![Bound::Datagram(socket.into())]);
        }
        socket.listen(BACKLOG.into())?;
        Ok(vec![Bound::Stream(Listening::Tcp(socket.into()))])
    };
    (0..manner.workers).map(own).collect()
}

fn socket(inet: &Inet, freebind: bool, reuse_port: bool) -> io::Result<Socket> {
    let address = inet.address;
    let (kind, protocol) =
        if inet.datagrams { (Type::DGRAM, Protocol::UDP) } else { (Type::STREAM, Protocol::TCP) };
    let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(!inet.both_families)?;
    }
    if let Some(interface) = &inet.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    match (freebind, address.is_ipv6()) {
        (false, _) => {}
        (true, false) => socket.set_freebind_v4(true)?,
        (true, true) => socket.set_freebind_v6(true)?,
    }
    if inet.datagrams {
        udp::prepare(&socket, address)?;
    } else {
        // Connections of an earlier run in TIME_WAIT do not count as busy. Datagrams have no such state, and their sockets
        // would share the address with anybody who says the same.
        socket.set_reuse_address(true)?;
    }
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn remedy(cause: &io::Error, inet: &Inet) -> String {
    let (ip, port) = (inet.address.ip(), inet.address.port());
    match cause.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EADDRINUSE) => {
            let kind = if inet.datagrams { 'u' } else { 't' };
            format!(
                "stop the program that holds it (ss -l{kind}np 'sport = :{port}' names it) or choose another address"
            )
        }
        Some(Errno::EADDRNOTAVAIL) => {
            format!(
                "add {ip} to an interface of this machine, choose an address it has, or set freebind = true \
                 to listen before it is there"
            )
        }
        Some(Errno::ENODEV) => {
            let interface = inet.interface.as_deref().unwrap_or_default();
            format!(
                "this machine has no interface {interface:?}: create it first, or correct proxy.listener.interface"
            )
        }
        Some(Errno::EACCES | Errno::EPERM) => {
            "ports below 1024 need CAP_NET_BIND_SERVICE: start as root or grant it in the unit".to_owned()
        }
        Some(Errno::EMFILE | Errno::ENFILE) => RAISE_FILES.to_owned(),
        _ => "correct proxy.listener.bind".to_owned(),
    }
}

/// What is wrong with a path, and what to do about it.
fn unix_remedy(error: UnixSocketError, path: &Path) -> (String, String) {
    let folder = path.parent().unwrap_or(path).display();
    match error {
        UnixSocketError::Held { holder, .. } => {
            (format!("it is held by {holder}"), "stop it first, or choose another path".to_owned())
        }
        UnixSocketError::Foreign { .. } => {
            ("the file is not a socket".to_owned(), "remove it, or choose another path".to_owned())
        }
        UnixSocketError::Bind { source, .. } => {
            let remedy = match source.kind() {
                io::ErrorKind::NotFound => {
                    format!("make the folder {folder}, for instance by RuntimeDirectory= of the unit")
                }
                io::ErrorKind::PermissionDenied => format!("let the daemon write to {folder}"),
                _ => "choose another path".to_owned(),
            };
            (source.to_string(), remedy)
        }
    }
}

#[cfg(test)]
mod tests;
