//! One resolver, and what can be measured of it.

use super::delayed::DelayedServer;
use super::memory::{Filling, Room};
use super::pace::Paced;
use super::product::{PORT, Product, Running};
use super::questions;
use super::setting::Setting;
use super::volley::{Most, Volley};
use crate::namespace::Namespace;
use crate::peers::cores::{self, Places};
use crate::peers::dnsperf::{self, Extent, Load, Outcome};
use crate::peers::figure::median;
use crate::probe::dns::{Transport, addresses, ask};
use crate::program::Program;
use anyhow::{Context, Result, ensure};
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use std::cell::Cell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Names that are asked over and over, and are in every cache.
pub const POPULAR: u32 = 10_000;

/// Names that are asked once, in one measurement.
pub const FRESH: u32 = 30_000;

/// Names that are asked once and one after the other.
const SINGLE: u32 = 20;

/// How often it is looked how much each resolver bears.
const LOOKS: usize = 3;

/// How long popular names are asked for. Over connections longer, since to open them is not what is measured.
const LENGTH: Duration = Duration::from_secs(1);
const STREAM_LENGTH: Duration = Duration::from_secs(2);

/// What all resolvers share, and they themselves, by product and by the name of their setting.
pub struct Bench {
    /// The network of all.
    pub host: Namespace,
    /// Where files of questions lie.
    pub folder: PathBuf,
    /// The load.
    pub dnsperf: PathBuf,
    /// The server behind the resolvers.
    pub authority: Program,
    /// The server far away.
    pub(super) far: DelayedServer,
    /// The resolvers.
    pub resolvers: HashMap<(Product, &'static str), Resolver>,
    /// Half of what the slowest of them answers.
    pub half: Cell<Option<f64>>,
}

/// A resolver, and what it has been asked.
pub struct Resolver {
    /// What it is held to.
    pub setting: &'static Setting,
    /// The process.
    pub running: Running,
    /// What it took in, where that was many names.
    pub(super) filling: Cell<Option<Filling>>,
    /// Whether it knows the popular names.
    warm: Cell<bool>,
    /// The first name that it does not know.
    unknown: Cell<u32>,
}

/// A resolver on its bench, or nobody: then the server far away is asked without one.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// The bench.
    pub bench: &'a Bench,
    /// The resolver.
    pub resolver: Option<&'a Resolver>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    transport: dnsperf::Transport,
    port: u16,
    clients: usize,
    outstanding: usize,
    length: Duration,
}

/// Few enough questions at a time for the buffer of one socket.
const DATAGRAMS: Crowd =
    Crowd { transport: dnsperf::Transport::Udp, port: PORT, clients: 20, outstanding: 100, length: LENGTH };

/// A hundred connections with a few questions on each.
pub const TCP: Crowd = Crowd {
    transport: dnsperf::Transport::Tcp,
    port: PORT,
    clients: 100,
    outstanding: 500,
    length: STREAM_LENGTH,
};

/// The same with TLS.
pub const TLS: Crowd = Crowd { transport: dnsperf::Transport::Tls, port: 853, ..TCP };

impl Resolver {
    /// One that was just started.
    pub const fn new(setting: &'static Setting, running: Running) -> Self {
        let (filling, warm, unknown) = (Cell::new(None), Cell::new(false), Cell::new(POPULAR));
        Self { setting, running, filling, warm, unknown }
    }

    /// Names that it has not been asked for, which from here on it has.
    pub fn take(&self, count: u32) -> Range<u32> {
        let first = self.unknown.get();
        self.unknown.set(first + count);
        first..first + count
    }

    /// Where it takes questions over UDP and TCP.
    pub const fn server(&self) -> SocketAddr {
        SocketAddr::new(self.running.address, PORT)
    }
}

impl<'a> Way<'a> {
    /// Answers a second, and answers for each second of CPU time, where all names are in the cache.
    pub fn cached(&self) -> Result<Vec<Option<f64>>> {
        self.cached_for(DATAGRAMS)
    }

    /// The same for other ways of asking.
    pub fn cached_for(&self, crowd: Crowd) -> Result<Vec<Option<f64>>> {
        self.warm_up()?;
        self.measure(crowd, 0..POPULAR, Extent::For(crowd.length))
    }

    /// The same where no name is in the cache.
    pub fn uncached(&self) -> Result<Vec<Option<f64>>> {
        let names = self.resolver()?.take(FRESH);
        self.measure(DATAGRAMS, names, Extent::Once)
    }

    /// The same where all names are in the cache, and nobody waits.
    pub fn most(&self) -> Result<Vec<Option<f64>>> {
        self.warm_up()?;
        let Most { a_second, a_cpu_second } = self.volley()?.most()?;
        Ok(vec![Some(a_second), Some(a_cpu_second)])
    }

    /// The median and the 99th percentile of the time that an answer takes which is in the cache, in microseconds, what
    /// part of all questions was answered, and questions a second, with half of the load that the slowest resolver bears.
    pub fn latency(&self) -> Result<Vec<Option<f64>>> {
        self.warm_up()?;
        let Paced { median, p99, answered, asked } = self.volley()?.paced(self.half()?)?;
        let [median, p99] = [median, p99].map(|time| time.as_secs_f64() * 1e6);
        Ok([median, p99, answered, asked].map(Some).into())
    }

