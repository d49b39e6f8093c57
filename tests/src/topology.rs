//! The lab's network: who stands where, with which addresses, and the picture of it.

use crate::link::{End, veth};
use crate::namespace::Namespace;
use crate::server::echo::{self, UdpServer};
use crate::server::zone::{Zone, ZoneServer};
use crate::server::{TcpServer, web};
use anyhow::Result;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The lab as people see it. A test holds it against the addresses below.
pub const PICTURE: &str = r"
    IPv6 only                                                              IPv4 only

                       gateway
                      ┌────────────────────────────────────────┐       alpha
    client            │ 2001:db8:6::1                192.0.2.1 │      ┌──────────────────────────┐
   ┌───────────────┐  │                                        ├──────┤ 192.0.2.10     web, echo │
   │ 2001:db8:6::2 ├──┤ causeway-dns64  2001:db8::53           │      │ 192.0.2.53     names     │
   └───────────────┘  │ causeway-proxy  2001:db8::80           │      └──────────────────────────┘
                      │ causeway-nat64  2001:db8:ffff::64      │       beta
                      │          prefix 2001:db8:64::/96       │      ┌──────────────────────────┐
                      │            pool 192.168.255.0/24       ├──────┤ 198.51.100.10  web, echo │
                      │                           198.51.100.1 │      └──────────────────────────┘
                      └────────────────────────────────────────┘
";

/// The client's only address.
pub const CLIENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 2);
/// The gateway, as the client's router.
pub const ROUTER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 1);
/// Where dns64 listens.
pub const RESOLVER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);
/// Where the proxy listens.
pub const PROXY: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x80);
/// nat64's own IPv6 address.
pub const TRANSLATOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x64);
/// nat64's own IPv4 address.
pub const TRANSLATOR_V4: Ipv4Addr = Ipv4Addr::new(192, 168, 255, 1);
/// The IPv4 addresses it lends to IPv6 hosts.
pub const POOL: &str = "192.168.255.0/24";
/// The translation prefix.
pub const PREF64: &str = "2001:db8:64::/96";
/// A web and echo server.
pub const ALPHA: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The other one.
pub const BETA: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
/// The name server, on alpha's machine.
pub const NAMES: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// An address that only exists in the zone.
pub const SIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 6);

const ALPHA_ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const BETA_ROUTER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// Where HTTP is served.
pub const HTTP: u16 = 80;
/// Where echo is served (RFC 862).
pub const ECHO: u16 = 7;
/// Where names are served.
pub const DNS: u16 = 53;
/// Where nothing is served.
pub const CLOSED: u16 = 9;

/// The lab's links carry Ethernet's usual frames.
const MTU: u32 = 1500;

/// Names that the lab's zones have, all absolute.
pub mod names {
    /// The zone itself.
    pub const ZONE: &str = "lab.example";
    /// The zone of alpha's addresses.
    pub const REVERSE: &str = "2.0.192.in-addr.arpa";
    /// alpha's address in it.
    pub const ALPHA_REVERSE: &str = "10.2.0.192.in-addr.arpa";
    /// Only an A record.
    pub const ALPHA: &str = "alpha.lab.example";
    /// Only an A record.
    pub const BETA: &str = "beta.lab.example";
    /// An alias of alpha.
    pub const ALIAS: &str = "www.lab.example";
    /// Only an AAAA record.
    pub const SIX: &str = "six.lab.example";
    /// Both kinds of record.
    pub const BOTH: &str = "both.lab.example";
    /// A name of the zone that does not exist.
    pub const NOTHING: &str = "nothing.lab.example";
}

/// Settings of every namespace: nothing is inherited from the machine, and no message is held back by a rate limit.
const SETTINGS: &[(&str, &str)] = &[
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv4/icmp_msgs_per_sec", "100000"),
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/icmp/ratelimit", "0"),
];

const ROUTER_SETTINGS: &[(&str, &str)] = &[("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")];

const IPV4_ONLY_SETTINGS: &[(&str, &str)] =
    &[("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")];

/// The four namespaces and the links between them.
pub struct Network {
    /// The IPv6-only client; its device is `eth0`.
    pub client: Namespace,
    /// The gateway; its devices are named after who is behind them.
    pub gateway: Namespace,
    /// An IPv4-only server; its device is `eth0`.
    pub alpha: Namespace,
    /// The other one.
    pub beta: Namespace,
}

/// What is served in the IPv4-only world. Taking one out closes its ports.
pub struct Servers {
    /// The name server.
    pub names: Option<ZoneServer>,
    /// Web servers: alpha's and beta's.
    pub web: [Option<TcpServer>; 2],
    /// TCP echo servers: alpha's and beta's.
    pub echo: [Option<TcpServer>; 2],
    /// alpha's UDP echo server.
    pub datagrams: Option<UdpServer>,
}

