//! Pools and their members as the data path sees them.
//!
//! A [`Pool`] is immutable but for the turn it counts and for what an operator wants of its members; what lives longer
//! than a configuration is in [`PoolState`] (those who wait, whom clients belong to) and in [`MemberState`] (health, load, counters), which is shared by all
//! configurations that name the same member of the same pool at the same address.

pub(crate) mod attempts;
pub(crate) mod balance;
mod belonging;
mod bindings;
pub(crate) mod check;
mod ejection;
pub(crate) mod health;
pub(crate) mod line;
mod member;
mod moment;
mod queue;
mod sessions;
mod settings;
mod standing;
mod state;
mod stick;

pub(crate) use member::{Lease, MemberId, MemberState};
pub(crate) use sessions::Session;
pub(crate) use settings::{Setting, Terms};

use crate::origination::{Origination, Secured};
use addr::fold_mapped;
use arc_swap::ArcSwap;
use balance::{Balancer, Field, Share};
use config::model::Balance;
use ipnet::IpNet;
use moment::{Candidates, Lots, Moment};
use queue::Wish;
use state::PoolState;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What becomes of clients when no member takes work.
pub(crate) const NOBODY_LEFT: &str = "pool has no member left: its listeners turn clients away";

/// One pool of one configuration.
#[derive(Debug)]
pub(crate) struct Pool {
    /// The configuration it was built from.
    pub(crate) config: config::model::Pool,
    /// The members, in the order of the file.
    pub(crate) members: Vec<Arc<MemberState>>,
    pub(crate) state: Arc<PoolState>,
    pub(crate) origination: Option<Arc<Origination>>,
    /// What a connection to each member needs beside its address, in their order; empty without TLS.
    secured: Vec<Arc<Secured>>,
    tuning: ArcSwap<Tuning>,
    turn: AtomicU64,
    /// Greater than that of every configuration of the pool before it.
    generation: u64,
}

/// A member that the pool does not have.
#[derive(Debug, thiserror::Error)]
#[error("the configuration of the pool has no such member")]
pub(crate) struct Stranger;

/// What is wanted of the members, by the file and by an operator, and how they are picked by that.
#[derive(Debug)]
struct Tuning {
    terms: Vec<Terms>,
    balancer: Balancer,
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

/// How a client stands with the member that serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bond {
    /// It stays.
    Kept,
    /// Another member is better, if there is one.
    Loose,
    /// The member serves nobody, or is no member.
    Cut,
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
    pub(crate) fn new(
        config: &config::model::Pool,
        origination: Option<&Arc<Origination>>,
        previous: Option<&Self>,
        workers: usize,
    ) -> Self {
        let state =
            previous.map_or_else(|| Arc::new(PoolState::new(workers)), |pool| Arc::clone(&pool.state));
        let members: Vec<_> = config
            .member
            .iter()
            .map(|member| {
                previous.and_then(|pool| pool.find(member)).unwrap_or_else(|| {
                    Arc::new(MemberState::new(&config.name, member, Arc::clone(&state), workers))
                })
            })
            .collect();
        let same = previous.filter(|pool| pool.has_origination(origination));
        let secured = |(origination, member): (&Arc<Origination>, &Arc<MemberState>)| {
            let known = same.and_then(|pool| pool.secured(member.id).ok().flatten()).cloned();
            known.unwrap_or_else(|| Arc::new(origination.to_member(member.address.ip())))
        };
        let secured = origination
            .into_iter()
            .flat_map(|origination| members.iter().map(move |member| (origination, member)))
            .map(secured)
            .collect();
        let terms = state.settings().all(&config.member);
        let tuning = ArcSwap::from_pointee(Tuning::new(config, terms));
        Self {
            members,
            state,
            origination: origination.cloned(),
            secured,
            tuning,
            turn: AtomicU64::new(previous.map_or(0, |pool| pool.turn.load(Ordering::Relaxed))),
            generation: previous.map_or(0, |pool| pool.generation + 1),
            config: config.clone(),
        }
    }

