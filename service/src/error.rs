//! Why a daemon cannot run.

use crate::admin::AdminError;
use crate::privileges::PrivilegeError;
use crate::terms::AnyError;
use std::error::Error;
use std::io;
use thiserror::Error;

/// Why a daemon did not start or cannot go on. Each ends the process with status 1.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    #[error("cannot drop privileges")]
    Privileges(#[from] PrivilegeError),
    #[error("cannot make the event loop")]
    Runtime(#[source] io::Error),
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error("cannot open the admin interface")]
    Admin(#[from] AdminError),
    #[error("cannot start")]
    Start(#[source] Box<dyn Error + Send + Sync>),
    #[error("cannot settle after the start")]
    Settle(#[source] AnyError),
    #[error("a part has failed: {0}")]
    Part(String),
}

/// An error and all its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_names_every_cause() {
        let error = RunError::Start(Box::new(RunError::Runtime(io::Error::other("no descriptors"))));
        assert_eq!(chain(&error), "cannot start: cannot make the event loop: no descriptors");
    }
}
