//! What the process may do: as many open files as it is allowed, and no capability that it does not need.
//!
//! Capabilities belong to threads, so [`keep`] runs while there is one. It works alike for root, for root of a user
//! namespace, and for a plain user with or without file or ambient capabilities.

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;
use thiserror::Error;

/// Why privileges cannot be dropped. A daemon does not run with more than it needs.
#[derive(Debug, Error)]
pub(crate) enum PrivilegeError {
    #[error("the kernel refused to change capabilities")]
    Capabilities(#[from] CapsError),
    #[error("the kernel refused to set no_new_privs")]
    NoNewPrivileges(#[source] Errno),
}

/// Raises the soft limit of open files to the hard limit: each connection needs one or two.
pub(crate) fn raise_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(hard)
    });
    match raised {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}

/// Keeps those of the wanted capabilities that the process has, and gives up all others for good.
///
/// One that is wanted and missing is not an error here: the call that needs it fails with a message of its own.
pub(crate) fn keep(wanted: &[&[Capability]]) -> Result<(), PrivilegeError> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    let (kept, missing): (CapsHashSet, CapsHashSet) =
        wanted.iter().copied().flatten().partition(|cap| permitted.contains(cap));
    cut_bounding_set(&kept)?;
    // Clearing the inheritable set clears the ambient set as well; the permitted set may shrink only after the effective.
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    prctl::set_no_new_privs().map_err(PrivilegeError::NoNewPrivileges)?;
    tracing::info!(kept = names(&kept), "capabilities");
    if !missing.is_empty() {
        tracing::debug!(missing = names(&missing), "capabilities that this daemon uses and does not have");
    }
    Ok(())
}

/// Gives up a capability in the calling thread, and so in the threads that it makes from here on: for what a daemon needs
/// while it starts and not afterwards.
///
/// # Errors
/// The kernel refused.
pub fn give_up(capability: Capability) -> io::Result<()> {
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::drop(None, set, capability).map_err(io::Error::other)?;
    }
    Ok(())
}

/// What a program started from here could regain. Only a process with `CAP_SETPCAP` may cut it.
fn cut_bounding_set(kept: &CapsHashSet) -> Result<(), CapsError> {
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        return Ok(());
    }
    for cap in caps::read(None, CapSet::Bounding)? {
        if !kept.contains(&cap) {
            caps::drop(None, CapSet::Bounding, cap)?;
        }
    }
    Ok(())
}

fn names(set: &CapsHashSet) -> String {
    let mut names: Vec<_> = set.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.sort_unstable();
    names.join(" ")
}
