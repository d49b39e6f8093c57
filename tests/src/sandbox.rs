//! The step from the machine's own network into a private one, taken once at the start of `main`.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use std::fs::{self, OpenOptions};
use std::{fmt, io};

/// How the lab came to its privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The process may make network namespaces by itself.
    Root,
    /// It entered a user namespace of its own, in which it is root.
    UserNamespace,
}

/// What the machine does not give, as one sentence.
#[derive(Debug)]
pub struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

/// Leaves the machine's network for an empty private one, so that nothing the lab does can touch it.
///
/// To be called while the process has a single thread: a process with more may not enter a user namespace.
///
/// # Errors
/// Neither root's way nor a user namespace is open, or `/dev/net/tun` cannot be used.
pub fn enter() -> Result<Standing, Missing> {
    let standing = match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => Standing::Root,
        Err(Errno::EPERM) => enter_user_namespace()
            .map_err(|cause| Missing(format!("the lab needs root or user namespaces: {cause:#}.")))?,
        Err(cause) => return Err(Missing(format!("this kernel makes no network namespace: {cause}."))),
    };
    check_tun()?;
    Ok(standing)
}

fn enter_user_namespace() -> Result<Standing> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).context(
        "this user may not make one (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone)",
    )?;
    fs::write("/proc/self/setgroups", "deny").context("writing setgroups")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).context("writing uid_map")?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).context("writing gid_map")?;
    unshare(CloneFlags::CLONE_NEWNET).context(
        "the one it made has no rights over networks (sysctl kernel.apparmor_restrict_unprivileged_userns)",
    )?;
    Ok(Standing::UserNamespace)
}

fn check_tun() -> Result<(), Missing> {
    let advice = match OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        Ok(_) => return Ok(()),
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            format!(
                "this user may not open /dev/net/tun ({cause}): run as root, or give the user access to it."
            )
        }
        Err(cause) => format!("/dev/net/tun cannot be opened ({cause}): load the kernel module tun."),
    };
    Err(Missing(advice))
}
