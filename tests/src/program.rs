//! Programs inside namespaces: started, watched, stopped, and never left behind.
//!
//! Every program gets a process group of its own, so that the terminal's Ctrl-C reaches only the lab, and a
//! parent-death signal, so that it dies with the lab however that dies.

use crate::namespace::Namespace;
use crate::wait::PATIENCE;
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Gid, Pid, Uid, getpid, getppid, setgid, setgroups, setuid};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A program about to be started.
pub struct Launch {
    name: String,
    command: Command,
    log: Option<PathBuf>,
}

/// A program that was started; dropping it kills it and all it started.
pub struct Program {
    name: String,
    log: Option<PathBuf>,
    life: Arc<Life>,
}

/// What a program that ran to its end left.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A child and its end, shared with the thread that waits for it.
struct Life {
    pid: Pid,
    ended: Mutex<Option<ExitStatus>>,
    change: Condvar,
}

impl Launch {
    /// A program of this name at this path, or found in `PATH`.
    pub fn new(name: &str, program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let lab = getpid();
        before_exec(&mut command, move || {
            set_pdeathsig(Signal::SIGKILL)?;
            // The lab may have died before the signal was asked for.
            if getppid() != lab {
                return Err(Errno::ESRCH);
            }
            SigSet::empty().thread_set_mask()
        });
        Self { name: name.to_owned(), command, log: None }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Removes an environment variable.
    #[must_use]
    pub fn env_remove(mut self, key: &str) -> Self {
        self.command.env_remove(key);
        self
    }

    /// Writes standard output and standard error to this file.
    #[must_use]
    pub fn log_to(mut self, log: PathBuf) -> Self {
        self.log = Some(log);
        self
    }

    /// Lets the program see `file` at `place`, in a mount namespace of its own.
    #[must_use]
    pub fn with_file_at(mut self, file: PathBuf, place: &'static str) -> Self {
        before_exec(&mut self.command, move || {
            private_mounts()?;
            mount(Some(file.as_path()), place, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        });
        self
    }

    /// Covers the directory `place` with an empty one, in a mount namespace of its own.
    #[must_use]
    pub fn without_directory(mut self, place: &'static str) -> Self {
        before_exec(&mut self.command, move || {
            private_mounts()?;
            mount(Some("none"), place, Some("tmpfs"), MsFlags::empty(), None::<&str>)
        });
        self
    }

    /// Puts an empty file system of at most this many bytes at `place`, in a mount namespace of its own. What the program
    /// sees there is at [`Program::sees`].
    #[must_use]
    pub fn with_small_directory(mut self, place: PathBuf, bytes: usize) -> Self {
        let options = format!("mode=0755,size={bytes}");
        before_exec(&mut self.command, move || {
            private_mounts()?;
            mount(Some("none"), place.as_path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
        });
        self
    }

    /// Lets the program see `place` without being able to write there, in a mount namespace of its own.
    #[must_use]
    pub fn with_read_only(mut self, place: PathBuf) -> Self {
        before_exec(&mut self.command, move || {
            private_mounts()?;
            let place = place.as_path();
            mount(Some(place), place, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
            let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            mount(None::<&str>, place, None::<&str>, read_only, None::<&str>)
        });
        self
    }

    /// Gives the program a `/dev/net/tun` that every user may open, in a mount namespace of its own.
    #[must_use]
    pub fn with_tun_for_all(mut self) -> Self {
        before_exec(&mut self.command, || {
            private_mounts()?;
            mount(Some("none"), "/dev/net", Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
            umask(Mode::empty());
            mknod("/dev/net/tun", SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(10, 200))
        });
        self
    }

    /// Runs it on these processors only.
    #[must_use]
    pub fn on_processors(mut self, processors: CpuSet) -> Self {
        before_exec(&mut self.command, move || sched_setaffinity(Pid::from_raw(0), &processors));
        self
    }

    /// Runs it as a user, and group, of this number, without root's rights. To be called last.
    #[must_use]
    pub fn as_user(mut self, id: u32) -> Self {
        before_exec(&mut self.command, move || {
            setgroups(&[])?;
            setgid(Gid::from_raw(id))?;
            setuid(Uid::from_raw(id))?;
            // A change of user forgets it.
            set_pdeathsig(Signal::SIGKILL)
        });
        self
    }

    /// Takes a capability (its number in `linux/capability.h`) out of what the program can ever have.
    #[must_use]
    pub fn without_capability(mut self, number: u8) -> Self {
        before_exec(&mut self.command, move || drop_from_bounding_set(number));
        self
    }

    /// Starts it inside `namespace`.
    ///
    /// # Errors
    /// The program is not there or may not be run, or its log cannot be written.
    pub fn start(mut self, namespace: &Namespace) -> Result<Program> {
        if let Some(log) = &self.log {
            let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
            self.command.stdout(file.try_clone()?).stderr(file);
        }
        let child = self.spawn(namespace)?;
        let life = Life::watch(child);
        Ok(Program { name: self.name, log: self.log, life })
    }

    /// Runs it to its end inside `namespace`.
    ///
    /// # Errors
    /// It could not be started, or took longer than `limit` and was killed.
    pub fn output(mut self, namespace: &Namespace, limit: Duration) -> Result<Output> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn(namespace)?;
        let stdout = read_all(child.stdout.take());
        let stderr = read_all(child.stderr.take());
        let program = Program { name: self.name, log: None, life: Life::watch(child) };
        let Some(status) = program.wait(limit) else {
            bail!("{} took longer than {} s", program.name, limit.as_secs_f32());
        };
        let text = |reader: thread::JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned()
        };
        Ok(Output { status, stdout: text(stdout), stderr: text(stderr) })
    }

    fn spawn(&mut self, namespace: &Namespace) -> Result<Child> {
        let what = format!("cannot start {}", self.name);
        let mut command = std::mem::replace(&mut self.command, Command::new("/"));
        namespace.run_resident(move || command.spawn()).context(what)
    }
}

impl Program {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.life.pid.as_raw()
    }

    /// Where others find what it sees at `path`, an absolute one.
    ///
    /// # Panics
    /// If `path` is relative.
    pub fn sees(&self, path: &Path) -> PathBuf {
        let path = path.strip_prefix("/").expect("an absolute path");
        Path::new(&format!("/proc/{}/root", self.pid())).join(path)
    }

    /// Where its output goes.
    pub fn log(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    /// How it ended, if it did.
    pub fn exited(&self) -> Option<ExitStatus> {
        *self.life.lock()
    }

    /// Waits for its end.
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let ended = self.life.lock();
        let waited = self.life.change.wait_timeout_while(ended, limit, |ended| ended.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Has `act` run once it has ended.
    pub fn at_end(&self, act: impl FnOnce() + Send + 'static) {
        let life = Arc::clone(&self.life);
        thread::spawn(move || {
            let ended = life.lock();
            drop(life.change.wait_while(ended, |ended| ended.is_none()));
            act();
        });
    }

    /// Sends a signal to it and to what it started; false if it has ended.
    pub fn signal(&self, signal: Signal) -> bool {
        self.life.signal(signal)
    }

    /// Asks it to end, and kills it if it does not within ten seconds.
    pub fn stop(&self) -> Option<ExitStatus> {
        self.signal(Signal::SIGTERM);
        self.wait(PATIENCE).or_else(|| {
            self.signal(Signal::SIGKILL);
            self.wait(PATIENCE)
        })
    }

    /// All it has written so far, if it has a log.
    pub fn output(&self) -> String {
        let Some(log) = &self.log else { return String::new() };
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The last lines it wrote.
    pub fn tail(&self, lines: usize) -> Vec<String> {
        let output = self.output();
        let all: Vec<&str> = output.lines().collect();
        all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.signal(Signal::SIGKILL) {
            self.wait(PATIENCE);
        }
    }
}

impl Life {
    /// Waits for the child on a thread of its own; the pid stays its own until `ended` says that it ended.
    fn watch(mut child: Child) -> Arc<Self> {
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid fits in pid_t"));
        let life = Arc::new(Self { pid, ended: Mutex::new(None), change: Condvar::new() });
        let watcher = Arc::clone(&life);
        thread::spawn(move || {
            while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
            let mut ended = watcher.lock();
            *ended = Some(child.wait().expect("waitid saw this child end"));
            watcher.change.notify_all();
        });
        life
    }

    fn lock(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) -> bool {
        let ended = self.lock();
        ended.is_none() && killpg(self.pid, signal).is_ok()
    }
}

fn read_all(source: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut source) = source {
            // What was read before an error still tells what the program said.
            let _ = source.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// Has the child run `step` between fork and exec. `step` may only make system calls on prepared values.
fn before_exec(command: &mut Command, step: impl Fn() -> nix::Result<()> + Send + Sync + 'static) {
    #[expect(unsafe_code, reason = "pre_exec is the only way to act between fork and exec")]
    // SAFETY: every step in this module makes plain system calls and neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(move || step().map_err(io::Error::from));
    }
}

fn private_mounts() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
}

fn drop_from_bounding_set(number: u8) -> nix::Result<()> {
    #[expect(unsafe_code, reason = "nix has no call for PR_CAPBSET_DROP")]
    // SAFETY: PR_CAPBSET_DROP takes one integer and touches no memory of this process.
    let outcome =
        unsafe { nix::libc::prctl(nix::libc::PR_CAPBSET_DROP, nix::libc::c_ulong::from(number), 0, 0, 0) };
    Errno::result(outcome).map(drop)
}
