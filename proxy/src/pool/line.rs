//! The queue of a pool among all workers: clients wait here when every member that they may have is full.
//!
//! A place that comes free is given to the one whose turn it is before anybody else can take it. Whoever comes while
//! others wait takes a place only if none of them would. Two counts decide without a lock whether anybody waits: the
//! load of a member and the length of the queue. One who joins counts itself before it looks at the load, and one who
//! frees a place lowers the load before it looks at the length, all in one order (`SeqCst`), so one of the two sees the
//! other.

use super::member::{Lease, MemberId};
use super::queue::{Queue, Ticket, Wish};
use super::{Pick, Pool};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;
use tokio::sync::oneshot;

/// What ends a wait.
#[derive(Debug)]
pub(crate) enum Call {
    /// Here is a place.
    Seat(Seat),
    /// What was waited for takes nobody: look for another.
    Again,
}

/// A place for one who has waited.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) lease: Lease,
    /// The configuration by which it is given. The member may be none of the one that the client came with.
    pub(crate) pool: Arc<Pool>,
    /// See [`Queue::serve`].
    pub(crate) number: u64,
}

/// The queue of one pool.
#[derive(Debug, Default)]
pub(crate) struct Line {
    inner: Mutex<Inner>,
    /// Those in the queue.
    length: AtomicUsize,
    /// All that ever had to wait.
    joined: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    queue: Queue<MemberId, oneshot::Sender<Call>>,
    /// The pool by the configuration in force.
    pool: Weak<Pool>,
}

/// What comes of wanting a place.
#[derive(Debug)]
pub(crate) enum Entry {
    Seat(Lease),
    Wait(Waiting),
    /// The queue is full.
    Full,
    /// No member takes this client.
    Nobody,
    /// This configuration of the pool is in force.
    Changed(Arc<Pool>),
}

