//! What the tests stand on: the sandbox, the binaries, and one lab that those share who do it no harm.

use anyhow::{Context, Result, anyhow};
use libtest_mimic::{Completion, Failed, Trial};
use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tests::binaries::Binaries;
use tests::lab::Lab;
use tests::sandbox::{self, Standing};

/// How a test ended that did not fail.
pub(crate) enum Verdict {
    /// It ran.
    Passed,
    /// It could not run here, and why.
    Skipped(String),
}

/// Shared by all tests of one run.
pub(crate) struct Stage {
    /// How the run came to its privileges, or what this machine does not give; then nothing can run.
    standing: Result<Standing, String>,
    binaries: Option<Binaries>,
    shared: Mutex<Option<Result<Arc<Lab>, String>>>,
}

impl Stage {
    /// Builds the daemons and enters the sandbox, in this order: cargo may need the machine's network.
    ///
    /// # Errors
    /// The daemons do not build: no test needs to say so once more.
    pub(crate) fn set() -> Result<Arc<Self>> {
        let binaries = Some(Binaries::build()?);
        let standing = sandbox::enter().map_err(|missing| missing.to_string());
        Ok(Arc::new(Self { standing, binaries, shared: Mutex::new(None) }))
    }

    /// For a run that only lists names.
    pub(crate) fn unused() -> Arc<Self> {
        let standing = Err("nothing is run".to_owned());
        Arc::new(Self { standing, binaries: None, shared: Mutex::new(None) })
    }

    /// Takes the shared lab down.
    pub(crate) fn clear(&self) {
        self.lock().take();
    }

    /// What daemons are run from.
    pub(crate) fn binaries(&self) -> Result<&Binaries> {
        self.binaries.as_ref().context("nothing was built for a list of names")
    }

    /// Whether the tests themselves run without root.
    pub(crate) fn is_rootless(&self) -> bool {
        self.standing == Ok(Standing::UserNamespace)
    }

    /// The lab that tests share; a test that breaks something makes its own.
    pub(crate) fn shared_lab(&self) -> Result<Arc<Lab>> {
        let mut shared = self.lock();
        let lab = shared.get_or_insert_with(|| {
            let lab = self.binaries().and_then(Lab::start);
            lab.map(Arc::new).map_err(|cause| format!("the shared lab: {cause:#}"))
        });
        lab.clone().map_err(|cause| anyhow!(cause))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Result<Arc<Lab>, String>>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A test under the name `theme::name`.
pub(crate) fn trial(
    stage: &Arc<Stage>,
    theme: &str,
    name: &str,
    run: impl FnOnce(&Stage) -> Result<Verdict> + Send + 'static,
) -> Trial {
    let stage = Arc::clone(stage);
    Trial::ignorable_test(format!("{theme}::{name}"), move || {
        let verdict = match &stage.standing {
            Ok(_) => run(&stage).map_err(|cause| Failed::from(format!("{cause:#}")))?,
            Err(missing) => Verdict::Skipped(missing.clone()),
        };
        match verdict {
            Verdict::Passed => Ok(Completion::Completed),
            Verdict::Skipped(why) if env::var("CI").is_ok_and(|ci| ci == "true") => {
                Err(format!("SKIPPED, which CI does not accept: {why}").into())
            }
            Verdict::Skipped(why) => Ok(Completion::ignored_with(format!("SKIPPED: {why}"))),
        }
    })
}

/// A test in a lab of its own, with all daemons running.
pub(crate) fn in_own_lab(stage: &Arc<Stage>, theme: &str, name: &'static str, test: Test) -> Trial {
    trial(stage, theme, name, move |stage| on(Lab::start(stage.binaries()?)?, name, test))
}

/// A test in a lab of its own, before any daemon has been started.
pub(crate) fn in_prepared_lab(stage: &Arc<Stage>, theme: &str, name: &'static str, test: Test) -> Trial {
    trial(stage, theme, name, move |stage| on(Lab::prepare(stage.binaries()?)?, name, test))
}

/// A test that may break its lab.
type Test = fn(&mut Lab) -> Result<()>;

fn on(mut lab: Lab, name: &str, test: Test) -> Result<Verdict> {
    let outcome = test(&mut lab);
    keeping_captures(&lab, name, || outcome)
}

/// Keeps the captures of a lab in which `test` failed, and says where.
pub(crate) fn keeping_captures(lab: &Lab, name: &str, test: impl FnOnce() -> Result<()>) -> Result<Verdict> {
    match test() {
        Ok(()) => Ok(Verdict::Passed),
        Err(cause) => {
            let kept = lab.keep(&captures().join(name));
            let place = kept.map_or_else(|cause| format!("{cause:#}"), |path| path.display().to_string());
            let words: Vec<String> = lab.daemons().iter().map(tests::gateway::Daemon::last_words).collect();
            Err(cause.context(format!("captures and logs: {place}\n{}\n", words.join("\n"))))
        }
    }
}

/// `target/lab-captures`.
fn captures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("lab-captures")
}
