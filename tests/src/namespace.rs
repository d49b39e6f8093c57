//! Anonymous network namespaces.
//!
//! A namespace is held by one open file and one resident thread of this process, and by nothing on disk: it ends
//! with the [`Namespace`] value, and with the process however that ends. Children are forked by the resident thread,
//! so they are born inside, and their parent-death signal follows the namespace's life.

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::{fs, io, panic, process};

type Job = Box<dyn FnOnce() + Send>;

/// One private network namespace with its loopback device up.
pub struct Namespace {
    name: String,
    file: File,
    jobs: Option<mpsc::Sender<Job>>,
    resident: Option<JoinHandle<()>>,
}

impl Namespace {
    /// Makes an empty namespace; `name` is for messages.
    ///
    /// # Errors
    /// The process may not make namespaces: see [`crate::sandbox::enter`].
    pub fn new(name: &str) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (born, birth) = mpsc::channel();
        let resident = thread::Builder::new().name(format!("ns-{name}")).spawn(move || {
            let made = make_here();
            let alive = made.is_ok();
            if born.send(made).is_ok() && alive {
                for job in inbox {
                    job();
                }
            }
        })?;
        let file = birth.recv()?.with_context(|| format!("cannot make the network namespace {name}"))?;
        let namespace = Self { name: name.to_owned(), file, jobs: Some(jobs), resident: Some(resident) };
        namespace.bring_up("lo")?;
        Ok(namespace)
    }

    /// The name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace's inode: its identity in `/proc/*/ns/net`.
    pub fn inode(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.ino())
    }

    /// The open file that holds it, for `nsenter --net=`.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", process::id(), self.file.as_raw_fd()))
    }

    pub(crate) fn raw_fd(&self) -> i32 {
        self.file.as_raw_fd()
    }

    /// Runs `f` inside, on a thread of its own; sockets that it makes stay inside for good.
    ///
    /// # Panics
    /// If `f` does.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET)
                    .expect("who makes a namespace holds the capability to enter it");
                f()
            });
            inside.join().unwrap_or_else(|cause| panic::resume_unwind(cause))
        })
    }

    /// Runs `f` inside, on the thread that lives as long as the namespace: the parent of its programs.
    pub(crate) fn run_resident<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        let job: Job = Box::new(move || {
            // The receiver waits below; it is gone only if this process is ending.
            let _ = done.send(f());
        });
        let jobs = self.jobs.as_ref().expect("taken only in drop");
        jobs.send(job).expect("the resident thread lives until drop");
        result.recv().expect("the resident thread sends before the job ends")
    }

    /// Writes a `net.` sysctl, given as the path below `/proc/sys/net`.
    pub fn sysctl(&self, path: &str, value: &str) -> Result<()> {
        let file = Path::new("/proc/sys/net").join(path);
        self.run(|| fs::write(&file, value))
            .with_context(|| format!("cannot set {} to {value} in {}", file.display(), self.name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(resident) = self.resident.take() {
            // A resident thread that panicked has already said so on standard error.
            let _ = resident.join();
        }
    }
}

fn make_here() -> io::Result<File> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    File::open("/proc/thread-self/ns/net")
}
