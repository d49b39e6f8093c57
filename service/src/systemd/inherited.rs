//! Sockets that the service manager opened before the daemon began (`sd_listen_fds_with_names(3)`).

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes the sockets that this process was started with, each with its `FileDescriptorName=`. There are some the first
/// time only: they belong to whoever asked.
///
/// # Errors
/// `LISTEN_FDS` and its companions in the environment are not what they should be.
#[expect(unsafe_code, reason = "descriptors that came with the process have no owner yet")]
pub fn inherited() -> io::Result<Vec<(String, OwnedFd)>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let named = sd_notify::listen_fds_with_names()?.map(|(descriptor, name)| {
        // SAFETY: the descriptor is open, as it took a flag; the environment says that it was handed to this process,
        // and nobody else takes it, since this line is reached once.
        (name, unsafe { OwnedFd::from_raw_fd(descriptor) })
    });
    Ok(named.collect())
}
