//! unbound.conf, the file of Unbound: what a forwarder with the dns64 module says in it, Unbound's errors about that,
//! and what it is in our words.
//!
//! ```text
//! text --reader--> clauses of attributes, includes in place --conf--> Conf --gateway--> model and notes
//!                      \---- every error of keywords and values
//! ```
//!
//! Follows Unbound 1.17 to 1.26. Pure but for `load`, which reads the file and what it includes. Recursion, zones
//! that Unbound serves itself, validation and views are not ours; each attribute that is lost is a note.

mod conf;
mod gateway;
mod names;
mod reader;
mod value;

#[cfg(test)]
mod tests;

use super::{ImportError, Imported};
use std::path::{Path, PathBuf};

/// What reads included files: the texts of all that a pattern names, each with its name.
pub type Include<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<(String, String)>, String>;

/// Reads the unbound.conf in `text`, called `file` in messages.
///
/// # Errors
/// One line for each error, in unbound-checkconf's words where it has any, and what causeway cannot do.
pub fn import(text: &str, file: &str, include: Include<'_>) -> Result<Imported, Vec<String>> {
    let mut errors = Vec::new();
    let attributes = reader::read(text, file, include, &mut errors);
    let conf = conf::read(&attributes, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    gateway::gateway(&conf, file)
}

/// Reads the file at `path` and what it includes.
pub(super) fn load(path: &Path) -> Result<Imported, ImportError> {
    let text =
        std::fs::read(path).map_err(|source| ImportError::Unreadable { path: path.to_owned(), source })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut include = |pattern: &str| {
        let found = matching(&folder.join(pattern)).map_err(|error| error.to_string())?;
        let one = |path: PathBuf| match std::fs::read(&path) {
            Ok(text) => Ok((path.display().to_string(), String::from_utf8_lossy(&text).into_owned())),
            Err(error) => Err(format!("{}: {error}", path.display())),
        };
        found.into_iter().map(one).collect()
    };
    import(&String::from_utf8_lossy(&text), &path.display().to_string(), &mut include)
        .map_err(ImportError::Refused)
}

/// The files that a path with `*` in its last part names, in order; a plain path names itself.
fn matching(pattern: &Path) -> std::io::Result<Vec<PathBuf>> {
    let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((before, after)) = name.split_once('*') else { return Ok(vec![pattern.to_owned()]) };
    let folder = pattern.parent().unwrap_or(Path::new("."));
    // No such folder is no such file, as it is to a shell.
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let fits = path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        });
        if fits && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
