//! How much memory a process has.

use anyhow::{Context, Result};
use std::fs;

/// The most memory that the process `pid` has had in use at one time, in bytes (`VmHWM` of `proc_pid_status(5)`).
///
/// # Errors
/// There is no such process.
pub fn peak_of(pid: i32) -> Result<u64> {
    read(pid, "VmHWM:")
}

/// The memory that it has in use, in bytes (`VmRSS`).
///
/// # Errors
/// There is no such process.
pub fn resident_of(pid: i32) -> Result<u64> {
    read(pid, "VmRSS:")
}

fn read(pid: i32, label: &str) -> Result<u64> {
    let file = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    size(&status, label).with_context(|| format!("{file} has no {label}"))
}

fn size(status: &str, label: &str) -> Option<u64> {
    let size = status.lines().find_map(|line| line.strip_prefix(label))?;
    let kibibytes: u64 = size.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_found_among_the_others() {
        let status = "Name:\tVmHWM: 7 kB\nVmSize:\t  9000 kB\nVmHWM:\t    1024 kB\nVmRSS:\t     900 kB\n";
        assert_eq!(size(status, "VmHWM:"), Some(1 << 20));
        assert_eq!(size(status, "VmRSS:"), Some(900 << 10));
        assert_eq!(size("VmRSS:\t     900 kB\n", "VmHWM:"), None);
    }

    #[test]
    fn own_memory_is_there_and_that_of_nobody_is_not() {
        let own = std::process::id().cast_signed();
        assert!(resident_of(own).unwrap() <= peak_of(own).unwrap());
        assert!(peak_of(-1).is_err() && resident_of(-1).is_err());
    }
}
