//! Open files that this process may have, and the programs that it starts.

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Allows as many as the machine gives.
///
/// # Errors
/// They are fewer than `least`.
pub fn allow(least: u64) -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(hard >= least, "{least} open files are needed, and {hard} allowed: raise the limit (ulimit -Hn)");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("cannot allow more open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_allowed_or_it_says_how_many_are_needed() {
        allow(0).unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
        if let Some(more) = hard.checked_add(1) {
            assert!(allow(more).unwrap_err().to_string().contains(&more.to_string()));
        }
    }
}
