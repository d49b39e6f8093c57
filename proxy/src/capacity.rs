//! How many client connections the process holds at once. Pure, but for what the kernel is asked.
//!
//! The bound keeps a crowd of clients from taking the files that checks and the admin interface need, and from taking
//! the machine's memory. Connections above it wait in the kernel's backlog. Idle connections to members are not counted:
//! a worker that runs short gives up its own.

mod group;

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::sysinfo::sysinfo;

/// A client's connection and the member's that serves it.
const FILES_PER_CONNECTION: u64 = 2;
/// Standard streams, the log, signals, the runtime of the main thread, and a few admin clients.
const OWN_FILES: u64 = 24;
/// The socket of a worker, and the epoll instance of its flows.
const FILES_PER_DATAGRAM_SITE: u64 = 2;
/// The runtime of a worker or of the checking thread: an epoll instance, its waker, its signals, and an epoll instance of
/// the connections that rest.
const FILES_PER_THREAD: u64 = 4;
/// Memory that one connection may take: 47 kB were measured with a head of 15 KiB that never ends, and a relay has one
/// tight buffer each way. The kernel's part comes on top.
const MEMORY_PER_CONNECTION: u64 = 48 << 10;
/// Memory for what receivers do not take, for each connection on the average: a few take nothing, not all.
const MEMORY_KEPT: u64 = 16 << 10;
/// What TLS adds on one side of a connection: its session, a record that is read and not yet whole, one that was read
/// and not yet taken, and one that the socket does not take.
const MEMORY_PER_TLS: u64 = 64 << 10;
/// One part in so many of a worker's places is kept for listeners that have less than their share.
const KEPT_SHARE: usize = 8;
/// Connections may take one part in so many of the memory: a router with 2 GiB holds 16384 of them, or 8192 with TLS to
/// one side.
const MEMORY_SHARE: u64 = 2;
/// Connections and requests of http, awake, are a crowd from one part in so many of a worker's places on. Before that one
/// may take 300 kB for what its ends do not take, a seventh of [`MEMORY_PER_CONNECTION`] with [`MEMORY_KEPT`] for each place;
/// in a crowd what a connection has in any case suffices.
const CROWD_SHARE: usize = 32;
/// Flows of datagrams have one file each, and have one part in so many, which connections leave to them: whoever sends
/// from invented addresses must not keep connections out, nor a crowd of connections the flows.
const FILES_SHARE_OF_FLOWS: u64 = 3;
/// Memory of a flow whose member sends no faster than its worker reads: its socket, its place in epoll, its entry.
const MEMORY_PER_FLOW: u64 = 4 << 10;
/// Flows may take one part in so many of the memory.
const MEMORY_SHARE_OF_FLOWS: u64 = 8;

/// What has files for as long as a configuration is in force.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) workers: usize,
    /// What connections come to: one socket for each worker.
    pub(crate) stream_sites: usize,
    /// What datagrams come to.
    pub(crate) datagram_sites: usize,
    /// Those are checked, over one socket each.
    pub(crate) members: usize,
    /// The sides of a connection, of clients and of members, on which TLS is spoken by any listener or pool.
    pub(crate) tls_sides: usize,
}

/// Flows that one worker may hold, so that all together are within what flows may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlowLimits {
    /// Of each site, in any case.
    pub(crate) share: usize,
    /// Of all sites, beyond their shares.
    pub(crate) common: usize,
}

/// What there is to share out, as it was at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    /// Open files that the process may have.
    pub(crate) files: u64,
    /// Bytes of memory of the machine, or of the control group if that may use less.
    pub(crate) memory: u64,
}

impl Capacity {
    /// Asks the kernel. What it does not tell does not bound.
    pub(crate) fn of_this_process() -> Self {
        let machine = sysinfo().map_or(u64::MAX, |system| system.ram_total());
        Self {
            files: getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft),
            memory: group::memory().map_or(machine, |group| group.min(machine)),
        }
    }

    /// What is left where so many files are open for as long as the process runs.
    pub(crate) fn without(self, files: usize) -> Self {
        Self { files: self.files.saturating_sub(files as u64), ..self }
    }

    /// Client connections that each worker may hold, at least one.
    pub(crate) fn per_worker(self, standing: Standing) -> usize {
        let flows = if standing.datagram_sites == 0 { 0 } else { self.files_of_flows(standing) };
        let by_files = (self.free_files(standing) - flows) / FILES_PER_CONNECTION;
        let by_memory = self.memory / MEMORY_SHARE / (memory_of_one(standing) + MEMORY_KEPT);
        each(by_files.min(by_memory), standing.workers)
    }

    /// Bytes that each worker may keep for receivers that do not take them, as long as none comes on top but what
    /// connections have in any case.
    pub(crate) fn kept_per_worker(self, standing: Standing) -> usize {
        let workers = standing.workers.max(1) as u64;
        let taken = (self.per_worker(standing) as u64).saturating_mul(memory_of_one(standing));
        let left = (self.memory / MEMORY_SHARE / workers).saturating_sub(taken);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// Flows of datagrams that each worker may hold, at least one: half of them in equal shares, half for who needs more.
    pub(crate) fn flows_per_worker(self, standing: Standing) -> FlowLimits {
        let by_memory = self.memory / MEMORY_SHARE_OF_FLOWS / MEMORY_PER_FLOW;
        let all = each(self.files_of_flows(standing).min(by_memory), standing.workers);
        let share = all / 2 / standing.datagram_sites.max(1);
        FlowLimits { share, common: all - share * standing.datagram_sites.max(1) }
    }

    fn files_of_flows(self, standing: Standing) -> u64 {
        self.free_files(standing) / FILES_SHARE_OF_FLOWS
    }

    /// Files that are not kept back.
    fn free_files(self, standing: Standing) -> u64 {
        let Standing { workers, stream_sites, datagram_sites, members, .. } = standing;
        let workers = workers.max(1) as u64;
        let of_sites = stream_sites as u64 + FILES_PER_DATAGRAM_SITE * datagram_sites as u64;
        let kept = OWN_FILES + FILES_PER_THREAD * (workers + 1) + of_sites * workers + members as u64;
        self.files.saturating_sub(kept)
    }
}

