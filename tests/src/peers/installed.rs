//! Programs of other packages on this machine.

use std::path::PathBuf;

/// Where Debian puts programs for administrators, whose `PATH` not everybody has.
const FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// The program of this name, if it is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name() {
        assert!(find("sh").is_some_and(|path| path.ends_with("sh")));
        assert_eq!(find("no-such-program"), None);
    }
}
