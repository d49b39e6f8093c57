//! Pools and their members as the data path sees them.
//!
//! A [`Pool`] is immutable but for the turn it counts; what lives longer than a configuration is in [`PoolState`] (those
//! who wait, whom clients belong to) and in [`MemberState`] (health, load, counters), which is shared by all
//! configurations that name the same member of the same pool at the same address.

pub(crate) mod attempts;
pub(crate) mod balance;
pub(crate) mod check;
mod ejection;
pub(crate) mod health;
pub(crate) mod line;
mod member;
mod queue;
mod standing;
mod state;
mod stick;

pub(crate) use member::{Lease, MemberId, MemberState};

use addr::fold_mapped;
use balance::{Balancer, Draw, Field, Share, WHOLE};
use config::model::Balance;
use ipnet::IpNet;
use queue::Wish;
use standing::{Standing, Tier};
use state::PoolState;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// One pool of one configuration.
#[derive(Debug)]
pub(crate) struct Pool {
    /// The configuration it was built from.
    pub(crate) config: config::model::Pool,
    /// The members, in the order of the file.
    pub(crate) members: Vec<Arc<MemberState>>,
    pub(crate) state: Arc<PoolState>,
    balancer: Balancer,
    turn: AtomicU64,
}

/// On whose behalf a member is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// None: it has no address.
    pub(crate) client: Option<IpAddr>,
    /// The place of the member that the client belongs to.
    pub(crate) own: Option<usize>,
    /// Members that are out of the question.
    pub(crate) tried: &'a [MemberId],
    pub(crate) now: Instant,
}

/// What comes of picking a member.
#[derive(Debug)]
pub(crate) enum Pick {
    Seat(Lease),
    /// All that may be had are full.
    Full(Wish<MemberId>),
    /// None takes this client.
    Nobody,
}

impl Pool {
    /// Builds a pool; it and members that `previous` has too keep their state.
    pub(crate) fn new(config: &config::model::Pool, previous: Option<&Self>, workers: usize) -> Self {
        let state = previous.map_or_else(Arc::default, |pool| Arc::clone(&pool.state));
        let members = config
            .member
            .iter()
            .map(|member| {
                previous.and_then(|pool| pool.find(member)).unwrap_or_else(|| {
                    Arc::new(MemberState::new(&config.name, member, Arc::clone(&state), workers))
                })
            })
            .collect();
        let shares: Vec<_> =
            config.member.iter().map(|member| Share { name: &member.name, weight: member.weight }).collect();
        Self {
            members,
            state,
            balancer: Balancer::new(config.balance, &shares),
            turn: AtomicU64::new(previous.map_or(0, |pool| pool.turn.load(Ordering::Relaxed))),
            config: config.clone(),
        }
    }

    fn find(&self, wanted: &config::model::Member) -> Option<Arc<MemberState>> {
        self.members
            .iter()
            .find(|member| member.name == wanted.name && member.address == wanted.address)
            .cloned()
    }

    /// This configuration is in force from here on.
    pub(crate) fn put_in_force(self: &Arc<Self>) {
        let names = self.members.iter().map(|member| member.name.as_str());
        self.state.stick_to(self.config.stick.as_ref(), names);
        self.state.line.follow(self);
    }

    /// The place of the member that the client belongs to.
    pub(crate) fn own(&self, client: IpAddr, now: Instant) -> Option<usize> {
        self.config.stick?;
        let name = self.state.member_of(client, now)?;
        self.members.iter().position(|member| member.name == name)
    }

    /// From here on the client belongs to this member, if clients of this pool do.
    pub(crate) fn bind(&self, client: IpAddr, member: &MemberState, now: Instant) {
        if self.config.stick.is_some() {
            self.state.bind(client, &member.name, now);
        }
    }

