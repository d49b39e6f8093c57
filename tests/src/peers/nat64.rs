//! causeway-nat64 beside Debian's Tayga, with plain kernel forwarding as the limit.
//!
//! ```text
//!              ┌── prefix and pool of ours ───> causeway-nat64 ──┐
//!   client ────┼── prefix and pool of Tayga ──> tayga ───────────┼───> alpha
//!              └── IPv4, for the limit only ─────────────────────┘
//! ```
//!
//! All translators run on the one gateway for the whole run, each with a device, a prefix and a pool of its own; those
//! that are not measured have nothing to do and sleep. Speeds are those of payload. Does not measure one machine against
//! another: client, server and gateway share the processors, so that only ratios travel. [`rows`] says what is measured; a translator runs only if a chosen row needs it.

pub mod instance;
pub mod rows;
pub mod way;

use super::ends::Ends;
use super::figure::{Figure, Other, Side};
use super::rounds::{Contestant, Step, Trial, play};
use super::{Missing, Report, choice, datagram, tayga};
use crate::binaries::Binaries;
use crate::folder;
use crate::gateway::{Daemon, Role};
use crate::program::Program;
use crate::topology::{ALPHA, Network};
use anyhow::{Context, Error, Result};
use ipnet::{IpNet, Ipv4Net};
use rows::{ROWS, Row, Who};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use way::Way;

/// The client's IPv4 address and its router's: the way around the translators.
const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const ROUTER_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const LINK_V4: u8 = 24;

/// The name of the suite.
const SUITE: &str = "nat64";

/// Who forwards where nobody translates.
const LIMIT: &str = "kernel";

/// Lines of a log that say why a translator ended.
const LAST_WORDS: usize = 12;

/// The package of ours that is measured.
const PACKAGE: &str = "nat64";

/// Who is beside ours.
const OTHERS: &[Other] = &[(Side::Theirs, tayga::PACKAGE), (Side::Limit, LIMIT)];

/// The rows to be measured, and the peer.
pub struct Suite {
    rows: Vec<&'static Row>,
    tayga: PathBuf,
}

/// A translator that was started.
enum Translator {
    Ours(Daemon),
    Theirs(Program),
}

impl Suite {
    /// Chooses the rows that begin with one of `words`, all if there are none, and looks for the peer.
    ///
    /// # Errors
    /// [`super::Unknown`] if no row begins so, [`Missing`] if the peer is not installed.
    pub fn choose(words: &[String]) -> Result<Self> {
        let rows = choice::chosen(ROWS, words)?;
        let tayga = tayga::find().ok_or_else(|| Missing { packages: vec![tayga::PACKAGE] })?;
        Ok(Self { rows, tayga })
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
        let network = network()?;
        let mut translators = HashMap::new();
        for who in self.rows.iter().flat_map(|row| row.who).map(|(_, who)| *who) {
            if !translators.contains_key(who.name())
                && let Some(translator) = self.start(who, ours, &network, folder.path())?
            {
                translators.insert(who.name(), translator);
            }
        }
        let figures = self.measure(&network, &translators, rounds, before).map_err(|cause| {
            let dead = translators.values().filter_map(|translator| obituary(translator.program()));
            dead.fold(cause, Error::context)
        })?;
        for translator in translators.into_values() {
            translator.stop();
        }
        Ok(Report { suite: SUITE, ours: Role::Nat64.program(), others: OTHERS, rounds, figures })
    }
}

impl Suite {
    fn start(
        &self,
        who: Who,
        ours: &Binaries,
        network: &Network,
        folder: &Path,
    ) -> Result<Option<Translator>> {
        let gateway = &network.gateway;
        Ok(match who {
            Who::Ours(instance) => Some(Translator::Ours(instance.start(ours, gateway, folder)?)),
            Who::Theirs(instance) => {
                Some(Translator::Theirs(instance.start(&self.tayga, gateway, folder)?))
            }
            Who::Kernel => None,
        })
    }

    fn measure(
        &self,
        network: &Network,
        translators: &HashMap<&str, Translator>,
        rounds: usize,
        before: impl FnMut(Step) -> Result<()>,
    ) -> Result<Vec<Figure>> {
        let mut trials = Vec::new();
        for Row { figures, who, turns, run } in &self.rows {
            let mut contestants = Vec::new();
            for &(side, who) in *who {
                let way = way(network, who, translators.get(who.name()));
                datagram::wait_until_open(way.ends)
                    .with_context(|| format!("the way through {} does not open", who.name()))?;
                contestants.push(Contestant { side, name: who.name(), way });
            }
            trials.push(Trial { figures, contestants, turns: *turns, run: *run });
        }
        play(&trials, rounds, before)
    }
}

impl Translator {
    const fn program(&self) -> &Program {
        match self {
            Self::Ours(daemon) => &daemon.program,
            Self::Theirs(program) => program,
        }
    }

    /// Ours end in order; the peer is ended with its network.
    fn stop(&self) {
        if let Self::Ours(daemon) = self {
            daemon.program.stop();
        }
    }
}

fn way<'a>(network: &'a Network, who: Who, translator: Option<&'a Translator>) -> Way<'a> {
    let address = match who {
        Who::Ours(ours) => ours.address_of(ALPHA).into(),
        Who::Theirs(theirs) => theirs.address_of(ALPHA).into(),
        Who::Kernel => ALPHA.into(),
    };
    let admin = match translator {
        Some(Translator::Ours(daemon)) => Some(&daemon.admin),
        Some(Translator::Theirs(_)) | None => None,
    };
    let ends = Ends { client: &network.client, server: &network.alpha, address };
    Way { ends, translator: translator.map(Translator::program), admin, hosts: who.hosts() }
}

/// The lab's network, and a way around the translators in it.
fn network() -> Result<Network> {
    let network = Network::new()?;
    let on_link = |address| Ok::<_, Error>(IpNet::V4(Ipv4Net::new(address, LINK_V4)?));
    network.gateway.add_address("client", on_link(ROUTER_V4)?)?;
    network.client.add_address("eth0", on_link(CLIENT_V4)?)?;
    network.client.add_route(IpNet::V4(Ipv4Net::default()), ROUTER_V4.into())?;
    Ok(network)
}

/// How a translator ended, if it did, and what it said last.
fn obituary(program: &Program) -> Option<String> {
    let status = program.exited()?;
    Some(format!(
        "{} ended ({status}); its last words:\n    {}",
        program.name(),
        program.tail(LAST_WORDS).join("\n    ")
    ))
}
