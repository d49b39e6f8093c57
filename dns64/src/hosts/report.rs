//! What is told of the files that names are served from.

use super::line::Form;
use serde::Serialize;

/// How a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Where it is.
    pub path: String,
    /// What it holds.
    pub form: Form,
    /// Why nothing of it is served, if so.
    pub trouble: Option<String>,
    /// How many lines, or names of lines, cannot be read.
    pub bad_lines: usize,
    /// The first of them.
    pub first_bad: Vec<BadReport>,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadReport {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// What is served from hosts files, leases and the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Report<'a> {
    /// Names of the configuration and of hosts files.
    pub(crate) hosts: usize,
    /// Names of leases.
    pub(crate) leases: usize,
    /// Memory in bytes.
    pub(crate) bytes: usize,
    /// Every file, in the order of the configuration.
    pub(crate) files: &'a [FileReport],
}
