//! The customer side of 464XLAT (RFC 6877), with the calls and the file of clatd: the client has IPv6 only, and its
//! programs that know IPv4 only reach IPv4 through two translators.

use super::Instance;
use anyhow::{Context, Result, ensure};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;
use tests::gateway::Role;
use tests::lab::Lab;
use tests::topology::{ALPHA, CLIENT, ECHO, PREF64};
use tests::wait::{PATIENCE, until};

/// What clatd calls its device.
const DEVICE: &str = "clat";

/// The IPv6 address that the client's IPv4 programs have on the wire.
const ON_THE_WIRE: &str = "2001:db8:6:0:a8c:64ff:fe01:1";

/// Their IPv4 address (RFC 7335).
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);

pub(super) fn carries_a_clat(lab: &mut Lab) -> Result<()> {
    lab.start_daemon(Role::Nat64)?.wait_until_ready()?;
    let (client, gateway) = (&lab.network.client, &lab.network.gateway);
    let clat = Instance::new(lab, "clat")?;
    clat.write(&format!(
        "tun-device {DEVICE}\nprefix {PREF64}\nipv4-addr 192.0.0.2\nmap {OWN} {ON_THE_WIRE}\n"
    ))?;
    let host = format!("{ON_THE_WIRE}/128").parse()?;
    clat.succeed(client, &["--mktun"])?;
    client.bring_up(DEVICE)?;
    client.sysctl("ipv6/conf/all/forwarding", "1")?;
    client.add_device_route(host, DEVICE)?;
    client.add_address(DEVICE, format!("{OWN}/32").parse()?)?;
    client.add_device_route("0.0.0.0/0".parse()?, DEVICE)?;
    // clatd answers neighbour discovery for the address; a route does the same here.
    gateway.add_route(host, CLIENT.into())?;
    let daemon = clat.start(client, &["--nodetach"])?;

    let socket = client.run(|| UdpSocket::bind((OWN, 0)))?;
    socket.connect((ALPHA, ECHO))?;
    socket.set_read_timeout(Some(Duration::from_millis(250)))?;
    until(PATIENCE, "alpha answers an IPv4 program", || {
        // Until the daemon reads, and the way is known, datagrams are lost.
        let _ = socket.send(b"464XLAT");
        let mut answer = [0; 16];
        Ok(socket.recv(&mut answer).ok().filter(|&length| &answer[..length] == b"464XLAT"))
    })?;

    let ended = daemon.stop().context("it does not end")?;
    ensure!(ended.success(), "{ended}: {}", daemon.output());
    clat.succeed(client, &["--rmtun"])?;
    ensure!(client.index(DEVICE).is_err(), "the device is still there");
    Ok(())
}
