//! Which member a session of the application belongs to, by the value of its cookie. Pure: time comes in.
//!
//! Values are secrets of others and may be long: the table holds keyed fingerprints of 128 bits and no values.

use super::bindings::{Bindings, Bounds};
use config::model::AppCookie;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Instant;

/// What stands for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session(u128);

/// The table of one pool.
#[derive(Debug)]
pub(crate) struct SessionTable {
    config: AppCookie,
    bindings: Bindings<u128>,
    key: (u64, u64),
}

impl SessionTable {
    pub(crate) fn new(config: AppCookie) -> Self {
        // The key of the standard library is drawn at random.
        let random = RandomState::new();
        let key = (random.hash_one(0), random.hash_one(1));
        Self { bindings: Bindings::new(bounds(&config)), config, key }
    }

    /// What stands for this value.
    pub(crate) fn session(&self, value: &[u8]) -> Session {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write(value);
        Session(hasher.finish128().as_u128())
    }

    /// The member that the session belongs to, if its last use was less than `expire` ago. Counts as a use.
    pub(crate) fn find(&mut self, session: Session, now: Instant) -> Option<&str> {
        self.bindings.find(session.0, now)
    }

    /// Remembers whose session it is. None belongs to a name that is no member's.
    pub(crate) fn bind(&mut self, session: Session, member: &str, now: Instant) {
        self.bindings.bind(session.0, member, now);
    }

    /// Goes on with another configuration and these members. Other values are other sessions, so then all is forgotten.
    pub(crate) fn adapt<'a>(&mut self, config: &AppCookie, members: impl Iterator<Item = &'a str>) {
        let values = |config: &AppCookie| (config.name.clone(), config.prefix, config.length);
        if values(config) != values(&self.config) {
            *self = Self::new(config.clone());
        }
        self.config = config.clone();
        self.bindings.adapt(bounds(config), members);
    }

    /// Sessions held, expired ones among them until somebody uses the table.
    pub(crate) fn len(&self) -> usize {
        self.bindings.len()
    }
}

const fn bounds(config: &AppCookie) -> Bounds {
    Bounds { size: config.size, expire: config.expire }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn config(size: u32) -> AppCookie {
        AppCookie {
            name: "SID".to_owned(),
            length: 52,
            expire: Duration::from_secs(60),
            size,
            prefix: false,
            request_learn: false,
            mode: None,
        }
    }

    fn table(size: u32) -> SessionTable {
        let mut table = SessionTable::new(config(size));
        table.adapt(&config(size), ["a", "b"].into_iter());
        table
    }

    #[test]
    fn a_session_belongs_to_its_member_while_it_is_used() {
        let (mut table, start, second) = (table(10), Instant::now(), Duration::from_secs(1));
        let (one, two) = (table.session(b"one"), table.session(b"two"));
        table.bind(one, "a", start);
        table.bind(two, "b", start);
        table.bind(two, "gone", start);
        assert_eq!(table.find(one, start + 59 * second), Some("a"));
        assert_eq!(table.find(one, start + 118 * second), Some("a"), "a use puts it off");
        assert_eq!(table.find(two, start + 118 * second), None);
        assert_eq!(table.find(table.session(b"on"), start), None);
    }

    #[test]
    fn a_full_table_forgets_the_longest_unused() {
        let (mut table, start) = (table(2), Instant::now());
        for value in [&b"1"[..], b"2", b"3"] {
            table.bind(table.session(value), "a", start);
        }
        assert_eq!((table.len(), table.find(table.session(b"1"), start)), (2, None));
    }

    #[test]
    fn sessions_outlive_a_change_that_leaves_their_values_as_they_are() {
        let (mut table, start) = (table(10), Instant::now());
        let session = table.session(b"one");
        table.bind(session, "a", start);
        table.adapt(&AppCookie { request_learn: true, size: 5, ..config(10) }, ["b"].into_iter());
        assert_eq!(table.find(session, start), None, "its member is gone");
        table.adapt(&config(10), ["a", "b"].into_iter());
        assert_eq!(table.find(session, start), Some("a"));
        for other in [
            AppCookie { length: 3, ..config(10) },
            AppCookie { prefix: true, ..config(10) },
            AppCookie { name: "JSESSIONID".to_owned(), ..config(10) },
        ] {
            table.bind(table.session(b"one"), "a", start);
            table.adapt(&other, ["a"].into_iter());
            assert_eq!(table.len(), 0, "{other:?}");
        }
    }
}
