//! A connection of either side, whatever carries it: a socket of TCP or a Unix socket, with TLS in it or bare.
//!
//! All that depends on the kind of a socket stands in [`Socket`], so that one more kind is one more arm in each of
//! three short matches. TLS is boxed: a bare connection takes no more room than its socket.

mod direct;
mod still;

pub(crate) use still::Still;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustls::ProtocolVersion;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsStream, client, server};

/// Bytes that TLS holds back where nobody allows it more: one record, which the socket does not take.
pub(crate) const HELD_BACK: usize = 16 << 10;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What the bytes of a connection are read from and written to.
#[derive(Debug)]
pub(crate) enum Stream {
    Bare(Socket),
    /// Of either side.
    Tls(Box<TlsStream<Socket>>),
}

/// Both directions of anything.
trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

impl Socket {
    fn io(&mut self) -> Pin<&mut dyn Io> {
        match self {
            Self::Tcp(stream) => Pin::new(stream),
            Self::Unix(stream) => Pin::new(stream),
        }
    }

    /// Calls `operation` whenever the socket may be read until it does not return `WouldBlock`.
    pub(crate) async fn when_readable<T>(&self, operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Tcp(stream) => stream.async_io(Interest::READABLE, operation).await,
            Self::Unix(stream) => stream.async_io(Interest::READABLE, operation).await,
        }
    }

    /// The end of this side. None: it has no address of IP.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        SockRef::from(self).local_addr().ok()?.as_socket()
    }

    /// The other end. None: it has no address of IP, or is gone.
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        SockRef::from(self).peer_addr().ok()?.as_socket()
    }

    /// Has bytes leave in the chunks they were written in: waiting for more only delays.
    pub(crate) fn set_nodelay(&self) {
        // Where it fails there is nothing that could delay: no TCP, or no connection any more.
        let _ = SockRef::from(self).set_tcp_nodelay(true);
    }

    /// Whether nobody is at the other end any more, whatever of it is still to be read. One that has only closed its side
    /// may listen still.
    pub(crate) fn is_gone(&self) -> bool {
        // Errors and the end of both sides are told whether they are asked for or not.
        let mut asked = [PollFd::new(self.as_fd(), PollFlags::empty())];
        let told = poll(&mut asked, PollTimeout::ZERO).is_ok_and(|count| count > 0);
        told && asked[0]
            .revents()
            .is_some_and(|told| told.intersects(PollFlags::POLLERR | PollFlags::POLLHUP))
    }

    /// Makes the coming close a reset: the peer must not take what it has for the whole.
    pub(crate) fn abort(&self) {
        // Where it fails the connection is gone already.
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Stream {
    fn tls(stream: TlsStream<Socket>) -> Self {
        let mut stream = Self::Tls(Box::new(stream));
        stream.hold_back_at_most(HELD_BACK);
        stream
    }

    fn io(&mut self) -> Pin<&mut dyn Io> {
        match self {
            Self::Bare(socket) => Pin::new(socket),
            Self::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }

    /// The version of TLS, where there is any.
    pub(crate) fn tls_version(&self) -> Option<&'static str> {
        let Self::Tls(stream) = self else { return None };
        Some(match stream.get_ref().1.protocol_version()? {
            ProtocolVersion::TLSv1_2 => "TLS 1.2",
            ProtocolVersion::TLSv1_3 => "TLS 1.3",
            // The library speaks no other.
            _ => "TLS",
        })
    }

    /// What carries the connection, without what was in it.
    pub(crate) fn into_socket(self) -> Socket {
        match self {
            Self::Bare(socket) => socket,
            Self::Tls(stream) => match *stream {
                TlsStream::Client(stream) => stream.into_inner().0,
                TlsStream::Server(stream) => stream.into_inner().0,
            },
        }
    }

    /// TLS holds no more than this back of what the socket does not take. A bare connection holds nothing back.
    pub(crate) fn hold_back_at_most(&mut self, bytes: usize) {
        let Self::Tls(stream) = self else { return };
        match &mut **stream {
            TlsStream::Client(stream) => stream.get_mut().1.set_buffer_limit(Some(bytes)),
            TlsStream::Server(stream) => stream.get_mut().1.set_buffer_limit(Some(bytes)),
        }
    }

    /// Whether nothing but a socket carries it.
    pub(crate) const fn is_bare(&self) -> bool {
        matches!(self, Self::Bare(_))
    }

    /// What carries the connection.
    pub(crate) fn socket(&self) -> &Socket {
        match self {
            Self::Bare(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl<T: Into<Socket>> From<T> for Stream {
    fn from(socket: T) -> Self {
        Self::Bare(socket.into())
    }
}

impl From<client::TlsStream<Socket>> for Stream {
    fn from(stream: client::TlsStream<Socket>) -> Self {
        Self::tls(stream.into())
    }
}

impl From<server::TlsStream<Socket>> for Stream {
    fn from(stream: server::TlsStream<Socket>) -> Self {
        Self::tls(stream.into())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_fill(cx, buffer)
    }
}

impl AsyncRead for Stream {
    /// Clients may close without TLS's word for it, and most protocols know where they end. Of a member it is an error:
    /// what came may be a part of an answer that ends with the connection. [`Stream::poll_receive`] knows no answers.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(self.io().poll_read(cx, buffer));
        let is_client = || matches!(&*self, Self::Tls(stream) if matches!(**stream, TlsStream::Server(_)));
        Poll::Ready(match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && is_client() => Ok(()),
            read => read,
        })
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send_pieces(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// TLS holds bytes back that the socket does not take; a bare socket never does.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn a_bare_connection_has_little_more_than_its_socket() {
        assert!(size_of::<Stream>() <= size_of::<TcpStream>() + size_of::<usize>());
    }

    #[tokio::test]
    async fn who_has_reset_a_connection_is_gone_and_who_has_closed_a_side_is_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = Socket::from(listener.accept().await.unwrap().0);
        client.write_all(b"unread").await.unwrap();
        client.shutdown().await.unwrap();
        socket.when_readable(|| Ok(())).await.unwrap();
        assert!(!socket.is_gone());
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        assert!(socket.is_gone(), "what it sent before is still to be read");
    }

    #[tokio::test]
    async fn a_unix_socket_carries_bytes_and_has_no_address() {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut one, mut other) = (Stream::from(one), Stream::from(other));
        one.write_all(b"hello").await.unwrap();
        one.shutdown().await.unwrap();
        let mut got = Vec::new();
        other.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"hello");
        assert_eq!(one.socket().local_addr(), None);
    }
}
