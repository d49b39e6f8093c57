//! Why the daemon does not start, or does not take a changed configuration.

use crate::device::DeviceError;
use crate::link::NetlinkError;
use crate::persist::PersistError;
use crate::routes::RouteError;
use std::io;

/// The daemon's errors. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The section or the prefix is missing, or its maps conflict: configurations are checked before they come here.
    #[error("the configuration was not checked: {0}")]
    Unchecked(&'static str),
    /// No device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The device is there and was gone a moment later.
    #[error("device {0} vanished while it was set up: see what else manages it, and start again")]
    Vanished(String),
    /// The kernel's interfaces cannot be read or set.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// A route does not stand.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// Leases cannot be kept.
    #[error(transparent)]
    Persist(#[from] PersistError),
    /// The workers cannot be told to stop.
    #[error("cannot make an eventfd")]
    EventFd(#[source] io::Error),
    /// A capability stays that is not needed any more.
    #[error("the kernel refused to change capabilities")]
    Privileges(#[source] io::Error),
    /// No threads.
    #[error("cannot start a thread: raise the limit of tasks (TasksMax=, pids cgroup)")]
    Thread(#[source] io::Error),
}

/// What lies below an error, for a log field.
pub(crate) fn cause(error: &dyn std::error::Error) -> Option<String> {
    error.source().map(ToString::to_string)
}
