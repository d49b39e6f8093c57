//! What an IPv6-only client must experience: a table of checks, run by `cargo lab` and by the end-to-end tests.

mod dns64;
mod nat64;
mod proxy;

use crate::lab::Lab;
use anyhow::{Result, ensure};

/// One experience of the client.
#[derive(Clone, Copy)]
pub struct Check {
    /// The part it is about.
    pub part: &'static str,
    /// What the part does, as the end of a sentence that begins with its name.
    pub does: &'static str,
    /// Tries it and tells what the client saw.
    pub run: fn(&Lab) -> Result<String>,
}

impl Check {
    /// The whole sentence.
    pub fn name(&self) -> String {
        format!("{} {}", self.part, self.does)
    }
}

/// All checks, in the order a client would meet the parts.
pub const CHECKS: &[Check] = &[
    Check { part: "dns64", does: "leads an A-only name to the prefix", run: dns64::synthesizes },
    Check { part: "dns64", does: "follows an alias to the prefix", run: dns64::follows_alias },
    Check { part: "dns64", does: "passes a name with AAAA through", run: dns64::passes_through },
    Check { part: "dns64", does: "keeps a missing name missing", run: dns64::keeps_nxdomain },
    Check { part: "dns64", does: "answers the same over TCP", run: dns64::answers_over_tcp },
    Check { part: "dns64", does: "tells the prefix", run: dns64::tells_prefix },
    Check { part: "nat64", does: "carries ping", run: nat64::carries_ping },
    Check { part: "nat64", does: "carries 10 MiB over TCP", run: nat64::carries_download },
    Check { part: "nat64", does: "carries UDP from 1 B to 8 KiB", run: nat64::carries_datagrams },
    Check { part: "nat64", does: "reports an expired hop limit", run: nat64::reports_expired_hop_limit },
    Check { part: "nat64", does: "brings back port unreachable", run: nat64::brings_back_port_unreachable },
    Check { part: "proxy", does: "balances over both web servers", run: proxy::balances },
    Check { part: "proxy", does: "tells them the client's address", run: proxy::tells_client_address },
    Check { part: "proxy", does: "relays bytes and half-close", run: proxy::relays_half_close },
    Check { part: "gateway", does: "is alive and well after all this", run: gateway_is_well },
];

fn gateway_is_well(lab: &Lab) -> Result<String> {
    let casualties = lab.casualties();
    ensure!(casualties.is_empty(), "{}", casualties.join("; "));
    for daemon in lab.daemons() {
        for path in ["/live", "/ready", "/metrics"] {
            let reply = daemon.admin.get(path)?;
            ensure!(reply.status == 200, "{} answers {} at {path}", daemon.role.program(), reply.status);
        }
    }
    Ok(format!("{} daemons live and ready", lab.daemons().len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = CHECKS.iter().map(Check::name).collect();
        assert_eq!(names.len(), CHECKS.len());
    }
}
