//! The proxies beside each other: all relay ports to the same servers, without health checks.

use super::setting::Setting;
use super::{causeway, certificate, haproxy};
use crate::binaries::Binaries;
use crate::namespace::Namespace;
use crate::program::Program;
use anyhow::{Context, Result};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A proxy that people run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// causeway-proxy.
    Ours,
    /// Debian's HAProxy as it comes.
    Haproxy,
    /// The same, which moves bytes inside the kernel where it thinks that worth while (`option splice-auto`).
    Splicing,
}

/// What a proxy is told.
pub struct Place {
    /// Its circumstances.
    pub setting: &'static Setting,
    /// Where it listens.
    pub address: IpAddr,
    /// Where it writes.
    pub folder: PathBuf,
    /// What it shows in TLS, if it speaks that.
    pub certificate: PathBuf,
}

/// One that was started. Dropping it ends it.
pub struct Running {
    /// Where it listens.
    pub address: IpAddr,
    process: Process,
}

enum Process {
    Ours(causeway::Causeway),
    Theirs(haproxy::Haproxy),
}

impl Product {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Haproxy => haproxy::HAPROXY.name,
            Self::Splicing => "splicing",
        }
    }

    /// Its number in addresses.
    const fn number(self) -> u16 {
        match self {
            Self::Ours => 1,
            Self::Haproxy => 2,
            Self::Splicing => 3,
        }
    }

    /// Starts one on `host`; its files lie below `folder`.
    pub fn start(
        self,
        setting: &'static Setting,
        ours: &Binaries,
        host: &Namespace,
        folder: &Path,
    ) -> Result<Running> {
        let address = setting.address(self.number());
        let certificate = certificate::file(folder);
        let folder = folder.join(format!("{}-{}", self.name(), setting.name));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        host.add_address("lo", address.into())?;
        let place = Place { setting, address, folder, certificate };
        let process = match self {
            Self::Ours => Process::Ours(causeway::start(place, ours, host)?),
            Self::Haproxy => Process::Theirs(haproxy::start(place, haproxy::Way::Buffers, host)?),
            Self::Splicing => Process::Theirs(haproxy::start(place, haproxy::Way::Pipes, host)?),
        };
        Ok(Running { address, process })
    }
}

impl Running {
    /// Its process.
    pub const fn program(&self) -> &Program {
        match &self.process {
            Process::Ours(ours) => &ours.daemon.program,
            Process::Theirs(theirs) => &theirs.program,
        }
    }

    /// Lines about requests that it has lost, if it counts them.
    pub(super) fn lost_lines(&self) -> Result<Option<u64>> {
        match &self.process {
            Process::Ours(ours) => ours.lost_lines().map(Some),
            Process::Theirs(_) => Ok(None),
        }
    }

    /// Makes the configuration with this number, which differs from those before and behind it, and has it put in force.
    /// Returns when it is.
    pub(super) fn change(&self, number: u32) -> Result<()> {
        match &self.process {
            Process::Ours(ours) => ours.change(number),
            Process::Theirs(theirs) => theirs.change(number),
        }
    }
}
