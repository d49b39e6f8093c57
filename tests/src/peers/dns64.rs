//! causeway-dns64 beside Debian's Unbound and BIND.
//!
//! ```text
//!   dnsperf,        ┌──> causeway-dns64 ──┐
//!   volley, ────────┼──> unbound ─────────┼──> knot: one zone, every name with an A record and nothing else
//!   pace, filler    ├──> named ───────────┘
//!                   └──> mirror: the limit, no resolver
//! ```
//!
//! All live in one network that has nothing but a loopback device. Each resolver runs once for every [`setting`] that a
//! chosen row needs, from the start of the run to its end; those that are not measured have nothing to do and sleep. A
//! measured one is held to one processor or to two, the load and the authoritative server to the others if there are any.
//! [`rows`] says what is measured.

mod answer;
mod authority;
mod bind;
mod causeway;
mod certificate;
mod delayed;
mod filler;
mod memory;
mod pace;
pub mod product;
pub mod questions;
pub mod rows;
pub mod setting;
mod unbound;
mod volley;
pub mod way;

use super::figure::{Other, Side};
use super::row::Row;
use super::suite::{Chosen, Field, obituary};
use super::{dnsperf, foreign};
use crate::binaries::Binaries;
use crate::gateway::Role;
use crate::namespace::Namespace;
use crate::probe::dns::{Transport, ask};
use crate::program::Program;
use crate::wait::{PATIENCE, until};
use anyhow::{Context, Result, bail};
use certificate::Certificate;
use delayed::DelayedServer;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use rows::{ROWS, Who};
use setting::FAR;
use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::path::Path;
use way::{Bench, Resolver, Way};

/// What hardly a resolver does better: a mirror in its place, or the upstream itself.
const LIMIT: &str = "limit";

/// The suite.
pub type Suite = Chosen<Bench>;

/// The Debian packages that are not installed.
pub fn missing() -> Vec<&'static str> {
    let mut packages = foreign::missing(&[&unbound::UNBOUND, &bind::BIND, &authority::KNOT]);
    packages.extend(dnsperf::find().is_none().then_some(dnsperf::PACKAGE));
    packages
}

impl Field for Bench {
    const NAME: &'static str = "dns64";
    const PACKAGE: &'static str = "dns64";
    const OURS: &'static str = Role::Dns64.program();
    const OTHERS: &'static [Other] =
        &[(Side::Theirs, unbound::UNBOUND.name), (Side::Second, bind::BIND.name), (Side::Limit, LIMIT)];
    const ROWS: &'static [Row<Self>] = ROWS;

    type Who = Who;
    type Way<'a> = Way<'a>;

    fn missing() -> Vec<&'static str> {
        missing()
    }

    fn open(ours: &Binaries, folder: &Path, wanted: &[Who]) -> Result<Self> {
        let host = Namespace::new("host")?;
        Certificate::make(folder)?;
        let authority = authority::start(&host, folder)?;
        host.add_address("lo", IpAddr::from(FAR).into())?;
        let far = DelayedServer::start(&host, FAR)?;
        let mut resolvers = HashMap::new();
        for who in wanted {
            if let Who::Resolver(product, setting) = *who
                && let Entry::Vacant(place) = resolvers.entry((product, setting.name))
            {
                let running = product.start(setting, ours, &host, folder)?;
                place.insert(Resolver::new(setting, running));
            }
        }
        let dnsperf = dnsperf::find().with_context(|| format!("apt-get install {}", dnsperf::PACKAGE))?;
        let (folder, half) = (folder.to_path_buf(), Cell::new(None));
        Ok(Self { host, folder, dnsperf, authority, far, resolvers, half })
    }

    fn name(who: Who) -> &'static str {
        who.name()
    }

    fn way(&self, who: Who) -> Result<Way<'_>> {
        let resolver = match who {
            Who::Resolver(product, setting) => self.resolvers.get(&(product, setting.name)),
            Who::Direct => None,
        };
        if let Some(resolver) = resolver {
            wait_until_right(&self.host, resolver)
                .with_context(|| format!("{} for the setting {}", who.name(), resolver.setting.name))?;
        }
        Ok(Way { bench: self, resolver })
    }

    fn programs(&self) -> Vec<&Program> {
        let resolvers = self.resolvers.values().filter_map(|resolver| resolver.running.program());
        resolvers.chain([&self.authority]).collect()
    }

    fn note(processors: usize) -> Option<String> {
        Some(setting::note(processors))
    }
}

/// Waits until the resolver answers, and sees that it synthesizes what it should.
fn wait_until_right(host: &Namespace, resolver: &Resolver) -> Result<()> {
    let (server, name) = (resolver.server(), questions::name(0));
    let reply = until(PATIENCE, "the first answer", || {
        if let Some(obituary) = resolver.running.program().and_then(obituary) {
            bail!(obituary);
        }
        let reply = host.run(|| ask(server, &name, RecordType::AAAA, Transport::Udp)).ok();
        Ok(reply.filter(|reply| reply.metadata.response_code == ResponseCode::NoError))
    })?;
    way::check(&reply)
}
