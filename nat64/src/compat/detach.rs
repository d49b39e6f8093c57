//! From a program in the foreground to a daemon, and the file that says which process it is.

use super::describe;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe2, setsid};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

/// Which of the two processes this one is.
pub(super) enum Side {
    /// The one that was called; its work is done.
    Caller(ExitCode),
    /// The one that serves.
    Daemon(Release),
}

/// Tells the caller that the daemon has started. Dropped before, it tells of a failure.
pub(super) struct Release {
    caller: File,
    null: OwnedFd,
}

impl Release {
    /// Until here the caller hears what goes wrong on standard error.
    pub(super) fn now(mut self) -> io::Result<()> {
        dup2_stderr(&self.null)?;
        self.caller.write_all(b"+")
    }
}

/// Makes a process of its own that has no terminal and no standard streams, but for standard error until it is
/// released. The caller waits until it is released, or until the daemon has ended: so it knows whether there is a daemon.
pub(super) fn detach() -> Result<Side, String> {
    let failed = |errno: Errno| format!("Error, unable to fork and detach: {}", errno.desc());
    let (wait, release) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    #[expect(unsafe_code, reason = "the system call")]
    // SAFETY: the process has one thread, so no lock is held by a thread that the child lacks.
    match unsafe { fork() }.map_err(failed)? {
        ForkResult::Parent { .. } => {
            drop(release);
            let started = File::from(wait).read(&mut [0]).is_ok_and(|bytes| bytes > 0);
            if !started {
                // Nobody is left to hear of a failure.
                let _ = writeln!(io::stderr(), "tayga ended before it had started; the log says why");
            }
            Ok(Side::Caller(if started { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
        }
        ForkResult::Child => {
            setsid().map_err(failed)?;
            let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed)?;
            dup2_stdin(&null).map_err(failed)?;
            dup2_stdout(&null).map_err(failed)?;
            Ok(Side::Daemon(Release { caller: File::from(release), null }))
        }
    }
}

/// The file for the number of the process: opened while errors reach the caller, written by the daemon once it has
/// started. Until then it keeps what it holds.
pub(super) struct PidFile {
    file: File,
    path: PathBuf,
}

impl PidFile {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let opened = File::options().write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(|error| {
            format!("Error, unable to open {} for writing: {}", path.display(), describe(&error))
        })?;
        Ok(Self { file, path: path.to_owned() })
    }

    pub(super) fn write(mut self) -> Result<(), String> {
        let written = self.file.set_len(0).and_then(|()| writeln!(self.file, "{}", process::id()));
        written
            .map_err(|error| format!("Error, unable to write {}: {}", self.path.display(), describe(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pid_file_keeps_the_number_of_another_until_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tayga.pid");
        std::fs::write(&path, "12345678901234567890\n").unwrap();
        drop(PidFile::open(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "12345678901234567890\n");
        PidFile::open(&path).unwrap().write().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
    }
}