    /// How long the answer to the first question for a name takes, in milliseconds.
    pub fn cold(&self) -> Result<Vec<Option<f64>>> {
        let names = self.resolver.map_or(0..SINGLE, |resolver| resolver.take(SINGLE));
        let server =
            self.resolver.map_or(SocketAddr::new(self.bench.far.address.into(), PORT), Resolver::server);
        let synthesized = self.resolver.is_some();
        let times = self.bench.host.run(move || {
            let time = |number| {
                let start = Instant::now();
                let reply = ask(server, &questions::name(number), RecordType::AAAA, Transport::Udp)?;
                let time = start.elapsed();
                if synthesized {
                    check(&reply)?;
                }
                Ok(time.as_secs_f64() * 1e3)
            };
            names.map(time).collect::<Result<Vec<_>>>()
        })?;
        Ok(vec![Some(median(&times))])
    }

    /// What a resolver takes for each name that it keeps, in bytes, what part of all names that is, and what it grew by,
    /// in MiB.
    pub fn memory(&self, count: u32) -> Result<Vec<Option<f64>>> {
        let resolver = self.resolver()?;
        if resolver.filling.get().is_none() {
            let room = Room::open(resolver)?;
            let names = resolver.take(count);
            self.volley()?.fill(names.clone())?;
            let (server, unknown) = (resolver.server(), resolver.take(1).start);
            let filling = self.bench.host.run(|| room.look(server, names, unknown))?;
            resolver.filling.set(Some(filling));
        }
        let filling = resolver.filling.get().context("it was just filled")?;
        Ok(vec![Some(filling.a_name), Some(filling.held), Some(filling.grown)])
    }

    pub(super) fn resolver(&self) -> Result<&'a Resolver> {
        self.resolver.context("this is measured of resolvers only")
    }

    fn warm_up(&self) -> Result<()> {
        if !self.resolver()?.warm.replace(true) {
            self.load(DATAGRAMS, 0..POPULAR, Extent::Once)?;
        }
        Ok(())
    }

    /// In questions a second: half of the median that the slowest one answers.
    fn half(&self) -> Result<f64> {
        if let Some(half) = self.bench.half.get() {
            return Ok(half);
        }
        let setting = self.resolver()?.setting;
        let mut slowest = f64::INFINITY;
        let real = |resolver: &&Resolver| resolver.setting == setting && resolver.running.program().is_some();
        for resolver in self.bench.resolvers.values().filter(real) {
            let way = Way { resolver: Some(resolver), ..*self };
            way.warm_up()?;
            let most = |_| Ok(way.volley()?.most()?.a_second);
            slowest = slowest.min(median(&(0..LOOKS).map(most).collect::<Result<Vec<_>>>()?));
        }
        self.bench.half.set(Some(slowest / 2.0));
        Ok(slowest / 2.0)
    }

    fn measure(&self, crowd: Crowd, names: Range<u32>, extent: Extent) -> Result<Vec<Option<f64>>> {
        let running = &self.resolver()?.running;
        let before = running.cpu_time()?;
        let Outcome { completed, a_second } = self.load(crowd, names, extent)?;
        let used = running.cpu_time()?.saturating_sub(before);
        ensure!(!used.is_zero(), "{completed} answers took no CPU time");
        #[expect(clippy::cast_precision_loss, reason = "nothing counts to 2^53 in a few seconds")]
        let per_second = completed as f64 / used.as_secs_f64();
        Ok(vec![Some(a_second), Some(per_second)])
    }

    /// Asks by dnsperf.
    fn load(&self, crowd: Crowd, names: Range<u32>, extent: Extent) -> Result<Outcome> {
        let Crowd { transport, port, clients, outstanding, .. } = crowd;
        let bench = self.bench;
        let questions = questions::write(&bench.folder, names)?;
        let places = self.take_places()?;
        let load = Load {
            program: &bench.dnsperf,
            namespace: &bench.host,
            processors: places.rest,
            threads: places.others,
            server: SocketAddr::new(self.resolver()?.running.address, port),
            transport,
            clients,
            outstanding,
        };
        load.run(&questions, extent)
    }

    fn volley(&self) -> Result<Volley<'a>> {
        let (resolver, places) = (self.resolver()?, self.take_places()?);
        Ok(Volley {
            host: &self.bench.host,
            processors: places.rest,
            server: resolver.server(),
            resolver: &resolver.running,
            names: 0..POPULAR,
        })
    }

    /// Holds the resolver to processors of its own if there are any.
    fn take_places(&self) -> Result<Places> {
        let resolver = self.resolver()?;
        let places = Places::new(resolver.setting.cores)?;
        resolver.running.bind(&places.measured)?;
        cores::bind(self.bench.authority.pid(), &places.rest)?;
        Ok(places)
    }
}

/// Whether this is what RFC 6052 asks for.
pub(super) fn check(reply: &Message) -> Result<()> {
    let (found, expected) = (addresses(reply), [questions::synthesized()]);
    ensure!(found == expected, "the answer is {found:?}, not {expected:?}");
    Ok(())
}
