//! Small datagrams: how many a second a path delivers, what that costs, and how long one takes there and back.

use super::cpu;
use super::ends::Ends;
use super::span;
use crate::wait::{PATIENCE, until};
use anyhow::{Context, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::SockRef;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of payload.
pub const LENGTH: usize = 64;

/// Bytes of the receiver's buffer: room for all that arrives while it sleeps.
const BUFFER: usize = 8 << 20;

/// How long the receiver sleeps when it has taken all there is. Waiting for each datagram would cost the sending side
/// of the path a wake-up per datagram, which on a real path another machine's interrupt pays.
const NAP: Duration = Duration::from_millis(1);

/// How long round trips are taken.
const ROUND_TRIPS: Duration = Duration::from_secs(1);

/// A datagram that is not back by then is lost.
const LOST: Duration = Duration::from_millis(100);

/// What a path delivered of a flood.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// Datagrams a second.
    pub rate: f64,
    /// CPU time for each, of the process that was watched.
    pub cost: Option<Duration>,
}

/// Sends one flow as fast as one thread can, and counts what arrives and what it costs `process`.
///
/// # Errors
/// Nothing arrives, or the process ends.
pub fn flood(ends: Ends<'_>, process: Option<i32>) -> Result<Delivery> {
    let [near, far] = ends.sockets()?;
    far.set_nonblocking(true)?;
    if setsockopt(&far, sockopt::RcvBufForce, &BUFFER).is_err() {
        // Without root's rights the machine's limit is what there is.
        SockRef::from(&far).set_recv_buffer_size(BUFFER)?;
    }
    let (arrived, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let growth = thread::scope(|scope| {
        scope.spawn(|| send_all(&near, &over));
        scope.spawn(|| count_all(&far, &arrived, &over));
        let growth = span::observe(|| {
            let spent = process.map(cpu::time_of).transpose()?;
            Ok((arrived.load(Ordering::Relaxed), spent))
        });
        over.store(true, Ordering::Release);
        growth
    })?;
    let [(first, spent_before), (last, spent_after)] = growth.values;
    ensure!(last > first, "no datagram came through");
    let count = u32::try_from(last - first).context("more datagrams than a span can hold")?;
    let cost = spent_before.zip(spent_after).map(|(before, after)| after.saturating_sub(before) / count);
    Ok(Delivery { rate: growth.a_second(last - first), cost })
}

/// The median round trip of one datagram at a time.
///
/// # Errors
/// None comes back.
pub fn round_trip(ends: Ends<'_>) -> Result<Duration> {
    let mut times = with_echo(ends, |socket| {
        let start = Instant::now();
        let mut times = Vec::new();
        while start.elapsed() < ROUND_TRIPS {
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

fn send_all(socket: &UdpSocket, over: &AtomicBool) {
    let payload = [0; LENGTH];
    while !over.load(Ordering::Relaxed) {
        // A full queue loses the datagram, as it would on a wire; what arrives is what counts.
        let _ = socket.send(&payload);
    }
}

fn count_all(socket: &UdpSocket, arrived: &AtomicU64, over: &AtomicBool) {
    let mut payload = [0; LENGTH + 1];
    while !over.load(Ordering::Relaxed) {
        match socket.recv(&mut payload) {
            Ok(LENGTH) => drop(arrived.fetch_add(1, Ordering::Relaxed)),
            Ok(_) => {}
            Err(_) => thread::sleep(NAP),
        }
    }
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
