//! Under which circumstances resolvers are measured: each resolver runs once for every setting that a chosen row needs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What all resolvers of one kind of measurement have in common.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, for folders and messages.
    pub name: &'static str,
    /// Its number in the addresses of resolvers.
    number: u16,
    /// The processors that a resolver is held to, and how many threads it serves with.
    pub cores: usize,
    /// The most that it may keep, in bytes.
    pub cache: u64,
    /// Whom it asks.
    pub upstream: Ipv4Addr,
    /// Whether it serves TLS as well.
    pub tls: bool,
}

/// The authoritative server.
pub const AUTHORITY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);

/// The server whose answers are late.
pub const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 54);

/// Ample for all names of a run but those of the rows about memory.
const AMPLE: u64 = 512 << 20;

/// One processor.
pub const ONE: Setting =
    Setting { name: "one", number: 1, cores: 1, cache: AMPLE, upstream: AUTHORITY, tls: false };

/// Two.
pub const TWO: Setting = Setting { name: "two", number: 2, cores: 2, ..ONE };

/// One, with TLS.
pub const TLS_ONE: Setting = Setting { name: "tls-one", number: 3, tls: true, ..ONE };

/// Two, with TLS.
pub const TLS_TWO: Setting = Setting { name: "tls-two", number: 4, tls: true, ..TWO };

/// Far from everybody who knows something.
pub const REMOTE: Setting = Setting { name: "remote", number: 5, upstream: FAR, ..ONE };

/// With room for a million names.
pub const LARGE: Setting = Setting { name: "large", number: 6, cache: 1 << 30, ..TWO };

/// With room for less than it is asked.
pub const SMALL: Setting = Setting { name: "small", number: 7, cache: 32 << 20, ..TWO };

impl Setting {
    /// The address of the resolver with this number.
    pub const fn address(&self, product: u16) -> IpAddr {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x53, 0, 0, 0, self.number, product))
    }
}

/// What shares processors with what, on a machine with so many.
pub fn note(processors: usize) -> String {
    let line = |setting: &Setting| {
        let cores = setting.cores;
        match processors.saturating_sub(cores) {
            0 => format!("cores {cores}: the resolver, the load and the Knot server share all processors"),
            rest => format!(
                "cores {cores}: the resolver has {cores} alone; the load and the Knot server have {rest}"
            ),
        }
    };
    let [one, two] = [line(&ONE), line(&TWO)];
    format!("Processors: {processors}. All are asked over IPv6.\n{one}\n{two}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_says_what_is_shared() {
        let note = note(2);
        let lines: Vec<&str> = note.lines().collect();
        assert!(lines[1].starts_with("cores 1: the resolver has 1 alone"), "{note}");
        assert!(lines[2].starts_with("cores 2: the resolver, the load and the Knot server share"), "{note}");
    }

    const ALL: &[&Setting] = &[&ONE, &TWO, &TLS_ONE, &TLS_TWO, &REMOTE, &LARGE, &SMALL];

    #[test]
    fn no_two_share_an_address_or_a_folder() {
        for (place, one) in ALL.iter().enumerate() {
            for other in &ALL[..place] {
                assert_ne!(one.address(1), other.address(1));
                assert_ne!(one.name, other.name);
            }
        }
    }
}
