//! How many client connections the process holds at once. Pure, but for the two questions to the kernel.
//!
//! The bound keeps a crowd of clients from taking the files that checks and the admin interface need, and from taking
//! the machine's memory. Connections above it wait in the kernel's backlog. Idle connections to members are not counted:
//! when they take the last files, accepting rests for want of files.

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::sysinfo::sysinfo;

/// A client's connection and the member's that serves it.
const FILES_PER_CONNECTION: u64 = 2;
/// Standard streams, the log, signals, the runtime of the main thread, and a few admin clients.
const OWN_FILES: u64 = 24;
/// The runtime of a worker or of the checking thread: an epoll instance, its waker, its signals, and one to spare.
const FILES_PER_THREAD: u64 = 4;
/// Memory that one connection may take: 47 kB were measured with a head of 15 KiB that never ends, and the kernel's part
/// comes on top.
const MEMORY_PER_CONNECTION: u64 = 64 << 10;
/// One part in so many of a worker's places is kept for listeners that have less than their share.
const KEPT_SHARE: usize = 8;
/// Connections may take one part in so many of the machine's memory: a router with 2 GiB holds 16384 of them.
const MEMORY_SHARE: u64 = 2;
/// Flows of datagrams have one file each, and may take one part in so many: whoever sends from invented addresses must not
/// keep connections out.
const FILES_SHARE_OF_FLOWS: u64 = 3;
/// Memory of a flow whose member sends no faster than its worker reads: its socket, its place in epoll, its entry.
const MEMORY_PER_FLOW: u64 = 4 << 10;
/// Flows may take one part in so many of the machine's memory.
const MEMORY_SHARE_OF_FLOWS: u64 = 8;

/// What there is to share out, as it was at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    /// Open files that the process may have.
    pub(crate) files: u64,
    /// Bytes of memory of the machine.
    pub(crate) memory: u64,
}

impl Capacity {
    /// Asks the kernel. What it does not tell does not bound.
    pub(crate) fn of_this_process() -> Self {
        Self {
            files: getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft),
            memory: sysinfo().map_or(u64::MAX, |system| system.ram_total()),
        }
    }

    /// What is left where so many files are open for as long as the process runs.
    pub(crate) fn without(self, files: usize) -> Self {
        Self { files: self.files.saturating_sub(files as u64), ..self }
    }

    /// Client connections that each of `workers` may hold, at least one. `addresses` are listened on, by one socket per
    /// worker; `members` are checked, over one socket each.
    pub(crate) fn per_worker(self, workers: usize, addresses: usize, members: usize) -> usize {
        let by_files = self.free_files(workers, addresses, members) / FILES_PER_CONNECTION;
        let by_memory = self.memory / MEMORY_SHARE / MEMORY_PER_CONNECTION;
        each(by_files.min(by_memory), workers)
    }

    /// Flows of datagrams that each of `workers` may hold, at least one.
    pub(crate) fn flows_per_worker(self, workers: usize, addresses: usize, members: usize) -> usize {
        let by_files = self.free_files(workers, addresses, members) / FILES_SHARE_OF_FLOWS;
        let by_memory = self.memory / MEMORY_SHARE_OF_FLOWS / MEMORY_PER_FLOW;
        each(by_files.min(by_memory), workers)
    }

    /// Files that are not kept back.
    fn free_files(self, workers: usize, addresses: usize, members: usize) -> u64 {
        let (workers, addresses, members) = (workers.max(1) as u64, addresses as u64, members as u64);
        let kept = OWN_FILES + FILES_PER_THREAD * (workers + 1) + addresses * workers + members;
        self.files.saturating_sub(kept)
    }
}

fn each(all: u64, workers: usize) -> usize {
    usize::try_from(all / workers.max(1) as u64).unwrap_or(usize::MAX).max(1)
}

/// Whether a worker that holds `taken` connections of `limit` takes one more: of a listener that has not got its share
/// of them yet, to the last place; of another one, as long as some are left for the others. So a crowd at one listener
/// does not shut the others.
pub(crate) const fn leaves_room(limit: usize, taken: usize, below_share: bool) -> bool {
    let kept = if below_share { 0 } else { limit / KEPT_SHARE };
    taken < limit - kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_memory_are_shared_out_among_workers() {
        const GIB: u64 = 1 << 30;
        const ALL: u64 = u64::MAX;
        let check = |(files, memory), (workers, addresses, members), expect: usize| {
            let capacity = Capacity { files, memory };
            assert_eq!(
                capacity.per_worker(workers, addresses, members),
                expect,
                "{capacity:?} for {workers} workers, {addresses} addresses, {members} members"
            );
        };
        // 24 of its own, 4 for each of 2 threads, 2 sockets, 1 check: 35 are kept back.
        check((48, ALL), (1, 2, 1), 6);
        check((35, ALL), (1, 2, 1), 1);
        check((0, 0), (1, 0, 0), 1);
        check((1024, ALL), (1, 2, 1), 494);
        // 24, 4 for each of 5 threads, 2 sockets for each of 4 workers, 10 checks: 62 are kept back.
        check((1024, ALL), (4, 2, 10), 120);
        check((1 << 20, 2 * GIB), (1, 2, 1), 16384);
        check((1 << 20, 2 * GIB), (4, 2, 1), 4096);
        check((1 << 20, 1024 * GIB), (1, 0, 0), 524_272);
        check((ALL, 2 * GIB), (0, 0, 0), 16384);
    }

    #[test]
    fn flows_have_their_part() {
        let check = |(files, memory), workers, expect: usize| {
            let capacity = Capacity { files, memory };
            assert_eq!(
                capacity.flows_per_worker(workers, 2, 1),
                expect,
                "{capacity:?} for {workers} workers"
            );
        };
        // 35 files are kept back for one worker, 41 for two.
        check((20_000, u64::MAX), 1, 6655);
        check((20_000, u64::MAX), 2, 3326);
        check((35, u64::MAX), 1, 1);
        check((1 << 20, 2 << 30), 1, 65_536);
    }

    #[test]
    fn the_last_places_are_for_listeners_below_their_share() {
        let check = |limit, taken, (below, above)| {
            assert_eq!(leaves_room(limit, taken, true), below, "{taken} of {limit}");
            assert_eq!(leaves_room(limit, taken, false), above, "{taken} of {limit}");
        };
        check(16, 13, (true, true));
        check(16, 14, (true, false));
        check(16, 15, (true, false));
        check(16, 16, (false, false));
        check(1, 0, (true, true));
        check(1, 1, (false, false));
    }

    #[test]
    fn the_kernel_tells_of_files_and_memory() {
        let capacity = Capacity::of_this_process();
        assert!(
            capacity.files > 0 && capacity.memory > 16 << 20 && capacity.memory < u64::MAX,
            "{capacity:?}"
        );
    }
}
