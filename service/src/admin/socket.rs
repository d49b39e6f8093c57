//! The unix socket's file: made for its owner alone, taken over from a dead process, never from a living one, and
//! removed at the end.

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, getsockopt, listen, socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::net::UnixListener;
use tokio::time::{Instant, sleep};

/// How long another process of the same name may take to start; it binds within milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

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
    #[error("{path} is held by {holder}; stop it first, or give this daemon another admin.socket", path = .path.display())]
    Held { path: PathBuf, holder: String },
    #[error("{path} exists and is not a socket; remove it, or set another admin.socket", path = .path.display())]
    Foreign { path: PathBuf },
    #[error("cannot open the socket {path} (admin.socket)", path = .path.display())]
    Bind { path: PathBuf, source: io::Error },
}

/// The file of a bound socket; removed when dropped, unless another process has replaced it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
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
    let bind_error = |source| SocketError::Bind { path: path.clone(), source };
    remove_stale(&path)?;
    let listener = listen_at(&path).map_err(bind_error)?;
    let metadata = fs::symlink_metadata(&path).map_err(bind_error)?;
    let identity = (metadata.dev(), metadata.ino());
    Ok((listener, SocketFile { path, identity }))
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

/// Linux gives a socket's file the mode that the socket has when it is bound, so nobody else gets in between.
fn listen_at(path: &Path) -> io::Result<UnixListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    nix::sys::socket::bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::MAXALLOWABLE)?;
    UnixListener::from_std(socket.into())
}

fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let bind_error = |source| SocketError::Bind { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(bind_error(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::Foreign { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(stream) => Err(SocketError::Held { path: path.to_owned(), holder: holder(&stream) }),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(bind_error)
        }
        Err(error) => Err(bind_error(error)),
    }
}

/// The process at the other end: `causeway-nat64 (process 42)`.
fn holder(stream: &UnixStream) -> String {
    let Ok(peer) = getsockopt(stream, sockopt::PeerCredentials) else {
        return "another process".to_owned();
    };
    match fs::read_to_string(format!("/proc/{}/comm", peer.pid())) {
        Ok(name) => format!("{} (process {})", name.trim_end(), peer.pid()),
        Err(_) => format!("process {}", peer.pid()),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let own = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if own && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "cannot remove the admin socket");
        }
    }
}
