//! The health checks: one thread of its own, one task per checked member.
//!
//! A thread apart, so that neither a busy data path nor a slow admin client delays a check. What a check sees goes
//! through [`Health`] and is published in the member's state, which the workers read. A check that panics starts again.

mod counts;
mod http;
mod http2;
mod probe;

pub(crate) use counts::CheckCounts;

use super::health::{Health, Status, Verdict};
use super::{MemberState, Pool};
use crate::error::Error;
use crate::origination::Origination;
use crate::snapshot::Shared;
use config::model::{AdminState, Check, CheckKind};
use futures_util::FutureExt;
use probe::Probe;
use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{self, Instant};

/// The checking thread. Dropping the last one ends the checks.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    orders: mpsc::UnboundedSender<Order>,
}

/// Check these members from here on, and no others.
struct Order {
    plans: Vec<Plan>,
    /// These are in maintenance.
    resting: Vec<Arc<MemberState>>,
    first_round: Option<oneshot::Sender<()>>,
}

struct Plan {
    member: Arc<MemberState>,
    check: Check,
    origination: Option<Arc<Origination>>,
}

impl Checker {
    /// Starts the thread. `failures` hears of it if the thread ends before its time.
    pub(crate) fn start(shared: Arc<Shared>, failures: mpsc::UnboundedSender<String>) -> Result<Self, Error> {
        let (orders, queue) = mpsc::unbounded_channel();
        crate::thread::start("health checks", failures, move || run(queue, shared))
            .map_err(|cause| Error::Thread { part: "health checks".to_owned(), cause })?;
        Ok(Self { orders })
    }

    /// Checks the members of these pools from here on. The receiver hears when each of them has been checked once.
    pub(crate) fn check<'a>(&self, pools: impl Iterator<Item = &'a Arc<Pool>>) -> oneshot::Receiver<()> {
        let (mut plans, mut resting) = (Vec::new(), Vec::new());
        for pool in pools {
            for (member, terms) in pool.members.iter().zip(pool.terms()) {
                let member = Arc::clone(member);
                if terms.state == AdminState::Maintenance {
                    resting.push(member);
                } else {
                    let (check, origination) = (pool.config.check.clone(), pool.origination.clone());
                    plans.push(Plan { member, check, origination });
                }
            }
        }
        let (first_round, done) = oneshot::channel();
        // A checking thread that is gone has been reported as a failure of the daemon.
        let _ = self.orders.send(Order { plans, resting, first_round: Some(first_round) });
        done
    }
}

/// A member under check.
struct Watched {
    /// Held so that no other member can come to lie at the address that is the key.
    _member: Arc<MemberState>,
    check: Check,
    origination: Option<Arc<Origination>>,
    task: Option<AbortHandle>,
}

