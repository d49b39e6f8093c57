//! The admin socket of a program: its place, and one process at a time that makes it.

use crate::unix_socket::{self, SocketFile, UnixSocketError};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::net::UnixListener;
use tokio::time::{Instant, sleep};

/// How long another process of the same name may take to start; it binds within milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Its owner alone may speak to a daemon.
const MODE: u32 = 0o600;

/// The pause between two tries for the lock.
const PAUSE: Duration = Duration::from_millis(20);

/// Why the socket cannot be opened.
#[derive(Debug, Error)]
pub(crate) enum SocketError {
    #[error("cannot make the directory {path} (admin.socket)", path = .path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot open the lock {path} (admin.socket)", path = .path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error("another process keeps {path} locked; stop it, or give this daemon another admin.socket", path = .path.display())]
    Locked { path: PathBuf },
    #[error("{0}, or give this daemon another admin.socket")]
    File(UnixSocketError),
    #[error("cannot open the socket {path} (admin.socket)", path = .path.display())]
    Bind { path: PathBuf, source: io::Error },
}

/// The socket of a program in `admin.socket`.
pub(crate) fn path(directory: &Path, program: &str) -> PathBuf {
    directory.join(format!("{program}.sock"))
}

/// Binds a program's socket. Two processes that start at the same time take turns.
pub(super) async fn bind(directory: &Path, program: &str) -> Result<(UnixListener, SocketFile), SocketError> {
    let directory_error = |source| SocketError::Directory { path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(directory_error)?;
    let _turn = turn(directory.join(format!("{program}.lock"))).await?;

    let path = path(directory, program);
    let (listener, file) = unix_socket::listen(&path, MODE).map_err(|error| match error {
        UnixSocketError::Bind { path, source } => SocketError::Bind { path, source },
        error @ (UnixSocketError::Held { .. } | UnixSocketError::Foreign { .. }) => SocketError::File(error),
    })?;
    let listener = UnixListener::from_std(listener).map_err(|source| SocketError::Bind { path, source })?;
    Ok((listener, file))
}

/// Locks the file at `path`, which only its owner can open: what others can open, they can lock as well. The file
/// stays, since a process may be waiting for it.
async fn turn(path: PathBuf) -> Result<Flock<File>, SocketError> {
    let mut open = OpenOptions::new();
    open.write(true).create(true).truncate(false).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    let mut file = match open.open(&path) {
        Ok(file) => file,
        Err(source) => return Err(SocketError::Lock { path, source }),
    };
    let end = Instant::now() + PATIENCE;
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(locked),
            Err((_, Errno::EWOULDBLOCK)) if Instant::now() >= end => {
                return Err(SocketError::Locked { path });
            }
            Err((file, Errno::EWOULDBLOCK)) => file,
            Err((_, errno)) => return Err(SocketError::Lock { path, source: errno.into() }),
        };
        sleep(PAUSE).await;
    }
}