impl Network {
    /// The devices of the gateway that a capture is worth.
    pub const GATEWAY_DEVICES: [&'static str; 3] = ["client", "alpha", "beta"];

    /// Makes it, without any daemon.
    pub fn new() -> Result<Self> {
        let network = Self {
            client: made("client", &[])?,
            gateway: made("gateway", ROUTER_SETTINGS)?,
            alpha: made("alpha", IPV4_ONLY_SETTINGS)?,
            beta: made("beta", IPV4_ONLY_SETTINGS)?,
        };
        let Self { client, gateway, alpha, beta } = &network;
        for (host, device) in [(client, "client"), (alpha, "alpha"), (beta, "beta")] {
            veth(End { namespace: gateway, device }, End { namespace: host, device: "eth0" }, MTU)?;
        }
        gateway.add_address("client", net(ROUTER, 64))?;
        gateway.add_address("lo", net(RESOLVER, 128))?;
        gateway.add_address("lo", net(PROXY, 128))?;
        gateway.add_address("alpha", net(ALPHA_ROUTER, 24))?;
        gateway.add_address("beta", net(BETA_ROUTER, 24))?;
        client.add_address("eth0", net(CLIENT, 64))?;
        client.add_route(net(Ipv6Addr::UNSPECIFIED, 0), ROUTER.into())?;
        alpha.add_address("eth0", net(ALPHA, 24))?;
        alpha.add_address("eth0", net(NAMES, 24))?;
        alpha.add_route(net(Ipv4Addr::UNSPECIFIED, 0), ALPHA_ROUTER.into())?;
        beta.add_address("eth0", net(BETA, 24))?;
        beta.add_route(net(Ipv4Addr::UNSPECIFIED, 0), BETA_ROUTER.into())?;
        Ok(network)
    }

    /// All namespaces.
    pub fn namespaces(&self) -> [&Namespace; 4] {
        [&self.client, &self.gateway, &self.alpha, &self.beta]
    }
}

impl Servers {
    /// Starts all of them.
    pub fn start(network: &Network) -> Result<Self> {
        let hosts = [(&network.alpha, ALPHA, "alpha"), (&network.beta, BETA, "beta")];
        let [web_alpha, web_beta] =
            hosts.map(|(namespace, ip, name)| web::start(namespace, SocketAddr::new(ip.into(), HTTP), name));
        let [echo_alpha, echo_beta] =
            hosts.map(|(namespace, ip, name)| echo::tcp(namespace, SocketAddr::new(ip.into(), ECHO), name));
        Ok(Self {
            names: Some(Self::start_names(network)?),
            web: [Some(web_alpha?), Some(web_beta?)],
            echo: [Some(echo_alpha?), Some(echo_beta?)],
            datagrams: Some(echo::udp(&network.alpha, SocketAddr::new(ALPHA.into(), ECHO), "alpha")?),
        })
    }

    /// Starts the name server alone.
    pub fn start_names(network: &Network) -> Result<ZoneServer> {
        let zone = Zone::new(&[names::ZONE, names::REVERSE])
            .pointer(names::ALPHA_REVERSE, names::ALPHA)
            .v4(names::ALPHA, ALPHA)
            .v4(names::BETA, BETA)
            .alias(names::ALIAS, names::ALPHA)
            .v6(names::SIX, SIX)
            .v4(names::BOTH, ALPHA)
            .v6(names::BOTH, SIX);
        ZoneServer::start(&network.alpha, SocketAddr::new(NAMES.into(), DNS), zone)
    }
}

/// The address under which an IPv6-only client reaches an IPv4 address.
///
/// # Panics
/// Never: a test of this module parses [`PREF64`].
pub fn through_nat64(v4: Ipv4Addr) -> Ipv6Addr {
    let prefix: addr::Prefix64 = PREF64.parse().expect("the lab's prefix is one");
    prefix.embed(v4)
}

/// The same with a port.
pub fn through_nat64_at(v4: Ipv4Addr, port: u16) -> SocketAddrV6 {
    SocketAddrV6::new(through_nat64(v4), port, 0, 0)
}

fn made(name: &str, settings: &[(&str, &str)]) -> Result<Namespace> {
    let namespace = Namespace::new(name)?;
    for (path, value) in SETTINGS.iter().chain(settings) {
        namespace.sysctl(path, value)?;
    }
    Ok(namespace)
}

fn net(address: impl Into<IpAddr>, length: u8) -> IpNet {
    IpNet::new(address.into(), length).expect("the lab's prefix lengths fit their family")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_shows_every_address() {
        let six = [CLIENT, ROUTER, RESOLVER, PROXY, TRANSLATOR].map(|address| address.to_string());
        let four = [ALPHA, BETA, NAMES, ALPHA_ROUTER, BETA_ROUTER].map(|address| address.to_string());
        for text in six.iter().chain(&four).map(String::as_str).chain([POOL, PREF64]) {
            assert!(PICTURE.contains(text), "{text}");
        }
    }

    #[test]
    fn readme_shows_the_same_picture() {
        let readme = include_str!("../../README.md");
        assert!(readme.contains(PICTURE.trim_matches('\n')), "put the picture into README.md:\n{PICTURE}");
    }

    #[test]
    fn prefix_embeds_the_servers() {
        assert_eq!(through_nat64(ALPHA).to_string(), "2001:db8:64::c000:20a");
    }
}
