//! A connection that nobody reads or writes for a while: a bare socket that the runtime knows nothing of.

use super::{Socket, Stream};
use std::io;
use std::net;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

/// Such a connection.
pub(crate) enum Still {
    Tcp(net::TcpStream),
    Unix(unix::net::UnixStream),
    /// TLS keeps its socket, and the runtime with it.
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    /// Without the runtime, as far as that can be.
    pub(crate) fn still(self) -> io::Result<Still> {
        Ok(match self {
            Self::Bare(Socket::Tcp(stream)) => Still::Tcp(stream.into_std()?),
            Self::Bare(Socket::Unix(stream)) => Still::Unix(stream.into_std()?),
            Self::Tls(stream) => Still::Tls(stream),
        })
    }
}

impl Still {
    /// With the runtime that is entered.
    pub(crate) fn into_stream(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(stream) => TcpStream::from_std(stream)?.into(),
            Self::Unix(stream) => UnixStream::from_std(stream)?.into(),
            Self::Tls(stream) => Stream::Tls(stream),
        })
    }
}

impl AsFd for Still {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
            Self::Tls(stream) => stream.get_ref().0.as_fd(),
        }
    }
}
