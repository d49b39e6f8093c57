//! `cargo lab` without root, and where it cannot run.

use crate::stage::{Stage, Verdict, trial};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tests::gateway::Role;
use tests::namespace::Namespace;
use tests::program::{Launch, Output};

/// Debian's user without rights.
const NOBODY: u32 = 65534;

/// A whole lab, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// How the sentence begins that says why there is no user namespace.
const NO_NAMESPACE: &str = "the lab needs root or user namespaces";

type Test = fn(&Stage) -> Result<Verdict>;

const TESTS: &[(&str, Test)] = &[
    ("lab_runs_for_a_user_who_may_open_tun", lab_runs_for_a_user_who_may_open_tun),
    ("lab_without_tun_says_so_in_one_sentence", lab_without_tun_says_so),
];

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    TESTS.iter().map(|&(name, test)| trial(stage, "rootless", name, test)).collect()
}

/// The lab and the daemons, where any user may run them.
fn public_copy(stage: &Stage) -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    let place = |path: &Path| -> Result<PathBuf> {
        let copy = folder.path().join(path.file_name().context("a program has a name")?);
        fs::copy(path, &copy).with_context(|| format!("copying {}", path.display()))?;
        Ok(copy)
    };
    for role in Role::ALL {
        place(stage.binaries()?.path(role.program())?)?;
    }
    let lab = place(Path::new(env!("CARGO_BIN_EXE_lab")))?;
    Ok((folder, lab))
}

fn run(launch: Launch) -> Result<Output> {
    launch.env_remove("CARGO").as_user(NOBODY).output(&Namespace::new("machine")?, LIMIT)
}

fn lab_runs_for_a_user_who_may_open_tun(stage: &Stage) -> Result<Verdict> {
    if stage.is_rootless() {
        // Every other test of this run is the proof.
        return Ok(Verdict::Passed);
    }
    let (_folder, lab) = public_copy(stage)?;
    let output = run(Launch::new("lab", lab).with_tun_for_all())?;
    if output.stderr.contains(NO_NAMESPACE) {
        return Ok(Verdict::Skipped(output.stderr));
    }
    ensure!(output.status.success(), "{}{}", output.stdout, output.stderr);
    ensure!(output.stdout.contains("checks are green"), "{}", output.stdout);
    Ok(Verdict::Passed)
}

fn lab_without_tun_says_so(stage: &Stage) -> Result<Verdict> {
    if stage.is_rootless() {
        return Ok(Verdict::Passed);
    }
    let (_folder, lab) = public_copy(stage)?;
    let output = run(Launch::new("lab", lab).without_directory("/dev/net"))?;
    if output.stderr.contains(NO_NAMESPACE) {
        return Ok(Verdict::Skipped(output.stderr));
    }
    ensure!(output.status.code() == Some(1), "{}", output.status);
    ensure!(output.stderr.contains("/dev/net/tun"), "{}", output.stderr);
    ensure!(output.stderr.trim_end().lines().count() == 1, "{}", output.stderr);
    ensure!(output.stdout.is_empty(), "{}", output.stdout);
    Ok(Verdict::Passed)
}
