//! What the processors are used for: by one process, its own work and the system calls it makes; by all together.

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};
use std::fs;
use std::thread;
use std::time::Duration;

/// How long [`busy`] looks.
const LOOK: Duration = Duration::from_millis(500);

/// User and system time of the process `pid` since it started, its threads together, in steps of a clock tick.
///
/// # Errors
/// There is no such process.
pub fn time_of(pid: i32) -> Result<Duration> {
    time_in(&format!("/proc/{pid}/stat"))
}

/// The same of one thread of this process.
///
/// # Errors
/// There is no such thread.
pub fn time_of_thread(id: i32) -> Result<Duration> {
    time_in(&format!("/proc/self/task/{id}/stat"))
}

fn time_in(file: &str) -> Result<Duration> {
    let stat = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let ticks = ticks(&stat).with_context(|| format!("{file} has no user and system time"))?;
    let a_second = sysconf(SysconfVar::CLK_TCK)?.context("this kernel names no clock tick")?;
    Ok(Duration::from_secs(ticks) / u32::try_from(a_second).context("clock ticks a second")?)
}

/// The sum of fields 14 and 15 of `proc_pid_stat(5)`. The name in field 2 may contain anything, parentheses too.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// What part of the machine's processors is in use, from 0 to 1, while this process sleeps.
pub fn busy() -> Result<f64> {
    let look = || -> Result<[u64; 2]> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        used_and_idle(&stat).context("/proc/stat does not begin with the processors' times")
    };
    let [used_before, idle_before] = look()?;
    thread::sleep(LOOK);
    let [used, idle] = look()?;
    let [used, idle] = [used.saturating_sub(used_before), idle.saturating_sub(idle_before)];
    #[expect(clippy::cast_precision_loss, reason = "clock ticks of half a second")]
    let part = used as f64 / (used + idle).max(1) as f64;
    Ok(part)
}

/// The first line of `proc_stat(5)`: idle and waiting for input are fields 4 and 5 of its first eight; the two behind
/// them are counted among the first.
fn used_and_idle(stat: &str) -> Option<[u64; 2]> {
    let times = stat.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<u64> =
        times.split_ascii_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    let idle = times.get(3)? + times.get(4)?;
    Some([times.iter().sum::<u64>() - idle, idle])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 120 45 8 9 20 0 1 0 5 6";
        assert_eq!(ticks(stat), Some(165));
    }

    #[test]
    fn truncated_line_has_no_times() {
        assert_eq!(ticks("7 (name) S 1 7"), None);
    }

    #[test]
    fn guests_are_not_counted_twice() {
        let stat = "cpu  10 1 5 100 20 0 2 3 7 8\ncpu0 1 2 3\n";
        assert_eq!(used_and_idle(stat), Some([21, 120]));
        assert_eq!(used_and_idle("intr 1 2 3"), None);
    }

    #[test]
    fn own_time_is_there_and_that_of_nobody_is_not() {
        assert!(time_of(std::process::id().cast_signed()).is_ok());
        assert!(time_of(-1).is_err());
        assert!(time_of_thread(nix::unistd::gettid().as_raw()).is_ok());
        assert!(time_of_thread(-1).is_err());
    }
}
