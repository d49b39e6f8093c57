//! Our daemons on the one gateway: what sets each apart from the others, and its file.

use crate::binaries::Binaries;
use crate::gateway::{Daemon, Files, Role};
use crate::namespace::Namespace;
use anyhow::Result;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// One causeway-nat64.
#[derive(Debug)]
pub struct Instance {
    /// Its name for people, its device and its folder.
    pub name: &'static str,
    prefix: &'static str,
    pool: &'static str,
    own_v4: &'static str,
    own_v6: &'static str,
    offload: &'static str,
    /// How many hosts a crowd has that sends through it.
    pub hosts: u32,
    /// The IPv4 address before the first of theirs, where the file has an explicit map for each.
    maps: Option<Ipv4Addr>,
}

/// The IPv6 address of a host of a crowd, by its number from zero.
pub fn host(number: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(HOSTS.to_bits() | u128::from(number + 1))
}

/// Where the addresses of hosts begin: in the client's network.
const HOSTS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 1, 0, 0, 0);

/// As people run it.
pub const USUAL: Instance = Instance {
    name: "ours",
    prefix: "2001:db8:64::/96",
    pool: "192.168.255.0/24",
    own_v4: "192.168.255.1",
    own_v6: "2001:db8:ffff::64",
    offload: "auto",
    hosts: FEW,
    maps: None,
};

/// Without offload.
pub const PLAIN: Instance = Instance {
    name: "ours-plain",
    prefix: "2001:db8:66::/96",
    pool: "192.168.253.0/24",
    own_v4: "192.168.253.1",
    own_v6: "2001:db8:ffff::66",
    offload: "off",
    hosts: FEW,
    maps: None,
};

/// With a pool that a crowd and the client fill to the last address.
pub const FULL: Instance = Instance {
    name: "ours-full",
    prefix: "2001:db8:67::/96",
    pool: "172.16.0.0/16",
    own_v4: "192.168.252.1",
    own_v6: "2001:db8:ffff::67",
    offload: "auto",
    hosts: FULL_POOL,
    maps: None,
};

/// With few hosts in the file.
pub const FEW_MAPS: Instance = Instance {
    name: "ours-few",
    prefix: "2001:db8:68::/96",
    pool: "192.168.251.0/24",
    own_v4: "192.168.251.1",
    own_v6: "2001:db8:ffff::68",
    offload: "auto",
    hosts: FEW,
    maps: Some(Ipv4Addr::new(172, 17, 0, 0)),
};

/// With many.
pub const MANY_MAPS: Instance = Instance {
    name: "ours-many",
    prefix: "2001:db8:69::/96",
    pool: "192.168.250.0/24",
    own_v4: "192.168.250.1",
    own_v6: "2001:db8:ffff::69",
    offload: "auto",
    hosts: MANY,
    maps: Some(Ipv4Addr::new(172, 18, 0, 0)),
};

/// Hosts that any table holds with ease.
pub const FEW: u32 = 10;

/// Hosts in a large network.
pub const MANY: u32 = 65_000;

/// Hosts that fill the pool of a /16 together with the client: all but its first address.
pub const FULL_POOL: u32 = 65_534;

impl Instance {
    /// Starts it on `gateway`, and waits until it serves; its files lie below `folder`.
    pub fn start(&self, binaries: &Binaries, gateway: &Namespace, folder: &Path) -> Result<Daemon> {
        let files = Files::lay_out(&folder.join(self.name))?;
        files.write_config(&self.configuration(&files))?;
        let launch = Daemon::launch(Role::Nat64, binaries, &files)?;
        let daemon = Daemon::start(Role::Nat64, launch, gateway, &files)?;
        daemon.wait_until_ready()?;
        Ok(daemon)
    }

    /// An IPv4 address as an IPv6-only client reaches it through this one.
    ///
    /// # Panics
    /// Never: a test of this module reads all prefixes.
    pub fn address_of(&self, v4: Ipv4Addr) -> Ipv6Addr {
        let prefix: addr::Prefix64 = self.prefix.parse().expect("the prefix is one");
        prefix.embed(v4)
    }

    fn configuration(&self, files: &Files) -> String {
        let Self { name, prefix, pool, own_v4, own_v6, offload, hosts, maps } = self;
        let (state, admin) = (files.state(), files.admin());
        let maps: String = maps.iter().flat_map(|before| entries(*before, *hosts)).collect();
        format!(
            r#"[prefix]
pref64 = "{prefix}"

[nat64]
device = "{name}"
ipv4_addr = "{own_v4}"
ipv6_addr = "{own_v6}"
dynamic_pool = "{pool}"
offload = "{offload}"
state_dir = "{state}"

{maps}
[admin]
socket = "{admin}"
"#,
            state = state.display(),
            admin = admin.display(),
        )
    }
}

/// An explicit map for each of `count` hosts, to the addresses after `before`.
fn entries(before: Ipv4Addr, count: u32) -> impl Iterator<Item = String> {
    (0..count).map(move |number| {
        let v4 = Ipv4Addr::from_bits(before.to_bits() + number + 1);
        format!("[[nat64.map]]\nv4 = \"{v4}\"\nv6 = \"{}\"\n", host(number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::ALPHA;
    use std::collections::HashSet;

    const ALL: &[&Instance] = &[&USUAL, &PLAIN, &FULL, &FEW_MAPS, &MANY_MAPS];

    #[test]
    fn every_file_is_valid() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::lay_out(folder.path()).unwrap();
        for instance in ALL {
            let loaded = config::parse(&instance.configuration(&files), "gateway.toml").unwrap();
            assert!(loaded.model.has(config::Section::Nat64), "{}", instance.name);
        }
    }

    #[test]
    fn no_two_share_anything() {
        let distinct =
            |of: fn(&Instance) -> String| ALL.iter().map(|instance| of(instance)).collect::<HashSet<_>>();
        for of in [
            |of: &Instance| of.name.to_owned(),
            |of: &Instance| of.address_of(ALPHA).to_string(),
            |of: &Instance| of.pool.to_owned(),
            |of: &Instance| of.own_v4.to_owned(),
            |of: &Instance| of.own_v6.to_owned(),
        ] {
            assert_eq!(distinct(of).len(), ALL.len());
        }
    }
}