    /// Whether it is what would be built.
    pub(crate) fn is_same(
        &self,
        config: &config::model::Pool,
        origination: Option<&Arc<Origination>>,
    ) -> bool {
        self.config == *config && self.has_origination(origination)
    }

    fn has_origination(&self, other: Option<&Arc<Origination>>) -> bool {
        self.origination.as_ref().map(Arc::as_ptr) == other.map(Arc::as_ptr)
    }

    /// What a connection to a member needs beside its address, where the pool has TLS.
    ///
    /// # Errors
    ///
    /// The member is not of this configuration, which so cannot say whether it is spoken to in clear.
    pub(crate) fn secured(&self, member: MemberId) -> Result<Option<&Arc<Secured>>, Stranger> {
        self.place(member).map(|place| self.secured_at(place)).ok_or(Stranger)
    }

    /// The same of the member at this place.
    pub(crate) fn secured_at(&self, place: usize) -> Option<&Arc<Secured>> {
        self.secured.get(place)
    }

    fn find(&self, wanted: &config::model::Member) -> Option<Arc<MemberState>> {
        self.members
            .iter()
            .find(|member| member.name == wanted.name && member.address == wanted.address)
            .cloned()
    }

    /// This configuration is in force from here on.
    pub(crate) fn put_in_force(self: &Arc<Self>) {
        self.state.stick_to(&self.config);
        self.state.settings().follow(&self.config.member);
        // An operator may have changed his mind since this configuration was made.
        self.tune();
        self.state.line.follow(self);
    }

    /// From here on an operator wants this of the member at `place`.
    pub(crate) fn set(&self, place: usize, setting: Setting) {
        self.state.settings().add(&self.config.member[place], setting);
        self.tune();
        self.state.line.look_again();
    }

    fn tune(&self) {
        let terms = self.state.settings().all(&self.config.member);
        if terms != self.tuning.load().terms {
            self.tuning.store(Arc::new(Tuning::new(&self.config, terms)));
        }
    }

    /// What is wanted of each member, in their order.
    pub(crate) fn terms(&self) -> Vec<Terms> {
        self.tuning.load().terms.clone()
    }

    /// Takes a place at a member for a client.
    pub(crate) fn take(&self, wanted: &Wanted<'_>, random: &mut dyn FnMut() -> u64) -> Pick {
        let moment = self.at(wanted.now);
        if let Some(own) = wanted.own.filter(|own| moment.standing(*own).takes_its_own()) {
            return self.take_at(own);
        }
        let mut candidates = Candidates::new(&moment, wanted);
        if candidates.tier.is_none() {
            return Pick::Nobody;
        }
        let key = wanted.client.map(|client| self.balance_key(client));
        let ahead = (!wanted.tried.is_empty()).then(|| self.turn.load(Ordering::Relaxed));
        let mut lots = Lots { pool: self, ahead, random };
        let by_address = key.is_some() && matches!(self.config.balance, Balance::Source | Balance::Hash);
        candidates.only_with_room = !by_address;
        // A place that another worker takes first makes its member full: each round has one candidate less.
        while let Some(place) = moment.tuning.balancer.pick(key, &candidates, &mut lots) {
            if by_address {
                return self.take_at(place);
            }
            if let Some(lease) = self.lease(place) {
                return Pick::Seat(lease);
            }
        }
        Pick::Full(Wish::Any(each_once(wanted.tried)))
    }

    fn take_at(&self, place: usize) -> Pick {
        self.lease(place).map_or_else(|| Pick::Full(Wish::At(self.members[place].id)), Pick::Seat)
    }

    fn lease(&self, place: usize) -> Option<Lease> {
        self.members[place].lease(self.config.member[place].max_connections)
    }

