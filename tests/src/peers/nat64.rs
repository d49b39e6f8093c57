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
//! another: client, server and gateway share the processors, so that only ratios travel. [`rows`] says what is measured;
//! a translator runs only if a chosen row needs it.

pub mod instance;
pub mod rows;
pub mod way;

use super::ends::Ends;
use super::figure::{Other, Side};
use super::row::Row;
use super::suite::{Chosen, Field};
use super::{datagram, tayga};
use crate::binaries::Binaries;
use crate::gateway::{Daemon, Role};
use crate::program::Program;
use crate::topology::{ALPHA, Network};
use anyhow::{Context, Error, Result};
use ipnet::{IpNet, Ipv4Net};
use rows::{ROWS, Who};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::Ipv4Addr;
use std::path::Path;
use way::Way;

/// The client's IPv4 address and its router's: the way around the translators.
const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const ROUTER_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const LINK_V4: u8 = 24;

/// Who forwards where nobody translates.
const LIMIT: &str = "kernel";

/// The suite.
pub type Suite = Chosen<Bench>;

/// The network, and the translators on its gateway by name.
pub struct Bench {
    network: Network,
    translators: HashMap<&'static str, Translator>,
}

/// A translator that was started.
enum Translator {
    Ours(Daemon),
    Theirs(Program),
}

impl Field for Bench {
    const NAME: &'static str = "nat64";
    const PACKAGE: &'static str = "nat64";
    const OURS: &'static str = Role::Nat64.program();
    const OTHERS: &'static [Other] = &[(Side::Theirs, tayga::PACKAGE), (Side::Limit, LIMIT)];
    const ROWS: &'static [Row<Self>] = ROWS;

    type Who = Who;
    type Way<'a> = Way<'a>;

    fn missing() -> Vec<&'static str> {
        tayga::find().is_none().then_some(tayga::PACKAGE).into_iter().collect()
    }

    fn open(ours: &Binaries, folder: &Path, wanted: &[Who]) -> Result<Self> {
        let network = network()?;
        let mut translators = HashMap::new();
        for who in wanted {
            if let Entry::Vacant(place) = translators.entry(who.name())
                && let Some(translator) = Translator::start(*who, ours, &network, folder)?
            {
                place.insert(translator);
            }
        }
        Ok(Self { network, translators })
    }

    fn name(who: Who) -> &'static str {
        who.name()
    }

    fn way(&self, who: Who) -> Result<Way<'_>> {
        let way = way(&self.network, who, self.translators.get(who.name()));
        datagram::wait_until_open(way.ends)
            .with_context(|| format!("the way through {} does not open", who.name()))?;
        Ok(way)
    }

    fn programs(&self) -> Vec<&Program> {
        self.translators.values().map(Translator::program).collect()
    }

    fn close(self) {
        for translator in self.translators.into_values() {
            translator.stop();
        }
    }
}

impl Translator {
    /// None where nobody translates.
    fn start(who: Who, ours: &Binaries, network: &Network, folder: &Path) -> Result<Option<Self>> {
        let gateway = &network.gateway;
        Ok(match who {
            Who::Ours(instance) => Some(Self::Ours(instance.start(ours, gateway, folder)?)),
            Who::Theirs(instance) => {
                let program = tayga::find().with_context(|| format!("apt-get install {}", tayga::PACKAGE))?;
                Some(Self::Theirs(instance.start(&program, gateway, folder)?))
            }
            Who::Kernel => None,
        })
    }

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
