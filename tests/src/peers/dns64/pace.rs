//! Questions over UDP at a steady pace, and how long each answer takes.
//!
//! Answers are taken before questions are sent, and of what is overdue only a few are sent at once: a load that was held
//! up itself asks less, rather than in a burst that fills a buffer. The time of an answer counts from when its question
//! left. Never sleeps, so that no wake-up of this side is measured.

use super::questions;
use super::volley::{LONGEST, LOST};
use crate::peers::batch::{BATCH, Inbox};
use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// How long a load counts, after a beginning that does not, and how long both are.
const COUNTED: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_millis(100);
const LENGTH: Duration = WARM_UP.saturating_add(COUNTED);

/// Overdue questions that are made up for.
const MADE_UP: u32 = 4;

/// What a resolver did with a steady load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Paced {
    /// Half of the answers came sooner. A lost one counts as [`LOST`].
    pub(super) median: Duration,
    /// 99 of 100 did.
    pub(super) p99: Duration,
    /// The part of all questions that were answered.
    pub(super) answered: f64,
    /// Questions a second.
    pub(super) asked: f64,
}

/// When the next question is due.
struct Schedule {
    due: Duration,
    step: Duration,
}

/// Questions by their IDs, and the times of answers. Times are since the load began.
struct Ledger {
    under_way: Vec<Option<Duration>>,
    next: u16,
    times: Vec<Duration>,
    asked: usize,
    lost: usize,
}

/// Asks one of `queries` after the other at this pace, whether answers come or not.
///
/// # Errors
/// An answer that is none, or none at all.
pub(super) fn pace(socket: &UdpSocket, queries: &[Vec<u8>], a_second: f64) -> Result<Paced> {
    let mut schedule = Schedule { due: Duration::ZERO, step: Duration::from_secs_f64(1.0 / a_second) };
    let mut ledger = Ledger::new();
    let mut inbox = Inbox::new(BATCH, LONGEST);
    let mut next = queries.iter().cycle();
    let mut query = Vec::new();
    let start = Instant::now();
    loop {
        match inbox.take(socket) {
            Ok(replies) => {
                let now = start.elapsed();
                for reply in replies {
                    ensure!(questions::is_answer(reply), "an answer without an address: {reply:02x?}");
                    ledger.answer(u16::from_be_bytes([reply[0], reply[1]]), now);
                }
            }
            Err(Errno::EAGAIN) => {}
            Err(errno) => return Err(errno).context("taking answers"),
        }
        let now = start.elapsed();
        if now >= LENGTH + LOST {
            return ledger.close();
        }
        if now < LENGTH && schedule.take(now) {
            query.clone_from(next.next().context("no questions")?);
            query[..2].copy_from_slice(&ledger.ask(now).to_be_bytes());
            socket.send(&query).context("asking")?;
        }
    }
}

impl Schedule {
    /// Whether a question is due, which counts as asked then.
    fn take(&mut self, now: Duration) -> bool {
        let due = self.due <= now;
        if due {
            self.due = (self.due + self.step).max(now.saturating_sub(self.step * MADE_UP));
        }
        due
    }
}

impl Ledger {
    fn new() -> Self {
        Self { under_way: vec![None; 1 << 16], next: 0, times: Vec::new(), asked: 0, lost: 0 }
    }

    /// The ID of a question that is asked at this time.
    fn ask(&mut self, now: Duration) -> u16 {
        let id = self.next;
        self.next = id.wrapping_add(1);
        let before = self.under_way[usize::from(id)].replace(now);
        self.asked += usize::from(now >= WARM_UP);
        self.lost += usize::from(before.is_some_and(|asked| asked >= WARM_UP));
        id
    }

    /// An answer that nobody waits for counts for nothing.
    fn answer(&mut self, id: u16, now: Duration) {
        if let Some(asked) = self.under_way[usize::from(id)].take()
            && asked >= WARM_UP
        {
            self.times.push(now.saturating_sub(asked));
        }
    }

    fn close(mut self) -> Result<Paced> {
        self.lost += self.under_way.iter().flatten().filter(|asked| **asked >= WARM_UP).count();
        let answered = self.times.len();
        ensure!(answered > 0, "no question was answered");
        self.times.extend(std::iter::repeat_n(LOST, self.lost));
        self.times.sort_unstable();
        let count = self.times.len();
        let at = |part: usize| self.times[count * part / 100];
        Ok(Paced {
            median: at(50),
            p99: at(99),
            answered: lossy(answered) / lossy(count),
            asked: lossy(self.asked) / COUNTED.as_secs_f64(),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "nothing counts to 2^53 in a few seconds")]
fn lossy(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(1);

    fn ask_all_due(schedule: &mut Schedule, now: Duration) -> usize {
        std::iter::repeat_with(|| schedule.take(now)).take_while(|due| *due).count()
    }

    #[test]
    fn load_that_was_held_up_sends_no_burst() {
        let mut schedule = Schedule { due: Duration::ZERO, step: STEP };
        assert_eq!(ask_all_due(&mut schedule, Duration::ZERO), 1);
        assert_eq!(ask_all_due(&mut schedule, STEP / 2), 0);
        assert_eq!(ask_all_due(&mut schedule, STEP * 2), 2, "what is a little late is made up for");
        let made_up = usize::try_from(MADE_UP).unwrap();
        assert!(ask_all_due(&mut schedule, STEP * 1000) <= made_up + 2);
        assert_eq!(ask_all_due(&mut schedule, STEP * 1001), 1, "and then the pace is as before");
    }

    #[test]
    fn lost_ones_count_as_late_and_are_told() {
        let mut ledger = Ledger::new();
        ledger.ask(Duration::ZERO);
        for _ in 0..4 {
            ledger.ask(WARM_UP);
        }
        for id in 0..4 {
            ledger.answer(id, WARM_UP + STEP);
        }
        ledger.answer(77, WARM_UP + STEP);
        let paced = ledger.close().unwrap();
        assert_eq!((paced.median, paced.p99, paced.answered), (STEP, LOST, 0.75));
    }

    #[test]
    fn question_that_lost_its_id_to_another_is_lost() {
        let mut ledger = Ledger::new();
        for _ in 0..=1 << 16 {
            ledger.ask(WARM_UP);
        }
        ledger.answer(0, WARM_UP);
        let paced = ledger.close().unwrap();
        assert_eq!(paced.answered, 1.0 / 65_537.0);
    }
}
