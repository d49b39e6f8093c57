//! A client that speaks in bytes and reads whole responses.

use crate::backend::{Wire, field};
use crate::gateway::PATIENCE;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

/// A response as it came.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    wire: Wire,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("the listener accepts")
    }

    /// From this address of the machine.
    pub(crate) fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.bind(&SocketAddr::new(source, 0).into()).expect("an address of this machine");
        socket.connect(&address.into()).expect("the listener accepts");
        Self::over(socket.into()).expect("a connected socket")
    }

    pub(crate) fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        Self::over(TcpStream::connect(address)?)
    }

    fn over(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { wire: Wire::new(stream.try_clone()?), stream })
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the proxy takes it");
    }

    /// The same to a proxy that may close before it has taken all.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// A request without a body.
    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        self.response()
    }

    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> Response {
        self.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        self.send(body);
        self.response()
    }

    pub(crate) fn response(&mut self) -> Response {
        self.try_response(false).expect("a response comes")
    }

    /// The response to a HEAD: a length and no body.
    pub(crate) fn bare_response(&mut self) -> Response {
        self.try_response(true).expect("a response comes")
    }

    pub(crate) fn try_response(&mut self, bare: bool) -> std::io::Result<Response> {
        let head = self.wire.head()?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        let body = if bare || status == 204 || status == 304 || status < 200 {
            Vec::new()
        } else if field(&head, "transfer-encoding").is_some() {
            self.wire.chunks(|_| {})?
        } else if let Some(length) = field(&head, "content-length") {
            let length = length.parse().map_err(std::io::Error::other)?;
            let body = self.wire.bytes(length, |_| {})?;
            if body.len() < length {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            body
        } else {
            self.wire.rest()?
        };
        Ok(Response { status, head, body })
    }

    /// The head of a response whose content is read by [`chunk`](Self::chunk).
    pub(crate) fn head(&mut self) -> String {
        self.wire.head().ok().flatten().expect("a head comes")
    }

    /// The next chunk of content; empty at its end.
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        self.wire.chunk(|_| {}).expect("a chunk comes")
    }

    /// The next bytes of whatever comes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.wire.bytes(count, |_| {}).expect("bytes come")
    }

    /// Whether the proxy has closed in an orderly way, with nothing more to read.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.wire.rest().is_ok_and(|rest| rest.is_empty())
    }

    /// Breaks the connection with a reset.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(std::time::Duration::ZERO)).expect("a socket of ours");
    }

    /// Everything to the end of the stream.
    pub(crate) fn read_all(&mut self) -> std::io::Result<Vec<u8>> {
        let mut all = Vec::new();
        self.stream.read_to_end(&mut all)?;
        Ok(all)
    }
}
