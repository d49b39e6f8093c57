//! A daemon that cannot run says why in a sentence a person can act on, and ends with the right status.

use crate::stage::{Stage, in_prepared_lab};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use tests::gateway::{Daemon, Role};
use tests::lab::Lab;
use tests::program::Launch;
use tests::topology::{DNS, HTTP, PROXY, RESOLVER};
use tests::wait::PATIENCE;

type Test = fn(&mut Lab) -> Result<()>;

/// `CAP_NET_ADMIN` of linux/capability.h: may make devices and routes.
const NET_ADMIN: u8 = 12;
/// `CAP_NET_BIND_SERVICE`: may listen below port 1024.
const NET_BIND_SERVICE: u8 = 10;

/// Exit codes that all daemons share.
const RUNTIME_FAILURE: i32 = 1;
const BAD_CONFIGURATION: i32 = 2;

const TESTS: &[(&str, Test)] = &[
    ("nat64_without_capability_names_it", nat64_without_capability_names_it),
    ("nat64_without_tun_device_names_it", nat64_without_tun_device_names_it),
    ("dns64_with_its_address_in_use_names_it", dns64_with_its_address_in_use_names_it),
    ("proxy_with_its_address_in_use_names_it", proxy_with_its_address_in_use_names_it),
    ("proxy_without_capability_to_bind_names_the_address", proxy_without_capability_to_bind),
    ("misspelt_key_stops_every_daemon_and_is_explained", misspelt_key_is_explained),
    ("impossible_prefix_and_overlapping_maps_are_told_at_once", all_errors_are_told_at_once),
    ("missing_section_is_named", missing_section_is_named),
];

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    TESTS.iter().map(|&(name, test)| in_prepared_lab(stage, "startup", name, test)).collect()
}

/// Starts a daemon that must end by itself, and returns what it said.
fn doomed(lab: &Lab, role: Role, expected: i32, change: impl FnOnce(Launch) -> Launch) -> Result<String> {
    let launch = change(Daemon::launch(role, lab.binaries(), &lab.files)?);
    let daemon = Daemon::start(role, launch, &lab.network.gateway, &lab.files)?;
    let status = daemon.program.wait(PATIENCE).with_context(|| format!("{} runs on", role.program()))?;
    let said = daemon.program.output();
    ensure!(
        status.code() == Some(expected),
        "{} ended with {status}, not {expected}: {said}",
        role.program()
    );
    Ok(said)
}

fn ensure_names(said: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(said.contains(word), "{word:?} is not in: {said}");
    }
    Ok(())
}

fn nat64_without_capability_names_it(lab: &mut Lab) -> Result<()> {
    let said = doomed(lab, Role::Nat64, RUNTIME_FAILURE, |launch| launch.without_capability(NET_ADMIN))?;
    ensure_names(&said, &["CAP_NET_ADMIN"])?;
    ensure!(lab.network.gateway.index("nat64").is_err(), "a device was left behind");
    Ok(())
}

fn nat64_without_tun_device_names_it(lab: &mut Lab) -> Result<()> {
    let said = doomed(lab, Role::Nat64, RUNTIME_FAILURE, |launch| launch.without_directory("/dev/net"))?;
    ensure_names(&said, &["/dev/net/tun"])
}

fn dns64_with_its_address_in_use_names_it(lab: &mut Lab) -> Result<()> {
    let address = SocketAddr::new(RESOLVER.into(), DNS);
    let _squatter = lab.network.gateway.run(|| UdpSocket::bind(address))?;
    let said = doomed(lab, Role::Dns64, RUNTIME_FAILURE, |launch| launch)?;
    ensure_names(&said, &[&address.to_string(), "in use"])
}

fn proxy_with_its_address_in_use_names_it(lab: &mut Lab) -> Result<()> {
    let address = SocketAddr::new(PROXY.into(), HTTP);
    let _squatter = lab.network.gateway.run(|| TcpListener::bind(address))?;
    let said = doomed(lab, Role::Proxy, RUNTIME_FAILURE, |launch| launch)?;
    ensure_names(&said, &[&address.to_string(), "in use"])
}

fn proxy_without_capability_to_bind(lab: &mut Lab) -> Result<()> {
    let said =
        doomed(lab, Role::Proxy, RUNTIME_FAILURE, |launch| launch.without_capability(NET_BIND_SERVICE))?;
    ensure_names(&said, &[&format!("[{PROXY}]:"), "CAP_NET_BIND_SERVICE"])
}

fn misspelt_key_is_explained(lab: &mut Lab) -> Result<()> {
    let text = lab.files.configuration().replace("dynamic_pool", "dynamic_pol");
    lab.files.write_config(&text)?;
    let line = text.lines().position(|line| line.starts_with("dynamic_pol ")).context("the key")? + 1;
    for role in Role::ALL {
        let said = doomed(lab, role, BAD_CONFIGURATION, |launch| launch)?;
        ensure_names(&said, &["dynamic_pol", "dynamic_pool", &format!("gateway.toml:{line}:1")])?;
    }
    Ok(())
}

fn all_errors_are_told_at_once(lab: &mut Lab) -> Result<()> {
    let maps = r#"
[[nat64.map]]
v4 = "203.0.113.0/24"
v6 = "2001:db8:7::/120"
[[nat64.map]]
v4 = "203.0.113.0/24"
v6 = "2001:db8:8::/120"
"#;
    let text = lab.files.configuration().replace("2001:db8:64::/96", "2001:db8:64::/95") + maps;
    lab.files.write_config(&text)?;
    let said = doomed(lab, Role::Nat64, BAD_CONFIGURATION, |launch| launch)?;
    ensure_names(&said, &["prefix.pref64", "95", "nat64.map[1]"])
}

fn missing_section_is_named(lab: &mut Lab) -> Result<()> {
    let text = format!("[admin]\nsocket = \"{}\"\n", lab.files.admin().display());
    lab.files.write_config(&text)?;
    for (role, section) in [(Role::Nat64, "[nat64]"), (Role::Dns64, "[dns64]"), (Role::Proxy, "[proxy]")] {
        let said = doomed(lab, role, BAD_CONFIGURATION, |launch| launch)?;
        ensure_names(&said, &[section])?;
    }
    Ok(())
}
