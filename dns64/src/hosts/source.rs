//! What the configuration and the files that it names say, made into tables.
//!
//! A file is told from what it was by device, inode, size and times, so that looking costs no reading; only files of
//! a form that changed are read. A changed file that has no line end yet, is empty where it was not, or changes while it
//! is read is taken only when it is found the same again: whoever writes it may not be done. Reading blocks, so it has
//! no place on a worker's thread.

use super::line::{self, BadLine, Form, Terms};
use super::table::{Builder, Lasting, Table};
use super::{BadReport, FileReport, Hosts};
use crate::name::WireName;
use crate::snapshot::wire_name;
use config::model::LocalNames;
use nix::libc::O_NONBLOCK;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The most bytes of one file: two million hosts.
const MAX_BYTES: u64 = 64 << 20;

/// The most files of one folder.
const MAX_FILES: usize = 1000;

/// How many bad lines of a file are told.
const MAX_TOLD: usize = 10;

/// Both forms, in the order of the tables.
const FORMS: [Form; 2] = [Form::Hosts, Form::Leases];

/// The files, and what was last read of them.
#[derive(Debug)]
pub struct Sources {
    names: LocalNames,
    domain: Option<WireName>,
    parts: [Part; 2],
}

/// The files of one form.
#[derive(Debug, Default)]
struct Part {
    seen: Vec<Seen>,
    /// What may not be finished yet; read when it is found so again.
    doubtful: Vec<Seen>,
    loaded: bool,
    table: Arc<Table>,
    files: Vec<FileReport>,
    /// Bad lines that the log has.
    told: HashSet<(PathBuf, u64)>,
}

/// A file, and what tells it from others; `Err` where there is none to read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    mark: Result<Mark, String>,
}

/// What changes when a file's content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    place: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What came of looking at the files.
#[derive(Debug)]
pub enum Looked {
    /// Nothing changed.
    Same,
    /// Something changed that may not be finished.
    Doubtful,
    /// What is served from here on.
    Changed(Hosts),
}

impl Sources {
    /// The files of `names`, none of which is read yet.
    pub fn new(names: &LocalNames) -> Self {
        let domain = names.hosts_domain.as_ref().map(wire_name);
        Self { names: names.clone(), domain, parts: Default::default() }
    }

    /// Whether there are files at all.
    pub(crate) fn has_files(&self) -> bool {
        FORMS.iter().any(|form| !self.paths(*form).is_empty())
    }

    /// Every file and folder of the configuration.
    pub(crate) fn all_paths(&self) -> impl Iterator<Item = &Path> {
        FORMS.into_iter().flat_map(|form| self.paths(form)).map(PathBuf::as_path)
    }

    fn paths(&self, form: Form) -> &[PathBuf] {
        match form {
            Form::Hosts => &self.names.hosts_files,
            Form::Leases => &self.names.lease_files,
        }
    }

    /// Everything that is to be served at the start, finished or not.
    pub fn load(&mut self) -> Hosts {
        for form in FORMS {
            let seen = look(self.paths(form));
            self.take(form, seen);
        }
        self.hosts()
    }

    /// What changed since it was last read.
    pub(crate) fn look(&mut self) -> Looked {
        let mut looked = Looked::Same;
        for form in FORMS {
            let seen = look(self.paths(form));
            let part = &self.parts[form as usize];
            if part.loaded && seen == part.seen {
                continue;
            }
            let sure = seen == part.doubtful;
            let finished = |new: &Seen| part.seen.contains(new) || is_finished(new);
            if !sure && !seen.iter().all(finished) {
                self.parts[form as usize].doubtful = seen;
                looked = match looked {
                    Looked::Changed(_) => looked,
                    Looked::Same | Looked::Doubtful => Looked::Doubtful,
                };
                continue;
            }
            self.take(form, seen);
            looked = Looked::Changed(self.hosts());
        }
        looked
    }

    fn hosts(&self) -> Hosts {
        let [fixed, leases] = &self.parts;
        Hosts {
            fixed: Arc::clone(&fixed.table),
            leases: Arc::clone(&leases.table),
            ttl: seconds(self.names.hosts_ttl),
            files: fixed.files.iter().chain(&leases.files).cloned().collect(),
        }
    }

