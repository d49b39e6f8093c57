//! Datagrams to an echo server and back.

use super::ANSWER_LIMIT;
use crate::payload;
use anyhow::{Context, Result, bail, ensure};
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant};

/// After this long a datagram is sent again: the first large one may be lost to path MTU discovery.
const RESEND: Duration = Duration::from_millis(250);

/// Sends `length` bytes and compares what comes back; returns how often it had to be sent.
pub fn echo(destination: SocketAddrV6, length: usize) -> Result<u32> {
    echo_from(Ipv6Addr::UNSPECIFIED, destination, length)
}

/// The same from one of the sender's addresses.
pub fn echo_from(source: Ipv6Addr, destination: SocketAddrV6, length: usize) -> Result<u32> {
    let socket = UdpSocket::bind((source, 0))?;
    socket.connect(destination)?;
    socket.set_read_timeout(Some(RESEND))?;
    let payload = payload::bytes(length, length as u64);
    let end = Instant::now() + ANSWER_LIMIT;
    let mut buffer = vec![0; 1 << 16];
    let mut sent = 0;
    loop {
        if Instant::now() >= end {
            bail!("no echo of {length} bytes from {destination} within {} s", ANSWER_LIMIT.as_secs());
        }
        socket.send(&payload).with_context(|| format!("sending {length} bytes to {destination}"))?;
        sent += 1;
        let Ok(received) = socket.recv(&mut buffer) else { continue };
        ensure!(
            buffer[..received] == payload,
            "{length} bytes to {destination} came back as {received} others"
        );
        return Ok(sent);
    }
}
