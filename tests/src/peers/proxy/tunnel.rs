//! A connection that was upgraded, and how fast bytes go up it.
//!
//! The server grants whatever upgrade it is asked for, and then takes all and says how much that was. A proxy that only
//! passes bytes on carries the same exchange, so that both can be held against each other.

use crate::namespace::Namespace;
use crate::peers::ends::STALLED;
use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const ASK: &str = "GET / HTTP/1.1\r\nHost: behind\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const GRANT: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

/// For how long bytes are sent.
const SPAN: Duration = Duration::from_secs(2);

/// Bytes of a write, and of a read.
const BUFFER: usize = 128 << 10;

/// What arrived, and in what time.
pub(super) struct Sent {
    pub(super) bytes: u64,
    pub(super) time: Duration,
}

/// Serves at `address` for as long as this process lives, on these processors.
///
/// # Errors
/// The address cannot be had.
pub(super) fn serve(host: &Namespace, address: SocketAddr, processors: CpuSet) -> Result<()> {
    let listener = host.run(|| TcpListener::bind(address)).context("the end of tunnels")?;
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            // Who breaks off hears nothing, and says so.
            thread::spawn(move || take(stream, &processors).ok());
        }
    });
    Ok(())
}

/// Grants what is asked for, takes all, and says how many bytes came.
fn take(mut stream: TcpStream, processors: &CpuSet) -> Result<()> {
    sched_setaffinity(Pid::from_raw(0), processors)?;
    read_head(&mut stream)?;
    stream.write_all(GRANT.as_bytes())?;
    let (mut buffer, mut bytes) = (vec![0; BUFFER], 0_u64);
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            count => bytes += count as u64,
        }
    }
    stream.write_all(&bytes.to_be_bytes())?;
    Ok(())
}

/// Has a connection upgraded and sends through it, on these processors.
///
/// # Errors
/// The upgrade is not granted, or not all arrives.
pub(super) fn send(server: SocketAddr, processors: &CpuSet) -> Result<Sent> {
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            sched_setaffinity(Pid::from_raw(0), processors)?;
            let mut stream = TcpStream::connect_timeout(&server, STALLED)?;
            stream.set_read_timeout(Some(STALLED))?;
            stream.write_all(ASK.as_bytes())?;
            let head = read_head(&mut stream)?;
            ensure!(head.starts_with(b"HTTP/1.1 101 "), "it answers {}", String::from_utf8_lossy(&head));
            let (begin, buffer, mut sent) = (Instant::now(), vec![b'x'; BUFFER], 0_u64);
            while begin.elapsed() < SPAN {
                stream.write_all(&buffer)?;
                sent += buffer.len() as u64;
            }
            stream.shutdown(Shutdown::Write)?;
            let mut arrived = [0; size_of::<u64>()];
            stream.read_exact(&mut arrived)?;
            let bytes = u64::from_be_bytes(arrived);
            ensure!(bytes == sent, "{bytes} of {sent} bytes arrived");
            Ok(Sent { bytes, time: begin.elapsed() })
        });
        sending.join().expect("a sender returns its faults")
    })
}

/// Reads up to an empty line, octet by octet: what follows is not of the head.
fn read_head(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut octet)?;
        head.push(octet[0]);
    }
    Ok(head)
}
