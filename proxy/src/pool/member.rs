//! What is known of one member across configurations, and the load that is counted on it.

use super::check::CheckCounts;
use super::ejection::Ejection;
use super::health::Status;
use super::state::PoolState;
use crate::counts::MemberCounts;
use crate::shortage::Seldom;
use config::model::{Member, Passive};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Tells members apart, also those that have one name after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberId(u64);

impl MemberId {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What is known of one member across configurations.
#[derive(Debug)]
pub(crate) struct MemberState {
    pub(crate) id: MemberId,
    pub(crate) pool: String,
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) counts: MemberCounts,
    /// What is known of its pool.
    keeper: Arc<PoolState>,
    status: AtomicU8,
    /// How often its status has changed.
    turns: AtomicU64,
    pub(crate) checks: CheckCounts,
    load: AtomicU64,
    ejections: AtomicU64,
    last: Mutex<Sight>,
    course: Mutex<Course>,
}

/// Since when a member has its status, and what the check saw.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    /// When the status began.
    pub(crate) since: SystemTime,
    /// What the latest check saw, or why there is none.
    pub(crate) why: String,
}

/// What bears on how much the member takes as time passes.
#[derive(Debug, Default)]
struct Course {
    /// When it last came up after it was down.
    up_since: Option<Instant>,
    ejection: Ejection,
    /// Of the version of HTTP, as far as the log tells of them.
    mismatches: Seldom,
}

impl MemberState {
    pub(crate) fn new(pool: &str, member: &Member, keeper: Arc<PoolState>, workers: usize) -> Self {
        Self {
            id: MemberId::new(),
            pool: pool.to_owned(),
            name: member.name.clone(),
            address: member.address,
            counts: MemberCounts::new(workers),
            keeper,
            status: AtomicU8::new(encode(Status::Unchecked)),
            turns: AtomicU64::new(0),
            checks: CheckCounts::default(),
            load: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
            last: Mutex::new(Sight { since: SystemTime::now(), why: "no check has ended yet".to_owned() }),
            course: Mutex::default(),
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
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(status) = changed {
                if status == Status::Up && self.status() == Status::Down {
                    self.course().up_since = Some(Instant::now());
                }
                self.status.store(encode(status), Ordering::Relaxed);
                self.turns.fetch_add(1, Ordering::Relaxed);
                last.since = SystemTime::now();
            }
            if last.why != why {
                why.clone_into(&mut last.why);
            }
        }
        if changed.is_some() {
            self.keeper.line.look_again();
        }
    }

    /// Takes in that a client fared badly here. Says for how long the member is out if that has ejected it.
    pub(crate) fn failed_a_client(&self, limits: &Passive, now: Instant) -> Option<Duration> {
        let until = self.course().ejection.failed(limits, now)?;
        self.ejections.fetch_add(1, Ordering::Relaxed);
        self.keeper.line.look_again();
        Some(until - now)
    }

    /// How long it has been ejected, if it is.
    pub(crate) fn ejected_for(&self, now: Instant) -> Option<Duration> {
        self.course().ejection.out_for(now)
    }

    /// Whether the log may tell that it does not speak HTTP/2, and how often it did not tell of that since the last time.
    pub(crate) fn admit_mismatch(&self, now: Instant) -> Option<u64> {
        self.course().mismatches.admit(now)
    }

    /// How long ago it came back, from being down or ejected, if it was ever away.
    pub(crate) fn back_for(&self, now: Instant) -> Option<Duration> {
        let course = self.course();
        let back = course.up_since.max(course.ejection.ended(now))?;
        Some(now.saturating_duration_since(back))
    }

    fn course(&self) -> std::sync::MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it was ejected.
    pub(crate) fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// How often its status has changed, the first check's decision included.
    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// The connections or requests it is busy with.
    pub(crate) fn load(&self) -> u64 {
        self.load.load(Ordering::Relaxed)
    }

    /// Takes one unit of load until the lease is dropped, unless that would be more than the limit.
    pub(crate) fn lease(self: &Arc<Self>, limit: Option<u32>) -> Option<Lease> {
        let limit = limit.map_or(u64::MAX, u64::from);
        let one_more = |load: u64| (load < limit).then_some(load + 1);
        // In one order with the count of those who wait, see `Line`.
        self.load.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
        Some(Lease(Arc::clone(self)))
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

/// One unit of a member's load: its place goes to whoever waits for it when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease(Arc<MemberState>);

impl Lease {
    pub(crate) fn member(&self) -> &Arc<MemberState> {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.load.fetch_sub(1, Ordering::SeqCst);
        self.0.keeper.line.freed(self.0.id);
    }
}
