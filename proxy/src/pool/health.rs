//! Whether a member may be given work, from the checks of it. Pure: it sees outcomes, never sockets or clocks.
//!
//! ```text
//! Unchecked --first check--> Up or Down     Up --`fall` bad in a row--> Down     Down --`rise` good in a row--> Up
//! ```
//!
//! Choice: a member that no check has seen counts as up, so that a change of configuration never empties a pool, and
//! its first check decides alone, so that a dead one is in for one check at most.
//!
//! Checks follow each other quickly while the status is in doubt: see [`Health::is_settled`].

/// What is known of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// No check has ended yet.
    Unchecked,
    /// It takes work.
    Up,
    /// It is left out.
    Down,
}

/// What one check saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The member answered.
    Good,
    /// The member did not answer, or wrongly.
    Bad,
    /// The check failed for a reason on this side, such as no free file descriptor: it says nothing of the member.
    Inconclusive,
}

/// What one check saw, in a word and in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    pub(crate) why: String,
}

impl Verdict {
    pub(crate) fn good(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Good, why: why.into() }
    }

    pub(crate) fn bad(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Bad, why: why.into() }
    }

    pub(crate) fn inconclusive(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Inconclusive, why: why.into() }
    }
}

/// The state machine of one member.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    status: Status,
    /// Checks in a row that contradict the status.
    against: u32,
    rise: u32,
    fall: u32,
}

impl Health {
    /// Goes on from a status, with these limits; 0 counts as 1.
    pub(crate) fn new(status: Status, rise: u32, fall: u32) -> Self {
        Self { status, against: 0, rise: rise.max(1), fall: fall.max(1) }
    }

    /// Whether the latest check agrees with the status: it is known, and no row against it has begun.
    pub(crate) fn is_settled(&self) -> bool {
        self.status != Status::Unchecked && self.against == 0
    }

    /// Takes in one check and says the new status if it changed.
    pub(crate) fn observe(&mut self, outcome: Outcome) -> Option<Status> {
        let seen = match outcome {
            Outcome::Good => Status::Up,
            Outcome::Bad => Status::Down,
            Outcome::Inconclusive => return None,
        };
        if seen == self.status {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let needed = match self.status {
            Status::Unchecked => 1,
            Status::Up => self.fall,
            Status::Down => self.rise,
        };
        if self.against < needed {
            return None;
        }
        self.against = 0;
        self.status = seen;
        Some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outcome(sign: char) -> Outcome {
        match sign {
            '+' => Outcome::Good,
            '-' => Outcome::Bad,
            _ => Outcome::Inconclusive,
        }
    }

    /// Feeds checks (`+` good, `-` bad, `?` inconclusive) and compares the statuses after each: `u`p, `d`own, `.` unchecked.
    fn check(rise: u32, fall: u32, checks: &str, expect: &str) {
        let mut health = Health::new(Status::Unchecked, rise, fall);
        let mut status = Status::Unchecked;
        let seen: String = checks
            .chars()
            .map(|sign| {
                status = health.observe(outcome(sign)).unwrap_or(status);
                match status {
                    Status::Unchecked => '.',
                    Status::Up => 'u',
                    Status::Down => 'd',
                }
            })
            .collect();
        assert_eq!(seen, expect, "{checks} with rise {rise}, fall {fall}");
    }

    #[test]
    fn the_first_check_decides_alone() {
        check(3, 3, "+", "u");
        check(3, 3, "-", "d");
    }

    #[test]
    fn checks_in_a_row_turn_a_member() {
        check(2, 3, "+---+--+++", "uuuddddduu");
        check(2, 3, "+--+--+---", "uuuuuuuuud");
        check(1, 1, "+-+-", "udud");
    }

    #[test]
    fn limits_of_zero_count_as_one() {
        check(0, 0, "+-+", "udu");
    }

    #[test]
    fn inconclusive_checks_change_nothing() {
        check(2, 2, "??+-?-?+?+", "..uuuddddu");
    }

    /// Feeds checks and compares after each whether the next one is in no hurry (`s`) or is (`f`).
    fn check_pace(checks: &str, expect: &str) {
        let mut health = Health::new(Status::Unchecked, 2, 3);
        assert!(!health.is_settled(), "nothing is known yet");
        let pace: String = checks
            .chars()
            .map(|sign| {
                health.observe(outcome(sign));
                if health.is_settled() { 's' } else { 'f' }
            })
            .collect();
        assert_eq!(pace, expect, "{checks}");
    }

    #[test]
    fn checks_hurry_while_the_status_is_in_doubt() {
        check_pace("+++", "sss");
        check_pace("+-+--+---", "sfsffsffs");
        check_pace("--+-++", "ssfsfs");
        check_pace("?+?-??-?-", "fssfffffs");
    }

    #[test]
    fn a_known_status_is_kept_over_new_limits() {
        let mut health = Health::new(Status::Down, 2, 2);
        assert_eq!(health.observe(Outcome::Good), None);
        assert_eq!(health.observe(Outcome::Good), Some(Status::Up));
    }

    proptest! {
        #[test]
        fn every_change_follows_a_full_row_of_contrary_checks(
            rise in 1_u32..5, fall in 1_u32..5, checks in prop::collection::vec(any::<bool>(), 1..200),
        ) {
            let mut health = Health::new(Status::Unchecked, rise, fall);
            let mut status = Status::Unchecked;
            for (place, good) in checks.iter().enumerate() {
                let outcome = if *good { Outcome::Good } else { Outcome::Bad };
                let changed = health.observe(outcome);
                // In no hurry exactly while the latest check says what the status is.
                let agrees = *good == (changed.unwrap_or(status) == Status::Up);
                prop_assert_eq!(health.is_settled(), agrees);
                if let Some(new) = changed {
                    prop_assert_ne!(new, status);
                    let row = match status {
                        Status::Unchecked => 1,
                        Status::Up => fall as usize,
                        Status::Down => rise as usize,
                    };
                    let want = new == Status::Up;
                    prop_assert!(checks[place + 1 - row..=place].iter().all(|check| *check == want));
                    status = new;
                }
            }
        }
    }
}
