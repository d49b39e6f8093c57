//! What was lately found of names and passwords, so that the same question is not worked on again. Pure: time and the
//! key come in.
//!
//! Known by a hash of 128 bits under a secret key (SipHash-2-4), so that no password is kept. A user has room for the one
//! password that is right, and no lock: whoever is known waits for nobody. Wrong pairs are bounded in number.

use super::credentials::Credentials;
use crate::accounts::Accounts;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a right password is believed from its last use on.
const RIGHT: Duration = Duration::from_secs(3600);
/// A use counts if the last one that did is so long ago.
const USED: Duration = Duration::from_secs(60);
/// How long a wrong pair is kept in mind: programs that have one ask again and again.
const WRONG: Duration = Duration::from_secs(10);
/// Wrong pairs that are. At most 60 bytes each.
const WRONG_ONES: usize = 4096;

/// Names a pair of name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tag(u128);

/// Makes tags.
#[derive(Clone, Copy)]
pub(super) struct Secret {
    key: [u8; 16],
    /// What moments are counted from.
    start: Instant,
}

impl Secret {
    /// `key` is drawn anew for each.
    pub(super) const fn new(key: [u8; 16], start: Instant) -> Self {
        Self { key, start }
    }

    pub(super) fn tag(&self, credentials: &Credentials) -> Tag {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        // The length keeps names apart from passwords.
        hasher.write_usize(credentials.user.len());
        hasher.write(&credentials.user);
        hasher.write(&credentials.password);
        Tag(hasher.finish128().as_u128())
    }

    /// A number below `most` that is always the same for a name, and that nobody else can tell.
    pub(super) fn lot(&self, name: &[u8], most: usize) -> usize {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(name);
        usize::try_from(hasher.finish() % most.max(1) as u64).unwrap_or_default()
    }

    /// A moment in milliseconds.
    fn at(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

/// The pair of one user that was found right. A reader that meets a writer may see a part of each: what it takes for right
/// then was right before, or is nobody's tag.
#[derive(Debug, Default)]
pub(super) struct Right {
    high: AtomicU64,
    low: AtomicU64,
    /// In the milliseconds of the [`Secret`]. Zero: there is none.
    until: AtomicU64,
}

impl Right {
    /// Whether this is the pair. Counts as a use.
    pub(super) fn is(&self, tag: Tag, secret: &Secret, now: Instant) -> bool {
        let (until, now) = (self.until.load(Ordering::Acquire), secret.at(now));
        let same = until > now && self.tag() == tag;
        let renewed = now + millis(RIGHT);
        if same && renewed >= until + millis(USED) {
            self.until.store(renewed, Ordering::Release);
        }
        same
    }

    /// Notes that this is the pair.
    pub(super) fn note(&self, tag: Tag, secret: &Secret, now: Instant) {
        let [high, low] = halves(tag);
        self.until.store(0, Ordering::Release);
        self.high.store(high, Ordering::Release);
        self.low.store(low, Ordering::Release);
        self.until.store(secret.at(now) + millis(RIGHT), Ordering::Release);
    }

    fn tag(&self) -> Tag {
        let (high, low) = (self.high.load(Ordering::Acquire), self.low.load(Ordering::Acquire));
        Tag(u128::from(high) << 64 | u128::from(low))
    }
}

impl Clone for Right {
    fn clone(&self) -> Self {
        let [high, low] = halves(self.tag()).map(AtomicU64::new);
        Self { high, low, until: AtomicU64::new(self.until.load(Ordering::Acquire)) }
    }
}

fn halves(Tag(tag): Tag) -> [u64; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "the upper half goes on its own")]
    [(tag >> 64) as u64, tag as u64]
}

const fn millis(time: Duration) -> u64 {
    time.as_secs() * 1000
}

/// The pairs that were found wrong.
#[derive(Debug)]
pub(super) struct Wrong(Accounts<Tag, Instant>);

impl Default for Wrong {
    fn default() -> Self {
        Self(Accounts::new(WRONG_ONES))
    }
}

impl Wrong {
    pub(super) fn has(&self, tag: Tag, now: Instant) -> bool {
        self.0.get(&tag).is_some_and(|until| now < *until)
    }

    /// Notes one. Where there is no room it is not noted.
    pub(super) fn note(&mut self, tag: Tag, now: Instant) {
        self.0.put(tag, now + WRONG, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials { user: user.into(), password: password.into() }
    }

    #[test]
    fn pairs_are_known_for_a_while() {
        let start = Instant::now();
        let (secret, right, mut wrong) = (Secret::new([1; 16], start), Right::default(), Wrong::default());
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let tag = |user, password| secret.tag(&credentials(user, password));
        assert!(!right.is(tag("a", "b"), &secret, start));
        right.note(tag("a", "b"), &secret, start);
        wrong.note(tag("a", "c"), start);
        for other in [tag("a", "c"), tag("ab", ""), tag("", "ab"), tag("A", "b")] {
            assert!(!right.is(other, &secret, start));
        }
        assert_ne!(Secret::new([2; 16], start).tag(&credentials("a", "b")), tag("a", "b"));
        assert!(wrong.has(tag("a", "c"), after(9)) && !wrong.has(tag("a", "c"), after(10)));
        let is = |seconds| right.is(tag("a", "b"), &secret, after(seconds));
        // From the last use on, and that is not each.
        assert!(is(30) && is(3599) && is(7198));
        assert!(right.clone().is(tag("a", "b"), &secret, after(7200)));
        assert!(is(7257) && is(7258 + 3540 - 1) && !is(7258 + 3540 + 3600));
    }

    #[test]
    fn another_password_takes_the_place_of_the_first() {
        let start = Instant::now();
        let (secret, right) = (Secret::new([1; 16], start), Right::default());
        let [old, new] = ["b", "c"].map(|password| secret.tag(&credentials("a", password)));
        right.note(old, &secret, start);
        right.note(new, &secret, start);
        assert_eq!([old, new].map(|tag| right.is(tag, &secret, start)), [false, true]);
        assert_eq!(size_of::<Right>(), 24);
    }

    #[test]
    fn a_flood_of_wrong_pairs_takes_no_more_than_its_room() {
        let (secret, mut wrong, start) =
            (Secret::new([1; 16], Instant::now()), Wrong::default(), Instant::now());
        let tag = |number: usize| secret.tag(&credentials("a", &number.to_string()));
        (0..2 * WRONG_ONES).for_each(|number| wrong.note(tag(number), start));
        assert_eq!((0..2 * WRONG_ONES).filter(|number| wrong.has(tag(*number), start)).count(), WRONG_ONES);
        wrong.note(tag(2 * WRONG_ONES), start + WRONG);
        assert!(wrong.has(tag(2 * WRONG_ONES), start + WRONG));
        assert_eq!(wrong.0.entries().len(), 1);
    }
}
