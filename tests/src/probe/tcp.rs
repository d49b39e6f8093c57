//! Connections: HTTP requests and half-closed conversations.

use super::ANSWER_LIMIT;
use crate::http::{Reader, Reply};
use crate::server::web::Greeting;
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

/// Connects with the limits of a probe.
pub fn connect(server: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, ANSWER_LIMIT)
        .with_context(|| format!("connecting to {server}"))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    Ok(stream)
}

/// `GET`s `target` on a connection of its own.
pub fn fetch(server: SocketAddr, host: &str, target: &str) -> Result<Reply> {
    Reader::new(connect(server)?)
        .exchange("GET", host, target, &[("Connection", "close")])
        .with_context(|| format!("GET {target} from {server}"))
}

/// `GET`s a greeting `times` over on one connection, and returns what the web servers saw.
pub fn greetings(server: SocketAddr, host: &str, times: usize) -> Result<Vec<Greeting>> {
    let mut connection = Reader::new(connect(server)?);
    (0..times)
        .map(|turn| {
            let reply = connection
                .exchange("GET", host, "/", &[])
                .with_context(|| format!("request {} on one connection to {server}", turn + 1))?;
            ensure!(reply.status == 200, "{server} answered {}: {}", reply.status, reply.text());
            serde_json::from_slice(&reply.body).context("the web server's own words")
        })
        .collect()
}

/// Sends `bytes`, closes its half, and returns all that comes back until the other half is closed too.
///
/// # Panics
/// Never: the sending thread only makes system calls.
pub fn converse(server: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = connect(server)?;
    let mut sender = stream.try_clone()?;
    thread::scope(|scope| {
        let sending = scope.spawn(move || -> Result<()> {
            sender.write_all(bytes).context("sending")?;
            sender.shutdown(Shutdown::Write).context("closing the sending half")
        });
        let mut back = Vec::new();
        stream.read_to_end(&mut back).with_context(|| format!("reading, after {} bytes", back.len()))?;
        sending.join().expect("the sender does not panic")?;
        Ok(back)
    })
}
