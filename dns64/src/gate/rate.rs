//! The limit on responses of one kind to one network of clients, in bounded memory without locks.
//!
//! A response costs its share of a second. Who has had more than a second's worth is over the limit, and goes on
//! paying while he asks, up to [`WINDOW`]: a flood stays limited as long as it lasts, and who stops is soon free again
//! (as BIND's response rate limiting does). The table has a fixed size. Accounts are told apart by a part of a keyed
//! hash, and of those that share a place the one that owes least gives way; both only ever err by a few accounts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Accounts in the table.
const ACCOUNTS: usize = 1 << 16;

/// Accounts that share a place.
const WAYS: usize = 4;

/// Units of time in a second.
const SECOND: u64 = 1 << SECOND_BITS;
const SECOND_BITS: u32 = 20;

/// The most that an account can owe, 15 seconds.
const WINDOW: u64 = 15 * SECOND;

/// Bits of an account that say until when it has had its share; the others tell it from its neighbours. Time goes
/// round after 12 days: an account that was left alone for just so long may owe up to [`WINDOW`] again.
const TIME_BITS: u32 = 40;
const TIME: u64 = (1 << TIME_BITS) - 1;

/// Accounts of what was sent to whom.
#[derive(Debug)]
pub(crate) struct Accounts {
    places: Box<[[AtomicU64; WAYS]]>,
}

impl Accounts {
    pub(crate) fn new() -> Self {
        let place = || [const { AtomicU64::new(0) }; WAYS];
        Self { places: (0..ACCOUNTS / WAYS).map(|_| place()).collect() }
    }

    /// Charges the account of `hash` for one response of `rate` in a second, `now` after some start; true where it is
    /// over the limit.
    pub(crate) fn charge(&self, hash: u64, rate: u32, now: Duration) -> bool {
        let now = units(now);
        let cost = SECOND / u64::from(rate.clamp(1, u32::from(u16::MAX)));
        // No account is like an empty place.
        let tag = (hash | 1 << (u64::BITS - 1)) & !TIME;
        let index = usize::try_from(hash & TIME).unwrap_or(0) % self.places.len();
        let place = &self.places[index];
        let account = place.iter().find(|account| account.load(Ordering::Relaxed) & !TIME == tag);
        let account =
            account.or_else(|| place.iter().min_by_key(|account| owed(account.load(Ordering::Relaxed), now)));
        let Some(account) = account else { return false };
        let charged = |value: u64| {
            let owed = if value & !TIME == tag { owed(value, now) } else { 0 };
            tag | now.wrapping_add((owed + cost).min(WINDOW)) & TIME
        };
        let update = account.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |value| Some(charged(value)));
        let before = update.unwrap_or_else(|value| value);
        let owed = if before & !TIME == tag { owed(before, now) } else { 0 };
        owed + cost > SECOND
    }
}

/// What an account owes at `now`.
fn owed(account: u64, now: u64) -> u64 {
    let ahead = account.wrapping_sub(now) & TIME;
    if ahead > WINDOW { 0 } else { ahead }
}

fn units(time: Duration) -> u64 {
    (time.as_secs() * SECOND + u64::from(time.subsec_nanos()) * SECOND / 1_000_000_000) & TIME
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `count` responses, each `step` after the one before, are within the limit.
    fn within(accounts: &Accounts, hash: u64, rate: u32, start: Duration, step: Duration, count: u32) -> u32 {
        let sent = |index: &u32| !accounts.charge(hash, rate, start + step * *index);
        u32::try_from((0..count).filter(sent).count()).unwrap()
    }

    #[test]
    fn a_seconds_worth_is_within_the_limit_and_the_rest_of_a_burst_is_over() {
        for rate in [1, 4, 64, 4096] {
            let accounts = Accounts::new();
            assert_eq!(within(&accounts, 7, rate, Duration::ZERO, Duration::ZERO, 3 * rate), rate, "{rate}");
        }
    }

    #[test]
    fn a_steady_stream_at_the_rate_is_never_over() {
        let accounts = Accounts::new();
        let step = Duration::from_millis(100);
        assert_eq!(within(&accounts, 7, 10, Duration::ZERO, step, 1000), 1000);
    }

    #[test]
    fn a_flood_stays_limited_and_is_free_a_window_after_its_end() {
        let accounts = Accounts::new();
        let step = Duration::from_millis(10);
        assert_eq!(
            within(&accounts, 7, 10, Duration::ZERO, step, 6000),
            11,
            "a minute of ten times the rate"
        );
        let end = Duration::from_mins(1);
        assert!(accounts.charge(7, 10, end + Duration::from_secs(13)), "it owes 15 seconds");
        assert!(!accounts.charge(7, 10, end + Duration::from_secs(16)));
    }

    #[test]
    fn accounts_do_not_touch_each_other() {
        let accounts = Accounts::new();
        let (one, same_place) = (7, 7 | 1 << TIME_BITS);
        assert_eq!(within(&accounts, one, 1, Duration::ZERO, Duration::ZERO, 50), 1);
        assert_eq!(within(&accounts, same_place, 1, Duration::ZERO, Duration::ZERO, 1), 1);
        assert_eq!(within(&accounts, 8, 1, Duration::ZERO, Duration::ZERO, 1), 1);
        assert_eq!(within(&accounts, one, 1, Duration::ZERO, Duration::ZERO, 1), 0, "it still owes");
    }

    #[test]
    fn of_more_accounts_than_a_place_holds_the_one_that_owes_least_gives_way() {
        let accounts = Accounts::new();
        let hash = |tag: u64| 7 | tag << TIME_BITS;
        assert_eq!(within(&accounts, hash(1), 1, Duration::ZERO, Duration::ZERO, 10), 1);
        for tag in 2..100 {
            assert!(!accounts.charge(hash(tag), 1, Duration::ZERO));
        }
        assert!(accounts.charge(hash(1), 1, Duration::ZERO), "it owes most and stays");
    }

    #[test]
    fn time_that_goes_round_forgives_nobody_and_blames_nobody() {
        let accounts = Accounts::new();
        let round = Duration::from_secs(1 << (TIME_BITS - SECOND_BITS));
        let before = round.checked_sub(Duration::from_millis(500)).unwrap();
        assert_eq!(within(&accounts, 7, 1, before, Duration::ZERO, 10), 1);
        assert!(accounts.charge(7, 1, round), "half a second later");
        assert!(!accounts.charge(7, 1, round + round / 2));
    }
}
