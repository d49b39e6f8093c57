//! `dynamic.map`: the leases of the pool on disk, so that hosts keep their addresses over a restart, a crash and a
//! change from or to Tayga.
//!
//! Owns the file format, which is Tayga's, and the order of writes that never leaves half a file behind:
//!
//! ```text
//! # comment                                  write dynamic.map~~ -> fsync -> rename to dynamic.map -> fsync directory
//! IPv4 TAB IPv6 TAB seconds since 1970
//! ```
//!
//! Does not judge leases (that is [`crate::pool::Pool::restore`]) and does not decide when to write
//! ([`crate::keeper`]).

use crate::pool::{Lease, UnixTime};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file's name in `state_dir`.
pub const FILE_NAME: &str = "dynamic.map";

/// The name it is written under before it takes the other's place.
const TEMPORARY_NAME: &str = "dynamic.map~~";

/// The file that is locked while a daemon uses `state_dir`. It stays, and only its owner can open it: what others can
/// open, they can lock as well.
const LOCK_NAME: &str = "dynamic.map.lock";

/// Tayga reads lines into a buffer of 512 bytes, so a longer one is none of either program's.
const LONGEST_LINE: usize = 510;

/// The file says who is at which address when, which is not for everybody.
const MODE: u32 = 0o640;

/// What stands in front of the leases.
const HEADER: &str = "\
###
### Addresses that the dynamic pool has given to IPv6 hosts.
### Written by causeway-nat64, in Tayga's format: IPv4, IPv6, time of last use.
### Change it only while the daemon is stopped.
###
";

/// Why the leases cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    /// The directory is neither there nor can it be made.
    #[error("cannot make state_dir {}: create it and give it to the user the daemon runs as", dir.display())]
    MakeDir {
        /// `nat64.state_dir`.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another daemon has it.
    #[error("another causeway-nat64 keeps {} locked: give each instance a state_dir of its own", lock.display())]
    InUse {
        /// The locked file in `nat64.state_dir`.
        lock: PathBuf,
    },
    /// The file that is locked cannot be opened.
    #[error("cannot lock {}: nat64.state_dir and this file must belong to the user the daemon runs as", lock.display())]
    Lock {
        /// The file in `nat64.state_dir`.
        lock: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is there and cannot be read.
    #[error("cannot read {}: leases would be lost; make it readable or move it away", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}: nat64.state_dir must be writable for the daemon and have space left", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A line that is no lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The file in its directory, which no other process may use meanwhile.
#[derive(Debug)]
pub struct StateFile {
    dir: File,
    _lock: Flock<File>,
    path: PathBuf,
    temporary: PathBuf,
}

impl StateFile {
    /// Makes `dir` if need be and claims it. An unfinished write of a crashed run is removed.
    pub fn open(dir: &Path) -> Result<Self, PersistError> {
        let made = std::fs::create_dir_all(dir).and_then(|()| File::open(dir));
        let made = made.map_err(|source| PersistError::MakeDir { dir: dir.to_owned(), source })?;
        let lock = lock(dir.join(LOCK_NAME))?;
        let (path, temporary) = (dir.join(FILE_NAME), dir.join(TEMPORARY_NAME));
        match std::fs::remove_file(&temporary) {
            Err(source)
                if ![io::ErrorKind::NotFound, io::ErrorKind::ReadOnlyFilesystem].contains(&source.kind()) =>
            {
                Err(PersistError::Write { path: temporary, source })
            }
            _ => Ok(Self { dir: made, _lock: lock, path, temporary }),
        }
    }

    /// Where the leases are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The leases and the lines that are none. A file that is not there has neither.
    pub fn read(&self) -> Result<(Vec<Lease>, Vec<BadLine>), PersistError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(parse(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((Vec::new(), Vec::new())),
            Err(source) => Err(PersistError::Read { path: self.path.clone(), source }),
        }
    }

    /// Replaces the file: whoever reads it, also after a crash, sees either all of the old or all of the new.
    pub fn write(&self, leases: &[Lease]) -> Result<(), PersistError> {
        let replace = || {
            let mut file = BufWriter::new(create_anew(&self.temporary)?);
            render(&mut file, leases)?;
            file.into_inner().map_err(IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&self.temporary, &self.path)?;
            self.dir.sync_all()
        };
        replace().map_err(|source| PersistError::Write { path: self.path.clone(), source })
    }
}

/// Makes a file that was not there. The process may have more rights than the directory's owner, who must not have
/// it write through a link.
fn create_anew(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut open = OpenOptions::new();
    open.write(true).create_new(true).mode(MODE).custom_flags(OFlag::O_NOFOLLOW.bits());
    open.open(path)
}

/// Locks the file at `path` for as long as the result lives.
fn lock(path: PathBuf) -> Result<Flock<File>, PersistError> {
    let mut open = OpenOptions::new();
    open.write(true).create(true).truncate(false).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    let opened = open.open(&path).or_else(|error| match error.kind() {
        // A broken disk that was remounted read-only must not keep the daemon from starting again.
        io::ErrorKind::ReadOnlyFilesystem => {
            OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(&path)
        }
        _ => Err(error),
    });
    let file = match opened {
        Ok(file) => file,
        Err(source) => return Err(PersistError::Lock { lock: path, source }),
    };
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => PersistError::InUse { lock: path },
        errno => PersistError::Lock { lock: path, source: errno.into() },
    })
}

