//! The resolvers beside each other.
//!
//! All forward everything to one server, validate nothing, synthesize for every client with the same prefix, and have
//! one thread for each processor they are held to. What their guides advise for speed is set.

use super::answer::answer;
use super::certificate::Certificate;
use super::setting::Setting;
use super::{bind, causeway, unbound};
use crate::binaries::Binaries;
use crate::gateway::Daemon;
use crate::namespace::Namespace;
use crate::peers::mirror::Mirror;
use crate::peers::{cores, cpu};
use crate::program::Program;
use anyhow::Result;
use nix::sched::CpuSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// A resolver that people run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// causeway-dns64.
    Ours,
    /// Debian's Unbound.
    Unbound,
    /// Debian's BIND.
    Bind,
    /// None, but what hardly one is cheaper than.
    Mirror,
}

/// What a resolver is told.
pub struct Place<'a> {
    /// What all have in common.
    pub setting: &'a Setting,
    /// Where it listens.
    pub address: IpAddr,
    /// Where it writes.
    pub folder: &'a Path,
    /// Where its certificate is, if it is to serve TLS.
    pub(super) certificate: Option<Certificate>,
}

/// One that was started. Dropping it ends it.
pub struct Running {
    /// Where it listens.
    pub address: IpAddr,
    process: Process,
}

enum Process {
    Ours(Daemon),
    Theirs(Program),
    Mirror(Mirror),
}

/// The port of questions over UDP and TCP.
pub(super) const PORT: u16 = 53;

impl Product {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Unbound => unbound::UNBOUND.name,
            Self::Bind => bind::BIND.name,
            Self::Mirror => "mirror",
        }
    }

    /// Its number in addresses.
    const fn number(self) -> u16 {
        match self {
            Self::Ours => 1,
            Self::Unbound => 2,
            Self::Bind => 3,
            Self::Mirror => 4,
        }
    }

    /// Starts one on `host`; its files lie below `folder`.
    pub fn start(
        self,
        setting: &Setting,
        ours: &Binaries,
        host: &Namespace,
        folder: &Path,
    ) -> Result<Running> {
        let address = setting.address(self.number());
        let certificate = setting.tls.then(|| Certificate::at(folder));
        let folder = folder.join(format!("{}-{}", self.name(), setting.name));
        let place = Place { setting, address, folder: &folder, certificate };
        host.add_address("lo", address.into())?;
        let process = match self {
            Self::Ours => Process::Ours(causeway::start(&place, ours, host)?),
            Self::Unbound => Process::Theirs(unbound::start(&place, host)?),
            Self::Bind => Process::Theirs(bind::start(&place, host)?),
            Self::Mirror => Process::Mirror(Mirror::start(host, SocketAddr::new(address, PORT), answer)?),
        };
        Ok(Running { address, process })
    }
}

impl Running {
    /// Its process, if it has one of its own.
    pub const fn program(&self) -> Option<&Program> {
        match &self.process {
            Process::Ours(daemon) => Some(&daemon.program),
            Process::Theirs(program) => Some(program),
            Process::Mirror(_) => None,
        }
    }

    /// Its user and system time.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        match &self.process {
            Process::Ours(daemon) => cpu::time_of(daemon.program.pid()),
            Process::Theirs(program) => cpu::time_of(program.pid()),
            Process::Mirror(mirror) => mirror.cpu_time(),
        }
    }

    /// Binds all its threads.
    pub(super) fn bind(&self, processors: &CpuSet) -> Result<()> {
        match &self.process {
            Process::Ours(daemon) => cores::bind(daemon.program.pid(), processors),
            Process::Theirs(program) => cores::bind(program.pid(), processors),
            Process::Mirror(mirror) => mirror.bind(processors),
        }
    }
}
