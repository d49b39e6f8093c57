//! What must hold between directives, judged once all lines are good. Tayga stops at the first fault.

use super::Parsed;
use super::address::is_private;
use super::conf::Conf;
use super::directive::Reading;
use crate::defaults;
use addr::Prefix64;
use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// Fills in what was left out. `state_directory` stands in for a missing `data-dir`; of several directories that the
/// service manager names the first is taken.
pub(super) fn fit(reading: Reading, state_directory: Option<&str>) -> Result<Parsed<Conf>, String> {
    let mut table = reading.table;
    if reading.maps.is_empty() && reading.prefix.is_none() {
        return Err("Error: no translation maps or NAT64 prefix configured".to_owned());
    }
    let (line4, own4) = reading.ipv4_addr.ok_or("Error: no ipv4-addr directive found")?;
    table.enter_v4(Ipv4Net::from(own4), None, "ipv4-addr")?;
    let strict = reading.wkpf_strict.unwrap_or(!defaults::ALLOW_PRIVATE_IPV4);
    let prefix = reading.prefix.map(|(_, prefix)| prefix);
    let ipv6_addr = match reading.ipv6_addr {
        Some((line, own6)) => {
            check_own_v6(own6, prefix, strict)?;
            table.enter_v6(Ipv6Net::from(own6), None, "ipv6-addr")?;
            (line, own6)
        }
        None => (line4, derived(own4, prefix, strict)?),
    };
    let tun_device = reading.tun_device.ok_or("Error: no tun-device directive found")?;
    let data_dir = match reading.data_dir {
        Some(dir) => Some(dir),
        None => state_directory.and_then(first_directory).map(PathBuf::from),
    };
    let conf = Conf {
        tun_device,
        ipv4_addr: (line4, own4),
        ipv6_addr,
        prefix: reading.prefix,
        wkpf_strict: strict,
        udp_cksum_mode: reading.udp_cksum_mode.unwrap_or(defaults::UDP_ZERO_CHECKSUM),
        maps: reading.maps,
        dynamic_pool: reading.dynamic_pool,
        data_dir,
        map_file: reading.map_file,
        log: reading.log,
        offlink_mtu: reading.offlink_mtu.unwrap_or(defaults::IPV6_MIN_MTU),
        workers: reading.workers,
        strict_frag_hdr: reading.strict_frag_hdr,
        tun_up: reading.tun_up,
        tun_ip: reading.tun_ip,
        tun_route: reading.tun_route,
        table,
    };
    Ok(Parsed { value: conf, warnings: reading.warnings })
}

fn check_own_v6(own: Ipv6Addr, prefix: Option<Prefix64>, strict: bool) -> Result<(), String> {
    if strict && Prefix64::WELL_KNOWN.contains(own) {
        return Err(
            "Error: ipv6-addr directive cannot contain an address in the Well-Known Prefix (64:ff9b::/96)"
                .to_owned(),
        );
    }
    match prefix.filter(|prefix| prefix.contains(own)) {
        Some(prefix) => Err(format!("Error: ipv6-addr cannot reside within configured prefix {prefix}")),
        None => Ok(()),
    }
}

/// The address that the prefix makes of the other one.
fn derived(own: Ipv4Addr, prefix: Option<Prefix64>, strict: bool) -> Result<Ipv6Addr, String> {
    let prefix =
        prefix.ok_or("Error: ipv6-addr directive must be specified if no NAT64 prefix is configured")?;
    if strict && prefix.is_well_known() && is_private(own) {
        return Err(
            "Error: ipv6-addr directive must be specified if prefix is 64:ff9b::/96 and ipv4-addr is a \
                    non-global (RFC 1918) address"
                .to_owned(),
        );
    }
    Ok(prefix.embed(own))
}

fn first_directory(list: &str) -> Option<&str> {
    list.split(':').next().filter(|first| first.starts_with('/'))
}