/// Reads the file's text. Blank lines and lines that begin with `#` are passed over.
pub fn parse(text: &str) -> (Vec<Lease>, Vec<BadLine>) {
    let mut leases = Vec::new();
    let mut bad = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match parse_line(line) {
            Ok(lease) => leases.extend(lease),
            Err(problem) => bad.push(BadLine { line: index + 1, problem }),
        }
    }
    (leases, bad)
}

/// The lease on a line; `None` for a comment.
fn parse_line(line: &str) -> Result<Option<Lease>, &'static str> {
    if line.len() > LONGEST_LINE {
        return Err("longer than 510 bytes");
    }
    let mut words = line.split_ascii_whitespace();
    let Some(v4) = words.next().filter(|word| !word.starts_with('#')) else { return Ok(None) };
    let (Some(v6), Some(time), None) = (words.next(), words.next(), words.next()) else {
        return Err("not three words");
    };
    let v4 = v4.parse().map_err(|_| "the first word is no IPv4 address")?;
    let v6 = v6.parse().map_err(|_| "the second word is no IPv6 address")?;
    match time.parse() {
        Ok(seconds @ 1..) => Ok(Some(Lease { v4, v6, last_used: UnixTime(seconds) })),
        Ok(0) | Err(_) => Err("the third word is no time in seconds since 1970"),
    }
}

