//! The configuration file as one daemon sees it: valid, with the daemon's own section, and with nothing that the
//! daemon cannot serve. Start, `check` and reload all come through here.

use crate::daemon::Daemon;
use crate::error::chain;
use crate::terms::AnyError;
use config::{Diagnostics, Gateway, LoadError, Refusal, Style};
use std::path::Path;
use thiserror::Error;

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub(crate) enum FileError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("{0}")]
    Refused(Diagnostics),
    /// Another program's file.
    #[error(transparent)]
    Foreign(AnyError),
}

impl FileError {
    /// The whole error for people: with source lines, and coloured where `style` says so.
    pub(crate) fn render(&self, style: Style) -> String {
        self.diagnostics().map_or_else(|| chain(self), |diagnostics| diagnostics.render(style))
    }

    /// The whole error as one log line.
    pub(crate) fn line(&self) -> String {
        self.diagnostics()
            .map_or_else(|| chain(self), |diagnostics| diagnostics.lines().collect::<Vec<_>>().join(" | "))
    }

    const fn diagnostics(&self) -> Option<&Diagnostics> {
        match self {
            Self::Load(LoadError::Invalid(diagnostics)) | Self::Refused(diagnostics) => Some(diagnostics),
            Self::Load(LoadError::Unreadable { .. } | LoadError::NotText { .. }) | Self::Foreign(_) => None,
        }
    }
}

/// Reads and checks a file for one daemon. The error holds everything that is wrong with it.
pub(crate) fn load<D: Daemon>(path: &Path) -> Result<Gateway, FileError> {
    let loaded = config::load(path)?;
    let refusals = if loaded.model.has(D::SECTION) {
        D::check(&loaded.model).into_iter().chain(D::check_files(&loaded.model)).collect()
    } else {
        vec![missing::<D>()]
    };
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
