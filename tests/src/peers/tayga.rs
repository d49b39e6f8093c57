//! Debian's Tayga as the peer: its own file, its own prefix and pool, beside ours on the same gateway.

use super::installed;
use crate::namespace::Namespace;
use crate::program::{Launch, Program};
use crate::wait::PATIENCE;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// The Debian package that it comes in.
pub const PACKAGE: &str = "tayga";

/// One Tayga: what sets it apart from others on the same gateway.
#[derive(Debug)]
pub struct Instance {
    /// Its name for people, its device and its folder.
    pub name: &'static str,
    prefix: &'static str,
    pool: &'static str,
    own_v4: &'static str,
    own_v6: &'static str,
}

/// The one beside ours.
pub const USUAL: Instance = Instance {
    name: "tayga",
    prefix: "2001:db8:65::/96",
    pool: "192.168.254.0/24",
    own_v4: "192.168.254.1",
    own_v6: "2001:db8:fffe::65",
};

/// Its program, if it is installed.
pub fn find() -> Option<PathBuf> {
    installed::find(PACKAGE)
}

impl Instance {
    /// Starts `program` on `gateway`; its files lie in `folder`.
    pub fn start(&self, program: &Path, gateway: &Namespace, folder: &Path) -> Result<Program> {
        let state = folder.join(self.name);
        fs::create_dir(&state).with_context(|| format!("cannot make {}", state.display()))?;
        let config = state.join("tayga.conf");
        fs::write(&config, self.configuration(&state))
            .with_context(|| format!("cannot write {}", config.display()))?;
        let made = Launch::new("tayga --mktun", program)
            .args([Path::new("--mktun"), Path::new("-c"), &config])
            .output(gateway, PATIENCE)?;
        ensure!(made.status.success(), "tayga --mktun: {}{}", made.stdout, made.stderr);
        gateway.bring_up(self.name)?;
        for route in [self.prefix, self.pool] {
            gateway.add_device_route(route.parse()?, self.name)?;
        }
        Launch::new(self.name, program)
            .args([Path::new("--nodetach"), Path::new("-c"), &config])
            .log_to(state.join("tayga.log"))
            .start(gateway)
    }

    /// An IPv4 address as an IPv6-only client reaches it through this one.
    ///
    /// # Panics
    /// Never: a test of this module calls it.
    pub fn address_of(&self, v4: Ipv4Addr) -> Ipv6Addr {
        let prefix: addr::Prefix64 = self.prefix.parse().expect("the prefix is one");
        prefix.embed(v4)
    }

    fn configuration(&self, state: &Path) -> String {
        let Self { name, prefix, pool, own_v4, own_v6 } = self;
        format!(
            "tun-device {name}\nipv4-addr {own_v4}\nipv6-addr {own_v6}\nprefix {prefix}\ndynamic-pool {pool}\n\
             data-dir {}\n",
            state.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology;

    #[test]
    fn prefix_embeds_a_server_elsewhere_than_ours() {
        assert_eq!(USUAL.address_of(topology::ALPHA).to_string(), "2001:db8:65::c000:20a");
    }

    #[test]
    fn file_has_what_tayga_must_have() {
        let text = USUAL.configuration(Path::new("/state"));
        for directive in ["tun-device", "ipv4-addr", "ipv6-addr", "prefix", "dynamic-pool", "data-dir /state"]
        {
            assert!(text.lines().any(|line| line.starts_with(directive)), "{directive}");
        }
    }
}
