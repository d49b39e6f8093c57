//! The memory that the control group of this process may use: `memory.max` of cgroups v2, which systemd's `MemoryMax=`
//! and containers set. A machine that has no such groups bounds nothing by them.

use std::fs::read_to_string;
use std::path::Path;

/// Bytes.
pub(super) fn memory() -> Option<u64> {
    let groups = read_to_string("/proc/self/cgroup").ok()?;
    lowest(&groups, |file| read_to_string(Path::new("/sys/fs/cgroup").join(file)).ok())
}

/// The lowest limit of the group that these lines name and of those that it is part of.
fn lowest(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let limits = Path::new(group).ancestors().filter_map(|group| read(&group.join("memory.max")));
    // Where there is no limit it says "max".
    limits.filter_map(|limit| limit.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_on_the_way_up_counts() {
        let files = [
            ("system.slice/causeway-proxy.service/memory.max", "max\n"),
            ("system.slice/memory.max", "300\n"),
            ("other.slice/memory.max", "1\n"),
            ("memory.max", "400\n"),
        ];
        let read = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, limit)| (*limit).to_owned())
        };
        let check = |groups: &str, expect: Option<u64>| assert_eq!(lowest(groups, read), expect, "{groups}");
        check("0::/system.slice/causeway-proxy.service\n", Some(300));
        check("4:memory:/other.slice\n0::/user.slice\n", Some(400));
        check("0::/\n", Some(400));
        check("4:memory:/other.slice\n", None);
        check("", None);
        assert_eq!(lowest("0::/system.slice", |_| None), None);
    }
}
