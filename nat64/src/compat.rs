//! The daemon under the name `tayga`: Tayga's command line, file, messages and exit codes in front of the same
//! translator, so that scripts that call Tayga go on working.
//!
//! ```text
//! arguments -> user, group -> tayga.conf, map file -> data-dir -> pid file -> detach -> user -> service::serve
//!     |                          \-- --mktun, --rmtun: make or remove the device, and end      |
//!     \-- usage                                          device, routes, chroot, the last rights <-/
//! ```
//!
//! Everything up to [`service::serve`] happens while the process has one thread. Errors have Tayga's words where Tayga
//! has words for them. Deliberately different: a detached daemon's caller waits until the device is attached, and
//! hears of a failure by the exit status; the admin interface is there if its socket can be made.

mod arguments;
mod data_dir;
mod detach;
mod identity;
mod interface;
mod tun;

pub use arguments::{Arguments, Log, Wrong};

use crate::App;
use arguments::Task;
use config::import::tayga::{self, Conf, MapLine, Parsed};
use config::model::Level;
use config::{Gateway, Refusal};
use detach::{PidFile, Release, Side};
use identity::Identity;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use service::{AnyError, Capability, Daemon as _, Herald, MORE_STOPS, Sink, Terms};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The program that this is called.
const NAME: &str = "tayga";

/// Each instance has its admin socket in a directory of its own here, named after its device, unless systemd gives it
/// one. Nobody but root makes directories here, so nobody can put a link in their place.
const ADMIN: &str = "/run/causeway-tayga";

/// Why the program ends before it serves: lines for the log.
#[derive(Debug)]
struct Refused(Vec<String>);

impl From<String> for Refused {
    fn from(line: String) -> Self {
        Self(vec![line])
    }
}

impl From<Vec<String>> for Refused {
    fn from(lines: Vec<String>) -> Self {
        Self(lines)
    }
}

/// Whether the process was started under Tayga's name.
pub fn is_called() -> bool {
    let program = std::env::args_os().next().map(PathBuf::from);
    program.is_some_and(|program| program.file_name().is_some_and(|name| name == NAME))
}

/// Does what the process's arguments say.
pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_else(|| OsString::from(NAME));
    let arguments = match Arguments::parse(words) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            // Nobody is left to hear of a failure.
            let _ = write!(io::stderr().lock(), "{}", wrong.text(&program.to_string_lossy()));
            return ExitCode::FAILURE;
        }
    };
    let sink = match arguments.log {
        Log::Stdout => Sink::Stdout,
        Log::Syslog => Sink::syslog(NAME),
        Log::Journal => Sink::journal(NAME),
    };
    match attempt(&arguments, &sink) {
        Ok(code) => code,
        Err(Refused(lines)) => {
            for line in lines {
                sink.line(tracing::Level::ERROR, &line);
            }
            ExitCode::FAILURE
        }
    }
}

fn attempt(arguments: &Arguments, sink: &Sink) -> Result<ExitCode, Refused> {
    let identity = Identity::find(arguments.user.as_deref(), arguments.group.as_deref())?;
    let state_directory = std::env::var("STATE_DIRECTORY").ok();
    let Parsed { value: conf, warnings } = read(&arguments.config, state_directory.as_deref())?;
    let device = &conf.tun_device.1;
    match arguments.task {
        Task::MakeTun => {
            tun::make(device)?;
            sink.line(tracing::Level::INFO, &format!("Created persistent tun device {device}"));
            Ok(ExitCode::SUCCESS)
        }
        Task::RemoveTun => {
            tun::remove(device)?;
            sink.line(tracing::Level::INFO, &format!("Removed persistent tun device {device}"));
            Ok(ExitCode::SUCCESS)
        }
        Task::Run => run(arguments, sink.clone(), identity, conf, warnings),
    }
}

fn read(path: &Path, state_directory: Option<&str>) -> Result<Parsed<Conf>, Refused> {
    let file = path.display();
    let text = std::fs::read(path)
        .map_err(|error| format!("unable to open {file}, aborting: {}", describe(&error)))?;
    Ok(tayga::parse(&text, &file.to_string(), state_directory)?)
}

/// The system's words, as C programs have them.
fn describe(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |errno| Errno::from_raw(errno).desc().to_owned())
}

fn run(
    arguments: &Arguments,
    sink: Sink,
    identity: Identity,
    conf: Conf,
    warnings: Vec<String>,
) -> Result<ExitCode, Refused> {
    // Scripts send it as soon as there is a process; it waits until there is a daemon to reload.
    hangup().thread_block().map_err(|errno| format!("Error: cannot hold SIGHUP back: {}", errno.desc()))?;
    let file = arguments.config.display().to_string();
    if arguments.chroot {
        may_chroot(&conf, &identity, &file)?;
    }
    data_dir::enter(conf.data_dir.as_deref(), identity.is_some_user())?;
    let mtu = tun::mtu(&conf.tun_device.1)?;
    let blueprint = Arc::new(Blueprint { conf, file, mtu, arguments: arguments.clone() });
    let Parsed { value: model, warnings: more } = blueprint.model().map_err(|error| match error {
        NoModel::MapFile { path, source } => Refused(vec![format!(
            "Error: map-file {} is configured but not readable: {}; its path is relative to data-dir",
            path.display(),
            describe(&source)
        )]),
        NoModel::Refused(lines) => Refused(lines),
    })?;

    let pid_file = arguments.pid_file.as_deref().map(PidFile::open).transpose()?;
    let release = if arguments.detach {
        match detach::detach()? {
            Side::Caller(code) => return Ok(code),
            Side::Daemon(release) => Some(release),
        }
    } else {
        None
    };
    identity.lend_admin(&model.admin.socket);
    identity.take_on()?;

    let mut terms = terms(&blueprint, sink, arguments);
    // The start may open what only root may. With a user the settling ends that; root keeps it, since data-dir and the
    // map file may be another user's, as Tayga's are in Debian.
    terms.capabilities.push(Capability::CAP_DAC_OVERRIDE);
    let remarks = warnings.into_iter().chain(more).collect();
    let terms =
        terms.settle(settle(Arc::clone(&blueprint), identity, remarks, Started { pid_file, release }));
    Ok(service::serve::<App>(model, terms))
}

