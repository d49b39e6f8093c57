//! The configuration file as one daemon sees it: valid, with the daemon's own section, and with nothing that the
//! daemon cannot serve. Start, `check` and reload all come through here.

use crate::daemon::Daemon;
use config::{Diagnostics, Gateway, LoadError, Refusal};
use std::path::Path;
use thiserror::Error;

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub(crate) enum FileError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("{0}")]
    Refused(Diagnostics),
}

/// Reads and checks a file for one daemon. The error holds everything that is wrong with it.
pub(crate) fn load<D: Daemon>(path: &Path) -> Result<Gateway, FileError> {
    let loaded = config::load(path)?;
    let refusals = if loaded.model.has(D::SECTION) { D::check(&loaded.model) } else { vec![missing::<D>()] };
    if refusals.is_empty() {
        Ok(loaded.model)
    } else {
        Err(FileError::Refused(loaded.source.diagnose(refusals)))
    }
}

fn missing<D: Daemon>() -> Refusal {
    let section = D::SECTION.name();
    Refusal {
        path: section.to_owned(),
        message: format!("the section [{section}] is missing, and {} cannot run without it", D::NAME),
        help: format!("add [{section}] to the file, or do not start {} on this machine", D::NAME),
    }
}
