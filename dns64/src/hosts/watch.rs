//! Reads hosts files and leases again when they change, and serves what they say.
//!
//! The kernel tells of changes in the folders where the files stand, so that a file which is renamed over, deleted or
//! made anew is noticed like one that is written to. What the kernel cannot tell (a remote file system, a link into
//! another folder, a folder that is not there yet, no watches left) is found by looking every few seconds. Several
//! changes in a row are read once, when they pause.

use super::source::{Looked, Sources};
use crate::resolver::Shared;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout};

/// How often is looked without a word from the kernel.
const INTERVAL: Duration = Duration::from_secs(3);

/// How long changes must pause before they are read.
const PAUSE: Duration = Duration::from_millis(50);

/// How long reading waits at most for such a pause.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a file that may not be finished is given.
const GRACE: Duration = Duration::from_millis(400);

/// Keeps `shared` serving what `sources` say, forever.
pub(crate) async fn run(shared: Arc<Shared>, mut sources: Sources) {
    if !sources.has_files() {
        return;
    }
    let mut folders = Folders::new();
    loop {
        folders.watch(&sources);
        // Reading blocks, and takes a while for large files.
        let looking = tokio::task::spawn_blocking(move || {
            let looked = sources.look();
            (sources, looked)
        });
        let Ok((back, looked)) = looking.await else {
            tracing::error!("reading hosts files failed: they are not read again until the next reload");
            return;
        };
        sources = back;
        let wait = match looked {
            Looked::Same => INTERVAL,
            Looked::Doubtful => GRACE,
            Looked::Changed(hosts) => {
                let (names, leases) = (hosts.fixed.len(), hosts.leases.len());
                // Leases come and go all day, and whoever gives them has a log of its own.
                if Arc::ptr_eq(&hosts.fixed, &shared.hosts().fixed) {
                    tracing::debug!(leases, "leases changed");
                } else {
                    tracing::info!(names, leases, "hosts files changed");
                }
                shared.metrics().names.reread();
                shared.serve_hosts(Arc::new(hosts));
                INTERVAL
            }
        };
        if timeout(wait, folders.changed()).await.is_ok() {
            let limit = Instant::now() + PATIENCE;
            while Instant::now() < limit && timeout(PAUSE, folders.changed()).await.is_ok() {}
        }
    }
}

/// The folders whose changes the kernel tells; none where it cannot.
struct Folders {
    events: Option<AsyncFd<Events>>,
    watched: HashMap<PathBuf, WatchDescriptor>,
}

/// A queue of changes, as something that can be waited for.
struct Events(Inotify);

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

#[expect(unsafe_code, reason = "the runtime must be promised a descriptor that stays open")]
fn register(events: Inotify) -> std::io::Result<AsyncFd<Events>> {
    // SAFETY: `Events` owns its descriptor, never replaces it, and lives within the `AsyncFd`.
    Ok(unsafe { AsyncFd::register(Events(events)) }?)
}

impl Folders {
    fn new() -> Self {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let events = Inotify::init(flags).map_err(std::io::Error::from);
        let events = events.and_then(register);
        if let Err(error) = &events {
            tracing::warn!(%error, "the kernel does not tell of changed hosts files: they are looked at every {INTERVAL:?}");
        }
        Self { events: events.ok(), watched: HashMap::new() }
    }

    /// Watches the folders of `sources`, those that came lately included.
    fn watch(&mut self, sources: &Sources) {
        let Some(events) = &self.events else { return };
        let what = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        let folders = sources.all_paths().flat_map(|path| [Some(path), path.parent()]).flatten();
        for folder in folders {
            // A plain file is no folder, and one that is missing is looked for again.
            let Ok(watch) = events.get_ref().0.add_watch(folder, what) else { continue };
            if let Some(before) = self.watched.insert(folder.to_owned(), watch)
                && before != watch
                && !self.watched.values().any(|other| *other == before)
            {
                // Fails where the folder is gone and its watch with it.
                let _ = events.get_ref().0.rm_watch(before);
            }
        }
    }

    /// Waits for a change.
    async fn changed(&self) {
        let Some(events) = &self.events else { return std::future::pending().await };
        loop {
            let Ok(mut ready) = events.readable().await else { return std::future::pending().await };
            match ready.get_inner().0.read_events() {
                Ok(_) => return,
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(error) => {
                    tracing::debug!(%error, "changes of hosts files cannot be read");
                    ready.clear_ready();
                }
            }
        }
    }
}