impl Watched {
    fn is(&self, plan: &Plan) -> bool {
        self.check == plan.check
            && self.origination.as_ref().map(Arc::as_ptr) == plan.origination.as_ref().map(Arc::as_ptr)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn run(mut queue: mpsc::UnboundedReceiver<Order>, shared: Arc<Shared>) {
    let mut watched: HashMap<*const MemberState, Watched> = HashMap::new();
    while let Some(Order { plans, resting, first_round }) = queue.recv().await {
        // Dropped by the last task that has checked its member once: that closes the channel.
        let round = first_round.map(|sender| Rc::new(Round(RefCell::new(Some(sender)))));
        let (mut kept, count) = (HashMap::new(), plans.len());
        for (place, plan) in plans.into_iter().enumerate() {
            let key = Arc::as_ptr(&plan.member);
            let same = watched.remove(&key).filter(|old| old.is(&plan));
            let watched = same.unwrap_or_else(|| watch(plan, (place, count), &shared, round.clone()));
            kept.insert(key, watched);
        }
        watched = kept;
        for member in resting {
            member.publish(None, "not checked while in maintenance");
        }
    }
}

/// Says that the first round is over when the last holder has dropped it.
struct Round(RefCell<Option<oneshot::Sender<()>>>);

impl Drop for Round {
    fn drop(&mut self) {
        if let Some(sender) = self.0.borrow_mut().take() {
            // Nobody waits for the round of a reload.
            let _ = sender.send(());
        }
    }
}

/// The first pause between the checks of one of so many members, after which they are spread over the interval: all
/// are checked at once when they are new.
fn first_pause((place, count): (usize, usize), interval: Duration) -> Duration {
    let part = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    interval.saturating_mul(part(place + 1)) / part(count).max(1)
}

/// Begins to check a member, which has this place among so many.
fn watch(plan: Plan, place: (usize, usize), shared: &Arc<Shared>, round: Option<Rc<Round>>) -> Watched {
    let Plan { member, check, origination } = plan;
    let task = match check.kind {
        CheckKind::Off => {
            let changed = (member.status() != Status::Up).then_some(Status::Up);
            member.publish(changed, "members of this pool are not checked");
            None
        }
        CheckKind::Tcp | CheckKind::Tls | CheckKind::Http => {
            let plan =
                Plan { member: Arc::clone(&member), check: check.clone(), origination: origination.clone() };
            let first_pause = first_pause(place, check.interval);
            let (plan, shared, mut round) = (Rc::new(plan), Arc::clone(shared), round);
            let start = move || checks(Rc::clone(&plan), first_pause, Arc::clone(&shared), round.take());
            let task = tokio::task::spawn_local(restarted(Arc::clone(&member), check.interval, start));
            Some(task.abort_handle())
        }
    };
    Watched { _member: member, check, origination, task }
}

/// Runs the check of a member, and anew after a `pause` whenever it panics.
async fn restarted<F: Future<Output = ()>>(
    member: Arc<MemberState>,
    pause: Duration,
    mut start: impl FnMut() -> F,
) {
    while AssertUnwindSafe(start()).catch_unwind().await.is_err() {
        member.checks.panicked();
        member.publish(None, "the check failed by a fault of this program and starts again");
        tracing::error!(pool = member.pool, member = member.name, "a health check panicked; it starts again");
        time::sleep(pause).await;
    }
}

/// Checks one member forever.
async fn checks(plan: Rc<Plan>, first_pause: Duration, shared: Arc<Shared>, mut round: Option<Rc<Round>>) {
    let Plan { member, check, origination } = &*plan;
    let probe = Probe::new(member.address, check.clone(), origination.as_ref());
    let mut health = Health::new(member.status(), check.rise, check.fall);
    let mut first_pause = Some(first_pause);
    loop {
        let begun = Instant::now();
        let Verdict { outcome, why } = probe.check_once().await;
        let changed = health.observe(outcome);
        member.checks.ended(outcome, begun.elapsed());
        member.publish(changed, &why);
        if let Some(status) = changed {
            report(member, status, &why, &shared);
        }
        drop(round.take());
        let pause = if health.is_settled() {
            first_pause.take().unwrap_or(check.interval)
        } else {
            check.fast_interval
        };
        time::sleep_until(begun + pause).await;
    }
}

fn report(member: &MemberState, status: Status, why: &str, shared: &Shared) {
    let (pool, name) = (&member.pool, &member.name);
    if status == Status::Up {
        return tracing::info!(pool, member = name, up = true, why, "member changed state");
    }
    tracing::warn!(pool, member = name, up = false, why, "member changed state");
    if let Some(pool) = shared.snapshot.load().pools.get(pool) {
        pool.warn_if_out();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;
    use crate::snapshot::tests::{listener, model};
    use config::model::Mode;
    use std::cell::Cell;

    #[test]
    fn members_that_are_new_together_are_spread_over_the_interval() {
        let pauses = |count: usize| -> Vec<u64> {
            (0..count).map(|place| first_pause((place, count), Duration::from_secs(8)).as_secs()).collect()
        };
        assert_eq!(pauses(1), [8]);
        assert_eq!(pauses(4), [2, 4, 6, 8]);
        let last = first_pause((9_999, 10_000), Duration::from_secs(86_400 * 365));
        assert!(last <= Duration::from_secs(86_400 * 365));
    }

    #[test]
    fn a_check_that_panics_is_counted_and_starts_again() {
        let model = model(vec![listener("web", "[2001:db8::80]:80", Mode::Tcp, "web")], &["web"]);
        let member = Arc::clone(&Snapshot::new(&model, None, 1).pools["web"].members[0]);
        let starts = Rc::new(Cell::new(0));
        crate::thread::runtime().unwrap().block_on(restarted(
            Arc::clone(&member),
            Duration::from_millis(1),
            || {
                let (member, starts) = (Arc::clone(&member), Rc::clone(&starts));
                async move {
                    starts.set(starts.get() + 1);
                    assert!(starts.get() > 2, "a fault of this check");
                    assert!(member.sight().why.contains("starts again"), "{:?}", member.sight());
                    member.publish(Some(Status::Down), "refused");
                }
            },
        ));
        assert_eq!((starts.get(), member.checks.panics()), (3, 2));
        assert_eq!((member.status(), member.sight().why.as_str()), (Status::Down, "refused"));
    }
}
