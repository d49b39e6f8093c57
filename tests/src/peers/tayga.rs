//! Debian's Tayga as the peer: its own file, its own prefix and pool, beside ours on the same gateway.

use crate::namespace::Namespace;
use crate::program::{Launch, Program};
use crate::wait::PATIENCE;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// The Debian package that it comes in.
pub const PACKAGE: &str = "tayga";

/// Where Debian puts programs for administrators, whose `PATH` not everybody has.
const FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

const DEVICE: &str = "tayga";
const PREFIX: &str = "2001:db8:65::/96";
const POOL: &str = "192.168.254.0/24";
const OWN_V4: &str = "192.168.254.1";
const OWN_V6: &str = "2001:db8:fffe::65";

/// Its program, if it is installed.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(PACKAGE)).find(|program| program.is_file())
}

/// Starts it on `gateway`; its files lie in `folder`.
pub fn start(program: &Path, gateway: &Namespace, folder: &Path) -> Result<Program> {
    let state = folder.join("tayga");
    fs::create_dir(&state).with_context(|| format!("cannot make {}", state.display()))?;
    let config = folder.join("tayga.conf");
    fs::write(&config, configuration(&state))
        .with_context(|| format!("cannot write {}", config.display()))?;
    let made = Launch::new("tayga --mktun", program)
        .args([Path::new("--mktun"), Path::new("-c"), &config])
        .output(gateway, PATIENCE)?;
    ensure!(made.status.success(), "tayga --mktun: {}{}", made.stdout, made.stderr);
    gateway.bring_up(DEVICE)?;
    for route in [PREFIX, POOL] {
        gateway.add_device_route(route.parse()?, DEVICE)?;
    }
    Launch::new("tayga", program)
        .args([Path::new("--nodetach"), Path::new("-c"), &config])
        .log_to(folder.join("tayga.log"))
        .start(gateway)
}

/// An IPv4 address as an IPv6-only client reaches it through Tayga.
///
/// # Panics
/// Never: a test of this module calls it.
pub fn address_of(v4: Ipv4Addr) -> Ipv6Addr {
    let prefix: addr::Prefix64 = PREFIX.parse().expect("the prefix is one");
    prefix.embed(v4)
}

fn configuration(state: &Path) -> String {
    format!(
        "tun-device {DEVICE}\nipv4-addr {OWN_V4}\nipv6-addr {OWN_V6}\nprefix {PREFIX}\ndynamic-pool {POOL}\n\
         data-dir {}\n",
        state.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology;

    #[test]
    fn prefix_embeds_a_server_elsewhere_than_ours() {
        assert_eq!(address_of(topology::ALPHA).to_string(), "2001:db8:65::c000:20a");
        assert_ne!(PREFIX, topology::PREF64);
        assert_ne!(POOL, topology::POOL);
    }

    #[test]
    fn file_has_what_tayga_must_have() {
        let text = configuration(Path::new("/state"));
        for directive in ["tun-device", "ipv4-addr", "ipv6-addr", "prefix", "dynamic-pool", "data-dir /state"]
        {
            assert!(text.lines().any(|line| line.starts_with(directive)), "{directive}");
        }
    }
}
