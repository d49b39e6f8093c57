//! The thread that keeps `dynamic.map` up to date: decides when leases go to disk, off the packet path.
//!
//! A new lease is written within [`WRITE_DELAY`], together with all others that came meanwhile; times of last use
//! follow at least every [`REFRESH_INTERVAL`]; what is left is written at the end. A full or broken disk costs no
//! packet: the write is tried again and the failure is logged at most once a minute.

use crate::lease::SharedPool;
use crate::persist::{PersistError, StateFile};
use crate::pool::Lease;
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long new leases are gathered before they are written: what a crash can lose. A host that loses its lease so
/// gets the same address again unless another took it, since the choice of address is a hash.
pub const WRITE_DELAY: Duration = Duration::from_secs(1);

/// How old the times in the file may grow. Well under [`crate::pool::MIN_LEASE`], so that a crash makes no busy host
/// look dormant.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(1800);

/// How long after a failed write the next one is tried at the latest, and how often failures are logged.
pub const FAILURE_INTERVAL: Duration = Duration::from_secs(60);

/// Wakes the keeper; cheap, never blocks.
#[derive(Clone, Debug)]
pub struct Bell(SyncSender<Call>);

/// The other end of a [`Bell`], to be given to [`Keeper::start`].
#[derive(Debug)]
pub struct Calls(Receiver<Call>);

/// The running thread.
#[derive(Debug)]
pub struct Keeper {
    bell: Bell,
    thread: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    NewLease,
    Stop,
}

impl Bell {
    /// A bell and where it is heard. One call waits at a time: more would say the same.
    pub fn new() -> (Self, Calls) {
        let (bell, calls) = sync_channel(1);
        (Self(bell), Calls(calls))
    }

    /// Says that there is a lease the file does not have.
    pub fn ring(&self) {
        // Full: the keeper will write anyway. Disconnected: it has ended, and so has the daemon.
        let _ = self.0.try_send(Call::NewLease);
    }
}

impl Keeper {
    /// Starts the thread. `bell` is the one whose `calls` it hears; `failures` counts writes that failed.
    pub fn start(
        file: StateFile,
        pool: Arc<SharedPool>,
        (bell, calls): (Bell, Calls),
        failures: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        let mut work = Work { file, pool, failures, written: None, logged: None };
        let thread = std::thread::Builder::new().name("leases".into()).spawn(move || work.run(&calls.0))?;
        Ok(Self { bell, thread })
    }

    /// Writes what is not yet written and ends the thread. Blocks as long as the disk takes.
    pub fn stop(self) {
        // The thread empties the channel until it ends, so this waits for one write at most.
        let _ = self.bell.0.send(Call::Stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread that writes dynamic.map has panicked: the latest leases are not on disk");
        }
    }
}

/// What the thread works on.
struct Work {
    file: StateFile,
    pool: Arc<SharedPool>,
    failures: Arc<AtomicU64>,
    /// What the file holds.
    written: Option<Vec<Lease>>,
    /// When a failure was last logged.
    logged: Option<Instant>,
}

impl Work {
    fn run(&mut self, calls: &Receiver<Call>) {
        let mut pause = REFRESH_INTERVAL;
        loop {
            let call = match calls.recv_timeout(pause) {
                Ok(Call::NewLease) => gather(calls),
                Err(RecvTimeoutError::Timeout) => Call::NewLease,
                Ok(Call::Stop) | Err(RecvTimeoutError::Disconnected) => Call::Stop,
            };
            pause = if self.write() { REFRESH_INTERVAL } else { FAILURE_INTERVAL };
            if call == Call::Stop {
                return;
            }
        }
    }

    /// Writes the leases unless the file has them already; returns whether it has them afterwards.
    fn write(&mut self) -> bool {
        let leases = self.pool.leases();
        if self.written.as_ref() == Some(&leases) {
            return true;
        }
        match self.file.write(&leases) {
            Ok(()) => {
                self.written = Some(leases);
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
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(%error, cause, failures, "new leases are not on disk and a crash would lose them");
            self.logged = Some(Instant::now());
        }
    }
}

/// Waits until no more leases need come into the next write.
fn gather(calls: &Receiver<Call>) -> Call {
    let deadline = Instant::now() + WRITE_DELAY;
    loop {
        match calls.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Call::NewLease) => {}
            Err(RecvTimeoutError::Timeout) => return Call::NewLease,
            Ok(Call::Stop) | Err(RecvTimeoutError::Disconnected) => return Call::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::LeaseCache;
    use crate::pool::{Pool, Range, UnixTime};
    use std::path::Path;
    use translator::Leases;

    const NOW: UnixTime = UnixTime(1_700_000_000);

    fn keeper(dir: &Path) -> (Keeper, Arc<SharedPool>, Arc<AtomicU64>) {
        let (bell, calls) = Bell::new();
        let range =
            Range::new("198.51.100.0/24".parse().unwrap(), "192.0.2.1".parse().unwrap(), Default::default());
        let ring = bell.clone();
        let pool = Arc::new(SharedPool::new(Pool::new(Some(range)), move || ring.ring()));
        let failures = Arc::new(AtomicU64::new(0));
        let file = StateFile::open(dir).unwrap();
        (Keeper::start(file, Arc::clone(&pool), (bell, calls), Arc::clone(&failures)).unwrap(), pool, failures)
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
        LeaseCache::new(pool, NOW).lease_for_v6("2001:db8::1".parse().unwrap()).unwrap();
        let file = dir.path().join(crate::persist::FILE_NAME);
        until("the file holds the lease", || {
            std::fs::read_to_string(&file).is_ok_and(|text| text.contains("2001:db8::1\t1700000000"))
        });
        keeper.stop();
    }

    #[test]
    fn stopping_writes_what_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, pool, failures) = keeper(dir.path());
        let mut cache = LeaseCache::new(pool, NOW);
        for host in 1..=100_u16 {
            cache.lease_for_v6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host)).unwrap();
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
        let mut cache = LeaseCache::new(pool, NOW);
        cache.lease_for_v6("2001:db8::1".parse().unwrap()).unwrap();
        until("a failure is counted", || failures.load(Ordering::Relaxed) > 0);
        std::fs::remove_dir(&blocker).unwrap();
        keeper.stop();
        assert_eq!(StateFile::open(dir.path()).unwrap().read().unwrap().0.len(), 1);
    }
}
