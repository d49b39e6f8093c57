//! The authoritative server that all resolvers ask: Debian's Knot DNS with one zone, without response rate limiting.

use super::questions::{ZONE, zone};
use super::setting::AUTHORITY;
use crate::namespace::Namespace;
use crate::peers::foreign::Foreign;
use crate::program::Program;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// The program.
pub(super) const KNOT: Foreign = Foreign { name: "knot", program: "knotd", package: "knot" };

/// Threads that serve datagrams: two resolvers' threads keep no more busy.
const WORKERS: usize = 2;

/// Starts it on `host`; its files lie below `folder`.
pub(super) fn start(host: &Namespace, folder: &Path) -> Result<Program> {
    let zones = folder.join("zones");
    fs::create_dir(&zones).with_context(|| format!("cannot make {}", zones.display()))?;
    fs::write(zones.join(ZONE), zone()).context("cannot write the zone")?;
    host.add_address("lo", std::net::IpAddr::from(AUTHORITY).into())?;
    KNOT.launch(&["-c"], &text(&zones), &folder.join(KNOT.name))?.start(host)
}

fn text(zones: &Path) -> String {
    let zones = zones.display();
    format!(
        r#"server:
    rundir: "{zones}"
    listen: {AUTHORITY}@53
    udp-workers: {WORKERS}
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{zones}"
log:
  - target: stderr
    any: warning
zone:
  - domain: {ZONE}
    storage: "{zones}"
    file: {ZONE}
    zonefile-sync: -1
    journal-content: none
"#
    )
}
