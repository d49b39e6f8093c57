//! How slowly the body of a request may come. Pure.
//!
//! A client has [`GRACE`], and a second more for as many octets as the rate asks for. Only the time counts in which
//! octets are waited for: a member that takes none is not the client's fault.

use std::time::Duration;

/// What every body may take: the first octets are the slowest.
const GRACE: Duration = Duration::from_secs(10);

/// The pace of one body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Octets a second; `None` is any pace.
    rate: Option<u32>,
    octets: u64,
    waited: Duration,
}

impl Pace {
    pub(crate) const fn new(rate: Option<u32>) -> Self {
        Self { rate, octets: 0, waited: Duration::ZERO }
    }

    /// Octets have come that were waited for so long.
    pub(crate) const fn came(&mut self, octets: usize, waited: Duration) {
        self.octets = self.octets.saturating_add(octets as u64);
        self.waited = self.waited.saturating_add(waited);
    }

    /// How long the next octets may take.
    pub(crate) fn left(&self) -> Duration {
        let Some(rate) = self.rate else { return Duration::MAX };
        let earned = Duration::from_millis(self.octets.saturating_mul(1000) / u64::from(rate.max(1)));
        GRACE.saturating_add(earned).saturating_sub(self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_buy_time_and_waiting_spends_it() {
        let seconds = Duration::from_secs;
        let mut pace = Pace::new(Some(500));
        assert_eq!(pace.left(), seconds(10));
        pace.came(1000, seconds(5));
        assert_eq!(pace.left(), seconds(7));
        pace.came(1, seconds(7));
        assert_eq!(pace.left(), Duration::from_millis(2));
        pace.came(0, seconds(1));
        assert_eq!(pace.left(), Duration::ZERO);
        assert_eq!(Pace::new(None).left(), Duration::MAX);
        let mut pace = Pace::new(Some(u32::MAX));
        pace.came(usize::MAX, Duration::MAX);
        assert_eq!(pace.left(), Duration::ZERO);
    }
}