impl Line {
    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.length.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn length(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    /// How many had to wait so far.
    pub(crate) fn joined(&self) -> u64 {
        self.joined.load(Ordering::Relaxed)
    }

    /// Takes a place by `take`, or stands in line unless `bound` wait already.
    pub(crate) fn enter(pool: &Arc<Pool>, bound: usize, take: impl FnOnce() -> Pick) -> Entry {
        let line = &pool.state.line;
        let mut inner = line.lock();
        if let Some(changed) = inner.pool.upgrade().filter(|other| other.generation > pool.generation) {
            return Entry::Changed(changed);
        }
        // Where the pool has left the configuration, those who are still here go by the one they came with.
        inner.pool = Arc::downgrade(pool);
        // Places that are free this moment belong to those who are here.
        let missed = inner.serve(None);
        line.length.store(inner.queue.len() + 1, Ordering::SeqCst);
        let entry = match take() {
            Pick::Seat(lease) => Entry::Seat(lease),
            Pick::Nobody => Entry::Nobody,
            Pick::Full(wish) => {
                let (call, called) = oneshot::channel();
                match inner.queue.join(wish.clone(), bound, call) {
                    Err(_) => Entry::Full,
                    Ok(ticket) => {
                        line.joined.fetch_add(1, Ordering::Relaxed);
                        Entry::Wait(Waiting { state: Arc::clone(&pool.state), wish, ticket, called })
                    }
                }
            }
        };
        line.leave_locked(inner, missed);
        entry
    }

    /// A place at this member has come free.
    pub(crate) fn freed(&self, member: MemberId) {
        if !self.is_empty() {
            let mut inner = self.lock();
            let missed = inner.serve(Some(member));
            self.leave_locked(inner, missed);
        }
    }

    /// Something has changed that bears on who takes whom.
    pub(crate) fn look_again(&self) {
        if !self.is_empty() {
            let mut inner = self.lock();
            let missed = inner.look_again();
            self.leave_locked(inner, missed);
        }
    }

    /// This configuration of the pool is in force from here on.
    pub(crate) fn follow(&self, pool: &Arc<Pool>) {
        let mut inner = self.lock();
        inner.pool = Arc::downgrade(pool);
        let missed = inner.look_again();
        self.leave_locked(inner, missed);
    }

    fn leave(&self, wish: &Wish<MemberId>, ticket: Ticket) -> Option<u64> {
        let mut inner = self.lock();
        let number = inner.queue.leave(wish, ticket);
        self.leave_locked(inner, Vec::new());
        number
    }

    /// Unlocks. A place nobody was there to take comes free again after that, since freeing it locks.
    fn leave_locked(&self, inner: MutexGuard<'_, Inner>, missed: Vec<Call>) {
        self.length.store(inner.queue.len(), Ordering::SeqCst);
        drop(inner);
        drop(missed);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Gives free places, of one member or of all, to those whose turn it is.
    fn serve(&mut self, only: Option<MemberId>) -> Vec<Call> {
        let mut missed = Vec::new();
        if self.queue.len() == 0 {
            return missed;
        }
        let Some(pool) = self.pool.upgrade() else { return self.call_all() };
        let moment = pool.at(Instant::now());
        for (place, member) in pool.members.iter().enumerate() {
            if only.is_some_and(|only| only != member.id) {
                continue;
            }
            let standing = moment.standing(place);
            let tier = standing.tier();
            if tier.is_none() && !standing.takes_its_own() {
                continue;
            }
            let open = |tried: &[MemberId]| {
                tier.is_some() && !tried.contains(&member.id) && moment.tier(tried) == tier
            };
            while self.queue.wants(member.id, open) {
                let Some(lease) = pool.lease(place) else { break };
                let (call, number) = self.queue.serve(member.id, open).unzip();
                let seat = Seat { lease, pool: Arc::clone(&pool), number: number.unwrap_or_default() };
                missed.extend(deliver(call, Call::Seat(seat)));
            }
        }
        missed
    }

    fn look_again(&mut self) -> Vec<Call> {
        let Some(pool) = self.pool.upgrade() else { return self.call_all() };
        let moment = pool.at(Instant::now());
        let takes = |id| pool.place(id).is_some_and(|place| moment.standing(place).takes_its_own());
        let recalled = self.queue.recall(takes, |tried| moment.tier(tried).is_some());
        let mut missed: Vec<Call> =
            recalled.into_iter().filter_map(|call| deliver(Some(call), Call::Again)).collect();
        missed.extend(self.serve(None));
        missed
    }

    /// The pool has left the configuration: everyone enters anew, by the configuration they came with.
    fn call_all(&mut self) -> Vec<Call> {
        let recalled = self.queue.recall(|_| false, |_| false);
        recalled.into_iter().filter_map(|call| deliver(Some(call), Call::Again)).collect()
    }
}

/// Gives it back if nobody is there.
fn deliver(call: Option<oneshot::Sender<Call>>, what: Call) -> Option<Call> {
    match call {
        Some(call) => call.send(what).err(),
        None => Some(what),
    }
}

/// A place in line. Dropping it leaves the line.
#[derive(Debug)]
pub(crate) struct Waiting {
    state: Arc<super::state::PoolState>,
    wish: Wish<MemberId>,
    ticket: Ticket,
    called: oneshot::Receiver<Call>,
}

impl Waiting {
    pub(crate) async fn called(&mut self) -> Call {
        // The queue drops nobody uncalled; if it did, looking again would be right.
        (&mut self.called).await.unwrap_or(Call::Again)
    }

    /// Waits no longer. Its number, see [`Queue::serve`]; none if it was called at this moment.
    pub(crate) fn give_up(self) -> Option<u64> {
        self.state.line.leave(&self.wish, self.ticket)
    }

    /// Whether it is for one member that is waited.
    pub(crate) const fn is_at_a_member(&self) -> bool {
        matches!(self.wish, Wish::At(_))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Ahead of the receiver: while the ticket is in the queue, somebody is there to be called.
        self.state.line.leave(&self.wish, self.ticket);
    }
}
