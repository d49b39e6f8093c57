//! One flow of datagrams as fast as one thread can send it: how much arrives, in which order, and what that costs.
//!
//! Packets that a queue on the way has no room for are lost, as on a wire; what arrives is what counts. Sender and
//! receiver move many datagrams a call, so that the processors are the path's: with a call for each datagram the sender
//! was hardly faster than a translator, and the rate was the sender's.

use super::batch::{BATCH, Inbox, enlarge};
use super::cpu;
use super::datagram::LENGTH;
use super::ends::Ends;
use super::span;
use anyhow::{Context, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How long the receiver sleeps when it has taken all there is. Waiting for each datagram would cost the sending side
/// of the path a wake-up per datagram, which on a real path another machine's interrupt pays.
const NAP: Duration = Duration::from_millis(1);

/// The client's device.
const DEVICE: &str = "eth0";

/// Segments that a packet may stand for by default, in the kernel's words `GSO_MAX_SEGS`.
const MOST_SEGMENTS: u32 = 65_535;

/// Bytes of a segment of the flow that is sent with segmentation offload, as QUIC sends them.
const SEGMENT: u16 = 1200;

/// Segments in one datagram of that flow.
const SEGMENTS: u16 = 40;

/// Bytes of the largest datagram.
const LARGEST: usize = 1 << 16;

/// What a path delivered of a flood of small datagrams.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<T> {
    /// Datagrams a second.
    pub rate: f64,
    /// CPU time for each, of the process that was watched.
    pub cost: Option<Duration>,
    /// What part of them came before all that were sent later.
    pub in_order: f64,
    /// What else was looked at when the span began and when it ended.
    pub seen: [T; 2],
}

/// How the receiver of a segmented flow takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// Each segment as the datagram it is.
    Single,
    /// Many at a time (`UDP_GRO`).
    Merged,
}

/// What a path delivered of a segmented flow.
#[derive(Clone, Copy, Debug)]
pub struct Segments<T> {
    /// Bits of payload a second.
    pub rate: f64,
    /// What was looked at when the span began and when it ended.
    pub seen: [T; 2],
}

/// Sends one flow of datagrams of [`LENGTH`] bytes, watches what it costs `process`, and `look`s at whatever else tells
/// of it. The sender hands over 64 at a time, which the kernel cuts before they leave the client: the gateway sees single
/// packets, as a network card would bring them.
///
/// # Errors
/// Nothing arrives, the process ends, or looking fails.
pub fn small<T>(
    ends: Ends<'_>,
    process: Option<i32>,
    mut look: impl FnMut() -> Result<T>,
) -> Result<Delivery<T>> {
    let [near, far] = ends.sockets()?;
    setsockopt(&near, sockopt::UdpGsoSegment, &i32::try_from(LENGTH)?).context("UDP_SEGMENT")?;
    let mut numbers = 0..;
    let mut payloads = [[0; LENGTH]; BATCH];
    let source = || {
        for (payload, number) in payloads.iter_mut().zip(&mut numbers) {
            payload[..size_of::<u64>()].copy_from_slice(&u64::to_be_bytes(number));
        }
        // What the first queue has no room for is lost there.
        let _ = near.send(payloads.as_flattened());
    };
    let (late, mut highest) = (AtomicU64::new(0), 0);
    let count = |payload: &[u8]| {
        let Some(number) = payload.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)) else { return 0 };
        late.fetch_add(u64::from(number < highest), Ordering::Relaxed);
        highest = highest.max(number);
        1
    };
    let look = || Ok((process.map(cpu::time_of).transpose()?, late.load(Ordering::Relaxed), look()?));
    ends.client.set_segments(DEVICE, 1)?;
    let arrived = run(&far, Inbox::new(BATCH, LENGTH), source, count, look);
    ends.client.set_segments(DEVICE, MOST_SEGMENTS)?;
    let arrived = arrived?;
    let [(spent_before, late_before, before), (spent_after, late_after, after)] = arrived.seen;
    let spent = spent_before.zip(spent_after).map(|(before, after)| after.saturating_sub(before));
    let count = u32::try_from(arrived.count).context("more datagrams than a span can hold")?;
    let late = u32::try_from(late_after - late_before)?;
    Ok(Delivery {
        rate: arrived.a_second,
        cost: spent.map(|spent| spent / count),
        in_order: 1.0 - f64::from(late) / f64::from(count),
        seen: [before, after],
    })
}

/// Sends one flow with segmentation offload, and `look`s at whatever tells of it.
///
/// # Errors
/// Nothing arrives, the kernel has no `UDP_SEGMENT`, or looking fails.
pub fn segmented<T>(
    ends: Ends<'_>,
    receiver: Receiver,
    look: impl FnMut() -> Result<T>,
) -> Result<Segments<T>> {
    let [near, far] = ends.sockets()?;
    setsockopt(&near, sockopt::UdpGsoSegment, &SEGMENT.into()).context("UDP_SEGMENT")?;
    let inbox = match receiver {
        Receiver::Single => Inbox::new(BATCH, SEGMENT.into()),
        Receiver::Merged => {
            setsockopt(&far, sockopt::UdpGroSegment, &true).context("UDP_GRO")?;
            Inbox::new(BATCH, LARGEST)
        }
    };
    let payload = vec![0; usize::from(SEGMENT) * usize::from(SEGMENTS)];
    let source = || {
        // As above.
        let _ = near.send(&payload);
    };
    let arrived = run(&far, inbox, source, |payload| payload.len() as u64, look)?;
    Ok(Segments { rate: arrived.a_second * 8.0, seen: arrived.seen })
}

/// What arrived during a span.
pub(super) struct Arrived<T> {
    /// As the receiver counts.
    pub(super) count: u64,
    /// The same in a second.
    pub(super) a_second: f64,
    /// What was looked at when the span began and when it ended.
    pub(super) seen: [T; 2],
}

/// Calls `source` without pause, and adds up what `count` makes of each datagram that arrives.
pub(super) fn run<T>(
    far: &UdpSocket,
    inbox: Inbox,
    source: impl FnMut() + Send,
    count: impl FnMut(&[u8]) -> u64 + Send,
    mut look: impl FnMut() -> Result<T>,
) -> Result<Arrived<T>> {
    enlarge(far)?;
    let (arrived, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let growth = thread::scope(|scope| {
        scope.spawn(|| repeat(source, &over));
        scope.spawn(|| count_all(far, inbox, count, &arrived, &over));
        let growth = span::observe(|| Ok((arrived.load(Ordering::Relaxed), look()?)));
        over.store(true, Ordering::Release);
        growth
    })?;
    let a_second = |count| growth.a_second(count);
    let [first, last] = growth.values.each_ref().map(|(arrived, _)| *arrived);
    ensure!(last > first, "no datagram came through");
    let (count, a_second) = (last - first, a_second(last - first));
    Ok(Arrived { count, a_second, seen: growth.values.map(|(_, seen)| seen) })
}

fn repeat(mut source: impl FnMut(), over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        source();
    }
}

fn count_all(
    far: &UdpSocket,
    mut inbox: Inbox,
    mut count: impl FnMut(&[u8]) -> u64,
    arrived: &AtomicU64,
    over: &AtomicBool,
) {
    while !over.load(Ordering::Relaxed) {
        match inbox.take(far) {
            Ok(datagrams) => drop(arrived.fetch_add(datagrams.map(&mut count).sum(), Ordering::Relaxed)),
            Err(_) => thread::sleep(NAP),
        }
    }
}