/// What a connection may take where all its receivers take what they get.
const fn memory_of_one(standing: Standing) -> u64 {
    MEMORY_PER_CONNECTION + MEMORY_PER_TLS * standing.tls_sides as u64
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

/// Whether a worker that may hold `limit` connections has so many awake that each must do with little.
pub(crate) const fn is_crowd(limit: usize, awake: usize) -> bool {
    awake > limit / CROWD_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_memory_are_shared_out_among_workers() {
        const GIB: u64 = 1 << 30;
        const ALL: u64 = u64::MAX;
        let check = |(files, memory), (workers, stream_sites, members), expect: usize| {
            let capacity = Capacity { files, memory };
            let standing = Standing { workers, stream_sites, members, ..Standing::default() };
            assert_eq!(capacity.per_worker(standing), expect, "{capacity:?} for {standing:?}");
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
    fn memory_is_shared_out_among_connections_and_what_they_keep() {
        const GIB: u64 = 1 << 30;
        let check = |memory, (workers, tls_sides), (connections, kept): (usize, usize)| {
            let capacity = Capacity { files: 1 << 20, memory };
            let standing = Standing { workers, tls_sides, ..Standing::default() };
            assert_eq!(capacity.per_worker(standing), connections, "{memory} for {standing:?}");
            assert_eq!(capacity.kept_per_worker(standing) >> 10, kept, "{memory} for {standing:?}");
        };
        check(4 * GIB, (1, 0), (32_768, 16 * 32_768));
        check(4 * GIB, (2, 0), (16_384, 16 * 16_384));
        check(4 * GIB, (2, 1), (8_192, 16 * 8_192));
        check(4 * GIB, (2, 2), (5_461, 16 * 5_461 + 64));
        check(0, (1, 0), (1, 0));
        let few_files = Capacity { files: 32 + 200, memory: 4 * GIB };
        let standing = Standing { workers: 1, ..Standing::default() };
        assert_eq!(few_files.per_worker(standing), 100);
        assert_eq!(few_files.kept_per_worker(standing), (2 << 30) - 100 * (48 << 10), "all that is left");
    }

    #[test]
    fn flows_have_their_part() {
        let check = |(files, memory), (workers, datagram_sites), expect: (usize, usize)| {
            let capacity = Capacity { files, memory };
            let standing = Standing { workers, datagram_sites, members: 1, ..Standing::default() };
            let FlowLimits { share, common } = capacity.flows_per_worker(standing);
            assert_eq!((share, common), expect, "{capacity:?} for {standing:?}");
        };
        // 37 files are kept back for one worker and two sites, 45 for two workers.
        check((20_000, u64::MAX), (1, 2), (1663, 3328));
        check((20_000, u64::MAX), (2, 2), (831, 1663));
        check((20_000, u64::MAX), (1, 1), (3327, 3328));
        check((35, u64::MAX), (1, 2), (0, 1));
        check((1 << 20, 2 << 30), (1, 1), (32_768, 32_768));
    }

    #[test]
    fn connections_and_flows_together_leave_the_files_that_are_kept_back() {
        for (workers, stream_sites, datagram_sites, members) in
            [(1, 1, 1, 1), (1, 1, 3, 2), (4, 2, 10, 40), (2, 5, 0, 1)]
        {
            let standing = Standing { workers, stream_sites, datagram_sites, members, tls_sides: 0 };
            for files in [1024_u32, 4096, 1 << 20] {
                let capacity = Capacity { files: files.into(), memory: u64::MAX };
                let FlowLimits { share, common } = capacity.flows_per_worker(standing);
                let flows = if datagram_sites == 0 { 0 } else { share * datagram_sites + common };
                let taken = workers * (2 * capacity.per_worker(standing) + flows);
                let files = usize::try_from(files).unwrap();
                // Runtimes, the sockets of sites and checks.
                let kept = 24 + 4 * (workers + 1) + workers * (stream_sites + 2 * datagram_sites) + members;
                assert!(taken + kept <= files, "{taken} and {kept} of {files} for {standing:?}");
                assert!(taken + kept + 4 * workers > files, "{standing:?} wastes some of {files}");
            }
        }
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
    fn a_32nd_of_the_places_is_no_crowd_yet() {
        let check = |limit, awake, expect| assert_eq!(is_crowd(limit, awake), expect, "{awake} of {limit}");
        check(512, 16, false);
        check(512, 17, true);
        check(1, 0, false);
        check(1, 1, true);
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