/// Writes the file's text.
fn render(to: &mut impl Write, leases: &[Lease]) -> io::Result<()> {
    to.write_all(HEADER.as_bytes())?;
    leases.iter().try_for_each(|Lease { v4, v6, last_used }| writeln!(to, "{v4}\t{v6}\t{}", last_used.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn lease(number: u8) -> Lease {
        Lease {
            v4: std::net::Ipv4Addr::new(192, 0, 2, number),
            v6: std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into()),
            last_used: UnixTime(1_700_000_000 + u64::from(number)),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::open(dir.path()).unwrap();
        assert_eq!(file.read().unwrap(), (vec![], vec![]), "no file yet");
        let leases: Vec<Lease> = (1..=200).map(lease).collect();
        file.write(&leases).unwrap();
        assert_eq!(file.read().unwrap(), (leases.clone(), vec![]));
        file.write(&leases[..1]).unwrap();
        assert_eq!(file.read().unwrap(), (leases[..1].to_vec(), vec![]));
    }

    #[test]
    fn reads_what_tayga_writes() {
        let text =
            "###\n###\n\n192.0.2.1\t2001:db8::1\t1700000001\n  192.0.2.2 2001:db8::2 1700000002\n# end";
        assert_eq!(parse(text), (vec![lease(1), lease(2)], vec![]));
    }

    #[test]
    fn bad_lines_are_named_and_the_rest_is_kept() {
        let long = "x".repeat(511);
        let text = format!(
            "192.0.2.1\t2001:db8::1\t1700000001\n192.0.2.300 2001:db8::2 1\n192.0.2.2 192.0.2.3 1\n\
             192.0.2.2 2001:db8::2\n192.0.2.2 2001:db8::2 1 1\n192.0.2.2 2001:db8::2 0\n192.0.2.2 2001:db8::2 -5\n\
             192.0.2.2 2001:db8::2 18446744073709551616\n{long}\n\u{fffd}\u{0}\n192.0.2.2 2001:db8::2 1700000002\n192.0"
        );
        let (leases, bad) = parse(&text);
        assert_eq!(leases, [lease(1), lease(2)]);
        let bad: Vec<_> = bad.iter().map(|bad| (bad.line, bad.problem)).collect();
        assert_eq!(
            bad,
            [
                (2, "the first word is no IPv4 address"),
                (3, "the second word is no IPv6 address"),
                (4, "not three words"),
                (5, "not three words"),
                (6, "the third word is no time in seconds since 1970"),
                (7, "the third word is no time in seconds since 1970"),
                (8, "the third word is no time in seconds since 1970"),
                (9, "longer than 510 bytes"),
                (10, "not three words"),
                (12, "not three words"),
            ]
        );
    }

    #[test]
    fn a_write_cut_off_by_a_crash_leaves_the_old_leases() {
        let dir = tempfile::tempdir().unwrap();
        StateFile::open(dir.path()).unwrap().write(&[lease(1)]).unwrap();
        let torn = dir.path().join(TEMPORARY_NAME);
        std::fs::write(&torn, "### half\n192.0.2.2\t2001:d").unwrap();
        let file = StateFile::open(dir.path()).unwrap();
        assert_eq!(file.read().unwrap(), (vec![lease(1)], vec![]));
        assert!(!torn.exists(), "the torn file is gone");
    }

    #[test]
    fn link_planted_at_the_temporary_name_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        let file = StateFile::open(dir.path()).unwrap();
        for _ in 0..2 {
            std::os::unix::fs::symlink(&victim, dir.path().join(TEMPORARY_NAME)).unwrap();
            file.write(&[lease(1)]).unwrap();
            assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        }
        let written = std::fs::symlink_metadata(file.path()).unwrap();
        assert!(written.is_file(), "the leases are in a file of their own");
        assert_eq!(written.permissions().mode() & 0o137, 0, "{:o}", written.permissions().mode());
        assert_eq!(file.read().unwrap().0, [lease(1)]);
    }

    #[test]
    fn bytes_that_are_no_text_are_bad_lines() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE_NAME), b"\xff\xfe\x00\n192.0.2.1\t2001:db8::1\t1700000001\n")
            .unwrap();
        let (leases, bad) = StateFile::open(dir.path()).unwrap().read().unwrap();
        assert_eq!((leases, bad.len()), (vec![lease(1)], 1));
    }

    #[test]
    fn two_daemons_cannot_share_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateFile::open(dir.path()).unwrap();
        let error = StateFile::open(dir.path()).unwrap_err();
        assert!(
            matches!(&error, PersistError::InUse { lock } if *lock == dir.path().join(LOCK_NAME)),
            "{error}"
        );
        drop(first);
        StateFile::open(dir.path()).unwrap();
    }

    #[test]
    fn a_lock_on_the_directory_keeps_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        // Whoever may list the directory can do this.
        let _lock = Flock::lock(File::open(dir.path()).unwrap(), FlockArg::LockExclusive).unwrap();
        let _file = StateFile::open(dir.path()).unwrap();
        let mode = std::fs::metadata(dir.path().join(LOCK_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_lock_that_cannot_be_opened_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.path().join(LOCK_NAME)).unwrap();
        let error = StateFile::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains(LOCK_NAME), "{error}");
        assert!(!dir.path().join("elsewhere").exists(), "the link is not followed");
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let blocked = dir.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let error = StateFile::open(&blocked).unwrap_err();
        assert!(error.to_string().contains(blocked.to_str().unwrap()), "{error}");
        let file = StateFile::open(dir.path()).unwrap();
        std::fs::create_dir(dir.path().join(TEMPORARY_NAME)).unwrap();
        assert!(matches!(file.write(&[]), Err(PersistError::Write { .. })));
    }
}
