//! The one thing a lab has on disk: a temporary folder, removed with the lab. A lab that was killed cannot remove
//! its own, so the next one does.

use anyhow::{Context, Result};
use std::path::Path;
use std::{env, fs, process};
use tempfile::TempDir;

const PREFIX: &str = "causeway-lab-";

/// Makes an empty folder that only this user may enter.
pub fn make() -> Result<TempDir> {
    let parent = env::temp_dir();
    sweep(&parent);
    let prefix = format!("{PREFIX}{}-", process::id());
    tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))
}

/// Removes the folders of this process, for an exit without destructors.
pub fn remove_own() {
    remove(&env::temp_dir(), |pid| pid == process::id());
}

/// Removes the folders of processes that are gone.
fn sweep(parent: &Path) {
    remove(parent, |pid| !Path::new(&format!("/proc/{pid}")).exists());
}

fn remove(parent: &Path, unwanted: impl Fn(u32) -> bool) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if owner(&entry.file_name().to_string_lossy()).is_some_and(&unwanted) {
            // Another user's, or just removed by another lab: either way it is not ours to worry about.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The process whose folder has this name.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_is_read_from_names_of_the_lab_only() {
        assert_eq!(owner("causeway-lab-123-abc"), Some(123));
        assert_eq!(owner("causeway-lab-x-abc"), None);
        assert_eq!(owner("causeway-123-abc"), None);
    }
}
