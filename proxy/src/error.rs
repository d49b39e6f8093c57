//! What can keep the daemon from starting or a change from being made.

use crate::http::auth::UsersError;
use crate::http::pages::PageError;
use crate::origination::OriginationError;
use crate::termination::TerminationError;
use std::io;

/// An error of the proxy daemon.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listening address cannot be had: a matter of the configuration or of the machine.
    #[error("listener \"{listener}\" cannot listen on {site}: {cause}; {remedy}")]
    Bind {
        /// The listener's name.
        listener: String,
        /// What it asks for, as the file writes it.
        site: String,
        /// What is in the way.
        cause: String,
        /// What to do about it.
        remedy: String,
    },
    /// The kernel does not tell of what comes to an address.
    #[error(
        "listener \"{listener}\" cannot wait at {site}: {cause}; the machine is short of memory or of epoll watches"
    )]
    Register {
        /// The listener's name.
        listener: String,
        /// What it asks for, as the file writes it.
        site: String,
        /// What the system said.
        cause: io::Error,
    },
    /// What says which sockets were handed over is wrong: a matter of who started the daemon.
    #[error("cannot take the sockets of LISTEN_FDS: {0}; start the daemon by systemd, or without LISTEN_FDS")]
    Inherited(io::Error),
    /// A thread or its runtime cannot be made.
    #[error("cannot start {part}: {cause}; the machine is short of threads, memory or file descriptors")]
    Thread {
        /// Which thread.
        part: String,
        /// What the system said.
        cause: io::Error,
    },
    /// A listener cannot speak TLS with the files it names.
    #[error("listener \"{listener}\"")]
    Tls {
        /// The listener's name.
        listener: String,
        /// What is wrong.
        #[source]
        source: TerminationError,
    },
    /// The members of a pool cannot be spoken to over TLS with the files it names.
    #[error("pool \"{pool}\"")]
    MemberTls {
        /// The pool's name.
        pool: String,
        /// What is wrong.
        #[source]
        source: OriginationError,
    },
    /// A file of users cannot be used.
    #[error("users of {}: {source}", file.display())]
    Users {
        /// The file.
        file: std::path::PathBuf,
        /// What is wrong.
        source: UsersError,
    },
    /// A page of errors cannot be used.
    #[error("page {}: {source}", file.display())]
    Page {
        /// The file.
        file: std::path::PathBuf,
        /// What is wrong.
        source: PageError,
    },
    /// The file has no `[proxy]`.
    #[error("the file has no [proxy] section; add one, or stop causeway-proxy")]
    NoSection,
}