    /// Takes a place at a member for a client.
    pub(crate) fn take(&self, wanted: &Wanted<'_>, random: &mut dyn FnMut() -> u64) -> Pick {
        if let Some(own) = wanted.own.filter(|own| self.standing(*own, wanted.now).takes_its_own()) {
            return self.take_at(own);
        }
        let mut candidates = Candidates::new(self, wanted);
        if candidates.tier.is_none() {
            return Pick::Nobody;
        }
        let key = wanted.client.map(|client| self.balance_key(client));
        let ahead = (!wanted.tried.is_empty()).then(|| self.turn.load(Ordering::Relaxed));
        let mut lots = Lots { pool: self, ahead, random };
        let by_address = key.is_some() && matches!(self.config.balance, Balance::Source | Balance::Hash);
        candidates.only_with_room = !by_address;
        // A place that another worker takes first makes its member full: each round has one candidate less.
        while let Some(place) = self.balancer.pick(key, &candidates, &mut lots) {
            if by_address {
                return self.take_at(place);
            }
            if let Some(lease) = self.lease(place) {
                return Pick::Seat(lease);
            }
        }
        Pick::Full(Wish::Any)
    }

    fn take_at(&self, place: usize) -> Pick {
        self.lease(place).map_or_else(|| Pick::Full(Wish::At(self.members[place].id)), Pick::Seat)
    }

    fn lease(&self, place: usize) -> Option<Lease> {
        self.members[place].lease(self.config.member[place].max_connections)
    }

    /// What of the client's address `balance` looks at.
    fn balance_key(&self, client: IpAddr) -> IpAddr {
        let client = fold_mapped(client);
        let length = if client.is_ipv6() { self.config.source_prefix_v6 } else { 32 };
        IpNet::new(client, length).map_or(client, |net| net.network())
    }

    fn standing(&self, place: usize, now: Instant) -> Standing {
        let (config, member) = (&self.config.member[place], &self.members[place]);
        Standing {
            state: config.state,
            weight: config.weight,
            backup: config.backup,
            status: member.status(),
            ejected: self.config.passive.is_some() && member.is_ejected(now),
        }
    }

    /// The first tier that has a member which was not tried.
    fn tier(&self, tried: &[MemberId], now: Instant) -> Option<Tier> {
        let mut lowest = None;
        for place in (0..self.members.len()).filter(|place| !tried.contains(&self.members[*place].id)) {
            let tier = self.standing(place, now).tier();
            if tier == Some(Tier::First) {
                return tier;
            }
            lowest = lowest.into_iter().chain(tier).min();
        }
        lowest
    }

    pub(crate) fn place(&self, id: MemberId) -> Option<usize> {
        self.members.iter().position(|member| member.id == id)
    }

    /// Whether every member that takes work was tried.
    pub(crate) fn has_all_tried(&self, tried: &[MemberId], now: Instant) -> bool {
        self.tier(tried, now).is_none()
    }

    /// Whether no member takes work.
    pub(crate) fn is_out(&self) -> bool {
        self.tier(&[], Instant::now()).is_none()
    }
}

/// The members that may be had at this moment.
struct Candidates<'a> {
    pool: &'a Pool,
    wanted: &'a Wanted<'a>,
    tier: Option<Tier>,
    only_with_room: bool,
}

impl<'a> Candidates<'a> {
    fn new(pool: &'a Pool, wanted: &'a Wanted<'a>) -> Self {
        let tier = pool.tier(wanted.tried, wanted.now);
        Self { pool, wanted, tier, only_with_room: false }
    }

    fn has_room(&self, place: usize) -> bool {
        let limit = self.pool.config.member[place].max_connections;
        limit.is_none_or(|limit| self.load(place) < u64::from(limit))
    }
}

impl Field for Candidates<'_> {
    fn usable(&self, member: usize) -> bool {
        let tier = self.pool.standing(member, self.wanted.now).tier();
        tier.is_some()
            && tier == self.tier
            && !self.wanted.tried.contains(&self.pool.members[member].id)
            && (!self.only_with_room || self.has_room(member))
    }

    fn part(&self, member: usize) -> u16 {
        let slow_start = self.pool.config.slow_start;
        if slow_start.is_zero() {
            return WHOLE;
        }
        standing::part(self.pool.members[member].back_for(self.wanted.now), slow_start)
    }

    fn load(&self, member: usize) -> u64 {
        self.pool.members[member].load()
    }
}

struct Lots<'a> {
    pool: &'a Pool,
    /// Where a second try looks on from. It takes nobody's turn: with two members it would else take every second
    /// one, and each client would begin at the member that refuses.
    ahead: Option<u64>,
    random: &'a mut dyn FnMut() -> u64,
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

#[cfg(test)]
mod tests;
