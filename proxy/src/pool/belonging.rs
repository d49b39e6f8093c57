//! Whom clients belong to: by the name of a member in their cookie, by their session, by their address.

use super::Pool;
use super::member::MemberState;
use super::sessions::Session;
use crate::cookies::told::Named;
use std::net::IpAddr;
use std::time::Instant;

impl Pool {
    /// The place of the member that a client of this address belongs to.
    pub(crate) fn own(&self, client: IpAddr, now: Instant) -> Option<usize> {
        self.config.stick?;
        self.place_of(&self.state.member_of(client, now)?)
    }

    /// From here on clients of this address belong to this member, if clients of this pool do.
    pub(crate) fn bind(&self, client: IpAddr, member: &MemberState, now: Instant) {
        if self.config.stick.is_some() {
            self.state.bind(client, &member.name, now);
        }
    }

    /// What a value of the pool's cookie stands for.
    pub(crate) fn named(&self, value: &[u8], now: Instant) -> Named {
        let is_it = |member: &config::model::Member| {
            member.cookie.as_ref().is_some_and(|known| known.as_bytes() == value)
        };
        match self.config.member.iter().position(is_it) {
            Some(place) if self.keeps(place, now) => Named::Member(place),
            Some(_) => Named::Down,
            None => Named::Nobody,
        }
    }

    /// What stands for this value of the application's cookie; none where the pool looks at none.
    pub(crate) fn session(&self, value: &[u8]) -> Option<Session> {
        self.config.app_cookie.as_ref()?;
        self.state.session(value)
    }

    /// The place of the member that a session belongs to.
    pub(crate) fn own_by_session(&self, session: Session, now: Instant) -> Option<usize> {
        self.place_of(&self.state.member_of_session(session, now)?)
    }

    /// From here on the session belongs to this member.
    pub(crate) fn bind_session(&self, session: Session, member: &MemberState, now: Instant) {
        self.state.bind_session(session, &member.name, now);
    }

    /// Whether the member at this place takes clients that belong to it.
    pub(crate) fn keeps(&self, place: usize, now: Instant) -> bool {
        self.at(now).standing(place).takes_its_own()
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|member| member.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{Pick, Wanted};
    use config::model::{AdminState, Check, CheckKind, Cookie, CookieMode, Member};
    use proptest::prelude::*;
    use std::sync::Arc;

    /// Some other members, and the one that the client belongs to, with all that may change about them.
    fn members() -> impl Strategy<Value = Vec<Member>> {
        let other = (any::<bool>(), 0u16..3);
        let others = proptest::collection::btree_map(0u8..8, other, 0..5);
        (
            others,
            any::<bool>(),
            0u16..3,
            0usize..5,
            prop::sample::select(vec![AdminState::Ready, AdminState::Drain]),
        )
            .prop_map(|(others, backup, weight, place, state)| {
                let member = |name: String, last: u8, cookie: String| Member {
                    cookie: Some(cookie),
                    ..Member::new(name, ([192, 0, 2, last], 80).into())
                };
                let mut members: Vec<_> = others
                    .into_iter()
                    .map(|(number, (backup, weight))| Member {
                        backup,
                        weight,
                        ..member(format!("m{number}"), number, format!("s{number}"))
                    })
                    .collect();
                let own = Member { backup, weight, state, ..member("own".to_owned(), 99, "mine".to_owned()) };
                members.insert(place.min(members.len()), own);
                members
            })
    }

    proptest! {
        #[test]
        fn a_client_with_a_cookie_meets_its_member_whatever_changes(
            changes in proptest::collection::vec(members(), 1..6),
        ) {
            let (now, mut pool) = (Instant::now(), None::<Arc<Pool>>);
            for member in changes {
                let config = config::model::Pool {
                    check: Check { kind: CheckKind::Off, ..Check::default() },
                    cookie: Some(Cookie::new("SRV", CookieMode::Insert)),
                    ..config::model::Pool::new("web", member)
                };
                let next = Arc::new(Pool::new(&config, None, pool.as_deref(), 1));
                next.put_in_force();
                let Named::Member(place) = next.named(b"mine", now) else { panic!("it takes its own") };
                let wanted = Wanted { client: None, own: Some(place), tried: &[], now };
                let Pick::Seat(lease) = next.take(&wanted, &mut || 0) else { panic!("there is room") };
                prop_assert_eq!(&lease.member().name, "own");
                prop_assert_eq!(next.named(b"min", now), Named::Nobody);
                pool = Some(next);
            }
        }
    }
}
