//! The members of a pool at one moment, as picking sees them.

use super::balance::{Draw, Field, WHOLE};
use super::standing::{self, Standing, Tier};
use super::{MemberId, Pool, Tuning, Wanted};
use arc_swap::Guard;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The members of a pool at one moment.
pub(super) struct Moment<'a> {
    pub(super) pool: &'a Pool,
    pub(super) tuning: Guard<Arc<Tuning>>,
    pub(super) now: Instant,
}

impl Moment<'_> {
    pub(super) fn standing(&self, place: usize) -> Standing {
        let (config, member) = (&self.pool.config, &self.pool.members[place]);
        let terms = self.tuning.terms[place];
        Standing {
            state: terms.state,
            weight: terms.weight,
            backup: config.member[place].backup,
            status: member.status(),
            ejected: self.pool.has_ejected(member, self.now),
        }
    }

    /// The first tier that has a member which was not tried.
    pub(super) fn tier(&self, tried: &[MemberId]) -> Option<Tier> {
        let members = &self.pool.members;
        let mut lowest = None;
        for place in (0..members.len()).filter(|place| !tried.contains(&members[*place].id)) {
            let tier = self.standing(place).tier();
            if tier == Some(Tier::First) {
                return tier;
            }
            lowest = lowest.into_iter().chain(tier).min();
        }
        lowest
    }
}

/// The members that may be had at this moment.
pub(super) struct Candidates<'a> {
    moment: &'a Moment<'a>,
    wanted: &'a Wanted<'a>,
    pub(super) tier: Option<Tier>,
    pub(super) only_with_room: bool,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(moment: &'a Moment<'a>, wanted: &'a Wanted<'a>) -> Self {
        Self { moment, wanted, tier: moment.tier(wanted.tried), only_with_room: false }
    }

    fn has_room(&self, place: usize) -> bool {
        let limit = self.moment.pool.config.member[place].max_connections;
        limit.is_none_or(|limit| self.load(place) < u64::from(limit))
    }
}

impl Field for Candidates<'_> {
    fn usable(&self, member: usize) -> bool {
        let tier = self.moment.standing(member).tier();
        tier.is_some()
            && tier == self.tier
            && !self.wanted.tried.contains(&self.moment.pool.members[member].id)
            && (!self.only_with_room || self.has_room(member))
    }

    fn part(&self, member: usize) -> u16 {
        let pool = self.moment.pool;
        if pool.config.slow_start.is_zero() {
            return WHOLE;
        }
        standing::part(pool.members[member].back_for(self.wanted.now), pool.config.slow_start)
    }

    fn load(&self, member: usize) -> u64 {
        self.moment.pool.members[member].load()
    }
}

pub(super) struct Lots<'a> {
    pub(super) pool: &'a Pool,
    /// Where a second try looks on from. It takes nobody's turn: with two members it would else take every second
    /// one, and each client would begin at the member that refuses.
    pub(super) ahead: Option<u64>,
    pub(super) random: &'a mut dyn FnMut() -> u64,
}

impl Draw for Lots<'_> {
    fn turn(&mut self) -> u64 {
        match &mut self.ahead {
            Some(turn) => {
                *turn = turn.wrapping_add(1);
                turn.wrapping_sub(1)
            }
            None => self.pool.turn.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn random(&mut self) -> u64 {
        (self.random)()
    }
}
