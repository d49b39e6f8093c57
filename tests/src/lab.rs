//! One whole lab: network, servers, daemons and captures, in the order they are taken down in.

use crate::binaries::Binaries;
use crate::capture::Capture;
use crate::gateway::{Daemon, Files, Role};
use crate::topology::{Network, Servers};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::thread;
use tempfile::TempDir;

/// A running lab. Dropping it stops the daemons, then the servers, and with the last namespace all is gone.
pub struct Lab {
    daemons: Vec<Daemon>,
    /// What is served in the IPv4-only world.
    pub servers: Servers,
    captures: Vec<Capture>,
    /// The namespaces.
    pub network: Network,
    /// The file, the sockets and the logs.
    pub files: Files,
    binaries: Binaries,
    _folder: TempDir,
}

impl Lab {
    /// Starts everything and waits until all daemons are ready.
    pub fn start(binaries: &Binaries) -> Result<Self> {
        let mut lab = Self::prepare(binaries)?;
        lab.start_daemons()?;
        Ok(lab)
    }

    /// Starts all but the daemons; the file is written, and may be written anew.
    pub fn prepare(binaries: &Binaries) -> Result<Self> {
        let folder = crate::folder::make()?;
        let files = Files::lay_out(folder.path())?;
        files.write_config(&files.configuration())?;
        let network = Network::new()?;
        let captures = Network::GATEWAY_DEVICES
            .iter()
            .map(|device| Capture::start(&network.gateway, device, device))
            .collect::<Result<_>>()?;
        let servers = Servers::start(&network)?;
        let binaries = binaries.clone();
        Ok(Self { daemons: Vec::new(), servers, captures, network, files, binaries, _folder: folder })
    }

    /// Starts all daemons and waits until they are ready.
    pub fn start_daemons(&mut self) -> Result<()> {
        for role in Role::ALL {
            self.start_daemon(role)?;
        }
        for daemon in &self.daemons {
            daemon.wait_until_ready()?;
        }
        if self.network.gateway.index("nat64").is_ok() {
            self.captures.push(Capture::start(&self.network.gateway, "nat64", "nat64")?);
        }
        Ok(())
    }

    /// Starts one daemon, without waiting for it, in the place of an earlier one.
    pub fn start_daemon(&mut self, role: Role) -> Result<&Daemon> {
        self.daemons.retain(|daemon| daemon.role != role);
        let launch = Daemon::launch(role, &self.binaries, &self.files)?;
        self.daemons.push(Daemon::start(role, launch, &self.network.gateway, &self.files)?);
        self.daemon(role)
    }

    /// The daemon that was started in this role.
    pub fn daemon(&self, role: Role) -> Result<&Daemon> {
        let found = self.daemons.iter().find(|daemon| daemon.role == role);
        found.with_context(|| format!("{} was not started", role.program()))
    }

    /// The daemons that were started.
    pub fn daemons(&self) -> &[Daemon] {
        &self.daemons
    }

    /// What to run daemons from.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Tells of the daemons that ended: which, how, and their last words.
    pub fn casualties(&self) -> Vec<String> {
        let tell = |daemon: &Daemon| Some(format!("{}; {}", daemon.obituary()?, daemon.last_words()));
        self.daemons.iter().filter_map(tell).collect()
    }

    /// Runs `f` as the client.
    pub fn as_client<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        self.network.client.run(f)
    }

    /// Writes all captures into `folder`, and the logs beside them.
    pub fn keep(&self, folder: &Path) -> Result<PathBuf> {
        for capture in &self.captures {
            capture.write(folder)?;
        }
        for log in self.daemons.iter().filter_map(|daemon| daemon.program.log()) {
            let name = log.file_name().context("a log has a name")?;
            std::fs::copy(log, folder.join(name))
                .with_context(|| format!("cannot keep {}", log.display()))?;
        }
        Ok(folder.to_path_buf())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // All at once: each may take its time to drain.
        thread::scope(|scope| {
            for daemon in &self.daemons {
                scope.spawn(|| daemon.program.stop());
            }
        });
    }
}
