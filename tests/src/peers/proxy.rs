//! causeway-proxy beside Debian's HAProxy.
//!
//! ```text
//!   wrk,           ┌──> causeway-proxy ────┐
//!   iperf3,  ──────┼──> haproxy ───────────┼──> nginx, iperf3 -s,
//!   crowd, echo    ├──> haproxy, splicing ─┘    a mirror
//!                  └──> nobody: the limit
//! ```
//!
//! All live in one network that has nothing but a loopback device; proxies are asked over IPv6 and ask over IPv4. Each
//! proxy runs once for every [`setting`] that a chosen row needs, from the start of the run to its end; those that are not
//! measured have nothing to do and sleep. A measured one has one thread and one processor, all else has the others if there
//! are any. [`rows`] says what is measured.

mod causeway;
mod certificate;
mod changes;
mod echo;
mod handshakes;
mod haproxy;
mod idle;
mod nginx;
pub mod product;
mod receiver;
pub mod rows;
pub mod setting;
mod tunnel;
pub mod way;

use super::cores::Places;
use super::figure::{Other, Side};
use super::h2load::H2LOAD;
use super::iperf::{self, IPERF};
use super::mirror::Mirror;
use super::row::Row;
use super::suite::{Chosen, Field, obituary};
use super::wrk::{WRK, Wrk};
use super::{files, foreign};
use crate::binaries::Binaries;
use crate::gateway::Role;
use crate::namespace::Namespace;
use crate::program::Program;
use crate::wait::{PATIENCE, until};
use anyhow::{Context, Result, bail};
use product::Product;
use receiver::Receiver;
use rows::{ROWS, Who};
use setting::{BEHIND, BULK, CORES, ECHO, FILES, SYSLOG, TUNNEL, WEB};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use way::{Bench, Proxy, Way};

/// No proxy at all.
const LIMIT: &str = "direct";

/// The suite.
pub type Suite = Chosen<Bench>;

/// The Debian packages that are not installed.
pub fn missing() -> Vec<&'static str> {
    foreign::missing(&[&haproxy::HAPROXY, &nginx::NGINX, &WRK, &H2LOAD, &IPERF])
}

impl Field for Bench {
    const NAME: &'static str = "proxy";
    const PACKAGE: &'static str = "proxy";
    const OURS: &'static str = Role::Proxy.program();
    const OTHERS: &'static [Other] = &[
        (Side::Theirs, Product::Haproxy.name()),
        (Side::Second, Product::Splicing.name()),
        (Side::Limit, LIMIT),
    ];
    const ROWS: &'static [Row<Self>] = ROWS;

    type Who = Who;
    type Way<'a> = Way<'a>;

    fn missing() -> Vec<&'static str> {
        missing()
    }

    fn open(ours: &Binaries, folder: &Path, wanted: &[Who]) -> Result<Self> {
        files::allow(FILES)?;
        let places = Places::new(CORES)?;
        let host = Namespace::new("host")?;
        // Above all ports that are listened on: a client's port would keep a listener that comes later from its own.
        host.sysctl("ipv4/ip_local_port_range", "9000 65535")?;
        host.add_address("lo", IpAddr::from(BEHIND).into())?;
        certificate::make(folder)?;
        let nginx = nginx::start(&host, &places, folder)?;
        let sink = iperf::serve(&host, places.rest, SocketAddr::new(BEHIND.into(), BULK), folder)?;
        let echo = Mirror::start(&host, SocketAddr::new(BEHIND.into(), ECHO), |_, length| length)?;
        echo.bind(&places.rest)?;
        tunnel::serve(&host, SocketAddr::new(BEHIND.into(), TUNNEL), places.rest)?;
        let receiver = Receiver::start(&host, SocketAddr::new(BEHIND.into(), SYSLOG), &places.rest)?;
        let mut proxies = HashMap::new();
        for (product, setting) in wanted.iter().flat_map(|who| who.proxies()) {
            if let Entry::Vacant(place) = proxies.entry((product, setting.name)) {
                let running = product.start(setting, ours, &host, folder)?;
                place.insert(Proxy::new(running));
            }
        }
        let wrk = Wrk::new(folder)?;
        Ok(Self { wrk, host, places, nginx, sink, _echo: echo, receiver, proxies })
    }

    fn name(who: Who) -> &'static str {
        who.name()
    }

    fn way(&self, who: Who) -> Result<Way<'_>> {
        let through = |proxy| Way { bench: self, who, proxy };
        let open = |way, only| {
            wait_until_open(way, only)
                .with_context(|| format!("the way through {} does not open", who.name()))
        };
        let mut ways = Vec::new();
        for (product, setting) in who.proxies() {
            let way = through(self.proxies.get(&(product, setting.name)));
            open(way, setting.only)?;
            ways.push(way);
        }
        match ways.first() {
            Some(way) => Ok(*way),
            None => open(through(None), None).map(|()| through(None)),
        }
    }

    fn programs(&self) -> Vec<&Program> {
        let proxies = self.proxies.values().map(|proxy| proxy.running.program());
        proxies.chain(&self.nginx).chain([&self.sink]).collect()
    }

    fn note(processors: usize) -> Option<String> {
        Some(setting::note(processors))
    }
}

/// Waits until the servers are reached.
fn wait_until_open(way: Way<'_>, only: Option<u16>) -> Result<()> {
    until(PATIENCE, "the first answer", || {
        if let Some(obituary) = way.proxy.and_then(|proxy| obituary(proxy.running.program())) {
            bail!(obituary);
        }
        Ok(idle::exchange_once(&way.bench.host, way.server(only.unwrap_or(WEB))).ok())
    })?;
    if only.is_some() {
        return Ok(());
    }
    let bulk = way.server(BULK);
    until(PATIENCE, "a connection to iperf3", || {
        Ok(way.bench.host.run(|| TcpStream::connect(bulk)).ok().map(drop))
    })
}
