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
}

/// As people run it.
pub const USUAL: Instance = Instance {
    name: "ours",
    prefix: "2001:db8:64::/96",
    pool: "192.168.255.0/24",
    own_v4: "192.168.255.1",
    own_v6: "2001:db8:ffff::64",
    offload: "auto",
};

/// Without offload.
pub const PLAIN: Instance = Instance {
    name: "ours-plain",
    prefix: "2001:db8:66::/96",
    pool: "192.168.253.0/24",
    own_v4: "192.168.253.1",
    own_v6: "2001:db8:ffff::66",
    offload: "off",
};

/// All of them.
pub const ALL: &[&Instance] = &[&USUAL, &PLAIN];

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
        let Self { name, prefix, pool, own_v4, own_v6, offload } = self;
        let (state, admin) = (files.state(), files.admin());
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

[admin]
socket = "{admin}"
"#,
            state = state.display(),
            admin = admin.display(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::ALPHA;
    use std::collections::HashSet;

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
