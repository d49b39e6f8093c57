//! The socket that a worker accepts from.

use super::socket::Listening;
use crate::stream::Stream;
use nix::errno::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpStream, UnixStream};

/// A socket that a worker accepts from.
#[derive(Debug)]
pub(crate) struct Listener(AsyncFd<Listening>);

impl Listener {
    /// Connections of TCP have bytes leave in the chunks they were written in, which they have from the listening socket:
    /// waiting for more only delays.
    pub(crate) fn new(listening: Listening) -> io::Result<Self> {
        if let Listening::Tcp(listener) = &listening {
            SockRef::from(listener).set_tcp_nodelay(true)?;
        }
        #[expect(unsafe_code, reason = "the runtime takes descriptors on trust")]
        // SAFETY: the descriptor is the listening socket's own, which stays open for as long as it is there.
        let registered = unsafe { AsyncFd::register_with_interest(listening, Interest::READABLE) };
        Ok(Self(registered?))
    }

    /// The next connection, once there is one, with what `place` gives: it is asked when one waits.
    pub(super) fn poll_accept<P, E>(
        &self,
        cx: &mut Context<'_>,
        place: impl Fn() -> Result<P, E>,
    ) -> Poll<Result<io::Result<(Incoming, P)>, E>> {
        loop {
            let mut waits = match ready!(self.0.poll_read_ready(cx)) {
                Ok(waits) => waits,
                Err(error) => return Poll::Ready(Ok(Err(error))),
            };
            let place = match place() {
                Ok(place) => place,
                Err(error) => return Poll::Ready(Err(error)),
            };
            if let Ok(accepted) = waits.try_io(|listening| listening.get_ref().accept()) {
                return Poll::Ready(Ok(accepted.map(|incoming| (incoming, place))));
            }
        }
    }

    /// The next connection that waits, whatever the runtime knows of it.
    pub(super) fn accept(&self) -> io::Result<Incoming> {
        self.0.get_ref().accept()
    }
}

/// A connection with its peer's address. None: it has none.
pub(super) type Incoming = (Stream, Option<SocketAddr>);

impl Listening {
    /// The next connection, or that none waits.
    fn accept(&self) -> io::Result<Incoming> {
        let (socket, peer) = acceptfrom_with(self, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
        Ok(match self {
            Self::Tcp(_) => {
                let peer = peer.map(SocketAddr::try_from).transpose()?;
                // Who may come is judged by it.
                let peer = peer.ok_or_else(|| io::Error::from(Errno::ECONNABORTED))?;
                (TcpStream::from_std(socket.into())?.into(), Some(peer))
            }
            Self::Unix(_) => (UnixStream::from_std(socket.into())?.into(), None),
        })
    }
}

/// Whether the error is of one connection that broke in the queue (accept(2)), and not a shortage of the process.
pub(super) fn concerns_one(error: &io::Error) -> bool {
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
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};
    use std::future::poll_fn;
    use std::net::Ipv6Addr;

    #[tokio::test]
    async fn accepted_connections_do_not_delay_what_is_written() {
        let socket = Socket::new(Domain::IPV6, Type::STREAM.nonblocking(), None).unwrap();
        socket.bind(&SocketAddr::from((Ipv6Addr::LOCALHOST, 0)).into()).unwrap();
        socket.listen(1).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let listener = Listener::new(Listening::Tcp(socket.into())).unwrap();
        let accepted = poll_fn(|cx| listener.poll_accept(cx, || Ok::<_, ()>(())));
        let (_client, accepted) = tokio::join!(TcpStream::connect(address), accepted);
        let ((stream, _), ()) = accepted.unwrap().unwrap();
        assert!(SockRef::from(stream.socket()).tcp_nodelay().unwrap());
    }

    #[tokio::test]
    async fn no_place_is_asked_for_while_nobody_waits() {
        let listener = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Listener::new(Listening::Tcp(listener)).unwrap();
        let full = || Err::<(), _>("full");
        assert!(poll_fn(|cx| Poll::Ready(listener.poll_accept(cx, full).is_pending())).await);
        let accepted = poll_fn(|cx| listener.poll_accept(cx, full));
        let (_client, accepted) = tokio::join!(TcpStream::connect(address), accepted);
        assert!(matches!(accepted, Err("full")));
        assert!(listener.accept().is_ok(), "it waits on");
    }

    #[test]
    fn a_connection_that_broke_in_the_queue_is_no_shortage() {
        assert!(concerns_one(&Errno::ECONNABORTED.into()));
        assert!(!concerns_one(&Errno::EMFILE.into()));
    }
}
