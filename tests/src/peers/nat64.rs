//! causeway-nat64 beside Debian's Tayga, with plain kernel forwarding as the limit.
//!
//! ```text
//!              ┌── prefix and pool of ours ───> causeway-nat64 ──┐
//!   client ────┼── prefix and pool of Tayga ──> tayga ───────────┼───> alpha
//!              └── IPv4, for the limit only ─────────────────────┘
//! ```
//!
//! Both translators run on the one gateway for the whole run, each with a device, a prefix and a pool of its own; the one
//! that is not measured has nothing to do and sleeps. Speeds are those of payload. Does not measure one machine against
//! another: client, server and gateway share the processors, so that only ratios travel.

use super::datagram;
use super::ends::Ends;
use super::figure::{Better, Figure, Side, Spec};
use super::rounds::{Contestant, Step, Trial, play};
use super::stream::{Direction, throughput};
use super::{Missing, Report, tayga};
use crate::binaries::Binaries;
use crate::folder;
use crate::gateway::{Daemon, Files, Role};
use crate::program::Program;
use crate::topology::{ALPHA, Network, through_nat64};
use anyhow::{Context, Error, Result};
use ipnet::{IpNet, Ipv4Net};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// The client's IPv4 address and its router's: the way around the translators.
const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const ROUTER_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const LINK_V4: u8 = 24;

/// The name of the suite.
pub const SUITE: &str = "nat64";

/// Who forwards where nobody translates.
const LIMIT: &str = "kernel";

/// Lines of a log that say why a translator ended.
const LAST_WORDS: usize = 12;

const fn throughput_spec(name: &'static str, says: &'static str, limit_target: Option<f64>) -> Spec {
    Spec { name, says, unit: "Gbit/s", better: Better::More, target: 10.0, limit_target }
}

const TCP_UP: &[Spec] = &[throughput_spec("tcp_up", "TCP to the server, one stream", Some(0.65))];
const TCP_DOWN: &[Spec] = &[throughput_spec("tcp_down", "TCP to the client, one stream", Some(0.65))];
const TCP_UP_FOUR: &[Spec] = &[throughput_spec("tcp_up_four", "TCP to the server, four streams", None)];

const UDP: &[Spec] = &[
    Spec {
        name: "udp_delivered",
        says: "UDP of 64 bytes, delivered",
        unit: "packets/s",
        better: Better::More,
        target: 1.5,
        limit_target: None,
    },
    Spec {
        name: "udp_cpu",
        says: "UDP of 64 bytes, CPU time of each",
        unit: "us",
        better: Better::Less,
        // At most 0.6 of the peer's.
        target: 1.0 / 0.6,
        limit_target: None,
    },
];

const ROUND_TRIP: &[Spec] = &[Spec {
    name: "udp_round_trip",
    says: "UDP of 64 bytes, round trip",
    unit: "us",
    better: Better::Less,
    target: 1.0,
    limit_target: None,
}];

/// The programs of this suite, found and built.
pub struct Programs {
    ours: Binaries,
    tayga: PathBuf,
}

/// One way from the client to the server.
struct Way<'a> {
    ends: Ends<'a>,
    translator: Option<&'a Program>,
}

impl Programs {
    /// Looks for the peer and builds ours. Makes no thread.
    ///
    /// # Errors
    /// [`Missing`] if the peer is not installed.
    pub fn find() -> Result<Self> {
        let tayga = tayga::find().ok_or(Missing { package: tayga::PACKAGE })?;
        Ok(Self { ours: Binaries::build_only(&["nat64"])?, tayga })
    }

    /// Measures in `rounds` rounds; `before` sees each step first and may end the run.
    pub fn run(&self, rounds: usize, before: impl FnMut(Step) -> Result<()>) -> Result<Report> {
        let folder = folder::make()?;
        let network = network()?;
        let files = Files::lay_out(folder.path())?;
        files.write_config(&files.configuration())?;
        let launch = Daemon::launch(Role::Nat64, &self.ours, &files)?;
        let ours = Daemon::start(Role::Nat64, launch, &network.gateway, &files)?;
        ours.wait_until_ready()?;
        let tayga = tayga::start(&self.tayga, &network.gateway, folder.path())?;

        let contestant = |side, name, address: IpAddr, translator| {
            let ends = Ends { client: &network.client, server: &network.alpha, address };
            Contestant { side, name, way: Way { ends, translator } }
        };
        let contestants = [
            contestant(Side::Ours, "ours", through_nat64(ALPHA).into(), Some(&ours.program)),
            contestant(Side::Theirs, tayga::PACKAGE, tayga::address_of(ALPHA).into(), Some(&tayga)),
            contestant(Side::Limit, LIMIT, ALPHA.into(), None),
        ];
        let figures = measure(&contestants, rounds, before).map_err(|cause| {
            let dead = [&ours.program, &tayga].into_iter().filter_map(obituary);
            dead.fold(cause, Error::context)
        })?;
        ours.program.stop();
        Ok(Report {
            suite: SUITE,
            ours: Role::Nat64.program(),
            peer: tayga::PACKAGE,
            limit: LIMIT,
            rounds,
            figures,
        })
    }
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

fn measure(
    contestants: &[Contestant<Way<'_>>],
    rounds: usize,
    before: impl FnMut(Step) -> Result<()>,
) -> Result<Vec<Figure>> {
    for contestant in contestants {
        datagram::wait_until_open(contestant.way.ends)
            .with_context(|| format!("the way through {} does not open", contestant.name))?;
    }
    let trials = [
        Trial { figures: TCP_UP, run: |way: &Way<'_>| way.throughput(1, Direction::ToServer) },
        Trial { figures: TCP_DOWN, run: |way: &Way<'_>| way.throughput(1, Direction::ToClient) },
        Trial { figures: TCP_UP_FOUR, run: |way: &Way<'_>| way.throughput(4, Direction::ToServer) },
        Trial { figures: UDP, run: Way::flood },
        Trial { figures: ROUND_TRIP, run: Way::round_trip },
    ];
    play(contestants, &trials, rounds, before)
}

impl Way<'_> {
    /// In Gbit/s.
    fn throughput(&self, streams: usize, direction: Direction) -> Result<Vec<Option<f64>>> {
        Ok(vec![Some(throughput(self.ends, streams, direction)? / 1e9)])
    }

    /// In datagrams a second and microseconds.
    fn flood(&self) -> Result<Vec<Option<f64>>> {
        let delivery = datagram::flood(self.ends, self.translator.map(Program::pid))?;
        Ok(vec![Some(delivery.rate), delivery.cost.map(microseconds)])
    }

    /// In microseconds.
    fn round_trip(&self) -> Result<Vec<Option<f64>>> {
        Ok(vec![Some(microseconds(datagram::round_trip(self.ends)?))])
    }
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
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
