//! tayga.conf, the file of Tayga, a NAT64 daemon: its directives, its errors in its own words, and what they are in
//! ours.
//!
//! ```text
//! text --lexer--> words of each line --directive--> Conf --gateway--> model and notes
//!                     \-------- every error of the lines, or the first of what does not fit together
//! ```
//!
//! Follows the Tayga that is maintained (0.9.6); what 0.9.2 accepts is a part of that. Pure but for
//! `load`, which reads two files. Deliberately no wider than Tayga: what the translator can do besides, as maps of unequal
//! suffix, is for gateway.toml.

mod address;
mod conf;
mod directive;
mod fit;
mod gateway;
mod lexer;
mod table;

#[cfg(test)]
mod tests;

pub use conf::{Conf, LogWord, MapLine};

use super::{ImportError, Imported, invalid};
use std::path::{Path, PathBuf};

/// What a file gave: something to run on, and Tayga's remarks on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<T> {
    /// What was read.
    pub value: T,
    /// Remarks in Tayga's words.
    pub warnings: Vec<String>,
}

/// Reads a tayga.conf; `file` is its name in messages, `state_directory` the variable of the environment that stands
/// in for a missing `data-dir`.
///
/// # Errors
/// Tayga's messages, in the order in which it gives them.
pub fn parse(text: &[u8], file: &str, state_directory: Option<&str>) -> Result<Parsed<Conf>, Vec<String>> {
    let mut reading = directive::Reading::default();
    let mut errors = Vec::new();
    for line in lexer::lines(text) {
        if let Err(error) = line
            .words
            .map_err(|bad| bad.message(line.number, file))
            .and_then(|words| reading.line(line.number, &words, file))
        {
            errors.push(error);
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    fit::fit(reading, state_directory).map_err(|error| vec![error])
}

/// Reads a map file: lines of `map` that must leave alone what `conf` has. A line that is wrong is left out and
/// described, as Tayga does.
pub fn parse_map_file(text: &[u8], file: &str, conf: &Conf) -> Parsed<Vec<MapLine>> {
    let mut table = conf.table.clone();
    let (mut value, mut warnings) = (Vec::new(), Vec::new());
    for line in lexer::lines(text) {
        let read = line
            .words
            .map_err(|bad| bad.message(line.number, file))
            .and_then(|words| directive::map_only(line.number, &words, file, &mut table, &mut warnings));
        match read {
            Ok(map) => value.extend(map),
            Err(error) => warnings.push(error),
        }
    }
    Parsed { value, warnings }
}

/// The directory that `map-file` is relative to: Tayga changes into `data-dir` before it reads it.
pub fn map_file_path(conf: &Conf) -> Option<PathBuf> {
    let (_, path) = conf.map_file.as_ref()?;
    Some(conf.data_dir.as_deref().unwrap_or(Path::new("/")).join(path))
}

/// `conf` and the maps of its map file in our words; `file` names it in notes.
///
/// # Errors
/// What Tayga allows and causeway cannot do.
pub fn gateway(conf: &Conf, maps: &[MapLine], file: &str) -> Result<Imported, Vec<String>> {
    let (imported, places) = gateway::gateway(conf, maps, file);
    let refused: Vec<String> = invalid(&imported.model)
        .into_iter()
        .map(|(path, error)| match places.line(&path) {
            Some((directive, line)) => format!("{file}:{line}: {directive}: {error}"),
            None => format!("{file}: {path}: {error}"),
        })
        .collect();
    if refused.is_empty() { Ok(imported) } else { Err(refused) }
}

/// Reads the files at `path` and imports them.
pub(super) fn load(path: &Path) -> Result<Imported, ImportError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| ImportError::Unreadable { path: path.to_owned(), source })
    };
    let file = path.display().to_string();
    let Parsed { value: conf, warnings: _ } =
        parse(&read(path)?, &file, None).map_err(ImportError::Refused)?;
    let maps = match map_file_path(&conf) {
        None => Vec::new(),
        Some(path) => {
            let Parsed { value, warnings } =
                parse_map_file(&read(&path)?, &path.display().to_string(), &conf);
            if !warnings.is_empty() {
                return Err(ImportError::Refused(warnings));
            }
            value
        }
    };
    gateway(&conf, &maps, &file).map_err(ImportError::Refused)
}
