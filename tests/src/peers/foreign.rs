//! Programs of other packages that read one file.

use super::installed;
use crate::program::Launch;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A program of another package that reads one file.
#[derive(Debug)]
pub struct Foreign {
    /// Its name for people.
    pub name: &'static str,
    /// Its command.
    pub program: &'static str,
    /// The Debian package that it comes in.
    pub package: &'static str,
}

impl Foreign {
    /// Its command, if it is installed.
    pub fn find(&self) -> Option<PathBuf> {
        installed::find(self.program)
    }

    /// What starts it in the new folder `folder` with these arguments, the last of which the path of a file follows that
    /// says `text`.
    pub fn launch(&self, arguments: &[&str], text: &str, folder: &Path) -> Result<Launch> {
        fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let config = folder.join("config");
        fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        let program = self.find().with_context(|| format!("apt-get install {}", self.package))?;
        Ok(Launch::new(self.name, program).args(arguments).args([config]).log_to(folder.join("log")))
    }
}

/// The Debian packages of those that are not installed.
pub fn missing(programs: &[&Foreign]) -> Vec<&'static str> {
    programs.iter().filter(|program| program.find().is_none()).map(|program| program.package).collect()
}
