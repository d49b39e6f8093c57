//! Which processors the ends of a path run on, and which its translator.
//!
//! For floods: one thread translates a flow, whoever's thread it is, and a sender without pause fills a processor. How
//! much of a processor the translator gets then depends on where the scheduler puts its thread, and that changes from one
//! measurement to the next. On a real path the ends are other machines, so each side gets processors of its own.
//!
//! Not for a single packet that waits for its answer: there each side would wake a sleeping processor at each step, which
//! hides what a translator costs. Nor for streams, whose ends need more than half of two processors.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, gettid};
use std::fs;

/// Where a measured process runs, and where everything else does.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// As many processors as asked for, or all there are.
    pub measured: CpuSet,
    /// All others; all, if no other is left.
    pub rest: CpuSet,
    /// How many `rest` has.
    pub others: usize,
}

impl Places {
    /// For a process that is held to `count` processors.
    pub fn new(count: usize) -> Result<Self> {
        let allowed = allowed(&sched_getaffinity(gettid())?);
        let [rest, measured] = split(&allowed, count);
        Ok(Self { measured: set(measured)?, rest: set(rest)?, others: rest.len() })
    }
}

/// The processors that this thread may run on.
pub fn count() -> Result<usize> {
    Ok(allowed(&sched_getaffinity(gettid())?).len())
}

/// The last `count` processors, with the others before them.
fn split(allowed: &[usize], count: usize) -> [&[usize]; 2] {
    match allowed.len().saturating_sub(count) {
        0 => [allowed, allowed],
        rest => allowed.split_at(rest).into(),
    }
}

/// Runs `measure`, with the threads that it makes on one half of this thread's processors and the process `translator`
/// on the other half. With a single processor all share it.
///
/// # Errors
/// Those of `measure`, or the translator has ended.
pub fn apart<T>(translator: Option<i32>, measure: impl FnOnce() -> Result<T>) -> Result<T> {
    let all = sched_getaffinity(gettid())?;
    let allowed = allowed(&all);
    let Some([ends, middle]) = halves(&allowed) else { return measure() };
    if let Some(process) = translator {
        bind(process, &set(middle)?)?;
    }
    sched_setaffinity(gettid(), &set(ends)?)?;
    let outcome = measure();
    sched_setaffinity(gettid(), &all)?;
    if let Some(process) = translator {
        bind(process, &all)?;
    }
    outcome
}

fn allowed(all: &CpuSet) -> Vec<usize> {
    (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu) == Ok(true)).collect()
}

/// The first half and the second, if there are two.
fn halves(allowed: &[usize]) -> Option<[&[usize]; 2]> {
    let (ends, middle) = allowed.split_at(allowed.len() / 2);
    (!ends.is_empty()).then_some([ends, middle])
}

fn set(cpus: &[usize]) -> Result<CpuSet> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu)?;
    }
    Ok(set)
}

/// Binds each thread of a process.
///
/// # Errors
/// It has ended.
pub fn bind(process: i32, cpus: &CpuSet) -> Result<()> {
    threads(process)?.into_iter().try_for_each(|thread| bind_thread(thread, cpus))
}

fn threads(process: i32) -> Result<Vec<Pid>> {
    let folder = format!("/proc/{process}/task");
    fs::read_dir(&folder)
        .with_context(|| format!("cannot read {folder}"))?
        .map(|thread| Ok(Pid::from_raw(thread?.file_name().to_string_lossy().parse()?)))
        .collect()
}

fn bind_thread(thread: Pid, cpus: &CpuSet) -> Result<()> {
    match sched_setaffinity(thread, cpus) {
        // It ended meanwhile.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno).with_context(|| format!("cannot bind thread {thread}")),
    }
}

/// Keeps each thread of a process on one processor, in turn.
///
/// What a thread sends waits in a backlog of the processor it runs on. A thread that the scheduler moves has datagrams in
/// two of them, and the later ones may come out first.
///
/// # Errors
/// It has ended.
pub fn spread(process: i32) -> Result<()> {
    let allowed = allowed(&sched_getaffinity(gettid())?);
    let places: Vec<_> = allowed.iter().map(|cpu| set(&[*cpu])).collect::<Result<_>>()?;
    for (thread, place) in threads(process)?.into_iter().zip(places.iter().cycle()) {
        bind_thread(thread, place)?;
    }
    Ok(())
}

/// Keeps this thread on one processor, the one of this number in turn; see [`spread`].
///
/// # Errors
/// The kernel refuses.
pub fn stay(number: usize) -> Result<()> {
    let allowed = allowed(&sched_getaffinity(gettid())?);
    Ok(sched_setaffinity(gettid(), &set(&[allowed[number % allowed.len()]])?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_stays_has_one_processor() {
        std::thread::spawn(|| {
            let before = allowed(&sched_getaffinity(gettid()).unwrap());
            stay(before.len() + 1).unwrap();
            let after = allowed(&sched_getaffinity(gettid()).unwrap());
            assert_eq!(after, [before[1 % before.len()]]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn sides_share_no_processor() {
        assert_eq!(halves(&[0, 1]), Some([[0].as_slice(), &[1]]));
        assert_eq!(halves(&[2, 3, 5]), Some([[2].as_slice(), &[3, 5]]));
        assert_eq!(halves(&[4]), None);
    }

    #[test]
    fn measured_ones_are_the_last_and_the_rest_is_never_empty() {
        assert_eq!(split(&[0, 1], 1), [[0].as_slice(), &[1]]);
        assert_eq!(split(&[0, 1, 4, 5], 2), [[0, 1].as_slice(), &[4, 5]]);
        assert_eq!(split(&[0, 1], 2), [[0, 1].as_slice(), &[0, 1]]);
        assert_eq!(split(&[3], 2), [[3].as_slice(), &[3]]);
    }

    #[test]
    fn afterwards_all_is_as_before() {
        let before = sched_getaffinity(gettid()).unwrap();
        let own = std::process::id().cast_signed();
        let during = apart(Some(own), || Ok(sched_getaffinity(gettid())?)).unwrap();
        assert_eq!(sched_getaffinity(gettid()).unwrap(), before);
        let single = halves(&allowed(&before)).is_none();
        assert_eq!(during == before, single);
    }
}
