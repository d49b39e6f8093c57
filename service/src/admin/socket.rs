//! The unix socket's file: made for its owner alone, taken over from a dead process, never from a living one, and
//! removed at the end.

use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, getsockopt, listen, socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use thiserror::Error;
use tokio::net::UnixListener;

/// Why the socket cannot be opened.
#[derive(Debug, Error)]
pub(crate) enum SocketError {
    #[error("cannot make the directory {path} (admin.socket)", path = .path.display())]
    Directory { path: PathBuf, source: io::Error },
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
pub(super) fn bind(directory: &Path, program: &str) -> Result<(UnixListener, SocketFile), SocketError> {
    let directory_error = |source| SocketError::Directory { path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(directory_error)?;
    let turn = File::open(directory).map_err(directory_error)?;
    let _turn =
        Flock::lock(turn, FlockArg::LockExclusive).map_err(|(_, errno)| directory_error(errno.into()))?;

    let path = path(directory, program);
    let bind_error = |source| SocketError::Bind { path: path.clone(), source };
    remove_stale(&path)?;
    let listener = listen_at(&path).map_err(bind_error)?;
    let metadata = fs::symlink_metadata(&path).map_err(bind_error)?;
    let identity = (metadata.dev(), metadata.ino());
    Ok((listener, SocketFile { path, identity }))
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