fn hangup() -> SigSet {
    SigSet::from(Signal::SIGHUP)
}

/// What Tayga asks before it locks itself in.
fn may_chroot(conf: &Conf, identity: &Identity, file: &str) -> Result<(), String> {
    if conf.data_dir.is_none() {
        return Err(format!("Error: cannot chroot when no data-dir is specified in {file}"));
    }
    if !identity.is_unprivileged() {
        return Err("Error: chroot is ineffective without also specifying the -u option to switch to an \
                    unprivileged user"
            .to_owned());
    }
    Ok(())
}

fn terms(blueprint: &Arc<Blueprint>, sink: Sink, arguments: &Arguments) -> Terms {
    let reload = Arc::clone(blueprint);
    let mut terms = Terms::new(&arguments.config, move || {
        let Parsed { value: model, warnings } = reload.model().map_err(AnyError::from)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Ok(model)
    });
    terms.sink = sink;
    terms.herald = if arguments.log == Log::Journal { Herald::WhenStarted } else { Herald::Never };
    terms.stops = MORE_STOPS;
    if arguments.chroot {
        terms.capabilities.push(Capability::CAP_SYS_CHROOT);
    }
    terms
}

/// Who is to know that the daemon has started.
struct Started {
    pid_file: Option<PidFile>,
    release: Option<Release>,
}

/// The last of the start: what takes the rights that the daemon then gives up.
async fn settle(
    blueprint: Arc<Blueprint>,
    identity: Identity,
    remarks: Vec<String>,
    started: Started,
) -> Result<(), AnyError> {
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    let conf = &blueprint.conf;
    interface::configure(conf).await?;
    identity.settle(blueprint.arguments.chroot)?;
    tracing::info!("Using tun device {} with MTU {}", conf.tun_device.1, blueprint.mtu);
    tracing::info!("IPv4 address: {}", conf.ipv4_addr.1);
    tracing::info!("IPv6 address: {}", conf.ipv6_addr.1);
    if let Some((_, prefix)) = conf.prefix {
        tracing::info!("NAT64 prefix: {prefix}");
    }
    if let Some((_, pool)) = conf.dynamic_pool {
        tracing::info!("Dynamic pool: {pool}");
    }
    // Not before: the file may have the number of a daemon that runs, and this one may have failed on its account.
    if let Some(pid_file) = started.pid_file {
        pid_file.write()?;
    }
    if let Some(release) = started.release {
        release.now()?;
    }
    // The event loop has taken the signal over.
    hangup().thread_unblock()?;
    Ok(())
}

/// What models are made from, at the start and at each reload.
struct Blueprint {
    conf: Conf,
    /// The name of the file in messages.
    file: String,
    /// Of the device in bytes, read once.
    mtu: u16,
    arguments: Arguments,
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
enum NoModel {
    #[error("map-file {} is not readable: {}; make it readable for the user the daemon runs as", path.display(), describe(source))]
    MapFile { path: PathBuf, source: io::Error },
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
}

impl Blueprint {
    /// Reads the map file and makes the model of what there is.
    fn model(&self) -> Result<Parsed<Gateway>, NoModel> {
        let Parsed { value: maps, warnings } = self.maps()?;
        let mut model = tayga::gateway(&self.conf, &maps, &self.file).map_err(NoModel::Refused)?.model;
        let refusals = App::check(&model);
        if !refusals.is_empty() {
            return Err(NoModel::Refused(refusals.iter().map(|refusal| self.line(refusal)).collect()));
        }
        self.dress(&mut model);
        Ok(Parsed { value: model, warnings })
    }

    fn maps(&self) -> Result<Parsed<Vec<MapLine>>, NoModel> {
        let Some((_, path)) = &self.conf.map_file else {
            return Ok(Parsed { value: Vec::new(), warnings: Vec::new() });
        };
        // The process stands in data-dir, which the path is relative to.
        let text = std::fs::read(path).map_err(|source| NoModel::MapFile { path: path.clone(), source })?;
        Ok(tayga::parse_map_file(&text, &path.display().to_string(), &self.conf))
    }

    /// What differs from a daemon that a gateway.toml describes: the device is its owner's affair.
    fn dress(&self, model: &mut Gateway) {
        let device = &self.conf.tun_device.1;
        // systemd separates several by colons.
        let given = std::env::var("RUNTIME_DIRECTORY").ok().filter(|given| !given.is_empty());
        let given = given.and_then(|given| given.split(':').next().map(PathBuf::from));
        model.admin.socket = given.unwrap_or_else(|| Path::new(ADMIN).join(device));
        model.log.level = if self.arguments.debug { Level::Debug } else { Level::Info };
        if let Some(nat64) = &mut model.nat64 {
            nat64.configure_interface = false;
            nat64.mtu = self.mtu;
            if self.arguments.chroot {
                // The path of data-dir means something else once the process is locked in there.
                nat64.state_dir = nat64.state_dir.as_ref().map(|_| PathBuf::from("."));
            }
        }
    }

    fn line(&self, Refusal { path, message, help }: &Refusal) -> String {
        format!("{}: {path}: {message}; {help}", self.file)
    }
}
