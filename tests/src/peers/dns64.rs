//! causeway-dns64 beside Debian's Unbound and BIND.
//!
//! ```text
//!                   ┌──> causeway-dns64 ──┐
//!   dnsperf ────────┼──> unbound ─────────┼──> knot: one zone, every name with an A record and nothing else
//!                   └──> named ───────────┘
//! ```
//!
//! All live in one network that has nothing but a loopback device. Each resolver runs once for every [`setting`] that a
//! chosen row needs, from the start of the run to its end; those that are not measured have nothing to do and sleep. A
//! measured one is held to one processor or to two, the load and the authoritative server to the others if there are any.
//! [`rows`] says what is measured.

mod authority;
mod bind;
mod causeway;
mod certificate;
mod delayed;
mod memory;
pub mod product;
pub mod questions;
pub mod rows;
pub mod setting;
mod unbound;
mod volley;
pub mod way;

use super::figure::{Figure, Other, Side};
use super::rounds::{Contestant, Step, Trial, play};
use super::{Missing, Report, choice, dnsperf};
use crate::binaries::Binaries;
use crate::folder;
use crate::gateway::Role;
use crate::namespace::Namespace;
use crate::probe::dns::{Transport, ask};
use crate::program::Program;
use crate::wait::{PATIENCE, until};
use anyhow::{Context, Error, Result, bail};
use certificate::Certificate;
use delayed::DelayedServer;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use product::Product;
use rows::{ROWS, Row, Who};
use setting::FAR;
use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use way::{Bench, Resolver, Way};

/// The name of the suite.
const SUITE: &str = "dns64";

/// The package of ours that is measured.
const PACKAGE: &str = "dns64";

/// Who is asked where no resolver is: the server far away.
const LIMIT: &str = "direct";

/// Who is beside ours.
const OTHERS: &[Other] =
    &[(Side::Theirs, unbound::UNBOUND.name), (Side::Second, bind::BIND.name), (Side::Limit, LIMIT)];

/// Lines of a log that say why a resolver ended.
const LAST_WORDS: usize = 12;

/// The rows to be measured, and the load.
pub struct Suite {
    rows: Vec<&'static Row>,
    dnsperf: PathBuf,
}

/// The Debian packages that are not installed.
pub fn missing() -> Vec<&'static str> {
    let programs = [&unbound::UNBOUND, &bind::BIND, &authority::KNOT];
    let absent = programs.into_iter().filter(|program| program.find().is_none());
    absent
        .map(|program| program.package)
        .chain(dnsperf::find().is_none().then_some(dnsperf::PACKAGE))
        .collect()
}

impl Suite {
    /// Chooses the rows that begin with one of `words`, all if there are none, and looks for the peers.
    ///
    /// # Errors
    /// [`super::Unknown`] if no row begins so, [`Missing`] if a program is not installed.
    pub fn choose(words: &[String]) -> Result<Self> {
        let rows = choice::chosen(ROWS, words)?;
        let dnsperf = dnsperf::find();
        match (missing(), dnsperf) {
            (packages, Some(dnsperf)) if packages.is_empty() => Ok(Self { rows, dnsperf }),
            (packages, _) => Err(Missing { packages }.into()),
        }
    }

    /// All resolvers that the rows need, by product and by the name of their setting.
    fn start(
        &self,
        ours: &Binaries,
        host: &Namespace,
        folder: &Path,
    ) -> Result<HashMap<(Product, &'static str), Resolver>> {
        let mut resolvers = HashMap::new();
        for Row { who, setting, .. } in &self.rows {
            for product in who.iter().filter_map(|(_, who)| who.product()) {
                if let Entry::Vacant(place) = resolvers.entry((product, setting.name)) {
                    let running = product.start(setting, ours, host, folder)?;
                    place.insert(Resolver::new(setting, running));
                }
            }
        }
        Ok(resolvers)
    }

    fn measure(
        &self,
        bench: &Bench,
        rounds: usize,
        before: &mut dyn FnMut(Step) -> Result<()>,
    ) -> Result<Vec<Figure>> {
        for ((product, setting), resolver) in &bench.resolvers {
            wait_until_right(&bench.host, resolver)
                .with_context(|| format!("{} for the setting {setting}", product.name()))?;
        }
        let mut trials = Vec::new();
        for Row { figures, who, setting, turns, run } in &self.rows {
            let contestant = |(side, who): &(Side, Who)| {
                let resolver =
                    who.product().and_then(|product| bench.resolvers.get(&(product, setting.name)));
                Contestant { side: *side, name: who.name(), way: Way { bench, resolver } }
            };
            let contestants = who.iter().map(contestant).collect();
            trials.push(Trial { figures, contestants, turns: *turns, run: *run });
        }
        play(&trials, rounds, before)
    }
}

impl super::Suite for Suite {
    fn package(&self) -> &'static str {
        PACKAGE
    }

    fn run(
        &self,
        ours: &Binaries,
        rounds: usize,
        before: &mut dyn FnMut(Step) -> Result<()>,
    ) -> Result<Report> {
        let folder = folder::make()?;
        let host = Namespace::new("host")?;
        Certificate::make(folder.path())?;
        let authority = authority::start(&host, folder.path())?;
        host.add_address("lo", IpAddr::from(FAR).into())?;
        let far = DelayedServer::start(&host, FAR)?;
        let bench = Bench {
            resolvers: self.start(ours, &host, folder.path())?,
            host,
            folder: folder.path().to_path_buf(),
            dnsperf: self.dnsperf.clone(),
            authority,
            half: Cell::new(None),
        };
        let figures = self.measure(&bench, rounds, before).map_err(|cause| {
            let programs = bench.resolvers.values().map(|resolver| resolver.running.program());
            let dead = programs.chain([&bench.authority]).filter_map(obituary);
            dead.fold(cause, Error::context)
        })?;
        drop(far);
        Ok(Report { suite: SUITE, ours: Role::Dns64.program(), others: OTHERS, rounds, figures })
    }
}

/// Waits until the resolver answers, and sees that it synthesizes what it should.
fn wait_until_right(host: &Namespace, resolver: &Resolver) -> Result<()> {
    let (server, name) = (resolver.server(), questions::name(0));
    let reply = until(PATIENCE, "the first answer", || {
        if let Some(obituary) = obituary(resolver.running.program()) {
            bail!(obituary);
        }
        let reply = host.run(|| ask(server, &name, RecordType::AAAA, Transport::Udp)).ok();
        Ok(reply.filter(|reply| reply.metadata.response_code == ResponseCode::NoError))
    })?;
    way::check(&reply)
}

/// How a program ended, if it did, and what it said last.
fn obituary(program: &Program) -> Option<String> {
    let status = program.exited()?;
    let words = program.tail(LAST_WORDS).join("\n    ");
    Some(format!("{} ended ({status}); its last words:\n    {words}", program.name()))
}
