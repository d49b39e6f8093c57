//! Pools and their members as the data path sees them.
//!
//! A [`Pool`] is immutable but for the turn it counts; what lives longer than a configuration (health, load, counters)
//! is in [`MemberState`], which is shared by all configurations that name the same member of the same pool at the same
//! address.

pub(crate) mod balance;
pub(crate) mod check;
pub(crate) mod health;

use crate::counts::MemberCounts;
use balance::{Balancer, Draw, Field, Share};
use health::Status;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// One pool of one configuration.
#[derive(Debug)]
pub(crate) struct Pool {
    /// The configuration it was built from.
    pub(crate) config: config::model::Pool,
    /// The members, in the order of the file.
    pub(crate) members: Vec<Arc<MemberState>>,
    balancer: Balancer,
    turn: AtomicU64,
}

impl Pool {
    /// Builds a pool; members that `previous` has too keep their state.
    pub(crate) fn new(config: &config::model::Pool, previous: Option<&Self>, workers: usize) -> Self {
        let members = config
            .member
            .iter()
            .map(|member| {
                previous
                    .and_then(|pool| pool.find(member))
                    .unwrap_or_else(|| Arc::new(MemberState::new(&config.name, member, workers)))
            })
            .collect();
        let shares: Vec<_> =
            config.member.iter().map(|member| Share { name: &member.name, weight: member.weight }).collect();
        Self {
            members,
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

    /// The place of a member for this client that is not among those `tried`.
    pub(crate) fn pick(
        &self,
        client: IpAddr,
        tried: &[usize],
        random: &mut dyn FnMut() -> u64,
    ) -> Option<usize> {
        let ahead = (!tried.is_empty()).then(|| self.turn.load(Ordering::Relaxed));
        self.balancer.pick(client, &Candidates { pool: self, tried }, &mut Lots { pool: self, ahead, random })
    }

    /// Whether no member takes work.
    pub(crate) fn is_out(&self) -> bool {
        !self
            .members
            .iter()
            .zip(&self.config.member)
            .any(|(state, member)| member.weight > 0 && state.status() != Status::Down)
    }
}

struct Candidates<'a> {
    pool: &'a Pool,
    tried: &'a [usize],
}

impl Field for Candidates<'_> {
    fn usable(&self, member: usize) -> bool {
        self.pool.members[member].status() != Status::Down && !self.tried.contains(&member)
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

/// What is known of one member across configurations.
#[derive(Debug)]
pub(crate) struct MemberState {
    pub(crate) pool: String,
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) counts: MemberCounts,
    status: AtomicU8,
    load: AtomicU64,
    check_panics: AtomicU64,
    last: Mutex<Sight>,
}

/// Since when a member has its status, and what the check saw.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    /// When the status began.
    pub(crate) since: SystemTime,
    /// What the latest check saw, or why there is none.
    pub(crate) why: String,
}

impl MemberState {
    fn new(pool: &str, member: &config::model::Member, workers: usize) -> Self {
        Self {
            pool: pool.to_owned(),
            name: member.name.clone(),
            address: member.address,
            counts: MemberCounts::new(workers),
            status: AtomicU8::new(encode(Status::Unchecked)),
            load: AtomicU64::new(0),
            check_panics: AtomicU64::new(0),
            last: Mutex::new(Sight { since: SystemTime::now(), why: "no check has ended yet".to_owned() }),
        }
    }

    pub(crate) fn status(&self) -> Status {
        decode(self.status.load(Ordering::Relaxed))
    }

    pub(crate) fn sight(&self) -> Sight {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Publishes what a check saw; `changed` is the new status if it is one.
    pub(crate) fn publish(&self, changed: Option<Status>, why: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = changed {
            self.status.store(encode(status), Ordering::Relaxed);
            last.since = SystemTime::now();
        }
        if last.why != why {
            why.clone_into(&mut last.why);
        }
    }

    pub(crate) fn check_panicked(&self) {
        self.check_panics.fetch_add(1, Ordering::Relaxed);
    }

    /// How often its check has panicked.
    pub(crate) fn check_panics(&self) -> u64 {
        self.check_panics.load(Ordering::Relaxed)
    }

    /// The connections or requests it is busy with.
    pub(crate) fn load(&self) -> u64 {
        self.load.load(Ordering::Relaxed)
    }

    /// Takes one unit of load until the lease is dropped.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        self.load.fetch_add(1, Ordering::Relaxed);
        Lease(Arc::clone(self))
    }
}

const fn encode(status: Status) -> u8 {
    status as u8
}

const fn decode(byte: u8) -> Status {
    match byte {
        0 => Status::Unchecked,
        1 => Status::Up,
        _ => Status::Down,
    }
}

/// One unit of a member's load.
#[derive(Debug)]
pub(crate) struct Lease(Arc<MemberState>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.load.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::model::{Check, CheckKind, Member};

    fn pool(members: &[(&str, &str, u16)]) -> config::model::Pool {
        let member = |(name, address, weight): &(&str, &str, u16)| Member {
            weight: *weight,
            ..Member::new(*name, address.parse().unwrap())
        };
        config::model::Pool {
            check: Check { kind: CheckKind::Off, ..Check::default() },
            ..config::model::Pool::new("web", members.iter().map(member).collect())
        }
    }

    fn client() -> IpAddr {
        "2001:db8::1".parse().unwrap()
    }

    #[test]
    fn a_member_keeps_its_state_while_name_and_address_stay() {
        let old = Pool::new(&pool(&[("a", "192.0.2.1:80", 1), ("b", "192.0.2.2:80", 1)]), None, 1);
        old.members[0].publish(Some(Status::Down), "refused");
        old.members[1].publish(Some(Status::Down), "refused");
        let new = Pool::new(&pool(&[("a", "192.0.2.1:80", 9), ("b", "192.0.2.3:80", 1)]), Some(&old), 1);
        assert_eq!(new.members[0].status(), Status::Down);
        assert_eq!(new.members[1].status(), Status::Unchecked, "another address is another member");
    }

    #[test]
    fn members_that_are_down_or_tried_are_not_picked() {
        let pool = Pool::new(&pool(&[("a", "192.0.2.1:80", 1), ("b", "192.0.2.2:80", 1)]), None, 1);
        pool.members[0].publish(Some(Status::Down), "refused");
        for _ in 0..4 {
            assert_eq!(pool.pick(client(), &[], &mut || 0), Some(1));
        }
        assert_eq!(pool.pick(client(), &[1], &mut || 0), None);
        assert!(!pool.is_out());
        pool.members[1].publish(Some(Status::Down), "refused");
        assert!(pool.is_out());
    }

    #[test]
    fn a_second_try_takes_nobodys_turn() {
        let pool = Pool::new(&pool(&[("a", "192.0.2.1:80", 1), ("b", "192.0.2.2:80", 1)]), None, 1);
        let first: Vec<_> = (0..4)
            .map(|_| {
                let first = pool.pick(client(), &[], &mut || 0).unwrap();
                assert_eq!(pool.pick(client(), &[first], &mut || 0), Some(1 - first));
                first
            })
            .collect();
        assert_eq!(first, [0, 1, 0, 1]);
    }

    #[test]
    fn load_lasts_as_long_as_its_lease() {
        let pool = Pool::new(&pool(&[("a", "192.0.2.1:80", 1)]), None, 1);
        let lease = pool.members[0].lease();
        assert_eq!(pool.members[0].load(), 1);
        drop(lease);
        assert_eq!(pool.members[0].load(), 0);
    }
}
