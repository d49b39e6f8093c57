//! The thread that keeps `dynamic.map` up to date: decides when leases go to disk, off the packet path.
//!
//! A new lease is written at once, or with all others that came meanwhile [`WRITE_DELAY`] after the write before; times
//! of last use follow at least every [`REFRESH_INTERVAL`]; what is left is written at the end. A full or broken disk
//! costs no packet: the write is tried again and the failure is logged at most once a minute.

use crate::lease::SharedPool;
use crate::persist::{PersistError, StateFile};
use crate::pool::Lease;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long after a write new leases are gathered for the next: what a crash can lose at most. A host that loses its
/// lease so gets the same address again unless another took it, since the choice of address is a hash; but until it
/// sends a packet, nothing reaches it.
pub const WRITE_DELAY: Duration = Duration::from_secs(1);

/// How old the times in the file may grow. Well under [`crate::pool::MIN_LEASE`], so that a crash makes no busy host
/// look dormant.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(1800);

/// How long after a failed write the next one is tried at the latest, and how often failures are logged.
pub const FAILURE_INTERVAL: Duration = Duration::from_secs(60);

/// Wakes the keeper; cheap, never blocks.
#[derive(Clone, Debug)]
pub struct Bell {
    calls: Sender<Call>,
    /// A call is on its way; another would say the same.
    rung: Arc<AtomicBool>,
}

/// Where a [`Bell`] is heard, to be given to [`Keeper::start`].
#[derive(Debug)]
pub struct Calls {
    calls: Receiver<Call>,
    rung: Arc<AtomicBool>,
}

/// The running thread.
#[derive(Debug)]
pub struct Keeper {
    calls: Sender<Call>,
    thread: JoinHandle<()>,
}

/// What the keeper is told.
#[derive(Debug)]
enum Call {
    NewLease,
    KeepIn(StateFile),
    Write,
    Stop,
}

/// A bell, and where it is heard.
pub fn bell() -> (Bell, Calls) {
    let (sender, calls) = channel();
    let rung = Arc::new(AtomicBool::new(false));
    (Bell { calls: sender, rung: Arc::clone(&rung) }, Calls { calls, rung })
}

impl Bell {
    /// Says that there is a lease the file does not have.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Nobody listens any more when the daemon ends.
            let _ = self.calls.send(Call::NewLease);
        }
    }
}

impl Keeper {
    /// Starts the thread, which keeps nothing until it has a file. `bell` rings for `calls`; `failures` counts writes
    /// that failed.
    pub fn start(
        pool: Arc<SharedPool>,
        bell: &Bell,
        calls: Calls,
        failures: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        let mut work =
            Work { file: None, pool, rung: calls.rung, failures, tried: None, written: None, logged: None };
        let thread =
            std::thread::Builder::new().name("leases".into()).spawn(move || work.run(&calls.calls))?;
        Ok(Self { calls: bell.calls.clone(), thread })
    }

    /// Keeps the leases in this file from here on.
    pub fn keep_in(&self, file: StateFile) {
        let _ = self.calls.send(Call::KeepIn(file));
    }

    /// Has what is not yet written, times of last use included, written at once.
    pub fn write(&self) {
        let _ = self.calls.send(Call::Write);
    }

    /// Writes what is not yet written and ends the thread. Blocks as long as the disk takes.
    pub fn stop(self) {
        let _ = self.calls.send(Call::Stop);
        if self.thread.join().is_err() {
            tracing::error!(
                "the thread that writes dynamic.map has panicked: the latest leases are not on disk"
            );
        }
    }
}

/// What the thread works on.
struct Work {
    file: Option<StateFile>,
    pool: Arc<SharedPool>,
    rung: Arc<AtomicBool>,
    failures: Arc<AtomicU64>,
    /// When a write was last tried.
    tried: Option<Instant>,
    /// A hash of what the file holds: a copy would take as much memory as the leases themselves.
    written: Option<u64>,
    /// When a failure was last logged.
    logged: Option<Instant>,
}

