//! Log lines about packets that are not translated: at most so many in each second, for all workers together.
//!
//! ```text
//! worker: Watch ──sample──> bounded queue ──> printer (the shell's event loop): one line each
//!            └─ more than nat64.drop_log in this second: counted, and told with the next line
//! ```
//!
//! A worker neither logs nor allocates nor waits: it keeps the first bytes of the packet at hand while lines are
//! wanted, and puts a value of fixed size into a queue that has room or has not. Without `nat64.drop_log` it does
//! none of this. Choice: seconds are counted from the start of the daemon, so that the first packets of a burst are
//! seen one after another; two seconds' lines can therefore come together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;
use tokio::sync::Notify;
use translator::{DropReason, Endpoints, Outline, Reply, Verdict};

/// Samples that wait for the printer; what does not fit is counted as not shown.
const WAITING: usize = 256;

/// Bytes of a packet that are looked at: an IPv6 header, some extension headers, the ports.
const HEAD: usize = 128;

/// What all workers and the shell share.
#[derive(Debug)]
pub struct DropLog {
    /// Lines in each second; 0 is none.
    per_second: AtomicU32,
    /// The second that lines are counted in, and how many it has had: 32 bits each.
    quota: AtomicU64,
    /// Packets without a line since the last line.
    not_shown: AtomicU64,
    samples: SyncSender<Sample>,
    bell: Notify,
    started: Instant,
}

/// Where samples arrive.
#[derive(Debug)]
pub struct Printer {
    log: Arc<DropLog>,
    samples: Receiver<Sample>,
}

/// A packet that was not translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Why.
    pub reason: DropReason,
    /// The way it was to cross: the metric label.
    pub direction: &'static str,
    /// What it was.
    pub packet: Outline,
    /// Its length in bytes, from the IP header on.
    pub len: usize,
    /// Whether its sender was told by an ICMP error.
    pub answered: bool,
    /// How many packets before it had no line.
    pub not_shown: u64,
}

/// One worker's side.
#[derive(Debug)]
pub struct Watch {
    log: Arc<DropLog>,
    /// Lines are wanted.
    wanted: bool,
    /// The second of this batch, as long as it has lines left.
    open: Option<u32>,
    head: [u8; HEAD],
    /// How much of `head` is the packet's.
    held: usize,
    len: usize,
    /// Packets without a line that the others do not know of yet.
    not_shown: u64,
}

impl DropLog {
    /// A log of at most `per_second` lines in each second, and where they are printed.
    pub fn new(per_second: u16) -> (Arc<Self>, Printer) {
        let (sender, samples) = sync_channel(WAITING);
        let log = Arc::new(Self {
            per_second: AtomicU32::new(per_second.into()),
            quota: AtomicU64::new(0),
            not_shown: AtomicU64::new(0),
            samples: sender,
            bell: Notify::new(),
            started: Instant::now(),
        });
        (Arc::clone(&log), Printer { log, samples })
    }

    /// Changes how many lines there are.
    pub fn set(&self, per_second: u16) {
        self.per_second.store(per_second.into(), Ordering::Relaxed);
    }

    /// The lines that `second` has left.
    fn left(&self, second: u32) -> u32 {
        let (of, used) = unpacked(self.quota.load(Ordering::Relaxed));
        let per_second = self.per_second.load(Ordering::Relaxed);
        if of < second { per_second } else { per_second.saturating_sub(used) }
    }

    /// Takes one line of `second`, or of the later one that others have begun.
    fn take(&self, second: u32) -> bool {
        let per_second = self.per_second.load(Ordering::Relaxed);
        let taken = self.quota.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |quota| {
            let (of, used) = unpacked(quota);
            let used = if of < second { 0 } else { used };
            (used < per_second).then(|| packed(of.max(second), used + 1))
        });
        taken.is_ok()
    }

    fn second(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }
}

const fn packed(second: u32, used: u32) -> u64 {
    ((second as u64) << 32) | used as u64
}

#[expect(clippy::cast_possible_truncation, reason = "each half is taken by itself")]
const fn unpacked(quota: u64) -> (u32, u32) {
    ((quota >> 32) as u32, quota as u32)
}

impl Watch {
    /// A worker's side of `log`.
    pub const fn new(log: Arc<DropLog>) -> Self {
        Self { log, wanted: false, open: None, head: [0; HEAD], held: 0, len: 0, not_shown: 0 }
    }

    /// To be called before each batch of packets.
    pub fn begin(&mut self) {
        self.wanted = self.log.per_second.load(Ordering::Relaxed) > 0;
        let second = if self.wanted { Some(self.log.second()) } else { None };
        self.open = second.filter(|&second| self.log.left(second) > 0);
        if self.not_shown > 0 {
            self.log.not_shown.fetch_add(std::mem::take(&mut self.not_shown), Ordering::Relaxed);
        }
    }

    /// Keeps what a line would tell of `packet`, which translation may overwrite.
    pub fn note(&mut self, packet: &[u8]) {
        if self.open.is_some() {
            self.held = packet.len().min(HEAD);
            self.head[..self.held].copy_from_slice(&packet[..self.held]);
            self.len = packet.len();
        }
    }

    /// Says what became of the packet noted last.
    pub fn judge(&mut self, verdict: Verdict, direction: &'static str) {
        let (reason, answered) = match verdict {
            Verdict::Drop(reason) => (reason, false),
            Verdict::Reply(Reply::Error(reason)) => (reason, true),
            Verdict::Reply(Reply::Echo) | Verdict::Forward(_) | Verdict::Split(_) => return,
        };
        if self.wanted {
            self.sample(reason, direction, answered);
        }
    }

    fn sample(&mut self, reason: DropReason, direction: &'static str, answered: bool) {
        if !self.open.is_some_and(|second| self.log.take(second)) {
            self.open = None;
            self.not_shown += 1;
            return;
        }
        let before = self.log.not_shown.swap(0, Ordering::Relaxed);
        let not_shown = before + std::mem::take(&mut self.not_shown);
        let packet = Outline::of(&self.head[..self.held]);
        let sample = Sample { reason, direction, packet, len: self.len, answered, not_shown };
        if self.log.samples.try_send(sample).is_ok() {
            self.log.bell.notify_one();
        } else {
            self.not_shown = not_shown + 1;
        }
    }
}

impl Printer {
    /// Prints samples as they come, for ever.
    pub async fn run(self) {
        loop {
            self.log.bell.notified().await;
            self.waiting().for_each(print);
        }
    }

    /// Takes the samples that wait.
    pub fn waiting(&self) -> impl Iterator<Item = Sample> {
        self.samples.try_iter()
    }
}

fn print(sample: Sample) {
    let Sample { reason, direction, packet, len, answered, not_shown } = sample;
    let (ports, icmp) = match packet.endpoints {
        Some(Endpoints::Ports(src, dst)) => (Some((src, dst)), None),
        Some(Endpoints::Icmp(kind, code)) => (None, Some((kind, code))),
        None => (None, None),
    };
    tracing::info!(
        reason = reason.label(),
        direction,
        src = packet.src.map(tracing::field::display),
        dst = packet.dst.map(tracing::field::display),
        protocol = packet.protocol,
        src_port = ports.map(|(src, _)| src),
        dst_port = ports.map(|(_, dst)| dst),
        icmp_type = icmp.map(|(kind, _)| kind),
        icmp_code = icmp.map(|(_, code)| code),
        len,
        answered,
        not_shown,
        "a packet was not translated"
    );
}

#[cfg(test)]
mod tests;
