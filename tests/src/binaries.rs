//! The daemons' binaries, built in the profile of the program that asks.

use anyhow::{Context, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;
use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

/// The packages of the three daemons.
const PACKAGES: [&str; 3] = ["nat64", "dns64", "proxy"];

/// Cargo works silently this long before its words are shown.
const SILENCE: Duration = Duration::from_secs(2);

/// Where each daemon's binary is.
#[derive(Clone, Debug)]
pub struct Binaries {
    paths: HashMap<String, PathBuf>,
}

impl Binaries {
    /// Builds what is not fresh, with the cargo that runs this program, in the profile this program was built in.
    /// Without a cargo, takes what lies next to this program.
    ///
    /// Runs without a thread of its own, so that the caller may still enter a user namespace.
    pub fn build() -> Result<Self> {
        Self::build_only(&PACKAGES)
    }

    /// The same for the daemons of these packages alone.
    pub fn build_only(packages: &[&str]) -> Result<Self> {
        let folder = own_folder()?;
        match env::var_os("CARGO") {
            Some(cargo) => Ok(Self { paths: build(Path::new(&cargo), &folder, packages)? }),
            None => Self::beside(&folder, packages),
        }
    }

    /// Takes the binaries that lie in `folder`.
    fn beside(folder: &Path, packages: &[&str]) -> Result<Self> {
        let name = |package: &str| format!("causeway-{package}");
        let paths: HashMap<_, _> =
            packages.iter().map(|package| (name(package), folder.join(name(package)))).collect();
        for path in paths.values() {
            ensure!(
                path.exists(),
                "{} is not there: build the workspace first, or use `cargo lab`",
                path.display()
            );
        }
        Ok(Self { paths })
    }

    /// The binary of this name.
    pub fn path(&self, name: &str) -> Result<&Path> {
        self.paths.get(name).map(PathBuf::as_path).with_context(|| format!("cargo built no {name}"))
    }
}

/// The folder that cargo puts the profile's binaries in. Test programs lie one deeper.
fn own_folder() -> Result<PathBuf> {
    let own = env::current_exe().context("the path of this program")?;
    let folder = own.parent().context("the folder of this program")?;
    Ok(if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder }.to_path_buf())
}

fn build(cargo: &Path, folder: &Path, packages: &[&str]) -> Result<HashMap<String, PathBuf>> {
    let mut command = Command::new(cargo);
    command.args(["build", "--bins", "--message-format=json-render-diagnostics"]);
    command.args(packages.iter().flat_map(|package| ["-p", package]));
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => {}
        Some("release") => drop(command.arg("--release")),
        Some(profile) => drop(command.args(["--profile", profile])),
        None => bail!("{} tells no cargo profile", folder.display()),
    }
    if let Some(package) = env::var_os("CARGO_MANIFEST_DIR") {
        command.current_dir(package);
    }
    // A file takes any number of messages without being read meanwhile.
    let mut messages = tempfile::tempfile().context("a temporary file")?;
    command.stdin(Stdio::null()).stdout(messages.try_clone()?).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {}", cargo.display()))?;
    let words = child.stderr.take().map(watch).transpose()?.unwrap_or_default();
    let status = child.wait()?;
    if !status.success() {
        bail!("{} build failed ({status}){}", cargo.display(), words);
    }
    executables(&mut messages)
}

/// Reads what cargo says: kept while it is quick, passed on as soon as it is slow. Returns what was kept.
fn watch(mut source: ChildStderr) -> Result<String> {
    let start = Instant::now();
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    let mut slow = false;
    loop {
        let left = if slow {
            PollTimeout::NONE
        } else {
            PollTimeout::try_from(SILENCE.saturating_sub(start.elapsed()))?
        };
        let ready = poll(&mut [PollFd::new(source.as_fd(), PollFlags::POLLIN)], left)?;
        if ready > 0 {
            let read = source.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            kept.extend_from_slice(&chunk[..read]);
        }
        slow |= start.elapsed() >= SILENCE;
        if slow {
            std::io::stderr().write_all(&kept)?;
            kept.clear();
        }
    }
    let text = String::from_utf8_lossy(&kept);
    Ok(if text.is_empty() { String::new() } else { format!(":\n{text}") })
}

fn executables(messages: &mut File) -> Result<HashMap<String, PathBuf>> {
    messages.rewind()?;
    let mut text = String::new();
    messages.read_to_string(&mut text)?;
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, PathBuf::from(message["executable"].as_str()?)))
        })
        .collect())
}
