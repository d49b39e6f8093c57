//! Other programs' files as a gateway.toml: one module a program.
//!
//! Owns the list of programs and the promise behind it: a model that comes from here passes [`crate::parse`] once
//! [`crate::show()`] has written it. What a file asks for and the model does not say, or says otherwise, is a [`Note`].
//! Each program's module reads its own files; the reading of text is pure and stands apart from it.

pub mod bind;
mod draft;
mod networks;
pub mod tayga;
pub mod unbound;

use crate::model::Gateway;
use crate::{parse, show};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A program whose file can be imported.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name on the command line.
    pub name: &'static str,
    /// What the file is called.
    pub about: &'static str,
    load: fn(&Path) -> Result<Imported, ImportError>,
}

/// Every program whose file can be imported.
pub const KINDS: &[Kind] = &[
    Kind { name: "tayga", about: "tayga.conf of Tayga", load: tayga::load },
    Kind { name: "bind", about: "named.conf of BIND", load: bind::load },
    Kind { name: "unbound", about: "unbound.conf of Unbound", load: unbound::load },
];

/// A file in our words.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The model.
    pub model: Gateway,
    /// What the model does not say, in the order of the file.
    pub notes: Vec<Note>,
    /// The beginnings of key paths, and where in the file they come from, `named.conf:7`.
    pub places: Vec<(&'static str, String)>,
}

/// A directive that is not honoured, or is honoured otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its file, as it was given, or as the file that was given names it.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its name.
    pub directive: &'static str,
    /// What becomes of it.
    pub text: String,
}

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file, or one that it names, could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program itself would refuse the file, or we cannot do what it asks for; one line for each error.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
}

impl Kind {
    /// The program of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Reads the file at `path`, and the files that it names.
    ///
    /// # Errors
    /// [`ImportError`]; [`ImportError::Refused`] holds every error that could be found.
    pub fn import(&self, path: &Path) -> Result<Imported, ImportError> {
        (self.load)(path)
    }
}

impl Imported {
    /// Where in the file the key at `path` comes from, if that is known.
    pub fn place(&self, path: &str) -> Option<&str> {
        self.places.iter().find(|(key, _)| path.starts_with(key)).map(|(_, place)| place.as_str())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.directive, self.text)
    }
}

/// What of `model` is no valid file: the program that it was written for allows more than we do. Each error has the
/// key path first, so that the importer can say where the key comes from.
fn invalid(model: &Gateway) -> Vec<(String, String)> {
    let Err(diagnostics) = parse(&show(model), "gateway.toml") else { return Vec::new() };
    let error = |one: &crate::Diagnostic| {
        let help = one.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
        (one.path.clone(), format!("{}{help}", one.message))
    };
    diagnostics.iter().map(error).collect()
}
