//! What the cookies of one request say of its member.

use super::crumbs::{crumbs, without};
use super::state::Asked;
use super::{Change, PREFIX_END, dated};
use config::model::{Cookie, CookieMode};
use std::ops::Range;
use std::time::Duration;

/// Clocks may differ by so much: a time further ahead is wrong.
const AHEAD: u64 = 86_400;

/// What a value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The member at this place, which takes its own.
    Member(usize),
    /// A member that takes nobody.
    Down,
    /// No member.
    Nobody,
}

/// What was heard so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// For the log.
    pub asked: Asked,
    /// The place of the member that the request belongs to.
    pub member: Option<usize>,
    /// When its client was seen last, in seconds since 1970.
    pub(super) last: Option<u64>,
    /// When its client was seen first.
    pub(super) first: Option<u64>,
}

impl Told {
    /// Hears one `Cookie` field, at `now` seconds since 1970, and says how it goes on to the member. Of several cookies
    /// the first counts that names a member which takes its own.
    pub fn hear(
        &mut self,
        cookie: &Cookie,
        field: &[u8],
        now: u64,
        named: impl Fn(&[u8]) -> Named,
    ) -> Change {
        let values: Vec<_> = crumbs(field).filter_map(|crumb| crumb.value_of(field, &cookie.name)).collect();
        for value in &values {
            self.judge(cookie, &field[value.clone()], now, &named);
        }
        match cookie.mode {
            CookieMode::Insert if cookie.indirect && !values.is_empty() => without(field, &cookie.name),
            CookieMode::Prefix => stripped(field, &values),
            CookieMode::Insert | CookieMode::Rewrite | CookieMode::Passive => Change::Keep,
        }
    }

    fn judge(&mut self, cookie: &Cookie, value: &[u8], now: u64, named: impl Fn(&[u8]) -> Named) {
        if self.member.is_some() {
            return;
        }
        let (member, last, first) = if cookie.mode == CookieMode::Prefix {
            (value.split(|byte| *byte == PREFIX_END).next().unwrap_or_default(), None, None)
        } else {
            let read = dated::read(value);
            (read.member, read.last, read.first)
        };
        if is_over(first, cookie.max_life, now) {
            (self.asked, self.last, self.first) = (Asked::Old, None, None);
            return;
        }
        if is_over(last, cookie.max_idle, now) {
            (self.asked, self.last, self.first) = (Asked::Expired, None, None);
            return;
        }
        (self.last, self.first) = (last.or(self.last), first.or(self.first));
        let named = if member.is_empty() { Named::Nobody } else { named(member) };
        match named {
            Named::Member(place) => (self.asked, self.member) = (Asked::Valid, Some(place)),
            Named::Down => self.asked = Asked::Down,
            Named::Nobody if self.asked == Asked::None => self.asked = Asked::Invalid,
            Named::Nobody => {}
        }
    }

    /// The request went to another member than it asked for.
    pub fn redispatched(&mut self) {
        if self.asked == Asked::Valid {
            self.asked = Asked::Down;
        }
        self.member = None;
    }
}

/// The field with these values without the members ahead of them.
fn stripped(field: &[u8], values: &[Range<usize>]) -> Change {
    let (mut left, mut at) = (Vec::new(), 0);
    for value in values {
        let Some(end) = field[value.clone()].iter().position(|byte| *byte == PREFIX_END) else { continue };
        left.extend_from_slice(&field[at..value.start]);
        at = value.start + end + 1;
    }
    if at == 0 {
        return Change::Keep;
    }
    left.extend_from_slice(&field[at..]);
    Change::Replace(left)
}

/// Whether more than `limit` has passed since `time`, or `time` cannot be.
fn is_over(time: Option<u64>, limit: Option<Duration>, now: u64) -> bool {
    let (Some(time), Some(limit)) = (time, limit) else { return false };
    now.saturating_sub(time) > limit.as_secs() || time.saturating_sub(now) > AHEAD
}