    /// How clients stand that this member serves.
    pub(crate) fn bond(&self, member: MemberId, now: Instant) -> Bond {
        let Some(place) = self.place(member) else { return Bond::Cut };
        let standing = self.at(now).standing(place);
        match (standing.takes_its_own(), standing.is_in_service()) {
            (true, _) => Bond::Kept,
            (false, true) => Bond::Loose,
            (false, false) => Bond::Cut,
        }
    }

    /// The member has failed a client: not reached, or no whole answer came.
    /// Says for how long that has ejected it.
    pub(crate) fn blame(&self, member: &MemberState, now: Instant) -> Option<Duration> {
        let ejected_for = member.failed_a_client(self.config.passive.as_ref()?, now)?;
        let (pool, member) = (&member.pool, &member.name);
        tracing::warn!(pool, member, ?ejected_for, "member failed too many clients and is ejected");
        Some(ejected_for)
    }

    /// What of the client's address `balance` looks at.
    fn balance_key(&self, client: IpAddr) -> IpAddr {
        let client = fold_mapped(client);
        let length = if client.is_ipv6() { self.config.source_prefix_v6 } else { 32 };
        IpNet::new(client, length).map_or(client, |net| net.network())
    }

    /// The members as they stand at this moment.
    fn at(&self, now: Instant) -> Moment<'_> {
        Moment { pool: self, tuning: self.tuning.load(), now }
    }

    pub(crate) fn place(&self, id: MemberId) -> Option<usize> {
        self.members.iter().position(|member| member.id == id)
    }

    /// Whether every member that takes work was tried.
    pub(crate) fn has_all_tried(&self, tried: &[MemberId], now: Instant) -> bool {
        self.at(now).tier(tried).is_none()
    }

    /// Whether there is one that may be had in the place of those tried: no backup of theirs, and with room.
    pub(crate) fn has_another(&self, tried: &[MemberId], now: Instant) -> bool {
        let moment = self.at(now);
        let wanted = Wanted { client: None, own: None, tried, now };
        let mut others = Candidates::new(&moment, &wanted);
        others.only_with_room = true;
        others.tier == moment.tier(&[]) && (0..self.members.len()).any(|place| others.usable(place))
    }

    /// The members that take new work, backups included.
    pub(crate) fn taking_work(&self) -> usize {
        let moment = self.at(Instant::now());
        (0..self.members.len()).filter(|place| moment.standing(*place).tier().is_some()).count()
    }

    /// Whether it leaves the member out because clients fared badly there.
    pub(crate) fn has_ejected(&self, member: &MemberState, now: Instant) -> bool {
        self.ejected_for(member, now).is_some()
    }

    /// How long it has left the member out for that, if it does.
    pub(crate) fn ejected_for(&self, member: &MemberState, now: Instant) -> Option<Duration> {
        self.config.passive.as_ref().and_then(|_| member.ejected_for(now))
    }

    /// Whether no member takes work.
    pub(crate) fn is_out(&self) -> bool {
        self.at(Instant::now()).tier(&[]).is_none()
    }

    /// The same, which the log then says.
    pub(crate) fn warn_if_out(&self) -> bool {
        let is_out = self.is_out();
        if is_out {
            tracing::warn!(pool = self.config.name, "{NOBODY_LEFT}");
        }
        is_out
    }
}

impl Tuning {
    fn new(config: &config::model::Pool, terms: Vec<Terms>) -> Self {
        let shares: Vec<_> = config
            .member
            .iter()
            .zip(&terms)
            .map(|(member, terms)| Share { name: &member.name, weight: terms.weight })
            .collect();
        Self { balancer: Balancer::new(config.balance, &shares), terms }
    }
}

/// The members of this list, each once and in order.
fn each_once(members: &[MemberId]) -> Box<[MemberId]> {
    let mut members = members.to_vec();
    members.sort_unstable();
    members.dedup();
    members.into_boxed_slice()
}

#[cfg(test)]
mod tests;
