//! One small datagram at a time: how long it takes there and back.

use super::ends::Ends;
use crate::wait::{PATIENCE, until};
use anyhow::{Context, Result};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of payload.
pub const LENGTH: usize = 64;

/// How long round trips are taken. Short, and taken often: each time, the scheduler may place the threads otherwise.
const ROUND_TRIPS: Duration = Duration::from_millis(200);

/// A datagram that is not back by then is lost.
const LOST: Duration = Duration::from_millis(100);

/// The median round trip of one datagram at a time.
///
/// # Errors
/// None comes back.
pub fn round_trip(ends: Ends<'_>) -> Result<Duration> {
    let mut times = with_echo(ends, |socket| {
        let start = Instant::now();
        let mut times = Vec::new();
        // On a busy machine the first may take longer than all of them should.
        while start.elapsed() < ROUND_TRIPS || times.is_empty() && start.elapsed() < PATIENCE {
            times.extend(exchange(socket, times.len() as u64)?);
        }
        Ok(times)
    })?;
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("no datagram came back")
}

/// Waits until a datagram comes back: routes, neighbours and the translator are all there.
pub fn wait_until_open(ends: Ends<'_>) -> Result<()> {
    until(PATIENCE, &format!("a datagram to {} and back", ends.address), || {
        // Routers and translators that are not ready may also say so.
        Ok(with_echo(ends, |socket| exchange(socket, 0)).ok().flatten().map(drop))
    })
}

/// Sends the datagram of this number and returns how long its echo took, if it came.
fn exchange(socket: &UdpSocket, number: u64) -> Result<Option<Duration>> {
    let mut payload = [0; LENGTH];
    payload[..size_of::<u64>()].copy_from_slice(&number.to_be_bytes());
    let start = Instant::now();
    socket.send(&payload)?;
    let mut echo = [0; LENGTH];
    while let Ok(LENGTH) = socket.recv(&mut echo) {
        if echo == payload {
            return Ok(Some(start.elapsed()));
        }
    }
    Ok(None)
}

/// Runs `talk` with a client's socket whose other end echoes.
fn with_echo<T>(ends: Ends<'_>, talk: impl FnOnce(&UdpSocket) -> Result<T>) -> Result<T> {
    let [near, far] = ends.sockets()?;
    near.set_read_timeout(Some(LOST))?;
    far.set_read_timeout(Some(LOST))?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut payload = [0; LENGTH];
            while !over.load(Ordering::Relaxed) {
                if let Ok((length, peer)) = far.recv_from(&mut payload) {
                    // An answer that cannot leave is one that does not come.
                    let _ = far.send_to(&payload[..length], peer);
                }
            }
        });
        let outcome = talk(&near);
        over.store(true, Ordering::Relaxed);
        outcome
    })
}
