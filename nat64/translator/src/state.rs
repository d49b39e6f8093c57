//! What one worker keeps between packets: the budget of generated errors, the source of IPv4 identifications, and
//! buffers for fragments. Nothing here is shared between workers.

use crate::frame::Frame;
use std::time::Duration;

/// A token bucket for generated ICMP errors (RFC 4443 §2.4 (f), RFC 1812 §4.3.2.8).
#[derive(Clone, Debug)]
pub struct ErrorBudget {
    per_second: u32,
    burst: u32,
    /// Errors that may be sent at once, in nanoseconds of refill time.
    credit: Duration,
    refilled: Duration,
}

impl ErrorBudget {
    /// A full bucket of `burst` errors that refills with `per_second` errors a second. Zero `per_second` sends none.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        let mut budget = Self { per_second, burst, credit: Duration::ZERO, refilled: Duration::ZERO };
        budget.credit = budget.full();
        budget
    }

    /// Takes one error out of the bucket at `now`, a monotonic time; `false` when it is empty.
    pub fn take(&mut self, now: Duration) -> bool {
        if self.per_second == 0 {
            return false;
        }
        let earned = now.saturating_sub(self.refilled);
        self.refilled = self.refilled.max(now);
        self.credit = self.credit.saturating_add(earned).min(self.full());
        match self.credit.checked_sub(self.cost()) {
            Some(rest) => {
                self.credit = rest;
                true
            }
            None => false,
        }
    }

    /// The refill time of one error.
    const fn cost(&self) -> Duration {
        let per_second = if self.per_second == 0 { 1 } else { self.per_second };
        Duration::from_nanos(1_000_000_000 / per_second as u64)
    }

    const fn full(&self) -> Duration {
        self.cost().saturating_mul(self.burst)
    }
}

impl Default for ErrorBudget {
    /// 1000 errors a second with a burst of 100: a traceroute of many probes passes, a flood does not.
    fn default() -> Self {
        Self::new(1000, 100)
    }
}

/// What one worker keeps between packets.
#[derive(Clone, Debug)]
pub struct WorkerState {
    pub(crate) errors: ErrorBudget,
    next_identification: u16,
    /// Buffers for the packets of a [`crate::Verdict::Split`]; the first `used` are filled.
    fragments: Vec<Frame>,
    used: usize,
    /// The ICMP error under construction.
    pub(crate) message: Vec<u8>,
}

impl WorkerState {
    /// A fresh state. `seed` is the first IPv4 identification: random, and different for each worker, so that
    /// workers that share an address pair seldom use the same identification at the same time (RFC 6864 §4.3).
    pub const fn new(seed: u16, errors: ErrorBudget) -> Self {
        Self { errors, next_identification: seed, fragments: Vec::new(), used: 0, message: Vec::new() }
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

    #[test]
    fn errors_come_in_bursts_and_refill_with_time() {
        let mut budget = ErrorBudget::new(10, 3);
        let at = Duration::from_secs(5);
        assert_eq!([(); 4].map(|()| budget.take(at)), [true, true, true, false]);
        let later = at + Duration::from_millis(100);
        assert_eq!([(); 2].map(|()| budget.take(later)), [true, false]);
        let much_later = later + Duration::from_secs(3600);
        assert_eq!([(); 4].map(|()| budget.take(much_later)), [true, true, true, false]);
        assert!(!budget.take(at), "time that runs backwards earns nothing");
    }

    #[test]
    fn a_rate_of_zero_sends_none() {
        assert!(!ErrorBudget::new(0, 10).take(Duration::from_secs(1)));
    }

    #[test]
    fn identifications_follow_each_other_and_wrap() {
        let mut state = WorkerState::new(u16::MAX, ErrorBudget::default());
        assert_eq!(state.identifications(1), u16::MAX);
        assert_eq!(state.identifications(45), 0);
        assert_eq!(state.identifications(0), 45);
        assert_eq!(state.identifications(1), 46);
    }

    #[test]
    fn fragment_buffers_are_reused() {
        let mut state = WorkerState::new(0, ErrorBudget::default());
        state.next_fragment().set_packet(b"one");
        state.next_fragment().set_packet(b"two");
        assert_eq!(state.fragments().len(), 2);
        state.clear_fragments();
        assert!(state.fragments().is_empty());
        state.next_fragment().set_packet(b"three");
        assert_eq!(state.fragments()[0].packet(), b"three");
    }
}
