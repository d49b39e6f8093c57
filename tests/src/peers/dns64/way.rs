//! One resolver, and what can be measured of it.

use super::product::Running;
use super::questions;
use super::setting::Setting;
use crate::namespace::Namespace;
use crate::peers::cores::{self, Places};
use crate::peers::cpu;
use crate::peers::dnsperf::{Extent, Load, Outcome, Transport};
use crate::program::Program;
use anyhow::{Result, ensure};
use std::cell::Cell;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// Names that are asked over and over, and are in every cache.
pub const POPULAR: u32 = 10_000;

/// Names that are asked once, in one measurement.
pub const FRESH: u32 = 30_000;

/// How long popular names are asked for.
const LENGTH: Duration = Duration::from_secs(1);

/// What all resolvers share.
pub struct Bench {
    /// The network of all.
    pub host: Namespace,
    /// Where files of questions lie.
    pub folder: PathBuf,
    /// The load.
    pub dnsperf: PathBuf,
    /// The server behind the resolvers.
    pub authority: Program,
}

/// A resolver, and what it has been asked.
pub struct Resolver {
    /// What it is held to.
    pub setting: &'static Setting,
    /// The process.
    pub running: Running,
    /// Whether it knows the popular names.
    pub warm: Cell<bool>,
    /// The first name that it does not know.
    pub unknown: Cell<u32>,
}

/// A resolver on its bench.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// The bench.
    pub bench: &'a Bench,
    /// The resolver.
    pub resolver: &'a Resolver,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    transport: Transport,
    clients: usize,
    outstanding: usize,
}

/// Few enough questions at a time for the buffer of one socket.
const DATAGRAMS: Crowd = Crowd { transport: Transport::Udp, clients: 20, outstanding: 100 };

impl Resolver {
    /// One that was just started.
    pub const fn new(setting: &'static Setting, running: Running) -> Self {
        Self { setting, running, warm: Cell::new(false), unknown: Cell::new(POPULAR) }
    }

    /// Names that it has not been asked for, which from here on it has.
    fn take(&self, count: u32) -> Range<u32> {
        let first = self.unknown.get();
        self.unknown.set(first + count);
        first..first + count
    }
}

impl Way<'_> {
    /// Answers a second, and answers for each second of CPU time, where all names are in the cache.
    pub fn cached(&self) -> Result<Vec<Option<f64>>> {
        self.warm_up()?;
        self.measure(DATAGRAMS, 0..POPULAR, Extent::For(LENGTH))
    }

    /// The same where none is.
    pub fn uncached(&self) -> Result<Vec<Option<f64>>> {
        self.measure(DATAGRAMS, self.resolver.take(FRESH), Extent::Once)
    }

    fn warm_up(&self) -> Result<()> {
        if !self.resolver.warm.replace(true) {
            self.load(DATAGRAMS, 0..POPULAR, Extent::Once)?;
        }
        Ok(())
    }

    fn measure(&self, crowd: Crowd, names: Range<u32>, extent: Extent) -> Result<Vec<Option<f64>>> {
        let process = self.resolver.running.program().pid();
        let before = cpu::time_of(process)?;
        let Outcome { completed, a_second } = self.load(crowd, names, extent)?;
        let used = cpu::time_of(process)?.saturating_sub(before);
        ensure!(!used.is_zero(), "{completed} answers took no CPU time");
        #[expect(clippy::cast_precision_loss, reason = "nothing counts to 2^53 in a few seconds")]
        let per_second = completed as f64 / used.as_secs_f64();
        Ok(vec![Some(a_second), Some(per_second)])
    }

    /// Asks, with the resolver on processors of its own if there are any.
    fn load(&self, crowd: Crowd, names: Range<u32>, extent: Extent) -> Result<Outcome> {
        let Self { bench, resolver } = self;
        let questions = questions::write(&bench.folder, names)?;
        let places = Places::new(resolver.setting.cores)?;
        cores::bind(resolver.running.program().pid(), &places.measured)?;
        cores::bind(bench.authority.pid(), &places.rest)?;
        let load = Load {
            program: &bench.dnsperf,
            namespace: &bench.host,
            processors: places.rest,
            threads: places.others,
            server: resolver.running.server,
            transport: crowd.transport,
            clients: crowd.clients,
            outstanding: crowd.outstanding,
        };
        load.run(&questions, extent)
    }
}
