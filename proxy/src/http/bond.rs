//! Whom a request belongs to by its cookies, and what its answer tells the client of it.
//!
//! The cookie of the pool decides before that of the application; where neither says anything, the client's address does,
//! which is the pool's business. What is read and written is in [`crate::cookies`].

use super::exchange::Exchange;
use crate::clock::now;
use crate::cookies::Change;
use crate::cookies::reply::{Reply, keeps_private};
use crate::cookies::session;
use crate::cookies::state::{Answered, State};
use crate::cookies::told::Told;
use crate::pool::{MemberId, MemberState, Pool, Session};
use bytes::Bytes;
use config::model::AppCookie;
use hyper::header::{CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use hyper::{Method, Uri};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Of one request.
pub(super) struct Bond {
    /// What its cookies say of the member, in a pool with a cookie.
    told: Told,
    /// To be remembered with the member that answers.
    session: Option<Session>,
    /// The member that it belongs to.
    own: Option<MemberId>,
    is_post: bool,
    /// Who has it, by this configuration.
    with: Option<(Arc<Pool>, Arc<MemberState>)>,
}

impl Bond {
    /// Reads what a request says, and takes out of it what its member does not see.
    pub(super) fn of(
        exchange: &Exchange,
        pool: &Pool,
        (method, uri, headers): (&Method, &Uri, &mut HeaderMap),
    ) -> Self {
        let mut bond = Self {
            told: Told::default(),
            session: None,
            own: None,
            is_post: method == Method::POST,
            with: None,
        };
        let moment = now();
        let mut place = None;
        if let Some(cookie) = &pool.config.cookie {
            let (today, told) = (seconds(), &mut bond.told);
            let named = |value: &[u8]| pool.named(value, moment);
            change(headers, &COOKIE, |field| told.hear(cookie, field, today, named));
            exchange.cookies.set(State::told(cookie, told.asked, Answered::None));
            place = told.member;
        }
        if let Some(cookie) = &pool.config.app_cookie {
            let (session, known) = asked_session(pool, cookie, (uri, headers), moment);
            bond.session = session.filter(|_| known.is_some() || cookie.request_learn);
            place = place.or(known.filter(|place| pool.keeps(*place, moment)));
        }
        bond.own = place.map(|place| pool.members[place].id);
        bond
    }

    /// The member that it belongs to, if that takes its own.
    pub(super) const fn own(&self) -> Option<MemberId> {
        self.own
    }

    /// It goes to this member, by this configuration.
    pub(super) fn goes_to(&mut self, exchange: &Exchange, pool: &Arc<Pool>, member: &Arc<MemberState>) {
        if self.told.member.is_some() && self.own != Some(member.id) {
            self.told.redispatched();
            let told = |cookie| State::told(cookie, self.told.asked, Answered::None);
            exchange.cookies.set(pool.config.cookie.as_ref().and_then(told));
        }
        if pool.config.cookie.is_some() || pool.config.app_cookie.is_some() {
            self.with = Some((Arc::clone(pool), Arc::clone(member)));
        }
    }

    /// Changes the head of the answer, and remembers what it tells.
    pub(super) fn answered(self, exchange: &Exchange, headers: &mut HeaderMap) {
        let Some((pool, member)) = &self.with else { return };
        if let Some(cookie) = &pool.config.app_cookie {
            let fields = headers.get_all(SET_COOKIE);
            let begun = fields.iter().find_map(|field| session::of_answer(cookie, field.as_bytes()));
            let session = begun.and_then(|value| pool.session(value)).or(self.session);
            if let Some(session) = session {
                pool.bind_session(session, member, now());
            }
        }
        let Some(cookie) = &pool.config.cookie else { return };
        let name = pool.place(member.id).and_then(|place| pool.config.member[place].cookie.as_deref());
        let mut reply = Reply::new(cookie, &self.told, name);
        change(headers, &SET_COOKIE, |field| reply.hear(field));
        if let Some(own) = reply.own(self.is_post, seconds()) {
            headers.append(SET_COOKIE, value(own));
            let cached = |field: &HeaderValue| !keeps_private(field.as_bytes());
            if cookie.nocache && headers.get_all(CACHE_CONTROL).iter().all(cached) {
                headers.append(CACHE_CONTROL, HeaderValue::from_static("private"));
            }
        }
        exchange.cookies.set(State::told(cookie, self.told.asked, reply.answered));
    }
}

/// The session that a request is of, and the place of the member that it belongs to: the first that is known, else the
/// first.
fn asked_session(
    pool: &Pool,
    cookie: &AppCookie,
    (uri, headers): (&Uri, &HeaderMap),
    now: Instant,
) -> (Option<Session>, Option<usize>) {
    let fields = headers.get_all(COOKIE).iter();
    let in_cookies = fields.flat_map(|field| session::of_request(cookie, field.as_bytes()));
    let in_target = session::of_target(cookie, uri.path(), uri.query());
    let mut first = None;
    for value in in_cookies.chain(in_target) {
        let Some(session) = pool.session(value) else { continue };
        if let Some(place) = pool.own_by_session(session, now) {
            return (Some(session), Some(place));
        }
        first = first.or(Some(session));
    }
    (first, None)
}

/// Changes all fields of a name.
fn change(headers: &mut HeaderMap, name: &HeaderName, mut hear: impl FnMut(&[u8]) -> Change) {
    let mut changed = false;
    let mut left = Vec::new();
    for field in headers.get_all(name) {
        match hear(field.as_bytes()) {
            Change::Keep => left.push(field.clone()),
            Change::Replace(field) => {
                changed = true;
                left.push(value(field));
            }
            Change::Remove => changed = true,
        }
    }
    if changed {
        headers.remove(name);
        for field in left {
            headers.append(name, field);
        }
    }
}

fn value(field: Vec<u8>) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(field))
        .expect("parts of header values and of the configuration's texts make a header value")
}

/// Since 1970.
fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
