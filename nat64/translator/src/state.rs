//! What one worker keeps between packets: the budget of generated errors, the source of IPv4 identifications, and
//! buffers for fragments. Nothing here is shared between workers.

use crate::frame::Frame;
use std::time::Duration;

/// What a full bucket holds: so many errors, but at least what it earns in this time. Ten let a traceroute pass
/// (RFC 4443 §2.4 (f)).
const BURST: u32 = 10;
const BURST_TIME: Duration = Duration::from_millis(100);

/// A token bucket for generated ICMP errors (RFC 4443 §2.4 (f), RFC 1812 §4.3.2.8): one worker's share of what all may
/// send, so that a flood on one queue takes nothing from the others and nobody waits for a lock.
#[derive(Clone, Debug)]
struct ErrorBudget {
    workers: u32,
    /// What may be spent at once, in refill time; bounded when it is spent, since a full bucket depends on the rate.
    credit: Duration,
    refilled: Duration,
}

impl ErrorBudget {
    /// A full bucket for one of `workers` workers; zero counts as one.
    const fn new(workers: u32) -> Self {
        let workers = if workers == 0 { 1 } else { workers };
        Self { workers, credit: Duration::MAX, refilled: Duration::ZERO }
    }

    /// Takes one error out of the bucket at `now`, a monotonic time; `false` when it is empty. All workers together may
    /// send `rate` errors a second.
    fn take(&mut self, rate: u32, now: Duration) -> bool {
        if rate == 0 {
            return false;
        }
        let cost = Duration::from_secs(self.workers.into()) / rate;
        let earned = now.saturating_sub(self.refilled);
        self.refilled = self.refilled.max(now);
        let full = cost.saturating_mul(BURST).max(BURST_TIME);
        self.credit = self.credit.saturating_add(earned).min(full);
        let rest = self.credit.checked_sub(cost);
        self.credit = rest.unwrap_or(self.credit);
        rest.is_some()
    }
}

/// What one worker keeps between packets.
#[derive(Clone, Debug)]
pub struct WorkerState {
    errors: ErrorBudget,
    /// Errors that were not sent for their number.
    suppressed: u64,
    next_identification: u16,
    /// Buffers for the packets of a [`crate::Verdict::Split`]; the first `used` are filled.
    fragments: Vec<Frame>,
    used: usize,
    /// The ICMP error under construction.
    pub(crate) message: Vec<u8>,
}

impl WorkerState {
    /// A fresh state of one of `workers` workers. `seed` is the first IPv4 identification: random, and different for
    /// each worker, so that workers that share an address pair seldom use the same identification at the same time
    /// (RFC 6864 §4.3).
    pub const fn new(seed: u16, workers: u32) -> Self {
        Self {
            errors: ErrorBudget::new(workers),
            suppressed: 0,
            next_identification: seed,
            fragments: Vec::new(),
            used: 0,
            message: Vec::new(),
        }
    }

    /// How many ICMP errors were kept back since the last call because of [`crate::Params::icmp_error_rate`].
    pub const fn take_suppressed_errors(&mut self) -> u64 {
        std::mem::replace(&mut self.suppressed, 0)
    }

    /// Whether an ICMP error may be sent at `now`, when all workers together may send `rate` a second.
    pub(crate) fn may_send_error(&mut self, rate: u32, now: Duration) -> bool {
        let may = self.errors.take(rate, now);
        self.suppressed += u64::from(!may);
        may
    }

    /// The packets of the last [`crate::Verdict::Split`], in the order in which they must be written.
    pub fn fragments(&mut self) -> &mut [Frame] {
        &mut self.fragments[..self.used]
    }

    /// `count` consecutive identifications; the first is returned. Zero counts as one.
    pub(crate) const fn identifications(&mut self, count: u16) -> u16 {
        let first = self.next_identification;
        self.next_identification = first.wrapping_add(if count == 0 { 1 } else { count });
        first
    }

