//! A Unix socket that is listened on, and its file: made with the wanted permissions, taken over from a dead process,
//! never from a living one, and removed at the end.

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen as nix_listen,
    socket, sockopt,
};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a socket cannot be had. Whoever shows it names the key to change.
#[derive(Debug, Error)]
pub enum UnixSocketError {
    /// Somebody listens there.
    #[error("{path} is held by {holder}; stop it first", path = .path.display())]
    Held {
        /// The socket.
        path: PathBuf,
        /// Who, as far as the kernel tells.
        holder: String,
    },
    /// It is nobody's socket.
    #[error("{path} exists and is not a socket; remove it", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot open the socket {path}", path = .path.display())]
    Bind {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The file of a bound socket; removed when dropped, unless another process has replaced it.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    mode: u32,
}

/// Listens at `path`, whose folder exists, for those that the permissions `mode` let write to it. The socket does not
/// block.
///
/// # Errors
/// Somebody listens there, something else is there, or the system refuses.
pub fn listen(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), UnixSocketError> {
    let bind_error = |source| UnixSocketError::Bind { path: path.to_owned(), source };
    remove_stale(path)?;
    let listener = listen_at(path, mode).map_err(bind_error)?;
    let metadata = fs::symlink_metadata(path).map_err(bind_error)?;
    let identity = (metadata.dev(), metadata.ino());
    Ok((listener, SocketFile { path: path.to_owned(), identity, mode }))
}

/// Linux gives a socket's file the mode that the socket has when it is bound, so nobody else gets in between.
fn listen_at(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let socket = unix_socket()?;
    fchmod(&socket, Mode::from_bits_truncate(mode))?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    // The kernel has taken the process's umask off.
    set_permissions(path, mode)?;
    nix_listen(&socket, Backlog::MAXALLOWABLE)?;
    Ok(socket.into())
}

/// One that does not block.
fn unix_socket() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

/// Of the file itself: what somebody who may write to the folder has put in its place leads nowhere.
fn set_permissions(path: &Path, mode: u32) -> io::Result<()> {
    fchmodat(AT_FDCWD, path, Mode::from_bits_truncate(mode), FchmodatFlags::NoFollowSymlink)?;
    Ok(())
}

fn remove_stale(path: &Path) -> Result<(), UnixSocketError> {
    let bind_error = |source| UnixSocketError::Bind { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(bind_error(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(UnixSocketError::Foreign { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    let held = |holder| Err(UnixSocketError::Held { path: path.to_owned(), holder });
    let stream = unix_socket().map_err(|error| bind_error(error.into()))?;
    match UnixAddr::new(path).and_then(|address| connect(stream.as_raw_fd(), &address)) {
        Ok(()) => held(holder(&stream)),
        // Its queue is full: somebody listens, and does not accept.
        Err(Errno::EAGAIN) => held("a process that does not answer".to_owned()),
        Err(Errno::ECONNREFUSED) => fs::remove_file(path).map_err(bind_error),
        Err(error) => Err(bind_error(error.into())),
    }
}

/// The process at the other end: `causeway-nat64 (process 42)`.
fn holder(stream: &OwnedFd) -> String {
    let Ok(peer) = getsockopt(stream, sockopt::PeerCredentials) else {
        return "another process".to_owned();
    };
    match fs::read_to_string(format!("/proc/{}/comm", peer.pid())) {
        Ok(name) => format!("{} (process {})", name.trim_end(), peer.pid()),
        Err(_) => format!("process {}", peer.pid()),
    }
}

impl SocketFile {
    /// Gives the file other permissions, if it has not got them.
    ///
    /// # Errors
    /// The file is another one, or the system refuses.
    pub fn set_mode(&mut self, mode: u32) -> io::Result<()> {
        if mode != self.mode {
            if !self.is_ours() {
                return Err(io::Error::new(
                    ErrorKind::NotFound,
                    "another process has replaced the socket's file",
                ));
            }
            set_permissions(&self.path, mode)?;
            self.mode = mode;
        }
        Ok(())
    }

    fn is_ours(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(%error, path = %self.path.display(), "cannot remove the file of a socket");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_socket_has_its_mode_and_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        for wanted in [0o600, 0o660, 0o666] {
            let (_listener, mut file) = listen(&path, wanted).unwrap();
            assert_eq!(mode(&path), wanted);
            file.set_mode(0o620).unwrap();
            assert_eq!(mode(&path), 0o620);
            drop(file);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_dead_socket_is_taken_over_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        drop(UnixListener::bind(&path).unwrap());
        let (_listener, _file) = listen(&path, 0o600).unwrap();
        let message = listen(&path, 0o600).unwrap_err().to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    }

    #[test]
    fn a_socket_whose_owner_does_not_accept_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let busy = unix_socket().unwrap();
        bind(busy.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        nix_listen(&busy, Backlog::new(0).unwrap()).unwrap();
        let mut crowd = Vec::new();
        let full = loop {
            let client = unix_socket().unwrap();
            let connected = connect(client.as_raw_fd(), &UnixAddr::new(&path).unwrap());
            crowd.push(client);
            if let Err(errno) = connected {
                break errno;
            }
        };
        assert_eq!(full, Errno::EAGAIN);
        let message = listen(&path, 0o600).unwrap_err().to_string();
        assert!(message.contains("does not answer"), "{message}");
    }

    #[test]
    fn permissions_are_not_given_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "of somebody").unwrap();
        set_permissions(&file, 0o600).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(set_permissions(&link, 0o666).is_err());
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        fs::write(&path, "of somebody").unwrap();
        assert!(matches!(listen(&path, 0o600), Err(UnixSocketError::Foreign { .. })));
        assert!(path.exists());
    }

    #[test]
    fn the_file_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let (_listener, mut file) = listen(&path, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        let (_other, _its_file) = listen(&path, 0o640).unwrap();
        assert!(file.set_mode(0o666).is_err());
        drop(file);
        assert_eq!(mode(&path), 0o640);
    }
}
