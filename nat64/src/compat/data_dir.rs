//! The directory that the process works in.

use super::describe;
use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::{chdir, mkdir};
use std::path::Path;

/// Changes into `data-dir`, which is made if nobody else is to own it, or into the root directory if there is none.
pub(super) fn enter(dir: Option<&Path>, has_user: bool) -> Result<(), String> {
    let dir = dir.unwrap_or(Path::new("/"));
    let shown = dir.display();
    match chdir(dir) {
        Ok(()) => return Ok(()),
        Err(Errno::ENOENT) if !has_user => {
            mkdir(dir, Mode::from_bits_truncate(0o777))
                .map_err(|errno| format!("Error: unable to create {shown}, aborting: {}", errno.desc()))?;
        }
        Err(_) => {}
    }
    chdir(dir)
        .map_err(|errno| format!("Error: unable to chdir to {shown}, aborting: {}", describe(&errno.into())))
}
