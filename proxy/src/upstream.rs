//! HTTP connections to members, kept for the next request: one set per worker, shared by its clients, and what each client
//! connection has of its own.
//!
//! An idle one is looked at by its worker once a second and dropped when the member has closed it, when it has been idle
//! for long, or when the member has left the configuration or is spoken to in another way.

mod choice;
mod http1;
mod own;

pub(crate) use choice::Seeker;
pub(crate) use http1::{MAX_BUFFER, Upstream, poll_with};
pub(crate) use own::Own;

use crate::origination::Secured;
use crate::pool::MemberState;
use crate::snapshot::{Shared, Snapshot};
use own::Kept;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Weak;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{self, Instant};

/// How long a connection may be idle. Servers close theirs after 5 s (Apache) to 75 s (nginx).
const IDLE: Duration = Duration::from_secs(30);
/// Idle connections kept per member and worker.
const KEPT: usize = 1024;
/// How often idle connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Idle connections, the one used last at the end.
type Idle = Vec<Box<Upstream>>;

/// The idle connections of one worker.
#[derive(Default)]
pub(crate) struct Upstreams {
    /// Those that serve any client.
    shared: RefCell<HashMap<*const MemberState, Idle>>,
    /// Those of one client connection each.
    owned: RefCell<Vec<Weak<Kept>>>,
    filled: Notify,
}

impl Upstreams {
    /// An idle connection to the member that speaks as `secured` does, for this request of the client connection whose
    /// `own` is: the one used last, which is the likeliest to be alive.
    pub(crate) fn check_out(
        &self,
        member: &Arc<MemberState>,
        secured: Option<&Arc<Secured>>,
        (own, seeker): (&Own, Seeker),
    ) -> Option<Box<Upstream>> {
        let mut fits = |upstream: &mut Upstream| {
            upstream.speaks_as(secured, seeker.told) && upstream.is_usable() && upstream.is_silent()
        };
        if let Some(upstream) = own.take(|upstream| Arc::ptr_eq(&upstream.member, member), &mut fits) {
            return Some(upstream);
        }
        // Before the set is looked into: where nothing is shared there is none.
        if !seeker.may_share(true) {
            return None;
        }
        let mut shared = self.shared.borrow_mut();
        let idle = shared.get_mut(&Arc::as_ptr(member))?;
        take(idle, |upstream| seeker.may_share(upstream.is_proven()), fits)
    }

    /// Keeps a connection whose response has ended, if it can be used again: for any client, or for the client
    /// connection that has used it.
    pub(crate) fn check_in(&self, mut upstream: Box<Upstream>, own: &Own) {
        if !upstream.is_usable() {
            return;
        }
        upstream.carried += 1;
        upstream.idle_since = Instant::now();
        if upstream.owned {
            self.owned.borrow_mut().extend(own.keep(upstream));
        } else {
            let mut shared = self.shared.borrow_mut();
            let idle = shared.entry(Arc::as_ptr(&upstream.member)).or_default();
            if idle.len() == KEPT {
                return;
            }
            idle.push(upstream);
        }
        self.filled.notify_one();
    }

    /// Drops what cannot be used again, forever.
    pub(crate) async fn tend(&self, shared: &Shared) {
        loop {
            if self.shared.borrow().is_empty() && self.owned.borrow().is_empty() {
                self.filled.notified().await;
            }
            time::sleep(SWEEP).await;
            self.sweep(&shared.snapshot.load(), Instant::now());
        }
    }

    /// Gives up all that is idle, so that others can have the files. Says whether there was anything.
    pub(crate) fn give_up(&self) -> bool {
        let mut had_any = !std::mem::take(&mut *self.shared.borrow_mut()).is_empty();
        for kept in self.owned.borrow().iter().filter_map(Weak::upgrade) {
            had_any |= !std::mem::take(&mut *kept.0.borrow_mut()).is_empty();
        }
        had_any
    }

    fn sweep(&self, snapshot: &Snapshot, now: Instant) {
        self.shared.borrow_mut().retain(|_, idle| {
            tidy(idle, snapshot, now);
            !idle.is_empty()
        });
        self.owned.borrow_mut().retain(|kept| {
            let Some(kept) = kept.upgrade() else { return false };
            tidy(&mut kept.0.borrow_mut(), snapshot, now);
            true
        });
    }
}

fn tidy(idle: &mut Idle, snapshot: &Snapshot, now: Instant) {
    idle.retain_mut(|upstream| {
        let Some((pool, place)) = snapshot.find(&upstream.member) else { return false };
        now - upstream.idle_since < IDLE
            && upstream.speaks_as(pool.secured_at(place), pool.config.proxy_protocol)
            && upstream.is_usable()
    });
}

/// Takes out the last connection that is `wanted` and `fits`; those that are wanted and do not fit are dropped.
fn take(
    idle: &mut Idle,
    wanted: impl Fn(&Upstream) -> bool,
    mut fits: impl FnMut(&mut Upstream) -> bool,
) -> Option<Box<Upstream>> {
    while let Some(place) = idle.iter().rposition(|upstream| wanted(upstream)) {
        let mut upstream = idle.remove(place);
        if fits(&mut upstream) {
            return Some(upstream);
        }
    }
    None
}
