//! What the configuration names as hosts, made into tables.

use super::Hosts;
use super::table::{Builder, Lasting};
use crate::snapshot::wire_name;
use config::model::LocalNames;
use std::sync::Arc;
use std::time::Duration;

/// The hosts that `names` lists one by one.
///
/// # Panics
/// Never: the configuration allows a host fewer addresses than a table does.
pub fn listed(names: &LocalNames) -> Hosts {
    let mut fixed = Builder::new(Lasting::Ttl);
    for host in &names.host {
        for address in &host.addresses {
            fixed
                .add(&wire_name(&host.name), *address, seconds(host.ttl))
                .expect("a host has 64 addresses at most");
        }
    }
    Hosts { fixed: Arc::new(fixed.build()), leases: Arc::default(), ttl: seconds(names.hosts_ttl) }
}

fn seconds(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX)
}
