//! The names that dns64 serves itself, and those that it does not look up.

use crate::domain::Domain;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The keys of `[dns64]` about names that are answered without an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalNames {
    /// `hosts_files`: files in the form of hosts(5), or folders of such.
    pub hosts_files: Vec<PathBuf>,
    /// `lease_files`: files in the form of dnsmasq's leases, or folders of such.
    pub lease_files: Vec<PathBuf>,
    /// `hosts_domain`: what plain names of these files stand below as well.
    pub hosts_domain: Option<Domain>,
    /// `hosts_ttl` in whole seconds.
    pub hosts_ttl: Duration,
    /// `local_domains`: they and the names below are known here alone.
    pub local_domains: Vec<Domain>,
    /// `domain_needed`: names of one label are not asked upstream.
    pub domain_needed: bool,
    /// `private_zones`.
    pub private_zones: PrivateZones,
    /// `[[dns64.host]]`; names are unique.
    pub host: Vec<Host>,
}

/// `dns64.private_zones`: who knows the private reverse zones (RFC 6303) and the private names `home.arpa`,
/// `service.arpa` and `test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateZones {
    /// The upstreams, if every one of them has a private address; else nobody.
    Auto,
    /// The upstreams.
    Forward,
    /// Nobody but this daemon.
    Local,
}

/// One `[[dns64.host]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// `name`; not the root.
    pub name: Domain,
    /// `addresses`, at least one, distinct; none is IPv4-mapped.
    pub addresses: Vec<IpAddr>,
    /// `ttl` in whole seconds; `hosts_ttl` where it is not given.
    pub ttl: Duration,
}
