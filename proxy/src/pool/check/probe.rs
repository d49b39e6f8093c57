//! One check as it goes over the wire: a connection, the PROXY header, a TLS handshake, a request.
//!
//! All of it ends within the timeout of the check, and no more than [`http::LOOKED_AT`] octets of a head or a body are
//! kept. A check by HTTP closes its connection as soon as it knows enough.

use super::{http, http2};
use crate::identity;
use crate::origination::{Origination, Secured};
use crate::pool::health::Verdict;
use crate::proxy_protocol::Origin;
use crate::shortage::is_shortage;
use crate::stream::{Socket, Stream};
use bytes::Bytes;
use config::model::{Check, CheckKind, HttpCheck, HttpVersion};
use futures_util::FutureExt;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time;

/// What a check waits for, as its verdict says when that does not come.
pub(super) type Awaited = Cell<&'static str>;

/// How one member is checked.
pub(super) struct Probe {
    pub(super) check: Check,
    target: SocketAddr,
    /// What a check over TLS needs.
    secured: Option<io::Result<Secured>>,
}

impl Probe {
    /// `origination` is how the pool speaks TLS to the member, if it does.
    pub(super) fn new(member: SocketAddr, check: Check, origination: Option<&Arc<Origination>>) -> Self {
        let target = target(member, &check);
        let name = check.server_name.as_ref();
        let secured = match (check.kind, origination) {
            (CheckKind::Tcp | CheckKind::Off, _) | (CheckKind::Http, None) => None,
            (CheckKind::Tls, None) => Some(Secured::unverified(name, target.ip())),
            (CheckKind::Tls, Some(origination)) => Some(origination.to_check((name, target.ip()), None)),
            (CheckKind::Http, Some(origination)) => {
                Some(origination.to_check((name, target.ip()), Some(check.http.protocol)))
            }
        };
        Self { check, target, secured }
    }

    /// Checks the member once.
    pub(super) async fn check_once(&self) -> Verdict {
        let awaited = Awaited::new("tcp connection");
        match time::timeout(self.check.timeout, self.attempt(&awaited)).await {
            Ok(verdict) => verdict,
            Err(_) => Verdict::bad(format!("no {} within {:?}", awaited.get(), self.check.timeout)),
        }
    }

    async fn attempt(&self, awaited: &Awaited) -> Verdict {
        let socket = match self.connect().await {
            Ok(socket) => socket,
            Err(error) if is_shortage(&error) => {
                return Verdict::inconclusive(format!("check not possible: {error}"));
            }
            Err(error) => return Verdict::bad(format!("tcp connection failed: {error}")),
        };
        let stream = match &self.secured {
            None => Stream::from(socket),
            Some(Err(error)) => return Verdict::inconclusive(format!("check not possible: {error}")),
            Some(Ok(secured)) => {
                awaited.set("TLS handshake");
                match secured.handshake(socket).await {
                    Ok(stream) => stream,
                    Err(error) => return Verdict::bad(error.to_string()),
                }
            }
        };
        match self.check.kind {
            CheckKind::Http => {
                awaited.set("answer");
                let host = SocketAddr::new(self.target.ip(), self.target.port()).to_string();
                let http = &self.check.http;
                match http.protocol {
                    HttpVersion::H1 => {
                        ask(stream, http, &host, awaited).await.unwrap_or_else(|error| explain(&error))
                    }
                    HttpVersion::H2 => http2::check(stream, http, &host, awaited).await,
                }
            }
            CheckKind::Tls => close(stream).await,
            CheckKind::Tcp | CheckKind::Off => Verdict::good("tcp connection accepted"),
        }
    }

    async fn connect(&self) -> io::Result<Socket> {
        let header = identity::header(self.check.proxy_protocol, None, || Origin::Local);
        let mut socket = Socket::from(TcpStream::connect(self.target).await?);
        socket.write_all(&header).await?;
        Ok(socket)
    }
}

/// Where a member is checked.
fn target(member: SocketAddr, check: &Check) -> SocketAddr {
    // An address of the check's own has neither scope nor flow label.
    let mut target = check.address.map_or(member, |address| SocketAddr::new(address, member.port()));
    if let Some(port) = check.port {
        target.set_port(port);
    }
    target
}

/// Ends a connection whose handshake is done.
async fn close(mut stream: Stream) -> Verdict {
    let version = stream.tls_version().unwrap_or("TLS");
    // A member that sees no farewell may log an error. Whether it takes it says nothing of its health.
    let _ = stream.shutdown().await;
    Verdict::good(format!("handshake of {version} done"))
}

