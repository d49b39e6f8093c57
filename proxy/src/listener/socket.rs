//! Listening sockets, made in one go for all workers.

use super::site::Site;
use crate::error::Error;
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;

/// Connections the kernel holds until a worker takes them; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// The sockets of one site, one per worker, listening.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) site: Site,
    pub(crate) sockets: Vec<std::net::TcpListener>,
}

/// How sockets are bound, beside what their site says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// One per worker.
    pub(crate) count: usize,
    /// Whether this process listens already where these would be in each other's way: a wildcard address beside a single
    /// one.
    pub(crate) shared: bool,
    /// Whether the address may be missing still.
    pub(crate) freebind: bool,
}

/// Listens at a site with one socket per worker.
///
/// `SO_REUSEPORT` alone would let a second program of the same user share the address unnoticed and take half of the
/// connections. So a socket without it is bound first and closed again, unless the port is shared already.
pub(crate) fn bind(listener: &str, site: &Site, manner: Manner) -> Result<Sockets, Error> {
    let explain = |cause: io::Error| Error::Bind {
        listener: listener.to_owned(),
        site: site.to_string(),
        remedy: remedy(&cause, site),
        cause,
    };
    if !manner.shared {
        socket(site, manner.freebind, false).map_err(explain)?;
    }
    let sockets = (0..manner.count)
        .map(|_| {
            let socket = socket(site, manner.freebind, true)?;
            socket.listen(BACKLOG)?;
            Ok(std::net::TcpListener::from(socket))
        })
        .collect::<io::Result<_>>()
        .map_err(explain)?;
    Ok(Sockets { site: site.clone(), sockets })
}

fn socket(site: &Site, freebind: bool, reuse_port: bool) -> io::Result<Socket> {
    let address = site.address;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!site.both_families)?;
    }
    if let Some(interface) = &site.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    match (freebind, address.is_ipv6()) {
        (false, _) => {}
        (true, false) => socket.set_freebind_v4(true)?,
        (true, true) => socket.set_freebind_v6(true)?,
    }
    // Connections of an earlier run in TIME_WAIT do not count as busy.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn remedy(cause: &io::Error, site: &Site) -> String {
    let (ip, port) = (site.address.ip(), site.address.port());
    match cause.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EADDRINUSE) => {
            format!(
                "stop the program that holds it (ss -ltnp 'sport = :{port}' names it) or choose another address"
            )
        }
        Some(Errno::EADDRNOTAVAIL) => {
            format!(
                "add {ip} to an interface of this machine, choose an address it has, or set freebind = true \
                 to listen before it is there"
            )
        }
        Some(Errno::ENODEV) => {
            let interface = site.interface.as_deref().unwrap_or_default();
            format!(
                "this machine has no interface {interface:?}: create it first, or correct proxy.listener.interface"
            )
        }
        Some(Errno::EACCES | Errno::EPERM) => {
            "ports below 1024 need CAP_NET_BIND_SERVICE: start as root or grant it in the unit".to_owned()
        }
        Some(Errno::EMFILE | Errno::ENFILE) => "raise the limit of open files (LimitNOFILE)".to_owned(),
        _ => "correct proxy.listener.bind".to_owned(),
    }
}

#[cfg(test)]
mod tests;
