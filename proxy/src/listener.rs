//! Listening sockets: made in one go for all workers, and accepted from by each worker on its own.
//!
//! Every worker has a socket of its own per address (`SO_REUSEPORT`), so the kernel spreads connections and no two
//! workers wait on one queue. IPv6 sockets take IPv6 only (`IPV6_V6ONLY`), whatever the system's default: `[::]:80` and
//! `0.0.0.0:80` stand side by side.

use crate::error::Error;
use crate::proxy_protocol::Ends;
use crate::stream::Stream;
use crate::tcp;
use crate::worker::{Local, Stop};
use crate::{http, identity, snapshot::Route};
use config::model::Mode;
use futures_util::FutureExt;
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time;

/// Connections the kernel holds until a worker takes them; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// How long accepting rests at most when the process is short of something and none of its connections end.
const REST: Duration = Duration::from_millis(100);

/// The sockets of one address, one per worker, listening.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) address: SocketAddr,
    pub(crate) sockets: Vec<std::net::TcpListener>,
}

/// Listens on an address with one socket per worker.
///
/// `SO_REUSEPORT` alone would let a second program of the same user share the address unnoticed and take half of the
/// connections. So a socket without it is bound first and closed again, unless `shared` says that this process
/// listens on the same port already (a wildcard address beside a single one).
pub(crate) fn bind(
    listener: &str,
    address: SocketAddr,
    workers: usize,
    shared: bool,
) -> Result<Sockets, Error> {
    let explain = |cause: io::Error| Error::Bind {
        listener: listener.to_owned(),
        address,
        remedy: remedy(&cause, address),
        cause,
    };
    if !shared {
        socket(address, false).map_err(explain)?;
    }
    let sockets = (0..workers)
        .map(|_| {
            let socket = socket(address, true)?;
            socket.listen(BACKLOG)?;
            Ok(std::net::TcpListener::from(socket))
        })
        .collect::<io::Result<_>>()
        .map_err(explain)?;
    Ok(Sockets { address, sockets })
}

fn socket(address: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier run in TIME_WAIT do not count as busy.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn remedy(cause: &io::Error, address: SocketAddr) -> String {
    let port = address.port();
    match cause.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EADDRINUSE) => {
            format!(
                "stop the program that holds it (ss -ltnp 'sport = :{port}' names it) or choose another address"
            )
        }
        Some(Errno::EADDRNOTAVAIL) => {
            format!("add {} to an interface of this machine or choose an address it has", address.ip())
        }
        Some(Errno::EACCES | Errno::EPERM) => {
            "ports below 1024 need CAP_NET_BIND_SERVICE: start as root or grant it in the unit".to_owned()
        }
        Some(Errno::EMFILE | Errno::ENFILE) => "raise the limit of open files (LimitNOFILE)".to_owned(),
        _ => "correct proxy.listener.bind".to_owned(),
    }
}

/// Accepts connections until told to stop. What the kernel has accepted by then is still served, as far as there is room.
pub(crate) async fn accept(
    local: Rc<Local>,
    listener: TcpListener,
    address: SocketAddr,
    route: Arc<Route>,
    stop: Stop,
) {
    let mut accepting = Accepting { local, address, route, stop };
    let mut stopped = accepting.stop.clone();
    loop {
        tokio::select! {
            biased;
            () = stopped.wait() => break,
            accepted = accepting.next(&listener) => accepting.take(accepted).await,
        }
    }
    while let Some(Ok((stream, peer))) = accepting.next(&listener).now_or_never() {
        accepting.serve(stream, peer);
    }
}

/// One accepted connection.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    /// Its peer, or the client that its peer speaks for.
    pub(crate) client: SocketAddr,
    /// Where that client connected to, if its peer told; else it is the stream's own end.
    pub(crate) destination: Option<SocketAddr>,
    /// The listening address it came to.
    pub(crate) address: SocketAddr,
    /// What becomes of it.
    pub(crate) route: Arc<Route>,
    /// Tells when the listener goes.
    pub(crate) stop: Stop,
}

impl Accepted {
    /// The client's end and the one that it connected to.
    pub(crate) fn ends(&self) -> Ends {
        let destination = self.destination.or_else(|| self.stream.socket().local_addr());
        Ends::new(self.client, destination.unwrap_or(self.address))
    }
}

struct Accepting {
    local: Rc<Local>,
    address: SocketAddr,
    /// The route in force when the last connection came: it serves those that come while the listener goes.
    route: Arc<Route>,
    stop: Stop,
}

impl Accepting {
    /// The next connection, once the worker has room for it. Until then it waits in the kernel's backlog.
    async fn next(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            // Another address of this worker may take the last place while this one waits for a client.
            let accepted = poll_fn(|cx| {
                if self.local.is_full() { Poll::Ready(None) } else { listener.poll_accept(cx).map(Some) }
            });
            if let Some(accepted) = accepted.await {
                return accepted;
            }
            if let Some(more) = self.local.admit_shortage() {
                let listener = &self.route.name;
                tracing::warn!(
                    listener,
                    more,
                    "as many connections as may be; accepting rests until connections end"
                );
            }
            self.local.connection_ended().await;
        }
    }

    async fn take(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, peer)) => {
                self.serve(stream, peer);
            }
            Err(error) if concerns_one(&error) => {
                tracing::debug!(%error, "client was gone before it was accepted");
            }
            Err(error) => {
                if let Some(more) = self.local.admit_shortage() {
                    tracing::warn!(%error, listener = self.route.name, more, "accepting rests until connections end");
                }
                // Either a connection of this worker ends or another thread frees something.
                let _ = time::timeout(REST, self.local.connection_ended()).await;
            }
        }
    }

    fn serve(&mut self, stream: TcpStream, peer: SocketAddr) {
        if let Some(route) = self.local.shared().snapshot.load().route(&self.address) {
            self.route = Arc::clone(route);
        }
        let (route, stop) = (Arc::clone(&self.route), self.stop.clone());
        let accepted = Accepted {
            stream: stream.into(),
            client: peer,
            destination: None,
            address: self.address,
            route,
            stop,
        };
        let local = Rc::clone(&self.local);
        self.local.spawn(Arc::clone(&self.route.counts), async move {
            let Some(accepted) = identity::learn(&local, accepted).await else { return };
            match accepted.route.mode {
                // Its state is many times that of a relay, which would have to make room for it too.
                Mode::Http => Box::pin(http::serve(local, accepted)).await,
                // `App::check` lets no datagram listener through.
                Mode::Tcp | Mode::Udp => tcp::serve(&local, accepted).await,
            }
        });
    }
}

/// Whether the error is of one connection that broke in the queue (accept(2)), and not a shortage of the process.
fn concerns_one(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(
            Errno::ECONNABORTED
                | Errno::ECONNRESET
                | Errno::EINTR
                | Errno::EPROTO
                | Errno::EPERM
                | Errno::ENETDOWN
                | Errno::ENOPROTOOPT
                | Errno::EHOSTDOWN
                | Errno::ENONET
                | Errno::EHOSTUNREACH
                | Errno::EOPNOTSUPP
                | Errno::ENETUNREACH
        )
    )
}

#[cfg(test)]
mod tests;
