//! What was lately found of a name and a password, so that the same question is not worked on again. Pure: time and the
//! key come in.
//!
//! Known by a hash of 128 bits under a secret key (SipHash-2-4), so that no password is kept.

use super::credentials::Credentials;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::collections::HashMap;
use std::hash::Hasher;
use std::time::{Duration, Instant};

/// How long a right password is believed.
const RIGHT: Duration = Duration::from_secs(300);
/// How long a wrong one is: programs that have one ask again and again.
const WRONG: Duration = Duration::from_secs(10);
/// Pairs of either kind that are remembered. About 60 bytes each.
const BOUND: usize = 4096;

/// Names a pair of name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tag(u128);

/// The pairs that were lately checked against one file.
#[derive(Debug)]
pub(super) struct Remembered {
    key: [u8; 16],
    right: HashMap<Tag, Instant>,
    wrong: HashMap<Tag, Instant>,
}

impl Remembered {
    /// `key` is secret and drawn anew for each.
    pub(super) fn new(key: [u8; 16]) -> Self {
        Self { key, right: HashMap::new(), wrong: HashMap::new() }
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

    /// Whether the pair was right, if that is known.
    pub(super) fn find(&self, tag: Tag, now: Instant) -> Option<bool> {
        let lasts = |until: Option<&Instant>| until.is_some_and(|until| now < *until);
        if lasts(self.right.get(&tag)) {
            return Some(true);
        }
        lasts(self.wrong.get(&tag)).then_some(false)
    }

    /// Notes what was found. Where there is no room it is not noted.
    pub(super) fn note(&mut self, tag: Tag, fits: bool, now: Instant) {
        let (pairs, lasts) = if fits { (&mut self.right, RIGHT) } else { (&mut self.wrong, WRONG) };
        if pairs.len() >= BOUND {
            pairs.retain(|_, until| now < *until);
        }
        if pairs.len() < BOUND {
            pairs.insert(tag, now + lasts);
        }
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
        let (mut remembered, start) = (Remembered::new([1; 16]), Instant::now());
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let (right, wrong) = (remembered.tag(&credentials("a", "b")), remembered.tag(&credentials("a", "c")));
        remembered.note(right, true, start);
        remembered.note(wrong, false, start);
        assert_eq!(
            (remembered.find(right, after(299)), remembered.find(right, after(300))),
            (Some(true), None)
        );
        assert_eq!(
            (remembered.find(wrong, after(9)), remembered.find(wrong, after(10))),
            (Some(false), None)
        );
        let others = [credentials("ab", ""), credentials("", "ab"), credentials("A", "b")];
        assert!(others.iter().all(|other| remembered.find(remembered.tag(other), start).is_none()));
        assert_ne!(Remembered::new([2; 16]).tag(&credentials("a", "b")), right);
    }

    #[test]
    fn a_flood_of_wrong_pairs_takes_no_more_than_its_room() {
        let (mut remembered, start) = (Remembered::new([1; 16]), Instant::now());
        let right = remembered.tag(&credentials("a", "b"));
        remembered.note(right, true, start);
        for number in 0..2 * BOUND {
            let tag = remembered.tag(&credentials("a", &number.to_string()));
            remembered.note(tag, false, start);
        }
        assert_eq!((remembered.wrong.len(), remembered.find(right, start)), (BOUND, Some(true)));
        let late = remembered.tag(&credentials("a", "late"));
        remembered.note(late, false, start + WRONG);
        assert_eq!((remembered.wrong.len(), remembered.find(late, start + WRONG)), (1, Some(false)));
    }
}