async fn ask(stream: Stream, check: &HttpCheck, host: &str, awaited: &Awaited) -> hyper::Result<Verdict> {
    let io = TokioIo::new(stream);
    let (sender, connection) = Builder::new().max_buf_size(http::LOOKED_AT).handshake(io).await?;
    beside(connection, exchange(sender, check, host, awaited)).await
}

/// What comes of an exchange on a connection that it has for itself.
pub(super) async fn beside<T>(connection: impl Future, exchange: impl Future<Output = T>) -> T {
    let mut connection = pin!(connection.fuse());
    let mut exchange = pin!(exchange);
    poll_fn(|cx| {
        if let Poll::Ready(verdict) = exchange.as_mut().poll(cx) {
            return Poll::Ready(verdict);
        }
        // Whatever ends the connection reaches the exchange.
        let _ = connection.as_mut().poll(cx);
        exchange.as_mut().poll(cx)
    })
    .await
}

async fn exchange(
    mut sender: SendRequest<Empty<Bytes>>,
    check: &HttpCheck,
    host: &str,
    awaited: &Awaited,
) -> hyper::Result<Verdict> {
    let request = http::request(check, host).map(|()| Empty::new());
    let mut response = sender.send_request(request).await?;
    let status = response.status();
    if let Err(bad) = http::judge_status(check, status) {
        return Ok(bad);
    }
    let Some(wanted) = check.expect_body.as_deref() else { return Ok(http::judge_body(status, None)) };
    awaited.set("whole body");
    let mut body = http::Body::default();
    while let Some(frame) = response.body_mut().frame().await {
        if frame?.data_ref().is_some_and(|part| body.take(part, wanted)) {
            break;
        }
    }
    Ok(http::judge_body(status, Some((wanted, &body))))
}

fn explain(error: &hyper::Error) -> Verdict {
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    Verdict::bad(if error.is_incomplete_message() {
        "the connection ended before a whole answer".to_owned()
    } else if error.is_parse() {
        format!("the answer is not HTTP: {cause}")
    } else {
        format!("the connection broke: {cause}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    #[test]
    fn a_check_goes_where_the_file_says() {
        let check = |member: &str, address: Option<&str>, port: Option<u16>, expect: &str| {
            let address = address.map(|address| address.parse().unwrap());
            let check = Check { address, port, ..Check::default() };
            assert_eq!(target(member.parse().unwrap(), &check).to_string(), expect);
        };
        check("192.0.2.11:80", None, None, "192.0.2.11:80");
        check("192.0.2.11:80", None, Some(8081), "192.0.2.11:8081");
        check("192.0.2.11:80", Some("2001:db8::11"), None, "[2001:db8::11]:80");
        check("[fe80::1%3]:80", None, Some(81), "[fe80::1%3]:81");
        check("[fe80::1%3]:80", Some("2001:db8::11"), None, "[2001:db8::11]:80");
    }

    /// What a check by HTTP says of a server that sends these bytes and ends.
    fn check(sent: &'static [u8], wanted: Option<&str>, expect: &str) {
        crate::thread::runtime().unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let http = HttpCheck { expect_body: wanted.map(str::to_owned), ..HttpCheck::default() };
            let check = Check { kind: CheckKind::Http, http, ..Check::default() };
            let serve = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 1024];
                let length = stream.read(&mut head).await.unwrap();
                assert!(head[..length].starts_with(b"GET / HTTP/1.1\r\n"));
                stream.write_all(sent).await.unwrap();
                stream.shutdown().await.unwrap();
            };
            let probe = Probe::new(address, check, None);
            let (verdict, ()) = tokio::join!(probe.check_once(), serve);
            assert_eq!(verdict.why, expect, "{}", sent.escape_ascii());
        });
    }

    #[test]
    fn answers_in_every_framing_are_read() {
        let good = "200 OK with \"ready\" in the body";
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready", Some("ready"), good);
        check(b"HTTP/1.0 200 fine\r\n\r\nis ready", Some("ready"), good);
        check(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nre\r\n3\r\nady\r\n0\r\n\r\n",
            Some("ready"),
            good,
        );
        check(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", None, "204 No Content");
    }

    #[test]
    fn answers_that_are_none_are_told_apart() {
        check(b"", None, "the connection ended before a whole answer");
        check(b"HTTP/1.1 200 OK\r\nContent-", None, "the connection ended before a whole answer");
        check(b"220 mail.example ESMTP\r\n", None, "the answer is not HTTP: invalid HTTP version parsed");
        check(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nready",
            Some("steady"),
            "the connection broke: end of file before message length reached",
        );
    }
}