    /// Reads the files of one form, which were `seen`.
    fn take(&mut self, form: Form, seen: Vec<Seen>) {
        let ttl = seconds(self.names.hosts_ttl);
        let terms = Terms { domain: self.domain.as_ref(), ttl };
        let mut table = match form {
            Form::Hosts => listed(&self.names),
            Form::Leases => Builder::new(Lasting::Until { base: unix_time(), ttl }),
        };
        let part = &mut self.parts[form as usize];
        let mut told = HashSet::new();
        let mut files = Vec::with_capacity(seen.len());
        for Seen { path, mark } in &seen {
            let text = mark.clone().and_then(|_| read(path).map_err(|error| error.to_string()));
            let before = part.files.iter().find(|file| Path::new(&file.path) == path);
            announce(path, text.as_ref().err(), before);
            let bad =
                text.as_ref().map_or_else(|_| Vec::new(), |text| line::read(form, text, terms, &mut table));
            for bad in bad.iter().take(MAX_TOLD) {
                if !part.told.contains(&(path.clone(), bad.digest)) {
                    let (line, reason) = (bad.number, bad.fault);
                    tracing::warn!(file = %path.display(), line, %reason, "a line is passed over");
                }
                told.insert((path.clone(), bad.digest));
            }
            files.push(report(form, path, text.err(), &bad));
        }
        *part =
            Part { seen, doubtful: Vec::new(), loaded: true, table: Arc::new(table.build()), files, told };
    }
}

/// The hosts that `names` lists one by one.
fn listed(names: &LocalNames) -> Builder {
    let mut fixed = Builder::new(Lasting::Ttl);
    for host in &names.host {
        for address in &host.addresses {
            let added = fixed.add(&wire_name(&host.name), *address, seconds(host.ttl));
            added.expect("the configuration allows a host fewer addresses than a table does");
        }
    }
    fixed
}

/// Tells the log what changed about a file as a whole.
fn announce(path: &Path, trouble: Option<&String>, before: Option<&FileReport>) {
    let before = before.map(|before| before.trouble.as_ref());
    match (trouble, before) {
        (now, Some(before)) if now == before => {}
        (Some(trouble), _) => {
            tracing::warn!(file = %path.display(), %trouble, "no names are served from this file until that changes");
        }
        (None, Some(_)) => tracing::info!(file = %path.display(), "names are served from this file"),
        (None, None) => {}
    }
}

fn report(form: Form, path: &Path, trouble: Option<String>, bad: &[BadLine]) -> FileReport {
    let told = bad.iter().take(MAX_TOLD);
    FileReport {
        path: path.display().to_string(),
        form,
        trouble,
        bad_lines: bad.len(),
        first_bad: told.map(|bad| BadReport { line: bad.number, reason: bad.fault.to_string() }).collect(),
    }
}

/// The files at `paths`, and those in the folders among them.
fn look(paths: &[PathBuf]) -> Vec<Seen> {
    let mut seen = Vec::new();
    for path in paths {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => seen.extend(look_into(path)),
            metadata => seen.push(Seen { path: path.clone(), mark: mark(metadata) }),
        }
    }
    seen
}

/// The files in a folder, by name. Those that editors leave behind, hidden ones and folders are passed over.
fn look_into(folder: &Path) -> Vec<Seen> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return vec![Seen { path: folder.to_owned(), mark: Err(error.to_string()) }],
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(is_wanted))
        .collect();
    paths.sort();
    let too_many = paths.len() > MAX_FILES;
    paths.truncate(MAX_FILES);
    let files = paths.into_iter().filter_map(|path| match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => None,
        metadata => Some(Seen { path, mark: mark(metadata) }),
    });
    let mut seen: Vec<_> = files.collect();
    if too_many {
        let trouble = format!("the folder has more than {MAX_FILES} files, and the rest is passed over");
        seen.push(Seen { path: folder.to_owned(), mark: Err(trouble) });
    }
    seen
}

fn is_wanted(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let left_behind = name.ends_with(b"~") || name.starts_with(b"#") && name.ends_with(b"#");
    !(left_behind || name.starts_with(b"."))
}

fn mark(metadata: io::Result<Metadata>) -> Result<Mark, String> {
    let metadata = metadata.map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is neither a file nor a folder".to_owned());
    }
    if metadata.len() > MAX_BYTES {
        return Err(format!("it is larger than {} MiB", MAX_BYTES >> 20));
    }
    Ok(Mark {
        place: (metadata.dev(), metadata.ino()),
        size: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

/// Whether a file's end looks like one: a line end. What cannot be read is as finished as it gets, but for a file that
/// is gone, which may be on its way back.
fn is_finished(seen: &Seen) -> bool {
    let Ok(mark) = &seen.mark else { return false };
    let ends = |mut file: File| -> io::Result<bool> {
        use std::io::{Seek, SeekFrom};
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        Ok(last == *b"\n")
    };
    mark.size > 0 && open(&seen.path).and_then(ends).unwrap_or(false)
}

fn open(path: &Path) -> io::Result<File> {
    // Should a pipe have taken the file's place, nobody waits for its writer.
    OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut text =
        Vec::with_capacity(usize::try_from(file.metadata()?.len().min(MAX_BYTES)).unwrap_or(0) + 1);
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

fn seconds(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX)
}

/// Seconds since 1970, for leases, whose ends are given so. A clock before 1970 ends no lease.
pub(crate) fn unix_time() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
