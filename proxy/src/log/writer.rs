//! What the thread of a log does: takes the lines of all workers off their desk and hands them on.
//!
//! Where there is no file to open the receiver with, lines wait: those that are taken, and on the desk as many as fit there.

use super::lines::Lines;
use super::target::{Loss, Target};
use super::{Desk, lock};
use crate::shortage::Seldom;
use config::model::LogTarget;
use std::io;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// How long lines gather before they are written together.
const GATHER: Duration = Duration::from_millis(20);
/// The same of datagrams: what comes at one go has to find room in the receiver's buffer, which a few hundred fill.
const GATHER_DATAGRAMS: Duration = Duration::from_millis(2);
/// How long a file is waited for before it is asked for again.
const SHORTAGE: Duration = Duration::from_millis(100);

/// The thread's own.
pub(super) struct Writer {
    pub(super) to: LogTarget,
    pub(super) target: Target,
    /// How long lines gather.
    gather: Duration,
    /// The lines that are being written, and how many of them were handed on.
    pub(super) taken: Lines,
    handed_on: usize,
    /// Lost lines that were warned of.
    told: u64,
    seldom: Seldom,
}

impl Writer {
    pub(super) fn new(to: LogTarget) -> Self {
        let gather = if to == LogTarget::Stdout { GATHER } else { GATHER_DATAGRAMS };
        Self {
            target: Target::new(to.clone()),
            to,
            gather,
            taken: Lines::default(),
            handed_on: 0,
            told: 0,
            seldom: Seldom::default(),
        }
    }

    /// Writes what comes, until the desk is closed and empty.
    pub(super) fn run(mut self, desk: &Desk) {
        self.told = desk.counts.lost();
        loop {
            // Ahead of the look: a line that came before the word to close is seen.
            let closed = desk.closed.load(Ordering::Acquire);
            let was_idle = desk.idle.load(Ordering::SeqCst);
            match (self.clear(desk, closed), closed) {
                (true, true) => return,
                // One more look, since from then on who brings a line wakes this thread.
                (true, false) if !was_idle => desk.idle.store(true, Ordering::SeqCst),
                (true, false) => {
                    thread::park();
                    desk.idle.store(false, Ordering::SeqCst);
                }
                (false, true) => {}
                // What comes together leaves together, and a busy worker has nobody to wake.
                (false, false) => {
                    desk.idle.store(false, Ordering::SeqCst);
                    thread::park_timeout(if self.taken.is_empty() { self.gather } else { SHORTAGE });
                }
            }
        }
    }

    /// Writes what lies on the desk. Says whether nothing did.
    fn clear(&mut self, desk: &Desk, closed: bool) -> bool {
        let mut idle = true;
        for waiting in &desk.waiting {
            if self.taken.is_empty() {
                std::mem::swap(&mut *lock(waiting), &mut self.taken);
            }
            if !self.taken.is_empty() {
                idle = false;
                self.write(desk, closed);
            }
            if !self.taken.is_empty() {
                break;
            }
        }
        idle
    }

    /// Hands on the lines that are taken, or keeps them where they have to wait, unless no more come.
    pub(super) fn write(&mut self, desk: &Desk, closed: bool) {
        let before = self.handed_on;
        let (mut lost, mut waits, cause) = match self.target.write(&self.taken, &mut self.handed_on) {
            Ok(()) => (0, false, None),
            Err(Loss { lines, waits, error }) => (lines, waits, Some(error)),
        };
        if waits && closed {
            lost += self.taken.len() - self.handed_on;
            waits = false;
        }
        let done = if waits { self.handed_on } else { self.taken.len() } - before;
        // A refused line of an earlier call counted as written then, and these may be lost beside it.
        desk.counts.written.fetch_add(done.saturating_sub(lost) as u64, Ordering::Relaxed);
        desk.counts.lost.fetch_add(lost as u64, Ordering::Relaxed);
        if !waits {
            self.taken.clear();
            self.handed_on = 0;
        }
        self.tell(desk, cause);
    }

    /// Warns of lines that were lost since the last time.
    fn tell(&mut self, desk: &Desk, cause: Option<io::Error>) {
        let total = desk.counts.lost();
        if total > self.told && self.seldom.admit(Instant::now()).is_some() {
            let cause = cause.map_or_else(|| "it does not keep up".to_owned(), |cause| cause.to_string());
            let count = total - self.told;
            self.told = total;
            tracing::warn!(to = %self.to, count, cause, "lines about connections are lost");
        }
    }
}
