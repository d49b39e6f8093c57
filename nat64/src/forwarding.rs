//! Whether the kernel passes packets on between interfaces, without which nothing reaches the translator.
//!
//! The switches are the operator's: they are looked at and never turned, since turning them makes a router of a host.

use std::path::Path;

/// Where the kernel shows its switches, for the network namespace of the thread that looks.
const SYSCTLS: &str = "/proc/sys";

/// The switches, as `sysctl` names them.
const SWITCHES: [&str; 2] = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"];

/// The switches that are off. One that cannot be read counts as on: there is nothing to advise.
pub fn switched_off() -> Vec<&'static str> {
    switched_off_in(Path::new(SYSCTLS))
}

fn switched_off_in(sysctls: &Path) -> Vec<&'static str> {
    let is_off = |name: &&str| {
        std::fs::read_to_string(sysctls.join(name.replace('.', "/"))).is_ok_and(|value| value.trim() == "0")
    };
    SWITCHES.into_iter().filter(is_off).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_that_are_off_are_named_and_unreadable_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(switched_off_in(dir.path()), [""; 0]);
        std::fs::create_dir_all(dir.path().join("net/ipv4")).unwrap();
        std::fs::create_dir_all(dir.path().join("net/ipv6/conf/all")).unwrap();
        std::fs::write(dir.path().join("net/ipv4/ip_forward"), "1\n").unwrap();
        std::fs::write(dir.path().join("net/ipv6/conf/all/forwarding"), "0\n").unwrap();
        assert_eq!(switched_off_in(dir.path()), ["net.ipv6.conf.all.forwarding"]);
        std::fs::write(dir.path().join("net/ipv4/ip_forward"), "0\n").unwrap();
        assert_eq!(switched_off_in(dir.path()), SWITCHES);
    }
}