    /// Forgets the fragments of an earlier packet; their buffers stay.
    pub(crate) const fn clear_fragments(&mut self) {
        self.used = 0;
    }

    /// A frame for the next fragment, of undefined content.
    pub(crate) fn next_fragment(&mut self) -> &mut Frame {
        if self.used == self.fragments.len() {
            self.fragments.push(Frame::with_capacity(0));
        }
        self.used += 1;
        &mut self.fragments[self.used - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(5);

    /// How many of `tries` errors at `at` may be sent.
    fn sent(budget: &mut ErrorBudget, rate: u32, at: Duration, tries: usize) -> usize {
        (0..tries).filter(|_| budget.take(rate, at)).count()
    }

    #[test]
    fn errors_come_in_bursts_and_refill_with_time() {
        let mut budget = ErrorBudget::new(1);
        assert_eq!(sent(&mut budget, 10, START, 20), 10);
        let later = START + Duration::from_millis(200);
        assert_eq!(sent(&mut budget, 10, later, 20), 2);
        let much_later = later + Duration::from_secs(3600);
        assert_eq!(sent(&mut budget, 10, much_later, 20), 10);
        assert_eq!(sent(&mut budget, 10, START, 20), 0, "time that runs backwards earns nothing");
    }

    #[test]
    fn burst_is_ten_errors_or_what_a_tenth_of_a_second_earns() {
        assert_eq!(sent(&mut ErrorBudget::new(1), 1, START, 2000), 10);
        assert_eq!(sent(&mut ErrorBudget::new(1), 5000, START, 2000), 500);
        assert_eq!(sent(&mut ErrorBudget::new(5), 5000, START, 2000), 100);
    }

    #[test]
    fn rate_of_errors_is_shared_by_the_workers() {
        let mut workers = vec![ErrorBudget::new(8); 8];
        for budget in &mut workers {
            sent(budget, 4, START, 100);
        }
        let later = START + Duration::from_secs(4);
        let each: Vec<_> = workers.iter_mut().map(|budget| sent(budget, 4, later, 100)).collect();
        assert_eq!(each, [2; 8], "16 in 4 seconds");
    }

    #[test]
    fn another_rate_holds_at_once() {
        let mut budget = ErrorBudget::new(1);
        assert_eq!(sent(&mut budget, 100_000, START, 1), 1);
        assert_eq!(sent(&mut budget, 10, START, 100), 0, "what is left is less than one error earns");
        assert_eq!(sent(&mut budget, 10, START + Duration::from_secs(60), 100), 10);
        assert_eq!(sent(&mut budget, 0, START + Duration::from_secs(60), 100), 0);
    }

    #[test]
    fn errors_that_are_not_sent_are_counted_until_somebody_asks() {
        let mut state = WorkerState::new(0, 1);
        assert!(state.may_send_error(1, START));
        assert!(!state.may_send_error(0, START));
        assert!(!state.may_send_error(0, START));
        assert_eq!([(); 2].map(|()| state.take_suppressed_errors()), [2, 0]);
    }

    #[test]
    fn identifications_follow_each_other_and_wrap() {
        let mut state = WorkerState::new(u16::MAX, 1);
        assert_eq!(state.identifications(1), u16::MAX);
        assert_eq!(state.identifications(45), 0);
        assert_eq!(state.identifications(0), 45);
        assert_eq!(state.identifications(1), 46);
    }

    #[test]
    fn fragment_buffers_are_reused() {
        let mut state = WorkerState::new(0, 1);
        state.next_fragment().set_packet(b"one");
        state.next_fragment().set_packet(b"two");
        assert_eq!(state.fragments().len(), 2);
        state.clear_fragments();
        assert!(state.fragments().is_empty());
        state.next_fragment().set_packet(b"three");
        assert_eq!(state.fragments()[0].packet(), b"three");
    }
}