impl Work {
    fn run(&mut self, calls: &Receiver<Call>) {
        let mut pause = REFRESH_INTERVAL;
        loop {
            let go_on = match calls.recv_timeout(pause) {
                Ok(Call::NewLease) => self.gather(calls),
                Ok(call) => self.take(call),
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            pause = if self.write() { REFRESH_INTERVAL } else { FAILURE_INTERVAL };
            if !go_on {
                return;
            }
        }
    }

    /// Waits until no more leases need come into the next write; returns whether to go on after it.
    fn gather(&mut self, calls: &Receiver<Call>) -> bool {
        let now = Instant::now();
        let deadline = now + gathering(self.tried.map(|tried| now.duration_since(tried)));
        loop {
            match calls.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Call::Write) | Err(RecvTimeoutError::Timeout) => return true,
                Ok(call) => {
                    if !self.take(call) {
                        return false;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Returns whether to go on.
    fn take(&mut self, call: Call) -> bool {
        match call {
            Call::NewLease | Call::Write => true,
            Call::KeepIn(file) => {
                (self.file, self.written) = (Some(file), None);
                true
            }
            Call::Stop => false,
        }
    }

    /// Writes the leases unless the file has them already; returns whether it has them afterwards.
    fn write(&mut self) -> bool {
        // Before the leases are looked at, so that one that comes meanwhile rings again.
        self.rung.store(false, Ordering::Release);
        let Some(file) = &self.file else { return true };
        let mut leases = self.pool.leases();
        leases.sort_unstable_by_key(|lease| lease.v4);
        let content = hash(&leases);
        if self.written == Some(content) {
            return true;
        }
        self.tried = Some(Instant::now());
        match file.write(&leases) {
            Ok(()) => {
                self.written = Some(content);
                true
            }
            Err(error) => {
                self.report(&error);
                false
            }
        }
    }

    fn report(&mut self, error: &PersistError) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if self.logged.is_none_or(|logged| logged.elapsed() >= FAILURE_INTERVAL) {
            let cause = crate::error::cause(error);
            tracing::warn!(%error, cause, failures, "new leases are not on disk and a crash would lose them");
            self.logged = Some(Instant::now());
        }
    }
}

/// How long to gather leases when the last write was tried this long ago.
fn gathering(since_write: Option<Duration>) -> Duration {
    since_write.map_or(Duration::ZERO, |since| WRITE_DELAY.saturating_sub(since))
}

fn hash(leases: &[Lease]) -> u64 {
    let mut hasher = DefaultHasher::new();
    leases.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::LeaseView;
    use crate::pool::{Pool, Range, UnixTime};
    use std::path::Path;
    use translator::Leases;

    const NOW: UnixTime = UnixTime(1_700_000_000);

    fn keeper(dir: &Path) -> (Keeper, Arc<SharedPool>, Arc<AtomicU64>) {
        let (bell, calls) = bell();
        let range = Range::new(
            Some("198.51.100.0/24".parse().unwrap()),
            "192.0.2.1".parse().unwrap(),
            addr::ExplicitMaps::default(),
        );
        let ring = bell.clone();
        let pool = Arc::new(SharedPool::new(Pool::new(range), move || ring.ring()));
        let failures = Arc::new(AtomicU64::new(0));
        let file = StateFile::open(dir).unwrap();
        let keeper = Keeper::start(Arc::clone(&pool), &bell, calls, Arc::clone(&failures)).unwrap();
        keeper.keep_in(file);
        (keeper, pool, failures)
    }

    fn until(what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !condition() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_new_lease_reaches_the_disk_without_a_stop() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, pool, _) = keeper(dir.path());
        LeaseView::new(pool, NOW).lease_for_v6("2001:db8::1".parse().unwrap()).unwrap();
        let file = dir.path().join(crate::persist::FILE_NAME);
        until("the file holds the lease", || {
            std::fs::read_to_string(&file).is_ok_and(|text| text.contains("2001:db8::1\t1700000000"))
        });
        keeper.stop();
    }

    #[test]
    fn a_lease_after_a_pause_is_written_at_once_and_many_are_gathered() {
        assert_eq!(gathering(None), Duration::ZERO);
        assert_eq!(gathering(Some(Duration::ZERO)), WRITE_DELAY);
        assert_eq!(gathering(Some(WRITE_DELAY / 4)), WRITE_DELAY * 3 / 4);
        assert_eq!(gathering(Some(REFRESH_INTERVAL)), Duration::ZERO);
    }

    #[test]
    fn times_of_last_use_reach_the_disk_when_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, pool, _) = keeper(dir.path());
        let host = "2001:db8::1".parse().unwrap();
        let mut view = LeaseView::new(pool, NOW);
        view.lease_for_v6(host).unwrap();
        let file = dir.path().join(crate::persist::FILE_NAME);
        let holds = |time: &str| std::fs::read_to_string(&file).is_ok_and(|text| text.contains(time));
        until("the file holds the lease", || holds("\t1700000000"));
        view.begin(UnixTime(NOW.0 + 60));
        view.lease_for_v6(host).unwrap();
        keeper.write();
        until("the file holds the time", || holds("\t1700000060"));
        keeper.stop();
    }

    #[test]
    fn asked_to_write_it_gathers_no_longer() {
        let (bell, calls) = bell();
        let range = Range::new(None, "192.0.2.1".parse().unwrap(), addr::ExplicitMaps::default());
        let mut work = Work {
            file: None,
            pool: Arc::new(SharedPool::new(Pool::new(range), || ())),
            rung: calls.rung,
            failures: Arc::default(),
            tried: Some(Instant::now() + Duration::from_secs(3600)),
            written: None,
            logged: None,
        };
        bell.calls.send(Call::Write).unwrap();
        bell.calls.send(Call::NewLease).unwrap();
        assert!(work.gather(&calls.calls), "goes on after the write");
        assert!(matches!(calls.calls.try_recv(), Ok(Call::NewLease)), "what came after is left for later");
    }

    #[test]
    fn stopping_writes_what_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, pool, failures) = keeper(dir.path());
        let mut view = LeaseView::new(pool, NOW);
        for host in 1..=100_u16 {
            view.lease_for_v6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host)).unwrap();
        }
        keeper.stop();
        let (leases, bad) = StateFile::open(dir.path()).unwrap().read().unwrap();
        assert_eq!((leases.len(), bad.len(), failures.load(Ordering::Relaxed)), (100, 0, 0));
    }

    #[test]
    fn a_failed_write_is_counted_and_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, pool, failures) = keeper(dir.path());
        let blocker = dir.path().join("dynamic.map~~");
        std::fs::create_dir(&blocker).unwrap();
        let mut view = LeaseView::new(pool, NOW);
        view.lease_for_v6("2001:db8::1".parse().unwrap()).unwrap();
        until("a failure is counted", || failures.load(Ordering::Relaxed) > 0);
        std::fs::remove_dir(&blocker).unwrap();
        keeper.stop();
        assert_eq!(StateFile::open(dir.path()).unwrap().read().unwrap().0.len(), 1);
    }
}
