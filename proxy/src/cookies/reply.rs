//! What an answer says of the member to the client.

use super::crumbs::crumbs;
use super::state::Answered;
use super::told::Told;
use super::{Change, PREFIX_END, dated, spliced};
use config::model::{Cookie, CookieMode, SameSite};
use std::ops::Range;

/// The cookies of one answer.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    cookie: &'a Cookie,
    told: &'a Told,
    /// What names the member that answers; it may have nothing.
    member: Option<&'a str>,
    /// For the log.
    pub answered: Answered,
}

impl<'a> Reply<'a> {
    /// `told` is what the request said, if `member` is the one that it belongs to, or was made to forget it.
    #[must_use]
    pub const fn new(cookie: &'a Cookie, told: &'a Told, member: Option<&'a str>) -> Self {
        Self { cookie, told, member, answered: Answered::None }
    }

    /// Whether the client came by the cookie.
    const fn is_direct(&self) -> bool {
        self.told.member.is_some()
    }

    /// Hears one `Set-Cookie` field of the member, and says how it goes on to the client.
    pub fn hear(&mut self, field: &[u8]) -> Change {
        // All behind the first semicolon is about this cookie.
        let value = crumbs(field).next().and_then(|first| first.value_of(field, &self.cookie.name));
        let Some(value) = value else { return Change::Keep };
        let inserts = self.cookie.mode == CookieMode::Insert;
        let (answered, change) = if self.cookie.preserve {
            (Answered::Passed, Change::Keep)
        } else if inserts || (self.is_direct() && self.cookie.indirect) {
            (Answered::Deleted, Change::Remove)
        } else if let Some(replaced) = self.named(field, value) {
            (Answered::Rewritten, Change::Replace(replaced))
        } else {
            (Answered::Passed, Change::Keep)
        };
        self.answered = answered;
        change
    }

    /// The field with the member's name at this value, where the file has it there.
    fn named(&self, field: &[u8], value: Range<usize>) -> Option<Vec<u8>> {
        let member = self.member?;
        match self.cookie.mode {
            CookieMode::Prefix => {
                let prefix = [member.as_bytes(), &[PREFIX_END]].concat();
                Some(spliced(field, value.start..value.start, &prefix))
            }
            CookieMode::Rewrite => Some(spliced(field, value, member.as_bytes())),
            CookieMode::Insert | CookieMode::Passive => None,
        }
    }

    /// The `Set-Cookie` field that the proxy adds at `now` seconds since 1970, if it does. Asked when all fields of the
    /// member were heard.
    pub fn own(&mut self, is_post: bool, now: u64) -> Option<Vec<u8>> {
        let cookie = self.cookie;
        let preserved = self.answered == Answered::Passed;
        if cookie.mode != CookieMode::Insert || preserved || (cookie.postonly && !is_post) {
            return None;
        }
        if self.is_direct() && !self.are_times_old(now) {
            return None;
        }
        let updated = self.is_direct() && self.member.is_some();
        self.answered = if updated { Answered::Updated } else { Answered::Inserted };
        Some(self.written(now))
    }

    /// Whether the times in the cookie of a client that came by it are not what they should be.
    fn are_times_old(&self, now: u64) -> bool {
        let Told { last, first, .. } = *self.told;
        let seen = last.is_none_or(|last| last < now);
        (seen && (self.cookie.max_idle.is_some() || last.is_some()))
            || self.cookie.max_life.is_some() != first.is_some()
    }

    fn written(&self, now: u64) -> Vec<u8> {
        let cookie = self.cookie;
        let mut field = [cookie.name.as_bytes(), b"="].concat();
        if let Some(member) = self.member {
            field.extend_from_slice(member.as_bytes());
            if cookie.max_idle.is_some() || cookie.max_life.is_some() {
                dated::write(&mut field, dated::rounded(now));
            }
            if cookie.max_life.is_some() {
                dated::write(&mut field, self.told.first.unwrap_or_else(|| dated::rounded(now)));
            }
        } else {
            // The client is to forget the member that it had.
            field.extend_from_slice(b"; Expires=Thu, 01-Jan-1970 00:00:01 GMT");
        }
        field.extend_from_slice(b"; path=/");
        for domain in &cookie.domain {
            field.extend_from_slice(b"; domain=");
            field.extend_from_slice(domain.as_bytes());
        }
        if cookie.httponly {
            field.extend_from_slice(b"; HttpOnly");
        }
        if cookie.secure {
            field.extend_from_slice(b"; Secure");
        }
        let same_site: &[u8] = match cookie.same_site {
            Some(SameSite::Strict) => b"; SameSite=Strict",
            Some(SameSite::Lax) => b"; SameSite=Lax",
            Some(SameSite::None) => b"; SameSite=None",
            None => b"",
        };
        field.extend_from_slice(same_site);
        field
    }
}

/// Whether this `Cache-Control` field keeps shared caches from storing the answer (RFC 9111 §5.2.2).
#[must_use]
pub fn keeps_private(field: &[u8]) -> bool {
    let directives = field.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    directives
        .into_iter()
        .any(|one| one.eq_ignore_ascii_case(b"private") || one.eq_ignore_ascii_case(b"no-store"))
}
