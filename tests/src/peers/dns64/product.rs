//! The resolvers beside each other.
//!
//! All forward everything to one server, validate nothing, synthesize for every client with the same prefix, and have
//! one thread for each processor they are held to. What their guides advise for speed is set.

use super::certificate::Certificate;
use super::setting::Setting;
use super::{bind, causeway, unbound};
use crate::binaries::Binaries;
use crate::gateway::Daemon;
use crate::namespace::Namespace;
use crate::peers::installed;
use crate::program::{Launch, Program};
use anyhow::{Context, Result};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A resolver that people run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// causeway-dns64.
    Ours,
    /// Debian's Unbound.
    Unbound,
    /// Debian's BIND.
    Bind,
}

/// A program of another package that reads one file.
#[derive(Debug)]
pub struct Foreign {
    /// Its name for people.
    pub name: &'static str,
    /// Its command.
    pub program: &'static str,
    /// The Debian package that it comes in.
    pub package: &'static str,
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
}

impl Product {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Unbound => unbound::UNBOUND.name,
            Self::Bind => bind::BIND.name,
        }
    }

    /// Its number in addresses.
    const fn number(self) -> u16 {
        match self {
            Self::Ours => 1,
            Self::Unbound => 2,
            Self::Bind => 3,
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
        };
        Ok(Running { address, process })
    }
}

impl Foreign {
    /// Its command, if it is installed.
    pub fn find(&self) -> Option<PathBuf> {
        installed::find(self.program)
    }

    /// Starts it inside `host` with these arguments and a file that says `text`, in the new folder `folder`.
    pub fn start(&self, arguments: &[&str], text: &str, host: &Namespace, folder: &Path) -> Result<Program> {
        fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let config = folder.join("config");
        fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        let program = self.find().with_context(|| format!("apt-get install {}", self.package))?;
        Launch::new(self.name, program)
            .args(arguments)
            .args([Path::new("-c"), &config])
            .log_to(folder.join("log"))
            .start(host)
    }
}

impl Running {
    /// Its process.
    pub const fn program(&self) -> &Program {
        match &self.process {
            Process::Ours(daemon) => &daemon.program,
            Process::Theirs(program) => program,
        }
    }
}
